//! Windows of attention: which layers have one, and where tokens stand in them.

use attentive_attention::{
    AttentionContext, Mask, MultiHeadAttentionConfig, Positions, PositionsConfig, Rotary, Rotation,
};
use burn::tensor::Device;

use crate::{ConfigError, Contexts, checks};

/// The window of a stack's layers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Windows {
    /// How near a key must be to be seen: at less than `window` positions; without it, all are seen.
    pub(crate) window: Option<usize>,
    /// Layers, from 0, that see everything although there is a window.
    pub(crate) full_layers: Vec<usize>,
    /// The rotary positions of the layers with a window, if they are their own.
    pub(crate) rotary: Option<Rotary>,
}

/// What each position sees in each layer: the contexts of attention of the layers with a window, and of those that see
/// everything.
#[derive(Debug, Clone)]
pub struct Sight<'a> {
    usual: AttentionContext,
    full: Option<AttentionContext>,
    full_layers: &'a [usize],
}

impl<'a> From<&'a Sight<'_>> for Contexts<'a> {
    fn from(sight: &'a Sight<'_>) -> Self {
        let others = sight.full.as_ref().map(|full| (full, sight.full_layers));
        Self { usual: &sight.usual, others }
    }
}

impl From<AttentionContext> for Sight<'_> {
    /// The same in all layers.
    fn from(usual: AttentionContext) -> Self {
        Self { usual, full: None, full_layers: &[] }
    }
}

impl Sight<'_> {
    /// What is seen by texts that follow one another in one row, from the sight of the longest.
    #[must_use]
    pub(crate) fn of_texts(self, lengths: &[usize]) -> Self {
        let full = self.full.map(|full| full.of_texts(lengths));
        Self { usual: self.usual.of_texts(lengths), full, ..self }
    }
}

impl Windows {
    /// The contexts for the positions `first .. first + new`, of which `mask` hides keys from all layers.
    pub(crate) fn sight(
        &self,
        positions: &Positions,
        mask: &Mask,
        first: usize,
        new: usize,
        device: &Device,
    ) -> Sight<'_> {
        let context = |mask| positions.context(mask, first, new, device);
        let mut usual = context(mask.clone().and_window(self.window));
        if let Some(rotary) = &self.rotary {
            usual.rotation = Some(Rotation::new(first, new, positions.d_k(), rotary, device));
        }
        let full = (!self.full_layers.is_empty()).then(|| context(mask.clone()));
        Sight { usual, full, full_layers: &self.full_layers }
    }

    /// Keys that a query sees in the layer `layer`, of `len` keys, `reach` of which are in the window.
    pub(crate) fn keys_seen_in(&self, layer: usize, len: usize, reach: impl Fn(usize) -> usize) -> usize {
        let window = self.window.filter(|_| !self.full_layers.contains(&layer));
        window.map_or(len, |window| len.min(reach(window)))
    }

    /// Keys that a query sees in all of `n_layers` layers together, of `len` keys, `reach` of which are in the window.
    pub(crate) fn keys_seen(&self, n_layers: usize, len: usize, reach: impl Fn(usize) -> usize) -> usize {
        let n_full = if self.window.is_some() { self.full_layers.len() } else { n_layers };
        n_full * len + (n_layers - n_full) * self.window.map_or(len, |window| len.min(reach(window)))
    }

    /// The rotary positions of base `theta` of the layers with a window; they are not scaled.
    pub(crate) fn rotary(positions: &PositionsConfig, theta: Option<f64>) -> Option<Rotary> {
        match positions {
            PositionsConfig::Rotary(rotary) => theta.map(|theta| Rotary { theta, scaling: None, ..*rotary }),
            _ => None,
        }
    }

    /// Checks the windows of `n_layers` layers whose attention and positions are these; `theta` is `window_theta`.
    pub(crate) fn validate(
        &self,
        n_layers: usize,
        attention: &MultiHeadAttentionConfig,
        positions: &PositionsConfig,
        theta: Option<f64>,
    ) -> Result<(), ConfigError> {
        checks::sizes(&[("window", self.window.unwrap_or(1))])?;
        if let Some(&layer) = self.full_layers.iter().find(|&&layer| layer >= n_layers) {
            return Err(ConfigError::NoLayer { layer, n_layers });
        }
        let lacking = match (self.window, positions) {
            (None, _) if !self.full_layers.is_empty() => Some(("full_layers", "window")),
            (None, _) if theta.is_some() => Some(("window_theta", "window")),
            (_, PositionsConfig::Rotary(_)) => None,
            _ => theta.map(|_| ("window_theta", "positions = rotary")),
        };
        match (lacking, &self.rotary) {
            (Some((key, needs)), _) => Err(ConfigError::Needs { key, needs }),
            (None, Some(rotary)) => checks::attention(attention, &PositionsConfig::Rotary(rotary.clone())),
            (None, None) => Ok(()),
        }
    }
}
