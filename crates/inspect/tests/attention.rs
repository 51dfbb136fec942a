//! What is computed of attention weights, against the definitions.

use attentive_inspect::{
    Alignment, AttentionWeights, HeadScores, WordPair, align_by_attention, align_by_similarity, flow, rollout,
};
use attentive_testkit::{Fixture, assert_close, matmul, softmax};

/// Random weights of layers of `n` tokens that look at one another.
fn weights(n_layers: usize, n_heads: usize, n: usize, seed: u64) -> AttentionWeights {
    let mut fixture = Fixture::new(seed);
    let layer = |_| {
        let scores: Vec<f64> =
            fixture.normal(n_heads * n * n).into_iter().map(|score| 2.0 * f64::from(score)).collect();
        softmax(&scores, n).into_iter().map(|weight| weight as f32).collect()
    };
    AttentionWeights::new((0..n_layers).map(layer).collect(), [n_heads, n, n])
}

/// `½ A + ½ I` of a layer.
fn with_residual(weights: &AttentionWeights, layer: usize) -> Vec<f64> {
    let n = weights.n_keys();
    let mean = |at: usize| (0..weights.n_heads()).map(|head| f64::from(weights.head(layer, head)[at])).sum::<f64>();
    let own = |at: usize| f64::from(u8::from(at / n == at % n));
    (0..n * n).map(|at| 0.5 * mean(at) / weights.n_heads() as f64 + 0.5 * own(at)).collect()
}

#[test]
fn tokens_are_aligned_with_what_a_layer_looks_at_most() {
    // Two layers, two heads, one row, three columns.
    let layers = vec![vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0], vec![0.1, 0.2, 0.7, 0.5, 0.3, 0.2]];
    let weights = AttentionWeights::new(layers, [2, 1, 3]);
    let aligned = |head, keys| align_by_attention(&weights, 1, head, keys).pairs().to_vec();
    assert_eq!(aligned(None, 0..3), [(2, 0)], "the mean of the heads");
    assert_eq!(aligned(None, 0..2), [(0, 0)], "among some");
    assert_eq!(aligned(Some(1), 0..3), [(0, 0)]);
    assert_eq!(aligned(None, 0..0), []);
}

#[test]
fn rollout_is_the_product_of_layers() {
    for n_layers in 1..4 {
        let n = 5;
        let weights = weights(n_layers, 3, n, n_layers as u64);
        let mut expected = with_residual(&weights, 0);
        for layer in 1..n_layers {
            expected = matmul(&with_residual(&weights, layer), &expected, [n, n, n]);
        }
        assert_close(&rollout(&weights), &expected, 1e-6, 1e-7);
        for row in rollout(&weights).chunks(n) {
            assert_close(&[row.iter().sum::<f64>()], &[1.0], 1e-6, 0.0);
        }
    }
}

/// The greatest flow is the capacity of the least cut (Ford and Fulkerson 1956): all cuts are tried.
#[test]
fn flow_is_that_of_the_least_cut() {
    for (n_layers, n, seed) in [(1, 3, 1), (2, 3, 2), (3, 2, 3), (3, 3, 4)] {
        let weights = weights(n_layers, 2, n, seed);
        let edges: Vec<Vec<f64>> = (0..n_layers).map(|layer| with_residual(&weights, layer)).collect();
        let n_nodes = (n_layers + 1) * n;
        // Node `layer · n + token`, layer 0 being the input.
        let least_cut = |top: usize, bottom: usize| {
            let (source, sink) = (n_layers * n + top, bottom);
            let is_cut = |side: usize| side >> source & 1 == 1 && side >> sink & 1 == 0;
            let capacity = |side: usize| {
                let mut sum = 0.0;
                for (layer, edges) in edges.iter().enumerate() {
                    for (at, capacity) in edges.iter().enumerate() {
                        let (above, below) = ((layer + 1) * n + at / n, layer * n + at % n);
                        if side >> above & 1 == 1 && side >> below & 1 == 0 {
                            sum += capacity;
                        }
                    }
                }
                sum
            };
            (0..1 << n_nodes).filter(|&side| is_cut(side)).map(capacity).fold(f64::INFINITY, f64::min)
        };
        for (top, row) in flow(&weights).chunks(n).enumerate() {
            let cuts: Vec<f64> = (0..n).map(|bottom| least_cut(top, bottom)).collect();
            let sum: f64 = cuts.iter().sum();
            let expected: Vec<f64> = cuts.iter().map(|cut| cut / sum).collect();
            assert_close(row, &expected, 1e-6, 1e-9);
        }
    }
}

#[test]
fn a_head_is_right_if_it_looks_most_at_the_word() {
    // Two layers of one head over four tokens; the words are tokens 0, 1 to 2, and 3.
    let row = |weights: [f32; 4]| [vec![0.25; 12], weights.to_vec()].concat();
    let weights = AttentionWeights::new(vec![row([0.4, 0.25, 0.25, 0.1]), row([0.5, 0.2, 0.2, 0.1])], [1, 4, 4]);
    let pair = |among: Vec<std::ops::Range<usize>>| WordPair { from: 3..4, to: 1..3, among };
    let mut of_words = HeadScores::default();
    of_words.add_pair(&weights, &pair(vec![0..1, 1..3]));
    let accuracies: Vec<f64> = of_words.scores().iter().map(|score| score.accuracy).collect();
    assert_eq!(accuracies, [1.0, 0.0], "0.5 is more than 0.4, 0.4 is less than 0.5");
    let mut of_tokens = HeadScores::default();
    of_tokens.add_pair(&weights, &pair(Vec::new()));
    assert!(of_tokens.scores().iter().all(|score| score.accuracy == 0.0), "the largest single weight is elsewhere");
    let seen: Vec<f64> = of_words.scores().iter().map(|score| score.weight).collect();
    assert_close(&seen, &[0.5, 0.4], 1e-6, 0.0);
}

#[test]
fn heads_of_the_token_before_and_of_induction_are_found() {
    let n = 8;
    let looking_at = |to: &dyn Fn(usize) -> usize| {
        let row = |from: usize| (0..n).map(move |key| (from, key));
        let weight = |(from, key): (usize, usize)| if key == to(from) { 1.0_f32 } else { 0.0 };
        (0..n).flat_map(row).map(weight).collect::<Vec<f32>>()
    };
    let before = looking_at(&|from| from.saturating_sub(1));
    // The text is said twice: after token `i` of the second half came token `i + 1` of the first.
    let induction = looking_at(&|from| if from >= 4 { from - 3 } else { 0 });
    let weights = AttentionWeights::new(vec![[before, induction].concat()], [2, n, n]);
    let (mut previous, mut repeated) = (HeadScores::default(), HeadScores::default());
    previous.add_previous(&weights);
    repeated.add_induction(&weights);
    assert_eq!(previous.n_cases(), 7);
    assert_eq!(previous.best().map(|best| (best.head.head, best.accuracy)), Some((0, 1.0)));
    assert_eq!(repeated.n_cases(), 4);
    assert_eq!(repeated.best().map(|best| (best.head.head, best.accuracy)), Some((1, 1.0)));
}

#[test]
fn similar_tokens_are_aligned_in_both_directions() {
    let mut fixture = Fixture::new(9);
    let [n_source, n_target] = [4, 5];
    let similarity: Vec<f64> =
        fixture.normal(n_source * n_target).into_iter().map(|score| 3.0 * f64::from(score)).collect();
    let of_rows = softmax(&similarity, n_target);
    let transposed: Vec<f64> =
        (0..n_source * n_target).map(|at| similarity[at % n_source * n_target + at / n_source]).collect();
    let of_columns = softmax(&transposed, n_source);
    let threshold = 0.1;
    let is_pair = |&(source, target): &(usize, usize)| {
        of_rows[source * n_target + target] > threshold && of_columns[target * n_source + source] > threshold
    };
    let pairs = (0..n_source).flat_map(|source| (0..n_target).map(move |target| (source, target))).filter(is_pair);
    let expected = Alignment::new(pairs);
    assert!(!expected.pairs().is_empty());
    assert_eq!(align_by_similarity(&similarity, [n_source, n_target], threshold), expected);
    // Tokens 1 and 2 of the source are one word, and so are 0 and 1 of the target; the last has none.
    let (source, target) = ([Some(0), Some(1), Some(1), Some(2)], [Some(0), Some(0), Some(1), Some(2), None]);
    let words = Alignment::new([(1, 0), (2, 1), (2, 4), (3, 3)]).of_words(&source, &target);
    assert_eq!(words.to_string(), "1-0 2-2");
}
