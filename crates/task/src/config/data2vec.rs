//! The objective `kind = "data2vec"`, in the recipes of texts, pictures and sound.

use attentive_model::{Data2VecConfig, LayeredParts, ModelConfig, data2vec::Hiding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Problem;

/// What is minimised: what the task's labels say, or what a teacher makes of the input alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ObjectiveRecipe<O> {
    /// The task's own.
    Own(O),
    /// data2vec.
    Data2Vec(Data2VecRecipe),
}

impl<O: Default> Default for ObjectiveRecipe<O> {
    fn default() -> Self {
        Self::Own(O::default())
    }
}

impl<O: Copy + Default> ObjectiveRecipe<O> {
    /// The task's own; as it is by default where data2vec is asked for.
    pub fn own(&self) -> O {
        match self {
            Self::Own(own) => *own,
            Self::Data2Vec(_) => O::default(),
        }
    }

    /// The settings of data2vec, if it is asked for.
    pub fn data2vec(&self) -> Option<&Data2VecRecipe> {
        match self {
            Self::Own(_) => None,
            Self::Data2Vec(recipe) => Some(recipe),
        }
    }
}

/// The name of data2vec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Data2VecKind {
    /// A model learns what its own running mean makes of what is hidden from it; labels are not read.
    #[serde(rename = "data2vec")]
    Data2Vec,
}

/// A model learns what its own running mean makes of what is hidden from it (Baevski et al. 2022).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data2VecRecipe {
    /// `data2vec`.
    pub kind: Data2VecKind,
    /// Layers of the teacher, from the last one down, the mean of whose outputs is learnt; 8 unless given, or all of fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_layers: Option<usize>,
    /// Part of the teacher that stays in the first update.
    #[serde(default = "tau")]
    pub tau: f64,
    /// Part of the teacher that stays from update `tau_steps` on.
    #[serde(default = "tau_end")]
    pub tau_end: f64,
    /// Updates in which that part rises from `tau` to `tau_end`.
    #[serde(default = "tau_steps")]
    pub tau_steps: u64,
    /// Errors below this count by their squares, others by their size (smooth L1); 0 for the squared error of all.
    #[serde(default)]
    pub beta: f64,
    /// Part of the patches of a picture, or of the positions of a sound, that is hidden; 0.6 or 0.5 unless given. Of texts,
    /// `masking.rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<f64>,
    /// Patches of a block that is hidden at least, or positions of a span of sound; 16 or 10 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<usize>,
}

/// As for speech in the paper (Table 6 of its appendix).
fn tau() -> f64 {
    0.999
}

fn tau_end() -> f64 {
    0.9999
}

fn tau_steps() -> u64 {
    30_000
}

/// Layers of a teacher that are learnt, unless a recipe says so or there are fewer.
const TOP_LAYERS: usize = 8;

/// What is hidden of a kind of input, unless a recipe says more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Input {
    /// Texts have settings of their own.
    Text,
    /// Blocks of 60 % of the patches (Baevski et al. 2022, §4.1).
    Pictures,
    /// Spans of 10 positions, about half of all (Baevski et al. 2022, §4.2).
    Sound,
}

impl Input {
    fn hiding(self) -> Hiding {
        match self {
            Self::Text => Hiding { rate: 0.0, block: 1 },
            Self::Pictures => Hiding { rate: 0.6, block: 16 },
            Self::Sound => Hiding { rate: 0.5, block: 10 },
        }
    }
}

impl Data2VecRecipe {
    /// The settings in full, for a model of these layers.
    pub(crate) fn config(&self, input: Input, layers: LayeredParts) -> Data2VecConfig {
        let usual = input.hiding();
        Data2VecConfig {
            top_layers: self.top_layers.unwrap_or(TOP_LAYERS).min(layers.n_layers),
            tau: self.tau,
            tau_end: self.tau_end,
            tau_steps: self.tau_steps,
            beta: self.beta,
            hiding: Hiding { rate: self.hidden.unwrap_or(usual.rate), block: self.block.unwrap_or(usual.block) },
        }
    }

    /// Holds the settings against each other and against the model.
    pub(super) fn validate(&self, input: Input, model: &ModelConfig) -> Result<(), Problem> {
        let at = |key: &str, text: String| Err(Problem::at(format!("objective.{key}"), text));
        if self.tau > self.tau_end {
            let text = format!("tau = {} is above tau_end = {}: the teacher slows down", self.tau, self.tau_end);
            return Err(Problem::among(["objective.tau", "objective.tau_end"], text));
        }
        for (key, is_given) in [("hidden", self.hidden.is_some()), ("block", self.block.is_some())] {
            if is_given && input == Input::Text {
                return at(key, "is for pictures and sound; [masking] says what is hidden of texts".to_owned());
            }
        }
        if let ModelConfig::Vit(vit) = model
            && vit.side() < 2
        {
            let text = format!("{}: a picture is one patch, of which nothing can be hidden; lower it", vit.patch_size);
            return Err(Problem::at("model.patch_size", text));
        }
        let Some(LayeredParts { n_layers, .. }) = model.layered_encoder().filter(|layers| layers.n_layers > 0) else {
            return at(
                "kind",
                format!("data2vec needs layers that all positions pass, which this {} lacks", model.family()),
            );
        };
        match self.top_layers.filter(|&top_layers| top_layers > n_layers) {
            Some(top_layers) => at("top_layers", format!("{top_layers}: the encoder has {n_layers} layers")),
            None => Ok(()),
        }
    }
}
