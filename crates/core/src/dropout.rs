//! The source of dropout's random bits.

use std::cell::Cell;

/// The randomness of one forward pass.
///
/// A layer trains if it gets one, and infers if it gets none; nothing else differs. Each use of dropout takes the next
/// key, so a pass is a pure function of its seed, and resuming a run needs only the run's seed and the step. A clone gives the
/// keys that are next, again.
///
/// ```
/// use attentive_core::Dropout;
///
/// let pass = Dropout::new(7);
/// let first = pass.next_key();
/// assert_ne!(first, pass.next_key());
/// assert_eq!(first, Dropout::new(7).next_key());
/// ```
#[derive(Debug, Clone)]
pub struct Dropout {
    seed: u64,
    n_taken: Cell<u64>,
}

impl Dropout {
    /// The randomness of the pass with this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, n_taken: Cell::new(0) }
    }

    /// The key of the next use of dropout.
    pub fn next_key(&self) -> u64 {
        let idx = self.n_taken.get();
        self.n_taken.set(idx + 1);
        mix64(self.seed ^ mix64(idx.wrapping_add(0x9e37_79b9_7f4a_7c15)))
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood 2014): a bijection in which every input bit reaches every
/// output bit.
pub fn mix64(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
