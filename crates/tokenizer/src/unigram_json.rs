//! Unigram models in Hugging Face's `tokenizer.json`, as SentencePiece models and back.

use serde_json::Value;

use crate::sentencepiece::{Algorithm, PieceKind, SentencePieceFile};
use crate::specials::Specials;
use crate::tokenizer::TokenId;
use crate::tokenizer_json::added_tokens;

/// The SentencePiece model whose pieces a `tokenizer.json` has, for tools that read one; `None` if it is of another kind.
pub(crate) fn sentencepiece(json: &str, specials: &Specials) -> Option<SentencePieceFile> {
    let value: Value = serde_json::from_str(json).ok()?;
    let model = &value["model"];
    if model["type"] != "Unigram" {
        return None;
    }
    let unk = usize::try_from(model["unk_id"].as_u64()?).ok()?;
    let added = added_tokens(&value);
    let kind_of = |id: usize, piece: &str| match added.iter().find(|token| token.content == piece) {
        _ if id == unk => PieceKind::Unknown,
        Some(token) if token.special => PieceKind::Control,
        Some(_) => PieceKind::UserDefined,
        None => PieceKind::Normal,
    };
    let entries = model["vocab"].as_array()?.iter().enumerate();
    let pieces = entries.map(|(id, entry)| {
        let (piece, score) = (entry[0].as_str()?, entry[1].as_f64()?);
        Some((piece.to_owned(), score as f32, kind_of(id, piece)))
    });
    let pieces = pieces.collect::<Option<Vec<_>>>()?;
    let in_model = |id: Option<TokenId>| id.filter(|&id| (id as usize) < pieces.len());
    let Specials { pad, bos, eos, .. } = *specials;
    let specials = Specials {
        pad: in_model(pad),
        bos: in_model(bos),
        eos: in_model(eos),
        unk: TokenId::try_from(unk).ok(),
        ..Specials::default()
    };
    let mut file = SentencePieceFile::of_pieces(Algorithm::Unigram, pieces, specials);
    file.normalizer.charsmap = charsmap(&value["normalizer"])?;
    Some(file)
}

/// The id of what is unknown.
pub(crate) fn unk_id(json: &str) -> Option<usize> {
    let value: Value = serde_json::from_str(json).ok()?;
    value["model"]["unk_id"].as_u64().and_then(|id| usize::try_from(id).ok())
}

/// The table of a normaliser, empty if there is none; `None` if it does more than that table says, and than white space.
fn charsmap(normalizer: &Value) -> Option<Vec<u8>> {
    match normalizer["type"].as_str() {
        None | Some("Replace") => Some(Vec::new()),
        Some("Precompiled") => decode_base64(normalizer["precompiled_charsmap"].as_str()?),
        Some("Sequence") => {
            let parts = normalizer["normalizers"].as_array()?.iter().map(charsmap).collect::<Option<Vec<_>>>()?;
            Some(parts.concat())
        }
        Some(_) => None,
    }
}

/// The scores of the vocabulary in a `tokenizer.json`, to the last bit; `None` if there is no list with scores.
///
/// Hugging Face's library reads some of them one bit off, which decides between segmentations of one sum.
pub(crate) fn exact_scores(json: &str) -> Option<Vec<f64>> {
    let mut rest = json;
    loop {
        rest = &rest[rest.find('"')?..];
        let (name, after) = string(rest)?;
        rest = after;
        let list = after.trim_start().strip_prefix(':').and_then(|after| after.trim_start().strip_prefix('['));
        if let (r#""vocab""#, Some(entries)) = (name, list) {
            return scores(entries);
        }
    }
}

/// Of `["piece", score], …`.
fn scores(mut rest: &str) -> Option<Vec<f64>> {
    let mut scores = Vec::new();
    loop {
        let (_, after) = string(rest.trim_start().strip_prefix('[')?.trim_start())?;
        let after = after.trim_start().strip_prefix(',')?.trim_start();
        let (number, after) = after.split_at(after.find(|c: char| c == ']' || c.is_whitespace())?);
        scores.push(number.parse().ok()?);
        match after.trim_start().strip_prefix(']')?.trim_start().strip_prefix(',') {
            Some(after) => rest = after,
            None => return Some(scores),
        }
    }
}

/// The JSON string that `text` begins with, in its quotes, and what comes after it.
fn string(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    text.starts_with('"').then_some(text.split_at_checked(end? + 2)?)
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes in base 64.
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    let groups = bytes.chunks(3).flat_map(|group| {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        let digit = move |at: usize| char::from(DIGITS[(bits >> (18 - 6 * at)) as usize & 63]);
        let n = group.len();
        (0..4).map(move |at| if at <= n { digit(at) } else { '=' })
    });
    groups.collect()
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').bytes();
    let digits = digits.map(|c| DIGITS.iter().position(|&digit| digit == c)).collect::<Option<Vec<_>>>()?;
    let groups = digits.chunks(4).flat_map(|group| {
        let bits = (0..4).fold(0_u32, |bits, at| bits << 6 | group.get(at).copied().unwrap_or(0) as u32);
        bits.to_be_bytes()[1..group.len()].to_vec()
    });
    Some(groups.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_read_to_the_last_bit() {
        let json = r#"{"a": "vocab", "b\\\"": ["x", 1], "vocab" : [ ["vocab",-2.6293296813964844],["\\\\", 0.0] ,["\"]", -1e1 ]]}"#;
        assert_eq!(exact_scores(json).unwrap(), [-2.6293296813964844, 0.0, -10.0]);
        assert_eq!(exact_scores(r#"{"vocab": {"a": 1}}"#), None);
    }

    #[test]
    fn base_64_is_the_standard_one() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(encode_base64(bytes.as_bytes()), text);
            assert_eq!(decode_base64(text).unwrap(), bytes.as_bytes());
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode_base64(&encode_base64(&all)).unwrap(), all);
        assert_eq!(decode_base64("a b"), None);
    }
}
