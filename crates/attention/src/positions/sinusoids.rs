use burn::tensor::{Device, Tensor, TensorData};

/// The sinusoidal encodings of one width: sine and cosine of an angle side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Sinusoids {
    /// Divisor of the position for each dimension.
    divisors: Vec<f64>,
    /// What the first position is counted as.
    first: usize,
}

impl Sinusoids {
    /// Encodings of width `d_model`: `PE(pos, 2i) = sin(pos / 10000^(2i/d_model))`,
    /// `PE(pos, 2i+1) = cos(pos / 10000^(2i/d_model))` (Vaswani et al. 2017, §3.5).
    pub fn new(d_model: usize) -> Self {
        let divisor = |dim: usize| 10_000_f64.powf((dim - dim % 2) as f64 / d_model as f64);
        Self { divisors: (0..d_model).map(divisor).collect(), first: 0 }
    }

    /// Encodings of width `d_model`, even and 4 or more, as fairseq and tensor2tensor have them: divisors from 1 to 10000,
    /// both included, `10000^(i/(d_model/2 - 1))`, and positions that are counted from `first`.
    ///
    /// Source: `SinusoidalPositionalEmbedding` of fairseq, which has all sines before all cosines.
    pub fn fairseq(d_model: usize, first: usize) -> Self {
        let last = (d_model / 2).saturating_sub(1).max(1);
        let divisor = |dim: usize| 10_000_f64.powf((dim / 2) as f64 / last as f64);
        Self { divisors: (0..d_model).map(divisor).collect(), first }
    }

    /// Appends the encodings of the positions `first .. first + n`: `[n, d_model]`.
    pub fn append(&self, first: usize, n: usize, to: &mut Vec<f32>) {
        to.reserve(n * self.divisors.len());
        let first = self.first + first;
        for pos in first..first + n {
            to.extend(self.divisors.iter().enumerate().map(|(dim, divisor)| {
                let angle = pos as f64 / divisor;
                (if dim % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
            }));
        }
    }

    /// The encodings of the positions `first .. first + n` on a device: `[n, d_model]`.
    pub(super) fn tensor(&self, first: usize, n: usize, device: &Device) -> Tensor<2> {
        Tensor::from_data(TensorData::new(self.values(first, n), [n, self.divisors.len()]), device)
    }

    /// The encodings of the positions `first .. first + n`: `[n, d_model]`.
    pub fn values(&self, first: usize, n: usize) -> Vec<f32> {
        let mut values = Vec::new();
        self.append(first, n, &mut values);
        values
    }
}

/// The paper's [`Sinusoids`] of the positions `first .. first + n` on a device: `[n, d_model]`.
pub fn sinusoids(first: usize, n: usize, d_model: usize, device: &Device) -> Tensor<2> {
    Sinusoids::new(d_model).tensor(first, n, device)
}
