//! `attentive play`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use attentive_bundle::Policy;
use attentive_environments::{Builtin, film};
use attentive_plot::{Chart, Series};
use attentive_task::describe_episodes;
use clap::Args;

use super::{
    BackendArgs,
    numbers::{MANY, integer},
    open_model,
};
use crate::drawing::DrawingFile;

/// Returns that a drawing asks for, from a tenth of the target to the target.
const ASKED: u16 = 10;

/// States of an episode that are shown.
const FRAMES: usize = 8;

/// Let an agent act in an environment, and ask it for a return.
#[derive(Debug, Args)]
pub(crate) struct Play {
    /// The model's folder: a Decision Transformer; DIR+ADAPTER for one with an adapter over it.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// The return that the agent is asked for; without it, the largest of the data that it learnt from.
    #[arg(long, value_name = "RETURN", allow_negative_numbers = true)]
    target_return: Option<f32>,
    /// How many episodes it plays.
    #[arg(long, value_name = "N", default_value = "100", value_parser = integer(1..=MANY.get()))]
    episodes: usize,
    /// cartpole or key-door; without it, the environment of the data.
    #[arg(long, value_name = "NAME")]
    environment: Option<Builtin>,
    /// The first episode is that of this seed, the next ones of those after it.
    #[arg(long, value_name = "N", default_value = "0", value_parser = integer(0..=u64::MAX / 2))]
    seed: u64,
    /// Show the first episode.
    #[arg(long)]
    show: bool,
    /// Also ask for smaller returns, and draw the return asked for against the mean return: `.svg` or `.png`.
    #[arg(long, value_name = "FILE")]
    plot: Option<DrawingFile>,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Play {
    pub(super) fn run(self) -> Result<()> {
        let policy = Policy::from_bundle(&open_model(&self.model)?, &self.backend.device()?)?;
        if !policy.reads_returns() && (self.target_return.is_some() || self.plot.is_some()) {
            bail!("the model clones behaviour and reads no return: leave --target-return and --plot out");
        }
        let named = policy.processor().environment.as_deref().map(str::parse).transpose()?;
        let builtin =
            self.environment.or(named).context("the data of the model is of no environment: give --environment")?;
        let target = self.target_return.or(policy.processor().best_return).filter(|target| target.is_finite());
        let target = target.context("the return to ask for is not known: give --target-return a finite number")?;
        let asked = if policy.reads_returns() { format!("asked for {target}") } else { "behaviour cloned".to_owned() };
        let seeds: Vec<u64> = (self.seed..).take(self.episodes).collect();
        let episodes: Vec<(u64, f32)> = seeds.iter().map(|&seed| (seed, target)).collect();
        let played = policy.play(|| builtin.environment(), &episodes)?;
        report!("{builtin}, {asked}: {}", describe_episodes("played", &played));
        if self.show {
            for frame in film(&mut *builtin.environment(), self.seed, &played[0].actions, FRAMES)? {
                report!("{frame}");
            }
        }
        let Some(file) = &self.plot else { return Ok(()) };
        let had = policy.sweep(|| builtin.environment(), &seeds, target, ASKED)?;
        had.iter().for_each(|(asked, mean)| report!("asked for {}: {mean:.2} on average", *asked as f32));
        let line = |label: &str, points| Series { label: label.to_owned(), points };
        let asked = had.iter().map(|&(asked, _)| (asked, asked)).collect();
        let title = format!("mean return of {} episodes, {builtin}", self.episodes);
        let series = vec![line("return had", had), line("return asked for", asked)];
        file.write(&Chart { title, x_label: "return asked for".into(), series }.into())?;
        report!("drawing in {}", file.path.display());
        Ok(())
    }
}
