//! What translations are held to, on the command line.

use std::{num::NonZeroUsize, path::PathBuf};

use anyhow::{Context, Result};
use attentive_bundle::{Term, TranslationConstraints};
use attentive_decode::Diversity;
use clap::Args;

use super::numbers::{MANY, MAX_BEAM, at_least_0, below_1, integer};
use crate::input::{self, Line};

/// What translations are held to.
#[derive(Debug, Args)]
pub(super) struct ConstraintArgs {
    /// Words that every translation must have, whole and one after another; as often as there are such phrases. A wider beam
    /// finds better places for them.
    #[arg(long, value_name = "TEXT")]
    must: Vec<String>,
    /// Words that no translation has, whole and one after another, however they are cut into tokens; as often as there are
    /// such phrases.
    #[arg(long, value_name = "TEXT")]
    must_not: Vec<String>,
    /// Terms: lines of words of the source, a tab, and the words that the translation must have where the source has them; as
    /// often as there are such files.
    #[arg(long, value_name = "FILE")]
    terms: Vec<PathBuf>,
    /// Prefer the prefix and do not force it: each token of it has the probability (1 - β) p + β until the translation
    /// departs from it.
    #[arg(long, value_name = "BETA", value_parser = below_1(), requires = "prefix")]
    prefix_bias: Option<f64>,
    /// Let the last word of the prefix be the beginning of a longer one, unless white space follows it.
    #[arg(long, requires = "prefix", conflicts_with = "prefix_bias")]
    complete: bool,
    /// The best translations that go on with each of the N most probable tokens after the prefix, the most probable first.
    #[arg(long, value_name = "N", value_parser = integer(NonZeroUsize::MIN..=MANY), conflicts_with_all = ["prefix_bias", "n_best"])]
    pub(super) alternatives: Option<NonZeroUsize>,
    /// Cut the beam into groups that keep apart.
    #[arg(long, value_name = "N", value_parser = integer(1..=MAX_BEAM), conflicts_with = "alternatives")]
    groups: Option<usize>,
    /// Taken from a token's log-probability for each hypothesis of earlier groups that has it next; 0.5 without it.
    #[arg(long, value_name = "LAMBDA", value_parser = at_least_0(), requires = "groups", conflicts_with = "alternatives")]
    diversity: Option<f64>,
    /// β of GNMT's coverage penalty: less for translations whose tokens have not looked at all of the source.
    #[arg(long, value_name = "BETA", value_parser = at_least_0(), conflicts_with_all = ["EnsembleArgs", "samples", "least_risk"])]
    coverage_penalty: Option<f64>,
}

impl ConstraintArgs {
    /// The constraints, if there are any.
    pub(super) fn read(&self) -> Result<Option<TranslationConstraints>> {
        let diversity = self.groups.map(|groups| Diversity { groups, penalty: self.diversity.unwrap_or(0.5) });
        let constraints = TranslationConstraints {
            required: self.must.clone(),
            terms: terms(&self.terms)?,
            forbidden: self.must_not.clone(),
            prefix_bias: self.prefix_bias,
            completes: self.complete,
            alternatives: self.alternatives.is_some(),
            diversity: diversity.unwrap_or_default(),
            coverage_penalty: self.coverage_penalty.unwrap_or(0.0),
        };
        Ok((constraints != TranslationConstraints::default()).then_some(constraints))
    }
}

/// The terms of files, a line each; blank lines are none.
fn terms(files: &[PathBuf]) -> Result<Vec<Term>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let term = |line: Result<Line, _>| {
        let Line { at, text, .. } = line?;
        if text.trim().is_empty() { Ok(None) } else { text.parse().map(Some).with_context(|| at.to_string()) }
    };
    input::open(files, "terms").filter_map(|line| term(line).transpose()).collect()
}
