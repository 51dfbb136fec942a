//! What tokens of the last layer are made of, through all layers.
//!
//! Source: Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers". A layer's weights are the mean of its
//! heads', and half of what a token gets is its own, by the residual connection: `½ A + ½ I`.

use std::collections::VecDeque;

use crate::AttentionWeights;

/// Attention rollout (§3): the layers' weights with their residual connections, multiplied. What token `i` of the last
/// layer has of token `j` of the input stands in row `i`; rows sum to 1.
///
/// # Panics
/// If the weights are not of tokens that look at one another.
///
/// ```
/// use attentive_inspect::{AttentionWeights, rollout};
///
/// // Two layers in which the second token looks at the first alone.
/// let layer = vec![1.0, 0.0, 1.0, 0.0];
/// let weights = AttentionWeights::new(vec![layer.clone(), layer], [1, 2, 2]);
/// assert_eq!(rollout(&weights), [1.0, 0.0, 0.75, 0.25]);
/// ```
pub fn rollout(weights: &AttentionWeights) -> Vec<f64> {
    let n = n_tokens(weights);
    let mut product = identity(n);
    for layer in 0..weights.n_layers() {
        let above = with_residual(weights, layer);
        let row = |at: usize| {
            let row = &above[at / n * n..][..n];
            (0..n).map(|below| row[below] * product[below * n + at % n]).sum()
        };
        product = (0..n * n).map(row).collect();
    }
    product
}

/// Attention flow (§3): each layer's weights with their residual connections are capacities of a network, and what token
/// `i` of the last layer has of token `j` of the input is the greatest flow between them. Each row is given as shares,
/// which sum to 1.
///
/// For n tokens there are n² flows, each in a network of L n² edges for L layers: it is for short texts. [`rollout`] is L
/// products of matrices.
///
/// # Panics
/// As [`rollout`].
pub fn flow(weights: &AttentionWeights) -> Vec<f64> {
    let n = n_tokens(weights);
    let mut network = Network::new(weights, n);
    let mut flows = vec![0.0; n * n];
    for top in 0..n {
        let row = &mut flows[top * n..][..n];
        for (bottom, flow) in row.iter_mut().enumerate() {
            *flow = network.greatest_flow(top, weights.n_layers() * n + bottom);
        }
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|flow| *flow /= sum);
    }
    flows
}

fn n_tokens(weights: &AttentionWeights) -> usize {
    assert_eq!(weights.n_queries(), weights.n_keys(), "tokens that look at one another");
    weights.n_queries()
}

fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect()
}

/// `½ A + ½ I`, `A` the mean of a layer's heads.
fn with_residual(weights: &AttentionWeights, layer: usize) -> Vec<f64> {
    let n = weights.n_keys();
    let mean = weights.mean(layer).into_iter().map(f64::from);
    mean.zip(identity(n)).map(|(weight, own)| 0.5 * weight + 0.5 * own).collect()
}

/// Flow below this share of a unit is rounding.
const LEAST: f64 = 1e-12;

/// Tokens of every layer as nodes, from the last layer down, and what is left of each edge's capacity in both directions.
///
/// The greatest flow is that of Dinic (1970): along all shortest paths at once, until there are none.
struct Network {
    /// The edges of each node, by their numbers.
    edges: Vec<Vec<usize>>,
    /// Where each edge leads; edge `e ^ 1` leads back.
    ends: Vec<usize>,
    /// Capacities of the edges.
    capacities: Vec<f64>,
    /// What is left of them.
    free: Vec<f64>,
    /// Steps from the beginning of a flow to each node.
    levels: Vec<usize>,
    /// For each node, how many of its edges lead nowhere.
    tried: Vec<usize>,
}

impl Network {
    fn new(weights: &AttentionWeights, n: usize) -> Self {
        let n_layers = weights.n_layers();
        let n_nodes = (n_layers + 1) * n;
        let (mut edges, mut ends, mut capacities) = (vec![Vec::new(); n_nodes], Vec::new(), Vec::new());
        for below in 1..=n_layers {
            for (at, capacity) in with_residual(weights, n_layers - below).into_iter().enumerate() {
                // A causal mask leaves half of them out.
                if capacity > LEAST {
                    let (from, to) = ((below - 1) * n + at / n, below * n + at % n);
                    edges[from].push(ends.len());
                    edges[to].push(ends.len() + 1);
                    ends.extend([to, from]);
                    capacities.extend([capacity, 0.0]);
                }
            }
        }
        Self { edges, ends, free: capacities.clone(), capacities, levels: vec![0; n_nodes], tried: vec![0; n_nodes] }
    }

    /// The greatest flow between two nodes.
    fn greatest_flow(&mut self, from: usize, to: usize) -> f64 {
        self.free.copy_from_slice(&self.capacities);
        let mut total = 0.0;
        while self.set_levels(from, to) {
            self.tried.fill(0);
            while let Some(more) = self.push(from, to, f64::INFINITY) {
                total += more;
            }
        }
        total
    }

    /// Numbers the nodes that free edges lead to; whether `to` is one.
    fn set_levels(&mut self, from: usize, to: usize) -> bool {
        self.levels.fill(usize::MAX);
        self.levels[from] = 0;
        let mut reached = VecDeque::from([from]);
        while let Some(node) = reached.pop_front() {
            for &edge in &self.edges[node] {
                let next = self.ends[edge];
                if self.free[edge] > LEAST && self.levels[next] == usize::MAX {
                    self.levels[next] = self.levels[node] + 1;
                    reached.push_back(next);
                }
            }
        }
        self.levels[to] != usize::MAX
    }

    /// A flow of at most `limit` along one shortest path, if there is one left.
    fn push(&mut self, from: usize, to: usize, limit: f64) -> Option<f64> {
        if from == to {
            return Some(limit);
        }
        while let Some(&edge) = self.edges[from].get(self.tried[from]) {
            let (next, free) = (self.ends[edge], self.free[edge]);
            if free > LEAST
                && self.levels[next] == self.levels[from] + 1
                && let Some(pushed) = self.push(next, to, limit.min(free))
            {
                self.free[edge] -= pushed;
                self.free[edge ^ 1] += pushed;
                return Some(pushed);
            }
            self.tried[from] += 1;
        }
        None
    }
}
