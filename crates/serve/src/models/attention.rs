//! What an encoder–decoder looks at, as far as the server tells it.

use std::ops::Range;

use attentive_inspect::{AttentionKind, View, align_by_attention};

/// The views of a model that looks.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Views(pub(crate) Vec<View>);

impl Views {
    /// That of a kind, if the model has such.
    pub(crate) fn of(&self, kind: AttentionKind) -> Option<&View> {
        self.0.iter().find(|view| view.kind == kind)
    }

    /// For each token that is written the one of the source, among `columns`, that the last layer's heads look at most, as
    /// their mean; nothing of a model that does not look.
    pub(crate) fn aligned(&self, columns: Range<usize>) -> Vec<usize> {
        let cross = self.of(AttentionKind::Cross).map(|view| &view.weights);
        let last = cross.and_then(|weights| Some((weights, weights.n_layers().checked_sub(1)?)));
        let alignment = last.map(|(weights, last)| align_by_attention(weights, last, None, columns));
        let mut pairs = alignment.map_or_else(Vec::new, |alignment| alignment.pairs().to_vec());
        pairs.sort_unstable_by_key(|&(_, row)| row);
        pairs.into_iter().map(|(column, _)| column).collect()
    }
}
