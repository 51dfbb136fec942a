//! Runs a graph as the specification of ONNX says, one operator after another in `f64`; for tests.

use std::collections::HashMap;

use super::super::proto::{AttributeProto, GraphProto, INT64, ModelProto, NodeProto, TensorProto};

/// Numbers in a shape; integers and truth values too.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) data: Vec<f64>,
}

impl Array {
    pub(super) fn new(shape: &[usize], data: Vec<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len());
        Self { shape: shape.to_vec(), data }
    }

    pub(super) fn ids(shape: &[usize], ids: &[u32]) -> Self {
        Self::new(shape, ids.iter().copied().map(f64::from).collect())
    }

    fn of(tensor: &TensorProto) -> Self {
        let raw = tensor.raw_data.as_deref().expect("weights are in the file");
        let data = if tensor.data_type == INT64 {
            raw.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as f64).collect()
        } else {
            raw.as_chunks::<4>().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect()
        };
        Self::new(&tensor.dims.iter().map(|&size| size as usize).collect::<Vec<_>>(), data)
    }

    fn ints(&self) -> Vec<i64> {
        self.data.iter().map(|&value| value as i64).collect()
    }

    /// The value at an index of a shape that this one's is stretched to.
    fn at(&self, index: &[usize]) -> f64 {
        let skipped = index.len() - self.shape.len();
        let flat = self
            .shape
            .iter()
            .zip(&index[skipped..])
            .fold(0, |flat, (&size, &at)| flat * size + if size == 1 { 0 } else { at });
        self.data[flat]
    }
}

/// Every index of a shape, in order.
fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let shape = shape.to_vec();
    (0..shape.iter().product::<usize>()).map(move |mut flat| {
        let mut index = vec![0; shape.len()];
        for (at, size) in index.iter_mut().zip(&shape).rev() {
            (*at, flat) = (flat % size, flat / size);
        }
        index
    })
}

/// The shape that several are stretched to.
fn stretched(shapes: &[&[usize]]) -> Vec<usize> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let size = |axis: usize| {
        let sizes = shapes.iter().filter_map(|shape| (axis + shape.len()).checked_sub(rank).map(|at| shape[at]));
        let sizes: Vec<usize> = sizes.collect();
        let widest = sizes.iter().copied().find(|&size| size != 1).unwrap_or(1);
        assert!(sizes.iter().all(|&size| size == 1 || size == widest), "{shapes:?} do not go together");
        widest
    };
    (0..rank).map(size).collect()
}

fn each(inputs: &[&Array], f: impl Fn(&[f64]) -> f64) -> Array {
    let shape = stretched(&inputs.iter().map(|input| &input.shape[..]).collect::<Vec<_>>());
    let value = |index: Vec<usize>| f(&inputs.iter().map(|input| input.at(&index)).collect::<Vec<_>>());
    Array::new(&shape, indices(&shape).map(value).collect())
}

/// An error function by its series, which converges everywhere.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

/// The outputs of a model, by name.
pub(super) fn run(model: &ModelProto, inputs: &[(&str, Array)]) -> HashMap<String, Array> {
    let graph: &GraphProto = model.graph.as_ref().unwrap();
    let mut values: HashMap<&str, Array> =
        graph.initializer.iter().map(|tensor| (&*tensor.name, Array::of(tensor))).collect();
    for input in &graph.input {
        let given = inputs.iter().find(|(name, _)| *name == input.name);
        values.insert(&input.name, given.unwrap_or_else(|| panic!("no input {}", input.name)).1.clone());
    }
    for node in &graph.node {
        let inputs: Vec<&Array> = node.input.iter().map(|name| &values[&**name]).collect();
        let result = operator(node, &inputs);
        values.insert(&node.output[0], result);
    }
    graph.output.iter().map(|output| (output.name.clone(), values[&*output.name].clone())).collect()
}

fn operator(node: &NodeProto, inputs: &[&Array]) -> Array {
    let setting = |name: &str| node.attribute.iter().find(|attribute: &&AttributeProto| attribute.name == name);
    let int = |name: &str| setting(name).and_then(|setting| setting.i);
    let x = inputs[0];
    let axis_of = |axis: i64, rank: usize| if axis < 0 { (axis + rank as i64) as usize } else { axis as usize };
    let truth = |is: bool| if is { 1.0 } else { 0.0 };
    match &*node.op_type {
        "Identity" | "Cast" => x.clone(),
        "Add" => each(inputs, |v| v[0] + v[1]),
        "Sub" => each(inputs, |v| v[0] - v[1]),
        "Mul" => each(inputs, |v| v[0] * v[1]),
        "Div" => each(inputs, |v| v[0] / v[1]),
        "Less" => each(inputs, |v| truth(v[0] < v[1])),
        "Greater" => each(inputs, |v| truth(v[0] > v[1])),
        "And" => each(inputs, |v| truth(v[0] != 0.0 && v[1] != 0.0)),
        "Where" => each(inputs, |v| if v[0] != 0.0 { v[1] } else { v[2] }),
        "Sqrt" => each(inputs, |v| v[0].sqrt()),
        "Tanh" => each(inputs, |v| v[0].tanh()),
        "Erf" => each(inputs, |v| erf(v[0])),
        "Relu" => each(inputs, |v| v[0].max(0.0)),
        "Sigmoid" => each(inputs, |v| 1.0 / (1.0 + (-v[0]).exp())),
        "Shape" => Array::new(&[x.shape.len()], x.shape.iter().map(|&size| size as f64).collect()),
        "Range" => {
            let data: Vec<f64> = (x.data[0] as i64..inputs[1].data[0] as i64).map(|value| value as f64).collect();
            Array::new(&[data.len()], data)
        }
        "Reshape" => {
            let mut shape: Vec<usize> = inputs[1]
                .ints()
                .iter()
                .enumerate()
                .map(|(axis, &size)| match size {
                    0 => x.shape[axis],
                    -1 => usize::MAX,
                    size => size as usize,
                })
                .collect();
            let known: usize = shape.iter().filter(|&&size| size != usize::MAX).product();
            shape.iter_mut().filter(|size| **size == usize::MAX).for_each(|size| *size = x.data.len() / known);
            Array::new(&shape, x.data.clone())
        }
        "Unsqueeze" => {
            let axes = inputs[1].ints();
            let rank = x.shape.len() + axes.len();
            let axes: Vec<usize> = axes.into_iter().map(|axis| axis_of(axis, rank)).collect();
            let mut sizes = x.shape.iter();
            let size = |axis: usize| if axes.contains(&axis) { 1 } else { *sizes.next().unwrap() };
            Array::new(&(0..rank).map(size).collect::<Vec<_>>(), x.data.clone())
        }
        "Expand" => {
            let to: Vec<usize> = inputs[1].ints().iter().map(|&size| size as usize).collect();
            let shape = stretched(&[&x.shape, &to]);
            Array::new(&shape, indices(&shape).map(|index| x.at(&index)).collect())
        }
        "Transpose" => {
            let order = &setting("perm").unwrap().ints;
            let shape: Vec<usize> = order.iter().map(|&axis| x.shape[axis as usize]).collect();
            let value = |index: Vec<usize>| {
                let mut own = vec![0; index.len()];
                order.iter().zip(index).for_each(|(&axis, at)| own[axis as usize] = at);
                x.at(&own)
            };
            Array::new(&shape, indices(&shape).map(value).collect())
        }
        "Concat" => {
            let axis = axis_of(int("axis").unwrap(), x.shape.len());
            let mut shape = x.shape.clone();
            shape[axis] = inputs.iter().map(|input| input.shape[axis]).sum();
            let value = |mut index: Vec<usize>| {
                let mut parts = inputs.iter();
                let mut part = parts.next().unwrap();
                while index[axis] >= part.shape[axis] {
                    index[axis] -= part.shape[axis];
                    part = parts.next().unwrap();
                }
                part.at(&index)
            };
            Array::new(&shape, indices(&shape).map(value).collect())
        }
        "Slice" => {
            let [from, to, axis] = [1, 2, 3].map(|input| inputs[input].ints()[0]);
            let mut shape = x.shape.clone();
            shape[axis as usize] = (to - from) as usize;
            let value = |mut index: Vec<usize>| {
                index[axis as usize] += from as usize;
                x.at(&index)
            };
            Array::new(&shape, indices(&shape).map(value).collect())
        }
        "Gather" => {
            let (axis, ids) = (axis_of(int("axis").unwrap(), x.shape.len()), inputs[1]);
            let shape = [&x.shape[..axis], &ids.shape, &x.shape[axis + 1..]].concat();
            let value = |index: Vec<usize>| {
                let (before, rest) = index.split_at(axis);
                let (of_ids, after) = rest.split_at(ids.shape.len());
                let id = ids.at(of_ids) as usize;
                assert!(id < x.shape[axis], "{}: {id} of {}", node.name, x.shape[axis]);
                x.at(&[before, &[id], after].concat())
            };
            Array::new(&shape, indices(&shape).map(value).collect())
        }
        "MatMul" => {
            let (a, b) = (x, inputs[1]);
            let (of_a, [n, depth]) = (a.shape.len() - 2, [a.shape[a.shape.len() - 2], a.shape[a.shape.len() - 1]]);
            let (of_b, m) = (b.shape.len() - 2, b.shape[b.shape.len() - 1]);
            assert_eq!(b.shape[of_b], depth);
            let mut shape = stretched(&[&a.shape[..of_a], &b.shape[..of_b]]);
            let rank = shape.len();
            shape.extend([n, m]);
            let value = |index: Vec<usize>| {
                let (batch, [row, column]) = (&index[..rank], [index[rank], index[rank + 1]]);
                (0..depth).map(|at| a.at(&[batch, &[row, at]].concat()) * b.at(&[batch, &[at, column]].concat())).sum()
            };
            Array::new(&shape, indices(&shape).map(value).collect())
        }
        "Softmax" => {
            let rows = x.data.chunks(*x.shape.last().unwrap()).flat_map(|row| {
                let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = row.iter().map(|value| (value - max).exp()).collect();
                let sum: f64 = weights.iter().sum();
                weights.into_iter().map(move |weight| weight / sum)
            });
            Array::new(&x.shape, rows.collect())
        }
        "LayerNormalization" => {
            let width = *x.shape.last().unwrap();
            let epsilon = f64::from(setting("epsilon").and_then(|setting| setting.f).unwrap_or(1e-5));
            let rows = x.data.chunks(width).flat_map(|row| {
                let mean = row.iter().sum::<f64>() / width as f64;
                let variance = row.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / width as f64;
                let normalised = move |(at, value): (usize, &f64)| {
                    let shift = inputs.get(2).map_or(0.0, |shift| shift.data[at]);
                    (value - mean) / (variance + epsilon).sqrt() * inputs[1].data[at] + shift
                };
                row.iter().enumerate().map(normalised).collect::<Vec<_>>()
            });
            Array::new(&x.shape, rows.collect())
        }
        "ReduceMean" => {
            let width = *x.shape.last().unwrap();
            assert_eq!((setting("axes").unwrap().ints.as_slice(), int("keepdims")), (&[-1][..], Some(1)));
            let shape = [&x.shape[..x.shape.len() - 1], &[1]].concat();
            Array::new(&shape, x.data.chunks(width).map(|row| row.iter().sum::<f64>() / width as f64).collect())
        }
        "ReduceSum" => {
            assert_eq!((inputs[1].ints(), int("keepdims")), (vec![1], Some(0)));
            let shape = [x.shape[0], x.shape[2]];
            let value = |index: Vec<usize>| (0..x.shape[1]).map(|at| x.at(&[index[0], at, index[1]])).sum();
            Array::new(&shape, indices(&shape).map(value).collect())
        }
        other => panic!("the runner does not know {other}"),
    }
}
