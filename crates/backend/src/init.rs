//! Initial values of parameters.

use std::cell::Cell;

use attentive_core::mix64;
use burn::{
    module::Param,
    tensor::{Device, Tensor, TensorData},
};

/// Makes initial parameters from a seed: the same on every backend and every machine.
///
/// Values are drawn on the host in the order of the calls, so a model's parameters depend on its configuration and
/// the seed alone.
#[derive(Debug)]
pub struct Initializer {
    device: Device,
    scheme: InitScheme,
    is_blank: bool,
    seed: u64,
    n_drawn: Cell<u64>,
}

/// Distribution of a model's initial matrices; biases start at zero, gains at one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum InitScheme {
    /// Uniform in ±√(6 / (d_in + d_out)) (Glorot and Bengio 2010); embeddings normal with standard deviation
    /// d_model^-½, so that they have unit variance once multiplied by √d_model.
    #[default]
    Xavier,
    /// Normal, embeddings too.
    Normal {
        /// Standard deviation.
        std: f64,
        /// Standard deviation of the matrices that a residual branch ends in: GPT-2 takes `std / √n` for `n` branches
        /// (Radford et al. 2019, §2.3).
        residual_std: f64,
    },
}

impl Initializer {
    /// Starts at `seed`; parameters are placed on `device`.
    pub fn new(seed: u64, device: &Device) -> Self {
        let scheme = InitScheme::Xavier;
        Self { device: device.clone(), scheme, is_blank: false, seed: mix64(seed ^ 0x5eed), n_drawn: Cell::new(0) }
    }

    /// All zeros instead of draws, for models whose parameters are loaded afterwards.
    pub fn blank(device: &Device) -> Self {
        Self { is_blank: true, ..Self::new(0, device) }
    }

    /// Draws matrices by `scheme` from here on.
    pub fn with_scheme(self, scheme: InitScheme) -> Self {
        Self { scheme, ..self }
    }

    /// The device of the parameters.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A matrix that maps `d_in` features to `d_out`: `[d_in, d_out]`.
    pub fn matrix(&self, shape: [usize; 2]) -> Param<Tensor<2>> {
        match self.scheme {
            InitScheme::Xavier => self.xavier_uniform(shape),
            InitScheme::Normal { std, .. } => self.normal(shape, std),
        }
    }

    /// As [`matrix`](Self::matrix), for one whose output is added to a residual connection.
    pub fn residual_matrix(&self, shape: [usize; 2]) -> Param<Tensor<2>> {
        match self.scheme {
            InitScheme::Xavier => self.xavier_uniform(shape),
            InitScheme::Normal { residual_std, .. } => self.normal(shape, residual_std),
        }
    }

    /// A vector for each of `n` tokens or positions: `[n, d_model]`.
    pub fn embedding(&self, [n, d_model]: [usize; 2]) -> Param<Tensor<2>> {
        let std = match self.scheme {
            InitScheme::Xavier => (d_model as f64).powf(-0.5),
            InitScheme::Normal { std, .. } => std,
        };
        self.normal([n, d_model], std)
    }

    /// Uniform in ±√(6 / (d_in + d_out)) (Glorot and Bengio 2010): `[d_in, d_out]`.
    pub fn xavier_uniform(&self, [d_in, d_out]: [usize; 2]) -> Param<Tensor<2>> {
        let bound = (6.0 / (d_in + d_out) as f64).sqrt();
        self.fill([d_in, d_out], || (self.unit() * 2.0 - 1.0) * bound)
    }

    /// Normal with mean 0 and the standard deviation `std` (Box and Muller 1958).
    pub fn normal<const D: usize>(&self, shape: [usize; D], std: f64) -> Param<Tensor<D>> {
        self.fill(shape, || {
            let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt(); // 1 - unit is never 0
            radius * (std::f64::consts::TAU * self.unit()).cos() * std
        })
    }

    /// All values zero.
    pub fn zeros<const D: usize>(&self, shape: [usize; D]) -> Param<Tensor<D>> {
        Param::from_tensor(Tensor::zeros(shape, &self.device))
    }

    /// All values one.
    pub fn ones<const D: usize>(&self, shape: [usize; D]) -> Param<Tensor<D>> {
        Param::from_tensor(Tensor::ones(shape, &self.device))
    }

    fn fill<const D: usize>(&self, shape: [usize; D], mut draw: impl FnMut() -> f64) -> Param<Tensor<D>> {
        if self.is_blank {
            return self.zeros(shape);
        }
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| draw() as f32).collect();
        Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), &self.device))
    }

    /// The next number in [0, 1), with 53 random bits.
    fn unit(&self) -> f64 {
        let idx = self.n_drawn.get();
        self.n_drawn.set(idx + 1);
        let bits = mix64(self.seed.wrapping_add(idx.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}
