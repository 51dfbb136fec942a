//! Attention alone, forward and backward, as sequences grow.

use std::time::Instant;

use anyhow::Result;
use attentive_backend::{BackendKind, Dropout, Mask, ops};
use burn::tensor::{Distribution, Tensor};
use serde_json::json;

use crate::worker;

const LENGTHS: [usize; 5] = [512, 1024, 2048, 4096, 8192];
const HEADS: usize = 4;
const D_K: usize = 64;

pub(crate) fn run() -> Result<()> {
    let device = BackendKind::Flex.device()?.autodiff();
    worker::ready(&json!({ "heads": HEADS, "d_k": D_K, "lengths": LENGTHS }));
    for n_rounds in std::iter::once(0).chain(0..) {
        if !worker::wait() {
            break;
        }
        // The first round is a warm-up. Then each round has one length, from short to long, so the peak of memory is
        // that of the length.
        let n = LENGTHS[n_rounds % LENGTHS.len()];
        let input = || Tensor::<4>::random([1, HEADS, n, D_K], Distribution::Default, &device).require_grad();
        let (q, k, v) = (input(), input(), input());
        let pass = Dropout::new(1);
        let started = Instant::now();
        let y = ops::attention(q.clone(), k, v, &Mask::causal(), 0.1, Some(&pass));
        let gradients = y.sum().backward();
        let seconds = started.elapsed().as_secs_f64();
        drop(q.grad(&gradients));
        worker::report(seconds, n as f64, &json!({ "n": n }));
    }
    Ok(())
}
