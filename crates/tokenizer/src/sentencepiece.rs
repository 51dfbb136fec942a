//! SentencePiece models: Unigram and BPE.

mod model_file;
mod normalizer;
mod protobuf;
mod scored_bpe;
mod unigram;
mod unigram_trainer;

use std::borrow::Cow;
use std::ops::Range;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use self::normalizer::{Normalizer, NormalizerSpec, SPACE};
use self::scored_bpe::{ScoredBpe, ScoredPiece};
use self::unigram::Unigram;
use crate::added::AddedToken;
use crate::bytes::{byte_token, parse_byte_token};
use crate::error::{Problem, UnknownId};
use crate::file::Model;
use crate::place::Place;
use crate::sampling::{SampleStrength, SplitMix64};
use crate::specials::Specials;
use crate::tokenizer::{TokenId, Tokenizer};
use crate::trie::Trie;

pub(crate) use self::model_file::kind_of;
pub use self::unigram_trainer::UnigramTrainer;

/// A SentencePiece model: text as a stream of characters, spaces among them, segmented by a Unigram language model or
/// by byte-pair encoding.
///
/// Source: Kudo and Richardson 2018, "SentencePiece"; Kudo 2018, "Subword Regularization". Ids and decoded text equal
/// the SentencePiece library's: where a model normalises, white space and variants of characters do not come back, and
/// `<unk>` is decoded as ` ⁇ `. Made by [`from_model`](Self::from_model), [`UnigramTrainer`](crate::UnigramTrainer) or
/// [`load`](crate::load).
#[derive(Debug)]
pub struct SentencePiece {
    pub(crate) file: SentencePieceFile,
    normalizer: Normalizer,
    denormalizer: Option<Normalizer>,
    segmenter: Segmenter,
    unk: TokenId,
    /// The ids of the byte tokens, if the model falls back on them.
    bytes: Option<Box<[TokenId; 256]>>,
    /// The ids of `<extra_id_0>` …
    sentinels: Vec<TokenId>,
}

#[derive(Debug)]
enum Segmenter {
    Unigram(Unigram),
    Bpe(ScoredBpe),
}

/// The parameters of [`SentencePiece`] as they stand in `tokenizer.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentencePieceFile {
    pub(crate) algorithm: Algorithm,
    pub(crate) byte_fallback: bool,
    pub(crate) whitespace_as_suffix: bool,
    pub(crate) unk_surface: String,
    pub(crate) specials: Specials,
    pub(crate) normalizer: NormalizerSpec,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) denormalizer: Option<NormalizerSpec>,
    pub(crate) pieces: Vec<(String, f32, PieceKind)>,
}

/// How text is segmented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Algorithm {
    Unigram,
    Bpe,
}

/// What a piece is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PieceKind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

impl PieceKind {
    /// Whether text can become such a piece, if only on the way to another.
    fn is_text(self) -> bool {
        matches!(self, Self::Normal | Self::UserDefined | Self::Unused)
    }
}

/// How much less likely than the least likely piece an unknown character is, in nats.
const UNK_PENALTY: f32 = 10.0;
/// What a user-defined piece gains for each byte after its first, in nats.
const BONUS_PER_BYTE: f64 = 0.1;
/// The longest piece that is read, in bytes: encoding takes time in proportion to it.
const MAX_PIECE_LEN: usize = 1024;

impl SentencePiece {
    /// Checks and indexes what was read or trained.
    pub(crate) fn new(file: SentencePieceFile) -> Result<Self, Problem> {
        file.specials.check(file.pieces.len())?;
        let mut ids = FxHashMap::default();
        for (id, (piece, score, _)) in (0..).zip(&file.pieces) {
            if piece.is_empty() {
                return Err(format!("pieces[{id}] is empty").into());
            }
            if piece.len() > MAX_PIECE_LEN {
                let len = piece.len();
                let problem = format!("pieces[{id}] has {len} bytes, and at most {MAX_PIECE_LEN} are read");
                return Err(Problem::Unsupported(problem));
            }
            if score.is_nan() {
                return Err(format!("pieces[{id}] has no number as its score").into());
            }
            if let Some(first) = ids.insert(piece.as_str(), id) {
                return Err(format!("pieces[{first}] and pieces[{id}] are both {piece:?}").into());
            }
        }
        let sentinels = (0..).map_while(|index| ids.get(sentinel_piece(index).as_str()).copied()).collect();
        let mut unknown = (0..).zip(&file.pieces).filter(|(_, (_, _, kind))| *kind == PieceKind::Unknown);
        let (Some((unk, _)), None) = (unknown.next(), unknown.next()) else {
            return Err("pieces must have one of the kind unknown".into());
        };
        let bytes = if file.byte_fallback { Some(byte_ids(&file.pieces)?) } else { None };
        let user_defined = || {
            let pieces = (0..).zip(&file.pieces).filter(|(_, (_, _, kind))| *kind == PieceKind::UserDefined);
            Trie::new(pieces.map(|(id, (piece, ..))| (piece.as_bytes(), id)))
        };
        let segmenter = match file.algorithm {
            Algorithm::Unigram => Segmenter::Unigram(unigram(&file.pieces, unk)),
            Algorithm::Bpe => {
                let pieces = (0..).zip(&file.pieces).filter(|(_, (_, _, kind))| kind.is_text());
                let pieces = pieces.map(|(id, (piece, score, kind))| {
                    let unused = *kind == PieceKind::Unused;
                    (piece.as_str().into(), ScoredPiece { id, score: *score, unused })
                });
                Segmenter::Bpe(ScoredBpe { pieces: pieces.collect(), frozen: user_defined(), unk })
            }
        };
        let normalizer = Normalizer::new(file.normalizer.clone(), file.whitespace_as_suffix, user_defined())?;
        let denormalizer = file.denormalizer.clone().map(|spec| Normalizer::new(spec, false, Trie::new([])));
        let denormalizer = denormalizer.transpose()?;
        Ok(Self { normalizer, denormalizer, segmenter, unk, bytes, sentinels, file })
    }

    /// The pieces of `text` as they are written: those of [`token`](Tokenizer::token), but unknown text as itself.
    ///
    /// Equals the SentencePiece library's `encode(text, out_type=str)`.
    pub fn pieces(&self, text: &str) -> Vec<String> {
        let normalized = self.normalizer.normalize(text).text;
        let mut pieces: Vec<String> = Vec::new();
        let (mut start, mut after_unknown) = (0, false);
        for (id, end) in self.segment(&normalized) {
            let piece = &normalized[start..end];
            let is_unknown = id == self.unk;
            match pieces.last_mut() {
                _ if is_unknown && self.bytes.is_some() => pieces.extend(piece.bytes().map(byte_token)),
                Some(last) if is_unknown && after_unknown => last.push_str(piece),
                _ => pieces.push(piece.to_owned()),
            }
            (start, after_unknown) = (end, is_unknown);
        }
        pieces
    }

    /// The ids of `text`, each with the range of `text` that it stands for; `segment` cuts the normalised text.
    fn encode_by(
        &self,
        text: &str,
        segment: impl FnOnce(&str) -> Vec<(TokenId, usize)>,
    ) -> Vec<(TokenId, Range<usize>)> {
        let normalized = self.normalizer.normalize(text);
        let source = |at: usize| normalized.sources.get(at).copied().unwrap_or(text.len());
        let mut spans: Vec<(TokenId, Range<usize>)> = Vec::new();
        let mut start = 0;
        for (id, end) in segment(&normalized.text) {
            let range = source(start)..source(end);
            match (&self.bytes, spans.last_mut()) {
                (Some(bytes), _) if id == self.unk => {
                    let unknown = normalized.text[start..end].bytes();
                    spans.extend(unknown.map(|byte| (bytes[usize::from(byte)], range.clone())));
                }
                // A run of unknown characters is one token.
                (None, Some((last, unknown))) if id == self.unk && *last == id => {
                    unknown.end = range.end;
                }
                _ => spans.push((id, range)),
            }
            start = end;
        }
        spans
    }

    /// The bytes that `ids` stand for, cut at each end of a run of byte tokens.
    fn decode_runs(&self, ids: &[TokenId]) -> Result<Vec<Vec<u8>>, UnknownId> {
        let piece = |&id: &TokenId| {
            let vocab_size = self.file.pieces.len();
            let (piece, _, kind) = self.file.pieces.get(id as usize).ok_or(UnknownId { id, vocab_size })?;
            Ok((piece.as_str(), *kind))
        };
        Ok(self.decode_pieces(ids.iter().map(piece).collect::<Result<Vec<_>, UnknownId>>()?))
    }

    /// The text that pieces stand for: each byte that is not part of a character becomes U+FFFD.
    pub(crate) fn text_of(&self, pieces: Vec<(&str, PieceKind)>) -> String {
        self.decode_pieces(pieces).iter().map(|run| decode_utf8(run)).collect()
    }

    /// The bytes that pieces stand for, cut at each end of a run of byte tokens.
    pub(crate) fn decode_pieces(&self, pieces: Vec<(&str, PieceKind)>) -> Vec<Vec<u8>> {
        let mut runs = vec![Vec::new()];
        let mut at_start = self.leaves_out_space();
        let mut in_bytes = false;
        for (piece, kind) in pieces {
            if in_bytes != (kind == PieceKind::Byte) {
                in_bytes = !in_bytes;
                runs.push(Vec::new());
            }
            let text = self.piece_bytes(piece, kind, &mut at_start);
            if let Some(run) = runs.last_mut() {
                run.extend(text);
            }
        }
        if let Some(denormalizer) = &self.denormalizer {
            let text: String = runs.iter().map(|run| decode_utf8(run)).collect();
            runs = vec![denormalizer.normalize(&text).text.into_bytes()];
        }
        runs
    }

    /// Whether the first space of a text is not a part of it.
    fn leaves_out_space(&self) -> bool {
        let NormalizerSpec { add_dummy_prefix, remove_extra_whitespaces, .. } = *self.normalizer.spec();
        add_dummy_prefix || remove_extra_whitespaces
    }

    /// The bytes that a piece stands for; `at_start` says whether the text has not begun.
    fn piece_bytes(&self, piece: &str, kind: PieceKind, at_start: &mut bool) -> Vec<u8> {
        let stripped = if *at_start && kind.is_text() { piece.strip_prefix(SPACE) } else { None };
        let text = match kind {
            PieceKind::Control => Vec::new(),
            PieceKind::Unknown => self.file.unk_surface.clone().into_bytes(),
            PieceKind::Byte => parse_byte_token(piece).into_iter().collect(),
            _ => stripped.unwrap_or(piece).replace(SPACE, " ").into_bytes(),
        };
        // The first space is the dummy prefix; all leading ones go where extra spaces are removed.
        *at_start &= text.is_empty() && (stripped.is_none() || self.normalizer.spec().remove_extra_whitespaces);
        text
    }

    fn segment(&self, text: &str) -> Vec<(TokenId, usize)> {
        match &self.segmenter {
            Segmenter::Unigram(unigram) => unigram.best(text),
            Segmenter::Bpe(bpe) => bpe.segment(text, || false),
        }
    }
}

impl SentencePieceFile {
    /// Appends `n` sentinels, `<extra_id_0>` the last, as T5 has them after its pieces; then unused entries up to
    /// `vocab_size`, if that is more.
    pub(crate) fn with_sentinels(mut self, n: usize, vocab_size: usize) -> Self {
        let sentinels = (0..n).rev().map(|index| (sentinel_piece(index), 0.0, PieceKind::Control));
        self.pieces.extend(sentinels);
        let unused = (self.pieces.len()..vocab_size).map(|id| (format!("<unused_{id}>"), 0.0, PieceKind::Unused));
        self.pieces.extend(unused);
        self
    }

    /// Takes off again what [`with_sentinels`](Self::with_sentinels) appended; gives the number of sentinels.
    pub(crate) fn without_sentinels(mut self) -> (Self, usize) {
        let n =
            (0..).take_while(|&index| self.pieces.iter().any(|(piece, ..)| *piece == sentinel_piece(index))).count();
        let first = n.checked_sub(1).map(sentinel_piece);
        if let Some(first) = self.pieces.iter().position(|(piece, ..)| Some(piece) == first.as_ref()) {
            self.pieces.truncate(first);
        }
        (self, n)
    }
}

/// The name of a sentinel.
fn sentinel_piece(index: usize) -> String {
    format!("<extra_id_{index}>")
}

fn unigram(pieces: &[(String, f32, PieceKind)], unk: TokenId) -> Unigram {
    let normal = pieces.iter().filter(|(_, _, kind)| *kind == PieceKind::Normal).map(|&(_, score, _)| score);
    let min = normal.fold(f32::MAX, f32::min);
    let scores = pieces.iter().map(|(piece, score, kind)| match kind {
        // As in `unigram_model.cc` of 0.2.3, where the bonus no longer depends on the other pieces' scores.
        PieceKind::UserDefined => piece.len() as f64 * BONUS_PER_BYTE - BONUS_PER_BYTE,
        _ => f64::from(*score),
    });
    let texts = (0..).zip(pieces).filter(|(_, (_, _, kind))| kind.is_text() && *kind != PieceKind::Unused);
    let texts = texts.map(|(id, (piece, ..))| (piece.as_str(), id));
    Unigram::new(texts, scores.collect(), unk, min - UNK_PENALTY)
}

fn byte_ids(pieces: &[(String, f32, PieceKind)]) -> Result<Box<[TokenId; 256]>, String> {
    let mut ids = Box::new([None; 256]);
    for (id, (piece, _, kind)) in (0..).zip(pieces) {
        if *kind == PieceKind::Byte {
            let byte =
                parse_byte_token(piece).ok_or_else(|| format!("pieces[{id}] is {piece:?}, which is not a byte"))?;
            ids[usize::from(byte)] = Some(id);
        }
    }
    if let Some(byte) = (0..=255).find(|&byte| ids[usize::from(byte)].is_none()) {
        return Err(format!("pieces lack {}, and the model falls back on bytes", byte_token(byte)));
    }
    Ok(Box::new(ids.map(Option::unwrap_or_default)))
}

impl Tokenizer for SentencePiece {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        self.encode_with_offsets(text).into_iter().map(|(id, _)| id).collect()
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.encode_by(text, |normalized| self.segment(normalized))
    }

    fn sample(&self, text: &str, strength: f64, seed: u64) -> Vec<TokenId> {
        let mut rng = SplitMix64::new(seed);
        let spans = self.encode_by(text, |normalized| match &self.segmenter {
            Segmenter::Unigram(unigram) if strength > 0.0 => unigram.sample(normalized, strength, &mut rng),
            Segmenter::Unigram(unigram) => unigram.best(normalized),
            Segmenter::Bpe(bpe) => bpe.segment(normalized, || rng.next_f64() < strength),
        });
        spans.into_iter().map(|(id, _)| id).collect()
    }

    fn sample_strength(&self) -> Option<SampleStrength> {
        Some(match &self.segmenter {
            Segmenter::Unigram(_) => SampleStrength::Temperature,
            Segmenter::Bpe(_) => SampleStrength::Dropout,
        })
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        Ok(self.decode_runs(ids)?.concat())
    }

    /// Each byte that is not part of a character becomes U+FFFD, as in the SentencePiece library, where no character
    /// reaches from one run of byte tokens to the next.
    fn decode(&self, ids: &[TokenId]) -> Result<String, UnknownId> {
        Ok(self.decode_runs(ids)?.iter().map(|run| decode_utf8(run)).collect())
    }

    fn written(&self, place: Place, id: TokenId) -> Option<(Vec<u8>, Place)> {
        if self.denormalizer.is_some() {
            return None;
        }
        let Some((piece, _, kind)) = self.file.pieces.get(id as usize) else { return Some((Vec::new(), place)) };
        let mut at_start = self.leaves_out_space() && place == Place::Start;
        let bytes = self.piece_bytes(piece, *kind, &mut at_start);
        let is_start = at_start || !self.leaves_out_space();
        Some((bytes, if is_start { Place::Start } else { Place::Inside }))
    }

    fn vocab_size(&self) -> usize {
        self.file.pieces.len()
    }

    fn specials(&self) -> &Specials {
        &self.file.specials
    }

    fn sentinel(&self, index: usize) -> Option<TokenId> {
        self.sentinels.get(index).copied()
    }

    /// The special tokens and all control pieces, sentinels among them.
    fn added_tokens(&self) -> Vec<AddedToken> {
        let is_special = |(id, (_, _, kind)): &(TokenId, &(String, f32, PieceKind))| {
            *kind == PieceKind::Control || self.file.specials.contains(*id)
        };
        let pieces = (0..).zip(&self.file.pieces).filter(is_special);
        pieces.map(|(id, (piece, ..))| AddedToken::special(id, piece.as_str())).collect()
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        self.file.pieces.get(id as usize).map(|(piece, ..)| Cow::Borrowed(piece.as_str()))
    }

    fn to_model(&self) -> Option<Model> {
        Some(Model::SentencePiece(self.file.clone()))
    }
}

/// `bytes` as text; each byte that is not part of a character becomes U+FFFD, as in the SentencePiece library.
fn decode_utf8(bytes: &[u8]) -> String {
    let chunks = bytes.utf8_chunks();
    chunks.flat_map(|chunk| [chunk.valid().to_owned(), "\u{fffd}".repeat(chunk.invalid().len())]).collect()
}
