//! Figures 3 to 5.

use std::{ops::Range, path::PathBuf};

use attentive_backend::Device;
use attentive_bundle::{Bundle, Translator};
use attentive_inspect::{AttentionKind, TextViewer, TranslationViewer, View, find_word};
use attentive_model::Role;
use attentive_plot::{HeatMap, heat_maps};
use attentive_task::{Result, resolve};

use crate::{Exhibit, Part, Table, refused};

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

impl Attention {
    /// What the followed word attends to in each layer and head; of a translation model, what each token that is written looks at
    /// in the source too. The drawing `attention` has every map.
    ///
    /// # Errors
    /// The folder has no model that attends to anything, a text is too long for it, or the word is not in the sentence.
    pub fn make(&self, device: &Device) -> Result<Exhibit> {
        let bundle = Bundle::read(resolve(&self.model))?;
        if bundle.model.role() != Role::EncoderDecoder {
            return self.of_text(&bundle, device);
        }
        let target = match &self.target {
            Some(text) => text.clone(),
            None => {
                let translator = Translator::from_bundle(&bundle, device, None)?;
                translator.translate(&[&self.text], &bundle.decoding)?.swap_remove(0).text
            }
        };
        let viewer = TranslationViewer::new(&bundle, device).map_err(refused)?;
        let views = viewer.look(&self.text, &target).map_err(refused)?;
        let said = Part::Text(format!("source       {}\ntranslation  {target}\n", self.text));
        let mut parts = vec![said];
        if views[0].kind == AttentionKind::Encoder {
            let word = viewer.source_tokens(&self.text, self.place_of_word()?);
            parts.push(Part::Table(self.of_word(&views[0], word)));
        }
        let cross = &views[views.len() - 1];
        parts.push(Part::Table(alignment(cross)));
        let maps: Vec<HeatMap> = match self.is_alignment {
            true => last_mean(cross).into_iter().collect(),
            false => views.iter().flat_map(maps).collect(),
        };
        Ok(drawn(parts, &maps, views[0].weights.n_heads()))
    }

    /// Of an encoder or a language model, which reads the text alone.
    fn of_text(&self, bundle: &Bundle, device: &Device) -> Result<Exhibit> {
        if self.target.is_some() || self.is_alignment {
            refuse!("{}: a {} does not translate", bundle.path.display(), bundle.model.family());
        }
        let viewer = TextViewer::new(bundle, device).map_err(refused)?;
        let view = viewer.look(&self.text).map_err(refused)?;
        let word = viewer.tokens(&self.text, self.place_of_word()?);
        let said = Part::Text(format!("text  {}\n", self.text));
        Ok(drawn(vec![said, Part::Table(self.of_word(&view, word))], &maps(&view), view.weights.n_heads()))
    }

    /// Which tokens the followed word attends to, in each layer and head.
    fn of_word(&self, view: &View, word: Range<usize>) -> Table {
        let head = ["layer", "head"].map(String::from).into_iter().chain((1..=N_NAMED).map(|n| format!("{n}.")));
        let mut table =
            Table::new(head).under(format!("What \"{}\" attends to in the {}:", self.word, view.kind.name()));
        let weights = &view.weights;
        for layer in 0..weights.n_layers() {
            let of_heads = (0..weights.n_heads()).map(|head| weights.of_word(layer, head, word.clone()));
            let of_heads: Vec<Vec<f32>> = of_heads.collect();
            let mean = |key: usize| of_heads.iter().map(|seen| seen[key]).sum::<f32>() / of_heads.len() as f32;
            let mean: Vec<f32> = (0..weights.n_keys()).map(mean).collect();
            let names = ["mean".to_owned()].into_iter().chain((1..).map(|n: usize| n.to_string()));
            for (name, seen) in names.zip([mean].into_iter().chain(of_heads)) {
                table.row([(layer + 1).to_string(), name].into_iter().chain(largest(&seen, &view.keys)));
            }
        }
        table
    }

    /// Where the followed word is in the text.
    fn place_of_word(&self) -> Result<Range<usize>> {
        match find_word(&self.text, &self.word) {
            Some(place) => Ok(place),
            None => refuse!("{:?} is no word of {:?}: name one with --word", self.word, self.text),
        }
    }
}

/// The parts, with the drawing `attention` of some maps.
fn drawn(parts: Vec<Part>, maps: &[HeatMap], n_heads: usize) -> Exhibit {
    Exhibit { parts, figures: Vec::new() }.with_figure("attention", heat_maps(maps, n_heads + 1))
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
