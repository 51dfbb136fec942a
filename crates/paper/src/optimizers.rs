//! The optimizers compared.

use std::{num::NonZeroU64, path::PathBuf, time::Instant};

use attentive_backend::Device;
use attentive_core::{Dropout, mix64};
use attentive_model::ModelSpec;
use attentive_optim::{AdamConfig, OptimizerConfig};
use attentive_plot::{Chart, Series};
use attentive_run::Recipe;
use attentive_task::{
    Context, Log, Resizable, Result, Task, TaskVisitor,
    config::{RunRecipe, TaskRecipe},
    prepare,
};
use attentive_trainer::Update;

use crate::{Exhibit, Say, Table, tell};

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

/// One model trained by each optimizer, from the same parameters on the same batches.
///
/// Every optimizer has the best of a few learning rates, found in the first quarter of the updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Optimizers {
    /// The file of a recipe of any task, or the name of a built-in one; without one, a small Transformer on the built-in
    /// corpus.
    pub recipe: Option<PathBuf>,
    /// Settings over those of the recipe, as `model.d_model=64`.
    pub settings: Vec<String>,
    /// Updates by each optimizer.
    pub n_steps: NonZeroU64,
}

/// 200 updates of the small Transformer.
impl Default for Optimizers {
    fn default() -> Self {
        Self { recipe: None, settings: Vec::new(), n_steps: NonZeroU64::new(200).expect("not zero") }
    }
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
        of("momentum 0.9", OptimizerConfig::Momentum { decay: 0.9 }, [0.03, 0.1, 0.3]),
        of("AdaGrad", OptimizerConfig::AdaGrad { epsilon: 1e-8 }, [0.01, 0.03, 0.1]),
        of("RMSProp, decay 0.98", OptimizerConfig::RmsProp { decay: 0.98, epsilon: 1e-8 }, [1e-3, 3e-3, 1e-2]),
        of("Adam, §5.3", adam(0.0), [1e-3, 3e-3, 1e-2]),
        of("AdamW, decay 0.1", adam(0.1), [1e-3, 3e-3, 1e-2]),
    ]
}

impl Optimizers {
    /// The losses at the end; the drawing `optimizers`. The log gets what is found in the data; `say` gets a line for
    /// each optimizer. Settings of the environment (`ATTENTIVE_SET_…`) are followed.
    ///
    /// # Errors
    /// Recipe or data can't be read, or do not go together, or `say` fails.
    pub fn make(&self, device: &Device, log: &dyn Log, say: &mut Say<'_>) -> Result<Exhibit> {
        let small = SMALL.iter().filter(|_| self.recipe.is_none()).map(ToString::to_string);
        let settings: Vec<String> = small.chain(self.settings.iter().cloned()).collect();
        let mut recipe = Recipe::of_command(self.recipe.as_deref(), &settings)?;
        let Recipe { run, task, origins, .. } = &mut recipe;
        let comparing = Comparing { device: &device.clone().autodiff(), log, say, steps: self.n_steps.get() as usize };
        prepare(run, task, None, None, log, comparing).map_err(|error| origins.locate(error))
    }
}

/// The comparison on a task that is ready.
struct Comparing<'a> {
    device: &'a Device,
    log: &'a dyn Log,
    say: &'a mut Say<'a>,
    steps: usize,
}

impl TaskVisitor for Comparing<'_> {
    type Output = Exhibit;

    fn visit<T: Resizable>(self, task: T, _: &mut RunRecipe, _: &mut TaskRecipe) -> Result<Exhibit> {
        self.log.line(&format!("model     {}", task.spec().describe()));
        let mut table = Table::new(["optimizer", "learning rate", "loss at the end, nats", "time"])
            .under(format!("Loss after {} updates, the mean of the last {N_LAST}", self.steps));
        let mut series = Vec::new();
        for Candidate { name, optimizer, rates } in candidates() {
            let start = Instant::now();
            let (rate, losses) = self.train_best(&task, optimizer, rates)?;
            let (seconds, loss) = (start.elapsed().as_secs_f64(), end_of(&losses));
            tell(self.say, &format!("{name:<18} {loss:.3} nats at learning rate {rate}, {seconds:.0} s"))?;
            table.row([name.into(), rate.to_string(), format!("{loss:.3}"), format!("{seconds:.0} s")]);
            let points = (1..).zip(losses).map(|(step, loss)| (f64::from(step), loss)).collect();
            series.push(Series { label: name.into(), points });
        }
        let title = "training loss, nats per target".into();
        let chart = Chart { title, x_label: "updates".into(), series };
        Ok(Exhibit::from([table]).with_figure("optimizers", chart))
    }
}

impl Comparing<'_> {
    /// The losses by the learning rate that is best in the first quarter of the updates.
    fn train_best(&self, task: &impl Task, optimizer: OptimizerConfig, rates: [f64; 3]) -> Result<(f64, Vec<f64>)> {
        let mut best = (f64::INFINITY, rates[0]);
        for rate in rates {
            let end = end_of(&train(task, self.device, optimizer, rate, self.steps.div_ceil(4))?);
            if end < best.0 {
                best = (end, rate);
            }
        }
        Ok((best.1, train(task, self.device, optimizer, best.1, self.steps)?))
    }
}

/// The loss of each update, in nats per target; it ends where there is none.
fn train<T: Task>(task: &T, device: &Device, optimizer: OptimizerConfig, rate: f64, steps: usize) -> Result<Vec<f64>> {
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
