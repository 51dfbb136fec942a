//! Sizes of published models against what their authors say of them; nothing is allocated.

use attentive_attention::PositionsConfig;
use attentive_model::{GptConfig, LanguageModelSpec, ModelSpec};

fn preset(name: &str) -> GptConfig {
    GptConfig::presets()
        .into_iter()
        .find(|preset| preset.name == name)
        .unwrap_or_else(|| panic!("no preset {name}"))
        .config
}

#[test]
fn released_models_have_exactly_their_parameters() {
    // Counted in the released weights of `openai-gpt` and `gpt2`, `-medium`, `-large`, `-xl`.
    let released = [
        ("gpt-1", 116_534_784),
        ("gpt-2", 124_439_808),
        ("gpt-2-medium", 354_823_168),
        ("gpt-2-large", 774_030_080),
        ("gpt-2-xl", 1_557_611_200),
    ];
    for (name, n_params) in released {
        assert_eq!(preset(name).n_params(), n_params, "{name}");
    }
}

#[test]
fn nano_gpt_counts_10_65_million_without_positions() {
    let config = preset("nano-gpt-char");
    let PositionsConfig::Learned { max_len } = config.positions else { panic!("learned positions") };
    assert_eq!(config.n_params() - max_len * config.d_model, 10_646_784);
}

#[test]
fn sizes_are_the_published_ones_within_their_rounding() {
    for preset in GptConfig::presets() {
        let millions = preset.config.n_params() as f64 / 1e6;
        let off = millions / preset.params_millions.unwrap() - 1.0;
        assert!(off.abs() < 0.02, "{}: {millions:.1} M, published {} M", preset.name, preset.params_millions.unwrap());
        assert!(preset.config.validate().is_ok(), "{}", preset.name);
    }
}

#[test]
fn gpt_3_costs_what_its_authors_state() {
    // Brown et al. 2020, Table D.1: 3.14e23 operations to train 175 B on 300 billion tokens, products with weights alone.
    let flops = 3.0 * preset("gpt-3-175b").forward_flops_per_token(0) as f64 * 300e9;
    assert!((flops / 3.14e23 - 1.0).abs() < 0.01, "{flops:.3e}");
}

#[test]
fn shared_keys_and_values_shrink_the_cache() {
    let config = preset("gpt-2");
    assert_eq!(config.cached_values_per_token(), 12 * 2 * 768);
    assert_eq!(GptConfig { n_kv_heads: Some(3), ..config }.cached_values_per_token(), 12 * 2 * 768 / 4);
}
