//! Runs of every task that are killed and resumed end as if they had not been, byte for byte.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use attentive_vision::{SHAPE_LABELS, Shapes};
use tempfile::TempDir;

/// What the recipes of all tasks have in common.
const TRAINING: &str = r#"
name = "run"

[schedule]
kind = "constant"
lr = 1e-3

[training]
steps = 60
accumulate = 2
clip_norm = 1.0
ema_decay = 0.9
validate_every = 20
checkpoint_every = 4
"#;

const GPT: &str = r#"
task = "causal-lm"
[data.train]
text = "text.txt"
documents = "file"
[data]
validation_fraction = 0.1
[tokenizer]
kind = "characters"
[model]
d_model = 16
d_ff = 32
n_heads = 2
n_layers = 1
dropout = 0.1
positions = { rotary = {} }
[batch]
context = 16
rows = 4
[evaluation]
samples = 0
"#;

const BERT: &str = r#"
task = "masked-lm"
[data.train]
text = "text.txt"
documents = "paragraph"
[data]
validation_fraction = 0.1
[tokenizer]
kind = "wordpiece"
vocab_size = 60
[model]
d_model = 16
d_ff = 32
n_heads = 2
n_layers = 1
dropout = 0.1
next_sentence = true
[batch]
context = 24
rows = 4
examples = "sentence-pairs"
"#;

/// Characters guessed one after another, in an order that is drawn for each example and epoch.
const CANINE: &str = r#"
task = "masked-lm"
[data.train]
text = "text.txt"
[data]
validation_fraction = 0.1
[tokenizer]
kind = "code-points"
[model]
preset = "canine"
d_model = 16
d_ff = 32
n_heads = 2
n_layers = 1
n_buckets = 32
max_len = 32
dropout = 0.1
next_sentence = false
[batch]
context = 32
rows = 4
examples = "full-sentences"
[masking]
copies = 0
[objective]
kind = "autoregressive"
"#;

const CLASSIFICATION: &str = r#"
task = "classification"
[data.train]
tsv = "labelled.tsv"
[data.validation]
tsv = "labelled.tsv"
[tokenizer]
kind = "wordpiece"
vocab_size = 60
[model]
d_model = 16
d_ff = 32
n_heads = 2
n_layers = 1
dropout = 0.1
[batch]
context = 16
rows = 4
"#;

/// Pictures that are cropped, mirrored, changed and mixed at random.
const PICTURES: &str = r#"
task = "image-classification"
[data.train]
folder = "pictures"
[data.validation]
folder = "pictures"
[augment]
crop = [0.5, 1.0]
flip = 0.5
operations = 1
magnitude = 5.0
mixup = 0.4
[model]
image_size = 16
patch_size = 8
d_model = 16
d_ff = 32
n_heads = 2
n_layers = 1
dropout = 0.1
[batch]
rows = 4
"#;

const RNN: &str = r#"
[data.train]
tsv = "pairs.tsv"
[data.validation]
tsv = "pairs.tsv"
[tokenizer]
merges = 5
[model]
family = "rnn"
d_embedding = 12
d_hidden = 12
d_attention = 12
dropout = 0.1
[batch]
max_tokens = 64
[evaluation]
bleu_sentences = 2
"#;

/// A Transformer whose segmentation is drawn again in every epoch, and that ends with its best checkpoint.
const SAMPLED: &str = r#"
[data.train]
tsv = "pairs.tsv"
[data.validation]
tsv = "pairs.tsv"
[tokenizer]
merges = 8
bpe_dropout = 0.2
[model]
d_model = 16
d_ff = 32
n_heads = 2
n_encoder_layers = 1
n_decoder_layers = 1
dropout = 0.1
[batch]
max_tokens = 64
[evaluation]
bleu_sentences = 2
model = "best"
"#;

/// Morse code that is drawn again in every epoch, parts of which are hidden.
const SPEECH: &str = r#"
task = "speech-recognition"
[data.morse]
sizes = [24, 4, 2]
sound = { seconds = 1.0 }
[features]
sampling_rate = 4000
n_fft = 128
hop_length = 64
n_mels = 8
window_seconds = 1.0
[augment]
n_time_masks = 1
max_time = 5
n_mel_masks = 1
max_mels = 3
[tokenizer]
kind = "characters"
[model]
d_model = 16
d_ff = 32
n_heads = 2
n_encoder_layers = 1
n_decoder_layers = 1
dropout = 0.1
[batch]
rows = 4
[evaluation]
transcribed = 2
"#;

/// An agent that learns from episodes of scripted policies.
const AGENT: &str = r#"
task = "trajectories"
[data]
environment = "key-door"
episodes = 40
[model]
preset = "decision-transformer"
d_model = 16
d_ff = 32
n_heads = 2
n_layers = 1
max_steps = 24
dropout = 0.1
[batch]
context = 4
rows = 4
[evaluation]
episodes = 0
"#;

/// A student whose teacher is its running mean: of texts, pictures and sound.
const DATA2VEC_TEXT: &str = r#"
task = "masked-lm"
[data.train]
text = "text.txt"
[data]
validation_fraction = 0.1
[tokenizer]
kind = "wordpiece"
vocab_size = 60
[model]
d_model = 16
d_ff = 32
n_heads = 2
n_layers = 2
dropout = 0.1
masked_lm = false
next_sentence = false
pooler = false
[batch]
context = 24
rows = 4
examples = "full-sentences"
[objective]
kind = "data2vec"
top_layers = 1
tau = 0.9
tau_end = 0.99
tau_steps = 40
beta = 1.0
"#;

const DATA2VEC_PICTURES: &str = r#"
task = "image-classification"
[data.train]
folder = "pictures"
[data.validation]
folder = "pictures"
[model]
image_size = 16
patch_size = 4
d_model = 16
d_ff = 32
n_heads = 2
n_layers = 2
dropout = 0.1
[batch]
rows = 4
[objective]
kind = "data2vec"
tau = 0.9
tau_end = 0.99
tau_steps = 40
block = 3
"#;

const DATA2VEC_SOUND: &str = r#"
task = "speech-recognition"
[data.morse]
sizes = [24, 4, 0]
sound = { seconds = 1.0 }
[features]
sampling_rate = 4000
n_fft = 128
hop_length = 64
n_mels = 8
window_seconds = 1.0
[tokenizer]
kind = "characters"
[model]
d_model = 16
d_ff = 32
n_heads = 2
n_encoder_layers = 2
n_decoder_layers = 1
dropout = 0.1
[batch]
rows = 4
[objective]
kind = "data2vec"
tau = 0.9
tau_end = 0.99
tau_steps = 40
"#;

/// An adapter on the model of the run before.
const ADAPTER: &str = r#"
task = "causal-lm"
pretrained = "base"
[data.train]
text = "text.txt"
documents = "file"
[data]
validation_fraction = 0.1
[model]
dropout = 0.1
[adapter]
kind = "dora"
rank = 2
dropout = 0.1
targets = ["*.self_attention.*", "*.outer"]
train = ["decoder.norm"]
[batch]
context = 16
rows = 4
[evaluation]
samples = 0
"#;

/// Preferences, by an adapter on the model of the run before.
const PREFERENCES: &str = r#"
task = "causal-lm"
pretrained = "base"
[preferences]
train = "pairs.jsonl"
validation = "pairs.jsonl"
[model]
dropout = 0.1
[adapter]
rank = 2
targets = ["*.self_attention.*"]
[batch]
context = 32
rows = 4
[objective]
kind = "dpo"
"#;

/// A student of the model of the run before.
const STUDENT: &str = r#"
task = "causal-lm"
[data.train]
text = "text.txt"
documents = "file"
[data]
validation_fraction = 0.1
[tokenizer]
path = "base/tokenizer.json"
[distillation]
teacher = "base"
temperature = 2.0
top_k = 5
[model]
d_model = 8
d_ff = 16
n_heads = 2
n_layers = 1
dropout = 0.1
positions = { rotary = {} }
[batch]
context = 16
rows = 4
[evaluation]
samples = 0
"#;

fn write_data(folder: &Path) {
    let sentence = |i: usize| ["the cat is red", "a dog ran", "the red dog saw a cat", "it was late"][i * 7 % 11 % 4];
    let text: String = (0..240).map(|i| format!("{}\n{}", sentence(i), if i % 4 == 3 { "\n" } else { "" })).collect();
    let labelled: String = (0..80).map(|i| format!("{}\t{}\n", sentence(i), ["x", "y"][i * 7 % 11 % 2])).collect();
    let pairs: String = (0..120).map(|i| format!("{0}\t{0}\n", sentence(i))).collect();
    let preferred = |i: usize| match sentence(i).split_once(' ') {
        Some((prompt, rest)) => {
            format!("{{\"prompt\": \"{prompt}\", \"chosen\": \" {rest}\", \"rejected\": \" cat\"}}\n")
        }
        None => String::new(),
    };
    let preferred: String = (0..40).map(preferred).collect();
    let files = [("text.txt", text), ("labelled.tsv", labelled), ("pairs.tsv", pairs), ("pairs.jsonl", preferred)];
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }
    let shapes = Shapes { seed: 1, n: 24 };
    for idx in 0..shapes.n {
        let (picture, class) = shapes.picture(idx);
        let class = folder.join("pictures").join(SHAPE_LABELS[class as usize]);
        fs::create_dir_all(&class).unwrap();
        fs::write(class.join(format!("{idx}.png")), picture.to_png()).unwrap();
    }
}

fn train(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attentive"));
    command.arg("train").args(args).current_dir(folder).env_remove("ATTENTIVE_BACKEND");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn succeed(mut command: Command) {
    let output = command.output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{text}");
}

/// What must be equal: weights, and the last checkpoint but for its clock.
const OUTCOME: [&str; 5] = [
    "model.safetensors",
    "checkpoints/step-00000060/model.safetensors",
    "checkpoints/step-00000060/optimizer.safetensors",
    "checkpoints/step-00000060/ema.safetensors",
    "checkpoints/step-00000060/state.toml",
];

/// The recipe of a task, whose keys stand before any table.
fn write_recipe(folder: &Path, recipe: &str) {
    let (top, tables) = recipe.split_once("\n[").unwrap();
    let (name, training) = TRAINING.split_once("\n[").unwrap();
    fs::write(folder.join("recipe.toml"), format!("{name}{top}\n[{training}\n[{tables}")).unwrap();
}

/// Trains without a break, then kills a second run after some updates, twice, and resumes it.
fn killed_runs_end_as_whole_ones(recipe: &str) {
    let folder = TempDir::new().unwrap();
    write_data(folder.path());
    write_recipe(folder.path(), recipe);
    killed_runs_in(&folder);
}

fn killed_runs_in(folder: &TempDir) {
    succeed(train(folder.path(), &["recipe.toml"]));
    let run = folder.path().join("runs/run-2");
    for (session, n_lines) in [(0, 9), (1, 30)] {
        let args: &[&str] = if session == 0 { &["recipe.toml"] } else { &["--resume", "runs/run-2"] };
        let mut child = train(folder.path(), args).spawn().unwrap();
        let lines = || fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default().lines().count();
        while lines() < n_lines && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    succeed(train(folder.path(), &["--resume", "runs/run-2"]));
    for name in OUTCOME {
        let [expected, found] = ["run-1", "run-2"].map(|run| fs::read(folder.path().join("runs").join(run).join(name)));
        assert!(expected.unwrap() == found.unwrap(), "{name} differs");
    }
}

#[test]
fn a_language_model() {
    killed_runs_end_as_whole_ones(GPT);
}

#[test]
fn a_vocabulary_that_is_gone_is_told() {
    let folder = TempDir::new().unwrap();
    write_data(folder.path());
    write_recipe(folder.path(), GPT);
    succeed(train(folder.path(), &["recipe.toml", "--set", "training.steps=4"]));
    let more = ["--resume", "runs/run-1", "--set", "training.steps=8"];
    fs::remove_file(folder.path().join("runs/run-1/tokenizer.json")).unwrap();
    let output = train(folder.path(), &more).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && text.contains("has no tokenizer.json any more"), "{text}");
}

#[test]
fn an_encoder_of_sentence_pairs() {
    killed_runs_end_as_whole_ones(BERT);
}

#[test]
fn characters_one_after_another() {
    killed_runs_end_as_whole_ones(CANINE);
}

#[test]
fn a_classifier() {
    killed_runs_end_as_whole_ones(CLASSIFICATION);
}

#[test]
fn a_recogniser_of_speech() {
    killed_runs_end_as_whole_ones(SPEECH);
}

#[test]
fn an_agent() {
    killed_runs_end_as_whole_ones(AGENT);
}

#[test]
fn a_classifier_of_pictures() {
    killed_runs_end_as_whole_ones(PICTURES);
}

/// As [`killed_runs_end_as_whole_ones`], of a recipe that takes the model in `base`.
fn killed_runs_from_a_model(recipe: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    write_data(folder.path());
    write_recipe(folder.path(), GPT);
    succeed(train(folder.path(), &["recipe.toml", "--set", "training.steps=20"]));
    fs::rename(folder.path().join("runs/run-1"), folder.path().join("base")).unwrap();
    write_recipe(folder.path(), recipe);
    killed_runs_in(&folder);
    folder
}

#[test]
fn preferences() {
    killed_runs_from_a_model(PREFERENCES);
}

#[test]
fn a_student_of_a_language_model() {
    killed_runs_from_a_model(STUDENT);
}

#[test]
fn an_adapter() {
    let folder = killed_runs_from_a_model(ADAPTER);
    let [of_whole, of_killed] = ["run-1", "run-2"]
        .map(|run| fs::read(folder.path().join("runs").join(run).join("adapter.safetensors")).unwrap());
    assert!(of_whole == of_killed);
}

#[test]
fn an_rnn() {
    killed_runs_end_as_whole_ones(RNN);
}

#[test]
fn segmentations_drawn_at_random() {
    killed_runs_end_as_whole_ones(SAMPLED);
}

#[test]
fn a_student_of_texts_and_its_teacher() {
    killed_runs_end_as_whole_ones(DATA2VEC_TEXT);
}

#[test]
fn a_student_of_pictures_and_its_teacher() {
    killed_runs_end_as_whole_ones(DATA2VEC_PICTURES);
}

#[test]
fn a_student_of_sound_and_its_teacher() {
    killed_runs_end_as_whole_ones(DATA2VEC_SOUND);
}
