//! §5.3, learning rates.

use std::num::NonZeroU64;

use attentive_optim::{Schedule as _, ScheduleConfig};
use attentive_plot::{Chart, Series};

use crate::{Exhibit, Table};

/// The paper's base model, and the peak that its schedule has for that.
const D_MODEL: usize = 512;
const WARMUP_STEPS: NonZeroU64 = NonZeroU64::new(4000).expect("not zero");
/// Points of a curve.
const N_POINTS: u64 = 400;

/// The learning rate of each update: the paper's for widths and warm-ups, and other schedules with its peak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedules {
    /// Updates.
    pub n_steps: NonZeroU64,
}

/// 20,000 updates.
impl Default for Schedules {
    fn default() -> Self {
        Self { n_steps: NonZeroU64::new(20_000).expect("not zero") }
    }
}

/// A schedule for a model of a width.
struct Candidate {
    label: String,
    config: ScheduleConfig,
    d_model: usize,
}

impl Candidate {
    fn lr(&self, step: u64) -> f64 {
        self.config.build(self.d_model).lr(NonZeroU64::new(step).expect("counted from 1"))
    }
}

fn noam(warmup_steps: u64) -> ScheduleConfig {
    ScheduleConfig::Noam { factor: 1.0, warmup_steps }
}

impl Schedules {
    /// The highest and the last rate of each schedule; the drawing `schedule`.
    pub fn make(&self) -> Exhibit {
        let steps = self.n_steps.get();
        let mut table = Table::new(["schedule", "highest", "at update", "at the last"]);
        let mut charts = Vec::new();
        for (title, candidates) in [
            ("learning rate, §5.3, equation 3", paper()),
            ("learning rate: schedules with the base model's peak", others(steps)),
        ] {
            let mut series = Vec::new();
            for candidate in candidates {
                let (step, highest) = (1..=steps)
                    .map(|step| (step, candidate.lr(step)))
                    .fold((0, 0.0), |best, next| if next.1 > best.1 { next } else { best });
                let last = candidate.lr(steps);
                let at = (1..=N_POINTS).map(|n| (n * steps).div_ceil(N_POINTS));
                let points = at.map(|step| (step as f64, candidate.lr(step))).collect();
                table.row([candidate.label.clone(), format!("{highest:.2e}"), step.to_string(), format!("{last:.2e}")]);
                series.push(Series { label: candidate.label, points });
            }
            charts.push(Chart { title: title.into(), x_label: "updates".into(), series });
        }
        Exhibit::from([table]).with_figure("schedule", charts)
    }
}

/// Equation 3 for widths and warm-ups.
fn paper() -> Vec<Candidate> {
    [(512, 4000), (512, 8000), (256, 4000)]
        .map(|(d_model, warmup)| Candidate {
            label: format!("d_model {d_model}, warm-up {warmup}"),
            config: noam(warmup),
            d_model,
        })
        .into()
}

/// Schedules over `steps` updates with the peak of the paper's base model.
fn others(steps: u64) -> Vec<Candidate> {
    let of_base = noam(WARMUP_STEPS.get());
    let peak = of_base.build(D_MODEL).lr(WARMUP_STEPS);
    [
        ("Noam", of_base),
        ("inverse square root", ScheduleConfig::InverseSqrt { peak, warmup_steps: 1000 }),
        ("cosine", ScheduleConfig::Cosine { peak, warmup_steps: 1000, total_steps: steps, floor: 0.0 }),
        ("constant", ScheduleConfig::Constant { lr: peak, warmup_steps: 1000 }),
    ]
    .map(|(name, config)| Candidate { label: name.to_owned(), config, d_model: D_MODEL })
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Equation 3 is `d_model^-0.5 · min(step^-0.5, step · warmup^-1.5)`: highest at the end of the warm-up.
    #[test]
    fn the_papers_rates_are_highest_after_their_warm_up() {
        let exhibit = Schedules::default().make();
        let rows = exhibit.tables().next().unwrap().rows();
        for (row, (d_model, warmup)) in rows.iter().zip([(512_f64, 4000_f64), (512.0, 8000.0), (256.0, 4000.0)]) {
            assert_eq!(row[1..3], [format!("{:.2e}", (d_model * warmup).sqrt().recip()), warmup.to_string()]);
        }
    }
}
