//! Where an answer comes from: a language model that writes it, or a translation model, whose answer is a translation.

use std::sync::Arc;

use attentive_bundle::Translation;
use attentive_decode::{Ended, SamplingConfig, StopStrings};

use crate::{
    app::{App, Stream, Turn},
    error::Failure,
    http::{body::check_texts, own::pieces, settings::Settings},
    models::{Ask, Engine, Outcome, PairTokens, ScoredToken, Served, Task, Told, Wish},
    translate::{Format, own_languages, translate},
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
            app.write(served, Task { prompt: ask, n, config, n_top, draft_ngrams: None }).await
        }
        _ if wanted.settings.form.is_some() => {
            Err(Failure::field("response_format", "a translation can't be held to a form: ask for text"))
        }
        _ => {
            let text = text_to_translate(&wanted.ask)?;
            check_texts(&[&text], &app.config.limits)?;
            let (told, outcome) = app.work(served, move |turn| translated(turn, text, &wanted)).await?;
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
fn translated(turn: &Turn, text: String, wanted: &Wanted) -> Result<(Vec<Told>, Outcome), Failure> {
    let settings = &wanted.settings;
    let (n, stop) = (settings.n()?, settings.stop()?);
    let sampling = settings.sampling(&SamplingConfig::default());
    sampling.validate()?;
    // Without a temperature, the best; as a translation model is used.
    let sampling = settings.temperature.filter(|&temperature| temperature > 0.0).map(|_| sampling);
    let max_tokens = settings.max_tokens(&turn.app.config.limits)?;
    let wish = Wish { n_best: n, max_tokens, sampling, ..Wish::default() };
    let told = if wanted.with_tokens {
        with_tokens(turn, &text, &wish, wanted.n_top)?
    } else {
        let found = translate(turn, &[text], Format::Text, &wish)?.swap_remove(0);
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
fn with_tokens(turn: &Turn, text: &str, wish: &Wish, n_top: usize) -> Result<Translations, Failure> {
    let Turn { app, served, ticket, .. } = turn;
    let engine = served.translation()?;
    let wish = own_languages(served, wish)?;
    let n_read = engine.n_tokens(text);
    turn.reads_tokens(n_read)?;
    let found = engine.sentences(&[text], &wish, &app.config.limits, ticket)?.swap_remove(0);
    let pair = |found: &Translation| engine.pair(text, &found.tokens, &wish);
    let pairs = found.iter().map(pair).collect::<Result<Vec<PairTokens>, _>>()?;
    let mut told = Vec::new();
    for (of, (pair, scored)) in pairs.iter().zip(engine.score(&pairs, n_top, ticket)?).enumerate() {
        let texts = pieces(engine.tokenizer(), &[], &pair.target);
        for (ScoredToken { id, log_prob, top }, text) in scored.into_iter().zip(texts) {
            told.push(Told { of, token: Some((id, log_prob)), text, top });
        }
    }
    let are_finished: Vec<bool> = found.iter().map(|found| found.is_finished).collect();
    let n_written: Vec<usize> = found.iter().map(|found| found.tokens.len() + usize::from(found.is_finished)).collect();
    turn.writes(n_written[0]);
    Ok(Translations { told, n_read, n_written, are_finished })
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
