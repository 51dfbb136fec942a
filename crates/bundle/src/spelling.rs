//! The text that each token of a tokenizer writes.

use attentive_core::TokenId;
use attentive_decode::Spelling;
use attentive_tokenizer::{Place, Tokenizer};

use crate::forms::{number, places};

/// The spelling of `n_rows` tokens, those of the tokenizer first.
pub(crate) fn spelling(tokenizer: &dyn Tokenizer, n_rows: usize) -> Spelling {
    let Some(mut places) = places(tokenizer) else {
        return Spelling::new(within_words(tokenizer, n_rows));
    };
    places.iter_mut().enumerate().for_each(|(at, place)| place.resize(n_rows, (Vec::new(), at)));
    Spelling::of_places(places, Some(number(Place::AfterWord)))
}

/// What a text has more for each token in the middle of a word.
fn within_words(tokenizer: &dyn Tokenizer, n_rows: usize) -> impl Iterator<Item = Vec<u8>> {
    let write = |ids: &[TokenId]| tokenizer.decode_bytes(ids).unwrap_or_default();
    let n = tokenizer.vocab_size() as TokenId;
    // Letters that join on both sides: a token says of its own whether it begins or ends a word.
    let letters = (0..n).find_map(|id| {
        let before = write(&[id; 2]);
        let after = write(&[id; 3]).strip_prefix(&before[..])?.to_vec();
        let is_word = str::from_utf8(&after).is_ok_and(|text| text.chars().all(char::is_alphabetic));
        (is_word && !after.is_empty()).then_some((id, before, after))
    });
    let spell = move |id: TokenId| match &letters {
        _ if id >= n => Vec::new(),
        Some((letter, before, after)) => {
            let text = write(&[*letter, *letter, id, *letter]);
            let own = text.strip_prefix(&before[..]).and_then(|text| text.strip_suffix(&after[..]));
            own.unwrap_or_default().to_vec()
        }
        // Every token is a word.
        None => match &write(&[id])[..] {
            [] => Vec::new(),
            word => [word, b" "].concat(),
        },
    };
    (0..n_rows as TokenId).map(spell)
}
