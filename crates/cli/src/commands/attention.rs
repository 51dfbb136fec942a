//! `attentive attention`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use attentive_bundle::{Bundle, BundleError, TooLong, Translator};
use attentive_core::{TokenId, TokenMatrix};
use attentive_model::{AttentionMaps, EncoderDecoderSpec, FamilyVisitor, ModelSpec, Role, TeacherForced};
use attentive_plot::{HeatMap, heat_maps};
use attentive_tokenizer::Tokenizer;
use burn::tensor::{Device, Tensor};
use clap::Args;

use super::{BackendArgs, check_writable};
use crate::markdown::Table;

/// The lecture's sentence.
const SENTENCE: &str = "The animal did not cross the street because it was too tired.";
/// Tokens that a row of the table names.
const N_NAMED: usize = 4;

/// Show what a translation model looks at: for a word of the source, layer by layer and head by head, which words it
/// attends to; for each word that is written, where it comes from.
#[derive(Debug, Args)]
pub(crate) struct Attention {
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// The sentence.
    #[arg(default_value = SENTENCE)]
    text: String,
    /// The word that is followed.
    #[arg(long, default_value = "it")]
    word: String,
    /// A translation to read instead of the model's own.
    #[arg(long, value_name = "TEXT")]
    target: Option<String>,
    /// The drawing, SVG: every attention, layer by layer and head by head.
    #[arg(long, value_name = "FILE", default_value = "attention.svg")]
    out: PathBuf,
    /// Draw what the decoder looks at in the source alone: one map, the mean of its last layer's heads.
    #[arg(long)]
    alignment: bool,
    #[command(flatten)]
    backend: BackendArgs,
}

/// What queries attend to in one layer: for each head, `queries · keys` values.
struct Layer {
    heads: Vec<Vec<f32>>,
}

/// The attentions of one kind in all layers.
struct Kind {
    name: &'static str,
    layers: Vec<Layer>,
    /// What attends.
    queries: Vec<String>,
    /// What is attended to.
    keys: Vec<String>,
}

/// A model on its way to what it attends to.
struct Looking<'a> {
    bundle: &'a Bundle,
    device: &'a Device,
    source: &'a TokenMatrix,
    target: &'a TokenMatrix,
}

impl FamilyVisitor for Looking<'_> {
    type Output = Result<AttentionMaps, BundleError>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        Err(self.bundle.other_role(Role::EncoderDecoder))
    }

    fn encoder_decoder<C: EncoderDecoderSpec>(self, _spec: &C) -> Self::Output {
        Ok(self.bundle.model::<C>(self.device)?.attention_maps(self.source, self.target))
    }
}

impl Attention {
    pub(super) fn run(self) -> Result<()> {
        check_writable(&self.out)?;
        let device = self.backend.device()?;
        let bundle = Bundle::read(attentive_run::resolve(&self.model))?;
        let target_text = match &self.target {
            Some(text) => text.clone(),
            None => {
                let translator = Translator::from_bundle(&bundle, &device, None)?;
                translator.translate(&[&self.text], &bundle.decoding)?.swap_remove(0).text
            }
        };
        let tokenizer = &**bundle.tokenizer()?;
        let specials = tokenizer.specials();
        let (Some(begin), Some(end)) = (specials.begin(), specials.end()) else {
            bail!("{}: the tokenizer lacks <s> or </s>", bundle.path.display());
        };
        let source: Vec<TokenId> = tokenizer.encode(&self.text).into_iter().chain([end]).collect();
        let target: Vec<TokenId> = [begin].into_iter().chain(tokenizer.encode(&target_text)).collect();
        for (what, ids) in [("the text", &source), ("the target", &target)] {
            if let Some(max_len) = bundle.model.max_len().filter(|&max_len| ids.len() > max_len) {
                bail!("{what} has {}; shorten it", TooLong { n_tokens: ids.len(), max_len });
            }
        }
        let labels = |ids: &[TokenId]| ids.iter().map(|&id| label(tokenizer, id)).collect::<Vec<_>>();
        let (source_labels, target_labels) = (labels(&source), labels(&target));
        let [source_row, target_row] = [&source, &target].map(|ids| TokenMatrix::from_rows(&[ids], 0, 0));

        let kind = |name, weights: Vec<Tensor<4>>, queries: &[String], keys: &[String]| Kind {
            name,
            layers: weights.into_iter().map(Layer::new).collect(),
            queries: queries.to_vec(),
            keys: keys.to_vec(),
        };
        let maps = bundle.model.visit(Looking {
            bundle: &bundle,
            device: &device,
            source: &source_row,
            target: &target_row,
        })?;
        let kinds = [
            kind("encoder", maps.encoder, &source_labels, &source_labels),
            kind("decoder", maps.decoder, &target_labels, &target_labels),
            kind("decoder to encoder", maps.cross, &target_labels, &source_labels),
        ];
        let kinds: Vec<Kind> = kinds.into_iter().filter(|kind| !kind.layers.is_empty()).collect();
        if kinds.is_empty() {
            bail!("{}: a {} attends to nothing that could be shown", bundle.path.display(), bundle.model.family());
        }

        report!("source       {}\ntranslation  {target_text}\n", self.text);
        if kinds[0].name == "encoder" {
            self.show_word(&kinds[0], tokenizer)?;
        }
        show_alignment(&kinds[kinds.len() - 1]);
        let across = kinds.iter().flat_map(|kind| &kind.layers).map(|layer| layer.heads.len() + 1).max().unwrap_or(1);
        let maps: Vec<HeatMap> = match &kinds[..] {
            [.., cross] if self.alignment => cross.last_mean().into_iter().collect(),
            kinds => kinds.iter().flat_map(Kind::maps).collect(),
        };
        attentive_weights::write_atomically(&self.out, heat_maps(&maps, across).as_bytes())?;
        report!("drawn in {}", self.out.display());
        Ok(())
    }

    /// Which tokens the followed word attends to, in each layer and head.
    fn show_word(&self, encoder: &Kind, tokenizer: &dyn Tokenizer) -> Result<()> {
        let spans = tokenizer.encode_with_offsets(&self.text);
        let (text, word) = (self.text.to_lowercase(), self.word.to_lowercase());
        let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        let found = text.match_indices(&word).map(|(at, _)| at..at + word.len()).find(|place| {
            is_edge(text[..place.start].chars().next_back()) && is_edge(text[place.end..].chars().next())
        });
        let Some(place) = found.filter(|place| !place.is_empty() && text.len() == self.text.len()) else {
            bail!("{:?} is no word of {:?}: name one with --word", self.word, self.text);
        };
        let of_word: Vec<usize> = (0..spans.len())
            .filter(|&at| {
                let span = &spans[at].1;
                span.start < place.end && place.start < span.end && !self.text[span.clone()].trim().is_empty()
            })
            .collect();
        report!("What \"{}\" attends to in the encoder:\n", self.word);
        let head = ["layer", "head"].map(String::from).into_iter().chain((1..=N_NAMED).map(|n| format!("{n}.")));
        let mut table = Table::new(head);
        for (idx, layer) in encoder.layers.iter().enumerate() {
            let heads = (1..).map(|n: usize| n.to_string()).zip(layer.heads.iter().cloned());
            for (name, weights) in [("mean".to_owned(), layer.mean())].into_iter().chain(heads) {
                let n_keys = encoder.keys.len();
                let mean = |key: usize| {
                    of_word.iter().map(|query| weights[query * n_keys + key]).sum::<f32>() / of_word.len().max(1) as f32
                };
                let seen: Vec<f32> = (0..n_keys).map(mean).collect();
                table.row([(idx + 1).to_string(), name].into_iter().chain(named(&seen, &encoder.keys)));
            }
        }
        report!("{table}");
        Ok(())
    }
}

/// For each token that is read, what the last layer looks at before it writes the next, as the mean of its heads.
fn show_alignment(cross: &Kind) {
    report!("What the decoder looks at in the source, in its last layer, after it has read:\n");
    let mut table = Table::new(["token".to_owned()].into_iter().chain((1..=N_NAMED).map(|n| format!("{n}."))));
    let weights = cross.layers.last().map(Layer::mean).unwrap_or_default();
    for (token, seen) in cross.queries.iter().zip(weights.chunks(cross.keys.len())) {
        table.row([token.clone()].into_iter().chain(named(seen, &cross.keys)));
    }
    report!("{table}");
}

/// The largest weights, largest first, each with its token.
fn named(weights: &[f32], tokens: &[String]) -> Vec<String> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
    order.into_iter().take(N_NAMED).map(|at| format!("{} {:.0} %", tokens[at], 100.0 * weights[at])).collect()
}

/// What a token says, or its name where it says nothing.
fn label(tokenizer: &dyn Tokenizer, id: TokenId) -> String {
    match tokenizer.decode(&[id]) {
        Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => tokenizer.token(id).map(std::borrow::Cow::into_owned).unwrap_or_default(),
    }
}

impl Layer {
    /// Of `[1, heads, queries, keys]`.
    fn new(weights: Tensor<4>) -> Self {
        let [_, heads, queries, keys] = weights.dims();
        let values: Vec<f32> = weights.into_data().convert::<f32>().try_into_vec().expect("converted to f32");
        Self { heads: values.chunks((queries * keys).max(1)).take(heads).map(<[f32]>::to_vec).collect() }
    }

    /// Over heads.
    fn mean(&self) -> Vec<f32> {
        let n = self.heads.len() as f32;
        let sum = |at: usize| self.heads.iter().map(|head| head[at]).sum::<f32>();
        (0..self.heads.first().map_or(0, Vec::len)).map(|at| sum(at) / n).collect()
    }
}

impl Kind {
    /// A map of the last layer's mean.
    fn last_mean(&self) -> Option<HeatMap> {
        let values = self.layers.last()?.mean().into_iter().map(f64::from).collect();
        Some(HeatMap {
            title: format!("{}, last layer, mean of its heads", self.name),
            rows: self.queries.clone(),
            columns: self.keys.clone(),
            values,
        })
    }

    /// A map of each layer's mean and heads.
    fn maps(&self) -> Vec<HeatMap> {
        let of_layer = |(idx, layer): (usize, &Layer)| {
            let heads = (1..).map(|n: usize| format!("head {n}")).zip(layer.heads.iter().cloned());
            let map = |(head, weights): (String, Vec<f32>)| HeatMap {
                title: format!("{}, layer {}, {head}", self.name, idx + 1),
                rows: self.queries.clone(),
                columns: self.keys.clone(),
                values: weights.into_iter().map(f64::from).collect(),
            };
            [("mean".to_owned(), layer.mean())].into_iter().chain(heads).map(map).collect::<Vec<_>>()
        };
        self.layers.iter().enumerate().flat_map(of_layer).collect()
    }
}
