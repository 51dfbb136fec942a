//! Frozen parameters stay, and the others change as if nothing were frozen.

use attentive_backend::BackendKind;
use attentive_core::SequenceBatch;
use attentive_model::{CausalLmObjective, GptConfig, ModelSpec};
use attentive_optim::{FirstOrder, UpdateRule};
use attentive_trainer::{Endless, TrainError, Trainer, TrainerConfig};
use attentive_weights::Tensors;

/// Parameters after an update with these patterns.
fn updated(config: &GptConfig, backend: BackendKind, freeze: &[&str]) -> Result<Tensors, TrainError> {
    let data = vec![SequenceBatch::next_tokens(&[vec![1, 2, 3, 4], vec![5, 6, 7]], 0, vec![0, 1])];
    let model = config.init(&backend.device().unwrap().autodiff(), 3).unwrap();
    let freeze = freeze.iter().map(|&pattern| pattern.to_owned()).collect();
    let trainer = Trainer::builder(model, CausalLmObjective::default())
        .optimizer(FirstOrder::new(UpdateRule::Sgd))
        .config(TrainerConfig { steps: 1, freeze, ..TrainerConfig::default() })
        .build()?;
    Ok(attentive_weights::params(&trainer.run(&mut Endless::new(data), None, &mut []).unwrap().model))
}

#[test]
fn what_is_frozen_stays_and_the_rest_changes_as_before() {
    let gpt2 = GptConfig::gpt2_like(8, 6, [2, 2, 16]);
    let llama = GptConfig { n_kv_heads: Some(1), qk_norm: true, ..GptConfig::llama_like(8, 24, [2, 2, 16]) };
    for (config, backend) in [(&gpt2, BackendKind::Flex), (&llama, BackendKind::Flex), (&gpt2, BackendKind::NdArray)] {
        let begun = attentive_weights::params(&config.init(&backend.device().unwrap(), 3).unwrap());
        let whole = updated(config, backend, &[]).unwrap();
        let parts: [&[&str]; 6] = [
            &["embedding"],
            &["decoder.layers.0"],
            &["*.norm.*", "*.bias"],
            &["embedding", "positions", "decoder.layers"],
            &["*.query", "*.value", "*.outer.weight"],
            &["*.weight"],
        ];
        for freeze in parts {
            // Llama has no learned positions, and no biases.
            let freeze: Vec<&str> =
                freeze.iter().copied().filter(|pattern| updated(config, backend, &[pattern]).is_ok()).collect();
            let found = updated(config, backend, &freeze).unwrap();
            let stays = |name: &String| found[name] == begun[name];
            assert!(begun.keys().any(stays) && !begun.keys().all(stays), "{freeze:?}");
            for name in begun.keys().filter(|name| !stays(name)) {
                assert!(found[name] == whole[name], "{freeze:?}: {name}");
            }
        }
    }
}
