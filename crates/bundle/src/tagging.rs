//! Classes of a text's tokens, put together to words and names.

use std::{fmt, ops::Range, str::FromStr};

use attentive_tokenizer::Token;

use crate::{
    EncodeError, Input, TextEncoder, TooLong,
    text_encoder::{FRAME, softmax},
};

/// The label of tokens that are a part of nothing.
const OUTSIDE: &str = "O";

/// A part of a text and its class.
#[derive(Debug, Clone, PartialEq)]
pub struct Tag {
    /// The class, without its `B-` or `I-` where tokens were put together.
    pub label: String,
    /// How probable the model takes it to be: of several tokens the mean.
    pub score: f64,
    /// The part's bytes in the text.
    pub range: Range<usize>,
}

/// How tokens are tagged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaggingConfig {
    /// How tokens become words and names.
    pub aggregation: Aggregation,
    /// Whether what is outside of every name, of the class `O`, is among the tags.
    pub outside: bool,
}

/// How tokens become words and names, as the `aggregation_strategy` of transformers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Aggregation {
    /// Each token by itself, with its label as it is.
    None,
    /// Neighbours of one class are one, but for a label that begins with `B-`, which begins another.
    #[default]
    Simple,
    /// As `Simple`, of words, whose label is that of their first token.
    First,
    /// As `Simple`, of words, whose probabilities are the mean of their tokens'.
    Average,
    /// As `Simple`, of words, whose label is that of their surest token.
    Max,
}

impl Aggregation {
    /// Every one, with its name.
    const ALL: [(&str, Self); 5] = [
        ("none", Self::None),
        ("simple", Self::Simple),
        ("first", Self::First),
        ("average", Self::Average),
        ("max", Self::Max),
    ];
}

impl fmt::Display for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, known)| known == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for Aggregation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name).map(|&(_, how)| how);
        found.ok_or_else(|| format!("there are {}", Self::ALL.map(|(name, _)| name).join(", ")))
    }
}

/// A token, or a word, with the probability of every label.
struct Part {
    probabilities: Vec<f64>,
    range: Range<usize>,
}

impl Part {
    /// Its label and how probable that is.
    fn best(&self) -> (usize, f64) {
        let surer = |best: (usize, f64), (label, &p): (usize, &f64)| if p > best.1 { (label, p) } else { best };
        self.probabilities.iter().enumerate().fold((0, f64::NEG_INFINITY), surer)
    }
}

impl TextEncoder {
    /// The classes of the tokens of `text`, in its order, put together as `how` says.
    ///
    /// Equals the pipeline `token-classification` of transformers. White space is not a part of a tag.
    ///
    /// # Errors
    /// [`EncodeError`] if the model does not classify tokens, or the text is too long.
    pub fn tag<'a>(&self, text: impl Into<Input<'a>>, how: TaggingConfig) -> Result<Vec<Tag>, EncodeError> {
        Ok(self.tag_all(&[text.into()], how)?.remove(0)?)
    }

    /// The tags of each of `texts`, in their order, or that it is too long: what [`tag`](Self::tag) says of each, read
    /// together.
    ///
    /// # Errors
    /// [`EncodeError::NoHead`] if the model does not classify tokens.
    pub fn tag_all(
        &self,
        texts: &[Input<'_>],
        how: TaggingConfig,
    ) -> Result<Vec<Result<Vec<Tag>, TooLong>>, EncodeError> {
        let labels = &self.heads.token_labels;
        if labels.is_empty() {
            return Err(self.heads.lack("tells classes of tokens"));
        }
        let tokens: Vec<Vec<Token>> = texts.iter().map(|input| self.tokenizer.encode_with_words(input.text)).collect();
        let ids = |tokens: &Vec<Token>| tokens.iter().map(|token| token.id).collect();
        let rows = texts.iter().zip(&tokens).map(|(&input, tokens)| self.row(input, ids(tokens))).collect();
        self.read_all(rows, |encoded, numbers| {
            let tag = |(hidden, &number): (&[f32], &usize)| {
                let inner = &hidden[encoded.d_model()..hidden.len() - encoded.d_model()];
                let scores = self.token_scores_of(inner)?;
                let (text, n) = (texts[number].text, hidden.len() / encoded.d_model() - FRAME);
                let parts = tokens[number][..n].iter().zip(scores.chunks(labels.len()));
                let parts = parts.map(|(token, scores)| Part {
                    probabilities: softmax(scores),
                    range: without_space(text, &token.range),
                });
                let parts = self.put_together(text, &tokens[number], parts.collect(), how.aggregation);
                Ok(tags(&parts, labels, how))
            };
            encoded.texts().zip(numbers).map(tag).collect()
        })
    }

    /// Scores of every label of tokens that have these vectors.
    fn token_scores_of(&self, vectors: &[f32]) -> Result<Vec<f32>, EncodeError> {
        if vectors.is_empty() {
            return Ok(Vec::new());
        }
        let scores = self.model.token_label_scores(vectors);
        Ok(scores.ok_or_else(|| self.heads.lack("tells classes of tokens"))??)
    }

    /// Tokens as words, where words are asked for.
    fn put_together(&self, text: &str, tokens: &[Token], parts: Vec<Part>, how: Aggregation) -> Vec<Part> {
        if matches!(how, Aggregation::None | Aggregation::Simple) {
            return parts;
        }
        let mut words: Vec<Vec<Part>> = Vec::new();
        for (part, token) in parts.into_iter().zip(tokens) {
            match words.last_mut() {
                Some(word) if self.continues(text, token, &part.range) => word.push(part),
                _ => words.push(vec![part]),
            }
        }
        words.into_iter().map(|word| word_of(&word, how)).collect()
    }

    /// Whether a token continues the word before it: by its entry where the vocabulary marks that, else if no space is
    /// before it.
    fn continues(&self, text: &str, token: &Token, range: &Range<usize>) -> bool {
        if self.tokenizer.specials().unk == Some(token.id) {
            return false;
        }
        match self.tokenizer.continuation() {
            Some(mark) => self.tokenizer.token(token.id).is_some_and(|entry| entry.starts_with(mark)),
            None => {
                let is_apart = |c: Option<char>| c.is_some_and(char::is_whitespace);
                range.start > 0
                    && !is_apart(text[..range.start].chars().next_back())
                    && !is_apart(text[range.start..].chars().next())
            }
        }
    }
}

/// One word of its tokens.
fn word_of(tokens: &[Part], how: Aggregation) -> Part {
    let probabilities = match how {
        Aggregation::Max => {
            let surer = |best: usize, at: usize| if tokens[at].best().1 > tokens[best].best().1 { at } else { best };
            tokens[(1..tokens.len()).fold(0, surer)].probabilities.clone()
        }
        Aggregation::Average => {
            let mean = |label| tokens.iter().map(|token| token.probabilities[label]).sum::<f64>() / tokens.len() as f64;
            (0..tokens[0].probabilities.len()).map(mean).collect()
        }
        Aggregation::None | Aggregation::Simple | Aggregation::First => tokens[0].probabilities.clone(),
    };
    Part { probabilities, range: around(tokens) }
}

/// The range from the first part's beginning to the last one's end.
fn around(parts: &[Part]) -> Range<usize> {
    parts[0].range.start..parts[parts.len() - 1].range.end
}

/// The tags of parts, neighbours of one class together.
fn tags(parts: &[Part], labels: &[String], how: TaggingConfig) -> Vec<Tag> {
    let name = |part: &Part| &labels[part.best().0][..];
    let class = |part: &Part| name(part).strip_prefix("B-").or(name(part).strip_prefix("I-")).unwrap_or(name(part));
    let is_one = |last: &Part, next: &Part| {
        how.aggregation != Aggregation::None && !name(next).starts_with("B-") && class(last) == class(next)
    };
    let tag = |parts: &[Part]| {
        let label = name(&parts[0]);
        let label = match how.aggregation {
            Aggregation::None => label,
            _ => label.split_once('-').map_or(label, |(_, class)| class),
        };
        let score = parts.iter().map(|part| part.best().1).sum::<f64>() / parts.len() as f64;
        Tag { label: label.to_owned(), score, range: around(parts) }
    };
    parts.chunk_by(is_one).map(tag).filter(|tag| how.outside || tag.label != OUTSIDE).collect()
}

/// The characters of a text, by their number from 0, that a range of its bytes holds.
///
/// # Panics
/// If the range ends within a character or after the text.
pub fn characters(text: &str, range: &Range<usize>) -> Range<usize> {
    let start = text[..range.start].chars().count();
    start..start + text[range.clone()].chars().count()
}

/// A range without the white space at its ends.
pub(crate) fn without_space(text: &str, range: &Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let start = range.end - part.trim_start().len();
    start..(range.start + part.trim_end().len()).max(start)
}
