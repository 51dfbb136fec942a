//! Parameters whose optimizer is shared among processes (Rajbhandari et al. 2020, ZeRO, stage 1).

use std::{collections::BTreeMap, ops::Range};

use attentive_backend::ops::{self, NORM_BLOCK};
use attentive_collective::{
    Collective, CollectiveError, Exchange, all_gather, gather_equal, piece_of, receive, reduce_scatter_as, send,
};
use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Device, Tensor, TensorData},
};

use crate::{Gradients, Optimizer, OptimizerState, ParamInfo, StepSize};

/// The part of a model's parameters that a process updates, and has the state of an optimizer for.
///
/// All parameters that are trained, in the order of their names, are one vector, which is cut into a piece for each
/// process. Cuts are between blocks of norms ([`NORM_BLOCK`]): a block's square is one process's, so that the norm of all
/// gradients has the same bits whoever adds it up.
#[derive(Debug, Clone)]
pub struct Shards {
    /// Where each block begins, and the end of the last.
    blocks: Vec<usize>,
    /// The blocks of each parameter.
    params: BTreeMap<String, Range<usize>>,
    /// The block that each piece begins with, and the end of the last.
    cuts: Vec<usize>,
    /// The piece of this process.
    piece: usize,
    /// The format of gradients on their way.
    exchange: Exchange,
}

impl Shards {
    /// Cuts the parameters of `model` that gradients reach.
    pub fn of<M: Module>(model: &M, peers: &dyn Collective) -> Self {
        let mut lengths = Lengths { path: Vec::new(), lengths: BTreeMap::new() };
        model.visit(&mut lengths);
        Self::cut(lengths.lengths, peers)
    }

    /// Cuts parameters of these lengths.
    fn cut(lengths: BTreeMap<String, usize>, peers: &dyn Collective) -> Self {
        let (mut blocks, mut params, mut end) = (vec![0], BTreeMap::new(), 0);
        for (name, length) in lengths {
            let first = blocks.len() - 1;
            blocks.extend((NORM_BLOCK..length).step_by(NORM_BLOCK).map(|at| end + at));
            end += length;
            blocks.push(end);
            params.insert(name, first..blocks.len() - 1);
        }
        let size = peers.size();
        let nearest = |place: usize| {
            let after = blocks.partition_point(|&start| start < place);
            let before = after.saturating_sub(1);
            if blocks[after] - place < place - blocks[before] { after } else { before }
        };
        let cuts = (0..=size).map(|piece| if piece < size { nearest(piece * end / size) } else { blocks.len() - 1 });
        Self { cuts: cuts.collect(), piece: piece_of(peers.rank(), size), blocks, params, exchange: Exchange::F32 }
    }

    /// The format in which gradients travel; parameters always travel as they are.
    #[must_use]
    pub fn exchanging(self, exchange: Exchange) -> Self {
        Self { exchange, ..self }
    }

    /// Number of values of all parameters that are trained.
    pub fn len(&self) -> usize {
        self.blocks[self.blocks.len() - 1]
    }

    /// Whether nothing is trained.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of a parameter, flattened, that this process updates; none of one that is not trained.
    pub fn part(&self, name: &str) -> Range<usize> {
        self.part_of(name, self.piece)
    }

    /// The values of a parameter that the process with a piece updates.
    fn part_of(&self, name: &str, piece: usize) -> Range<usize> {
        let Some(param) = self.params.get(name) else { return 0..0 };
        let own = self.cuts[piece]..self.cuts[piece + 1];
        let (start, end) = (param.start.max(own.start), param.end.min(own.end));
        match start < end {
            true => self.blocks[start] - self.blocks[param.start]..self.blocks[end] - self.blocks[param.start],
            false => 0..0,
        }
    }

    /// The state of an optimizer for all parameters, from the parts that processes have, for process 0; nothing for others.
    ///
    /// # Errors
    /// [`CollectiveError`] if a process has ended.
    ///
    /// # Panics
    /// If a device can't hand over its values.
    pub fn gather_state(
        &self,
        state: &OptimizerState,
        device: &Device,
        peers: &dyn Collective,
    ) -> Result<OptimizerState, CollectiveError> {
        let (rank, size) = (peers.rank(), peers.size());
        if rank > 0 {
            let parts: Vec<(&String, Vec<f32>)> = state.iter().map(|(name, part)| (name, host(part.clone()))).collect();
            send_parts(peers, 0, parts.iter().map(|(name, part)| (*name, &part[..])))?;
            return Ok(OptimizerState::new());
        }
        let mut whole: BTreeMap<String, Vec<f32>> = BTreeMap::new();
        let mut add = |name: String, part: Vec<f32>| match whole.get_mut(&name) {
            Some(values) => values.extend(part),
            None => drop(whole.insert(name, part)),
        };
        // The parts of a parameter come in the order of pieces, one at a time: all of them are twice the parameters of Adam.
        for from in (0..size).map(|piece| piece_of(piece, size)) {
            match from {
                0 => state.iter().for_each(|(name, part)| add(name.clone(), host(part.clone()))),
                from => receive_parts(peers, from, &mut add)?,
            }
        }
        let on_device = |values: Vec<f32>| {
            let n = values.len();
            Tensor::from_data(TensorData::new(values, [n]), device)
        };
        Ok(whole.into_iter().map(|(name, values)| (name, on_device(values))).collect())
    }

    /// The parts of an optimizer's state that are this process's, of the state for all parameters that process 0 has; what the
    /// others give is not looked at. [`gather_state`](Self::gather_state) is the way back.
    ///
    /// # Errors
    /// [`CollectiveError`] if a process has ended.
    ///
    /// # Panics
    /// If a tensor, named `param.slot`, is shorter than its parameter.
    pub fn scatter_state(
        &self,
        whole: BTreeMap<String, Vec<f32>>,
        peers: &dyn Collective,
    ) -> Result<BTreeMap<String, Vec<f32>>, CollectiveError> {
        let mut mine = BTreeMap::new();
        if peers.rank() > 0 {
            receive_parts(peers, 0, &mut |name, part| drop(mine.insert(name, part)))?;
            return Ok(mine);
        }
        let part_of = |name: &str, piece| self.part_of(name.rsplit_once('.').map_or(name, |(param, _)| param), piece);
        for rank in 1..peers.size() {
            let piece = piece_of(rank, peers.size());
            let parts = whole.iter().map(|(name, values)| (name, &values[part_of(name, piece)]));
            send_parts(peers, rank, parts.filter(|(_, part)| !part.is_empty()))?;
        }
        for (name, values) in whole {
            let part = values[part_of(&name, self.piece)].to_vec();
            if !part.is_empty() {
                mine.insert(name, part);
            }
        }
        Ok(mine)
    }

    /// The blocks of this process.
    fn own(&self) -> Range<usize> {
        self.cuts[self.piece]..self.cuts[self.piece + 1]
    }

    /// Where the vector of all parameters is cut.
    fn value_cuts(&self) -> Vec<usize> {
        self.cuts.iter().map(|&block| self.blocks[block]).collect()
    }

    /// A parameter's values in the vector of all.
    fn values(&self, name: &str) -> Range<usize> {
        let param = &self.params[name];
        self.blocks[param.start]..self.blocks[param.end]
    }
}

/// Gradients that are summed over all processes: of its piece of the parameters in each, and the norms of all.
#[derive(Debug)]
pub struct ShardedGradients<'a> {
    shards: &'a Shards,
    peers: &'a dyn Collective,
    /// A place for the values of all parameters, which has the gradients of this process's piece.
    vector: Vec<f32>,
    /// The parameters that have gradients, and the squares of their norms.
    squares: Vec<(String, f64)>,
}

impl Gradients {
    /// Sums the gradients of all processes, each of which keeps its piece.
    ///
    /// A parameter without a gradient in any of them has none in the sum.
    ///
    /// # Errors
    /// [`CollectiveError`] if a process has ended.
    ///
    /// # Panics
    /// If a gradient is of a parameter that is not in `shards`, or a device can't hand over its values.
    pub fn reduce<'a>(
        mut self,
        shards: &'a Shards,
        peers: &'a dyn Collective,
    ) -> Result<ShardedGradients<'a>, CollectiveError> {
        let has: Vec<u8> = shards.params.keys().map(|name| u8::from(self.get(name).is_some())).collect();
        let have = gather_equal(peers, &has)?;
        let mut vector = vec![0.0; shards.len()];
        for name in shards.params.keys() {
            let place = &mut vector[shards.values(name)];
            match self.remove(name) {
                Some(gradient) => place.copy_from_slice(&host(gradient)),
                // The one number that changes none it is added to.
                None => place.fill(-0.0),
            }
        }
        assert!(self.iter().next().is_none(), "a gradient of no parameter");
        reduce_scatter_as(shards.exchange, peers, &mut vector, &shards.value_cuts())?;
        let squares = squares(&vector, shards, peers)?;
        let with_gradient = shards.params.iter().enumerate().filter(|(at, _)| have.iter().any(|has| has[*at] == 1));
        let square = |blocks: &Range<usize>| f64::from(ops::squared_norm_of_blocks(&squares[blocks.clone()]));
        let squares = with_gradient.map(|(_, (name, blocks))| (name.clone(), square(blocks))).collect();
        Ok(ShardedGradients { shards, peers, vector, squares })
    }
}

/// The sum of squares of each block, from the process that has it.
fn squares(vector: &[f32], shards: &Shards, peers: &dyn Collective) -> Result<Vec<f32>, CollectiveError> {
    let block = |at: usize| &vector[shards.blocks[at]..shards.blocks[at + 1]];
    let own: Vec<&[f32]> = shards.own().map(block).collect();
    let mut squares = vec![0.0; shards.blocks.len() - 1];
    squares[shards.own()].copy_from_slice(&ops::squares_of_blocks(&own));
    all_gather(peers, &mut squares, &shards.cuts)?;
    Ok(squares)
}

impl ShardedGradients<'_> {
    /// Square of the L2 norm of each parameter's gradient, in the order of the names; as
    /// [`Gradients::squared_norms`] on flex.
    pub fn squared_norms(&self) -> &[(String, f64)] {
        &self.squares
    }

    /// One update of `model`: each process updates its piece of the parameters, and then all have all of them.
    ///
    /// # Errors
    /// [`CollectiveError`] if a process has ended.
    ///
    /// # Panics
    /// If a device can't hand over its values.
    pub fn step<M: Module>(
        self,
        optimizer: &mut dyn Optimizer,
        model: M,
        size: StepSize,
    ) -> Result<M, CollectiveError> {
        let Self { shards, peers, mut vector, squares } = self;
        let is_moved = |name: &str| squares.binary_search_by(|(other, _)| (**other).cmp(name)).is_ok();
        optimizer.begin();
        model.visit(&mut Update {
            path: Vec::new(),
            shards,
            vector: &mut vector,
            is_moved: &is_moved,
            optimizer,
            size,
        });
        all_gather(peers, &mut vector, &shards.value_cuts())?;
        Ok(model.map(&mut Fill { path: Vec::new(), shards, vector: &vector, is_moved: &is_moved }))
    }
}

/// Puts new values in the place of gradients, where they are this process's.
struct Update<'a> {
    path: Vec<String>,
    shards: &'a Shards,
    vector: &'a mut [f32],
    is_moved: &'a dyn Fn(&str) -> bool,
    optimizer: &'a mut dyn Optimizer,
    size: StepSize,
}

impl ModuleVisitor for Update<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.join(".");
        let part = self.shards.part(&name);
        if part.is_empty() || !(self.is_moved)(&name) {
            return;
        }
        let value = param.val().inner();
        let shape = value.dims();
        let start = self.shards.values(&name).start;
        let place = &mut self.vector[start + part.start..start + part.end];
        let gradient = tensor(place, &value.device());
        let values = value.flatten::<1>(0, D - 1).narrow(0, part.start, part.len());
        let values = self.optimizer.update(ParamInfo { name: &name, shape: &shape }, values, gradient, self.size);
        place.copy_from_slice(&host(values));
    }
}

/// Gives parameters their values in the vector of all.
struct Fill<'a> {
    path: Vec<String>,
    shards: &'a Shards,
    vector: &'a [f32],
    is_moved: &'a dyn Fn(&str) -> bool,
}

impl ModuleMapper for Fill<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        if !(self.is_moved)(&name) {
            return param;
        }
        param.map(|value| {
            let values = self.vector[self.shards.values(&name)].to_vec();
            let data = TensorData::new(values, value.dims());
            let new = Tensor::from_data(data, &value.device().inner());
            Tensor::from_inner(new).set_require_grad(value.is_require_grad())
        })
    }
}

/// Number of values of each parameter that is trained.
struct Lengths {
    path: Vec<String>,
    lengths: BTreeMap<String, usize>,
}

impl ModuleVisitor for Lengths {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.val().is_require_grad() {
            self.lengths.insert(self.path.join("."), param.lazy_shape().num_elements());
        }
    }
}

fn tensor(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

/// Sends named numbers, which the other process [receives](receive_parts).
fn send_parts<'a>(
    peers: &dyn Collective,
    to: usize,
    parts: impl Iterator<Item = (&'a String, &'a [f32])> + Clone,
) -> Result<(), CollectiveError> {
    let names: String = parts.clone().map(|(name, part)| format!("{} {name}\n", part.len())).collect();
    send(peers, to, names.as_bytes())?;
    for (_, part) in parts {
        peers.exchange(to, bytemuck::cast_slice(part), to, &mut [])?;
    }
    Ok(())
}

fn receive_parts(
    peers: &dyn Collective,
    from: usize,
    add: &mut dyn FnMut(String, Vec<f32>),
) -> Result<(), CollectiveError> {
    for line in String::from_utf8_lossy(&receive(peers, from)?).lines() {
        let (n, name) = line.split_once(' ').expect("as it was written");
        let mut part = vec![0.0_f32; n.parse().expect("as it was written")];
        peers.exchange(from, &[], from, bytemuck::cast_slice_mut(&mut part))?;
        add(name.to_owned(), part);
    }
    Ok(())
}

/// A tensor's values.
fn host(tensor: Tensor<1>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().expect("converted to f32 above")
}
