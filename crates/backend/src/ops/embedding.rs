//! Token embeddings.

use burn::tensor::{Int, Tensor, module};

#[cfg(feature = "flex")]
use super::dropout::args as dropout_args;
use super::dropout::dropout;
use crate::Dropout;

/// `dropout(√d_model · table[token] + positions)` (§3.4, §3.5, §5.4).
///
/// # Shapes
/// - `table`: `[vocab, d_model]`, `tokens`: `[rows, seq]`, `positions`: `[seq, d_model]`
/// - returns `[rows, seq, d_model]`
pub fn embedding(
    table: Tensor<2>,
    tokens: Tensor<2, Int>,
    positions: Tensor<2>,
    rate: f64,
    pass: Option<&Dropout>,
) -> Tensor<3> {
    let [_, d_model] = table.dims();
    let scale = (d_model as f64).sqrt();
    #[cfg(feature = "flex")]
    if crate::fused::applies(&table) && !positions.is_tracked() {
        let [rows, _] = tokens.dims();
        let ids = tokens.into_data().convert::<u32>().try_into_vec::<u32>().expect("converted to u32");
        let args = crate::fused::EmbeddingArgs { ids: ids.into(), rows, scale };
        return crate::fused::embedding(table, positions, args, dropout_args(rate, pass));
    }
    let x = module::embedding(table, tokens) * scale + positions.unsqueeze();
    dropout(x, rate, pass)
}
