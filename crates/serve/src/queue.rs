//! Who may work at once, and who waits: first come, first served.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// How much of the mean time of a request its latest value is.
const SHARE_OF_LATEST: f64 = 0.1;

/// The queue of one model.
#[derive(Debug)]
pub(crate) struct Queue {
    slots: Arc<Semaphore>,
    n_slots: usize,
    max_waiting: usize,
    n_waiting: AtomicUsize,
    n_running: AtomicUsize,
    /// Seconds that a request takes, as the bits of an `f64`.
    mean_seconds: AtomicU64,
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Too many wait already; there may be room after so long.
    Full(Duration),
    /// Its time was up before its turn.
    Late,
}

/// The right to work, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    queue: Arc<Queue>,
    since: Instant,
    _permit: OwnedSemaphorePermit,
}

/// One that waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Queue {
    pub(crate) fn new(n_slots: usize, max_waiting: usize) -> Arc<Self> {
        let n_slots = n_slots.max(1);
        Arc::new(Self {
            slots: Arc::new(Semaphore::new(n_slots)),
            n_slots,
            max_waiting,
            n_waiting: AtomicUsize::new(0),
            n_running: AtomicUsize::new(0),
            mean_seconds: AtomicU64::new(0),
        })
    }

    /// Requests that wait.
    pub(crate) fn n_waiting(&self) -> usize {
        self.n_waiting.load(Ordering::Relaxed)
    }

    /// Requests that are worked on.
    pub(crate) fn n_running(&self) -> usize {
        self.n_running.load(Ordering::Relaxed)
    }

    /// Waits for a slot, after all that came before, until `until` at most.
    pub(crate) async fn enter(self: &Arc<Self>, until: Instant) -> Result<Slot, Refusal> {
        let permit = match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let n_before = self.n_waiting.fetch_add(1, Ordering::Relaxed);
                let _waiting = Waiting(&self.n_waiting);
                if n_before >= self.max_waiting {
                    return Err(Refusal::Full(self.time_of(n_before)));
                }
                let permit = timeout_at(until, Arc::clone(&self.slots).acquire_owned()).await;
                permit.map_err(|_| Refusal::Late)?.expect("the semaphore is never closed")
            }
        };
        self.n_running.fetch_add(1, Ordering::Relaxed);
        Ok(Slot { queue: Arc::clone(self), since: Instant::now(), _permit: permit })
    }

    /// The time after which so many requests will have had their turn, in whole seconds, one at least.
    fn time_of(&self, n_before: usize) -> Duration {
        let mean = f64::from_bits(self.mean_seconds.load(Ordering::Relaxed));
        Duration::from_secs((mean * n_before as f64 / self.n_slots as f64).ceil().clamp(1.0, 60.0) as u64)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Self { queue, since, .. } = self;
        queue.n_running.fetch_sub(1, Ordering::Relaxed);
        let latest = since.elapsed().as_secs_f64();
        let mean = f64::from_bits(queue.mean_seconds.load(Ordering::Relaxed));
        let mean = if mean == 0.0 { latest } else { mean + SHARE_OF_LATEST * (latest - mean) };
        // Two at once may lose one's share, which an estimate can bear.
        queue.mean_seconds.store(mean.to_bits(), Ordering::Relaxed);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use tokio::{runtime::Builder, sync::mpsc, task::yield_now, time::sleep};

    use super::*;

    /// Runs a future on a runtime of its own; its timers are of seconds that are over at once where nothing else is to do.
    fn run<T>(future: impl Future<Output = T>) -> T {
        Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn those_who_wait_are_let_in_by_their_arrival() {
        run(async {
            let queue = Queue::new(1, 100);
            let first = queue.enter(later()).await.unwrap();
            let (told, mut order) = mpsc::unbounded_channel();
            for number in 0..10 {
                let (queue, told) = (Arc::clone(&queue), told.clone());
                tokio::spawn(async move {
                    let _slot = queue.enter(later()).await.unwrap();
                    told.send(number).unwrap();
                });
                yield_now().await;
            }
            assert_eq!((queue.n_running(), queue.n_waiting()), (1, 10));
            drop((first, told));
            let mut found = Vec::new();
            while let Some(number) = order.recv().await {
                found.push(number);
            }
            assert_eq!(found, Vec::from_iter(0..10));
            assert_eq!((queue.n_running(), queue.n_waiting()), (0, 0));
        });
    }

    #[test]
    fn a_full_queue_refuses_and_says_when_to_come_again() {
        run(async {
            let queue = Queue::new(1, 1);
            let slot = queue.enter(later()).await.unwrap();
            let waiting = tokio::spawn({
                let queue = Arc::clone(&queue);
                async move { queue.enter(later()).await.map(drop) }
            });
            yield_now().await;
            let refused = queue.enter(later()).await.unwrap_err();
            assert_eq!(refused, Refusal::Full(Duration::from_secs(1)));
            drop(slot);
            assert_eq!(waiting.await.unwrap(), Ok(()));
            assert!(queue.enter(later()).await.is_ok(), "room again");
        });
    }

    #[test]
    fn nobody_waits_longer_than_their_time_and_nobody_who_left_is_counted() {
        run(async {
            let queue = Queue::new(1, 8);
            let slot = queue.enter(later()).await.unwrap();
            assert_eq!(queue.enter(soon()).await.unwrap_err(), Refusal::Late);
            let gone = tokio::spawn({
                let queue = Arc::clone(&queue);
                async move { queue.enter(later()).await.map(drop) }
            });
            yield_now().await;
            assert_eq!(queue.n_waiting(), 1);
            gone.abort();
            sleep(Duration::from_millis(1)).await;
            assert_eq!(queue.n_waiting(), 0);
            drop(slot);
            assert!(queue.enter(soon()).await.is_ok());
        });
    }
}
