//! Recipes of `task = "trajectories"`.

use std::path::PathBuf;

use attentive_data::Size;
use attentive_environments::Builtin;
use attentive_model::{ModelConfig, PolicyObjective, Role};
use attentive_trainer::FinishedModel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Problem, data::Files, presets::require_role, validate_model};

/// The actions of an agent, by episodes of others.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrajectoriesRecipe {
    /// Where the episodes are; without it, those of scripted policies in CartPole.
    #[serde(default)]
    pub data: EpisodesRecipe,
    /// The folder of a model that was trained before: its sizes, parameters and scales of states and returns are taken,
    /// whatever the recipe says of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::path")]
    pub pretrained: Option<PathBuf>,
    /// The model; the widths of states and actions are the data's.
    pub model: ModelConfig,
    /// How episodes become batches.
    pub batch: TrajectoryBatchRecipe,
    /// What is minimised.
    #[serde(default)]
    pub objective: PolicyObjective,
    /// How the model is judged, and which checkpoints make it.
    #[serde(default)]
    pub evaluation: EvaluationRecipe,
}

/// Files of episodes, or how many are made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EpisodesRecipe {
    /// What the model learns from: JSON lines, an episode a line, or `.npz`; without it, episodes of scripted policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<Files>,
    /// What tells during training how good it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Files>,
    /// The number of discrete actions; without it, one more than the largest action of the training data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_actions: Option<usize>,
    /// The environment that the finished agent is tried in, and that episodes are made in without files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Builtin>,
    /// Episodes that are made for training; a tenth as many are made for validation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub episodes: Option<usize>,
}

impl EpisodesRecipe {
    pub(super) fn has_validation(&self) -> bool {
        self.train.is_none() || self.validation.is_some()
    }

    fn validate(&self) -> Result<(), Problem> {
        let (given, text) = match self.train {
            Some(_) => (
                [("episodes", self.episodes.is_some()), ("", false)],
                "data.train has episodes: leave one of the two out",
            ),
            None => (
                [("validation", self.validation.is_some()), ("n_actions", self.n_actions.is_some())],
                "it goes with data.train, and without that episodes are made: give data.train too, or leave it out",
            ),
        };
        match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((key, _)) => Err(Problem::at(format!("data.{key}"), text)),
            None => Ok(()),
        }
    }
}

/// How episodes become batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrajectoryBatchRecipe {
    /// Steps that the model sees before it acts, the present one among them.
    pub context: usize,
    /// Contexts of a batch; "auto" with `train --memory`.
    pub rows: Size,
}

/// How the model is judged, and which checkpoints make it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationRecipe {
    /// The model that the run ends with; the best one if training may stop early, or else the mean of the last
    /// checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<FinishedModel>,
    /// Last checkpoints that are kept, and that the mean is taken of.
    pub average_last: usize,
    /// The return that the finished agent is asked for; without it, the largest of the training data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_return: Option<f32>,
    /// Episodes that the finished agent plays, if there is an environment.
    pub episodes: usize,
}

impl Default for EvaluationRecipe {
    fn default() -> Self {
        Self { model: None, average_last: 1, target_return: None, episodes: 100 }
    }
}

impl TrajectoriesRecipe {
    pub(crate) fn validate(&self) -> Result<(), Problem> {
        if self.pretrained.is_none() {
            self.check_model()?;
        }
        self.data.validate()
    }

    /// Holds the model against the task.
    pub(super) fn check_model(&self) -> Result<(), Problem> {
        require_role(Role::Policy, &self.model, "trajectories")?;
        validate_model(&self.model)
    }
}
