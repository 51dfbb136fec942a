//! Work without the interpreter's lock, which Ctrl-C ends.

use std::{
    process,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use pyo3::{exceptions::PyValueError, prelude::*};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{arguments::Integer, errors::Error};

/// Time between two looks for Ctrl-C.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// Room of each thread, as much as a main thread usually has.
const STACK: usize = 8 << 20;

/// A wish that work ends.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A process whose threads do work. A fork of it has none of them, and would wait for them without end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Home(u32);

impl Home {
    /// This process.
    pub(crate) fn here() -> Self {
        Self(process::id())
    }

    /// The process that imported the package; the first call must be the import.
    pub(crate) fn of_import() -> Self {
        static IMPORTED: OnceLock<Home> = OnceLock::new();
        *IMPORTED.get_or_init(Self::here)
    }

    /// Refuses work in a fork.
    pub(crate) fn check(self) -> PyResult<()> {
        if self == Self::here() {
            return Ok(());
        }
        Err(Error::new_err(
            "the model was opened before this process was forked, and its threads are not in it; open it here, or use \
             multiprocessing's start method \"spawn\"",
        ))
    }
}

/// Threads of a model's own: as many as were asked for, or else as the machine has cores (or `RAYON_NUM_THREADS` says).
pub(crate) fn pool(threads: Option<Integer>) -> PyResult<ThreadPool> {
    let n_threads = match threads {
        Some(Integer(0)) => return Err(PyValueError::new_err("threads = 0 must be at least 1")),
        Some(Integer(n)) => n,
        None => 0,
    };
    // A panic leaves those who wait for its thread without an answer, which they report.
    let pool = ThreadPoolBuilder::new().num_threads(n_threads).stack_size(STACK).panic_handler(|_| ()).build();
    pool.map_err(|error| Error::new_err(format!("can't start threads: {error}")))
}

/// What `work` gives, on a thread of its own and without the interpreter's lock. After Ctrl-C it is told to stop, and
/// once it has, there is a `KeyboardInterrupt` instead.
pub(crate) fn work<T: Send>(py: Python<'_>, work: impl FnOnce(&Stop) -> T + Send) -> PyResult<T> {
    let stop = Stop::default();
    let (result, interrupted) = py.detach(|| {
        thread::scope(|scope| {
            let (running, is_over) = mpsc::channel::<()>();
            let stop = &stop;
            let worker = scope.spawn(move || {
                let _running = running;
                work(stop)
            });
            let mut interrupted = None;
            while is_over.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime alone")]
                let checked = Python::attach(|py| py.check_signals());
                if let Err(interrupt) = checked {
                    stop.raise();
                    interrupted.get_or_insert(interrupt);
                }
            }
            (worker.join(), interrupted)
        })
    });
    match interrupted {
        Some(interrupt) => Err(interrupt),
        None => result.map_err(|_| broken()),
    }
}

/// What `work` gives, without the interpreter's lock and on the machine's cores, whose threads are the process's: in a fork,
/// which does not have them, on one.
pub(crate) fn spread<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    if Home::of_import() == Home::here() {
        return Ok(py.detach(work));
    }
    let pool = pool(Some(Integer(1)))?;
    Ok(py.detach(|| pool.install(work)))
}

/// The exception of a thread that has panicked.
pub(crate) fn broken() -> PyErr {
    Error::new_err("the work ended in a bug of attentive, of which standard error says more; please report it")
}
