//! Texts drawn with drafts: tokens that are guessed cheaply, and then accepted or replaced in one pass of the model.

mod acceptance;
mod chance;
mod ngrams;
mod reader;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    ops::{AddAssign, ControlFlow},
};

use attentive_core::{LanguageModel, Scores, TokenId, Turn, Want};

use crate::{
    DecodeError, Drawn, Ended, GenerateRequest, SamplingConfig,
    candidates::Total,
    generate::Sampler,
    lines::{Choice, End, Line},
    rows::StepScores,
};
use acceptance::{acceptance, residual};
use chance::{Chance, Seeds};
use reader::Reader;

/// Where drafts come from, and how long they are.
pub struct Drafts<'a, D> {
    /// Where they come from.
    pub source: DraftSource<'a, D>,
    /// Tokens that are drafted at a time, at most: γ of Leviathan et al. 2023, K of Chen et al. 2023.
    pub n_tokens: usize,
}

/// Where drafts come from.
pub enum DraftSource<'a, D> {
    /// A smaller model of the same vocabulary (Leviathan et al. 2023, "Fast Inference from Transformers via Speculative
    /// Decoding"; Chen et al. 2023, "Accelerating Large Language Model Decoding with Speculative Sampling").
    Model(&'a D),
    /// The text itself: what followed its last tokens, of which at most this many are looked for, where it has them before
    /// (Saxena 2023, "Prompt Lookup Decoding").
    Ngrams(usize),
}

/// How many drafts were accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Acceptance {
    /// Tokens that were drafted.
    pub n_drafted: usize,
    /// Those of them that were accepted.
    pub n_accepted: usize,
    /// Tokens that were written, those that end a text included.
    pub n_written: usize,
    /// Passes of the model over a text, the first over its prompt included.
    pub n_passes: usize,
}

impl Acceptance {
    /// The share of drafted tokens that were accepted; `None` if nothing was drafted.
    pub fn share(&self) -> Option<f64> {
        (self.n_drafted > 0).then(|| self.n_accepted as f64 / self.n_drafted as f64)
    }
}

impl AddAssign for Acceptance {
    fn add_assign(&mut self, other: Self) {
        self.n_drafted += other.n_drafted;
        self.n_accepted += other.n_accepted;
        self.n_written += other.n_written;
        self.n_passes += other.n_passes;
    }
}

impl fmt::Display for Acceptance {
    /// In words: how many drafts were accepted, and the passes of the model that all tokens took.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n_drafted, n_accepted, n_written, n_passes } = self;
        write!(f, "drafts: {n_accepted} of {n_drafted} tokens accepted")?;
        if let Some(share) = self.share() {
            write!(f, " ({:.1} %)", 100.0 * share)?;
        }
        write!(f, "; {n_written} tokens in {n_passes} passes of the model")
    }
}

/// Continues texts as [`generate`](crate::generate()) does, with drafts: the model scores several drafted tokens in one pass.
///
/// At temperature 0 the texts are those of `generate`. Otherwise they have the same distribution, and another seed's
/// appearance: a drafted token x is accepted with the probability `min(1, p(x) / q(x))`, where p and q are the distributions
/// of the model and of the draft, with all settings and rules applied to both; the first that is not is replaced by a token of
/// the distribution `max(0, p − q)`, made to sum to 1 (Leviathan et al. 2023, §2.3; Chen et al. 2023, algorithm 2). A draft from
/// n-grams has the probability 1.
///
/// A text is a function of its prompt, the settings, the index of its sample and the drafts; it does not depend on other
/// texts.
///
/// # Errors
/// As [`generate`](crate::generate()); also if the vocabularies of the two models differ in size, or drafts have no tokens.
///
/// # Panics
/// If a model breaks the contract of [`NextToken`](attentive_core::NextToken) or [`LanguageModel`].
pub fn generate_drafted<M: LanguageModel, D: LanguageModel>(
    model: &M,
    drafts: &Drafts<'_, D>,
    request: &GenerateRequest<'_>,
    config: &SamplingConfig,
    on_token: impl FnMut(Drawn) -> ControlFlow<()>,
) -> Result<(Vec<Ended>, Acceptance), DecodeError> {
    write(model, drafts, request, config, &mut Seeds::new(config, request), on_token)
}

/// As [`generate_drafted`], by the random choices of `chance`.
fn write<M: LanguageModel, D: LanguageModel>(
    model: &M,
    drafts: &Drafts<'_, D>,
    request: &GenerateRequest<'_>,
    config: &SamplingConfig,
    chance: &mut impl Chance,
    mut on_token: impl FnMut(Drawn) -> ControlFlow<()>,
) -> Result<(Vec<Ended>, Acceptance), DecodeError> {
    request.validate(model.vocab_size(), config)?;
    drafts.validate(model.vocab_size())?;
    // Distributions do not depend on seeds.
    let (sampler, accepted) = (Sampler::new(vec![config.clone()]), Acceptance::default());
    let mut writer = Writer { model, drafts, request, is_greedy: config.is_greedy(), sampler, accepted };
    let text = |of: usize| Text::new(of, &request.prompts[of / request.n_samples], &writer);
    let mut texts: Vec<Text<'_, M, D>> = (0..request.prompts.len() * request.n_samples).map(text).collect();
    loop {
        let mut open: Vec<&mut Text<'_, M, D>> = texts.iter_mut().filter(|text| text.line.end.is_none()).collect();
        if open.is_empty() {
            break;
        }
        writer.draft(&mut open, chance)?;
        let scores = writer.read(&mut open)?;
        for (text, scores) in open.into_iter().zip(scores) {
            writer.settle(text, scores, chance, &mut on_token)?;
        }
    }
    let ended = |text: Text<'_, M, D>| text.line.end.map_or(Ended::ByLength, Ended::from);
    Ok((texts.into_iter().map(ended).collect(), writer.accepted))
}

/// A text that is written.
struct Text<'a, M: LanguageModel, D: LanguageModel> {
    /// Its index.
    of: usize,
    line: Line<'a>,
    reader: Reader<M>,
    /// That of the draft's model.
    draft_reader: Option<Reader<D>>,
    /// The text, then what is drafted.
    drafted: Vec<TokenId>,
    /// The distribution that each drafted token was drawn from.
    proposals: Vec<Vec<(TokenId, f64)>>,
    /// Tokens that are to be drafted.
    n_wanted: usize,
}

impl<M: LanguageModel, D: LanguageModel> Text<'_, M, D> {
    fn new(of: usize, prompt: &[TokenId], writer: &Writer<'_, M, D>) -> Self {
        let draft_reader = match writer.drafts.source {
            DraftSource::Model(draft) => Some(Reader::new(draft)),
            DraftSource::Ngrams(_) => None,
        };
        Self {
            of,
            line: Line::new(prompt, &[], writer.request.max_tokens, 0),
            reader: Reader::new(writer.model),
            draft_reader,
            drafted: Vec::new(),
            proposals: Vec::new(),
            n_wanted: 0,
        }
    }

    /// Whether another token is to be drafted.
    fn is_drafting(&self, ends: &[TokenId]) -> bool {
        let is_over = || self.drafted.last().is_some_and(|last| !self.proposals.is_empty() && ends.contains(last));
        self.proposals.len() < self.n_wanted && !is_over()
    }

    fn propose(&mut self, token: TokenId, distribution: Vec<(TokenId, f64)>) {
        self.drafted.push(token);
        self.proposals.push(distribution);
    }
}

struct Writer<'a, M, D> {
    model: &'a M,
    drafts: &'a Drafts<'a, D>,
    request: &'a GenerateRequest<'a>,
    is_greedy: bool,
    sampler: Sampler,
    accepted: Acceptance,
}

impl<M: LanguageModel, D: LanguageModel> Writer<'_, M, D> {
    /// The scores that are needed of a token after `n_written`.
    fn want(&self, n_written: usize) -> Want {
        let GenerateRequest { rules, ends, .. } = *self.request;
        if self.is_greedy { rules.want(1, ends.len(), n_written < rules.n_forced(&[])) } else { Want::All }
    }

    /// Drafts what may follow each text. The first pass over a text is without drafts, as the prompt's may be without them.
    fn draft(&mut self, texts: &mut [&mut Text<'_, M, D>], chance: &mut impl Chance) -> Result<(), DecodeError> {
        for text in &mut *texts {
            text.reader.make_room(self.model, &text.line.text);
            // One more token is written than is drafted.
            let room = text.reader.room(self.model).min(text.line.n_left() - 1);
            text.n_wanted = if text.reader.is_empty() { 0 } else { self.drafts.n_tokens.min(room) };
            text.drafted.clone_from(&text.line.text);
            text.proposals.clear();
        }
        match self.drafts.source {
            DraftSource::Ngrams(longest) => {
                for text in texts {
                    for token in ngrams::continuation(&text.line.text, longest, text.n_wanted) {
                        text.propose(token, vec![(token, 1.0)]);
                    }
                }
            }
            DraftSource::Model(draft) => while self.draft_token(draft, texts, chance)? {},
        }
        Ok(())
    }

    /// Drafts one token of each text, if it is to have one; returns whether any was.
    fn draft_token(
        &mut self,
        draft: &D,
        texts: &mut [&mut Text<'_, M, D>],
        chance: &mut impl Chance,
    ) -> Result<bool, DecodeError> {
        let GenerateRequest { rules, ends, .. } = *self.request;
        let mut drafting: Vec<_> = texts.iter_mut().filter(|text| text.is_drafting(ends)).collect();
        let mut turns: Vec<Turn<'_, D::State>> = Vec::with_capacity(drafting.len());
        for text in &mut drafting {
            let want = self.want(text.line.n_written() + text.proposals.len());
            let Text { draft_reader, drafted, .. } = &mut ***text;
            turns.extend(draft_reader.as_mut().map(|reader| reader.turn(draft, drafted, want)));
        }
        if turns.is_empty() {
            return Ok(false);
        }
        let scores = draft.advance_together(&mut turns)?;
        for (text, scores) in drafting.into_iter().zip(scores) {
            let scores = StepScores::new(scores, 1, draft.vocab_size());
            let n_written = text.line.n_written() + text.proposals.len();
            let admitted = rules.admitted(n_written, &[], ends, || text.drafted.clone());
            let distribution = self.sampler.distribution(text.of, &text.drafted, scores.row(0), &admitted);
            if distribution.is_empty() {
                text.n_wanted = text.proposals.len();
                continue;
            }
            let token = chance.draft(text.of, n_written as u64, &distribution);
            text.propose(token, distribution);
        }
        Ok(true)
    }

    /// Reads what is new of each text and what is drafted, and scores what may follow each token of these.
    fn read(&self, texts: &mut [&mut Text<'_, M, D>]) -> Result<Vec<Vec<Scores>>, DecodeError> {
        // As without drafts, the first tokens are read together, and what may follow the last of them is scored.
        let are_first: Vec<bool> = texts.iter().map(|text| text.reader.is_empty()).collect();
        let (mut first, mut later) = (Vec::new(), Vec::new());
        for (text, is_first) in texts.iter_mut().zip(&are_first) {
            let want = self.want(text.line.n_written());
            let Text { reader, drafted, .. } = &mut **text;
            let turn = reader.turn(self.model, drafted, want);
            if *is_first { first.push(turn) } else { later.push(turn) }
        }
        let mut of_first = self.model.advance_together(&mut first)?.into_iter().map(|scores| vec![scores]);
        let mut of_later = self.model.verify(&mut later)?.into_iter();
        let mut of_text = |is_first| if is_first { of_first.next() } else { of_later.next() };
        Ok(are_first.into_iter().map(|is_first| of_text(is_first).expect("scores of each turn")).collect())
    }

    /// Accepts or replaces what was drafted of a text, by the scores of what may follow its last token and each draft.
    fn settle(
        &mut self,
        text: &mut Text<'_, M, D>,
        scores: Vec<Scores>,
        chance: &mut impl Chance,
        on_token: &mut impl FnMut(Drawn) -> ControlFlow<()>,
    ) -> Result<(), DecodeError> {
        let GenerateRequest { rules, ends, .. } = *self.request;
        let (of, n_before, mut n_accepted) = (text.of, text.line.text.len(), 0);
        for (at, scores) in scores.into_iter().enumerate() {
            let (scores, line) = (StepScores::new(scores, 1, self.model.vocab_size()), &mut text.line);
            let p = self.sampler.distribution(of, &line.text, scores.row(0), &line.admitted(rules, ends));
            if p.is_empty() {
                return Err(DecodeError::NothingFollows { n_tokens: line.text.len() });
            }
            let step = line.n_written() as u64;
            let draft = text.proposals.get(at).map(|q| (text.drafted[n_before + at], q));
            let (token, is_accepted) = match draft {
                Some((token, q)) if chance.accepts(of, step, acceptance(&p, q, token)) => (token, true),
                Some((_, q)) => (chance.draw(of, step, &residual(p, q)), false),
                None => (chance.draw(of, step, &p), false),
            };
            n_accepted += usize::from(is_accepted);
            let log_prob = scores.row(0).log_prob(token);
            line.take(Choice { token, added: Total { log_prob, ranked: log_prob } }, ends);
            self.accepted.n_written += 1;
            if line.end != Some(End::ByModel) && on_token(Drawn { text: of, token, log_prob }).is_break() {
                line.end = Some(End::ByCaller);
            }
            if line.end.is_some() || !is_accepted {
                break;
            }
        }
        self.accepted.n_drafted += text.proposals.len();
        self.accepted.n_accepted += n_accepted;
        self.accepted.n_passes += 1;
        if text.line.end.is_none() {
            text.reader.keep(self.model, &text.line.text, n_before + n_accepted)?;
            if let (Some(reader), DraftSource::Model(draft)) = (&mut text.draft_reader, &self.drafts.source) {
                reader.keep(*draft, &text.line.text, n_before + n_accepted)?;
            }
        }
        Ok(())
    }
}

impl<D: LanguageModel> Drafts<'_, D> {
    fn validate(&self, vocab_size: usize) -> Result<(), DecodeError> {
        let refuse = |key| Err(DecodeError::Setting { key, value: 0.0, expected: "at least 1" });
        match self.source {
            _ if self.n_tokens == 0 => refuse("draft_tokens"),
            DraftSource::Ngrams(0) => refuse("draft_ngrams"),
            DraftSource::Model(draft) if draft.vocab_size() != vocab_size => {
                Err(DecodeError::DraftVocabulary { vocab_size, of_draft: draft.vocab_size() })
            }
            DraftSource::Model(_) | DraftSource::Ngrams(_) => Ok(()),
        }
    }
}

impl<D> fmt::Debug for DraftSource<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(_) => f.write_str("Model"),
            Self::Ngrams(longest) => f.debug_tuple("Ngrams").field(longest).finish(),
        }
    }
}

impl<D> fmt::Debug for Drafts<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drafts").field("source", &self.source).field("n_tokens", &self.n_tokens).finish()
    }
}
