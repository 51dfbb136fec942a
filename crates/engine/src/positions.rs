//! Encodings of positions, a few at a time.

use attentive_attention::Sinusoids;

/// Positional encodings of width `d_model`.
#[derive(Debug)]
pub(crate) enum Positions {
    /// Sinusoids (§3.5).
    Sinusoidal(Sinusoids),
    /// A learned row for each position.
    Learned { table: Vec<f32>, d_model: usize },
}

impl Positions {
    /// The longest sequence that has encodings, if there is one.
    pub(crate) fn max_len(&self) -> Option<usize> {
        match self {
            Self::Sinusoidal(_) => None,
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
            Self::Sinusoidal(sinusoids) => sinusoids.append(first, n, to),
            Self::Learned { table, d_model } => to.extend_from_slice(&table[first * d_model..(first + n) * d_model]),
        }
    }
}
