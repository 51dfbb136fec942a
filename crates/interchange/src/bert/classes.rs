//! The classes of BERT and its kin in transformers, and their heads.

use attentive_bundle::ReadingConfig;
use attentive_model::BertConfig;

use crate::{family::Family, source::Source};

/// A family of transformers' classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    /// Positions from 0 on.
    Bert,
    /// Positions after the id of padding; a classifier of two layers.
    Roberta,
    /// RoBERTa of many languages.
    XlmRoberta,
    /// No segments, no pooler; a classifier of two layers with ReLU.
    DistilBert,
    /// RoBERTa's positions, and biases of distances; no segments.
    Mpnet,
    /// Embeddings of their own width, no pooler; a classifier of two layers with GELU.
    Electra,
    /// Embeddings of their own width, and layers that share parameters.
    Albert,
}

/// The heads of an encoder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Heads {
    pub(super) pooler: bool,
    pub(super) masked_lm: bool,
    pub(super) next_sentence: bool,
    pub(super) classifier: bool,
    pub(super) token_classifier: bool,
    pub(super) spans: bool,
}

impl Heads {
    pub(super) fn of_ours(config: &BertConfig) -> Self {
        Self {
            pooler: config.pooler,
            masked_lm: config.masked_lm,
            next_sentence: config.next_sentence,
            classifier: !config.labels.is_empty(),
            token_classifier: !config.token_labels.is_empty(),
            spans: config.spans,
        }
    }

    /// Those of its classes, and those that a file has tensors of.
    pub(super) fn of_file(self, variant: Variant, source: &Source) -> Self {
        let has = |start: &str| source.has_any(&variant.dialect().tensor(start));
        let head = variant.masked_lm_head();
        let is_deep = variant.dialect().has_deep_classifier;
        let pooler = has("pooler.") || is_deep && has("classifier.dense.");
        // One name for two heads. Without a word of the class, that of texts has the dense layer before it.
        let of_texts = has(if is_deep { "classifier.dense." } else { "pooler." });
        let of_tokens = self.token_classifier || !self.classifier && !of_texts;
        self.or(Self {
            pooler,
            masked_lm: [variant.masked_lm_layers()[0], "bias", "decoder."]
                .iter()
                .any(|part| has(&format!("{head}.{part}"))),
            next_sentence: has("cls.seq_relationship."),
            classifier: has("classifier.") && !of_tokens,
            token_classifier: has("classifier.") && of_tokens,
            spans: has("qa_outputs."),
        })
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self {
            pooler: self.pooler || other.pooler,
            masked_lm: self.masked_lm || other.masked_lm,
            next_sentence: self.next_sentence || other.next_sentence,
            classifier: self.classifier || other.classifier,
            token_classifier: self.token_classifier || other.token_classifier,
            spans: self.spans || other.spans,
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
    pub(super) fn notes(self, variant: Variant, heads: Heads) -> Vec<String> {
        let Self { name, heads: own } = self;
        let mut notes = Vec::new();
        let elsewhere = [
            (heads.masked_lm && !own.masked_lm, "ForMaskedLM"),
            (heads.next_sentence && !own.next_sentence, "ForNextSentencePrediction"),
            (heads.spans && !own.spans, "ForQuestionAnswering"),
        ];
        for (_, class) in elsewhere.iter().filter(|(there, _)| *there) {
            notes.push(format!("{name} has no place for every head; the classes {class} find theirs in the same file"));
        }
        if own == Heads::default() && variant.dialect().has_pooler && !heads.pooler {
            notes.push(format!("it has no pooler: load it by {name}.from_pretrained(…, add_pooling_layer=False)"));
        }
        notes
    }
}

impl Variant {
    #[cfg(test)]
    pub(super) const ALL: [Self; 7] =
        [Self::Bert, Self::Roberta, Self::XlmRoberta, Self::DistilBert, Self::Mpnet, Self::Electra, Self::Albert];

    /// What users of the class must know of how a model reads two texts.
    pub(super) fn note_of_pairs(self, reading: &ReadingConfig) -> Option<String> {
        let theirs = match self {
            Self::Roberta | Self::XlmRoberta | Self::Mpnet => 2,
            Self::Bert | Self::DistilBert | Self::Electra | Self::Albert => 1,
        };
        let (name, ours) = (self.name(), reading.separators);
        let note = || format!("reading.separators is {ours}: the tokenizer of {name} puts {theirs} between two texts");
        (ours != theirs).then(note)
    }

    /// The value of `model_type`.
    pub(super) fn model_type(self) -> &'static str {
        self.family().name
    }

    pub(super) fn family(self) -> Family {
        match self {
            Self::Bert => super::BERT,
            Self::Roberta => super::ROBERTA,
            Self::XlmRoberta => super::XLM_ROBERTA,
            Self::DistilBert => super::DISTILBERT,
            Self::Mpnet => super::MPNET,
            Self::Electra => super::ELECTRA,
            Self::Albert => super::ALBERT,
        }
    }

    /// The bias of the classifier, which has a value for each class.
    pub(super) fn classifier_bias(self, heads: Heads) -> String {
        let deep = self.dialect().has_deep_classifier && !heads.token_classifier;
        self.dialect().tensor(if deep { "classifier.out_proj.bias" } else { "classifier.bias" })
    }

    /// The prefix of the encoder's parameters in files with heads.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Bert => "bert.",
            Self::Roberta | Self::XlmRoberta => "roberta.",
            Self::DistilBert => "distilbert.",
            Self::Mpnet => "mpnet.",
            Self::Electra => "electra.",
            Self::Albert => "albert.",
        }
    }

    /// Where BERT or RoBERTa has the head for hidden tokens.
    pub(super) fn masked_lm_head(self) -> &'static str {
        match self {
            Self::Roberta | Self::XlmRoberta | Self::Mpnet => "lm_head",
            _ => "cls.predictions",
        }
    }

    /// The dense layer and the norm in [`masked_lm_head`](Self::masked_lm_head).
    pub(super) fn masked_lm_layers(self) -> [&'static str; 2] {
        match self {
            Self::Roberta | Self::XlmRoberta | Self::Mpnet => ["dense", "layer_norm"],
            _ => ["transform.dense", "transform.LayerNorm"],
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bert => "BERT",
            Self::Roberta => "RoBERTa",
            Self::XlmRoberta => "XLM-RoBERTa",
            Self::DistilBert => "DistilBERT",
            Self::Mpnet => "MPNet",
            Self::Electra => "ELECTRA",
            Self::Albert => "ALBERT",
        }
    }

    /// The classes, those with more heads first.
    pub(super) fn classes(self) -> Vec<Class> {
        let none = Heads::default();
        let classifier = Heads { classifier: true, pooler: true, ..none };
        let token_classifier = Heads { token_classifier: true, ..none };
        let spans = Heads { spans: true, ..none };
        let masked_lm = Heads { masked_lm: true, ..none };
        let next_sentence = Heads { next_sentence: true, pooler: true, ..none };
        let classes: &[(&str, Heads)] = match self {
            Self::Bert => &[
                ("BertForSequenceClassification", classifier),
                ("BertForTokenClassification", token_classifier),
                ("BertForQuestionAnswering", spans),
                ("BertForPreTraining", masked_lm.or(next_sentence)),
                ("BertForMaskedLM", masked_lm),
                ("BertForNextSentencePrediction", next_sentence),
                ("BertModel", none),
            ],
            Self::Roberta => &[
                ("RobertaForSequenceClassification", classifier),
                ("RobertaForTokenClassification", token_classifier),
                ("RobertaForQuestionAnswering", spans),
                ("RobertaForMaskedLM", masked_lm),
                ("RobertaModel", none),
            ],
            Self::XlmRoberta => &[
                ("XLMRobertaForSequenceClassification", classifier),
                ("XLMRobertaForTokenClassification", token_classifier),
                ("XLMRobertaForQuestionAnswering", spans),
                ("XLMRobertaForMaskedLM", masked_lm),
                ("XLMRobertaModel", none),
            ],
            Self::DistilBert => &[
                ("DistilBertForSequenceClassification", classifier),
                ("DistilBertForTokenClassification", token_classifier),
                ("DistilBertForQuestionAnswering", spans),
                ("DistilBertForMaskedLM", masked_lm),
                ("DistilBertModel", none),
            ],
            Self::Mpnet => &[
                ("MPNetForSequenceClassification", classifier),
                ("MPNetForTokenClassification", token_classifier),
                ("MPNetForQuestionAnswering", spans),
                ("MPNetForMaskedLM", masked_lm),
                ("MPNetModel", none),
            ],
            Self::Electra => &[
                ("ElectraForSequenceClassification", classifier),
                ("ElectraForTokenClassification", token_classifier),
                ("ElectraForQuestionAnswering", spans),
                ("ElectraForMaskedLM", masked_lm),
                ("ElectraModel", none),
                ("ElectraForPreTraining", none),
            ],
            Self::Albert => &[
                ("AlbertForSequenceClassification", classifier),
                ("AlbertForTokenClassification", token_classifier),
                ("AlbertForQuestionAnswering", spans),
                ("AlbertForMaskedLM", masked_lm),
                ("AlbertModel", none),
                ("AlbertForPreTraining", Heads { pooler: true, ..masked_lm }),
            ],
        };
        classes.iter().map(|&(name, heads)| Class { name, heads }).collect()
    }

    /// The class that uses most of a model.
    pub(super) fn class(self, config: &BertConfig) -> Class {
        let heads = Heads::of_ours(config);
        let fits = |class: &Class| class.heads.or(heads) == heads;
        self.classes().into_iter().find(fits).expect("one class has no heads")
    }
}
