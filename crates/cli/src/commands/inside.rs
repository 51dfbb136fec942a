//! `attentive heads`, `attentive prune-heads`, `attentive probe`, `attentive lens` and `attentive saliency`.

use std::path::PathBuf;

use anyhow::Result;
use attentive_inspect::Saliency as How;
use attentive_paper::{self as paper, Exhibit, HeadsToPrune};
use clap::Args;

use super::{
    ModelArgs,
    new_model::NewModel,
    numbers::{LONG, integer, share},
};
use crate::{drawing::DrawingFile, metric::read_whole};

/// Find the heads of a translation model that resolve "it": how often each looks at the noun that the pronoun refers to, over the
/// built-in corpus's held-out sentences; and how many pronouns are translated right without the best.
#[derive(Debug, Args)]
pub(crate) struct Heads {
    /// Sentences that are looked at, at most.
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = integer::<usize>(1..=LONG))]
    sentences: usize,
    /// Measure the pronouns with every head silent, one after another, not with the best of each kind alone.
    #[arg(long)]
    each: bool,
    /// Measure the loss of any model on these lines instead, with every head silent: texts; with a tab, translations or labels.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sentences", "each"])]
    data: Option<PathBuf>,
    #[command(flatten)]
    of: ModelArgs,
}

/// Take heads out of a model, which becomes smaller: the ones named, or those that matter least on the lines of a file.
#[derive(Debug, Args)]
pub(crate) struct PruneHeads {
    /// The heads, as encoder.0.self:3,decoder.2.cross:0, counted from 0.
    #[arg(long, required_unless_present = "data", conflicts_with_all = ["data", "source_language", "target_language"])]
    heads: Option<attentive_model::ModelHeads>,
    /// How many heads stay.
    #[arg(long, value_name = "N", requires = "data", conflicts_with = "heads", value_parser = integer::<usize>(1..=LONG))]
    keep: Option<usize>,
    /// The share of all heads that leaves.
    #[arg(long, value_name = "SHARE", requires = "data", conflicts_with_all = ["keep", "heads"], value_parser = share())]
    fraction: Option<f64>,
    /// Lines that say which heads matter, as those of `heads --data`, by the gradient of the loss.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    #[command(flatten)]
    new: NewModel,
    #[command(flatten)]
    of: ModelArgs,
}

/// Show what each layer of a model knows of labels: how many a linear classifier on its vectors tells right, beside random labels.
#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// What classifiers are learned from: lines of a word, a tab and its label, and an empty line between texts.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// What they are tested on.
    #[arg(long, value_name = "FILE")]
    test: PathBuf,
    /// Lines are of a text, a tab and its label; these have no random labels.
    #[arg(long)]
    texts: bool,
    #[command(flatten)]
    of: ModelArgs,
}

/// Show what every layer would predict at each token of a text, or of its translation, if it were the last.
#[derive(Debug, Args)]
pub(crate) struct Lens {
    /// The text.
    text: String,
    /// What a translation model writes of it; without it, its own translation.
    #[arg(long, value_name = "TEXT")]
    target: Option<String>,
    /// The drawing, `.svg` or `.png`.
    #[arg(long, value_name = "FILE")]
    out: Option<DrawingFile>,
    #[command(flatten)]
    of: ModelArgs,
}

/// Show which tokens of a text, and of a translation so far, made a model predict what it predicts: integrated gradients, in nats.
#[derive(Debug, Args)]
pub(crate) struct Saliency {
    /// The token at which the explained prediction is made, counted from 0 in the table of this command: an encoder predicts it,
    /// a language model the one after it; by default the last, of an encoder the first mask in the text. Of a translation, its token.
    #[arg(long, value_name = "N", value_parser = integer(0..=LONG))]
    at: Option<usize>,
    /// Steps between a blank text and the text.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = integer::<usize>(1..=10_000))]
    steps: usize,
    /// Take the gradient at the text times its embeddings instead.
    #[arg(long, conflicts_with = "steps")]
    gradient: bool,
    #[command(flatten)]
    read: Lens,
}

impl Heads {
    pub(super) fn run(self) -> Result<()> {
        let Self { sentences: n_sentences, each, data, of } = self;
        let (device, of) = of.model()?;
        let found = match data {
            Some(data) => paper::HeadWorth { of, lines: read_whole(&data)?.lines }.make(&device),
            None => paper::Heads { of, n_sentences, each }.make(&device),
        };
        show(&found?, None)
    }
}

impl PruneHeads {
    pub(super) fn run(self) -> Result<()> {
        self.new.check()?;
        let lines = self.data.map(|data| read_whole(&data)).transpose()?.map_or_else(Vec::new, |file| file.lines);
        let heads = HeadsToPrune { named: self.heads, keep: self.keep, fraction: self.fraction, lines };
        let (device, of) = self.of.model()?;
        let pruned = heads.prune(&of, &device)?;
        self.new.save(&pruned.bundle)?;
        report!("{pruned}; into {}", self.new.out.display());
        Ok(())
    }
}

impl Probe {
    pub(super) fn run(self) -> Result<()> {
        let (train, test, (device, of)) = (read_whole(&self.data)?, read_whole(&self.test)?, self.of.model()?);
        show(&paper::Probe { of, train, test, of_texts: self.texts }.make(&device)?, None)
    }
}

impl Lens {
    pub(super) fn run(self) -> Result<()> {
        let Self { text, target, out, of } = self;
        let (device, of) = of.model()?;
        show(&paper::Lens { of, text, target }.make(&device)?, out.as_ref())
    }
}

impl Saliency {
    pub(super) fn run(self) -> Result<()> {
        let Self { at, steps, gradient, read: Lens { text, target, out, of } } = self;
        let how = if gradient { How::GradientTimesInput } else { How::Integrated { steps } };
        let (device, of) = of.model()?;
        show(&paper::Saliency { of, text, target, at, how }.make(&device)?, out.as_ref())
    }
}

/// Draws an exhibit's only figure in a file that was asked for, and prints the rest.
fn show(exhibit: &Exhibit, out: Option<&DrawingFile>) -> Result<()> {
    for (figure, out) in exhibit.figures.iter().zip(out) {
        out.write(&figure.drawing)?;
        report!("drawn in {}", out.path.display());
    }
    Ok(say!("{exhibit}")?)
}
