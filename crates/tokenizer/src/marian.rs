//! The tokenizers of OPUS-MT's models.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::added::{self, AddedToken, Finder};
use crate::error::{Problem, TokenizerError, UnknownId};
use crate::file::Model;
use crate::framing::{Framing, Languages, PairFrame, plain};
use crate::sentencepiece::{PieceKind, SentencePiece, SentencePieceFile};
use crate::specials::Specials;
use crate::tokenizer::{TokenId, Tokenizer};
use crate::vocabulary;
use crate::white_space::{is_python_space, trim_python};

/// Two SentencePiece models, one that segments sources and one that segments targets, over one vocabulary with ids of
/// its own, or over one each.
///
/// Ids and text are those of `MarianTokenizer` in transformers: a piece that the vocabulary lacks is `<unk>`, and a
/// language code `>>de<<` before the text is one token. The codes of the vocabulary that sources have are the languages that
/// their model may be told to translate into. Of two vocabularies, [`encode`](Tokenizer::encode) gives ids of the sources', and
/// everything else is about the targets'.
#[derive(Debug)]
pub struct Marian {
    file: MarianFile,
    source: Side,
    target: Side,
    /// The kind of each entry's piece in the model of targets.
    kinds: Vec<PieceKind>,
    /// With the languages of the vocabulary, if it has any.
    framing: Option<Framing>,
}

/// The parameters of [`Marian`] as they stand in `tokenizer.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarianFile {
    pub(crate) source: SentencePieceFile,
    pub(crate) target: SentencePieceFile,
    pub(crate) specials: Specials,
    pub(crate) vocab: Vec<String>,
    /// The vocabulary of sources, where they have their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source_vocab: Option<Vec<String>>,
}

/// A model, its vocabulary, and the vocabulary's id of each of the model's pieces.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) model: SentencePiece,
    piece_ids: Vec<TokenId>,
    ids: HashMap<String, TokenId>,
    unk: TokenId,
}

const OTHER_END: &str = "the end of a sentence has another id in the vocabulary of sources";

impl Marian {
    /// Reads `source.spm`, `target.spm` and `vocab.json`; `bos` is the id that targets begin with, for OPUS-MT the one of
    /// `<pad>`.
    ///
    /// # Errors
    /// [`TokenizerError`] names the file that can't be read or is damaged.
    pub fn from_files(source: &Path, target: &Path, vocab: &Path, bos: TokenId) -> Result<Self, TokenizerError> {
        Self::read([source, target], None, vocab, bos)
    }

    /// Reads `source.spm` and `vocab.json`, which sources have, and `target.spm` and `target_vocab.json`, which targets
    /// have; `bos` is the id that targets begin with.
    ///
    /// # Errors
    /// [`TokenizerError`] names the file that can't be read or is damaged; the end of a sentence must have one id in both.
    pub fn with_vocabularies(
        [source, source_vocab]: [&Path; 2],
        [target, target_vocab]: [&Path; 2],
        bos: TokenId,
    ) -> Result<Self, TokenizerError> {
        Self::read([source, target], Some(source_vocab), target_vocab, bos)
    }

    /// Reads the models of sources and of targets, whose vocabularies are known: that of targets, and that of sources if
    /// they have their own.
    ///
    /// # Errors
    /// [`TokenizerError`] names the model that can't be read or is damaged; both vocabularies need `<unk>`, no entry twice,
    /// and one id for the end of a sentence, if sources have it.
    pub fn with_lists(
        models: [&Path; 2],
        source_vocab: Option<Vec<String>>,
        vocab: Vec<String>,
        specials: Specials,
    ) -> Result<Self, TokenizerError> {
        let [source, target] = models.map(|path| SentencePiece::from_model(path).map(|model| model.file));
        let file = MarianFile { source: source?, target: target?, specials, vocab, source_vocab };
        Self::new(file).map_err(TokenizerError::invalid(models[1]))
    }

    /// Reads Pegasus' `spiece.model`: its pieces from `<unk>` on stand after 105 entries that text never becomes, of which
    /// padding and the end of a sentence are the first; `bos` is the id that targets begin with, that of padding.
    ///
    /// Ids are those of `PegasusTokenizer` in transformers.
    ///
    /// # Errors
    /// [`TokenizerError`] if the file can't be read, is damaged, or does not begin with padding, end and unknown.
    pub fn pegasus(model: &Path, bos: TokenId) -> Result<Self, TokenizerError> {
        let file = SentencePiece::from_model(model)?.file;
        let entries = ["<pad>", "</s>", "<mask_1>", "<mask_2>"].map(str::to_owned).into_iter();
        let entries = entries.chain((2..=102).map(|n| format!("<unk_{n}>")));
        let begins = ["<pad>", "</s>", "<unk>"].iter().zip(&file.pieces).all(|(name, (piece, ..))| name == piece);
        if !begins || file.pieces.len() < 3 {
            return Err(TokenizerError::invalid(model)("its first pieces are not <pad>, </s> and <unk>".to_owned()));
        }
        let vocab: Vec<String> = entries.chain(file.pieces[2..].iter().map(|(piece, ..)| piece.clone())).collect();
        let ids = vocabulary::index(&vocab).map_err(TokenizerError::invalid(model))?;
        let specials = Specials { bos: Some(bos), ..Specials::named(|name| ids.get(name).copied()) };
        let file = MarianFile { source: file.clone(), target: file, specials, vocab, source_vocab: None };
        Self::new(file).map_err(TokenizerError::invalid(model))
    }

    fn read(
        models: [&Path; 2],
        source_vocab: Option<&Path>,
        vocab: &Path,
        bos: TokenId,
    ) -> Result<Self, TokenizerError> {
        let (source_vocab, entries) = (source_vocab.map(vocabulary::read).transpose()?, vocabulary::read(vocab)?);
        let ids = vocabulary::index(&entries).map_err(TokenizerError::invalid(vocab))?;
        let specials = Specials { bos: Some(bos), ..Specials::named(|name| ids.get(name).copied()) };
        let [source, target] = models.map(|path| SentencePiece::from_model(path).map(|model| model.file));
        let file = MarianFile { source: source?, target: target?, specials, vocab: entries, source_vocab };
        let tokenizer = Self::new(file).map_err(TokenizerError::invalid(vocab))?;
        match tokenizer.file.specials.eos.is_some() && !tokenizer.source.ids.contains_key("</s>") {
            true => Err(TokenizerError::invalid(vocab)(OTHER_END.to_owned())),
            false => Ok(tokenizer),
        }
    }

    /// Checks and indexes what was read.
    pub(crate) fn new(file: MarianFile) -> Result<Self, Problem> {
        file.specials.check(file.vocab.len())?;
        let target = Side::new(&file.target, &file.vocab)?;
        let source = Side::new(&file.source, file.source_vocab.as_ref().unwrap_or(&file.vocab))?;
        let end = |side: &Side| Specials::named(|name| side.ids.get(name).copied()).eos;
        // Sources of OpenNMT-py do not end with a token, and may have none for it.
        if end(&source).is_some_and(|of_sources| Some(of_sources) != end(&target)) {
            return Err(OTHER_END.into());
        }
        let kinds = vocabulary::kinds(&file.vocab, &file.target.pieces);
        let framing = framing(&file.specials, source.languages());
        Ok(Self { source, target, kinds, framing, file })
    }
}

/// How texts are framed where the vocabulary has languages.
fn framing(specials: &Specials, ids: BTreeMap<String, TokenId>) -> Option<Framing> {
    let PairFrame { source, begin, first, .. } = plain(specials).ok().filter(|_| !ids.is_empty())?;
    let languages = Languages { ids, sources: Some(BTreeSet::new()), ..Languages::default() };
    Some(Framing { source, begin: Some(begin), first, languages: Some(languages) })
}

impl Side {
    pub(crate) fn new(spm: &SentencePieceFile, vocab: &[String]) -> Result<Self, Problem> {
        let ids = vocabulary::index(vocab)?;
        let ids: HashMap<String, TokenId> = ids.into_iter().map(|(token, id)| (token.to_owned(), id)).collect();
        let unk = Specials::named(|name| ids.get(name).copied()).unk.ok_or("vocab has no <unk>")?;
        let id_of = |(piece, _, _): &(String, f32, _)| ids.get(piece).copied().unwrap_or(unk);
        let piece_ids = spm.pieces.iter().map(id_of).collect();
        Ok(Self { model: SentencePiece::new(spm.clone())?, piece_ids, ids, unk })
    }

    /// The languages of targets, by the entries that are codes: `supported_language_codes` of `MarianTokenizer`.
    fn languages(&self) -> BTreeMap<String, TokenId> {
        let name_of = |token: &str| {
            let name = token.strip_prefix(">>")?.strip_suffix("<<")?;
            (!name.is_empty()).then(|| name.to_owned())
        };
        self.ids.iter().filter_map(|(token, &id)| Some((name_of(token)?, id))).collect()
    }

    fn encode(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        let code = text.strip_prefix(">>").and_then(|rest| Some(rest.find("<<")? + 4)).unwrap_or(0);
        let mut ids = Vec::new();
        if code > 0 {
            ids.push((self.ids.get(&text[..code]).copied().unwrap_or(self.unk), 0..code));
        }
        let pieces = self.encode_pieces(&text[code..]).into_iter();
        ids.extend(pieces.map(|(id, range)| (id, range.start + code..range.end + code)));
        ids
    }

    /// The vocabulary's ids of the model's pieces.
    pub(crate) fn encode_pieces(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        let mut ids = self.model.encode_with_offsets(text);
        let unknown = self.model.specials().unk;
        // What the model does not know, as it normalises it, the vocabulary may: it has the other model's pieces too.
        let has_unknown = ids.iter().any(|&(id, _)| Some(id) == unknown);
        let pieces = if has_unknown { self.model.pieces(text) } else { Vec::new() };
        for (at, (id, _)) in ids.iter_mut().enumerate() {
            let known = pieces.get(at).filter(|_| Some(*id) == unknown).and_then(|piece| self.ids.get(piece));
            *id = known.copied().unwrap_or(self.piece_ids[*id as usize]);
        }
        ids
    }
}

impl Marian {
    /// The pieces of targets that are not special.
    fn pieces(&self, ids: &[TokenId]) -> Result<Vec<(&str, PieceKind)>, UnknownId> {
        let mut pieces = Vec::with_capacity(ids.len());
        for &id in ids {
            let unknown = UnknownId { id, vocab_size: self.vocab_size() };
            let token = self.file.vocab.get(id as usize).ok_or(unknown)?;
            if !self.file.specials.contains(id) {
                pieces.push((token.as_str(), self.kinds[id as usize]));
            }
        }
        Ok(pieces)
    }
}

impl Tokenizer for Marian {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        self.encode_with_offsets(text).into_iter().map(|(id, _)| id).collect()
    }

    /// Special tokens have the ids of the vocabulary that sources have.
    fn encode_with_specials(&self, text: &str) -> Vec<TokenId> {
        let tokens = self.added_tokens().into_iter().filter_map(|token| {
            let id = *self.source.ids.get(&token.content)?;
            Some(AddedToken { id, ..token })
        });
        added::encode_around(&Finder::new(tokens.collect()).of_python(), text, |part| self.encode(part))
    }

    fn encode_target(&self, text: &str) -> Vec<TokenId> {
        self.target.encode(text).into_iter().map(|(id, _)| id).collect()
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.source.encode(text)
    }

    fn encode_target_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.target.encode(text)
    }

    fn sample_target(&self, text: &str, _strength: f64, _seed: u64) -> Vec<TokenId> {
        self.encode_target(text)
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        Ok(trim_python(self.target.model.decode_pieces(self.pieces(ids)?).concat()))
    }

    /// Of bytes that are not characters as [`SentencePiece`] gives it; white space is trimmed after that.
    fn decode(&self, ids: &[TokenId]) -> Result<String, UnknownId> {
        let text = self.target.model.text_of(self.pieces(ids)?);
        Ok(text.trim_matches(is_python_space).to_owned())
    }

    fn vocab_size(&self) -> usize {
        self.file.vocab.len()
    }

    fn source_vocab_size(&self) -> usize {
        self.file.source_vocab.as_ref().unwrap_or(&self.file.vocab).len()
    }

    fn specials(&self) -> &Specials {
        &self.file.specials
    }

    fn framing(&self) -> Option<&Framing> {
        self.framing.as_ref()
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        self.file.vocab.get(id as usize).map(|token| Cow::Borrowed(token.as_str()))
    }

    fn source_token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        let vocab = self.file.source_vocab.as_ref().unwrap_or(&self.file.vocab);
        vocab.get(id as usize).map(|token| Cow::Borrowed(token.as_str()))
    }

    fn to_model(&self) -> Option<Model> {
        Some(Model::Marian(Box::new(self.file.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::byte_token;
    use crate::sentencepiece::Algorithm;
    use crate::{with_languages, with_tokens};

    /// The character map of one rule, `a` becomes `new`: a double array, and the replacement.
    fn charsmap(new: &str) -> Vec<u8> {
        let mut units = vec![0_u32; 256 + 2];
        let (node, leaf) = (1 ^ usize::from(b'a'), 256);
        units[0] = 1 << 10; // the children of the root are at 1 ^ byte
        units[node] = u32::from(b'a') | 1 << 8 | ((node ^ leaf) as u32) << 10;
        units[leaf] = 1 << 31;
        let mut map = (units.len() as u32 * 4).to_le_bytes().to_vec();
        map.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        map.extend_from_slice(new.as_bytes());
        map.push(0);
        map
    }

    fn model(pieces: &[(&str, PieceKind)]) -> SentencePieceFile {
        let unknown = ("<unk>", PieceKind::Unknown);
        let pieces = [&[unknown][..], pieces].concat().into_iter().map(|(piece, kind)| (piece.to_owned(), -1.0, kind));
        let specials = Specials { unk: Some(0), ..Specials::default() };
        SentencePieceFile::of_pieces(Algorithm::Unigram, pieces.collect(), specials)
    }

    fn marian(model: SentencePieceFile, vocab: &[&str]) -> Marian {
        let vocab = vocab.iter().map(|&token| token.to_owned()).collect();
        let specials = Specials { eos: Some(0), unk: Some(1), ..Specials::default() };
        Marian::new(MarianFile { source: model.clone(), target: model, specials, vocab, source_vocab: None }).unwrap()
    }

    #[test]
    fn what_a_model_does_not_know_is_looked_up_as_it_is_normalised() {
        let mut file = model(&["\u{2581}", "(", ")"].map(|piece| (piece, PieceKind::Normal)));
        file.normalizer.charsmap = charsmap("(b)");
        let tokenizer = marian(file, &["</s>", "<unk>", "\u{2581}", "(", ")", "b"]);
        assert_eq!(tokenizer.encode("a"), [2, 3, 5, 4]);
        assert_eq!(tokenizer.encode("bc"), [2, 1]);
    }

    #[test]
    fn codes_of_the_vocabulary_of_sources_are_languages_of_targets() {
        let pieces = ["\u{2581}a", "\u{2581}b"];
        let file = model(&pieces.map(|piece| (piece, PieceKind::Normal)));
        let own = |vocab: &[&str]| vocab.iter().map(|&token| token.to_owned()).collect::<Vec<_>>();
        let specials = Specials { eos: Some(0), unk: Some(1), bos: Some(2), ..Specials::default() };
        let sources = own(&["</s>", "<unk>", "<pad>", "\u{2581}a", ">><<", ">>fra<<", ">>cmn_Hans<<", "\u{2581}b"]);
        let vocab = own(&["</s>", "<unk>", "<pad>", "\u{2581}a", "\u{2581}b"]);
        let file = MarianFile { source: file.clone(), target: file, specials, vocab, source_vocab: Some(sources) };
        let tokenizer = Marian::new(file).unwrap();
        let languages = tokenizer.framing().and_then(|framing| framing.languages.as_ref()).unwrap();
        assert_eq!(languages.names(), "cmn_Hans, fra");
        // As if the text said it.
        let told = |text: &str, target: Option<&str>| {
            tokenizer.pair_frame(None, target).unwrap().around(&tokenizer.encode(text))
        };
        for text in [">>fra<<a b", ">>fra<< a b"] {
            assert_eq!(told(text, None), [5, 3, 7, 0]);
        }
        assert_eq!((told("a b", None), told("a b", Some("fra"))), (vec![3, 7, 0], vec![5, 3, 7, 0]));
        assert_eq!(told(">>cmn_Hans<< a", Some("fra")), [6, 3, 0]);
        // The ids are of sources, of which there are more.
        let model = tokenizer.to_model().unwrap();
        let french = tokenizer.framing().cloned().unwrap().with_usual(Some("en"), Some("cmn_Hans")).unwrap();
        let framed = model.with_framing(french).into_tokenizer().unwrap();
        assert_eq!(framed.pair_frame(None, None).unwrap().around(&framed.encode("a")), [6, 3, 0]);
    }

    #[test]
    fn languages_that_a_vocabulary_lacks_are_added_to_its_own() {
        let tokenizer = || {
            let file = model(&[("\u{2581}a", PieceKind::Normal)]);
            let vocab = ["</s>", "<unk>", "<pad>", "\u{2581}a", ">>fra<<", ">>spa<<"].map(str::to_owned).to_vec();
            let specials = Specials { eos: Some(0), unk: Some(1), bos: Some(2), ..Specials::default() };
            let file = MarianFile { source: file.clone(), target: file, specials, vocab, source_vocab: None };
            Box::new(Marian::new(file).unwrap())
        };
        let ids = |tokenizer: &dyn Tokenizer, target| {
            tokenizer.pair_frame(None, target).map(|frame| frame.around(&tokenizer.encode("a")))
        };
        let kept = with_languages(tokenizer(), &[["en", "fra"], ["en", "spa"]]).unwrap();
        assert_eq!((kept.vocab_size(), ids(&*kept, None)), (6, Ok(vec![4, 3, 0])));
        let more = with_languages(tokenizer(), &[["fra", "en"], ["en", "fra"]]).unwrap();
        assert_eq!((more.vocab_size(), ids(&*more, None)), (7, Ok(vec![6, 3, 0])));
        assert_eq!((ids(&*more, Some("fra")), ids(&*more, Some("spa"))), (Ok(vec![4, 3, 0]), Ok(vec![5, 3, 0])));
        // Other tokens that are added leave the languages.
        let longer = with_tokens(&*kept, &["Okapi"], false).unwrap();
        assert_eq!(ids(&*longer, Some("spa")), Ok(vec![5, 3, 0]));
        let longer = with_tokens(&*tokenizer(), &["Okapi"], false).unwrap();
        assert_eq!(ids(&*longer, Some("spa")), Ok(vec![5, 3, 0]));
    }

    #[test]
    fn languages_are_not_added_to_entries_that_are_words_on_the_other_side() {
        let own = |vocab: &[&str]| vocab.iter().map(|&token| token.to_owned()).collect::<Vec<_>>();
        let tokenizer = |sources: &[&str], targets: &[&str]| {
            let file = model(&[("\u{2581}a", PieceKind::Normal)]);
            let specials = Specials { eos: Some(0), unk: Some(1), bos: Some(2), ..Specials::default() };
            let (vocab, source_vocab) = (own(targets), Some(own(sources)));
            let file = MarianFile { source: file.clone(), target: file, specials, vocab, source_vocab };
            Box::new(Marian::new(file).unwrap())
        };
        let plain = ["</s>", "<unk>", "<pad>", "\u{2581}a"];
        let codes = ["</s>", "<unk>", "<pad>", "\u{2581}a", ">>fra<<", ">>spa<<"];
        let words = ["</s>", "<unk>", "<pad>", "\u{2581}a", "b", "c", "d"];
        for (sources, targets) in [(&codes[..], &words[..]), (&words[..], &plain[..])] {
            let error = with_languages(tokenizer(sources, targets), &[["en", "fra"], ["fra", "en"]]).err().unwrap();
            assert!(error.to_string().contains("sources have a vocabulary of their own"), "{error}");
        }
        // New entries are after those of both.
        let told = with_languages(tokenizer(&plain, &codes), &[["en", "fra"], ["fra", "en"]]).unwrap();
        let ids = |target| told.pair_frame(None, Some(target)).unwrap().around(&told.encode("a"));
        assert_eq!((ids("en"), ids("fra")), (vec![6, 3, 0], vec![7, 3, 0]));
        assert_eq!(told.decode(&[4]).unwrap(), ">>fra<<");
    }

    #[test]
    fn bytes_are_decoded_to_what_they_stand_for() {
        let bytes: Vec<String> = (0..=255).map(byte_token).collect();
        let bytes = bytes.iter().map(|byte| (byte.as_str(), PieceKind::Byte));
        let pieces: Vec<_> = [("\u{2581}a", PieceKind::Normal)].into_iter().chain(bytes).collect();
        let mut file = model(&pieces);
        file.byte_fallback = true;
        let vocab: Vec<&str> = ["</s>", "<unk>"].into_iter().chain(pieces.iter().map(|&(piece, _)| piece)).collect();
        let tokenizer = marian(file, &vocab);
        let ids = tokenizer.encode("a☃");
        assert_eq!((ids.len(), tokenizer.decode(&ids).unwrap().as_str()), (4, "a☃"));
    }
}
