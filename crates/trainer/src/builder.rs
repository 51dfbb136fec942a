//! The parts of a trainer.

use std::{fmt, rc::Rc};

use attentive_backend::Objective;
use attentive_collective::{Alone, Collective};
use attentive_optim::{AdamConfig, Optimizer, Rated, Schedule, ScheduleConfig};
use attentive_weights::Rounding;
use burn::module::Module;

use crate::{
    CheckpointDir, Environment, QuantizeFormat, TrainError, Trainer, TrainerConfig, freeze::freeze, rates,
    rounding::Rounder,
};

/// Makes what rounds the matrices of a model to a format, if they can be.
type MakeRounding = dyn FnOnce(QuantizeFormat) -> Option<Box<dyn Rounding>>;

/// Makes a [`Trainer`]; [`Trainer::builder`] begins one.
///
/// The defaults are Adam as in the paper, a learning rate of 1e-3, [`TrainerConfig::default`], and no checkpoints.
pub struct TrainerBuilder<M, O> {
    model: M,
    objective: O,
    optimizer: Option<Box<dyn Optimizer>>,
    schedule: Box<dyn Schedule>,
    config: TrainerConfig,
    rounding: Option<Box<MakeRounding>>,
    checkpoints: Option<CheckpointDir>,
    environment: Environment,
    measure: Option<String>,
    peers: Rc<dyn Collective>,
}

impl<M, O> fmt::Debug for TrainerBuilder<M, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrainerBuilder")
            .field("config", &self.config)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

impl<M: Module, O: Objective<M>> TrainerBuilder<M, O> {
    pub(crate) fn new(model: M, objective: O) -> Self {
        Self {
            model,
            objective,
            optimizer: None,
            schedule: Box::new(ScheduleConfig::Constant { lr: 1e-3, warmup_steps: 0 }.build(1)),
            config: TrainerConfig::default(),
            rounding: None,
            checkpoints: None,
            environment: Environment::default(),
            measure: None,
            peers: Rc::new(Alone),
        }
    }

    /// The optimizer; [`OptimizerConfig::init`](attentive_optim::OptimizerConfig::init) makes one.
    #[must_use]
    pub fn optimizer(self, optimizer: impl Optimizer + 'static) -> Self {
        Self { optimizer: Some(Box::new(optimizer)), ..self }
    }

    /// The learning rate of each update; [`ScheduleConfig::build`] makes one.
    #[must_use]
    pub fn schedule(self, schedule: impl Schedule + 'static) -> Self {
        Self { schedule: Box::new(schedule), ..self }
    }

    /// Settings of the loop.
    #[must_use]
    pub fn config(self, config: TrainerConfig) -> Self {
        Self { config, ..self }
    }

    /// Makes what rounds matrices to the format of [`TrainerConfig::quantize`], which needs it and without which nothing
    /// is rounded; `None` if the model's can't be. They are rounded in the passes of updates, as by
    /// [`Update::rounding`](crate::Update::rounding), and in validation, which so scores what will run. The parameters of
    /// the model, its checkpoints and the running mean are not.
    #[must_use]
    pub fn rounding(self, make: impl FnOnce(QuantizeFormat) -> Option<Box<dyn Rounding>> + 'static) -> Self {
        Self { rounding: Some(Box::new(make)), ..self }
    }

    /// The folder of checkpoints. Without one nothing is saved: there is nothing to resume, to average or to go back to.
    #[must_use]
    pub fn checkpoints(self, checkpoints: CheckpointDir) -> Self {
        Self { checkpoints: Some(checkpoints), ..self }
    }

    /// The environment of the run, which its checkpoints record.
    #[must_use]
    pub fn environment(self, environment: Environment) -> Self {
        Self { environment, ..self }
    }

    /// The name of what [`Validation::quality`](crate::Validation::quality) is, with the settings that change it: a run that
    /// goes on with another measure forgets what was best by the former one. `None` where there is one measure only.
    #[must_use]
    pub fn measure(self, measure: Option<String>) -> Self {
        Self { measure, ..self }
    }

    /// The processes that train the same model together, each of which makes the same trainer.
    ///
    /// The micro-batches of an update are shared among them, and so is the optimizer. Checkpoints are read and written by
    /// the first alone, and are those of one process. A number that is a power of two gives the bits of one process, on flex.
    #[must_use]
    pub fn peers(self, peers: Rc<dyn Collective>) -> Self {
        Self { peers, ..self }
    }

    /// A run that has made no update.
    ///
    /// # Errors
    /// [`TrainError::Setting`] names a setting that is out of range, [`TrainError::Freeze`] and [`TrainError::Rates`] a pattern
    /// without parameters, [`TrainError::Quantize`] a matrix that can't be rounded.
    pub fn build(self) -> Result<Trainer<M, O>, TrainError> {
        let Self { model, objective, optimizer, schedule, config, rounding, checkpoints, environment, measure, peers } =
            self;
        config.validate()?;
        config.validate_among(peers.size())?;
        let optimizer = match optimizer {
            Some(optimizer) => optimizer,
            None => Box::new(AdamConfig::default().init()?),
        };
        let (model, optimizer) = config.apply_to_parts(model, optimizer)?;
        let make_rounder = |format: QuantizeFormat| {
            let problem = "weights of such a model are not packed: leave it out, or give the trainer what rounds them";
            let refused = TrainError::Setting { key: "quantize", value: format.to_string(), problem };
            let rounding = rounding.and_then(|make| make(format)).ok_or(refused)?;
            let mut rounder = Rounder::new(rounding, config.freeze.clone());
            // A matrix that can't be rounded is told before the first update.
            rounder.round(model.clone())?;
            Ok::<_, TrainError>(rounder)
        };
        let rounder = config.quantize.map(make_rounder).transpose()?;
        let checkpoints = checkpoints.map(|checkpoints| checkpoints.keep_every(config.keep_every));
        Ok(Trainer::new(
            model,
            objective,
            optimizer,
            schedule,
            config,
            rounder,
            checkpoints,
            environment,
            measure,
            peers,
        ))
    }
}

impl TrainerConfig {
    /// What is trained of a model, and the optimizer with the rates of its parts: [`freeze`](Self::freeze),
    /// [`rates`](Self::rates) and [`layer_decay`](Self::layer_decay).
    ///
    /// # Errors
    /// [`TrainError::Freeze`] and [`TrainError::Rates`] name a pattern without parameters.
    pub fn apply_to_parts<M: Module>(
        &self,
        model: M,
        optimizer: Box<dyn Optimizer>,
    ) -> Result<(M, Box<dyn Optimizer>), TrainError> {
        let model = freeze(model, &self.freeze)?;
        let factors = rates::factors(&model, self)?;
        let optimizer = if factors.is_empty() { optimizer } else { Box::new(Rated::new(optimizer, factors)) };
        Ok((model, optimizer))
    }
}
