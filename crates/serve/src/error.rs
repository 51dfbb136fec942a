//! What goes wrong: for the operator at the start, and for a client in an answer.

use std::{any::Any, error::Error, io, net::SocketAddr, path::PathBuf, time::Duration};

use attentive_bundle::{BundleError, ChatError, EncodeError, TooLong, TranslateError};
use attentive_core::DeviceError;
use attentive_decode::{DecodeError, Stopped};
use attentive_interchange::InterchangeError;
use attentive_tokenizer::FrameError;
use axum::extract::rejection::PathRejection;

/// Why a server can't start, or has ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// There is nothing to serve.
    #[error("no model is named, and no folder of runs: give --model DIR, or --runs DIR")]
    Nothing,
    /// Two models have one name.
    #[error("two models are called {name:?}: name them apart with --model NAME=DIR")]
    Twice {
        /// The name.
        name: String,
    },
    /// A model is of a kind that the server has no interface for.
    #[error(
        "{path} is a {family}, which reads or writes no text: serve translation models, language models and encoders",
        path = path.display()
    )]
    Kind {
        /// The model's folder.
        path: PathBuf,
        /// Its family.
        family: &'static str,
    },
    /// A model that does not translate is to decide together with others.
    #[error("{name} is a {kind}, and only translation models are served together: leave out its --with and --weights")]
    Together {
        /// The model's name.
        name: String,
        /// What it is.
        kind: &'static str,
    },
    /// A model has a shortlist, and runs where none is followed.
    #[error(
        "the shortlist of {path} is followed by packed weights alone: serve it with the backend flex, or write shortlist = \
         false below [decoding] in its config.toml",
        path = path.display()
    )]
    Shortlist {
        /// The model's folder.
        path: PathBuf,
    },
    /// Languages are given that do not belong to a model.
    #[error("languages of {name:?}: {problem}")]
    Languages {
        /// The model's name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A model does not load.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// An adapter does not load, or is of another model.
    #[error(transparent)]
    Adapter(Box<InterchangeError>),
    /// A file can't be read.
    #[error("can't read {path}: {cause}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The file of keys has none.
    #[error("{path} has no key: write one on each line, of at least {least} characters", path = path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// The length of the shortest key that is taken.
        least: usize,
    },
    /// An origin is not one.
    #[error(
        "{origin:?} is not an origin: write https://example.org, as browsers do in small letters and in Punycode, or * \
         for any"
    )]
    Origin {
        /// What was given.
        origin: String,
    },
    /// The address can't be listened at.
    #[error("can't listen at {address}: {cause}; choose another address or port")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The system gives no threads, or no signals.
    #[error("can't start: {0}")]
    Start(io::Error),
}

/// Why a request is not answered as the client wished.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    /// What is wrong, and what to do; it never names a path of this machine.
    pub(crate) message: String,
    /// The field of the request that is wrong, if one is.
    pub(crate) field: Option<String>,
}

/// What kind of failure it is, which decides its status in each interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request is wrong.
    Invalid,
    /// The body is not what the interface is written in.
    Malformed,
    /// There is no text in the request.
    Empty,
    /// There are more texts, or longer ones, than are read.
    TooLong,
    /// There is no such model.
    NoModel,
    /// There is no such place.
    NotFound,
    /// The place takes another method.
    Method,
    /// The key is missing or wrong.
    Key,
    /// What is asked for is not open to this client.
    Forbidden,
    /// The body is too long.
    TooLarge,
    /// The queue is full.
    Busy(Duration),
    /// There was no time left.
    Late,
    /// The server is about to end.
    Ending,
    /// The client has left; nobody reads this.
    Gone,
    /// Something broke here.
    Broken,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), field: None }
    }

    /// A request that is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// A field of a request that is wrong.
    pub(crate) fn field(field: &str, message: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), ..Self::invalid(message) }
    }

    /// Something that is not the client's fault, told to the operator and not to the client.
    pub(crate) fn broken(cause: &dyn Error) -> Self {
        let mut text = cause.to_string();
        let mut next = cause.source();
        while let Some(source) = next {
            text = format!("{text}: {source}");
            next = source.source();
        }
        // The message is for the log; `Failure::told` leaves it out of answers.
        Self::new(Kind::Broken, text)
    }

    /// A panic, as it is caught.
    pub(crate) fn of_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Self::new(Kind::Broken, format!("a panic: {}", text.unwrap_or("without a text")))
    }

    /// A request whose time is over.
    pub(crate) fn late() -> Self {
        Self::new(Kind::Late, "the request took longer than it may here: ask for less, or try again")
    }

    /// What the client is told.
    pub(crate) fn told(&self) -> &str {
        match self.kind {
            Kind::Broken => "the server failed to answer; its log says why: try again, or tell its operator",
            _ => &self.message,
        }
    }
}

/// Whether a search was told to stop.
fn is_stop(error: &DeviceError) -> bool {
    let mut next = error.source();
    while let Some(source) = next {
        if source.is::<Stopped>() {
            return true;
        }
        next = source.source();
    }
    false
}

impl From<PathRejection> for Failure {
    fn from(_: PathRejection) -> Self {
        Self::invalid("the address has a part that is not UTF-8")
    }
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        match is_stop(&error) {
            true => Self::new(Kind::Late, "the request was stopped"),
            false => Self::broken(&error),
        }
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Device(error) => error.into(),
            DecodeError::NothingFollows { .. } | DecodeError::UnreachableEos { .. } => Self::broken(&error),
            DecodeError::Form(_) | DecodeError::OutOfForm { .. } => Self::field("response_format", error.to_string()),
            error => {
                let field = error.keys().first().map(|&key| key.to_owned());
                Self { field, ..Self::invalid(error.to_string()) }
            }
        }
    }
}

impl From<TranslateError> for Failure {
    fn from(error: TranslateError) -> Self {
        match error {
            TranslateError::Decode(error) => error.into(),
            TranslateError::Frame(error) => error.into(),
            TranslateError::NothingFollows { .. } => Self::broken(&error),
            error => Self::invalid(error.to_string()),
        }
    }
}

impl From<EncodeError> for Failure {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::Decode(error) => error.into(),
            EncodeError::Device(error) => error.into(),
            EncodeError::Width { .. } => Self::broken(&error),
            error => Self::invalid(error.to_string()),
        }
    }
}

impl From<ChatError> for Failure {
    fn from(error: ChatError) -> Self {
        match error {
            ChatError::Decode(error) => error.into(),
            // Of a folder, whose path is nobody's business.
            error @ (ChatError::Bundle(_) | ChatError::NoTemplate { .. }) => Self::broken(&error),
            error @ ChatError::GivenVariable { .. } => Self::field("chat_template_kwargs", error.to_string()),
            error => Self::field("messages", error.to_string()),
        }
    }
}

impl From<FrameError> for Failure {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::NoLanguage { side, .. } => {
                Self::field(side, format!("say the {side} language, or start the server with --languages FROM:TO"))
            }
            error => Self::invalid(error.to_string()),
        }
    }
}

impl From<TooLong> for Failure {
    fn from(error: TooLong) -> Self {
        Self::new(Kind::TooLong, format!("the text has {error}: shorten it, or ask for it to be cut"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_that_was_stopped_is_late_and_not_broken() {
        assert_eq!(Failure::from(DecodeError::Device(DeviceError::new(Stopped))).kind, Kind::Late);
        let twice = DeviceError::new(DeviceError::new(Stopped));
        assert_eq!(Failure::from(twice).kind, Kind::Late);
    }

    #[test]
    fn what_broke_is_not_told_to_clients() {
        let failure = Failure::from(DeviceError::new("/secret/path"));
        assert_eq!(failure.kind, Kind::Broken);
        assert!(failure.message.contains("/secret/path") && !failure.told().contains("secret"));
        let panic = std::panic::catch_unwind(|| panic!("of {}", "/secret")).unwrap_err();
        let failure = Failure::of_panic(&*panic);
        assert_eq!((failure.message.as_str(), failure.kind), ("a panic: of /secret", Kind::Broken));
    }
}
