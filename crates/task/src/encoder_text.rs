//! Text as encoders read it: by tokens, or by characters.

use std::collections::BTreeSet;

use attentive_core::{FrameIds, TokenId};
use attentive_data::{Masking, MaskingConfig, SentenceCorpus, Subwords};
use attentive_model::{EncoderSpec, Guessing};
use attentive_tokenizer::Tokenizer;

use crate::{
    Error, Log, Result,
    config::{TokenizerKind, TokenizerRecipe},
};

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

/// Gives a model that guesses subwords those that WordPiece learns from its training text, unless it has some.
pub(super) fn choose_subwords<E: Into<Error>>(
    spec: &mut impl EncoderSpec,
    n_subwords: usize,
    lines: impl IntoIterator<Item = Result<String, E>>,
    log: &dyn Log,
) -> Result<()> {
    let Some(subwords) = spec.subwords_mut().filter(|subwords| subwords.is_empty()) else { return Ok(()) };
    let recipe =
        TokenizerRecipe { kind: TokenizerKind::WordPiece, vocab_size: Some(n_subwords), ..TokenizerRecipe::default() };
    let pieces = recipe.read_or_train(false, lines, log)?;
    let mark = pieces.continuation().unwrap_or_default();
    let is_special = |piece: &str| piece.len() > 2 && piece.starts_with('[') && piece.ends_with(']');
    let piece = |id: usize| pieces.token(id as TokenId).map(std::borrow::Cow::into_owned);
    let found = (0..pieces.vocab_size()).filter_map(piece).filter(|piece| !is_special(piece));
    // A subword is the same wherever it is in a word.
    let found: BTreeSet<String> = found.map(|piece| piece.strip_prefix(mark).unwrap_or(&piece).to_owned()).collect();
    subwords.extend(found.into_iter().filter(|piece| !piece.is_empty()));
    Ok(())
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
    if !spec.subwords().is_empty() {
        return Masking::subwords(config, ids, Subwords::new(spec.subwords()), seed);
    }
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
