//! What completions and conversations share: answers, whole and as they are written.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use attentive_tokenizer::Tokenizer;
use axum::response::Response;
use serde_json::{Value, json};

use crate::{
    app::{App, Stream, finish_reason},
    error::Failure,
    http::{
        answer::Interface,
        settings::random,
        stream::{News, events},
    },
    models::{Outcome, Told},
};

/// How a place words the texts of its answers.
pub(super) trait Wording: Send + 'static {
    /// What begins the id of an answer, what a whole answer is, and what a part of one is.
    const KIND: [&str; 3];

    /// A whole text, by what was told of it.
    fn text(&self, index: usize, told: &[&Told], tokens: Option<&dyn Tokenizer>, reason: &str) -> Value;

    /// What begins a text that is sent as it is written, if something does.
    fn begin(&self, index: usize) -> Option<Value>;

    /// A piece of a text, before which it has so many characters.
    fn piece(&self, told: &Told, tokens: Option<&dyn Tokenizer>, offset: usize) -> Value;

    /// The end of a text.
    fn end(&self, index: usize, reason: &str) -> Value;
}

/// What every part of an answer says of it.
#[derive(Debug, Clone)]
struct Head {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
}

impl Head {
    fn new<W: Wording>(of_part: bool, model: &str) -> Self {
        let [prefix, whole, part] = W::KIND;
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let object = if of_part { part } else { whole };
        Self { id: format!("{prefix}-{:016x}", random()), object, created, model: model.to_owned() }
    }

    /// An answer, or a part of one, with these choices.
    fn with(&self, choices: impl IntoIterator<Item = Value>) -> Value {
        let Self { id, object, created, model } = self;
        json!({
            "id": id,
            "object": object,
            "created": created,
            "model": model,
            "system_fingerprint": concat!("attentive-", env!("CARGO_PKG_VERSION")),
            "choices": choices.into_iter().collect::<Vec<Value>>(),
        })
    }
}

/// The texts of several streams, one after another, as one answer. With `tokens`, each is told with its log-probability.
pub(super) fn whole<W: Wording>(
    wording: &W,
    model: &str,
    written: &[(Vec<Told>, Outcome)],
    tokens: Option<&dyn Tokenizer>,
) -> Value {
    let mut choices = Vec::new();
    for (told, outcome) in written {
        for (of, &ended) in outcome.ended.iter().enumerate() {
            let own: Vec<&Told> = told.iter().filter(|told| told.of == of).collect();
            choices.push(wording.text(choices.len(), &own, tokens, finish_reason(ended)));
        }
    }
    let mut answer = Head::new::<W>(false, model).with(choices);
    answer["usage"] = usage(written.iter().map(|(_, outcome)| outcome));
    answer
}

/// The texts of a stream as they are written.
pub(super) async fn streamed<W: Wording>(
    app: &Arc<App>,
    wording: W,
    model: &str,
    stream: Stream,
    tokens: Option<Arc<dyn Tokenizer>>,
    with_usage: bool,
) -> Result<Response, Failure> {
    let head = Head::new::<W>(true, model);
    // Where the last part tells the numbers of tokens, the others say that they don't, as in the interface.
    let part = move |choices: Vec<Value>| {
        let mut part = head.with(choices);
        if with_usage {
            part["usage"] = Value::Null;
        }
        part
    };
    // Characters of each text so far, once it has begun.
    let mut offsets: Vec<Option<usize>> = Vec::new();
    let say = move |news: News| match news {
        News::Told(told) => {
            offsets.resize(offsets.len().max(told.of + 1), None);
            let offset = &mut offsets[told.of];
            let begin = if offset.is_none() { wording.begin(told.of) } else { None };
            let at = offset.get_or_insert(0);
            let is_something = !told.text.is_empty() || tokens.is_some() && told.token.is_some();
            let piece = is_something.then(|| wording.piece(&told, tokens.as_deref(), *at));
            *at += told.text.chars().count();
            begin.into_iter().chain(piece).map(|choice| part(vec![choice])).collect()
        }
        News::Over(outcome) => {
            // What has no text begins all the same.
            let is_new = |of: &usize| offsets.get(*of).is_none_or(Option::is_none);
            let begin = (0..outcome.ended.len()).filter(is_new).filter_map(|of| wording.begin(of));
            let mut said: Vec<Value> = begin.map(|choice| part(vec![choice])).collect();
            let end = |(of, &ended)| wording.end(of, finish_reason(ended));
            said.push(part(outcome.ended.iter().enumerate().map(end).collect()));
            if with_usage {
                let mut last = part(Vec::new());
                last["usage"] = usage([&outcome]);
                said.push(last);
            }
            said
        }
    };
    events(app, stream, Interface::OpenAi, say).await
}

fn usage<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Value {
    let (mut n_prompt, mut n_written) = (0, 0);
    for outcome in outcomes {
        n_prompt += outcome.n_prompt;
        n_written += outcome.n_written.iter().sum::<usize>();
    }
    json!({ "prompt_tokens": n_prompt, "completion_tokens": n_written, "total_tokens": n_prompt + n_written })
}
