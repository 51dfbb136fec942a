//! Keys and values that stay where they are while queries come: those of what a decoder listens to or translates.

use super::{Attention, AttentionShape, Call, Heads, HeadsMut};
use crate::matmul::Packed;
use crate::scratch::Aligned;
use crate::{Level, MatRef};

/// Keys and values of one sequence, packed once for all the queries that see them, by
/// [`Attention::forward_packed`]: step after step, a decoder reads nothing but them, from end to end.
///
/// ```
/// use attentive_kernels::{Attention, AttentionShape, HeadStrides, Heads, HeadsMut, PackedKeysValues};
///
/// let shape = AttentionShape { batch: 1, heads: 1, kv_heads: 1, q_len: 1, k_len: 2, d_k: 1, d_v: 1 };
/// let strides = HeadStrides::head_major(1, 2, 1);
/// let packed = PackedKeysValues::new(shape, Heads::new(&[1.0, 5.0], strides), Heads::new(&[4.0, 8.0], strides));
/// let mut out = [0.0];
/// let q = Heads::new(&[0.0], strides);
/// Attention::new(shape).forward_packed(q, &packed, HeadsMut::new(&mut out, strides), &mut [0.0]);
/// assert_eq!(out, [6.0]); // a query of zero sees both keys alike
/// ```
#[derive(Clone, Debug)]
pub struct PackedKeysValues {
    /// Keys, transposed, and values of each head.
    heads: Vec<[Packed<Aligned>; 2]>,
    level: Level,
    /// Keys, features of a key and of a value.
    dims: [usize; 3],
}

impl PackedKeysValues {
    /// Packs `k`, `[1, kv_heads, k_len, d_k]`, and `v`, `[1, kv_heads, k_len, d_v]`, of a shape whose other sizes do not
    /// matter.
    ///
    /// # Panics
    /// If a view is too small for the shape.
    pub fn new(shape: AttentionShape, k: Heads<'_>, v: Heads<'_>) -> Self {
        let AttentionShape { kv_heads, k_len, d_k, d_v, .. } = shape;
        k.check("keys", [1, kv_heads, k_len, d_k]);
        v.check("values", [1, kv_heads, k_len, d_v]);
        let level = Level::current();
        let pack = |matrix: MatRef<'_>| Packed::new_in(level, matrix, Aligned::zeroed);
        let head = |h: usize| [pack(k.head(0, h, [k_len, d_k]).t()), pack(v.head(0, h, [k_len, d_v]))];
        Self { heads: (0..kv_heads).map(head).collect(), level, dims: [k_len, d_k, d_v] }
    }

    /// Number of keys.
    pub fn k_len(&self) -> usize {
        self.dims[0]
    }
}

impl Attention<'_> {
    /// As [`forward`](Self::forward), of one sequence whose keys and values are packed: the output of a query does not depend
    /// on how many there are.
    ///
    /// # Panics
    /// As [`forward`](Self::forward), and if keys and values are not those of the shape.
    pub fn forward_packed(&self, q: Heads<'_>, packed: &PackedKeysValues, out: HeadsMut<'_>, lse: &mut [f32]) {
        let AttentionShape { batch, kv_heads, q_len, k_len, d_k, d_v, .. } = self.shape;
        let (found, expected) = ((packed.heads.len(), packed.dims), (kv_heads, [k_len, d_k, d_v]));
        assert!(batch == 1 && found == expected, "packed heads of {found:?}, for {batch} sequences of {expected:?}");
        self.check_queries(q, lse.len());
        let call = Call { attention: self, level: packed.level };
        self.each_head(call, out, lse, |head, first, out, lse| {
            let [keys, values] = &packed.heads[head.kv_head()];
            head.blocks(first, q.head(0, head.h, [q_len, d_k]), keys, values, out, lse);
        });
    }
}
