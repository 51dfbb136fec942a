//! Models as graphs of ONNX, for ONNX Runtime and all that reads such files.
//!
//! Inputs and outputs have the names that Hugging Face's Optimum gives them. A language model is `model.onnx`, with keys and values
//! of the tokens before as inputs and those of all as outputs; an encoder is `model.onnx`; an encoder–decoder is
//! `encoder_model.onnx`, which also gives the decoder's keys and values of the source, and `decoder_model.onnx`, which takes them.

mod graph;
mod layers;
mod proto;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, path::Path};

use attentive_attention::{NormKind, PositionsConfig};
use attentive_bundle::{Bundle, EmbeddingConfig};
use attentive_model::{BertConfig, GptConfig, PoolerActivation, PoolerInput, TransformerConfig};
use attentive_weights::{Source, WeightsError};

use crate::{ExportConfig, InterchangeError, not_followed, without_shortlist};
use graph::{Dim, Graph, Setting, Value, WriteError};
use layers::{Layers, Memory, Plan, Shape, Tokens, cache_dims};

/// The file of a model of one graph, and those of an encoder–decoder.
const MODEL: &str = "model.onnx";
const ENCODER: &str = "encoder_model.onnx";
const DECODER: &str = "decoder_model.onnx";

const BATCH: Dim = Dim::Named("batch");
const SEQ: Dim = Dim::Named("sequence");
const SOURCE: Dim = Dim::Named("source");

/// Writes a model as graphs of ONNX into a folder, in one step; what comes back is what they do not have, for the user to know.
///
/// Sinusoids, angles of rotary positions and biases of distances are tables, for texts of at most `max_len` tokens; without it,
/// of [`ExportConfig::MAX_LEN`].
///
/// # Errors
/// [`InterchangeError::Inexpressible`] for families other than GPT, BERT and the Transformer; or what the system refuses.
pub fn export_onnx(bundle: &Bundle, max_len: Option<usize>, folder: &Path) -> Result<Vec<String>, InterchangeError> {
    if !bundle.blocks.is_empty() {
        let mut unpacked = bundle.clone();
        unpacked.unpack();
        return export_onnx(&unpacked, max_len, folder);
    }
    let io = |cause| InterchangeError::Io { path: folder.to_owned(), cause };
    let attentions = bundle.model.attentions();
    if attentions.is_some_and(|attentions| !attentions.pruned.is_empty()) {
        let problems = vec!["pruned_heads: all of its layers have as many heads".to_owned()];
        return Err(InterchangeError::Inexpressible { format: "ONNX", problems });
    }
    let write = |folder: &Path| {
        std::fs::create_dir_all(folder).map_err(io)?;
        let mut notes = left_out(bundle);
        notes.extend(not_followed(bundle, max_len));
        let max_len = max_len.unwrap_or(ExportConfig::MAX_LEN);
        let exporter = Exporter { params: &bundle.params, max_len, notes };
        if let Some(config) = bundle.model.spec::<GptConfig>() {
            exporter.gpt(&config, folder)
        } else if let Some(config) = bundle.model.spec::<BertConfig>() {
            exporter.bert(&config, folder)
        } else if let Some(config) = bundle.model.spec::<TransformerConfig>() {
            exporter.transformer(&config, folder)
        } else {
            let problem = format!(
                "the model's family is {}; graphs are written of gpt, bert and transformer",
                bundle.model.family()
            );
            Err(InterchangeError::Inexpressible { format: "ONNX", problems: vec![problem] })
        }
    };
    attentive_bundle::write_folder(folder, write, io)
}

/// Notes of what stands around a model, of which graphs have nothing.
fn left_out(bundle: &Bundle) -> Vec<String> {
    let (ours, usual) = (&bundle.embedding, EmbeddingConfig::default());
    let parts = [
        ((&ours.pooling, ours.frame) != (&usual.pooling, usual.frame), "pooling"),
        (!ours.dense.is_empty(), "dense layers"),
        (ours.normalize, "normalize"),
        (ours.max_len.is_some(), "max_len"),
        (ours.lowercase, "lowercase"),
        (!ours.prompts.is_empty(), "prompts"),
    ];
    let named: Vec<&str> = parts.iter().filter(|(is_there, _)| *is_there).map(|&(_, name)| name).collect();
    let of_vectors = (!named.is_empty()).then(|| {
        format!("the graph ends with vectors of tokens; how one of a text is made is left out: {}", named.join(", "))
    });
    let of_chat = bundle.chat.is_some().then(|| "the chat template is left out".to_owned());
    of_vectors.into_iter().chain(of_chat).chain(without_shortlist(bundle)).collect()
}

/// A model that is being exported.
struct Exporter<'a> {
    params: &'a dyn Source,
    max_len: usize,
    notes: Vec<String>,
}

impl Exporter<'_> {
    /// The positions that tables are made for, and a note of it where the model itself has no end.
    fn reach(&mut self, positions: &PositionsConfig) -> usize {
        let reach = positions.max_len().unwrap_or(self.max_len);
        if !matches!(positions, PositionsConfig::Learned { .. }) {
            self.notes.push(format!("texts have at most {reach} tokens: positions are tables (--max-len)"));
        }
        reach
    }

    /// Writes graphs that have all parameters together, but for those of `left_out`.
    fn write(
        mut self,
        graphs: Vec<(Graph<'_>, &str)>,
        left_out: &[&str],
        folder: &Path,
    ) -> Result<Vec<String>, InterchangeError> {
        let taken: BTreeSet<String> =
            graphs.iter().flat_map(|(graph, _)| graph.taken().map(str::to_owned).collect::<Vec<_>>()).collect();
        let is_left_out = |name: &&str| left_out.iter().any(|prefix| name.starts_with(prefix));
        let others = self.params.names().into_iter().filter(|&name| !taken.contains(name));
        let problems: Vec<String> =
            others.filter(|name| !is_left_out(name)).map(|name| format!("left over: {name}")).collect();
        if !problems.is_empty() {
            return Err(WeightsError::Mismatch { problems }.into());
        }
        for (graph, file) in graphs {
            graph.write(folder, file).map_err(|error| match error {
                WriteError::Weights(error) => error.into(),
                WriteError::Io(cause) => InterchangeError::Io { path: folder.join(file), cause },
            })?;
        }
        self.notes.push(
            "the tokenizer is not in these files: export the model for transformers, too, where it needs one".into(),
        );
        Ok(self.notes)
    }

    fn gpt(mut self, config: &GptConfig, folder: &Path) -> Result<Vec<String>, InterchangeError> {
        let d_k = config.head_dim();
        let kv_heads = config.n_kv_heads.unwrap_or(config.n_heads);
        let shape = Shape {
            d_model: config.d_model,
            d_ff: config.d_ff,
            heads: config.n_heads,
            kv_heads,
            d_k,
            d_v: d_k,
            scale: 1.0 / (d_k as f64).sqrt(),
            cap: config.attention_cap,
            activation: config.activation,
            gated: config.gated,
            bias: config.bias,
            qkv_bias: config.qkv_bias.unwrap_or(config.bias),
            qk_norm: config.qk_norm,
            parallel: config.parallel,
            placement: config.norm,
            norm_kind: config.norm_kind,
            epsilon: config.epsilon,
            positions: config.positions.clone(),
            window: config.window,
            full_layers: config.full_layers.clone(),
            window_rotary: config.window_rotary(),
        };
        let max_len = self.reach(&config.positions);
        let mut graph = Graph::new("decoder", self.params);
        let ids = graph.input("input_ids", true, &[BATCH, SEQ]);
        let mask = graph.input("attention_mask", true, &[BATCH, Dim::Named("total")]);
        let positions = graph.input("position_ids", true, &[BATCH, SEQ]);
        let past = past(&mut graph, "past_key_values", config.n_layers, &shape, "");
        let tokens = tokens(&mut graph, &ids, &past, mask, positions);
        let vocab = config.vocab_size;
        let table = graph.param("embedding.weight", &[vocab, config.d_model]);
        let x = graph.gather(&table, &ids, 0);
        let mut x = graph.scaled(&x, if config.scale_embeddings { (config.d_model as f64).sqrt() } else { 1.0 });
        let mut layers = Layers { graph: &mut graph, shape: &shape };
        let width = (config.d_model, max_len);
        if let Some(encodings) = layers.encodings(&config.positions, "positions", width, &tokens.positions) {
            x = layers.graph.add(&x, &encodings);
        }
        let plan = Plan {
            path: "decoder",
            positions: "positions",
            depth: config.n_layers,
            n_layers: config.n_layers,
            causal: true,
            first_norm: true,
            max_len,
        };
        let (x, all) = layers.stack(&plan, x, &tokens, &past, None);
        let projection = if config.tie_projection { "embedding.weight" } else { "projection.weight" };
        let logits = logits(&mut graph, &x, projection, [vocab, config.d_model], config.projection_bias);
        let logits = graph.bounded(&logits, config.logit_cap);
        graph.output("logits", &logits, &[BATCH, SEQ, Dim::Fixed(vocab)]);
        present(&mut graph, &all, &shape, "");
        self.write(vec![(graph, MODEL)], &[], folder)
    }

    fn bert(mut self, config: &BertConfig, folder: &Path) -> Result<Vec<String>, InterchangeError> {
        let d_k = config.d_model / config.n_heads.max(1);
        let shape = Shape {
            d_model: config.d_model,
            d_ff: config.d_ff,
            heads: config.n_heads,
            kv_heads: config.n_heads,
            d_k,
            d_v: d_k,
            scale: 1.0 / (d_k as f64).sqrt(),
            cap: None,
            activation: config.activation,
            gated: config.gated,
            bias: config.bias,
            qkv_bias: config.bias,
            qk_norm: false,
            parallel: false,
            placement: config.norm,
            norm_kind: NormKind::Layer,
            epsilon: config.epsilon,
            positions: config
                .relative_buckets
                .map_or_else(|| config.positions.clone(), PositionsConfig::RelativeBuckets),
            window: config.window,
            full_layers: config.full_layers.clone(),
            window_rotary: config.window_rotary(),
        };
        let max_len = self.reach(&config.positions).saturating_sub(config.first_position).max(1);
        let (d_model, width) = (config.d_model, config.d_embedding.unwrap_or(config.d_model));
        let mut graph = Graph::new("encoder", self.params);
        let ids = graph.input("input_ids", true, &[BATCH, SEQ]);
        let mask = graph.input("attention_mask", true, &[BATCH, SEQ]);
        let segments = (config.n_segments > 0).then(|| graph.input("token_type_ids", true, &[BATCH, SEQ]));
        let (n, zero) = (graph.size(&ids, 1), graph.int(0));
        let own = graph.range(&zero, &n);
        let tokens = Tokens { positions: own.clone(), n_before: zero, n_keys: n, mask: mask.clone() };
        let table = graph.param("embedding.weight", &[config.vocab_size, width]);
        let mut x = graph.gather(&table, &ids, 0);
        let first = graph.int(config.first_position as i64);
        let positions = graph.add(&own, &first);
        let mut layers = Layers { graph: &mut graph, shape: &shape };
        let reach = max_len + config.first_position;
        if let Some(encodings) = layers.encodings(&config.positions, "positions", (width, reach), &positions) {
            x = layers.graph.add(&x, &encodings);
        }
        if let Some(segments) = &segments {
            let table = layers.graph.param("segments.weight", &[config.n_segments, width]);
            let of_segments = layers.graph.gather(&table, segments, 0);
            x = layers.graph.add(&x, &of_segments);
        }
        x = layers.norm(&x, "norm", width);
        if config.d_embedding.is_some() {
            x = layers.linear(&x, "embedding_map", [width, d_model], config.bias);
        }
        let plan = Plan {
            path: "encoder",
            positions: if config.relative_buckets.is_some() { "relative_buckets" } else { "positions" },
            depth: config.n_layers,
            n_layers: config.n_layer_groups.unwrap_or(config.n_layers),
            causal: false,
            first_norm: config.first_norm,
            max_len,
        };
        let (x, _) = layers.stack(&plan, x, &tokens, &[], None);
        layers.graph.output("last_hidden_state", &x, &[BATCH, SEQ, Dim::Fixed(d_model)]);
        heads_of_bert(&mut layers, config, &x, &mask);
        if config.next_sentence {
            self.notes.push("the head that says whether one text follows another is left out".into());
        }
        self.write(vec![(graph, MODEL)], &["next_sentence"], folder)
    }

    fn transformer(mut self, config: &TransformerConfig, folder: &Path) -> Result<Vec<String>, InterchangeError> {
        let (d_model, d_k, d_v) = (config.d_model, config.d_k(), config.d_v());
        let shape = Shape {
            d_model,
            d_ff: config.d_ff,
            heads: config.n_heads,
            kv_heads: config.n_kv_heads.unwrap_or(config.n_heads),
            d_k,
            d_v,
            scale: if config.scale_scores { 1.0 / (d_k as f64).sqrt() } else { 1.0 },
            cap: None,
            activation: config.activation,
            gated: config.gated,
            bias: config.bias,
            qkv_bias: config.bias,
            qk_norm: false,
            parallel: false,
            placement: config.norm,
            norm_kind: config.norm_kind,
            epsilon: config.epsilon,
            positions: config.positions.clone(),
            window: config.window,
            full_layers: Vec::new(),
            window_rotary: None,
        };
        let max_len = self.reach(&config.positions);
        let scale = if config.scale_embeddings { (d_model as f64).sqrt() } else { 1.0 };
        let of_target = if config.share_embeddings { "source_embedding" } else { "target_embedding" };
        let embed =
            |layers: &mut Layers<'_, '_>, ids: &Value, (side, table): (&str, &str), vocab: usize, positions: &Value| {
                let table = layers.graph.param(&format!("{table}.weight"), &[vocab, d_model]);
                let x = layers.graph.gather(&table, ids, 0);
                let mut x = layers.graph.scaled(&x, scale);
                let path = format!("{side}_positions");
                if let Some(encodings) = layers.encodings(&config.positions, &path, (d_model, max_len), positions) {
                    x = layers.graph.add(&x, &encodings);
                }
                if config.embedding_norm { layers.norm(&x, &format!("{side}_norm"), d_model) } else { x }
            };
        let plan = |path, positions, n_layers, causal| Plan {
            path,
            positions,
            depth: n_layers,
            n_layers,
            causal,
            first_norm: true,
            max_len,
        };

        let mut encoder = Graph::new("encoder", self.params);
        let ids = encoder.input("input_ids", true, &[BATCH, SOURCE]);
        let mask = encoder.input("attention_mask", true, &[BATCH, SOURCE]);
        let (n, zero) = (encoder.size(&ids, 1), encoder.int(0));
        let positions = encoder.range(&zero, &n);
        let tokens = Tokens { positions: positions.clone(), n_before: zero, n_keys: n, mask };
        let mut layers = Layers { graph: &mut encoder, shape: &shape };
        let of_source = ("source", "source_embedding");
        let x = embed(&mut layers, &ids, of_source, config.source_vocab_size, &positions);
        let of_encoder = plan("encoder", "source_positions", config.n_encoder_layers, false);
        let (x, _) = layers.stack(&of_encoder, x, &tokens, &[], None);
        layers.graph.output("last_hidden_state", &x, &[BATCH, SOURCE, Dim::Fixed(d_model)]);
        let memory = layers.memory("decoder", config.n_decoder_layers, &x);
        for (number, keys_values) in memory.iter().enumerate() {
            for (value, (part, d)) in keys_values.iter().zip([("key", d_k), ("value", d_v)]) {
                let dims = cache_dims(shape.kv_heads, "source", d);
                encoder.output(&format!("present.{number}.encoder.{part}"), value, &dims);
            }
        }

        let mut decoder = Graph::new("decoder", self.params);
        let ids = decoder.input("input_ids", true, &[BATCH, SEQ]);
        let source_mask = decoder.input("encoder_attention_mask", true, &[BATCH, SOURCE]);
        let past = past(&mut decoder, "past_key_values", config.n_decoder_layers, &shape, "decoder.");
        let memory: Vec<[Value; 2]> = (0..config.n_decoder_layers)
            .map(|number| {
                [("key", d_k), ("value", d_v)].map(|(part, d)| {
                    let dims = cache_dims(shape.kv_heads, "source", d);
                    decoder.input(&format!("past_key_values.{number}.encoder.{part}"), false, &dims)
                })
            })
            .collect();
        // Every token that was written is real.
        let (n, n_before) = (decoder.size(&ids, 1), decoder.size(&past[0][0], 2));
        let n_keys = decoder.add(&n_before, &n);
        let positions = decoder.range(&n_before, &n_keys);
        let one = decoder.ints(&[1, 1]);
        let value = decoder.int(1);
        let mask = decoder.op("Expand", &[&value, &one], &[]);
        let tokens = Tokens { positions: positions.clone(), n_before, n_keys, mask };
        let mut layers = Layers { graph: &mut decoder, shape: &shape };
        let x = embed(&mut layers, &ids, ("target", of_target), config.target_vocab_size, &positions);
        let bias = layers.padding(&source_mask);
        let memory = Memory { keys_values: &memory, bias };
        let of_decoder = plan("decoder", "target_positions", config.n_decoder_layers, true);
        let (x, all) = layers.stack(&of_decoder, x, &tokens, &past, Some(&memory));
        let x = decoder.scaled(&x, if config.scale_logits { (d_model as f64).powf(-0.5) } else { 1.0 });
        let projection = if config.tie_projection { of_target } else { "projection" };
        let vocab = config.target_vocab_size;
        let logits =
            logits(&mut decoder, &x, &format!("{projection}.weight"), [vocab, d_model], config.projection_bias);
        decoder.output("logits", &logits, &[BATCH, SEQ, Dim::Fixed(vocab)]);
        present(&mut decoder, &all, &shape, "decoder.");
        self.write(vec![(encoder, ENCODER), (decoder, DECODER)], &[], folder)
    }
}

/// The pooler and the heads of an encoder: `logits` of classes, of tokens' classes or of hidden tokens, each with its name where
/// there are several, and the logits of answers' ends.
fn heads_of_bert(layers: &mut Layers<'_, '_>, config: &BertConfig, x: &Value, mask: &Value) {
    let d_model = config.d_model;
    let n_heads = [!config.labels.is_empty(), !config.token_labels.is_empty(), config.masked_lm]
        .into_iter()
        .filter(|&has| has)
        .count();
    let named = |name: &str| if n_heads == 1 { "logits".to_owned() } else { format!("{name}logits") };
    let pool = |layers: &mut Layers<'_, '_>, x: &Value| {
        let y = layers.linear(x, "pooler", [d_model, d_model], config.bias);
        let y = match config.pooler_activation {
            PoolerActivation::Tanh => layers.graph.op("Tanh", &[&y], &[]),
            PoolerActivation::Relu => layers.activation(&y, attentive_attention::Activation::Relu),
            PoolerActivation::Gelu => layers.activation(&y, attentive_attention::Activation::Gelu),
        };
        if config.pooler_norm { layers.norm(&y, "pooler_norm", d_model) } else { y }
    };
    if config.pooler {
        let text = match config.pooler_input {
            PoolerInput::First => {
                let first = layers.graph.int(0);
                layers.graph.gather(x, &first, 1)
            }
            PoolerInput::Mean => mean(layers.graph, x, mask),
        };
        let pooled = pool(layers, &text);
        layers.graph.output("pooler_output", &pooled, &[BATCH, Dim::Fixed(d_model)]);
        if !config.labels.is_empty() {
            let scores = layers.linear(&pooled, "classifier", [d_model, config.labels.len()], true);
            layers.graph.output(&named("class_"), &scores, &[BATCH, Dim::Fixed(config.labels.len())]);
        }
    }
    let features = if config.pooler && config.pooler_tokens { pool(layers, x) } else { x.clone() };
    if !config.token_labels.is_empty() {
        let scores = layers.linear(&features, "token_classifier", [d_model, config.token_labels.len()], true);
        layers.graph.output(&named("token_"), &scores, &[BATCH, SEQ, Dim::Fixed(config.token_labels.len())]);
    }
    if config.spans {
        let scores = layers.linear(&features, "spans", [d_model, 2], true);
        for (at, name) in ["start_logits", "end_logits"].into_iter().enumerate() {
            let index = layers.graph.int(at as i64);
            let scores = layers.graph.gather(&scores, &index, 2);
            layers.graph.output(name, &scores, &[BATCH, SEQ]);
        }
    }
    if config.masked_lm {
        let width = config.d_embedding.unwrap_or(d_model);
        let y = layers.linear(x, "masked_lm.dense", [d_model, width], config.bias);
        let y = layers.activation(&y, config.activation);
        let y = layers.norm(&y, "masked_lm.norm", width);
        let projection = if config.tie_projection { "embedding.weight" } else { "projection.weight" };
        let scores = logits(layers.graph, &y, projection, [config.vocab_size, width], false);
        let bias = layers.graph.param("masked_lm.bias", &[config.vocab_size]);
        let scores = layers.graph.add(&scores, &bias);
        layers.graph.output(&named("mask_"), &scores, &[BATCH, SEQ, Dim::Fixed(config.vocab_size)]);
    }
}

/// The mean of the vectors of real tokens.
fn mean(graph: &mut Graph<'_>, x: &Value, mask: &Value) -> Value {
    let real = graph.op("Cast", &[mask], &[Setting::Int("to", i64::from(proto::FLOAT))]);
    let real = graph.unsqueeze(&real, &[-1]);
    let kept = graph.mul(x, &real);
    let axis = graph.ints(&[1]);
    let [sum, n] = [&kept, &real].map(|x| graph.op("ReduceSum", &[x, &axis], &[Setting::Int("keepdims", 0)]));
    graph.op("Div", &[&sum, &n], &[])
}

/// The projection to a vocabulary by a matrix `[vocab, d_model]`.
fn logits(graph: &mut Graph<'_>, x: &Value, table: &str, dims: [usize; 2], bias: bool) -> Value {
    let table = graph.param(table, &dims);
    let columns = graph.transpose(&table, &[1, 0]);
    let logits = graph.matmul(x, &columns);
    if !bias {
        return logits;
    }
    let bias = graph.param("projection_bias", &dims[..1]);
    graph.add(&logits, &bias)
}

/// The keys and values of the tokens before, as inputs.
fn past(graph: &mut Graph<'_>, name: &str, n_layers: usize, shape: &Shape, side: &str) -> Vec<[Value; 2]> {
    let of_layer = |number: usize| {
        [("key", shape.d_k), ("value", shape.d_v)].map(|(part, d)| {
            graph.input(&format!("{name}.{number}.{side}{part}"), false, &cache_dims(shape.kv_heads, "past", d))
        })
    };
    (0..n_layers).map(of_layer).collect()
}

/// The keys and values of all tokens, as outputs.
fn present(graph: &mut Graph<'_>, all: &[[Value; 2]], shape: &Shape, side: &str) {
    for (number, keys_values) in all.iter().enumerate() {
        for (value, (part, d)) in keys_values.iter().zip([("key", shape.d_k), ("value", shape.d_v)]) {
            graph.output(&format!("present.{number}.{side}{part}"), value, &cache_dims(shape.kv_heads, "total", d));
        }
    }
}

/// The tokens that a language model reads, after those of which there are keys.
fn tokens(graph: &mut Graph<'_>, ids: &Value, past: &[[Value; 2]], mask: Value, positions: Value) -> Tokens {
    let n = graph.size(ids, 1);
    let n_before = match past.first() {
        Some([keys, _]) => graph.size(keys, 2),
        None => graph.int(0),
    };
    let n_keys = graph.add(&n_before, &n);
    Tokens { positions, n_before, n_keys, mask }
}
