//! `attentive completions`.

use std::io::Write;

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

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
