//! Positions of patches, for pictures of other sizes too.

use burn::tensor::{Tensor, TensorData};

/// The kernel's parameter of cubic interpolation (Keys 1981), as PyTorch's `interpolate` has it.
const A: f64 = -0.75;

/// Positions of `before` tokens and of a grid of patches: `[tokens, d_model]`.
///
/// `positions` are those of `before` tokens and of `side · side` patches. For another grid those of patches are
/// interpolated bicubically (Dosovitskiy et al. 2021, §3.2), as PyTorch does without aligned corners.
pub fn grid_positions(positions: Tensor<2>, before: usize, side: usize, grid: [usize; 2]) -> Tensor<2> {
    if grid == [side; 2] {
        return positions;
    }
    let ([_, d_model], device) = (positions.dims(), positions.device());
    let of_patches = positions.clone().narrow(0, before, side * side);
    let [rows, columns] = grid.map(|n| interpolation(side, n));
    // The weight of each patch that there is a position for, in each that there is none for.
    let weights = rows.chunks(side).flat_map(|row| {
        let columns = &columns;
        columns.chunks(side).flat_map(move |column| {
            row.iter().flat_map(move |&row| column.iter().map(move |&column| (row * column) as f32))
        })
    });
    let weights = TensorData::new(weights.collect::<Vec<f32>>(), [grid[0] * grid[1], side * side]);
    let of_patches = Tensor::<2>::from_data(weights, &device).matmul(of_patches); // [patches, d_model]
    match before {
        0 => of_patches,
        before => Tensor::cat(vec![positions.slice([0..before, 0..d_model]), of_patches], 0),
    }
}

/// Weights of `from` values in each of the `to` that are interpolated from them: `[to, from]`, row-major.
///
/// ```
/// use attentive_model::vit::interpolation;
///
/// assert_eq!(interpolation(2, 2), [1.0, 0.0, 0.0, 1.0]);
/// ```
pub fn interpolation(from: usize, to: usize) -> Vec<f64> {
    let mut weights = vec![0.0; to * from];
    for (at, row) in weights.chunks_mut(from).enumerate() {
        let place = (at as f64 + 0.5) * from as f64 / to as f64 - 0.5;
        let first = place.floor();
        for (neighbour, weight) in (-1_i64..).zip(cubic(place - first)) {
            // Values beyond the edge are that of the edge.
            row[(first as i64 + neighbour).clamp(0, from as i64 - 1) as usize] += weight;
        }
    }
    weights
}

/// Weights of four neighbours in a value at `t` after the second of them.
fn cubic(t: f64) -> [f64; 4] {
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}
