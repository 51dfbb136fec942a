//! What all requests share, and how each gets its work done.

use std::{
    ops::ControlFlow,
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
    time::{Instant, timeout, timeout_at},
};

use crate::{
    config::{Limits, ServeConfig},
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
}

/// A request's turn with a model, until it is dropped.
pub(crate) struct Turn {
    pub(crate) app: Arc<App>,
    pub(crate) served: Arc<Served>,
    pub(crate) ticket: Arc<Ticket>,
    _slot: Slot,
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

    /// What `work` gives, if it does in the time of a request.
    pub(crate) async fn in_time<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        timeout(self.config.limits.time, work).await.unwrap_or_else(|_| Err(Failure::late()))
    }

    /// Waits for the turn of a request to a model.
    async fn turn(self: &Arc<Self>, served: &Arc<Served>, ticket: Arc<Ticket>) -> Result<Turn, Failure> {
        let since = Instant::now();
        let slot = served.queue.enter(ticket.until()).await;
        // Those who are sent away have not waited.
        if !matches!(slot, Err(Refusal::Full(_))) {
            self.metrics.waited(&served.name, since.elapsed());
        }
        match slot {
            Ok(slot) => Ok(Turn { app: Arc::clone(self), served: Arc::clone(served), ticket, _slot: slot }),
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
        work: impl FnOnce(&Turn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (ticket, _wait) = self.ticket();
        let until = ticket.until();
        let turn = self.turn(served, ticket).await?;
        // The work ends soon after, where it asks the ticket next.
        match timeout_at(until, spawn_blocking(move || turn.guarded(work))).await {
            Ok(done) => done.unwrap_or_else(|error| Err(Failure::broken(&error))),
            Err(_) => Err(Failure::late()),
        }
    }

    /// Writes texts with a language model; what is written is told as it comes.
    pub(crate) async fn write(self: &Arc<Self>, served: &Arc<Served>, task: Task) -> Result<Stream, Failure> {
        let since = Instant::now();
        let (ticket, wait) = self.ticket();
        let turn = self.turn(served, ticket).await?;
        // As many tokens as were asked for at most, so that a slow reader keeps no search waiting.
        let (teller, told) = mpsc::unbounded_channel();
        let (end, outcome) = oneshot::channel();
        let write = move |turn: &Turn| {
            let Turn { app, served, ticket, .. } = turn;
            let mut is_first = true;
            let tell = |piece: Told| {
                if std::mem::take(&mut is_first) {
                    app.metrics.first_piece(&served.name, since.elapsed());
                }
                // At once, as not every text comes to its end.
                turn.writes(usize::from(piece.token.is_some()));
                let is_heard = teller.send(piece).is_ok();
                if is_heard { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            served.language()?.write(&task, |n_prompt| turn.reads_tokens(n_prompt), ticket, tell)
        };
        // Whoever listens no more has left.
        spawn_blocking(move || drop(end.send(turn.guarded(write))));
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

impl Turn {
    /// The tokens of texts that the model reads, which are counted; more than a request may have read are refused.
    pub(crate) fn reads<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Result<usize, Failure> {
        let n_tokens = texts.into_iter().map(|text| self.served.tokenizer.encode(text).len()).sum();
        self.reads_tokens(n_tokens)?;
        Ok(n_tokens)
    }

    /// Counts tokens that the model reads; more than a request may have read are refused.
    pub(crate) fn reads_tokens(&self, n_tokens: usize) -> Result<(), Failure> {
        check_tokens(n_tokens, &self.app.config.limits)?;
        self.app.metrics.tokens(&self.served.name, Side::Read, n_tokens);
        Ok(())
    }

    /// Counts tokens that the model has written.
    pub(crate) fn writes(&self, n_tokens: usize) {
        self.app.metrics.tokens(&self.served.name, Side::Written, n_tokens);
    }

    /// What `work` gives, at the end of the turn; a panic is a failure like another.
    fn guarded<T>(self, work: impl FnOnce(&Self) -> Result<T, Failure>) -> Result<T, Failure> {
        catch_unwind(AssertUnwindSafe(|| work(&self))).unwrap_or_else(|panic| {
            self.app.metrics.panics.with_label_values(&[&self.served.name]).inc();
            Err(Failure::of_panic(&*panic))
        })
    }
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
            None => {
                let outcome = self.end().await?;
                let (end, again) = oneshot::channel();
                // Received once more, at the end.
                let _ = end.send(Ok(outcome));
                self.outcome = again;
                Ok(None)
            }
        }
    }
}

/// Refuses more tokens than a request may have read.
pub(crate) fn check_tokens(n_tokens: usize, limits: &Limits) -> Result<(), Failure> {
    let max = limits.input_tokens;
    match n_tokens > max {
        true => {
            let problem = format!("the texts have {n_tokens} tokens, and the server reads {max}: split them");
            Err(Failure::new(Kind::TooLong, problem))
        }
        false => Ok(()),
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
