//! Language models that learn which of two answers is preferred.

use std::fs;

use serde_json::Value;

use crate::support::Folder;

fn imported(name: &str) -> Folder {
    let folder = Folder::new();
    folder.import(name, "before");
    folder
}

const RECIPE: &str = r#"
name = "tuned"
task = "causal-lm"
pretrained = "before"
preferences = { train = "pairs.jsonl", validation = "pairs.jsonl" }
batch = { context = 64, rows = 3 }
objective = { kind = "dpo", beta = 0.5 }
schedule = { kind = "constant", lr = 1e-3 }
training = { steps = 4, checkpoint_every = 2 }
"#;

fn message(role: &str, content: &str) -> Value {
    serde_json::json!({ "role": role, "content": content })
}

/// Pairs of messages: what is wide is preferred.
fn messages() -> String {
    let pair = |question: &str| {
        let [chosen, rejected] = ["wide", "tired"].map(|answer| vec![message("assistant", answer)]);
        let prompt = vec![message("user", question)];
        format!("{}\n", serde_json::json!({ "prompt": prompt, "chosen": chosen, "rejected": rejected }))
    };
    ["the street", "the animal", "a street", "a animal"].map(pair).concat()
}

/// The lines of a run's log that are of an event.
fn logged(folder: &Folder, run: &str, event: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.path(run).join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == event).collect()
}

fn score(line: &Value, name: &str) -> f64 {
    line["scores"][name].as_f64().unwrap_or_else(|| panic!("no {name}: {line}"))
}

fn model(folder: &Folder, run: &str) -> Vec<u8> {
    fs::read(folder.path(run).join("model.safetensors")).unwrap()
}

#[test]
fn answers_that_are_preferred_get_the_higher_reward() {
    let folder = imported("gguf/llama.gguf");
    folder.write("pairs.jsonl", &messages());
    folder.write("dpo.toml", RECIPE);
    let longer = ["--set", "training.steps=40", "--set", "schedule.lr=1e-2", "--set", "training.validate_every=20"];
    for (run, adapter) in [("runs/tuned-1", &[][..]), ("runs/tuned-2", &["--set", "adapter={rank=4}"])] {
        let shown = folder.succeed(&[&["train", "dpo.toml"], &longer[..], adapter].concat(), "");
        assert!(shown.contains("4 train pairs") && shown.contains("reference 4 pairs of train"), "{shown}");
        // Before the first update the model is its reference, whether an adapter lies on it or not.
        let steps = logged(&folder, run, "step");
        let first = steps[0]["loss_nats"].as_f64().unwrap();
        assert!((first - 2_f64.ln()).abs() < 1e-4 && score(&steps[0], "margin").abs() < 1e-4, "{}", steps[0]);
        let last = &logged(&folder, run, "validation")[1];
        let [chosen, rejected, margin] = ["reward-chosen", "reward-rejected", "margin"].map(|name| score(last, name));
        assert!(score(last, "accuracy") == 1.0 && margin > 1.0, "{last}");
        assert!((chosen - rejected - margin).abs() < 1e-5, "{last}");
        assert!(last["nll_nats"].as_f64().unwrap() < 0.3, "{last}");
        assert!(shown.contains("accuracy 1.000") && shown.contains("chat --model"), "{shown}");
    }
    let answer = folder.succeed(
        &["chat", "--model", "runs/tuned-1", "--max-tokens", "8", "--temperature", "0", "--prompt", "the street"],
        "",
    );
    assert!(!answer.contains("tired"), "{answer}");
}

#[test]
fn a_run_goes_on_without_the_model_that_it_began_from_to_equal_bytes() {
    let folder = imported("gguf/llama.gguf");
    // Texts, and messages of which the beginning is the prompt.
    let text =
        |prompt: &str| format!("{{\"prompt\": \"{prompt}\", \"chosen\": \" wide\", \"rejected\": \" tired\"}}\n");
    let whole = |question: &str| {
        let [chosen, rejected] =
            ["wide", "tired"].map(|answer| vec![message("user", question), message("assistant", answer)]);
        format!("{}\n", serde_json::json!({ "chosen": chosen, "rejected": rejected, "messages": chosen }))
    };
    folder.write("pairs.jsonl", &[text("the street"), text("the animal was"), whole("a street")].concat());
    folder.write("dpo.toml", RECIPE);
    for adapter in [&[][..], &["--set", "adapter={rank=2}"]] {
        let train = |steps: &str| {
            let steps = format!("training.steps={steps}");
            folder.succeed(&[&["train", "dpo.toml", "--set", "batch.rows=2", "--set", &steps], adapter].concat(), "")
        };
        train("6");
        train("4");
        fs::rename(folder.path("before"), folder.path("moved")).unwrap();
        let newest =
            if adapter.is_empty() { ["runs/tuned-1", "runs/tuned-2"] } else { ["runs/tuned-3", "runs/tuned-4"] };
        let resumed = folder.succeed(&["train", "--resume", newest[1], "--set", "training.steps=6"], "");
        assert!(!resumed.contains("reference "), "it is kept: {resumed}");
        assert!(model(&folder, newest[0]) == model(&folder, newest[1]));
        fs::rename(folder.path("moved"), folder.path("before")).unwrap();
    }
}

#[test]
fn what_can_t_be_compared_is_counted_or_refused_by_name() {
    let folder = imported("gguf/llama.gguf");
    folder.write("dpo.toml", RECIPE);
    let fails = |lines: &str, set: &[&str]| {
        folder.write("pairs.jsonl", lines);
        let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        folder.fail(&[&["train", "dpo.toml"], &set[..]].concat(), "")
    };
    let says = |lines: &str, set: &[&str], parts: &[&str]| {
        let error = fails(lines, set);
        assert!(parts.iter().all(|part| error.contains(part)), "{parts:?}: {error}");
    };
    let text = r#"{"prompt": "the", "chosen": " street", "rejected": " animal"}"#;
    says(r#"{"chosen": " street", "rejected": " animal"}"#, &[], &["pairs.jsonl:1", "`prompt` is missing"]);
    says(&format!("{text}\n{{\"prompt\": \"the\"}}"), &[], &["pairs.jsonl:2", "chosen"]);
    says(r#"{"prompt": "a", "chosen": 3, "rejected": "b"}"#, &[], &["pairs.jsonl:1", "a list of messages"]);
    let mixed = r#"{"prompt": "a", "chosen": [{"role": "assistant", "content": "b"}], "rejected": [{"role": "assistant", "content": "c"}]}"#;
    says(mixed, &[], &["pairs.jsonl:1", "`prompt` is a text"]);
    let asked = r#"{"chosen": [{"role": "user", "content": "b"}], "rejected": [{"role": "user", "content": "c"}]}"#;
    says(asked, &[], &["pairs.jsonl:1", "there is no answer"]);
    says(text, &["batch.context=1"], &["preferences.train: there is no pair to compare within batch.context = 1"]);
    says("", &[], &["there are no pairs in ", "pairs.jsonl"]);
    says("\n \n", &[], &["there are no pairs in "]);
    let same = r#"{"prompt": "the", "chosen": " street", "rejected": " street"}"#;
    says(same, &[], &["preferences.train: every pair has the same answer twice"]);
    says("oops", &[], &["pairs.jsonl:1: it is not JSON"]);
    says(text, &["objective.beta=0.0"], &["objective.beta", "above 0"]);
    says(text, &["objective.beta=-1"], &["objective.beta"]);
    says(text, &["objective.label_smoothing=0.5"], &["objective.label_smoothing", "below 0.5"]);
    says(text, &["objective.loss=ipo", "objective.label_smoothing=0.1"], &["objective.label_smoothing", "sigmoid"]);
    says(text, &["objective.sft_weight=-1"], &["objective.sft_weight"]);
    says(text, &["objective={}"], &["preferences", "objective.kind = \"dpo\""]);
    says(text, &["data.train.text=pairs.jsonl"], &["data.train", "[preferences]"]);
    says(text, &["conversations.train=pairs.jsonl"], &["conversations", "[preferences]"]);
    let error = folder.fail(&["train", "dpo"], "");
    assert!(error.contains("objective.kind") && error.contains("set pretrained"), "{error}");

    // Each kind of pair that is not learnt as it is, with the place of the first.
    let long = format!(r#"{{"prompt": "{}", "chosen": " wide", "rejected": " tired"}}"#, "the street ".repeat(40));
    let cut = format!(r#"{{"prompt": "the", "chosen": "{}", "rejected": " tired"}}"#, " street".repeat(40));
    let late = format!(r#"{{"prompt": "the", "chosen": "{0} wide", "rejected": "{0} tired"}}"#, " street".repeat(40));
    folder.write("pairs.jsonl", &[text, &long, same, &cut, &long, &late].join("\n"));
    let output = folder.run(&["train", "dpo.toml", "--set", "batch.context=24"], "");
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{shown}");
    for line in [
        "train: 2 pairs have a prompt that fills batch.context = 24 and are left out; the first is",
        "train: 1 pairs have an answer that ends after batch.context = 24 and are cut off; the first is",
        "train: 1 pairs have the same answer twice and are left out; the first is",
        "train: 1 pairs have answers that differ after batch.context = 24 and are left out; the first is",
        "2 train pairs",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert!(shown.contains("pairs.jsonl:2") && shown.contains("pairs.jsonl:3") && shown.contains("pairs.jsonl:4"));

    // Texts need no template, and messages do.
    let folder = imported("llama");
    folder.write("dpo.toml", RECIPE);
    folder.write("pairs.jsonl", text);
    folder.succeed(&["train", "dpo.toml"], "");
    folder.write("pairs.jsonl", &messages());
    let error = folder.fail(&["train", "dpo.toml"], "");
    assert!(error.contains("pairs.jsonl:1") && error.contains("has no chat template"), "{error}");
}

#[test]
fn the_recipe_learns_from_pairs_of_the_built_in_corpus() {
    let folder = Folder::new();
    let small = ["model.d_model=16", "model.d_ff=32", "model.n_heads=2", "model.n_layers=1", "tokenizer.merges=200"];
    let steps = ["training.steps=2", "evaluation.samples=0", "batch.rows=4"];
    let set = |settings: &[&'static str]| settings.iter().flat_map(|set| ["--set", set]).collect::<Vec<_>>();
    folder.succeed(&[&["train", "gpt"], &set(&small)[..], &set(&steps)].concat(), "");
    let of_dpo = ["pretrained=runs/gpt-1", "training.steps=2", "objective.loss=hinge", "objective.sft_weight=0.5"];
    let shown = folder.succeed(&[&["train", "dpo"], &set(&of_dpo)[..]].concat(), "");
    assert!(shown.contains("2,000 train pairs") && shown.contains("200 validation pairs"), "{shown}");
    assert!(shown.contains("generate --model"), "{shown}");
}
