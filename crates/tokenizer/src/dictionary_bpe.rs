//! Byte-pair encoding over the dictionaries of a translator that was trained elsewhere.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::bpe::{END_OF_WORD, MergeList};
use crate::error::{Problem, TokenizerError, UnknownId};
use crate::file::Model;
use crate::merges::Merges;
use crate::sampling::{SampleStrength, SplitMix64};
use crate::specials::Specials;
use crate::tokenizer::{TokenId, Tokenizer, push_spans};
use crate::vocabulary::{self, Spellings};
use crate::white_space::is_python_space;
use crate::word_cache::WordCache;

/// The mark after each piece that does not end its word.
const CONTINUES: &str = "@@";
/// A symbol that no merge knows.
const UNKNOWN_SYMBOL: TokenId = TokenId::MAX;

/// Words at white space, cut by the merges of subword-nmt or fastBPE, with the ids of dictionaries: that of sources and that
/// of targets, or one for both. Without merges, words are entries as they are.
///
/// Pieces are those of subword-nmt, which marks each that does not end its word by `@@`; one that the dictionary does not
/// have is `<unk>`. This is how fairseq and OpenNMT-py read text. Merges need not make entries of the dictionary, as those of
/// [`Bpe`](crate::Bpe) do. Of two dictionaries, [`encode`](Tokenizer::encode) gives ids of the sources', and everything else is
/// about the targets'.
#[derive(Debug)]
pub struct DictionaryBpe {
    file: DictionaryBpeFile,
    source: Side,
    target: Side,
}

/// The parameters of [`DictionaryBpe`] as they are in `tokenizer.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DictionaryBpeFile {
    pub(crate) specials: Specials,
    pub(crate) target: DictionaryFile,
    /// That of sources, where they have their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<DictionaryFile>,
}

/// A dictionary by id, and the merges that cut its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DictionaryFile {
    pub(crate) vocab: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) merges: Option<MergeList>,
}

/// A dictionary and its merges, indexed.
#[derive(Debug)]
struct Side {
    ids: HashMap<String, TokenId>,
    unk: TokenId,
    cutter: Option<Cutter>,
    cache: WordCache,
}

/// Merges over symbols of their own.
#[derive(Debug)]
struct Cutter {
    symbols: HashMap<String, TokenId>,
    /// Bytes of text of each symbol, without the mark.
    lengths: Vec<usize>,
    merges: Merges,
    /// Whether the last character of a word has the mark before any merge; else the mark is a symbol of its own.
    is_marked: bool,
}

impl DictionaryBpe {
    /// Reads the codes of sources and of targets, over dictionaries that are known: that of targets, and that of sources if
    /// they have their own. Without codes, words are not cut.
    ///
    /// # Errors
    /// [`TokenizerError`] names the codes that can't be read or are damaged; both dictionaries need `<unk>`, and no entry
    /// twice.
    pub fn with_lists(
        codes: Option<[&Path; 2]>,
        source_vocab: Option<Vec<String>>,
        vocab: Vec<String>,
        specials: Specials,
    ) -> Result<Self, TokenizerError> {
        let [source_merges, merges] = match codes {
            Some(codes) => codes.map(|path| MergeList::read(path).map(Some)),
            None => [Ok(None), Ok(None)],
        };
        let (source_merges, merges) = (source_merges?, merges?);
        let is_one = source_vocab.is_none() && source_merges == merges;
        let source_vocab = source_vocab.or_else(|| (!is_one).then(|| vocab.clone()));
        let source = source_vocab.map(|vocab| DictionaryFile { vocab, merges: source_merges });
        let file = DictionaryBpeFile { specials, target: DictionaryFile { vocab, merges }, source };
        let path = codes.map_or(Path::new("the dictionary"), |codes| codes[1]);
        Self::new(file).map_err(TokenizerError::invalid(path))
    }

    /// Checks and indexes what was read.
    pub(crate) fn new(file: DictionaryBpeFile) -> Result<Self, Problem> {
        file.specials.check(file.target.vocab.len())?;
        let target = Side::new(&file.target)?;
        let source = Side::new(file.source.as_ref().unwrap_or(&file.target))?;
        Ok(Self { source, target, file })
    }
}

impl Side {
    fn new(DictionaryFile { vocab, merges }: &DictionaryFile) -> Result<Self, Problem> {
        let ids = vocabulary::index(vocab)?;
        let ids: HashMap<String, TokenId> = ids.into_iter().map(|(entry, id)| (entry.to_owned(), id)).collect();
        let unk = Specials::named(|name| ids.get(name).copied()).unk.ok_or("vocab has no <unk>")?;
        Ok(Self { ids, unk, cutter: merges.as_ref().map(Cutter::new), cache: WordCache::default() })
    }

    fn encode(&self, text: &str) -> Vec<TokenId> {
        let mut all = Vec::with_capacity(text.len() / 4);
        for word in words(text) {
            self.cache
                .extend(word.as_bytes(), &mut all, |ids| ids.extend(self.pieces(word, || false).map(|(id, _)| id)));
        }
        all
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        let mut all = Vec::with_capacity(text.len() / 4);
        for word in words(text) {
            let start = word.as_ptr() as usize - text.as_ptr() as usize;
            push_spans(text, start, self.pieces(word, || false), &mut all);
        }
        all
    }

    fn sample(&self, text: &str, strength: f64, seed: u64) -> Vec<TokenId> {
        let mut rng = SplitMix64::new(seed);
        let mut ids = Vec::new();
        for word in words(text) {
            ids.extend(self.pieces(word, || rng.next_f64() < strength).map(|(id, _)| id));
        }
        ids
    }

    /// The ids of the pieces of a word with their lengths in bytes, where each merge that is due is passed over when
    /// `dropped` says so.
    fn pieces(&self, word: &str, dropped: impl FnMut() -> bool) -> impl Iterator<Item = (TokenId, usize)> {
        let lengths = match &self.cutter {
            Some(cutter) => cutter.cut(word, dropped),
            None => vec![word.len()],
        };
        let mut start = 0;
        lengths.into_iter().map(move |length| {
            let piece = &word[start..start + length];
            start += length;
            let is_last = start == word.len();
            let entry = if is_last { Cow::Borrowed(piece) } else { Cow::Owned(format!("{piece}{CONTINUES}")) };
            (self.ids.get(&*entry).copied().unwrap_or(self.unk), length)
        })
    }
}

impl Cutter {
    fn new(list: &MergeList) -> Self {
        let mut symbols = Spellings::default();
        let pairs = list.merges.iter();
        let merges = pairs.map(|(left, right)| {
            let merged = format!("{left}{right}");
            (symbols.add(left), symbols.add(right), symbols.add(&merged))
        });
        let merges = Merges::new(merges.collect::<Vec<_>>());
        let symbols = symbols.into_vec();
        let lengths = symbols.iter().map(|symbol| symbol.strip_suffix(END_OF_WORD).unwrap_or(symbol).len()).collect();
        Self { symbols: symbols.into_iter().zip(0..).collect(), lengths, merges, is_marked: list.is_marked }
    }

    /// The lengths of the pieces of a word, in bytes.
    fn cut(&self, word: &str, dropped: impl FnMut() -> bool) -> Vec<usize> {
        let last = word.char_indices().next_back().map_or(0, |(at, _)| at);
        let symbol = |(at, c): (usize, char)| {
            let mark = if self.is_marked && at == last { END_OF_WORD } else { "" };
            self.symbols.get(&format!("{c}{mark}")).copied().unwrap_or(UNKNOWN_SYMBOL)
        };
        let mark = (!self.is_marked).then(|| self.symbols.get(END_OF_WORD).copied()).flatten();
        let mut symbols: Vec<TokenId> = word.char_indices().map(symbol).chain(mark).collect();
        self.merges.apply_unless(&mut symbols, dropped);
        let mut rest = word;
        let length = |symbol: TokenId| {
            let length = match symbol {
                UNKNOWN_SYMBOL => rest.chars().next().map_or(0, char::len_utf8),
                known => self.lengths[known as usize],
            };
            rest = &rest[length..];
            length
        };
        // A mark that no merge joined to the last character is not a piece.
        symbols.into_iter().map(length).filter(|&length| length > 0).collect()
    }
}

/// What is between white space.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_python_space).filter(|word| !word.is_empty())
}

impl Tokenizer for DictionaryBpe {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        self.source.encode(text)
    }

    fn encode_target(&self, text: &str) -> Vec<TokenId> {
        self.target.encode(text)
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.source.encode_with_offsets(text)
    }

    fn encode_target_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.target.encode_with_offsets(text)
    }

    fn sample(&self, text: &str, strength: f64, seed: u64) -> Vec<TokenId> {
        self.source.sample(text, strength, seed)
    }

    fn sample_target(&self, text: &str, strength: f64, seed: u64) -> Vec<TokenId> {
        self.target.sample(text, strength, seed)
    }

    fn sample_strength(&self) -> Option<SampleStrength> {
        Some(SampleStrength::Dropout)
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        let mut text = String::new();
        for &id in ids {
            let unknown = UnknownId { id, vocab_size: self.vocab_size() };
            let entry = self.file.target.vocab.get(id as usize).ok_or(unknown)?;
            if !self.file.specials.contains(id) {
                match entry.strip_suffix(CONTINUES) {
                    Some(begin) => text += begin,
                    None => text.extend([entry, " "]),
                }
            }
        }
        Ok(text.trim_end_matches(is_python_space).as_bytes().to_vec())
    }

    fn vocab_size(&self) -> usize {
        self.file.target.vocab.len()
    }

    fn source_vocab_size(&self) -> usize {
        self.file.source.as_ref().unwrap_or(&self.file.target).vocab.len()
    }

    fn specials(&self) -> &Specials {
        &self.file.specials
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        self.file.target.vocab.get(id as usize).map(|entry| Cow::Borrowed(entry.as_str()))
    }

    fn source_token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        let side = self.file.source.as_ref().unwrap_or(&self.file.target);
        side.vocab.get(id as usize).map(|entry| Cow::Borrowed(entry.as_str()))
    }

    fn to_model(&self) -> Option<Model> {
        Some(Model::DictionaryBpe(Box::new(self.file.clone())))
    }
}
