//! Classes and scores of texts, and of pairs of texts.

use crate::{
    EncodeError, Input, Pair, TextEncoder, TooLong,
    text_encoder::{Row, softmax},
};

/// The class of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// Its name.
    pub label: String,
    /// How probable the model takes it to be; of a classifier with a single label, its score. Where raw scores are asked
    /// for, what the model says.
    pub probability: f64,
}

impl TextEncoder {
    /// Every class with its probability, the most probable first.
    ///
    /// A single label has a score instead: the sigmoid of what the model says, or that itself
    /// ([`ReadingConfig::score`](crate::ReadingConfig::score)).
    ///
    /// # Errors
    /// [`EncodeError`] if the model has no classes, or the text is too long.
    pub fn classify<'a>(&self, text: impl Into<Input<'a>>) -> Result<Vec<Class>, EncodeError> {
        Ok(self.classify_all(&[text.into()])?.remove(0)?)
    }

    /// The classes of each of `texts`, in their order, or that it is too long: what [`classify`](Self::classify) says of
    /// each, read together.
    ///
    /// # Errors
    /// As [`classify`](Self::classify), except for texts that are too long.
    pub fn classify_all(&self, texts: &[Input<'_>]) -> Result<Vec<Result<Vec<Class>, TooLong>>, EncodeError> {
        let rows = texts.iter().map(|&input| self.row(input, self.tokenizer.encode(input.text))).collect();
        self.read_labels(rows, |scores| self.classes(scores))
    }

    /// As [`classify_all`](Self::classify_all), with what the model says of each class in place of its probability: before
    /// the soft-max, or what becomes of a single score.
    ///
    /// # Errors
    /// As [`classify_all`](Self::classify_all).
    pub fn raw_classes_all(&self, texts: &[Input<'_>]) -> Result<Vec<Result<Vec<Class>, TooLong>>, EncodeError> {
        let rows = texts.iter().map(|&input| self.row(input, self.tokenizer.encode(input.text))).collect();
        self.read_labels(rows, |scores| self.named(scores.iter().map(|&score| f64::from(score))))
    }

    /// As [`classify_all`](Self::classify_all), of pairs.
    ///
    /// # Errors
    /// As [`classify_all`](Self::classify_all).
    pub fn classify_pairs(&self, pairs: &[Pair<'_>]) -> Result<Vec<Result<Vec<Class>, TooLong>>, EncodeError> {
        self.read_labels(self.pairs(pairs)?, |scores| self.classes(scores))
    }

    /// The score of each pair, or that it is too long: how well texts fit a query, by a classifier with a single label.
    ///
    /// Equals `CrossEncoder.predict` of sentence-transformers.
    ///
    /// # Errors
    /// [`EncodeError::NoHead`] if the model has no classifier, or one of several labels.
    pub fn score_pairs(&self, pairs: &[Pair<'_>]) -> Result<Vec<Result<f64, TooLong>>, EncodeError> {
        self.read_scores(pairs, |score| self.reading.score.apply(score))
    }

    /// As [`score_pairs`](Self::score_pairs), what the model says itself.
    ///
    /// # Errors
    /// As [`score_pairs`](Self::score_pairs).
    pub fn raw_scores_of_pairs(&self, pairs: &[Pair<'_>]) -> Result<Vec<Result<f64, TooLong>>, EncodeError> {
        self.read_scores(pairs, f64::from)
    }

    /// What `answer` makes of the score of each pair.
    fn read_scores(
        &self,
        pairs: &[Pair<'_>],
        answer: impl Fn(f32) -> f64,
    ) -> Result<Vec<Result<f64, TooLong>>, EncodeError> {
        if self.heads.labels.len() != 1 {
            return Err(self.heads.lack("scores pairs of texts, a classifier with a single label"));
        }
        self.read_labels(self.pairs(pairs)?, |scores| answer(scores[0]))
    }

    /// The tokens of pairs, framed.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] if the model has no positions for a frame alone.
    fn pairs(&self, pairs: &[Pair<'_>]) -> Result<Vec<Result<Row, TooLong>>, EncodeError> {
        let n_tokens = self.pair_frame();
        if let Some(max_len) = self.model.max_len().filter(|&max_len| max_len < n_tokens) {
            return Err(TooLong { n_tokens, max_len }.into());
        }
        Ok(pairs.iter().map(|&pair| self.pair(pair)).collect())
    }

    /// What `answer` makes of the scores of each row's labels.
    fn read_labels<T>(
        &self,
        rows: Vec<Result<Row, TooLong>>,
        answer: impl Fn(&[f32]) -> T,
    ) -> Result<Vec<Result<T, TooLong>>, EncodeError> {
        self.read_all(rows, |encoded, _| {
            let scores = self.model.label_scores(encoded);
            let scores = scores.ok_or_else(|| self.heads.lack("tells classes"))??;
            Ok(scores.chunks(self.heads.labels.len()).map(&answer).collect())
        })
    }

    /// Classes by their scores.
    fn classes(&self, scores: &[f32]) -> Vec<Class> {
        self.named(match scores {
            &[score] => vec![self.reading.score.apply(score)],
            scores => softmax(scores),
        })
    }

    /// Classes by what is said of each label, the greatest first.
    fn named(&self, said: impl IntoIterator<Item = f64>) -> Vec<Class> {
        let class = |(label, probability): (&String, f64)| Class { label: label.clone(), probability };
        let mut classes: Vec<Class> = self.heads.labels.iter().zip(said).map(class).collect();
        classes.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        classes
    }
}
