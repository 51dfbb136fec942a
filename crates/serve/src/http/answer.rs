//! Failures as each interface tells them.

use std::any::Any;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::error::{Failure, Kind};

/// Whose clients ask, in the order of the columns of `named`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interface {
    Libre,
    OpenAi,
    Tei,
    Own,
}

impl IntoResponse for Failure {
    /// What all interfaces say alike; [`Interface::render`] writes the rest.
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
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
        let headers = std::mem::take(response.headers_mut());
        let status = StatusCode::from_u16(self.named(failure.kind).0).expect("a status of the table");
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
        let (message, name) = (failure.told(), self.named(failure.kind).1);
        match self {
            Self::Libre => json!({ "error": message }),
            Self::OpenAi => {
                json!({ "error": {
                    "message": message,
                    "type": name,
                    "param": failure.field,
                    "code": openai_code(failure.kind),
                } })
            }
            Self::Tei => json!({ "error": message, "error_type": name }),
            Self::Own => json!({ "error": { "message": message, "type": name, "field": failure.field } }),
        }
    }

    /// The status of a failure, and what it is called: by LibreTranslate, which has no names, by OpenAI, by
    /// text-embeddings-inference, and here.
    fn named(self, kind: Kind) -> (u16, &'static str) {
        const WRONG: &str = "invalid_request_error";
        const SERVER: &str = "server_error";
        let row = match kind {
            Kind::Invalid => [(400, ""), (400, WRONG), (422, "Validation"), (400, "invalid-request")],
            Kind::Malformed => [(400, ""), (400, WRONG), (400, "Validation"), (400, "invalid-request")],
            Kind::Empty => [(400, ""), (400, WRONG), (400, "Empty"), (400, "invalid-request")],
            Kind::TooLong => [(400, ""), (400, WRONG), (413, "Validation"), (400, "invalid-request")],
            Kind::TooLarge => [(413, ""), (413, WRONG), (413, "Validation"), (413, "too-large")],
            Kind::NoModel => [(404, ""), (404, WRONG), (424, "Backend"), (404, "no-model")],
            Kind::NotFound => [(404, ""), (404, WRONG), (404, "Validation"), (404, "not-found")],
            Kind::Method => [(405, ""), (405, WRONG), (405, "Validation"), (405, "wrong-method")],
            Kind::Key => [(403, ""), (401, "authentication_error"), (401, "Unauthorized"), (401, "key")],
            Kind::Forbidden => [(403, ""), (403, "permission_error"), (403, "Unauthorized"), (403, "forbidden")],
            Kind::Busy(_) => [(429, ""), (429, "rate_limit_error"), (429, "Overloaded"), (429, "busy")],
            Kind::Late => [(503, ""), (503, SERVER), (503, "Unhealthy"), (503, "too-late")],
            Kind::Ending => [(503, ""), (503, SERVER), (503, "Unhealthy"), (503, "ending")],
            Kind::Gone => [(503, ""), (503, SERVER), (503, "Unhealthy"), (503, "client-gone")],
            Kind::Broken => [(500, ""), (500, SERVER), (424, "Backend"), (500, "server")],
        };
        row[self as usize]
    }
}

/// A failure that was written into an answer.
#[derive(Debug, Clone)]
pub(super) struct Told(pub(super) Failure);

fn openai_code(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::NoModel => Some("model_not_found"),
        Kind::Key => Some("invalid_api_key"),
        Kind::Busy(_) => Some("rate_limit_exceeded"),
        _ => None,
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
