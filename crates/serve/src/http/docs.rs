//! The interfaces' description: OpenAPI 3.1 at `/openapi.json`, and for people at `/docs`.

use std::sync::{Arc, LazyLock};

use axum::{Json, Router, response::Html, routing::get};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{libre, openai, own, tei};
use crate::{app::App, detect::DetectedLanguage};

/// What can be asked for at one place.
struct Operation {
    method: &'static str,
    path: &'static str,
    interface: &'static str,
    summary: &'static str,
    body: Option<fn(&mut SchemaGenerator) -> Schema>,
    answer: Option<fn(&mut SchemaGenerator) -> Schema>,
}

const OWN: &str = "attentive";
const LIBRE: &str = "LibreTranslate";
const OPENAI: &str = "OpenAI";
const TEI: &str = "text-embeddings-inference";
const OPERATION: &str = "operation";

/// The one place of operation that needs a key.
const RELOAD: &str = "/admin/reload";

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

const fn get_at(path: &'static str, interface: &'static str, summary: &'static str) -> Operation {
    Operation { method: "get", path, interface, summary, body: None, answer: None }
}

const fn post_at<B: JsonSchema>(path: &'static str, interface: &'static str, summary: &'static str) -> Operation {
    Operation {
        method: "post",
        path,
        interface,
        summary,
        body: Some(SchemaGenerator::subschema_for::<B>),
        answer: None,
    }
}

impl Operation {
    /// What answers are written in.
    fn answers_in(&self) -> &'static [&'static str] {
        match self.path {
            "/api/complete" => &[EVENTS],
            "/v1/completions" | "/v1/chat/completions" => &[JSON, EVENTS],
            "/metrics" => &["text/plain"],
            _ => &[JSON],
        }
    }

    /// What bodies may be written in.
    fn asks_in(&self) -> &'static [&'static str] {
        if self.interface == LIBRE { &[JSON, "application/x-www-form-urlencoded"] } else { &[JSON] }
    }

    /// Which keys are asked for, where the server asks for any.
    fn security(&self) -> Value {
        match (self.path, self.interface) {
            (RELOAD, _) => json!([{ "key": [] }]),
            (_, OPERATION) => json!([]),
            _ => json!([{}, { "key": [] }]),
        }
    }

    const fn answering<A: JsonSchema>(self) -> Self {
        Self { answer: Some(SchemaGenerator::subschema_for::<A>), ..self }
    }
}

const OPERATIONS: [Operation; 30] = [
    get_at("/api/models", OWN, "The models, and what they can do"),
    post_at::<own::TranslateRequest>(
        "/api/translate",
        OWN,
        "Translations of a sentence, with scores, tokens, alignment and attention",
    )
    .answering::<own::TranslateAnswer>(),
    post_at::<own::HeadsRequest>("/api/heads", OWN, "The heads that find what \"it\" is, by measurement"),
    post_at::<own::CompleteRequest>("/api/complete", OWN, "A text that is continued: server-sent events, a token each"),
    post_at::<own::FillRequest>("/api/fill", OWN, "Guesses of hidden words"),
    post_at::<own::ClassifyRequest>("/api/classify", OWN, "Classes of texts"),
    post_at::<own::EmbedRequest>("/api/embed", OWN, "Vectors of texts, or of a word in each, and how alike they are"),
    post_at::<own::TokenizeRequest>("/api/tokenize", OWN, "The tokens of a text"),
    post_at::<own::ScoreRequest>("/api/score", OWN, "How probable a text, or a translation of it, is"),
    get_at("/api/runs", OWN, "The trainings in the folder of runs"),
    get_at("/api/runs/{name}/curves", OWN, "The curves of a training"),
    post_at::<libre::TranslateRequest>("/translate", LIBRE, "Translations of texts of any length, plain or HTML"),
    post_at::<libre::DetectRequest>("/detect", LIBRE, "The language of texts, among those that the models read")
        .answering::<Vec<DetectedLanguage>>(),
    get_at("/languages", LIBRE, "The languages of all models"),
    get_at("/frontend/settings", LIBRE, "The settings of this server"),
    get_at("/v1/models", OPENAI, "The models"),
    get_at("/v1/models/{name}", OPENAI, "One model"),
    post_at::<openai::CompletionRequest>("/v1/completions", OPENAI, "A text that is completed, or translated"),
    post_at::<openai::ChatRequest>(
        "/v1/chat/completions",
        OPENAI,
        "A conversation that is answered, or its last message translated",
    ),
    post_at::<openai::EmbeddingRequest>("/v1/embeddings", OPENAI, "Vectors of texts"),
    post_at::<tei::EmbedRequest>("/embed", TEI, "Vectors of texts"),
    post_at::<tei::PredictRequest>("/predict", TEI, "Classes of texts, and of pairs"),
    post_at::<tei::RerankRequest>("/rerank", TEI, "Texts by how well they fit a query"),
    get_at("/info", TEI, "The first encoder"),
    get_at("/health/live", OPERATION, "Whether the process runs"),
    get_at("/health/ready", OPERATION, "Whether it takes requests"),
    get_at("/health", OPERATION, "The same, where other servers are asked it"),
    get_at("/metrics", OPERATION, "Counts and times, as Prometheus reads them"),
    Operation {
        method: "post",
        path: RELOAD,
        interface: OPERATION,
        summary: "Loads models again whose folders have changed; needs a key",
        body: None,
        answer: None,
    },
    get_at("/openapi.json", OPERATION, "This description"),
];

static DESCRIPTION: LazyLock<Value> = LazyLock::new(describe);
static PAGE: LazyLock<String> = LazyLock::new(page);

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/openapi.json", get(|| async { Json(&*DESCRIPTION) }))
        .route("/docs", get(|| async { Html(&**PAGE) }))
}

/// The description of all places. Schemas of OpenAPI 3.1 are those of JSON Schema.
fn describe() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for operation in &OPERATIONS {
        let answer = operation.answer.map_or(json!({}), |schema| json!({ "schema": schema(&mut generator) }));
        let mut entry = json!({
            "tags": [operation.interface],
            "summary": operation.summary,
            "operationId": format!("{}{}", operation.method, operation.path.replace(['/', '{', '}', '.'], "_")),
            "responses": {
                "200": { "description": "what was asked for", "content": each(operation.answers_in(), &answer) },
                "4XX": { "description": "the request is wrong, or comes too often: the error says what to do" },
                "5XX": { "description": "the server failed, or had no time" },
            },
            "security": operation.security(),
        });
        if let Some(body) = operation.body {
            let schema = json!({ "schema": body(&mut generator) });
            entry["requestBody"] = json!({ "required": true, "content": each(operation.asks_in(), &schema) });
        }
        let names: Vec<Value> = operation
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
            .collect();
        if !names.is_empty() {
            entry["parameters"] = json!(names);
        }
        paths.entry(operation.path).or_insert_with(|| json!({}))[operation.method] = entry;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "attentive",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Models of attentive over HTTP.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// The same content in each media type.
fn each(media: &[&str], content: &Value) -> Value {
    media.iter().map(|name| ((*name).to_owned(), content.clone())).collect::<Map<_, _>>().into()
}

/// The same for people.
fn page() -> String {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>attentive: what can be asked</title>\n</head>\n\
         <body>\n<main>\n<h1>What can be asked</h1>\n<p>Bodies are JSON. Where the server asks for a key, give it as \
         <code>Authorization: Bearer KEY</code>. Schemas are in <a href=\"openapi.json\">openapi.json</a>.</p>\n",
    );
    let schemas = &DESCRIPTION["components"]["schemas"];
    for interface in [OWN, LIBRE, OPENAI, TEI, OPERATION] {
        page += &format!("<h2>{}</h2>\n", escaped(interface));
        for operation in OPERATIONS.iter().filter(|operation| operation.interface == interface) {
            let method = operation.method.to_uppercase();
            page +=
                &format!("<h3><code>{method} {}</code></h3>\n<p>{}</p>\n", operation.path, escaped(operation.summary));
            let body = &DESCRIPTION["paths"][operation.path][operation.method]["requestBody"];
            let reference = body["content"]["application/json"]["schema"]["$ref"].as_str();
            let Some(schema) = reference.and_then(|name| schemas.get(name.rsplit('/').next()?)) else { continue };
            page += "<dl>\n";
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                let is_needed = schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
                let needed = if is_needed { " (needed)" } else { "" };
                let text = field["description"].as_str().unwrap_or_default();
                page += &format!("<dt><code>{name}</code>{needed}</dt><dd>{}</dd>\n", escaped(text));
            }
            page += "</dl>\n";
        }
    }
    page + "</main>\n</body>\n</html>\n"
}

fn escaped(text: &str) -> String {
    let mut html = String::new();
    crate::text::markup::escape(text, &mut html);
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        let text = DESCRIPTION.to_string();
        let names: Vec<&str> =
            text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(names.len() > 10);
        for name in names {
            assert!(DESCRIPTION["components"]["schemas"].get(name).is_some(), "{name}");
        }
        assert!(PAGE.contains("<code>POST /api/translate</code>") && PAGE.contains("<dt><code>n_best</code></dt>"));
    }
}
