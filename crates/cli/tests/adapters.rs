//! Adapters over models in use: every command says what it says of a model that the adapter was merged into.

use std::fs;

use crate::support::{COPIED, Folder, TINY, contains, golden};

/// An adapter on the model of the run before, which changes it much.
const TUNED: &str = r#"
name = "tuned"
pretrained = "runs/copy-1"
data.train.tsv = "pairs.tsv"
data.validation.tsv = "pairs.tsv"
batch.max_tokens = 256
evaluation = { bleu_sentences = 2, average_last = 1 }
adapter = { rank = 2, targets = ["encoder", "decoder"] }
schedule = { kind = "constant", lr = 1e-2 }
training = { steps = 8 }
"#;

/// What a command says of a model.
fn said(folder: &Folder, call: &[&str], model: &str) -> String {
    folder.succeed(&[call, &["--model", model]].concat(), "")
}

#[test]
fn a_language_model_with_peft_s_adapter_is_the_merged_one() {
    let folder = Folder::new();
    folder.import("gpt2", "before");
    folder.write("lines", "the animal\n");
    folder.write("labels", "the\tA\nanimal\tB\n");
    let peft = golden("peft-gpt2").display().to_string();
    folder.succeed(&["merge", "--model", "before", "--adapter", &peft, "--out", "merged"], "");
    let over = format!("before+{peft}");
    let calls: [&[&str]; 6] = [
        &["lens", "the animal"],
        &["saliency", "--steps", "3", "the animal"],
        &["attention", "--word", "animal", "the animal"],
        &["heads", "--data", "lines"],
        &["probe", "--data", "labels", "--test", "labels"],
        &["selftest"],
    ];
    let of_all = |model: &str| calls.map(|call| said(&folder, call, model));
    let merged = of_all("merged");
    assert_eq!(of_all(&over), merged);
    assert_ne!(of_all("before"), merged);

    // A model of which a part was taken out has the adapter in it.
    for (model, out) in [("merged", "pruned"), (over.as_str(), "pruned-over")] {
        folder.succeed(&["prune-heads", "--model", model, "--heads", "decoder.0.self:0", "--out", out], "");
    }
    let [pruned, pruned_over] =
        ["pruned", "pruned-over"].map(|name| fs::read(folder.path(name).join("model.safetensors")).unwrap());
    assert!(pruned == pruned_over);

    let scored = folder.succeed(&["run", "--as", "score", &over, "the animal was tired"], "");
    assert_eq!(scored, said(&folder, &["score", "the animal was tired"], &over));
    let listed = folder.succeed(&["inspect", &over, "--params"], "");
    contains(&listed, &["parameters, over it: ", "peft-gpt2", "linear maps", "change       decoder.layers.0."]);
    assert!(!folder.succeed(&["inspect", "merged"], "").contains("adapter"));
    let error = folder.fail(&["quantize", "--model", &over, "--out", "bytes"], "");
    contains(
        &error,
        &["is a model and an adapter, and one folder is read here", "`attentive merge --model before --adapter "],
    );
}

#[test]
fn a_translation_model_with_a_run_s_adapter_is_the_merged_one() {
    let folder = Folder::new();
    folder.write_copying("copy", [6, 2, 6], TINY);
    folder.write("tuned.toml", TUNED);
    folder.write("lines", &(COPIED.join("\n") + "\n"));
    folder.succeed(&["train", "copy.toml"], "");
    folder.succeed(&["train", "tuned.toml"], "");
    folder.succeed(&["merge", "--model", "runs/copy-1", "--adapter", "runs/tuned-1", "--out", "merged"], "");
    let over = "runs/copy-1+runs/tuned-1";
    let calls: [&[&str]; 4] = [
        &["attention", "--target", "ab it", "it was ab"],
        &["lens", "--target", "ab it", "it was ab"],
        &["saliency", "--steps", "3", "--target", "ab it", "it was ab"],
        &["heads", "--sentences", "2"],
    ];
    for call in calls {
        assert_eq!(said(&folder, call, over), said(&folder, call, "merged"), "{call:?}");
    }

    let read = |name: &str| fs::read_to_string(folder.path(name)).unwrap();
    let pairs = |model: &str, out: &str| {
        said(&folder, &["distill", "--out", out, "lines"], model);
        read(out)
    };
    assert_eq!(pairs(over, "over.tsv"), pairs("merged", "merged.tsv"));
    let scores = |model: &str, out: &str| -> Vec<f64> {
        let files = ["--source", "lines", "--target", "lines", "--out", "kept", "--scores", out];
        let call = [&["filter", "--rule", "identical=true", "--force"], &files[..]].concat();
        said(&folder, &call, model);
        read(out).lines().map(|line| line.parse().unwrap()).collect()
    };
    let [over, merged, before] = [(over, "a"), ("merged", "b"), ("runs/copy-1", "c")].map(|(m, out)| scores(m, out));
    let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert_eq!((over.len(), merged.len()), (COPIED.len(), COPIED.len()));
    assert!(apart(&over, &merged) < 2e-4, "{over:?} {merged:?}");
    assert!(apart(&before, &merged) > 1e-2, "{before:?} {merged:?}");
}

#[test]
fn an_adapter_that_is_frozen_whole_has_nothing_to_train() {
    let folder = Folder::new();
    folder.write_copying("copy", [1, 1, 1], TINY);
    folder.write("tuned.toml", TUNED);
    folder.succeed(&["train", "copy.toml"], "");
    let frozen = |patterns: &str| ["train", "tuned.toml", "--set", patterns].map(str::to_owned);
    let of = |call: &[String]| folder.run(&call.iter().map(String::as_str).collect::<Vec<_>>(), "");
    // The adapter is on encoder and decoder; all else is frozen by it.
    let output = of(&frozen("training.freeze=[\"encoder\",\"decoder\"]"));
    assert_eq!(output.status.code(), Some(1));
    contains(&String::from_utf8(output.stderr).unwrap(), &["training.freeze", "nothing is left to be trained"]);
    assert!(of(&frozen("training.freeze=[\"encoder\"]")).status.success());
}

#[test]
fn an_agent_with_a_run_s_adapter_is_the_merged_one() {
    let folder = Folder::new();
    let recipe = r#"
name = "agent"
task = "trajectories"
data.episodes = 20
model = { preset = "decision-transformer", d_model = 16, d_ff = 32, n_layers = 1, max_steps = 500 }
batch = { context = 4, rows = 16 }
evaluation = { episodes = 0 }
schedule = { kind = "constant", lr = 1e-2 }
training = { steps = 10 }
"#;
    folder.write("agent.toml", recipe);
    folder.succeed(&["train", "agent.toml"], "");
    folder.succeed(&["train", "agent.toml", "--set", "pretrained=runs/agent-1", "--set", "adapter.rank=2"], "");
    folder.succeed(&["merge", "--model", "runs/agent-1", "--adapter", "runs/agent-2", "--out", "merged"], "");
    let play = ["play", "--episodes", "4", "--target-return", "200", "--show"];
    assert_eq!(said(&folder, &play, "runs/agent-1+runs/agent-2"), said(&folder, &play, "merged"));
    // What can't be says why.
    let peft = golden("peft-gpt2").display().to_string();
    let refused = folder.fail(&["play", "--model", &format!("runs/agent-1+{peft}")], "");
    contains(&refused, &["peft-gpt2: ", "transformers' names of a decision-transformer are not known here"]);
    let refused = folder.fail(&["play", "--model", "runs/agent-1+nowhere"], "");
    contains(&refused, &["nowhere"]);
}
