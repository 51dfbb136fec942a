//! A shortlist in a model's folder, and translations that are held to it.

use std::{cell::Cell, fs, num::NonZeroUsize, path::Path, rc::Rc, sync::Arc};

use attentive_backend::BackendKind;
use attentive_bundle::{
    Bundle, BundleError, DecodingConfig, Input, Search, Shortlist, TranslateError, Translation, TranslationConstraints,
    TranslationModel, TranslationState, Translator,
};
use attentive_core::{DeviceError, EncoderDecoder, NextToken, Scores, TokenId, TokenMatrix, Want};
use attentive_decode::{Combination, JointModel, SamplingConfig};
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_tokenizer::{BpeTrainer, Tokenizer};

fn bundle() -> Bundle {
    let tokenizer: Box<dyn Tokenizer> =
        Box::new(BpeTrainer::with_merges(5).train(["to be or not to be, the bee"]).unwrap());
    let small =
        TransformerConfig { d_model: 4, d_ff: 6, n_heads: 2, ..TransformerConfig::base(tokenizer.vocab_size()) };
    let config = TransformerConfig { n_encoder_layers: 1, n_decoder_layers: 1, ..small };
    let params = attentive_weights::params(&config.init(&BackendKind::Flex.device().unwrap(), 1).unwrap());
    Bundle::new("", config, tokenizer, params)
}

fn with(shortlist: Shortlist) -> Bundle {
    Bundle { shortlist: Some(Arc::new(shortlist)), ..bundle() }
}

/// The error of a bundle with this shortlist.
fn refused(shortlist: Shortlist, folder: &Path) -> BundleError {
    with(shortlist).replace(folder).unwrap();
    Bundle::open(folder).unwrap_err()
}

#[test]
fn a_shortlist_is_kept_in_the_folder_and_gives_way_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let shortlist = Shortlist::new(vec![4, 2], [(3, vec![6, 5]), (7, vec![1])]);
    with(shortlist.clone()).save(&path).unwrap();
    for read in [Bundle::read(&path).unwrap().shortlist, Bundle::open(&path).unwrap().shortlist] {
        assert_eq!(read.as_deref(), Some(&shortlist));
    }
    let with_it = Bundle::sum(&path).unwrap();
    bundle().replace(&path).unwrap();
    assert!(Bundle::open(&path).unwrap().shortlist.is_none() && !path.join("shortlist.json").exists());
    assert_ne!(Bundle::sum(&path).unwrap(), with_it, "the sum of a model is that of its shortlist too");
}

#[test]
fn a_shortlist_that_was_changed_or_is_of_another_vocabulary_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let n = bundle().model.vocab_size() as u32;
    for (shortlist, says) in [
        (Shortlist::new(vec![n], []), "target token"),
        (Shortlist::new(vec![], [(0, vec![1, n])]), "target token"),
        (Shortlist::new(vec![], [(n, vec![1])]), "source token"),
    ] {
        let error = refused(shortlist, folder.path());
        assert!(matches!(&error, BundleError::Damaged { path, .. } if path.ends_with("shortlist.json")), "{error}");
        assert!(error.to_string().contains(&format!("the {says} {n}")), "{error}");
    }
    with(Shortlist::new(vec![n - 1], [])).replace(folder.path()).unwrap();
    let path = folder.path().join("shortlist.json");
    fs::write(&path, "{}").unwrap();
    let error = Bundle::open(folder.path()).unwrap_err();
    assert!(matches!(&error, BundleError::Changed { path: found } if *found == path), "{error}");
    fs::remove_file(&path).unwrap();
    let error = Bundle::open(folder.path()).unwrap_err();
    assert!(matches!(&error, BundleError::MissingPart { path: found } if *found == path), "{error}");
}

const LINES: [&str; 3] = ["to be or not", "the bee", "to be"];

/// A translator of a model with random weights that has a shortlist.
fn translator(shortlist: impl Fn(&dyn Tokenizer) -> Shortlist) -> Translator<TranslationModel> {
    let bundle = bundle();
    let shortlist = Some(Arc::new(shortlist(&**bundle.tokenizer().unwrap())));
    let bundle = Bundle { shortlist, ..bundle };
    Translator::from_bundle(&bundle, &BackendKind::Flex.device().unwrap(), None).unwrap()
}

/// For each token of the lines itself and the token after it.
fn neighbours(tokenizer: &dyn Tokenizer) -> Shortlist {
    let ids = LINES.iter().flat_map(|line| tokenizer.encode(line));
    Shortlist::new(
        vec![tokenizer.encode("or")[0]],
        ids.map(|id| (id, vec![id, (id + 1) % tokenizer.vocab_size() as u32])),
    )
}

fn config() -> DecodingConfig {
    DecodingConfig { max_len_offset: 4, ..DecodingConfig::default() }
}

fn two() -> NonZeroUsize {
    NonZeroUsize::new(2).unwrap()
}

/// Translations by each kind of search.
fn searches<M: EncoderDecoder>(
    translator: &Translator<M>,
    texts: &[&str],
    config: &DecodingConfig,
) -> Vec<Vec<Vec<Translation>>> {
    let sampling = SamplingConfig { seed: 3, ..SamplingConfig::default() };
    let inputs: Vec<Input<'_>> = texts.iter().map(Input::from).collect();
    let alternatives = TranslationConstraints { alternatives: true, ..TranslationConstraints::default() };
    let greedy = DecodingConfig { beam: 1, ..config.clone() };
    let find = |config, search| translator.find(&inputs, &[""; 0], config, search).unwrap();
    vec![
        find(config, Search::Best(two())),
        find(&greedy, Search::Best(NonZeroUsize::MIN)),
        find(config, Search::Random(&sampling, two())),
        find(config, Search::Constrained(&alternatives, two())),
    ]
}

#[test]
fn translations_are_of_the_shortlist_s_tokens_alone_and_in_batches() {
    let translator = translator(neighbours);
    let tokenizer = translator.tokenizer();
    let list = neighbours(tokenizer);
    let together = searches(&translator, &LINES, &config());
    for (at, line) in LINES.iter().enumerate() {
        let allowed = list.of(&tokenizer.encode(line));
        assert!(allowed.len() < tokenizer.vocab_size(), "there are others");
        let alone = searches(&translator, &[line], &config());
        for (together, alone) in together.iter().zip(&alone) {
            assert_eq!(together[at], alone[0]);
            for one in &together[at] {
                assert!(one.tokens.iter().all(|token| allowed.contains(token)), "{one:?} of {allowed:?}");
            }
        }
    }
    assert!(together.iter().flatten().flatten().any(|one| one.tokens.len() > 1));
    let joint = translator.over(JointModel::new(model_of(&bundle())));
    assert_eq!(searches(&joint, &LINES, &config()), together, "searches that share a model");
}

fn model_of(bundle: &Bundle) -> TranslationModel {
    bundle.translation_model(&BackendKind::Flex.device().unwrap(), None).unwrap()
}

#[test]
fn a_shortlist_of_all_tokens_and_one_that_is_not_followed_change_nothing() {
    let all = |tokenizer: &dyn Tokenizer| Shortlist::new((0..tokenizer.vocab_size() as u32).collect(), []);
    let free = Translator::new(model_of(&bundle()), bundle().tokenizer().unwrap().clone()).unwrap();
    let off = DecodingConfig { shortlist: false, ..config() };
    let expected = searches(&free, &LINES, &config());
    assert_eq!(searches(&translator(neighbours), &LINES, &off), expected);
    let tokens = |found: Vec<Vec<Vec<Translation>>>| -> Vec<Vec<u32>> {
        found.into_iter().flatten().flatten().map(|one| one.tokens).collect()
    };
    assert_eq!(tokens(searches(&translator(all), &LINES, &config())), tokens(expected));
}

#[test]
fn what_a_translation_is_asked_to_have_is_in_the_shortlist() {
    let translator = translator(|_| Shortlist::default());
    let inputs: Vec<Input<'_>> = LINES.iter().map(Input::from).collect();
    let asked = TranslationConstraints { required: vec!["not to".into()], ..TranslationConstraints::default() };
    let long = DecodingConfig { max_len_offset: 12, ..config() };
    let found = translator.find(&inputs, &["be", "or", "to"], &long, Search::Constrained(&asked, two())).unwrap();
    for (best, prefix) in found.iter().zip(["be", "or", "to"]) {
        let text = &best[0].text;
        assert!(text.starts_with(prefix) && text.contains("not to"), "{text}");
    }
    let empty = translator.translate(&LINES, &config()).unwrap();
    assert!(empty.iter().all(|one| one.tokens.is_empty() && one.is_finished && one.log_prob.abs() < 1e-6), "{empty:?}");
    let forced = DecodingConfig { forced_first: Some(7), ..config() };
    let found = translator.translate(&LINES, &forced).unwrap();
    assert!(found.iter().all(|one| !one.tokens.is_empty() && one.tokens.iter().all(|&token| token == 7)), "{found:?}");
}

#[test]
fn models_that_decide_together_are_held_to_the_first_one_s_shortlist() {
    let (device, list) = (BackendKind::Flex.device().unwrap(), neighbours(&**bundle().tokenizer().unwrap()));
    // The same weights twice, so that together they decide as each alone.
    let bundles = [with(list), bundle()];
    let tokens = |translator: &Translator<TranslationModel>| -> Vec<Vec<u32>> {
        let found = searches(translator, &LINES, &config());
        found.into_iter().flatten().flatten().map(|one| one.tokens).collect()
    };
    let alone = tokens(&Translator::from_bundle(&bundles[0], &device, None).unwrap());
    for combination in [Combination::Linear, Combination::LogLinear] {
        let together = Translator::from_ensemble(&bundles, &device, None, (&[], combination)).unwrap();
        assert_eq!(tokens(&together), alone);
    }
    let free = tokens(&Translator::from_bundle(&bundles[1], &device, None).unwrap());
    assert_ne!(free, alone, "the shortlist matters");
}

/// A model that counts how often its states are held to tokens.
struct Counting {
    model: TranslationModel,
    n_held: Rc<Cell<usize>>,
}

impl NextToken for Counting {
    type State = TranslationState;

    fn vocab_size(&self) -> usize {
        self.model.vocab_size()
    }

    fn max_len(&self) -> Option<usize> {
        self.model.max_len()
    }

    fn advance(&self, tokens: &[TokenId], state: &mut TranslationState, want: Want) -> Result<Scores, DeviceError> {
        self.model.advance(tokens, state, want)
    }

    fn restricts(&self) -> bool {
        self.model.restricts()
    }

    fn restrict(&self, state: &mut TranslationState, allowed: &[Vec<TokenId>]) {
        self.n_held.set(self.n_held.get() + 1);
        self.model.restrict(state, allowed);
    }

    fn reorder(&self, state: &mut TranslationState, parents: &[usize]) {
        self.model.reorder(state, parents);
    }
}

impl EncoderDecoder for Counting {
    fn start(&self, source: &TokenMatrix) -> TranslationState {
        self.model.start(source)
    }
}

#[test]
fn words_that_are_completed_need_no_copy_of_the_projection() {
    let (bundle, n_held) = (bundle(), Rc::new(Cell::new(0)));
    let tokenizer = bundle.tokenizer().unwrap().clone();
    let free = Translator::new(model_of(&bundle), tokenizer.clone()).unwrap();
    let counting = Counting { model: model_of(&bundle), n_held: Rc::clone(&n_held) };
    let list = Shortlist::new(tokenizer.encode("bee"), []);
    let translator = Translator::new(counting, tokenizer).unwrap().with_shortlist(Some(Arc::new(list)));
    let inputs: Vec<Input<'_>> = LINES.iter().map(Input::from).collect();
    for alternatives in [false, true] {
        let asked = TranslationConstraints { completes: true, alternatives, ..TranslationConstraints::default() };
        let search = Search::Constrained(&asked, two());
        let typed = translator.find(&inputs, &["be n", "t", "or be"], &config(), search).unwrap();
        assert_eq!(typed, free.find(&inputs, &["be n", "t", "or be"], &config(), search).unwrap());
        assert_eq!(n_held.get(), 0);
        let some = translator.find(&inputs, &["be n", "t", "or "], &config(), search).unwrap();
        assert_eq!(some[..2], typed[..2], "the last one, which is held to tokens, does not matter to the others");
        assert!(n_held.replace(0) > 0);
    }
}

#[test]
fn a_model_that_scores_every_token_is_not_held_to_a_shortlist() {
    let bundle = with(Shortlist::default());
    let device = BackendKind::NdArray.device().unwrap();
    let translator = Translator::from_bundle(&bundle, &device, None).unwrap();
    let refused = translator.translate(&LINES, &config());
    assert!(matches!(refused, Err(TranslateError::Shortlist)), "{refused:?}");
    let off = DecodingConfig { shortlist: false, ..config() };
    assert_eq!(translator.translate(&LINES, &off).unwrap().len(), 3);
}
