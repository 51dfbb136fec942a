//! Prefixes that are preferred, and alternatives after one, against CTranslate2 (`tests/golden/generate_constraints.py`).

use std::num::NonZeroUsize;

use attentive_backend::BackendKind;
use attentive_bundle::{DecodingConfig, Input, Search, TranslationConstraints, Translator};
use serde_json::Value;

use crate::support::{field, golden, read};

#[test]
fn prefixes_lead_where_they_do_in_ctranslate2() {
    let device = BackendKind::Flex.device().unwrap();
    for case in golden().cases("constraints.json") {
        let bundle = read(&golden().path(case["name"].as_str().unwrap())).unwrap().bundle;
        let translator = Translator::from_bundle(&bundle, &device, None).unwrap();
        let texts: Vec<String> = field(&case, "texts");
        let inputs: Vec<Input<'_>> = texts.iter().map(Input::from).collect();
        let prefixes = vec![field::<String>(&case, "prefix"); texts.len()];
        let n = case.get("alternatives").and_then(Value::as_u64).map(|n| NonZeroUsize::new(n as usize).unwrap());
        let constraints = TranslationConstraints {
            prefix_bias: case.get("beta").and_then(Value::as_f64),
            alternatives: n.is_some(),
            ..TranslationConstraints::default()
        };
        let greedy = DecodingConfig { beam: 1, length_penalty: 0.0, max_len: Some(12), ..bundle.decoding.clone() };
        let search = Search::Constrained(&constraints, n.unwrap_or(NonZeroUsize::MIN));
        let found = translator.find(&inputs, &prefixes, &greedy, search).unwrap();
        let tokens = |found: &[u32]| -> Vec<String> {
            found.iter().map(|&id| translator.tokenizer().token(id).unwrap().into_owned()).collect()
        };
        let found: Vec<Vec<Vec<String>>> =
            found.iter().map(|all| all.iter().map(|one| tokens(&one.tokens)).collect()).collect();
        assert_eq!(found, field::<Vec<Vec<Vec<String>>>>(&case, "translations"), "{}", case["prefix"]);
    }
}
