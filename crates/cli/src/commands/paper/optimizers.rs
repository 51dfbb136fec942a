//! The optimizers compared.

use std::{num::NonZeroU64, path::PathBuf, time::Instant};

use attentive_backend::Device;
use attentive_core::{Dropout, mix64};
use attentive_model::ModelSpec;
use attentive_optim::{AdamConfig, OptimizerConfig};
use attentive_plot::{Chart, Series, to_svg};
use attentive_run::Recipe;
use attentive_task::{
    Context, Resizable, Task, TaskVisitor,
    config::{RunRecipe, TaskRecipe},
    prepare,
};
use attentive_trainer::Update;
use clap::Args;

use super::{
    super::{
        BackendArgs, check_writable,
        numbers::{MANY_UPDATES, integer},
    },
    write_figure,
};
use crate::{markdown::Table, terminal::Terminal};

/// A model that trains in seconds, on the built-in corpus.
const SMALL: [&str; 5] = [
    "model.d_model=64",
    "model.d_ff=256",
    "model.n_encoder_layers=2",
    "model.n_decoder_layers=2",
    "batch.max_tokens=512",
];
/// Updates that the loss at the end is the mean of.
const N_LAST: usize = 20;
/// Share of the updates in which learning rates rise.
const WARM_UP: f64 = 0.1;

/// Train one model by each optimizer, from the same parameters on the same batches, and compare losses.
///
/// Every optimizer has the best of a few learning rates, found in the first quarter of the updates.
#[derive(Debug, Args)]
pub(super) struct Optimizers {
    /// A recipe of any task; without one, a small Transformer on the built-in corpus.
    recipe: Option<PathBuf>,
    /// Change a setting of the recipe; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Updates by each optimizer.
    #[arg(long, default_value = "200", value_parser = integer(NonZeroU64::MIN..=MANY_UPDATES))]
    steps: NonZeroU64,
    /// The drawing, SVG.
    #[arg(long, value_name = "FILE", default_value = "optimizers.svg")]
    out: PathBuf,
    #[command(flatten)]
    backend: BackendArgs,
}

/// An optimizer by name, and the learning rates to choose from.
struct Candidate {
    name: &'static str,
    optimizer: OptimizerConfig,
    rates: [f64; 3],
}

fn candidates() -> [Candidate; 6] {
    let adam = |weight_decay| OptimizerConfig::Adam(AdamConfig { weight_decay, ..AdamConfig::default() });
    let of = |name, optimizer, rates| Candidate { name, optimizer, rates };
    [
        of("SGD", OptimizerConfig::Sgd {}, [0.1, 0.3, 1.0]),
        of("momentum, μ 0.9", OptimizerConfig::Momentum { decay: 0.9 }, [0.03, 0.1, 0.3]),
        of("AdaGrad", OptimizerConfig::AdaGrad { epsilon: 1e-8 }, [0.01, 0.03, 0.1]),
        of("RMSProp, ρ 0.98", OptimizerConfig::RmsProp { decay: 0.98, epsilon: 1e-8 }, [1e-3, 3e-3, 1e-2]),
        of("Adam, §5.3", adam(0.0), [1e-3, 3e-3, 1e-2]),
        of("AdamW, decay 0.1", adam(0.1), [1e-3, 3e-3, 1e-2]),
    ]
}

impl TaskVisitor for &Optimizers {
    type Output = ();

    fn visit<T: Resizable>(self, task: T, _: &mut RunRecipe, _: &mut TaskRecipe) -> attentive_task::Result<()> {
        self.compare(&task)
    }
}

impl Optimizers {
    pub(super) fn run(self) -> anyhow::Result<()> {
        check_writable(&self.out)?;
        let small = SMALL.iter().filter(|_| self.recipe.is_none()).map(ToString::to_string);
        let settings: Vec<String> = small.chain(self.set.iter().cloned()).collect();
        let mut recipe = Recipe::of_command(self.recipe.as_deref(), &settings)?;
        let Recipe { run, task, origins, .. } = &mut recipe;
        Ok(prepare(run, task, None, None, &Terminal::default(), &self).map_err(|error| origins.locate(error))?)
    }

    fn compare(&self, task: &impl Task) -> attentive_task::Result<()> {
        let device = self.backend.backend.device()?.autodiff();
        report!("model     {}", task.spec().describe());
        let steps = self.steps.get() as usize;
        let mut table = Table::new(["optimizer", "learning rate", "loss at the end, nats", "time"]);
        let mut series = Vec::new();
        for Candidate { name, optimizer, rates } in candidates() {
            let start = Instant::now();
            let mut best = (f64::INFINITY, rates[0]);
            for rate in rates {
                let losses = train(task, &device, optimizer, rate, steps.div_ceil(4))?;
                let end = end_of(&losses);
                if end < best.0 {
                    best = (end, rate);
                }
            }
            let losses = train(task, &device, optimizer, best.1, steps)?;
            let seconds = start.elapsed().as_secs_f64();
            warning!("{name:<18} {:.3} nats at learning rate {}, {seconds:.0} s", end_of(&losses), best.1);
            table.row([name.into(), best.1.to_string(), format!("{:.3}", end_of(&losses)), format!("{seconds:.0} s")]);
            let points = (1..).zip(losses).map(|(step, loss)| (f64::from(step), loss)).collect();
            series.push(Series { label: name.into(), points });
        }
        report!("\nLoss after {steps} updates, the mean of the last {N_LAST}\n\n{table}");
        let title = "training loss, nats per target".into();
        let figure = to_svg(&[Chart { title, x_label: "updates".into(), series }]);
        write_figure(&self.out, &figure).context("the drawing")
    }
}

/// The loss of each update, in nats per target; it ends where there is none.
fn train<T: Task>(
    task: &T,
    device: &Device,
    optimizer: OptimizerConfig,
    rate: f64,
    steps: usize,
) -> attentive_task::Result<Vec<f64>> {
    let mut optimizer = optimizer.init()?;
    let mut model = task.init(device, 1, &())?;
    let (objective, mut batches) = (task.objective(), task.batches());
    let warm_up = (steps as f64 * WARM_UP).max(1.0);
    let mut losses = Vec::with_capacity(steps);
    for step in 1..=steps {
        let batch = batches.next_batch().context("reading the data")?;
        let mut update = Update::of(model, &objective);
        update.add(&batch, Some(&Dropout::new(mix64(step as u64))));
        let report;
        (model, report) = update.step(&mut optimizer, rate * (step as f64 / warm_up).min(1.0));
        losses.push(report.nll_nats);
        if report.skipped {
            break;
        }
    }
    Ok(losses)
}

/// The mean of the last losses; infinite where they have diverged.
fn end_of(losses: &[f64]) -> f64 {
    let last = &losses[losses.len().saturating_sub(N_LAST)..];
    let mean = last.iter().sum::<f64>() / last.len() as f64;
    if mean.is_finite() { mean } else { f64::INFINITY }
}
