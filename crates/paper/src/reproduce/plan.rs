//! What is trained for Table 3, for how long, and where.

use std::{cmp::Reverse, fs, num::NonZeroU64, path::PathBuf, time::Duration};

use attentive_attention::PositionsConfig;
use attentive_backend::Device;
use attentive_data::TokenCache;
use attentive_model::{
    ModelSpec, TransformerConfig,
    table3::{Table3Row, table3},
};
use attentive_optim::ScheduleConfig;
use attentive_run::{Cost, Recipe, is_finished};
use attentive_task::{
    Context, Log, Resizable, Result, TaskVisitor, clock,
    config::{RunRecipe, TaskRecipe, TranslationRecipe},
    prepare, thousands,
};
use serde::{Deserialize, Serialize};

use crate::{Say, tell};

/// The recipe of the base row, unless another is given.
const BASE: &str = "table3";
/// Entries of the vocabulary that the paper's rows are read at; no size or choice depends on it.
const PAPER_VOCAB: usize = 37_000;
/// The part of a budget that updates may take; the rest is for reading, validating and scoring.
const FOR_UPDATES: f64 = 0.85;
/// Fewer updates than these teach nothing.
const FEWEST_UPDATES: u64 = 20;
/// Positions that may be learnt in row (E).
const MAX_LEN: usize = 512;

/// Table 3 trained: every variation of the model, at a size and on data of one's own.
///
/// A recipe is the base row: its data, tokenizer, batches, schedule and model. The other rows differ from it as the paper's
/// rows differ from the paper's base: sizes by the same factors, dropout and label smoothing by the same values. All rows
/// have as many updates, the big model three times as many, as in the paper.
///
/// Each row and seed is a run of its own in the folder `runs`. What is finished is read, and what was interrupted goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Reproduction {
    /// The file of a translation recipe, or the name of a built-in one; without it, `table3`.
    pub recipe: Option<PathBuf>,
    /// Settings over those of the recipe, as `data.train.tsv=a.tsv`.
    pub settings: Vec<String>,
    /// Rows by their names, or groups of them by their letters: `base`, `A`, `C N=2`; all if there is none. The base row is
    /// always among them.
    pub rows: Vec<String>,
    /// Seeds; each row is trained with every one.
    pub seeds: Vec<u64>,
    /// How long rows are trained.
    pub length: Length,
    /// The folder of the runs.
    pub runs: PathBuf,
}

/// How long the rows of a [`Reproduction`] are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// As many updates as fit, when every row has as many: the time of all runs together, or of the processes that share them.
    Budget(Duration),
    /// Updates of each row.
    Updates(NonZeroU64),
}

/// A row of Table 3 as it is trained here.
#[derive(Debug, Clone)]
pub(super) struct Variation {
    /// The paper's row.
    pub(super) paper: Table3Row,
    /// The recipe, but for its length and seed.
    pub(super) recipe: Recipe,
    /// Its updates, as multiples of the base row's.
    pub(super) times: u64,
}

/// What was decided when the first run began, so that later ones are trained for as long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Decided {
    /// The base row's recipe.
    recipe: String,
    /// Updates of the base row.
    updates: u64,
}

impl Reproduction {
    /// The rows, base first.
    pub(super) fn variations(&self) -> Result<Vec<Variation>> {
        let name = self.recipe.clone().unwrap_or_else(|| BASE.into());
        let recipe = Recipe::of_command(Some(&name), &self.settings)?;
        let base = transformer(translation(&recipe)?)?;
        let rows = table3(PAPER_VOCAB);
        self.check_names(&rows)?;
        let paper_base = rows[0].config.clone();
        let chosen = rows.into_iter().filter(|row| self.is_chosen(row.name));
        chosen.map(|row| Variation::of(row, &paper_base, &recipe, &base)).collect()
    }

    fn is_chosen(&self, row: &str) -> bool {
        let names = |name: &String| row == name || row.split(' ').next() == Some(name);
        self.rows.is_empty() || row == "base" || self.rows.iter().any(names)
    }

    fn check_names(&self, rows: &[Table3Row]) -> Result<()> {
        let is_known =
            |name: &&String| rows.iter().any(|row| row.name == *name || row.name.split(' ').next() == Some(name));
        match self.rows.iter().find(|name| !is_known(name)) {
            Some(name) => {
                let names: Vec<&str> = rows.iter().map(|row| row.name).collect();
                refuse!("Table 3 has no row {name:?}; it has A, B, C, D, E (groups), {}", names.join(", "))
            }
            None => Ok(()),
        }
    }

    /// Where the run of a row and a seed is.
    pub(super) fn folder(&self, row: &Variation, seed: u64) -> PathBuf {
        self.runs.join(format!("{}-1", row.run_name(seed)))
    }

    /// The file of what was decided.
    fn plan(&self) -> PathBuf {
        self.runs.join("table3.json")
    }

    /// Refuses a folder of runs that the first process does not write to: what others train would be missing in the end.
    pub(super) fn check_seen(&self) -> Result<()> {
        match self.plan().is_file() {
            true => Ok(()),
            false => refuse!(
                "this process does not see {}, which the first one has made: processes share runs in one folder",
                self.plan().display()
            ),
        }
    }

    /// Every row with every seed.
    fn all<'a>(&'a self, rows: &'a [Variation]) -> impl Iterator<Item = (&'a Variation, u64)> {
        rows.iter().flat_map(|row| self.seeds.iter().map(move |&seed| (row, seed)))
    }

    /// Which of all runs are finished.
    pub(super) fn finished(&self, rows: &[Variation]) -> Vec<bool> {
        self.all(rows).map(|(row, seed)| is_finished(&self.folder(row, seed))).collect()
    }

    /// The runs of the process `rank` of `size`, in the order of the table: each run, the longest first, is of the process that
    /// has the least to do.
    pub(super) fn share<'a>(
        &'a self,
        rows: &'a [Variation],
        is_finished: &[bool],
        [rank, size]: [usize; 2],
    ) -> Vec<(&'a Variation, u64)> {
        let runs: Vec<(&Variation, u64)> = self.all(rows).collect();
        let cost = |run: usize| if is_finished[run] { 0 } else { runs[run].0.cost() };
        let mut longest_first: Vec<usize> = (0..runs.len()).collect();
        longest_first.sort_by_key(|&run| Reverse(cost(run)));
        let mut loads = vec![0; size];
        let mut is_mine = vec![false; runs.len()];
        for run in longest_first {
            let least = (0..size).min_by_key(|&process| loads[process]).unwrap_or(0);
            loads[least] += cost(run);
            is_mine[run] = least == rank;
        }
        runs.into_iter().zip(is_mine).filter_map(|(run, is_mine)| is_mine.then_some(run)).collect()
    }

    /// Updates of the base row: those of the plan in the folder of the runs, or else as many as are asked for, or fit if so many
    /// processes share the runs.
    pub(super) fn updates(
        &self,
        n_processes: usize,
        rows: &[Variation],
        device: &Device,
        log: &dyn Log,
        say: &mut Say<'_>,
    ) -> Result<u64> {
        let path = self.plan();
        let recipe = rows[0].recipe.to_toml();
        let decided: Option<Decided> = match fs::read_to_string(&path) {
            Ok(text) => Some(serde_json::from_str(&text).with_context(|| format!("can't read {}", path.display()))?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("can't read {}", path.display())),
        };
        if let Some(decided) = decided {
            if decided.recipe != recipe {
                refuse!("{} was begun with another recipe: choose another folder with --runs", self.runs.display());
            }
            match self.length {
                Length::Updates(n) if n.get() != decided.updates => refuse!(
                    "{} was begun with {} updates for each row: leave --updates out, or choose another folder with --runs",
                    self.runs.display(),
                    decided.updates
                ),
                _ => {}
            }
            let (n, runs) = (thousands(decided.updates), self.runs.display());
            tell(say, &format!("{n} updates of each row, as {runs} was begun"))?;
            return Ok(decided.updates);
        }
        let updates = match self.length {
            Length::Updates(n) => n.get(),
            Length::Budget(budget) => self.fitting(budget, n_processes, rows, device, log, say)?,
        };
        fs::create_dir_all(&self.runs).with_context(|| format!("can't make {}", self.runs.display()))?;
        let text = serde_json::to_string_pretty(&Decided { recipe, updates }).context("writing the plan")?;
        attentive_weights::write_atomically(&path, text.as_bytes())
            .with_context(|| format!("can't write {}", path.display()))?;
        Ok(updates)
    }

    /// The most updates of each row that a budget has time for, by the measured time of an update.
    fn fitting(
        &self,
        budget: Duration,
        n_processes: usize,
        rows: &[Variation],
        device: &Device,
        log: &dyn Log,
        say: &mut Say<'_>,
    ) -> Result<u64> {
        let mut seconds = 0.0;
        for row in rows {
            let mut recipe = row.recipe.clone();
            let Recipe { run, task, origins, .. } = &mut recipe;
            let cache = TokenCache::new(self.runs.join(".tokens"), "");
            let each = prepare(run, task, None, Some(&cache), log, Timing { device })
                .map_err(|error| origins.locate(error))?;
            tell(say, &format!("{:<22} {each:.2} s an update", row.paper.name))?;
            seconds += each * row.times as f64;
        }
        let n_seeds = self.seeds.len().max(1) as f64;
        let all = budget.as_secs_f64() * n_processes as f64;
        let fitting = (all * FOR_UPDATES / (seconds * n_seeds)) as u64;
        if fitting < FEWEST_UPDATES {
            refuse!(
                "{} are enough for {fitting} updates of each row: give more, fewer rows or seeds, or a smaller model",
                clock(budget)
            );
        }
        // A round number, which the table shows.
        let round = 10_u64.pow(fitting.ilog10().saturating_sub(1));
        let updates = fitting / round * round;
        tell(say, &format!("{} updates of each row fit into {}", thousands(updates), clock(budget)))?;
        Ok(updates)
    }
}

impl Variation {
    /// The row `paper` where the paper's base row is `paper_base` and ours is `base`.
    fn of(paper: Table3Row, paper_base: &TransformerConfig, recipe: &Recipe, base: &TransformerConfig) -> Result<Self> {
        let row = &paper.config;
        let scaled =
            |ours: usize, row: usize, base: usize| (ours as f64 * row as f64 / base as f64).round().max(1.0) as usize;
        let d_model = scaled(base.d_model, row.d_model, paper_base.d_model);
        let n_heads = scaled(base.n_heads, row.n_heads, paper_base.n_heads);
        let layers = |ours| scaled(ours, row.n_encoder_layers, paper_base.n_encoder_layers);
        let mut settings = vec![
            format!("model.d_model={d_model}"),
            format!("model.d_ff={}", scaled(base.d_ff, row.d_ff, paper_base.d_ff)),
            format!("model.n_heads={n_heads}"),
            format!("model.n_encoder_layers={}", layers(base.n_encoder_layers)),
            format!("model.n_decoder_layers={}", layers(base.n_decoder_layers)),
        ];
        if row.d_k.is_some() {
            settings.push(format!("model.d_k={}", scaled(base.d_k(), row.d_k(), paper_base.d_k())));
            settings.push(format!("model.d_v={}", scaled(base.d_v(), row.d_v(), paper_base.d_v())));
        } else if !d_model.is_multiple_of(n_heads) {
            refuse!(
                "row {}: {d_model} values can't be parted among {n_heads} heads: model.d_model must be a multiple of 4 · \
                 model.n_heads",
                paper.name
            );
        }
        if row.dropout != paper_base.dropout {
            settings.push(format!("model.dropout={:?}", row.dropout));
        }
        if let PositionsConfig::Learned { .. } = row.positions {
            settings.push(format!("model.positions={{learned={{max_len={MAX_LEN}}}}}"));
        }
        if paper.label_smoothing != 0.1 {
            settings.push(format!("objective.label_smoothing={:?}", paper.label_smoothing));
        }
        let times = paper.train_steps / 100_000;
        Ok(Self { recipe: recipe.clone().with(settings)?, paper, times })
    }

    /// The sizes of its model.
    pub(super) fn describe(&self) -> Result<String> {
        Ok(transformer(translation(&self.recipe)?)?.describe())
    }

    /// How long its run takes, compared with others.
    fn cost(&self) -> u64 {
        self.times * self.paper.config.n_params() as u64
    }

    /// The name of its runs: `table3-c-n-2-seed-1`.
    pub(super) fn run_name(&self, seed: u64) -> String {
        let mut name = String::from("table3-");
        for c in self.paper.name.to_lowercase().chars() {
            name.push(if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' });
        }
        format!("{}-seed-{seed}", name.replace('.', ""))
    }

    /// The whole recipe of a run: `updates` are the base row's.
    pub(super) fn recipe(&self, updates: u64, seed: u64) -> Result<Recipe> {
        let updates = updates * self.times;
        let run = &self.recipe.run;
        // The schedule keeps its shape.
        let warmup = |of: u64| (of as f64 / run.training.steps as f64 * updates as f64).round().max(1.0);
        let mut settings = vec![
            format!("name={}", self.run_name(seed)),
            format!("training.seed={seed}"),
            format!("training.steps={updates}"),
            format!("training.validate_every={}", (updates / 10).max(1)),
            format!("training.checkpoint_every={}", (updates / 20).max(1)),
        ];
        let (ScheduleConfig::Noam { warmup_steps, .. }
        | ScheduleConfig::InverseSqrt { warmup_steps, .. }
        | ScheduleConfig::Cosine { warmup_steps, .. }
        | ScheduleConfig::Constant { warmup_steps, .. }) = run.schedule;
        settings.push(format!("schedule.warmup_steps={}", warmup(warmup_steps)));
        if let ScheduleConfig::Cosine { .. } = run.schedule {
            settings.push(format!("schedule.total_steps={updates}"));
        }
        self.recipe.clone().with(settings)
    }
}

/// The recipe of the task that Table 3 is about.
fn translation(recipe: &Recipe) -> Result<&TranslationRecipe> {
    match &recipe.task {
        TaskRecipe::Translation(recipe) if recipe.pretrained.is_none() => Ok(recipe),
        TaskRecipe::Translation(_) => {
            refuse!("pretrained has sizes of its own, which the rows of Table 3 change: leave it out")
        }
        _ => refuse!("Table 3 is of translation: give a recipe of that task"),
    }
}

/// The configuration of its model, which must be a Transformer.
fn transformer(recipe: &TranslationRecipe) -> Result<TransformerConfig> {
    let mut table = toml::Table::try_from(&recipe.model).context("reading the model's settings")?;
    match table.remove("family") {
        Some(toml::Value::String(family)) if family == "transformer" => {}
        family => {
            refuse!("Table 3 is of the Transformer, and the recipe's model.family is {}", family.unwrap_or("".into()))
        }
    }
    TransformerConfig::deserialize(table).context("reading the model's settings")
}

/// Measures seconds of an update.
struct Timing<'a> {
    device: &'a Device,
}

impl TaskVisitor for Timing<'_> {
    type Output = f64;

    fn visit<T: Resizable>(self, task: T, run: &mut RunRecipe, _: &mut TaskRecipe) -> Result<f64> {
        Ok(Cost::measure(&task, run, self.device, &())?.time.as_secs_f64())
    }
}
