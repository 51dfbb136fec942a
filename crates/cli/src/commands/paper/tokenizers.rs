//! Families of tokenizers compared.

use std::{num::NonZeroU64, path::PathBuf, time::Instant};

use anyhow::{Result, anyhow, bail};
use attentive_model::GptConfig;
use attentive_model::ModelSpec;
use attentive_optim::{Schedule, ScheduleConfig};
use attentive_run::Recipe;
use attentive_task::{CausalLm, Task, config::TaskRecipe, thousands};
use attentive_trainer::Update;
use burn::module::Module;
use clap::Args;

use super::super::{
    BackendArgs,
    numbers::{MANY_TOKENS, integer},
};
use crate::{markdown::Table, terminal::Terminal};

/// Families, as recipes name them, and whether their vocabularies are learnt up to a size.
const FAMILIES: [(&str, bool); 6] = [
    ("bpe", true),
    ("byte-level-bpe", true),
    ("wordpiece", true),
    ("unigram", true),
    ("bytes", false),
    ("characters", false),
];
/// Part of the text that is held out.
const HELD_OUT: f64 = 0.1;
/// Share of the updates in which learning rates rise.
const WARM_UP: f64 = 0.05;

/// Train one small GPT on a text cut by each family of tokenizers, at equal training compute, and compare bits per byte.
#[derive(Debug, Args)]
pub(super) struct Tokenizers {
    /// The text, of which a tenth is held out; without it, the English of the built-in corpus.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Size of the vocabularies that are learnt.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = integer(2..=MANY_TOKENS))]
    vocab_size: usize,
    /// Training compute of each model, in 10^9 floating-point operations: products forward, and twice that backward.
    #[arg(long, value_name = "GFLOPS", default_value = "4000", value_parser = integer(NonZeroU64::MIN..=NonZeroU64::MAX))]
    gflops: NonZeroU64,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Tokenizers {
    pub(super) fn run(self) -> Result<()> {
        let head = ["tokenizer", "training tokens", "vocabulary", "parameters", "updates", "time", "bits a byte"];
        let mut table = Table::new(head);
        for (family, is_learnt) in FAMILIES {
            say!("{family}")?;
            table.row(self.train(family, is_learnt)?);
            say!()?;
        }
        let compute = thousands(self.gflops.get());
        say!("Bits for each byte of held-out text, after {compute}·10^9 operations of training each\n\n{table}")?;
        Ok(())
    }

    /// The row of one family.
    fn train(&self, family: &str, is_learnt: bool) -> Result<[String; 7]> {
        let mut settings = vec![format!("tokenizer.kind={family}")];
        settings.extend(is_learnt.then(|| format!("tokenizer.vocab_size={}", self.vocab_size)));
        if let Some(text) = &self.text {
            settings.push(format!("data.train.text={}", toml::Value::from(text.display().to_string())));
            // As one document: not every family has a token between two.
            settings.extend(["data.train.documents=file".into(), format!("data.validation_fraction={HELD_OUT}")]);
        }
        let log = Terminal::default();
        let mut recipe = Recipe::tokenizers(&settings)?;
        let TaskRecipe::CausalLm(of_task) = &mut recipe.task else { bail!("the recipe is of another task") };
        let Some(config) = of_task.model.spec::<GptConfig>() else { bail!("the recipe is of another family") };
        let task = CausalLm::prepare(&recipe.run, of_task, config, None, None, &log)?;
        let of_token = 3 * of_task.model.forward_flops_per_token(of_task.batch.context) as u64;
        let of_update = of_token * (of_task.batch.context * of_task.batch.rows.or(1)) as u64;
        let steps = (self.gflops.get().saturating_mul(1_000_000_000) / of_update.max(1)).max(1);

        let start = Instant::now();
        let device = self.backend.device()?.autodiff();
        let mut model = task.init(&device, recipe.run.training.seed, &log)?;
        let mut optimizer = recipe.run.optimizer.init()?;
        let schedule = equally_long(recipe.run.schedule, steps).build(task.spec().d_model());
        let (objective, mut batches) = (task.objective(), task.batches());
        for step in (1..=steps).filter_map(NonZeroU64::new) {
            let batch = batches.next_batch().map_err(|cause| anyhow!(cause))?;
            let mut update = Update::of(model, &objective);
            update.add(&batch, None);
            let report;
            (model, report) = update.step(&mut optimizer, schedule.lr(step));
            if step.get().is_multiple_of(100) {
                say!("step {step}/{steps}  {:.3} nats a token", report.nll_nats)?;
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        let n_params = model.num_params() as u64;
        let scores = task.score(model.valid(), &log)?;
        let Some(bits) = scores.iter().find(|score| score.metric == "bits-per-byte") else {
            bail!("the text is too short for a part to be held out");
        };
        let vocab_size = task.tokenizer().vocab_size() as u64;
        let numbers = [task.n_training_tokens(), vocab_size, n_params, steps].map(thousands);
        let [tokens, vocabulary, params, updates] = numbers;
        let value = format!("{:.4}", bits.value);
        Ok([family.to_owned(), tokens, vocabulary, params, updates, format!("{seconds:.0} s"), value])
    }
}

/// The recipe's schedule over other updates.
fn equally_long(config: ScheduleConfig, steps: u64) -> ScheduleConfig {
    match config {
        ScheduleConfig::Cosine { peak, floor, .. } => {
            let warmup_steps = (steps as f64 * WARM_UP).ceil() as u64;
            ScheduleConfig::Cosine { peak, floor, warmup_steps, total_steps: steps }
        }
        other => other,
    }
}
