use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// The float in which a score is computed: `f64` for a corpus, `f32` for sacreBLEU's bootstrap samples.
///
/// sacreBLEU sums and scores its bootstrap samples in numpy's single precision, where a Python number combined with a
/// `float32` becomes a `float32` (NumPy 2's NEP 50). Equal p-values need equal roundings.
pub trait Real:
    Copy
    + Default
    + PartialOrd
    + Into<f64>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + sealed::Sealed
{
    /// The nearest number of this type.
    fn nearest(x: f64) -> Self;
}

impl Real for f32 {
    fn nearest(x: f64) -> Self {
        x as f32
    }
}

impl Real for f64 {
    fn nearest(x: f64) -> Self {
        x
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A score in the type that Python would give it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NumpyFloat<R> {
    /// A float of the type of the statistics.
    Native(R),
    /// A Python float, for statistics of any type.
    Double(f64),
}

impl<R: Real> NumpyFloat<R> {
    /// The number in double precision.
    pub fn get(self) -> f64 {
        match self {
            Self::Native(x) => x.into(),
            Self::Double(x) => x,
        }
    }
}
