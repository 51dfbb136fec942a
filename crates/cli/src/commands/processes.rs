//! The processes that work together.

use std::{rc::Rc, thread, time::Duration};

use anyhow::{Result, bail};
use attentive_collective::{Alone, Collective};
use attentive_task::with_causes;

/// Time that other processes give the first one to say what it also knows.
const HEAD_START: Duration = Duration::from_secs(1);

/// This process and those that a launcher has started with it.
#[cfg(feature = "mpi")]
pub(super) fn start() -> Result<Rc<dyn Collective>> {
    let mpi = attentive_collective::Mpi::start()?;
    match launched() {
        _ if mpi.size() > 1 => Ok(Rc::new(mpi)),
        // Each would train alone, in a run of its own.
        Some((name, size)) => bail!(
            "{size} processes were started ({name}), and MPI sees one: the launcher is not that of the MPI that attentive is \
             built with. Start it by that one's mpirun, or on Slurm by srun --mpi=pmix or --mpi=pmi2; a single process by \
             env -u {name} attentive …"
        ),
        None => Ok(Rc::new(Alone)),
    }
}

/// This process, the only one.
#[cfg(not(feature = "mpi"))]
pub(super) fn start() -> Result<Rc<dyn Collective>> {
    alone()?;
    Ok(Rc::new(Alone))
}

/// Refuses to be one of several processes, each of which would do all of a command and write it where the others do.
pub(super) fn alone() -> Result<()> {
    match launched() {
        Some((name, size)) => bail!(
            "{size} processes were started ({name}), and each would do all of this command: train, translate, summarize, \
             distill, backtranslate, eval, score, embed, classify, tag, answer and reproduce table3 share theirs if attentive \
             is built with --features mpi; a process that is to work alone is started by env -u {name} attentive …"
        ),
        None => Ok(()),
    }
}

/// Does work together with the others if a launcher has started several.
pub(super) fn together<T>(work: impl FnOnce(&dyn Collective) -> Result<T>) -> Result<T> {
    // Without a launcher, MPI is not asked.
    let peers: Rc<dyn Collective> = if launched().is_some() { start()? } else { Rc::new(Alone) };
    work(&*peers).inspect(|_| peers.finish()).inspect_err(|error| end(&*peers, error))
}

/// How many processes a launcher has started, and the variable that says so, if there are several.
fn launched() -> Option<(&'static str, u64)> {
    // What Open MPI, MPICH with its descendants, and Slurm tell each process that they start.
    let names = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"].into_iter();
    let mut sizes = names.filter_map(|name| Some((name, std::env::var(name).ok()?.parse().ok()?)));
    sizes.find(|(_, size)| *size > 1)
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
