//! Failures as each interface tells them.

use std::any::Any;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::error::{Failure, Kind};

/// Whose clients ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interface {
    Libre,
    OpenAi,
    Tei,
    Own,
}

impl IntoResponse for Failure {
    /// Its status; [`Interface::render`] writes it.
    fn into_response(self) -> Response {
        let mut response = StatusCode::from_u16(self.status()).expect("a status").into_response();
        let headers = response.headers_mut();
        let after = match self.kind {
            Kind::Busy(time) => Some(time.as_secs()),
            Kind::Late | Kind::Ending => Some(1),
            _ => None,
        };
        if let Some(seconds) = after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind == Kind::Key {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl Interface {
    /// Writes the failure of an answer as the interface does, unless that has been done.
    pub(super) fn render(self, mut response: Response) -> Response {
        let Some(failure) = response.extensions_mut().remove::<Failure>() else {
            return response;
        };
        let (mut status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        if self == Self::Libre && failure.kind == Kind::Key {
            // LibreTranslate forbids what a key is wrong for.
            status = StatusCode::FORBIDDEN;
        }
        let mut told = (status, Json(self.body(&failure))).into_response();
        told.headers_mut().extend(headers.into_iter().filter_map(|(name, value)| {
            let name = name.filter(|name| *name != header::CONTENT_LENGTH && *name != header::CONTENT_TYPE)?;
            Some((name, value))
        }));
        // The log is told of it further out.
        told.extensions_mut().insert(Told(failure));
        told
    }

    /// What a client of this interface reads of a failure.
    pub(super) fn body(self, failure: &Failure) -> Value {
        let message = failure.told();
        match self {
            Self::Libre => json!({ "error": message }),
            Self::OpenAi => {
                json!({ "error": {
                    "message": message,
                    "type": openai_type(failure.kind),
                    "param": failure.field,
                    "code": openai_code(failure.kind),
                } })
            }
            Self::Tei => json!({ "error": message, "error_type": tei_type(failure.kind) }),
            Self::Own => {
                json!({ "error": { "message": message, "type": own_type(failure.kind), "field": failure.field } })
            }
        }
    }
}

/// A failure that was written into an answer.
#[derive(Debug, Clone)]
pub(super) struct Told(pub(super) Failure);

fn openai_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Busy(_) => "rate_limit_error",
        Kind::Key => "authentication_error",
        Kind::Forbidden => "permission_error",
        Kind::Late | Kind::Ending | Kind::Gone | Kind::Broken => "server_error",
        _ => "invalid_request_error",
    }
}

fn openai_code(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::NoModel => Some("model_not_found"),
        Kind::Key => Some("invalid_api_key"),
        Kind::Busy(_) => Some("rate_limit_exceeded"),
        _ => None,
    }
}

fn tei_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Busy(_) => "Overloaded",
        Kind::Late | Kind::Ending | Kind::Gone | Kind::Broken => "Backend",
        Kind::Key | Kind::Forbidden => "Unauthorized",
        _ => "Validation",
    }
}

fn own_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalid => "invalid-request",
        Kind::NoModel => "no-model",
        Kind::NotFound => "not-found",
        Kind::Method => "wrong-method",
        Kind::Key => "key",
        Kind::Forbidden => "forbidden",
        Kind::TooLarge => "too-large",
        Kind::Busy(_) => "busy",
        Kind::Late => "too-late",
        Kind::Ending => "ending",
        Kind::Gone => "client-gone",
        Kind::Broken => "server",
    }
}

pub(super) async fn nothing_there() -> Failure {
    Failure::new(Kind::NotFound, "there is nothing here; /docs lists what there is")
}

pub(super) async fn wrong_method() -> Failure {
    Failure::new(Kind::Method, "this place takes another method; /docs lists what there is")
}

/// The answer after a panic in a handler.
#[expect(clippy::needless_pass_by_value, reason = "the layer that calls it hands it over")]
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    Interface::Own.render(Failure::of_panic(&*panic).into_response())
}
