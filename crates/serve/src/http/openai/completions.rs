//! `/v1/completions`.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Head,
    settings::{MAX_TOP, Settings, StreamOptions, Unsupported},
    source::{Wanted, stream, writer},
    tokens::of_completion,
    usage,
};
use crate::{
    app::{App, finish_reason},
    error::Failure,
    http::{
        answer::Interface,
        body::{Body, Texts, check_texts},
        stream::{News, events},
    },
    models::{Ask, Outcome, Served, Told},
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
    #[serde(default)]
    stream: bool,
    stream_options: Option<StreamOptions>,
    /// Tells each token with this many of the most probable ones in its place.
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
    /// Not supported, unless false.
    #[serde(default)]
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
            max_tokens: self.max_tokens,
            n: self.n,
            stop: self.stop.clone(),
            seed: self.seed,
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
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
    check_texts(&prompts, &app.config.limits)?;
    let head = Head::new("cmpl", "text_completion", &served.name);
    if request.stream {
        let [prompt]: [String; 1] =
            prompts.try_into().map_err(|_| Failure::field("prompt", "a stream is of one prompt"))?;
        return sent(&app, &served, head, &request, prompt).await;
    }
    let mut choices = Vec::new();
    let mut total = Outcome { ended: Vec::new(), n_prompt: 0, n_written: Vec::new() };
    for prompt in prompts {
        let (told, outcome) = stream(&app, &served, request.wanted(prompt)).await?.all().await?;
        for (of, &ended) in outcome.ended.iter().enumerate() {
            let own: Vec<&Told> = told.iter().filter(|told| told.of == of).collect();
            let text: String = own.iter().map(|told| &*told.text).collect();
            let logprobs = request.logprobs.map(|_| of_completion(&*served.tokenizer, own, 0));
            let (index, reason) = (choices.len(), finish_reason(ended));
            choices.push(json!({ "index": index, "text": text, "logprobs": logprobs, "finish_reason": reason }));
        }
        total.n_prompt += outcome.n_prompt;
        total.n_written.extend(outcome.n_written);
    }
    let mut answer = head.with(choices);
    answer["usage"] = usage(&total);
    Ok(Json(answer).into_response())
}

/// The text as it is written.
async fn sent(
    app: &Arc<App>,
    served: &Arc<Served>,
    head: Head,
    request: &CompletionRequest,
    prompt: String,
) -> Result<Response, Failure> {
    let written = stream(app, served, request.wanted(prompt)).await?;
    let with_usage = request.stream_options.as_ref().is_some_and(|options| options.include_usage);
    let with_tokens = request.logprobs.is_some();
    let tokenizer = Arc::clone(&served.tokenizer);
    let mut offsets = vec![0; request.n.unwrap_or(1)];
    let say = move |news: News| match news {
        News::Told(told) if told.text.is_empty() && !(with_tokens && told.token.is_some()) => Vec::new(),
        News::Told(told) => {
            let logprobs = with_tokens.then(|| of_completion(&*tokenizer, [&told], offsets[told.of]));
            offsets[told.of] += told.text.chars().count();
            let choice = json!({ "index": told.of, "text": told.text, "logprobs": logprobs, "finish_reason": null });
            vec![head.with(vec![choice])]
        }
        News::Over(outcome) => {
            let end = |(index, &ended)| json!({ "index": index, "text": "", "logprobs": null, "finish_reason": finish_reason(ended) });
            let mut said = vec![head.with(outcome.ended.iter().enumerate().map(end).collect())];
            if with_usage {
                let mut last = head.with(Vec::new());
                last["usage"] = usage(&outcome);
                said.push(last);
            }
            said
        }
    };
    events(app, written, Interface::OpenAi, say).await
}
