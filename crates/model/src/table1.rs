//! The paper's Table 1: the cost of layers, their sequential operations, and the path length between tokens.

/// A kind of layer that maps `n` vectors of `d` values to as many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    /// Every position attends to every other.
    SelfAttention,
    /// A state goes from position to position.
    Recurrent,
    /// Each position reads `k` neighbours, farther apart in each layer (Kalchbrenner et al. 2017).
    Convolutional,
    /// Each position attends to a neighbourhood of `r` positions.
    RestrictedSelfAttention,
}

/// Sizes of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerSizes {
    /// Positions.
    pub n: u64,
    /// Values of a vector.
    pub d: u64,
    /// Width of a convolution's kernel.
    pub k: u64,
    /// Size of the neighbourhood.
    pub r: u64,
}

impl LayerKind {
    /// The rows of the table, in its order.
    pub const ALL: [Self; 4] =
        [Self::SelfAttention, Self::Recurrent, Self::Convolutional, Self::RestrictedSelfAttention];

    /// The row's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SelfAttention => "self-attention",
            Self::Recurrent => "recurrent",
            Self::Convolutional => "convolutional",
            Self::RestrictedSelfAttention => "self-attention (restricted)",
        }
    }

    /// The paper's formulas: complexity of a layer, sequential operations, maximum path length.
    pub fn formulas(self) -> [&'static str; 3] {
        match self {
            Self::SelfAttention => ["O(n²·d)", "O(1)", "O(1)"],
            Self::Recurrent => ["O(n·d²)", "O(n)", "O(n)"],
            Self::Convolutional => ["O(k·n·d²)", "O(1)", "O(log_k(n))"],
            Self::RestrictedSelfAttention => ["O(r·n·d)", "O(1)", "O(n/r)"],
        }
    }

    /// The formulas' values, constants left out; none where they exceed 64 bits.
    ///
    /// A path is a whole number of layers: `⌈log_k n⌉` and `⌈n / r⌉`, one at least.
    ///
    /// ```
    /// use attentive_model::table1::{LayerKind, LayerSizes};
    ///
    /// let sizes = LayerSizes { n: 100, d: 512, k: 3, r: 10 };
    /// assert_eq!(LayerKind::SelfAttention.at(sizes), Some([5_120_000, 1, 1]));
    /// assert_eq!(LayerKind::Convolutional.at(sizes), Some([78_643_200, 1, 5]));
    /// ```
    pub fn at(self, LayerSizes { n, d, k, r }: LayerSizes) -> Option<[u64; 3]> {
        let product = |factors: &[u64]| factors.iter().try_fold(1_u64, |product, &factor| product.checked_mul(factor));
        Some(match self {
            Self::SelfAttention => [product(&[n, n, d])?, 1, 1],
            Self::Recurrent => [product(&[n, d, d])?, n, n],
            Self::Convolutional => [product(&[k, n, d, d])?, 1, layers_to_reach(n, k)],
            Self::RestrictedSelfAttention => [product(&[r, n, d])?, 1, n.div_ceil(r.max(1)).max(1)],
        })
    }
}

/// The least number of layers, each of which widens the field of view `k` times, that see `n` positions.
fn layers_to_reach(n: u64, k: u64) -> u64 {
    let k = k.max(2);
    std::iter::successors(Some(k), |seen| seen.checked_mul(k)).take_while(|&seen| seen < n).count() as u64 + 1
}
