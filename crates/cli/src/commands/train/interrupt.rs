//! Ctrl-C and SIGTERM.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result};

/// Exit code of a run that was interrupted and can be resumed.
pub(in crate::commands) const INTERRUPTED: u8 = 130;

/// A flag that the first Ctrl-C or SIGTERM raises, which is said if the process is alone; the second one ends the process at
/// once.
///
/// A launcher sends SIGTERM also where a process has ended, and then nothing is saved.
pub(in crate::commands) fn flag(is_alone: bool) -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = flag.clone();
    let handler = move || {
        if raised.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        if is_alone {
            warning!("\nfinishing this step and saving; press Ctrl-C again to leave at once");
        }
    };
    attentive_kernels::leaving_hangup_ignored(|| ctrlc::set_handler(handler)).context("can't watch for Ctrl-C")?;
    Ok(flag)
}
