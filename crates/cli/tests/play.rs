//! Agents as a user meets them: trained on episodes of others, played, inspected, resumed, sent out and back.

use crate::support::{Folder, contains};

const RECIPE: &str = r#"
name = "agent"
task = "trajectories"

[model]
preset = "decision-transformer"
d_model = 16
d_ff = 32
n_layers = 1
max_steps = 500
dropout = 0.0
attention_dropout = 0.0

[batch]
context = 4
rows = 16

[schedule]
kind = "constant"
lr = 3e-3

[training]
steps = 40
seed = 1
validate_every = 20
checkpoint_every = 20

[evaluation]
episodes = 3
"#;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("agent.toml", RECIPE);
    folder
}

#[test]
fn an_agent_learns_from_scripted_policies_and_plays() {
    let folder = folder();
    let told = folder.succeed(&["train", "agent.toml", "--set", "data.episodes=100"], "");
    let expected = ["100 training episodes", "10 validation episodes", "accuracy", "cartpole", "asked for 500"];
    contains(&told, &expected);
    let shown = folder.follow(&told, "--show");
    contains(&shown, &["cartpole, asked for 500: 100 played episodes", "step 0\n", "====="]);

    let play = ["play", "--episodes", "4", "--target-return", "200", "--seed", "7"];
    let played = folder.succeed(&play, "");
    contains(&played, &["cartpole, asked for 200: 4 played episodes"]);
    assert_eq!(folder.succeed(&play, ""), played, "a seed gives the same episodes");
    let drawn = folder.succeed(&[&play[..], &["--plot", "returns.svg"]].concat(), "");
    contains(&drawn, &["asked for 20: ", "asked for 200: ", "drawing in returns.svg"]);
    contains(&std::fs::read_to_string(folder.path("returns.svg")).unwrap(), &["<svg", "return asked for"]);

    let laws = folder.succeed(&["selftest", "--model", "runs/latest"], "");
    contains(&laws, &["causality  holds", "returns    holds", "gradients  holds"]);
    let shown = folder.succeed(&["inspect", "runs/latest"], "");
    contains(&shown, &["decision-transformer", "processor    observations of 4 numbers, one of 2 actions", "cartpole"]);
    contains(&folder.succeed(&["doctor", "agent.toml"], ""), &["1,000 training episodes", "backend"]);

    folder.succeed(&["export", "--format", "decision_transformer", "--out", "theirs"], "");
    let back = folder.succeed(&["import", "theirs", "--out", "back"], "");
    contains(&back, &["found: decision_transformer", "use: play"]);
    assert_eq!(folder.succeed(&[&play[..], &["--model", "back"]].concat(), ""), played);
}

#[test]
fn behaviour_is_cloned_without_returns() {
    let folder = folder();
    let settings = ["--set", "model.returns=false", "--set", "data.episodes=20"];
    let told = folder.succeed(&[&["train", "agent.toml"], &settings[..]].concat(), "");
    contains(&told, &["asked for nothing"]);
    contains(&folder.follow(&told, "--show"), &["cartpole, behaviour cloned: 100 played episodes"]);
    contains(&folder.succeed(&["selftest", "--model", "runs/latest"], ""), &["returns    holds"]);
    contains(&folder.fail(&["play", "--target-return", "5"], ""), &["clones behaviour", "--target-return"]);
    let refused = folder.fail(&["export", "--format", "decision_transformer", "--out", "theirs"], "");
    contains(&refused, &["returns: its models read returns"]);
}

#[test]
fn a_run_that_goes_on_ends_as_one_that_was_never_stopped() {
    let folder = folder();
    let train = ["train", "agent.toml", "--set", "data.episodes=20"];
    folder.succeed(&train, "");
    folder.succeed(&[&train[..], &["--set", "training.steps=20"]].concat(), "");
    folder.succeed(&["train", "--resume", "runs/agent-2", "--set", "training.steps=40"], "");
    let [whole, resumed] =
        ["runs/agent-1", "runs/agent-2"].map(|run| std::fs::read(folder.path(run).join("model.safetensors")).unwrap());
    assert!(whole == resumed);
}

#[test]
fn own_episodes_are_learnt_whether_their_actions_are_discrete_or_numbers() {
    let folder = folder();
    let episodes = |action: fn(i32) -> String| {
        let steps: Vec<i32> = (0..6).collect();
        let list = |of: &dyn Fn(i32) -> String| steps.iter().map(|&n| of(n)).collect::<Vec<_>>().join(", ");
        let observations = list(&|n| format!("[{n}, {}]", n % 2));
        let (actions, rewards) = (list(&action), list(&|n| n.to_string()));
        let line = format!(r#"{{"observations": [{observations}], "actions": [{actions}], "rewards": [{rewards}]}}"#);
        format!("{line}\n").repeat(20)
    };
    folder.write("discrete.jsonl", &episodes(|n| (n % 3).to_string()));
    folder.write("numbers.jsonl", &episodes(|n| format!("[0.{n}, -0.5]")));
    for (name, words) in [("discrete", "accuracy"), ("numbers", "a loss of")] {
        let data = format!("data={{train = \"{name}.jsonl\", validation = \"{name}.jsonl\"}}");
        let told = folder.succeed(&["train", "agent.toml", "--set", &data], "");
        contains(&told, &["20 training episodes of 120 steps; returns from 15 to 15", words]);
        contains(&folder.follow(&told, "inspect"), &["processor    observations of 2 numbers"]);
        let refused = folder.fail(&["play"], "");
        contains(&refused, &["give --environment"]);
        contains(&folder.fail(&["play", "--environment", "cartpole"], ""), &["the environment has 4 numbers"]);
    }
}

#[test]
fn a_trained_agent_goes_on_with_its_own_scales() {
    let folder = folder();
    folder.succeed(&["train", "agent.toml", "--set", "data.episodes=20"], "");
    let settings = ["--set", "data.episodes=30", "--set", "pretrained=runs/agent-1"];
    let told = folder.succeed(&[&["train", "agent.toml"], &settings[..]].concat(), "");
    contains(&told, &["are taken from the model that was trained before"]);
    let scale = |run: &str| {
        let text = std::fs::read_to_string(folder.path(run).join("processor.json")).unwrap();
        text.lines().find(|line| line.contains("return_scale")).unwrap().to_owned()
    };
    assert_eq!(scale("runs/agent-2"), scale("runs/agent-1"));
}

#[test]
fn what_cannot_be_is_said() {
    let folder = folder();
    let fail = |settings: &[&str]| {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        folder.fail(&["train", "agent.toml"].into_iter().chain(settings).collect::<Vec<_>>(), "")
    };
    contains(&fail(&["model.max_steps=30"]), &["model.max_steps = 30", "500 steps: raise it"]);
    contains(&fail(&["data.environment=mountain"]), &["cartpole, key-door"]);
    contains(&fail(&["data.train=none.jsonl"]), &["none.jsonl"]);
    contains(&fail(&["data.validation=none.jsonl"]), &["data.validation", "data.train"]);
    contains(&fail(&["batch.context=0"]), &["batch.context"]);
    contains(&fail(&["model={preset = \"gpt-2\"}"]), &["decision-transformer"]);
    folder.write("bad.jsonl", "{\"observations\": [[1, NaN]], \"actions\": [0], \"rewards\": [0]}\n");
    contains(&fail(&["data.train=bad.jsonl"]), &["bad.jsonl:1: observations: "]);
    folder.write("other.jsonl", "{\"observations\": [[1]], \"actions\": [0], \"rewards\": [0]}\n");
    let other = fail(&["data={train = \"other.jsonl\", environment = \"cartpole\"}"]);
    contains(&other, &["cartpole has observations of 4 numbers", "data.train 1 numbers"]);
    contains(&folder.fail(&["play", "--model", "nowhere"], ""), &["there is no model at nowhere"]);
}
