//! Searches that share a model find what they find alone.

use std::{
    error::Error,
    ops::ControlFlow,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use attentive_core::{DeviceError, EncoderDecoder, NextToken, Scores, TokenId, TokenMatrix, Turn, Want};
use attentive_decode::{
    BeamConfig, Combination, DecodeError, DecodeRequest, DraftSource, Drafts, Drawn, Ensemble, GenerateRequest,
    JointModel, Rules, SamplingConfig, Stopped, beam_search, generate, generate_drafted,
};

use crate::models::{Hashed, Model};

const EOS: TokenId = 0;
const N: usize = 24;

/// A model that counts the steps of states and those of the worker; a row's source is the beginning of what it has read.
struct Counting {
    model: Model<Hashed>,
    turns: Arc<AtomicUsize>,
    steps: Arc<AtomicUsize>,
}

impl Counting {
    fn new() -> Self {
        Self::of(5)
    }

    fn of(seed: u64) -> Self {
        let scores = Hashed { vocab_size: 23, seed, sharpness: 4.0, eos: EOS };
        let model = Model { is_even: false, ..Model::new(scores) };
        Self { model, turns: Arc::default(), steps: Arc::default() }
    }

    /// Of turns, and of steps.
    fn counts(&self) -> [Arc<AtomicUsize>; 2] {
        [&self.turns, &self.steps].map(Arc::clone)
    }
}

impl NextToken for Counting {
    type State = Vec<Vec<TokenId>>;

    fn vocab_size(&self) -> usize {
        self.model.vocab_size()
    }

    fn max_len(&self) -> Option<usize> {
        self.model.max_len()
    }

    fn advance(&self, tokens: &[TokenId], state: &mut Self::State, want: Want) -> Result<Scores, DeviceError> {
        self.model.advance(tokens, state, want)
    }

    fn advance_together(&self, turns: &mut [Turn<'_, Self::State>]) -> Result<Vec<Scores>, DeviceError> {
        self.turns.fetch_add(turns.len(), Ordering::Relaxed);
        self.steps.fetch_add(1, Ordering::Relaxed);
        turns.iter_mut().map(|turn| self.advance(turn.tokens, turn.state, turn.want)).collect()
    }

    fn reorder(&self, state: &mut Self::State, parents: &[usize]) {
        self.model.reorder(state, parents);
    }
}

impl EncoderDecoder for Counting {
    fn start(&self, source: &TokenMatrix) -> Self::State {
        (0..source.n_rows()).map(|row| source.row(row).to_vec()).collect()
    }
}

impl attentive_core::LanguageModel for Counting {
    fn start(&self, n_rows: usize) -> Self::State {
        self.model.rows(n_rows)
    }
}

/// The three best translations of a source that is a function of `at`, and a text that is drawn.
fn search<M: EncoderDecoder + attentive_core::LanguageModel>(
    model: &M,
    at: usize,
) -> (Vec<Vec<TokenId>>, Vec<TokenId>) {
    let source: Vec<TokenId> = (0..1 + at % 5).map(|i| (1 + at * 7 + i) as TokenId % 23).collect();
    let state = EncoderDecoder::start(model, &TokenMatrix::from_rows(&[source], 1, 0));
    let rules = Rules::default();
    let max_len = [4 + at % 9];
    let request = DecodeRequest { prompt: &[2], prefixes: &[], eos: EOS, rules: &rules, max_len: &max_len };
    let config = BeamConfig { n_best: 3, ..BeamConfig::default() };
    let found = beam_search(model, state, &request, &config).expect("a good request").swap_remove(0);
    let mut drawn = Vec::new();
    let prompts = [vec![at as TokenId % 23, 3]];
    let request = GenerateRequest { prompts: &prompts, n_samples: 2, max_tokens: 9, ends: &[EOS], rules: &rules };
    let keep = |Drawn { token, text, .. }: Drawn| {
        drawn.push(token + 100 * text as TokenId);
        ControlFlow::Continue(())
    };
    generate(model, &request, &SamplingConfig { seed: at as u64, ..SamplingConfig::default() }, keep)
        .expect("a good request");
    (found.into_iter().map(|hypothesis| hypothesis.tokens).collect(), drawn)
}

/// What searches on many threads find with one model.
fn found_together<M>(model: &JointModel<M>) -> Vec<(Vec<Vec<TokenId>>, Vec<TokenId>)>
where
    M: EncoderDecoder<State: Send> + attentive_core::LanguageModel + Send + 'static,
{
    thread::scope(|scope| {
        let barrier = Arc::new(Barrier::new(N));
        let run = |at: usize| {
            let (model, barrier) = (model.clone(), Arc::clone(&barrier));
            scope.spawn(move || {
                barrier.wait();
                search(&model, at)
            })
        };
        let threads: Vec<_> = (0..N).map(run).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// Holds counts of turns and of steps against one another.
#[track_caller]
fn are_shared([turns, steps]: &[Arc<AtomicUsize>; 2]) {
    let [turns, steps] = [turns, steps].map(|count| count.load(Ordering::Relaxed));
    assert!(steps < turns, "{steps} steps of {turns} turns: some were taken together");
}

#[test]
fn searches_of_many_threads_find_what_they_find_alone() {
    let alone: Vec<_> = (0..N).map(|at| search(&Counting::new(), at)).collect();
    let counting = Counting::new();
    let counts = counting.counts();
    assert_eq!(found_together(&JointModel::new(counting)), alone);
    are_shared(&counts);
}

#[test]
fn searches_find_the_same_whichever_worker_has_them() {
    let alone: Vec<_> = (0..N).map(|at| search(&Counting::new(), at)).collect();
    let handles = [Counting::new(), Counting::new()];
    let counts = handles.each_ref().map(Counting::counts);
    let model = JointModel::among(Vec::from(handles));
    assert_eq!(found_together(&model), alone);
    // The second has the searches that are too many for the first, and no others.
    let n_turns = || counts.each_ref().map(|[turns, _]| turns.load(Ordering::Relaxed));
    let start = || EncoderDecoder::start(&model, &TokenMatrix::from_rows(&[[3]], 1, 0));
    let mut states: Vec<_> = (0..40).map(|_| start()).collect();
    let before = n_turns();
    states.iter_mut().for_each(|state| drop(model.advance(&[2], state, Want::All).expect("a good step")));
    let after = n_turns();
    assert_eq!([after[0] - before[0], after[1] - before[1]], [20, 20]);
    drop(states);
    let mut first = start();
    model.advance(&[2], &mut first, Want::All).expect("a good step");
    assert_eq!(n_turns(), [after[0] + 1, after[1]]);
}

#[test]
fn searches_over_several_models_share_the_steps_of_each() {
    for combination in [Combination::Linear, Combination::LogLinear] {
        let ensemble = |members: [Counting; 2]| {
            Ensemble::new(Vec::from(members), &[2.0, 1.0], combination).expect("a good ensemble")
        };
        let members = || [5, 6].map(Counting::of);
        let alone: Vec<_> = (0..N).map(|at| search(&ensemble(members()), at)).collect();
        let joined = members();
        let counts = joined.each_ref().map(Counting::counts);
        assert_eq!(found_together(&JointModel::new(ensemble(joined))), alone);
        counts.iter().for_each(are_shared);
    }
}

#[test]
fn drafts_are_verified_together() {
    let (rules, n_tokens) = (Rules::default(), 3);
    let prompts: Vec<Vec<TokenId>> = (0..4).map(|at| (0..1 + at).map(|i| (at * 5 + i) % 23).collect()).collect();
    let request = GenerateRequest { prompts: &prompts, n_samples: 2, max_tokens: 12, ends: &[EOS], rules: &rules };
    type Model<'a> = dyn Fn(&SamplingConfig, &mut dyn FnMut(Drawn) -> ControlFlow<()>) + 'a;
    let written = |model: &Model<'_>, seed: u64| {
        let mut texts = vec![Vec::new(); 8];
        let temperature = if seed == 0 { 0.0 } else { 1.0 };
        model(&SamplingConfig { seed, temperature, ..SamplingConfig::default() }, &mut |drawn| {
            texts[drawn.text].push(drawn.token);
            ControlFlow::Continue(())
        });
        texts
    };
    let (alone, joint) = (Counting::new(), JointModel::new(Counting::new()));
    let (draft, joint_draft) = (Counting::of(6), JointModel::new(Counting::of(6)));
    for seed in 0..3 {
        let expected = written(
            &|config, on_token| {
                let drafts = Drafts { source: DraftSource::Model(&draft), n_tokens };
                generate_drafted(&alone, &drafts, &request, config, on_token).unwrap();
            },
            seed,
        );
        let found = written(
            &|config, on_token| {
                let drafts = Drafts { source: DraftSource::Model(&joint_draft), n_tokens };
                generate_drafted(&joint, &drafts, &request, config, on_token).unwrap();
            },
            seed,
        );
        assert_eq!(found, expected);
        if seed == 0 {
            let plain = written(&|config, on_token| drop(generate(&alone, &request, config, on_token).unwrap()), seed);
            assert_eq!(plain, expected, "greedy");
        }
    }
}

#[test]
fn a_search_that_is_stopped_leaves_the_others_alone() {
    let model = JointModel::new(Counting::new());
    let asked = Arc::new(AtomicUsize::new(0));
    let stopping = model.until(move || asked.fetch_add(1, Ordering::Relaxed) >= 3);
    let rules = Rules::default();
    let prompts = [vec![4]];
    let request = GenerateRequest { prompts: &prompts, n_samples: 1, max_tokens: 50, ends: &[], rules: &rules };
    let mut n_drawn = 0;
    let count = |_: Drawn| {
        n_drawn += 1;
        ControlFlow::Continue(())
    };
    let error = generate(&stopping, &request, &SamplingConfig::default(), count).expect_err("it is stopped");
    let DecodeError::Device(error) = error else { panic!("{error}") };
    assert_eq!(error.source().and_then(<dyn Error>::downcast_ref), Some(&Stopped));
    assert_eq!(n_drawn, 3);
    assert_eq!(search(&model, 1), search(&Counting::new(), 1));
}

#[test]
fn a_model_that_panics_fails_those_of_its_step_alone() {
    let model = JointModel::new(Fragile(Counting::new()));
    let before = search(&model, 1);
    model.call(|_| panic!("for this test")).expect_err("a panic");
    let start = |id| EncoderDecoder::start(&model, &TokenMatrix::from_rows(&[[id]], 1, 0));
    let mut never = start(BAD);
    model.advance(&[2], &mut never, Want::All).expect_err("its start panicked");
    let mut state = start(3);
    model.advance(&[2], &mut state, Want::All).expect("a good step");
    model.advance(&[BAD], &mut state, Want::All).expect_err("a panic");
    model.advance(&[2], &mut state, Want::All).expect_err("what was read is lost");
    assert_eq!(search(&model, 1), before, "the worker goes on");
}

/// A token that a model panics at, beyond those that it writes.
const BAD: TokenId = 23;

/// A model with a fault.
struct Fragile(Counting);

impl NextToken for Fragile {
    type State = Vec<Vec<TokenId>>;

    fn vocab_size(&self) -> usize {
        self.0.vocab_size()
    }

    fn max_len(&self) -> Option<usize> {
        self.0.max_len()
    }

    fn advance(&self, tokens: &[TokenId], state: &mut Self::State, want: Want) -> Result<Scores, DeviceError> {
        assert!(tokens != [BAD], "for this test");
        self.0.advance(tokens, state, want)
    }

    fn reorder(&self, state: &mut Self::State, parents: &[usize]) {
        self.0.reorder(state, parents);
    }
}

impl EncoderDecoder for Fragile {
    fn start(&self, source: &TokenMatrix) -> Self::State {
        assert!(source.row(0) != [BAD], "for this test");
        EncoderDecoder::start(&self.0, source)
    }
}

impl attentive_core::LanguageModel for Fragile {
    fn start(&self, n_rows: usize) -> Self::State {
        attentive_core::LanguageModel::start(&self.0, n_rows)
    }
}
