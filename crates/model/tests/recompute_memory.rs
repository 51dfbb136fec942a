//! What a pass holds whose layers are recomputed. Alone in its process, whose peak is what is measured.
#![cfg(target_os = "linux")]

use std::fs;

use attentive_backend::{BackendKind, Objective, Recompute};
use attentive_core::{Dropout, SequenceBatch};
use attentive_model::{CausalLmObjective, GptConfig, ModelSpec};
use attentive_optim::Gradients;

/// The most memory that this process has held, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn activations_take_the_memory_of_a_layer() {
    const LAYERS: u64 = 12;
    let (rows, len, d_model) = (4, 256, 64);
    let config = GptConfig { dropout: 0.1, ..GptConfig::gpt2_like(64, len, [LAYERS as usize, 4, d_model]) };
    let model = config.init(&BackendKind::Flex.device().unwrap().autodiff(), 1).unwrap();
    let row = |seed: usize| (0..=len).map(|at| ((at * 7 + seed) % 64) as u32).collect::<Vec<_>>();
    let batch = SequenceBatch::next_tokens(&(0..rows).map(row).collect::<Vec<_>>(), 0, (0..rows as u64).collect());
    let taken = |recompute: Recompute| {
        let before = peak();
        let loss = recompute.during(|| CausalLmObjective::default().loss(&model, &batch, Some(&Dropout::new(1))));
        drop(Gradients::take(loss.sum.backward(), &model));
        peak() - before
    };
    // A peak only rises: the smaller pass first, and what any pass takes before it.
    let any = taken(Recompute::Layers);
    let (again, kept) = (taken(Recompute::Layers), taken(Recompute::None));
    // A layer keeps at least its norms, projections, heads and the inner layer: 13 vectors a token.
    let of_layer = 4 * (rows * len * d_model * 13) as u64 / 1024;
    assert!(again < of_layer, "the same again took {again} KiB more, after {any} KiB");
    assert!(kept > (LAYERS - 4) * of_layer, "{kept} KiB more, of {LAYERS} layers of {of_layer} KiB");
}
