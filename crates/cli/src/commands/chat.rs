//! `attentive chat`.

use std::{
    io::{IsTerminal, Write, stdin},
    path::PathBuf,
};

use anyhow::{Context, Result};
use attentive_bundle::{Answer, Chat as Model, Conversation, GenerationConfig, Message, TextModel, Variables};
use attentive_decode::Remembering;
use clap::Args;

use super::{
    BackendArgs, PrecisionArgs,
    generate::{GenerationArgs, say_if_cut, stream},
    open_model,
};
use crate::{input, output};

const COMMANDS: &str = "\
/system TEXT  tell the model this before the conversation; nothing without a text
/undo         take back the last message and its answer
/reset        begin again
/exit         end, as the end of input does";

/// Talk with a model that was trained for conversations.
///
/// Each line of standard input is a message, and is answered at once; blank lines are left out. The lines /system TEXT,
/// /undo, /reset, /help and /exit are commands.
#[derive(Debug, Args)]
pub(crate) struct Chat {
    /// The model's folder; DIR+ADAPTER for one with an adapter over it.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// What the model is told before the conversation.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    system: String,
    /// Answer this message, and end.
    #[arg(short, long, value_name = "TEXT")]
    prompt: Option<String>,
    /// A variable of the model's chat template, as enable_thinking=false; may be given several times.
    #[arg(long, value_name = "NAME=JSON", value_parser = Variables::parse)]
    variable: Vec<Variables>,
    #[command(flatten)]
    generation: GenerationArgs,
    #[command(flatten)]
    precision: PrecisionArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Chat {
    pub(super) fn run(self) -> Result<()> {
        let bundle = open_model(&self.model)?;
        let mut config = self.generation.over(&bundle.generation)?;
        let model = Model::from_bundle(&bundle, &self.backend.device()?, self.precision.precision)?;
        let variables = self.variable.into_iter().fold(Variables::default(), Variables::and);
        let mut conversation = Conversation { variables, ..Conversation::default() };
        conversation.set_system(&self.system);
        if let Some(prompt) = &self.prompt {
            return answer(&model, &mut conversation, prompt, &config);
        }
        let is_keyboard = stdin().is_terminal();
        let mut lines = input::open(&[], "messages");
        loop {
            if is_keyboard {
                let mut out = output::stdout();
                write!(out, "> ")?;
                out.flush()?;
            }
            let Some(line) = lines.next().transpose()? else { return Ok(()) };
            match line.text.trim_end().split_once(' ').unwrap_or((line.text.trim_end(), "")) {
                ("/exit", "") => return Ok(()),
                ("/help", "") => warning!("{COMMANDS}"),
                ("/reset", "") => conversation.reset(),
                ("/undo", "") if !conversation.undo() => warning!("there is no message to take back"),
                ("/undo" | "", "") => {}
                ("/system", text) => conversation.set_system(text.trim()),
                _ => {
                    let answered = answer(&model, &mut conversation, &line.text, &config);
                    match answered.with_context(|| line.at.to_string()) {
                        Err(error) if is_keyboard && !output::is_lost(&error) => warning!("{error:#}"),
                        answered => answered?,
                    }
                    // Else every answer would be drawn by the same chances.
                    config.sampling.seed = config.sampling.seed.wrapping_add(1);
                }
            }
        }
    }
}

/// Prints the answer to a message, as it comes; without one, the conversation is as it was.
fn answer(
    model: &Model<Remembering<TextModel>>,
    conversation: &mut Conversation,
    message: &str,
    config: &GenerationConfig,
) -> Result<()> {
    conversation.messages.push(Message::user(message));
    let written = stream(output::stdout(), |on_text| Ok(model.answer(conversation, config, on_text)?));
    match written.inspect(|answer| say_if_cut(answer.ended, config)) {
        Ok(Answer { n_dropped: 0, .. }) => {}
        Ok(Answer { n_dropped, .. }) => {
            warning!("note: the model has no positions for all of it: the {n_dropped} oldest messages are forgotten");
        }
        Err(error) => {
            conversation.undo();
            return Err(error);
        }
    }
    Ok(())
}
