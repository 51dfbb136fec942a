//! Text as encoders read it: by tokens, or by characters.

use attentive_core::{FrameIds, TokenId};
use attentive_data::{Masking, MaskingConfig, SentenceCorpus};
use attentive_model::{EncoderSpec, Guessing};
use attentive_tokenizer::Tokenizer;

/// The most characters that hidden ones are guessed among.
const MAX_ALPHABET: usize = 10_000;

/// Gives a model that guesses characters the most frequent ones of its training text, unless it has an alphabet.
pub(super) fn choose_alphabet(spec: &mut impl EncoderSpec, text: &SentenceCorpus) {
    let Some(alphabet) = spec.alphabet_mut().filter(|alphabet| alphabet.is_empty()) else { return };
    let mut counts: Vec<(u64, TokenId)> = text.counts().into_iter().map(|(id, count)| (count, id)).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let characters = counts.into_iter().filter_map(|(_, id)| char::from_u32(id));
    let mut characters: Vec<char> = characters.filter(|c| !c.is_whitespace()).take(MAX_ALPHABET).collect();
    characters.sort_unstable();
    *alphabet = characters.into_iter().collect();
}

/// A line of a text as tokens, such that those of the next one may follow: a space stands between lines of characters.
pub(super) fn encode_line(spec: &impl EncoderSpec, tokenizer: &dyn Tokenizer, line: &str) -> Vec<TokenId> {
    match line.trim_end() {
        _ if !spec.reads_characters() => tokenizer.encode(line),
        "" => Vec::new(),
        line => tokenizer.encode(&format!("{line} ")),
    }
}

/// How tokens are hidden: single ones, or the characters of whole words, in a drawn order where they are guessed one after
/// another.
pub(super) fn masking(
    spec: &impl EncoderSpec,
    config: MaskingConfig,
    ids: FrameIds,
    vocab_size: usize,
    seed: u64,
) -> Masking {
    let masking = match spec.reads_characters() {
        true => Masking::words(config, ids, seed),
        false => Masking::new(config, ids, vocab_size, seed),
    };
    let guessing = spec.clone().guessing_mut().map_or_else(Guessing::default, |guessing| *guessing);
    Masking { shuffled: guessing == Guessing::Autoregressive, ..masking }
}

/// Whether a token is ever hidden.
pub(super) fn is_hidden(spec: &impl EncoderSpec, id: TokenId) -> bool {
    !spec.reads_characters() || char::from_u32(id).is_some_and(|c| !c.is_whitespace())
}

/// What hides a word, as a user writes it.
pub(super) fn masks(spec: &impl EncoderSpec, word: &str) -> String {
    match spec.reads_characters() {
        true => "[MASK]".repeat(word.chars().count()),
        false => "[MASK]".to_owned(),
    }
}
