//! What an agent has seen in, what it does out.

use std::fmt;

use attentive_core::{Action, ActionSpace, DeviceError, Episode, TrajectoryProcessor, Window};
use attentive_environments::{Environment, WrongAction};
use attentive_model::{FamilyVisitor, ModelSpec, PolicyModel, PolicySpec, Role};
use burn::tensor::Device;

use crate::{Bundle, BundleError, Params, folder::PROCESSOR};

/// Episodes that are played at the same time.
const AT_ONCE: usize = 64;

/// An episode that goes on, and the return that is asked for at each step of it.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    episode: Episode,
    returns: Vec<f32>,
}

impl History {
    /// The first observation of an episode, in which `actions` can be done, and the return that is asked for.
    pub fn begin(observation: &[f32], actions: ActionSpace, target_return: f32) -> Self {
        Self { episode: Episode::begin(observation, actions), returns: vec![target_return] }
    }

    /// Adds an action, its reward, which is taken off the return that is still asked for, and the observation after it, if the
    /// episode is not over.
    ///
    /// # Panics
    /// If the action is of another space, or the observation of another width.
    pub fn go_on(&mut self, action: &Action, reward: f32, next: Option<&[f32]>) {
        self.episode.go_on(action, reward, next);
        let asked = self.returns.last().copied().unwrap_or_default();
        self.returns.push(asked - reward);
    }

    /// The episode so far.
    pub fn episode(&self) -> &Episode {
        &self.episode
    }
}

/// Why an episode can't be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlayError {
    /// The environment is another than that of the data.
    #[error(
        "the model acts on observations of {} numbers and {}, in episodes of at most {} steps; the environment has {} \
         numbers, {}, and {} steps", model.0, model.1, model.2, environment.0, environment.1, environment.2
    )]
    OtherEnvironment {
        /// Numbers of an observation, actions, and steps of the longest episode of the model.
        model: (usize, ActionSpace, usize),
        /// Those of the environment.
        environment: (usize, ActionSpace, usize),
    },
    /// Scores of actions that are NaN.
    #[error(
        "the model's scores of actions are not numbers: its weights are too large, or an observation is not finite"
    )]
    NotNumbers,
    /// The environment refuses an action.
    #[error(transparent)]
    Action(#[from] WrongAction),
    /// The device does not hand over its results.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// An agent: a model that acts, and what turns its observations into what the model reads.
pub struct Policy<M> {
    model: M,
    processor: TrajectoryProcessor,
    /// Steps of the longest episode.
    max_steps: usize,
    reads_returns: bool,
}

impl Policy<Box<dyn PolicyModel>> {
    /// A bundle's model on `device`.
    ///
    /// # Errors
    /// [`BundleError`] if the bundle's parts do not fit, or it is of a family that does not act.
    pub fn from_bundle(bundle: &Bundle<impl Params>, device: &Device) -> Result<Self, BundleError> {
        bundle.model.visit(Loading { bundle, device })
    }
}

struct Loading<'a, P> {
    bundle: &'a Bundle<P>,
    device: &'a Device,
}

impl<P: Params> FamilyVisitor for Loading<'_, P> {
    type Output = Result<Policy<Box<dyn PolicyModel>>, BundleError>;

    fn any<C: ModelSpec>(self, _: &C, _: Role) -> Self::Output {
        Err(self.bundle.other_role(Role::Policy))
    }

    fn policy<C: PolicySpec>(self, spec: &C) -> Self::Output {
        let Self { bundle, device } = self;
        let path = bundle.path.join(PROCESSOR);
        let processor = bundle.processor.trajectory();
        let processor = processor.ok_or_else(|| BundleError::MissingPart { path: path.clone() })?.clone();
        let widths = |n_features, actions| format!("{n_features} numbers of an observation and {actions}");
        let found = widths(processor.state_mean.len(), processor.actions);
        let expected = widths(spec.n_features(), spec.actions());
        if found != expected {
            let problem = format!("it is for {found}, the model for {expected}: they do not belong together");
            return Err(BundleError::Damaged { path, problem });
        }
        Ok(Policy::new(Box::new(bundle.model::<C>(device)?), spec, processor))
    }
}

impl<M: PolicyModel> Policy<M> {
    /// An agent of a model that was made from `spec`.
    pub fn new(model: M, spec: &impl PolicySpec, processor: TrajectoryProcessor) -> Self {
        let max_steps = spec.max_len().unwrap_or(usize::MAX);
        Self { model, processor, max_steps, reads_returns: spec.reads_returns() }
    }

    /// Whether it can be asked for a return; else it clones behaviour, and what it is asked for changes nothing.
    pub fn reads_returns(&self) -> bool {
        self.reads_returns
    }

    /// How episodes become what the model reads.
    pub fn processor(&self) -> &TrajectoryProcessor {
        &self.processor
    }

    /// What the agent does next in each of some episodes: of discrete actions, the one with the highest score.
    ///
    /// # Errors
    /// [`PlayError`]: the device does not hand over its results, or these are not numbers.
    ///
    /// # Panics
    /// If observations have another width than the model's, or an episode is longer than its longest.
    pub fn act(&self, histories: &[&History]) -> Result<Vec<Action>, PlayError> {
        let window = |History { episode, returns }: &&History| {
            let n_steps = episode.n_steps();
            n_steps.saturating_sub(self.processor.context)..n_steps.min(returns.len())
        };
        let windows: Vec<Window<'_>> = histories
            .iter()
            .map(|history| Window { episode: &history.episode, returns: &history.returns, steps: window(history) })
            .collect();
        let predicted = self.model.predict(&self.processor.steps(&windows), None);
        let [_, n_steps, width] = predicted.dims();
        let scores = predicted.try_into_vec_as::<f32>().map_err(DeviceError::new)?;
        let last = |(row, window): (usize, &Window<'_>)| {
            let first = (row * n_steps + window.steps.len() - 1) * width;
            self.processor.actions.choose(&scores[first..first + width])
        };
        let actions: Option<Vec<Action>> = windows.iter().enumerate().map(last).collect();
        actions.ok_or(PlayError::NotNumbers)
    }

    /// Plays an episode for each seed and the return that is asked for in it, in environments that `new` makes.
    ///
    /// # Errors
    /// [`PlayError`]: the environment is not one for this model, or the device fails.
    pub fn play(
        &self,
        new: impl Fn() -> Box<dyn Environment>,
        episodes: &[(u64, f32)],
    ) -> Result<Vec<Episode>, PlayError> {
        self.check(&*new())?;
        let mut played = Vec::with_capacity(episodes.len());
        for episodes in episodes.chunks(AT_ONCE) {
            let mut environments: Vec<_> = episodes.iter().map(|_| new()).collect();
            let begin = |(environment, &(seed, target)): (&mut Box<dyn Environment>, _)| {
                let observation = environment.reset(seed);
                History::begin(&observation, environment.actions(), target)
            };
            let mut histories: Vec<History> = environments.iter_mut().zip(episodes).map(begin).collect();
            let mut under_way: Vec<usize> = (0..episodes.len()).collect();
            while !under_way.is_empty() {
                let actions = self.act(&under_way.iter().map(|&idx| &histories[idx]).collect::<Vec<_>>())?;
                let mut still = Vec::with_capacity(under_way.len());
                for (idx, action) in under_way.into_iter().zip(&actions) {
                    let step = environments[idx].step(action)?;
                    let next = (!step.is_last()).then_some(&step.observation[..]);
                    histories[idx].go_on(action, step.reward, next);
                    still.extend(next.map(|_| idx));
                }
                under_way = still;
            }
            played.extend(histories.into_iter().map(|history| history.episode));
        }
        Ok(played)
    }

    /// The mean returns of an episode for each seed, asked for `n` returns from `target / n` to `target`: each with the return
    /// that was asked for.
    ///
    /// # Errors
    /// As [`play`](Self::play).
    pub fn sweep(
        &self,
        new: impl Fn() -> Box<dyn Environment>,
        seeds: &[u64],
        target: f32,
        n: u16,
    ) -> Result<Vec<(f64, f64)>, PlayError> {
        let mean_return = |asked: f32| {
            let episodes: Vec<(u64, f32)> = seeds.iter().map(|&seed| (seed, asked)).collect();
            let played = self.play(&new, &episodes)?;
            Ok((f64::from(asked), played.iter().map(Episode::total).sum::<f64>() / played.len().max(1) as f64))
        };
        (1..=n).map(|part| mean_return(target * f32::from(part) / f32::from(n))).collect()
    }

    /// Holds an environment against the model.
    fn check(&self, environment: &dyn Environment) -> Result<(), PlayError> {
        let TrajectoryProcessor { state_mean, actions, .. } = &self.processor;
        let model = (state_mean.len(), *actions, self.max_steps);
        let environment = (environment.n_features(), environment.actions(), environment.max_steps());
        let fits = (model.0, model.1) == (environment.0, environment.1) && environment.2 <= model.2;
        if fits { Ok(()) } else { Err(PlayError::OtherEnvironment { model, environment }) }
    }
}

impl<M> fmt::Debug for Policy<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, max_steps, reads_returns, model: _ } = self;
        f.debug_struct("Policy")
            .field("processor", processor)
            .field("max_steps", max_steps)
            .field("reads_returns", reads_returns)
            .finish_non_exhaustive()
    }
}
