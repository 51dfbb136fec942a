//! How a parameter of ours lies in another system's files.

use attentive_attention::Sinusoids;
use attentive_weights::HostTensor;

/// Where a parameter has the model's width, and whether the other system has it transposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A vector of width `d_model`.
    Model,
    /// A vector of another width.
    Inner,
    /// A vector of another width, `[d]` here, `[1, d]` there.
    Row,
    /// A vector for each entry, `[n, d_model]` on both sides.
    Table,
    /// A map from the model's width: `[d_model, d]` here, `[d, d_model]` there.
    FromModel,
    /// A map to the model's width: `[d, d_model]` here, `[d_model, d]` there.
    ToModel,
}

impl Layout {
    /// The other system's shape of a parameter that has `shape` here.
    pub(crate) fn theirs(self, shape: &[usize]) -> Vec<usize> {
        match self {
            Self::FromModel | Self::ToModel => shape.iter().rev().copied().collect(),
            Self::Row => [&[1], shape].concat(),
            Self::Model | Self::Inner | Self::Table => shape.to_vec(),
        }
    }

    /// Our parameter as the other system has it, where `order` are our dimensions in its order.
    pub(crate) fn export(self, tensor: &HostTensor, order: &Order) -> HostTensor {
        match self {
            Self::Inner => tensor.clone(),
            Self::Row => HostTensor { shape: self.theirs(&tensor.shape), values: tensor.values.clone() },
            Self::Model | Self::Table => order.of_columns(tensor),
            Self::FromModel => order.of_columns(&transposed(tensor)),
            Self::ToModel => transposed(&order.of_columns(tensor)),
        }
    }

    /// The other system's parameter as we have it, where `order` are its dimensions in our order.
    pub(crate) fn import(self, tensor: &HostTensor, order: &Order) -> HostTensor {
        match self {
            Self::Inner => tensor.clone(),
            Self::Row => HostTensor { shape: tensor.shape[1..].to_vec(), values: tensor.values.clone() },
            Self::Model | Self::Table => order.of_columns(tensor),
            Self::FromModel => transposed(&order.of_columns(tensor)),
            Self::ToModel => order.of_columns(&transposed(tensor)),
        }
    }
}

/// Dimensions of the model's width, in the order of another system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order(Vec<usize>);

impl Order {
    /// From our sinusoids, which have sine and cosine of an angle side by side (Vaswani et al. 2017, §3.5), to all sines
    /// before all cosines.
    ///
    /// A model whose every weight follows is the same function: sums, norms and products do not know an order.
    pub(crate) fn sines_first(d_model: usize) -> Self {
        Self((0..d_model).step_by(2).chain((1..d_model).step_by(2)).collect())
    }

    /// The way back.
    pub(crate) fn inverse(&self) -> Self {
        let mut inverse = vec![0; self.0.len()];
        for (new, &old) in self.0.iter().enumerate() {
            inverse[old] = new;
        }
        Self(inverse)
    }

    /// The tensor with its last axis, of the model's width, in this order.
    pub(crate) fn of_columns(&self, tensor: &HostTensor) -> HostTensor {
        let rows = tensor.values.chunks_exact(self.0.len());
        let values = rows.flat_map(|row| self.0.iter().map(|&old| row[old])).collect();
        HostTensor { shape: tensor.shape.clone(), values }
    }
}

/// Our sinusoids of the first `n` positions: `[n, d_model]` (Vaswani et al. 2017, §3.5).
pub(crate) fn sinusoids(n: usize, d_model: usize) -> HostTensor {
    HostTensor { shape: vec![n, d_model], values: Sinusoids::new(d_model).values(0, n) }
}

/// `[rows, cols]` to `[cols, rows]`.
pub(crate) fn transposed(tensor: &HostTensor) -> HostTensor {
    let [rows, cols] = tensor.shape[..] else { unreachable!("only matrices are transposed") };
    let values = (0..cols).flat_map(|col| (0..rows).map(move |row| (row, col)));
    let values = values.map(|(row, col)| tensor.values[row * cols + col]).collect();
    HostTensor { shape: vec![cols, rows], values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exported_is_imported() {
        let order = Order::sines_first(5);
        assert_eq!(order.0, [0, 2, 4, 1, 3]);
        let tensor = |shape: &[usize]| HostTensor {
            shape: shape.to_vec(),
            values: (0..shape.iter().product()).map(|value: usize| value as f32).collect(),
        };
        for (layout, shape) in [
            (Layout::Model, &[5][..]),
            (Layout::Inner, &[3]),
            (Layout::Row, &[3]),
            (Layout::Table, &[3, 5]),
            (Layout::FromModel, &[5, 3]),
            (Layout::ToModel, &[3, 5]),
        ] {
            let exported = layout.export(&tensor(shape), &order);
            assert_eq!(exported.shape, layout.theirs(shape));
            assert_eq!(layout.import(&exported, &order.inverse()), tensor(shape), "{layout:?}");
        }
        assert_eq!(Layout::ToModel.export(&tensor(&[1, 5]), &order).values, [0.0, 2.0, 4.0, 1.0, 3.0]);
    }
}
