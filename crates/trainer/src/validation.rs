//! Scores of a model while it is trained.

use std::error::Error;

/// One validation.
#[derive(Debug, Clone, PartialEq)]
pub struct Validation {
    /// Cross-entropy without smoothing, in nats per target.
    pub nll_nats: f64,
    /// Other scores by name, for example `bleu`.
    pub scores: Vec<(String, f64)>,
    /// What "best" is judged by, higher is better; `None` for the loss, lower is better.
    pub quality: Option<f64>,
}

impl Validation {
    /// What "best" is judged by; higher is better.
    pub fn quality(&self) -> f64 {
        self.quality.unwrap_or(-self.nll_nats)
    }
}

/// Scores a model in use, without gradients.
///
/// A closure is one: `|model: &M| Ok(Validation { .. })`.
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
