//! `attentive man`.

use std::io::Write;

use anyhow::{Context, Result};
use clap::{Args, CommandFactory};
use clap_mangen::Man as Page;

use super::Cli;
use crate::output;

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
