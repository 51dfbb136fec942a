//! The processes that train together.

use std::{rc::Rc, thread, time::Duration};

use anyhow::Result;
use attentive_collective::{Alone, Collective};
use attentive_task::with_causes;

/// Time that other processes give the first one to say what it also knows.
const HEAD_START: Duration = Duration::from_secs(1);

/// This process and those that a launcher has started with it.
#[cfg(feature = "mpi")]
pub(super) fn start() -> Result<Rc<dyn Collective>> {
    let mpi = attentive_collective::Mpi::start()?;
    Ok(if mpi.size() > 1 { Rc::new(mpi) } else { Rc::new(Alone) })
}

/// This process, the only one.
#[cfg(not(feature = "mpi"))]
pub(super) fn start() -> Result<Rc<dyn Collective>> {
    // What Open MPI, MPICH with its descendants, and Slurm tell each process that they start.
    for name in ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"] {
        let size = std::env::var(name).ok().and_then(|size| size.parse().ok()).unwrap_or(1_u64);
        if size > 1 {
            anyhow::bail!(
                "{size} processes were started ({name}), and this attentive is built for one: build it with --features mpi"
            );
        }
    }
    Ok(Rc::new(Alone))
}

/// Ends all processes, after an error of this one; one that is alone ends by itself.
pub(super) fn end(peers: &dyn Collective, error: &anyhow::Error) {
    let (rank, size) = (peers.rank(), peers.size());
    if size == 1 {
        return;
    }
    let text = with_causes(error.as_ref());
    if rank == 0 {
        warning!("error: {text}");
    } else {
        thread::sleep(HEAD_START);
        warning!("error: process {rank} of {size}: {text}");
    }
    peers.abort(1);
}
