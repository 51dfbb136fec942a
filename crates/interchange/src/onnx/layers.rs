//! The layers of a model, as operators.

use attentive_attention::{Activation, NormKind, NormPlacement, PositionsConfig, Rotary, alibi_slopes};

use super::graph::{Dim, Graph, Setting, Value};

/// What is added to the score of a key that a query does not see: below every score, and finite, so that a query that sees no
/// key has no NaN.
const HIDDEN: f64 = -1e30;

/// What a model's layers are like.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) d_model: usize,
    pub(super) d_ff: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) d_k: usize,
    pub(super) d_v: usize,
    /// Factor of scores.
    pub(super) scale: f64,
    /// Bound of scores.
    pub(super) cap: Option<f64>,
    pub(super) activation: Activation,
    pub(super) gated: bool,
    /// Whether linear layers and layer norms have biases.
    pub(super) bias: bool,
    /// Whether projections of queries, keys and values have biases.
    pub(super) qkv_bias: bool,
    pub(super) qk_norm: bool,
    pub(super) parallel: bool,
    pub(super) placement: NormPlacement,
    pub(super) norm_kind: NormKind,
    pub(super) epsilon: f64,
    pub(super) positions: PositionsConfig,
    pub(super) window: Option<usize>,
    pub(super) full_layers: Vec<usize>,
    pub(super) window_rotary: Option<Rotary>,
}

/// A stack: its parameters' names, and its kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan<'a> {
    /// `decoder`.
    pub(super) path: &'a str,
    /// `target_positions`.
    pub(super) positions: &'a str,
    pub(super) depth: usize,
    /// Layers with parameters of their own.
    pub(super) n_layers: usize,
    pub(super) causal: bool,
    /// Whether the first layer's attention has a norm.
    pub(super) first_norm: bool,
    /// Positions that tables are made for.
    pub(super) max_len: usize,
}

/// What the graph has of the tokens that are read.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    /// Positions that embeddings and rotations are of, `[batch, seq]` or `[seq]`.
    pub(super) positions: Value,
    /// Tokens before them, an integer.
    pub(super) n_before: Value,
    /// All of them.
    pub(super) n_keys: Value,
    /// Which keys are real, 1 or 0: `[batch, keys]`.
    pub(super) mask: Value,
}

/// Keys and values of the source, for each layer of the decoder.
pub(super) struct Memory<'a> {
    pub(super) keys_values: &'a [[Value; 2]],
    /// Added to scores, `[batch, 1, 1, source]`.
    pub(super) bias: Value,
}

/// The layers of a graph.
pub(super) struct Layers<'g, 'a> {
    pub(super) graph: &'g mut Graph<'a>,
    pub(super) shape: &'g Shape,
}

/// What queries see and how keys are turned, for layers of one kind.
struct Sight {
    /// Added to scores.
    bias: Value,
    rotation: Option<[Value; 2]>,
}

impl Layers<'_, '_> {
    /// `x W + b`.
    pub(super) fn linear(&mut self, x: &Value, path: &str, dims: [usize; 2], bias: bool) -> Value {
        let weight = self.graph.param(&format!("{path}.weight"), &dims);
        let y = self.graph.matmul(x, &weight);
        if !bias {
            return y;
        }
        let bias = self.graph.param(&format!("{path}.bias"), &dims[1..]);
        self.graph.add(&y, &bias)
    }

    /// The norm over the last axis, of `width` values.
    pub(super) fn norm(&mut self, x: &Value, path: &str, width: usize) -> Value {
        let Shape { norm_kind, bias, epsilon, .. } = *self.shape;
        let gamma = self.graph.param(&format!("{path}.gamma"), &[width]);
        match norm_kind {
            NormKind::Layer => {
                let settings = [Setting::Int("axis", -1), Setting::Float("epsilon", epsilon)];
                if bias {
                    let beta = self.graph.param(&format!("{path}.beta"), &[width]);
                    self.graph.op("LayerNormalization", &[x, &gamma, &beta], &settings)
                } else {
                    self.graph.op("LayerNormalization", &[x, &gamma], &settings)
                }
            }
            NormKind::Rms => {
                let squares = self.graph.mul(x, x);
                let settings = [Setting::Ints("axes", &[-1]), Setting::Int("keepdims", 1)];
                let mean = self.graph.op("ReduceMean", &[&squares], &settings);
                let epsilon = self.graph.float(epsilon);
                let mean = self.graph.add(&mean, &epsilon);
                let root = self.graph.op("Sqrt", &[&mean], &[]);
                let normalised = self.graph.op("Div", &[x, &root], &[]);
                self.graph.mul(&normalised, &gamma)
            }
        }
    }

    pub(super) fn activation(&mut self, x: &Value, activation: Activation) -> Value {
        let graph = &mut *self.graph;
        match activation {
            Activation::Relu => graph.op("Relu", &[x], &[]),
            Activation::Silu => {
                let gate = graph.op("Sigmoid", &[x], &[]);
                graph.mul(x, &gate)
            }
            Activation::Gelu => {
                let scaled = graph.scaled(x, std::f64::consts::FRAC_1_SQRT_2);
                let erf = graph.op("Erf", &[&scaled], &[]);
                half_of_one_and(graph, x, &erf)
            }
            Activation::GeluTanh => {
                let square = graph.mul(x, x);
                let cube = graph.mul(&square, x);
                let cube = graph.scaled(&cube, 0.044715);
                let sum = graph.add(x, &cube);
                let scaled = graph.scaled(&sum, (2.0 / std::f64::consts::PI).sqrt());
                let tanh = graph.op("Tanh", &[&scaled], &[]);
                half_of_one_and(graph, x, &tanh)
            }
        }
    }

    /// Rows of a table of positions, which are added to embeddings; nothing where positions act on attention.
    pub(super) fn encodings(
        &mut self,
        config: &PositionsConfig,
        path: &str,
        (width, max_len): (usize, usize),
        positions: &Value,
    ) -> Option<Value> {
        let table = match (config, config.sinusoids(width)) {
            (PositionsConfig::Learned { max_len }, _) => {
                self.graph.param(&format!("{path}.weight"), &[*max_len, width])
            }
            (_, Some(sinusoids)) => {
                let mut values = Vec::new();
                sinusoids.append(0, max_len, &mut values);
                self.graph.table(&format!("{path}.sinusoids"), &[max_len, width], &values)
            }
            _ => return None,
        };
        Some(self.graph.gather(&table, positions, 0))
    }

    /// Runs `x`, `[batch, seq, d_model]`, through a stack; `past` are the keys and values of each layer before. Gives those of
    /// all tokens, too.
    pub(super) fn stack(
        &mut self,
        plan: &Plan<'_>,
        mut x: Value,
        tokens: &Tokens,
        past: &[[Value; 2]],
        memory: Option<&Memory<'_>>,
    ) -> (Value, Vec<[Value; 2]>) {
        let Shape { d_model, window, parallel, placement, .. } = *self.shape;
        let kinds: Vec<Sight> =
            [None].into_iter().chain(window.map(Some)).map(|window| self.sight(plan, tokens, window)).collect();
        let mut all = Vec::new();
        for number in 0..plan.depth {
            let own = number * plan.n_layers / plan.depth;
            let path = format!("{}.layers.{own}", plan.path);
            let sight = &kinds[usize::from(window.is_some() && !self.shape.full_layers.contains(&number))];
            let has_norm = plan.first_norm || own > 0;
            let beside = parallel.then(|| self.norm(&x, &format!("{path}.feed_forward_add_norm.norm"), d_model));
            x = self.around(&x, &format!("{path}.self_attention_add_norm"), has_norm, |layers, x| {
                let path = format!("{path}.self_attention");
                let (y, keys_values) = layers.self_attention(x, &path, sight, past.get(number));
                all.push(keys_values);
                y
            });
            let path_of_network = format!("{path}.feed_forward");
            if let Some(beside) = beside {
                let y = self.feed_forward(&beside, &path_of_network);
                x = self.graph.add(&x, &y);
                continue;
            }
            if let Some(memory) = memory {
                x = self.around(&x, &format!("{path}.cross_attention_add_norm"), true, |layers, x| {
                    layers.cross_attention(
                        x,
                        &format!("{path}.cross_attention"),
                        &memory.keys_values[number],
                        &memory.bias,
                    )
                });
            }
            x = self.around(&x, &format!("{path}.feed_forward_add_norm"), true, |layers, x| {
                layers.feed_forward(x, &path_of_network)
            });
        }
        if placement != NormPlacement::Post {
            x = self.norm(&x, &format!("{}.norm", plan.path), d_model);
        }
        (x, all)
    }

    /// The keys and values of a source for each layer of a stack, `[batch, heads, source, d]`.
    pub(super) fn memory(&mut self, path: &str, n_layers: usize, source: &Value) -> Vec<[Value; 2]> {
        let keys_values = |number: usize| {
            let path = format!("{path}.layers.{number}.cross_attention");
            ["key", "value"].map(|part| self.heads(source, &path, part))
        };
        (0..n_layers).map(keys_values).collect()
    }

    /// What is added to the scores of keys, of which a mask says with 1 that they are real: `[batch, 1, 1, keys]`.
    pub(super) fn padding(&mut self, mask: &Value) -> Value {
        let real = self.graph.op("Cast", &[mask], &[Setting::Int("to", i64::from(super::proto::FLOAT))]);
        let (one, hidden) = (self.graph.float(1.0), self.graph.float(HIDDEN));
        let padding = self.graph.sub(&one, &real);
        let bias = self.graph.mul(&padding, &hidden);
        self.graph.unsqueeze(&bias, &[1, 2])
    }

    /// The residual connection and the norms around a sub-layer.
    fn around(
        &mut self,
        x: &Value,
        path: &str,
        has_norm: bool,
        sub_layer: impl FnOnce(&mut Self, &Value) -> Value,
    ) -> Value {
        let Shape { d_model, placement, .. } = *self.shape;
        let norm = |layers: &mut Self, x: &Value| match has_norm {
            true => layers.norm(x, &format!("{path}.norm"), d_model),
            false => x.clone(),
        };
        if placement == NormPlacement::Post {
            let y = sub_layer(self, x);
            let sum = self.graph.add(x, &y);
            return norm(self, &sum);
        }
        let normalised = norm(self, x);
        let mut y = sub_layer(self, &normalised);
        if placement == NormPlacement::Both {
            y = self.norm(&y, &format!("{path}.output_norm"), d_model);
        }
        self.graph.add(x, &y)
    }

    fn feed_forward(&mut self, x: &Value, path: &str) -> Value {
        let Shape { d_model, d_ff, activation, gated, bias, .. } = *self.shape;
        let inner = self.linear(x, &format!("{path}.inner"), [d_model, d_ff], bias);
        let hidden = if gated {
            let gate = self.linear(x, &format!("{path}.gate"), [d_model, d_ff], bias);
            let gate = self.activation(&gate, activation);
            self.graph.mul(&gate, &inner)
        } else {
            self.activation(&inner, activation)
        };
        self.linear(&hidden, &format!("{path}.outer"), [d_ff, d_model], bias)
    }

    /// Queries, keys or values by heads: `[batch, seq, d_model]` to `[batch, heads, seq, d]`.
    fn heads(&mut self, x: &Value, path: &str, part: &str) -> Value {
        let Shape { d_model, heads, kv_heads, d_k, d_v, qkv_bias, .. } = *self.shape;
        let [n, d] = match part {
            "query" => [heads, d_k],
            "key" => [kv_heads, d_k],
            _ => [kv_heads, d_v],
        };
        let y = self.linear(x, &format!("{path}.{part}"), [d_model, n * d], qkv_bias);
        let y = self.graph.reshape(&y, &[0, 0, n as i64, d as i64]);
        self.graph.transpose(&y, &[0, 2, 1, 3])
    }

    fn self_attention(
        &mut self,
        x: &Value,
        path: &str,
        sight: &Sight,
        past: Option<&[Value; 2]>,
    ) -> (Value, [Value; 2]) {
        let [mut query, mut key, mut value] = ["query", "key", "value"].map(|part| self.heads(x, path, part));
        if self.shape.qk_norm {
            let d_k = self.shape.d_k;
            query = self.norm(&query, &format!("{path}.query_norm"), d_k);
            key = self.norm(&key, &format!("{path}.key_norm"), d_k);
        }
        if let Some(rotation) = &sight.rotation {
            [query, key] = [query, key].map(|x| self.turned(&x, rotation));
        }
        if let Some([keys, values]) = past {
            key = self.graph.concat(&[keys, &key], 2);
            value = self.graph.concat(&[values, &value], 2);
        }
        let y = self.attend(&query, [&key, &value], &sight.bias, path);
        (y, [key, value])
    }

    fn cross_attention(&mut self, x: &Value, path: &str, [key, value]: &[Value; 2], bias: &Value) -> Value {
        let query = self.heads(x, path, "query");
        self.attend(&query, [key, value], bias, path)
    }

    /// `softmax(q kᵀ · scale + bias) v`, and the output's projection.
    fn attend(&mut self, query: &Value, keys_values: [&Value; 2], bias: &Value, path: &str) -> Value {
        let Shape { d_model, heads, d_k, d_v, scale, cap, .. } = *self.shape;
        let [key, value] = [(keys_values[0], d_k), (keys_values[1], d_v)].map(|(x, d)| self.shared(x, d));
        let query = self.graph.scaled(query, scale);
        let key = self.graph.transpose(&key, &[0, 1, 3, 2]);
        let scores = self.graph.matmul(&query, &key);
        let scores = self.graph.bounded(&scores, cap);
        let scores = self.graph.add(&scores, bias);
        let weights = self.graph.op("Softmax", &[&scores], &[Setting::Int("axis", -1)]);
        let y = self.graph.matmul(&weights, &value);
        let y = self.graph.transpose(&y, &[0, 2, 1, 3]);
        let y = self.graph.reshape(&y, &[0, 0, (heads * d_v) as i64]);
        self.linear(&y, &format!("{path}.output"), [heads * d_v, d_model], self.shape.bias)
    }

    /// Keys or values, those of a head for each head of queries that it serves.
    fn shared(&mut self, x: &Value, d: usize) -> Value {
        let Shape { heads, kv_heads, .. } = *self.shape;
        if heads == kv_heads {
            return x.clone();
        }
        let x = self.graph.unsqueeze(x, &[2]);
        let group = self.graph.ints(&[1, 1, (heads / kv_heads) as i64, 1, 1]);
        let x = self.graph.op("Expand", &[&x, &group], &[]);
        self.graph.reshape(&x, &[0, heads as i64, -1, d as i64])
    }

    /// What queries see: a causal stack's no later key, within a window if there is one, and no padding; and the biases of
    /// distances, and the angles of positions.
    fn sight(&mut self, plan: &Plan<'_>, tokens: &Tokens, window: Option<usize>) -> Sight {
        let Tokens { positions, n_before, n_keys, mask } = tokens;
        let graph = &mut *self.graph;
        let (queries, zero) = (graph.range(n_before, n_keys), graph.int(0));
        let keys = graph.range(&zero, n_keys);
        let (queries, keys) = (graph.unsqueeze(&queries, &[1]), graph.unsqueeze(&keys, &[0]));
        let offset = graph.sub(&keys, &queries); // [seq, keys]
        let mut seen: Option<Value> = None;
        let mut bounds = Vec::new();
        if plan.causal {
            bounds.push(("Less", 1));
        }
        if let Some(window) = window {
            bounds.extend([("Less", window as i64), ("Greater", -(window as i64))]);
        }
        for (comparison, bound) in bounds {
            let bound = graph.int(bound);
            let within = graph.op(comparison, &[&offset, &bound], &[]);
            seen = Some(match seen {
                Some(seen) => graph.op("And", &[&seen, &within], &[]),
                None => within,
            });
        }
        let mut bias = self.padding(mask);
        if let Some(seen) = seen {
            let (shown, hidden) = (self.graph.float(0.0), self.graph.float(HIDDEN));
            let unseen = self.graph.op("Where", &[&seen, &shown, &hidden], &[]);
            bias = self.graph.add(&bias, &unseen);
        }
        if let Some(distances) = self.distances(plan, &offset) {
            bias = self.graph.add(&bias, &distances);
        }
        let rotary = match (&self.shape.positions, &self.shape.window_rotary) {
            (_, Some(rotary)) if window.is_some() => Some(rotary),
            (PositionsConfig::Rotary(rotary), _) => Some(rotary),
            _ => None,
        };
        let rotation = rotary.map(|rotary| self.angles(rotary, plan, window.is_some(), positions));
        Sight { bias, rotation }
    }

    /// The biases of distances, `[1, heads, seq, keys]`, where positions are distances.
    fn distances(&mut self, plan: &Plan<'_>, offset: &Value) -> Option<Value> {
        let Shape { heads, .. } = *self.shape;
        let reach = plan.max_len as isize;
        let distances = 1 - reach..reach;
        let values: Vec<f32> = match &self.shape.positions {
            PositionsConfig::Alibi => {
                let of_head = |slope: f64| distances.clone().map(move |d| -(slope as f32) * d.unsigned_abs() as f32);
                alibi_slopes(heads).into_iter().flat_map(of_head).collect()
            }
            PositionsConfig::RelativeBuckets(buckets) => {
                let name = format!("{}.weight", plan.positions);
                let biases = self.graph.values(&name, &[buckets.n_buckets, heads]);
                let of = |head: usize, d: isize| biases[buckets.bucket(d, plan.causal) * heads + head];
                (0..heads)
                    .flat_map(|head| distances.clone().map(move |d| (head, d)))
                    .map(|(head, d)| of(head, d))
                    .collect()
            }
            _ => return None,
        };
        let n = 2 * plan.max_len - 1;
        let table = self.graph.table(&format!("{}.distances", plan.path), &[heads, n], &values);
        let zero = self.graph.int(plan.max_len as i64 - 1);
        let at = self.graph.add(offset, &zero);
        let biases = self.graph.gather(&table, &at, 1);
        Some(self.graph.unsqueeze(&biases, &[0]))
    }

    /// The cosines and sines of the positions' angles, `[…, 1, seq, pairs]`.
    fn angles(&mut self, rotary: &Rotary, plan: &Plan<'_>, is_window: bool, positions: &Value) -> [Value; 2] {
        let (d_k, n) = (self.shape.d_k, plan.max_len);
        let pairs = rotary.width(d_k) / 2;
        let kind = if is_window { "window." } else { "" };
        let [cos, sin] = rotary.angles(0, n, d_k);
        [("cos", cos), ("sin", sin)].map(|(name, values)| {
            let table = self.graph.table(&format!("{}.{kind}{name}", plan.path), &[n, pairs], &values);
            let rows = self.graph.gather(&table, positions, 0);
            self.graph.unsqueeze(&rows, &[-3])
        })
    }

    /// Each pair of features `(i, i + d / 2)` turned by its angle.
    fn turned(&mut self, x: &Value, [cos, sin]: &[Value; 2]) -> Value {
        let ((PositionsConfig::Rotary(rotary), _) | (_, Some(rotary))) =
            (&self.shape.positions, &self.shape.window_rotary)
        else {
            return x.clone();
        };
        let (width, d_k) = (rotary.width(self.shape.d_k) as i64, self.shape.d_k as i64);
        let graph = &mut *self.graph;
        let (a, b) = (graph.slice(x, 3, 0, width / 2), graph.slice(x, 3, width / 2, width));
        let [a_cos, b_sin, b_cos, a_sin] =
            [(&a, cos), (&b, sin), (&b, cos), (&a, sin)].map(|(x, angle)| graph.mul(x, angle));
        let (first, second) = (graph.sub(&a_cos, &b_sin), graph.add(&b_cos, &a_sin));
        if width == d_k {
            return graph.concat(&[&first, &second], 3);
        }
        let rest = graph.slice(x, 3, width, d_k);
        graph.concat(&[&first, &second, &rest], 3)
    }
}

/// `x · ½ (1 + y)`.
fn half_of_one_and(graph: &mut Graph<'_>, x: &Value, y: &Value) -> Value {
    let one = graph.float(1.0);
    let sum = graph.add(y, &one);
    let half = graph.scaled(&sum, 0.5);
    graph.mul(x, &half)
}

/// The dimensions of keys or values.
pub(super) fn cache_dims(kv_heads: usize, seq: &'static str, d: usize) -> [Dim; 4] {
    [Dim::Named("batch"), Dim::Fixed(kv_heads), Dim::Named(seq), Dim::Fixed(d)]
}
