//! `attentive distill` and `attentive backtranslate`: parallel text of which a model writes one side.

use std::{path::PathBuf, process::ExitCode, sync::atomic::Ordering};

use anyhow::{Result, bail, ensure};
use attentive_bundle::Translator;
use attentive_collective::Collective;
use attentive_decode::SamplingConfig;
use attentive_task::{Synthesis, SyntheticPairs, thousands};
use clap::Args;

use super::{
    DecodingArgs, ModelArgs, SamplingArgs, check_new_file, open_model, processes, refuse_overwriting,
    train::{INTERRUPTED, flag},
};
use crate::{input, terminal::Terminal};

/// The longest line that is translated.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// Make a text to train a student on: a teacher's translations of sources.
///
/// Killed or interrupted, the same command goes on.
#[derive(Debug, Args)]
pub(crate) struct Distill {
    /// The sources; several files follow one another.
    #[arg(required = true, value_name = "FILE")]
    sources: Vec<PathBuf>,
    /// References of the sources: of the beam, the translation is taken that is most like the reference, by BLEU.
    #[arg(long, value_name = "FILE")]
    reference: Vec<PathBuf>,
    #[command(flatten)]
    made: Made,
}

/// Make parallel text of a text in the target language: a model of the other direction writes the sources.
///
/// Killed or interrupted, the same command goes on.
#[derive(Debug, Args)]
pub(crate) struct Backtranslate {
    /// The text in the target language; several files follow one another.
    #[arg(required = true, value_name = "FILE")]
    text: Vec<PathBuf>,
    /// What every source begins with, so that a model can tell it from a real one; "" for nothing.
    #[arg(long, value_name = "TEXT", default_value = "<BT>")]
    tag: String,
    #[command(flatten)]
    made: Made,
}

/// The model that writes, how, and where to.
#[derive(Debug, Args)]
struct Made {
    /// The pairs, tab-separated, source first.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    decoding: DecodingArgs,
    #[command(flatten)]
    of: ModelArgs,
    #[command(flatten, next_help_heading = "Sampling, in place of a search")]
    sampling: SamplingArgs,
}

impl Distill {
    pub(super) fn run(self) -> Result<ExitCode> {
        processes::together(|peers| self.made.write(peers, [&self.sources, &self.reference], Synthesis::Distilled))
    }
}

impl Backtranslate {
    pub(super) fn run(self) -> Result<ExitCode> {
        let of = Synthesis::Backtranslated { tag: self.tag };
        processes::together(|peers| self.made.write(peers, [&self.text, &[]], of))
    }
}

impl Made {
    fn write(&self, peers: &dyn Collective, [text, references]: [&[PathBuf]; 2], of: Synthesis) -> Result<ExitCode> {
        refuse_overwriting(&self.out, text.iter().chain(references))?;
        check_new_file(&self.out, ("--force", self.force))?;
        ensure!(self.out.is_file() || !self.out.exists(), "can't write {}: it is not a file", self.out.display());
        let is_ranked = self.decoding.length_penalty.is_some() || self.decoding.beam_rules.is_some();
        // With references, the beam is how many are drawn.
        if self.sampling.is_given() && (is_ranked || references.is_empty() && self.decoding.is_of_beam()) {
            bail!(
                "--length-penalty, --beam-rules and, without --reference, --beam are for a search, and the options of \
                 sampling draw at random: leave out one or the other"
            );
        }
        let bundle = self.of.languages.over(open_model(&self.of.model)?)?;
        let config = self.decoding.over(&bundle.decoding)?;
        let translator = Translator::from_bundle(&bundle, &self.of.backend.device()?, self.decoding.weights.precision)?;
        let sampling = self.sampling.over(&SamplingConfig::default())?;
        let languages = (&self.of.languages.source_language, &self.of.languages.target_language);
        let pairs = SyntheticPairs {
            translator: &translator,
            config: &config,
            sampling: self.sampling.is_given().then_some(&sampling),
            synthesis: of,
            identity: format!("{} {:?} {languages:?}", bundle.identity()?, self.decoding.weights.precision),
        };
        let stop = flag(peers.size() == 1)?;
        let go_on = || !stop.load(Ordering::Relaxed);
        let open = |files: &[PathBuf], what| input::open_cut(files, what, MAX_TEXT_BYTES);
        let references = (!references.is_empty()).then(|| open(references, "references"));
        let written = pairs.write(peers, open(text, "text"), references, &self.out, &Terminal::default(), &go_on)?;
        let Some(report) = written else {
            if peers.rank() > 0 {
                return Ok(ExitCode::SUCCESS);
            }
            report!("interrupted; the same command goes on");
            return Ok(ExitCode::from(INTERRUPTED));
        };
        let (lines, n) = (thousands(report.n_lines), thousands(report.n_pairs));
        report!("{n} pairs of {lines} lines in {}; left out: {}", self.out.display(), report.left_out());
        Ok(ExitCode::SUCCESS)
    }
}
