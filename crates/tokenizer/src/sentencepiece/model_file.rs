//! The `.model` files of SentencePiece.

use std::path::Path;

use super::normalizer::NormalizerSpec;
use super::protobuf::{Message, Value, fields};
use super::{Algorithm, PieceKind, SentencePiece, SentencePieceFile};
use crate::error::{Problem, TokenizerError};
use crate::specials::Specials;
use crate::tokenizer::TokenId;
use crate::{files, formats};

impl SentencePiece {
    /// Reads a `.model` file of the SentencePiece library, of the Unigram or the BPE kind.
    ///
    /// # Errors
    /// [`Io`](TokenizerError::Io) if it cannot be read, [`Invalid`](TokenizerError::Invalid) if it is damaged,
    /// [`Format`](TokenizerError::Format) if it is another tool's, [`Unsupported`](TokenizerError::Unsupported) if it is of
    /// another kind or has a piece of more than 1,024 bytes.
    pub fn from_model(path: &Path) -> Result<Self, TokenizerError> {
        let bytes = files::read(path)?;
        if !Self::is_model(&bytes) {
            formats::refuse_other_tools(path, &bytes)?;
        }
        let file = parse_model(&bytes).and_then(Self::new);
        file.map_err(TokenizerError::invalid(path))
    }

    /// Whether `bytes` begin as a `.model` file does, with a piece.
    pub(crate) fn is_model(bytes: &[u8]) -> bool {
        matches!(fields(bytes).next(), Some(Ok((1, piece))) if parse_piece(piece).is_ok_and(|(text, ..)| !text.is_empty()))
    }

    /// The content of a `.model` file, which the SentencePiece library reads.
    pub fn to_model_bytes(&self) -> Vec<u8> {
        self.file.to_model_bytes()
    }
}

impl SentencePieceFile {
    /// A model with the settings that a file has by default.
    pub(crate) fn of_pieces(algorithm: Algorithm, pieces: Vec<(String, f32, PieceKind)>, specials: Specials) -> Self {
        Self {
            algorithm,
            byte_fallback: false,
            whitespace_as_suffix: false,
            unk_surface: " \u{2047} ".to_owned(),
            specials,
            normalizer: DEFAULT_NORMALIZER,
            denormalizer: None,
            pieces,
        }
    }

    pub(crate) fn to_model_bytes(&self) -> Vec<u8> {
        let mut model = Message::default();
        for (piece, score, kind) in &self.pieces {
            let kind = KINDS.iter().find(|(_, known)| known == kind).map_or(1, |&(number, _)| number);
            let piece = Message::default().bytes(1, piece.as_bytes()).float(2, *score).integer(3, kind);
            model = model.bytes(1, &piece.0);
        }
        let Specials { pad, bos, eos, unk, .. } = self.specials;
        let algorithm = match self.algorithm {
            Algorithm::Unigram => 1,
            Algorithm::Bpe => 2,
        };
        let mut trainer = Message::default()
            .integer(3, algorithm)
            .integer(4, self.pieces.len() as u64)
            .integer(24, self.whitespace_as_suffix.into())
            .integer(35, self.byte_fallback.into());
        for (number, id) in [(40, unk), (41, bos), (42, eos), (43, pad)] {
            trainer = trainer.integer(number, id.map_or(u64::MAX, u64::from)); // −1 stands for none
        }
        trainer = trainer.bytes(44, self.unk_surface.as_bytes());
        // The library knows them by their names alone.
        for (number, id) in [(45, unk), (46, bos), (47, eos), (48, pad)] {
            if let Some((name, ..)) = id.and_then(|id| self.pieces.get(id as usize)) {
                trainer = trainer.bytes(number, name.as_bytes());
            }
        }
        model = model.bytes(2, &trainer.0).bytes(3, &normalizer_message(&self.normalizer).0);
        if let Some(denormalizer) = &self.denormalizer {
            model = model.bytes(5, &normalizer_message(denormalizer).0);
        }
        model.0
    }
}

/// The kind of a number in files.
pub(crate) fn kind_of(number: u64) -> Option<PieceKind> {
    KINDS.iter().find(|(known, _)| *known == number).map(|&(_, kind)| kind)
}

const KINDS: [(u64, PieceKind); 6] = [
    (1, PieceKind::Normal),
    (2, PieceKind::Unknown),
    (3, PieceKind::Control),
    (4, PieceKind::UserDefined),
    (5, PieceKind::Unused),
    (6, PieceKind::Byte),
];

/// Reads a `ModelProto` of `sentencepiece_model.proto`.
fn parse_model(bytes: &[u8]) -> Result<SentencePieceFile, Problem> {
    let mut file = SentencePieceFile::of_pieces(Algorithm::Unigram, Vec::new(), Specials::default());
    let mut ids = [Some(0), Some(1), Some(2), None]; // of <unk>, <s>, </s>, <pad>: the defaults of the format
    for field in fields(bytes) {
        let (number, value) = field?;
        match number {
            1 => {
                let piece = parse_piece(value).map_err(|reason| format!("piece {}: {reason}", file.pieces.len()))?;
                file.pieces.push(piece);
            }
            2 => parse_trainer_spec(value, &mut file, &mut ids)?,
            3 => {
                file.normalizer = parse_normalizer(value).map_err(|reason| format!("normalizer_spec: {reason}"))?;
            }
            5 => {
                let spec = parse_normalizer(value).map_err(|reason| format!("denormalizer_spec: {reason}"))?;
                file.denormalizer = (!spec.charsmap.is_empty()).then_some(spec);
            }
            _ => {}
        }
    }
    // The trainer's settings may name ids that the pieces do not bear out.
    let kind_of = |id: TokenId| file.pieces.get(id as usize).map(|&(_, _, kind)| kind);
    let [unk, bos, eos, pad] = ids;
    let control = |id: Option<TokenId>| id.filter(|&id| kind_of(id) == Some(PieceKind::Control));
    let unk = unk.filter(|&id| kind_of(id) == Some(PieceKind::Unknown));
    file.specials = Specials { pad: control(pad), bos: control(bos), eos: control(eos), unk, ..Specials::default() };
    Ok(file)
}

fn parse_piece(value: Value<'_>) -> Result<(String, f32, PieceKind), String> {
    let (mut text, mut score, mut kind) = (String::new(), 0.0, PieceKind::Normal);
    for field in fields(value.bytes()?) {
        match field? {
            (1, value) => text = value.string()?.to_owned(),
            (2, value) => score = value.float()?,
            (3, value) => {
                let number = value.integer()?;
                kind = kind_of(number).ok_or_else(|| format!("unknown type {number}"))?;
            }
            _ => {}
        }
    }
    Ok((text, score, kind))
}

fn parse_trainer_spec(
    value: Value<'_>,
    file: &mut SentencePieceFile,
    ids: &mut [Option<TokenId>; 4],
) -> Result<(), Problem> {
    for field in fields(value.bytes()?) {
        match field? {
            (3, value) => {
                file.algorithm = match value.integer()? {
                    1 => Algorithm::Unigram,
                    2 => Algorithm::Bpe,
                    other => {
                        let problem =
                            format!("trainer_spec.model_type is {other}, and 1 (Unigram) and 2 (BPE) are read");
                        return Err(Problem::Unsupported(problem));
                    }
                };
            }
            (24, value) => file.whitespace_as_suffix = value.bool()?,
            (35, value) => file.byte_fallback = value.bool()?,
            (number @ 40..=43, value) => {
                ids[number as usize - 40] = TokenId::try_from(value.integer()?).ok();
            }
            (44, value) => file.unk_surface = value.string()?.to_owned(),
            _ => {}
        }
    }
    Ok(())
}

const DEFAULT_NORMALIZER: NormalizerSpec = NormalizerSpec {
    charsmap: Vec::new(),
    add_dummy_prefix: true,
    remove_extra_whitespaces: true,
    escape_whitespaces: true,
};

fn parse_normalizer(value: Value<'_>) -> Result<NormalizerSpec, String> {
    let mut spec = DEFAULT_NORMALIZER;
    for field in fields(value.bytes()?) {
        match field? {
            (2, value) => spec.charsmap = value.bytes()?.to_vec(),
            (3, value) => spec.add_dummy_prefix = value.bool()?,
            (4, value) => spec.remove_extra_whitespaces = value.bool()?,
            (5, value) => spec.escape_whitespaces = value.bool()?,
            _ => {}
        }
    }
    Ok(spec)
}

fn normalizer_message(spec: &NormalizerSpec) -> Message {
    Message::default()
        .bytes(2, &spec.charsmap)
        .integer(3, spec.add_dummy_prefix.into())
        .integer(4, spec.remove_extra_whitespaces.into())
        .integer(5, spec.escape_whitespaces.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without a name, `bos_id` of sentencepiece 0.2.3 looks for `<s>`.
    #[test]
    fn special_tokens_are_written_with_their_names() {
        let pieces = [("<unk>", PieceKind::Unknown), ("<bos>", PieceKind::Control), ("<eos>", PieceKind::Control)];
        let pieces = pieces.map(|(piece, kind)| (piece.to_owned(), 0.0, kind)).to_vec();
        let specials = Specials { unk: Some(0), bos: Some(1), eos: Some(2), ..Specials::default() };
        let bytes = SentencePieceFile::of_pieces(Algorithm::Unigram, pieces, specials).to_model_bytes();
        let trainer = fields(&bytes).map(Result::unwrap).find(|(number, _)| *number == 2).unwrap().1;
        let names: Vec<_> =
            fields(trainer.bytes().unwrap()).map(Result::unwrap).filter(|(number, _)| *number > 44).collect();
        assert_eq!(
            names.iter().filter_map(|(number, value)| Some((*number, value.string().ok()?))).collect::<Vec<_>>(),
            [(45, "<unk>"), (46, "<bos>"), (47, "<eos>")]
        );
    }
}
