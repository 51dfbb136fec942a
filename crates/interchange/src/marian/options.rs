//! The options of a model, which Marian keeps in its file as YAML.

use std::{collections::BTreeMap, path::Path, str::FromStr};

use attentive_attention::{Activation, NormPlacement};
use attentive_model::TransformerConfig;

use super::yaml::Setting;
use crate::InterchangeError;

/// ε of Marian's norms (`layerNorm` in `src/graph/expression_operators.h`).
const EPSILON: f64 = 1e-9;

/// Options of other kinds of model, of training, and such as tensors show.
const IDLE: [&str; 37] = [
    "bert-class-symbol",
    "bert-mask-symbol",
    "bert-masking-fraction",
    "bert-sep-symbol",
    "bert-train-type-embeddings",
    "bert-type-vocab-size",
    "char-conv-filters-num",
    "char-conv-filters-widths",
    "char-highway",
    "char-stride",
    "concat-source-alignment",
    "dec-cell",
    "dec-cell-base-depth",
    "dec-cell-high-depth",
    "dim-rnn",
    "dim-vocabs",
    "enc-cell",
    "enc-cell-depth",
    "enc-type",
    "layer-normalization",
    "output-omit-bias",
    "skip",
    "tied-embeddings",
    "tied-embeddings-all",
    "tied-embeddings-src",
    "transformer-aan-activation",
    "transformer-aan-depth",
    "transformer-aan-nogate",
    "transformer-depth-scaling",
    "transformer-dim-aan",
    "transformer-guided-alignment-layer",
    "transformer-dropout",
    "transformer-dropout-attention",
    "transformer-dropout-ffn",
    "ulr-dim-emb",
    "ulr-trainable-transformation",
    "version",
];

/// Options that must have one of these values, if they are there; an empty list is the empty text.
const FIXED: [(&str, &[&str]); 19] = [
    ("type", &["transformer"]),
    ("factors-combine", &["sum"]),
    ("factors-dim-emb", &["0"]),
    ("input-types", &[""]),
    ("lemma-dependency", &[""]),
    ("lemma-dim-emb", &["0"]),
    ("no-shortlist", &["true", "false"]),
    ("right-left", &["false"]),
    ("transformer-decoder-autoreg", &["self-attention"]),
    ("transformer-decoder-dim-ffn", &["0"]),
    ("transformer-decoder-ffn-depth", &["0"]),
    ("transformer-ffn-depth", &["2"]),
    ("transformer-no-affine", &["false"]),
    ("transformer-no-bias", &["false"]),
    ("transformer-no-projection", &["false"]),
    ("transformer-pool", &["false"]),
    ("transformer-rnn-projection", &["false"]),
    ("transformer-tied-layers", &[""]),
    ("transformer-train-position-embeddings", &["false"]),
];

/// The options of a model, each of which is followed, known to have no effect, refused, or named in a note.
pub(super) struct Options<'a> {
    path: &'a Path,
    left: BTreeMap<String, Setting>,
    problems: Vec<String>,
}

impl<'a> Options<'a> {
    pub(super) fn new(path: &'a Path, settings: BTreeMap<String, Setting>) -> Self {
        Self { path, left: settings, problems: Vec::new() }
    }

    /// The value of an option; that of a list is its items with a space between.
    fn take(&mut self, key: &str) -> Option<String> {
        match self.left.remove(key)? {
            Setting::One(value) => Some(value),
            Setting::Many(values) => Some(values.join(" ")),
        }
    }

    fn size(&mut self, key: &str) -> usize {
        let Some(value) = self.take(key) else {
            self.problems.push(format!("{key} is missing"));
            return 0;
        };
        usize::from_str(&value).unwrap_or_else(|_| {
            self.problems.push(format!("{key} is {value:?}, not a number"));
            0
        })
    }

    /// Letters of an option without `d`, dropout.
    fn steps(&mut self, key: &str) -> String {
        self.take(key).unwrap_or_default().replace('d', "")
    }

    fn norm(&mut self) -> NormPlacement {
        let keys = ["transformer-preprocess", "transformer-postprocess", "transformer-postprocess-top"];
        let steps = keys.map(|key| self.steps(key));
        match steps.each_ref().map(String::as_str) {
            ["", "an", ""] => NormPlacement::Post,
            ["n", "a", "n"] => NormPlacement::Pre,
            _ => {
                self.problems.push(format!(
                    "{} are {steps:?} without dropout; there are [\"\", \"an\", \"\"], post-norm, and [\"n\", \"a\", \"n\"], \
                     pre-norm",
                    keys.join(", ")
                ));
                NormPlacement::Post
            }
        }
    }

    fn activation(&mut self) -> Activation {
        match self.take("transformer-ffn-activation").as_deref() {
            None | Some("swish") => Activation::Silu,
            Some("relu") => Activation::Relu,
            Some(other) => {
                self.problems.push(format!("transformer-ffn-activation is {other:?}; there are swish and relu"));
                Activation::Silu
            }
        }
    }

    /// Our configuration, without what tensors show, and a note of options that are not followed.
    ///
    /// # Errors
    /// [`InterchangeError::Unsupported`] lists options that change what the model computes.
    pub(super) fn config(mut self) -> Result<(TransformerConfig, Option<String>), InterchangeError> {
        for (key, allowed) in FIXED {
            if let Some(value) = self.take(key).filter(|value| !allowed.contains(&value.as_str())) {
                self.problems.push(format!("{key} is {value:?}; what is read here is {}", allowed.join(" or ")));
            }
        }
        if self.problems.iter().any(|problem| problem.starts_with("type ")) {
            // Other kinds do not have the rest.
            return Err(InterchangeError::Unsupported { path: self.path.to_owned(), problems: self.problems });
        }
        let embedding_steps = self.steps("transformer-postprocess-emb");
        if !["", "n"].contains(&embedding_steps.as_str()) {
            self.problems
                .push(format!("transformer-postprocess-emb has {embedding_steps:?}; there are \"d\" and \"n\""));
        }
        let config = TransformerConfig {
            d_model: self.size("dim-emb"),
            d_ff: self.size("transformer-dim-ffn"),
            n_heads: self.size("transformer-heads"),
            n_encoder_layers: self.size("enc-depth"),
            n_decoder_layers: self.size("dec-depth"),
            activation: self.activation(),
            norm: self.norm(),
            epsilon: EPSILON,
            embedding_norm: embedding_steps == "n",
            ..TransformerConfig::base(1)
        };
        if self.take("ulr").is_some_and(|value| value != "false") {
            self.problems.push("ulr is true; there is no universal representation of languages here".to_owned());
        }
        if !self.problems.is_empty() {
            return Err(InterchangeError::Unsupported { path: self.path.to_owned(), problems: self.problems });
        }
        let unread: Vec<&str> = self.left.keys().map(String::as_str).filter(|key| !IDLE.contains(key)).collect();
        let note = (!unread.is_empty()).then(|| format!("special:model.yml: not followed here: {}", unread.join(", ")));
        Ok((config, note))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_is_missing_or_is_not_a_number_is_named() {
        let settings = [("dim-emb", "wide"), ("transformer-heads", "8")];
        let settings = settings.map(|(key, value)| (key.to_owned(), Setting::One(value.to_owned())));
        let read = Options::new(Path::new("special:model.yml"), settings.into()).config();
        let Err(InterchangeError::Unsupported { problems, .. }) = read else { panic!("sizes are missing") };
        for problem in ["dim-emb is \"wide\", not a number", "enc-depth is missing"] {
            assert!(problems.iter().any(|found| found == problem), "{problems:?}");
        }
    }
}
