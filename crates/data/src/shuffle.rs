//! Random orders that are the same on every machine and in every version.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// A random generator of its own for each (run, purpose, epoch).
///
/// ChaCha8 keyed by SHA-256 of the three, so streams do not overlap and knowing one says nothing of another.
pub fn seeded_rng(seed: u64, purpose: &str, epoch: u64) -> ChaCha8Rng {
    let key = Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update(epoch.to_le_bytes())
        .chain_update(purpose)
        .finalize();
    ChaCha8Rng::from_seed(key.into())
}

/// A seed of its own for each (run, purpose, epoch): the first number of [`seeded_rng`].
pub fn derived_seed(seed: u64, purpose: &str, epoch: u64) -> u64 {
    seeded_rng(seed, purpose, epoch).next_u64()
}

/// The numbers below `n` in random order (Fisher–Yates).
pub fn permutation(n: u32, rng: &mut impl Rng) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n).collect();
    for last in (1..order.len()).rev() {
        // `last` < 2³², so the sum fits.
        order.swap(last, below(last as u32 + 1, rng) as usize);
    }
    order
}

/// A uniform number below `n` > 0. Source: Lemire 2019, "Fast Random Integer Generation in an Interval".
pub(crate) fn below(n: u32, rng: &mut impl Rng) -> u32 {
    loop {
        let product = u64::from(rng.next_u32()) * u64::from(n);
        // The low half is under 2³² mod n for exactly the surplus draws.
        if product as u32 >= n.wrapping_neg() % n {
            return (product >> 32) as u32;
        }
    }
}

/// [`below`] of 64 bits.
pub(crate) fn below_64(n: u64, rng: &mut impl Rng) -> u64 {
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(n);
        if product as u64 >= n.wrapping_neg() % n {
            return (product >> 64) as u64;
        }
    }
}
