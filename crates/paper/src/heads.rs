//! Which head resolves "it", and what it is worth.

use attentive_backend::Device;
use attentive_bundle::{Bundle, Translator};
use attentive_corpus::BuiltinConfig;
use attentive_inspect::{AttentionKind, Head, HeadScore, PronounHeads, TranslationViewer, pronoun_heads, silence};
use attentive_model::{AttentionPlace, ModelHead};
use attentive_task::{Error, Result, pronoun_accuracy};

use crate::{Exhibit, ModelOfTexts, Part, Table, refused};

/// Heads that are right this often or more are silenced together too.
const RIGHT: f64 = 0.9;

/// What is to be known of the table of a model of anything else.
const OTHER_CORPUS: &str = "The sentences are English and German ones of the built-in corpus, and the model was trained on other \
                            data: of other languages, the table says nothing.\n";

/// For every head of a translation model, how often it resolves a pronoun of the built-in corpus's held-out sentences; and how
/// many pronouns are translated right with and without heads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heads {
    /// The model.
    pub of: ModelOfTexts,
    /// Sentences that are looked at, at most.
    pub n_sentences: usize,
    /// Whether the accuracy of pronouns is measured with every head silent, not with the best of each kind alone.
    pub each: bool,
}

impl Heads {
    /// The table, best head first.
    ///
    /// # Errors
    /// The folder has no translation model that attends to anything, or a sentence is too long for it.
    pub fn make(&self, device: &Device) -> Result<Exhibit> {
        let bundle = self.of.read()?;
        // Pronouns are drawn first: without the rest of the corpus they are the same.
        let usual = BuiltinConfig::default();
        let n_pronouns = self.n_sentences.min(usual.n_pronouns);
        let sentences =
            BuiltinConfig { n_train: 0, n_validation: 0, n_test: 0, n_pronouns, ..usual }.generate().pronouns;
        let sources: Vec<&str> = sentences.iter().map(|sentence| sentence.source.as_str()).collect();
        let viewer = TranslationViewer::new(&bundle, device).map_err(refused)?;
        let kinds = pronoun_heads(&viewer, &sentences).map_err(refused)?;
        // The RNN's attention has no heads.
        let attentions = bundle.model.attentions();
        let accuracy = |bundle: &Bundle| -> Result<f64> {
            let translations = Translator::from_bundle(bundle, device, None)?.translate(&sources, &bundle.decoding)?;
            let texts: Vec<String> = translations.into_iter().map(|translation| translation.text).collect();
            Ok(pronoun_accuracy(&sentences, &texts))
        };
        let without = |kind: AttentionKind, heads: &[Head]| {
            let named = |&Head { layer, head }: &Head| ModelHead { attention: AttentionPlace { kind, layer }, head };
            let mut bundle = bundle.clone();
            silence(&mut bundle, &heads.iter().map(named).collect()).map_err(refused)?;
            Ok::<_, Error>(percent(accuracy(&bundle)?))
        };
        let columns = [
            "attention",
            "layer",
            "head",
            "sentences",
            "right noun",
            "weight on it",
            "pronouns right without the head",
        ];
        let mut table = Table::new(columns.map(String::from)).under(format!(
            "Heads that look at the noun that a pronoun refers to more than at the other one, over {} sentences; with all \
             heads, {} of the pronouns are translated right:",
            sentences.len(),
            percent(accuracy(&bundle)?),
        ));
        for PronounHeads { kind, scores } in kinds {
            // In fewer sentences where a noun is inflected, whose words are then not found.
            let n_cases = scores.n_cases().to_string();
            let mut scores = scores.scores();
            scores.sort_by(|a, b| b.accuracy.total_cmp(&a.accuracy).then(b.weight.total_cmp(&a.weight)));
            if let Some(attentions) = &attentions {
                // Pruned ones look at nothing.
                scores.retain(|HeadScore { head: Head { layer, head }, .. }| {
                    !attentions.pruned.has(ModelHead { attention: AttentionPlace { kind, layer: *layer }, head: *head })
                });
            }
            let row = |names: [String; 2], score: [String; 2], silent: String| {
                [kind.name().to_owned()].into_iter().chain(names).chain([n_cases.clone()]).chain(score).chain([silent])
            };
            for (rank, &HeadScore { head, accuracy, weight }) in scores.iter().enumerate() {
                let is_asked = attentions.is_some() && (rank == 0 || self.each);
                let silent = if is_asked { without(kind, &[head])? } else { String::new() };
                let names = [head.layer, head.head].map(|number| (number + 1).to_string());
                table.row(row(names, [percent(accuracy), format!("{weight:.2}")], silent));
            }
            let is_right = |score: &&HeadScore| score.accuracy >= RIGHT;
            let right: Vec<Head> = scores.iter().filter(is_right).map(|score| score.head).collect();
            if attentions.is_some() && right.len() > 1 {
                let names = ["all".to_owned(), format!("{} heads", right.len())];
                let score = [format!("{} or more", percent(RIGHT)), String::new()];
                table.row(row(names, score, without(kind, &right)?));
            }
        }
        let is_builtin = bundle.record.data.iter().any(|data| data.name == "built-in");
        let note = (!is_builtin).then(|| Part::Text(OTHER_CORPUS.to_owned()));
        let parts = note.into_iter().chain([Part::Table(table)]).collect();
        Ok(Exhibit { parts, figures: Vec::new() })
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
