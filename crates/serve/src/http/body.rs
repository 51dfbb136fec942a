//! Bodies of requests.

use std::sync::Arc;

use attentive_run::with_causes;
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use tokio::time::timeout;

use crate::{
    app::App,
    config::Limits,
    error::{Failure, Kind},
};

/// Characters of the longest name of a place in a body.
const MAX_PLACE: usize = 80;

/// A truth value that may be null, as clients send one that their user has not set.
pub(super) fn null_is_false<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    Option::deserialize(value).map(Option::unwrap_or_default)
}

/// A body of JSON, whatever it is called.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Failure> {
        parse(&bytes(request, app).await?).map(Self)
    }
}

/// The bytes of a body, if they come in time and are not too many.
pub(super) async fn bytes(request: Request, app: &Arc<App>) -> Result<Bytes, Failure> {
    let coding = request.headers().get(header::CONTENT_ENCODING).and_then(|coding| coding.to_str().ok());
    let compressed = coding.filter(|coding| !coding.eq_ignore_ascii_case("identity")).map(|coding| {
        let problem = format!("the body is compressed ({coding}), which is not read here: send it as it is");
        Failure::new(Kind::Malformed, problem)
    });
    let late = || Failure::new(Kind::Late, "the body did not come in time");
    match timeout(app.config.limits.time, Bytes::from_request(request, app)).await.map_err(|_| late())? {
        Ok(bytes) => compressed.map_or(Ok(bytes), Err),
        Err(rejection) => Err(match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let max = app.config.limits.body_bytes;
                Failure::new(Kind::TooLarge, format!("the body has more than {max} bytes: ask for less at once"))
            }
            _ => Failure::invalid("the body could not be read to its end"),
        }),
    }
}

/// An object of JSON as a value; what is wrong is told with its place.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    // An array would be taken for the fields in their order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(Failure::new(Kind::Malformed, "the body is not an object of JSON: { … }"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path: String = error.path().to_string().chars().take(MAX_PLACE).collect();
        let kind = if error.inner().is_data() { Kind::Invalid } else { Kind::Malformed };
        let problem = with_causes(error.inner());
        match path.as_str() {
            "." | "?" => Failure::new(kind, format!("the body is not what is expected: {problem}")),
            path => Failure { kind, ..Failure::field(path, format!("{path}: {problem}")) },
        }
    })?;
    let rest = deserializer.end();
    rest.map_err(|error| Failure::new(Kind::Malformed, format!("the body goes on after its end: {error}")))?;
    Ok(value)
}

/// One text, or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub(crate) enum Texts {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Texts {
    /// All of them, and whether there is a list.
    pub(crate) fn into_list(self) -> (Vec<String>, bool) {
        match self {
            Self::One(text) => (vec![text], false),
            Self::Many(texts) => (texts, true),
        }
    }
}

/// The failure of a list of nothing.
pub(super) fn empty(field: &str) -> Failure {
    Failure { kind: Kind::Empty, ..Failure::field(field, format!("{field} is empty: give one at least")) }
}

/// Refuses texts that are too many or too long together.
pub(crate) fn check_texts(texts: &[impl AsRef<str>], limits: &Limits) -> Result<(), Failure> {
    check_number(texts.len(), limits)?;
    check_length(texts, limits)
}

/// Refuses too many texts.
pub(crate) fn check_number(n: usize, limits: &Limits) -> Result<(), Failure> {
    let max = limits.texts;
    match n > max {
        true => Err(Failure::new(
            Kind::TooLong,
            format!("there are {n} texts, and the server takes {max} at once: send them in parts"),
        )),
        false => Ok(()),
    }
}

/// Refuses texts that are too long together.
pub(crate) fn check_length(texts: &[impl AsRef<str>], limits: &Limits) -> Result<(), Failure> {
    let n: usize = texts.iter().map(|text| text.as_ref().chars().count()).sum();
    if n > limits.characters {
        let max = limits.characters;
        return Err(Failure::new(
            Kind::TooLong,
            format!("the texts have {n} characters, and the server takes {max} at once: split them"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        texts: Texts,
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        assert_eq!(parse(br#"{"texts": ["a"]}"#), Ok(Example { texts: Texts::Many(vec!["a".into()]) }));
        let failure = |body: &[u8]| parse::<Example>(body).unwrap_err().message;
        assert!(failure(br#"{"texts": 1}"#).starts_with("texts: expected a text or a list"));
        assert!(failure(br#"{"text": "a"}"#).contains("unknown field `text`"));
        assert!(failure(b"{").contains("EOF"));
        assert!(failure(b"{\"texts\": \"\xff\"}").contains("unicode"));
        assert!(failure(br#"{"texts": "a"} x"#).contains("after its end"));
        for other in [&b""[..], b"[\"a\"]", b"1", b"\xef\xbb\xbf{}"] {
            assert!(failure(other).contains("not an object"));
        }
        let deep = format!("{{\"texts\": {}", "[".repeat(9999));
        assert!(failure(deep.as_bytes()).len() < 200);
    }

    #[test]
    fn clients_hear_of_no_type_of_rust() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "its field is only read into")]
        struct Number {
            n: usize,
        }
        let failure = parse::<Number>(br#"{"n": -1}"#).unwrap_err().message;
        assert!(failure.contains("expected an integer of at least 0"), "{failure}");
    }

    #[test]
    fn texts_are_counted_in_characters() {
        let limits = Limits { texts: 2, characters: 3, ..Limits::default() };
        assert!(check_texts(&["äö", "ß"], &limits).is_ok());
        assert!(check_texts(&["äö", "ßa"], &limits).unwrap_err().message.contains("4 characters"));
        assert!(check_texts(&["", "", ""], &limits).unwrap_err().message.contains("3 texts"));
    }
}
