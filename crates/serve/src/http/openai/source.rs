//! Where an answer comes from: a language model that writes it, or a translation model, whose answer is a translation.

use std::sync::Arc;

use attentive_bundle::Translation;
use attentive_core::TokenId;
use attentive_decode::{Ended, StopStrings};

use super::settings::Settings;
use crate::{
    app::{App, Stream},
    error::Failure,
    http::body::check_texts,
    models::{Ask, Engine, Outcome, PairTokens, ScoredToken, Served, Task, Told, TranslationEngine, Wish},
    ticket::Ticket,
    translate::{Format, check_tokens, own_languages, translate},
};

/// What is asked of a model of either kind.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) ask: Ask,
    pub(super) settings: Settings,
    /// The most tokens where none are asked for; without it, as the model's folder says.
    pub(super) usual_tokens: Option<usize>,
    /// The most probable tokens that are told in the place of each.
    pub(super) n_top: usize,
    pub(super) with_tokens: bool,
}

/// The model of this name, if it writes.
pub(super) fn writer(app: &App, name: &str) -> Result<Arc<Served>, Failure> {
    app.models.find(Some(name), "writes texts", |served| !matches!(served.engine, Engine::Encoder(_)))
}

/// The text that answers, as it is written.
pub(super) async fn stream(app: &Arc<App>, served: &Arc<Served>, wanted: Wanted) -> Result<Stream, Failure> {
    let n = wanted.settings.n()?;
    match &served.engine {
        Engine::Language(engine) => {
            check_ask(&wanted.ask, app)?;
            let usual = wanted.usual_tokens.unwrap_or(engine.generation.max_tokens);
            let config = wanted.settings.over(&engine.generation, usual, &app.config.limits)?;
            let Wanted { ask, n_top, .. } = wanted;
            app.write(served, Task { prompt: ask, n, config, n_top }).await
        }
        _ => {
            let text = text_to_translate(&wanted.ask)?;
            check_texts(&[&text], &app.config.limits)?;
            let of_work = Arc::clone(app);
            let work = move |served: &Served, ticket: &Arc<Ticket>| translated(&of_work, served, text, &wanted, ticket);
            let (told, outcome) = app.work(served, work).await?;
            Ok(Stream::of(told, outcome, app.ticket().1))
        }
    }
}

fn check_ask(ask: &Ask, app: &App) -> Result<(), Failure> {
    match ask {
        Ask::Text(text) => check_texts(&[text], &app.config.limits),
        Ask::Conversation(conversation) => {
            let texts: Vec<&str> = conversation.messages.iter().map(|message| &*message.content).collect();
            check_texts(&texts, &app.config.limits)
        }
    }
}

/// A translator is given the last message alone.
fn text_to_translate(ask: &Ask) -> Result<String, Failure> {
    match ask {
        Ask::Text(text) => Ok(text.clone()),
        Ask::Conversation(conversation) => {
            let last = conversation.messages.iter().rev().find(|message| message.role == "user");
            let none =
                || Failure::field("messages", "a translation model answers the last message of the user: write one");
            last.map(|message| message.content.clone()).ok_or_else(none)
        }
    }
}

/// A text's translations, as texts that were written.
fn translated(
    app: &App,
    served: &Served,
    text: String,
    wanted: &Wanted,
    ticket: &Arc<Ticket>,
) -> Result<(Vec<Told>, Outcome), Failure> {
    let settings = &wanted.settings;
    let (n, stop) = (settings.n()?, settings.stop()?);
    // Without a temperature, the best; as a translation model is used.
    let sampling = settings.temperature.filter(|&t| t > 0.0).map(|_| settings.sampling(&Default::default()));
    if let Some(sampling) = &sampling {
        sampling.validate()?;
    }
    let wish = Wish { n_best: n, max_tokens: settings.max_tokens, sampling, ..Wish::default() };
    let told = if wanted.with_tokens {
        with_tokens(app, served, &text, &wish, wanted.n_top, ticket)?
    } else {
        let shared = (&app.config.limits, &app.metrics);
        let found = translate(served, &[text], Format::Text, &wish, shared, ticket)?.swap_remove(0);
        let whole = |(of, text)| Told { of, token: None, text, top: Vec::new() };
        let told = found.texts.into_iter().enumerate().map(whole).collect();
        Translations { told, n_read: found.n_read, n_written: found.n_written, are_finished: found.are_finished }
    };
    Ok(told.until(n, &stop))
}

/// Translations of one text, as texts that were written.
struct Translations {
    told: Vec<Told>,
    n_read: usize,
    n_written: Vec<usize>,
    are_finished: Vec<bool>,
}

/// The tokens of the translations of one sentence.
fn with_tokens(
    app: &App,
    served: &Served,
    text: &str,
    wish: &Wish,
    n_top: usize,
    ticket: &Arc<Ticket>,
) -> Result<Translations, Failure> {
    let engine = served.translation()?;
    let wish = own_languages(served, wish)?;
    let n_read = engine.n_tokens(text);
    check_tokens(n_read, &app.config.limits)?;
    let found = engine.sentences(&[text], &wish, &app.config.limits, ticket)?.swap_remove(0);
    let pair = |found: &Translation| engine.pair(text, &found.tokens, &wish);
    let pairs = found.iter().map(pair).collect::<Result<Vec<PairTokens>, _>>()?;
    let mut told = Vec::new();
    for (of, (pair, scored)) in pairs.iter().zip(engine.score(&pairs, n_top, ticket)?).enumerate() {
        for (ScoredToken { id, log_prob, top }, text) in scored.into_iter().zip(pieces(engine, &pair.target)) {
            told.push(Told { of, token: Some((id, log_prob)), text, top });
        }
    }
    let are_finished: Vec<bool> = found.iter().map(|found| found.is_finished).collect();
    let n_written = found.iter().map(|found| found.tokens.len() + usize::from(found.is_finished)).collect();
    Ok(Translations { told, n_read, n_written, are_finished })
}

/// What each token adds to a text; a character that several tokens make is of the last of them.
pub(crate) fn pieces(engine: &TranslationEngine, ids: &[TokenId]) -> Vec<String> {
    let mut n_told = 0;
    let piece = |n: usize| {
        let text = engine.tokenizer().decode(&ids[..=n]).unwrap_or_default();
        let whole = if n + 1 == ids.len() { &*text } else { text.trim_end_matches(char::REPLACEMENT_CHARACTER) };
        let piece = whole.get(n_told..).unwrap_or_default().to_owned();
        n_told = n_told.max(whole.len());
        piece
    };
    (0..ids.len()).map(piece).collect()
}

impl Translations {
    /// `n` texts up to the first string that ends them.
    fn until(self, n: usize, stop: &[String]) -> (Vec<Told>, Outcome) {
        let Self { told, n_read, mut n_written, are_finished } = self;
        let end = |is_finished| if is_finished { Ended::ByModel } else { Ended::ByLength };
        let mut ended: Vec<Ended> = are_finished.into_iter().map(end).collect();
        // A blank text has one translation, whatever was asked for.
        ended.resize(n, Ended::ByModel);
        n_written.resize(n, 0);
        let mut stops = vec![StopStrings::new(stop.iter().map(String::as_str)); n];
        let mut kept: Vec<Told> = Vec::with_capacity(told.len());
        for told in told.into_iter().filter(|told| told.of < n) {
            let of = told.of;
            if ended[of] == Ended::ByCaller {
                continue;
            }
            let (text, at_end) = stops[of].push(&told.text);
            if at_end {
                ended[of] = Ended::ByCaller;
            }
            kept.push(Told { text, ..told });
        }
        for (of, stop) in stops.into_iter().enumerate() {
            let rest = stop.finish();
            if ended[of] != Ended::ByCaller && !rest.is_empty() {
                kept.push(Told { of, token: None, text: rest, top: Vec::new() });
            }
        }
        (kept, Outcome { ended, n_prompt: n_read, n_written })
    }
}
