//! Actions of an agent, learnt from episodes of others.

use attentive_backend::{Device, Objective};
use attentive_bundle::{DataRecord, Policy, Processor, ScoreRecord};
use attentive_collective::Collective;
use attentive_core::{Action, BatchStream, Endless, Episode, Steps, TrajectoryBatch, TrajectoryProcessor};
use attentive_data::{EpisodeShape, ExampleBatcher, TrajectoryContexts};
use attentive_environments::Builtin;
use attentive_model::{ModelConfig, PolicyModel, PolicyObjective, PolicySpec};
use attentive_trainer::{Evaluate, Validation};
use attentive_weights::Tensors;

use crate::{
    Episodes, Log, Resizable, Result, Start, Task,
    config::{RunRecipe, TrajectoriesRecipe},
    episodes::describe,
    initial,
    masked_lm::{share, values},
    shared::sums,
    thousands,
};

/// Episodes, and a policy that learns to act as they do, given the returns that they led to.
pub struct Trajectories<F> {
    config: F,
    objective: PolicyObjective,
    processor: TrajectoryProcessor,
    pretrained: Option<Tensors>,
    train: ExampleBatcher<TrajectoryContexts>,
    validation: Option<ExampleBatcher<TrajectoryContexts>>,
    environment: Option<Builtin>,
    /// The return that the finished agent is asked for, and the episodes that it plays.
    target_return: f32,
    n_played: usize,
    records: Vec<DataRecord>,
}

debug_by_config!(Trajectories);

impl<F: PolicySpec + Into<ModelConfig>> Trajectories<F> {
    /// Reads the episodes of a recipe, whose widths it fills in.
    ///
    /// # Errors
    /// An episode can't be read, is longer than the model has steps for, or is not of the environment's widths.
    pub fn prepare(
        run: &RunRecipe,
        recipe: &mut TrajectoriesRecipe,
        mut config: F,
        start: Start<'_>,
        log: &dyn Log,
    ) -> Result<Self> {
        let Episodes { train, validation, mut shape, records } = Episodes::open(&recipe.data, log)?;
        let builtin = recipe.data.train.is_none().then_some(Builtin::CartPole);
        let environment = recipe.data.environment.or(builtin);
        let longest = train.iter().chain(validation.iter().flatten()).map(Episode::n_steps).max().unwrap_or(0);
        let longest = longest.max(environment.map_or(Ok(0), |environment| fit(environment, &mut shape))?);
        config.set_widths(shape.n_features, shape.actions);
        if let Some(max_steps) = config.max_len().filter(|&max_steps| max_steps < longest) {
            refuse!(
                "model.max_steps = {max_steps}, and the longest episode has {longest} steps: raise it, or cut the episode; a \
                 pretrained model keeps its own"
            );
        }
        config.validate()?;
        recipe.model = config.clone().into();

        let mut processor = TrajectoryProcessor::of(&train, shape.actions, recipe.batch.context);
        if let Some(problem) = processor.problem() {
            refuse!("the numbers of data.train are too large, or batch.context is 0: {problem}");
        }
        let before = start.processor()?;
        let before = before.as_ref().and_then(Processor::trajectory);
        if let Some(before) = before.filter(|before| before.state_mean.len() == processor.state_mean.len()) {
            // The weights that were trained before know states and returns by these.
            let TrajectoryProcessor { state_mean, state_deviation, return_scale, .. } = before.clone();
            processor = TrajectoryProcessor { state_mean, state_deviation, return_scale, ..processor };
        }
        processor.environment = environment.map(|environment| environment.name().to_owned());
        say!(log, "data      {}", describe("training", &train));
        let best = processor.best_return.unwrap_or_default();
        let n_rows = recipe.batch.rows.or(1);
        let seed = run.training.seed;
        let validation = match validation {
            Some(validation) => {
                say!(log, "data      {}", describe("validation", &validation));
                let contexts = TrajectoryContexts::whole(validation, processor.clone());
                Some(ExampleBatcher::new(contexts, n_rows, seed)?)
            }
            None => {
                say!(log, "no data.validation");
                None
            }
        };
        let contexts = TrajectoryContexts::drawn(train, processor.clone(), seed);
        Ok(Self {
            config,
            objective: recipe.objective,
            processor,
            pretrained: start.pretrained.map(|bundle| bundle.params),
            train: ExampleBatcher::new(contexts, n_rows, seed)?,
            validation,
            environment,
            target_return: recipe.evaluation.target_return.unwrap_or(best),
            n_played: recipe.evaluation.episodes,
            records,
        })
    }

    /// Loss an action, and, of discrete ones, the share that are as in the data.
    fn judge(
        model: &F::Model,
        peers: &dyn Collective,
        batches: &ExampleBatcher<TrajectoryContexts>,
    ) -> Result<(f64, Option<f64>)> {
        let (objective, is_discrete) = (PolicyObjective::default(), model.actions().is_discrete());
        let [sum, n_targets, n_same] = sums(peers, batches, |batch| {
            let loss = objective.loss(model, &batch, None);
            let n_same = if is_discrete { n_as_in_data(model, &batch) } else { 0 };
            Ok([f64::from(loss.nll_sum.into_scalar::<f32>()), loss.n_targets as f64, n_same as f64])
        })?;
        let same = is_discrete.then(|| share(n_same as usize, n_targets as usize));
        Ok((sum / n_targets.max(1.0), same))
    }

    /// Plays the environment, and tells the mean return.
    fn play(&self, model: F::Model, environment: Builtin, log: &dyn Log) -> Result<ScoreRecord> {
        let policy = Policy::new(model, &self.config, self.processor.clone());
        let episodes: Vec<(u64, f32)> = (0..self.n_played as u64).map(|seed| (seed, self.target_return)).collect();
        let played = policy.play(|| environment.environment(), &episodes)?;
        let asked = match policy.reads_returns() {
            true => format!("asked for {}", self.target_return),
            false => "asked for nothing".to_owned(),
        };
        say!(log, "{:<10}{asked}: {}", environment.name(), describe("played", &played));
        let mean = played.iter().map(Episode::total).sum::<f64>() / played.len().max(1) as f64;
        Ok(ScoreRecord::new(environment.name(), "return", mean, asked))
    }
}

/// Gives episodes the actions of an environment; returns the steps of its longest episode.
///
/// # Errors
/// They are not of the environment.
fn fit(builtin: Builtin, shape: &mut EpisodeShape) -> Result<usize> {
    let environment = builtin.environment();
    let actions = environment.actions();
    let EpisodeShape { n_features, actions: found } = *shape;
    let fits = found.is_discrete() == actions.is_discrete() && found.width() <= actions.width();
    if !fits || n_features != environment.n_features() {
        let expected = environment.n_features();
        refuse!(
            "data.environment: {builtin} has observations of {expected} numbers and {actions}, data.train {n_features} numbers \
             and {found}"
        );
    }
    shape.actions = actions;
    Ok(environment.max_steps())
}

/// How many of the actions that count a model takes as the data has them.
fn n_as_in_data(model: &impl PolicyModel, batch: &TrajectoryBatch) -> usize {
    let width = model.actions().width();
    let scores = values(model.predict(&batch.steps, None));
    let places = scores.chunks_exact(width).zip(batch.classes()).zip(batch.padding());
    let is_same = |((scores, class), padding): (_, bool)| {
        !padding && model.actions().choose(scores) == Some(Action::Discrete(class))
    };
    places.map(is_same).filter(|&is_same| is_same).count()
}

impl<F: PolicySpec + Into<ModelConfig>> Task for Trajectories<F> {
    type Model = F::Model;
    type Spec = F;
    type Batch = TrajectoryBatch;
    type Objective = PolicyObjective;

    fn spec(&self) -> &F {
        &self.config
    }

    fn processor(&self) -> Processor {
        self.processor.clone().into()
    }

    fn pretrained(&self) -> Option<&Tensors> {
        self.pretrained.as_ref()
    }

    fn init(&self, device: &Device, seed: u64, log: &dyn Log) -> Result<F::Model> {
        initial(self, device, seed, log)
    }

    fn objective(&self) -> PolicyObjective {
        self.objective
    }

    fn batches(&self) -> Box<dyn BatchStream<Batch = TrajectoryBatch> + '_> {
        Box::new(Endless::new(&self.train))
    }

    fn evaluator<'a>(
        &'a self,
        peers: &'a dyn Collective,
        _log: &'a dyn Log,
    ) -> Option<Box<dyn Evaluate<F::Model> + 'a>> {
        let validation = self.validation.as_ref()?;
        Some(Box::new(move |model: &F::Model| {
            let (nll_nats, same) = Self::judge(model, peers, validation)?;
            let scores = same.map(|same| ("accuracy".to_owned(), same)).into_iter().collect();
            Ok(Validation { nll_nats, scores, quality: None })
        }))
    }

    fn score(&self, model: F::Model, peers: &dyn Collective, log: &dyn Log) -> Result<Vec<ScoreRecord>> {
        let mut scores = Vec::new();
        if let Some(validation) = &self.validation {
            let (loss, same) = Self::judge(&model, peers, validation)?;
            scores.push(ScoreRecord::new("validation", "loss", loss, ""));
            let n_actions = thousands(validation.set().n_steps());
            let same_text =
                same.map_or_else(String::new, |same| format!(", {:.1} % of them as in the data", 100.0 * same));
            say!(log, "validation a loss of {loss:.4} each of {n_actions} actions{same_text}");
            scores.extend(same.map(|same| ScoreRecord::new("validation", "accuracy", same, "")));
        }
        if let Some(environment) = self.environment.filter(|_| self.n_played > 0 && peers.rank() == 0) {
            scores.push(self.play(model, environment, log)?);
        }
        Ok(scores)
    }

    fn data_records(&self, _log: &dyn Log) -> Result<Vec<DataRecord>> {
        Ok(self.records.clone())
    }

    fn example(&self, model: &str) -> String {
        match self.environment {
            Some(_) if self.config.reads_returns() => {
                format!("play --model {model} --target-return {} --show", self.target_return)
            }
            Some(_) => format!("play --model {model} --show"),
            None => format!("inspect {model}"),
        }
    }
}

impl<F: PolicySpec + Into<ModelConfig>> Resizable for Trajectories<F> {
    const FIRST: usize = 1;

    fn with_batch_size(&mut self, rows: usize) -> Result<()> {
        self.train = self.train.with_rows(rows);
        self.validation = self.validation.as_ref().map(|validation| validation.with_rows(rows));
        Ok(())
    }

    fn largest_batches(&self) -> Vec<TrajectoryBatch> {
        let (rows, n_steps) = (self.train.rows(), self.train.set().longest());
        let widths = [self.config.n_features(), self.config.actions().width()];
        let steps = Steps::padding(rows, n_steps, widths);
        vec![TrajectoryBatch { steps, lengths: vec![n_steps; rows], indices: vec![0; rows] }]
    }
}
