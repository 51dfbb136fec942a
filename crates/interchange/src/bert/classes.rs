//! The classes of BERT and RoBERTa in transformers, and their heads.

use attentive_model::BertConfig;

use crate::{family::Family, source::Source};

/// A family of transformers' classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    /// Positions from 0 on.
    Bert,
    /// Positions after the id of padding; a classifier of two layers.
    Roberta,
}

/// The heads of an encoder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Heads {
    pub(super) pooler: bool,
    pub(super) masked_lm: bool,
    pub(super) next_sentence: bool,
    pub(super) classifier: bool,
}

impl Heads {
    pub(super) fn of_ours(config: &BertConfig) -> Self {
        Self {
            pooler: config.pooler,
            masked_lm: config.masked_lm,
            next_sentence: config.next_sentence,
            classifier: !config.labels.is_empty(),
        }
    }

    /// Those that a file has tensors of.
    pub(super) fn of_file(variant: Variant, source: &Source) -> Self {
        let has = |start: &str| source.has_any(start);
        let dense = if variant == Variant::Roberta { "classifier.dense." } else { "pooler." };
        Self {
            pooler: has("pooler.") || has(dense),
            masked_lm: has(&format!("{}.", variant.masked_lm_head())),
            next_sentence: has("cls.seq_relationship."),
            classifier: has("classifier."),
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self {
            pooler: self.pooler || other.pooler,
            masked_lm: self.masked_lm || other.masked_lm,
            next_sentence: self.next_sentence || other.next_sentence,
            classifier: self.classifier || other.classifier,
        }
    }
}

/// A class of transformers, and the heads that it cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) name: &'static str,
    pub(super) heads: Heads,
}

impl Class {
    /// What users of the class must know of a model with `heads`.
    pub(super) fn notes(self, heads: Heads) -> Vec<String> {
        let Self { name, heads: own } = self;
        let mut notes = Vec::new();
        let elsewhere = [
            (heads.masked_lm && !own.masked_lm, "ForMaskedLM"),
            (heads.next_sentence && !own.next_sentence, "ForNextSentencePrediction"),
        ];
        for (_, class) in elsewhere.iter().filter(|(there, _)| *there) {
            notes.push(format!("{name} has no place for every head; the classes {class} find theirs in the same file"));
        }
        if own == Heads::default() && !heads.pooler {
            notes.push(format!("it has no pooler: load it by {name}.from_pretrained(…, add_pooling_layer=False)"));
        }
        notes
    }
}

impl Variant {
    /// The value of `model_type`.
    pub(super) fn model_type(self) -> &'static str {
        self.family().name
    }

    pub(super) fn family(self) -> Family {
        match self {
            Self::Bert => super::BERT,
            Self::Roberta => super::ROBERTA,
        }
    }

    /// The bias of the classifier, which has a value for each class.
    pub(super) fn classifier_bias(self) -> &'static str {
        match self {
            Self::Bert => "classifier.bias",
            Self::Roberta => "classifier.out_proj.bias",
        }
    }

    /// The prefix of the encoder's parameters in files with heads.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Bert => "bert.",
            Self::Roberta => "roberta.",
        }
    }

    pub(super) fn masked_lm_head(self) -> &'static str {
        match self {
            Self::Bert => "cls.predictions",
            Self::Roberta => "lm_head",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bert => "BERT",
            Self::Roberta => "RoBERTa",
        }
    }

    /// The classes, those with more heads first.
    pub(super) fn classes(self) -> Vec<Class> {
        let none = Heads::default();
        let classifier = Heads { classifier: true, pooler: true, ..none };
        let masked_lm = Heads { masked_lm: true, ..none };
        let next_sentence = Heads { next_sentence: true, pooler: true, ..none };
        let classes: &[(&str, Heads)] = match self {
            Self::Bert => &[
                ("BertForSequenceClassification", classifier),
                ("BertForPreTraining", masked_lm.or(next_sentence)),
                ("BertForMaskedLM", masked_lm),
                ("BertForNextSentencePrediction", next_sentence),
                ("BertModel", none),
            ],
            Self::Roberta => &[
                ("RobertaForSequenceClassification", classifier),
                ("RobertaForMaskedLM", masked_lm),
                ("RobertaModel", none),
            ],
        };
        classes.iter().map(|&(name, heads)| Class { name, heads }).collect()
    }

    /// The class that uses most of a model.
    pub(super) fn class(self, config: &BertConfig) -> Class {
        let heads = Heads::of_ours(config);
        let fits = |class: &Class| class.heads.or(heads) == heads;
        self.classes().into_iter().find(fits).expect("the last class has no heads")
    }
}
