//! `attentive filter`.

use std::path::PathBuf;

use anyhow::Result;
use attentive_task::{Filtering, PairScoring, filter_rules, in_languages};
use clap::{ArgAction, Args};

use super::{BackendArgs, LanguageArgs};
use crate::terminal::Terminal;

/// Leave out of a corpus what a model should not learn from, and say how much by which rule.
#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// Sources, or the text of one language; several files follow one another.
    #[arg(long, required = true, value_name = "FILE")]
    source: Vec<PathBuf>,
    /// Targets, line by line.
    #[arg(long, value_name = "FILE")]
    target: Vec<PathBuf>,
    /// The sources' files are tab-separated, and have source and target in these columns, counted from 1.
    #[arg(long, num_args = 2, action = ArgAction::Set, value_name = "N", conflicts_with = "target")]
    columns: Option<Vec<usize>>,
    /// Sources that stay; without a file for targets, pairs that stay, tab-separated.
    #[arg(long, visible_alias = "out", value_name = "FILE")]
    out_source: PathBuf,
    /// Targets that stay.
    #[arg(long, value_name = "FILE")]
    out_target: Option<PathBuf>,
    /// A rule of docs/guide/train.md, max_ratio=2 for example; as often as there are such settings.
    #[arg(long, value_name = "KEY=VALUE")]
    rule: Vec<String>,
    /// A model's folder, or DIR+ADAPTER, which scores pairs by the mean log-probability of a target's token in nats.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// The folder of a model of the other direction: the score is of dual cross-entropy, from 0 to 1.
    #[arg(long, value_name = "DIR", requires = "model")]
    reverse_model: Option<PathBuf>,
    /// The least score of pairs that stay.
    #[arg(long, value_name = "X", requires = "model")]
    min_score: Option<f64>,
    /// Scores of pairs that stay, a line each.
    #[arg(long, value_name = "FILE", requires = "model")]
    scores: Option<PathBuf>,
    /// The report, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    languages: LanguageArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Filter {
    pub(super) fn run(self) -> Result<()> {
        let Self { source, target, out_source, out_target, report, force, .. } = self;
        let (reverse, min_score, out) = (self.reverse_model, self.min_score, self.scores);
        let scoring = self.model.map(|model| PairScoring { model, reverse, min_score, out });
        let LanguageArgs { source_language, target_language } = self.languages;
        let rules = in_languages(filter_rules(&self.rule)?, [source_language, target_language])?;
        let columns = self.columns.and_then(|columns| columns.try_into().ok());
        let out = [out_source].into_iter().chain(out_target).collect();
        let filtering = Filtering { source, target, columns, out, force, rules, scoring, report };
        let report = filtering.write(&self.backend.device()?, &Terminal::default(), &|| true)?;
        report.iter().for_each(|report| report!("{report}"));
        Ok(())
    }
}
