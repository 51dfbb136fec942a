//! What an encoder–decoder looks at, as far as the server tells it.

use std::ops::Range;

use attentive_inspect::{AttentionKind, AttentionWeights, View};

/// The views of a model that looks.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Views(pub(crate) Vec<View>);

impl Views {
    /// That of a kind, if the model has such.
    pub(crate) fn of(&self, kind: AttentionKind) -> Option<&View> {
        self.0.iter().find(|view| view.kind == kind)
    }

    /// For each token that is written the one of the source that the last layer's heads look at most, as their mean, among
    /// `columns`.
    pub(crate) fn alignment(&self, columns: Range<usize>) -> Vec<usize> {
        self.of(AttentionKind::Cross).map_or_else(Vec::new, |cross| aligned(&cross.weights, columns))
    }
}

fn aligned(weights: &AttentionWeights, columns: Range<usize>) -> Vec<usize> {
    let Some(last) = weights.n_layers().checked_sub(1).filter(|_| !columns.is_empty()) else {
        return Vec::new();
    };
    let most = |row: &[f32]| columns.clone().max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a)));
    weights.mean(last).chunks(weights.n_keys()).filter_map(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_aligned_with_what_the_last_layer_looks_at_most() {
        // Two layers, two heads, one row, three columns.
        let layers = vec![vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0], vec![0.1, 0.2, 0.7, 0.5, 0.3, 0.2]];
        let weights = AttentionWeights::new(layers, [2, 1, 3]);
        assert_eq!(aligned(&weights, 0..3), [2]);
        assert_eq!(aligned(&weights, 0..2), [0]);
        assert_eq!(aligned(&weights, 0..0), [0; 0]);
    }
}
