//! `attentive tokenize train`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use attentive_task::{
    config::{TokenizerKind, TokenizerRecipe},
    with_causes,
};
use attentive_tokenizer::PreTokenization;
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{
    commands::{check_new_file, integer, refuse_one_file_twice, refuse_overwriting},
    input::{self, MAX_LINE_BYTES},
    output::write_file,
};

/// Learn a vocabulary from text.
#[derive(Debug, Args)]
pub(super) struct Train {
    /// Text, plain or compressed; for a joint vocabulary, the files of both languages. Without files, standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Kind of vocabulary.
    #[arg(long, value_name = "KIND", default_value = "bpe", value_parser = kind())]
    kind: TokenizerKind,
    /// Size of the vocabulary.
    #[arg(long, value_name = "N")]
    vocab_size: Option<usize>,
    /// Merges to learn, of BPE, in place of --vocab-size.
    #[arg(long, value_name = "N")]
    merges: Option<usize>,
    /// The least frequency of a pair that is merged; 2 unless given.
    #[arg(long, value_name = "N")]
    min_frequency: Option<u64>,
    /// The share of the text whose characters get into the vocabulary, of BPE, Unigram and characters; the rarest others
    /// become bytes or unknown. 0.9995 is usual for scripts of thousands of characters.
    #[arg(long, value_name = "SHARE")]
    character_coverage: Option<f64>,
    /// Longest line that is learned from, in bytes; of a longer one, its beginning is.
    #[arg(long, value_name = "N", default_value_t = 1 << 20, value_parser = integer(1..=MAX_LINE_BYTES))]
    max_line_bytes: usize,
    /// How text falls into words, of BPE: punctuation for raw text, spaces for text that is tokenised already.
    #[arg(long, value_name = "HOW", default_value = "punctuation")]
    pre_tokenization: PreTokenization,
    /// Put text in lower case and rid it of accents, of WordPiece.
    #[arg(long)]
    lowercase: bool,
    /// Where the vocabulary goes.
    #[arg(short, long, value_name = "FILE", default_value = "tokenizer.json")]
    out: PathBuf,
    /// Also write the merges of BPE as codes of subword-nmt.
    #[arg(long, value_name = "FILE")]
    codes: Option<PathBuf>,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
}

/// A line that can't be read, as the recipe's own errors are.
fn refused(line: Result<String>) -> attentive_task::Result<String> {
    line.map_err(|error| attentive_task::Error::Refused(with_causes(error.as_ref())))
}

/// Reads the name of a kind.
fn kind() -> impl TypedValueParser<Value = TokenizerKind> {
    let of_name = |name: String| TokenizerKind::ALL.into_iter().find(|kind| kind.name() == name);
    PossibleValuesParser::new(TokenizerKind::ALL.map(TokenizerKind::name))
        .map(move |name| of_name(name).expect("one of the names"))
}

impl Train {
    pub(super) fn run(self) -> Result<()> {
        let recipe = TokenizerRecipe {
            path: None,
            kind: self.kind,
            merges: self.merges,
            vocab_size: self.vocab_size,
            min_frequency: self.min_frequency,
            character_coverage: self.character_coverage,
            pre_tokenization: self.pre_tokenization,
            lowercase: self.lowercase,
            bpe_dropout: None,
            unigram_alpha: None,
        };
        recipe.validate(|setting| format!("--{}", setting.replace('_', "-")))?;
        let learns = !matches!(self.kind, TokenizerKind::Bytes | TokenizerKind::CodePoints);
        if !learns && !self.files.is_empty() {
            warning!("warning: --kind {} learns nothing from text: the files are not read", self.kind.name());
        }
        if self.codes.is_some() && self.kind != TokenizerKind::Bpe {
            bail!("--codes is for the kind bpe: subword-nmt has no other");
        }
        refuse_one_file_twice([&self.out].into_iter().chain(&self.codes))?;
        for path in [&self.out].into_iter().chain(&self.codes) {
            refuse_overwriting(path, &self.files)?;
            check_new_file(path, ("--force", self.force))?;
        }
        let mut n_lines = 0_u64;
        let (mut n_cut, mut first_cut) = (0_u64, None);
        let lines = input::open_cut(&self.files, "text", self.max_line_bytes).map(|line| {
            let line = line?;
            if line.is_cut {
                n_cut += 1;
                first_cut.get_or_insert(line.at);
            }
            Ok(line.text)
        });
        let (tokenizer, learned) = recipe.train(true, lines.inspect(|_| n_lines += 1).map(refused))?;
        if n_lines == 0 && learns {
            bail!("there is no line to learn from: name files of text");
        }
        if let Some(first) = first_cut {
            let max_bytes = self.max_line_bytes;
            warning!(
                "warning: lines of more than {max_bytes} bytes: {n_cut}, the first of them {first}; only their first \
                 {max_bytes} bytes are learned from: break them into lines, or raise --max-line-bytes"
            );
        }
        let notice = learned.to_string();
        if !notice.is_empty() {
            warning!("warning: {notice}");
        }
        attentive_tokenizer::save(&*tokenizer, &self.out)?;
        report!("{} entries from {n_lines} lines, in {}", tokenizer.vocab_size(), self.out.display());
        if let Some(path) = &self.codes
            && let Some(codes) = tokenizer.to_model().and_then(|model| model.to_codes())
        {
            write_file(path, codes.as_bytes())?;
            report!("codes of subword-nmt in {}", path.display());
        }
        Ok(())
    }
}
