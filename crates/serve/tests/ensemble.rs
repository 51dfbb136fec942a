//! Models that decide together over HTTP: as the library's, alone and among others, and swapped when a folder changes.

use std::{fs, num::NonZeroUsize, path::Path, thread};

use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, DecodingConfig, Translator};
use attentive_decode::Combination;
use attentive_serve::{ModelSource, ServeConfig, Server};
use serde_json::{Value, json};

use crate::support::{self, Running};

const SENTENCES: [&str; 4] = ["the animal was tired", "the animal was too wide", "a street", "the end was an animal"];

/// The served model, with its weights a little moved.
fn moved() -> Bundle {
    let mut bundle = Bundle::read(support::path("marian")).unwrap();
    for (number, value) in bundle.params.values_mut().flat_map(|tensor| &mut tensor.values).enumerate() {
        *value += 0.02 * ((number * 7 % 11) as f32 - 5.0);
    }
    bundle
}

/// A server of the model `marian` that decides together with that of `folder`.
fn config(folder: &Path) -> ServeConfig {
    let mut config = support::config(&["marian"]);
    config.models[0].with.push(folder.to_owned());
    config
}

/// The two best translations of a text that are answered, with their log-probabilities, to the last digits that JSON's reader
/// may miss.
fn answered(server: &Running, text: &str) -> Vec<(String, String)> {
    let answer = server.post("/api/translate", &json!({ "text": text, "n_best": 2, "beam": 4 })).ok();
    let one = |one: &Value| told(one["text"].as_str().unwrap(), one["log_prob"].as_f64().unwrap());
    answer["translations"].as_array().unwrap().iter().map(one).collect()
}

fn told(text: &str, log_prob: f64) -> (String, String) {
    (text.to_owned(), format!("{log_prob:.9}"))
}

/// The same of the library.
fn found(bundles: &[Bundle], together: (&[f64], Combination), text: &str) -> Vec<(String, String)> {
    let device = BackendKind::Flex.device().unwrap();
    let translator = Translator::from_ensemble(bundles, &device, None, together).unwrap();
    let own = &bundles[0].decoding;
    let config = DecodingConfig { max_len: Some(own.max_len.unwrap_or(40).min(40)), beam: 4, ..own.clone() };
    let found = translator.translate_n_best(&[text], &config, NonZeroUsize::new(2).unwrap()).unwrap();
    found[0].iter().map(|one| told(&one.text, one.log_prob)).collect()
}

#[test]
fn models_that_decide_together_answer_as_in_the_library_alone_and_among_others() {
    let folder = tempfile::tempdir().unwrap();
    let bundles = [Bundle::read(support::path("marian")).unwrap(), moved()];
    bundles[1].save(folder.path().join("moved")).unwrap();
    for (weights, combination) in [(vec![], Combination::Linear), (vec![1.0, 2.0], Combination::LogLinear)] {
        let expected = SENTENCES.map(|text| found(&bundles, (&weights, combination), text));
        let alone = SENTENCES.map(|text| found(&bundles[..1], (&[], combination), text));
        assert_ne!(expected, alone, "the other matters");
        let mut config = config(&folder.path().join("moved"));
        let first = config.models.remove(0);
        config.models.push(ModelSource { weights, combination, ..first });
        let server = Running::new(config);
        assert_eq!(SENTENCES.map(|text| answered(&server, text)), expected);
        thread::scope(|scope| {
            let server = &server;
            let ask = |n: usize| scope.spawn(move || answered(server, SENTENCES[n % SENTENCES.len()]));
            let asking: Vec<_> = (0..24).map(ask).collect();
            for (n, asking) in asking.into_iter().enumerate() {
                assert_eq!(asking.join().unwrap(), expected[n % 4]);
            }
        });
    }
}

#[test]
fn several_models_tell_no_attention() {
    let folder = tempfile::tempdir().unwrap();
    moved().save(folder.path().join("moved")).unwrap();
    let server = Running::new(config(&folder.path().join("moved")));
    let models = server.get("/api/models").ok();
    let model = &models["models"][0];
    assert_eq!((&model["n_models"], &model["attention"]), (&json!(2), &json!(false)));
    assert_eq!(model["n_parameters"], json!(2 * moved().model.n_params()));
    let body = json!({ "text": SENTENCES[0], "attention": true, "alignment": true });
    let answer = server.post("/api/translate", &body).ok();
    assert_eq!(answer["attention"]["cross"]["layers"], json!(0));
    assert_eq!(answer["translations"][0]["alignment"], json!([]));
    let html = json!({ "q": "the <b>animal</b>", "source": "en", "target": "de", "format": "html" });
    assert!(server.post("/translate", &html).ok()["translatedText"].is_string());
}

#[test]
fn a_change_of_any_of_the_folders_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (member, keys) = (folder.path().join("moved"), folder.path().join("keys"));
    moved().save(&member).unwrap();
    fs::write(&keys, "a-key-of-24-characters-01\n").unwrap();
    let server = Running::new(ServeConfig { keys: Some(keys), ..config(&member) });
    let key = ("authorization", "Bearer a-key-of-24-characters-01");
    let reload = || server.send("POST", "/admin/reload", &[key], b"").ok();
    let ask = || {
        let body = json!({ "text": SENTENCES[0] }).to_string();
        server.send("POST", "/api/translate", &[key], body.as_bytes()).ok()["translations"][0]["log_prob"].clone()
    };
    assert_eq!(reload()["unchanged"], json!(["marian"]));
    let before = ask();
    Bundle::read(support::path("marian")).unwrap().replace(&member).unwrap();
    assert_eq!(reload()["loaded"], json!(["marian"]));
    let after = ask();
    assert_ne!(after, before);
    fs::remove_dir_all(&member).unwrap();
    assert_eq!((reload()["failed"].clone(), ask()), (json!(["marian"]), after));
}

#[test]
fn models_that_can_not_decide_together_are_refused_at_start() {
    let refused = |name: &str, with: &str, weights: &[f64], said: [&str; 2]| {
        let mut config = support::config(&[name]);
        config.models[0].with.push(support::path(with));
        config.models[0].weights = weights.to_vec();
        let error = Server::new(config, |_| ()).unwrap_err().to_string();
        assert!(said.iter().all(|part| error.contains(part)), "{error}");
    };
    refused("marian", "opus", &[], ["opus has another tokenizer than", "marian"]);
    refused("marian", "gpt2", &[], ["gpt2", "another tokenizer"]);
    refused("gpt2", "gpt2", &[], ["gpt2 is a language-model", "only translation models are served together"]);
    refused("marian", "marian", &[1.0, 1.0, 1.0], ["3 weights for 2 models", "no ensemble"]);
}
