//! Text in, text out.

mod scoring;

use std::{
    collections::HashSet,
    fmt,
    num::NonZeroUsize,
    sync::{Arc, OnceLock},
};

use attentive_core::{EncoderDecoder, TokenId, TokenMatrix};
use attentive_decode::{
    BeamConfig, BeamRules, BeamTrace, Combination, Constraints, DecodeError, DecodeRequest, Hypothesis, Phrase, Rules,
    SamplingConfig, Spelling, Typed, alternatives, beam_search_traced, beam_search_with, greedy, sample,
};
use attentive_tokenizer::{FrameError, Framing, PairFrame, Tokenizer};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::{
    Bundle, BundleError, Input, MAX_TEXT_TOKENS, Params, Shortlist, TooLong, TranslateError, Translation,
    TranslationConstraints, TranslationModel, WeightFormat, constraints::as_spelled, spelling::spelling,
};

/// The widest beam, the longest translation and the largest batch: beyond what any search needs.
const MAX_BEAM: usize = 1024;
const MAX_LEN: usize = 1 << 16;
const MAX_BATCH_TOKENS: usize = 1 << 24;

/// How to decode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DecodingConfig {
    /// Hypotheses kept for each sentence; 1 is greedy search.
    pub beam: usize,
    /// α of the length penalty, GNMT's by default.
    pub length_penalty: f64,
    /// What α is the exponent of, and when a search is over; imported models have transformers' rules.
    pub beam_rules: BeamRules,
    /// Tokens that a translation may have beyond the source's.
    pub max_len_offset: usize,
    /// Tokens that a translation may have at most, whatever the source has, its end included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_len: Option<usize>,
    /// Tokens that a translation must have before it may end.
    pub min_len: usize,
    /// Length of the n-grams of tokens that a translation has once at most; 0 for no limit.
    pub no_repeat_ngram: usize,
    /// Factor of the log-probabilities of tokens that the translation already has (Keskar et al. 2019, §4.1); 1 for none,
    /// more for less repetition.
    pub repetition_penalty: f64,
    /// Ids that are never written, beside those of special tokens.
    pub suppressed: Vec<TokenId>,
    /// Sequences of ids that a translation never comes to contain.
    pub bad_words: Vec<Vec<TokenId>>,
    /// The id that every translation begins with, where the tokenizer does not say one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forced_first: Option<TokenId>,
    /// Source tokens, padding included, that are decoded together.
    pub batch_tokens: usize,
    /// What the weights of a model of any family are packed in on the CPU.
    pub precision: WeightFormat,
    /// Whether the search is among the tokens of the model's shortlist, if it has one.
    pub shortlist: bool,
}

impl Default for DecodingConfig {
    /// The paper's (§6.1): beam 4, α = 0.6, source length + 50.
    fn default() -> Self {
        Self {
            beam: 4,
            length_penalty: 0.6,
            beam_rules: BeamRules::Gnmt,
            max_len_offset: 50,
            max_len: None,
            min_len: 0,
            no_repeat_ngram: 0,
            repetition_penalty: 1.0,
            suppressed: Vec::new(),
            bad_words: Vec::new(),
            forced_first: None,
            batch_tokens: 2048,
            precision: WeightFormat::F32,
            shortlist: true,
        }
    }
}

impl DecodingConfig {
    /// These settings, if a caller bounds translations with that bound: it takes the place of one that depends on the source.
    #[must_use]
    pub fn bounded(self, max_len: Option<usize>) -> Self {
        match max_len {
            Some(n) => Self { max_len, max_len_offset: n.max(self.max_len_offset), ..self },
            None => self,
        }
    }

    /// Checks the settings before there is a model.
    ///
    /// # Errors
    /// [`DecodeError`] names the setting that is out of range.
    pub fn validate(&self) -> Result<(), DecodeError> {
        at_most("beam", self.beam, MAX_BEAM, "at most 1024")?;
        at_most("max_len", self.max_len.unwrap_or(1), MAX_LEN, "at most 65536")?;
        at_most("max_len_offset", self.max_len_offset, MAX_LEN, "at most 65536")?;
        at_most("min_len", self.min_len, MAX_LEN, "at most 65536")?;
        at_most("batch_tokens", self.batch_tokens, MAX_BATCH_TOKENS, "at most 16777216")?;
        if self.batch_tokens == 0 {
            return Err(DecodeError::Setting { key: "batch_tokens", value: 0.0, expected: "at least 1" });
        }
        self.search(1).validate()?;
        if self.max_len.is_some_and(|max_len| self.min_len > max_len) {
            return Err(DecodeError::Setting {
                key: "min_len",
                value: self.min_len as f64,
                expected: "at most max_len",
            });
        }
        if self.max_len == Some(0) {
            return Err(DecodeError::Setting { key: "max_len", value: 0.0, expected: "at least 1" });
        }
        self.rules(&[], None).validate()
    }

    fn search(&self, n_best: usize) -> BeamConfig {
        BeamConfig { beam: self.beam, n_best, length_penalty: self.length_penalty, rules: self.beam_rules }
    }

    /// The rules of translations that begin with `first`, `specials` suppressed.
    fn rules(&self, specials: &[TokenId], first: Option<TokenId>) -> Rules {
        Rules {
            suppressed: [specials, &self.suppressed].concat(),
            bad_words: self.bad_words.clone(),
            min_len: self.min_len,
            no_repeat_ngram: self.no_repeat_ngram,
            repetition_penalty: self.repetition_penalty,
            forced_first: first.or(self.forced_first),
        }
    }
}

/// Holds a setting against its upper limit.
pub(crate) fn at_most(
    key: &'static str,
    value: usize,
    limit: usize,
    expected: &'static str,
) -> Result<(), DecodeError> {
    if value > limit { Err(DecodeError::Setting { key, value: value as f64, expected }) } else { Ok(()) }
}

/// Translates texts with a model and its tokenizer.
pub struct Translator<M> {
    model: M,
    tokenizer: Arc<dyn Tokenizer>,
    eos: TokenId,
    /// What stands around texts; an error where the tokenizer's languages have to be said first.
    frame: Result<PairFrame, FrameError>,
    suppressed: Vec<TokenId>,
    /// The tokens that searches are among, if not among all.
    shortlist: Option<Arc<Shortlist>>,
    /// Made when it is first needed.
    spelling: Arc<OnceLock<Spelling>>,
}

impl Translator<TranslationModel> {
    /// A bundle's translator on `device`; on the CPU's default backend, its weights are packed at `precision`, or as the
    /// bundle says. The bundle's shortlist is followed where [`DecodingConfig::shortlist`] says so.
    ///
    /// # Errors
    /// [`BundleError`] if the bundle's parts do not fit, or another backend is asked for a precision of its own.
    pub fn from_bundle(
        bundle: &Bundle<impl Params>,
        device: &Device,
        precision: Option<WeightFormat>,
    ) -> Result<Self, BundleError> {
        let model = bundle.translation_model(device, precision)?;
        Ok(Self::new(model, bundle.tokenizer()?.clone())?.with_shortlist(bundle.shortlist.clone()))
    }
}

impl Translator<TranslationModel> {
    /// A translator of several bundles of one tokenizer, the first's, whose models decide on each token
    /// [together](TranslationModel::of_bundles); otherwise as [`from_bundle`](Self::from_bundle), with the first's shortlist for
    /// all. Settings of decoding are those that are given: what the others' bundles say of it is not followed.
    ///
    /// # Errors
    /// [`BundleError`] as there.
    pub fn from_ensemble(
        bundles: &[Bundle<impl Params>],
        device: &Device,
        precision: Option<WeightFormat>,
        together: (&[f64], Combination),
    ) -> Result<Self, BundleError> {
        let model = TranslationModel::of_bundles(bundles, device, precision, together)?;
        let translator = Self::new(model, bundles[0].tokenizer()?.clone())?;
        Ok(translator.with_shortlist(bundles[0].shortlist.clone()))
    }
}

impl<M: EncoderDecoder> Translator<M> {
    /// A translator of a model that was trained with `tokenizer`.
    ///
    /// # Errors
    /// [`BundleError::NoSpecial`] if the tokenizer lacks a token that translation needs.
    pub fn new(model: M, tokenizer: Arc<dyn Tokenizer>) -> Result<Self, BundleError> {
        let specials = tokenizer.specials();
        let need = |id: Option<TokenId>, role| id.ok_or(BundleError::NoSpecial { role });
        let frame = match tokenizer.pair_frame(None, None) {
            Err(FrameError::NoSpecial { role }) => return Err(BundleError::NoSpecial { role }),
            frame => frame,
        };
        let eos = need(specials.end(), "end-of-sentence")?;
        let unused = crate::unused_rows(&*tokenizer, model.vocab_size());
        let languages = tokenizer.framing().into_iter().flat_map(Framing::of_sources_alone);
        let suppressed = specials.iter().filter(|&id| id != eos).chain(unused).chain(languages).collect();
        Ok(Self { model, tokenizer, eos, frame, suppressed, shortlist: None, spelling: Arc::default() })
    }

    /// This translator, whose searches are among the tokens of a shortlist, where [`DecodingConfig::shortlist`] says so.
    #[must_use]
    pub fn with_shortlist(self, shortlist: Option<Arc<Shortlist>>) -> Self {
        Self { shortlist, ..self }
    }

    /// This translator, from the language `source` to the language `target`, in place of the usual ones: for models that are
    /// told languages, by the names of [`Languages`](attentive_tokenizer::Languages). A text that says its target itself, as
    /// those of OPUS-MT may with `>>fra<<`, is translated into that.
    ///
    /// # Errors
    /// [`FrameError`]: a language is missing or unknown, or the model is not told any.
    pub fn between(mut self, source: Option<&str>, target: Option<&str>) -> Result<Self, FrameError> {
        self.frame = Ok(self.tokenizer.pair_frame(source, target)?);
        Ok(self)
    }

    /// This translator over another handle of the same model; what was made for constraints of words is shared.
    pub fn over<N: EncoderDecoder>(&self, model: N) -> Translator<N> {
        Translator {
            model,
            tokenizer: Arc::clone(&self.tokenizer),
            eos: self.eos,
            frame: self.frame.clone(),
            suppressed: self.suppressed.clone(),
            shortlist: self.shortlist.clone(),
            spelling: Arc::clone(&self.spelling),
        }
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &dyn Tokenizer {
        &*self.tokenizer
    }

    /// The best translation of each text. A text without tokens, blank for example, has the empty one.
    ///
    /// # Errors
    /// [`TranslateError`].
    pub fn translate(
        &self,
        texts: &[impl AsRef<str>],
        config: &DecodingConfig,
    ) -> Result<Vec<Translation>, TranslateError> {
        let found = self.translate_n_best(texts, config, NonZeroUsize::MIN)?;
        // A search gives at least one hypothesis.
        Ok(found.into_iter().map(|mut best| best.swap_remove(0)).collect())
    }

    /// Translates texts together: for each its best translations, best first; `n_best` of them is at most the beam. A text
    /// without tokens has the empty one alone.
    ///
    /// # Errors
    /// [`TranslateError`].
    pub fn translate_n_best(
        &self,
        texts: &[impl AsRef<str>],
        config: &DecodingConfig,
        n_best: NonZeroUsize,
    ) -> Result<Vec<Vec<Translation>>, TranslateError> {
        self.find(&inputs(texts), &[""; 0], config, Search::Best(n_best))
    }

    /// Completes translations: for each text the best `n_best` that begin with its prefix, whose last token is a whole one.
    ///
    /// # Errors
    /// [`TranslateError`].
    ///
    /// # Panics
    /// If there is not one prefix for each text.
    pub fn complete(
        &self,
        texts: &[impl AsRef<str>],
        prefixes: &[impl AsRef<str>],
        config: &DecodingConfig,
        n_best: NonZeroUsize,
    ) -> Result<Vec<Vec<Translation>>, TranslateError> {
        assert_eq!(texts.len(), prefixes.len(), "complete: one prefix for each text");
        self.find(&inputs(texts), prefixes, config, Search::Best(n_best))
    }

    /// Draws `n_samples` translations of each text at random, in the order of samples: each a function of the text, the
    /// settings and the index of its sample. Texts that differ are drawn by other random numbers.
    ///
    /// # Errors
    /// [`TranslateError`].
    pub fn sample(
        &self,
        texts: &[impl AsRef<str>],
        config: &DecodingConfig,
        sampling: &SamplingConfig,
        n_samples: NonZeroUsize,
    ) -> Result<Vec<Vec<Translation>>, TranslateError> {
        self.find(&inputs(texts), &[""; 0], config, Search::Random(sampling, n_samples))
    }

    /// The translations of each text that a search finds: those that begin with its prefix, if there are prefixes. A text
    /// without tokens has one, its prefix.
    ///
    /// # Errors
    /// [`TranslateError`]. That texts are too long is said of all of them, before any is translated; that no token can begin
    /// translations, of all of these, after all were searched for.
    ///
    /// # Panics
    /// If there are prefixes, but not one for each text.
    pub fn find(
        &self,
        texts: &[Input<'_>],
        prefixes: &[impl AsRef<str>],
        config: &DecodingConfig,
        search: Search<'_>,
    ) -> Result<Vec<Vec<Translation>>, TranslateError> {
        self.find_traced(texts, prefixes, (config, search), None)
    }

    /// The translations of one text that a beam search finds, and what it kept and dropped of the `width` most probable
    /// continuations of each hypothesis. There are no trees of a text without tokens, of samples and of alternatives.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn trace(
        &self,
        text: Input<'_>,
        prefix: &str,
        config: &DecodingConfig,
        search: Search<'_>,
        width: usize,
    ) -> Result<(Vec<Translation>, BeamTrace), TranslateError> {
        let mut trace = BeamTrace::new(width);
        let prefixes = [prefix];
        let prefixes = if prefix.is_empty() { &[][..] } else { &prefixes };
        let found = self.find_traced(&[text], prefixes, (config, search), Some(&mut trace))?;
        Ok((found.into_iter().flatten().collect(), trace))
    }

    fn find_traced(
        &self,
        texts: &[Input<'_>],
        prefixes: &[impl AsRef<str>],
        (config, search): (&DecodingConfig, Search<'_>),
        mut trace: Option<&mut BeamTrace>,
    ) -> Result<Vec<Vec<Translation>>, TranslateError> {
        assert!(prefixes.is_empty() || prefixes.len() == texts.len(), "find: one prefix for each text, or none");
        config.validate()?;
        let nothing = TranslationConstraints::default();
        let constraints = if let Search::Constrained(constraints, _) = search { constraints } else { &nothing };
        constraints.validate(&*self.tokenizer)?;
        let frame = self.frame.as_ref().map_err(FrameError::clone)?;
        if let (Some(first), Some(forced)) = (frame.first, config.forced_first.filter(|&id| Some(id) != frame.first)) {
            return Err(TranslateError::ForcedTwice { first, forced });
        }
        let first = frame.first.or(config.forced_first);
        let rows = self.sources(texts, frame)?;
        let prefixes = prefixes.iter().map(|prefix| constraints.prefix(&*self.tokenizer, prefix.as_ref()));
        let prefixes = prefixes.collect::<Result<Vec<(Vec<TokenId>, Typed)>, TranslateError>>()?;
        let (prefixes, mut typed): (Vec<Vec<TokenId>>, Vec<Typed>) = prefixes.into_iter().unzip();
        if constraints.completes {
            typed = as_spelled(&typed, self.spelling(), &*self.tokenizer)?;
        }
        constraints.validate_prefixes(&*self.tokenizer, &prefixes)?;
        let n_forced = prefixes.iter().map(Vec::len).max().unwrap_or(0) + usize::from(first.is_some());
        let max_len = self.model.max_len().unwrap_or(MAX_TEXT_TOKENS);
        if n_forced > max_len {
            return Err(TranslateError::LongPrefix(TooLong { n_tokens: n_forced, max_len }));
        }
        if let Some(max_len) = config.max_len.filter(|&max_len| n_forced >= max_len && !prefixes.is_empty()) {
            return Err(TranslateError::PrefixBeyond { n_tokens: n_forced + 1, max_len });
        }
        // Sentences of like length go together: less padding, and the result depends on none of it.
        let (mut order, blank): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|&idx| !rows[idx].is_empty());
        order.sort_by_key(|&idx| rows[idx].len());
        let mut translations = vec![Vec::new(); rows.len()];
        for idx in blank {
            let (tokens, token_log_probs) = (prefixes.get(idx).cloned().unwrap_or_default(), Vec::new());
            let empty = Hypothesis { tokens, log_prob: 0.0, token_log_probs, score: 0.0, finished: true };
            translations[idx] = vec![self.translation(empty)];
        }
        let required: Vec<Vec<Phrase>> =
            texts.iter().map(|input| constraints.phrases_of(&*self.tokenizer, input.text)).collect();
        // Texts that are held to words need the scores of all tokens, whose last bits are others than those of a few.
        let is_held =
            |idx: &usize| !required[*idx].is_empty() || typed.get(*idx).is_some_and(|typed| !typed.text.is_empty());
        let (held, free): (Vec<usize>, Vec<usize>) = order.into_iter().partition(is_held);
        let mut refused = Vec::new();
        for batch in [&held, &free].into_iter().flat_map(|order| batches(order, &rows, config.batch_tokens)) {
            let source: Vec<&[TokenId]> = batch.iter().map(|&idx| rows[idx].as_slice()).collect();
            let own = Own {
                prefixes: batch.iter().filter_map(|&idx| prefixes.get(idx).cloned()).collect(),
                typed: batch.iter().filter_map(|&idx| typed.get(idx).cloned()).collect(),
                required: batch.iter().map(|&idx| required[idx].clone()).collect(),
            };
            let found = self.search(&source, &own, frame, (config, search), trace.as_deref_mut())?;
            for (&idx, hypotheses) in batch.iter().zip(found) {
                let is_nothing = |found: &Hypothesis| !found.finished && found.tokens.is_empty();
                if hypotheses.is_empty() || hypotheses.iter().any(is_nothing) {
                    refused.push(idx);
                }
                translations[idx] = hypotheses.into_iter().map(|hypothesis| self.translation(hypothesis)).collect();
                if constraints.alternatives && constraints.completes {
                    // Several tokens may begin the same word.
                    let mut met = HashSet::new();
                    translations[idx].retain(|one| met.insert(one.text.clone()));
                }
            }
        }
        refused.sort_unstable();
        if refused.is_empty() { Ok(translations) } else { Err(TranslateError::NothingFollows { texts: refused }) }
    }

    /// What tokens write.
    fn spelling(&self) -> &Spelling {
        self.spelling.get_or_init(|| spelling(&*self.tokenizer, self.model.vocab_size()))
    }

    /// The ids of texts, each in its frame; none for a text without tokens.
    fn sources(&self, texts: &[Input<'_>], frame: &PairFrame) -> Result<Vec<Vec<TokenId>>, TranslateError> {
        let mut too_long = Vec::new();
        let row = |(idx, input): (usize, &Input<'_>)| {
            let ids = if input.text.trim().is_empty() { Vec::new() } else { self.tokenizer.encode(input.text) };
            if ids.is_empty() {
                return ids;
            }
            let n_around = frame.before(&ids).len() + frame.source.after.len();
            match input.fit(ids, n_around, self.model.max_len()) {
                Ok(ids) => frame.around(&ids),
                Err(found) => {
                    too_long.push((idx, found));
                    Vec::new()
                }
            }
        };
        let rows = texts.iter().enumerate().map(row).collect();
        if too_long.is_empty() { Ok(rows) } else { Err(TranslateError::TooLong { texts: too_long }) }
    }

    fn search(
        &self,
        source: &[&[TokenId]],
        own: &Own,
        frame: &PairFrame,
        (config, search): (&DecodingConfig, Search<'_>),
        trace: Option<&mut BeamTrace>,
    ) -> Result<Vec<Vec<Hypothesis>>, TranslateError> {
        let limit = self.model.max_len().unwrap_or(usize::MAX);
        let max_len = |(idx, row): (usize, &&[TokenId])| {
            let n_required = own.required[idx].iter().flat_map(|phrase| phrase.forms.iter().map(Vec::len).max());
            let of_source = row.len().saturating_add(config.max_len_offset).max(config.min_len + 1);
            let of_source = of_source.max(n_required.sum::<usize>() + 2);
            // A prefix has room for an end after it.
            let n_typed = own.typed.get(idx).map_or(0, |typed| typed.text.len());
            let of_prefix = own.prefixes.get(idx).map_or(0, |prefix| prefix.len() + n_typed + 2);
            of_source.max(of_prefix).min(config.max_len.unwrap_or(usize::MAX)).min(limit)
        };
        let max_len: Vec<usize> = source.iter().enumerate().map(max_len).collect();
        let (prompt, rules) = (vec![frame.begin; source.len()], config.rules(&self.suppressed, frame.first));
        let prefixes = &own.prefixes[..];
        let request = DecodeRequest { prompt: &prompt, prefixes, eos: self.eos, rules: &rules, max_len: &max_len };
        // What fills short rows is not read; the end is in the vocabulary of sources too.
        let sources = TokenMatrix::from_rows(source, self.eos, 0);
        let allowed = self.allowed(source, own, (config, rules.forced_first))?;
        let start = || {
            let mut state = self.model.start(&sources);
            allowed.iter().for_each(|allowed| self.model.restrict(&mut state, allowed));
            state
        };
        let nothing = TranslationConstraints::default();
        let (asked, n) = match search {
            Search::Best(n_best) if n_best.get() == 1 && config.beam == 1 && trace.is_none() => {
                return Ok(greedy(&self.model, start(), &request)?.into_iter().map(|best| vec![best]).collect());
            }
            Search::Random(sampling, n_samples) => {
                let configs: Vec<SamplingConfig> = source.iter().map(|row| sampling.of_text(row)).collect();
                return Ok(sample(&self.model, start(), &request, &configs, n_samples.get())?);
            }
            Search::Best(n_best) => (&nothing, n_best.get()),
            Search::Constrained(asked, n) => (asked, n.get()),
        };
        let forbidden = asked.forbidden(&*self.tokenizer);
        let spelling = asked.needs_spelling(&own.typed).then(|| self.spelling());
        let constraints = Constraints {
            required: &own.required,
            forbidden: &forbidden,
            typed: &own.typed,
            prefix_bias: asked.prefix_bias,
            diversity: asked.diversity,
            coverage_penalty: asked.coverage_penalty,
            spelling,
        };
        if asked.alternatives {
            return Ok(alternatives(&self.model, start, &request, &config.search(1), &constraints, n)?);
        }
        let beam = config.search(n);
        Ok(match trace {
            Some(trace) => beam_search_traced(&self.model, start(), &request, &beam, &constraints, trace)?,
            None => beam_search_with(&self.model, start(), &request, &beam, &constraints)?,
        })
    }

    /// The tokens that each source may be translated by, if not by all: those of the shortlist, and what the translation is asked
    /// to have. A word that is to be completed goes on with any token.
    fn allowed(
        &self,
        sources: &[&[TokenId]],
        own: &Own,
        (config, first): (&DecodingConfig, Option<TokenId>),
    ) -> Result<Option<Vec<Vec<TokenId>>>, TranslateError> {
        let Some(shortlist) = self.shortlist.as_ref().filter(|_| config.shortlist) else { return Ok(None) };
        if !self.model.restricts() {
            return Err(TranslateError::Shortlist);
        }
        let is_typed = |idx: usize| own.typed.get(idx).is_some_and(|typed| !typed.text.is_empty());
        if (0..sources.len()).all(is_typed) {
            return Ok(None);
        }
        let of_source = |(idx, source): (usize, &&[TokenId])| {
            if is_typed(idx) {
                return (0..self.model.vocab_size() as TokenId).collect();
            }
            let mut tokens = shortlist.of(source);
            tokens.extend(first.into_iter().chain([self.eos]));
            tokens.extend(own.prefixes.get(idx).into_iter().flatten());
            tokens.extend(own.required[idx].iter().flat_map(|phrase| phrase.forms.concat()));
            tokens.sort_unstable();
            tokens.dedup();
            tokens
        };
        Ok(Some(sources.iter().enumerate().map(of_source).collect()))
    }

    fn translation(&self, hypothesis: Hypothesis) -> Translation {
        let Hypothesis { tokens, log_prob, token_log_probs, score, finished: is_finished } = hypothesis;
        let text = self.tokenizer.decode(&tokens).expect("the vocabulary is the tokenizer's");
        Translation { text, tokens, log_prob, token_log_probs, score, is_finished }
    }
}

/// The translations that are wanted of each text, and how many.
#[derive(Debug, Clone, Copy)]
pub enum Search<'a> {
    /// The best ones, best first.
    Best(NonZeroUsize),
    /// Those drawn at random, in the order of samples.
    Random(&'a SamplingConfig, NonZeroUsize),
    /// The best ones that keep to constraints, best first; by beam search.
    Constrained(&'a TranslationConstraints, NonZeroUsize),
}

/// What is asked of each of some texts, as tokens.
struct Own {
    /// For each text, or empty.
    prefixes: Vec<Vec<TokenId>>,
    /// For each text, or empty.
    typed: Vec<Typed>,
    required: Vec<Vec<Phrase>>,
}

fn inputs(texts: &[impl AsRef<str>]) -> Vec<Input<'_>> {
    texts.iter().map(Input::from).collect()
}

/// Cuts rows, sorted by length, into batches of at most `max_tokens` padded tokens, one row at least.
fn batches<'a>(order: &'a [usize], rows: &[Vec<TokenId>], max_tokens: usize) -> Vec<&'a [usize]> {
    let mut batches = Vec::new();
    let mut first = 0;
    for end in 1..=order.len() {
        let is_full = |end: usize| rows[order[end]].len() * (end + 1 - first) > max_tokens;
        if end == order.len() || is_full(end) {
            batches.push(&order[first..end]);
            first = end;
        }
    }
    batches
}

impl<M: fmt::Debug> fmt::Debug for Translator<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Translator")
            .field("model", &self.model)
            .field("vocab_size", &self.tokenizer.vocab_size())
            .finish_non_exhaustive()
    }
}
