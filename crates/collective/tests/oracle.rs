//! Sums and copies of every number of peers, held against a scalar tree.

use std::ops::Range;

use attentive_collective::{
    Alone, BalancedSum, Collective, CollectiveError, Exchange, Threads, all_gather, any, broadcast, collect,
    first_failure, gather, piece_of, reduce_scatter, reduce_scatter_as, share,
};
use proptest::prelude::*;

fn each<R: Send>(size: usize, work: impl Fn(&Threads) -> R + Sync) -> Vec<R> {
    Threads::each(size, |peer| work(&peer))
}

/// The sum of parts, halved again and again: the definition.
fn tree(parts: &[f32]) -> f32 {
    match parts {
        [part] => *part,
        _ => {
            let (left, right) = parts.split_at(parts.len() / 2);
            tree(left) + tree(right)
        }
    }
}

/// Numbers of both signs and of different sizes, so that every order of additions gives other bits.
fn number(seed: usize) -> f32 {
    let bits = (seed as u32).wrapping_mul(0x9e37_79b9) ^ 0x5bd1_e995;
    let bits = (bits ^ (bits >> 15)).wrapping_mul(0x85eb_ca6b);
    (bits >> 8) as f32 / (1 << 20) as f32 * if bits & 1 == 0 { 1.0 } else { -1e-3 }
}

fn even_cuts(n: usize, size: usize) -> Vec<usize> {
    (0..=size).map(|piece| piece * n / size).collect()
}

#[test]
fn a_sum_among_any_number_is_the_tree_over_their_ranks() {
    for size in 1..=8 {
        for n in [0, 1, 3, 7, 8, 100, 1_001] {
            let cuts = even_cuts(n, size);
            let vector = |rank: usize| (0..n).map(|at| number(rank * n + at)).collect::<Vec<f32>>();
            let sums = each(size, |peer| {
                let mut values = vector(peer.rank());
                let own = reduce_scatter(peer, &mut values, &cuts).unwrap();
                let piece = piece_of(peer.rank(), size);
                assert_eq!(own, cuts[piece]..cuts[piece + 1]);
                all_gather(peer, &mut values, &cuts).unwrap();
                values
            });
            let expected: Vec<f32> =
                (0..n).map(|at| tree(&(0..size).map(|rank| vector(rank)[at]).collect::<Vec<_>>())).collect();
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert!(sums.iter().all(|sum| bits(sum) == bits(&expected)), "{n} values of {size}");
        }
    }
}

/// Vectors that are longer than a block, cut unevenly.
#[test]
fn pieces_may_have_any_length() {
    let n = 700_000;
    for (size, cuts) in [(2, vec![0, 3, n]), (3, vec![0, 600_000, 600_000, n]), (4, vec![0, 0, 599_999, 600_000, n])] {
        let sums = each(size, |peer| {
            let mut values: Vec<f32> = (0..n).map(|at| ((at + peer.rank()) % 1_000) as f32).collect();
            reduce_scatter(peer, &mut values, &cuts).unwrap();
            all_gather(peer, &mut values, &cuts).unwrap();
            values
        });
        let expected = |at: usize| (0..size).map(|rank| ((at + rank) % 1_000) as f32).sum::<f32>();
        assert!(sums.iter().all(|sum| sum.iter().enumerate().all(|(at, &value)| value == expected(at))));
    }
}

/// Each of the two phases sends all but a process's own piece.
#[test]
fn the_bytes_that_are_sent_are_those_of_the_theory() {
    let n = 840;
    for size in 1..=8 {
        let cuts = even_cuts(n, size);
        let sent = each(size, |peer| {
            let mut values = vec![1.0_f32; n];
            reduce_scatter(peer, &mut values, &cuts).unwrap();
            all_gather(peer, &mut values, &cuts).unwrap();
            peer.bytes_sent()
        });
        let theory = (2 * 4 * n * (size - 1) / size) as u64;
        assert_eq!(sent.iter().sum::<u64>(), theory * size as u64, "{size}");
        assert!(sent.iter().all(|&sent| sent.abs_diff(theory) * 100 <= theory), "{size}: {sent:?} for {theory}");
    }
}

/// A bf16 of 8 significant bits, by the definition: the nearest multiple of the last one's value, ties to even.
fn rounded(value: f32) -> f32 {
    if value == 0.0 {
        return value;
    }
    let unit = 2_f64.powi(f64::from(value.abs()).log2().floor() as i32 - 7);
    ((f64::from(value) / unit).round_ties_even() * unit) as f32
}

/// What process `rank` holds of a sum over `ranks` at one place: its own terms are added as they are, others' as they arrive.
fn halved(rank: usize, size: usize, term: &dyn Fn(usize) -> f32) -> f32 {
    match size {
        1 => term(rank),
        // The last exchange was with the process half of them away.
        _ => halved(rank, size / 2, term) + rounded(halved(rank ^ (size / 2), size / 2, term)),
    }
}

#[test]
fn terms_that_travel_as_bf16_are_rounded_once_for_each_way() {
    for size in 1..=8 {
        let n = 120;
        let cuts = even_cuts(n, size);
        let sums = each(size, |peer| {
            let mut values: Vec<f32> = (0..n).map(|at| number(peer.rank() * n + at)).collect();
            let own = reduce_scatter_as(Exchange::Bf16, peer, &mut values, &cuts).unwrap();
            (own.clone(), values[own].to_vec())
        });
        for (rank, (own, found)) in sums.into_iter().enumerate() {
            for (at, found) in own.zip(found) {
                let term = |rank: usize| number(rank * n + at);
                let expected = match size.is_power_of_two() {
                    true => halved(rank, size, &term),
                    false => {
                        let arrived = |from: usize| if from == rank { term(from) } else { rounded(term(from)) };
                        tree(&(0..size).map(arrived).collect::<Vec<_>>())
                    }
                };
                assert_eq!(found.to_bits(), expected.to_bits(), "place {at}, process {rank} of {size}");
            }
        }
    }
}

#[test]
fn terms_that_travel_as_bf16_are_half_of_the_bytes() {
    let n = 840;
    for size in 2..=8 {
        let cuts = even_cuts(n, size);
        let [exact, rounded] = [Exchange::F32, Exchange::Bf16].map(|format| {
            each(size, |peer| {
                reduce_scatter_as(format, peer, &mut vec![1.0; n], &cuts).unwrap();
                peer.bytes_sent()
            })
        });
        assert!(exact.iter().zip(&rounded).all(|(exact, rounded)| *exact == 2 * rounded), "{exact:?}, {rounded:?}");
    }
}

#[test]
fn messages_reach_everyone() {
    for size in 1..=8 {
        let text = |rank: usize| "x".repeat(rank * rank % 7).into_bytes();
        let all: Vec<Vec<u8>> = (0..size).map(text).collect();
        for (rank, got) in each(size, |peer| gather(peer, &text(peer.rank())).unwrap()).into_iter().enumerate() {
            assert_eq!(got, all, "{rank} of {size}");
        }
        for got in each(size, |peer| broadcast(peer, format!("of {}", peer.rank()).into_bytes()).unwrap()) {
            assert_eq!(got, b"of 0");
        }
        let collected = each(size, |peer| collect(peer, text(peer.rank())).unwrap());
        assert!(collected[0] == all && collected[1..].iter().all(Vec::is_empty));
        for who in [None, Some(0), Some(size - 1)] {
            assert!(
                each(size, |peer| any(peer, Some(peer.rank()) == who).unwrap()).iter().all(|&any| any == who.is_some())
            );
            let failures = each(size, |peer| {
                let problem = format!("no room on {}", peer.rank());
                first_failure(peer, who.filter(|&who| who <= peer.rank()).map(|_| &*problem)).unwrap()
            });
            assert!(failures.iter().all(|failure| *failure == who.map(|who| (who, format!("no room on {who}")))));
        }
    }
}

#[test]
fn alone_nothing_is_sent() {
    let mut values = [1.0_f32, 2.0];
    assert_eq!(reduce_scatter(&Alone, &mut values, &[0, 2]).unwrap(), 0..2);
    all_gather(&Alone, &mut values, &[0, 2]).unwrap();
    assert_eq!((values, Alone.bytes_sent()), ([1.0, 2.0], 0));
    assert_eq!(gather(&Alone, b"a").unwrap(), [b"a"]);
    assert_eq!(broadcast(&Alone, b"a".to_vec()).unwrap(), b"a");
}

/// The others end too, one after another, and none waits for ever.
#[test]
fn a_peer_that_ends_is_an_error_and_not_a_wait() {
    for size in 2..=8 {
        let outcomes = each(size, |peer| {
            if peer.rank() == size - 1 {
                return Ok(());
            }
            let mut values = vec![1.0; 64];
            let cuts = even_cuts(64, size);
            loop {
                reduce_scatter(peer, &mut values, &cuts)?;
                any(peer, false)?;
            }
        });
        for outcome in &outcomes[..size - 1] {
            assert!(matches!(outcome, Err(CollectiveError::Gone { .. })), "{outcome:?}");
        }
    }
}

fn sum_of(parts: &[f32]) -> Option<f32> {
    let mut sum = BalancedSum::new(parts.len() as u64, |a, b| a + b);
    parts.iter().for_each(|&part| sum.add(part));
    sum.finish()
}

proptest! {
    /// The shares of processes are the parts in their order, and none is empty if there are enough.
    #[test]
    fn shares_are_everything_once(n in 0_usize..200, size in 1_usize..20) {
        let shares: Vec<Range<usize>> = (0..size).map(|rank| share(n, rank, size)).collect();
        let joined: Vec<usize> = shares.iter().cloned().flatten().collect();
        prop_assert_eq!(joined, (0..n).collect::<Vec<_>>());
        prop_assert!(n < size || shares.iter().all(|share| !share.is_empty()));
    }

    /// Any number of parts among 1, 2, 4, 8 or 16 processes adds up to the same bits.
    #[test]
    fn sums_of_shares_are_nodes_of_the_tree(n in 1_usize..200, power in 0_u32..5, seed in 0_usize..1_000) {
        let parts: Vec<f32> = (0..n).map(|part| number(seed + part)).collect();
        let size = 1 << power;
        prop_assume!(n >= size);
        let sums: Vec<f32> = (0..size).filter_map(|rank| sum_of(&parts[share(n, rank, size)])).collect();
        prop_assert_eq!(tree(&sums).to_bits(), tree(&parts).to_bits());
        prop_assert_eq!(sum_of(&parts).unwrap().to_bits(), tree(&parts).to_bits());
    }

    /// A sum of which nobody said how long it is has the tree of a power of two.
    #[test]
    fn a_power_of_two_need_not_be_announced(power in 0_u32..8) {
        let parts: Vec<f32> = (0..1 << power).map(number).collect();
        let mut sum = BalancedSum::of_any(|a, b| a + b);
        parts.iter().for_each(|&part| sum.add(part));
        prop_assert_eq!(sum.finish().unwrap().to_bits(), tree(&parts).to_bits());
    }
}

#[test]
fn an_empty_sum_is_none() {
    assert_eq!(sum_of(&[]), None);
}
