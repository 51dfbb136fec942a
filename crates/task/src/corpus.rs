//! The text of a run: files, or the built-in corpus.

use attentive_bundle::DataRecord;
use attentive_corpus::{BuiltinConfig, PronounSentence, SentencePair};
use attentive_data::{CorpusReport, CorpusRules, DataError, EncodedCorpus, FileReport, ParallelFiles, Side, Storage};
use attentive_tokenizer::TokenId;

use crate::{
    Context, Log, Result,
    config::{DataRecipe, DirectedFiles, Direction, Parallel},
    log::warn_of,
};

/// Pairs of sentences.
#[derive(Debug)]
pub enum Split {
    /// Files, streamed.
    Files(ParallelFiles),
    /// The built-in corpus, in memory.
    Builtin(Vec<SentencePair>),
}

/// Pairs of sentences in one direction.
#[derive(Debug)]
pub struct Directed {
    /// The pairs, from source to target.
    pub pairs: Split,
    /// The languages.
    pub direction: Direction,
    /// Whether they are those of the one before, in the other direction.
    pub is_again: bool,
}

impl Directed {
    /// Its first file, and its direction, if that has a name.
    pub(crate) fn name(&self) -> String {
        let first = match &self.pairs {
            Split::Files(ParallelFiles::Sides { source: files, .. } | ParallelFiles::Tsv { files, .. }) => {
                files.first()
            }
            Split::Builtin(_) => None,
        };
        let file = first.map_or_else(|| "the built-in corpus".to_owned(), |file| file.display().to_string());
        match self.direction.names() {
            Some(_) => format!("{file} ({})", self.direction),
            None => file,
        }
    }
}

/// All parts of a corpus.
#[derive(Debug)]
pub struct Corpus {
    /// What is learnt from.
    pub train: Vec<Directed>,
    /// What tells during training how good the model is; may be nothing.
    pub validation: Vec<Directed>,
    /// What the finished model is scored on; may be nothing.
    pub test: Vec<Directed>,
    /// The built-in corpus's sentences whose pronoun depends on what it refers to, if they are of a direction that is learnt.
    pub pronouns: Vec<PronounSentence>,
}

impl Corpus {
    /// The parts that a recipe names, or the built-in corpus.
    ///
    /// # Errors
    /// A file of any part can't be opened: nobody waits for training to hear that there is no test set.
    pub fn open(recipe: &DataRecipe) -> Result<Self> {
        let one = |DirectedFiles { files, direction, is_again }| {
            files.check()?;
            Ok(Directed { pairs: Split::Files(files), direction, is_again })
        };
        let part = |part: Option<&Parallel>| -> Result<Vec<Directed>> {
            part.map_or_else(Vec::new, |part| recipe.directed(part)).into_iter().map(one).collect()
        };
        Ok(match &recipe.train {
            Some(train) => Self {
                train: part(Some(train))?,
                validation: part(recipe.validation.as_ref())?,
                test: part(recipe.test.as_ref())?,
                pronouns: Vec::new(),
            },
            None => {
                let builtin = BuiltinConfig::default().generate();
                let directions = recipe.builtin_directions();
                let part = |pairs: Vec<SentencePair>| directed(&pairs, &directions);
                let is_forward = directions.iter().any(|(_, is_turned)| !is_turned);
                Self {
                    train: part(builtin.train),
                    validation: part(builtin.validation),
                    test: part(builtin.test),
                    pronouns: if is_forward { builtin.pronouns } else { Vec::new() },
                }
            }
        })
    }

    /// Every line of both sides of the training corpora, streamed.
    ///
    /// # Errors
    /// A file can't be opened; later, it can't be read on or its rules refuse it.
    pub fn texts<'a>(&'a self, rules: &'a CorpusRules) -> Result<impl Iterator<Item = Result<String, DataError>> + 'a> {
        let once = self.train.iter().filter(|corpus| !corpus.is_again);
        let texts = once.map(|corpus| corpus.pairs.texts(rules)).collect::<Result<Vec<_>>>()?;
        Ok(texts.into_iter().flatten())
    }
}

/// Pairs in each of these directions, some of which are from the target to the source.
fn directed(pairs: &[SentencePair], directions: &[(Direction, bool)]) -> Vec<Directed> {
    let turned = |pair: &SentencePair| SentencePair { source: pair.target.clone(), target: pair.source.clone() };
    let one = |(n, (direction, is_turned)): (usize, &(Direction, bool))| Directed {
        pairs: Split::Builtin(if *is_turned { pairs.iter().map(turned).collect() } else { pairs.to_vec() }),
        direction: direction.clone(),
        is_again: n > 0,
    };
    directions.iter().enumerate().map(one).collect()
}

impl Split {
    /// Every line of both sides, streamed.
    ///
    /// # Errors
    /// A file can't be opened; later, it can't be read on or its rules refuse it.
    pub fn texts<'a>(
        &'a self,
        rules: &'a CorpusRules,
    ) -> Result<Box<dyn Iterator<Item = Result<String, DataError>> + 'a>> {
        Ok(match self {
            Self::Files(files) => Box::new(files.pairs(rules)?.flat_map(|pair| match pair {
                Ok(pair) => vec![Ok(pair.source), Ok(pair.target)],
                Err(error) => vec![Err(error)],
            })),
            Self::Builtin(pairs) => {
                Box::new(pairs.iter().flat_map(|pair| [&pair.source, &pair.target]).map(|text| Ok(text.clone())))
            }
        })
    }

    /// Shows every pair that `rules` admit, with its line, if asked those too of which a side is blank; returns what was found in
    /// the files.
    ///
    /// # Errors
    /// A file can't be read, or `rules` refuse it.
    pub fn visit(
        &self,
        rules: &CorpusRules,
        keeps_blank: bool,
        mut see: impl FnMut(u64, String, String),
    ) -> Result<Option<CorpusReport>> {
        match self {
            Self::Files(files) => {
                let pairs = files.pairs(rules)?;
                let mut pairs = if keeps_blank { pairs.keeping_blank() } else { pairs };
                for pair in pairs.by_ref() {
                    let pair = pair?;
                    see(pair.line, pair.source, pair.target);
                }
                Ok(Some(pairs.finish()?))
            }
            Self::Builtin(pairs) => {
                (1..).zip(pairs).for_each(|(line, pair)| see(line, pair.source.clone(), pair.target.clone()));
                Ok(None)
            }
        }
    }

    /// The first `n` pairs as text, also those of which a side is blank.
    ///
    /// # Errors
    /// As [`visit`](Self::visit).
    pub fn pairs(&self, rules: &CorpusRules, n: usize) -> Result<Vec<SentencePair>> {
        match self {
            Self::Files(files) => files
                .pairs(rules)?
                .keeping_blank()
                .take(n)
                .map(|pair| {
                    let pair = pair?;
                    Ok(SentencePair { source: pair.source, target: pair.target })
                })
                .collect(),
            Self::Builtin(pairs) => Ok(pairs.iter().take(n).cloned().collect()),
        }
    }

    /// Token ids of both sides, as `segment` finds them, and what was found in the files.
    ///
    /// # Errors
    /// As [`visit`](Self::visit), or ids can't be kept in `storage`.
    pub fn encode(
        &self,
        segment: impl Fn(Side, &str) -> Vec<TokenId> + Sync,
        rules: &CorpusRules,
        storage: &Storage,
    ) -> Result<(EncodedCorpus, Option<CorpusReport>)> {
        match self {
            Self::Files(files) => {
                let (corpus, report) = EncodedCorpus::from_files(files, rules, storage, segment)?;
                Ok((corpus, Some(report)))
            }
            Self::Builtin(pairs) => {
                let texts = pairs.iter().map(|pair| (&pair.source, &pair.target));
                Ok((EncodedCorpus::from_text(texts, segment)?, None))
            }
        }
    }

    /// What `training.json` says of this part; files are read for it, unless there is a report of their last reading. Warns
    /// of what is odd about them.
    ///
    /// # Errors
    /// Those of reading the files.
    pub fn records(&self, split: &str, read: Option<&CorpusReport>, log: &dyn Log) -> Result<Vec<DataRecord>> {
        match self {
            Self::Files(files) => {
                let [source, target] = match read {
                    Some(report) => [report.source.clone(), report.target.clone()],
                    None => files.digests().context("hashing the data")?,
                };
                let files: Vec<FileReport> = source.into_iter().chain(target).collect();
                warn_of(log, &files);
                Ok(files.iter().map(|file| record_of(split, file)).collect())
            }
            Self::Builtin(pairs) => {
                let lines = pairs.iter().map(|pair| format!("{}\t{}\n", pair.source, pair.target));
                let sha256 = attentive_data::sha256_of(lines);
                let (split, name) = (split.to_owned(), "built-in".to_owned());
                Ok(vec![DataRecord { split, name, n_lines: pairs.len() as u64, sha256 }])
            }
        }
    }
}

/// What `training.json` says of a file of a part.
pub(crate) fn record_of(split: &str, file: &FileReport) -> DataRecord {
    DataRecord {
        split: split.to_owned(),
        name: file.path.display().to_string(),
        n_lines: file.n_lines,
        sha256: file.sha256.clone(),
    }
}
