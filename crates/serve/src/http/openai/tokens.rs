//! Tokens and their log-probabilities, as the interface tells them.

use attentive_core::TokenId;
use attentive_tokenizer::Tokenizer;
use serde_json::{Map, Value, json};

use crate::{
    http::own::{finite, token_text},
    models::Told,
};

/// The `logprobs` of an answer of chat.
pub(super) fn of_chat<'a>(tokenizer: &dyn Tokenizer, told: impl IntoIterator<Item = &'a Told>) -> Value {
    let content: Vec<Value> = told.into_iter().filter_map(|told| entry(tokenizer, told)).collect();
    json!({ "content": content, "refusal": null })
}

fn entry(tokenizer: &dyn Tokenizer, told: &Told) -> Option<Value> {
    let (id, log_prob) = told.token?;
    let one = |id: TokenId, log_prob: f64| {
        let (text, bytes) = text_and_bytes(tokenizer, id, "");
        json!({ "token": text, "logprob": finite(log_prob), "bytes": bytes })
    };
    let mut entry = one(id, log_prob);
    let top: Vec<Value> = told.top.iter().map(|&(id, log_prob)| one(id, f64::from(log_prob))).collect();
    entry["top_logprobs"] = json!(top);
    Some(entry)
}

/// The `logprobs` of a completion, whose text begins at character `offset`.
pub(super) fn of_completion<'a>(
    tokenizer: &dyn Tokenizer,
    told: impl IntoIterator<Item = &'a Told>,
    mut offset: usize,
) -> Value {
    let text = |id: TokenId| text_and_bytes(tokenizer, id, "bytes:").0;
    let (mut tokens, mut log_probs, mut tops, mut offsets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for told in told {
        if let Some((id, log_prob)) = told.token {
            tokens.push(text(id));
            log_probs.push(finite(log_prob));
            let top = told.top.iter().map(|&(id, log_prob)| (id, f64::from(log_prob)));
            // The token itself is among them, one more if it is not one of the most probable, as in the interface.
            let top = top.chain([(id, log_prob)]).map(|(id, log_prob)| (text(id), json!(finite(log_prob))));
            tops.push(Value::Object(top.collect::<Map<_, _>>()));
            offsets.push(offset + told.n_held);
        }
        offset += told.text.chars().count();
    }
    json!({ "tokens": tokens, "token_logprobs": log_probs, "top_logprobs": tops, "text_offset": offsets })
}

/// What a token says by itself, and its bytes. A part of a character is written as its bytes after `mark`, as in the
/// interface: as text all parts look alike, and an object has one entry for them.
fn text_and_bytes(tokenizer: &dyn Tokenizer, id: TokenId, mark: &str) -> (String, Vec<u8>) {
    match tokenizer.decode_bytes(&[id]) {
        Ok(bytes) if std::str::from_utf8(&bytes).is_err() => (format!("{mark}{}", bytes.escape_ascii()), bytes),
        _ => {
            let text = token_text(tokenizer, id);
            let bytes = text.as_bytes().to_vec();
            (text, bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use attentive_tokenizer::Bytes;

    use super::*;

    #[test]
    fn parts_of_a_character_are_told_by_their_bytes() {
        let [a, first, second]: [TokenId; 3] = Bytes::default().encode("aé").try_into().unwrap();
        let told = |id: TokenId, text: &str| {
            let top = vec![(id, -0.5), (second, -1.0)];
            Told { of: 0, token: Some((id, -0.5)), text: text.to_owned(), n_held: 0, top }
        };
        let told = [told(a, "a"), told(first, "")];
        let chat = of_chat(&Bytes::default(), &told);
        let tokens = ["a", "\\xc3"].map(Value::from);
        assert_eq!([&chat["content"][0]["token"], &chat["content"][1]["token"]], tokens.each_ref());
        assert_eq!((&chat["content"][0]["bytes"], &chat["content"][1]["bytes"]), (&json!([97]), &json!([0xc3])));
        assert_eq!(chat["content"][1]["top_logprobs"][1]["bytes"], json!([0xa9]));
        let completion = of_completion(&Bytes::default(), &told, 0);
        assert_eq!(completion["tokens"], json!(["a", "bytes:\\xc3"]));
        assert_eq!(completion["top_logprobs"][1], json!({ "bytes:\\xc3": -0.5, "bytes:\\xa9": -1.0 }));
    }

    #[test]
    fn a_token_is_among_those_of_its_place_in_a_completion() {
        let [a, b, c]: [TokenId; 3] = Bytes::default().encode("abc").try_into().unwrap();
        let told = |top: &[(TokenId, f32)]| {
            let (token, text, top) = (Some((c, -3.0)), "c".to_owned(), top.to_vec());
            Told { of: 0, token, text, n_held: 0, top }
        };
        let told = [told(&[(a, -0.5), (b, -1.5)]), told(&[(a, -0.5), (c, -3.0)]), told(&[])];
        let tops = [json!({ "a": -0.5, "b": -1.5, "c": -3.0 }), json!({ "a": -0.5, "c": -3.0 }), json!({ "c": -3.0 })];
        assert_eq!(of_completion(&Bytes::default(), &told, 0)["top_logprobs"], json!(tops));
        // A conversation's token is beside them, and as many are there as were asked for.
        let chat = of_chat(&Bytes::default(), &told);
        let n_top = |at: usize| chat["content"][at]["top_logprobs"].as_array().unwrap().len();
        assert_eq!([0, 1, 2].map(n_top), [2, 2, 0]);
        assert_eq!(chat["content"][0]["token"], "c");
    }
}
