//! Published sizes.

use super::BertConfig;

/// A model that was published, and the size it was published with.
#[derive(Debug, Clone, PartialEq)]
pub struct BertPreset {
    /// Its name in recipes.
    pub name: &'static str,
    /// Sizes and choices, with the heads that it is pre-trained with.
    pub config: BertConfig,
    /// Parameters in millions, as its authors round them.
    pub params_millions: f64,
}

/// BERT and RoBERTa, base and large.
///
/// Sources: Devlin et al. 2019, §3, with the vocabulary of the released uncased models; Liu et al. 2019, Table 9, and
/// the sizes stated with the released models.
pub fn presets() -> Vec<BertPreset> {
    let preset = |name, config, params_millions| BertPreset { name, config, params_millions };
    let (base, large) = ([12, 12, 768], [24, 16, 1024]);
    vec![
        preset("bert-base", BertConfig::bert_like(30_522, 512, base), 110.0),
        preset("bert-large", BertConfig::bert_like(30_522, 512, large), 340.0),
        preset("roberta-base", BertConfig::roberta_like(50_265, 512, base), 125.0),
        preset("roberta-large", BertConfig::roberta_like(50_265, 512, large), 355.0),
    ]
}
