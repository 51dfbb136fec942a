//! What other programs are told of this one: `attentive completions`, `attentive man` and `attentive schema`.

use std::io::Write;

use anyhow::{Context, Result};
use attentive_run::schema;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man as Page;

use super::Cli;
use crate::output;

/// Print completions of this command for a shell, which reads them when it starts.
///
/// For bash: attentive completions bash > ~/.local/share/bash-completion/completions/attentive
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<()> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "attentive", &mut text);
        Ok(output::stdout().write_all(&text)?)
    }
}

/// Print a page of the manual, which man shows: attentive man train | man -l -
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The command that the page is about, `train` or `tokenize encode` for example; without one, `attentive` itself.
    command: Vec<String>,
}

impl Man {
    pub(super) fn run(self) -> Result<()> {
        let mut command = Cli::command();
        // Names and usage as they are typed.
        command.build();
        let mut name = command.get_name().to_owned();
        for part in &self.command {
            let inner = command.find_subcommand(part).with_context(|| format!("{name} has no command {part}"))?;
            name = format!("{name}-{part}");
            command = inner.clone();
        }
        let mut text = Vec::new();
        Page::new(command).title(name).render(&mut text)?;
        Ok(output::stdout().write_all(&text)?)
    }
}

/// Print the JSON Schema of recipes, which editors complete and check them with.
#[derive(Debug, Args)]
pub(crate) struct Schema {}

impl Schema {
    pub(super) fn run(self) -> Result<()> {
        Ok(say!("{}", serde_json::to_string_pretty(&schema())?)?)
    }
}
