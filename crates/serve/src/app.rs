//! What all requests share, and how each gets its work done.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use attentive_decode::Ended;
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
    time::Instant,
};

use crate::{
    config::ServeConfig,
    error::{Failure, Kind},
    keys::Keys,
    metrics::{Metrics, Side},
    models::{Models, Outcome, Reloaded, Served, Task, Told},
    queue::{Refusal, Slot},
    ticket::{Ticket, Wait},
};

/// Tells the operator something.
pub(crate) type Log = Arc<dyn Fn(&str) + Send + Sync>;

/// What all requests share.
pub(crate) struct App {
    pub(crate) config: ServeConfig,
    pub(crate) models: Models,
    pub(crate) metrics: Metrics,
    pub(crate) keys: Option<Keys>,
    pub(crate) log: Log,
    /// Whether the server takes no more requests.
    pub(crate) is_draining: AtomicBool,
    /// Whether all that still runs is to stop.
    pub(crate) is_ending: Arc<AtomicBool>,
    /// Heads by model: measured once.
    pub(crate) heads: crate::http::HeadsCache,
}

/// A text that is being written.
pub(crate) struct Stream {
    pub(crate) told: mpsc::UnboundedReceiver<Told>,
    pub(crate) outcome: oneshot::Receiver<Result<Outcome, Failure>>,
    /// The writing ends once nobody has this any more.
    _wait: Wait,
}

impl App {
    /// The time by which a request that begins now has to be answered.
    pub(crate) fn ticket(&self) -> (Arc<Ticket>, Wait) {
        let ticket = Ticket::new(Instant::now() + self.config.limits.time, Arc::clone(&self.is_ending));
        (Arc::clone(&ticket), Wait(ticket))
    }

    /// Waits for the turn of a request to a model.
    async fn turn(&self, served: &Arc<Served>, ticket: &Ticket) -> Result<Turn, Failure> {
        let since = Instant::now();
        let slot = served.queue.enter(ticket.until()).await;
        self.metrics.waited(&served.name, since.elapsed());
        match slot {
            Ok(slot) => Ok(Turn { served: Arc::clone(served), _slot: slot }),
            Err(Refusal::Full(time)) => {
                let n = served.queue.n_waiting();
                let message = format!("{n} requests wait for this model already: try again in {} s", time.as_secs());
                Err(Failure::new(Kind::Busy(time), message))
            }
            Err(Refusal::Late) => {
                Err(Failure::new(Kind::Late, "the request's time was up before its turn came: try again later"))
            }
        }
    }

    /// What `work` makes with a model once its turn has come, on a thread of its own. If the request is dropped before,
    /// the work ends.
    pub(crate) async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        served: &Arc<Served>,
        work: impl FnOnce(&Served, &Arc<Ticket>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (ticket, _wait) = self.ticket();
        let turn = self.turn(served, &ticket).await?;
        let on_thread = move || {
            let result = guarded(|| work(&turn.served, &ticket));
            drop(turn);
            result
        };
        spawn_blocking(on_thread).await.unwrap_or_else(|error| Err(Failure::broken(&error)))
    }

    /// Writes texts with a language model; what is written is told as it comes.
    pub(crate) async fn write(self: &Arc<Self>, served: &Arc<Served>, task: Task) -> Result<Stream, Failure> {
        let (ticket, wait) = self.ticket();
        let turn = self.turn(served, &ticket).await?;
        // As many tokens as were asked for at most, so that a slow reader keeps no search waiting.
        let (teller, told) = mpsc::unbounded_channel();
        let (end, outcome) = oneshot::channel();
        let (app, since) = (Arc::clone(self), Instant::now());
        spawn_blocking(move || {
            let mut is_first = true;
            let tell = |piece: Told| {
                if std::mem::take(&mut is_first) {
                    app.metrics.first_piece(&turn.served.name, since.elapsed());
                }
                let is_heard = teller.send(piece).is_ok();
                if is_heard { std::ops::ControlFlow::Continue(()) } else { std::ops::ControlFlow::Break(()) }
            };
            let max_prompt = app.config.limits.input_tokens;
            let outcome = guarded(|| turn.served.language()?.write(&task, max_prompt, &ticket, tell));
            if let Ok(Outcome { n_prompt, n_written, .. }) = &outcome {
                app.metrics.tokens(&turn.served.name, Side::Read, *n_prompt);
                app.metrics.tokens(&turn.served.name, Side::Written, n_written.iter().sum());
            }
            drop(turn);
            let _ = end.send(outcome);
        });
        Ok(Stream { told, outcome, _wait: wait })
    }

    /// Loads models again whose folders have changed, and says what came of it.
    pub(crate) fn reload(&self) -> Reloaded {
        let reloaded = self.models.reload(&self.config, &self.metrics);
        reloaded.loaded.iter().for_each(|name| (self.log)(&format!("{name}: loaded again")));
        let failed = |(name, problem): &(String, String)| {
            (self.log)(&format!("{name}: not loaded again, and goes on as it is: {problem}"));
        };
        reloaded.failed.iter().for_each(failed);
        reloaded
    }

    /// Whether new requests are taken.
    pub(crate) fn is_ready(&self) -> bool {
        !self.is_draining.load(Ordering::Relaxed)
    }
}

/// A request's turn with a model.
struct Turn {
    served: Arc<Served>,
    _slot: Slot,
}

impl Stream {
    /// A text that has been written.
    pub(crate) fn of(pieces: Vec<Told>, outcome: Outcome, wait: Wait) -> Self {
        let ((teller, told), (end, over)) = (mpsc::unbounded_channel(), oneshot::channel());
        // Both are received below.
        pieces.into_iter().for_each(|piece| drop(teller.send(piece)));
        let _ = end.send(Ok(outcome));
        Self { told, outcome: over, _wait: wait }
    }

    /// All that is written, and how it ended.
    pub(crate) async fn all(mut self) -> Result<(Vec<Told>, Outcome), Failure> {
        let mut all = Vec::new();
        while let Some(told) = self.told.recv().await {
            all.push(told);
        }
        Ok((all, self.end().await?))
    }

    /// How it ended.
    pub(crate) async fn end(&mut self) -> Result<Outcome, Failure> {
        let ended = || Failure::new(Kind::Broken, "a thread ended without an answer");
        (&mut self.outcome).await.unwrap_or_else(|_| Err(ended()))
    }

    /// The first piece, or why there is none: what fails at once is not a stream.
    pub(crate) async fn first(&mut self) -> Result<Option<Told>, Failure> {
        match self.told.recv().await {
            Some(first) => Ok(Some(first)),
            None => match (&mut self.outcome).await {
                Ok(Ok(outcome)) => {
                    let (end, again) = oneshot::channel();
                    let _ = end.send(Ok(outcome));
                    self.outcome = again;
                    Ok(None)
                }
                Ok(Err(failure)) => Err(failure),
                Err(_) => Err(Failure::new(Kind::Broken, "a thread ended without an answer")),
            },
        }
    }
}

/// Why a text ended, as OpenAI's interface says it.
pub(crate) fn finish_reason(ended: Ended) -> &'static str {
    match ended {
        Ended::ByLength => "length",
        // By a string that ends it: who has left is told nothing.
        Ended::ByModel | Ended::ByCaller => "stop",
    }
}

/// What `work` gives; a panic is a failure like another.
fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(Failure::new(Kind::Broken, format!("a panic: {}", text.unwrap_or("without a text"))))
    })
}
