//! Texts drawn at random, a token at a time.

use std::{collections::BTreeMap, ops::ControlFlow};

use attentive_core::{LanguageModel, NextToken, TokenId, Want};

use crate::{
    DecodeError, DecodeRequest, Hypothesis, Rules, SamplingConfig,
    candidates::{TopCandidates, Total},
    form::{Form, Holder},
    lines::{Choice, End, Line, Lines},
    rows::{RowScores, Rows},
    rules::Admitted,
};

/// Texts to continue, and their limits.
#[derive(Debug, Clone, Copy)]
pub struct GenerateRequest<'a> {
    /// The texts so far, each of at least one token.
    pub prompts: &'a [Vec<TokenId>],
    /// Number of continuations of each prompt.
    pub n_samples: usize,
    /// Largest number of tokens that may follow each.
    pub max_tokens: usize,
    /// The ids that end a text, each of them; the one that does is not passed on.
    pub ends: &'a [TokenId],
    /// Rules for the tokens that follow.
    pub rules: &'a Rules,
}

/// The form that texts are held to.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// The form; its vocabulary is the model's.
    pub form: &'a Form,
    /// The place of the vocabulary that the text after each prompt begins at: `[prompts]`.
    pub places: &'a [usize],
}

/// One token that was drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn {
    /// Index of the text that it continues: `prompt · n_samples + sample`.
    pub text: usize,
    /// The token.
    pub token: TokenId,
    /// The model's log-probability of it in nats, before temperature and filters.
    pub log_prob: f64,
}

/// The reason why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The model ended it, or the form that it is held to lets nothing follow.
    ByModel,
    /// It has the requested number of tokens.
    ByLength,
    /// `on_token` wanted no more.
    ByCaller,
}

impl From<End> for Ended {
    fn from(end: End) -> Self {
        match end {
            End::ByModel | End::Whole => Self::ByModel,
            End::ByCaller => Self::ByCaller,
            End::ByLength | End::Stuck => Self::ByLength,
        }
    }
}

/// Continues texts by drawing one token after another, each of which is passed to `on_token` at once; returns the
/// reason why each text ended, `[prompts × samples]`.
///
/// A text is a function of its prompt, the settings and the index of its sample; it does not depend on other texts. Each
/// sample and each prompt has random numbers of its own ([`SamplingConfig::of_sample`], then [`SamplingConfig::of_text`]); a
/// prompt that is given twice has the same texts twice. Prompts of one length are read together and once for all samples;
/// texts leave the batch as they end.
///
/// If the model has positions for `max_len` tokens only, it reads the last half of the text again each time that they
/// are used up, and continues.
///
/// # Errors
/// [`DecodeError`], where the settings or the request are at odds with themselves or with the model, or the device
/// fails.
///
/// # Panics
/// If the model breaks the contract of [`NextToken`].
pub fn generate<M: LanguageModel>(
    model: &M,
    request: &GenerateRequest<'_>,
    config: &SamplingConfig,
    on_token: impl FnMut(Drawn) -> ControlFlow<()>,
) -> Result<Vec<Ended>, DecodeError> {
    generate_held(model, request, config, None, on_token)
}

/// Continues texts as [`generate`] does, each held to a form: of the tokens that may follow, those are drawn that lead to a
/// text of the form, with the model's probabilities of them made to sum to 1. The end is one of them where the text is of the
/// form, and the text ends by itself where nothing else may follow, whatever its least length is. One that has the requested number of tokens before is
/// cut ([`Ended::ByLength`]).
///
/// A [`Drawn::log_prob`] stays the model's.
///
/// # Errors
/// As [`generate`]; [`DecodeError::OutOfForm`] if no token leads on: the vocabulary lacks what the form asks for, or rules
/// exclude it. [`DecodeError::Form`] if a text is at too many places of the form.
///
/// # Panics
/// As [`generate`]; if there are fewer places than prompts.
pub fn generate_held<M: LanguageModel>(
    model: &M,
    request: &GenerateRequest<'_>,
    config: &SamplingConfig,
    held: Option<Held<'_>>,
    mut on_token: impl FnMut(Drawn) -> ControlFlow<()>,
) -> Result<Vec<Ended>, DecodeError> {
    request.validate(model.vocab_size(), config)?;
    let GenerateRequest { prompts, n_samples, max_tokens, ends, rules } = *request;
    let mut of_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (idx, prompt) in prompts.iter().enumerate() {
        of_length.entry(prompt.len()).or_default().push(idx);
    }
    let mut ended = vec![Ended::ByLength; prompts.len() * n_samples];
    for group in of_length.values() {
        let line = |at: usize| Line::new(&prompts[group[at / n_samples]], &[], max_tokens, at / n_samples);
        let text_of = |at: usize| group[at / n_samples] * n_samples + at % n_samples;
        let tokens = group.iter().flat_map(|&prompt| &prompts[prompt]).copied().collect();
        let rows = Rows::new(model, model.start(group.len()), group.len(), tokens);
        let mut lines = Lines::new((0..group.len() * n_samples).map(line).collect(), rows, rules, ends);
        if let Some(Held { form, places }) = held {
            lines.hold(Holder::new(form), |at| places[group[at / n_samples]])?;
        }
        let of_group = group.iter().map(|&prompt| &prompts[prompt]);
        let mut sampler = Sampler::new(config.of_prompts(of_group, n_samples).collect());
        for n_written in 0.. {
            let is_forced = n_written < rules.n_forced(&[]);
            let want =
                if config.is_greedy() && held.is_none() { rules.want(1, ends.len(), is_forced) } else { Want::All };
            if lines.is_full() {
                let n_anew = model.max_len().map_or(1, |max_len| max_len.div_ceil(2));
                lines.reread(model.start(lines.n_rows()), n_anew);
            }
            let hand_out = |at: usize, Choice { token, added }: Choice| {
                on_token(Drawn { text: text_of(at), token, log_prob: added.log_prob })
            };
            let goes_on =
                lines.step(want, |at, line, row, admitted| sampler.draw(at, line, row, admitted), hand_out)?;
            if let Some(stuck) = lines.lines.iter().find(|line| line.end == Some(End::Stuck)) {
                let n_tokens = if held.is_some() { stuck.n_written() } else { stuck.text.len() };
                return Err(match held {
                    Some(_) => DecodeError::OutOfForm { n_tokens },
                    None => DecodeError::NothingFollows { n_tokens },
                });
            }
            if !goes_on {
                break;
            }
        }
        for (at, line) in lines.lines.iter().enumerate() {
            ended[text_of(at)] = line.end.map_or(Ended::ByLength, Ended::from);
        }
    }
    Ok(ended)
}

/// Draws `n_samples` hypotheses of each sentence, in the order of samples; each sentence has its settings.
///
/// A hypothesis is a function of its sentence, its settings and the index of its sample, as those of [`generate`] are.
/// Sentences of one seed are drawn by the same random numbers: [`SamplingConfig::of_text`] gives each its own.
///
/// # Errors
/// [`DecodeError`], where the settings or the request are at odds with themselves or with the model, or the device
/// fails.
///
/// # Panics
/// If the model breaks the contract of [`NextToken`], or `state` has another number of rows than there are sentences, or
/// there are not as many settings as sentences.
pub fn sample<M: NextToken>(
    model: &M,
    state: M::State,
    request: &DecodeRequest<'_>,
    configs: &[SamplingConfig],
    n_samples: usize,
) -> Result<Vec<Vec<Hypothesis>>, DecodeError> {
    assert_eq!(configs.len(), request.n_sentences(), "sample: settings for each sentence");
    configs.iter().try_for_each(SamplingConfig::validate)?;
    request.validate(model)?;
    if n_samples == 0 {
        return Err(DecodeError::ZeroSamples);
    }
    let mut lines = Lines::of_request(model, state, request, n_samples);
    let mut sampler = Sampler::new(configs.iter().flat_map(|config| config.of_samples(n_samples)).collect());
    let mut draw =
        |at: usize, line: &Line<'_>, row: RowScores<'_>, admitted: &Admitted<'_>| sampler.draw(at, line, row, admitted);
    while lines.step(Want::All, &mut draw, |_, _| ControlFlow::Continue(()))? {}
    let mut hypotheses = lines.lines.into_iter().map(Line::into_hypothesis);
    Ok((0..request.n_sentences()).map(|_| hypotheses.by_ref().take(n_samples).collect()).collect())
}

impl GenerateRequest<'_> {
    pub(crate) fn validate(&self, vocab_size: usize, config: &SamplingConfig) -> Result<(), DecodeError> {
        config.validate()?;
        // An end-of-sentence id beyond the vocabulary is never drawn.
        let ends: Vec<TokenId> = self.ends.iter().copied().filter(|&end| (end as usize) < vocab_size).collect();
        self.rules.validate_for(vocab_size, &ends)?;
        if self.n_samples == 0 {
            return Err(DecodeError::ZeroSamples);
        }
        if self.prompts.iter().any(Vec::is_empty) {
            return Err(DecodeError::EmptyPrompt);
        }
        match self.prompts.iter().flatten().find(|&&id| id as usize >= vocab_size) {
            Some(&id) => Err(DecodeError::UnknownToken { id, vocab_size }),
            None => Ok(()),
        }
    }
}

/// Draws the tokens of lines, which are in the order of samples within that of prompts.
pub(crate) struct Sampler {
    /// The settings of each line; they are repeated if there are fewer.
    configs: Vec<SamplingConfig>,
    scores: Vec<f32>,
    top: TopCandidates,
}

impl Sampler {
    /// Draws by the settings of each line, or by one for all of them.
    pub(crate) fn new(configs: Vec<SamplingConfig>) -> Self {
        Self { configs, scores: Vec::new(), top: TopCandidates::new(1) }
    }

    /// The next token of line `at`, if any may follow.
    fn draw(&mut self, at: usize, line: &Line<'_>, row: RowScores<'_>, admitted: &Admitted<'_>) -> Option<Choice> {
        let left = self.distribution(at, &line.text, row, admitted);
        let config = &self.configs[at % self.configs.len()];
        let token = (!left.is_empty()).then(|| config.draw(&left, line.n_written() as u64))?;
        let log_prob = row.log_prob(token);
        Some(Choice { token, added: Total { log_prob, ranked: log_prob } })
    }

    /// The tokens that may follow `text`, that of line `at`, with their probabilities.
    pub(crate) fn distribution(
        &mut self,
        at: usize,
        text: &[TokenId],
        row: RowScores<'_>,
        admitted: &Admitted<'_>,
    ) -> Vec<(TokenId, f64)> {
        let log_probs = match row {
            RowScores::All(log_probs) => log_probs,
            // Greedy: the best are enough.
            RowScores::Top { .. } => {
                return self.top.best_of(row, admitted).map(|best| (best.token, 1.0)).into_iter().collect();
            }
        };
        let score = |(token, &log_prob): (TokenId, &f32)| match admitted.admits(token) {
            true => admitted.ranked(token, log_prob) as f32,
            false => f32::NEG_INFINITY,
        };
        self.scores.clear();
        self.scores.extend((0..).zip(log_probs).map(score));
        self.configs[at % self.configs.len()].distribution(&self.scores, text, &[])
    }
}
