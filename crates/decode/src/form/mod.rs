//! Forms that texts are held to: a JSON Schema, a regular expression, a grammar.

mod automaton;
mod expr;
mod fields;
mod formats;
mod grammar;
mod held;
mod json;
mod numbers;
mod program;
mod regex;
mod schema;
mod strings;
mod vocabulary;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use self::{expr::Rules, held::Warm, program::Program};

pub(crate) use self::held::{Allowed, Holder, Progress};
pub use self::{json::Json, vocabulary::Vocabulary};

/// What a text is held to, as a user says it.
#[derive(Debug, Clone, PartialEq)]
pub enum FormSpec {
    /// A JSON object of any members.
    JsonObject,
    /// A JSON value that a schema describes (JSON Schema, 2020-12).
    JsonSchema(Json),
    /// A text that a regular expression matches from its beginning to its end.
    Regex(String),
    /// A text of the rule `root` of a grammar, written as llama.cpp's GBNF.
    Grammar(String),
}

/// Why there is no such form, or a text can't be held to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// A part of a schema that texts can't be held to.
    #[error("the schema at {path}: {problem}")]
    Schema {
        /// The part, as a JSON pointer.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A file that can't be read.
    #[error("can't read {path}: {problem}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        problem: String,
    },
    /// A schema that is not JSON.
    #[error("the schema is not JSON: {problem}")]
    Json {
        /// What is wrong.
        problem: String,
    },
    /// A regular expression that can't be read, or has what texts can't be held to.
    #[error("the regular expression: {problem}")]
    Regex {
        /// What is wrong.
        problem: String,
    },
    /// A grammar that can't be read.
    #[error("the grammar, line {line}: {problem}")]
    Grammar {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A rule that calls itself before it has read anything.
    #[error("{name} begins with itself: put what it begins with first, and repeat the rest")]
    LeftRecursive {
        /// The rule.
        name: String,
    },
    /// The form is too large.
    #[error("the form is too large: ask for fewer repetitions, or a part of it")]
    TooLarge,
    /// No text is of the form.
    #[error("no text is of the form: it asks for what excludes itself, or never ends")]
    Unsatisfiable,
    /// A form and a strategy other than sampling.
    #[error("a form is for sampling, greedy or not: leave out drafts and contrastive search")]
    Strategy,
    /// A text may be at too many places of the form at once.
    #[error("the form is too ambiguous: a text is at thousands of places of it at once")]
    Ambiguous,
    /// A tokenizer whose tokens do not write bytes one after another.
    #[error("texts of this model can't be held to a form: what its tokens write depends on the tokens around them")]
    Tokens,
}

impl FormSpec {
    /// Of the text of a JSON Schema.
    ///
    /// # Errors
    /// [`FormError`], if it is not JSON, or texts can't be held to it.
    pub fn json_schema(schema: &str) -> Result<Self, FormError> {
        let json = serde_json::from_str(schema).map_err(|error| FormError::Json { problem: error.to_string() })?;
        Self::JsonSchema(json).checked()
    }

    /// Of a file with a JSON Schema.
    ///
    /// # Errors
    /// [`FormError::Read`], or as [`json_schema`](Self::json_schema).
    pub fn read_json_schema(path: &str) -> Result<Self, FormError> {
        Self::json_schema(&read(path)?)
    }

    /// Of a regular expression.
    ///
    /// # Errors
    /// [`FormError`], if it can't be read, or texts can't be held to it.
    pub fn regex(pattern: &str) -> Result<Self, FormError> {
        Self::Regex(pattern.to_owned()).checked()
    }

    /// Of the text of a grammar.
    ///
    /// # Errors
    /// [`FormError`], if it can't be read, or texts can't be held to it.
    pub fn grammar(grammar: &str) -> Result<Self, FormError> {
        Self::Grammar(grammar.to_owned()).checked()
    }

    /// Of a file with a grammar.
    ///
    /// # Errors
    /// [`FormError::Read`], or as [`grammar`](Self::grammar).
    pub fn read_grammar(path: &str) -> Result<Self, FormError> {
        Self::grammar(&read(path)?)
    }

    fn checked(self) -> Result<Self, FormError> {
        self.validate()?;
        Ok(self)
    }

    /// The program that reads texts of the form.
    fn program(&self) -> Result<Program, FormError> {
        let mut rules = Rules::default();
        let root = rules.reserve("the form");
        let body = match self {
            Self::JsonObject => schema::any_object(&mut rules),
            Self::JsonSchema(schema) => schema::of(&mut rules, schema)?,
            Self::Regex(pattern) => regex::whole(pattern).map_err(|problem| FormError::Regex { problem })?,
            Self::Grammar(text) => grammar::read(&mut rules, text)?,
        };
        rules.set(root, body);
        Program::new(&rules, root)
    }

    /// Checks that there is such a form, whatever the model is.
    ///
    /// # Errors
    /// [`FormError`], as of [`Form::new`].
    pub fn validate(&self) -> Result<(), FormError> {
        automaton::Automaton::new(Arc::new(self.program()?)).map(drop)
    }
}

fn read(path: &str) -> Result<String, FormError> {
    std::fs::read_to_string(path).map_err(|cause| FormError::Read { path: path.to_owned(), problem: cause.to_string() })
}

/// A form, ready to hold texts of one vocabulary to.
///
/// The form is a machine with a stack that reads bytes. Its states are made as texts meet them, and kept with the tokens
/// that each lets follow, for the next texts as well: so a token costs a look into a table, but for the first time in a
/// state. A token may follow if its bytes lead to some text of the form; the text may end where it is one.
pub struct Form {
    program: Arc<Program>,
    vocabulary: Arc<Vocabulary>,
    /// What the last text left.
    warm: Mutex<Warm>,
}

impl Form {
    /// The form of `spec` for texts of `vocabulary`.
    ///
    /// Where a form is written in more than one way (white space of JSON, escapes), most of them are allowed; members of an
    /// object are in the order of the schema.
    ///
    /// # Errors
    /// [`FormError`] if there is no such form: the schema has what texts can't be held to, the regular expression or the
    /// grammar can't be read, or no text is of the form.
    pub fn new(spec: &FormSpec, vocabulary: Arc<Vocabulary>) -> Result<Self, FormError> {
        Ok(Self { program: Arc::new(spec.program()?), vocabulary, warm: Mutex::default() })
    }

    /// Whether a whole text is of the form.
    ///
    /// # Errors
    /// [`FormError::Ambiguous`].
    ///
    /// ```
    /// use std::sync::Arc;
    /// use attentive_decode::{Form, FormSpec, Vocabulary};
    ///
    /// let form = Form::new(&FormSpec::Regex("[ab]{2}c?".into()), Arc::new(Vocabulary::new(Vec::new())))?;
    /// assert!(form.matches("abc")? && !form.matches("abcc")?);
    /// # Ok::<(), attentive_decode::FormError>(())
    /// ```
    pub fn matches(&self, text: &str) -> Result<bool, FormError> {
        let mut automaton = automaton::Automaton::new(Arc::clone(&self.program))?;
        let state = automaton.read(text.as_bytes())?;
        Ok(automaton.accepts(state))
    }

    fn take_warm(&self) -> Warm {
        std::mem::take(&mut self.warm.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn leave_warm(&self, warm: Warm) {
        *self.warm.lock().unwrap_or_else(PoisonError::into_inner) = warm;
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form").finish_non_exhaustive()
    }
}
