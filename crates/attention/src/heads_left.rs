//! Attention after some of its heads are pruned.

use burn::tensor::{Int, Tensor, TensorData};

/// The heads of an attention that are left after others were pruned, by their numbers among all.
///
/// Source: Michel et al. 2019, "Are Sixteen Heads Really Better than One?", §4; heads that share keys and values leave with
/// these.
///
/// ```
/// use attentive_attention::HeadsLeft;
///
/// // Six heads of queries, two of which share each head of keys and values: the second pair leaves.
/// let left = HeadsLeft::without([6, 3], |head| head == 2 || head == 3);
/// assert_eq!((left.heads, left.kv_heads), (vec![0, 1, 4, 5], vec![0, 2]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadsLeft {
    /// Number of heads, pruned ones too.
    pub of: usize,
    /// The heads of queries that are left, in order.
    pub heads: Vec<usize>,
    /// The heads of keys and values that are left, in order: those that a head of queries is left for.
    pub kv_heads: Vec<usize>,
}

impl HeadsLeft {
    /// What is left of `[n_heads, n_kv_heads]` without those that are pruned.
    pub fn without([n_heads, n_kv_heads]: [usize; 2], is_pruned: impl Fn(usize) -> bool) -> Self {
        let per_group = (n_heads / n_kv_heads.max(1)).max(1);
        let heads: Vec<usize> = (0..n_heads).filter(|&head| !is_pruned(head)).collect();
        let mut kv_heads: Vec<usize> = heads.iter().map(|head| head / per_group).collect();
        kv_heads.dedup();
        Self { of: n_heads, heads, kv_heads }
    }

    /// Whether each head of keys and values serves as many heads of queries, at least one.
    pub fn is_even(&self, n_kv_heads: usize) -> bool {
        let per_group = (self.of / n_kv_heads.max(1)).max(1);
        let n_of = |group: usize| self.heads.iter().filter(|&head| head / per_group == group).count();
        self.kv_heads.iter().all(|&group| n_of(group) * self.kv_heads.len() == self.heads.len())
    }

    /// The biases of these heads, of those of all: `[1, all or 1, q_len, k_len]` to `[1, heads or 1, q_len, k_len]`.
    pub(crate) fn biases(&self, all: Tensor<4>) -> Tensor<4> {
        if all.dims()[1] == 1 { all } else { select(all, self.heads.iter().copied()) }
    }

    /// The weights of all heads, of those of these: pruned ones look at nothing. `[batch, heads, q_len, k_len]` to
    /// `[batch, all, q_len, k_len]`.
    pub(crate) fn spread(&self, weights: Tensor<4>) -> Tensor<4> {
        let [batch, _, q_len, k_len] = weights.dims();
        let nothing = Tensor::zeros([batch, 1, q_len, k_len], &weights.device());
        let place = |head: usize| self.heads.binary_search(&head).map_or(0, |place| place + 1);
        select(Tensor::cat(vec![nothing, weights], 1), (0..self.of).map(place))
    }
}

/// Some heads of `[batch, heads, q_len, k_len]`.
fn select(of: Tensor<4>, heads: impl Iterator<Item = usize>) -> Tensor<4> {
    let heads: Vec<i64> = heads.map(|head| head as i64).collect();
    let n = heads.len();
    let heads = Tensor::<1, Int>::from_data(TensorData::new(heads, [n]), &of.device());
    of.select(1, heads)
}
