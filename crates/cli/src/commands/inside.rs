//! `attentive heads`, `attentive lens` and `attentive saliency`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use attentive_inspect::Saliency as How;
use attentive_paper::{self as paper, Exhibit};
use clap::Args;

use super::{
    BackendArgs, LanguageArgs, check_writable,
    numbers::{LONG, integer},
};

/// Find the heads of a translation model that resolve "it": how often each looks at the noun that the pronoun refers to, over the
/// built-in corpus's held-out sentences; and how many pronouns are translated right without the best.
#[derive(Debug, Args)]
pub(crate) struct Heads {
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// Sentences that are looked at, at most.
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = integer::<usize>(1..=LONG))]
    sentences: usize,
    /// Measure the pronouns with every head silent, one after another, not with the best of each kind alone.
    #[arg(long)]
    each: bool,
    #[command(flatten)]
    languages: LanguageArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

/// Show what every layer of an encoder or a language model would predict at each token of a text, if it were the last.
#[derive(Debug, Args)]
pub(crate) struct Lens {
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// The text.
    text: String,
    /// The drawing, SVG: the probability of each layer's prediction.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    backend: BackendArgs,
}

/// Show which tokens of a text made an encoder or a language model predict what it predicts: integrated gradients, in nats.
#[derive(Debug, Args)]
pub(crate) struct Saliency {
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// The text.
    text: String,
    /// The token at which the explained prediction is made, counted from 0 in the table of this command: an encoder predicts it,
    /// a language model the one after it; by default the last, of an encoder the first mask in the text.
    #[arg(long, value_name = "N")]
    at: Option<usize>,
    /// Steps between a blank text and the text.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = integer::<usize>(1..=10_000))]
    steps: usize,
    /// Take the gradient at the text times its embeddings instead.
    #[arg(long, conflicts_with = "steps")]
    gradient: bool,
    /// The drawing, SVG.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Heads {
    pub(super) fn run(self) -> Result<()> {
        let Self { model, sentences, each, languages, backend } = self;
        let LanguageArgs { source_language, target_language } = languages;
        let heads = paper::Heads { model, n_sentences: sentences, each, source_language, target_language };
        show(&heads.make(&backend.device()?)?, None)
    }
}

impl Lens {
    pub(super) fn run(self) -> Result<()> {
        let Self { model, text, out, backend } = self;
        out.iter().try_for_each(|out| check_writable(out))?;
        show(&paper::Lens { model, text }.make(&backend.device()?)?, out.as_deref())
    }
}

impl Saliency {
    pub(super) fn run(self) -> Result<()> {
        let Self { model, text, at, steps, gradient, out, backend } = self;
        out.iter().try_for_each(|out| check_writable(out))?;
        let how = if gradient { How::GradientTimesInput } else { How::Integrated { steps } };
        show(&paper::Saliency { model, text, at, how }.make(&backend.device()?)?, out.as_deref())
    }
}

/// Draws an exhibit's only figure in a file that was asked for, and prints the rest.
fn show(exhibit: &Exhibit, out: Option<&Path>) -> Result<()> {
    for (figure, out) in exhibit.figures.iter().zip(out) {
        attentive_weights::write_atomically(out, figure.svg.as_bytes())?;
        report!("drawn in {}", out.display());
    }
    say!("{exhibit}")?;
    Ok(())
}
