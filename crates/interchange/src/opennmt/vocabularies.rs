//! The vocabularies of a checkpoint: lists in version 3, objects of torchtext in versions 1 and 2.

use std::path::Path;

use attentive_weights::{CheckpointItem, WeightsFile};

use crate::{InterchangeError, translators::Vocabularies};

/// The vocabularies, and the token that targets begin with, if the checkpoint says.
///
/// # Errors
/// [`InterchangeError::Unsupported`] if they have another form, or features beside words.
pub(super) fn read(path: &Path, file: &WeightsFile) -> Result<(Vocabularies, Option<String>), InterchangeError> {
    let unsupported =
        |problem: String| InterchangeError::Unsupported { path: path.to_owned(), problems: vec![problem] };
    let vocab = file.checkpoint().and_then(|root| root.get("vocab")).filter(|vocab| !vocab.is_none());
    let vocab = vocab.ok_or_else(|| unsupported("vocab is missing".to_owned()))?;
    if vocab.get("src_feats").is_some_and(|features| !features.is_none()) {
        return Err(unsupported("vocab has src_feats: a token has no features beside its word here".to_owned()));
    }
    let entries = |side: &str| {
        let found = of_lists(vocab, side).or_else(|| of_fields(vocab, side));
        found.ok_or_else(|| {
            let problem = format!(
                "the vocabulary of {side} is {}: there are lists of texts, and torchtext's objects with itos; load it with \
                 OpenNMT-py and save vocab as {{\"src\": list, \"tgt\": list}}",
                vocab.get(side).map_or_else(|| vocab.to_string(), |side| side.to_string())
            );
            unsupported(problem)
        })
    };
    let vocabularies = Vocabularies { source: entries("src")?, target: entries("tgt")? };
    let begin = vocab.get("decoder_start_token").and_then(CheckpointItem::text).filter(|begin| !begin.is_empty());
    Ok((vocabularies, begin.map(str::to_owned)))
}

fn texts(list: CheckpointItem<'_>) -> Option<Vec<String>> {
    list.items()?.map(|item| item.text().map(str::to_owned)).collect()
}

/// Version 3: `{"src": [text]}`.
fn of_lists(vocab: CheckpointItem<'_>, side: &str) -> Option<Vec<String>> {
    texts(vocab.get(side)?)
}

/// Version 2: `{"src": field}` with `fields = [("src", field)]`, each of which has a `vocab` with `itos`. Of more than one,
/// the others are features.
fn of_fields(vocab: CheckpointItem<'_>, side: &str) -> Option<Vec<String>> {
    let mut fields = vocab.get(side)?.get("fields")?.items()?;
    let field = fields.next().filter(|_| fields.len() == 0)?.items()?.nth(1)?;
    texts(field.get("vocab")?.get("itos")?)
}
