//! Errors.

use std::path::PathBuf;

use attentive_bundle::{BundleError, TooLong};
use attentive_core::DeviceError;
use attentive_model::ModelHead;
use attentive_tokenizer::FrameError;

/// Why a model can't be looked into.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The model, its parts or its kind.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The languages of a translation have to be said.
    #[error(transparent)]
    Frame(FrameError),
    /// The family attends to nothing.
    #[error("a model of family {family:?} attends to nothing that could be shown")]
    NoAttention {
        /// The family.
        family: &'static str,
    },
    /// The decoder attends to nothing in the source.
    #[error("the decoder attends to nothing in the source: align words by probability")]
    NoCross,
    /// The decoder has no such layer.
    #[error("the decoder has no layer {}: it has {n_layers}, counted from 1", layer + 1)]
    NoLayer {
        /// The layer, from 0.
        layer: usize,
        /// Layers of the decoder.
        n_layers: usize,
    },
    /// A file's name does not say in which form a tree is to be written.
    #[error("{}: a tree is written as .txt, .json, .svg or .html: end the name in one of them", name.display())]
    TreeForm {
        /// The name.
        name: PathBuf,
    },
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The family's layers are not a stack.
    #[error(
        "a model of family {family:?} can't be taken apart: its layers are not a stack over embeddings; one of transformer, gpt or bert can"
    )]
    NoStack {
        /// The family.
        family: &'static str,
    },
    /// The model predicts no tokens.
    #[error("the model has no head that predicts tokens")]
    NoTokens,
    /// A token that is asked for does not exist.
    #[error("the text has {n_tokens} tokens, and the vocabulary {n_ids}: name one of each, counted from 0")]
    NoSuchToken {
        /// Tokens of the text.
        n_tokens: usize,
        /// Tokens of the vocabulary.
        n_ids: usize,
    },
    /// The text has no token.
    #[error("the text is empty")]
    Empty,
    /// A text does not fit.
    #[error("{what} has {cause}; shorten it")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Its length, and the model's.
        cause: TooLong,
    },
    /// There is no such head.
    #[error("there is no head {head} in the model, or not any more; layers and heads are counted from 0")]
    NoHead {
        /// The head.
        head: ModelHead,
    },
    /// The family's heads have no names.
    #[error("heads of a model of family {family:?} have no names here; those of transformer, gpt and bert have")]
    NoHeads {
        /// The family.
        family: &'static str,
    },
    /// The family has no loss on lines of text.
    #[error(
        "a model of family {family:?} has no loss on lines of text here; one of transformer, rnn, gpt, bert or canine has"
    )]
    NoLoss {
        /// The family.
        family: &'static str,
    },
    /// A line that a model can't be judged by.
    #[error("line {number}: {problem}")]
    Line {
        /// Its number, from 1.
        number: usize,
        /// What is wrong.
        problem: String,
    },
    /// A line without its second column.
    #[error("there is no tab: write a source and its translation, or a text or word and its label, with a tab between")]
    NoColumn,
    /// A line with a third column.
    #[error("there is more than one tab: a line has two columns here")]
    ManyColumns,
    /// A label without its word or text, or a word or text without its label.
    #[error("{0} is empty")]
    EmptyColumn(&'static str),
    /// Nothing that a classifier could be learned from, or tested on.
    #[error(
        "there are {n_labels} labels to learn and {n_tested} parts to test: there must be two labels, and one part"
    )]
    FewLabels {
        /// Labels that are learned from.
        n_labels: usize,
        /// Parts that are tested.
        n_tested: usize,
    },
    /// A label that the classifier does not know.
    #[error("the model has no label {label:?}")]
    NoLabel {
        /// The label.
        label: String,
    },
}
