//! Students that learn from a teacher beside their data.

use std::fs;

use serde_json::Value;

use crate::support::{Folder, TINY, contains};

const SMALLER: &str = "d_model = 8\nd_ff = 8\nn_heads = 2\nn_encoder_layers = 1\nn_decoder_layers = 1\ndropout = 0.0\n";

/// The divergence of each update of a run.
fn divergences(folder: &Folder, run: &str) -> Vec<f64> {
    let text = fs::read_to_string(folder.path(run).join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line["scores"]["divergence"].as_f64()).collect()
}

fn model(folder: &Folder, run: &str) -> Vec<u8> {
    fs::read(folder.path(run).join("model.safetensors")).unwrap()
}

#[test]
fn a_translator_learns_what_its_teacher_expects() {
    let folder = Folder::new();
    folder.write_copying("teacher", [60, 0, 0], TINY);
    folder.succeed(&["train", "teacher.toml", "--set", "schedule.lr=1e-2"], "");
    folder.write_copying("student", [40, 20, 10], SMALLER);
    let of_teacher = ["train", "student.toml", "--set", "tokenizer.path=runs/teacher-1/tokenizer.json", "--set"];
    let distilled =
        [&of_teacher[..], &["distillation={teacher=\"runs/teacher-1\", weight=0.9, temperature=2.0, top_k=5}"]];
    let distilled = distilled.concat();
    let higher = ["--set", "schedule.lr=1e-2"];
    let shown = folder.succeed(&[&distilled[..], &higher].concat(), "");
    assert!(shown.contains("teacher   "), "{shown}");
    let found = divergences(&folder, "runs/student-1");
    assert!(found.len() == 40 && found[39] < 0.8 * found[0], "{found:?}");

    // It goes on to the same bytes, with the teacher that it began with alone, wherever that is now.
    folder.succeed(&[&distilled[..], &higher, &["--set", "training.steps=20"]].concat(), "");
    fs::rename(folder.path("runs/teacher-1"), folder.path("moved")).unwrap();
    let resume = ["train", "--resume", "runs/student-2", "--set", "training.steps=40", "--set"];
    let error = folder.fail(&resume[..5], "");
    contains(&error, &["distillation.teacher = ", "runs/teacher-1", "--set distillation.teacher=DIR"]);
    let resumed = folder.succeed(&[&resume[..], &["distillation.teacher=moved"]].concat(), "");
    assert!(model(&folder, "runs/student-1") == model(&folder, "runs/student-2"), "{resumed}");
    let error = folder.fail(&[&resume[..], &["distillation.teacher=runs/student-1"]].concat(), "");
    assert!(error.contains("has changed since the run began"), "{error}");

    let fails = |settings: &str| folder.fail(&[&of_teacher[..1], &["student.toml", "--set", settings]].concat(), "");
    let other = ["train", "student.toml", "--set", "tokenizer.merges=1", "--set", "distillation.teacher=moved"];
    let error = folder.fail(&other, "");
    assert!(error.contains("distillation.teacher: its ") && error.contains("tokenizer.path"), "{error}");
    assert!(fails("distillation.weight=0.5").contains("`teacher` is missing"));
    assert!(fails("distillation={teacher=\"nowhere\"}").contains("distillation.teacher = nowhere"));
    for setting in ["weight=0.0", "weight=1.1", "temperature=0.0", "top_k=0"] {
        let error = fails(&format!("distillation={{teacher=\"moved\", {setting}}}"));
        let key = setting.split('=').next().unwrap();
        assert!(error.contains(&format!("distillation.{key}")), "{error}");
    }
}

#[test]
fn translations_of_one_model_do_not_go_on_with_another_at_its_path() {
    let folder = Folder::new();
    folder.write_copying("copy", [6, 2, 3], TINY);
    folder.succeed(&["train", "copy.toml"], "");
    folder.succeed(&["train", "copy.toml", "--set", "schedule.lr=1e-2"], "");
    let rename = |from: &str, to: &str| fs::rename(folder.path(from), folder.path(to)).unwrap();
    rename("runs/copy-1", "teacher");
    let distill = |teacher| ["distill", "--model", teacher, "--out", "out.tsv", "text"];
    // The second block of lines is refused when the pairs of the first are written.
    fs::write(folder.path("text"), [b"ab\n".repeat(512), b"\xff\n".to_vec()].concat()).unwrap();
    let error = folder.fail(&distill("teacher"), "");
    assert!(folder.path("out.tsv.progress").exists(), "{error}");
    folder.write("text", &"ab\n".repeat(513));
    rename("teacher", "moved");
    rename("runs/copy-2", "teacher");
    contains(&folder.fail(&distill("teacher"), ""), &["was begun with another model"]);
    folder.succeed(&distill("moved"), "");
}

#[test]
fn settings_of_a_search_are_refused_if_translations_are_drawn() {
    let folder = Folder::new();
    folder.write("text", "ab\n");
    let distill = ["distill", "--seed", "1", "--out", "out", "text"];
    let fails = |flags: &[&str]| folder.fail(&[&distill[..], flags].concat(), "");
    let reference = ["--reference", "text"];
    for flags in [["--beam", "2"], ["--length-penalty", "1"], ["--beam-rules", "early"]] {
        contains(&fails(&flags), &["leave out one or the other"]);
        // With references, the beam is how many are drawn: what is missing is the model.
        let error = fails(&[flags, reference].concat());
        assert_eq!(error.contains("leave out one or the other"), flags[0] != "--beam", "{error}");
    }
    folder.write_copying("copy", [2, 0, 0], TINY);
    folder.succeed(&["train", "copy.toml"], "");
    let alone = folder.fail(&["distill", "--beam", "1", "--reference", "text", "--out", "out", "text"], "");
    contains(&alone, &["as the beam is wide, which is 1"]);
    contains(&folder.fail(&["backtranslate", "--tag", " ", "--out", "out", "text"], ""), &["is blank"]);
}

#[test]
fn a_language_model_learns_what_its_teacher_expects() {
    let folder = Folder::new();
    folder.write("text.txt", &"the animal was tired\na street was too wide\n".repeat(30));
    let recipe = |name: &str, d_model: usize| {
        format!(
            r#"
name = "{name}"
task = "causal-lm"
data.train = {{ text = "text.txt", documents = "line" }}
data.validation_fraction = 0.1
tokenizer.merges = 20
model = {{ d_model = {d_model}, d_ff = 16, n_heads = 2, n_layers = 1, dropout = 0.0, positions = {{ learned = {{ max_len = 16 }} }} }}
batch = {{ context = 16, rows = 4 }}
schedule = {{ kind = "constant", lr = 1e-2 }}
training = {{ steps = 30, checkpoint_every = 10 }}
evaluation.samples = 0
"#
        )
    };
    folder.write("teacher.toml", &recipe("teacher", 16));
    folder.write("student.toml", &recipe("student", 8));
    folder.succeed(&["train", "teacher.toml"], "");
    let student = ["train", "student.toml", "--set", "distillation.teacher=runs/latest", "--set"];
    let tokenizer = "tokenizer.path=runs/teacher-1/tokenizer.json";
    folder.succeed(&[&student[..], &[tokenizer]].concat(), "");
    let found = divergences(&folder, "runs/student-1");
    assert!(found.len() == 30 && found[29] < 0.5 * found[0], "{found:?}");
    // The run records the teacher's own folder, and not the link that led to it.
    let config = fs::read_to_string(folder.path("runs/student-1/config.toml")).unwrap();
    assert!(config.contains("runs/teacher-1\"") && !config.contains("runs/latest"), "{config}");

    let longer = ["batch.context=32", "--set", "model.positions={rotary={}}", "--set", tokenizer];
    let of_teacher = ["train", "student.toml", "--set", "distillation.teacher=runs/teacher-1", "--set"];
    let error = folder.fail(&[&of_teacher[..], &longer].concat(), "");
    assert!(error.contains("batch.context = 32 is longer than the 16 tokens that the teacher reads"), "{error}");
    folder.write_copying("translator", [1, 0, 0], TINY);
    folder.succeed(&["train", "translator.toml"], "");
    let other = ["train", "student.toml", "--set", "distillation.teacher=runs/translator-1", "--set"];
    let error = folder.fail(&[&other[..], &["tokenizer.path=runs/translator-1/tokenizer.json"]].concat(), "");
    assert!(error.contains("distillation.teacher: a transformer is an encoder-decoder"), "{error}");
}
