//! `attentive translate`.

use std::{num::NonZeroUsize, path::PathBuf};

use anyhow::{Result, bail};
use attentive_bundle::{Input, Search, Translation, TranslationConstraints, Translator};
use attentive_collective::Collective;
use attentive_decode::{Combination, SamplingConfig};
use attentive_inspect::{AlignBy, Aligner, Alignment, SearchTree, translation_json};
use attentive_task::{Context, Likeness, least_risk, share_blocks};
use clap::{Args, ValueEnum};

use super::{
    BackendArgs, DecodingArgs, LINES_AT_ONCE, LanguageArgs, LongLines, SamplingArgs, SpecialsArgs, check_writable,
    constraints::ConstraintArgs,
    numbers::{MANY, integer},
    on_one_line, open_model, processes,
};
use crate::{
    input::{self, Line},
    output,
};

/// The form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Jsonl,
}

/// Several models as one.
#[derive(Debug, Args)]
pub(super) struct EnsembleArgs {
    /// The folder of another model of the same tokenizer, which decides on each token together with the others; as often as there
    /// are such models.
    #[arg(long, value_name = "DIR", help_heading = "Several models")]
    pub(super) with: Vec<PathBuf>,
    /// Weights of the models, the first of them that of --model; by default all alike.
    #[arg(long, value_name = "W,W,…", value_delimiter = ',', requires = "with", help_heading = "Several models")]
    weights: Vec<f64>,
    /// Take the geometric mean of the models' probabilities, so that each can exclude a token, in place of their mean.
    #[arg(long, requires = "with", help_heading = "Several models")]
    log_linear: bool,
}

impl EnsembleArgs {
    pub(super) fn together(&self) -> (&[f64], Combination) {
        (&self.weights, if self.log_linear { Combination::LogLinear } else { Combination::Linear })
    }
}

/// Translate lines of text.
///
/// Each line becomes a line; that of a text without tokens is empty. Where a line has several translations, the number of
/// the line, counted from 1, and a tab come before each.
#[derive(Debug, Args)]
pub(crate) struct Translate {
    /// The model's folder; DIR+ADAPTER for one with an adapter over it.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    #[command(flatten)]
    ensemble: EnsembleArgs,
    /// What to translate; without it, the lines of standard input.
    text: Vec<String>,
    /// Translations of each line, best first; at most the beam.
    #[arg(long, value_name = "N", default_value = "1", value_parser = integer(NonZeroUsize::MIN..=MANY))]
    n_best: NonZeroUsize,
    /// Print the score (log-probability over length penalty) and the log-probability before each translation.
    #[arg(long)]
    scores: bool,
    /// What is printed of each line: `text`; `jsonl`, an object with its number, its translations, and their tokens with
    /// log-probabilities in nats.
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true, default_value_t = Format::Text, conflicts_with = "scores")]
    format: Format,
    /// The beginning of every translation; its last word is a whole one.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,
    /// Write after each translation, and a tab, which word translates which: pairs of a word of the line and one of the
    /// translation, counted from 0, as 0-0 1-2. By what the decoder looks at; or `attention:LAYER`, or `probability`: how much
    /// less probable a word is without the other.
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "attention", conflicts_with = "EnsembleArgs")]
    alignment: Option<AlignBy>,
    /// Draw the search for one sentence as a tree, with what was dropped and why: .svg, .html, .json or .txt.
    #[arg(long, value_name = "FILE", requires = "text", conflicts_with_all = ["samples", "least_risk", "alternatives", "on_long"])]
    tree: Option<PathBuf>,
    #[command(flatten)]
    languages: LanguageArgs,
    #[command(flatten)]
    long: LongLines,
    #[command(flatten)]
    decoding: DecodingArgs,
    #[command(flatten)]
    specials: SpecialsArgs,
    #[command(flatten)]
    backend: BackendArgs,
    #[command(flatten, next_help_heading = "Constraints")]
    constraints: ConstraintArgs,
    /// Draw this many translations of each line at random, in place of a search; so do the options below, one translation.
    #[arg(long, value_name = "N", help_heading = "Sampling", value_parser = integer(NonZeroUsize::MIN..=MANY))]
    samples: Option<NonZeroUsize>,
    /// Of the samples, write the one that is most like all of them, by `chrf` or `bleu`: minimum Bayes risk.
    #[arg(long, value_name = "SCORE", num_args = 0..=1, require_equals = true, default_missing_value = "chrf", help_heading = "Sampling", requires = "samples")]
    least_risk: Option<Likeness>,
    #[command(flatten, next_help_heading = "Sampling")]
    sampling: SamplingArgs,
}

impl Translate {
    pub(super) fn run(self) -> Result<()> {
        processes::together(|peers| self.translate(peers))
    }

    /// Translates blocks of lines in turn with other processes, of which the first one speaks.
    fn translate(&self, peers: &dyn Collective) -> Result<()> {
        let sampling = self.sampling.over(&SamplingConfig::default())?;
        let constraints = self.constraints.read()?;
        let n_best = self.constraints.alternatives.unwrap_or(self.n_best);
        let search = match (self.samples, &constraints) {
            (None, None) if !self.sampling.is_given() => Search::Best(self.n_best),
            (None, Some(constraints)) if !self.sampling.is_given() => Search::Constrained(constraints, n_best),
            (_, Some(_)) => {
                bail!("constraints are for a search, and the options of sampling draw at random: leave out one")
            }
            _ if self.n_best > NonZeroUsize::MIN || self.decoding.is_of_beam() => bail!(
                "--n-best, --beam and --length-penalty are for a search, and the options of sampling draw at random: \
                 leave out one or the other"
            ),
            (samples, None) => Search::Random(&sampling, samples.unwrap_or(NonZeroUsize::MIN)),
        };
        if self.tree.is_some() && (self.text.len() != 1 || matches!(search, Search::Random(..))) {
            bail!("--tree is of the search for one sentence: give one, and no options of sampling");
        }
        self.tree.iter().try_for_each(|file| check_writable(file))?;
        let (Search::Best(n) | Search::Random(_, n) | Search::Constrained(_, n)) = search;
        let n_written = if self.least_risk.is_some() { NonZeroUsize::MIN } else { n };
        let open = |folder: &PathBuf| Ok(self.specials.over(self.languages.over(open_model(folder)?)?));
        let bundles = [&self.model].into_iter().chain(&self.ensemble.with).map(open).collect::<Result<Vec<_>>>()?;
        let config = self.decoding.over(&bundles[0].decoding)?;
        if self.n_best.get() > config.beam {
            bail!("--n-best {} is more than the beam of {}: lower it, or raise --beam", self.n_best, config.beam);
        }
        let (device, precision) = (self.backend.device()?, self.decoding.weights.precision);
        let translator = Translator::from_ensemble(&bundles, &device, precision, self.ensemble.together())?;
        let aligner = self.alignment.map(|by| Aligner::new(&bundles[0], &device, by)).transpose()?;
        let tokenizer = translator.tokenizer();
        if let Some(file) = self.tree.as_ref().filter(|_| peers.rank() == 0) {
            let text = &self.text[0];
            let (_, trace) = translator.trace(Input::from(text), &self.prefix, &config, search, config.beam)?;
            let tree = SearchTree::new(text, &trace, tokenizer).to_file(file)?;
            output::write_file(file, tree.as_bytes())?;
        }
        let nothing = TranslationConstraints::default();
        let constraints = constraints.as_ref().unwrap_or(&nothing);
        let written = |line: &Line, mut translations: Vec<Translation>| {
            if let Some(likeness) = self.least_risk {
                translations = least_risk(translations, likeness)?;
            }
            let of = |one: &Translation| constraints.unmet(tokenizer, &line.text, &one.text);
            let unmet: Vec<Vec<&str>> = translations.iter().map(of).collect();
            let why = match translations.iter().all(|one| one.tokens.is_empty()) {
                true => "is missing: the translation is empty",
                false => "has no room, or nothing leads to it: raise --max-length or --beam",
            };
            unmet.iter().flatten().for_each(|phrase| warning!("warning: {}: {phrase:?} {why}", line.at));
            let align = |one: &Translation| aligner.as_ref().map(|aligner| aligner.align(&line.text, &one.tokens));
            let aligned = translations.iter().filter_map(align).collect::<Result<Vec<Alignment>, _>>();
            let aligned = aligned.with_context(|| format!("{}: words are not aligned", line.at))?;
            let all = (&translations[..], &aligned[..]);
            let are_several = n_written > NonZeroUsize::MIN;
            Ok::<_, attentive_task::Error>(match self.format {
                Format::Text => self.lines(line, all, are_several),
                Format::Jsonl => {
                    let line = (line.at.number, line.text.as_str());
                    format!("{}\n", translation_json(tokenizer, line, all, (&unmet, are_several)))
                }
            })
        };
        let translated = |block: &Vec<Line>| {
            let (mut text, place) = (String::new(), |idx: usize| &block[idx].at);
            let (found, refused) = self.long.translate(&translator, block, &self.prefix, (&config, search), place)?;
            for (line, translations) in block.iter().zip(found) {
                match written(line, translations) {
                    Ok(lines) => text += &lines,
                    Err(error) => return Ok((text, Some(error))),
                }
            }
            Ok((text, refused))
        };
        let blocks = input::of_command(self.text.clone()).blocks(LINES_AT_ONCE);
        share_blocks(peers, blocks, translated, output::writer())
    }

    /// The translations of a line, each on a line of its own; with the line's number if several are asked for.
    fn lines(&self, line: &Line, (translations, aligned): (&[Translation], &[Alignment]), are_several: bool) -> String {
        let one = |(idx, Translation { text, score, log_prob, .. }): (usize, &Translation)| {
            let number = if are_several { format!("{}\t", line.at.number) } else { String::new() };
            let scores = if self.scores { format!("{score:.4}\t{log_prob:.4}\t") } else { String::new() };
            let alignment = aligned.get(idx).map_or_else(String::new, |alignment| format!("\t{alignment}"));
            format!("{number}{scores}{}{alignment}\n", on_one_line(text))
        };
        translations.iter().enumerate().map(one).collect()
    }
}
