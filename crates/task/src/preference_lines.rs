//! Pairs of answers as they are written: JSON lines of texts or of messages, or pairs of the built-in corpus.

use std::{path::PathBuf, time::SystemTime};

use attentive_bundle::{ChatTemplate, Conversation, DataRecord, GenerationConfig, Message, Variables};
use attentive_core::TokenId;
use attentive_corpus::BuiltinConfig;
use attentive_data::{AnswerRow, sha256_of};
use attentive_tokenizer::Tokenizer;
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    Context, Error, Log, Result,
    conversations::{question_of, read_lines},
    thousands,
};

/// Pairs of the built-in corpus: to learn from, and to validate on.
const N_BUILTIN: [usize; 2] = [2_000, 200];

/// A text that is continued, or messages that are answered.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text, or a list of messages that have a role and a content")]
enum Said {
    Text(String),
    Messages(Vec<Message>),
}

/// A line of a file: a pair of answers to a prompt, and variables of the template.
#[derive(Deserialize)]
struct PreferenceLine {
    #[serde(default)]
    prompt: Option<Said>,
    chosen: Said,
    rejected: Said,
    /// Some data has the chosen messages here too; no template has them as a variable.
    #[serde(default, rename = "messages")]
    _messages: IgnoredAny,
    #[serde(flatten)]
    variables: Variables,
}

/// How answers become tokens.
pub(crate) struct Encoder<'a> {
    pub(crate) tokenizer: &'a dyn Tokenizer,
    /// How messages are written; `Err` says why they can't be.
    pub(crate) template: std::result::Result<&'a ChatTemplate, &'a str>,
    /// How texts begin and end.
    pub(crate) generation: &'a GenerationConfig,
    /// Tokens that are read.
    pub(crate) context: usize,
}

/// Pairs that were read.
#[derive(Default)]
pub(crate) struct Pairs {
    pub(crate) rows: Vec<[AnswerRow; 2]>,
    pub(crate) records: Vec<DataRecord>,
    /// A prompt, and whether it is a message.
    pub(crate) prompt: Option<(String, bool)>,
    /// Where each kind of pair that is not a whole one was first, and how many there are.
    long_prompts: Found,
    cut: Found,
    equal: Found,
    /// Those whose answers differ after what is read.
    late: Found,
}

/// Places where something was found.
#[derive(Default)]
struct Found {
    n: u64,
    first: String,
}

impl Found {
    fn add(&mut self, place: &str) {
        if self.n == 0 {
            place.clone_into(&mut self.first);
        }
        self.n += 1;
    }
}

impl Pairs {
    /// The pairs of files.
    ///
    /// # Errors
    /// A file can't be read, or a line is not a pair; file and line are told.
    pub(crate) fn read(name: &str, paths: &[PathBuf], encoder: &Encoder<'_>, log: &dyn Log) -> Result<Self> {
        let mut pairs = Self::default();
        let records = read_lines(("pairs", name), paths, log, |line: PreferenceLine, place| {
            let (rows, prompt) = encoder.pair(line)?;
            pairs.prompt.get_or_insert(prompt);
            pairs.push(rows, encoder.context, place);
            Ok(())
        })?;
        Ok(Self { records, ..pairs })
    }

    /// Pairs of the built-in English, to learn from and to validate on: the first half of a sentence, its own rest, which is
    /// chosen, and that of another sentence.
    pub(crate) fn builtin(encoder: &Encoder<'_>) -> [Self; 2] {
        let corpus = BuiltinConfig::default().generate();
        let parts = [("train", corpus.train, N_BUILTIN[0]), ("validation", corpus.validation, N_BUILTIN[1])];
        parts.map(|(name, sentences, n)| {
            let halves: Vec<(&str, &str)> = sentences.iter().map(|pair| halves(&pair.source)).collect();
            let mut pairs = Self::default();
            for (at, &(prompt, chosen)) in halves.iter().enumerate().take(n) {
                let mut others = halves.iter().cycle().skip(at + 1).take(halves.len());
                let Some(&(_, rejected)) = others.find(|(_, rest)| *rest != chosen) else { continue };
                let place = format!("sentence {} of the built-in corpus", at + 1);
                pairs.push([chosen, rejected].map(|answer| encoder.text(prompt, answer)), encoder.context, &place);
                pairs.prompt.get_or_insert_with(|| (prompt.to_owned(), false));
            }
            let lines = halves.iter().take(n).map(|(prompt, rest)| format!("{prompt}{rest}\n"));
            let record = DataRecord {
                split: name.to_owned(),
                name: "built-in".into(),
                n_lines: pairs.rows.len() as u64,
                sha256: sha256_of(lines),
            };
            Self { records: vec![record], ..pairs }
        })
    }

    /// Adds a pair, cut off after the tokens that are read; one of which nothing is left to compare is counted alone.
    fn push(&mut self, mut rows: [AnswerRow; 2], context: usize, place: &str) {
        let begins = |(_, is_answer): &AnswerRow| is_answer.iter().position(|&is_answer| is_answer);
        if rows[0].0 == rows[1].0 {
            return self.equal.add(place);
        }
        if rows.iter().any(|row| begins(row).is_none_or(|at| at > context)) {
            return self.long_prompts.add(place);
        }
        let [chosen, rejected] = rows.each_ref().map(|(ids, _)| &ids[..ids.len().min(context + 1)]);
        if chosen == rejected {
            return self.late.add(place);
        }
        if rows.iter().any(|(ids, _)| ids.len() > context + 1) {
            self.cut.add(place);
        }
        for (ids, is_answer) in &mut rows {
            ids.truncate(context + 1);
            is_answer.truncate(context + 1);
        }
        self.rows.push(rows);
    }

    /// Why none of those that were read is left.
    pub(crate) fn why_none(&self, context: usize) -> String {
        match self.long_prompts.n + self.late.n {
            0 => "every pair has the same answer twice, and there is nothing to prefer".to_owned(),
            _ => format!("there is no pair to compare within batch.context = {context} tokens"),
        }
    }

    /// Says which pairs are not learnt as they are.
    pub(crate) fn warn(&self, name: &str, context: usize, log: &dyn Log) {
        let Self { long_prompts, cut, equal, late, .. } = self;
        let texts = [
            (long_prompts, format!("have a prompt that fills batch.context = {context} and are left out")),
            (cut, format!("have an answer that ends after batch.context = {context} and are cut off")),
            (late, format!("have answers that differ after batch.context = {context} and are left out")),
            (equal, "have the same answer twice and are left out".to_owned()),
        ];
        for (found, text) in texts.iter().filter(|(found, _)| found.n > 0) {
            log.warning(&format!("{name}: {} pairs {text}; the first is {}", thousands(found.n), found.first));
        }
    }
}

/// A text cut after half of its words; the space between is the second half's.
fn halves(text: &str) -> (&str, &str) {
    let spaces: Vec<usize> = text.match_indices(' ').map(|(at, _)| at).collect();
    text.split_at(spaces.get(spaces.len() / 2).copied().unwrap_or(text.len()))
}

impl Encoder<'_> {
    /// A line as two rows of tokens, and its prompt.
    fn pair(&self, line: PreferenceLine) -> Result<([AnswerRow; 2], (String, bool))> {
        match line {
            PreferenceLine {
                prompt: Some(Said::Text(prompt)),
                chosen: Said::Text(chosen),
                rejected: Said::Text(rejected),
                ..
            } => Ok(([chosen, rejected].map(|answer| self.text(&prompt, &answer)), (prompt, false))),
            PreferenceLine { prompt: None, chosen: Said::Text(_), rejected: Said::Text(_), .. } => {
                refuse!("`prompt` is missing, which two texts are answers to")
            }
            PreferenceLine {
                prompt,
                chosen: Said::Messages(chosen),
                rejected: Said::Messages(rejected),
                variables,
                ..
            } => {
                let (prompt, answers) = match prompt {
                    Some(Said::Messages(prompt)) => (prompt, [chosen, rejected]),
                    None => split(chosen, rejected),
                    Some(Said::Text(_)) => refuse!(
                        "`prompt` is a text, and the answers are lists of messages: write a list, or leave it out where \
                         both lists begin with it"
                    ),
                };
                let question = question_of(&prompt).unwrap_or_default();
                let [chosen, rejected] = answers;
                let rows = [self.messages(&prompt, chosen, &variables)?, self.messages(&prompt, rejected, &variables)?];
                Ok((rows, (question, true)))
            }
            _ => refuse!("`chosen` and `rejected` are a text and a list of messages: write both in one way"),
        }
    }

    /// A text and what follows it, up to the token that ends texts. A token that is of both is the answer's.
    fn text(&self, prompt: &str, answer: &str) -> AnswerRow {
        let GenerationConfig { begin, begin_id, ends, .. } = self.generation;
        let eos = self.tokenizer.specials().eos;
        let asked = self.tokenizer.encode(prompt);
        let whole = self.tokenizer.encode(&format!("{prompt}{answer}"));
        let n_asked = asked.iter().zip(&whole).take_while(|(asked, whole)| asked == whole).count();
        let begin = begin_id.or(eos).filter(|_| *begin || asked.is_empty());
        let end = ends.first().copied().or(eos);
        let ids: Vec<TokenId> = begin.into_iter().chain(whole).chain(end).collect();
        let n_given = n_asked + usize::from(begin.is_some());
        let is_answer = (0..ids.len()).map(|at| at >= n_given).collect();
        (ids, is_answer)
    }

    /// Messages and those that answer them, as the chat template writes them.
    fn messages(&self, prompt: &[Message], answers: Vec<Message>, variables: &Variables) -> Result<AnswerRow> {
        let template = self.template.map_err(|problem| Error::Refused(problem.to_owned()))?;
        let conversation = Conversation {
            messages: prompt.iter().cloned().chain(answers).collect(),
            variables: variables.clone(),
            // What a run reads does not depend on the day.
            time: SystemTime::UNIX_EPOCH,
        };
        let rows = template.encode_answers_after(prompt.len(), &conversation, self.tokenizer).context("the pair")?;
        if !rows.1.contains(&true) {
            refuse!("there is no answer, a message of the role assistant, after the prompt");
        }
        Ok(rows)
    }
}

/// Two lists of messages as what both begin with, and what follows in each.
fn split(mut chosen: Vec<Message>, mut rejected: Vec<Message>) -> (Vec<Message>, [Vec<Message>; 2]) {
    let n_common = chosen.iter().zip(&rejected).take_while(|(chosen, rejected)| chosen == rejected).count();
    // Of two answers that are the same, the last message is.
    let n_common = n_common.min(chosen.len().saturating_sub(1)).min(rejected.len().saturating_sub(1));
    let answers = [chosen.split_off(n_common), rejected.split_off(n_common)];
    (chosen, answers)
}
