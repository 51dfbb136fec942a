//! The objective `kind = "dpo"`, and the pairs of answers that it learns from.

use attentive_model::{CausalLmObjective, PreferenceLoss, PreferenceObjective};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Problem, data::Files};

/// What a language model minimises: the loss of each next token, or DPO's of pairs of answers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CausalObjectiveRecipe {
    /// The loss of each next token.
    NextToken(CausalLmObjective),
    /// DPO's.
    Dpo(DpoRecipe),
}

impl Default for CausalObjectiveRecipe {
    fn default() -> Self {
        Self::NextToken(CausalLmObjective::default())
    }
}

impl CausalObjectiveRecipe {
    /// The loss of each next token; as it is by default where DPO is asked for.
    pub fn next_token(&self) -> CausalLmObjective {
        match self {
            Self::NextToken(objective) => *objective,
            Self::Dpo(_) => CausalLmObjective::default(),
        }
    }

    /// The settings of DPO, if it is asked for.
    pub fn dpo(&self) -> Option<&DpoRecipe> {
        match self {
            Self::NextToken(_) => None,
            Self::Dpo(recipe) => Some(recipe),
        }
    }
}

/// The name of DPO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DpoKind {
    /// A model learns which of two answers is preferred.
    #[serde(rename = "dpo")]
    Dpo,
}

/// A model learns which of two answers is preferred, by what the model that it begins from makes of them (Rafailov et al.
/// 2023).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DpoRecipe {
    /// `dpo`.
    pub kind: DpoKind,
    /// How near the model stays to the one that it begins from: rewards are so many times the ratio of log-probabilities.
    #[serde(default = "beta")]
    pub beta: f64,
    /// What is minimised of a pair's margin: `sigmoid` is DPO's loss, `hinge` that of SLiC, `ipo` that of IPO.
    #[serde(default)]
    pub loss: PreferenceLoss,
    /// Part of the pairs that is taken to be labelled the wrong way round, of the loss `sigmoid` (cDPO); below 0.5.
    #[serde(default)]
    pub label_smoothing: f64,
    /// Weight of the mean cross-entropy of the chosen answer's tokens, which is added (RPO).
    #[serde(default)]
    pub sft_weight: f64,
}

fn beta() -> f64 {
    PreferenceObjective::default().beta
}

impl DpoRecipe {
    /// The objective.
    pub fn objective(&self) -> PreferenceObjective {
        let Self { beta, loss, label_smoothing, sft_weight, .. } = *self;
        PreferenceObjective { beta, loss, label_smoothing, sft_weight }
    }

    /// Holds the settings against each other.
    pub(super) fn validate(&self) -> Result<(), Problem> {
        let at = |key: &str, text: String| Err(Problem::at(format!("objective.{key}"), text));
        if self.beta <= 0.0 {
            return at("beta", format!("{} must be above 0: without a reward there is nothing to learn", self.beta));
        }
        if self.label_smoothing >= 0.5 {
            let text = "as many pairs would be the wrong way round as the right one; it must be below 0.5";
            return at("label_smoothing", format!("{}: {text}", self.label_smoothing));
        }
        if self.label_smoothing > 0.0 && self.loss != PreferenceLoss::Sigmoid {
            return at("label_smoothing", "is for the loss \"sigmoid\" alone: leave it out".to_owned());
        }
        Ok(())
    }
}

/// Files of pairs of answers, as JSON lines: `{"prompt": …, "chosen": …, "rejected": …}`, each a text or a list of messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreferencesRecipe {
    /// What the model learns from.
    pub train: Files,
    /// What tells how good it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Files>,
}
