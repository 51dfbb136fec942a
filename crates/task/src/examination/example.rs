//! What is kept of the examples of a task: sentence pairs, documents, labelled texts.

use std::hash::{DefaultHasher, Hash, Hasher};

use attentive_data::Side;
use attentive_tokenizer::Tokenizer;
use rayon::prelude::*;

use crate::encode;

/// Examples that are encoded at a time, in parallel.
const CHUNK: usize = 4096;

/// An example as it is read.
pub(super) struct Text {
    /// Where it begins: the lines of a part's files count as one.
    pub(super) line: u64,
    /// What the model is given.
    pub(super) given: String,
    /// What it shall answer, where that is not in the text itself.
    pub(super) answer: Option<Answer>,
    /// Whether it should stand in the data only once.
    pub(super) is_alone: bool,
}

/// What a model shall answer.
pub(super) enum Answer {
    /// Another text.
    Target(String),
    /// A class.
    Label(String),
}

/// What is kept of an example: enough to tell what is odd about it.
#[derive(Debug, Clone)]
pub(super) struct Example {
    pub(super) line: u64,
    /// Hashes of what the model is given, and of that with the answer, where it should stand in the data only once.
    pub(super) hashes: Option<[u64; 2]>,
    /// Of what the model is given, and of a target.
    pub(super) sizes: [Size; 2],
    /// Whether the target is the source.
    pub(super) is_copy: bool,
}

/// How long a text is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) tokens: u32,
    pub(super) characters: u32,
    /// Tokens that stand for what the vocabulary lacks.
    pub(super) unknown: u32,
}

impl Size {
    fn of(text: &str, side: Side, tokenizer: &dyn Tokenizer) -> Self {
        let ids = encode(tokenizer, side, text);
        let unk = tokenizer.specials().unk;
        Self {
            tokens: ids.len() as u32,
            characters: text.chars().count() as u32,
            unknown: ids.iter().filter(|&&id| Some(id) == unk).count() as u32,
        }
    }
}

impl Example {
    fn of(text: &Text, tokenizer: &dyn Tokenizer) -> Self {
        let given = hash(&text.given);
        let mut sizes = [Size::of(&text.given, Side::Source, tokenizer), Size::default()];
        let (mut whole, mut is_copy) = (given, false);
        match &text.answer {
            Some(Answer::Target(target)) => {
                sizes[1] = Size::of(target, Side::Target, tokenizer);
                (whole, is_copy) = (hash(&(given, target)), text.given == *target && sizes[0].tokens > 0);
            }
            Some(Answer::Label(label)) => whole = hash(&(given, label)),
            None => {}
        }
        Self { line: text.line, hashes: text.is_alone.then_some([given, whole]), sizes, is_copy }
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Makes examples of texts, as they come.
pub(super) struct Reader<'a> {
    tokenizer: &'a dyn Tokenizer,
    waiting: Vec<Text>,
    examples: Vec<Example>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(tokenizer: &'a dyn Tokenizer) -> Self {
        Self { tokenizer, waiting: Vec::new(), examples: Vec::new() }
    }

    pub(super) fn push(&mut self, text: Text) {
        self.waiting.push(text);
        if self.waiting.len() == CHUNK {
            self.encode();
        }
    }

    pub(super) fn finish(mut self) -> Vec<Example> {
        self.encode();
        self.examples
    }

    fn encode(&mut self) {
        self.examples.par_extend(self.waiting.par_drain(..).map(|text| Example::of(&text, self.tokenizer)));
    }
}
