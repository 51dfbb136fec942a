//! Conversations, whose answers a language model learns.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use attentive_backend::Device;
use attentive_bundle::{ChatTemplate, Conversation, DataRecord, Message, Processor, ScoreRecord, Variables};
use attentive_collective::Collective;
use attentive_core::{BatchStream, Endless, SequenceBatch};
use attentive_data::{AnswerRows, Epochs, ExampleBatcher, LineReader};
use attentive_model::{CausalLmObjective, LanguageModelSpec, ModelConfig};
use attentive_tokenizer::Tokenizer;
use attentive_trainer::{Evaluate, Validation};
use attentive_weights::Tensors;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    Context, Error, Log, Resizable, Result, Start, Task,
    causal_lm::mean_nll,
    config::{CausalLmRecipe, RunRecipe},
    corpus::record_of,
    example, initial, thousands, tokens,
};

/// The longest line that is read.
const MAX_LINE_BYTES: usize = 1 << 26;

/// The file of a run's chat template.
const TEMPLATE: &str = "chat_template.jinja";

/// Conversations, and a language model that learns to answer as they do: the loss is that of the answers' tokens alone,
/// written by the model's chat template.
pub struct Conversations<F> {
    config: F,
    objective: CausalLmObjective,
    tokenizer: Arc<dyn Tokenizer>,
    pretrained: Option<Tensors>,
    template: ChatTemplate,
    train: ExampleBatcher<AnswerRows>,
    validation: Option<ExampleBatcher<AnswerRows>>,
    records: Vec<DataRecord>,
    question: String,
}

debug_by_config!(Conversations);

/// A line of a file: a conversation, and variables of the template.
#[derive(Deserialize)]
struct ConversationLine {
    messages: Vec<Message>,
    #[serde(flatten)]
    variables: Variables,
}

impl ConversationLine {
    /// The conversation, at a time that is always the same: what a run reads does not depend on the day.
    fn conversation(self) -> Conversation {
        Conversation { messages: self.messages, variables: self.variables, time: SystemTime::UNIX_EPOCH }
    }
}

/// A part of the data.
struct Part {
    rows: Vec<(Vec<u32>, Vec<bool>)>,
    records: Vec<DataRecord>,
    question: Option<String>,
}

impl<F: LanguageModelSpec + Into<ModelConfig>> Conversations<F> {
    /// Reads the conversations of a recipe.
    ///
    /// # Errors
    /// A file can't be read, a line is not a conversation, or the model has no chat template or one that refuses it; file and
    /// line are told.
    pub fn prepare(
        run: &RunRecipe,
        recipe: &mut CausalLmRecipe,
        mut config: F,
        start: Start<'_>,
        log: &dyn Log,
    ) -> Result<Self> {
        let Some(files) = recipe.conversations.clone() else { refuse!("conversations: name files of conversations") };
        // It is the model's, or the run's.
        let none = || Err(Error::Refused("conversations are learnt by a model that has a tokenizer".into()));
        let tokenizer = start.tokenizer(&mut config, none)?;
        recipe.model = config.clone().into();
        let template = template(&start)?.ok_or_else(|| no_template(&start))?;
        let context = recipe.batch.context;
        let pad = tokenizer.specials().pad.unwrap_or_default();
        let mut records = Vec::new();
        let mut question = None;
        let mut batcher = |name: &str, paths: &[PathBuf]| -> Result<ExampleBatcher<AnswerRows>> {
            let part = read(name, paths, &template, &*tokenizer, log)?;
            let n_read = part.rows.len();
            tokens::warn_of_unknown(log, &*tokenizer, part.rows.iter().flat_map(|(ids, _)| ids.iter().copied()));
            if part.rows.iter().all(|(_, is_answer)| !is_answer.contains(&true)) {
                refuse!("conversations.{name}: no conversation has an answer, a message of the role assistant");
            }
            let n_cut = part.rows.iter().filter(|(ids, _)| ids.len() > context + 1).count();
            let rows = AnswerRows::new(part.rows, context, pad);
            let rows = if files.pack { rows.packed() } else { rows };
            say!(
                log,
                "data      {} {name} conversations, {} tokens of answers",
                thousands(rows.len() as u64),
                thousands(rows.n_targets() as u64)
            );
            if n_cut > 0 || rows.len() < n_read {
                log.warning(&format!(
                    "{name}: {n_cut} conversations are longer than batch.context = {context} and are cut off; {} have \
                     no answer before that, and are left out",
                    n_read - rows.len()
                ));
            }
            if rows.is_empty() {
                refuse!("conversations.{name}: there is no answer to learn within batch.context = {context} tokens");
            }
            records.extend(part.records);
            question = question.take().or(part.question);
            let batches = ExampleBatcher::new(rows, recipe.batch.rows.or(1), run.training.seed)?;
            if files.pack {
                let n_batches = batches.len(&batches.lay_out(0)?);
                let (n_batches, rows) = (thousands(n_batches), batches.rows());
                say!(log, "packed    {n_batches} {name} batches of up to {rows} × {context} tokens");
            }
            Ok(batches)
        };
        let train = batcher("train", files.train.paths())?;
        let validation = files.validation.as_ref().map(|files| batcher("validation", files.paths())).transpose()?;
        Ok(Self {
            config,
            objective: recipe.objective.next_token(),
            tokenizer,
            pretrained: start.pretrained.map(|bundle| bundle.params),
            template,
            train,
            validation,
            records,
            question: question.unwrap_or_default(),
        })
    }
}

/// The chat template of the model that is trained, or of the run that goes on, if there is one.
///
/// # Errors
/// It can't be read.
pub(crate) fn template(start: &Start<'_>) -> Result<Option<ChatTemplate>> {
    if let Some(run) = start.tokenizer.and_then(Path::parent) {
        let path = run.join(TEMPLATE);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        return ChatTemplate::new(text).map(Some).with_context(|| path.display().to_string());
    }
    let template = start.pretrained.as_ref().and_then(|bundle| bundle.chat.as_ref());
    template.map(ChatTemplate::self_contained).transpose().context("the model's chat template")
}

/// The error of messages for a model that has no chat template.
pub(crate) fn no_template(start: &Start<'_>) -> Error {
    let path = match (&start.pretrained, start.tokenizer.and_then(Path::parent)) {
        (Some(bundle), _) => &bundle.path,
        (None, Some(run)) => run,
        (None, None) => {
            return Error::Refused(
                "conversations are learnt by a model that was trained before: set pretrained".into(),
            );
        }
    };
    Error::Refused(format!(
        "{} has no chat template, which says how a conversation is written: put a chat_template.jinja into its folder",
        path.display()
    ))
}

/// Reads and encodes the conversations of files.
fn read(
    name: &str,
    paths: &[PathBuf],
    template: &ChatTemplate,
    tokenizer: &dyn Tokenizer,
    log: &dyn Log,
) -> Result<Part> {
    let (mut rows, mut question) = (Vec::new(), None);
    let records = read_lines(("conversations", name), paths, log, |read: ConversationLine, _| {
        let conversation = read.conversation();
        question = question.take().or_else(|| question_of(&conversation.messages));
        rows.push(template.encode_answers(&conversation, tokenizer).context("the conversation")?);
        Ok(())
    })?;
    Ok(Part { rows, records, question })
}

/// What the user says first.
pub(crate) fn question_of(messages: &[Message]) -> Option<String> {
    messages.iter().find(|message| message.role == "user").map(|message| message.content.clone())
}

/// Reads JSON lines, each of which is handed to `each` with its place; empty lines are passed over. What is wrong with a line
/// is told with its file and number. What they are is `kind`, in the plural.
///
/// # Errors
/// A file can't be read, a line is not such a value, there are none, or those of `each`.
pub(crate) fn read_lines<T: DeserializeOwned>(
    (kind, name): (&str, &str),
    paths: &[PathBuf],
    log: &dyn Log,
    mut each: impl FnMut(T, &str) -> Result<()>,
) -> Result<Vec<DataRecord>> {
    let mut reader = LineReader::new(paths, MAX_LINE_BYTES);
    let mut is_empty = true;
    while let Some(line) = reader.next_line()? {
        if line.bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let place = line.place.to_string();
        is_empty = false;
        each(line.json()?, &place).with_context(|| place.clone())?;
    }
    let mut records = Vec::new();
    for report in reader.finish()? {
        report.notes.iter().for_each(|note| log.warning(note));
        records.push(record_of(name, &report));
    }
    if is_empty {
        let files: Vec<&str> = records.iter().map(|record| record.name.as_str()).collect();
        refuse!("there are no {kind} in {}: each is a line of JSON", files.join(", "));
    }
    Ok(records)
}

impl<F: LanguageModelSpec + Into<ModelConfig>> Task for Conversations<F> {
    type Model = F::Model;
    type Spec = F;
    type Batch = SequenceBatch;
    type Objective = CausalLmObjective;

    fn spec(&self) -> &F {
        &self.config
    }

    fn pretrained(&self) -> Option<&Tensors> {
        self.pretrained.as_ref()
    }

    fn chat(&self) -> Option<&ChatTemplate> {
        Some(&self.template)
    }

    fn processor(&self) -> Processor {
        self.tokenizer.clone().into()
    }

    fn init(&self, device: &Device, seed: u64, log: &dyn Log) -> Result<F::Model> {
        initial(self, device, seed, log)
    }

    fn objective(&self) -> CausalLmObjective {
        self.objective
    }

    fn batches(&self) -> Box<dyn BatchStream<Batch = SequenceBatch> + '_> {
        Box::new(Endless::new(&self.train))
    }

    /// Loss on the answers of all validation conversations.
    fn evaluator<'a>(
        &'a self,
        peers: &'a dyn Collective,
        _log: &'a dyn Log,
    ) -> Option<Box<dyn Evaluate<F::Model> + 'a>> {
        let validation = self.validation.as_ref()?;
        Some(Box::new(move |model: &F::Model| {
            Ok(Validation { nll_nats: mean_nll(peers, model, validation)?, scores: Vec::new(), quality: None })
        }))
    }

    fn score(&self, model: F::Model, peers: &dyn Collective, log: &dyn Log) -> Result<Vec<ScoreRecord>> {
        let Some(validation) = &self.validation else { return Ok(Vec::new()) };
        let nll_nats = mean_nll(peers, &model, validation)?;
        say!(
            log,
            "validation {nll_nats:.4} nats a token of an answer, perplexity {:.3}, on {} conversations",
            nll_nats.exp(),
            thousands(validation.set().len() as u64)
        );
        let scores = [("nats", nll_nats), ("perplexity", nll_nats.exp())];
        Ok(scores.map(|(metric, value)| ScoreRecord::new("validation", metric, value, "")).to_vec())
    }

    fn data_records(&self, _log: &dyn Log) -> Result<Vec<DataRecord>> {
        Ok(self.records.clone())
    }

    fn example(&self, model: &str) -> String {
        format!("chat --model {model} --prompt {}", example::argument(&self.question))
    }
}

impl<F: LanguageModelSpec + Into<ModelConfig>> Resizable for Conversations<F> {
    const FIRST: usize = 1;

    fn with_batch_size(&mut self, rows: usize) -> Result<()> {
        self.train = self.train.with_rows(rows);
        self.validation = self.validation.as_ref().map(|validation| validation.with_rows(rows));
        Ok(())
    }

    fn largest_batches(&self) -> Vec<SequenceBatch> {
        vec![self.train.set().largest(self.train.rows())]
    }
}
