//! Scores of a model while it is trained.

use std::error::Error;

use attentive_collective::{Collective, CollectiveError, broadcast};
use serde::{Deserialize, Serialize};

/// One validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Cross-entropy without smoothing, in nats per target.
    pub nll_nats: f64,
    /// Other scores by name, for example `bleu`.
    pub scores: Vec<(String, f64)>,
    /// What "best" is judged by, higher is better; `None` for the loss, lower is better.
    pub quality: Option<f64>,
}

impl Validation {
    /// The validation of the first process, for all.
    pub(crate) fn of_first(self, peers: &dyn Collective) -> Result<Self, CollectiveError> {
        if peers.size() == 1 {
            return Ok(self);
        }
        let text = broadcast(peers, toml::to_string(&self).expect("numbers and names").into_bytes())?;
        Ok(toml::from_str(&String::from_utf8_lossy(&text)).expect("as it was written"))
    }

    /// What "best" is judged by; higher is better.
    pub fn quality(&self) -> f64 {
        self.quality.unwrap_or(-self.nll_nats)
    }
}

/// Scores a model in use, without gradients.
///
/// A closure is one: `|model: &M| Ok(Validation { .. })`. Of several processes, each scores the same model, at the same time:
/// they may share the work. What the first one finds is what all go by.
pub trait Evaluate<M> {
    /// Scores `model`.
    ///
    /// # Errors
    /// Those of scoring.
    fn evaluate(&mut self, model: &M) -> Result<Validation, Box<dyn Error + Send + Sync>>;
}

impl<M, F: FnMut(&M) -> Result<Validation, Box<dyn Error + Send + Sync>>> Evaluate<M> for F {
    fn evaluate(&mut self, model: &M) -> Result<Validation, Box<dyn Error + Send + Sync>> {
        self(model)
    }
}
