//! Families of tokenizers compared.

use std::{num::NonZeroU64, path::PathBuf, time::Instant};

use attentive_backend::Device;
use attentive_collective::Alone;
use attentive_model::{GptConfig, ModelSpec};
use attentive_optim::{Schedule, ScheduleConfig};
use attentive_run::Recipe;
use attentive_task::{CausalLm, Context, Log, Result, Start, Task, config::TaskRecipe, thousands};
use attentive_trainer::Update;
use burn::module::Module;

use crate::{Exhibit, Say, Table, tell};

/// Families, as recipes name them, and whether their vocabularies are learned up to a size.
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

/// One small GPT trained on a text cut by each family of tokenizers, at equal training compute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokenizers {
    /// The text, of which a tenth is held out; without it, the English of the built-in corpus.
    pub text: Option<PathBuf>,
    /// Size of the vocabularies that are learned.
    pub vocab_size: usize,
    /// Training compute of each model, in 10⁹ floating-point operations: products forward, and twice that backward.
    pub gflops: NonZeroU64,
}

/// 4·10¹² operations on the built-in corpus, vocabularies of 1,000 entries.
impl Default for Tokenizers {
    fn default() -> Self {
        Self { text: None, vocab_size: 1000, gflops: NonZeroU64::new(4000).expect("not zero") }
    }
}

impl Tokenizers {
    /// Bits for each byte of held-out text, by family. The log gets what is found in the text; `say` gets a line for each
    /// family and each hundred updates.
    ///
    /// # Errors
    /// The text can't be read, is too short for a part to be held out, or `say` fails.
    pub fn make(&self, device: &Device, log: &dyn Log, say: &mut Say<'_>) -> Result<Exhibit> {
        let compute = thousands(self.gflops.get());
        let head = ["tokenizer", "training tokens", "vocabulary", "parameters", "updates", "time", "bits a byte"];
        let mut table = Table::new(head)
            .under(format!("Bits for each byte of held-out text, after {compute}·10^9 operations of training each"));
        for (family, is_learned) in FAMILIES {
            tell(say, family)?;
            table.row(self.train(family, is_learned, device, log, say)?);
            tell(say, "")?;
        }
        Ok([table].into())
    }

    /// The recipe of one family.
    fn recipe(&self, family: &str, is_learned: bool) -> Result<Recipe> {
        let mut settings = vec![format!("tokenizer.kind={family}")];
        settings.extend(is_learned.then(|| format!("tokenizer.vocab_size={}", self.vocab_size)));
        if let Some(text) = &self.text {
            settings.push(format!("data.train.text={}", toml::Value::from(text.display().to_string())));
            // As one document: not every family has a token between two.
            settings.extend(["data.train.documents=file".into(), format!("data.validation_fraction={HELD_OUT}")]);
        }
        Recipe::tokenizers(&settings)
    }

    /// The row of one family.
    fn train(
        &self,
        family: &str,
        is_learned: bool,
        device: &Device,
        log: &dyn Log,
        say: &mut Say<'_>,
    ) -> Result<[String; 7]> {
        let mut recipe = self.recipe(family, is_learned)?;
        let TaskRecipe::CausalLm(of_task) = &mut recipe.task else { refuse!("the recipe is of another task") };
        let Some(config) = of_task.model.spec::<GptConfig>() else { refuse!("the recipe is of another family") };
        let task = CausalLm::prepare(&recipe.run, of_task, config, Start::default(), log)?;
        let of_token = 3 * of_task.model.forward_flops_per_token(of_task.batch.context) as u64;
        let of_update = of_token * (of_task.batch.context * of_task.batch.rows.or(1)) as u64;
        let steps = (self.gflops.get().saturating_mul(1_000_000_000) / of_update.max(1)).max(1);

        let start = Instant::now();
        let mut model = task.init(&device.clone().autodiff(), recipe.run.training.seed, log)?;
        let mut optimizer = recipe.run.optimizer.init()?;
        let schedule = equally_long(recipe.run.schedule, steps).build(task.spec().d_model());
        let (objective, mut batches) = (task.objective(), task.batches());
        for step in (1..=steps).filter_map(NonZeroU64::new) {
            let batch = batches.next_batch().context("reading the data")?;
            let mut update = Update::of(model, &objective);
            update.add(&batch, None);
            let report;
            (model, report) = update.step(&mut optimizer, schedule.lr(step));
            if step.get().is_multiple_of(100) {
                tell(say, &format!("step {step}/{steps}  {:.3} nats a token", report.nll_nats))?;
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        let n_params = model.num_params() as u64;
        let scores = task.score(model.valid(), &Alone, log)?;
        let Some(bits) = scores.iter().find(|score| score.metric == "bits-per-byte") else {
            refuse!("the text is too short for a part to be held out");
        };
        let vocab_size = task.spec().vocab_size() as u64;
        let [tokens, vocabulary, params, updates] =
            [task.n_training_tokens(), vocab_size, n_params, steps].map(thousands);
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
