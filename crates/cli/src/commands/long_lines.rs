//! Lines that are longer than a model has positions for.

use std::ops::Deref;

use attentive_task::OnLong;
use clap::Args;

/// What becomes of a line that is longer than the model has positions for.
#[derive(Debug, Args)]
pub(super) struct LongLines {
    /// A line that is longer than the model has positions for: `error` ends the command at it, after the lines before it
    /// are answered; `crop` reads its beginning; `skip` answers it as a blank line. The last two warn.
    #[arg(long, value_name = "HOW", default_value = "error", value_parser = long_lines)]
    on_long: attentive_task::LongLines,
}

fn long_lines(name: &str) -> Result<attentive_task::LongLines, String> {
    Ok(attentive_task::LongLines { on_long: name.parse()?, warn: |line| warning!("{line}") })
}

impl Default for LongLines {
    fn default() -> Self {
        Self { on_long: attentive_task::LongLines { on_long: OnLong::Error, warn: |line| warning!("{line}") } }
    }
}

impl Deref for LongLines {
    type Target = attentive_task::LongLines;

    fn deref(&self) -> &Self::Target {
        &self.on_long
    }
}
