//! How a text becomes one vector.

use std::collections::BTreeMap;

use attentive_core::TokenId;
use attentive_tokenizer::Tokenizer;
use attentive_weights::{HostTensor, Tensors};
use serde::{Deserialize, Serialize};

use crate::{TooLong, text_encoder::FRAME};

/// How the vectors of tokens become one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Pooling {
    /// Their mean.
    #[default]
    Mean,
    /// The vector of the token that begins every row.
    Cls,
    /// The greatest value of each component.
    Max,
    /// Their sum, divided by the square root of their number.
    MeanSqrtLen,
    /// Their mean, the first one counted once, the second twice, and so on (Muennighoff 2022).
    WeightedMean,
    /// The vector of the last one.
    LastToken,
}

/// What follows the map of a dense layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DenseActivation {
    /// Nothing.
    Identity,
    /// The hyperbolic tangent.
    Tanh,
    /// max(0, x).
    Relu,
}

/// How a model's vectors of texts are made, as sentence-transformers has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddingConfig {
    /// How the vectors of tokens become one; what several give is put side by side.
    pub pooling: Vec<Pooling>,
    /// Whether `[CLS]` and `[SEP]`, or what stands in their place, are among the tokens that are pooled.
    pub frame: bool,
    /// Dense layers that a vector goes through then, by what follows each; their weights are the bundle's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dense: Vec<DenseActivation>,
    /// Whether a vector is divided by its length at last.
    pub normalize: bool,
    /// Tokens that are read, those of the frame included; the rest of a text is cut off. Without it, a text that is longer
    /// than the model has positions for is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_len: Option<usize>,
    /// Whether text is put in lower case before its tokenizer sees it.
    pub lowercase: bool,
    /// Texts that may be put before a text, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub prompts: BTreeMap<String, String>,
    /// The name of the prompt that is put before every text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Whether the tokens of a prompt are among those that are pooled.
    pub pool_prompt: bool,
}

impl Default for EmbeddingConfig {
    /// The mean over a text's own tokens.
    fn default() -> Self {
        Self {
            pooling: vec![Pooling::Mean],
            frame: false,
            dense: Vec::new(),
            normalize: false,
            max_len: None,
            lowercase: false,
            prompts: BTreeMap::new(),
            prompt: None,
            pool_prompt: true,
        }
    }
}

impl From<Pooling> for EmbeddingConfig {
    fn from(pooling: Pooling) -> Self {
        Self { pooling: vec![pooling], ..Self::default() }
    }
}

impl EmbeddingConfig {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with the settings, if anything is.
    pub fn problem(&self) -> Option<String> {
        if self.pooling.is_empty() {
            return Some("pooling is empty: name a way at least".to_owned());
        }
        if let Some(max_len) = self.max_len.filter(|&max_len| max_len < 2) {
            return Some(format!("max_len is {max_len}, and the frame of a text alone has 2 tokens"));
        }
        let name = self.prompt.as_ref().filter(|&name| !self.prompts.contains_key(name))?;
        let known: Vec<&str> = self.prompts.keys().map(String::as_str).collect();
        let known =
            if known.is_empty() { "the model has none".to_owned() } else { format!("there are {}", known.join(", ")) };
        Some(format!("there is no prompt {name:?}; {known}"))
    }

    /// These settings with the prompt of what is looked for, `query`, if the model has one.
    ///
    /// As `encode_query` of sentence-transformers.
    #[must_use]
    pub fn of_queries(&self) -> Self {
        self.with_first_prompt(&["query"])
    }

    /// These settings with the prompt of what is searched, `document`, `passage` or `corpus`, if the model has one.
    ///
    /// As `encode_document` of sentence-transformers.
    #[must_use]
    pub fn of_documents(&self) -> Self {
        self.with_first_prompt(&["document", "passage", "corpus"])
    }

    fn with_first_prompt(&self, names: &[&str]) -> Self {
        let named = names.iter().find(|&&name| self.prompts.contains_key(name)).map(|&name| name.to_owned());
        Self { prompt: named.or_else(|| self.prompt.clone()), ..self.clone() }
    }

    /// What is put before every text.
    pub(crate) fn prompt_text(&self) -> &str {
        self.prompt.as_ref().and_then(|name| self.prompts.get(name)).map_or("", String::as_str)
    }

    /// The tokens of a text and of the prompt before it, without a frame, and before any are cut.
    pub(crate) fn encode_prompted(&self, tokenizer: &dyn Tokenizer, text: &str) -> Vec<TokenId> {
        let text = format!("{}{text}", self.prompt_text());
        tokenizer.encode(&if self.lowercase { text.to_lowercase() } else { text })
    }

    /// Refuses a text that [`max_len`](Self::max_len) would cut.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn refuse_cut(&self, tokenizer: &dyn Tokenizer, text: &str) -> Result<(), TooLong> {
        let Some(max_len) = self.max_len else { return Ok(()) };
        let n_tokens = self.encode_prompted(tokenizer, text).len() + FRAME;
        if n_tokens > max_len { Err(TooLong { n_tokens, max_len }) } else { Ok(()) }
    }

    /// The places of a row of `len` tokens that are pooled, the first `n_prompt` of its text being a prompt's.
    fn places(&self, len: usize, n_prompt: usize) -> Vec<u32> {
        let start = if n_prompt > 0 && !self.pool_prompt { 1 + n_prompt } else { usize::from(!self.frame) };
        let end = if self.frame { len } else { len - 1 };
        if start < end { (start as u32..end as u32).collect() } else { vec![0] }
    }

    /// One vector of those of a row, `[len, d_model]`.
    pub(crate) fn pool(&self, rows: &[f32], d_model: usize, n_prompt: usize) -> Vec<f32> {
        let places = self.places(rows.len() / d_model, n_prompt);
        let row = |place: u32| &rows[place as usize * d_model..][..d_model];
        let sum = |weight: &dyn Fn(u32) -> f64| {
            let mut sums = vec![0.0_f64; d_model];
            for &place in &places {
                sums.iter_mut().zip(row(place)).for_each(|(sum, &value)| *sum += weight(place) * f64::from(value));
            }
            sums
        };
        let over = |sums: Vec<f64>, n: f64| sums.into_iter().map(|sum| (sum / n) as f32).collect::<Vec<f32>>();
        let first = if places[0] > 1 { places[0] } else { 0 };
        let weight = |place: u32| f64::from((place + u32::from(self.frame)).max(1));
        let pooled = self.pooling.iter().flat_map(|pooling| match pooling {
            Pooling::Mean => over(sum(&|_| 1.0), places.len() as f64),
            Pooling::MeanSqrtLen => over(sum(&|_| 1.0), (places.len() as f64).sqrt()),
            Pooling::WeightedMean => over(sum(&weight), places.iter().map(|&place| weight(place)).sum()),
            Pooling::Cls => row(first).to_vec(),
            Pooling::LastToken => row(places[places.len() - 1]).to_vec(),
            Pooling::Max => {
                let greatest = |at: usize| places.iter().map(|&place| row(place)[at]).fold(f32::NEG_INFINITY, f32::max);
                (0..d_model).map(greatest).collect()
            }
        });
        pooled.collect()
    }
}

/// A dense layer of vectors of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    /// `[out, in]`.
    pub weight: HostTensor,
    /// `[out]`; zeros where there is none.
    pub bias: HostTensor,
}

impl Dense {
    /// Numbers in and out.
    pub(crate) fn widths(&self) -> [usize; 2] {
        [self.weight.shape[1], self.weight.shape[0]]
    }

    pub(crate) fn apply(&self, vector: &[f32], activation: DenseActivation) -> Vec<f32> {
        let rows = self.weight.values.chunks(vector.len()).zip(&self.bias.values);
        let sum = |(row, &bias): (&[f32], &f32)| {
            row.iter().zip(vector).map(|(&weight, &value)| f64::from(weight) * f64::from(value)).sum::<f64>()
                + f64::from(bias)
        };
        let activate = |value: f64| match activation {
            DenseActivation::Identity => value,
            DenseActivation::Tanh => value.tanh(),
            DenseActivation::Relu => value.max(0.0),
        };
        rows.map(|row| activate(sum(row)) as f32).collect()
    }

    /// The names of the weight and the bias of layer `n` in a bundle's file.
    pub(crate) fn names(n: usize) -> [String; 2] {
        ["weight", "bias"].map(|part| format!("embedding.dense.{n}.{part}"))
    }

    /// Adds layers to the tensors that a bundle's file holds.
    pub(crate) fn put(layers: &[Self], params: &Tensors) -> Tensors {
        let named = layers.iter().enumerate().flat_map(|(n, Self { weight, bias })| {
            Self::names(n).into_iter().zip([weight, bias].map(HostTensor::clone))
        });
        params.clone().into_iter().chain(named).collect()
    }

    /// Takes `n` layers out of the tensors of a bundle's file; or says what is wrong with them.
    pub(crate) fn take(n: usize, params: &mut Tensors) -> Result<Vec<Self>, String> {
        let layer = |n: usize| {
            let [weight, bias] = Self::names(n);
            let missing = |name: &str| format!("missing: {name}");
            let layer = Self {
                weight: params.remove(&weight).ok_or_else(|| missing(&weight))?,
                bias: params.remove(&bias).ok_or_else(|| missing(&bias))?,
            };
            match (&layer.weight.shape[..], &layer.bias.shape[..]) {
                (&[out, wide], &[n]) if out == n && wide > 0 => Ok(layer),
                (found, of_bias) => Err(format!("{weight} is {found:?} and {bias} {of_bias:?}")),
            }
        };
        (0..n).map(layer).collect()
    }
}

/// A vector of length 1 in the same direction; zeros stay zeros.
pub(crate) fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt().max(1e-12);
    vector.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
    vector
}
