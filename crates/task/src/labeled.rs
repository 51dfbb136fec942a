//! Labelled texts: files, or built-in sentences and what their *it* stands for.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
};

use attentive_bundle::DataRecord;
use attentive_corpus::{LabeledSentence, reference_sentences};
use attentive_data::{EncodedCorpus, FileReport, LabeledText, TokenCache, TsvLayout, permutation, seeded_rng};
use attentive_tokenizer::Tokenizer;

use crate::{
    Log, Result,
    config::{LabeledFiles, LabeledRecipe},
    corpus::record_of,
    log::shortened,
    thousands, tokens,
};

/// Built-in sentences for training, validation and the test, and the seed that they are drawn from.
const BUILTIN_SIZES: [usize; 3] = [5_000, 500, 1_000];
const BUILTIN_SEED: u64 = 2;

/// One part of the texts, and where it came from.
#[derive(Debug)]
pub struct LabeledPart {
    /// `train`, `validation` or `test`.
    pub name: &'static str,
    /// The texts, each with its class.
    pub texts: Vec<LabeledText>,
    /// The files, read to their ends; none of built-in sentences.
    pub files: Vec<FileReport>,
    layout: TsvLayout,
    records: Vec<DataRecord>,
}

/// All parts.
#[derive(Debug)]
pub struct LabeledTexts {
    /// What is learnt from.
    pub train: LabeledPart,
    /// What tells during training how good the model is.
    pub validation: Option<LabeledPart>,
    /// What the finished model is scored on.
    pub test: Option<LabeledPart>,
}

impl LabeledTexts {
    /// Reads the parts that a recipe names, or makes the built-in sentences.
    ///
    /// # Errors
    /// A file can't be read, or a line has no label.
    pub fn open(recipe: &LabeledRecipe) -> Result<Self> {
        let read =
            |name, files: &Option<LabeledFiles>| files.as_ref().map(|files| LabeledPart::read(name, files)).transpose();
        Ok(match read("train", &recipe.train)? {
            Some(train) => {
                Self { train, validation: read("validation", &recipe.validation)?, test: read("test", &recipe.test)? }
            }
            None => Self::builtin(),
        })
    }

    fn builtin() -> Self {
        let mut sentences = reference_sentences(BUILTIN_SIZES.iter().sum(), BUILTIN_SEED).into_iter();
        let mut part = |name, n| LabeledPart::builtin(name, sentences.by_ref().take(n).collect());
        let [n_train, n_validation, n_test] = BUILTIN_SIZES;
        Self {
            train: part("train", n_train),
            validation: Some(part("validation", n_validation)),
            test: Some(part("test", n_test)),
        }
    }

    /// Leaves `n` of the training texts, drawn by a seed.
    pub fn leave_few(&mut self, n: usize, seed: u64) {
        self.train.texts = few(std::mem::take(&mut self.train.texts), n, seed);
    }

    /// The parts that there are.
    pub fn parts(&self) -> impl Iterator<Item = &LabeledPart> {
        iter::once(&self.train).chain(&self.validation).chain(&self.test)
    }

    /// The labels, in order.
    ///
    /// # Errors
    /// There are fewer than two, or the training texts lack some.
    pub fn labels(&self) -> Result<Vec<String>> {
        let known = self.train.counts();
        let labels: Vec<String> = known.keys().map(|&label| label.to_owned()).collect();
        if labels.len() < 2 {
            refuse!("data.train has the labels {labels:?}: there must be two at least");
        }
        for part in self.parts() {
            let mut unknown = part.counts();
            unknown.retain(|label, _| !known.contains_key(label));
            if !unknown.is_empty() {
                let all: Vec<String> =
                    unknown.iter().map(|(label, n)| format!("{label:?} ({n} of its texts)")).collect();
                refuse!("data.{} has labels that data.train does not have: {}", part.name, shortened(&all));
            }
        }
        Ok(labels)
    }

    /// What is to be said where hardly two texts have one label, as where the label is in another column.
    pub fn oddity(&self) -> Option<String> {
        /// Fewer texts may have as many classes.
        const FEW: usize = 20;
        let (n_labels, n) = (self.train.counts().len(), self.train.texts.len());
        (n_labels > FEW && 2 * n_labels > n).then(|| {
            format!(
                "data.train has {n_labels} labels for {n} texts: where the label is in another column, columns = [2, 1] \
                 takes the text from the second one and the label from the first"
            )
        })
    }

    /// What `training.json` says of all parts.
    pub fn into_records(self) -> Vec<DataRecord> {
        let parts = [Some(self.train), self.validation, self.test];
        parts.into_iter().flatten().flat_map(|part| part.records).collect()
    }
}

impl LabeledPart {
    fn read(name: &'static str, files: &LabeledFiles) -> Result<Self> {
        let layout = files.layout();
        let (texts, files) = LabeledText::read(files.paths(), layout)?;
        Ok(Self { name, texts, layout, records: files.iter().map(|file| record_of(name, file)).collect(), files })
    }

    fn builtin(name: &'static str, sentences: Vec<LabeledSentence>) -> Self {
        let labeled = |(line, LabeledSentence { text, label })| LabeledText { text, label: label.to_owned(), line };
        let texts: Vec<LabeledText> = (1..).zip(sentences).map(labeled).collect();
        let lines = texts.iter().map(|text| format!("{}\t{}\n", text.text, text.label));
        let sha256 = attentive_data::sha256_of(lines);
        let n_lines = texts.len() as u64;
        Self {
            name,
            files: Vec::new(),
            layout: TsvLayout::default(),
            records: vec![DataRecord { split: name.to_owned(), name: "built-in".to_owned(), n_lines, sha256 }],
            texts,
        }
    }

    /// The tokens of each text; in `cache`, runs find what others have encoded.
    ///
    /// # Errors
    /// Those of writing and reading a temporary file.
    pub fn encode(
        &self,
        tokenizer: &dyn Tokenizer,
        cache: Option<&TokenCache>,
        log: &dyn Log,
    ) -> Result<EncodedCorpus> {
        let cache = cache.filter(|_| !self.files.is_empty());
        let storage = tokens::storage(cache, tokenizer, "");
        let encode = |text: &str| tokenizer.encode(text);
        let corpus = EncodedCorpus::from_labeled(&self.texts, &self.files, self.layout, &storage, encode)?;
        tokens::say_use(log, corpus.cache_use());
        Ok(corpus)
    }

    /// Warns of texts that have more than `most` of these numbers of tokens, and are cut off.
    pub(crate) fn warn_of_cut(&self, n_tokens: impl Iterator<Item = usize>, most: usize, log: &dyn Log) {
        let long = n_tokens.zip(&self.texts).filter(|(n, _)| *n > most);
        let lines: Vec<u64> = long.map(|(_, text)| text.line).collect();
        if let [first, ..] = lines[..] {
            log.warning(&format!(
                "{}: {} of {} texts have more than {most} tokens, and are cut off: batch.context; the first is on \
                 line {first}",
                self.name,
                thousands(lines.len() as u64),
                thousands(self.texts.len() as u64)
            ));
        }
    }

    /// How many texts have each label.
    pub fn counts(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for text in &self.texts {
            *counts.entry(text.label.as_str()).or_default() += 1;
        }
        counts
    }
}

/// `n` of some examples, drawn by a seed, in their order.
pub(crate) fn few<T>(examples: Vec<T>, n: usize, seed: u64) -> Vec<T> {
    let mut drawn = permutation(examples.len() as u32, &mut seeded_rng(seed, "few examples", 0));
    drawn.truncate(n);
    let is_drawn: BTreeSet<u32> = drawn.into_iter().collect();
    (0..).zip(examples).filter(|(idx, _)| is_drawn.contains(idx)).map(|(_, example)| example).collect()
}
