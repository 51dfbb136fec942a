//! LibreTranslate's interface.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::header,
    routing::{get, post},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    body::{Texts, bytes, check_texts, parse},
    guard::{bearer, check_key},
};
use crate::{
    app::App,
    error::Failure,
    models::{Served, Wish},
    translate::{Format, translate},
};

/// What is translated, and how.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TranslateRequest {
    /// A text, or several.
    q: Texts,
    /// The language of the texts, as a code; `auto` where there is one alone.
    source: String,
    /// The language of translations.
    target: String,
    /// `text`, or `html`, whose tags stay.
    #[serde(default)]
    format: Option<String>,
    /// Translations of each text beside the best.
    #[serde(default)]
    alternatives: Option<Number>,
    /// A key, where the server asks for one.
    #[serde(default)]
    api_key: Option<String>,
}

/// A number, which a form has as text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number")]
pub(super) enum Number {
    Number(usize),
    Text(String),
}

impl Number {
    fn get(&self) -> Option<usize> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

/// The most translations of a text beside the best.
const MAX_ALTERNATIVES: usize = 16;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/translate", post(translations))
        .route("/languages", get(languages))
        .route("/frontend/settings", get(settings))
}

async fn translations(State(app): State<Arc<App>>, request: Request) -> Result<Json<Value>, Failure> {
    let in_header = bearer(&request).map(str::to_owned);
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_form = kind.starts_with("application/x-www-form-urlencoded");
    let body = bytes(request, &app).await?;
    let request: TranslateRequest = if is_form { of_form(&body)? } else { parse(&body)? };
    check_key(&app, request.api_key.as_deref().or(in_header.as_deref()))?;
    let (texts, is_list) = request.q.into_list();
    check_texts(&texts, &app.config.limits)?;
    let format = match request.format.as_deref() {
        None | Some("text") => Format::Text,
        Some("html") => Format::Html,
        Some(other) => return Err(Failure::field("format", format!("{other:?} is not a format: text or html"))),
    };
    let n_alternatives = request.alternatives.as_ref().map_or(Some(0), Number::get);
    let n_alternatives = n_alternatives.filter(|n| *n <= MAX_ALTERNATIVES).ok_or_else(|| {
        Failure::field("alternatives", format!("alternatives is a number from 0 to {MAX_ALTERNATIVES}"))
    })?;
    let source = (request.source != "auto").then_some(request.source);
    let served = between(&app, source.as_deref(), &request.target)?;
    let is_told = served.facts.languages.as_ref().is_none_or(|languages| languages.are_sources_told);
    if source.is_none() && is_told && served.source_language().is_none() {
        let problem = "the model reads several languages and does not tell them apart: say which, in place of auto";
        return Err(Failure::field("source", problem));
    }
    let wish = Wish { source, target: Some(request.target), n_best: n_alternatives + 1, ..Wish::default() };
    let translated = app.work(&served, move |turn| translate(turn, &texts, format, &wish)).await?;
    let mut best = Vec::with_capacity(translated.len());
    let mut alternatives = Vec::with_capacity(translated.len());
    for translated in translated {
        let mut texts = translated.texts.into_iter();
        best.push(texts.next().unwrap_or_default());
        alternatives.push(texts.take(n_alternatives).collect::<Vec<String>>());
    }
    let one = |list: Value| if is_list { list } else { list.get(0).cloned().unwrap_or(Value::Null) };
    let mut answer = json!({ "translatedText": one(json!(best)) });
    if n_alternatives > 0 {
        answer["alternatives"] = one(json!(alternatives));
    }
    Ok(Json(answer))
}

/// The fields of a form, `q` once or several times.
pub(super) fn of_form(body: &[u8]) -> Result<TranslateRequest, Failure> {
    let text = std::str::from_utf8(body).map_err(|_| Failure::invalid("the form is not UTF-8"))?;
    let mut fields: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        let value = Value::from(value.into_owned());
        match fields.get_mut(&*name) {
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = json!([first.take(), value]),
            None => drop(fields.insert(name.into_owned(), value)),
        }
    }
    parse(json!(fields).to_string().as_bytes())
}

/// The first model that translates between two languages.
fn between(app: &App, source: Option<&str>, target: &str) -> Result<Arc<Served>, Failure> {
    let has = |served: &Served| served.facts.languages.as_ref().is_some_and(|languages| languages.have(source, target));
    let models = app.models.all();
    let translates = models.iter().filter(|served| served.translation().is_ok());
    match translates.clone().find(|served| has(served)) {
        Some(served) => Ok(Arc::clone(served)),
        None if translates.count() == 0 => Err(Failure::new(crate::error::Kind::NoModel, "no model here translates")),
        None => {
            let from = source.map_or_else(String::new, |source| format!("from {source:?} "));
            Err(Failure::field(
                "target",
                format!("no model here translates {from}to {target:?}; /languages lists them"),
            ))
        }
    }
}

async fn languages(State(app): State<Arc<App>>) -> Json<Value> {
    // The targets of each source.
    let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for languages in app.models.all().iter().filter_map(|served| served.facts.languages.as_ref()) {
        for source in &languages.source {
            let targets = known.entry(source.clone()).or_default();
            targets.extend(languages.target.iter().filter(|target| *target != source).cloned());
            targets.sort();
            targets.dedup();
        }
    }
    let one = |(code, targets): (String, Vec<String>)| json!({ "code": code, "name": name(&code), "targets": targets });
    Json(known.into_iter().map(one).collect())
}

async fn settings(State(app): State<Arc<App>>) -> Json<Value> {
    let models = app.models.all();
    let languages = models.iter().find_map(|served| served.facts.languages.as_ref());
    let language = |codes: Option<&Vec<String>>| {
        let code = codes.and_then(|codes| codes.first()).map_or("", |code| &**code);
        json!({ "code": code, "name": name(code) })
    };
    Json(json!({
        "apiKeys": app.keys.is_some(),
        "charLimit": app.config.limits.characters,
        "filesTranslation": false,
        "frontendTimeout": 500,
        "keyRequired": app.keys.is_some(),
        "language": {
            "source": language(languages.map(|languages| &languages.source)),
            "target": language(languages.map(|languages| &languages.target)),
        },
        "suggestions": false,
        "supportedFilesFormat": [],
    }))
}

/// The English name of a language by its code (ISO 639-1), or the code.
fn name(code: &str) -> &str {
    let language = code.split(['_', '-']).next().unwrap_or(code);
    NAMES.iter().find(|(known, _)| *known == language).map_or(code, |(_, name)| name)
}

const NAMES: [(&str, &str); 40] = [
    ("ar", "Arabic"),
    ("bg", "Bulgarian"),
    ("bn", "Bengali"),
    ("ca", "Catalan"),
    ("cs", "Czech"),
    ("da", "Danish"),
    ("de", "German"),
    ("el", "Greek"),
    ("en", "English"),
    ("eo", "Esperanto"),
    ("es", "Spanish"),
    ("et", "Estonian"),
    ("fa", "Persian"),
    ("fi", "Finnish"),
    ("fr", "French"),
    ("he", "Hebrew"),
    ("hi", "Hindi"),
    ("hu", "Hungarian"),
    ("id", "Indonesian"),
    ("it", "Italian"),
    ("ja", "Japanese"),
    ("ko", "Korean"),
    ("lt", "Lithuanian"),
    ("lv", "Latvian"),
    ("nb", "Norwegian"),
    ("nl", "Dutch"),
    ("pl", "Polish"),
    ("pt", "Portuguese"),
    ("ro", "Romanian"),
    ("ru", "Russian"),
    ("sk", "Slovak"),
    ("sl", "Slovenian"),
    ("sq", "Albanian"),
    ("sv", "Swedish"),
    ("th", "Thai"),
    ("tr", "Turkish"),
    ("uk", "Ukrainian"),
    ("ur", "Urdu"),
    ("vi", "Vietnamese"),
    ("zh", "Chinese"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_one_text_or_several() {
        let request = of_form(b"q=a+b%C3%A4&source=en&target=de&alternatives=2").unwrap();
        assert_eq!(request.q, Texts::One("a bä".into()));
        assert_eq!(request.alternatives.unwrap().get(), Some(2));
        assert_eq!(of_form(b"q=a&q=b&source=en&target=de").unwrap().q, Texts::Many(vec!["a".into(), "b".into()]));
        assert!(of_form(b"q=a&source=en").unwrap_err().message.contains("target"));
        assert!(of_form(b"q=a&source=en&target=de&x=1").unwrap_err().message.contains("unknown field"));
    }

    #[test]
    fn languages_have_names() {
        assert_eq!(["de", "de_DE", "tlh"].map(name), ["German", "German", "tlh"]);
    }
}
