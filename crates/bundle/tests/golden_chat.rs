//! Conversations as transformers renders and encodes them (`tests/golden/generate.py`).

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

use attentive_bundle::{ChatError, ChatTemplate, Conversation, Message, Variables};
use attentive_testkit::Golden;
use attentive_tokenizer::{HuggingFace, TokenId};
use serde::Deserialize;

#[derive(Deserialize)]
struct Set {
    name: String,
    template: String,
    tokens: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    /// JSON, whose keys have an order.
    messages: String,
    variables: String,
    add_generation_prompt: bool,
    text: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Encoded {
    tokenizer: String,
    template: String,
    messages: Vec<Message>,
    ids: Vec<TokenId>,
    /// Whether names of special tokens in messages make no difference.
    is_plain: bool,
}

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn texts_are_those_of_transformers() {
    let mut n_refused = 0;
    for set in golden().cases("chat.json") {
        let Set { name, template, tokens, cases } = serde_json::from_value(set).unwrap();
        let template = ChatTemplate::new(template).unwrap().with_tokens(tokens);
        for Case { messages, variables, add_generation_prompt, text, error } in cases {
            let conversation = Conversation {
                messages: serde_json::from_str(&messages).unwrap(),
                variables: serde_json::from_str::<Variables>(&variables).unwrap(),
                // The clock of the generator: 29 February 2024, 12:34:56.
                time: UNIX_EPOCH + Duration::from_secs(1_709_210_096),
            };
            match (template.render(&conversation, add_generation_prompt), text) {
                (Ok(found), Some(expected)) => assert_eq!(found, expected, "{name}: {messages}"),
                (Err(ChatError::Refused { message }), None) => {
                    assert_eq!(Some(message), error, "{name}: {messages}");
                    n_refused += 1;
                }
                (Err(ChatError::Template { line: Some(_), .. }), None) if name == "undefined" => {}
                (found, expected) => panic!("{name}: {messages}: {found:?}, not {expected:?}"),
            }
        }
    }
    assert!(n_refused > 4);
}

#[test]
fn ids_are_those_of_transformers_with_control_tokens_of_messages_as_text() {
    let mut n_marked = 0;
    for case in golden().cases("chat_ids.json") {
        let Encoded { tokenizer, template, messages, ids, is_plain } = serde_json::from_value(case).unwrap();
        let name = tokenizer;
        let tokenizer = HuggingFace::read(&golden().path(&format!("{name}.json"))).unwrap();
        let tokens = [("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")];
        let tokens = tokens.map(|(role, name)| (role.to_owned(), name.to_owned()));
        let template = ChatTemplate::new(template).unwrap().with_tokens(tokens.into());
        let conversation = Conversation::from(messages);
        let found = template.encode(&conversation, true, &tokenizer).unwrap();
        assert_eq!(found, ids, "{name}: {:?}", conversation.messages);
        n_marked += usize::from(!is_plain);
    }
    assert!(n_marked > 10);
}
