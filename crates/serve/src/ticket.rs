//! How long a request may go on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::time::Instant;

use crate::error::{Failure, Kind};

/// A request's time, and whether anybody still waits for its answer. Searches ask it before every step.
#[derive(Debug)]
pub(crate) struct Ticket {
    until: Instant,
    is_gone: AtomicBool,
    /// Whether the server gives up all that still runs.
    is_ending: Arc<AtomicBool>,
}

/// Somebody who waits for an answer; once it is dropped, the work ends.
#[derive(Debug)]
pub(crate) struct Wait(pub(crate) Arc<Ticket>);

impl Ticket {
    pub(crate) fn new(until: Instant, is_ending: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self { until, is_gone: AtomicBool::new(false), is_ending })
    }

    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// Why there is to be no further work for this request, if so.
    pub(crate) fn over(&self) -> Option<Failure> {
        if self.is_gone.load(Ordering::Relaxed) {
            return Some(Failure::new(Kind::Gone, "the client has left"));
        }
        if self.is_ending.load(Ordering::Relaxed) {
            return Some(Failure::new(Kind::Ending, "the server is ending: try again"));
        }
        (Instant::now() >= self.until).then(Failure::late)
    }

    /// Whether there is to be no further work.
    pub(crate) fn is_over(&self) -> bool {
        self.over().is_some()
    }

    /// The failure of a search of this request, which may have been told to stop.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        if failure.kind == Kind::Late { self.over().unwrap_or(failure) } else { failure }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.is_gone.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ticket(seconds: u64) -> (Arc<Ticket>, Arc<AtomicBool>) {
        let is_ending = Arc::new(AtomicBool::new(false));
        (Ticket::new(Instant::now() + Duration::from_secs(seconds), Arc::clone(&is_ending)), is_ending)
    }

    #[test]
    fn work_ends_with_its_time_with_its_client_and_with_the_server() {
        let (late, _) = ticket(0);
        assert_eq!(late.over().unwrap().kind, Kind::Late);
        let (left, _) = ticket(60);
        assert!(!left.is_over());
        drop(Wait(Arc::clone(&left)));
        assert_eq!(left.over().unwrap().kind, Kind::Gone);
        let (cut, is_ending) = ticket(60);
        is_ending.store(true, Ordering::Relaxed);
        assert_eq!(cut.over().unwrap().kind, Kind::Ending);
    }

    #[test]
    fn a_failure_of_another_kind_stays() {
        let (late, _) = ticket(0);
        assert_eq!(late.explain(Failure::invalid("x")).kind, Kind::Invalid);
    }
}
