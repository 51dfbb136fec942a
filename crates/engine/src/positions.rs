//! Encodings of positions, a few at a time.

/// Positional encodings of width `d_model`.
#[derive(Debug)]
pub(crate) enum Positions {
    /// Sinusoids, with the divisor of the position for each dimension (§3.5).
    Sinusoidal { divisors: Vec<f64> },
    /// A learned row for each position.
    Learned { table: Vec<f32>, d_model: usize },
}

impl Positions {
    pub(crate) fn sinusoidal(d_model: usize) -> Self {
        let divisor = |dim: usize| 10_000_f64.powf((dim - dim % 2) as f64 / d_model as f64);
        Self::Sinusoidal { divisors: (0..d_model).map(divisor).collect() }
    }

    /// The longest sequence that has encodings, if there is one.
    pub(crate) fn max_len(&self) -> Option<usize> {
        match self {
            Self::Sinusoidal { .. } => None,
            Self::Learned { table, d_model } => Some(table.len() / d_model),
        }
    }

    /// Writes the encodings of the positions `first .. first + n`: `[n, d_model]`.
    ///
    /// # Panics
    /// If learned encodings end before that.
    pub(crate) fn fill(&self, first: usize, n: usize, to: &mut Vec<f32>) {
        to.clear();
        match self {
            Self::Sinusoidal { divisors } => {
                for pos in first..first + n {
                    to.extend(divisors.iter().enumerate().map(|(dim, divisor)| {
                        let angle = pos as f64 / divisor;
                        (if dim % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
                    }));
                }
            }
            Self::Learned { table, d_model } => to.extend_from_slice(&table[first * d_model..(first + n) * d_model]),
        }
    }
}
