//! Translations of a line as JSON.

use attentive_bundle::Translation;
use attentive_metrics::Alignment;
use attentive_tokenizer::Tokenizer;
use serde_json::{Value, json};

/// An object of a line, by its number and text, and its translations, the first of which is that of the object; with their
/// alignments, and what constraints they do not meet, where there are any, and a list of all where several are asked for.
pub fn translation_json(
    tokenizer: &dyn Tokenizer,
    (number, source): (u64, &str),
    (translations, aligned): (&[Translation], &[Alignment]),
    (unmet, are_several): (&[Vec<&str>], bool),
) -> Value {
    let one = |(idx, (translation, unmet)): (usize, (&Translation, &Vec<&str>))| {
        let mut object = translation.to_json(tokenizer);
        if let Some(alignment) = aligned.get(idx) {
            object["alignment"] = json!(alignment.pairs());
        }
        if !unmet.is_empty() {
            object["unmet"] = json!(unmet);
        }
        object
    };
    let all: Vec<Value> = translations.iter().zip(unmet).enumerate().map(one).collect();
    let mut object = all.first().cloned().unwrap_or_else(|| json!({}));
    (object["id"], object["source"]) = (json!(number), json!(source));
    if are_several {
        object["hypotheses"] = Value::Array(all);
    }
    object
}
