use attentive_kernels::Level;
use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// Format of the numbers that matrix products of a training pass multiply, on devices that [have it](Self::is_on).
///
/// Parameters, moments, sums and all else are always `f32`, as in PyTorch's autocast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 24 significant bits.
    #[default]
    F32,
    /// 8 significant bits: about twice as fast where [`is_fast`](Self::is_fast).
    Bf16,
}

impl Precision {
    /// Runs `pass`, forward or backward, with such products.
    pub fn during<R>(self, pass: impl FnOnce() -> R) -> R {
        match self {
            Self::F32 => pass(),
            Self::Bf16 => attentive_kernels::Precision::Bf16.during(pass),
        }
    }

    /// That of the products of this thread.
    pub(crate) fn current() -> Self {
        match Level::current().precision() {
            attentive_kernels::Precision::F32 => Self::F32,
            attentive_kernels::Precision::Bf16 => Self::Bf16,
        }
    }

    /// Whether products on `device` can be of such numbers; where they can't, they are of `f32`.
    pub fn is_on(self, device: &Device) -> bool {
        self == Self::F32 || crate::has_kernels(device) || device.supports_dtype(FloatDType::BF16)
    }

    /// Whether products of such numbers are no slower than those of `f32` on `device`. A CPU without instructions for them gives
    /// the same numbers later.
    pub fn is_fast(self, device: &Device) -> bool {
        self == Self::F32 || !crate::has_kernels(device) || Level::current().multiplies_bf16()
    }
}

/// `a b` by burn's own product, of numbers of this thread's precision, on a device without kernels of ours.
pub(crate) fn product<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    let device = a.device();
    match Precision::current() {
        Precision::Bf16 if !crate::has_kernels(&device) && Precision::Bf16.is_on(&device) => bf16_product(a, b),
        _ => a.matmul(b),
    }
}

/// Both operands are rounded, and sums are made in `f32`; burn rounds the result too, as PyTorch's autocast does.
fn bf16_product<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    let [a, b] = [a, b].map(|x| x.cast(FloatDType::BF16));
    a.matmul(b).cast(FloatDType::F32)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use attentive_testkit::{Fixture, widen};

    use super::*;

    /// Of numbers that bf16 has, products lose nothing but the result's own rounding: half a unit of eight bits. So do both of
    /// their gradients, which are products too.
    #[test]
    fn products_of_bf16_add_up_in_f32() {
        let device = Device::flex().autodiff();
        let (rows, inner, cols) = (7, 300, 5);
        let mut fixture = Fixture::new(3);
        let mut numbers = |n: usize| -> Vec<f32> {
            fixture.normal(n).into_iter().map(|x| f32::from_bits(x.to_bits() & 0xffff_0000)).collect()
        };
        let (a, b) = (numbers(rows * inner), numbers(inner * cols));
        let leaf = |x: &[f32], shape: [usize; 2]| Tensor::<1>::from_floats(x, &device).reshape(shape).require_grad();
        let (x, y) = (leaf(&a, [rows, inner]), leaf(&b, [inner, cols]));
        let product = bf16_product(x.clone(), y.clone());
        let gradients = product.clone().sum().backward();
        let exact = attentive_testkit::linear(&widen(&a), &widen(&b), None, [rows, inner, cols]);
        let magnitudes: Vec<f64> = {
            let size = |x: &[f32]| x.iter().map(|&x| f64::from(x).abs()).collect::<Vec<_>>();
            attentive_testkit::linear(&size(&a), &size(&b), None, [rows, inner, cols])
        };
        let values: Vec<f32> = product.into_data().try_into_vec().unwrap();
        for ((&value, exact), size) in values.iter().zip(&exact).zip(&magnitudes) {
            let allowed = exact.abs() / 256.0 + size * 1e-6;
            assert!((f64::from(value) - exact).abs() <= allowed, "{value} is not {exact}");
        }
        let dx: Vec<f32> = x.grad(&gradients).unwrap().into_data().try_into_vec().unwrap();
        let row_sums: Vec<f64> = b.chunks(cols).map(|row| row.iter().map(|&x| f64::from(x)).sum()).collect();
        for (&dx, sum) in dx.iter().zip(row_sums.iter().cycle()) {
            assert!((f64::from(dx) - sum).abs() <= sum.abs() / 256.0 + 1e-5, "{dx} is not {sum}");
        }
    }
}
