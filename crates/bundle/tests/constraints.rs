//! Translations under constraints, by models whose weights are drawn at random, over tokenizers that mark words in ways of their
//! own.

use std::{collections::HashSet, num::NonZeroUsize, sync::Arc};

use attentive_backend::BackendKind;
use attentive_bundle::{
    DecodingConfig, Input, Search, Term, TranslateError, Translation, TranslationConstraints, TranslationModel,
    Translator,
};
use attentive_decode::{Diversity, has_words};
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_tokenizer::{
    BpeTrainer, ByteLevelBpeTrainer, Bytes, Tokenizer, UnigramTrainer, WordPieceTrainer, with_tokens,
};

const LINES: [&str; 2] = ["to be or not to be, that is the question", "the bee is not that questionable"];

/// What vocabularies are learnt from.
const TEXTS: [&str; 3] = [LINES[0], LINES[1], "the gnu-bee or the bee-gnu"];

/// A token of vocabularies that are extended.
const ADDED: &str = "gnueb";

fn kinds() -> [Arc<dyn Tokenizer>; 5] {
    [
        Arc::new(BpeTrainer::with_merges(30).train(TEXTS).unwrap()),
        Arc::new(ByteLevelBpeTrainer::with_vocab_size(290).train(TEXTS).unwrap()),
        Arc::new(WordPieceTrainer::with_vocab_size(70).train(TEXTS).unwrap()),
        Arc::new(UnigramTrainer::with_vocab_size(300).train(TEXTS).unwrap()),
        Arc::new(Bytes::default()),
    ]
}

/// Those that are given, and the same with [`ADDED`].
fn tokenizers() -> impl Iterator<Item = Arc<dyn Tokenizer>> {
    let kinds = kinds();
    let extended = kinds.clone().map(|kind| Arc::from(with_tokens(&*kind, &[ADDED], false).unwrap()));
    kinds.into_iter().chain(extended)
}

fn translator(tokenizer: Arc<dyn Tokenizer>) -> Translator<TranslationModel> {
    let base = TransformerConfig::base(tokenizer.vocab_size());
    let small = TransformerConfig { d_model: 8, d_ff: 12, n_heads: 2, ..base };
    let config = TransformerConfig { n_encoder_layers: 1, n_decoder_layers: 1, ..small };
    let model = config.init(&BackendKind::Flex.device().unwrap(), 5).unwrap();
    Translator::new(TranslationModel::new(model, &config).unwrap(), tokenizer).unwrap()
}

fn n(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

fn find(
    translator: &Translator<TranslationModel>,
    prefix: &str,
    constraints: &TranslationConstraints,
    n: NonZeroUsize,
) -> Vec<Vec<Translation>> {
    let config = DecodingConfig { max_len_offset: 6, ..DecodingConfig::default() };
    let lines = LINES;
    let inputs: Vec<Input<'_>> = lines.iter().map(Input::from).collect();
    let prefixes = if prefix.is_empty() { Vec::new() } else { vec![prefix; LINES.len()] };
    translator.find(&inputs, &prefixes, &config, Search::Constrained(constraints, n)).unwrap()
}

fn strings<const N: usize>(phrases: [&str; N]) -> Vec<String> {
    phrases.map(str::to_owned).to_vec()
}

#[test]
fn required_phrases_are_there_as_whole_words() {
    for translator in tokenizers().map(translator) {
        let terms = [("question", "not to"), ("bee", ADDED), ("quest", "or")];
        let terms = terms.map(|(source, target)| Term::new(source, target));
        let constraints = TranslationConstraints {
            required: strings(["the bee", "be"]),
            terms: terms.to_vec(),
            ..Default::default()
        };
        assert_eq!(constraints.required_of(LINES[0]), ["the bee", "be", "not to"]);
        assert_eq!(constraints.required_of(LINES[1]), ["the bee", "be", ADDED]);
        for (line, found) in LINES.iter().zip(find(&translator, "", &constraints, n(2))) {
            for (_, one) in found.iter().enumerate().filter(|(at, one)| *at == 0 || one.is_finished) {
                for phrase in constraints.required_of(line) {
                    assert!(has_words(&one.text, phrase), "{phrase:?} is not in {:?}", one.text);
                }
                assert!(constraints.unmet(translator.tokenizer(), line, &one.text).is_empty());
            }
            let without = constraints.unmet(translator.tokenizer(), line, "the bees");
            assert_eq!(without, constraints.required_of(line));
        }
        // A blank line has a blank translation, which lacks what every one is to have.
        assert_eq!(constraints.unmet(translator.tokenizer(), " ", ""), ["the bee", "be"]);
    }
}

#[test]
fn terms_are_found_however_letters_and_spaces_are_written() {
    let terms = ["hot dog\tWurst", "caf\u{e9}\tLokal"].map(|line| line.parse().unwrap()).to_vec();
    let constraints = TranslationConstraints { terms, ..Default::default() };
    assert_eq!(constraints.required_of("a hot\u{a0} dog in the cafe\u{301}"), ["Wurst", "Lokal"]);
    assert!(constraints.required_of("hotdog, cafe").is_empty());
}

#[test]
fn forbidden_phrases_are_nowhere() {
    for translator in tokenizers().map(translator) {
        let mut forbidden: Vec<String> = Vec::new();
        // Whatever words it writes are forbidden in turn.
        for _ in 0..4 {
            let constraints = TranslationConstraints { forbidden: forbidden.clone(), ..Default::default() };
            for found in find(&translator, "", &constraints, n(3)).into_iter().flatten() {
                let is_there = |words: &&String| has_words(&found.text, words);
                assert_eq!(constraints.forbidden.iter().find(is_there), None, "{:?}", found.text);
                let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_alphabetic());
                forbidden.extend(found.text.split_whitespace().filter(is_word).map(str::to_owned));
            }
        }
    }
}

#[test]
fn a_typed_word_is_completed() {
    for translator in tokenizers().map(translator) {
        let plain = TranslationConstraints { completes: true, ..Default::default() };
        for prefix in ["not th", "th", "be ques", "qu", "t-b", "to be-o", "be gn", "the gnueb t"] {
            for found in find(&translator, prefix, &plain, n(2)).into_iter().flatten() {
                // WordPiece has spaces beside marks.
                let [text, begun] = [&found.text, prefix].map(|text| text.replace(' ', ""));
                assert!(text.starts_with(&begun), "{prefix:?} {:?}", found.text);
                let written = translator.tokenizer().decode(&translator.tokenizer().encode(prefix)).unwrap();
                assert!(written != prefix || found.text.starts_with(prefix), "{prefix:?} {:?}", found.text);
            }
            let constraints = TranslationConstraints { alternatives: true, ..plain.clone() };
            for found in find(&translator, prefix, &constraints, n(4)) {
                let texts: HashSet<_> = found.iter().map(|one| &one.text).collect();
                assert!(!found.is_empty() && texts.len() == found.len(), "{prefix:?} {texts:?}");
            }
        }
    }
}

#[test]
fn alternatives_differ_at_once_and_groups_are_a_list() {
    for translator in tokenizers().map(translator) {
        let constraints = TranslationConstraints { alternatives: true, ..Default::default() };
        let prefix = translator.tokenizer().encode_target("not to");
        for found in find(&translator, "not to", &constraints, n(6)) {
            let next: HashSet<_> = found.iter().map(|one| one.tokens.get(prefix.len())).collect();
            assert_eq!((found.len(), next.len()), (6, 6));
            assert!(found.iter().all(|one| one.tokens.starts_with(&prefix)));
            assert!(found.is_sorted_by(|a, b| a.token_log_probs[prefix.len()] >= b.token_log_probs[prefix.len()]));
        }
        let diversity = Diversity { groups: 2, penalty: 3.0 };
        let found = find(&translator, "", &TranslationConstraints { diversity, ..Default::default() }, n(4));
        for found in found {
            assert!(found.iter().map(|one| &one.tokens).collect::<HashSet<_>>().len() == found.len());
            let sum = |one: &Translation| one.token_log_probs.iter().map(|&p| f64::from(p)).sum::<f64>();
            assert!(found.iter().all(|one| (sum(one) - one.log_prob).abs() < 1e-6));
        }
    }
}

#[test]
fn a_text_is_translated_as_it_is_alone() {
    let terms = ["question\tnot to".parse().unwrap()].to_vec();
    for translator in tokenizers().map(translator) {
        let constraints = TranslationConstraints { terms: terms.clone(), ..Default::default() };
        let [alone, together] = [1, 10_000].map(|batch_tokens| {
            let config = DecodingConfig { max_len: Some(20), batch_tokens, ..DecodingConfig::default() };
            let texts = [LINES[0], LINES[1], "the gnu", "is it"].map(Input::from);
            translator.find(&texts, &[""; 0], &config, Search::Constrained(&constraints, n(3))).unwrap()
        });
        assert_eq!(alone, together);
    }
}

#[test]
fn constraints_that_no_text_can_have_are_refused() {
    let translator = translator(kinds()[2].clone());
    let refusal = |constraints: TranslationConstraints| {
        let (config, search) = (DecodingConfig::default(), Search::Constrained(&constraints, n(1)));
        translator.find(&[Input::from(&LINES[0])], &[""; 0], &config, search).unwrap_err()
    };
    for phrase in ["", " ", "日"] {
        let refused = refusal(TranslationConstraints { required: strings([phrase]), ..Default::default() });
        assert!(matches!(refused, TranslateError::Unwritable { .. }), "{phrase:?}: {refused}");
    }
    let both =
        TranslationConstraints { required: strings(["the bee"]), forbidden: strings(["bee"]), ..Default::default() };
    assert!(matches!(refusal(both), TranslateError::Contradiction { .. }));
    // A prefix is required as a phrase is; one that is preferred, or a word that is not finished, is not.
    let forbidding = TranslationConstraints { forbidden: strings(["bee"]), ..Default::default() };
    let begins = |constraints: &TranslationConstraints, prefix: &str| {
        let (config, search) = (DecodingConfig { max_len: Some(30), ..DecodingConfig::default() }, n(1));
        translator.find(&[Input::from(&LINES[0])], &[prefix], &config, Search::Constrained(constraints, search))
    };
    assert!(matches!(begins(&forbidding, "the bee"), Err(TranslateError::Contradiction { .. })));
    let completing = TranslationConstraints { completes: true, ..Default::default() };
    for prefix in ["the 日", "日"] {
        let refused = begins(&completing, prefix).unwrap_err();
        assert!(matches!(&refused, TranslateError::Unwritable { phrase } if phrase == "日"), "{refused}");
    }
    for (bias, completes) in [(None, false), (Some(0.5), false), (None, true)] {
        let constraints = TranslationConstraints { prefix_bias: bias, completes, ..Default::default() };
        let refused = begins(&constraints, "the 日 bee").unwrap_err();
        assert!(matches!(&refused, TranslateError::Unwritable { phrase } if phrase == "the 日 bee"), "{refused}");
    }
    assert!(begins(&forbidding, "the bees").is_ok());
    assert!(begins(&TranslationConstraints { prefix_bias: Some(0.5), ..forbidding.clone() }, "the bee").is_ok());
    assert!(begins(&TranslationConstraints { completes: true, ..forbidding }, "the bee").is_ok());
}

#[test]
fn a_phrase_is_forbidden_in_every_form_of_its_letters() {
    let translator = translator(kinds()[1].clone());
    let forms = ["caf\u{e9}", "cafe\u{301}"];
    for (forbidden, written) in forms.iter().flat_map(|a| forms.map(|b| (*a, b))) {
        let constraints = TranslationConstraints { forbidden: strings([forbidden]), ..Default::default() };
        let (config, search) = (DecodingConfig::default(), Search::Constrained(&constraints, n(1)));
        let found = translator.find(&[Input::from(&LINES[0])], &[format!("the {written}")], &config, search);
        assert!(matches!(found, Err(TranslateError::Contradiction { .. })), "{forbidden:?} {written:?}");
    }
}
