//! Attention weights, as the page reads them.

use std::collections::BTreeSet;

use attentive_inspect::{AttentionKind, AttentionWeights, View};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{error::Failure, models::attention::Views};

/// Which weights are told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected true, false, or {\"layers\": […], \"heads\": […]}")]
pub(super) enum Wanted {
    /// All, or none.
    All(bool),
    /// Those of some layers and heads, counted from 0; all where none are named.
    Some(Chosen),
}

/// Some layers and heads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Chosen {
    layers: Option<Vec<usize>>,
    heads: Option<Vec<usize>>,
}

/// All weights.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Attention {
    /// Of the source to itself.
    encoder: MapAnswer,
    /// Of the translation to what is written of it: a row for each token that is written, a column for each that was read.
    decoder: MapAnswer,
    /// Of the translation to the source.
    cross: MapAnswer,
}

/// The weights of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
struct MapAnswer {
    layers: usize,
    heads: usize,
    rows: usize,
    columns: usize,
    row_labels: Vec<String>,
    column_labels: Vec<String>,
    /// base64 of numbers of 16 bits, the lower byte first, `[layers, heads, rows, columns]`; 65535 is 1.
    weights: String,
}

impl Wanted {
    pub(super) fn is_any(&self) -> bool {
        *self != Self::All(false)
    }

    /// The weights that are wanted of these.
    pub(super) fn of(&self, views: &Views) -> Result<Attention, Failure> {
        let all = Chosen::default();
        let chosen = match self {
            Self::All(_) => &all,
            Self::Some(chosen) => chosen,
        };
        let of = |kind| views.of(kind).map_or_else(|| Ok(MapAnswer::default()), |view| chosen.of(view));
        Ok(Attention {
            encoder: of(AttentionKind::Encoder)?,
            decoder: of(AttentionKind::Decoder)?,
            cross: of(AttentionKind::Cross)?,
        })
    }
}

impl Chosen {
    fn of(&self, view: &View) -> Result<MapAnswer, Failure> {
        let weights = &view.weights;
        let layers = within("layers", self.layers.as_deref(), weights.n_layers())?;
        let heads = within("heads", self.heads.as_deref(), weights.n_heads())?;
        Ok(MapAnswer {
            layers: layers.len(),
            heads: heads.len(),
            rows: weights.n_queries(),
            columns: weights.n_keys(),
            row_labels: view.queries.clone(),
            column_labels: view.keys.clone(),
            weights: encoded(weights, &layers, &heads),
        })
    }
}

/// The numbers that are wanted of `n`, from 0, in order; all, where none are named.
fn within(field: &str, wanted: Option<&[usize]>, n: usize) -> Result<Vec<usize>, Failure> {
    let Some(wanted) = wanted else { return Ok((0..n).collect()) };
    let wanted: BTreeSet<usize> = wanted.iter().copied().collect();
    match wanted.iter().find(|&&number| number >= n) {
        Some(number) => Err(Failure::field(field, format!("attention has no {field} {number}: it has {n}, from 0"))),
        None => Ok(wanted.into_iter().collect()),
    }
}

/// The weights of some layers and heads, as base64.
fn encoded(weights: &AttentionWeights, layers: &[usize], heads: &[usize]) -> String {
    let of_layer = |&layer: &usize| heads.iter().flat_map(move |&head| weights.head(layer, head));
    let bytes: Vec<u8> = layers.iter().flat_map(of_layer).flat_map(|&weight| quantised(weight).to_le_bytes()).collect();
    BASE64_STANDARD.encode(bytes)
}

/// A weight from 0 to 1 in 16 bits.
fn quantised(weight: f32) -> u16 {
    (weight.clamp(0.0, 1.0) * f32::from(u16::MAX)).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_sixteen_bits() {
        assert_eq!([0.0, 1.0, 0.5, 2.0, -1.0].map(quantised), [0, 65535, 32768, 65535, 0]);
    }

    #[test]
    fn some_layers_and_heads_are_told_and_others_refused() {
        let weights = AttentionWeights::new(vec![vec![0.0], vec![1.0]], [1, 1, 1]);
        assert_eq!(encoded(&weights, &[1], &[0]), "//8=");
        assert_eq!(within("layers", Some(&[1, 0, 1]), 2), Ok(vec![0, 1]));
        assert_eq!(within("layers", None, 2), Ok(vec![0, 1]));
        assert!(within("layers", Some(&[2]), 2).unwrap_err().message.contains("no layers 2"));
    }
}
