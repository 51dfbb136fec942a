//! Figures 3 to 5.

use std::{ops::Range, path::PathBuf};

use attentive_backend::Device;
use attentive_bundle::{Bundle, Params, Translation, Translator};
use attentive_inspect::{AttentionKind, AttentionPage, TextViewer, TranslationViewer, View, find_word};
use attentive_model::Role;
use attentive_plot::{Drawing, HeatMap};
use attentive_task::{Result, open_model};

use crate::{Exhibit, Part, Table, between, refused};

/// The sentence that is looked at by default; "it" is the animal.
pub const SENTENCE: &str = "The animal did not cross the street because it was too tired.";
/// Sentences in which "it" is the animal, or the street.
pub const SENTENCES: [&str; 4] = [
    SENTENCE,
    "The animal did not cross the street because it was too wide.",
    "The animal did not cross the street because it was too hungry.",
    "The animal did not cross the street because it was too narrow.",
];
/// The word that is followed by default.
pub const WORD: &str = "it";
/// Tokens that a row of the table names.
const N_NAMED: usize = 4;

/// What a translation model attends to: for a word of the source, layer by layer and head by head; for each token that is
/// written, where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// The model's folder, or `DIR+ADAPTER`, as [`open_model`] takes it.
    pub model: PathBuf,
    /// The sentence, for example [`SENTENCE`].
    pub text: String,
    /// The word of it that is followed; by default [`WORD`], if the sentence has it.
    pub word: Option<String>,
    /// A translation to read instead of the model's own.
    pub target: Option<String>,
    /// The language of the sentence, for models that are told it; by default the model's.
    pub source_language: Option<String>,
    /// The language of the translation, for the same models.
    pub target_language: Option<String>,
    /// Whether the drawing has one map alone: what the decoder looks at in the source, as the mean of its last layer's heads.
    pub is_alignment: bool,
}

impl Attention {
    /// Of a word of a sentence, in the model's own languages and translation.
    pub fn of(model: PathBuf, text: String, word: String) -> Self {
        Self {
            model,
            text,
            word: Some(word),
            target: None,
            source_language: None,
            target_language: None,
            is_alignment: false,
        }
    }

    /// What the followed word attends to in each layer and head; of a translation model, what each token that is written looks at
    /// in the source too. The drawing `attention` has every map.
    ///
    /// # Errors
    /// The folder has no model that attends to anything, a text is too long for it, the word is not in the sentence or has no
    /// token, or a language is missing or unknown.
    pub fn make(&self, device: &Device) -> Result<Exhibit> {
        Ok(self.look(device)?.0)
    }

    /// What [`make`](Self::make) gives, and a page of every layer and head that needs nothing else.
    ///
    /// # Errors
    /// As [`make`](Self::make).
    pub fn make_with_page(&self, device: &Device) -> Result<(Exhibit, String)> {
        let (exhibit, views, target) = self.look(device)?;
        let title = format!("What {} looks at", self.model.display());
        let source = if target.is_some() { "source" } else { "text" };
        let texts = [(source, self.text.as_str()), ("translation", target.as_deref().unwrap_or_default())];
        let texts = &texts[..1 + usize::from(target.is_some())];
        Ok((exhibit, AttentionPage { title: &title, texts, views: &views, picture: None }.to_html()))
    }

    /// The exhibit, what the model looks at, and the translation, if it translates.
    fn look(&self, device: &Device) -> Result<(Exhibit, Vec<View>, Option<String>)> {
        let mut bundle = open_model(&self.model)?;
        bundle.processor = between(bundle.processor, self.source_language.as_deref(), self.target_language.as_deref())?;
        if bundle.model.role() != Role::EncoderDecoder {
            return self.of_text(&bundle, device);
        }
        let (target, tokens) = match &self.target {
            Some(text) => (text.clone(), bundle.tokenizer()?.encode_target(text)),
            None => {
                let translator = Translator::from_bundle(&bundle, device, None)?;
                let Translation { text, tokens, .. } =
                    translator.translate(&[&self.text], &bundle.decoding)?.swap_remove(0);
                (text, tokens)
            }
        };
        let viewer = TranslationViewer::new(&bundle, device).map_err(refused)?;
        let views = viewer.look_at_tokens(&self.text, &tokens).map_err(refused)?;
        let said = Part::Text(format!("source       {}\ntranslation  {target}\n", self.text));
        let mut parts = vec![said];
        if views[0].kind == AttentionKind::Encoder {
            parts.extend(self.of_word(&views[0], |place| viewer.source_tokens(&self.text, place))?);
        }
        let cross = &views[views.len() - 1];
        parts.push(Part::Table(alignment(cross)));
        let maps: Vec<HeatMap> = match self.is_alignment {
            true => last_mean(cross).into_iter().collect(),
            false => views.iter().flat_map(maps).collect(),
        };
        Ok((drawn(parts, maps, views[0].weights.n_heads()), views, Some(target)))
    }

    /// Of an encoder or a language model, which reads the text alone.
    fn of_text(&self, bundle: &Bundle<impl Params>, device: &Device) -> Result<(Exhibit, Vec<View>, Option<String>)> {
        if self.target.is_some() || self.is_alignment {
            refuse!("{}: a {} does not translate", bundle.path.display(), bundle.model.family());
        }
        let viewer = TextViewer::new(bundle, device).map_err(refused)?;
        let view = viewer.look(&self.text).map_err(refused)?;
        let said = Part::Text(format!("text  {}\n", self.text));
        let of_word = self.of_word(&view, |place| viewer.tokens(&self.text, place))?;
        let parts = [said].into_iter().chain(of_word).collect();
        let exhibit = drawn(parts, maps(&view), view.weights.n_heads());
        Ok((exhibit, vec![view], None))
    }

    /// Which tokens the followed word attends to, in each layer and head, if there is such a word; `tokens` are those of a place
    /// in the text.
    fn of_word(&self, view: &View, tokens: impl Fn(Range<usize>) -> Range<usize>) -> Result<Option<Part>> {
        let Some((word, place)) = self.word()? else { return Ok(None) };
        let tokens = tokens(place);
        if tokens.is_empty() {
            refuse!("the model's tokenizer has no token for {word:?}: name another word with --word");
        }
        let head = ["layer", "head"].map(String::from).into_iter().chain((1..=N_NAMED).map(|n| format!("{n}.")));
        let mut table = Table::new(head).under(format!("What \"{word}\" attends to in the {}:", view.kind.name()));
        let weights = &view.weights;
        for layer in 0..weights.n_layers() {
            let of_heads = (0..weights.n_heads()).map(|head| weights.of_word(layer, head, tokens.clone()));
            let of_heads: Vec<Vec<f32>> = of_heads.collect();
            let mean = |key: usize| of_heads.iter().map(|seen| seen[key]).sum::<f32>() / of_heads.len() as f32;
            let mean: Vec<f32> = (0..weights.n_keys()).map(mean).collect();
            let names = ["mean".to_owned()].into_iter().chain((1..).map(|n: usize| n.to_string()));
            for (name, seen) in names.zip([mean].into_iter().chain(of_heads)) {
                table.row([(layer + 1).to_string(), name].into_iter().chain(largest(&seen, &view.keys)));
            }
        }
        Ok(Some(Part::Table(table)))
    }

    /// The followed word and its place in the text; none if none is asked for, and the text does not have the usual one.
    fn word(&self) -> Result<Option<(&str, Range<usize>)>> {
        let word = self.word.as_deref().unwrap_or(WORD);
        match find_word(&self.text, word) {
            None if self.word.is_some() => refuse!("{word:?} is not a word of {:?}: name one with --word", self.text),
            place => Ok(place.map(|place| (word, place))),
        }
    }
}

/// The parts, with the drawing `attention` of some maps.
fn drawn(parts: Vec<Part>, maps: Vec<HeatMap>, n_heads: usize) -> Exhibit {
    Exhibit { parts, figures: Vec::new() }.with_figure("attention", Drawing::Maps { maps, across: n_heads + 1 })
}

/// For each token that is written, what the last layer looks at, as the mean of its heads.
fn alignment(cross: &View) -> Table {
    let mut table = Table::new(["token".to_owned()].into_iter().chain((1..=N_NAMED).map(|n| format!("{n}."))))
        .under("What the decoder looks at in the source, in its last layer, when it writes:");
    let last = cross.weights.n_layers() - 1;
    for (token, seen) in cross.queries.iter().zip(cross.weights.mean(last).chunks(cross.keys.len())) {
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

fn map(view: &View, of: &str, weights: Vec<f32>) -> HeatMap {
    HeatMap {
        title: format!("{}, {of}", view.kind.name()),
        rows: view.queries.clone(),
        columns: view.keys.clone(),
        values: weights.into_iter().map(f64::from).collect(),
    }
}

/// A map of the last layer's mean.
fn last_mean(view: &View) -> Option<HeatMap> {
    let last = view.weights.n_layers().checked_sub(1)?;
    Some(map(view, "last layer, mean of its heads", view.weights.mean(last)))
}

/// A map of each layer's mean and heads.
fn maps(view: &View) -> Vec<HeatMap> {
    let weights = &view.weights;
    let of_layer = |layer: usize| {
        let mean = map(view, &format!("layer {}, mean", layer + 1), weights.mean(layer));
        let of_head = move |head: usize| {
            let name = format!("layer {}, head {}", layer + 1, head + 1);
            map(view, &name, weights.head(layer, head).to_vec())
        };
        [mean].into_iter().chain((0..weights.n_heads()).map(of_head))
    };
    (0..weights.n_layers()).flat_map(of_layer).collect()
}
