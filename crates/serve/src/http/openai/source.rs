//! Where an answer comes from: a language model that writes it, or a translation model, whose answer is a translation.

use std::sync::Arc;

use attentive_bundle::Translation;
use attentive_decode::{Ended, SamplingConfig, StopStrings};

use crate::{
    app::{App, Stream, Turn},
    error::Failure,
    http::{body::check_texts, own::pieces, settings::Settings},
    models::{Ask, Engine, Outcome, PairTokens, ScoredToken, Served, Task, Told, TranslationEngine, Wish},
    text::sentences::Part,
    translate::{TranslatedParts, own_languages, translate_parts},
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
            let (told, outcome) = app.work(served, move |turn| translated(turn, &text, &wanted)).await?;
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
fn translated(turn: &Turn, text: &str, wanted: &Wanted) -> Result<(Vec<Told>, Outcome), Failure> {
    let settings = &wanted.settings;
    let (n, stop) = (settings.n()?, settings.stop()?);
    settings.refuse_undrawn()?;
    let sampling = settings.sampling(&SamplingConfig::default());
    sampling.validate()?;
    // Without a temperature, the best; as a translation model is used.
    let sampling = settings.temperature.filter(|&temperature| temperature > 0.0).map(|_| sampling);
    let max_tokens = settings.max_tokens(&turn.app.config.limits)?;
    let wish = own_languages(&turn.served, &Wish { n_best: n, max_tokens, sampling, ..Wish::default() })?;
    let wish = turn.served.translation()?.wish_of(text, &wish);
    let TranslatedParts { parts, found, n_read } = translate_parts(turn, text, &wish)?;
    let mut all = Translations { n_read, ..Translations::default() };
    for of in 0..n {
        all.add(turn, of, (&parts, &found), &wish, wanted)?;
    }
    turn.writes(all.n_written[0]);
    Ok(all.until(&stop))
}

/// Translations of one text, as texts that were written.
#[derive(Default)]
struct Translations {
    told: Vec<Told>,
    n_read: usize,
    n_written: Vec<usize>,
    are_finished: Vec<bool>,
    /// Of the sentences whose tokens have been told, all translations, whose scores cost little more than those of one.
    scored: Vec<Vec<Scored>>,
}

/// The tokens of a translation, and how probable each was.
type Scored = (PairTokens, Vec<ScoredToken>);

impl Translations {
    /// Adds the translation of rank `of`, with as many tokens as were asked for at most, whatever the number of sentences.
    fn add(
        &mut self,
        turn: &Turn,
        of: usize,
        (parts, found): (&[Part<'_>], &[Vec<Translation>]),
        wish: &Wish,
        wanted: &Wanted,
    ) -> Result<(), Failure> {
        let engine = turn.served.translation()?;
        let (mut n_left, mut n_written, mut is_finished) = (wish.max_tokens.unwrap_or(usize::MAX), 0, true);
        let mut sentences = found.iter().enumerate();
        for part in parts {
            let source = match part {
                Part::Space(text) => {
                    self.told.push(plain(of, (*text).to_owned()));
                    continue;
                }
                Part::Sentence(source) => source,
            };
            let Some((at, ranked)) = sentences.next() else { continue };
            // A sentence that has fewer gives its last.
            let rank = of.min(ranked.len().saturating_sub(1));
            let Some(found) = ranked.get(rank) else { continue };
            if n_left == 0 {
                is_finished = false;
                break;
            }
            let n_kept = found.tokens.len().min(n_left);
            let has_end = found.is_finished && n_kept == found.tokens.len();
            is_finished &= has_end;
            n_left -= n_kept;
            n_written += n_kept + usize::from(has_end);
            if wanted.with_tokens {
                // Of each rank in the order of the sentences, so that those before have been scored.
                if self.scored.len() == at {
                    self.scored.push(scored(turn, source, ranked, wish, wanted.n_top)?);
                }
                self.tell_tokens(engine, of, [at, rank], found.tokens.len() - n_kept);
            } else {
                let whole = n_kept == found.tokens.len();
                let text = match whole {
                    true => found.text.clone(),
                    false => pieces(engine.tokenizer(), &[], &found.tokens[..n_kept]).concat(),
                };
                self.told.push(plain(of, text));
            }
            if !has_end && n_left == 0 {
                break;
            }
        }
        self.n_written.push(n_written);
        self.are_finished.push(is_finished);
        Ok(())
    }

    /// Tells the tokens of a sentence's translation but for the last `n_left_out`, and without its end, which adds no text.
    fn tell_tokens(&mut self, engine: &TranslationEngine, of: usize, [at, rank]: [usize; 2], n_left_out: usize) {
        let (pair, scored) = &self.scored[at][rank];
        let kept = &pair.target[..pair.target.len() - n_left_out];
        for (ScoredToken { id, log_prob, top }, text) in scored.iter().zip(pieces(engine.tokenizer(), &[], kept)) {
            self.told.push(Told { token: Some((*id, *log_prob)), top: top.clone(), ..plain(of, text) });
        }
    }

    /// The texts up to the first string that ends each.
    fn until(self, stop: &[String]) -> (Vec<Told>, Outcome) {
        let Self { told, n_read, n_written, are_finished, .. } = self;
        let end = |is_finished| if is_finished { Ended::ByModel } else { Ended::ByLength };
        let mut ended: Vec<Ended> = are_finished.into_iter().map(end).collect();
        let mut stops = vec![StopStrings::new(stop.iter().map(String::as_str)); ended.len()];
        let mut kept: Vec<Told> = Vec::with_capacity(told.len());
        for told in told {
            let of = told.of;
            if ended[of] == Ended::ByCaller {
                continue;
            }
            let n_held = stops[of].n_held();
            let (text, at_end) = stops[of].push(&told.text);
            if at_end {
                ended[of] = Ended::ByCaller;
            }
            kept.push(Told { text, n_held, ..told });
        }
        for (of, stop) in stops.into_iter().enumerate() {
            let rest = stop.finish();
            if ended[of] != Ended::ByCaller && !rest.is_empty() {
                kept.push(plain(of, rest));
            }
        }
        (kept, Outcome { ended, n_prompt: n_read, n_written })
    }
}

/// A text without its tokens.
fn plain(of: usize, text: String) -> Told {
    Told { of, token: None, text, n_held: 0, top: Vec::new() }
}

/// The scores of all translations of a sentence, which is read once.
fn scored(turn: &Turn, source: &str, found: &[Translation], wish: &Wish, n_top: usize) -> Result<Vec<Scored>, Failure> {
    let engine = turn.served.translation()?;
    let pairs = found.iter().map(|found| engine.pair(source, &found.tokens, wish)).collect::<Result<Vec<_>, _>>()?;
    let scored = engine.score(&pairs, n_top, &turn.ticket)?;
    Ok(pairs.into_iter().zip(scored).collect())
}
