//! LibreTranslate's interface.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use attentive_data::Language;
use axum::{
    Json, Router,
    extract::{Request, State},
    http::header,
    routing::{get, post},
};
use percent_encoding::percent_decode;
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    body::{Texts, bytes, check_texts, parse},
    guard::{bearer, check_key},
};
use crate::{
    app::App,
    detect::{DetectedLanguage, detect},
    error::{Failure, Kind},
    models::{Served, Wish},
    text::markup::{self, Node},
    translate::{Format, translate},
};

/// What is translated, and how.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TranslateRequest {
    /// A text, or several.
    q: Texts,
    /// The language of the texts, as a code; `auto` to have it detected among those that models here read.
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

/// Texts whose language is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DetectRequest {
    /// A text, or several, which are taken for one.
    q: Texts,
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
        .route("/detect", post(detection))
        .route("/languages", get(languages))
        .route("/frontend/settings", get(settings))
}

/// The body of a request, JSON or a form, of a client with a key; `key_of` finds the one that is in the body.
async fn body<T: DeserializeOwned>(
    app: &Arc<App>,
    request: Request,
    key_of: impl Fn(&T) -> Option<&str>,
) -> Result<T, Failure> {
    let in_header = bearer(&request).map(str::to_owned);
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_form = kind.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let is_multipart = kind.eq_ignore_ascii_case("multipart/form-data");
    let body = bytes(request, app).await?;
    if is_multipart {
        let problem = "multipart/form-data is not read here: send JSON, or application/x-www-form-urlencoded";
        return Err(Failure::new(Kind::Malformed, problem));
    }
    // curl calls all bodies forms, and none has a field of such a name.
    let is_json = body.trim_ascii_start().starts_with(b"{");
    let request: T = if is_form && !is_json { of_form(&body)? } else { parse(&body)? };
    // Clients send an empty one where their user has given none.
    let in_body = key_of(&request).filter(|key| !key.is_empty());
    check_key(app, in_body.or(in_header.as_deref()))?;
    Ok(request)
}

async fn detection(State(app): State<Arc<App>>, request: Request) -> Result<Json<Vec<DetectedLanguage>>, Failure> {
    let request = body(&app, request, |request: &DetectRequest| request.api_key.as_deref()).await?;
    let (texts, _) = request.q.into_list();
    check_texts(&texts, &app.config.limits)?;
    if texts.iter().all(|text| text.trim().is_empty()) {
        return Err(Failure::field("q", "q is blank, which no language is told by"));
    }
    let told = detect(&texts, &sources(&app, None));
    let missing = || Failure::new(Kind::NoModel, "nothing says which languages the models here are of");
    told.map(|told| Json(vec![told])).ok_or_else(missing)
}

/// The languages that models here translate from, to a target if one is given.
fn sources(app: &App, target: Option<&str>) -> Vec<String> {
    let models = app.models.all();
    let known = models.iter().filter_map(|served| served.facts.languages.as_ref());
    let known = known.filter(|known| target.is_none_or(|target| known.have(None, target)));
    let mut names: Vec<String> = Vec::new();
    for name in known.flat_map(|known| &known.source) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

async fn translations(State(app): State<Arc<App>>, request: Request) -> Result<Json<Value>, Failure> {
    let request = body(&app, request, |request: &TranslateRequest| request.api_key.as_deref()).await?;
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
    // No language is told where no model has the target, which is then refused.
    let detected = match &*request.source {
        "auto" => detect(&read(&texts, format), &sources(&app, Some(&request.target))),
        _ => None,
    };
    let source = match &detected {
        Some(told) => Some(told.language.clone()),
        None => (request.source != "auto").then_some(request.source),
    };
    let served = between(&app, source.as_deref(), &request.target)?;
    let wish = Wish { source, target: Some(request.target), n_best: n_alternatives + 1, ..Wish::default() };
    let translated = app.work(&served, move |turn| translate(turn, &texts, format, &wish)).await?;
    let mut best = Vec::with_capacity(translated.len());
    let mut alternatives = Vec::with_capacity(translated.len());
    for translated in translated {
        let mut texts = translated.into_iter();
        best.push(texts.next().unwrap_or_default());
        alternatives.push(texts.take(n_alternatives).collect::<Vec<String>>());
    }
    let one = |list: Value| if is_list { list } else { list.get(0).cloned().unwrap_or(Value::Null) };
    let mut answer = json!({ "translatedText": one(json!(best)) });
    if let Some(told) = detected {
        answer["detectedLanguage"] = one(json!(vec![told; best.len()]));
    }
    if n_alternatives > 0 {
        answer["alternatives"] = one(json!(alternatives));
    }
    Ok(Json(answer))
}

/// What is to be read of texts: of HTML, what stands between its tags.
fn read(texts: &[String], format: Format) -> Vec<Cow<'_, str>> {
    let run = |node| match node {
        Node::Run(run) => Some(run.text),
        Node::Kept(_) => None,
    };
    match format {
        Format::Text => texts.iter().map(|text| Cow::from(&**text)).collect(),
        Format::Html => texts.iter().flat_map(|text| markup::nodes(text)).filter_map(run).map(Cow::from).collect(),
    }
}

/// The fields of a form, `q` once or several times.
pub(super) fn of_form<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    // Parsing replaces what is not; of a name or a value it is so in the whole, too, as what parts them is ASCII.
    percent_decode(body).decode_utf8().map_err(|_| Failure::invalid("the form is not UTF-8"))?;
    let mut fields: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(body) {
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
        None if translates.count() == 0 => Err(Failure::new(Kind::NoModel, "no model here translates")),
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
    let language = |code: Option<&String>| {
        let code = code.map_or("", |code| &**code);
        json!({ "code": code, "name": name(code) })
    };
    let source = match &sources(&app, None)[..] {
        several @ [_, _, ..] if several.iter().any(|name| Language::named(name).is_some()) => {
            json!({ "code": "auto", "name": "Auto Detect" })
        }
        few => language(few.first()),
    };
    Json(json!({
        "apiKeys": app.keys.is_some(),
        "charLimit": app.config.limits.characters,
        "filesTranslation": false,
        "frontendTimeout": 500,
        "keyRequired": app.keys.is_some(),
        "language": {
            "source": source,
            "target": language(languages.and_then(|languages| languages.target.first())),
        },
        "suggestions": false,
        "supportedFilesFormat": [],
    }))
}

/// The English name of a language by its code (ISO 639), or the code.
fn name(code: &str) -> &str {
    let language = code.split(['_', '-']).next().unwrap_or(code);
    let language = Language::named(code).map_or(language, |language| language.code());
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
        let of_form = of_form::<TranslateRequest>;
        let request = of_form(b"q=a+b%C3%A4&source=en&target=de&alternatives=2").unwrap();
        assert_eq!(request.q, Texts::One("a bä".into()));
        assert_eq!(request.alternatives.unwrap().get(), Some(2));
        assert_eq!(of_form(b"q=a&q=b&source=en&target=de").unwrap().q, Texts::Many(vec!["a".into(), "b".into()]));
        assert!(of_form(b"q=a&source=en").unwrap_err().message.contains("target"));
        for body in [&b"q=a%FF&source=en&target=de"[..], b"q=a%C3&source=en&target=de", b"q=a\xff&source=en&target=de"]
        {
            assert_eq!(of_form(body).unwrap_err().message, "the form is not UTF-8");
        }
        assert!(of_form(b"q=a&source=en&target=de&x=1").unwrap_err().message.contains("unknown field"));
    }

    #[test]
    fn languages_have_names() {
        assert_eq!(["de", "de_DE", "deu", "tlh"].map(name), ["German", "German", "German", "tlh"]);
    }
}
