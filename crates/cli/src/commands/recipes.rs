//! `attentive recipes`.

use std::{fs::File, io::Write, path::PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};

use super::command_name;
use attentive_run::{Builtin, unknown_builtin};

/// List the recipes that are built in, or copy one to change it.
#[derive(Debug, Args)]
pub(crate) struct Recipes {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Copy a recipe into a file.
    Copy {
        /// Name of the recipe.
        name: String,
        /// The new file; without one, the recipe's name with .toml after it.
        file: Option<PathBuf>,
    },
}

impl Recipes {
    pub(super) fn run(self) -> Result<()> {
        match self.action {
            None => list(),
            Some(Action::Copy { name, file }) => copy(&name, file),
        }
    }
}

fn list() -> Result<()> {
    let width = Builtin::all().iter().map(|recipe| recipe.name.len()).max().unwrap_or_default();
    for recipe in Builtin::all() {
        say!("{:width$}  {}", recipe.name, recipe.summary())?;
    }
    Ok(())
}

fn copy(name: &str, file: Option<PathBuf>) -> Result<()> {
    let recipe = Builtin::named(name).with_context(|| unknown_builtin(name))?;
    let path = file.unwrap_or_else(|| format!("{}.toml", recipe.name).into());
    ensure!(!path.exists(), "{} is there already, and is left as it is: name another file", path.display());
    let unwritable = || format!("can't write {}", path.display());
    let mut file = File::create_new(&path).with_context(unwritable)?;
    file.write_all(recipe.text.as_bytes()).and_then(|()| file.sync_all()).with_context(unwritable)?;
    let path = path.display();
    report!("{path}: now change it, and train it with: {} train {path}", command_name());
    Ok(())
}
