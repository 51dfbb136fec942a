//! `attentive summarize`.

use std::{num::NonZeroUsize, path::PathBuf};

use anyhow::Result;
use attentive_bundle::{Search, Translator, is_blank};
use attentive_collective::Collective;
use attentive_task::{Error, read_document, share_blocks};
use attentive_tokenizer::Tokenizer;
use clap::Args;

use super::{BackendArgs, DecodingArgs, LINES_AT_ONCE, LongLines, on_one_line, open_model, processes};
use crate::{input, output};

/// Summarize documents: one line for each.
///
/// A document is a file, standard input, or with --lines each line of these.
#[derive(Debug, Args)]
pub(crate) struct Summarize {
    /// The model's folder: BART, Pegasus, T5, or any encoder–decoder that learnt to; DIR+ADAPTER for one with an adapter over it.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// The documents; without any, standard input; `-` is standard input too.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Take each line for a document.
    #[arg(long)]
    lines: bool,
    /// What stands before every document: "summarize: " for T5.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    before: String,
    #[command(flatten)]
    long: LongLines,
    #[command(flatten)]
    decoding: DecodingArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

/// The place of a document, and its text.
type Document = (String, String);

impl Summarize {
    pub(super) fn run(self) -> Result<()> {
        processes::together(|peers| self.summarize(peers))
    }

    /// Summarizes together with other processes, of which the first one reads and speaks.
    fn summarize(&self, peers: &dyn Collective) -> Result<()> {
        let bundle = open_model(&self.model)?;
        let config = self.decoding.over(&bundle.decoding)?;
        let translator = Translator::from_bundle(&bundle, &self.backend.device()?, self.decoding.weights.precision)?;
        let search = Search::Best(NonZeroUsize::MIN);
        let summarized = |block: &Vec<Document>| {
            let texts: Vec<&str> = block.iter().map(|(_, text)| &text[..]).collect();
            let place = |idx: usize| &block[idx].0;
            let (found, refused) = self.long.translate(&translator, &texts, "", (&config, search), place)?;
            let lines = found.into_iter().flatten().map(|best| format!("{}\n", on_one_line(best.text.trim())));
            Ok((lines.collect::<String>(), refused))
        };
        share_blocks(peers, self.read(translator.tokenizer()), summarized, output::writer())
    }

    /// Documents in blocks.
    fn read<'a>(&'a self, words: &'a dyn Tokenizer) -> Box<dyn Iterator<Item = Result<Vec<Document>, Error>> + 'a> {
        let with_before = move |place: String, text: &str| {
            let is_blank = is_blank(words, text);
            (place, if is_blank { String::new() } else { format!("{}{}", self.before, text.trim_end()) })
        };
        if self.lines {
            let blocks = input::open(&self.files, "documents").blocks(LINES_AT_ONCE);
            let of_line = move |line: input::Line| with_before(line.at.to_string(), &line.text);
            return Box::new(blocks.map(move |block| Ok(block?.into_iter().map(of_line).collect())));
        }
        let files = if self.files.is_empty() { vec![PathBuf::from("-")] } else { self.files.clone() };
        Box::new(files.into_iter().map(move |path| {
            let (place, text) = read_document(&path)?;
            Ok(vec![with_before(place, &text)])
        }))
    }
}
