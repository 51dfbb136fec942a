//! The optimizers compared.

use std::{num::NonZeroU64, path::PathBuf, time::Instant};

use anyhow::{Result, anyhow};
use attentive_backend::{Device, Objective};
use attentive_core::{Batch, Dropout, mix64};
use attentive_optim::{Adam, AdamConfig, FirstOrder, Gradients, UpdateRule};
use attentive_plot::{Chart, Series, to_svg};
use burn::module::Module;
use clap::Args;

use super::{
    super::{
        BackendArgs,
        train::{Fitting, Task, WithTask, prepare},
    },
    write_figure,
};
use crate::{markdown::Table, recipe::Recipe};

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
    #[arg(long, default_value = "200")]
    steps: NonZeroU64,
    /// The drawing, SVG.
    #[arg(long, value_name = "FILE", default_value = "optimizers.svg")]
    out: PathBuf,
    #[command(flatten)]
    backend: BackendArgs,
}

/// An optimizer of any kind.
enum Optimizer {
    FirstOrder(FirstOrder),
    Adam(Adam),
}

/// An optimizer by name, and the learning rates to choose from.
struct Candidate {
    name: &'static str,
    make: fn() -> Result<Optimizer>,
    rates: [f64; 3],
}

const CANDIDATES: [Candidate; 6] = [
    Candidate { name: "SGD", make: || first_order(UpdateRule::Sgd), rates: [0.1, 0.3, 1.0] },
    Candidate {
        name: "momentum, μ 0.9",
        make: || first_order(UpdateRule::Momentum { decay: 0.9 }),
        rates: [0.03, 0.1, 0.3],
    },
    Candidate {
        name: "AdaGrad",
        make: || first_order(UpdateRule::AdaGrad { epsilon: 1e-8 }),
        rates: [0.01, 0.03, 0.1],
    },
    Candidate {
        name: "RMSProp, ρ 0.98",
        make: || first_order(UpdateRule::RmsProp { decay: 0.98, epsilon: 1e-8 }),
        rates: [1e-3, 3e-3, 1e-2],
    },
    Candidate { name: "Adam, §5.3", make: || adam(0.0), rates: [1e-3, 3e-3, 1e-2] },
    Candidate { name: "AdamW, decay 0.1", make: || adam(0.1), rates: [1e-3, 3e-3, 1e-2] },
];

#[allow(clippy::unnecessary_wraps)] // as `adam`
fn first_order(rule: UpdateRule) -> Result<Optimizer> {
    Ok(Optimizer::FirstOrder(FirstOrder::new(rule)))
}

fn adam(weight_decay: f64) -> Result<Optimizer> {
    Ok(Optimizer::Adam(AdamConfig { weight_decay, ..AdamConfig::default() }.init()?))
}

impl Optimizer {
    fn step<M: Module>(&mut self, model: M, gradients: Gradients, scale: f64, lr: f64) -> M {
        match self {
            Self::FirstOrder(optimizer) => optimizer.step(model, gradients, scale, lr),
            Self::Adam(optimizer) => optimizer.step(model, gradients, scale, lr),
        }
    }
}

impl WithTask for &Optimizers {
    type Output = ();

    fn with<T: Fitting>(self, task: T, _: &mut Recipe) -> Result<()> {
        self.compare(&task)
    }
}

impl Optimizers {
    pub(super) fn run(self) -> Result<()> {
        let small = SMALL.iter().filter(|_| self.recipe.is_none()).map(ToString::to_string);
        let settings: Vec<String> = small.chain(self.set.iter().cloned()).collect();
        let mut recipe = Recipe::load(self.recipe.as_deref(), &settings)?;
        prepare(&mut recipe, None, &self)
    }

    fn compare(&self, task: &impl Task) -> Result<()> {
        let device = self.backend.device()?.autodiff();
        println!("model     {}", task.describe());
        let steps = self.steps.get() as usize;
        let mut table = Table::new(["optimizer", "learning rate", "loss at the end, nats", "time"]);
        let mut series = Vec::new();
        for Candidate { name, make, rates } in CANDIDATES {
            let start = Instant::now();
            let mut best = (f64::INFINITY, rates[0]);
            for rate in rates {
                let losses = train(task, &device, make()?, rate, steps.div_ceil(4))?;
                let end = end_of(&losses);
                if end < best.0 {
                    best = (end, rate);
                }
            }
            let losses = train(task, &device, make()?, best.1, steps)?;
            let seconds = start.elapsed().as_secs_f64();
            eprintln!("{name:<18} {:.3} nats at learning rate {}, {seconds:.0} s", end_of(&losses), best.1);
            table.row([name.into(), best.1.to_string(), format!("{:.3}", end_of(&losses)), format!("{seconds:.0} s")]);
            let points = (1..).zip(losses).map(|(step, loss)| (f64::from(step), loss)).collect();
            series.push(Series { label: name.into(), points });
        }
        println!("\nLoss after {steps} updates, the mean of the last {N_LAST}\n\n{table}");
        let title = "training loss, nats per target".into();
        write_figure(&self.out, &to_svg(&[Chart { title, x_label: "updates".into(), series }]))
    }
}

/// The loss of each update, in nats per target; it ends where there is none.
fn train<T: Task>(task: &T, device: &Device, mut optimizer: Optimizer, rate: f64, steps: usize) -> Result<Vec<f64>> {
    let mut model = task.init(device, 1)?;
    let (objective, mut batches) = (task.objective(), task.batches());
    let warm_up = (steps as f64 * WARM_UP).max(1.0);
    let mut losses = Vec::with_capacity(steps);
    for step in 1..=steps {
        let batch = batches.next_batch().map_err(|cause| anyhow!(cause))?;
        let n_targets = batch.n_targets().max(1) as f64;
        let loss = objective.loss(&model, &batch, Some(&Dropout::new(mix64(step as u64))));
        let nats = f64::from(loss.nll_sum.clone().into_scalar::<f32>()) / n_targets;
        losses.push(nats);
        if !nats.is_finite() {
            break;
        }
        let gradients = Gradients::take(loss.sum.backward(), &model);
        model = optimizer.step(model, gradients, 1.0 / n_targets, rate * (step as f64 / warm_up).min(1.0));
    }
    Ok(losses)
}

/// The mean of the last losses; infinite where they have diverged.
fn end_of(losses: &[f64]) -> f64 {
    let last = &losses[losses.len().saturating_sub(N_LAST)..];
    let mean = last.iter().sum::<f64>() / last.len() as f64;
    if mean.is_finite() { mean } else { f64::INFINITY }
}
