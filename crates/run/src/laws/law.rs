//! What must hold, and by how much it does.

use std::fmt;

/// How large what was measured may be, or has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// At most this.
    AtMost(f64),
    /// More than this.
    Above(f64),
}

/// A law, tried on a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Law {
    /// Its name, a word.
    pub name: &'static str,
    /// What was measured, in words that the measure ends.
    pub what: &'static str,
    /// The measure.
    pub measured: f64,
    /// How large it may be.
    pub bound: Bound,
}

impl Law {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        match self.bound {
            Bound::AtMost(limit) => self.measured <= limit,
            Bound::Above(limit) => self.measured > limit && self.measured.is_finite(),
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, what, measured, bound } = self;
        let verdict = if self.holds() { "holds" } else { "BROKEN" };
        write!(f, "{name:<10} {verdict:<7} {what} {measured:.1e}")?;
        match bound {
            Bound::AtMost(limit) => write!(f, " at the most; {limit:.0e} is allowed"),
            Bound::Above(limit) => write!(f, " at the least; it must be more than {limit:.0e}"),
        }
    }
}

/// The largest difference of two rows of numbers; infinite where one is not a number.
pub(super) fn largest_difference(a: &[f32], b: &[f32]) -> f64 {
    let difference = |(a, b): (&f32, &f32)| if a == b { 0.0 } else { f64::from((a - b).abs()) };
    a.iter().zip(b).map(difference).fold(0.0, |max: f64, d| if d.is_nan() { f64::INFINITY } else { max.max(d) })
}
