//! flex's own matrix product, which a training step's products are compared with.

use std::time::Instant;

use anyhow::Result;
use attentive_backend::BackendKind;
use burn::tensor::{Distribution, Tensor};
use serde_json::json;

use crate::worker;

const SIZE: usize = 2048;

pub(crate) fn run() -> Result<()> {
    let device = BackendKind::Flex.device()?;
    let matrix = || Tensor::<2>::random([SIZE, SIZE], Distribution::Default, &device);
    let (a, b) = (matrix(), matrix());
    worker::ready(&json!({ "size": SIZE }));
    while worker::wait() {
        let started = Instant::now();
        let c = a.clone().matmul(b.clone());
        let seconds = started.elapsed().as_secs_f64();
        drop(c);
        worker::report(seconds, 2.0 * (SIZE as f64).powi(3), &json!({}));
    }
    Ok(())
}
