//! Language models: texts that are continued, conversations that are answered.

use std::{
    ops::ControlFlow,
    sync::{Arc, PoisonError},
};

use attentive_backend::Device;
use attentive_bundle::{
    Bundle, Chat, ChatTemplate, Conversation, Forms, GenerationConfig, Generator, MAX_PROMPT_TOKENS, Piece, Prompt,
    ScoredTokens, SharedParams, Strategy, TextModel, TooLong, WeightFormat,
};
use attentive_core::{NextToken, TokenId};
use attentive_decode::{DraftSource, Drafts, Ended};
use attentive_tokenizer::Tokenizer;

use super::handle::{Ranked, Shared, Watched, for_request, shared};
use crate::{ServeError, error::Failure, metrics::Meters, ticket::Ticket};

/// Tokens that are drafted at a time.
const DRAFT_TOKENS: usize = 6;

/// A language model in use.
pub(crate) struct LanguageEngine {
    model: Shared<TextModel>,
    tokenizer: Arc<dyn Tokenizer>,
    begin: Option<TokenId>,
    chat: Option<ChatTemplate>,
    forms: Forms,
    /// The model's own settings.
    pub(crate) generation: GenerationConfig,
}

/// What is to be written.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) prompt: Ask,
    /// Continuations of the prompt.
    pub(crate) n: usize,
    pub(crate) config: GenerationConfig,
    /// The most probable tokens that are told in the place of each.
    pub(crate) n_top: usize,
    /// The longest n-gram of the text that a draft follows, if tokens are drafted; then `n_top` is 0.
    pub(crate) draft_ngrams: Option<usize>,
}

/// What is continued or answered.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Text(String),
    Conversation(Conversation),
}

/// What is told as texts are written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    /// The number of the continuation.
    pub(crate) of: usize,
    pub(crate) token: Option<(TokenId, f64)>,
    pub(crate) text: String,
    /// Characters before those of the token that are held back.
    pub(crate) n_held: usize,
    /// What could have been written in the place of the token, best first.
    pub(crate) top: Ranked,
}

/// How texts ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) ended: Vec<Ended>,
    pub(crate) n_prompt: usize,
    /// Tokens of each continuation, that which ended it left out.
    pub(crate) n_written: Vec<usize>,
}

type Writer = Generator<Watched<Shared<TextModel>>>;

impl LanguageEngine {
    pub(crate) fn new(
        bundle: &Bundle<SharedParams>,
        device: &Device,
        precision: Option<WeightFormat>,
        meters: Meters,
    ) -> Result<Self, ServeError> {
        let model = bundle.text_model(device, precision)?;
        Ok(Self {
            // One reads the weights, which take longer than what a few rows do with them.
            model: shared(model, meters, 1),
            tokenizer: Arc::clone(bundle.tokenizer()?),
            begin: bundle.generation.begin_id,
            chat: bundle.chat.clone(),
            forms: Forms::default(),
            generation: bundle.generation.clone(),
        })
    }

    /// Whether conversations can be answered.
    pub(crate) fn chats(&self) -> bool {
        self.chat.is_some()
    }

    fn writer(&self, n_top: usize, ticket: &Arc<Ticket>) -> (Writer, Arc<std::sync::Mutex<Ranked>>) {
        let (model, top) = Watched::new(for_request(&self.model, ticket), n_top);
        let generator = Generator::new(model, Arc::clone(&self.tokenizer)).with_forms(self.forms.clone());
        (generator.beginning_with(self.begin), top)
    }

    /// Tokens of the prompt that a task begins with, and the settings of what follows.
    fn prompt(&self, task: &Task, writer: Writer) -> Result<(Prompt, GenerationConfig, Writer), Failure> {
        match (&task.prompt, &self.chat) {
            (Ask::Text(text), _) => Ok((writer.prompt(text, &task.config), task.config.clone(), writer)),
            (Ask::Conversation(conversation), Some(template)) => {
                let chat = Chat::new(writer, template.clone());
                let (prompt, n_dropped) = chat.prompt(&mut conversation.clone(), task.config.max_tokens)?;
                if n_dropped > 0 {
                    let problem = "the conversation and an answer are longer than the model reads: leave out its \
                                   oldest messages";
                    return Err(Failure::field("messages", problem));
                }
                let config = chat.settings(&task.config, prompt.ids.len());
                Ok((prompt, config, chat.into_generator()))
            }
            (Ask::Conversation(_), None) => {
                Err(Failure::field("messages", "the model has no chat template: ask it to complete a text"))
            }
        }
    }

    /// Writes; each token is told at once, and ended when nobody listens any more. `read` gets the tokens of the prompt, and
    /// may refuse them.
    pub(crate) fn write(
        &self,
        task: &Task,
        read: impl FnOnce(usize) -> Result<(), Failure>,
        ticket: &Arc<Ticket>,
        mut tell: impl FnMut(Told) -> ControlFlow<()>,
    ) -> Result<Outcome, Failure> {
        let (writer, top) = self.writer(task.n_top, ticket);
        let (prompt, config, writer) = self.prompt(task, writer)?;
        let n_prompt = prompt.ids.len();
        let max_len = self.model.max_len().unwrap_or(MAX_PROMPT_TOKENS);
        if n_prompt > max_len {
            let too_long = TooLong { n_tokens: n_prompt, max_len };
            return Err(Failure::invalid(format!("the prompt has {too_long}: shorten it")));
        }
        read(n_prompt)?;
        let mut n_written = vec![0; task.n];
        let mut tell_piece = |of: usize, piece: Piece<'_>, top: Ranked| {
            n_written[of] += usize::from(piece.token.is_some());
            tell(Told { of, token: piece.token, text: piece.text.to_owned(), n_held: piece.n_held, top })
        };
        let explain = |error: attentive_decode::DecodeError| ticket.explain(error.into());
        // What is remembered of a step is of one row, so each text is written by itself then; it is the same text.
        let ended = if task.n_top > 0 && task.n > 1 {
            let mut ended = Vec::new();
            for of in 0..task.n {
                let sampling = config.sampling.of_sample(of as u64);
                let config = GenerationConfig { sampling, ..config.clone() };
                ended.extend(
                    writer
                        .write(vec![prompt.clone()], 1, &config, |piece| tell_piece(of, piece, remembered(&top)))
                        .map_err(explain)?,
                );
            }
            ended
        } else {
            let all = |piece: Piece<'_>| tell_piece(piece.of, piece, remembered(&top));
            let drafted = |longest| {
                Strategy::Drafted(Drafts { source: DraftSource::<TextModel>::Ngrams(longest), n_tokens: DRAFT_TOKENS })
            };
            let strategy = task.draft_ngrams.map_or(Strategy::Sampling, drafted);
            writer.write_by(vec![prompt], task.n, &config, &strategy, all).map_err(explain)?.0
        };
        Ok(Outcome { ended, n_prompt, n_written })
    }

    /// The tokens of a text, each with its log-probability, and its first token where that is given.
    pub(crate) fn score(&self, text: &str, ticket: &Arc<Ticket>) -> Result<ScoredTokens, Failure> {
        let (writer, _) = self.writer(0, ticket);
        writer.score_tokens(text, self.generation.begin).map_err(|error| ticket.explain(error.into()))
    }
}

fn remembered(top: &std::sync::Mutex<Ranked>) -> Ranked {
    top.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
