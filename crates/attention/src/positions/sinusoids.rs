use burn::tensor::{Device, Tensor, TensorData};

/// Sinusoidal encodings of the positions `first .. first + n`: `[n, d_model]`.
///
/// `PE(pos, 2i) = sin(pos / 10000^(2i/d_model))`, `PE(pos, 2i+1) = cos(pos / 10000^(2i/d_model))`.
/// Source: Vaswani et al. 2017, §3.5.
pub fn sinusoids(first: usize, n: usize, d_model: usize, device: &Device) -> Tensor<2> {
    let mut values = Vec::with_capacity(n * d_model);
    for pos in first..first + n {
        values.extend((0..d_model).map(|dim| {
            let angle = pos as f64 / 10_000_f64.powf((dim - dim % 2) as f64 / d_model as f64);
            (if dim % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
        }));
    }
    Tensor::from_data(TensorData::new(values, [n, d_model]), device)
}
