//! What is said in a conversation, and what a template is given beside it.

use std::{collections::BTreeMap, time::SystemTime};

use minijinja::{Value, value::Serde};
use serde::{Deserialize, Serialize};

pub(super) const SYSTEM: &str = "system";
pub(super) const USER: &str = "user";
pub(super) const ASSISTANT: &str = "assistant";

/// The names that what a model thought before an answer is given under; templates read the first, some the second.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// Values of JSON by name, for a template. Keys of objects within them keep their order, which a template may write.
///
/// ```
/// use attentive_bundle::Variables;
///
/// let variables: Variables = serde_json::from_str(r#"{"documents": ["a", "b"], "enable_thinking": false}"#)?;
/// assert_eq!(variables, Variables::default().with("enable_thinking", false).with("documents", vec!["a", "b"]));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variables(BTreeMap<String, Value>);

impl Variables {
    /// These variables and another one.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.0.insert(name.into(), Value::from(Serde(value)));
        self
    }

    /// A variable as a user writes it, `NAME=VALUE`: a value of JSON, or else a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("write NAME=VALUE")?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        Ok(Self(BTreeMap::from([(name.to_owned(), value)])))
    }

    /// These variables and others, which replace those of their name.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The same names with other values.
    pub(super) fn map(&self, change: impl Fn(&Value) -> Value) -> Self {
        Self(self.0.iter().map(|(name, value)| (name.clone(), change(value))).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it: `system`, `user`, `assistant`, `tool`.
    pub role: String,
    /// What is said.
    pub content: String,
    /// What else the message has, for templates that read it: `tool_calls`, `name`, `reasoning_content`. A `content` here
    /// replaces the other one, where it is more than a text.
    #[serde(flatten)]
    pub fields: Variables,
}

impl Message {
    /// A message without further fields.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into(), fields: Variables::default() }
    }

    /// What a user says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(USER, content)
    }

    /// What the model answers.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new(ASSISTANT, content)
    }

    /// What the model is told before the conversation.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new(SYSTEM, content)
    }

    /// The message for a template. As in transformers, fields that are null are left out, and reasoning is found by its
    /// first two names.
    pub(super) fn to_value(&self) -> Value {
        let fields = self.fields.iter().filter(|(_, value)| !value.is_none());
        let mut message = vec![("role", Value::from(&*self.role)), ("content", Value::from(&*self.content))];
        message.extend(fields.map(|(name, value)| (name, value.clone())));
        if let Some(reasoning) =
            REASONING.iter().find_map(|name| self.fields.get(name).filter(|value| !value.is_none()))
        {
            let has_thinking = self.fields.get(REASONING[1]).is_some_and(|value| !value.is_none());
            let names = REASONING[..2].iter().filter(|&&name| name == REASONING[0] || !has_thinking);
            message.extend(names.map(|&name| (name, reasoning.clone())));
        }
        Value::from_pairs(message)
    }
}

/// A conversation: its messages, and what a template is given beside them.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// What was said, the oldest first.
    pub messages: Vec<Message>,
    /// Variables of the template: `tools`, `documents`, `enable_thinking`, …
    pub variables: Variables,
    /// The time that a template is told by `strftime_now`, as that of UTC.
    pub time: SystemTime,
}

impl Default for Conversation {
    /// An empty one, that begins now.
    fn default() -> Self {
        Self { messages: Vec::new(), variables: Variables::default(), time: SystemTime::now() }
    }
}

impl From<Vec<Message>> for Conversation {
    fn from(messages: Vec<Message>) -> Self {
        Self { messages, ..Self::default() }
    }
}

impl Conversation {
    /// Sets what the model is told before the conversation; nothing with an empty text.
    pub fn set_system(&mut self, text: &str) {
        self.messages.drain(..self.n_system());
        if !text.is_empty() {
            self.messages.insert(0, Message::system(text));
        }
    }

    /// Removes all messages but the system's.
    pub fn reset(&mut self) {
        self.messages.truncate(self.n_system());
    }

    /// Removes the last message of the user and what was said after it; tells whether there was one.
    pub fn undo(&mut self) -> bool {
        let last = self.messages.iter().rposition(|message| message.role == USER);
        last.inspect(|&last| self.messages.truncate(last)).is_some()
    }

    /// Messages of the system at the beginning.
    pub(super) fn n_system(&self) -> usize {
        self.messages.iter().take_while(|message| message.role == SYSTEM).count()
    }

    /// Removes the oldest message of the user, and the answers to it, unless it is the last one; tells how many messages
    /// these are.
    pub(super) fn drop_oldest(&mut self) -> Option<usize> {
        let from = self.n_system();
        let mut of_user = (from + 1..self.messages.len()).filter(|&at| self.messages[at].role == USER);
        let to = of_user.next()?;
        self.messages.drain(from..to);
        Some(to - from)
    }
}
