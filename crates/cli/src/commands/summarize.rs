//! `attentive summarize`.

use std::{fs, io, io::Write, num::NonZeroUsize, path::PathBuf};

use anyhow::{Context, Result};
use attentive_bundle::{Search, Translator, is_blank};
use attentive_task::standard_input;
use attentive_tokenizer::Tokenizer;
use clap::Args;

use super::{BackendArgs, DecodingArgs, LINES_AT_ONCE, LongLines, on_one_line, open_model};
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

impl Summarize {
    pub(super) fn run(self) -> Result<()> {
        let bundle = open_model(&self.model)?;
        let config = self.decoding.over(&bundle.decoding)?;
        let translator = Translator::from_bundle(&bundle, &self.backend.device()?, self.decoding.weights.precision)?;
        let search = Search::Best(NonZeroUsize::MIN);
        let mut out = output::stdout();
        for block in self.read(translator.tokenizer()) {
            let (places, texts): (Vec<String>, Vec<String>) = block?.into_iter().unzip();
            let place = |idx: usize| &places[idx];
            let (found, refused) = self.long.translate(&translator, &texts, "", (&config, search), place)?;
            for summary in found.into_iter().flatten() {
                writeln!(out, "{}", on_one_line(summary.text.trim()))?;
            }
            out.flush()?;
            if let Some(refused) = refused {
                return Err(refused.into());
            }
        }
        Ok(())
    }

    /// Documents with their places, in blocks.
    fn read<'a>(&'a self, words: &'a dyn Tokenizer) -> Box<dyn Iterator<Item = Result<Vec<(String, String)>>> + 'a> {
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
            let is_input = path.as_os_str() == "-";
            let text = if is_input { standard_input().and_then(io::read_to_string) } else { fs::read_to_string(&path) };
            let place = if is_input { "standard input".to_owned() } else { path.display().to_string() };
            let text = text.with_context(|| format!("{place} can't be read as text"))?;
            Ok(vec![with_before(place, &text)])
        }))
    }
}
