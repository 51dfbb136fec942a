//! `attentive tokenize`.

mod decode;
mod encode;
mod show;
mod train;

use std::{path::PathBuf, sync::Arc};

use anyhow::{Result, bail};
use attentive_bundle::run_in;
use attentive_tokenizer::{OpenOptions, Opened, Tokenizer};
use clap::{Args, Subcommand};

use super::CaseArgs;
use attentive_run::resolve;

/// Train tokenizers, and turn text into tokens and back.
#[derive(Debug, Args)]
pub(crate) struct Tokenize {
    #[command(subcommand)]
    command: Command,
}

/// Each is described by its arguments.
#[derive(Debug, Subcommand)]
enum Command {
    Train(train::Train),
    Encode(encode::Encode),
    Decode(decode::Decode),
    Show(show::Show),
}

impl Tokenize {
    pub(super) fn run(self) -> Result<()> {
        match self.command {
            Command::Train(command) => command.run(),
            Command::Encode(command) => command.run(),
            Command::Decode(command) => command.run(),
            Command::Show(command) => command.run(),
        }
    }
}

/// Lines that are spread over threads together.
const LINES_AT_ONCE: usize = 4096;

/// Which tokenizer.
#[derive(Debug, Args)]
struct TokenizerArgs {
    /// A tokenizer.json or a model's folder; subword-nmt's codes; GPT-2's encoder.json beside vocab.bpe; BERT's
    /// vocab.txt; a SentencePiece model; byt5 or canine.
    #[arg(short, long, value_name = "PATH", visible_alias = "model", default_value = "runs/latest")]
    tokenizer: PathBuf,
    #[command(flatten)]
    case: CaseArgs,
}

impl TokenizerArgs {
    fn open(&self) -> Result<Arc<dyn Tokenizer>> {
        let options = OpenOptions::default().lowercase(self.case.lowercase());
        let path = resolve(&self.tokenizer);
        let Opened { tokenizer, notes, .. } = match options.open(&path) {
            Err(_) if let Some(run) = run_in(&path) => {
                bail!("{} is a folder of runs; name one of them, {} for example", path.display(), run.display())
            }
            opened => opened?,
        };
        notes.iter().for_each(|note| warning!("note: {note}"));
        Ok(tokenizer.into())
    }
}
