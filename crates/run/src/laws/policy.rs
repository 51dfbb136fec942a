//! Laws of models that act.

use attentive_core::{ActionSpace, Steps, TrajectoryBatch};
use attentive_model::{PolicyModel, PolicyObjective};
use attentive_task::Result;
use burn::module::Module;

use super::{
    law::{Bound, Law, largest_difference},
    subject::{Subject, values},
};

impl<M: Module + PolicyModel> Subject<M> {
    /// Tries every law of a model that acts on observations of `n_features` numbers.
    pub(super) fn policy_laws(&self, n_features: usize, reads_returns: bool) -> Result<Vec<Law>> {
        let law = |name, what, measured, bound| Law { name, what, measured, bound };
        let causality = "what follows a step changes its action by";
        let sight = "the step before changes an action by";
        let returns = "the return that is asked for changes an action by";
        let padding = "padding and company change actions by";
        let asked = if reads_returns { Bound::Above(0.0) } else { Bound::AtMost(0.0) };
        let steps = self.steps(3, self.len, n_features);
        let batch = TrajectoryBatch { steps, lengths: vec![self.len, 1, self.len.div_ceil(2)], indices: vec![0, 1, 2] };
        Ok(vec![
            law("causality", causality, self.later_steps(n_features), Bound::AtMost(0.0)),
            law("sight", sight, self.step_before(n_features), Bound::Above(0.0)),
            law("returns", returns, self.asked_for(n_features), asked),
            law("padding", padding, self.rows_together(n_features), Bound::AtMost(1e-3)),
            self.gradients(&PolicyObjective::default(), &batch)?,
        ])
    }

    /// Steps that all differ.
    fn steps(&self, n_rows: usize, n_steps: usize, n_features: usize) -> Steps {
        let (n, space) = (n_rows * n_steps, self.model.actions());
        let numbers = |n: usize, seed: usize| (0..n).map(move |at| ((at * 37 + seed * 11) % 101) as f32 / 50.0 - 1.0);
        let width = space.width();
        let mut steps = Steps::padding(n_rows, n_steps, [n_features, width]);
        steps.states = numbers(n * n_features, 1).collect();
        steps.returns = numbers(n, 2).collect();
        steps.timesteps = (0..n).map(|at| (at % n_steps) as u32).collect();
        match space {
            ActionSpace::Continuous(_) => steps.actions = numbers(n * width, 3).collect(),
            ActionSpace::Discrete(_) => (0..n).for_each(|at| steps.actions[at * width + at * 7 % width] = 1.0),
        }
        steps
    }

    fn predicted(&self, steps: &Steps) -> Vec<f32> {
        values(self.model.predict(steps, None))
    }

    /// How much a change of the steps changes the actions of the steps `from .. to`.
    fn change(&self, n_features: usize, [from, to]: [usize; 2], change: impl FnOnce(&mut Steps)) -> f64 {
        let steps = self.steps(1, self.len, n_features);
        let mut changed = steps.clone();
        change(&mut changed);
        let places = from * self.model.actions().width()..to * self.model.actions().width();
        largest_difference(&self.predicted(&changed)[places.clone()], &self.predicted(&steps)[places])
    }

    /// Changes all of each step in turn, and the action before it: the largest change of the actions before.
    fn later_steps(&self, n_features: usize) -> f64 {
        let width = self.model.actions().width();
        let at = |step: usize| {
            self.change(n_features, [0, step], |steps| {
                steps.states[step * n_features] += 1.0;
                steps.returns[step] += 1.0;
                steps.timesteps[step] = 0;
                // What is done at a step comes after it was predicted there.
                steps.actions[(step - 1) * width] += 1.0;
            })
        };
        (1..self.len).map(at).fold(0.0, f64::max)
    }

    /// Changes the observation of the last step but one: the change of the last action.
    fn step_before(&self, n_features: usize) -> f64 {
        let last = self.len - 1;
        self.change(n_features, [last, last + 1], |steps| steps.states[last.saturating_sub(1) * n_features] += 1.0)
    }

    /// Changes the return at the last step: the change of its action.
    fn asked_for(&self, n_features: usize) -> f64 {
        let last = self.len - 1;
        self.change(n_features, [last, last + 1], |steps| steps.returns[last] += 1.0)
    }

    /// The first steps of a row alone, against those of a longer row in company.
    fn rows_together(&self, n_features: usize) -> f64 {
        let together = self.steps(3, self.len, n_features);
        let (n_steps, width) = (self.len.div_ceil(2), self.model.actions().width());
        let alone = Steps {
            n_rows: 1,
            n_steps,
            states: together.states[..n_steps * n_features].to_vec(),
            actions: together.actions[..n_steps * width].to_vec(),
            returns: together.returns[..n_steps].to_vec(),
            timesteps: together.timesteps[..n_steps].to_vec(),
        };
        largest_difference(&self.predicted(&together)[..n_steps * width], &self.predicted(&alone))
    }
}
