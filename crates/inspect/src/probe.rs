//! What each layer knows: a linear classifier on its vectors.

use std::{collections::BTreeMap, ops::Range};

use attentive_backend::Device;
use attentive_bundle::{Bundle, Params};
use attentive_core::mix64;
use attentive_model::Role;
use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::{InspectError, LogisticRegression, TextViewer, TranslationViewer, loss_on_lines::columns};

/// A text some parts of which have labels: its words, or all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledParts {
    /// The text.
    pub text: String,
    /// The bytes of each part, and its label.
    pub parts: Vec<(Range<usize>, String)>,
    /// The line of a file where it begins, from 1.
    pub line: usize,
}

/// What classifiers on the vectors of a model's layers tell right.
#[derive(Debug, Clone, PartialEq)]
pub struct Probes {
    /// Parts that classifiers are learned from, and parts that they are tested on.
    pub n_parts: [usize; 2],
    /// Parts of both that are left out, as the tokenizer gives them no token of their own.
    pub n_left_out: [usize; 2],
    /// Parts that are tested and have a label that none of those that are learned from has.
    pub n_unknown: usize,
    /// Labels of the parts that are learned from.
    pub labels: Vec<String>,
    /// The share of the tested parts that have the label most frequent among those that are learned from.
    pub majority: f64,
    /// What the first layer reads, then what each layer gives; of a translation model, of its encoder.
    pub layers: Vec<LayerProbe>,
}

/// What a classifier on the vectors of one layer tells right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerProbe {
    /// The share of the tested parts that are told right.
    pub accuracy: f64,
    /// The same of the control task, if there is one.
    pub control: Option<f64>,
}

impl LayerProbe {
    /// How much more is told right than in the control task, where there is one.
    pub fn selectivity(&self) -> Option<f64> {
        Some(self.accuracy - self.control?)
    }
}

impl LabelledParts {
    /// Texts of words, a line each with a tab and a label after it, and an empty line between texts. The words of a text stand in
    /// it with spaces between.
    ///
    /// # Errors
    /// [`InspectError::Line`] if a line has no tab or more than one, or one of its columns is empty.
    pub fn of_words(lines: &[String]) -> Result<Vec<Self>, InspectError> {
        let (mut texts, mut is_new) = (Vec::<Self>::new(), true);
        for (line, text) in (1..).zip(lines) {
            if text.trim().is_empty() {
                is_new = true;
                continue;
            }
            let (word, label) = labelled(line, text)?;
            if is_new {
                texts.push(Self { text: String::new(), parts: Vec::new(), line });
            }
            is_new = false;
            let Some(of) = texts.last_mut() else { continue };
            if !of.text.is_empty() {
                of.text.push(' ');
            }
            of.parts.push((of.text.len()..of.text.len() + word.len(), label.to_owned()));
            of.text.push_str(word);
        }
        Ok(texts)
    }

    /// Texts, a line each with a tab and a label after it; empty lines are left out.
    ///
    /// # Errors
    /// [`InspectError::Line`] if a line has no tab or more than one, or one of its columns is empty.
    pub fn of_texts(lines: &[String]) -> Result<Vec<Self>, InspectError> {
        let is_there = |(_, text): &(usize, &String)| !text.trim().is_empty();
        let text = |(line, text): (usize, &String)| {
            let (text, label) = labelled(line, text)?;
            Ok(Self { text: text.to_owned(), parts: vec![(0..text.len(), label.to_owned())], line })
        };
        (1..).zip(lines).filter(is_there).map(text).collect()
    }
}

/// A line's word or text, and its label.
fn labelled(number: usize, line: &str) -> Result<(&str, &str), InspectError> {
    let columns = columns(line).and_then(|(text, label)| match (text.trim(), label.trim()) {
        ("", _) => Err(InspectError::EmptyColumn("the word or text before the tab")),
        (_, "") => Err(InspectError::EmptyColumn("the label after the tab")),
        both => Ok(both),
    });
    columns.map_err(|cause| InspectError::Line { number, problem: cause.to_string() })
}

/// What linear classifiers on each layer's vectors tell right of labelled parts: learned from `train`, tested on `test`. The
/// vector of a part is the mean of its tokens'; each feature has mean 0 and variance 1 over the parts that are learned from. The
/// penalty is scikit-learn's `C = 1`. Labels that `train` does not have are not told right.
///
/// With `control` as a seed, a classifier of a control task stands beside each: there every word has a label of its own wherever
/// it stands, drawn as often as the labels of `train` are. A classifier that tells those right has learned the words by heart;
/// what it tells more of the true labels, the layer knows.
///
/// Source: Alain and Bengio 2016, "Understanding intermediate layers using linear classifier probes", §3; the control task is
/// that of Hewitt and Liang 2019, "Designing and Interpreting Probes with Control Tasks", §2.
///
/// # Errors
/// [`InspectError::Line`] if a text is too long for the model; [`InspectError`] if the model's layers are not a stack over
/// embeddings, or `train` has fewer than two labels, or `test` has no part.
///
/// # Panics
/// If the device does not hand over its values.
pub fn probe(
    bundle: &Bundle<impl Params>,
    [train, test]: [&[LabelledParts]; 2],
    control: Option<u64>,
    device: &Device,
) -> Result<Probes, InspectError> {
    let reader = Reader::new(bundle, device)?;
    let [train, test] = [reader.read(train)?, reader.read(test)?];
    let mut counts = BTreeMap::<&str, usize>::new();
    train.labels.iter().for_each(|label| *counts.entry(label).or_default() += 1);
    if counts.len() < 2 || test.labels.is_empty() {
        return Err(InspectError::FewLabels { n_labels: counts.len(), n_tested: test.labels.len() });
    }
    let classes: BTreeMap<&str, u32> = counts.keys().copied().zip(0..).collect();
    // A class that nothing is told to be, for labels that were not there.
    let known = |part: &Vectors| -> Vec<u32> {
        part.labels.iter().map(|label| classes.get(label.as_str()).copied().unwrap_or(u32::MAX)).collect()
    };
    let truth = [known(&train), known(&test)];
    let n_unknown = truth[1].iter().filter(|&&class| class == u32::MAX).count();
    let n_left_out = [train.n_left_out, test.n_left_out];
    let drawn = control.map(|seed| {
        let draw = |part: &Vectors| part.words.iter().map(|word| control_label(word, seed, &counts)).collect();
        [draw(&train), draw(&test)]
    });
    let most = counts.iter().max_by_key(|(label, n)| (**n, std::cmp::Reverse(**label))).map(|(label, _)| *label);
    let is_most = |label: &&String| Some(label.as_str()) == most;
    let majority = test.labels.iter().filter(is_most).count() as f64 / test.labels.len() as f64;
    let n_parts = [train.labels.len(), test.labels.len()];
    let labels: Vec<String> = counts.keys().map(|&label| label.to_owned()).collect();
    let layer = |(train, test): (Vec<f32>, Vec<f32>)| {
        let scales = Scales::of(&train, n_parts[0]);
        let [train, test] = [train, test].map(|features| scales.apply(features));
        let accuracy = |[of_train, of_test]: &[Vec<u32>; 2]| {
            let penalty = 1.0 / of_train.len() as f64;
            let classifier = LogisticRegression::fit(&train, of_train, labels.len(), penalty);
            let rows = test.chunks_exact(test.len() / of_test.len()).zip(of_test);
            rows.filter(|(row, label)| classifier.class_of(row) == **label).count() as f64 / of_test.len() as f64
        };
        LayerProbe { accuracy: accuracy(&truth), control: drawn.as_ref().map(accuracy) }
    };
    let pairs: Vec<(Vec<f32>, Vec<f32>)> = train.layers.into_iter().zip(test.layers).collect();
    let layers = pairs.into_par_iter().map(layer).collect();
    Ok(Probes { n_parts, n_left_out, n_unknown, labels, majority, layers })
}

/// The label of a word in the control task, drawn by `counts` of the true labels.
fn control_label(word: &str, seed: u64, counts: &BTreeMap<&str, usize>) -> u32 {
    let hash = word.bytes().fold(mix64(seed), |hash, byte| mix64(hash ^ u64::from(byte)));
    let n: usize = counts.values().sum();
    let (place, mut end) = (hash % n.max(1) as u64, 0);
    let is_here = |&n: &usize| {
        end += n as u64;
        place < end
    };
    counts.values().position(is_here).unwrap_or(0) as u32
}

/// The vectors of labelled parts.
#[derive(Default)]
struct Vectors {
    /// Of each layer, `[parts, d_model]`.
    layers: Vec<Vec<f32>>,
    labels: Vec<String>,
    words: Vec<String>,
    /// Parts without tokens.
    n_left_out: usize,
}

/// A model that gives vectors of each layer.
enum Reader {
    Text(Box<TextViewer>),
    Translation(Box<TranslationViewer>),
}

impl Reader {
    fn new(bundle: &Bundle<impl Params>, device: &Device) -> Result<Self, InspectError> {
        if bundle.model.role() == Role::EncoderDecoder {
            return Ok(Self::Translation(Box::new(TranslationViewer::new(bundle, device)?)));
        }
        Ok(Self::Text(Box::new(TextViewer::new(bundle, device)?)))
    }

    /// The vectors of all parts that have tokens.
    fn read(&self, texts: &[LabelledParts]) -> Result<Vectors, InspectError> {
        let mut found = Vectors::default();
        for LabelledParts { text, parts, line } in texts {
            let ranges: Vec<Range<usize>> = parts.iter().map(|(range, _)| range.clone()).collect();
            let read = match self {
                Self::Text(viewer) => viewer.layers_of(text, &ranges),
                Self::Translation(viewer) => viewer.layers_of(text, &ranges),
            };
            let (states, tokens) =
                read.map_err(|cause| InspectError::Line { number: *line, problem: cause.to_string() })?;
            let is_there = |(_, tokens): &(&(Range<usize>, String), &Range<usize>)| !tokens.is_empty();
            let there: Vec<_> = parts.iter().zip(&tokens).filter(is_there).collect();
            found.n_left_out += parts.len() - there.len();
            found.layers.resize_with(states.len(), Vec::new);
            for (layer, state) in found.layers.iter_mut().zip(states) {
                let d_model = state.dims()[2];
                let values: Vec<f32> = state.into_data().convert::<f32>().try_into_vec().expect("converted to f32");
                for (_, tokens) in &there {
                    let rows = &values[tokens.start * d_model..tokens.end * d_model];
                    let mean = |at: usize| rows.iter().skip(at).step_by(d_model).sum::<f32>() / tokens.len() as f32;
                    layer.extend((0..d_model).map(mean));
                }
            }
            for ((range, label), _) in there {
                found.labels.push(label.clone());
                found.words.push(text[range.clone()].to_owned());
            }
        }
        Ok(found)
    }
}

/// What layers make of a text, `[1, seq, d_model]` each, and the tokens of parts of it.
pub(crate) type LayersOf = (Vec<Tensor<3>>, Vec<Range<usize>>);

/// The mean of each feature, and what it is multiplied with.
struct Scales(Vec<(f32, f32)>);

impl Scales {
    /// Those of `n` rows.
    fn of(features: &[f32], n: usize) -> Self {
        let d = features.len() / n.max(1);
        let of_feature = |at: usize| {
            let column = || features.iter().skip(at).step_by(d).map(|&x| f64::from(x));
            let mean = column().sum::<f64>() / n as f64;
            let deviation = (column().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
            // A feature that is always the same tells nothing.
            (mean as f32, if deviation > 1e-6 * mean.abs().max(1e-6) { (1.0 / deviation) as f32 } else { 0.0 })
        };
        Self((0..d).map(of_feature).collect())
    }

    fn apply(&self, mut features: Vec<f32>) -> Vec<f32> {
        for row in features.chunks_exact_mut(self.0.len().max(1)) {
            row.iter_mut().zip(&self.0).for_each(|(x, (mean, factor))| *x = (*x - mean) * factor);
        }
        features
    }
}
