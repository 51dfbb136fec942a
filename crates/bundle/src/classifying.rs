//! Classes and scores of texts, and of pairs of texts.

use crate::{
    EncodeError, Input, Pair, Sequence, TextEncoder, TooLong,
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

    /// What the model says of each label, in the order of its labels, for each of `texts`, or that it is too long: what
    /// [`classes`](Self::classes) and [`raw_classes`](Self::raw_classes) are made of.
    ///
    /// # Errors
    /// As [`classify_all`](Self::classify_all).
    pub fn label_scores(&self, texts: &[Sequence<'_>]) -> Result<Vec<Result<Vec<f32>, TooLong>>, EncodeError> {
        let row = |text: &Sequence<'_>| match *text {
            Sequence::One(input) => self.row(input, self.tokenizer.encode(input.text)),
            Sequence::Two(pair) => self.pair(pair),
        };
        self.read_labels(texts.iter().map(row).collect(), <[f32]>::to_vec)
    }

    /// As [`classify_all`](Self::classify_all), of pairs.
    ///
    /// # Errors
    /// As [`classify_all`](Self::classify_all).
    pub fn classify_pairs(&self, pairs: &[Pair<'_>]) -> Result<Vec<Result<Vec<Class>, TooLong>>, EncodeError> {
        self.read_labels(pairs.iter().map(|&pair| self.pair(pair)).collect(), |scores| self.classes(scores))
    }

    /// The score of each pair, or that it is too long: how well texts fit a query, by a classifier with a single label.
    ///
    /// Equals `CrossEncoder.predict` of sentence-transformers.
    ///
    /// # Errors
    /// [`EncodeError::NoHead`] if the model has no classifier, or one of several labels.
    pub fn score_pairs(&self, pairs: &[Pair<'_>]) -> Result<Vec<Result<f64, TooLong>>, EncodeError> {
        if self.heads.labels.len() != 1 {
            return Err(self.heads.lack("scores pairs of texts, a classifier with a single label"));
        }
        let rows = pairs.iter().map(|&pair| self.pair(pair)).collect();
        self.read_labels(rows, |scores| self.reading.score.apply(scores[0]))
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

    /// Every class with its probability, the most probable first, by what the model says of each label
    /// ([`label_scores`](Self::label_scores)).
    pub fn classes(&self, scores: &[f32]) -> Vec<Class> {
        self.named(match scores {
            &[score] => vec![self.reading.score.apply(score)],
            scores => softmax(scores),
        })
    }

    /// Every class with what the model says of it in place of its probability: before the soft-max, or what becomes of a
    /// single score.
    pub fn raw_classes(&self, scores: &[f32]) -> Vec<Class> {
        self.named(scores.iter().map(|&score| f64::from(score)))
    }

    /// Classes by what is said of each label, the greatest first.
    fn named(&self, said: impl IntoIterator<Item = f64>) -> Vec<Class> {
        let class = |(label, probability): (&String, f64)| Class { label: label.clone(), probability };
        let mut classes: Vec<Class> = self.heads.labels.iter().zip(said).map(class).collect();
        classes.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        classes
    }
}
