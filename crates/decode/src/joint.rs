//! One model, many searches at once.

use std::{
    collections::VecDeque,
    fmt, iter,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use attentive_core::{
    DeviceError, EncoderDecoder, LanguageModel, NextToken, Scores, SourceAttention, TokenId, TokenMatrix, Turn, Want,
};

/// How long a step waits for searches that took part in the last one.
const PATIENCE: Duration = Duration::from_millis(2);

/// Searches that a worker has before another one gets any: together they need little more than one alone.
const JOINED: usize = 16;

/// A model that many threads search with at once: their rows join in the steps of a worker, which has the model.
///
/// Every search of this crate runs over it as over the model itself, on its own thread, and finds the same: a search's
/// rows enter with its first step and leave with its state. The next step begins as soon as all searches that took part
/// in the last one want it, or a moment later without the late ones; new ones join at once.
///
/// Handles are cheap to clone. Workers end with the last of them and of their states. A panic of the model ends the
/// searches of its step, with an error; the worker goes on with the next.
///
/// ```
/// # use attentive_core::{DeviceError, EncoderDecoder, NextToken, Scores, TokenId, TokenMatrix, Want};
/// use attentive_decode::{DecodeRequest, JointModel, Rules, greedy};
/// # struct Copier;
/// # impl NextToken for Copier {
/// #     type State = Vec<Vec<TokenId>>;
/// #     fn vocab_size(&self) -> usize { 9 }
/// #     fn max_len(&self) -> Option<usize> { None }
/// #     fn advance(&self, tokens: &[TokenId], state: &mut Self::State, _: Want) -> Result<Scores, DeviceError> {
/// #         let row = |row: &mut Vec<TokenId>| {
/// #             let next = row.pop().unwrap_or(0);
/// #             (0..9).map(move |id| if id == next { 0.0 } else { f32::NEG_INFINITY })
/// #         };
/// #         assert_eq!(tokens.len(), state.len());
/// #         Ok(Scores::All(state.iter_mut().flat_map(row).collect()))
/// #     }
/// #     fn reorder(&self, state: &mut Self::State, parents: &[usize]) {
/// #         *state = parents.iter().map(|&parent| state[parent].clone()).collect();
/// #     }
/// # }
/// # impl EncoderDecoder for Copier {
/// #     fn start(&self, source: &TokenMatrix) -> Self::State {
/// #         (0..source.n_rows()).map(|row| source.row(row).iter().rev().copied().collect()).collect()
/// #     }
/// # }
/// // `Copier` writes its source again.
/// let model = JointModel::new(Copier);
/// let rules = Rules::default();
/// std::thread::scope(|scope| {
///     for text in [[3, 4, 5], [6, 7, 8]] {
///         let (model, rules) = (model.clone(), &rules);
///         scope.spawn(move || {
///             let state = model.start(&TokenMatrix::from_rows(&[&text[..]], 1, 0));
///             let request = DecodeRequest { prompt: &[0], prefixes: &[], eos: 0, rules, max_len: &[9] };
///             assert_eq!(greedy(&model, state, &request).unwrap()[0].tokens, text);
///         });
///     }
/// });
/// ```
pub struct JointModel<M: NextToken> {
    vocab_size: usize,
    max_len: Option<usize>,
    restricts: bool,
    stop: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Of each worker.
    users: Arc<[Arc<User<M>>]>,
}

/// A search was told to stop: by [`JointModel::until`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the search was stopped")]
pub struct Stopped;

/// The memory of the rows of one search in a [`JointModel`].
pub struct JointState<M: NextToken> {
    /// `None` while the worker has it, or once it was lost by a panic.
    inner: Option<M::State>,
    /// Old rows that rows continue, which the next step sees to.
    parents: Option<Vec<usize>>,
    /// What is taken back, which the next step sees to then.
    rewound: Option<Rewound<M>>,
    /// The step that it last took part in.
    step: u64,
    user: Arc<User<M>>,
}

/// The text that a state keeps, and [`LanguageModel::rewind`], which takes the rest back.
type Rewound<M> = (Vec<TokenId>, fn(&M, &mut <M as NextToken>::State, &[TokenId]) -> Result<(), DeviceError>);

/// [`LanguageModel::verify`].
type Verify<M> = fn(&M, &mut [Turn<'_, <M as NextToken>::State>]) -> Result<Vec<Vec<Scores>>, DeviceError>;

/// The scores of a step, those of its last tokens or of each, with the state and the number of the step.
type Reply<M> = (Result<Vec<Scores>, DeviceError>, <M as NextToken>::State, u64);

/// What the worker is asked for.
enum Job<M: NextToken> {
    Start(Start<M>),
    Step(Step<M>),
    Call(Box<dyn FnOnce(&M) + Send>),
}

struct Start<M: NextToken> {
    source: TokenMatrix,
    start: fn(&M, &[&TokenMatrix]) -> Vec<M::State>,
    /// For the state and the number of the step.
    reply: mpsc::SyncSender<(M::State, u64)>,
}

struct Step<M: NextToken> {
    tokens: Vec<TokenId>,
    /// Old rows that rows continue, before they read.
    parents: Option<Vec<usize>>,
    /// What is taken back then.
    rewound: Option<Rewound<M>>,
    state: M::State,
    /// The step that it last took part in.
    last: u64,
    want: Want,
    /// Scores what follows each token, if that is wanted.
    verify: Option<Verify<M>>,
    reply: mpsc::SyncSender<Reply<M>>,
}

impl<M: NextToken> Step<M> {
    fn turn(&mut self) -> Turn<'_, M::State> {
        Turn { tokens: &self.tokens, state: &mut self.state, want: self.want }
    }
}

/// What waits for the worker.
struct Queue<M: NextToken> {
    waiting: Mutex<Waiting<M>>,
    changed: Condvar,
    /// Those that live.
    n_searches: AtomicUsize,
}

struct Waiting<M: NextToken> {
    jobs: VecDeque<Job<M>>,
    /// The last step, and the searches that took part in it and have not left.
    step: u64,
    n_expected: usize,
    /// Those of them that want another.
    n_present: usize,
    is_over: bool,
}

/// Somebody who may still ask the worker for something.
struct User<M: NextToken>(Arc<Queue<M>>);

impl<M: NextToken<State: Send> + Send + 'static> JointModel<M> {
    /// Gives `model` to a worker thread.
    ///
    /// # Panics
    /// If the system has no thread left.
    pub fn new(model: M) -> Self {
        Self::among(vec![model])
    }

    /// As [`new`](Self::new), of a worker for each of these handles of one model. A search stays with the worker that begins
    /// it, and a worker's step does not wait for another's: while the searches of one think, another computes. The first
    /// ones have the searches as long as those are few.
    ///
    /// # Panics
    /// If there is no handle, or the system has no thread left.
    pub fn among(handles: Vec<M>) -> Self {
        Self::of(handles, |work| {
            thread::Builder::new().name("model".to_owned()).spawn(work).expect("the system has a thread");
        })
    }

    /// As [`new`](Self::new), whose worker `spawn` starts: on a pool of threads, which then compute.
    pub fn spawned(model: M, spawn: impl FnMut(Box<dyn FnOnce() + Send>)) -> Self {
        Self::of(vec![model], spawn)
    }

    fn of(handles: Vec<M>, mut spawn: impl FnMut(Box<dyn FnOnce() + Send>)) -> Self {
        let first = handles.first().expect("there is a handle");
        let (vocab_size, max_len, restricts) = (first.vocab_size(), first.max_len(), first.restricts());
        let users = handles.into_iter().map(|model| {
            let waiting = Waiting { jobs: VecDeque::new(), step: 0, n_expected: 0, n_present: 0, is_over: false };
            let (changed, n_searches) = <(Condvar, AtomicUsize)>::default();
            let queue = Arc::new(Queue { waiting: Mutex::new(waiting), changed, n_searches });
            let of_worker = Arc::clone(&queue);
            spawn(Box::new(move || of_worker.work(&model)));
            Arc::new(User(queue))
        });
        Self { vocab_size, max_len, restricts, stop: Arc::new(|| false), users: users.collect() }
    }

    /// A handle whose searches end before the next step once `stop` says so, with a [`DeviceError`] whose source is
    /// [`Stopped`].
    #[must_use]
    pub fn until(&self, stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { stop: Arc::new(stop), ..self.clone() }
    }

    /// What `ask` gets of the model, between steps.
    ///
    /// # Errors
    /// [`DeviceError`] if the model panics.
    pub fn call<T: Send + 'static>(&self, ask: impl FnOnce(&M) -> T + Send + 'static) -> Result<T, DeviceError> {
        self.users[0].call(ask)
    }

    /// The worker of a new search.
    fn worker(&self) -> Arc<User<M>> {
        let n_searches = |user: &Arc<User<M>>| user.0.n_searches.load(Ordering::Relaxed);
        let roomy = self.users.iter().find(|user| n_searches(user) < JOINED);
        let user = roomy.or_else(|| self.users.iter().min_by_key(|user| n_searches(user)));
        let user = user.expect("there is a worker");
        user.0.n_searches.fetch_add(1, Ordering::Relaxed);
        Arc::clone(user)
    }

    /// Hands the worker a step.
    fn send(
        &self,
        tokens: &[TokenId],
        state: &mut JointState<M>,
        want: Want,
        verify: Option<Verify<M>>,
    ) -> Result<mpsc::Receiver<Reply<M>>, DeviceError> {
        if (self.stop)() {
            return Err(DeviceError::new(Stopped));
        }
        let inner = state.inner.take().ok_or_else(panicked)?;
        let (reply, answer) = mpsc::sync_channel(1);
        let (tokens, parents, rewound) = (tokens.to_vec(), state.parents.take(), state.rewound.take());
        let step = Step { tokens, parents, rewound, state: inner, last: state.step, want, verify, reply };
        state.user.0.push(Job::Step(step));
        Ok(answer)
    }

    /// Hands the worker steps of several states at once, and takes their scores.
    fn ask(
        &self,
        turns: &mut [Turn<'_, JointState<M>>],
        verify: Option<Verify<M>>,
    ) -> Result<Vec<Vec<Scores>>, DeviceError> {
        let answers = turns.iter_mut().map(|turn| self.send(turn.tokens, turn.state, turn.want, verify));
        let answers: Vec<_> = answers.collect::<Result<_, _>>()?;
        turns.iter_mut().zip(answers).map(|(turn, answer)| turn.state.receive(&answer)).collect()
    }
}

impl<M: NextToken<State: Send> + Send + 'static> NextToken for JointModel<M> {
    type State = JointState<M>;

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn max_len(&self) -> Option<usize> {
        self.max_len
    }

    fn advance(&self, tokens: &[TokenId], state: &mut JointState<M>, want: Want) -> Result<Scores, DeviceError> {
        let answer = self.send(tokens, state, want, None)?;
        only(state.receive(&answer)?)
    }

    fn advance_together(&self, turns: &mut [Turn<'_, JointState<M>>]) -> Result<Vec<Scores>, DeviceError> {
        self.ask(turns, None)?.into_iter().map(only).collect()
    }

    /// Between steps, as few searches ask for it.
    fn advance_attending(
        &self,
        tokens: &[TokenId],
        state: &mut JointState<M>,
        want: Want,
    ) -> Result<(Scores, Option<SourceAttention>), DeviceError> {
        if (self.stop)() {
            return Err(DeviceError::new(Stopped));
        }
        let mut inner = state.inner.take().ok_or_else(panicked)?;
        let (tokens, parents) = (tokens.to_vec(), state.parents.take());
        let (inner, found) = self.call(move |model| {
            if let Some(parents) = &parents {
                model.reorder(&mut inner, parents);
            }
            let found = model.advance_attending(&tokens, &mut inner, want);
            (inner, found)
        })?;
        state.inner = Some(inner);
        found
    }

    fn restricts(&self) -> bool {
        self.restricts
    }

    /// Between steps, once for each search. A state that is lost says so at its first step.
    fn restrict(&self, state: &mut JointState<M>, allowed: &[Vec<TokenId>]) {
        let Some(mut inner) = state.inner.take() else { return };
        let allowed = allowed.to_vec();
        let held = self.call(move |model| {
            model.restrict(&mut inner, &allowed);
            inner
        });
        state.inner = held.ok();
    }

    fn reorder(&self, state: &mut JointState<M>, parents: &[usize]) {
        state.parents = Some(match state.parents.take() {
            Some(before) => parents.iter().map(|&parent| before[parent]).collect(),
            None => parents.to_vec(),
        });
    }
}

impl<M: EncoderDecoder<State: Send> + Send + 'static> EncoderDecoder for JointModel<M> {
    /// Sources that arrive together are read together.
    fn start(&self, source: &TokenMatrix) -> JointState<M> {
        let (user, (reply, answer)) = (self.worker(), mpsc::sync_channel(1));
        user.0.push(Job::Start(Start { source: source.clone(), start: M::start_together, reply }));
        JointState::new(answer.recv().ok(), user)
    }
}

impl<M: LanguageModel<State: Send> + Send + 'static> LanguageModel for JointModel<M> {
    fn start(&self, n_rows: usize) -> JointState<M> {
        let user = self.worker();
        JointState::new(user.call(move |model| (model.start(n_rows), 0)).ok(), user)
    }

    fn log_probs_of(&self, text: &[TokenId]) -> Result<Vec<f32>, DeviceError> {
        if (self.stop)() {
            return Err(DeviceError::new(Stopped));
        }
        let text = text.to_vec();
        self.call(move |model| model.log_probs_of(&text))?
    }

    fn verify(&self, turns: &mut [Turn<'_, JointState<M>>]) -> Result<Vec<Vec<Scores>>, DeviceError> {
        self.ask(turns, Some(M::verify))
    }

    /// With the next step; its error is that of the step.
    fn rewind(&self, state: &mut JointState<M>, text: &[TokenId]) -> Result<(), DeviceError> {
        state.rewound = Some((text.to_vec(), M::rewind));
        Ok(())
    }
}

impl<M: NextToken> JointState<M> {
    /// A state that a worker made, or, if it panicked, one that no step takes.
    fn new(made: Option<(M::State, u64)>, user: Arc<User<M>>) -> Self {
        let (inner, step) = made.map_or((None, 0), |(state, step)| (Some(state), step));
        Self { inner, parents: None, rewound: None, step, user }
    }

    /// The scores of a step, for which the worker had the state.
    fn receive(&mut self, answer: &mpsc::Receiver<Reply<M>>) -> Result<Vec<Scores>, DeviceError> {
        let (scores, inner, step) = answer.recv().map_err(|_| panicked())?;
        (self.inner, self.step) = (Some(inner), step);
        scores
    }
}

/// The scores of a step that has one set of them.
fn only(mut scores: Vec<Scores>) -> Result<Scores, DeviceError> {
    scores.pop().ok_or_else(panicked)
}

impl<M: NextToken> Queue<M> {
    /// What waits; a thread that panicked left it whole.
    fn lock(&self) -> MutexGuard<'_, Waiting<M>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job<M>) {
        let mut waiting = self.lock();
        let is_expected = matches!(&job, Job::Step(step) if step.last == waiting.step);
        waiting.n_present += usize::from(is_expected);
        waiting.jobs.push_back(job);
        // While others are expected, the worker would only look and wait again: once for each search of a step.
        let is_awaited = waiting.jobs.len() == 1 || waiting.is_complete();
        drop(waiting);
        if is_awaited {
            self.changed.notify_one();
        }
    }

    /// Serves jobs in the order of their arrival, those of one kind together, until there is no user left.
    fn work(&self, model: &M) {
        while let Some((jobs, number)) = self.next() {
            let (mut starts, mut steps) = (Vec::new(), Vec::new());
            for job in jobs {
                match job {
                    Job::Start(start) => starts.push(start),
                    Job::Step(step) => steps.push(step),
                    Job::Call(call) => survive(|| call(model)),
                }
            }
            survive(|| begin(model, starts, number));
            survive(|| advance(model, steps, number));
        }
    }

    /// The jobs of the next step, and its number; `None` at the end.
    fn next(&self) -> Option<(VecDeque<Job<M>>, u64)> {
        let mut waiting = self.lock();
        while waiting.jobs.is_empty() {
            if waiting.is_over {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + PATIENCE;
        while !waiting.is_complete() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            (waiting, _) = self.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner);
        }
        let jobs = std::mem::take(&mut waiting.jobs);
        waiting.step += 1;
        waiting.n_present = 0;
        waiting.n_expected = jobs.iter().filter(|job| !matches!(job, Job::Call(_))).count();
        Some((jobs, waiting.step))
    }
}

/// Does a part of the work. A panic drops its replies, which tells those who wait for them.
fn survive(work: impl FnOnce()) {
    // A model is read alone, and states that it left half-made are dropped too.
    let _ = catch_unwind(AssertUnwindSafe(work));
}

/// The error of those whose reply was dropped.
fn panicked() -> DeviceError {
    DeviceError::new("the model panicked, and what it was asked for is lost")
}

/// Makes the states of searches that begin together.
fn begin<M: NextToken>(model: &M, starts: Vec<Start<M>>, number: u64) {
    let Some(start) = starts.first().map(|first| first.start) else { return };
    let sources: Vec<&TokenMatrix> = starts.iter().map(|start| &start.source).collect();
    let states = start(model, &sources);
    // A search that has left needs no reply.
    states.into_iter().zip(starts).for_each(|(state, start)| drop(start.reply.send((state, number))));
}

/// Takes the step of some searches together.
fn advance<M: NextToken>(model: &M, steps: Vec<Step<M>>, number: u64) {
    let (mut plain, mut drafted, mut verify) = (Vec::new(), Vec::new(), None);
    for mut step in steps {
        if let Some(parents) = &step.parents {
            model.reorder(&mut step.state, parents);
        }
        let rewound = step.rewound.take().map_or(Ok(()), |(text, rewind)| rewind(model, &mut step.state, &text));
        match rewound {
            Err(cause) => drop(step.reply.send((Err(cause), step.state, number))),
            Ok(()) if step.verify.is_some() => {
                verify = step.verify;
                drafted.push(step);
            }
            Ok(()) => plain.push(step),
        }
    }
    let advance = |turns: &mut [Turn<'_, M::State>]| -> Result<Vec<Vec<Scores>>, DeviceError> {
        model.advance_together(turns).map(|scores| scores.into_iter().map(|one| vec![one]).collect())
    };
    take(plain, number, advance);
    if let Some(verify) = verify {
        take(drafted, number, |turns| verify(model, turns));
    }
}

/// Takes the step of some searches by `scores`, and replies.
fn take<M: NextToken>(
    mut steps: Vec<Step<M>>,
    number: u64,
    scores: impl FnOnce(&mut [Turn<'_, M::State>]) -> Result<Vec<Vec<Scores>>, DeviceError>,
) {
    if steps.is_empty() {
        return;
    }
    let mut turns: Vec<Turn<'_, M::State>> = steps.iter_mut().map(Step::turn).collect();
    let of_each: Box<dyn Iterator<Item = Result<Vec<Scores>, DeviceError>>> = match scores(&mut turns) {
        Ok(scores) => Box::new(scores.into_iter().map(Ok)),
        Err(cause) => {
            let cause = Arc::new(cause);
            Box::new(iter::repeat_with(move || Err(DeviceError::new(Arc::clone(&cause)))))
        }
    };
    of_each.zip(steps).for_each(|(scores, step)| drop(step.reply.send((scores, step.state, number))));
}

impl<M: NextToken> Waiting<M> {
    /// Whether all searches that took part in the last step want another.
    fn is_complete(&self) -> bool {
        self.n_present >= self.n_expected
    }
}

impl<M: NextToken> Drop for JointState<M> {
    fn drop(&mut self) {
        let queue = &self.user.0;
        queue.n_searches.fetch_sub(1, Ordering::Relaxed);
        let mut waiting = queue.lock();
        if self.step == waiting.step {
            waiting.n_expected = waiting.n_expected.saturating_sub(1);
            if waiting.is_complete() {
                queue.changed.notify_one();
            }
        }
    }
}

impl<M: NextToken> User<M> {
    /// What `ask` gets of the model, between steps.
    fn call<T: Send + 'static>(&self, ask: impl FnOnce(&M) -> T + Send + 'static) -> Result<T, DeviceError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.0.push(Job::Call(Box::new(move |model| drop(reply.send(ask(model))))));
        answer.recv().map_err(|_| panicked())
    }
}

impl<M: NextToken> Drop for User<M> {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_all();
    }
}

impl<M: NextToken> Clone for JointModel<M> {
    fn clone(&self) -> Self {
        Self { stop: Arc::clone(&self.stop), users: Arc::clone(&self.users), ..*self }
    }
}

impl<M: NextToken> fmt::Debug for JointModel<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JointModel").field("vocab_size", &self.vocab_size).finish_non_exhaustive()
    }
}

impl<M: NextToken> fmt::Debug for JointState<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JointState").field("step", &self.step).finish_non_exhaustive()
    }
}
