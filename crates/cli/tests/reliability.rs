//! Runs that are stopped, damaged or misconfigured, as a user meets them.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

const RECIPE: &str = r#"name = "copy"

[data.train]
tsv = "pairs.tsv"

[data.validation]
tsv = "pairs.tsv"

[tokenizer]
merges = 5

[model]
d_model = 16
d_ff = 32
n_heads = 2
n_encoder_layers = 1
n_decoder_layers = 1
dropout = 0.1

[batch]
max_tokens = 256

[schedule]
kind = "constant"
lr = 1e-3

[training]
steps = 12
validate_every = 6
checkpoint_every = 3

[evaluation]
bleu_sentences = 2
average_last = 2
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let pair = |i: usize| format!("{0}\t{0}\n", ["ab cd", "ef", "gh ab ef", "cd"][i % 4]);
        folder.write("pairs.tsv", &(0..200).map(pair).collect::<String>());
        folder.write("recipe.toml", RECIPE);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attentive"));
        command.args(args).current_dir(self.0.path()).env_remove("ATTENTIVE_BACKEND");
        command
    }

    fn run(&self, args: &[&str], code: i32) -> String {
        said(&self.command(args).output().unwrap(), code)
    }

    fn weights(&self, run: &str) -> Vec<u8> {
        fs::read(self.path(run).join("model.safetensors")).unwrap()
    }
}

/// All that was said by a command that ends with `code`.
fn said(output: &Output, code: i32) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
fn a_run_that_was_killed_before_its_first_step_can_be_resumed() {
    let folder = Folder::new();
    folder.run(&["train", "recipe.toml"], 0);
    for parts in [&["config.toml"][..], &["config.toml", "tokenizer.json"]] {
        let run = format!("runs/killed-{}", parts.len());
        fs::create_dir(folder.path(&run)).unwrap();
        for part in parts {
            fs::copy(folder.path("runs/copy-1").join(part), folder.path(&run).join(part)).unwrap();
        }
        let left =
            [".tmpX1Y2z3", "model.safetensors.tmp", "tokenizer.json.part"].map(|name| folder.path(&run).join(name));
        left.iter().for_each(|path| fs::write(path, "half").unwrap());
        folder.run(&["train", "--resume", &run], 0);
        assert!(folder.weights(&run) == folder.weights("runs/copy-1"), "{parts:?}");
        assert!(left.iter().all(|path| !path.exists()), "what a kill left behind is removed");
    }
}

#[test]
fn a_run_needs_no_link_that_leads_to_it() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("runs/latest/mine")).unwrap();
    let shown = folder.run(&["train", "recipe.toml"], 0);
    assert!(shown.contains("can't make runs/latest"), "{shown}");
    assert!(folder.path("runs/latest/mine").exists() && folder.path("runs/copy-1/model.safetensors").exists());
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let folder = Folder::new();
    folder.run(&["train", "recipe.toml"], 0);
    let whole = folder.weights("runs/copy-1");
    let damaged = folder.path("runs/copy-1/checkpoints/step-00000012/optimizer.safetensors");
    let mut bytes = fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let shown = folder.run(&["train", "--resume", "runs/copy-1"], 0);
    assert!(shown.contains("passing over") && shown.contains("optimizer.safetensors"), "{shown}");
    assert!(shown.contains("resuming  runs/copy-1/checkpoints/step-00000009"), "{shown}");
    assert!(folder.weights("runs/copy-1") == whole);
}

#[test]
fn a_run_does_not_go_on_with_other_data() {
    let folder = Folder::new();
    folder.run(&["train", "recipe.toml"], 0);
    let pairs = fs::read_to_string(folder.path("pairs.tsv")).unwrap();
    folder.write("pairs.tsv", &(pairs + "one\tmore\n"));
    let error = folder.run(&["train", "--resume", "runs/copy-1"], 1);
    assert!(error.contains("pairs.tsv has changed"), "{error}");
}

/// Each process of a launcher would train a run of its own.
#[cfg(not(feature = "mpi"))]
#[test]
fn processes_of_a_launcher_are_refused_without_mpi() {
    let folder = Folder::new();
    let train = |n: &str| folder.command(&["train", "recipe.toml"]).env("OMPI_COMM_WORLD_SIZE", n).output().unwrap();
    let error = said(&train("2"), 1);
    assert!(error.contains("2 processes were started") && error.contains("--features mpi"), "{error}");
    assert!(!folder.path("runs").exists());
    said(&train("1"), 0);
    let translate = ["translate", "ab cd"];
    let refused = folder.command(&translate).env("SLURM_STEP_NUM_TASKS", "2").output().unwrap();
    assert!(refused.stdout.is_empty());
    said(&refused, 1);
    // A job of a batch, which is one process, and a step of one.
    let batch = [("SLURM_JOB_ID", "7"), ("SLURM_NTASKS", "2"), ("SLURM_PROCID", "0")];
    said(&folder.command(&translate).envs(batch).output().unwrap(), 0);
    said(&folder.command(&translate).envs(batch).env("SLURM_STEP_NUM_TASKS", "1").output().unwrap(), 0);
}

/// Each process would do all of the work, and write it where the others do.
#[test]
fn a_command_that_works_alone_refuses_to_be_one_of_several() {
    let folder = Folder::new();
    for (command, name) in [
        (&["generate", "a"][..], "PMI_SIZE"),
        (&["similar", "--query", "a"], "SLURM_STEP_NUM_TASKS"),
        (&["quantize", "--out", "small"], "OMPI_COMM_WORLD_SIZE"),
    ] {
        let error = said(&folder.command(command).env(name, "3").output().unwrap(), 1);
        let why = format!("3 processes were started ({name})");
        assert!(error.contains(&why) && error.contains(&format!("env -u {name}")), "{command:?}: {error}");
    }
    said(&folder.command(&["recipes"]).env("PMI_SIZE", "3").output().unwrap(), 0);
}

#[test]
fn two_processes_do_not_train_in_one_folder() {
    let folder = Folder::new();
    folder.run(&["train", "recipe.toml"], 0);
    let whole = folder.weights("runs/copy-1");
    let lock = fs::File::options().write(true).open(folder.path("runs/copy-1/lock")).unwrap();
    lock.try_lock().unwrap();
    let error = folder.run(&["train", "--resume", "runs/latest"], 1);
    assert!(error.contains("is training in runs/copy-1: wait for it, or stop it"), "{error}");
    drop(lock);
    folder.run(&["train", "--resume", "runs/latest"], 0);
    assert!(folder.weights("runs/copy-1") == whole);
}

#[cfg(unix)]
#[test]
fn a_signal_saves_and_leaves_with_the_command_that_goes_on() {
    use std::{process::Stdio, time::Duration};

    let folder = Folder::new();
    let long = ["train", "recipe.toml", "--set", "training.steps=200"];
    folder.run(&long, 0);
    let mut child =
        folder.command(&long).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let log = folder.path("runs/copy-2/metrics.jsonl");
    while fs::read_to_string(&log).unwrap_or_default().lines().count() < 2 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    Command::new("sh").arg("-c").arg(format!("kill -TERM {}", child.id())).status().unwrap();
    let shown = said(&child.wait_with_output().unwrap(), 130);
    assert!(shown.contains("go on with: attentive train --resume runs/copy-2"), "{shown}");
    folder.run(&["train", "--resume", "runs/copy-2"], 0);
    assert!(folder.weights("runs/copy-2") == folder.weights("runs/copy-1"));
    // The logs tell the same, but for what the clock said.
    let log = |run: &str| -> Vec<serde_json::Value> {
        let text = fs::read_to_string(folder.path(run).join("metrics.jsonl")).unwrap();
        let parse = |line: &str| {
            let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
            line.as_object_mut().unwrap().remove("elapsed_seconds");
            line
        };
        text.lines().map(parse).collect()
    };
    assert_eq!(log("runs/copy-2"), log("runs/copy-1"));
}

#[test]
fn a_run_ends_early_and_may_be_its_running_mean() {
    let folder = Folder::new();
    // Nothing is a gain of a thousand.
    let early = ["early_stopping.patience=1", "early_stopping.min_delta=1e3", "ema_decay=0.5", "steps=60"];
    let settings = early.map(|setting| format!("--set=training.{setting}"));
    let args: Vec<&str> = ["train", "recipe.toml"].into_iter().chain(settings.iter().map(String::as_str)).collect();
    let shown = folder.run(&args, 0);
    assert!(shown.contains("trained 12 steps, after which nothing got better"), "{shown}");
    assert!(shown.contains("running mean of parameters at step"), "{shown}");
    assert_ne!(
        folder.weights("runs/copy-1"),
        fs::read(folder.path("runs/copy-1/checkpoints/step-00000012/model.safetensors")).unwrap()
    );
}

/// Steps and losses of a run's validations.
fn validations(folder: &Folder, run: &str) -> Vec<(u64, f64)> {
    let text = fs::read_to_string(folder.path(run).join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let validations = lines.filter(|line| line["event"] == "validation");
    validations.map(|line| (line["step"].as_u64().unwrap(), line["nll_nats"].as_f64().unwrap())).collect()
}

/// Held-out pairs are not translated as those of training are: what is learnt of these is wrong for those.
#[test]
fn a_run_that_ends_early_ends_with_its_best_checkpoint() {
    let folder = Folder::new();
    let pair = |i: usize| format!("{}\t{}\n", ["ab cd", "ef", "gh ab ef", "cd"][i % 4], ["ef", "gh cd"][i % 2]);
    folder.write("other.tsv", &(0..40).map(pair).collect::<String>());
    let settings = [
        "data.validation.tsv=other.tsv",
        "schedule.lr=0.02",
        "training.steps=60",
        "training.validate_every=2",
        "training.checkpoint_every=2",
        "training.early_stopping={on=\"loss\", patience=3}",
        "evaluation.bleu_sentences=0",
    ];
    let settings = settings.iter().flat_map(|setting| ["--set", setting]);
    let args: Vec<&str> = ["train", "recipe.toml"].into_iter().chain(settings).collect();
    let shown = folder.run(&args, 0);
    let scores = validations(&folder, "runs/copy-1");
    let (best, _) = scores.iter().copied().reduce(|a, b| if b.1 < a.1 { b } else { a }).unwrap();
    let (last, _) = *scores.last().unwrap();
    assert!(last == best + 6 && last < 60, "{scores:?}");
    assert!(shown.contains("after which nothing got better"), "{shown}");
    assert!(shown.contains(&format!("the model is the best one, of step {best}")), "{shown}");
    let weights = |path: &str| folder.weights(path);
    let checkpoint = |step: u64| format!("runs/copy-1/checkpoints/step-{step:08}");
    assert!(weights("runs/copy-1") == weights(&checkpoint(best)));

    // The others can be had, too: of the run, or as models of their own.
    let resume = |model: &str| folder.run(&["train", "--resume", "runs/copy-1", "--set", model], 0);
    resume("evaluation.model=last");
    assert!(weights("runs/copy-1") == weights(&checkpoint(last)));
    resume("evaluation.model=average");
    folder.run(&["average", "runs/copy-1", "--last", "2", "--out", "mean"], 0);
    assert!(weights("runs/copy-1") == weights("mean"));
    folder.run(&["average", "runs/copy-1", "--out", "own"], 0);
    assert!(weights("runs/copy-1") == weights("own"), "without --last, the mean is the run's own");
    for (which, step) in [("best", best), ("last", last), (&*best.to_string(), best)] {
        folder.run(&["average", "runs/copy-1", "--checkpoint", which, "--out", "one", "--force"], 0);
        assert!(weights("one") == weights(&checkpoint(step)), "{which}");
        assert!(folder.run(&["inspect", "one"], 0).contains(&format!("steps [{step}]")));
    }
    let error = folder.run(&["average", "runs/copy-1", "--checkpoint", "7", "--out", "seven"], 1);
    assert!(error.contains(&format!("no checkpoint of step 7; it has those of {best}, ")), "{error}");
    let error = folder.run(&["average", "runs/copy-1", "--checkpoint", "first", "--out", "seven"], 2);
    assert!(error.contains("not best, last or a step"), "{error}");

    // What is taken where it is not there is refused.
    let best = folder.path(&checkpoint(best));
    fs::remove_dir_all(&best).unwrap();
    let error = folder.run(&["train", "--resume", "runs/copy-1", "--set", "evaluation.model=best"], 1);
    assert!(error.contains("the best checkpoint is not read") && error.contains("evaluation.model=last"), "{error}");
    let none = RECIPE.replace("[data.validation]\ntsv = \"pairs.tsv\"\n", "") + "model = \"best\"\n";
    folder.write("none.toml", &none);
    let error = folder.run(&["train", "none.toml"], 1);
    assert!(error.contains("evaluation.model") && error.contains("validation data"), "{error}");
}

#[test]
fn an_unfinished_run_says_how_to_make_a_model_of_it() {
    let folder = Folder::new();
    let mut command = folder.command(&["train", "recipe.toml", "--set", "training.divergence.max_bad=2"]);
    said(&command.env("ATTENTIVE_INJECT_NAN", "8-99").output().unwrap(), 1);
    for command in [&["translate", "ab", "--model"][..], &["inspect"], &["selftest", "--model"]] {
        let error = folder.run(&[command, &["runs/latest"]].concat(), 1);
        for part in ["not finished", "train --resume runs/copy-1", "average runs/copy-1 --checkpoint last --out"] {
            assert!(error.contains(part), "{part:?} is missing: {error}");
        }
    }
    let checkpoint = "runs/copy-1/checkpoints/step-00000006";
    let error = folder.run(&["translate", "ab", "--model", checkpoint], 1);
    assert!(error.contains("`attentive average runs/copy-1 --checkpoint 6 --out DIR`"), "{error}");
    folder.run(&["average", "runs/copy-1", "--checkpoint", "6", "--out", "six"], 0);
    folder.run(&["translate", "ab", "--model", "six"], 0);
    assert!(folder.weights("six") == folder.weights(checkpoint));
    // A run that is finished and goes on keeps its model until it has another.
    folder.run(&["train", "--resume", "runs/copy-1"], 0);
    let mut command = folder.command(&["train", "--resume", "runs/copy-1", "--set", "training.steps=30"]);
    said(&command.env("ATTENTIVE_INJECT_NAN", "1-99").output().unwrap(), 1);
    folder.run(&["translate", "ab", "--model", "runs/copy-1"], 0);
}

/// A damaged checkpoint that the mean is taken of, and that training has no need of.
#[test]
fn a_damaged_checkpoint_is_left_out_of_the_mean_only_if_asked() {
    let folder = Folder::new();
    folder.run(&["train", "recipe.toml"], 0);
    let whole = folder.weights("runs/copy-1");
    let older = folder.path("runs/copy-1/checkpoints/step-00000009/model.safetensors");
    let bytes = fs::read(&older).unwrap();
    let mut damaged = bytes.clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    fs::write(&older, damaged).unwrap();
    let resume = ["train", "--resume", "runs/copy-1"];
    let error = folder.run(&resume, 1);
    let go_on =
        "go on with: attentive train --resume runs/copy-1; for a mean without what is damaged, add: --leave-out-";
    for part in ["step-00000009", "SHA-256", "nothing is lost", go_on] {
        assert!(error.contains(part), "{part:?} is missing: {error}");
    }
    let error = folder.run(&["average", "runs/copy-1", "--last", "2", "--out", "mean"], 1);
    assert!(error.contains("SHA-256") && !folder.path("mean").exists(), "{error}");
    let shown = folder.run(&[&resume[..], &["--leave-out-damaged"]].concat(), 0);
    assert!(shown.contains("left out of the mean") && shown.contains("the mean of the last 1 checkpoints"), "{shown}");
    assert!(folder.weights("runs/copy-1") != whole);
    fs::write(&older, bytes).unwrap();
    folder.run(&resume, 0);
    assert!(folder.weights("runs/copy-1") == whole);
}

/// Those that are kept for good lie between the ones that were due, whose mean the run ends with.
#[test]
fn the_last_checkpoints_are_those_that_the_run_takes_the_mean_of() {
    let folder = Folder::new();
    let settings = ["--set", "training.keep_every=4", "--set", "evaluation.average_last=3"];
    folder.run(&[&["train", "recipe.toml"], &settings[..]].concat(), 0);
    let agree = |kept: u64, steps: &str| {
        let path = folder.path(&format!("runs/copy-1/checkpoints/step-{kept:08}"));
        assert!(path.exists(), "step {kept} is not kept for good");
        folder.run(&["average", "runs/copy-1", "--last", "3", "--out", "mean", "--force"], 0);
        assert!(folder.run(&["inspect", "mean"], 0).contains(steps));
        assert!(folder.weights("runs/copy-1") == folder.weights("mean"), "{steps}");
    };
    agree(8, "steps [6, 9, 12]");
    let resume = ["train", "--resume", "runs/copy-1", "--set", "training.steps=18", "--set", "training.keep_every=7"];
    folder.run(&resume, 0);
    agree(14, "steps [12, 15, 18]");
}

#[test]
fn a_part_of_the_data_in_which_nothing_is_left_is_named() {
    let folder = Folder::new();
    folder.write("blank.tsv", "\t\n\t\n");
    for part in ["train", "validation"] {
        let error = folder.run(&["train", "recipe.toml", "--set", &format!("data.{part}.tsv=blank.tsv")], 1);
        assert!(error.contains(&format!("error: data.{part}: the corpus holds no usable sentence pair")), "{error}");
    }
}

#[test]
fn a_recipe_without_validation_trains_and_says_nothing_of_a_best() {
    let folder = Folder::new();
    let without = RECIPE.replace("[data.validation]\ntsv = \"pairs.tsv\"\n", "");
    folder.write("recipe.toml", &without);
    let shown = folder.run(&["train", "recipe.toml"], 0);
    assert!(shown.contains("trained 12 steps") && !shown.contains("NaN") && !shown.contains("best"), "{shown}");
    let log = fs::read_to_string(folder.path("runs/copy-1/metrics.jsonl")).unwrap();
    assert!(log.lines().count() == 12 && log.lines().all(|line| line.contains("\"step\"")), "{log}");
    let early = ["train", "recipe.toml", "--set", "training.early_stopping.patience=2"];
    let error = folder.run(&early, 1);
    for part in ["training.early_stopping", "no validation data", "--set training.early_stopping.patience=2"] {
        assert!(error.contains(part), "{part:?} is missing: {error}");
    }
    assert!(!folder.path("runs/copy-2").exists());
    assert!(folder.run(&[&["doctor"], &early[1..]].concat(), 1).contains("no validation data"));
    // Nor what is read last: nobody waits for training to hear that there is no test set.
    for part in ["validation", "test"] {
        let absent = format!("data.{part}.tsv=absent.tsv");
        let error = folder.run(&["train", "recipe.toml", "--set", &absent], 1);
        assert!(error.contains("cannot open absent.tsv") && !error.contains("training pairs"), "{error}");
    }
    // Before any data is read.
    for setting in [early[3], "evaluation.model=best"] {
        let unread = ["train", "recipe.toml", "--set", "data.train.tsv=absent.tsv", "--set", setting];
        let error = folder.run(&unread, 1);
        assert!(error.contains("validation data") && !error.contains("absent.tsv"), "{error}");
    }
    // Nor can what is validated once, at the end, stop early.
    folder.write("recipe.toml", RECIPE);
    let error = folder.run(&[&early[..], &["--set", "training.validate_every=0"]].concat(), 1);
    assert!(error.contains("validate_every is 0"), "{error}");
}

#[test]
fn a_run_says_what_it_ran_on_and_that_it_goes_on_elsewhere() {
    let folder = Folder::new();
    folder.run(&["train", "recipe.toml", "--set", "training.steps=6"], 0);
    let state = |step| fs::read_to_string(folder.path(&format!("runs/copy-1/checkpoints/{step}/state.toml"))).unwrap();
    for part in ["[environment]", "version = ", "backend = \"flex\"", "simd = ", "precision = \"f32\""] {
        assert!(state("step-00000006").contains(part), "{part:?} is missing: {}", state("step-00000006"));
    }
    let config = folder.path("runs/copy-1/config.toml");
    let longer = fs::read_to_string(&config).unwrap().replace("steps = 6", "steps = 9");
    fs::write(&config, longer).unwrap();
    let mut resume = folder.command(&["train", "--resume", "runs/copy-1"]);
    let shown = said(&resume.env("ATTENTIVE_SIMD", "portable").output().unwrap(), 0);
    assert!(shown.contains("is portable: bytes will differ"), "{shown}");
    let (note, step) = (shown.find("SIMD level was"), shown.find("step "));
    assert!(note.is_some() && note < step, "it is said before the first step: {shown}");
    assert!(state("step-00000009").contains("simd = \"portable\""));
}

#[test]
fn a_run_goes_on_from_any_folder() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("a/recipes")).unwrap();
    let recipe = RECIPE.replace("pairs.tsv", "../../pairs.tsv");
    folder.write("a/recipes/recipe.toml", &recipe);
    let within = |place: &str, args: &[&str]| {
        said(&folder.command(args).current_dir(folder.path(place)).output().unwrap(), 0);
    };
    within("a", &["train", "recipes/recipe.toml", "--set", "training.steps=6"]);
    within(".", &["train", "--resume", "a/runs/latest", "--set", "training.steps=9"]);
    within("a/runs/copy-1", &["train", "--resume", ".", "--set", "training.steps=12"]);
    folder.run(&["train", "recipe.toml"], 0);
    assert!(folder.weights("a/runs/copy-1") == folder.weights("runs/copy-1"));
}

#[test]
fn a_run_goes_on_at_the_simd_level_that_it_began_at() {
    let folder = Folder::new();
    let portable = |args: &[&str]| {
        let mut command = folder.command(&[&["train"], args].concat());
        said(&command.env("ATTENTIVE_SIMD", "portable").output().unwrap(), 0)
    };
    portable(&["recipe.toml"]);
    portable(&["recipe.toml", "--set", "training.steps=6"]);
    let mut resume = folder.command(&["train", "--resume", "runs/copy-2", "--set", "training.steps=12"]);
    let shown = said(&resume.env_remove("ATTENTIVE_SIMD").output().unwrap(), 0);
    assert!(!shown.contains("bytes will differ"), "{shown}");
    assert!(folder.weights("runs/copy-2") == folder.weights("runs/copy-1"));
    let record = fs::read_to_string(folder.path("runs/copy-2/training.json")).unwrap();
    assert!(record.contains("\"simd\": \"portable\"") && record.contains("\"precision\": \"f32\""), "{record}");
}

#[test]
fn a_start_that_fails_leaves_no_folder_and_a_refused_resume_changes_nothing() {
    let folder = Folder::new();
    folder.write("even.en", "ab\n\ncd\n");
    folder.write("uneven.de", "ab\n\n");
    let test = "data.test={source=\"even.en\", target=\"uneven.de\"}";
    folder.write("empty.tsv", "");
    let settings =
        ["data.train.tsv=none.tsv", "data.test.tsv=empty.tsv", test, "batch.max_tokens=auto", "name=../copy"];
    let of_parts =
        ["training.freeze=[\"foo\"]", "training.rates=[{pattern=\"foo\", factor=0.1}]", "training.quantize=q4_0"];
    for setting in settings.into_iter().chain(of_parts).chain(["training.steps=0"]) {
        folder.run(&["train", "recipe.toml", "--set", setting], 1);
    }
    let runs = fs::read_dir(folder.path("runs")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(runs.filter(|name| name.to_string_lossy().starts_with("copy")).count(), 0);
    assert!(!folder.path("copy-1").exists());
    folder.run(&["train", "recipe.toml", "--set", "training.steps=8"], 0);
    let config = || fs::read_to_string(folder.path("runs/copy-1/config.toml")).unwrap();
    let before = config();
    for (setting, reason) in [
        ("training.steps=7", "training.steps = 7: the run has made 8 updates"),
        ("model.dropout=0.2", "model.dropout can't change"),
        ("batch.max_tokens=64", "batch.max_tokens can't change"),
        ("evaluation.model=better", "evaluation.model: \"better\""),
    ] {
        let error = folder.run(&["train", "--resume", "runs/copy-1", "--set", setting], 1);
        assert!(error.contains(reason) && error.contains(setting), "{error}");
        assert!(config() == before, "{setting} is refused, and written");
    }
    // Data that has moved is the same, and other data is not.
    fs::rename(folder.path("pairs.tsv"), folder.path("moved.tsv")).unwrap();
    folder.write("other.tsv", "ab\tcd\n");
    let resume = |train: &str, code| {
        let (train, validation) = (format!("data.train.tsv={train}"), "data.validation.tsv=moved.tsv");
        folder.run(&["train", "--resume", "runs/copy-1", "--set", &train, "--set", validation], code)
    };
    assert!(resume("other.tsv", 1).contains("other.tsv has changed since the run began"));
    assert!(config() == before);
    resume("moved.tsv", 0);
    assert!(config() == before.replace("pairs.tsv", "moved.tsv"));
    fs::rename(folder.path("moved.tsv"), folder.path("pairs.tsv")).unwrap();
    // Nor is a place among batches taken for one among others.
    fs::write(folder.path("runs/copy-1/config.toml"), before.replace("max_tokens = 256", "max_tokens = 64")).unwrap();
    let error = folder.run(&["train", "--resume", "runs/copy-1", "--set", "training.steps=9"], 1);
    assert!(error.contains("the epoch that the checkpoint was saved in had"), "{error}");
    fs::write(folder.path("runs/copy-1/config.toml"), before).unwrap();
    folder.run(&["train", "--resume", "runs/copy-1", "--set", "training.steps=9"], 0);
}

#[test]
fn what_changes_when_a_run_goes_on_is_in_effect() {
    let folder = Folder::new();
    folder.run(&["train", "recipe.toml"], 0);
    let resume = |settings: &[&str], code| {
        let settings = settings.iter().flat_map(|setting| ["--set", *setting]);
        let args: Vec<&str> = ["train", "--resume", "runs/copy-1"].into_iter().chain(settings).collect();
        folder.run(&args, code)
    };
    let config = || fs::read_to_string(folder.path("runs/copy-1/config.toml")).unwrap();
    resume(&["training.steps=18", "schedule.lr=5e-4"], 0);
    let log = fs::read_to_string(folder.path("runs/copy-1/metrics.jsonl")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let rates: Vec<f64> = lines.filter(|line| line["event"] == "step").filter_map(|line| line["lr"].as_f64()).collect();
    assert_eq!(rates, [[1e-3; 12].to_vec(), [5e-4; 6].to_vec()].concat());
    assert!(config().contains("steps = 18") && config().contains("lr = 0.0005"), "{}", config());

    // No validation is better than the one before it by a thousand nats.
    let stopping = "training.early_stopping={on=\"loss\", patience=2, min_delta=1000.0}";
    let shown = resume(&["training.steps=600", "training.validate_every=2", stopping, "evaluation.model=last"], 0);
    assert!(shown.contains("after which nothing got better"), "{shown}");
    assert_eq!(validations(&folder, "runs/copy-1").last().unwrap().0, 24, "20 is the first that is looked at");
    assert!(config().contains("patience = 2"), "{}", config());

    let before = config();
    for key in ["optimizer.beta_2", "training.clip_norm", "training.seed", "tokenizer.merges", "rules.max_tokens"] {
        let error = resume(&[&format!("{key}=1")], 1);
        assert!(error.contains(&format!("{key} can't change when a run goes on")), "{error}");
    }
    assert!(config() == before, "what is refused is written");
}

#[test]
fn any_optimizer_trains_by_its_name() {
    let folder = Folder::new();
    for kind in ["sgd", "momentum", "adagrad", "rmsprop"] {
        let setting = format!("optimizer.kind={kind}");
        folder.run(&["train", "recipe.toml", "--set", &setting, "--set", &format!("name={kind}")], 0);
        let state = fs::read_to_string(folder.path(&format!("runs/{kind}-1/checkpoints/step-00000012/state.toml")));
        assert!(state.unwrap().contains(&format!("optimizer = {kind:?}")));
    }
}

#[test]
fn nan_is_skipped_gone_back_from_and_diagnosed() {
    let folder = Folder::new();
    let run = |nan: &str, code| {
        let mut command = folder.command(&["train", "recipe.toml", "--set", "training.divergence.max_bad=2"]);
        said(&command.env("ATTENTIVE_INJECT_NAN", nan).output().unwrap(), code)
    };
    assert!(run("5-5", 0).contains("step 5: the loss or its gradient is not finite; update skipped"));
    let back = run("8-9", 0);
    assert!(back.contains("training diverged: 2 bad updates in a row, the last one 9"), "{back}");
    assert!(back.contains("back to step 6, on with 0.5 times the schedule's learning rate"), "{back}");
    let stopped = run("8-99", 1);
    assert!(
        stopped.contains("again after going back 3 times") && stopped.contains("--resume runs/copy-3"),
        "{stopped}"
    );
    assert!(run("soon", 1).contains("FIRST-LAST or example:INDEX"));
}

#[test]
fn wrong_settings_are_named_with_their_place() {
    let folder = Folder::new();
    let line = |wanted: &str| RECIPE.lines().position(|line| line == wanted).unwrap() + 1;
    let says = |error: &str, parts: &[&str]| {
        for part in parts {
            assert!(error.contains(part), "{part:?} is missing: {error}");
        }
    };
    folder.write("typo.toml", &RECIPE.replace("validate_every", "validate_evry").replace("d_ff", "d_fff"));
    let error = folder.run(&["train", "typo.toml"], 1);
    let place = format!("typo.toml:{}: training.validate_evry", line("validate_every = 6"));
    let width = format!("typo.toml:{}: model.d_fff", line("d_ff = 32"));
    says(&error, &[&place, "did you mean `validate_every`?", &width, "did you mean `d_ff`?"]);

    folder.write("heads.toml", "extends = \"recipe.toml\"\n\n[model]\nn_heads = 5\n");
    let error = folder.run(&["train", "heads.toml"], 1);
    let place = format!("model.d_model: recipe.toml:{}", line("d_model = 16"));
    says(&error, &["model.n_heads: heads.toml:4", &place]);

    #[cfg(unix)]
    {
        let error = folder.run(&["train", "recipe.toml", "--set", "data.train.tsv=/dev/null"], 1);
        says(&error, &["data.train.tsv: /dev/null is not a file but a pipe or a device", "write it to a file first"]);
    }

    let environment = |value: &str| {
        let mut command = folder.command(&["train", "recipe.toml"]);
        command.env("ATTENTIVE_SET_TRAINING__STEPS", value);
        command
    };
    assert!(said(&environment("2").output().unwrap(), 0).contains("trained 2 steps"));
    let mut set = environment("2");
    assert!(said(&set.args(["--set", "training.steps=1"]).output().unwrap(), 0).contains("trained 1 steps"));
    let mut resume = folder.command(&["train", "--resume", "runs/latest"]);
    let resumed = said(&resume.env("ATTENTIVE_SET_TRAINING__STEPS", "3").output().unwrap(), 0);
    says(&resumed, &["warning: ATTENTIVE_SET_TRAINING__STEPS is not followed when a run goes on: give --set"]);
    let error = said(&environment("many").output().unwrap(), 1);
    says(&error, &["ATTENTIVE_SET_TRAINING__STEPS of the environment: training.steps: \"many\" must be an integer"]);
}

#[test]
fn the_doctor_sees_what_is_odd_and_a_model_is_tested() {
    let folder = Folder::new();
    let shown = folder.run(&["doctor", "recipe.toml", "--set", "data.test.tsv=pairs.tsv"], 0);
    for part in [
        "every setting is known",
        "200 training pairs",
        "source  1 to 3 tokens",
        "s an update",
        "a checkpoint",
        "train: 196 of 200 (98.0 %) pairs are there before",
        "test: 200 of 200 (100.0 %) pairs are in the training data",
    ] {
        assert!(shown.contains(part), "{part:?} is missing:\n{shown}");
    }
    assert!(!folder.path("runs").exists(), "a look leaves nothing behind");

    folder.run(&["train", "recipe.toml"], 0);
    let laws = folder.run(&["selftest"], 0);
    assert_eq!(laws.matches(" holds ").count(), 5, "{laws}");
    // Parameters that are far too large break them; that they were changed is seen before.
    let weights = folder.path("runs/copy-1/model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let n_changed = bytes.len() / 8 * 4;
    let start = bytes.len() - n_changed;
    bytes[start..].chunks_exact_mut(4).for_each(|value| value.copy_from_slice(&f32::MAX.to_le_bytes()));
    fs::write(&weights, bytes).unwrap();
    let changed = folder.run(&["selftest"], 1);
    assert!(changed.contains("model.safetensors is not the file that was saved"), "{changed}");
    let record = folder.path("runs/copy-1/training.json");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace("\"files\"", "\"no files\"")).unwrap();
    let broken = folder.run(&["selftest"], 1);
    assert!(broken.contains("BROKEN"), "{broken}");
}

#[test]
fn a_run_can_be_watched() {
    let folder = Folder::new();
    folder.run(&["train", "recipe.toml", "--tensorboard"], 0);
    assert_eq!(fs::read_dir(folder.path("runs/copy-1/tensorboard")).unwrap().count(), 1);
    folder.run(&["plot", "runs/copy-1", "runs/latest", "--out", "a.svg"], 0);
    let svg = fs::read_to_string(folder.path("a.svg")).unwrap();
    for part in ["<svg ", "training loss", "validation loss", "bleu", "learning rate", "runs/copy-1", "runs/latest"] {
        assert!(svg.contains(part), "{part:?} is missing");
    }
    folder.run(&["plot", "runs/copy-1", "--output", "a.png"], 0);
    assert!(fs::read(folder.path("a.png")).unwrap().starts_with(b"\x89PNG"));
    let error = folder.run(&["plot", "runs/copy-1", "--out", "a.pdf"], 2);
    assert!(error.contains("ends with .svg or .png"), "{error}");
    let error = folder.run(&["train", "recipe.toml", "--set", "data.train.tsv=none.tsv"], 1);
    assert_eq!(error.matches("os error 2").count(), 1, "a cause is said once: {error}");
    let error = folder.run(&["plot", "runs/none"], 1);
    assert!(error.contains("runs/none/metrics.jsonl"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_largest_batch_that_fits_is_found_and_kept() {
    let folder = Folder::new();
    let auto = ["train", "recipe.toml", "--set", "batch.max_tokens=auto"];
    let error = folder.run(&auto, 1);
    assert!(error.contains("needs --memory") && !folder.path("runs/copy-1").exists(), "{error}");
    let unread = folder.run(&[&auto[..], &["--set", "data.train.tsv=absent.tsv"]].concat(), 1);
    assert!(unread.contains("needs --memory") && !unread.contains("absent.tsv"), "{unread}");
    let shown = folder.run(&[&auto[..], &["--memory", "2GiB"]].concat(), 0);
    assert!(shown.contains("MiB with batch.max_tokens = 512") && shown.contains("is the most that fits"), "{shown}");
    let config = fs::read_to_string(folder.path("runs/copy-1/config.toml")).unwrap();
    let line = config.lines().find(|line| line.starts_with("max_tokens = ") && !line.contains("auto"));
    assert!(line.is_some(), "{config}");
    let error = folder.run(&[&auto[..], &["--memory", "1MiB"]].concat(), 1);
    assert!(error.contains("--memory: batch.max_tokens = 512"), "{error}");
}
