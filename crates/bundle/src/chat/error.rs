//! Why a conversation can't be rendered or answered.

use std::path::PathBuf;

use attentive_decode::DecodeError;

use crate::{BundleError, TooLong};

/// Why a conversation can't be rendered or answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The template is not one, or asks for what is not here.
    #[error("the chat template{}: {problem}", line.map_or_else(String::new, |line| format!(", line {line}")))]
    Template {
        /// Where it is wrong, counted from 1.
        line: Option<usize>,
        /// What is wrong.
        problem: String,
    },
    /// The template refuses the conversation, by `raise_exception`.
    #[error("the chat template refuses the conversation: {message}")]
    Refused {
        /// What it says.
        message: String,
    },
    /// A variable has the name of what the template is given anyway.
    #[error("the chat template has {name} of the conversation itself: leave out the variable of that name")]
    GivenVariable {
        /// The name.
        name: &'static str,
    },
    /// There is no message.
    #[error("the conversation is empty; a message at least is answered")]
    Empty,
    /// The template does not write an answer after what it writes to ask for it, so that no model could learn to.
    #[error(
        "message {message}, an answer, does not come after what the chat template asks for it with: a conversation begins with \
         a question, and its template must not change what was said before"
    )]
    OtherAnswer {
        /// The message, counted from 1.
        message: usize,
    },
    /// Tokens are of an answer and of the template's text beside it, so that no model could learn the one alone.
    #[error(
        "message {message}, an answer: the tokenizer writes the chat template's text beside it in other tokens than it writes \
         that alone; let the template have a special token there, which `attentive extend --special` adds"
    )]
    JoinedAnswer {
        /// The message, counted from 1.
        message: usize,
    },
    /// A message has the name of a special token, which the tokenizer does not read as text.
    #[error("a message has {name:?}, which this tokenizer reads as a special token; take it out of the message")]
    ControlToken {
        /// The name.
        name: String,
    },
    /// The last message, with what the model is told before it, is longer than the model has positions for.
    #[error("the last message and the text around it have {0}; shorten the message or the system's text")]
    TooLong(TooLong),
    /// The model has no template.
    #[error(
        "{path} has no chat template: it was not trained for conversations, or its {file} was left behind; \
         `attentive generate` continues a text",
        path = path.display(),
        file = crate::folder::CHAT
    )]
    NoTemplate {
        /// The bundle's folder.
        path: PathBuf,
    },
    /// The bundle's parts do not fit.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The answer can't be written.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}
