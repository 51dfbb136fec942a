//! What each layer of a model knows of labels.

use attentive_backend::Device;
use attentive_inspect::{LabelledParts, LayerProbe, Probes, probe};
use attentive_task::{Context, Result, Segments, thousands};

use crate::{Exhibit, ModelOfTexts, Table, refused};

/// What the labels of the control task are drawn from.
const SEED: u64 = 1;

/// Linear classifiers on the vectors of each layer of a model, beside a control task.
#[derive(Debug)]
pub struct Probe {
    /// The model.
    pub of: ModelOfTexts,
    /// Lines that classifiers are learned from: a word, a tab and its label, and an empty line between texts.
    pub train: Segments,
    /// Lines that they are tested on.
    pub test: Segments,
    /// Whether each line is a text, a tab and its label instead; these have no control task.
    pub of_texts: bool,
}

impl Probe {
    /// The table, a row for each layer.
    ///
    /// # Errors
    /// The folder has no model of texts whose layers are stacks over embeddings, a line has no label, or a text is too long.
    pub fn make(&self, device: &Device) -> Result<Exhibit> {
        let bundle = self.of.open()?;
        let read = if self.of_texts { LabelledParts::of_texts } else { LabelledParts::of_words };
        let parts = |file: &Segments| read(&file.lines).map_err(refused).with_context(|| file.name.clone());
        let (train, test) = (parts(&self.train)?, parts(&self.test)?);
        let control = (!self.of_texts).then_some(SEED);
        let found = probe(&bundle, [&train, &test], control, device).map_err(refused)?;
        let Probes { n_parts: [n_train, n_test], n_left_out, n_unknown, labels, majority, layers } = found;
        let noun = if self.of_texts { "texts" } else { "words" };
        let mut notes = Vec::new();
        if n_unknown > 0 {
            notes.push(format!("; {} have a label that classifiers did not learn", thousands(n_unknown as u64)));
        }
        if n_left_out != [0, 0] {
            let [of_train, of_test] = n_left_out.map(|n| thousands(n as u64));
            notes.push(format!(
                "; {of_test} to tell and {of_train} to learn from have no token of their own and are left out"
            ));
        }
        let mut table = Table::new(["layer", "told right", "control task", "selectivity"]).under(format!(
            "Which of {} labels {} {noun} have, by a linear classifier on each layer's vectors, learned from {}; the most frequent \
             label is right for {}{}:",
            labels.len(),
            thousands(n_test as u64),
            thousands(n_train as u64),
            percent(majority),
            notes.concat(),
        ));
        for (layer, found) in layers.iter().enumerate() {
            let name = if layer == 0 { "input".to_owned() } else { layer.to_string() };
            let LayerProbe { accuracy, control } = *found;
            let [control, more] = [control, found.selectivity()].map(|share| share.map(percent).unwrap_or_default());
            table.row([name, percent(accuracy), control, more]);
        }
        Ok([table].into())
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
