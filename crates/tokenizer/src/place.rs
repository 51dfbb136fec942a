//! What a token writes, which may depend on what is before it.

use crate::error::UnknownId;
use crate::tokenizer::{TokenId, Tokenizer};

/// Where a text has come to, as far as that decides on what the next token writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Place {
    /// At its beginning, where SentencePiece leaves out a space; or anywhere, where that makes no difference.
    #[default]
    Start,
    /// Within it.
    Inside,
    /// After a word, where a space is due before the next one.
    AfterWord,
}

impl Place {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Start, Self::Inside, Self::AfterWord];

    /// Where a text of these tokens has come to; `None` where [`Tokenizer::written`] says so.
    ///
    /// ```
    /// use attentive_tokenizer::{Place, Tokenizer, UnigramTrainer};
    ///
    /// let tokenizer = UnigramTrainer::with_vocab_size(300).train(["too tired"])?;
    /// let ids = tokenizer.encode("too");
    /// assert_eq!(Place::after(&tokenizer, &ids), Some(Place::Inside));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn after(tokenizer: &(impl Tokenizer + ?Sized), ids: &[TokenId]) -> Option<Self> {
        ids.iter().try_fold(Self::Start, |place, &id| Some(tokenizer.written(place, id)?.1))
    }
}

/// The bytes that tokens write one after another, from the beginning of a text on, where that is always known.
pub(crate) fn write_all(tokenizer: &(impl Tokenizer + ?Sized), ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
    let vocab_size = tokenizer.vocab_size();
    let (mut place, mut all) = (Place::Start, Vec::new());
    for &id in ids {
        let written = tokenizer.written(place, id).filter(|_| (id as usize) < vocab_size);
        let (bytes, next) = written.ok_or(UnknownId { id, vocab_size })?;
        all.extend(bytes);
        place = next;
    }
    Ok(all)
}
