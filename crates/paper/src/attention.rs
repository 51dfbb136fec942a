//! Figures 3 to 5.

use std::path::PathBuf;

use attentive_backend::Device;
use attentive_bundle::{Bundle, BundleError, TooLong, TranslateError, Translator};
use attentive_core::{TokenId, TokenMatrix};
use attentive_model::{AttentionMaps, EncoderDecoderSpec, FamilyVisitor, ModelSpec, Role, TeacherForced};
use attentive_plot::{HeatMap, heat_maps};
use attentive_task::{Result, resolve};
use attentive_tokenizer::{Frame, PairFrame, Tokenizer};
use burn::tensor::Tensor;

use crate::{Exhibit, Part, Table};

/// The sentence that is looked at by default; "it" is the animal.
pub const SENTENCE: &str = "The animal did not cross the street because it was too tired.";
/// Tokens that a row of the table names.
const N_NAMED: usize = 4;

/// What a translation model attends to: for a word of the source, layer by layer and head by head; for each token that is
/// written, where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// The model's folder.
    pub model: PathBuf,
    /// The sentence, [`SENTENCE`] for one.
    pub text: String,
    /// The word of it that is followed.
    pub word: String,
    /// A translation to read instead of the model's own.
    pub target: Option<String>,
    /// Whether the drawing has one map alone: what the decoder looks at in the source, as the mean of its last layer's heads.
    pub is_alignment: bool,
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

/// A sentence and its translation, as a model reads them.
struct Texts {
    source: Vec<TokenId>,
    target: Vec<TokenId>,
}

impl Attention {
    /// The most attended tokens, in the encoder by the followed word and in the decoder by each token; the drawing
    /// `attention` of every map.
    ///
    /// # Errors
    /// The folder has no translation model that attends to anything, a text is too long for it, or the word is not in the
    /// sentence.
    pub fn make(&self, device: &Device) -> Result<Exhibit> {
        let bundle = Bundle::read(resolve(&self.model))?;
        let target_text = match &self.target {
            Some(text) => text.clone(),
            None => {
                let translator = Translator::from_bundle(&bundle, device, None)?;
                translator.translate(&[&self.text], &bundle.decoding)?.swap_remove(0).text
            }
        };
        let texts = self.texts(&bundle, &target_text)?;
        let kinds = kinds(&bundle, device, &texts)?;
        let [.., cross] = &kinds[..] else {
            refuse!("{}: a {} attends to nothing that could be shown", bundle.path.display(), bundle.model.family());
        };
        let of_word = match &kinds[0] {
            encoder if encoder.name == "encoder" => Some(self.of_word(encoder, &**bundle.tokenizer()?)?),
            _ => None,
        };
        let said = Part::Text(format!("source       {}\ntranslation  {target_text}\n", self.text));
        let tables = of_word.into_iter().chain([alignment(cross)]).map(Part::Table);
        let across = kinds.iter().flat_map(|kind| &kind.layers).map(|layer| layer.heads.len() + 1).max().unwrap_or(1);
        let maps: Vec<HeatMap> = match self.is_alignment {
            true => cross.last_mean().into_iter().collect(),
            false => kinds.iter().flat_map(Kind::maps).collect(),
        };
        let exhibit = Exhibit { parts: [said].into_iter().chain(tables).collect(), figures: Vec::new() };
        Ok(exhibit.with_figure("attention", heat_maps(&maps, across)))
    }

    /// The tokens of the text with the end, and those of the translation with the beginning.
    fn texts(&self, bundle: &Bundle, target: &str) -> Result<Texts> {
        let tokenizer = &**bundle.tokenizer()?;
        let PairFrame { source: Frame { before, after, .. }, begin, first } =
            tokenizer.pair_frame(None, None).map_err(TranslateError::from)?;
        let source: Vec<TokenId> = [before, tokenizer.encode(&self.text), after].concat();
        let target: Vec<TokenId> = [begin].into_iter().chain(first).chain(tokenizer.encode(target)).collect();
        for (what, ids) in [("the text", &source), ("the target", &target)] {
            if let Some(max_len) = bundle.model.max_len().filter(|&max_len| ids.len() > max_len) {
                refuse!("{what} has {}; shorten it", TooLong { n_tokens: ids.len(), max_len });
            }
        }
        Ok(Texts { source, target })
    }

    /// Which tokens the followed word attends to, in each layer and head.
    fn of_word(&self, encoder: &Kind, tokenizer: &dyn Tokenizer) -> Result<Table> {
        let of_word = self.tokens_of_word(tokenizer)?;
        let head = ["layer", "head"].map(String::from).into_iter().chain((1..=N_NAMED).map(|n| format!("{n}.")));
        let mut table = Table::new(head).under(format!("What \"{}\" attends to in the encoder:", self.word));
        let n_keys = encoder.keys.len();
        for (idx, layer) in encoder.layers.iter().enumerate() {
            for (name, weights) in layer.named(|n| n.to_string()) {
                let mean = |key: usize| {
                    of_word.iter().map(|query| weights[query * n_keys + key]).sum::<f32>() / of_word.len().max(1) as f32
                };
                let seen: Vec<f32> = (0..n_keys).map(mean).collect();
                table.row([(idx + 1).to_string(), name].into_iter().chain(largest(&seen, &encoder.keys)));
            }
        }
        Ok(table)
    }

    /// Where the tokens of the followed word are in the source.
    fn tokens_of_word(&self, tokenizer: &dyn Tokenizer) -> Result<Vec<usize>> {
        let spans = tokenizer.encode_with_offsets(&self.text);
        let (text, word) = (self.text.to_lowercase(), self.word.to_lowercase());
        let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        let found = text.match_indices(&word).map(|(at, _)| at..at + word.len()).find(|place| {
            is_edge(text[..place.start].chars().next_back()) && is_edge(text[place.end..].chars().next())
        });
        let Some(place) = found.filter(|place| !place.is_empty() && text.len() == self.text.len()) else {
            refuse!("{:?} is no word of {:?}: name one with --word", self.word, self.text);
        };
        let is_of_word = |&at: &usize| {
            let span = &spans[at].1;
            span.start < place.end && place.start < span.end && !self.text[span.clone()].trim().is_empty()
        };
        Ok((0..spans.len()).filter(is_of_word).collect())
    }
}

/// The attentions that a model has, of the encoder first.
fn kinds(bundle: &Bundle, device: &Device, texts: &Texts) -> Result<Vec<Kind>> {
    let tokenizer = &**bundle.tokenizer()?;
    let [source, target] = [&texts.source, &texts.target].map(|ids| TokenMatrix::from_rows(&[ids], 0, 0));
    let maps = bundle.model.visit(Looking { bundle, device, source: &source, target: &target })?;
    let [source, target] =
        [&texts.source, &texts.target].map(|ids| ids.iter().map(|&id| label(tokenizer, id)).collect::<Vec<_>>());
    let kind = |name, weights: Vec<Tensor<4>>, queries: &[String], keys: &[String]| Kind {
        name,
        layers: weights.into_iter().map(Layer::new).collect(),
        queries: queries.to_vec(),
        keys: keys.to_vec(),
    };
    let kinds = [
        kind("encoder", maps.encoder, &source, &source),
        kind("decoder", maps.decoder, &target, &target),
        kind("decoder to encoder", maps.cross, &target, &source),
    ];
    Ok(kinds.into_iter().filter(|kind| !kind.layers.is_empty()).collect())
}

/// For each token that is read, what the last layer looks at before it writes the next, as the mean of its heads.
fn alignment(cross: &Kind) -> Table {
    let mut table = Table::new(["token".to_owned()].into_iter().chain((1..=N_NAMED).map(|n| format!("{n}."))))
        .under("What the decoder looks at in the source, in its last layer, after it has read:");
    let weights = cross.layers.last().map(Layer::mean).unwrap_or_default();
    for (token, seen) in cross.queries.iter().zip(weights.chunks(cross.keys.len())) {
        table.row([token.clone()].into_iter().chain(largest(seen, &cross.keys)));
    }
    table
}

/// The largest weights, largest first, each with its token.
fn largest(weights: &[f32], tokens: &[String]) -> Vec<String> {
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

    /// The mean and each head, which `name` names by its number.
    fn named(&self, name: impl Fn(usize) -> String) -> impl Iterator<Item = (String, Vec<f32>)> {
        let heads = (1..).map(name).zip(self.heads.iter().cloned());
        [("mean".to_owned(), self.mean())].into_iter().chain(heads)
    }

    /// Over heads.
    fn mean(&self) -> Vec<f32> {
        let n = self.heads.len() as f32;
        let sum = |at: usize| self.heads.iter().map(|head| head[at]).sum::<f32>();
        (0..self.heads.first().map_or(0, Vec::len)).map(|at| sum(at) / n).collect()
    }
}

impl Kind {
    fn map(&self, of: &str, weights: Vec<f32>) -> HeatMap {
        HeatMap {
            title: format!("{}, {of}", self.name),
            rows: self.queries.clone(),
            columns: self.keys.clone(),
            values: weights.into_iter().map(f64::from).collect(),
        }
    }

    /// A map of the last layer's mean.
    fn last_mean(&self) -> Option<HeatMap> {
        Some(self.map("last layer, mean of its heads", self.layers.last()?.mean()))
    }

    /// A map of each layer's mean and heads.
    fn maps(&self) -> Vec<HeatMap> {
        let of_layer = |(idx, layer): (usize, &Layer)| {
            let map = |(head, weights)| self.map(&format!("layer {}, {head}", idx + 1), weights);
            layer.named(|n| format!("head {n}")).map(map).collect::<Vec<_>>()
        };
        self.layers.iter().enumerate().flat_map(of_layer).collect()
    }
}
