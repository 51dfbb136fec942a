//! `/v1/chat/completions`.

use std::sync::Arc;

use attentive_bundle::{Conversation, Message, Variables};
use attentive_tokenizer::Tokenizer;
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    answer::{Wording, streamed, whole},
    source::{Wanted, stream, writer},
    tokens::of_chat,
};
use crate::{
    app::App,
    error::Failure,
    http::{
        body::{Body, Texts, empty, null_is_false},
        settings::{MAX_TOP, ResponseFormat, Settings, StreamOptions, Unsupported},
    },
    models::{Ask, Told},
};

/// A conversation to answer. A translation model answers its last message, by a translation.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChatRequest {
    /// The model's name.
    model: String,
    /// What was said, the oldest first.
    messages: Vec<ChatMessage>,
    /// Tokens that may be written.
    max_completion_tokens: Option<usize>,
    /// The same, by its old name.
    max_tokens: Option<usize>,
    /// Answers.
    n: Option<usize>,
    /// Whether the answer is sent as it is written.
    #[serde(default, deserialize_with = "null_is_false")]
    stream: bool,
    stream_options: Option<StreamOptions>,
    /// Whether tokens are told with their log-probabilities.
    #[serde(default, deserialize_with = "null_is_false")]
    logprobs: bool,
    /// The most probable tokens that are told in the place of each.
    top_logprobs: Option<usize>,
    /// Strings that end the answer.
    stop: Option<Texts>,
    seed: Option<i64>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    /// Draws among so many of the most probable tokens; 0 for no limit.
    top_k: Option<usize>,
    min_p: Option<f64>,
    repetition_penalty: Option<f64>,
    /// Variables of the chat template.
    #[schemars(with = "Option<Map<String, Value>>")]
    chat_template_kwargs: Option<Variables>,
    /// What the answer is held to: `{"type": "json_object"}`, or `{"type": "json_schema", "json_schema": {"schema": …}}`.
    response_format: Option<ResponseFormat>,
    /// Not supported, unless empty.
    tools: Option<Vec<Value>>,
    /// Not supported, unless 0.
    presence_penalty: Option<f64>,
    /// Not supported, unless 0.
    frequency_penalty: Option<f64>,
    /// Not supported, unless empty.
    logit_bias: Option<Map<String, Value>>,
    /// Not read.
    #[allow(dead_code, reason = "part of the interface, without an effect on answers")]
    user: Option<String>,
    /// Not read.
    #[allow(dead_code, reason = "part of the interface, without an effect on answers")]
    metadata: Option<Value>,
}

/// A message.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct ChatMessage {
    /// `system`, `user`, `assistant`, or what else the chat template reads.
    role: String,
    /// What is said: a text, or parts of it.
    content: Option<Content>,
    /// What else the chat template reads.
    #[serde(flatten)]
    #[schemars(with = "Map<String, Value>")]
    fields: Variables,
}

/// What is said.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text, or parts {\"type\": \"text\", \"text\": …}")]
enum Content {
    Text(String),
    Parts(Vec<TextPart>),
}

/// A part of a text.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum TextPart {
    Text { text: String },
}

impl ChatRequest {
    fn check(&self) -> Result<(), Failure> {
        let Self { presence_penalty, frequency_penalty, ref logit_bias, .. } = *self;
        Unsupported { presence_penalty, frequency_penalty, logit_bias: logit_bias.as_ref() }.refuse()?;
        if self.messages.is_empty() {
            return Err(empty("messages"));
        }
        if self.tools.as_ref().is_some_and(|tools| !tools.is_empty()) {
            return Err(Failure::field("tools", "tools are not supported"));
        }
        if self.max_tokens.is_some() && self.max_completion_tokens.is_some_and(|n| self.max_tokens != Some(n)) {
            let problem = "max_tokens is the old name of max_completion_tokens, which is another number: leave it out";
            return Err(Failure::field("max_tokens", problem));
        }
        match self.top_logprobs {
            Some(n) if n > MAX_TOP => {
                Err(Failure::field("top_logprobs", format!("top_logprobs is up to {MAX_TOP} here")))
            }
            Some(1..) if !self.logprobs => Err(Failure::field("top_logprobs", "top_logprobs needs logprobs: true")),
            _ => Ok(()),
        }
    }

    fn wanted(&self) -> Wanted {
        let new_name = self.max_completion_tokens.map(|n| ("max_completion_tokens", n));
        let message = |message: &ChatMessage| {
            let content = match &message.content {
                None => String::new(),
                Some(Content::Text(text)) => text.clone(),
                Some(Content::Parts(parts)) => parts.iter().map(|TextPart::Text { text }| &**text).collect(),
            };
            Message { role: message.role.clone(), content, fields: message.fields.clone() }
        };
        let conversation = Conversation {
            messages: self.messages.iter().map(message).collect(),
            variables: self.chat_template_kwargs.clone().unwrap_or_default(),
            ..Conversation::default()
        };
        let settings = Settings {
            max_tokens: new_name.or(self.max_tokens.map(|n| ("max_tokens", n))),
            n: self.n,
            stop: self.stop.clone(),
            seed: self.seed,
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            form: self.response_format.as_ref().and_then(ResponseFormat::form),
        };
        Wanted {
            ask: Ask::Conversation(conversation),
            settings,
            usual_tokens: None,
            n_top: self.top_logprobs.unwrap_or(0),
            with_tokens: self.logprobs,
        }
    }
}

pub(super) async fn answer(State(app): State<Arc<App>>, Body(request): Body<ChatRequest>) -> Result<Response, Failure> {
    request.check()?;
    let served = writer(&app, &request.model)?;
    let written = stream(&app, &served, request.wanted()).await?;
    let tokens = request.logprobs.then(|| Arc::clone(&served.tokenizer));
    if request.stream {
        let with_usage = request.stream_options.is_some_and(|options| options.include_usage);
        return streamed(&app, Messages, &served.name, written, tokens, with_usage).await;
    }
    let written = [written.all().await?];
    Ok(Json(whole(&Messages, &served.name, &written, tokens.as_deref())).into_response())
}

/// Texts as messages.
struct Messages;

impl Wording for Messages {
    const KIND: [&str; 3] = ["chatcmpl", "chat.completion", "chat.completion.chunk"];

    fn text(&self, index: usize, told: &[&Told], tokens: Option<&dyn Tokenizer>, reason: &str) -> Value {
        let text: String = told.iter().map(|told| &*told.text).collect();
        json!({
            "index": index,
            "message": { "role": "assistant", "content": text, "refusal": null },
            "logprobs": tokens.map(|tokenizer| of_chat(tokenizer, told.iter().copied())),
            "finish_reason": reason,
        })
    }

    fn begin(&self, index: usize) -> Option<Value> {
        let delta = json!({ "role": "assistant", "content": "" });
        Some(json!({ "index": index, "delta": delta, "logprobs": null, "finish_reason": null }))
    }

    fn piece(&self, told: &Told, tokens: Option<&dyn Tokenizer>, _: usize) -> Value {
        let logprobs = tokens.map(|tokenizer| of_chat(tokenizer, [told]));
        json!({ "index": told.of, "delta": { "content": told.text }, "logprobs": logprobs, "finish_reason": null })
    }

    fn end(&self, index: usize, reason: &str) -> Value {
        json!({ "index": index, "delta": {}, "logprobs": null, "finish_reason": reason })
    }
}
