//! How a parameter of ours lies in another system's tensor.

use attentive_attention::Sinusoids;
use attentive_bundle::Bundle;
use attentive_weights::{HostTensor, ScaleAxis, Tensors};

use crate::InterchangeError;

/// A block of numbers that a parameter of ours and a tensor of theirs have in common.
///
/// Most blocks are both of them whole. Several blocks share a tensor of theirs where it holds parameters of ours side by
/// side, and a parameter of ours where they cut it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The name of our parameter.
    pub(crate) ours: String,
    /// The name of their tensor.
    pub(crate) theirs: String,
    /// Where the block lies in each.
    pub(crate) layout: Layout,
}

/// The places of a block in our parameter and in their tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Shape of our parameter.
    ours: Vec<usize>,
    /// Shape of their tensor.
    theirs: Vec<usize>,
    /// The block's first number, in ours and in theirs.
    start: [usize; 2],
    /// The block's axes, outermost first.
    axes: Vec<Axis>,
}

/// An axis of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis {
    size: usize,
    /// From one index to the next, in ours and in theirs.
    steps: [usize; 2],
    /// Whether it is the model's width, whose dimensions may have another order there.
    is_model: bool,
}

impl Layout {
    fn new(ours: &[usize], theirs: &[usize], axes: &[(usize, [usize; 2])]) -> Self {
        let axes = axes.iter().map(|&(size, steps)| Axis { size, steps, is_model: false }).collect();
        Self { ours: ours.to_vec(), theirs: theirs.to_vec(), start: [0; 2], axes }
    }

    /// The same on both sides.
    pub(crate) fn same(shape: &[usize]) -> Self {
        let steps = |axis: usize| shape[axis + 1..].iter().product();
        let axes: Vec<_> = shape.iter().enumerate().map(|(axis, &size)| (size, [steps(axis); 2])).collect();
        Self::new(shape, shape, &axes)
    }

    /// A linear map as PyTorch has it: `[d_in, d_out]` here, `[d_out, d_in]` there.
    pub(crate) fn map([d_in, d_out]: [usize; 2]) -> Self {
        Self::new(&[d_in, d_out], &[d_out, d_in], &[(d_in, [d_out, 1]), (d_out, [1, d_in])])
    }

    /// A vector that is a matrix of one row there: `[d]` here, `[1, d]` there.
    pub(crate) fn row(d: usize) -> Self {
        Self::new(&[d], &[1, d], &[(d, [1; 2])])
    }

    /// The columns of the part `part` of `n` parts of this shape, `[rows, cols]` or `[cols]`, that stand side by side there.
    pub(crate) fn columns(part: usize, n: usize, shape: &[usize]) -> Self {
        let (cols, rows) = shape.split_last().expect("a vector or a matrix");
        let theirs = [rows, &[n * cols]].concat();
        let axes = [(rows.iter().product(), [*cols, n * cols]), (*cols, [1; 2])];
        Self { start: [0, part * cols], ..Self::new(shape, &theirs, &axes) }
    }

    /// `[rows, cols]` there, which are the part `part` of `n` parts below each other here.
    pub(crate) fn rows(part: usize, n: usize, [rows, cols]: [usize; 2]) -> Self {
        let axes = [(rows, [cols; 2]), (cols, [1; 2])];
        Self { start: [part * rows * cols, 0], ..Self::new(&[n * rows, cols], &[rows, cols], &axes) }
    }

    /// A table of `n` rows from row `from` of ours and row `to` of theirs on; other rows are never used.
    pub(crate) fn rows_between([ours, theirs]: [usize; 2], [from, to, n]: [usize; 3], cols: usize) -> Self {
        let axes = [(n, [cols; 2]), (cols, [1; 2])];
        Self { start: [from * cols, to * cols], ..Self::new(&[ours, cols], &[theirs, cols], &axes) }
    }

    /// As [`map`](Self::map), of a larger map there: `[d_in, d_out]` here; there `[rows, d_in]`, in whose rows from `first` on
    /// stand as many groups of outputs, so far from one another, as `groups` says.
    pub(crate) fn map_part([d_in, d_out]: [usize; 2], rows: usize, first: usize, [n, step]: [usize; 2]) -> Self {
        let axes = [(d_in, [d_out, 1]), (n, [d_out / n, step * d_in]), (d_out / n, [1, d_in])];
        Self { start: [0, first * d_in], ..Self::new(&[d_in, d_out], &[rows, d_in], &axes) }
    }

    /// The bias of such a part: `[d_out]` here, `[rows]` there.
    pub(crate) fn vector_part(d_out: usize, rows: usize, first: usize, [n, step]: [usize; 2]) -> Self {
        let axes = [(n, [d_out / n, step]), (d_out / n, [1; 2])];
        Self { start: [0, first], ..Self::new(&[d_out], &[rows], &axes) }
    }

    /// A convolution of `width` positions: `[width · d_in, d_out]` here, `[d_out, d_in, width]` there.
    pub(crate) fn convolution(width: usize, [d_in, d_out]: [usize; 2]) -> Self {
        let axes = [(width, [d_in * d_out, 1]), (d_in, [d_out, width]), (d_out, [1, width * d_in])];
        Self::new(&[width * d_in, d_out], &[d_out, d_in, width], &axes)
    }

    /// With the other system's numbers in a tensor of this shape, which has as many.
    pub(crate) fn reshaped(mut self, theirs: &[usize]) -> Self {
        self.theirs = theirs.to_vec();
        self
    }

    /// With this axis, counted as in our parameter, being the model's width.
    pub(crate) fn with_model_axis(mut self, axis: usize) -> Self {
        self.axes[axis].is_model = true;
        self
    }

    /// Shape of our parameter.
    pub(crate) fn ours(&self) -> &[usize] {
        &self.ours
    }

    /// Shape of their tensor.
    pub(crate) fn theirs(&self) -> &[usize] {
        &self.theirs
    }

    /// Whether both are the same numbers in the same order.
    pub(crate) fn is_same(&self, order: &Order) -> bool {
        let numbers = |shape: &[usize]| shape.iter().product::<usize>();
        let in_block = self.axes.iter().map(|axis| axis.size).product::<usize>();
        let keeps = |axis: &Axis| axis.steps[0] == axis.steps[1] && (order.0.is_none() || !axis.is_model);
        [numbers(&self.ours), numbers(&self.theirs)] == [in_block; 2] && self.axes.iter().all(keeps)
    }

    /// The rows of theirs that are the rows of ours, or its columns, and which of the two they are; `None` unless ours is made
    /// of whole rows of theirs.
    pub(crate) fn lines(&self) -> Option<(Vec<usize>, ScaleAxis)> {
        let (&[rows, cols], &[_, len]) = (&self.ours[..], &self.theirs[..]) else { return None };
        let (inner, outer): (Vec<&Axis>, Vec<&Axis>) =
            self.axes.iter().partition(|axis| axis.size == len && axis.steps[1] == 1);
        let (&[inner], true) = (&inner[..], self.start[0] == 0) else { return None };
        let (axis, n_lines, step) = match inner.steps[0] {
            1 => (ScaleAxis::Rows, rows, cols),
            _ => (ScaleAxis::Columns, cols, 1),
        };
        let mut lines = vec![None; n_lines];
        let outer: Vec<Axis> = outer.into_iter().copied().collect();
        visit(&outer, self.start, &Order::SAME, &mut |ours, theirs| {
            if let Some(line) = lines.get_mut(ours / step) {
                *line = theirs.is_multiple_of(len).then_some(theirs / len);
            }
        });
        Some((lines.into_iter().collect::<Option<_>>()?, axis))
    }

    /// How a matrix of ours is one of theirs, or a part of it; `None` where it is something else there, as in a convolution.
    pub(crate) fn linear(&self, order: &Order) -> Option<Linear> {
        let (&[n_in, n_out], &[rows, cols]) = (&self.ours[..], &self.theirs[..]) else { return None };
        [true, false].into_iter().find_map(|transposed| {
            let mut lines = [vec![None; n_in], vec![None; n_out]];
            let mut fits = true;
            self.for_each(order, |ours, theirs| {
                let mut there = [theirs / cols, theirs % cols];
                if transposed {
                    there.reverse();
                }
                for ((lines, here), there) in lines.iter_mut().zip([ours / n_out, ours % n_out]).zip(there) {
                    fits &= *lines[here].get_or_insert(there) == there;
                }
            });
            let [inputs, outputs] = lines.map(|lines| lines.into_iter().collect::<Option<Vec<usize>>>());
            let [d_in, d_out] = if transposed { [cols, rows] } else { [rows, cols] };
            let linear = Linear { inputs: inputs?, outputs: outputs?, d_out, transposed };
            (fits && linear.inputs.len() == d_in).then_some(linear)
        })
    }

    /// Calls `copy` with the places of each number of the block, in ours and in theirs.
    pub(crate) fn for_each(&self, order: &Order, mut copy: impl FnMut(usize, usize)) {
        visit(&self.axes, self.start, order, &mut copy);
    }
}

/// How a linear map of ours, `[d_in, d_out]`, is one of theirs or a part of its outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Linear {
    /// Their input that each of ours is.
    pub(crate) inputs: Vec<usize>,
    /// Their output that each of ours is.
    pub(crate) outputs: Vec<usize>,
    /// Outputs of theirs.
    pub(crate) d_out: usize,
    /// Whether theirs is `[d_out, d_in]`.
    pub(crate) transposed: bool,
}

/// Calls `copy` with the places of each number of the block of these axes that begins at `start`.
fn visit(axes: &[Axis], [ours, theirs]: [usize; 2], order: &Order, copy: &mut impl FnMut(usize, usize)) {
    let Some((axis, inner)) = axes.split_first() else { return copy(ours, theirs) };
    for there in 0..axis.size {
        let here = if axis.is_model { order.ours(there) } else { there };
        visit(inner, [ours + here * axis.steps[0], theirs + there * axis.steps[1]], order, copy);
    }
}

/// The places of all of a model's parameters in another system.
pub(crate) struct Places {
    pub(crate) slots: Vec<Slot>,
    /// The order of the model's width there.
    pub(crate) order: Order,
    /// What is added to the gains of norms there to get ours: 1 where gains are stored as what is above 1.
    pub(crate) gain_offset: f32,
}

/// Finds the places of a model's parameters.
pub(crate) type FindPlaces = fn(&Bundle) -> Result<Places, InterchangeError>;

impl Places {
    pub(crate) fn new(slots: Vec<Slot>, order: Order) -> Self {
        Self { slots, order, gain_offset: 0.0 }
    }

    /// As [`export`].
    pub(crate) fn export(&self, bundle: &Bundle) -> Result<Tensors, InterchangeError> {
        export(bundle, &self.slots, &self.order)
    }
}

/// Holds the parameters of a model against the slots made of its configuration.
///
/// # Errors
/// [`InterchangeError::Mismatch`] lists the parameters that are missing or of another shape.
pub(crate) fn check_params(bundle: &Bundle, slots: &[Slot]) -> Result<(), InterchangeError> {
    let problem = |Slot { ours, layout, .. }: &Slot| {
        let expected = layout.ours();
        match bundle.params.get(ours) {
            Some(param) if param.shape == expected => None,
            Some(param) => Some(format!("{ours}: {expected:?} by the configuration, {:?} in the file", param.shape)),
            None => Some(format!("missing: {ours} {expected:?}")),
        }
    };
    let problems: Vec<String> = slots.iter().filter_map(problem).collect();
    match problems.is_empty() {
        true => Ok(()),
        false => {
            let lacks = slots.iter().any(|slot| !bundle.params.contains_key(&slot.ours));
            Err(InterchangeError::Mismatch { path: bundle.path.clone(), problems, lacks, exceeds: false })
        }
    }
}

/// All of a model's parameters as the other system has them.
///
/// # Errors
/// As [`check_params`].
pub(crate) fn export(bundle: &Bundle, slots: &[Slot], order: &Order) -> Result<Tensors, InterchangeError> {
    check_params(bundle, slots)?;
    let mut tensors = Tensors::new();
    for Slot { ours, theirs, layout } in slots {
        let param = &bundle.params[ours];
        let tensor = tensors.entry(theirs.clone()).or_insert_with(|| zeros(layout.theirs()));
        layout.for_each(order, |from, to| tensor.values[to] = param.values[from]);
    }
    Ok(tensors)
}

pub(crate) fn zeros(shape: &[usize]) -> HostTensor {
    HostTensor { shape: shape.to_vec(), values: vec![0.0; shape.iter().product()] }
}

/// Our dimensions of the model's width, in the order of another system; `None` where it has ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order(Option<Vec<usize>>);

impl Order {
    /// The same.
    pub(crate) const SAME: Self = Self(None);

    /// From our sinusoids, which have sine and cosine of an angle side by side (Vaswani et al. 2017, §3.5), to all sines
    /// before all cosines.
    ///
    /// A model whose every weight follows is the same function: sums, norms and products do not know an order.
    pub(crate) fn sines_first(d_model: usize) -> Self {
        Self(Some((0..d_model).step_by(2).chain((1..d_model).step_by(2)).collect()))
    }

    /// Our dimension that is their dimension `there`.
    fn ours(&self, there: usize) -> usize {
        self.0.as_ref().map_or(there, |order| order[there])
    }

    /// The rows of a table of ours as the other system has them.
    pub(crate) fn of_columns(&self, table: &HostTensor) -> HostTensor {
        let mut tensor = zeros(&table.shape);
        let layout = Layout::same(&table.shape).with_model_axis(1);
        layout.for_each(self, |from, to| tensor.values[to] = table.values[from]);
        tensor
    }
}

/// Encodings of the first `n` positions: `[n, d_model]`.
pub(crate) fn sinusoids(sinusoids: &Sinusoids, n: usize) -> HostTensor {
    let values = sinusoids.values(0, n);
    HostTensor { shape: vec![n, values.len() / n.max(1)], values }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Their tensor of the numbers 0, 1, 2 … of ours.
    fn theirs(layout: &Layout, order: &Order) -> Vec<usize> {
        let mut values = vec![usize::MAX; layout.theirs().iter().product()];
        layout.for_each(order, |from, to| values[to] = from);
        values
    }

    #[test]
    fn each_layout_puts_numbers_where_it_says() {
        let same = Order::SAME;
        let order = Order::sines_first(5);
        assert_eq!(theirs(&Layout::same(&[2, 3]), &same), [0, 1, 2, 3, 4, 5]);
        assert_eq!(theirs(&Layout::same(&[5]).with_model_axis(0), &order), [0, 2, 4, 1, 3]);
        assert_eq!(theirs(&Layout::row(2), &same), [0, 1]);
        assert_eq!(Layout::row(2).theirs(), [1, 2]);
        // By the definition of each: ours [0 1 2; 3 4 5].
        assert_eq!(theirs(&Layout::map([2, 3]), &same), [0, 3, 1, 4, 2, 5]);
        assert_eq!(theirs(&Layout::map([1, 5]).with_model_axis(1), &order), [0, 2, 4, 1, 3]);
        let none = usize::MAX;
        assert_eq!(theirs(&Layout::columns(1, 2, &[2, 2]), &same), [none, none, 0, 1, none, none, 2, 3]);
        assert_eq!(theirs(&Layout::columns(1, 2, &[2]), &same), [none, none, 0, 1]);
        assert_eq!(theirs(&Layout::rows(1, 3, [1, 2]), &same), [2, 3]);
        assert_eq!(Layout::rows(1, 3, [1, 2]).ours(), [3, 2]);
        assert_eq!(theirs(&Layout::rows_between([2, 4], [0, 2, 2], 1), &same), [none, none, 0, 1]);
        // Ours: [position · 2 + from, to]; theirs: [to, from, position].
        // Two groups of two outputs, three rows apart, from row 1 of 6 on; ours [0 1 2 3], one input.
        let part = [none, 0, 1, none, 2, 3];
        assert_eq!(theirs(&Layout::map_part([1, 4], 6, 1, [2, 3]), &same), part);
        assert_eq!(theirs(&Layout::vector_part(4, 6, 1, [2, 3]), &same), part);
        assert_eq!(theirs(&Layout::map_part([2, 1], 2, 1, [1, 0]), &same), [none, none, 0, 1]);
        let convolution = Layout::convolution(2, [2, 3]);
        let expected: Vec<usize> =
            (0..3).flat_map(|to| (0..2).flat_map(move |from| (0..2).map(move |at| (at * 2 + from) * 3 + to))).collect();
        assert_eq!(theirs(&convolution, &same), expected);
    }

    #[test]
    fn lines_are_the_rows_of_theirs() {
        // Ours `[d_in, d_out]` is theirs `[d_out, d_in]`: a column each.
        assert_eq!(Layout::map([3, 2]).lines(), Some((vec![0, 1], ScaleAxis::Columns)));
        assert_eq!(Layout::same(&[2, 3]).lines(), Some((vec![0, 1], ScaleAxis::Rows)));
        // Two groups of two outputs, three rows apart, from row 1 on.
        assert_eq!(Layout::map_part([5, 4], 6, 1, [2, 3]).lines(), Some((vec![1, 2, 4, 5], ScaleAxis::Columns)));
        let parts = [Layout::columns(0, 2, &[2, 2]), Layout::rows(1, 2, [1, 4]), Layout::same(&[4])];
        assert!(parts.iter().all(|layout| layout.lines().is_none()));
    }

    #[test]
    fn inputs_and_outputs_are_told_apart() {
        let linear =
            |layout: Layout, order: &Order| layout.linear(order).map(|map| (map.inputs, map.outputs, map.transposed));
        let same = Order::SAME;
        assert_eq!(linear(Layout::map([3, 2]), &same), Some((vec![0, 1, 2], vec![0, 1], true)));
        assert_eq!(linear(Layout::map([2, 2]), &same), Some((vec![0, 1], vec![0, 1], true)));
        assert_eq!(linear(Layout::columns(1, 3, &[2, 2]), &same), Some((vec![0, 1], vec![2, 3], false)));
        assert_eq!(
            linear(Layout::map_part([3, 4], 6, 1, [2, 3]), &same),
            Some((vec![0, 1, 2], vec![1, 2, 4, 5], true))
        );
        let sines_first = Order::sines_first(4);
        let of_model = Layout::map([4, 2]).with_model_axis(0);
        assert_eq!(linear(of_model, &sines_first), Some((vec![0, 2, 1, 3], vec![0, 1], true)));
        assert_eq!(linear(Layout::convolution(2, [2, 3]), &same), None);
        assert_eq!(linear(Layout::rows(1, 3, [1, 2]), &same), None);
    }

    #[test]
    fn only_what_is_copied_as_it_is_is_the_same() {
        let order = Order::sines_first(4);
        assert!(Layout::same(&[3, 4]).with_model_axis(1).is_same(&Order::SAME) && Layout::row(4).is_same(&order));
        assert!(!Layout::same(&[3, 4]).with_model_axis(1).is_same(&order));
        assert!(!Layout::map([3, 4]).is_same(&Order::SAME) && !Layout::columns(0, 2, &[4]).is_same(&Order::SAME));
        assert!(!Layout::rows(0, 2, [1, 4]).is_same(&Order::SAME));
    }
}
