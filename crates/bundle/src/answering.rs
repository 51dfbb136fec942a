//! Answers to questions, found in a text.

use std::ops::Range;

use attentive_tokenizer::Token;

use crate::{
    EncodeError, TextEncoder,
    tagging::without_space,
    text_encoder::{at_most_candidates, softmax},
};

/// A part of a text that answers a question.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerSpan {
    /// The part; empty where the text has no answer.
    pub text: String,
    /// How probable the model takes it to be: the sum over all places of the same words.
    pub score: f64,
    /// The bytes of the first place that was found, of a window the likeliest one.
    pub range: Range<usize>,
}

/// How answers are looked for. The defaults are those of transformers' question answering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerConfig {
    /// Answers that are wanted.
    pub top_k: usize,
    /// Tokens of an answer at most.
    pub max_answer_len: usize,
    /// Tokens that are read at once, the question and the frame among them; fewer where the model has fewer positions.
    pub window: usize,
    /// Tokens of the text that two windows have in common; without a number 128, or half of a window that is shorter
    /// than 256. Where a question leaves no more than that for the text, it is half of what there is.
    pub stride: Option<usize>,
    /// Whether the text may have no answer, which is an answer of its own, an empty one.
    pub no_answer: bool,
}

impl Default for AnswerConfig {
    fn default() -> Self {
        Self { top_k: 1, max_answer_len: 15, window: 384, stride: None, no_answer: false }
    }
}

/// A span of a window's tokens.
struct Span {
    first: usize,
    last: usize,
    score: f64,
}

impl TextEncoder {
    /// The likeliest answers to `question` in `text`, best first; none in a text without tokens.
    ///
    /// A long text is read in windows that overlap. The score of a span is the product of the probabilities of its first
    /// and its last token (Devlin et al. 2019, §4.2); spans are widened to whole words, and equal words, whatever their
    /// case, are one answer.
    ///
    /// # Errors
    /// [`EncodeError::LongQuestion`]; [`EncodeError::NoHead`] if the model finds no answers.
    pub fn answer(&self, question: &str, text: &str, how: &AnswerConfig) -> Result<Vec<AnswerSpan>, EncodeError> {
        at_most_candidates(how.top_k)?;
        let (question, tokens) = (self.tokenizer.encode(question), self.tokenizer.encode_with_words(text));
        let windows = self.windows(question.len(), tokens.len(), how)?;
        let row = |window: &Range<usize>| {
            let ids: Vec<_> = tokens[window.clone()].iter().map(|token| token.id).collect();
            Ok(self.join(&question, &ids))
        };
        let n_candidates = 2 * how.top_k + 10;
        let found = self.read_all(windows.iter().map(row).collect(), |encoded, numbers| {
            let spans = |(hidden, &number): (&[f32], &usize)| {
                let scores = self.model.span_scores(hidden);
                let scores = scores.ok_or_else(|| self.heads.lack("finds answers"))??;
                // The first token's scores, and those of the text's tokens, which stand before the last one.
                let n = windows[number].len();
                let of_text = scores.len() / 2 - 1 - n;
                let places = [0].into_iter().chain(of_text..of_text + n);
                let [starts, ends] = [0, 1]
                    .map(|side| softmax(&places.clone().map(|place| scores[2 * place + side]).collect::<Vec<f32>>()));
                Ok((starts[0] * ends[0], likeliest(&starts[1..], &ends[1..], how.max_answer_len, n_candidates)))
            };
            encoded.texts().zip(numbers).map(spans).collect()
        })?;
        let (mut answers, mut no_answer): (Vec<AnswerSpan>, f64) = (Vec::new(), f64::INFINITY);
        for (window, found) in windows.iter().zip(found) {
            let (none, spans) = found?;
            no_answer = no_answer.min(none);
            for Span { first, last, score } in spans {
                let range = words(text, &tokens[window.clone()], first..last + 1);
                let answer = &text[range.clone()];
                match answers.iter_mut().find(|known| known.text.to_lowercase() == answer.to_lowercase()) {
                    Some(known) => known.score += score,
                    None => answers.push(AnswerSpan { text: answer.to_owned(), score, range }),
                }
            }
        }
        if how.no_answer && !windows.is_empty() {
            answers.push(AnswerSpan { text: String::new(), score: no_answer, range: 0..0 });
        }
        answers.sort_by(|a, b| b.score.total_cmp(&a.score));
        answers.truncate(how.top_k);
        Ok(answers)
    }

    /// The tokens that each window has of a text of `n`, after a question.
    fn windows(&self, n_question: usize, n: usize, how: &AnswerConfig) -> Result<Vec<Range<usize>>, EncodeError> {
        let max_len = how.window.min(self.model.max_len().unwrap_or(usize::MAX));
        let room = max_len.saturating_sub(self.pair_frame() + n_question);
        if room == 0 {
            return Err(EncodeError::LongQuestion { n_tokens: n_question, max_len });
        }
        let stride = how.stride.unwrap_or((max_len / 2).min(128));
        let step = room - if stride < room { stride } else { room / 2 };
        let n_windows = if n == 0 { 0 } else { 1 + n.saturating_sub(room).div_ceil(step) };
        Ok((0..n_windows).map(|window| window * step..(window * step + room).min(n)).collect())
    }
}

/// The `n` spans of at most `max_len` tokens that have the greatest scores, best first.
fn likeliest(starts: &[f64], ends: &[f64], max_len: usize, n: usize) -> Vec<Span> {
    let spans_from = |(first, start): (usize, f64)| {
        let lasts = first..ends.len().min(first.saturating_add(max_len));
        let span = move |last: usize| Span { first, last, score: start * ends[last] };
        lasts.map(span)
    };
    let mut spans: Vec<Span> = starts.iter().copied().enumerate().flat_map(spans_from).collect();
    let best_first = |a: &Span, b: &Span| b.score.total_cmp(&a.score);
    if spans.len() > n {
        spans.select_nth_unstable_by(n, best_first);
        spans.truncate(n);
    }
    spans.sort_by(best_first);
    spans
}

/// The bytes of some tokens of a window, widened to the words that the window has of them.
fn words(text: &str, window: &[Token], tokens: Range<usize>) -> Range<usize> {
    let of_word = |at: usize| move |token: &&Token| token.word == window[at].word;
    let before = window[..tokens.start].iter().rev().take_while(of_word(tokens.start)).count();
    let after = window[tokens.end..].iter().take_while(of_word(tokens.end - 1)).count();
    let trimmed = |at: usize| without_space(text, &window[at].range);
    let (start, end) = (trimmed(tokens.start - before).start, trimmed(tokens.end - 1 + after).end);
    start..end.max(start)
}
