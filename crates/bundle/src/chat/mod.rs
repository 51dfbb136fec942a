//! A conversation in, its next answer out.

mod answers;
mod control;
mod conversation;
mod error;
mod python;
mod template;

use std::ops::ControlFlow;

use attentive_core::{LanguageModel, TokenId};
use attentive_decode::{Ended, Remembering};
use burn::tensor::Device;

use crate::{
    Bundle, GenerationConfig, Generator, MAX_PROMPT_TOKENS, Params, Prompt, TextModel, TooLong, WeightFormat,
    generator::told,
};

pub use conversation::{Conversation, Message, Variables};
pub use error::ChatError;
pub use template::ChatTemplate;

/// The share of the model's positions that is kept free for an answer, where it may be as long.
const SHARE_OF_ANSWER: usize = 4;

/// Answers conversations with a language model and its chat template.
///
/// ```no_run
/// use std::ops::ControlFlow;
/// use attentive_backend::BackendKind;
/// use attentive_bundle::{Bundle, Chat, Conversation, Message};
///
/// let bundle = Bundle::open("model")?;
/// let chat = Chat::from_bundle(&bundle, &BackendKind::Flex.device()?, None)?;
/// let mut conversation = Conversation::default();
/// conversation.set_system("Answer in one sentence.");
/// for question in ["What is attention?", "Who needs it?"] {
///     conversation.messages.push(Message::user(question));
///     chat.answer(&mut conversation, &bundle.generation, |piece| {
///         print!("{piece}");
///         ControlFlow::Continue(())
///     })?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Chat<M> {
    generator: Generator<M>,
    template: ChatTemplate,
    /// What the template writes after an answer.
    end_of_turn: Option<TokenId>,
}

/// An answer that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Why it ended.
    pub ended: Ended,
    /// Messages, the oldest of the conversation, that were dropped before it, since the model does not read as much.
    pub n_dropped: usize,
}

impl Chat<Remembering<TextModel>> {
    /// A bundle's language model and template on `device`; on the CPU's default backend, its weights are packed at
    /// `precision`, or as the bundle says. Of a conversation it reads what is new since its last answer.
    ///
    /// # Errors
    /// [`ChatError::NoTemplate`], or [`ChatError::Bundle`] as of [`Generator::from_bundle`].
    pub fn from_bundle(
        bundle: &Bundle<impl Params>,
        device: &Device,
        precision: Option<WeightFormat>,
    ) -> Result<Self, ChatError> {
        let no_template = || ChatError::NoTemplate { path: bundle.path.clone() };
        let template = bundle.chat.clone().ok_or_else(no_template)?;
        Ok(Self::new(Generator::from_bundle(bundle, device, precision)?.remembering(), template))
    }
}

impl<M: LanguageModel> Chat<M> {
    /// Conversations with a generator's model, as `template` writes them. A template that is given no names of special
    /// tokens is given the tokenizer's.
    pub fn new(generator: Generator<M>, template: ChatTemplate) -> Self {
        let template = template.or_tokens_of(&*generator.tokenizer);
        let end_of_turn = template.end_of_turn(&*generator.tokenizer);
        Self { generator, template, end_of_turn }
    }

    /// Answers the last message, and adds the answer to the conversation; its text is handed to `on_text` as it comes, piece
    /// by piece.
    ///
    /// The answer ends with the token that the template writes after one, or with one of [`GenerationConfig::ends`], or with
    /// the tokenizer's end of text; [`GenerationConfig::begin`] is the template's. Where the model has no positions for the
    /// whole conversation and a quarter of them for an answer, the oldest messages are dropped, but for the system's; an
    /// answer ends where they are used up. A model without a limit reads a conversation as if it had [`MAX_PROMPT_TOKENS`].
    ///
    /// # Errors
    /// [`ChatError`] where the template refuses the conversation, the last message is too long, settings are out of range, or
    /// the device fails. The conversation is then as it was.
    pub fn answer(
        &self,
        conversation: &mut Conversation,
        config: &GenerationConfig,
        mut on_text: impl FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Answer, ChatError> {
        let mut kept = conversation.clone();
        let (prompt, n_dropped) = self.prompt(&mut kept, config.max_tokens)?;
        let config = self.settings(config, prompt.ids.len());
        let mut text = String::new();
        let ended = self.generator.write(vec![prompt], 1, &config, |piece| {
            text.push_str(piece.text);
            told(piece.text, &mut on_text)
        })?[0];
        kept.messages.push(Message::assistant(text));
        *conversation = kept;
        Ok(Answer { ended, n_dropped })
    }

    /// The generator that writes answers.
    pub fn into_generator(self) -> Generator<M> {
        self.generator
    }

    /// The tokens that an answer of up to `max_tokens` follows, and how many messages were dropped from `conversation` for
    /// them to fit, as [`answer`](Self::answer) says.
    ///
    /// # Errors
    /// [`ChatError`] where the template refuses the conversation, or the last message is too long.
    pub fn prompt(&self, conversation: &mut Conversation, max_tokens: usize) -> Result<(Prompt, usize), ChatError> {
        let max_len = self.generator.model.max_len().unwrap_or(MAX_PROMPT_TOKENS);
        let room = max_tokens.min(max_len / SHARE_OF_ANSWER).max(1);
        let mut n_dropped = 0;
        loop {
            let prompt = self.template.encode(conversation, true, &*self.generator.tokenizer)?;
            if prompt.is_empty() {
                let problem = "it writes nothing for this conversation, so that there is nothing to answer".to_owned();
                return Err(ChatError::Template { line: None, problem });
            }
            // As transformers decodes an answer, by itself.
            let as_prompt = |ids| Prompt { ids, is_continued: false };
            if prompt.len() + room <= max_len {
                return Ok((as_prompt(prompt), n_dropped));
            }
            match conversation.drop_oldest() {
                Some(n) => n_dropped += n,
                None if prompt.len() < max_len => return Ok((as_prompt(prompt), n_dropped)),
                None => return Err(ChatError::TooLong(TooLong { n_tokens: prompt.len(), max_len })),
            }
        }
    }

    /// The settings of an answer to a prompt of so many tokens: where it ends, and how long it may be.
    pub fn settings(&self, config: &GenerationConfig, n_prompt: usize) -> GenerationConfig {
        let mut ends = self.generator.ends(config);
        ends.extend(self.end_of_turn.filter(|end| !ends.contains(end)));
        let free = self.generator.model.max_len().map_or(usize::MAX, |max_len| max_len - n_prompt);
        GenerationConfig { ends, max_tokens: config.max_tokens.min(free), ..config.clone() }
    }
}
