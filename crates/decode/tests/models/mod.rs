//! A model without weights, whose every probability is known.

use std::cell::RefCell;

use attentive_backend::{BackendKind, Device};
use attentive_core::{NextToken, TokenId};
use attentive_decode::DecodeRequest;
use burn::tensor::{Int, Tensor, TensorData};

/// Log-probabilities of the token after a prefix; the prefix begins with the prompt's id.
pub(crate) trait Scores {
    fn vocab_size(&self) -> usize;
    fn after(&self, prefix: &[TokenId]) -> Vec<f32>;
}

/// Gives `Scores` to a search; its state is what each row has read.
pub(crate) struct Model<S> {
    pub(crate) scores: S,
    /// Number of rows at each step.
    pub(crate) n_rows: RefCell<Vec<usize>>,
    pub(crate) device: Device,
}

impl<S: Scores> Model<S> {
    pub(crate) fn new(scores: S) -> Self {
        let device = BackendKind::Flex.device().expect("flex is compiled in");
        Self { scores, n_rows: RefCell::default(), device }
    }

    /// Rows that have read nothing.
    pub(crate) fn start(&self, n_rows: usize) -> Vec<Vec<TokenId>> {
        vec![Vec::new(); n_rows]
    }

    /// A request whose sentences are told apart by the ids in `prompts`.
    pub(crate) fn request<'a>(
        &self,
        prompts: &[TokenId],
        eos: TokenId,
        suppressed: &'a [TokenId],
        max_len: &'a [usize],
    ) -> DecodeRequest<'a> {
        let ids: Vec<i64> = prompts.iter().map(|&id| id.into()).collect();
        let prompt = Tensor::from_data(TensorData::new(ids, [prompts.len(), 1]), &self.device);
        DecodeRequest { prompt, eos, suppressed, min_len: 0, max_len }
    }
}

impl<S: Scores> NextToken for Model<S> {
    type State = Vec<Vec<TokenId>>;

    fn vocab_size(&self) -> usize {
        self.scores.vocab_size()
    }

    fn advance(&self, tokens: Tensor<2, Int>, state: &mut Self::State) -> Tensor<2> {
        let [rows, new] = tokens.dims();
        assert_eq!(rows, state.len(), "as many rows of tokens as of the state");
        let tokens = tokens.try_into_vec_as::<i64>().expect("tokens can be read");
        for (read, tokens) in state.iter_mut().zip(tokens.chunks(new)) {
            read.extend(tokens.iter().map(|&token| token as TokenId));
        }
        let groups: Vec<_> = state.chunk_by(|a, b| a[0] == b[0]).collect();
        assert!(groups.iter().all(|group| group.len() == groups[0].len()), "as many rows for each sentence: {state:?}");
        self.n_rows.borrow_mut().push(rows);
        let log_probs: Vec<f32> = state.iter().flat_map(|prefix| self.scores.after(prefix)).collect();
        Tensor::from_data(TensorData::new(log_probs, [rows, self.vocab_size()]), &self.device)
    }

    fn reorder(&self, state: &mut Self::State, parents: &[usize]) {
        *state = parents.iter().map(|&parent| state[parent].clone()).collect();
    }
}
