//! From named parameters to packed weights.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use attentive_attention::{HeadsLeft, NormKind, NormPlacement, PositionsConfig, Rotary};
use attentive_kernels::{ActivationKind, Level, Major};
use attentive_model::{AttentionKind, AttentionPlace, ModelHeads};
use attentive_weights::{Blocks, HostTensor, Int8Rows, Rows, ScaleAxis, Source, WeightsError};
use rayon::prelude::*;

use crate::{
    attention::{CrossAttention, HeadDims, HeadNorms, SelfAttention},
    embedding::{Embedding, Projection, Table},
    layer::{AddNorm, Addition, FeedForward, Linear, Norm},
    positions::Positions,
    shared::{Key, SharedWeights, WeightPacking},
    stack::{Layer, Stack},
    weight::{Weight, WeightFormat},
};

/// What a family's layers are like.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) d_model: usize,
    pub(crate) d_ff: usize,
    /// Those of an attention with all of its heads.
    pub(crate) dims: HeadDims,
    pub(crate) activation: ActivationKind,
    pub(crate) gated: bool,
    /// Whether linear layers and layer norms have biases.
    pub(crate) bias: bool,
    /// Whether projections of queries, keys and values have biases.
    pub(crate) qkv_bias: bool,
    /// Whether those of keys have, too.
    pub(crate) key_bias: bool,
    /// Whether each head's queries and keys are normalised.
    pub(crate) qk_norm: bool,
    /// Whether the two sub-layers read the same input.
    pub(crate) parallel: bool,
    pub(crate) placement: NormPlacement,
    pub(crate) norm_kind: NormKind,
    pub(crate) epsilon: f64,
    pub(crate) positions: PositionsConfig,
    pub(crate) window: Option<usize>,
    /// The positions of layers with a window, if they have others.
    pub(crate) window_rotary: Option<Rotary>,
}

/// The names of a stack's parameters, and its kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StackPlan<'a> {
    /// `decoder`.
    pub(crate) path: &'a str,
    /// `target_positions`.
    pub(crate) positions: &'a str,
    pub(crate) n_layers: usize,
    pub(crate) causal: bool,
    /// Whether layers attend to a source.
    pub(crate) cross: bool,
    /// Layers that see everything although there is a window.
    pub(crate) full_layers: &'a [usize],
    /// Whether the first layer's attention has a norm.
    pub(crate) first_norm: bool,
    /// Heads that the model has lost, if its family can lose any.
    pub(crate) pruned: Option<&'a ModelHeads>,
}

/// Takes parameters by name, and notes those that do not fit.
pub(crate) struct Loader<'a> {
    params: &'a dyn Source,
    shape: Shape,
    format: WeightFormat,
    shared: SharedWeights,
    /// What is packed here and others may share.
    fresh: Vec<(Key, Table)>,
    taken: BTreeSet<String>,
    /// Those of them with what is added to them.
    added_to: BTreeSet<String>,
    problems: Vec<String>,
    /// The first parameter that could not be read or packed.
    failure: Option<WeightsError>,
    /// Whether some matrix was in blocks.
    has_blocks: bool,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(params: &'a dyn Source, shape: Shape, packing: WeightPacking) -> Self {
        let WeightPacking { format, shared } = packing;
        Self {
            params,
            shape,
            format,
            shared,
            fresh: Vec::new(),
            taken: BTreeSet::new(),
            added_to: BTreeSet::new(),
            problems: Vec::new(),
            failure: None,
            has_blocks: false,
        }
    }

    /// Whether a matrix is packed as its rows are read. Of others there should be one in memory at a time.
    fn reads_rows(&self, name: &str) -> bool {
        match self.format {
            WeightFormat::F32 => self.params.rows(name).is_ok_and(|rows| !rows.are_copied()),
            WeightFormat::Int8 => {
                self.params.int8(name).is_ok_and(|bytes| bytes.is_some_and(|bytes| !bytes.are_copied()))
            }
            WeightFormat::Q8_0 | WeightFormat::Q4_0 | WeightFormat::Blocks => false,
        }
    }

    /// A loader that has noted nothing, for another thread.
    fn fork(&self) -> Self {
        let packing = WeightPacking { format: self.format, shared: self.shared.clone() };
        Self::new(self.params, self.shape.clone(), packing)
    }

    /// Takes over what another has noted.
    fn absorb(&mut self, other: Self) {
        self.fresh.extend(other.fresh);
        self.taken.extend(other.taken);
        self.added_to.extend(other.added_to);
        self.problems.extend(other.problems);
        self.failure = self.failure.take().or(other.failure);
        self.has_blocks |= other.has_blocks;
    }

    /// The first parameter that could not be read or packed, or a list of those that are missing, of another shape, or left over.
    pub(crate) fn finish(mut self) -> Result<(), WeightsError> {
        for name in self.params.names() {
            if !self.taken.contains(name) {
                self.problems.push(format!("left over: {name}"));
            } else if self.params.low_rank(name).is_some() && !self.added_to.contains(name) {
                self.problems.push(format!("{name} is not of a linear map: what is added to it can only be merged"));
            }
        }
        match self.failure {
            Some(failure) => Err(failure),
            None if self.problems.is_empty() && self.format == WeightFormat::Blocks && !self.has_blocks => {
                Err(WeightsError::NoBlocks)
            }
            None if self.problems.is_empty() => {
                self.shared.keep(self.fresh);
                Ok(())
            }
            None => Err(WeightsError::Mismatch { problems: self.problems }),
        }
    }

    /// A parameter's values; zeros if it does not fit or can't be read, which `finish` then reports.
    fn borrow(&mut self, name: &str, shape: &[usize]) -> Cow<'a, [f32]> {
        self.taken.insert(name.to_owned());
        match self.params.shape(name) {
            Some(found) if found == shape => match self.params.tensor(name) {
                Ok(Cow::Borrowed(tensor)) => return Cow::Borrowed(&tensor.values),
                Ok(Cow::Owned(HostTensor { values, .. })) => return Cow::Owned(values),
                Err(failure) => self.failure = self.failure.take().or(Some(failure)),
            },
            found => self.misfit(name, found, shape),
        }
        Cow::Owned(vec![0.0; shape.iter().product()])
    }

    /// The rows of matrices next to each other, of names and shapes; nothing if one does not fit or can't be read, which `finish`
    /// then reports.
    fn rows(&mut self, of: impl IntoIterator<Item = (String, [usize; 2])>) -> Option<Rows<'a>> {
        let params = self.params;
        let part = |(name, shape): (String, [usize; 2])| {
            let part = match params.shape(&name) {
                Some(found) if found == shape => self.noted(params.rows(&name).map(Some)),
                found => {
                    self.misfit(&name, found, &shape);
                    None
                }
            };
            self.taken.insert(name);
            part
        };
        // All are noted before one that is missing ends it.
        let parts: Vec<_> = of.into_iter().map(part).collect();
        parts.into_iter().collect::<Option<Vec<_>>>().map(Rows::beside)
    }

    /// Notes a parameter that is not there, or has another shape.
    fn misfit(&mut self, name: &str, found: Option<&[usize]>, shape: &[usize]) {
        self.problems.push(match found {
            Some(found) => format!("{name} is {found:?}, not {shape:?}"),
            None => format!("missing: {name}"),
        });
    }

    /// As [`borrow`](Self::borrow), for a model to keep.
    pub(crate) fn values(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        self.borrow(name, shape).into_owned()
    }

    /// The weight `[d_in, d_out]` of the rows of a layer, or of a table that `projects` to a vocabulary; as it is if packing does
    /// not round it. Zeros if there are none, they can't be read or the format can't hold them, which `finish` then reports.
    fn packed(&mut self, path: &str, projects: bool, rows: Option<&Rows<'_>>, dims: [usize; 2]) -> Weight {
        let is_rounded = self.format.axis(&format!("{path}.weight"), projects).is_some();
        let format = if is_rounded { self.format } else { WeightFormat::F32 };
        let major = if projects { Major::Columns } else { Major::Rows };
        let packed = rows.and_then(|rows| {
            let misfit = || WeightsError::Blocks { name: path.to_owned(), format: format.to_string(), d_in: dims[0] };
            let packed = Weight::of_rows(rows, dims, major, format).and_then(|weight| weight.ok_or_else(misfit));
            self.noted(packed.map(Some))
        });
        packed.unwrap_or_else(|| Weight::zeros(dims))
    }

    /// What `pack` makes of the parameters of some names, or what a model that shares them has packed.
    fn shared_table(&mut self, names: Vec<String>, pack: impl FnOnce(&mut Self) -> Table) -> Table {
        let Some(key) = self.shared.key(&names, self.format) else { return pack(self) };
        let Some(table) = self.shared.get(&key) else {
            let table = pack(self);
            self.fresh.push((key, table.clone()));
            return table;
        };
        self.taken.extend(names);
        // The model that packed it had some.
        self.has_blocks = true;
        table
    }

    /// As [`shared_table`](Self::shared_table), of what is packed in any case.
    fn shared_weight(&mut self, names: Vec<String>, pack: impl FnOnce(&mut Self) -> Weight) -> Arc<Weight> {
        match self.shared_table(names, |loader| Table::Packed(Arc::new(pack(loader)))) {
            Table::Packed(weight) => weight,
            Table::Values(_) => unreachable!("the names of a weight are not those of a table that is looked up alone"),
        }
    }

    /// What is added to the weights of maps beside one another, by path and width.
    fn additions(&mut self, d_in: usize, parts: &[(String, usize)]) -> Vec<Addition> {
        let (mut additions, mut first) = (Vec::new(), 0);
        for &(ref path, width) in parts {
            let name = format!("{path}.weight");
            if let Some(low_rank) = self.params.low_rank(&name) {
                match Addition::new(low_rank, [d_in, width], first) {
                    Some(addition) => additions.push(addition),
                    None => self.problems.push(format!("{name}: the matrices that are added to it do not fit")),
                }
                self.added_to.insert(name);
            }
            first += width;
        }
        additions
    }

    /// What is read of a parameter; nothing if that failed, which `finish` then reports.
    fn noted<T>(&mut self, read: Result<Option<T>, WeightsError>) -> Option<T> {
        read.unwrap_or_else(|failure| {
            self.failure.get_or_insert(failure);
            None
        })
    }

    /// The blocks of a matrix, if the format is theirs and the file has the matrix in them.
    fn blocks(&mut self, name: &str, shape: [usize; 2], axis: ScaleAxis) -> Option<Cow<'a, Blocks>> {
        let params = self.params;
        if self.format != WeightFormat::Blocks || params.shape(name) != Some(&shape[..]) {
            return None;
        }
        let blocks = self.noted(params.blocks(name))?;
        if blocks.axis() != axis || *blocks.shape() != shape {
            return None;
        }
        self.taken.insert(name.to_owned());
        self.has_blocks = true;
        Some(blocks)
    }

    /// The bytes of a matrix, if the format is int8 and the file has the matrix so.
    fn int8(&mut self, name: &str, shape: [usize; 2], axis: ScaleAxis) -> Option<Int8Rows<'a>> {
        let params = self.params;
        if self.format != WeightFormat::Int8 || params.shape(name) != Some(&shape[..]) {
            return None;
        }
        let bytes = self.noted(params.int8(name))?;
        if bytes.axis() != axis {
            return None;
        }
        self.taken.insert(name.to_owned());
        Some(bytes)
    }

    /// A matrix in the bytes or the blocks that the file has of it, if they are of the format.
    fn kept(&mut self, name: &str, shape: [usize; 2], axis: ScaleAxis) -> Option<Weight> {
        match self.format {
            WeightFormat::Int8 => {
                let packed = Weight::of_int8(&self.int8(name, shape, axis)?);
                self.noted(packed)
            }
            WeightFormat::Blocks => Weight::of_blocks(self.blocks(name, shape, axis)?.as_ref()),
            WeightFormat::F32 | WeightFormat::Q8_0 | WeightFormat::Q4_0 => None,
        }
    }

    /// The weight `{path}.weight` of a linear layer, in the format, or as the file has it.
    fn weight(&mut self, path: &str, dims: [usize; 2]) -> Weight {
        let kept = self.kept(&format!("{path}.weight"), dims, ScaleAxis::Columns);
        kept.unwrap_or_else(|| self.packed_weight(path, dims))
    }

    /// As [`weight`](Self::weight), of numbers.
    fn packed_weight(&mut self, path: &str, dims: [usize; 2]) -> Weight {
        let rows = self.rows([(format!("{path}.weight"), dims)]);
        self.packed(path, false, rows.as_ref(), dims)
    }

    /// What `load` takes, of vectors that are `width` wide.
    pub(crate) fn at_width<T>(&mut self, width: usize, load: impl FnOnce(&mut Self) -> T) -> T {
        let d_model = std::mem::replace(&mut self.shape.d_model, width);
        let loaded = load(self);
        self.shape.d_model = d_model;
        loaded
    }

    /// The stack of a plan.
    pub(crate) fn stack(&mut self, plan: StackPlan<'_>) -> Stack {
        let StackPlan { path, positions, n_layers, causal, cross, full_layers, first_norm, pruned } = plan;
        let Shape { d_model, dims, window, placement, parallel, window_rotary, positions: kind, .. } =
            self.shape.clone();
        let left = |kind, layer| {
            let attention = AttentionPlace { kind, layer };
            pruned.and_then(|pruned| pruned.left(attention, [dims.heads, dims.kv_heads]))
        };
        let own = if causal { AttentionKind::Decoder } else { AttentionKind::Encoder };
        let layer = |loader: &mut Self, idx: usize| {
            let left = [left(own, idx), left(AttentionKind::Cross, idx)];
            loader.layer(&format!("{path}.layers.{idx}"), left, cross, first_norm || idx > 0)
        };
        let layers = if self.reads_rows(&format!("{path}.layers.0.self_attention.output.weight")) {
            // Memory is cleared by the thread that is the first to write to it: several do it faster. Weights are packed for the
            // level of the thread that loads, whoever packs them.
            let level = Level::current();
            let by_itself = |idx| {
                let mut loader = self.fork();
                (level.during(|| layer(&mut loader, idx)), loader)
            };
            let layers: Vec<_> = (0..n_layers).into_par_iter().map(by_itself).collect();
            let loaded = layers.into_iter().map(|(layer, loader)| {
                self.absorb(loader);
                layer
            });
            loaded.collect()
        } else {
            (0..n_layers).map(|idx| layer(self, idx)).collect()
        };
        let window_positions = window_rotary
            .map(|rotary| Positions::new(&PositionsConfig::Rotary(rotary), d_model, dims, causal, Vec::new()));
        Stack {
            layers,
            depth: n_layers,
            window,
            full_layers: full_layers.to_vec(),
            norm: (placement != NormPlacement::Post).then(|| self.norm(&format!("{path}.norm"))),
            positions: self.positions(&kind, positions, causal),
            window_positions,
            parallel,
            causal,
        }
    }

    /// A layer; `left` are the heads of its own attention and of that to the source, where some were pruned.
    fn layer(
        &mut self,
        path: &str,
        [left, left_of_cross]: [Option<HeadsLeft>; 2],
        cross: bool,
        has_norm: bool,
    ) -> Layer {
        Layer {
            self_attention: self.self_attention(&format!("{path}.self_attention"), left),
            self_attention_add_norm: self.add_norm(&format!("{path}.self_attention_add_norm"), has_norm),
            cross_attention: cross.then(|| {
                let attention = self.cross_attention(&format!("{path}.cross_attention"), left_of_cross.as_ref());
                (attention, self.add_norm(&format!("{path}.cross_attention_add_norm"), true))
            }),
            feed_forward: self.feed_forward(&format!("{path}.feed_forward")),
            feed_forward_add_norm: self.add_norm(&format!("{path}.feed_forward_add_norm"), true),
        }
    }

    fn self_attention(&mut self, path: &str, left: Option<HeadsLeft>) -> SelfAttention {
        let dims = self.shape.dims.of_left(left.as_ref());
        SelfAttention {
            qkv: self.attention_inputs(path, dims, &["query", "key", "value"]),
            norms: self.shape.qk_norm.then(|| {
                let [query, key] =
                    ["query_norm", "key_norm"].map(|name| self.norm_of(&format!("{path}.{name}"), self.shape.dims.d_k));
                HeadNorms { query, key }
            }),
            output: self.attention_output(path, dims),
            dims,
            left,
        }
    }

    fn cross_attention(&mut self, path: &str, left: Option<&HeadsLeft>) -> CrossAttention {
        let dims = self.shape.dims.of_left(left);
        CrossAttention {
            query: self.attention_inputs(path, dims, &["query"]),
            keys_values: self.attention_inputs(path, dims, &["key", "value"]),
            output: self.attention_output(path, dims),
            dims,
        }
    }

    /// Projections of the same input, concatenated.
    fn attention_inputs(&mut self, path: &str, dims: HeadDims, parts: &[&str]) -> Linear {
        let Shape { d_model: d_in, qkv_bias, key_bias, .. } = self.shape;
        let widths = parts.iter().map(|&part| match part {
            "query" => dims.queries(),
            "key" => dims.keys(),
            _ => dims.values(),
        });
        let parts: Vec<_> = parts.iter().map(|part| format!("{path}.{part}")).zip(widths).collect();
        let bias = qkv_bias.then(|| {
            let bias = |(part, width): &(String, usize)| match key_bias || !part.ends_with(".key") {
                true => self.borrow(&format!("{part}.bias"), &[*width]),
                false => Cow::Owned(vec![0.0; *width]),
            };
            parts.iter().map(bias).collect::<Vec<_>>().concat()
        });
        let names = parts.iter().map(|(part, _)| format!("{part}.weight")).collect();
        let weight = self.shared_weight(names, |loader| match loader.format {
            WeightFormat::Blocks => loader.beside(d_in, &parts),
            _ => loader.concatenated(path, d_in, &parts),
        });
        Linear { weight, bias, additions: self.additions(d_in, &parts) }
    }

    /// The weights of several layers, by path and width, as one.
    fn concatenated(&mut self, path: &str, d_in: usize, parts: &[(String, usize)]) -> Weight {
        let bytes =
            parts.iter().map(|(part, width)| self.int8(&format!("{part}.weight"), [d_in, *width], ScaleAxis::Columns));
        let bytes: Option<Vec<_>> = bytes.collect();
        let as_one = bytes.and_then(Int8Rows::beside).and_then(|bytes| self.noted(Weight::of_int8(&bytes)));
        if let Some(weight) = as_one {
            return weight;
        }
        let d_out: usize = parts.iter().map(|(_, width)| width).sum();
        let rows = self.rows(parts.iter().map(|(part, width)| (format!("{part}.weight"), [d_in, *width])));
        self.packed(path, false, rows.as_ref(), [d_in, d_out])
    }

    /// As [`concatenated`](Self::concatenated), in the blocks of the file, which may be of several kinds.
    fn beside(&mut self, d_in: usize, parts: &[(String, usize)]) -> Weight {
        let blocks = parts
            .iter()
            .map(|(part, width)| self.blocks(&format!("{part}.weight"), [d_in, *width], ScaleAxis::Columns));
        let blocks: Vec<_> = blocks.collect();
        let all: Option<Vec<&Blocks>> = blocks.iter().map(Option::as_deref).collect();
        let as_one = all.and_then(|all| Weight::of_blocks(&Blocks::beside(&all)?));
        as_one.unwrap_or_else(|| {
            let weights = parts.iter().zip(&blocks);
            let weight = |((part, width), blocks): (&(String, usize), &Option<Cow<'_, Blocks>>)| {
                let kept = blocks.as_deref().and_then(Weight::of_blocks);
                kept.unwrap_or_else(|| self.packed_weight(part, [d_in, *width]))
            };
            Weight::Beside(weights.map(weight).collect())
        })
    }

    fn attention_output(&mut self, path: &str, dims: HeadDims) -> Linear {
        let Shape { d_model, bias, .. } = self.shape;
        self.linear(&format!("{path}.output"), [dims.outputs(), d_model], bias)
    }

    fn feed_forward(&mut self, path: &str) -> FeedForward {
        let Shape { d_model, d_ff, activation, gated, bias, .. } = self.shape;
        FeedForward {
            inner: self.linear(&format!("{path}.inner"), [d_model, d_ff], bias),
            gate: gated.then(|| self.linear(&format!("{path}.gate"), [d_model, d_ff], bias)),
            outer: self.linear(&format!("{path}.outer"), [d_ff, d_model], bias),
            activation,
        }
    }

    pub(crate) fn linear(&mut self, path: &str, [d_in, d_out]: [usize; 2], bias: bool) -> Linear {
        let weight = self.shared_weight(vec![format!("{path}.weight")], |loader| loader.weight(path, [d_in, d_out]));
        let bias = bias.then(|| self.values(&format!("{path}.bias"), &[d_out]));
        Linear { weight, bias, additions: self.additions(d_in, &[(path.to_owned(), d_out)]) }
    }

    fn add_norm(&mut self, path: &str, has_norm: bool) -> AddNorm {
        let placement = self.shape.placement;
        AddNorm {
            norm: has_norm.then(|| self.norm(&format!("{path}.norm"))),
            output_norm: (placement == NormPlacement::Both).then(|| self.norm(&format!("{path}.output_norm"))),
            placement,
        }
    }

    pub(crate) fn norm(&mut self, path: &str) -> Norm {
        self.norm_of(path, self.shape.d_model)
    }

    /// The norm of `width` features.
    fn norm_of(&mut self, path: &str, width: usize) -> Norm {
        let Shape { norm_kind, bias, epsilon, .. } = self.shape;
        let kind = match norm_kind {
            NormKind::Layer => attentive_kernels::NormKind::Layer,
            NormKind::Rms => attentive_kernels::NormKind::Rms,
        };
        let has_beta = bias && norm_kind == NormKind::Layer;
        Norm {
            kind,
            gamma: self.values(&format!("{path}.gamma"), &[width]),
            beta: has_beta.then(|| self.values(&format!("{path}.beta"), &[width])),
            epsilon: epsilon as f32,
        }
    }

    pub(crate) fn positions(&mut self, positions: &PositionsConfig, path: &str, causal: bool) -> Positions {
        let Shape { d_model, dims, .. } = self.shape;
        let shape = match *positions {
            PositionsConfig::Learned { max_len } => Some([max_len, d_model]),
            PositionsConfig::RelativeBuckets(buckets) => Some([buckets.n_buckets, dims.heads]),
            PositionsConfig::Sinusoidal
            | PositionsConfig::FairseqSinusoidal { .. }
            | PositionsConfig::Rotary(_)
            | PositionsConfig::Alibi => None,
        };
        let weight = shape.map_or(Vec::new(), |shape| self.values(&format!("{path}.weight"), &shape));
        Positions::new(positions, d_model, dims, causal, weight)
    }

    /// The projection to a vocabulary by an embedding matrix, `[vocab, d_model]`.
    pub(crate) fn projection(&mut self, path: &str, vocab: usize) -> Projection {
        let weight = self.shared_weight(vec![format!("{path}.weight")], |loader| loader.table(path, vocab));
        Projection { weight, bias: None, scale: 1.0, cap: None }
    }

    /// A matrix `[vocab, d_model]` whose rows are outputs.
    fn table(&mut self, path: &str, vocab: usize) -> Weight {
        let (d_model, name) = (self.shape.d_model, format!("{path}.weight"));
        self.kept(&name, [vocab, d_model], ScaleAxis::Rows).unwrap_or_else(|| {
            let rows = self.rows([(name, [vocab, d_model])]);
            self.packed(path, true, rows.as_ref(), [d_model, vocab])
        })
    }

    /// Embeddings that are `scale` times as large; those that are `tied` to a projection have no table of their own.
    pub(crate) fn embedding(&mut self, path: &str, vocab: usize, scale: f32, tied: bool) -> Embedding {
        let d_model = self.shape.d_model;
        let table = (!tied).then(|| {
            let name = format!("{path}.weight");
            self.shared_table(vec![name.clone()], |loader| {
                let packed = match loader.format {
                    // As a file of weights in bytes has it.
                    WeightFormat::Int8 => Some(loader.table(path, vocab)),
                    _ => loader.kept(&name, [vocab, d_model], ScaleAxis::Rows),
                };
                match packed {
                    Some(table) => Table::Packed(Arc::new(table)),
                    None => Table::Values(Arc::new(loader.values(&name, &[vocab, d_model]))),
                }
            })
        });
        Embedding { table, d_model, scale }
    }
}
