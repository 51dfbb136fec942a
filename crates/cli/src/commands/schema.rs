//! `attentive schema`.

use anyhow::Result;
use clap::Args;

use attentive_run::schema;

/// Print the JSON Schema of recipes, which editors complete and check them with.
#[derive(Debug, Args)]
pub(crate) struct Schema {}

impl Schema {
    pub(super) fn run(self) -> Result<()> {
        say!("{}", serde_json::to_string_pretty(&schema())?)?;
        Ok(())
    }
}
