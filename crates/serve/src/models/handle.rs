//! A model as one request's searches see it.

use std::{
    iter,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use attentive_core::{
    DeviceError, EncoderDecoder, LanguageModel, NextToken, Scores, SourceAttention, TokenId, TokenMatrix, TopTokens,
    Turn, Want,
};
use attentive_decode::JointModel;
use prometheus::IntCounter;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{metrics::Meters, ticket::Ticket};

/// A model that the searches of all requests share, step by step.
pub(crate) type Shared<M> = JointModel<Measured<M>>;

/// A model for all requests, whose searches have so many workers at most where they are many; each has its share of the
/// threads.
pub(crate) fn shared<M>(model: M, meters: Meters, max_workers: usize) -> Shared<M>
where
    M: NextToken<State: Send> + Send + Sync + 'static,
{
    let (n_threads, model, n_busy) = (rayon::current_num_threads(), Arc::new(model), Arc::default());
    let n_workers = n_threads.min(max_workers);
    let handle = |(worker, meters)| {
        // The shares are all threads together. Without its own, a worker has those of all.
        let share = ThreadPoolBuilder::new().num_threads((n_threads + worker) / n_workers);
        let own = if n_workers > 1 { share.build().ok() } else { None };
        Measured { model: Arc::clone(&model), meters, own, n_busy: Arc::clone(&n_busy) }
    };
    JointModel::among(iter::repeat_n(meters, n_workers).enumerate().map(handle).collect())
}

/// The model `model` for the searches of one request.
pub(crate) fn for_request<M>(model: &Shared<M>, ticket: &Arc<Ticket>) -> Shared<M>
where
    M: NextToken<State: Send> + Send + Sync + 'static,
{
    let ticket = Arc::clone(ticket);
    model.until(move || ticket.is_over())
}

/// A worker's handle of a model whose steps are measured, and whose panics are counted.
#[derive(Debug)]
pub(crate) struct Measured<M> {
    model: Arc<M>,
    meters: Meters,
    /// The worker's own threads: a step of a few threads loses less than one of all where others have steps, too.
    own: Option<ThreadPool>,
    /// Workers at a step.
    n_busy: Arc<AtomicUsize>,
}

/// Counts a panic that comes before it is dropped.
struct Panics<'a>(&'a IntCounter);

impl Drop for Panics<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.inc();
        }
    }
}

/// One is busy until it is dropped.
struct Busy<'a>(&'a AtomicUsize);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<M> Measured<M> {
    /// The model, for something that may panic.
    fn ask<T>(&self, ask: impl FnOnce(&M) -> T) -> T {
        let _panics = Panics(&self.meters.panics);
        ask(&self.model)
    }

    /// The same, by all threads, or by the worker's own while others work.
    fn work<T: Send>(&self, work: impl FnOnce(&M) -> T + Send) -> T
    where
        M: Sync,
    {
        let n_others = self.n_busy.fetch_add(1, Ordering::Relaxed);
        let _busy = Busy(&self.n_busy);
        self.ask(|model| match &self.own {
            Some(own) if n_others > 0 => own.install(|| work(model)),
            _ => work(model),
        })
    }

    /// The same, for a step that reads so many tokens.
    fn step<T: Send>(&self, n_tokens: usize, step: impl FnOnce(&M) -> T + Send) -> T
    where
        M: Sync,
    {
        self.meters.step_tokens.observe(n_tokens as f64);
        self.work(step)
    }
}

impl<M: NextToken<State: Send> + Sync> NextToken for Measured<M> {
    type State = M::State;

    fn vocab_size(&self) -> usize {
        self.model.vocab_size()
    }

    fn max_len(&self) -> Option<usize> {
        self.model.max_len()
    }

    fn advance(&self, tokens: &[TokenId], state: &mut M::State, want: Want) -> Result<Scores, DeviceError> {
        self.step(tokens.len(), |model| model.advance(tokens, state, want))
    }

    fn advance_together(&self, turns: &mut [Turn<'_, M::State>]) -> Result<Vec<Scores>, DeviceError> {
        let n_tokens = turns.iter().map(|turn| turn.tokens.len()).sum();
        self.step(n_tokens, |model| model.advance_together(turns))
    }

    fn advance_attending(
        &self,
        tokens: &[TokenId],
        state: &mut M::State,
        want: Want,
    ) -> Result<(Scores, Option<SourceAttention>), DeviceError> {
        self.step(tokens.len(), |model| model.advance_attending(tokens, state, want))
    }

    fn restricts(&self) -> bool {
        self.model.restricts()
    }

    fn restrict(&self, state: &mut M::State, allowed: &[Vec<TokenId>]) {
        self.ask(|model| model.restrict(state, allowed));
    }

    fn reorder(&self, state: &mut M::State, parents: &[usize]) {
        self.ask(|model| model.reorder(state, parents));
    }
}

impl<M: EncoderDecoder<State: Send> + Sync> EncoderDecoder for Measured<M> {
    fn start(&self, source: &TokenMatrix) -> M::State {
        self.work(|model| model.start(source))
    }

    fn start_together(&self, sources: &[&TokenMatrix]) -> Vec<M::State> {
        self.work(|model| model.start_together(sources))
    }
}

impl<M: LanguageModel<State: Send> + Sync> LanguageModel for Measured<M> {
    fn start(&self, n_rows: usize) -> M::State {
        self.ask(|model| model.start(n_rows))
    }

    fn log_probs_of(&self, text: &[TokenId]) -> Result<Vec<f32>, DeviceError> {
        self.work(|model| model.log_probs_of(text))
    }

    fn verify(&self, turns: &mut [Turn<'_, M::State>]) -> Result<Vec<Vec<Scores>>, DeviceError> {
        let n_tokens = turns.iter().map(|turn| turn.tokens.len()).sum();
        self.step(n_tokens, |model| model.verify(turns))
    }

    fn rewind(&self, state: &mut M::State, text: &[TokenId]) -> Result<(), DeviceError> {
        self.ask(|model| model.rewind(state, text))
    }
}

/// Tokens with their log-probabilities in nats, best first.
pub(crate) type Ranked = Vec<(TokenId, f32)>;

/// A model that remembers the `n` most probable tokens of its last step: of one text, in one row, without drafts.
#[derive(Debug)]
pub(crate) struct Watched<M> {
    model: M,
    n: usize,
    last: Arc<Mutex<Ranked>>,
}

impl<M> Watched<M> {
    /// The model, and what it remembers.
    pub(crate) fn new(model: M, n: usize) -> (Self, Arc<Mutex<Ranked>>) {
        let last = Arc::default();
        (Self { model, n, last: Arc::clone(&last) }, last)
    }
}

impl<M: NextToken> NextToken for Watched<M> {
    type State = M::State;

    fn vocab_size(&self) -> usize {
        self.model.vocab_size()
    }

    fn max_len(&self) -> Option<usize> {
        self.model.max_len()
    }

    fn advance(&self, tokens: &[TokenId], state: &mut M::State, want: Want) -> Result<Scores, DeviceError> {
        let want = match want {
            Want::Top(k) => Want::Top(k.max(self.n)),
            Want::All => Want::All,
        };
        let scores = self.model.advance(tokens, state, want)?;
        if self.n > 0 {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = best(&scores, self.vocab_size(), self.n);
        }
        Ok(scores)
    }

    fn reorder(&self, state: &mut M::State, parents: &[usize]) {
        self.model.reorder(state, parents);
    }
}

impl<M: LanguageModel> LanguageModel for Watched<M> {
    fn start(&self, n_rows: usize) -> M::State {
        self.model.start(n_rows)
    }

    fn log_probs_of(&self, text: &[TokenId]) -> Result<Vec<f32>, DeviceError> {
        self.model.log_probs_of(text)
    }

    fn verify(&self, turns: &mut [Turn<'_, M::State>]) -> Result<Vec<Vec<Scores>>, DeviceError> {
        self.model.verify(turns)
    }

    fn rewind(&self, state: &mut M::State, text: &[TokenId]) -> Result<(), DeviceError> {
        self.model.rewind(state, text)
    }
}

/// The `n` most probable tokens of the first row, best first, the lower id in a tie.
fn best(scores: &Scores, vocab_size: usize, n: usize) -> Ranked {
    match scores {
        Scores::Top(TopTokens { k, ids, log_probs }) => {
            ids.iter().copied().zip(log_probs.iter().copied()).take(n.min(*k)).collect()
        }
        Scores::All(log_probs) => best_of(&log_probs[..vocab_size.min(log_probs.len())], n),
    }
}

/// The `n` most probable tokens of a row of log-probabilities, best first, the lower id in a tie.
pub(crate) fn best_of(log_probs: &[f32], n: usize) -> Ranked {
    let mut ranked: Ranked = (0..).zip(log_probs.iter().copied()).collect();
    let better = |a: &(TokenId, f32), b: &(TokenId, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if (1..ranked.len()).contains(&n) {
        ranked.select_nth_unstable_by(n - 1, better);
    }
    ranked.truncate(n);
    ranked.sort_unstable_by(better);
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn panics_of_a_model_are_counted() {
        let meters = Metrics::new().of_model("m");
        let (model, own, n_busy) = (Arc::new(0), None, Arc::default());
        let measured = Measured { model, meters: meters.clone(), own, n_busy };
        assert_eq!(measured.ask(|n| n + 1), 1);
        let panic =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| measured.ask(|_| panic!("for this test"))));
        assert!(panic.is_err());
        assert_eq!(meters.panics.get(), 1);
    }

    #[test]
    fn the_best_tokens_are_found_whatever_the_model_gives() {
        let all = Scores::All(vec![-3.0, -1.0, -2.0, -1.0, -9.0, -9.0, -9.0, 0.0]);
        assert_eq!(best(&all, 4, 3), [(1, -1.0), (3, -1.0), (2, -2.0)], "of the first row");
        let top = Scores::Top(TopTokens { k: 2, ids: vec![7, 5, 1, 0], log_probs: vec![-1.0, -2.0, -1.0, -2.0] });
        assert_eq!(best(&top, 9, 5), [(7, -1.0), (5, -2.0)]);
    }
}
