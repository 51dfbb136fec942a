//! Translation: texts of any length, their sentences, and what is known of each token.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use attentive_backend::Device;
use attentive_bundle::{
    Bundle, DecodingConfig, Input, MAX_TEXT_TOKENS, Search, SharedParams, TooLong, Translation, TranslationConstraints,
    TranslationModel, Translator, WeightFormat,
};
use attentive_core::{EncoderDecoder, NextToken, TokenId, TokenMatrix};
use attentive_corpus::BuiltinConfig;
use attentive_decode::{BeamTrace, Combination, SamplingConfig};
use attentive_inspect::{InspectError, PronounHeads, TranslationViewer, pronoun_heads};
use attentive_tokenizer::{PairFrame, Tokenizer};
use tokio::sync::OnceCell;

use super::{
    attention::Views,
    handle::{Ranked, Shared, best_of, for_request, shared},
};
use crate::{
    ServeError,
    config::Limits,
    error::{Failure, Kind},
    metrics::Meters,
    ticket::Ticket,
};

/// Tokens of the longest sentence that a model without a bound on positions reads whole.
const MAX_SENTENCE: usize = 512;

/// The most tokens of a sentence, or of its translation, whose attention is told: it grows with their square.
const MAX_SEEN: usize = 512;

/// The widest beam whose tree is told: it grows with its square.
const MAX_TREE_BEAM: usize = 16;

/// Workers of a model at most: a search has the rows of its beam, so that those of a worker's searches are enough for its
/// products.
const MAX_WORKERS: usize = 4;

/// A translation model in use.
pub(crate) struct TranslationEngine {
    model: Shared<TranslationModel>,
    translator: Translator<Shared<TranslationModel>>,
    tokenizer: Arc<dyn Tokenizer>,
    /// The model's own settings.
    pub(crate) decoding: DecodingConfig,
    /// How often its heads find what "it" is, once that is measured.
    pub(crate) heads: OnceCell<Vec<PronounHeads>>,
    device: Device,
    /// Of one model: several tell nothing.
    looking: Option<Mutex<Looking>>,
}

/// The model on tensors, which tells what it looks at: made of the bundle when that is first asked for.
enum Looking {
    Not(Box<Bundle<SharedParams>>),
    Looks(TranslationViewer),
    Fails(String),
}

/// How a request is to be translated.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    pub(crate) source: Option<String>,
    pub(crate) target: Option<String>,
    /// Translations of each text.
    pub(crate) n_best: usize,
    pub(crate) beam: Option<usize>,
    /// The most tokens of a translation.
    pub(crate) max_tokens: Option<usize>,
    /// Draws at random instead of searching for the best.
    pub(crate) sampling: Option<SamplingConfig>,
    /// The beginning of every translation.
    pub(crate) prefix: Option<String>,
    /// What translations are held to.
    pub(crate) constraints: Option<TranslationConstraints>,
    /// With constraints that ask for alternatives, how many.
    pub(crate) alternatives: Option<NonZeroUsize>,
}

/// The tokens of a pair of texts, as the model reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PairTokens {
    /// The source in its frame.
    pub(crate) source: Vec<TokenId>,
    /// Tokens of the frame before the source's own, and after.
    pub(crate) around: [usize; 2],
    /// What is read in front of the target.
    pub(crate) begin: TokenId,
    /// The target, without its end.
    pub(crate) target: Vec<TokenId>,
}

/// The score of a token of a given text, and those that would have been more probable, or less.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScoredToken {
    pub(crate) id: TokenId,
    pub(crate) log_prob: f64,
    pub(crate) top: Ranked,
}

impl TranslationEngine {
    /// The model of a bundle, or those of several, which decide together: by the first's settings, with their weights.
    pub(crate) fn new(
        mut bundles: Vec<Bundle<SharedParams>>,
        together: (&[f64], Combination),
        device: &Device,
        precision: Option<WeightFormat>,
        meters: Meters,
    ) -> Result<Self, ServeError> {
        let model = TranslationModel::of_bundles(&bundles, device, precision, together)?;
        let is_alone = bundles.len() == 1;
        let bundle = bundles.swap_remove(0);
        let tokenizer = Arc::clone(bundle.tokenizer()?);
        let model = shared(model, meters, MAX_WORKERS);
        // What it lacks is told now, and not at the first request.
        let translator = Translator::new(model.clone(), Arc::clone(&tokenizer))?;
        if bundle.shortlist.is_some() && bundle.decoding.shortlist && !model.restricts() {
            return Err(ServeError::Shortlist { path: bundle.path });
        }
        let translator = translator.with_shortlist(bundle.shortlist.clone());
        Ok(Self {
            model,
            translator,
            tokenizer,
            decoding: bundle.decoding.clone(),
            heads: OnceCell::new(),
            device: device.clone(),
            looking: is_alone.then(|| Mutex::new(Looking::Not(Box::new(bundle)))),
        })
    }

    /// The settings of a search.
    fn config(&self, wish: &Wish, limits: &Limits) -> DecodingConfig {
        let config = self.decoding.clone().bounded(wish.max_tokens);
        let max_len = config.max_len.unwrap_or(usize::MAX).min(limits.output_tokens).max(1);
        let beam = wish.beam.unwrap_or(config.beam).max(wish.n_best);
        DecodingConfig { beam, min_len: config.min_len.min(max_len), max_len: Some(max_len), ..config }
    }

    /// The translator of a request, the settings of its search, and what it looks for.
    fn search<'w>(
        &self,
        wish: &'w Wish,
        limits: &Limits,
        ticket: &Arc<Ticket>,
    ) -> Result<(Translator<Shared<TranslationModel>>, DecodingConfig, Search<'w>), Failure> {
        let mut translator = self.translator.over(for_request(&self.model, ticket));
        if wish.source.is_some() || wish.target.is_some() {
            translator = translator.between(wish.source.as_deref(), wish.target.as_deref())?;
        }
        let n_best = NonZeroUsize::new(wish.n_best).unwrap_or(NonZeroUsize::MIN);
        let search = match (&wish.sampling, &wish.constraints) {
            (Some(sampling), _) => Search::Random(sampling, n_best),
            (None, Some(constraints)) => Search::Constrained(constraints, wish.alternatives.unwrap_or(n_best)),
            (None, None) => Search::Best(n_best),
        };
        Ok((translator, self.config(wish, limits), search))
    }

    /// The best `n_best` translations of each sentence; one without tokens has the empty one.
    pub(crate) fn sentences(
        &self,
        sentences: &[&str],
        wish: &Wish,
        limits: &Limits,
        ticket: &Arc<Ticket>,
    ) -> Result<Vec<Vec<Translation>>, Failure> {
        let (translator, config, search) = self.search(wish, limits, ticket)?;
        let inputs: Vec<Input<'_>> = sentences.iter().map(Input::from).collect();
        let prefixes: Vec<&str> = wish.prefix.iter().flat_map(|prefix| vec![&**prefix; sentences.len()]).collect();
        translator.find(&inputs, &prefixes, &config, search).map_err(|error| ticket.explain(error.into()))
    }

    /// The best translations of one sentence, and what the search kept and dropped of as many continuations of each hypothesis
    /// as its beam is wide.
    pub(crate) fn traced(
        &self,
        sentence: &str,
        wish: &Wish,
        limits: &Limits,
        ticket: &Arc<Ticket>,
    ) -> Result<(Vec<Translation>, BeamTrace), Failure> {
        let (translator, config, search) = self.search(wish, limits, ticket)?;
        if config.beam > MAX_TREE_BEAM || self.n_tokens(sentence) > MAX_SEEN {
            return Err(Failure::field(
                "tree",
                format!("tree is of a beam of up to {MAX_TREE_BEAM}, and of up to {MAX_SEEN} tokens"),
            ));
        }
        let prefix = wish.prefix.as_deref().unwrap_or_default();
        let found = translator.trace(Input::from(sentence), prefix, &config, search, config.beam);
        found.map_err(|error| ticket.explain(error.into()))
    }

    /// Whether the model reads a sentence whole: it has positions for it, or has them for any and the sentence is not so long
    /// that others would wait for it.
    pub(crate) fn fits(&self, sentence: &str) -> bool {
        // The frame is of a language, the end, and another one at most.
        const FRAME: usize = 3;
        self.n_tokens(sentence) + FRAME <= self.model.max_len().unwrap_or(MAX_SENTENCE)
    }

    /// The wish for a text: into the language that it begins with by itself, as OPUS-MT's may with `>>fra<<`. All of its
    /// sentences are told it, and not the first alone.
    pub(crate) fn wish_of(&self, text: &str, wish: &Wish) -> Wish {
        let said = || {
            let (name, _) = text.trim_start().strip_prefix(">>")?.split_once("<<")?;
            let languages = self.tokenizer.framing()?.languages.as_ref().filter(|all| all.sources.is_some())?;
            let id = *languages.ids.get(name)?;
            (self.tokenizer.encode(&format!(">>{name}<<")) == [id]).then(|| name.to_owned())
        };
        Wish { target: said().or_else(|| wish.target.clone()), ..wish.clone() }
    }

    pub(crate) fn n_tokens(&self, text: &str) -> usize {
        if text.trim().is_empty() { 0 } else { self.tokenizer.encode(text).len() }
    }

    fn frame(&self, wish: &Wish) -> Result<PairFrame, Failure> {
        Ok(self.tokenizer.pair_frame(wish.source.as_deref(), wish.target.as_deref())?)
    }

    /// A text and a translation of it, as the model reads them.
    pub(crate) fn pair(&self, text: &str, target: &[TokenId], wish: &Wish) -> Result<PairTokens, Failure> {
        let frame = self.frame(wish)?;
        let ids = self.tokenizer.encode(text);
        let around = [frame.before(&ids).len(), frame.source.after.len()];
        let mut target = target.to_vec();
        if let Some(first) = frame.first.filter(|first| target.first() != Some(first)) {
            target.insert(0, first);
        }
        let pair = PairTokens { source: frame.around(&ids), around, begin: frame.begin, target };
        let n_tokens = pair.source.len().max(pair.target.len() + 1);
        let max_len = self.model.max_len().unwrap_or(MAX_TEXT_TOKENS);
        if n_tokens > max_len { Err(TooLong { n_tokens, max_len }.into()) } else { Ok(pair) }
    }

    /// The tokens of a target that is given as text.
    pub(crate) fn target_tokens(&self, text: &str) -> Vec<TokenId> {
        self.tokenizer.encode_target(text)
    }

    /// The log-probability of each token of some targets of one source, and of the end after them, with the `n_top` most
    /// probable tokens in its place.
    pub(crate) fn score(
        &self,
        pairs: &[PairTokens],
        n_top: usize,
        ticket: &Arc<Ticket>,
    ) -> Result<Vec<Vec<ScoredToken>>, Failure> {
        let (Some(first), Some(end)) = (pairs.first(), self.tokenizer.specials().end()) else {
            return Ok(Vec::new());
        };
        let model = for_request(&self.model, ticket);
        let mut state = EncoderDecoder::start(&model, &TokenMatrix::from_rows(&[&first.source[..]], end, 0));
        model.reorder(&mut state, &vec![0; pairs.len()]);
        let n_steps = pairs.iter().map(|pair| pair.target.len() + 1).max().unwrap_or(0);
        let mut scored = vec![Vec::new(); pairs.len()];
        for step in 0..n_steps {
            // Rows that are over read anything.
            let read = |pair: &PairTokens| match step {
                0 => pair.begin,
                _ => pair.target.get(step - 1).copied().unwrap_or(end),
            };
            let tokens: Vec<TokenId> = pairs.iter().map(read).collect();
            let log_probs = model.log_probs(&tokens, &mut state).map_err(|error| ticket.explain(error.into()))?;
            let rows = log_probs.chunks(model.vocab_size());
            for ((pair, scored), row) in pairs.iter().zip(&mut scored).zip(rows) {
                if step <= pair.target.len() {
                    let id = pair.target.get(step).copied().unwrap_or(end);
                    let top = best_of(row, n_top);
                    scored.push(ScoredToken { id, log_prob: f64::from(row[id as usize]), top });
                }
            }
        }
        Ok(scored)
    }

    /// Whether a pair is short enough to tell what the model looks at.
    pub(crate) fn can_look(pair: &PairTokens) -> bool {
        pair.source.len().max(pair.target.len()) <= MAX_SEEN
    }

    /// What the model looks at as it reads a source and writes a target; nothing of a model that does not look.
    pub(crate) fn views(&self, pair: &PairTokens, ticket: &Ticket) -> Result<Views, Failure> {
        if !Self::can_look(pair) {
            let n_tokens = pair.source.len().max(pair.target.len());
            return Err(Failure::invalid(format!(
                "what the model looks at is told of up to {MAX_SEEN} tokens, and there are {n_tokens}: shorten the text, or \
                 leave attention and alignment out"
            )));
        }
        let target: Vec<TokenId> = [pair.begin].into_iter().chain(pair.target.iter().copied()).collect();
        match self.look(ticket, |viewer| viewer.look_at(&pair.source, &target))? {
            Some(Ok(views)) => Ok(Views(views)),
            None | Some(Err(InspectError::NoAttention { .. })) => Ok(Views::default()),
            Some(Err(error)) => Err(Failure::broken(&error)),
        }
    }

    /// How often each head finds the noun that "it" refers to, in sentences of the built-in corpus that training did not see.
    pub(crate) fn pronoun_heads(&self, ticket: &Ticket) -> Result<Vec<PronounHeads>, Failure> {
        const N_SENTENCES: usize = 100;
        let config =
            BuiltinConfig { n_train: 0, n_validation: 0, n_test: 0, n_pronouns: N_SENTENCES, ..Default::default() };
        let sentences = config.generate().pronouns;
        let found = self.look(ticket, |viewer| pronoun_heads(viewer, &sentences))?;
        found.unwrap_or_else(|| Ok(Vec::new())).map_err(|error| Failure::broken(&error))
    }

    /// What `ask` gets of the model that tells what it looks at, one request at a time; nothing of several.
    fn look<T>(&self, ticket: &Ticket, ask: impl FnOnce(&TranslationViewer) -> T) -> Result<Option<T>, Failure> {
        let Some(looking) = &self.looking else { return Ok(None) };
        let mut looking = looking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Looking::Not(bundle) = &*looking {
            let made = TranslationViewer::new(bundle, &self.device);
            *looking = made.map_or_else(|error| Looking::Fails(error.to_string()), Looking::Looks);
        }
        match &*looking {
            Looking::Looks(viewer) => ticket.over().map_or_else(|| Ok(Some(ask(viewer))), Err),
            Looking::Fails(problem) => Err(Failure::new(Kind::Broken, problem.clone())),
            Looking::Not(_) => unreachable!("made above"),
        }
    }

    pub(crate) fn tokenizer(&self) -> &dyn Tokenizer {
        &*self.tokenizer
    }
}
