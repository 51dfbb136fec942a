//! Episodes of an agent, and the steps of them that a model reads.

use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};

use crate::Batch;

/// Deviations below this are those of a feature that does not vary.
const LEAST_DEVIATION: f64 = 1e-6;

/// What an agent can do at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionSpace {
    /// One of so many actions, which are counted from 0.
    Discrete(usize),
    /// So many numbers.
    Continuous(usize),
}

impl ActionSpace {
    /// Numbers that a model reads an action as: a one for the action among zeros, or the action's own numbers.
    pub fn width(self) -> usize {
        match self {
            Self::Discrete(n) | Self::Continuous(n) => n,
        }
    }

    /// Whether an action is one of a number of actions.
    pub fn is_discrete(self) -> bool {
        matches!(self, Self::Discrete(_))
    }

    /// The action that a model's scores, or its numbers, are for: `[width]`; `None` if one of them is NaN, or there are none.
    pub fn choose(self, scores: &[f32]) -> Option<Action> {
        if scores.iter().any(|score| score.is_nan()) {
            return None;
        }
        match self {
            Self::Discrete(_) => {
                let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                best.map(|(action, _)| Action::Discrete(action as u32))
            }
            Self::Continuous(_) => Some(Action::Continuous(scores.to_vec())),
        }
    }
}

impl fmt::Display for ActionSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discrete(n) => write!(f, "one of {n} actions"),
            Self::Continuous(n) => write!(f, "actions of {n} numbers"),
        }
    }
}

/// What an agent does at a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// One of the actions, counted from 0.
    Discrete(u32),
    /// Some numbers: forces, angles.
    Continuous(Vec<f32>),
}

/// The actions of an episode.
#[derive(Debug, Clone, PartialEq)]
pub enum Actions {
    /// Their numbers, counted from 0: `[steps]`.
    Discrete(Vec<u32>),
    /// Their numbers, `[steps, width]`.
    Continuous {
        /// Numbers of an action.
        width: usize,
        /// All of them, one action after another.
        values: Vec<f32>,
    },
}

impl Actions {
    /// No actions yet, in a space.
    pub fn new(space: ActionSpace) -> Self {
        match space {
            ActionSpace::Discrete(_) => Self::Discrete(Vec::new()),
            ActionSpace::Continuous(width) => Self::Continuous { width, values: Vec::new() },
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Discrete(actions) => actions.len(),
            Self::Continuous { width, values } => values.len() / (*width).max(1),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them, if it is there.
    pub fn get(&self, step: usize) -> Option<Action> {
        match self {
            Self::Discrete(actions) => actions.get(step).copied().map(Action::Discrete),
            Self::Continuous { width, values } => {
                values.get(step * width..(step + 1) * width).map(|action| Action::Continuous(action.to_vec()))
            }
        }
    }

    /// Adds one.
    ///
    /// # Panics
    /// If it is of another kind, or has another number of numbers.
    pub fn push(&mut self, action: &Action) {
        match (self, action) {
            (Self::Discrete(actions), Action::Discrete(action)) => actions.push(*action),
            (Self::Continuous { width, values }, Action::Continuous(action)) if action.len() == *width => {
                values.extend(action);
            }
            _ => panic!("an action of another space"),
        }
    }

    /// The smallest space that they are of.
    pub fn space(&self) -> ActionSpace {
        match self {
            Self::Discrete(actions) => ActionSpace::Discrete(actions.iter().max().map_or(0, |&last| last as usize + 1)),
            Self::Continuous { width, .. } => ActionSpace::Continuous(*width),
        }
    }

    /// Writes an action as a model reads it; zeros where there is none yet.
    fn write(&self, step: usize, to: &mut [f32]) {
        match self {
            Self::Discrete(actions) => {
                if let Some(place) = actions.get(step).and_then(|&action| to.get_mut(action as usize)) {
                    *place = 1.0;
                }
            }
            Self::Continuous { width, values } => {
                if let Some(action) = values.get(step * width..(step + 1) * width) {
                    to.copy_from_slice(action);
                }
            }
        }
    }
}

/// What an agent observed, did and got, step by step; one that goes on has an observation more than actions and rewards.
///
/// ```
/// use attentive_core::{Action, ActionSpace, Episode};
///
/// let mut episode = Episode::begin(&[0.5], ActionSpace::Discrete(2));
/// episode.go_on(&Action::Discrete(1), 1.0, Some(&[0.25]));
/// episode.go_on(&Action::Discrete(0), 2.0, None);
/// assert_eq!((episode.n_steps(), episode.total()), (2, 3.0));
/// assert_eq!(episode.returns_to_go(), [3.0, 2.0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    /// Numbers of an observation.
    pub n_features: usize,
    /// The observations, `[steps, n_features]`.
    pub observations: Vec<f32>,
    /// The actions, each taken after the observation of its step.
    pub actions: Actions,
    /// The rewards, each got for the action of its step: `[steps]`.
    pub rewards: Vec<f32>,
}

impl Episode {
    /// An episode of which the first observation alone is known.
    pub fn begin(observation: &[f32], space: ActionSpace) -> Self {
        let observations = observation.to_vec();
        Self { n_features: observation.len(), observations, actions: Actions::new(space), rewards: Vec::new() }
    }

    /// Adds an action, its reward, and the observation after it, if the episode is not over.
    ///
    /// # Panics
    /// If the action is of another space, or the observation of another width.
    pub fn go_on(&mut self, action: &Action, reward: f32, next: Option<&[f32]>) {
        self.actions.push(action);
        self.rewards.push(reward);
        if let Some(next) = next {
            assert_eq!(next.len(), self.n_features, "an observation of another width");
            self.observations.extend(next);
        }
    }

    /// Number of observations.
    pub fn n_steps(&self) -> usize {
        self.observations.len() / self.n_features.max(1)
    }

    /// The observation of a step.
    ///
    /// # Panics
    /// If there is none.
    pub fn observation(&self, step: usize) -> &[f32] {
        &self.observations[step * self.n_features..][..self.n_features]
    }

    /// The sum of its rewards.
    pub fn total(&self) -> f64 {
        self.rewards.iter().map(|&reward| f64::from(reward)).sum()
    }

    /// The sum of the rewards from each step on: `[steps]`.
    pub fn returns_to_go(&self) -> Vec<f32> {
        let mut sum = 0.0;
        let add = |&reward: &f32| {
            sum += f64::from(reward);
            sum as f32
        };
        let mut returns: Vec<f32> = self.rewards.iter().rev().map(add).collect();
        returns.reverse();
        returns
    }
}

/// How episodes become what a model reads: the state of a step is its observation with mean 0 and deviation 1, its return
/// is divided by a scale (Chen et al. 2021, Appendix A).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrajectoryProcessor {
    /// The mean of each number of an observation.
    pub state_mean: Vec<f32>,
    /// The standard deviation of each.
    pub state_deviation: Vec<f32>,
    /// What returns are divided by.
    pub return_scale: f32,
    /// What the agent can do.
    pub actions: ActionSpace,
    /// Steps that a model sees before it acts, the present one among them.
    pub context: usize,
    /// The largest return of the data, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_return: Option<f32>,
    /// The environment that the agent acts in, if it is a built-in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

impl fmt::Display for TrajectoryProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state_mean, actions, context, return_scale, best_return, environment, .. } = self;
        write!(f, "observations of {} numbers, {actions}, contexts of {context} steps", state_mean.len())?;
        write!(f, ", returns divided by {return_scale}")?;
        if let Some(best) = best_return {
            write!(f, ", the largest {best}")?;
        }
        environment.as_ref().map_or(Ok(()), |environment| write!(f, ", environment {environment}"))
    }
}

/// Some steps of an episode, and the return that is to go, or that is asked for, at each step of it.
#[derive(Debug, Clone)]
pub struct Window<'a> {
    /// The episode.
    pub episode: &'a Episode,
    /// The return to go at each step of the episode.
    pub returns: &'a [f32],
    /// The steps.
    pub steps: Range<usize>,
}

impl TrajectoryProcessor {
    /// Means and deviations of these episodes, and the root of the mean square of their returns to go.
    pub fn of(episodes: &[Episode], actions: ActionSpace, context: usize) -> Self {
        let n_features = episodes.first().map_or(0, |episode| episode.n_features);
        let n_steps = episodes.iter().map(Episode::n_steps).sum::<usize>().max(1) as f64;
        let observations = || episodes.iter().flat_map(|episode| episode.observations.chunks_exact(n_features.max(1)));
        let mut mean = vec![0.0; n_features];
        for observation in observations() {
            mean.iter_mut().zip(observation).for_each(|(mean, &x)| *mean += f64::from(x) / n_steps);
        }
        let mut variance = vec![0.0; n_features];
        for observation in observations() {
            let features = variance.iter_mut().zip(&mean).zip(observation);
            features.for_each(|((sum, mean), &x)| *sum += (f64::from(x) - mean).powi(2) / n_steps);
        }
        let deviation = |variance: f64| if variance.sqrt() < LEAST_DEVIATION { 1.0 } else { variance.sqrt() as f32 };
        let returns = episodes.iter().flat_map(Episode::returns_to_go).map(f64::from);
        let return_scale = (returns.map(|to_go| to_go * to_go).sum::<f64>() / n_steps).sqrt() as f32;
        Self {
            state_mean: mean.into_iter().map(|mean| mean as f32).collect(),
            state_deviation: variance.into_iter().map(deviation).collect(),
            return_scale: if return_scale > 0.0 { return_scale } else { 1.0 },
            actions,
            context,
            best_return: episodes.iter().map(Episode::total).max_by(f64::total_cmp).map(|best| best as f32),
            environment: None,
        }
    }

    /// Observations and returns as they are.
    pub fn plain(n_features: usize, actions: ActionSpace, context: usize) -> Self {
        let (state_mean, state_deviation) = (vec![0.0; n_features], vec![1.0; n_features]);
        Self { state_mean, state_deviation, return_scale: 1.0, actions, context, best_return: None, environment: None }
    }

    /// What is wrong with it, if anything is.
    pub fn problem(&self) -> Option<String> {
        let positive = |value: f32| value > 0.0 && value.is_finite();
        if self.state_mean.len() != self.state_deviation.len() {
            Some("state_mean and state_deviation have different lengths".to_owned())
        } else if !self.state_mean.iter().all(|mean| mean.is_finite()) {
            Some("state_mean has a number that is not finite".to_owned())
        } else if !self.state_deviation.iter().copied().all(positive) {
            Some("state_deviation has a number that is not above 0".to_owned())
        } else if !positive(self.return_scale) {
            Some(format!("return_scale is {}; it must be above 0", self.return_scale))
        } else if self.context == 0 || self.actions.width() == 0 {
            Some("context and actions must be at least 1".to_owned())
        } else {
            None
        }
    }

    /// Windows of episodes as a model reads them, padded to the longest; an action that is not known yet is zeros.
    ///
    /// # Panics
    /// If observations, actions or returns of a window's steps are missing, or of other widths.
    pub fn steps(&self, windows: &[Window<'_>]) -> Steps {
        let [d_state, d_action] = [self.state_mean.len(), self.actions.width()];
        let n_steps = windows.iter().map(|window| window.steps.len()).max().unwrap_or(0);
        let mut steps = Steps::padding(windows.len(), n_steps, [d_state, d_action]);
        for (row, Window { episode, returns, steps: range }) in windows.iter().enumerate() {
            for (idx, step) in range.clone().enumerate() {
                let place = row * n_steps + idx;
                let scaled = self.state_mean.iter().zip(&self.state_deviation).zip(episode.observation(step));
                let state = &mut steps.states[place * d_state..][..d_state];
                state.iter_mut().zip(scaled).for_each(|(to, ((mean, deviation), &x))| *to = (x - mean) / deviation);
                episode.actions.write(step, &mut steps.actions[place * d_action..][..d_action]);
                steps.returns[place] = returns[step] / self.return_scale;
                steps.timesteps[place] = step as u32;
            }
        }
        steps
    }
}

/// Steps of episodes as a model reads them, row-major; what is after a row's end is padding, which nothing before it sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps {
    /// Number of rows.
    pub n_rows: usize,
    /// Steps of each row, padding included.
    pub n_steps: usize,
    /// `[rows, steps, d_state]`.
    pub states: Vec<f32>,
    /// `[rows, steps, d_action]`.
    pub actions: Vec<f32>,
    /// The returns to go, `[rows, steps]`.
    pub returns: Vec<f32>,
    /// The number of each step in its episode, from 0: `[rows, steps]`.
    pub timesteps: Vec<u32>,
}

impl Steps {
    /// Zeros, for states and actions of these widths.
    pub fn padding(n_rows: usize, n_steps: usize, [d_state, d_action]: [usize; 2]) -> Self {
        let n = n_rows * n_steps;
        Self {
            n_rows,
            n_steps,
            states: vec![0.0; n * d_state],
            actions: vec![0.0; n * d_action],
            returns: vec![0.0; n],
            timesteps: vec![0; n],
        }
    }
}

/// Contexts of episodes, of which every action is a target.
#[derive(Debug, Clone, PartialEq)]
pub struct TrajectoryBatch {
    /// The steps.
    pub steps: Steps,
    /// Steps of each row that are not padding: `[rows]`.
    pub lengths: Vec<usize>,
    /// Index of each row's episode, from 0.
    pub indices: Vec<u64>,
}

impl TrajectoryBatch {
    /// Whether each step is padding: `[rows · steps]`.
    pub fn padding(&self) -> Vec<bool> {
        self.lengths.iter().flat_map(|&length| (0..self.steps.n_steps).map(move |step| step >= length)).collect()
    }

    /// The number of each step's action, of discrete ones: `[rows · steps]`.
    pub fn classes(&self) -> Vec<u32> {
        let width = self.steps.actions.len() / self.steps.timesteps.len().max(1);
        let class = |action: &[f32]| action.iter().position(|&number| number == 1.0).unwrap_or(0) as u32;
        self.steps.actions.chunks_exact(width.max(1)).map(class).collect()
    }
}

impl Batch for TrajectoryBatch {
    fn n_rows(&self) -> usize {
        self.lengths.len()
    }

    fn n_targets(&self) -> usize {
        self.lengths.iter().sum()
    }

    fn indices(&self) -> &[u64] {
        &self.indices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn episode() -> Episode {
        let mut episode = Episode::begin(&[1.0, 7.0], ActionSpace::Discrete(3));
        episode.go_on(&Action::Discrete(2), 4.0, Some(&[3.0, 7.0]));
        episode.go_on(&Action::Discrete(0), -1.0, Some(&[5.0, 7.0]));
        episode
    }

    #[test]
    fn no_action_is_chosen_by_scores_that_are_not_numbers() {
        let [discrete, continuous] = [ActionSpace::Discrete(3), ActionSpace::Continuous(3)];
        assert_eq!(discrete.choose(&[0.5, f32::INFINITY, -1.0]), Some(Action::Discrete(1)));
        assert_eq!(continuous.choose(&[0.5, 2.0, -1.0]), Some(Action::Continuous(vec![0.5, 2.0, -1.0])));
        for nan in [f32::NAN, -f32::NAN] {
            assert_eq!([discrete, continuous].map(|space| space.choose(&[0.5, nan, 1.0])), [None, None]);
        }
        assert_eq!(ActionSpace::Discrete(0).choose(&[]), None);
    }

    #[test]
    fn states_have_mean_0_and_deviation_1_and_a_constant_stays_finite() {
        let episode = episode();
        let processor = TrajectoryProcessor::of(std::slice::from_ref(&episode), ActionSpace::Discrete(3), 2);
        let scale = (10.0_f32 / 3.0).sqrt();
        assert_eq!((processor.best_return, processor.problem()), (Some(3.0), None));
        assert!((processor.return_scale - scale).abs() < 1e-6);
        let processor = TrajectoryProcessor { return_scale: 3.0, ..processor };
        let returns = [3.0, -1.0, 0.0];
        let steps = processor.steps(&[
            Window { episode: &episode, returns: &returns, steps: 0..3 },
            Window { episode: &episode, returns: &returns, steps: 1..2 },
        ]);
        let z = (8.0_f32 / 3.0).sqrt();
        let expected = [-2.0 / z, 0.0, 0.0, 0.0, 2.0 / z, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert!(steps.states.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", steps.states);
        // The third action is not known yet, and what follows the second row is padding.
        let actions = [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0; 3], [1.0, 0.0, 0.0], [0.0; 3], [0.0; 3]];
        assert_eq!(steps.actions, actions.concat());
        assert_eq!(steps.timesteps, [0, 1, 2, 1, 0, 0]);
        assert_eq!(steps.returns, [1.0, -1.0 / 3.0, 0.0, -1.0 / 3.0, 0.0, 0.0]);
    }

    #[test]
    fn a_processor_that_can_not_be_says_why() {
        let good = TrajectoryProcessor::plain(2, ActionSpace::Continuous(1), 4);
        assert_eq!(good.problem(), None);
        for (bad, word) in [
            (TrajectoryProcessor { state_mean: vec![0.0], ..good.clone() }, "lengths"),
            (TrajectoryProcessor { state_mean: vec![0.0, f32::NAN], ..good.clone() }, "state_mean"),
            (TrajectoryProcessor { state_deviation: vec![0.0, 1.0], ..good.clone() }, "state_deviation"),
            (TrajectoryProcessor { return_scale: -1.0, ..good.clone() }, "return_scale"),
            (TrajectoryProcessor { context: 0, ..good.clone() }, "context"),
        ] {
            assert!(bad.problem().unwrap().contains(word), "{bad:?}");
        }
    }
}
