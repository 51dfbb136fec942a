//! Work without the interpreter's lock, which Ctrl-C ends.

use std::{
    sync::{
        Arc,
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
                if let Err(interrupt) = Python::attach(|py| py.check_signals()) {
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

/// The exception of a thread that has panicked.
pub(crate) fn broken() -> PyErr {
    Error::new_err("the work ended in a bug of attentive, of which standard error says more; please report it")
}
