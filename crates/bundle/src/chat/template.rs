//! The text of a conversation, as its model was trained to read it.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use attentive_tokenizer::{Specials, TokenId, Tokenizer};
use minijinja::{Environment, Error, ErrorKind, Value, syntax::SyntaxConfig};
use serde_json::json;

use super::{ChatError, Conversation, Message, control::ControlTokens, python};

/// The name of the template in its environment.
const NAME: &str = "chat_template";

/// What every template is given of a conversation, and of what is asked for.
const GIVEN: [&str; 2] = ["messages", "add_generation_prompt"];

/// Steps that a template may take; released ones take thousands. A damaged one must not run without end.
const STEPS: u64 = 5_000_000;

/// The longest template that is read, in bytes; released ones have up to some tens of thousands.
const MAX_BYTES: usize = 1 << 20;

/// A chat template: a program of Jinja, which makes one text of a conversation.
///
/// It writes what `apply_chat_template` of transformers (5) writes. Two things differ: `strftime_now` tells
/// [`Conversation::time`], and not the clock's; and special tokens that a message names are text, as they are there with
/// `sanitize_control_tokens` alone. Templates see strings, numbers, lists and objects, and nothing of the program.
///
/// ```
/// use attentive_bundle::{ChatTemplate, Message};
///
/// let template = ChatTemplate::new("{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}\n{% endfor %}")?;
/// let text = template.render(&vec![Message::user(" Hi! ")].into(), false)?;
/// assert_eq!(text, "<user>Hi!\n");
/// # Ok::<(), attentive_bundle::ChatError>(())
/// ```
#[derive(Clone)]
pub struct ChatTemplate {
    text: Arc<str>,
    /// Names of special tokens by their roles, `bos_token` and so on, which the template may write.
    tokens: BTreeMap<String, String>,
    environment: Arc<Environment<'static>>,
}

impl ChatTemplate {
    /// A template by its text.
    ///
    /// # Errors
    /// [`ChatError::Template`] with the line that is not Jinja.
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, ChatError> {
        let text = text.into();
        if text.len() > MAX_BYTES {
            let problem = format!("it has {} bytes, and {MAX_BYTES} at most are read", text.len());
            return Err(ChatError::Template { line: None, problem });
        }
        let mut environment = Environment::new();
        let mut syntax = SyntaxConfig::builder();
        environment.set_syntax(syntax.trim_blocks(true).lstrip_blocks(true).build().map_err(failed)?);
        environment.set_fuel(Some(STEPS));
        environment.set_unknown_method_callback(python::method);
        environment.add_filter("tojson", python::tojson);
        environment.add_filter("trim", python::trim);
        environment.add_function("raise_exception", |message: Cow<'_, str>| -> Result<Value, Error> {
            let raised = Raised(message.into_owned());
            Err(Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(raised))
        });
        environment.add_template_owned(NAME, source(&text)).map_err(failed)?;
        Ok(Self { text, tokens: BTreeMap::new(), environment: Arc::new(environment) })
    }

    /// This template, which is given names of special tokens by their roles: `bos_token`, `eos_token`, …
    #[must_use]
    pub fn with_tokens(self, tokens: BTreeMap<String, String>) -> Self {
        Self { tokens, ..self }
    }

    /// This template, which is given the special tokens of `tokenizer` if it is given none yet.
    pub(super) fn or_tokens_of(self, tokenizer: &dyn Tokenizer) -> Self {
        let Specials { pad, bos, eos, unk, mask, cls, sep } = tokenizer.specials().clone();
        let roles =
            [("pad", pad), ("bos", bos), ("eos", eos), ("unk", unk), ("mask", mask), ("cls", cls), ("sep", sep)];
        let named =
            |(role, id): (&str, Option<TokenId>)| Some((format!("{role}_token"), tokenizer.token(id?)?.into_owned()));
        if self.tokens.is_empty() { self.with_tokens(roles.into_iter().filter_map(named).collect()) } else { self }
    }

    /// This template with its tokens in its text, for a folder that keeps the text alone.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn self_contained(&self) -> Result<Self, ChatError> {
        // A string of JSON is one of Jinja too.
        let set = |(role, token): (&String, &String)| format!("{{%- set {role} = {} -%}}\n", json!(token));
        let text: String = self.tokens.iter().map(set).chain([self.text.to_string()]).collect();
        Self::new(text)
    }

    /// The text of the template.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Names of special tokens by their roles.
    pub fn tokens(&self) -> &BTreeMap<String, String> {
        &self.tokens
    }

    /// The conversation as one text; with `add_generation_prompt`, it ends with what begins an answer.
    ///
    /// # Errors
    /// [`ChatError::Empty`]; [`ChatError::GivenVariable`]; [`ChatError::Refused`] where the template refuses it;
    /// [`ChatError::Template`] where it fails.
    pub fn render(&self, conversation: &Conversation, add_generation_prompt: bool) -> Result<String, ChatError> {
        let Conversation { messages, variables, time } = conversation;
        if messages.is_empty() {
            return Err(ChatError::Empty);
        }
        if let Some(name) = GIVEN.into_iter().find(|name| variables.get(name).is_some()) {
            return Err(ChatError::GivenVariable { name });
        }
        let time = *time;
        let tokens = self.tokens.iter().map(|(role, name)| (&**role, Value::from(&**name)));
        // Later ones replace earlier ones of their name.
        let context = tokens
            .chain([("tools", Value::from(())), ("documents", Value::from(()))])
            .chain([("strftime_now", Value::from_function(move |format: &str| python::strftime(time, format)))])
            .chain(variables.iter().map(|(name, value)| (name, value.clone())))
            .chain([(GIVEN[0], messages.iter().map(Message::to_value).collect())])
            .chain([(GIVEN[1], Value::from(add_generation_prompt))]);
        let template = self.environment.get_template(NAME).map_err(failed)?;
        template.render(Value::from_pairs(context)).map_err(failed)
    }

    /// The conversation as tokens. Special tokens are those that the template writes; their names in messages and
    /// variables are text.
    ///
    /// # Errors
    /// As [`render`](Self::render); [`ChatError::ControlToken`] where the tokenizer does not read such a name as text.
    pub fn encode(
        &self,
        conversation: &Conversation,
        add_generation_prompt: bool,
        tokenizer: &dyn Tokenizer,
    ) -> Result<Vec<TokenId>, ChatError> {
        let control = ControlTokens::new(tokenizer);
        control.encode(&self.render(&control.mark_all(conversation), add_generation_prompt)?)
    }

    /// The special token that ends an answer, if the template writes one after it.
    pub(super) fn end_of_turn(&self, tokenizer: &dyn Tokenizer) -> Option<TokenId> {
        const ANSWER: &str = "the answer that is looked for";
        let messages = vec![Message::user("a question"), Message::assistant(ANSWER)];
        let text = self.render(&messages.into(), false).ok()?;
        let (_, after) = text.rsplit_once(ANSWER)?;
        ControlTokens::new(tokenizer).first(after)
    }
}

/// What `raise_exception` says.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

/// A template's failure, with the line where it is.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(error: Error) -> ChatError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let mut problem: Vec<String> = Vec::new();
    let mut line = None;
    while let Some(found) = cause {
        match (found.downcast_ref::<Raised>(), found.downcast_ref::<Error>()) {
            (Some(Raised(message)), _) => return ChatError::Refused { message: message.clone() },
            (_, Some(error)) => {
                line = error.line().or(line);
                let kind = error.kind();
                problem.push(error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")));
            }
            _ => problem.push(found.to_string()),
        }
        cause = found.source();
    }
    ChatError::Template { line, problem: problem.join(": ") }
}

/// The template as the engine reads it: ends of lines are of one kind, and blocks that mark the answers for training are
/// blocks with variables of their own.
fn source(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut source = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start + 2);
        let (inner, after) = tag.split_at(tag.find("%}").unwrap_or(tag.len()));
        source.push_str(before);
        match inner.trim_matches(['-', '+']).trim() {
            name @ "generation" => source.push_str(&inner.replacen(name, "with", 1)),
            name @ "endgeneration" => source.push_str(&inner.replacen(name, "endwith", 1)),
            _ => source.push_str(inner),
        }
        rest = after;
    }
    source + rest
}

impl PartialEq for ChatTemplate {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, &self.tokens) == (&other.text, &other.tokens)
    }
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatTemplate").field("text", &self.text).field("tokens", &self.tokens).finish_non_exhaustive()
    }
}
