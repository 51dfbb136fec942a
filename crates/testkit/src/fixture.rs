/// Reproducible test data: a few distributions, drawn with SplitMix64.
///
/// Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", figure 3 (the mixing function).
#[derive(Clone, Debug)]
pub struct Fixture {
    state: u64,
}

impl Fixture {
    /// A stream that depends on `seed` alone.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// One draw from the uniform distribution on `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// `n` draws from the uniform distribution on `[low, high)`.
    pub fn uniform(&mut self, n: usize, low: f32, high: f32) -> Vec<f32> {
        (0..n).map(|_| low + (high - low) * self.unit() as f32).collect()
    }

    /// `n` draws from the standard normal distribution (Box and Muller 1958).
    pub fn normal(&mut self, n: usize) -> Vec<f32> {
        let draw = |f: &mut Self| (-2.0 * (1.0 - f.unit()).ln()).sqrt() * (std::f64::consts::TAU * f.unit()).cos();
        (0..n).map(|_| draw(self) as f32).collect()
    }

    /// `n` draws from `0..bound`.
    ///
    /// # Panics
    /// If `bound` is zero.
    pub fn indices(&mut self, n: usize, bound: usize) -> Vec<usize> {
        (0..n).map(|_| (self.next_u64() % bound as u64) as usize).collect()
    }

    /// `n` coin tosses, true with the given probability.
    pub fn flags(&mut self, n: usize, probability: f64) -> Vec<bool> {
        (0..n).map(|_| self.unit() < probability).collect()
    }
}

/// `n` multiples of 1/2048 in `[-1, 1)` that depend on `name` alone, exact in f32: inputs of goldens, which generators in
/// Python make by the same formula instead of storing them.
///
/// The upper 12 bits of SplitMix64, seeded with the name's FNV-1a hash.
pub fn named(name: &str, n: usize) -> Vec<f32> {
    let hash = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let mut fixture = Fixture::new(name.bytes().fold(0xcbf2_9ce4_8422_2325, hash));
    (0..n).map(|_| (fixture.next_u64() >> 52) as f32 / 2048.0 - 1.0).collect()
}
