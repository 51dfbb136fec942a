//! Special tokens that a template writes, and their names in what people write.
//!
//! A name of a special token in a message is text: a user's `<|im_end|>` does not end the user's turn. Names in messages are
//! marked before they are rendered, and what is marked is encoded as text. transformers does so with
//! `apply_chat_template(…, sanitize_control_tokens=True)`, whose ids these are.

use attentive_tokenizer::{TokenId, Tokenizer};
use minijinja::{Value, value::ValueKind};

use super::{ChatError, Conversation, Message, Variables};

/// Marks before and after a name: characters that Unicode keeps for programs' own use, and that no text has.
const MARKS: [char; 2] = ['\u{fdd0}', '\u{fdd1}'];

/// The special tokens of a vocabulary.
pub(super) struct ControlTokens<'a> {
    tokenizer: &'a dyn Tokenizer,
    /// Their names, the longest first.
    names: Vec<(String, TokenId)>,
}

impl<'a> ControlTokens<'a> {
    pub(super) fn new(tokenizer: &'a dyn Tokenizer) -> Self {
        let special = tokenizer.added_tokens().into_iter().filter(|token| token.special && !token.content.is_empty());
        let mut names: Vec<_> = special.map(|token| (token.content, token.id)).collect();
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self { tokenizer, names }
    }

    /// The first special token of a text.
    pub(super) fn first(&self, text: &str) -> Option<TokenId> {
        let is_special = |id: &TokenId| self.names.iter().any(|(_, special)| special == id);
        self.tokenizer.encode_with_specials(text).into_iter().find(is_special)
    }

    /// The conversation, in whose texts the names are marked.
    pub(super) fn mark_all(&self, conversation: &Conversation) -> Conversation {
        let variables = |variables: &Variables| variables.map(|value| self.mark_value(value));
        let message = |message: &Message| Message {
            role: self.mark(&message.role),
            content: self.mark(&message.content),
            fields: variables(&message.fields),
        };
        Conversation {
            messages: conversation.messages.iter().map(message).collect(),
            variables: variables(&conversation.variables),
            time: conversation.time,
        }
    }

    fn mark_value(&self, value: &Value) -> Value {
        let items = || value.try_iter().into_iter().flatten();
        match value.kind() {
            ValueKind::String => Value::from(self.mark(value.as_str().unwrap_or_default())),
            ValueKind::Seq => items().map(|item| self.mark_value(&item)).collect(),
            ValueKind::Map => {
                let of_key = |key: &Value| value.get_item(key).map_or(Value::UNDEFINED, |item| self.mark_value(&item));
                Value::from_pairs(items().map(|key| (key.clone(), of_key(&key))))
            }
            _ => value.clone(),
        }
    }

    fn mark(&self, text: &str) -> String {
        let text = text.replace(MARKS, "");
        let mut marked = String::with_capacity(text.len());
        let mut rest = &*text;
        while let Some(c) = rest.chars().next() {
            let name = self.names.iter().map(|(name, _)| &**name).find(|name| rest.starts_with(name));
            match name {
                Some(name) => {
                    marked.extend([MARKS[0].encode_utf8(&mut [0; 4]), name, MARKS[1].encode_utf8(&mut [0; 4])]);
                }
                None => marked.push(c),
            }
            rest = &rest[name.map_or(c.len_utf8(), str::len)..];
        }
        marked
    }

    /// The ids of a rendered text: special tokens where the template wrote their names, and text where these are marked.
    ///
    /// # Errors
    /// [`ChatError::ControlToken`].
    pub(super) fn encode(&self, marked: &str) -> Result<Vec<TokenId>, ChatError> {
        let mut ids = Vec::new();
        let mut before = None;
        for part in marked.split_inclusive(MARKS) {
            let after = part.chars().next_back().filter(|c| MARKS.contains(c));
            let part = part.trim_end_matches(MARKS);
            let name = self.names.iter().find(|(name, _)| name == part);
            match name.filter(|_| (before, after) == (Some(MARKS[0]), Some(MARKS[1]))) {
                Some((name, id)) => {
                    let found = self.within(part, |text| self.tokenizer.encode(text));
                    if found.contains(id) {
                        return Err(ChatError::ControlToken { name: name.clone() });
                    }
                    ids.extend(found);
                }
                None if ids.is_empty() => ids.extend(self.tokenizer.encode_with_specials(part)),
                None => ids.extend(self.within(part, |text| self.tokenizer.encode_with_specials(text))),
            }
            before = after;
        }
        Ok(ids)
    }

    /// The ids of a part that something comes before: some tokenizers begin a text with a space, and a part is encoded after
    /// the end of a line, so that it has none.
    fn within(&self, part: &str, encode: impl Fn(&str) -> Vec<TokenId>) -> Vec<TokenId> {
        if part.is_empty() {
            return Vec::new();
        }
        let line_end = self.tokenizer.encode_with_specials("\n");
        let ids = encode(&format!("\n{part}"));
        ids.strip_prefix(&*line_end).map_or_else(|| encode(part), <[TokenId]>::to_vec)
    }
}
