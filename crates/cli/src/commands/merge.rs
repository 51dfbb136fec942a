//! `attentive merge`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use attentive_bundle::{Adapter, Bundle};
use attentive_run::resolve;
use attentive_task::thousands;
use clap::Args;

use super::{check_new, save};

/// Make a model of a model and an adapter: what a run has trained beside a model that stayed as it was, or PEFT.
#[derive(Debug, Args)]
pub(crate) struct Merge {
    /// The model's folder.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The adapter's folder: a run's, or one of PEFT, with an adapter_config.json.
    #[arg(long, value_name = "DIR")]
    adapter: PathBuf,
    /// Folder of the new model.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Take the place of a model that is there.
    #[arg(long)]
    force: bool,
}

impl Merge {
    pub(super) fn run(self) -> Result<()> {
        check_new(&self.out, self.force)?;
        let mut bundle = Bundle::read(resolve(&self.model))?;
        bundle.unpack();
        let adapter = read(&resolve(&self.adapter), &bundle)?;
        let (of, n_params) = (self.adapter.display(), adapter.n_params());
        adapter.merge(&mut bundle.params).with_context(|| format!("{of} and {}", bundle.path.display()))?;
        bundle.record.scores.clear(); // they were another model's
        save(&bundle, &self.out, self.force)?;
        report!(
            "merged {} changes of {of}, {} parameters, into {}",
            adapter.changes.len(),
            thousands(n_params as u64),
            self.out.display()
        );
        Ok(())
    }
}

/// The adapter of a run, or of PEFT.
fn read(folder: &Path, bundle: &Bundle) -> Result<Adapter> {
    if attentive_interchange::is_adapter(folder) {
        return Ok(attentive_interchange::read_adapter(folder, bundle)?);
    }
    match Adapter::read(folder)? {
        Some((adapter, _)) => Ok(adapter),
        None => bail!("{} has no adapter: it is the folder of a model that was trained as a whole", folder.display()),
    }
}
