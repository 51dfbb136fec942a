//! Published sizes.

use super::BertConfig;
use crate::Preset;

/// BERT, RoBERTa and ModernBERT, base and large.
///
/// Sources: Devlin et al. 2019, §3, with the vocabulary of the released uncased models; Liu et al. 2019, Table 9, and
/// the sizes stated with the released models; Warner et al. 2024, §2.1,
/// with the sizes of the released models.
pub(super) fn presets() -> Vec<Preset<BertConfig>> {
    let preset = Preset::published;
    let (base, large) = ([12, 12, 768], [24, 16, 1024]);
    vec![
        preset("bert-base", BertConfig::bert_like(30_522, 512, base), 110.0),
        preset("bert-large", BertConfig::bert_like(30_522, 512, large), 340.0),
        preset("roberta-base", BertConfig::roberta_like(50_265, 512, base), 125.0),
        preset("roberta-large", BertConfig::roberta_like(50_265, 512, large), 355.0),
        preset("modernbert-base", BertConfig::modern_bert_like(50_368, 1152, [22, 12, 768]), 149.0),
        preset("modernbert-large", BertConfig::modern_bert_like(50_368, 2624, [28, 16, 1024]), 395.0),
    ]
}
