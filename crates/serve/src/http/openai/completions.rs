//! `/v1/completions`.

use std::sync::Arc;

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
    tokens::of_completion,
};
use crate::{
    app::{App, check_tokens},
    error::Failure,
    http::{
        body::{Body, Texts, check_texts, empty, null_is_false},
        settings::{MAX_TOP, ResponseFormat, Settings, StreamOptions, Unsupported},
    },
    models::{Ask, Told},
};

/// Tokens of a completion where none are asked for, as in the interface.
const USUAL_TOKENS: usize = 16;

/// A text to complete.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompletionRequest {
    /// The model's name.
    model: String,
    /// The text, or several.
    prompt: Texts,
    /// Tokens that may be written; 16 by default.
    max_tokens: Option<usize>,
    /// Continuations of each prompt.
    n: Option<usize>,
    /// Whether the text is sent as it is written.
    #[serde(default, deserialize_with = "null_is_false")]
    stream: bool,
    stream_options: Option<StreamOptions>,
    /// Tells each token with this many of the most probable ones in its place, among which it is, too.
    logprobs: Option<usize>,
    /// Strings that end the text.
    stop: Option<Texts>,
    seed: Option<i64>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    /// Draws among so many of the most probable tokens; 0 for no limit.
    top_k: Option<usize>,
    min_p: Option<f64>,
    repetition_penalty: Option<f64>,
    /// What the text is held to, as an answer of `/v1/chat/completions` is.
    response_format: Option<ResponseFormat>,
    /// Not supported, unless false.
    #[serde(default, deserialize_with = "null_is_false")]
    echo: bool,
    /// Not supported.
    suffix: Option<String>,
    /// Not supported, unless it is `n`.
    best_of: Option<usize>,
    /// Not supported, unless 0.
    presence_penalty: Option<f64>,
    /// Not supported, unless 0.
    frequency_penalty: Option<f64>,
    /// Not supported, unless empty.
    logit_bias: Option<Map<String, Value>>,
    /// Not read.
    #[allow(dead_code, reason = "part of the interface, without an effect on answers")]
    user: Option<String>,
}

impl CompletionRequest {
    fn check(&self) -> Result<(), Failure> {
        let Self { presence_penalty, frequency_penalty, ref logit_bias, .. } = *self;
        Unsupported { presence_penalty, frequency_penalty, logit_bias: logit_bias.as_ref() }.refuse()?;
        if self.echo {
            return Err(Failure::field("echo", "echo is not supported: put the prompt in front yourself"));
        }
        if self.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
            return Err(Failure::field("suffix", "suffix is not supported"));
        }
        if self.best_of.is_some_and(|best_of| best_of != self.n.unwrap_or(1)) {
            return Err(Failure::field("best_of", "best_of is not supported: ask for n"));
        }
        if self.logprobs.is_some_and(|n| n > MAX_TOP) {
            return Err(Failure::field("logprobs", format!("logprobs is up to {MAX_TOP} here")));
        }
        Ok(())
    }

    fn wanted(&self, prompt: String) -> Wanted {
        let settings = Settings {
            max_tokens: self.max_tokens.map(|n| ("max_tokens", n)),
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
            ask: Ask::Text(prompt),
            settings,
            usual_tokens: Some(USUAL_TOKENS),
            n_top: self.logprobs.unwrap_or(0),
            with_tokens: self.logprobs.is_some(),
        }
    }
}

pub(super) async fn complete(
    State(app): State<Arc<App>>,
    Body(request): Body<CompletionRequest>,
) -> Result<Response, Failure> {
    request.check()?;
    let served = writer(&app, &request.model)?;
    let (prompts, _) = request.prompt.clone().into_list();
    if prompts.is_empty() {
        return Err(empty("prompt"));
    }
    check_texts(&prompts, &app.config.limits)?;
    let tokens = request.logprobs.map(|_| Arc::clone(&served.tokenizer));
    if request.stream {
        let [prompt]: [String; 1] =
            prompts.try_into().map_err(|_| Failure::field("prompt", "a stream is of one prompt"))?;
        let written = stream(&app, &served, request.wanted(prompt)).await?;
        let with_usage = request.stream_options.is_some_and(|options| options.include_usage);
        return streamed(&app, Completions, &served.name, written, tokens, with_usage).await;
    }
    // One after another, so that a request has one turn at a time.
    let each = async {
        let (mut written, mut n_read) = (Vec::with_capacity(prompts.len()), 0);
        for prompt in prompts {
            let (told, outcome) = stream(&app, &served, request.wanted(prompt)).await?.all().await?;
            n_read += outcome.n_prompt;
            check_tokens(n_read, &app.config.limits)?;
            written.push((told, outcome));
        }
        Ok(written)
    };
    let written = app.in_time(each).await?;
    Ok(Json(whole(&Completions, &served.name, &written, tokens.as_deref())).into_response())
}

/// Texts as completions.
struct Completions;

impl Wording for Completions {
    const KIND: [&str; 3] = ["cmpl", "text_completion", "text_completion"];

    fn text(&self, index: usize, told: &[&Told], tokens: Option<&dyn Tokenizer>, reason: &str) -> Value {
        let text: String = told.iter().map(|told| &*told.text).collect();
        let logprobs = tokens.map(|tokenizer| of_completion(tokenizer, told.iter().copied(), 0));
        json!({ "index": index, "text": text, "logprobs": logprobs, "finish_reason": reason })
    }

    fn begin(&self, _: usize) -> Option<Value> {
        None
    }

    fn piece(&self, told: &Told, tokens: Option<&dyn Tokenizer>, offset: usize) -> Value {
        let logprobs = tokens.map(|tokenizer| of_completion(tokenizer, [told], offset));
        json!({ "index": told.of, "text": told.text, "logprobs": logprobs, "finish_reason": null })
    }

    fn end(&self, index: usize, reason: &str) -> Value {
        json!({ "index": index, "text": "", "logprobs": null, "finish_reason": reason })
    }
}
