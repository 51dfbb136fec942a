//! Table 1's figures, by counting what layers do rather than by its formulas.

use std::collections::HashSet;

use attentive_model::table1::{LayerKind, LayerSizes};
use proptest::prelude::*;

/// Layers until the last of `n` positions has seen the first, where each position reads those that `offsets` names for a
/// layer, in units of the positions themselves.
fn layers_until_seen(n: i64, offsets: impl Fn(u32) -> Vec<i64>) -> u64 {
    let mut seen = HashSet::from([n - 1]);
    for layer in 0.. {
        if seen.contains(&0) {
            return layer;
        }
        let reads = offsets(layer as u32);
        seen = seen.iter().flat_map(|at| reads.iter().map(move |offset| at + offset)).filter(|&at| at >= 0).collect();
    }
    unreachable!("every layer reads farther")
}

proptest! {
    #[test]
    fn multiplications_are_those_of_loops(n in 1_u64..9, d in 1_u64..7, k in 2_u64..5, r in 1_u64..6) {
        let sizes = LayerSizes { n, d, k, r };
        let count = |loops: &[u64]| {
            // An odometer: one multiplication for each setting of the loops' indices.
            let mut at = vec![0; loops.len()];
            let mut steps = 0;
            loop {
                steps += 1;
                let Some(place) = (0..loops.len()).rev().find(|&place| at[place] + 1 < loops[place]) else { return steps };
                at[place] += 1;
                at[place + 1..].fill(0);
            }
        };
        for (kind, loops) in [
            (LayerKind::SelfAttention, vec![n, n, d]),
            (LayerKind::Recurrent, vec![n, d, d]),
            (LayerKind::Convolutional, vec![n, k, d, d]),
            (LayerKind::RestrictedSelfAttention, vec![n, r, d]),
        ] {
            prop_assert_eq!(kind.at(sizes).unwrap()[0], count(&loops), "{}", kind.name());
        }
    }

    #[test]
    fn paths_are_as_long_as_signals_take(n in 2_u64..200, k in 2_u64..6, r in 2_u64..20) {
        let path = |kind: LayerKind| kind.at(LayerSizes { n, d: 1, k, r }).unwrap()[2];
        // Causal convolutions, dilated k times more in each layer: offsets 0, -kˡ, …, -(k - 1) kˡ.
        let dilated = |layer: u32| (0..k as i64).map(|tap| -tap * (k as i64).pow(layer)).collect();
        prop_assert_eq!(path(LayerKind::Convolutional), layers_until_seen(n as i64, dilated));
        // A neighbourhood of r positions in each direction reaches the n - 1 that lie between in ⌈(n - 1) / r⌉ layers; the
        // paper's n / r is one more at most.
        let near = layers_until_seen(n as i64, |_| (-(r as i64)..=0).collect());
        prop_assert!((near..=near + 1).contains(&path(LayerKind::RestrictedSelfAttention)));
        prop_assert_eq!(path(LayerKind::SelfAttention), layers_until_seen(n as i64, |_| (1 - n as i64..=0).collect()));
    }
}

#[test]
fn what_does_not_fit_is_none() {
    let sizes = LayerSizes { n: u64::MAX, d: 2, k: 2, r: 1 };
    assert_eq!(LayerKind::SelfAttention.at(sizes), None);
}
