//! Unigram models in Hugging Face's `tokenizer.json`, as SentencePiece models and back.

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::bytes::parse_byte_token;
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
    if value["decoder"]["type"] != "Metaspace" || !cuts_at_spaces(&value["pre_tokenizer"]) {
        return None;
    }
    let unk = usize::try_from(model["unk_id"].as_u64()?).ok()?;
    let added = added_tokens(&value);
    let is_special: FxHashMap<&str, bool> = added.iter().map(|token| (token.content.as_str(), token.special)).collect();
    let has_bytes = model["byte_fallback"] == true;
    let kind_of = |id: usize, piece: &str| match is_special.get(piece) {
        _ if id == unk => PieceKind::Unknown,
        Some(true) => PieceKind::Control,
        Some(false) => PieceKind::UserDefined,
        None if has_bytes && parse_byte_token(piece).is_some() => PieceKind::Byte,
        None => PieceKind::Normal,
    };
    let entries = model["vocab"].as_array()?.iter().enumerate();
    let pieces = entries.map(|(id, entry)| {
        let (piece, score) = (entry[0].as_str()?, entry[1].as_f64()?);
        Some((piece.to_owned(), score as f32, kind_of(id, piece)))
    });
    let pieces = pieces.collect::<Option<Vec<_>>>()?;
    let n_bytes = pieces.iter().filter(|&&(_, _, kind)| kind == PieceKind::Byte).count();
    if ![0, 256].contains(&n_bytes) {
        return None; // a model falls back on all bytes or none
    }
    // Texts are searched for what is added after the pieces, which a model does not have.
    if added.iter().any(|token| !token.special && token.id as usize >= pieces.len()) {
        return None;
    }
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
    file.byte_fallback = n_bytes > 0;
    file.normalizer.charsmap = charsmap(&value["normalizer"])?;
    file.normalizer.add_dummy_prefix = !is_without_prefix(&value["pre_tokenizer"]);
    Some(file)
}

/// Whether a pre-tokeniser cuts texts at spaces alone, as a SentencePiece model does.
fn cuts_at_spaces(pre_tokenizer: &Value) -> bool {
    let parts = match pre_tokenizer["pretokenizers"].as_array() {
        Some(parts) => &parts[..],
        None => std::slice::from_ref(pre_tokenizer),
    };
    match parts {
        [words, pieces] if words["type"] == "WhitespaceSplit" => cuts_at_spaces(pieces),
        [pieces] => pieces["type"] == "Metaspace" && pieces["prepend_scheme"] != "first",
        _ => false,
    }
}

/// Whether no space is put before a text.
fn is_without_prefix(pre_tokenizer: &Value) -> bool {
    let mut parts = pre_tokenizer["pretokenizers"].as_array().into_iter().flatten();
    let is_off = pre_tokenizer["prepend_scheme"] == "never" || pre_tokenizer["add_prefix_space"] == false;
    pre_tokenizer["type"] == "Metaspace" && is_off || parts.any(is_without_prefix)
}

/// The id of what is unknown.
pub(crate) fn unk_id(json: &str) -> Option<usize> {
    let value: Value = serde_json::from_str(json).ok()?;
    value["model"]["unk_id"].as_u64().and_then(|id| usize::try_from(id).ok())
}

/// The table of a normaliser, empty if there is none; `None` if it does more than that table says, and than white space.
fn charsmap(normalizer: &Value) -> Option<Vec<u8>> {
    match normalizer["type"].as_str() {
        None => Some(Vec::new()),
        Some("Replace") => {
            let pattern = normalizer["pattern"]["String"].as_str().or(normalizer["pattern"]["Regex"].as_str())?;
            // As " {2,}" or "\n".
            let is_of_spaces =
                pattern.chars().all(|c| c.is_whitespace() || c.is_ascii_digit() || "{,}+\u{2581}".contains(c));
            let by_space = [" ", "\u{2581}"].iter().any(|space| normalizer["content"] == *space);
            (is_of_spaces && by_space).then(Vec::new)
        }
        Some("Precompiled") => decode_base64(normalizer["precompiled_charsmap"].as_str()?),
        Some("Sequence") => {
            let parts = normalizer["normalizers"].as_array()?.iter().map(charsmap).collect::<Option<Vec<_>>>()?;
            let n_tables = parts.iter().filter(|table| !table.is_empty()).count();
            (n_tables < 2).then(|| parts.concat())
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
    use serde_json::json;

    use super::*;
    use crate::bytes::byte_token;

    #[test]
    fn a_model_says_what_the_file_does() {
        let model = |normalizer: Value, scheme: &str| {
            let replacement = "\u{2581}";
            let metaspace = json!({"type": "Metaspace", "replacement": replacement, "prepend_scheme": scheme});
            let bytes = (0..=255).map(|byte| json!([byte_token(byte), 0.0]));
            let vocab: Vec<Value> = bytes.chain([json!(["<unk>", 0.0]), json!(["a", -1.0])]).collect();
            let value = json!({
                "added_tokens": [],
                "normalizer": normalizer,
                "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]},
                "decoder": metaspace,
                "model": {"type": "Unigram", "unk_id": 256, "byte_fallback": true, "vocab": vocab},
            });
            sentencepiece(&value.to_string(), &Specials::default())
        };
        let replace = |from: &str, to: &str| json!({"type": "Replace", "pattern": {"String": from}, "content": to});
        assert_eq!(model(replace("  ", " "), "first"), None, "a text after a special token would have a space");
        for (scheme, has_prefix) in [("always", true), ("never", false)] {
            let file = model(replace("  ", " "), scheme).unwrap();
            assert_eq!((file.byte_fallback, file.normalizer.add_dummy_prefix), (true, has_prefix));
            let kinds = [255, 256, 257].map(|id| file.pieces[id].2);
            assert_eq!(kinds, [PieceKind::Byte, PieceKind::Unknown, PieceKind::Normal]);
        }
        // A SentencePiece model has no such rule.
        let quotes = json!({"type": "Sequence", "normalizers": [replace("  ", " "), replace("``", "\"")]});
        assert_eq!(model(quotes, "always"), None);
        assert_eq!(model(replace("-", " "), "always"), None);
    }

    #[test]
    fn a_model_has_no_tokens_that_were_added_after_its_pieces() {
        for special in [true, false] {
            let value = json!({
                "added_tokens": [{"id": 2, "content": "<n>", "special": special}],
                "pre_tokenizer": {"type": "Metaspace"},
                "decoder": {"type": "Metaspace"},
                "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0]]},
            });
            // Special ones are not found in texts.
            assert_eq!(sentencepiece(&value.to_string(), &Specials::default()).is_some(), special);
        }
    }

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
