//! §5.3.

use std::{num::NonZeroU64, path::PathBuf};

use anyhow::Result;
use attentive_optim::{Schedule as _, ScheduleConfig};
use attentive_plot::{Chart, Series, to_svg};
use clap::Args;

use super::{
    super::numbers::{MANY_UPDATES, integer},
    write_figure,
};
use crate::markdown::Table;

/// The paper's base model, and the peak that its schedule has for that.
const D_MODEL: usize = 512;
const WARMUP_STEPS: u64 = 4000;
/// Points of a curve.
const N_POINTS: u64 = 400;

/// The learning rate of each update: the paper's for widths and warm-ups, and other schedules with its peak.
#[derive(Debug, Args)]
pub(super) struct Schedule {
    /// Updates.
    #[arg(long, default_value = "20000", value_parser = integer(NonZeroU64::MIN..=MANY_UPDATES))]
    steps: NonZeroU64,
    /// The drawing, SVG.
    #[arg(long, value_name = "FILE", default_value = "schedule.svg")]
    out: PathBuf,
}

impl Schedule {
    pub(super) fn run(self) -> Result<()> {
        let steps = self.steps.get();
        let noam = |warmup_steps| ScheduleConfig::Noam { factor: 1.0, warmup_steps };
        let peak = noam(WARMUP_STEPS).build(D_MODEL).lr(NonZeroU64::new(WARMUP_STEPS).expect("positive"));
        let paper = [(512, 4000), (512, 8000), (256, 4000)]
            .map(|(d_model, warmup)| (format!("d_model {d_model}, warm-up {warmup}"), noam(warmup), d_model));
        let others = [
            ("Noam", noam(WARMUP_STEPS)),
            ("inverse square root", ScheduleConfig::InverseSqrt { peak, warmup_steps: 1000 }),
            ("cosine", ScheduleConfig::Cosine { peak, warmup_steps: 1000, total_steps: steps, floor: 0.0 }),
            ("constant", ScheduleConfig::Constant { lr: peak, warmup_steps: 1000 }),
        ]
        .map(|(name, config)| (name.to_owned(), config, D_MODEL));

        let mut table = Table::new(["schedule", "highest", "at update", "at the last"]);
        let mut charts = Vec::new();
        for (title, schedules) in [
            ("learning rate, §5.3, equation 3", paper.to_vec()),
            ("learning rate: schedules with the base model's peak", others.to_vec()),
        ] {
            let mut series = Vec::new();
            for (label, config, d_model) in schedules {
                let lr = |step: u64| config.build(d_model).lr(NonZeroU64::new(step).expect("counted from 1"));
                let (step, highest) = (1..=steps)
                    .map(|step| (step, lr(step)))
                    .fold((0, 0.0), |best, next| if next.1 > best.1 { next } else { best });
                table.row([label.clone(), format!("{highest:.2e}"), step.to_string(), format!("{:.2e}", lr(steps))]);
                let points = (1..=N_POINTS).map(|n| (n * steps).div_ceil(N_POINTS)).map(|step| (step as f64, lr(step)));
                series.push(Series { label, points: points.collect() });
            }
            charts.push(Chart { title: title.into(), x_label: "updates".into(), series });
        }
        report!("{table}");
        write_figure(&self.out, &to_svg(&charts))
    }
}
