//! Published sizes.

use super::BertConfig;
use crate::Preset;

/// BERT and RoBERTa, base and large.
///
/// Sources: Devlin et al. 2019, §3, with the vocabulary of the released uncased models; Liu et al. 2019, Table 9, and
/// the sizes stated with the released models.
pub(super) fn presets() -> Vec<Preset<BertConfig>> {
    let preset = Preset::published;
    let (base, large) = ([12, 12, 768], [24, 16, 1024]);
    vec![
        preset("bert-base", BertConfig::bert_like(30_522, 512, base), 110.0),
        preset("bert-large", BertConfig::bert_like(30_522, 512, large), 340.0),
        preset("roberta-base", BertConfig::roberta_like(50_265, 512, base), 125.0),
        preset("roberta-large", BertConfig::roberta_like(50_265, 512, large), 355.0),
    ]
}
