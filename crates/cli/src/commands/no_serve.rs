//! `attentive serve`, in a command that was built without it.

use anyhow::{Result, bail};
use clap::Args;

/// Answer over HTTP: only in a command that is built with the feature `serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Not read.
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    _arguments: Vec<String>,
}

impl Serve {
    pub(super) fn run(self) -> Result<()> {
        bail!(
            "this command was built without the server: `cargo xtask serve` builds it with one, as \
             `cargo build --release --features serve` does"
        )
    }
}
