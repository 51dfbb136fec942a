//! What the layers of an encoder or a language model make of a text.

use attentive_backend::Device;
use attentive_bundle::{Bundle, Params, Translator};
use attentive_core::TokenId;
use attentive_inspect::{
    Attribution, Lens as Layers, PairAttribution, Saliency as How, TextViewer, TranslationViewer, label,
};
use attentive_model::Role;
use attentive_plot::{Drawing, HeatMap};
use attentive_task::Result;

use crate::{Exhibit, ModelOfTexts, Part, Table, refused};

/// What every layer would predict at each token of a text, if it were the last (nostalgebraist 2020, the logit lens); of a
/// translation model, each layer of the decoder at each token of the translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lens {
    /// The model.
    pub of: ModelOfTexts,
    /// The text.
    pub text: String,
    /// What a translation model writes; by default its own translation.
    pub target: Option<String>,
}

/// The tokens that a translation model writes of a text, or those of `target`; nothing of other models.
fn written(
    bundle: &Bundle<impl Params>,
    text: &str,
    target: Option<&str>,
    device: &Device,
) -> Result<Option<Vec<TokenId>>> {
    let translates = bundle.model.role() == Role::EncoderDecoder;
    Ok(match target {
        Some(_) if !translates => {
            refuse!("{}: a {} writes no translation of the text", bundle.path.display(), bundle.model.family())
        }
        Some(target) => Some(bundle.tokenizer()?.encode_target(target)),
        None if translates => {
            let translator = Translator::from_bundle(bundle, device, None)?;
            Some(translator.translate(&[text], &bundle.decoding)?.swap_remove(0).tokens)
        }
        None => None,
    })
}

impl Lens {
    /// A row for each token, the most probable prediction of each layer in it; the drawing `lens` has their probabilities.
    ///
    /// # Errors
    /// The folder has no model that predicts tokens and whose layers are stacks over embeddings, the text is empty or too long for
    /// it, or a language is missing or unknown.
    pub fn make(&self, device: &Device) -> Result<Exhibit> {
        let bundle = self.of.open()?;
        let found = match written(&bundle, &self.text, self.target.as_deref(), device)? {
            Some(target) => {
                TranslationViewer::new(&bundle, device).and_then(|viewer| viewer.lens(&self.text, &target, 1))
            }
            None => TextViewer::new(&bundle, device).and_then(|viewer| viewer.lens(&self.text, 1)),
        };
        let Layers { tokens, is_next, layers } = found.map_err(refused)?;
        let names: Vec<String> = (0..layers.len())
            .map(|layer| if layer == 0 { "input".to_owned() } else { format!("layer {layer}") })
            .collect();
        let what = if is_next { "the token after it" } else { "it" };
        let head = ["token".to_owned()].into_iter().chain(names.iter().cloned());
        let mut table = Table::new(head).under(format!("What each layer would predict for each token, {what}:"));
        for (at, token) in tokens.iter().enumerate() {
            let guess = |layer: &Vec<Vec<attentive_inspect::Guess>>| {
                layer[at].first().map(|guess| format!("{} {:.0} %", guess.token, 100.0 * guess.probability))
            };
            table.row([token.clone()].into_iter().chain(layers.iter().map(|layer| guess(layer).unwrap_or_default())));
        }
        let probability = |layer: &Vec<Vec<attentive_inspect::Guess>>, at: usize| {
            layer[at].first().map_or(0.0, |guess| guess.probability)
        };
        let values = (0..tokens.len()).flat_map(|at| layers.iter().map(move |layer| probability(layer, at))).collect();
        let map =
            HeatMap { title: "probability of a layer's prediction".to_owned(), rows: tokens, columns: names, values };
        let exhibit = Exhibit { parts: vec![Part::Table(table)], figures: Vec::new() };
        Ok(exhibit.with_figure("lens", map))
    }
}

/// Which tokens of a text, and of what was written before, made a model predict what it predicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saliency {
    /// The model.
    pub of: ModelOfTexts,
    /// The text.
    pub text: String,
    /// What a translation model writes; by default its own translation.
    pub target: Option<String>,
    /// The token whose prediction is explained, counted from 0 as the model reads the text, or of the translation; by default the
    /// last.
    pub at: Option<usize>,
    /// How shares are computed.
    pub how: How,
}

impl Saliency {
    /// A row for each token, with what it adds; the drawing `saliency` has the same.
    ///
    /// # Errors
    /// As [`Lens::make`]; also if there is no such token.
    pub fn make(&self, device: &Device) -> Result<Exhibit> {
        let bundle = self.of.open()?;
        let (text, autodiff) = (&self.text, device.clone().autodiff());
        let found = match written(&bundle, &self.text, self.target.as_deref(), device)? {
            Some(target) => TranslationViewer::new(&bundle, &autodiff)
                .and_then(|viewer| viewer.attribute(text, &target, self.at, None, self.how)),
            None => TextViewer::new(&bundle, &autodiff)
                .and_then(|viewer| viewer.attribute(text, self.at, None, self.how))
                .map(|Attribution { tokens, predicted, log_prob, shares }| {
                    let source = tokens.into_iter().zip(shares).collect();
                    PairAttribution { source, target: Vec::new(), predicted, log_prob }
                }),
        };
        let PairAttribution { source, target, predicted, log_prob: [with, without] } = found.map_err(refused)?;
        let predicted = label(&**bundle.tokenizer()?, predicted);
        let mut table = Table::new(["token", "adds, in nats"].map(String::from)).under(format!(
            "What each token adds to the log-probability of {predicted:?}, {with:.2} after the text and {without:.2} after a \
             blank one:"
        ));
        let title = |of: &str| format!("{of}adds to {predicted:?}, in nats");
        let titles = if target.is_empty() { [title(""), String::new()] } else { ["source: ", "written: "].map(title) };
        let mut maps = Vec::new();
        for (title, shares) in titles.into_iter().zip([source, target]).filter(|(_, shares)| !shares.is_empty()) {
            for (token, share) in &shares {
                table.row([token.clone(), format!("{share:+.3}")]);
            }
            let (columns, values): (Vec<String>, Vec<f64>) = shares.into_iter().unzip();
            // Each map has a scale of its own.
            let sizes = values.iter().filter(|value| value.is_finite()).map(|value| value.abs());
            let title = format!("{title}; full colour: {:.3}", sizes.fold(0.0, f64::max));
            maps.push(HeatMap { title, rows: vec![String::new()], columns, values });
        }
        let exhibit = Exhibit { parts: vec![Part::Table(table)], figures: Vec::new() };
        Ok(exhibit.with_figure("saliency", Drawing::Maps { maps, across: 1 }))
    }
}
