//! What the layers of an encoder or a language model make of a text.

use std::path::PathBuf;

use attentive_backend::Device;
use attentive_bundle::Bundle;
use attentive_inspect::{Attribution, Lens as Layers, Saliency as How, TextViewer, label};
use attentive_plot::{HeatMap, heat_maps};
use attentive_task::{Result, resolve};

use crate::{Exhibit, Part, Table, refused};

/// What every layer would predict at each token of a text, if it were the last (nostalgebraist 2020, the logit lens).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lens {
    /// The model's folder.
    pub model: PathBuf,
    /// The text.
    pub text: String,
}

impl Lens {
    /// A row for each token, the most probable prediction of each layer in it; the drawing `lens` has their probabilities.
    ///
    /// # Errors
    /// The folder has no encoder or language model that predicts tokens and whose layers are one stack, or the text is empty
    /// or too long for it.
    pub fn make(&self, device: &Device) -> Result<Exhibit> {
        let bundle = Bundle::open(resolve(&self.model))?;
        let viewer = TextViewer::new(&bundle, device).map_err(refused)?;
        let Layers { tokens, is_next, layers } = viewer.lens(&self.text, 1).map_err(refused)?;
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
        Ok(exhibit.with_figure("lens", heat_maps(&[map], 1)))
    }
}

/// Which tokens of a text made a model predict what it predicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saliency {
    /// The model's folder.
    pub model: PathBuf,
    /// The text.
    pub text: String,
    /// The token whose prediction is explained, counted from 0 as the model reads the text; by default the last.
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
        let bundle = Bundle::open(resolve(&self.model))?;
        let viewer = TextViewer::new(&bundle, &device.clone().autodiff()).map_err(refused)?;
        let found = viewer.attribute(&self.text, self.at, None, self.how).map_err(refused)?;
        let Attribution { tokens, predicted, log_prob: [with, without], shares } = found;
        let predicted = label(&**bundle.tokenizer()?, predicted);
        let mut table = Table::new(["token", "adds, in nats"].map(String::from)).under(format!(
            "What each token adds to the log-probability of {predicted:?}, {with:.2} after the text and {without:.2} after a \
             blank one:"
        ));
        for (token, share) in tokens.iter().zip(&shares) {
            table.row([token.clone(), format!("{share:+.3}")]);
        }
        let title = format!("adds to {predicted:?}, in nats");
        let map = HeatMap { title, rows: vec![String::new()], columns: tokens, values: shares };
        let exhibit = Exhibit { parts: vec![Part::Table(table)], figures: Vec::new() };
        Ok(exhibit.with_figure("saliency", heat_maps(&[map], 1)))
    }
}
