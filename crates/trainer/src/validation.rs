//! Scores of a model while it is trained.

/// One validation.
#[derive(Debug, Clone, PartialEq)]
pub struct Validation {
    /// Cross-entropy without smoothing, in nats per target.
    pub nll_nats: f64,
    /// Other scores by name, `bleu` for one.
    pub scores: Vec<(String, f64)>,
    /// What "best" is judged by; higher is better.
    pub quality: f64,
}

/// Scores a model in use, without gradients.
pub trait Evaluate<M> {
    /// Scores `model`.
    ///
    /// # Errors
    /// Whatever scoring can meet.
    fn evaluate(&mut self, model: &M) -> Result<Validation, Box<dyn std::error::Error + Send + Sync>>;
}
