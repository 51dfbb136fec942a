//! Encoders that learn without labels, and what few labels make of them.

use attentive_weights::Tensors;

use crate::support::Folder;

const LOOP: &str = "
[schedule]
kind = \"constant\"
lr = 1e-3

[training]
steps = 6
validate_every = 3
checkpoint_every = 3
";

const TEXT: &str = r#"
name = "text"
task = "masked-lm"
data.train = { text = "text.txt" }
data.validation_fraction = 0.2
tokenizer = { kind = "wordpiece", vocab_size = 60 }
batch = { context = 16, rows = 4, examples = "full-sentences" }
objective = { kind = "data2vec", tau = 0.9, tau_end = 0.99, tau_steps = 4 }

[model]
d_model = 16
d_ff = 32
n_heads = 2
n_layers = 2
masked_lm = false
next_sentence = false
pooler = false
"#;

const CLASSES: &str = r#"
name = "classes"
task = "classification"
pretrained = "runs/text-1"
data.train.tsv = "texts.tsv"
data.validation.tsv = "texts.tsv"
data.examples = 6
batch = { context = 16, rows = 2 }
"#;

const SOUND: &str = r#"
name = "sound"
task = "speech-recognition"
data.morse = { sizes = [16, 4, 2], sound = { seconds = 1.0 } }
features = { sampling_rate = 4000, n_fft = 128, hop_length = 64, n_mels = 8, window_seconds = 1.0 }
tokenizer.kind = "characters"
batch.rows = 4

[model]
d_model = 16
d_ff = 32
n_heads = 2
n_encoder_layers = 2
n_decoder_layers = 1
"#;

/// A model whose deep layers do not see single characters.
const CANINE: &str = "model={family='canine', d_model=16, d_ff=32, n_heads=2, n_layers=1, masked_lm=false, \
                      next_sentence=false, pooler=false}";

fn params(folder: &Folder, model: &str) -> Tensors {
    attentive_weights::read(&folder.path(model).join("model.safetensors")).unwrap()
}

fn line<'a>(shown: &'a str, begin: &str) -> &'a str {
    shown.lines().find(|line| line.starts_with(begin)).unwrap_or_default()
}

#[test]
fn texts_are_learnt_and_then_their_classes() {
    let folder = Folder::new();
    folder.write("text.txt", &"the animal was tired\na street too wide\n".repeat(20));
    folder.write("texts.tsv", &"the animal\tgood\na street\tbad\n".repeat(10));
    folder.write("text.toml", &format!("{TEXT}{LOOP}"));
    folder.write("classes.toml", &format!("{CLASSES}{LOOP}"));
    let shown = folder.succeed(&["train", "text.toml"], "");
    assert!(line(&shown, "validation loss").contains("targets deviate by"), "{shown}");
    let student = params(&folder, "runs/text-1");
    assert!(student.keys().all(|name| !name.starts_with("teacher") && !name.starts_with("student")), "{shown}");
    // A model of a checkpoint is the student, too.
    folder.succeed(&["average", "runs/text-1", "--checkpoint", "last", "--out", "last"], "");
    assert_eq!(params(&folder, "last"), student);
    folder.succeed(&["embed", "--model", "runs/text-1", "the animal"], "");

    let shown = folder.succeed(&["train", "classes.toml"], "");
    assert_eq!(line(&shown, "new "), "new       classifier, pooler", "{shown}");
    assert_eq!(line(&shown, "data "), "data      6 train texts", "{shown}");
    folder.fail(&["train", "classes.toml", "--set", "data.examples=1"], "");

    for (setting, problem) in [
        ("model.masked_lm=true", "model.masked_lm: data2vec does not train this head"),
        ("objective.tau=0.999", "tau = 0.999 is above tau_end = 0.99"),
        ("objective.top_layers=3", "objective.top_layers: 3: the encoder has 2 layers"),
        ("objective.hidden=0.5", "is for pictures and sound"),
        ("objective.taw=0.5", "objective.taw: no such setting; did you mean `tau`?"),
        (CANINE, "which this canine lacks"),
    ] {
        let error = folder.fail(&["train", "text.toml", "--set", setting], "");
        assert!(error.contains(problem), "{setting}: {error}");
    }
}

#[test]
fn the_encoder_of_sound_is_taken_and_its_decoder_is_new() {
    let folder = Folder::new();
    let objective = "objective = { kind = \"data2vec\", tau = 0.9, tau_end = 0.99, tau_steps = 4 }\n";
    folder.write("sound.toml", &SOUND.replace("\n[model]", &format!("{objective}\n[model]")));
    folder.write("learn.toml", &format!("extends = \"sound.toml\"\n{LOOP}"));
    folder.write("write.toml", &format!("{SOUND}{LOOP}"));
    folder.succeed(&["train", "learn.toml"], "");
    let set =
        ["--set", "pretrained=runs/sound-1", "--set", "data.examples=3", "--set", "training.freeze=[\"encoder\"]"];
    let shown = folder.succeed(&[&["train", "write.toml"], &set[..]].concat(), "");
    assert_eq!(line(&shown, "new "), "new       decoder, embedding, target_positions", "{shown}");
    let [before, after] = ["runs/sound-1", "runs/sound-2"].map(|run| params(&folder, run));
    let is_same = |name: &str| before[name] == after[name];
    assert!(is_same("encoder.layers.0.feed_forward.inner.weight") && !is_same("embedding.weight"));
}
