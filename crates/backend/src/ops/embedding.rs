//! Token embeddings.

use burn::tensor::{Int, Tensor, module};

#[cfg(feature = "flex")]
use super::dropout::args as dropout_args;
use super::dropout::dropout;
use crate::Dropout;

/// `dropout(scale · table[token] + positions)` (§3.4, where the scale is √d_model; §3.5, §5.4).
///
/// # Shapes
/// - `table`: `[vocab, d_model]`, `tokens`: `[rows, seq]`, `positions`: `[seq, d_model]`, fixed or learned
/// - returns `[rows, seq, d_model]`
///
/// # Panics
/// If the shapes do not agree.
pub fn embedding(
    table: Tensor<2>,
    tokens: Tensor<2, Int>,
    positions: Option<Tensor<2>>,
    scale: f64,
    rate: f64,
    pass: Option<&Dropout>,
) -> Tensor<3> {
    let ([_, d_model], [_, seq]) = (table.dims(), tokens.dims());
    if let Some(positions) = &positions {
        let [n, d] = positions.dims();
        let agrees = (n == seq || n == 1) && d == d_model;
        assert!(agrees, "embedding: positions are {n} × {d}, for {seq} tokens of {d_model} features");
    }
    #[cfg(feature = "flex")]
    if crate::fused::applies(&table) {
        // One row of zeros represents every position.
        let positions = positions.unwrap_or_else(|| Tensor::zeros([1, d_model], &table.device()));
        let [rows, _] = tokens.dims();
        let ids = tokens.into_data().convert::<u32>().try_into_vec::<u32>().expect("converted to u32");
        let args = crate::fused::EmbeddingArgs { ids: ids.into(), rows, scale };
        return crate::fused::embedding(table, positions, args, dropout_args(rate, pass));
    }
    let x = module::embedding(table, tokens) * scale;
    let x = match positions {
        Some(positions) => x + positions.unsqueeze(),
        None => x,
    };
    dropout(x, rate, pass)
}
