//! The folder that a run's checkpoints are kept in.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use attentive_optim::{Ema, OptimizerState};
use attentive_weights::{make_folder, remove_folder, replace_folder};
use burn::module::Module;

use super::{Checkpoint, MODEL, io_error};
use crate::{TrainError, TrainState};

/// Where a checkpoint is written before it gets its name.
const TEMPORARY: &str = "writing";

/// Where an older checkpoint of the same step is put while it is replaced.
const REPLACED: &str = "replaced";

/// Where a checkpoint is put while it is deleted: under its own name, a part of it could be left.
const REMOVED: &str = "removed";

/// The folder that a run's checkpoints are kept in, one folder each.
///
/// Kept are the newest one, those that were due last, the best, and every n-th for good.
#[derive(Debug, Clone)]
pub struct CheckpointDir {
    root: PathBuf,
    keep_last: usize,
    keep_every: u64,
}

/// The checkpoint that a run continues from.
#[derive(Debug, Default)]
pub struct LatestCheckpoint {
    /// The newest checkpoint that is whole, and its folder; `None` if there is none yet.
    pub checkpoint: Option<(PathBuf, Checkpoint)>,
    /// Newer ones that are damaged, newest first: what is wrong with each.
    pub damaged: Vec<(PathBuf, TrainError)>,
}

impl CheckpointDir {
    /// Keeps the newest `keep_last` checkpoints that were due in `root`; averaging wants as many as it averages.
    ///
    /// At least two are kept, so that there is one to go back to.
    pub fn new(root: impl Into<PathBuf>, keep_last: usize) -> Self {
        Self { root: root.into(), keep_last: keep_last.max(1), keep_every: 0 }
    }

    /// Also keeps, for good, those of steps that are multiples of `n`; 0 for none.
    #[must_use]
    pub fn keep_every(self, n: u64) -> Self {
        Self { keep_every: n, ..self }
    }

    /// Writes a checkpoint, with all of an optimizer's state, and drops those that are no longer kept; returns its folder.
    ///
    /// It is written to a temporary folder, synced, and gets its name only when it is whole.
    ///
    /// # Errors
    /// [`TrainError::NotSaved`]; checkpoints before it are then untouched.
    pub fn save<M: Module>(
        &self,
        model: &M,
        moments: OptimizerState,
        ema: Option<&Ema>,
        state: &TrainState,
    ) -> Result<PathBuf, TrainError> {
        let temporary = self.root.join(TEMPORARY);
        let not_saved = |cause| TrainError::NotSaved { step: state.step, cause: Box::new(cause) };
        let written = self
            .make_empty(&temporary)
            .map_err(|cause| io_error(&temporary, cause))
            .and_then(|()| Checkpoint::write(&temporary, model, moments, ema, state));
        if let Err(cause) = written {
            // The failure is reported; what was written only takes room, which may be what is missing.
            let _ = fs::remove_dir_all(&temporary);
            return Err(not_saved(cause));
        }
        let path = self.path(state.step);
        self.publish(&temporary, &path).map_err(|cause| not_saved(io_error(&path, cause)))?;
        // While losses are bad, one of those before may have to be gone back to.
        if state.divergence.n_bad == 0 {
            self.drop_old(state)?;
        }
        Ok(path)
    }

    /// Gives a whole checkpoint its name, in place of one that has it.
    fn publish(&self, temporary: &Path, path: &Path) -> io::Result<()> {
        let replaced = self.root.join(REPLACED);
        remove_folder(&replaced)?;
        replace_folder(temporary, path, &replaced)
    }

    /// Makes an empty folder in the root, which is made too if it is not there.
    fn make_empty(&self, folder: &Path) -> io::Result<()> {
        remove_folder(folder)?;
        make_folder(&self.root)?;
        fs::create_dir(folder)
    }

    /// Deletes a checkpoint: at every moment it is there whole or not at all.
    fn discard(&self, path: &Path) -> io::Result<()> {
        let removed = self.root.join(REMOVED);
        remove_folder(&removed)?;
        fs::rename(path, &removed)?;
        remove_folder(&removed)
    }

    /// Removes what a process that was killed left half done. Only one process at a time may use the folder.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn sweep(&self) -> Result<(), TrainError> {
        let folders = [TEMPORARY, REPLACED, REMOVED].map(|name| self.root.join(name));
        let mut leftovers = folders.iter().filter(|path| path.is_dir());
        leftovers.try_for_each(|path| remove_folder(path).map_err(|cause| io_error(path, cause)))
    }

    /// Finishes what a process that was killed after it wrote the checkpoint of `state` left to do.
    pub(crate) fn tidy(&self, state: &TrainState) -> Result<(), TrainError> {
        self.sweep()?;
        // Newer ones, if there are any, are damaged: they are replaced when their time comes.
        let is_newest = self.list()?.last() == Some(&self.path(state.step));
        if is_newest && state.divergence.n_bad == 0 { self.drop_old(state) } else { Ok(()) }
    }

    /// Records that a checkpoint of this step is due; those that are no longer kept are forgotten.
    pub(crate) fn schedule(&self, state: &mut TrainState) {
        if state.scheduled.last() != Some(&state.step) {
            state.scheduled.push(state.step);
        }
        let n_old = state.scheduled.len().saturating_sub(self.keep_last.max(2));
        state.scheduled.drain(..n_old);
    }

    /// Removes the checkpoints that are not kept once that of `state` is written.
    fn drop_old(&self, state: &TrainState) -> Result<(), TrainError> {
        let best = state.best.map(|(_, step)| step);
        let kept: BTreeSet<u64> = state.scheduled.iter().copied().chain(best).chain([state.step]).collect();
        // What lies after this step is damaged, or training went back from it: a run that is resumed must not begin there.
        let for_good = |step: u64| step <= state.step && self.keep_every > 0 && step.is_multiple_of(self.keep_every);
        for path in self.list()? {
            if Self::step_of(&path).is_some_and(|step| !kept.contains(&step) && !for_good(step)) {
                self.discard(&path).map_err(|cause| io_error(&path, cause))?;
            }
        }
        Ok(())
    }

    /// The checkpoints' folders, oldest first.
    ///
    /// # Errors
    /// [`TrainError::Io`] if the folder can't be read.
    pub fn list(&self) -> Result<Vec<PathBuf>, TrainError> {
        if !self.root.exists() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&self.root).map_err(|cause| io_error(&self.root, cause))?;
        let mut steps = Vec::new();
        for entry in entries {
            // A name that can't be read is not one that is not there.
            let entry = entry.map_err(|cause| io_error(&self.root, cause))?;
            steps.extend(Self::step_of(&entry.path()));
        }
        steps.sort_unstable();
        Ok(steps.into_iter().map(|step| self.path(step)).collect())
    }

    /// The newest checkpoint that is whole; damaged ones before it are passed over and named.
    ///
    /// # Errors
    /// [`TrainError::AllDamaged`] if there are checkpoints and none is whole.
    pub fn latest(&self) -> Result<LatestCheckpoint, TrainError> {
        self.latest_that(|_| true)
    }

    /// The newest whole checkpoint of healthy training.
    pub(crate) fn latest_healthy(&self) -> Result<LatestCheckpoint, TrainError> {
        self.latest_that(|state| state.divergence.n_bad == 0)
    }

    fn latest_that(&self, is_wanted: impl Fn(&TrainState) -> bool) -> Result<LatestCheckpoint, TrainError> {
        let (mut damaged, mut any_whole) = (Vec::new(), false);
        for path in self.list()?.into_iter().rev() {
            match Checkpoint::read(&path) {
                Ok(checkpoint) if is_wanted(&checkpoint.state) => {
                    return Ok(LatestCheckpoint { checkpoint: Some((path, checkpoint)), damaged });
                }
                Ok(_) => any_whole = true,
                Err(problem) => damaged.push((path, problem)),
            }
        }
        match any_whole || damaged.is_empty() {
            true => Ok(LatestCheckpoint { checkpoint: None, damaged }),
            false => Err(TrainError::AllDamaged { damaged }),
        }
    }

    /// The folders that the run's average is taken of, oldest first: of the newest checkpoints that were due.
    pub fn averaged(&self, state: &TrainState) -> Vec<PathBuf> {
        let first = state.scheduled.len().saturating_sub(self.keep_last);
        state.scheduled[first..].iter().map(|&step| self.path(step)).collect()
    }

    /// The folder of the checkpoint after an update, whether it is there or not.
    pub fn path(&self, step: u64) -> PathBuf {
        self.root.join(format!("step-{step:08}"))
    }

    /// The update after which a checkpoint's folder was written.
    pub fn step_of(path: &Path) -> Option<u64> {
        let digits = path.file_name()?.to_str()?.strip_prefix("step-")?;
        digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
    }

    /// The file of parameters in a checkpoint's folder.
    pub fn model_file(path: &Path) -> PathBuf {
        path.join(MODEL)
    }
}
