//! Translations under constraints over HTTP: met, as the library finds them, and whoever else asks.

use std::{num::NonZeroUsize, thread};

use attentive_backend::BackendKind;
use attentive_bundle::{
    Bundle, DecodingConfig, Input, Search, Term, Translation, TranslationConstraints, TranslationModel, Translator,
};
use attentive_decode::{Diversity, has_words};
use serde_json::{Value, json};

use crate::support::{self, Running};

const SENTENCES: [&str; 4] = ["the animal was tired", "the animal was too wide", "a street", "the end was an animal"];

/// The model that is served, in this process.
struct Library {
    translator: Translator<TranslationModel>,
    config: DecodingConfig,
}

impl Library {
    fn new() -> Self {
        let bundle = Bundle::read(support::path("marian")).unwrap();
        let translator = Translator::from_bundle(&bundle, &BackendKind::Flex.device().unwrap(), None).unwrap();
        let max_len = Some(bundle.decoding.max_len.unwrap_or(40).min(40));
        Self { translator, config: DecodingConfig { max_len, beam: 6, ..bundle.decoding.clone() } }
    }

    /// What it finds.
    fn found(
        &self,
        text: &str,
        prefix: Option<&str>,
        constraints: &TranslationConstraints,
        n: usize,
    ) -> Vec<Translation> {
        let prefixes: Vec<&str> = prefix.into_iter().collect();
        let search = Search::Constrained(constraints, NonZeroUsize::new(n).unwrap());
        self.translator.find(&[Input::from(text)], &prefixes, &self.config, search).unwrap().swap_remove(0)
    }
}

/// A request with these fields more, which keeps as many hypotheses as the library here.
fn request(text: &str, more: &Value) -> Value {
    let mut body = json!({ "model": "marian", "text": text, "beam": 6 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[track_caller]
fn is_same(answer: &Value, expected: &[Translation]) {
    let answered = answer["translations"].as_array().unwrap();
    assert_eq!(answered.len(), expected.len(), "{answer}");
    for (one, expected) in answered.iter().zip(expected) {
        assert_eq!(
            (one["text"].as_str(), one["finished"].as_bool()),
            (Some(&*expected.text), Some(expected.is_finished)),
        );
        // JSON's reader may miss the last digit.
        for (found, expected) in [("log_prob", expected.log_prob), ("score", expected.score)] {
            assert!((one[found].as_f64().unwrap() - expected).abs() < 1e-12 * expected.abs().max(1.0), "{answer}");
        }
    }
}

fn strings(phrases: &[&str]) -> Vec<String> {
    phrases.iter().map(|&phrase| phrase.to_owned()).collect()
}

#[test]
fn every_answer_keeps_to_its_constraints_and_is_the_librarys() {
    let (server, library) = (Running::of(&["marian"]), Library::new());
    let held = TranslationConstraints {
        required: strings(&["Ende"]),
        terms: vec![Term::new("animal", "das Tier"), Term::new("street", "eine Straße")],
        forbidden: strings(&["war", "zu"]),
        ..TranslationConstraints::default()
    };
    let more = json!({
        "must": ["Ende"], "terms": { "animal": "das Tier", "street": "eine Straße" }, "must_not": ["war", "zu"],
    });
    for text in SENTENCES {
        let answer = server.post("/api/translate", &request(text, &more)).ok();
        is_same(&answer, &library.found(text, None, &held, 1));
        let best = &answer["translations"][0];
        let translation = best["text"].as_str().unwrap();
        for phrase in held.required_of(text) {
            assert!(has_words(translation, phrase), "{phrase:?} is not in {translation:?}");
        }
        assert!(["war", "zu"].iter().all(|phrase| !has_words(translation, phrase)), "{translation:?}");
        assert_eq!(best["unmet"], json!([]));
    }
    // What has no room is told.
    let long = ["das Tier war zu müde"; 9].join(" ");
    let answer = server.post("/api/translate", &request("a street", &json!({ "must": [long] }))).ok();
    assert_eq!(answer["translations"][0]["unmet"], json!([long]));
}

#[test]
fn prefixes_alternatives_and_groups_are_the_librarys() {
    let (server, library) = (Running::of(&["marian"]), Library::new());
    let nothing = TranslationConstraints::default;
    let text = SENTENCES[0];
    let ask = |more: Value| server.post("/api/translate", &request(text, &more)).ok();

    let Library { translator, config } = &library;
    let plain = translator.complete(&[text], &["das Tier"], config, NonZeroUsize::MIN).unwrap().swap_remove(0);
    is_same(&ask(json!({ "prefix": "das Tier" })), &plain);
    let completes = TranslationConstraints { completes: true, ..nothing() };
    let answer = ask(json!({ "prefix": "das Ti", "complete": true }));
    is_same(&answer, &library.found(text, Some("das Ti"), &completes, 1));
    assert!(answer["translations"][0]["text"].as_str().unwrap().starts_with("das Ti"));
    let biased = TranslationConstraints { prefix_bias: Some(0.9), ..nothing() };
    is_same(
        &ask(json!({ "prefix": "ein Ende", "prefix_bias": 0.9 })),
        &library.found(text, Some("ein Ende"), &biased, 1),
    );
    let alternatives = TranslationConstraints { alternatives: true, ..nothing() };
    is_same(&ask(json!({ "prefix": "das", "alternatives": 3 })), &library.found(text, Some("das"), &alternatives, 3));
    let covering = TranslationConstraints { coverage_penalty: 0.4, ..nothing() };
    is_same(&ask(json!({ "coverage_penalty": 0.4 })), &library.found(text, None, &covering, 1));
    let diversity = Diversity { groups: 3, penalty: 2.0 };
    let groups = TranslationConstraints { diversity, ..nothing() };
    is_same(&ask(json!({ "groups": 3, "diversity": 2, "n_best": 3 })), &library.found(text, None, &groups, 3));
}

#[test]
fn the_tree_of_a_search_is_the_librarys() {
    let (server, library) = (Running::of(&["marian"]), Library::new());
    let text = SENTENCES[0];
    let Library { translator, config } = &library;
    let search = Search::Best(NonZeroUsize::new(2).unwrap());
    let (found, trace) = translator.trace(Input::from(text), "", config, search, 6).unwrap();
    let ask = |more: Value| server.post("/api/translate", &request(text, &more)).ok();
    let answer = ask(json!({ "tree": true, "n_best": 2 }));
    is_same(&answer, &found);
    let nodes = answer["tree"]["groups"][0].as_array().unwrap();
    let expected = &trace.trees()[0].nodes;
    assert_eq!(nodes.len(), expected.len());
    for (node, expected) in nodes.iter().zip(expected) {
        assert_eq!(
            (node["id"].as_u64(), node["parent"].as_u64()),
            (Some(u64::from(expected.token)), expected.parent.map(|parent| parent as u64))
        );
    }
    let plain = ask(json!({ "n_best": 2 }));
    let texts = |answer: &Value| -> Vec<Value> {
        answer["translations"].as_array().unwrap().iter().map(|one| one["text"].clone()).collect()
    };
    assert_eq!((texts(&plain), &plain["tree"]), (texts(&answer), &Value::Null));
    assert_eq!(ask(json!({ "tree": true, "groups": 2 }))["tree"]["groups"].as_array().unwrap().len(), 2);
    let blank = json!({ "text": " ", "tree": true });
    assert_eq!(server.post("/api/translate", &blank).ok()["tree"], Value::Null);
}

#[test]
fn requests_with_constraints_and_without_leave_one_another_alone() {
    let server = Running::of(&["marian"]);
    let more = [
        json!({}),
        json!({ "must": ["eine Straße", "Ende"] }),
        json!({ "must_not": ["das", "Tier"] }),
        json!({ "prefix": "das", "alternatives": 2 }),
        json!({ "groups": 2 }),
    ];
    let bodies: Vec<Value> = SENTENCES.iter().flat_map(|text| more.iter().map(|more| request(text, more))).collect();
    let alone: Vec<Value> = bodies.iter().map(|body| server.post("/api/translate", body).ok()).collect();
    thread::scope(|scope| {
        for (body, alone) in bodies.iter().zip(&alone) {
            let server = &server;
            scope.spawn(move || {
                for _ in 0..3 {
                    assert_eq!(&server.post("/api/translate", body).ok(), alone, "{body}");
                }
            });
        }
    });
}

#[test]
fn constraints_at_odds_are_refused_with_their_field() {
    let server = Running::of(&["marian"]);
    let many = |n: usize| (0..n).map(|idx| format!("a {idx}")).collect::<Vec<_>>();
    for (more, field, what) in [
        (json!({ "must": many(33) }), Some("must"), "33 phrases, and up to 32"),
        (json!({ "must_not": many(65) }), Some("must_not"), "up to 64"),
        (json!({ "must": [" "] }), Some("must"), "blank"),
        (json!({ "must_not": ["x".repeat(201)] }), Some("must_not"), "200 characters"),
        (json!({ "terms": { "animal": "" } }), Some("terms"), "blank"),
        (json!({ "terms": ["animal"] }), Some("terms"), "terms"),
        (json!({ "must": ["☃"] }), None, "can't be written"),
        (json!({ "prefix": "das ☃ ein" }), None, "can't be written"),
        (json!({ "must": ["das Tier"], "must_not": ["Tier"] }), None, "is required"),
        (json!({ "prefix_bias": 0.5 }), Some("prefix_bias"), "give one"),
        (json!({ "prefix": "das", "prefix_bias": 1 }), Some("prefix_bias"), "below 1"),
        (json!({ "prefix": "", "complete": true }), Some("complete"), "give one"),
        (json!({ "prefix": "das", "complete": true, "prefix_bias": 0.1 }), Some("complete"), "leave out prefix_bias"),
        (json!({ "alternatives": 2, "n_best": 2 }), Some("alternatives"), "leave out n_best"),
        (json!({ "alternatives": 0 }), Some("alternatives"), "from 1 to 64"),
        (json!({ "n_best": 3, "beam": 2 }), Some("n_best"), "more than the beam of 2"),
        (json!({ "alternatives": 2, "groups": 2 }), Some("groups"), "leave out alternatives"),
        (json!({ "alternatives": 2, "tree": true }), Some("tree"), "leave out alternatives"),
        (json!({ "tree": true, "beam": 17 }), Some("tree"), "up to 16"),
        (json!({ "groups": 5 }), Some("groups"), "groups"),
        (json!({ "diversity": 1 }), Some("diversity"), "say how many"),
        (json!({ "groups": 2, "diversity": -1 }), Some("diversity"), "at least 0"),
    ] {
        let answer = server.post("/api/translate", &request("the animal", &more));
        let body = answer.json();
        assert_eq!(answer.status, 400, "{more}: {body}");
        assert!(body.to_string().contains(what), "{more}: {body}");
        if let Some(field) = field {
            assert!(body.to_string().contains(field), "{more}: {body}");
        }
    }
}
