//! What context makes of a word.

use std::path::PathBuf;

use attentive_backend::Device;
use attentive_bundle::{TextEncoder, cosine};
use attentive_plot::HeatMap;
use attentive_task::{Context, Result, open_model};

use crate::{Exhibit, Table};

/// The vectors of one word in several sentences, compared: those of a like meaning are near one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextualVectors {
    /// An encoder, as [`open_model`] takes it.
    pub model: PathBuf,
    /// The word.
    pub word: String,
    /// Sentences that have it.
    pub sentences: Vec<String>,
}

impl ContextualVectors {
    /// The cosine of each pair of vectors; the drawing `contextual-vectors`.
    ///
    /// # Errors
    /// The folder has no encoder, a sentence is too long for it or lacks the word, or the word stands in fewer than two places.
    pub fn make(&self, device: &Device) -> Result<Exhibit> {
        let bundle = open_model(&self.model)?;
        let encoder = TextEncoder::from_bundle(&bundle, device, None)?;
        let mut found = Vec::new();
        for sentence in &self.sentences {
            let vectors = encoder.embed_word(sentence.as_str(), &self.word).with_context(|| sentence.clone())?;
            if vectors.is_empty() {
                refuse!(
                    "{:?} is not a word of {sentence:?}: leave that sentence out, or follow another word",
                    self.word
                );
            }
            found.extend(vectors.into_iter().map(|vector| (sentence.as_str(), vector)));
        }
        if found.len() < 2 {
            refuse!(
                "{:?} stands {} times in the sentences; two vectors at least can be compared",
                self.word,
                found.len()
            );
        }
        let numbers: Vec<String> = (1..=found.len()).map(|number| number.to_string()).collect();
        let head = ["", "sentence"].into_iter().map(String::from).chain(numbers.iter().cloned());
        let mut table = Table::new(head).under(format!("Cosines of the vectors of \"{}\"", self.word));
        let mut values = Vec::new();
        for (number, (sentence, vector)) in numbers.iter().zip(&found) {
            let cosines: Vec<f64> = found.iter().map(|(_, other)| cosine(vector, other)).collect();
            let cells = cosines.iter().map(|cosine| format!("{cosine:.3}"));
            table.row([number.clone(), (*sentence).to_owned()].into_iter().chain(cells));
            values.extend(cosines);
        }
        let rows = numbers.iter().zip(&found).map(|(number, (sentence, _))| format!("{number}  {sentence}")).collect();
        let map = HeatMap { title: table.caption().to_owned(), rows, columns: numbers, values };
        Ok(Exhibit::from([table]).with_figure("contextual-vectors", map))
    }
}
