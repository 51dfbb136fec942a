use burn::tensor::{Device, Tensor, TensorData};

/// The sinusoidal encodings of one width.
///
/// `PE(pos, 2i) = sin(pos / 10000^(2i/d_model))`, `PE(pos, 2i+1) = cos(pos / 10000^(2i/d_model))`.
/// Source: Vaswani et al. 2017, §3.5.
#[derive(Debug, Clone, PartialEq)]
pub struct Sinusoids {
    /// Divisor of the position for each dimension.
    divisors: Vec<f64>,
}

impl Sinusoids {
    /// Encodings of width `d_model`.
    pub fn new(d_model: usize) -> Self {
        let divisor = |dim: usize| 10_000_f64.powf((dim - dim % 2) as f64 / d_model as f64);
        Self { divisors: (0..d_model).map(divisor).collect() }
    }

    /// Appends the encodings of the positions `first .. first + n`: `[n, d_model]`.
    pub fn append(&self, first: usize, n: usize, to: &mut Vec<f32>) {
        to.reserve(n * self.divisors.len());
        for pos in first..first + n {
            to.extend(self.divisors.iter().enumerate().map(|(dim, divisor)| {
                let angle = pos as f64 / divisor;
                (if dim % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
            }));
        }
    }

    /// The encodings of the positions `first .. first + n`: `[n, d_model]`.
    pub fn values(&self, first: usize, n: usize) -> Vec<f32> {
        let mut values = Vec::new();
        self.append(first, n, &mut values);
        values
    }
}

/// [`Sinusoids`] of the positions `first .. first + n` on a device: `[n, d_model]`.
pub fn sinusoids(first: usize, n: usize, d_model: usize, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(Sinusoids::new(d_model).values(first, n), [n, d_model]), device)
}
