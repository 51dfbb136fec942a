//! Sentences of a transcription, and where they were said.

use std::ops::Range;

use attentive_tokenizer::TokenId;
use serde::Serialize;

/// A stretch of sound and what is said in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpeechSegment {
    /// Where it begins, in seconds.
    pub start: f64,
    /// Where it ends, in seconds.
    pub end: f64,
    /// What is said.
    pub text: String,
    /// Its tokens, times among them.
    pub tokens: Vec<TokenId>,
    /// The temperature that it was written at.
    pub temperature: f64,
    /// Mean log-probability of a token of its window, in nats.
    pub log_prob: f64,
    /// How often longer the text of its window is than it is when compressed.
    pub compression: f64,
    /// The probability that nobody speaks in its window, if the model tells.
    pub no_speech: Option<f64>,
}

/// A part of a window's tokens: its place among them, and the times, counted from the window's first, that it begins and ends
/// at; `None` where that is the window's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) tokens: Range<usize>,
    pub(super) start: u32,
    pub(super) end: Option<u32>,
}

/// The sentences of a window, and the time that the next window begins at; `None` where that is the window's end.
///
/// Two times in a row end a sentence and begin the next. After a single time at the end nobody speaks; else what comes after
/// the last pair was cut off in the middle, and is heard again. Source: the authors' code of Radford et al. 2022.
pub(super) fn parts(tokens: &[TokenId], first_time: Option<TokenId>) -> (Vec<Part>, Option<u32>) {
    let time = |at: usize| tokens[at].checked_sub(first_time?);
    let is_time = |at: usize| time(at).is_some();
    let n = tokens.len();
    let ends_in_one = n >= 2 && !is_time(n - 2) && is_time(n - 1);
    let mut ends: Vec<usize> = (1..n).filter(|&at| is_time(at - 1) && is_time(at)).collect();
    if ends.is_empty() {
        let last = (0..n).rev().find_map(time).filter(|&last| last > 0);
        return (vec![Part { tokens: 0..n, start: 0, end: last }], None);
    }
    if ends_in_one {
        ends.push(n);
    }
    let begins = [0].iter().chain(&ends);
    let part = |(&begin, &end): (&usize, &usize)| Part {
        tokens: begin..end,
        start: time(begin).unwrap_or(0),
        end: time(end - 1),
    };
    let next = ends.last().and_then(|&end| time(end - 1)).filter(|_| !ends_in_one);
    (begins.zip(&ends).map(part).collect(), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens, begin and end of a part.
    type Found = (Range<usize>, u32, Option<u32>);

    /// The word 1, and the times from 10 on.
    fn parts_of(tokens: &[TokenId]) -> (Vec<Found>, Option<u32>) {
        let (found, next) = parts(tokens, Some(10));
        (found.into_iter().map(|Part { tokens, start, end }| (tokens, start, end)).collect(), next)
    }

    #[test]
    fn pairs_of_times_part_sentences() {
        assert_eq!(parts_of(&[10, 1, 13, 13, 1, 1, 17]), (vec![(0..3, 0, Some(3)), (3..7, 3, Some(7))], None));
        assert_eq!(parts_of(&[10, 1, 13, 13]), (vec![(0..3, 0, Some(3))], Some(3)));
        assert_eq!(parts_of(&[10, 1, 13, 14, 1]), (vec![(0..3, 0, Some(3))], Some(3)));
        assert_eq!(parts_of(&[10, 1, 1, 15]), (vec![(0..4, 0, Some(5))], None));
        assert_eq!(parts_of(&[10, 1]), (vec![(0..2, 0, None)], None));
        assert_eq!(parts_of(&[]), (vec![(0..0, 0, None)], None));
        assert_eq!(parts(&[1, 1], None), (vec![Part { tokens: 0..2, start: 0, end: None }], None));
    }
}
