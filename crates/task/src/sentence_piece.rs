//! BLEU over the pieces of a SentencePiece model.

use std::{borrow::Cow, path::Path, sync::Arc};

use attentive_metrics::{BleuTokenizer, Tokenize};
use attentive_tokenizer::SentencePiece;

use crate::Result;

/// sacreBLEU's names of SentencePiece models, with what its signatures call them.
///
/// Source: `sacrebleu/tokenizers/tokenizer_spm.py`, 2.6.0.
const NAMES: [(&str, &str); 4] =
    [("spm", "flores101"), ("flores101", "flores101"), ("flores200", "flores200"), ("spBLEU-1K", "spBLEU-1K")];

struct Pieces {
    name: &'static str,
    model: SentencePiece,
}

impl Tokenize for Pieces {
    fn name(&self) -> &str {
        self.name
    }

    fn tokenize<'a>(&self, line: &'a str) -> Cow<'a, str> {
        self.model.pieces(line).join(" ").into()
    }
}

/// The name that signatures have for the model that sacreBLEU calls `name`.
pub fn sentence_piece_signature(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == name).map(|&(_, signature)| signature)
}

/// The tokenizer that `model`, a `.model` file, stands for under the name of a signature.
///
/// # Errors
/// The file can't be read.
pub fn sentence_piece_bleu(name: &'static str, model: &Path) -> Result<BleuTokenizer> {
    Ok(BleuTokenizer::Custom(Arc::new(Pieces { name, model: SentencePiece::from_model(model)? })))
}
