//! Output that can't be written: a full disk, a reader that has left. No command panics, and none leaves work undone.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Write, pipe},
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::support::{COPIED, Folder, TINY};

/// What each command is called with, and what is there after it; `OUT` is another name each time, `GOLDEN` the folder
/// of models of other tools.
const CALLS: &[(&str, &[&str])] = &[
    ("train copy.toml --runs OUT", &["OUT/copy-1/model.safetensors", "OUT/copy-1/training.json"]),
    ("translate --model run ab cd", &[]),
    ("translate --model run --alignment --tree OUT.html ab", &["OUT.html"]),
    ("transcribe --model whisper --language de --format vtt GOLDEN/../../../speech/tests/golden/s16.wav", &[]),
    ("summarize --model run --lines lines", &[]),
    ("generate --model gpt --max-tokens 4 the", &[]),
    ("generate --model gpt --max-tokens 4 --format jsonl the", &[]),
    ("chat --model llama --max-tokens 2 --prompt the", &[]),
    ("run gpt --max-tokens 2 the", &[]),
    ("score --model gpt the animal", &[]),
    ("fill --model bert [MASK]", &[]),
    ("embed --model bert animal", &[]),
    ("embed --model bert --compare animal animal animal", &[]),
    ("similar --model bert --query animal lines", &[]),
    ("classify --model classes animal", &[]),
    ("classify --model pictures picture.png", &[]),
    ("embed --model pictures picture.png", &[]),
    ("attention --model pictures --out OUT.png picture.png", &["OUT.png"]),
    ("tag --model tags animal", &[]),
    ("answer --model answers --question animal animal", &[]),
    ("rerank --model rank --query animal animal", &[]),
    ("eval --model run --source lines --reference lines", &[]),
    ("eval --hypotheses lines --reference lines --sentence-level", &[]),
    ("compare lines lines --reference lines --samples 10", &[]),
    ("play --model pole --episodes 2 --show --plot OUT.svg", &["OUT.svg"]),
    ("inspect run --params", &[]),
    ("attention --model run --word ab --out OUT.svg ab", &["OUT.svg"]),
    ("attention --model bert --word animal --out OUT.svg animal", &["OUT.svg"]),
    ("attention --model gpt --html OUT.html the", &["OUT.html"]),
    ("attention --model pictures --html OUT.html picture.png", &["OUT.html"]),
    ("heads --model run --sentences 1", &[]),
    ("heads --model gpt --data lines", &[]),
    ("prune-heads --model gpt --heads decoder.0.self:0 --out OUT", &["OUT/model.safetensors"]),
    ("prune-heads --model gpt --keep 1 --data lines --force --out OUT", &["OUT/model.safetensors"]),
    ("probe --model bert --data labels --test labels", &[]),
    ("lens --model gpt --out OUT.svg the", &["OUT.svg"]),
    ("saliency --model gpt --steps 2 --out OUT.svg the", &["OUT.svg"]),
    ("lens --model run --target ba --out OUT.svg ab", &["OUT.svg"]),
    ("saliency --model run --steps 2 --out OUT.svg ab", &["OUT.svg"]),
    ("doctor copy.toml", &[]),
    ("selftest copy.toml", &[]),
    ("plot run --out OUT.svg", &["OUT.svg"]),
    ("recipes", &[]),
    ("recipes copy gpt OUT.toml", &["OUT.toml"]),
    ("schema", &[]),
    ("quantize --model run --out OUT", &["OUT/model.safetensors"]),
    ("shortlist --model run --source lines --target lines --out OUT", &["OUT/shortlist.json"]),
    ("average run --last 1 --out OUT", &["OUT/model.safetensors"]),
    ("import GOLDEN/marian --out OUT", &["OUT/model.safetensors"]),
    ("merge --model gpt --adapter GOLDEN/peft-gpt2 --out OUT", &["OUT/model.safetensors"]),
    ("extend --model gpt --out OUT Okapi", &["OUT/model.safetensors"]),
    ("export --model marian --format marian --out OUT", &["OUT/config.json"]),
    ("export --model gpt --format onnx --out OUT", &["OUT/model.onnx"]),
    ("export --model adapted --adapter --format gpt2 --out OUT", &["OUT/adapter_model.safetensors"]),
    ("completions bash", &[]),
    ("man train", &[]),
    ("tokenize train lines --merges 3 --out OUT.json", &["OUT.json"]),
    ("tokenize encode lines --tokenizer run", &[]),
    ("tokenize decode ids --tokenizer run", &[]),
    ("tokenize show ab --tokenizer run", &[]),
    ("paper table1 --n 8 --d 16 --r 2 --no-time", &[]),
    ("paper table2", &[]),
    ("paper table3", &[]),
    ("paper positions --n 8 --out OUT.svg --products OUT-products.svg", &["OUT.svg", "OUT-products.svg"]),
    ("paper schedule --steps 10 --out OUT.svg", &["OUT.svg"]),
    ("paper optimizers copy.toml --steps 1 --out OUT.svg", &["OUT.svg"]),
    ("paper attention --model run --word ab --out OUT.svg ab", &["OUT.svg"]),
    ("paper canine --out OUT.svg", &["OUT.svg"]),
    ("paper tokenizers --vocab-size 300 --gflops 1", &[]),
    ("paper rnn run run", &[]),
    ("reproduce table1 --n 4 --d 4 --k 2 --r 2 --doublings 1 --out OUT", &["OUT/table1.md", "OUT/table1-time.svg"]),
    ("reproduce table2", &[]),
    ("reproduce table3 copy.toml --rows E --updates 1 --runs OUT --out OUT.md", &["OUT.md"]),
    ("distill --model run --beam 2 --reference lines --out OUT.tsv lines", &["OUT.tsv"]),
    ("backtranslate --model run --out OUT.tsv lines", &["OUT.tsv"]),
    (
        "filter --source lines --target lines --rule identical=true --out OUT.tsv --report OUT.json",
        &["OUT.tsv", "OUT.json"],
    ),
    ("reproduce figures --out OUT", &["OUT/canine.svg", "OUT/positions.md", "OUT/schedule.svg"]),
];

/// An agent that has learnt next to nothing.
const POLE: &str = r#"name = "pole"
task = "trajectories"
data = { episodes = 8 }
model = { preset = "decision-transformer", d_model = 4, d_ff = 4, n_layers = 1 }
batch = { context = 2, rows = 4 }
evaluation = { episodes = 0 }
schedule = { kind = "constant", lr = 1e-3 }
training = { steps = 1 }
"#;

/// An adapter that has learnt next to nothing.
const ADAPTED: &str = r#"name = "adapted"
task = "causal-lm"
pretrained = "gpt"
data.train = { text = "lines", documents = "line" }
batch = { context = 4, rows = 1 }
adapter = { rank = 1 }
evaluation = { samples = 0 }
schedule = { kind = "constant", lr = 1e-3 }
training = { steps = 1 }
"#;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write_copying("copy", [6, 2, 3], TINY);
    folder.write("lines", &(COPIED.join("\n") + "\n"));
    folder.write("ids", "4 5\n");
    folder.write("labels", "the\tA\nanimal\tB\n");
    let picture = attentive_vision::Picture::new([4, 4], 1, (0..16).collect());
    fs::write(folder.path("picture.png"), picture.to_png()).unwrap();
    folder.succeed(&["train", "copy.toml"], "");
    fs::rename(folder.path("runs/copy-1"), folder.path("run")).unwrap();
    folder.write("pole.toml", POLE);
    folder.succeed(&["train", "pole.toml"], "");
    fs::rename(folder.path("runs/pole-1"), folder.path("pole")).unwrap();
    for (model, name) in [
        ("gpt2", "gpt"),
        ("gguf/llama.gguf", "llama"),
        ("whisper", "whisper"),
        ("bert-masked-lm", "bert"),
        ("bert-classification", "classes"),
        ("bert-tags", "tags"),
        ("bert-answers", "answers"),
        ("bert-rank", "rank"),
        ("marian", "marian"),
        ("vit-classification", "pictures"),
    ] {
        folder.succeed(&["import", &format!("{}/{model}", golden()), "--out", name], "");
    }
    folder.write("adapted.toml", ADAPTED);
    folder.succeed(&["train", "adapted.toml"], "");
    fs::rename(folder.path("runs/adapted-1"), folder.path("adapted")).unwrap();
    folder
}

fn golden() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interchange/tests/golden");
    path.to_str().unwrap().to_owned()
}

fn attentive(folder: &Folder, args: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attentive"));
    command.args(args).current_dir(folder.path("")).stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// The words of a call, in which `out` is the name of what it writes.
fn words(call: &str, out: &str) -> Vec<String> {
    call.replace("OUT", out).replace("GOLDEN", &golden()).split(' ').map(str::to_owned).collect()
}

/// Ends a command: its exit code and what it said on standard error.
#[track_caller]
fn ended(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.spawn().unwrap().wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    assert!(!stderr.contains("panicked"), "{stderr}");
    (status.code(), stderr)
}

#[track_caller]
fn all_there(folder: &Folder, call: &str, out: &str, files: &[&str]) {
    for file in files {
        assert!(folder.path(&file.replace("OUT", out)).is_file(), "{call}: {file} is missing");
    }
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// A pipe that nobody reads.
fn left() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

/// The names under "Commands:" in a help text.
fn commands(folder: &Folder, of: &[&str]) -> Vec<String> {
    let help = folder.succeed(&[of, &["--help"]].concat(), "");
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = lines.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_is_among_the_calls() {
    let folder = Folder::new();
    let called: BTreeSet<&str> = CALLS.iter().map(|(call, _)| *call).collect();
    let is_called = |name: &str| called.iter().any(|call| *call == name || call.starts_with(&format!("{name} ")));
    let names = commands(&folder, &[]);
    assert!(names.len() > 20, "{names:?}");
    // A server runs until it is stopped: tests of its own start it.
    for name in names.into_iter().filter(|name| name != "serve") {
        assert!(is_called(&name), "{name} is called by none of the tests here");
        for inner in commands(&folder, &[&name]) {
            let name = format!("{name} {inner}");
            assert!(is_called(&name), "{name} is called by none of the tests here");
        }
    }
}

#[test]
fn a_full_disk_is_an_error_of_every_command_which_does_its_work_all_the_same() {
    let folder = folder();
    for (idx, (call, files)) in CALLS.iter().enumerate() {
        let out = format!("full-{idx}");
        let (code, stderr) = ended(attentive(&folder, &words(call, &out)).stdout(full()));
        assert_eq!(code, Some(1), "{call}: {stderr}");
        let message = "error: can't write standard output: No space left on device";
        assert_eq!(stderr.matches(message).count(), 1, "{call}: {stderr}");
        assert_eq!(stderr.matches("error:").count(), 1, "{call}: {stderr}");
        all_there(&folder, call, &out, files);
    }
}

#[test]
fn a_reader_that_left_is_no_error_of_any_command_which_does_its_work_all_the_same() {
    let folder = folder();
    for (idx, (call, files)) in CALLS.iter().enumerate() {
        let out = format!("left-{idx}");
        // Nor is a variable of somebody else that is not text.
        let strange = OsStr::from_bytes(b"\xff");
        let (code, stderr) =
            ended(attentive(&folder, &words(call, &out)).stdout(left()).env("X", strange).env(strange, "x"));
        assert_eq!(code, Some(0), "{call}: {stderr}");
        assert!(!stderr.contains("error"), "{call}: {stderr}");
        all_there(&folder, call, &out, files);
    }
}

#[test]
fn a_drawing_does_not_take_the_place_of_a_device() {
    let folder = folder();
    let is_drawing = |file: &&&str| ["OUT.svg", "OUT.png", "OUT.html"].contains(*file);
    for (idx, (call, files)) in CALLS.iter().enumerate() {
        let out = format!("device-{idx}");
        let Some(file) = files.iter().find(is_drawing) else { continue };
        let link = folder.path(&file.replace("OUT", &out));
        symlink("/dev/null", &link).unwrap();
        let (code, stderr) = ended(attentive(&folder, &words(call, &out)).stdout(Stdio::null()));
        assert_eq!(code, Some(0), "{call}: {stderr}");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "{call}: a file is in the place of the device");
    }
}

#[test]
fn training_goes_on_after_its_reader_has_seen_enough() {
    let folder = folder();
    let args = ["train", "copy.toml", "--runs", "runs", "--set", "training.steps=40"].map(str::to_owned);
    let mut child = attentive(&folder, &args).stdout(Stdio::piped()).spawn().unwrap();
    let shown: Vec<String> = BufReader::new(child.stdout.take().unwrap()).lines().take(3).map(Result::unwrap).collect();
    assert_eq!(shown.len(), 3);
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let record = folder.succeed(&["inspect", "runs/latest"], "");
    assert!(record.contains("training     40 steps"), "{record}");
    folder.succeed(&["translate", "--model", "runs/latest", "ab cd"], "");
}

#[test]
fn help_and_version_are_output_as_any_other() {
    let folder = Folder::new();
    for call in ["--help", "--version", "train --help", "help translate"] {
        let (code, stderr) = ended(attentive(&folder, &words(call, "")).stdout(full()));
        assert_eq!(code, Some(1), "{call}: {stderr}");
        assert!(stderr.contains("can't write standard output: No space left"), "{call}: {stderr}");
        let (code, stderr) = ended(attentive(&folder, &words(call, "")).stdout(left()));
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{call}");
    }
    let (code, _) = ended(attentive(&folder, &words("tran", "")).stdout(full()));
    assert_eq!(code, Some(2), "what is wrong with arguments goes to standard error");
}

#[test]
fn errors_that_nobody_can_read_are_no_panics() {
    let folder = folder();
    for stderr in [full, left] {
        let args = words("translate --model nowhere ab", "");
        assert_eq!(ended(attentive(&folder, &args).stdout(Stdio::null()).stderr(stderr())).0, Some(1));
        // What score says of all lines goes to standard error.
        let args = words("score --model gpt the animal", "");
        assert_eq!(ended(attentive(&folder, &args).stdout(Stdio::null()).stderr(stderr())).0, Some(0));
        assert_eq!(ended(attentive(&folder, &words("tran", "")).stderr(stderr())).0, Some(2));
        assert_eq!(ended(attentive(&folder, &words("recipes", "")).stdout(full()).stderr(stderr())).0, Some(1));
    }
}

#[test]
fn a_stream_ends_with_its_reader_and_not_with_its_input() {
    let folder = folder();
    let mut child = attentive(&folder, &words("tokenize encode --tokenizer run", ""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    // Without an end of its own.
    while input.write_all(b"ab cd\n").is_ok() {}
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
