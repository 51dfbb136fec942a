//! Which tensor of theirs is which parameter of ours.

use attentive_model::CanineConfig;
use attentive_weights::{HostTensor, Tensors};

use crate::layout::transposed;

/// A tensor of theirs, and what it is of ours.
pub(super) struct Slot {
    ours: String,
    pub(super) theirs: String,
    form: Form,
}

/// How a tensor lies here and there.
enum Form {
    /// The same on both sides.
    Same(Vec<usize>),
    /// `[d_in, d_out]` here, `[d_out, d_in]` there.
    Map([usize; 2]),
    /// `[width · d_in, d_out]` here, `[d_out, d_in, width]` there.
    Convolution { width: usize, shape: [usize; 2] },
    /// Rows of ours from `first` on.
    Rows { first: usize, shape: [usize; 2] },
    /// Rows of ours, and behind them others that are never used.
    FirstRows { n: usize, shape: [usize; 2] },
}

impl Slot {
    pub(super) fn their_shape(&self) -> Vec<usize> {
        match &self.form {
            Form::Same(shape) => shape.clone(),
            Form::Map([d_in, d_out]) => vec![*d_out, *d_in],
            Form::Convolution { width, shape: [d_in, d_out] } => vec![*d_out, *d_in, *width],
            Form::Rows { shape, .. } | Form::FirstRows { shape, .. } => shape.to_vec(),
        }
    }

    pub(super) fn export(&self, params: &Tensors) -> (String, HostTensor) {
        let ours = &params[&self.ours];
        let shape = self.their_shape();
        let values = match &self.form {
            Form::Same(_) => ours.values.clone(),
            Form::Map(_) => transposed(ours).values,
            Form::Convolution { width, shape: [d_in, d_out] } => {
                let places = (0..*d_out).flat_map(|to| (0..*d_in).map(move |from| (to, from)));
                let places = places.flat_map(|(to, from)| (0..*width).map(move |at| (at * d_in + from) * d_out + to));
                places.map(|place| ours.values[place]).collect()
            }
            Form::Rows { first, shape: [rows, cols] } => ours.values[first * cols..][..rows * cols].to_vec(),
            Form::FirstRows { shape: [rows, cols], .. } => {
                let mut values = ours.values.clone();
                values.resize(rows * cols, 0.0);
                values
            }
        };
        (self.theirs.clone(), HostTensor { shape, values })
    }

    /// Slots that are rows of one parameter come in their order.
    pub(super) fn import(self, theirs: HostTensor, params: &mut Tensors) {
        let tensor = match self.form {
            Form::Same(_) => theirs,
            Form::Map(_) => transposed(&theirs),
            Form::Convolution { width, shape: [d_in, d_out] } => {
                let places = (0..width).flat_map(|at| (0..d_in).map(move |from| (at, from)));
                let places = places.flat_map(|(at, from)| (0..d_out).map(move |to| (to * d_in + from) * width + at));
                let values = places.map(|place| theirs.values[place]).collect();
                HostTensor { shape: vec![width * d_in, d_out], values }
            }
            Form::Rows { shape: [rows, cols], .. } => {
                let empty = || HostTensor { shape: vec![0, cols], values: Vec::new() };
                let whole = params.entry(self.ours).or_insert_with(empty);
                whole.shape[0] += rows;
                whole.values.extend(theirs.values);
                return;
            }
            Form::FirstRows { n, shape: [_, cols] } => {
                let mut values = theirs.values;
                values.truncate(n * cols);
                HostTensor { shape: vec![n, cols], values }
            }
        };
        params.insert(self.ours, tensor);
    }
}

/// Every parameter of a model that transformers has a CANINE for, the encoder's names without their prefix.
pub(super) fn slots(config: &CanineConfig) -> Vec<Slot> {
    let CanineConfig { d_model: d, d_ff, n_buckets, n_hashes, .. } = *config;
    let mut slots = Slots(Vec::new());
    for table in 0..n_hashes {
        let theirs = format!("char_embeddings.HashBucketCodepointEmbedder_{table}.weight");
        let form = Form::Rows { first: table * n_buckets, shape: [n_buckets, d / n_hashes] };
        slots.push("embedding.weight".into(), theirs, form);
    }
    let positions = Form::FirstRows { n: config.max_len, shape: [n_buckets, d] };
    slots.push("positions.weight".into(), "char_embeddings.char_position_embeddings.weight".into(), positions);
    let segments = Form::Same(vec![config.n_segments, d]);
    slots.push("segments.weight".into(), "char_embeddings.token_type_embeddings.weight".into(), segments);
    slots.norm("norm", d, "char_embeddings.LayerNorm");
    let deep = (0..config.n_layers).map(|n| (format!("encoder.layers.{n}"), format!("encoder.layer.{n}")));
    let shallow = [("local", "initial_char_encoder"), ("last", "final_char_encoder")];
    let shallow = shallow.map(|(ours, theirs)| (format!("{ours}.layers.0"), format!("{theirs}.layer.0")));
    for (ours, theirs) in deep.chain(shallow) {
        for part in ["query", "key", "value"] {
            slots.map(&format!("{ours}.self_attention.{part}"), [d, d], &format!("{theirs}.attention.self.{part}"));
        }
        slots.map(&format!("{ours}.self_attention.output"), [d, d], &format!("{theirs}.attention.output.dense"));
        let norm = format!("{theirs}.attention.output.LayerNorm");
        slots.norm(&format!("{ours}.self_attention_add_norm.norm"), d, &norm);
        slots.map(&format!("{ours}.feed_forward.inner"), [d, d_ff], &format!("{theirs}.intermediate.dense"));
        slots.map(&format!("{ours}.feed_forward.outer"), [d_ff, d], &format!("{theirs}.output.dense"));
        slots.norm(&format!("{ours}.feed_forward_add_norm.norm"), d, &format!("{theirs}.output.LayerNorm"));
    }
    slots.convolution("downsampling", config.rate, [d, d], "chars_to_molecules");
    slots.convolution("upsampling", config.upsampling_width, [2 * d, d], "projection");
    if config.pooler {
        slots.map("pooler", [d, d], "pooler.dense");
    }
    if !config.labels.is_empty() {
        slots.map("classifier", [d, config.labels.len()], "classifier");
    }
    slots.0
}

struct Slots(Vec<Slot>);

impl Slots {
    fn push(&mut self, ours: String, theirs: String, form: Form) {
        self.0.push(Slot { ours, theirs, form });
    }

    fn norm(&mut self, ours: &str, width: usize, theirs: &str) {
        self.push(format!("{ours}.gamma"), format!("{theirs}.weight"), Form::Same(vec![width]));
        self.push(format!("{ours}.beta"), format!("{theirs}.bias"), Form::Same(vec![width]));
    }

    fn map(&mut self, ours: &str, shape: [usize; 2], theirs: &str) {
        self.push(format!("{ours}.weight"), format!("{theirs}.weight"), Form::Map(shape));
        self.push(format!("{ours}.bias"), format!("{theirs}.bias"), Form::Same(vec![shape[1]]));
    }

    fn convolution(&mut self, ours: &str, width: usize, shape: [usize; 2], theirs: &str) {
        let [weight, bias] =
            ["weight", "bias"].map(|kind| (format!("{ours}.convolution.{kind}"), format!("{theirs}.conv.{kind}")));
        self.push(weight.0, weight.1, Form::Convolution { width, shape });
        self.push(bias.0, bias.1, Form::Same(vec![shape[1]]));
        self.norm(&format!("{ours}.norm"), shape[1], &format!("{theirs}.LayerNorm"));
    }
}
