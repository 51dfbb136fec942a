//! Published sizes.

use super::GptConfig;
use crate::Preset;

/// GPT-1, the four sizes of GPT-2, the eight of GPT-3, and nanoGPT's character model.
///
/// Sources: Radford et al. 2018, §4.1; Radford et al. 2019, Table 2, with the counts of the released models; Brown et al.
/// 2020, Table 2.1; nanoGPT's `config/train_shakespeare_char.py`. Two rows of Brown et al.'s table contradict
/// themselves, as heads times their width must be `d_model`. The 1.3 B model has 24 heads of 128 in a `d_model` of
/// 2048, where 16 heads give the stated size. The 13 B model has a `d_model` of 5140 with 40 heads of 128, which are
/// 5120. GPT-3's layers alternate between full and locally banded attention; here all are full, which changes no
/// parameter.
pub(super) fn presets() -> Vec<Preset<GptConfig>> {
    let preset = Preset::published;
    let gpt2 = |name, sizes, millions| preset(name, GptConfig::gpt2_like(50_257, 1024, sizes), millions);
    let gpt3 = |name, sizes, millions| {
        let config = GptConfig { dropout: 0.0, attention_dropout: 0.0, ..GptConfig::gpt2_like(50_257, 2048, sizes) };
        preset(name, config, millions)
    };
    let nano =
        GptConfig { dropout: 0.2, attention_dropout: 0.2, bias: false, ..GptConfig::gpt2_like(65, 256, [6, 6, 384]) };
    vec![
        preset("gpt-1", GptConfig::gpt1(), 117.0),
        gpt2("gpt-2", [12, 12, 768], 124.0),
        gpt2("gpt-2-medium", [24, 16, 1024], 355.0),
        gpt2("gpt-2-large", [36, 20, 1280], 774.0),
        gpt2("gpt-2-xl", [48, 25, 1600], 1558.0),
        gpt3("gpt-3-small", [12, 12, 768], 125.0),
        gpt3("gpt-3-medium", [24, 16, 1024], 350.0),
        gpt3("gpt-3-large", [24, 16, 1536], 760.0),
        gpt3("gpt-3-xl", [24, 16, 2048], 1_300.0),
        gpt3("gpt-3-2.7b", [32, 32, 2560], 2_700.0),
        gpt3("gpt-3-6.7b", [32, 32, 4096], 6_700.0),
        gpt3("gpt-3-13b", [40, 40, 5120], 13_000.0),
        gpt3("gpt-3-175b", [96, 96, 12_288], 175_000.0),
        preset("nano-gpt-char", nano, 10.65),
    ]
}
