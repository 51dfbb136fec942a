//! Commands that make a new model of one: `attentive quantize`, `average`, `merge`, `extend` and `shortlist`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use attentive_bundle::Bundle;
use attentive_run::{ModelOf, resolve};
use attentive_task::{ShortlistLearning, thousands};
use attentive_tokenizer::OpenOptions;
use clap::Args;

use super::{
    check_new,
    numbers::{MANY_TOKENS, integer},
};
use crate::{input, terminal::Terminal};

/// Where a new model goes.
#[derive(Debug, Args)]
pub(super) struct NewModel {
    /// Folder of the new model.
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Take the place of a model that is there.
    #[arg(long)]
    force: bool,
}

impl NewModel {
    /// Refuses a folder that is not empty, before what is to be in it is made, unless the user wants to.
    pub(super) fn check(&self) -> Result<()> {
        check_new(&self.out, self.force)
    }

    /// Writes the folder; a model that is there gives way if the user wants it to.
    pub(super) fn save(&self, bundle: &Bundle) -> Result<()> {
        super::save(bundle, &self.out, self.force)
    }
}

/// Round a model's weights to bytes: a quarter of the size, and faster on a CPU.
///
/// Each output of a linear layer and each word of an embedding gets a scale of its own. `attentive eval` on both folders
/// tells what it costs in quality.
#[derive(Debug, Args)]
pub(crate) struct Quantize {
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    #[command(flatten)]
    new: NewModel,
}

impl Quantize {
    pub(super) fn run(self) -> Result<()> {
        self.new.check()?;
        let mut bundle = Bundle::read(resolve(&self.model))?;
        let note = bundle.quantize()?;
        note.iter().for_each(|note| warning!("note: {}: {note}", bundle.path.display()));
        self.new.save(&bundle)?;
        report!("rounded the weights of {} into {}", bundle.path.display(), self.new.out.display());
        Ok(())
    }
}

/// Make a model of a run's checkpoints: the mean of the last ones, or one of them.
#[derive(Debug, Args)]
pub(crate) struct Average {
    /// The run's folder; the run may be unfinished.
    #[arg(default_value = "runs/latest")]
    run: PathBuf,
    /// How many of the last checkpoints; without it, as many as the run's own model is the mean of (evaluation.average_last).
    /// The paper takes 5 for base and 20 for big models (§6.1).
    #[arg(long, value_name = "K", value_parser = integer(1..=usize::MAX))]
    last: Option<usize>,
    /// Take one checkpoint, in place of a mean: best, last, or its step; with training.ema_decay, its running mean.
    #[arg(long, value_name = "WHICH", conflicts_with = "last")]
    checkpoint: Option<ModelOf>,
    #[command(flatten)]
    new: NewModel,
}

impl Average {
    pub(super) fn run(self) -> Result<()> {
        self.new.check()?;
        let bundle = self.checkpoint.unwrap_or(self.last.map_or(ModelOf::Mean, ModelOf::MeanOfLast)).read(&self.run)?;
        self.new.save(&bundle)?;
        let out = self.new.out.display();
        match (self.checkpoint, &bundle.record.averaged_steps[..]) {
            (Some(_), _) => report!("the checkpoint of step {} is a model now: {out}", bundle.record.steps),
            (None, steps) => report!("averaged {} checkpoints into {out}", steps.len()),
        }
        Ok(())
    }
}

/// Make a model of a model and an adapter: what a run has trained beside a model that stayed as it was, or PEFT.
#[derive(Debug, Args)]
pub(crate) struct Merge {
    /// The model's folder.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The adapter's folder: a run's, or one of PEFT, with an adapter_config.json.
    #[arg(long, value_name = "DIR")]
    adapter: PathBuf,
    #[command(flatten)]
    new: NewModel,
}

impl Merge {
    pub(super) fn run(self) -> Result<()> {
        self.new.check()?;
        let mut bundle = Bundle::read(resolve(&self.model))?;
        let adapter = attentive_interchange::merge_adapter(&mut bundle, &resolve(&self.adapter))?;
        self.new.save(&bundle)?;
        let (of, out) = (self.adapter.display(), self.new.out.display());
        let (n, n_params) = (adapter.changes.len(), thousands(adapter.n_params() as u64));
        report!("merged {n} changes of {of}, {n_params} parameters, into {out}");
        Ok(())
    }
}

/// Give a model more tokens, or another tokenizer: a new token begins as the mean of those that stood for it.
///
/// Train it on text that has them; with training.freeze = ["encoder.*", "decoder.*"], the embeddings alone learn.
#[derive(Debug, Args)]
pub(crate) struct Extend {
    /// The tokens.
    tokens: Vec<String>,
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// A file with a token on each line, blank ones left out; may be given several times.
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Add special tokens, which a text has only where it is said so, and which are not part of what is written.
    #[arg(long)]
    special: bool,
    /// Give the model the tokenizer of this file or folder instead: tokens that both have keep what they learnt.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["tokens", "file", "special"])]
    tokenizer: Option<PathBuf>,
    #[command(flatten)]
    new: NewModel,
}

impl Extend {
    pub(super) fn run(self) -> Result<()> {
        self.new.check()?;
        let mut bundle = Bundle::read(resolve(&self.model))?;
        let (before, has_shortlist) = (bundle.model.vocab_size(), bundle.shortlist.is_some());
        let new = if let Some(path) = &self.tokenizer {
            let opened = OpenOptions::default().open(path)?;
            opened.notes.iter().for_each(|note| warning!("note: {note}"));
            bundle.replace_vocabulary(opened.tokenizer.into())?
        } else {
            let mut tokens = self.tokens;
            if !self.file.is_empty() {
                for line in input::open(&self.file, "tokens") {
                    tokens.extend(Some(line?.text).filter(|token| !token.trim().is_empty()));
                }
            }
            ensure!(!tokens.is_empty(), "nothing to add: give tokens, --file, or another tokenizer with --tokenizer");
            bundle.extend_vocabulary(&tokens, self.special)?
        };
        self.new.save(&bundle)?;
        let (n, after) = (new.len(), bundle.model.vocab_size());
        let lost = if has_shortlist { "; the shortlist, which does not have them, is left out" } else { "" };
        report!("{n} new tokens, {after} rows where there were {before}, in {}{lost}", self.new.out.display());
        Ok(())
    }
}

/// Learn which target tokens each source token is translated by, from parallel text: the new model's searches are among these.
///
/// A translation then multiplies less of the projection, on the CPU; `translate --no-shortlist` searches among all tokens.
#[derive(Debug, Args)]
pub(crate) struct Shortlist {
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// Sources, those that it was trained on for example; several files follow one another.
    #[arg(long, required = true, value_name = "FILE")]
    source: Vec<PathBuf>,
    /// Targets, line by line.
    #[arg(long, required = true, value_name = "FILE")]
    target: Vec<PathBuf>,
    /// Target tokens kept of each source token: the most probable ones.
    #[arg(long, value_name = "N", default_value = "100", value_parser = integer(1..=MANY_TOKENS))]
    per_token: usize,
    /// Target tokens kept whatever the source: the most frequent ones.
    #[arg(long, value_name = "N", default_value = "100", value_parser = integer(1..=MANY_TOKENS))]
    frequent: usize,
    #[command(flatten)]
    new: NewModel,
}

impl Shortlist {
    pub(super) fn run(self) -> Result<()> {
        self.new.check()?;
        let mut bundle = Bundle::read(resolve(&self.model))?;
        let (n_per_token, n_frequent) = (self.per_token, self.frequent);
        let learning = ShortlistLearning { n_per_token, n_frequent, ..ShortlistLearning::default() };
        let shortlist = learning.of_files(&bundle, [&self.source, &self.target], &Terminal::default())?;
        let (n, out) = (shortlist.n_source_tokens(), self.new.out.display());
        bundle.shortlist = Some(shortlist.into());
        self.new.save(&bundle)?;
        report!("{n} source tokens have target tokens of their own; the model is in {out}");
        Ok(())
    }
}
