//! Adapters on models of every family: a new one changes nothing, and alone is trained.

use std::collections::BTreeMap;

use attentive_backend::{BackendKind, Device, Objective};
use attentive_core::{SequenceBatch, TokenMatrix, TranslationBatch};
use attentive_model::{
    AdapterConfig, AdapterKind, CausalLmObjective, FamilyVisitor, Gpt, GptConfig, ModelConfig, ModelSpec, RnnConfig,
    Role, TranslationObjective,
};
use attentive_optim::{AdamConfig, Gradients, Optimizer};
use attentive_testkit::assert_close;
use burn::module::Module;

fn device() -> Device {
    BackendKind::Flex.device().unwrap().autodiff()
}

fn small_gpt() -> GptConfig {
    GptConfig::gpt2_like(11, 8, [2, 2, 8])
}

fn on(targets: &[&str]) -> AdapterConfig {
    let targets = targets.iter().map(|&target| target.into()).collect();
    AdapterConfig { rank: 2, targets, ..AdapterConfig::default() }
}

/// The loss of a model on a batch, per target.
fn loss(gpt: &Gpt) -> f32 {
    let batch = SequenceBatch::next_tokens(&[vec![1, 2, 3, 4, 5], vec![6, 7, 8]], 0, vec![0, 1]);
    CausalLmObjective::default().loss(gpt, &batch, None).sum.into_scalar()
}

/// A model with parameters of an adapter that are not zero.
fn trained(gpt: Gpt) -> Gpt {
    let objective = CausalLmObjective::default();
    let mut optimizer = AdamConfig::default().init().unwrap();
    (0..3).fold(gpt, |gpt, _| {
        let batch = SequenceBatch::next_tokens(&[vec![1, 2, 3, 4, 5]], 0, vec![0]);
        let gradients = Gradients::take(objective.loss(&gpt, &batch, None).sum.backward(), &gpt);
        optimizer.step(gpt, gradients, 1.0, 1e-2)
    })
}

#[test]
fn a_new_adapter_changes_nothing_and_alone_is_trained() {
    for kind in [AdapterKind::Lora, AdapterKind::Dora] {
        let plain = small_gpt().init(&device(), 3).unwrap();
        let config =
            AdapterConfig { kind, train: vec!["decoder.norm".into()], ..on(&["*.self_attention.*", "*.outer"]) };
        let (gpt, maps) = config.attach(plain.clone(), 1).unwrap();
        assert_eq!(maps.len(), 2 * 5);
        assert_close(&[loss(&gpt)], &[loss(&plain)], 1e-5, 0.0);

        let before = attentive_weights::params(&gpt);
        let gpt = trained(gpt);
        let after = attentive_weights::params(&gpt);
        let is_trained = |name: &str| name.contains(".weight.adapter.") || name.starts_with("decoder.norm.");
        for (name, param) in &before {
            assert_eq!(after[name] != *param, is_trained(name), "{name}");
        }
        assert!((loss(&gpt) - loss(&plain)).abs() > 1e-3);
        // Merged, it is the same function.
        let merged = gpt.clone().valid().materialize();
        assert_eq!(merged.num_params(), small_gpt().n_params());
        assert_close(&[loss(&merged)], &[loss(&gpt)], 1e-5, 0.0);
    }
}

#[test]
fn the_optimizer_has_a_state_for_what_is_trained() {
    let (gpt, _) = on(&["*.query"]).attach(small_gpt().init(&device(), 3).unwrap(), 1).unwrap();
    let objective = CausalLmObjective::default();
    let batch = SequenceBatch::next_tokens(&[vec![1, 2, 3, 4, 5]], 0, vec![0]);
    let gradients = Gradients::take(objective.loss(&gpt, &batch, None).sum.backward(), &gpt);
    let mut optimizer = AdamConfig::default().init().unwrap();
    let _ = optimizer.step(gpt, gradients, 1.0, 1e-2);
    let state: Vec<String> = optimizer.state().into_keys().collect();
    let of = |layer: usize, part: &str, slot: &str| {
        format!("decoder.layers.{layer}.self_attention.query.weight.adapter.{part}.{slot}")
    };
    let expected = [0, 1].into_iter().flat_map(|layer| {
        ["down", "up"].into_iter().flat_map(move |part| ["first", "second"].map(|slot| of(layer, part, slot)))
    });
    assert_eq!(state, expected.collect::<Vec<_>>());
}

#[test]
fn every_family_has_maps_that_adapt() {
    /// Attaches an adapter to all linear maps of a model.
    struct AttachAll;

    impl FamilyVisitor for AttachAll {
        type Output = usize;

        fn any<C: ModelSpec>(self, spec: &C, _: Role) -> usize {
            let model = spec.blank(&device()).unwrap();
            let before = attentive_weights::param_shapes(&model);
            let (adapted, maps) = on(&["*"]).attach(model, 1).unwrap();
            let shapes = attentive_weights::param_shapes(&adapted).into_iter();
            let shapes: BTreeMap<String, Vec<usize>> = shapes.map(|param| (param.name, param.shape)).collect();
            for param in &before {
                assert_eq!(shapes[&param.name], param.shape);
            }
            for map in &maps {
                let [down, up] = ["down", "up"].map(|part| &shapes[&format!("{map}.weight.adapter.{part}")]);
                assert_eq!([down[0], up[1]], shapes[&format!("{map}.weight")][..], "{map}");
            }
            assert_eq!(shapes.len(), before.len() + 2 * maps.len());
            maps.len()
        }
    }

    let mut families: Vec<&str> = Vec::new();
    for preset in ModelConfig::presets() {
        // The first of each family is small enough to be made.
        if families.contains(&preset.config.family()) || preset.config.n_params() > 200_000_000 {
            continue;
        }
        families.push(preset.config.family());
        assert!(preset.config.visit(AttachAll) >= 4, "{}", preset.name);
    }
    assert!(families.len() >= 7, "{families:?}");
}

#[test]
fn maps_whose_weight_is_taken_apart_are_changed_too() {
    // The recurrent map of an RNN hands its weight to a kernel.
    let spec = RnnConfig { d_embedding: 6, d_hidden: 6, d_attention: 6, ..RnnConfig::rnn_search(9) };
    let (rnn, maps) = on(&["*.recurrent"]).attach(spec.init(&device(), 3).unwrap(), 1).unwrap();
    assert!(!maps.is_empty());
    let rows = |row: &[u32]| TokenMatrix::from_rows(&[row], 0, 0);
    let batch = TranslationBatch { source: rows(&[4, 5, 2]), target: rows(&[1, 6, 7, 2]), indices: vec![0] };
    let objective = TranslationObjective::default();
    let gradients = Gradients::take(objective.loss(&rnn, &batch, None).sum.backward(), &rnn);
    let names: Vec<&str> = gradients.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 2 * maps.len(), "{names:?}");
}

#[test]
fn what_suits_no_model_is_refused_by_name() {
    let gpt = small_gpt().init(&device(), 3).unwrap();
    let refused = |config: AdapterConfig| config.attach(gpt.clone(), 1).unwrap_err().to_string();
    let error = refused(on(&["*.q_proj"]));
    assert!(
        error.starts_with("targets: \"*.q_proj\" describes no linear map; there are *.self_attention.query"),
        "{error}"
    );
    let error = refused(AdapterConfig { train: vec!["classifier".into()], ..on(&["*.query"]) });
    let there = "embedding, positions, decoder";
    assert_eq!(error, format!("train: \"classifier\" describes no parameter; the model has {there}"));
    for (config, key) in [
        (AdapterConfig { rank: 0, ..AdapterConfig::default() }, "rank"),
        (AdapterConfig { alpha: 0.0, ..AdapterConfig::default() }, "alpha"),
        (AdapterConfig { dropout: 1.0, ..AdapterConfig::default() }, "dropout"),
        (on(&[]), "targets"),
    ] {
        assert_eq!(config.validate().unwrap_err().key(), key);
    }
    // A map that no dropout is on the way to.
    let rnn = RnnConfig { d_embedding: 6, d_hidden: 6, d_attention: 6, ..RnnConfig::rnn_search(9) };
    let config = AdapterConfig { dropout: 0.1, ..on(&["decoder.bridge"]) };
    let error = config.attach(rnn.init(&device(), 1).unwrap(), 1).unwrap_err().to_string();
    assert!(error.starts_with("dropout: inputs of decoder.bridge are never dropped"), "{error}");
}

#[test]
fn scales_are_those_of_the_papers() {
    let config = AdapterConfig { rank: 16, alpha: 32.0, ..AdapterConfig::default() };
    assert_eq!(config.scale(), 2.0);
    assert_eq!(AdapterConfig { rank_stabilized: true, ..config }.scale(), 8.0);
}
