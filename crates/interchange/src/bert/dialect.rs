//! What the files of BERT's kin have in another way than BERT's.

use attentive_model::PoolerActivation;
use serde::Serialize;
use serde_json::{Map, Value};

use super::classes::Variant;

/// Parts of names: BERT's or RoBERTa's, and what the variant has in their place.
type Renamed = &'static [(&'static str, &'static str)];

/// The ways of one variant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    /// Parts of the names of tensors, put in place one after another.
    tensors: Renamed,
    /// Settings of `config.json`.
    settings: Renamed,
    /// Settings that its class does not have, by BERT's names.
    lacks: &'static [&'static str],
    /// What its class takes where a setting is missing, if BERT's takes something else: JSON, by BERT's names.
    defaults: &'static str,
    /// Heads of its pre-training that are left out: how their tensors begin, and what they do.
    pub(super) left_out: &'static [(&'static str, &'static str)],
    /// Whether positions begin after an id of padding.
    pub(super) counts_after_padding: bool,
    /// Whether there are vectors of segments.
    pub(super) has_segments: bool,
    /// Whether its class without a head has a pooler.
    pub(super) has_pooler: bool,
    /// Whether the classifier begins with a dense layer of its own, which is what BERT's pooler is.
    pub(super) has_deep_classifier: bool,
    /// Whether the head for hidden tokens has GELU, whatever the layers have.
    pub(super) guesses_by_gelu: bool,
    pub(super) pooler_activation: PoolerActivation,
}

/// Settings of ALBERT and ELECTRA, of ALBERT alone, and of MPNet.
const EMBEDDING_SIZE: &str = "embedding_size";
const GROUPS: &str = "num_hidden_groups";
const INNER_GROUP: &str = "inner_group_num";
const BUCKETS: &str = "relative_attention_num_buckets";
const SEGMENTS: &str = "type_vocab_size";
const DECODER: [&str; 2] = ["is_decoder", "add_cross_attention"];

const BERT: Dialect = Dialect {
    tensors: &[],
    settings: &[],
    lacks: &[EMBEDDING_SIZE, GROUPS, INNER_GROUP, BUCKETS],
    defaults: "{}",
    left_out: &[],
    counts_after_padding: false,
    has_segments: true,
    has_pooler: true,
    has_deep_classifier: false,
    guesses_by_gelu: false,
    pooler_activation: PoolerActivation::Tanh,
};

const ROBERTA: Dialect =
    Dialect { counts_after_padding: true, has_deep_classifier: true, guesses_by_gelu: true, ..BERT };

const DISTILBERT: Dialect = Dialect {
    tensors: &[
        ("encoder.layer.", "transformer.layer."),
        (".attention.self.query.", ".attention.q_lin."),
        (".attention.self.key.", ".attention.k_lin."),
        (".attention.self.value.", ".attention.v_lin."),
        (".attention.output.dense.", ".attention.out_lin."),
        (".attention.output.LayerNorm.", ".sa_layer_norm."),
        (".intermediate.dense.", ".ffn.lin1."),
        (".output.dense.", ".ffn.lin2."),
        (".output.LayerNorm.", ".output_layer_norm."),
        ("classifier.dense.", "pre_classifier."),
        ("classifier.out_proj.", "classifier."),
        ("cls.predictions.transform.dense.", "vocab_transform."),
        ("cls.predictions.transform.LayerNorm.", "vocab_layer_norm."),
        ("cls.predictions.decoder.", "vocab_projector."),
        ("cls.predictions.bias", "vocab_projector.bias"),
    ],
    settings: &[
        ("hidden_size", "dim"),
        ("num_hidden_layers", "n_layers"),
        ("num_attention_heads", "n_heads"),
        ("intermediate_size", "hidden_dim"),
        ("hidden_act", "activation"),
        ("hidden_dropout_prob", "dropout"),
        ("attention_probs_dropout_prob", "attention_dropout"),
    ],
    // ε is 1e-12 in its code.
    lacks: &[
        EMBEDDING_SIZE,
        GROUPS,
        INNER_GROUP,
        BUCKETS,
        SEGMENTS,
        DECODER[0],
        DECODER[1],
        "layer_norm_eps",
        "position_embedding_type",
    ],
    defaults: r#"{"num_hidden_layers": 6}"#,
    has_segments: false,
    has_pooler: false,
    has_deep_classifier: true,
    pooler_activation: PoolerActivation::Relu,
    ..BERT
};

const MPNET: Dialect = Dialect {
    tensors: &[
        (".attention.self.query.", ".attention.attn.q."),
        (".attention.self.key.", ".attention.attn.k."),
        (".attention.self.value.", ".attention.attn.v."),
        (".attention.output.dense.", ".attention.attn.o."),
        (".attention.output.LayerNorm.", ".attention.LayerNorm."),
    ],
    lacks: &[EMBEDDING_SIZE, GROUPS, INNER_GROUP, SEGMENTS, DECODER[0], DECODER[1], "position_embedding_type"],
    defaults: r#"{"vocab_size": 30527, "relative_attention_num_buckets": 32}"#,
    has_segments: false,
    ..ROBERTA
};

const ELECTRA: Dialect = Dialect {
    tensors: &[
        ("embedding_map.", "embeddings_project."),
        ("cls.predictions.transform.", "generator_predictions."),
        ("cls.predictions.", "generator_lm_head."),
        ("generator_lm_head.decoder.", "generator_lm_head."),
    ],
    lacks: &[GROUPS, INNER_GROUP, BUCKETS],
    defaults: r#"{"embedding_size": 128, "hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 1024}"#,
    left_out: &[("discriminator_predictions.", "tells whether a token was replaced")],
    has_pooler: false,
    has_deep_classifier: true,
    guesses_by_gelu: true,
    pooler_activation: PoolerActivation::Gelu,
    ..BERT
};

const ALBERT: Dialect = Dialect {
    tensors: &[
        ("embedding_map.", "encoder.embedding_hidden_mapping_in."),
        ("encoder.layer.", "encoder.albert_layer_groups."),
        (".attention.self.", ".albert_layers.0.attention."),
        (".attention.output.", ".albert_layers.0.attention."),
        (".intermediate.dense.", ".albert_layers.0.ffn."),
        (".output.dense.", ".albert_layers.0.ffn_output."),
        (".output.LayerNorm.", ".albert_layers.0.full_layer_layer_norm."),
        ("pooler.dense.", "pooler."),
        ("cls.predictions.transform.", "predictions."),
        ("cls.predictions.", "predictions."),
    ],
    lacks: &[BUCKETS, DECODER[0], DECODER[1]],
    defaults: r#"{"vocab_size": 30000, "embedding_size": 128, "hidden_size": 4096, "num_attention_heads": 64,
        "intermediate_size": 16384, "num_hidden_groups": 1, "inner_group_num": 1, "hidden_act": "gelu_new",
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}"#,
    left_out: &[("sop_classifier.", "tells whether two segments are in their order")],
    ..BERT
};

impl Variant {
    pub(super) fn dialect(self) -> &'static Dialect {
        match self {
            Self::Bert => &BERT,
            Self::Roberta | Self::XlmRoberta => &ROBERTA,
            Self::DistilBert => &DISTILBERT,
            Self::Mpnet => &MPNET,
            Self::Electra => &ELECTRA,
            Self::Albert => &ALBERT,
        }
    }
}

impl Dialect {
    /// The name of a tensor that BERT or RoBERTa has as `name`.
    pub(super) fn tensor(&self, name: &str) -> String {
        self.tensors.iter().fold(name.to_owned(), |name, (from, to)| name.replace(from, to))
    }

    /// Its own name of a setting of BERT's.
    pub(super) fn setting(&self, name: &'static str) -> &'static str {
        self.settings.iter().find(|(of_bert, _)| *of_bert == name).map_or(name, |&(_, own)| own)
    }

    /// BERT's name of a setting; nothing for what its class does not have.
    pub(super) fn of_bert<'a>(&self, key: &'a str) -> Option<&'a str> {
        // Sizes have BERT's names in every class, too.
        let is_size = ["hidden_size", "num_hidden_layers", "num_attention_heads"].contains(&key);
        let name = match self.settings.iter().find(|(of_bert, own)| *own == key || *of_bert == key) {
            Some((of_bert, own)) if *own == key || is_size => of_bert,
            Some(_) => return None,
            None => key,
        };
        (!self.lacks.contains(&name)).then_some(name)
    }

    /// What its class takes where settings are missing, by BERT's names.
    pub(super) fn defaults(&self) -> Map<String, Value> {
        serde_json::from_str(self.defaults).expect("JSON of this file")
    }

    /// A `config.json` with BERT's names as its own class writes it.
    pub(super) fn written(&self, config: &impl Serialize) -> Map<String, Value> {
        let Ok(Value::Object(settings)) = serde_json::to_value(config) else { unreachable!("a struct of settings") };
        let has = |key: &str| !self.lacks.contains(&key);
        let own = |key: String| match self.settings.iter().find(|(of_bert, _)| *of_bert == key) {
            Some((_, own)) => (*own).to_owned(),
            None => key,
        };
        settings.into_iter().filter(|(key, _)| has(key)).map(|(key, value)| (own(key), value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_settings_that_the_class_has() {
        for variant in Variant::ALL {
            let dialect = variant.dialect();
            assert!(dialect.defaults().keys().all(|key| !dialect.lacks.contains(&&**key)), "{variant:?}");
        }
    }

    #[test]
    fn names_go_there_and_settings_back() {
        let name = "encoder.layer.11.attention.output.LayerNorm.weight";
        let names = Variant::ALL.map(|variant| variant.dialect().tensor(name));
        let expected = [
            name,
            name,
            name,
            "transformer.layer.11.sa_layer_norm.weight",
            "encoder.layer.11.attention.LayerNorm.weight",
            name,
            "encoder.albert_layer_groups.11.albert_layers.0.attention.LayerNorm.weight",
        ];
        assert_eq!(names, expected);
        let name = "encoder.layer.0.output.LayerNorm.bias";
        let expected = "encoder.albert_layer_groups.0.albert_layers.0.full_layer_layer_norm.bias";
        assert_eq!(ALBERT.tensor(name), expected);
        assert_eq!(DISTILBERT.tensor(name), "transformer.layer.0.output_layer_norm.bias");
        for (of_bert, own) in DISTILBERT.settings {
            assert_eq!((DISTILBERT.of_bert(own), DISTILBERT.setting(of_bert)), (Some(*of_bert), *own));
        }
        assert_eq!((DISTILBERT.of_bert("hidden_act"), DISTILBERT.of_bert("hidden_size")), (None, Some("hidden_size")));
        assert_eq!((BERT.of_bert("embedding_size"), ELECTRA.of_bert("embedding_size")), (None, Some("embedding_size")));
    }
}
