//! Chat templates in every place that transformers keeps or kept them in.

use std::{fs, path::Path};

use attentive_bundle::{Bundle, Message};
use attentive_interchange::{ExportConfig, Format, ImportConfig, Imported, export, import};
use attentive_testkit::Golden;
use serde_json::{Value, json};

const TEMPLATE: &str = "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}";

/// The golden GPT-2 with these files beside it.
fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(Golden::of(env!("CARGO_MANIFEST_DIR")).path("gpt2")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn read(folder: &Path) -> Imported {
    import(folder, &ImportConfig::default()).unwrap()
}

fn settings(more: &Value) -> (&'static str, String) {
    let mut settings = json!({ "tokenizer_class": "GPT2Tokenizer", "bos_token": null, "eos_token": "<|endoftext|>" });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ("tokenizer_config.json", settings.to_string())
}

fn text(bundle: &Bundle) -> Option<String> {
    bundle.chat.as_ref().map(|template| template.text().to_owned())
}

#[test]
fn a_template_is_found_wherever_it_is() {
    let other = || "{{ messages }}".to_owned();
    let named = json!([{ "name": "tool_use", "template": "t" }, { "name": "default", "template": TEMPLATE }]);
    let left_out = |file: &str| vec![format!("{file}: chat templates beside the default one are left out: tool_use")];
    for (files, notes) in [
        (vec![settings(&json!({ "chat_template": TEMPLATE }))], vec![]),
        (vec![settings(&json!({ "chat_template": named }))], left_out("tokenizer_config.json")),
        (
            vec![settings(&json!({ "chat_template": { "tool_use": "t", "default": TEMPLATE } }))],
            left_out("tokenizer_config.json"),
        ),
        (vec![settings(&json!({ "chat_template": other() })), ("chat_template.jinja", TEMPLATE.into())], vec![]),
        (vec![settings(&json!({})), ("chat_template.json", json!({ "chat_template": TEMPLATE }).to_string())], vec![]),
        (
            vec![
                settings(&json!({})),
                ("chat_template.jinja", TEMPLATE.into()),
                ("additional_chat_templates/tool_use.jinja", other()),
            ],
            left_out("chat_template.jinja"),
        ),
    ] {
        let folder = folder(&files);
        let Imported { bundle, notes: found, .. } = read(folder.path());
        assert_eq!(found, notes);
        assert_eq!(text(&bundle).as_deref(), Some(TEMPLATE), "{files:?}");
        // A token that the settings call null is none, whatever the vocabulary has.
        let rendered = bundle.chat.as_ref().unwrap().render(&vec![Message::user("a")].into(), false).unwrap();
        assert_eq!(rendered, "a<|endoftext|>");
        let out = tempfile::tempdir().unwrap();
        export(&bundle, Format::Gpt2, &ExportConfig::default(), out.path()).unwrap();
        assert_eq!(fs::read_to_string(out.path().join("chat_template.jinja")).unwrap(), TEMPLATE);
        assert_eq!(read(out.path()).bundle.chat, bundle.chat);
    }
}

#[test]
fn what_is_not_a_template_is_told() {
    let none = read(folder(&[settings(&json!({ "chat_template": null }))]).path());
    assert_eq!((text(&none.bundle), none.notes.len()), (None, 0));
    let only_tools = json!([{ "name": "tool_use", "template": "t" }]);
    let Imported { bundle, notes, .. } = read(folder(&[settings(&json!({ "chat_template": only_tools }))]).path());
    assert_eq!(text(&bundle), None);
    assert_eq!(notes, ["tokenizer_config.json: chat templates without a default one are left out: tool_use"]);
    let Imported { bundle, notes, .. } = read(folder(&[("chat_template.jinja", "a\n{% if %}".into())]).path());
    assert_eq!(text(&bundle), None);
    assert!(notes.len() == 1 && notes[0].contains("line 2"), "{notes:?}");
    assert!(notes[0].starts_with("the chat template of chat_template.jinja is left out"), "{notes:?}");
    let odd = folder(&[settings(&json!({ "chat_template": 3 }))]);
    let error = import(odd.path(), &ImportConfig::default()).unwrap_err().to_string();
    assert!(error.contains("tokenizer_config.json") && error.contains("chat_template"), "{error}");
}

#[test]
fn ids_that_end_an_answer_are_brought_in_and_out() {
    let folder = folder(&[("generation_config.json", json!({ "eos_token_id": [258, 7, 9] }).to_string())]);
    let Imported { bundle, notes, .. } = read(folder.path());
    assert_eq!((&bundle.generation.ends[..], notes.len()), (&[258, 7, 9][..], 0), "{notes:?}");
    let out = tempfile::tempdir().unwrap();
    export(&bundle, Format::Gpt2, &ExportConfig::default(), out.path()).unwrap();
    assert_eq!(read(out.path()).bundle.generation, bundle.generation);
    fs::write(folder.path().join("generation_config.json"), json!({ "eos_token_id": [7, 99_999] }).to_string())
        .unwrap();
    let Imported { bundle, notes, .. } = read(folder.path());
    assert!(bundle.generation.ends.is_empty() && notes[0].contains("eos_token_id = [7,99999]"), "{notes:?}");
    // A null there leaves what config.json says.
    let config = folder.path().join("config.json");
    let mut settings: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    settings["eos_token_id"] = json!([258, 9]);
    fs::write(config, settings.to_string()).unwrap();
    fs::write(folder.path().join("generation_config.json"), json!({ "eos_token_id": null }).to_string()).unwrap();
    assert_eq!(read(folder.path()).bundle.generation.ends, [258, 9]);
}
