//! What tokens of the last layer are made of, through all layers.
//!
//! Source: Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers". A layer's weights are the mean of its
//! heads', and half of what a token gets is its own, by the residual connection: `½ A + ½ I`.

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
/// # Panics
/// As [`rollout`].
pub fn flow(weights: &AttentionWeights) -> Vec<f64> {
    let n = n_tokens(weights);
    let capacities: Vec<Vec<f64>> = (0..weights.n_layers()).map(|layer| with_residual(weights, layer)).collect();
    let mut flows = vec![0.0; n * n];
    for top in 0..n {
        let row = &mut flows[top * n..][..n];
        for (bottom, flow) in row.iter_mut().enumerate() {
            *flow = Network::new(&capacities, n).greatest_flow(top, bottom);
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

/// Tokens of every layer as nodes, from the last layer down, with what is left of each edge's capacity in both directions.
///
/// The greatest flow is found along shortest paths (Edmonds and Karp 1972).
struct Network {
    n: usize,
    /// Of each layer of edges, `[above, below]`.
    down: Vec<Vec<f64>>,
    up: Vec<Vec<f64>>,
}

impl Network {
    /// Of capacities from the input up.
    fn new(capacities: &[Vec<f64>], n: usize) -> Self {
        let down: Vec<Vec<f64>> = capacities.iter().rev().cloned().collect();
        Self { n, up: vec![vec![0.0; n * n]; down.len()], down }
    }

    fn greatest_flow(&mut self, top: usize, bottom: usize) -> f64 {
        let mut total = 0.0;
        while let Some(path) = self.shortest_path(top, self.down.len() * self.n + bottom) {
            let steps = || path.windows(2).map(|step| (step[0], step[1]));
            let free = steps().map(|(from, to)| self.free(from, to)).fold(f64::INFINITY, f64::min);
            for (from, to) in steps() {
                let (is_down, layer, at) = self.edge(from, to);
                let (down, up) = (&mut self.down[layer][at], &mut self.up[layer][at]);
                let (ahead, back) = if is_down { (down, up) } else { (up, down) };
                *ahead -= free;
                *back += free;
            }
            total += free;
        }
        total
    }

    /// What is left from a node to one of a neighbouring layer.
    fn free(&self, from: usize, to: usize) -> f64 {
        let (is_down, layer, at) = self.edge(from, to);
        if is_down { self.down[layer][at] } else { self.up[layer][at] }
    }

    /// Whether the edge leads down, its layer, and its place there.
    fn edge(&self, from: usize, to: usize) -> (bool, usize, usize) {
        let (n, is_down) = (self.n, from < to);
        let (above, below) = if is_down { (from, to) } else { (to, from) };
        (is_down, above / n, above % n * n + below % n)
    }

    /// The nodes of the shortest path with free capacity.
    fn shortest_path(&self, from: usize, to: usize) -> Option<Vec<usize>> {
        let n = self.n;
        let mut before = vec![usize::MAX; (self.down.len() + 1) * n];
        before[from] = from;
        let mut reached = std::collections::VecDeque::from([from]);
        while let Some(node) = reached.pop_front() {
            if node == to {
                let mut path = vec![to];
                while path[path.len() - 1] != from {
                    path.push(before[path[path.len() - 1]]);
                }
                path.reverse();
                return Some(path);
            }
            let layer = node / n;
            let near = [layer.checked_sub(1), Some(layer + 1).filter(|&below| below <= self.down.len())];
            for next in near.into_iter().flatten().flat_map(|layer| layer * n..(layer + 1) * n) {
                if before[next] == usize::MAX && self.free(node, next) > LEAST {
                    before[next] = node;
                    reached.push_back(next);
                }
            }
        }
        None
    }
}
