//! Recognisers of speech as a user meets them: trained, examined, and told to write what is said in files.

use std::{fs, path::Path};

use crate::support::{Folder, contains};

const RECIPE: &str = r#"
name = "morse"
task = "speech-recognition"

[data.morse]
sizes = [16, 4, 2]
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
n_encoder_layers = 1
n_decoder_layers = 1

[batch]
rows = 4

[schedule]
kind = "constant"
lr = 1e-3

[training]
steps = 6
validate_every = 3
checkpoint_every = 3
"#;

/// The bytes of a file of the goldens of sound.
fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../speech/tests/golden");
    fs::read(folder.join(name)).unwrap()
}

/// A folder with a Whisper of transformers, which knows German and English, and a recording.
fn folder() -> Folder {
    let folder = Folder::new();
    contains(&folder.import("whisper", "model"), &["use: transcribe"]);
    fs::write(folder.path("a.flac"), golden("s16.flac")).unwrap();
    folder
}

#[test]
fn a_recogniser_is_trained_examined_and_shown() {
    let folder = Folder::new();
    folder.write("morse.toml", RECIPE);
    contains(
        &folder.succeed(&["doctor", "morse.toml"], ""),
        &["every setting is known and in range", "recordings", "s an update"],
    );
    let told = folder.succeed(&["train", "morse.toml"], "");
    contains(&told, &["of 2 recordings", "transcribe --model"]);
    contains(&folder.succeed(&["inspect"], ""), &["family       whisper", "score        test       wer"]);
    let laws = folder.succeed(&["selftest"], "");
    contains(&laws, &["causality  holds", "sight      holds", "cache      holds", "gradients  holds"]);
    fs::write(folder.path("a.wav"), golden("s16.wav")).unwrap();
    folder.succeed(&["transcribe", "a.wav"], "");
    let said = folder.fail(&["transcribe", "--language", "de", "a.wav"], "");
    contains(&said, &["does not know the language \"de\"", "leave it out"]);
}

#[test]
fn every_format_has_the_same_sentences() {
    let folder = folder();
    let write =
        |args: &[&str]| folder.succeed(&[&["transcribe", "--model", "model"][..], args, &["a.flac"]].concat(), "");
    let text = write(&[]);
    let sentences: Vec<&str> = text.lines().collect();
    assert!(!sentences.is_empty(), "a tiny model of no sense says something");
    let timed = write(&["--timestamps"]);
    for (line, sentence) in timed.lines().zip(&sentences) {
        let (times, said) = line.split_once("] ").unwrap();
        assert!(times.starts_with("[00:00:0") && times.contains(" --> 00:00:0") && said == *sentence, "{timed}");
    }
    let json: Vec<serde_json::Value> =
        write(&["--format", "json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json.iter().map(|line| line["text"].as_str().unwrap()).collect::<Vec<_>>(), sentences);
    assert!(json.iter().all(|line| line["file"] == "a.flac" && line["start"].as_f64() <= line["end"].as_f64()));
    let n_times =
        |text: &str| text.lines().filter(|line| line.starts_with("00:00:0") && line.contains(" --> ")).count();
    let (srt, vtt) = (write(&["--format", "srt"]), write(&["--format", "vtt"]));
    assert!(srt.starts_with("1\n00:00:0") && vtt.starts_with("WEBVTT\n\n00:00:0"), "{srt}{vtt}");
    assert_eq!([timed.lines().count(), json.len(), n_times(&srt), n_times(&vtt)], [sentences.len(); 4]);
    write(&["--language", "de", "--task", "translate"]);
    let refused =
        |args: &[&str]| folder.fail(&[&["transcribe", "--model", "model"][..], args, &["a.flac"]].concat(), "");
    contains(&refused(&["--language", "fr"]), &["does not know the language \"fr\"", "de, en"]);
    contains(&refused(&["--format", "json", "--timestamps"]), &["--timestamps is for --format text"]);
    contains(&refused(&["--format", "srt", "a.flac"]), &["--format srt is for one recording"]);
}

/// Bad recordings by name, the part of a message that says what is wrong with each, and their bytes.
fn bad() -> [(&'static str, &'static str, Vec<u8>); 4] {
    let whole = golden("f32.wav");
    let data = whole.windows(4).position(|four| four == b"data").unwrap() + 8;
    let mut no_number = whole.clone();
    no_number[data..data + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    [
        ("empty.wav", "holds no sound", Vec::new()),
        ("text.wav", "not an audio file", b"a text, and no sound at all: nothing that anybody could hear".to_vec()),
        ("cut.wav", "is damaged after", whole[..whole.len() / 2].to_vec()),
        ("no-number.wav", "a sample is not a finite number", no_number),
    ]
}

#[test]
fn bad_recordings_are_named() {
    let folder = folder();
    folder.write("morse.toml", RECIPE);
    for (name, problem, bytes) in bad() {
        fs::write(folder.path(name), bytes).unwrap();
        contains(&folder.fail(&["transcribe", "--model", "model", name], ""), &[name, problem]);
        folder.write("train.tsv", &format!("a.flac\tE\n{name}\tT\n"));
        let train = ["train", "morse.toml", "--set", "data.train.tsv=train.tsv"];
        contains(&folder.fail(&train, ""), &[name, problem]);
    }
    contains(&folder.fail(&["transcribe", "--model", "model", "nowhere.wav"], ""), &["nowhere.wav"]);
    // A model of texts does not listen.
    folder.import("gpt2", "gpt");
    contains(&folder.fail(&["transcribe", "--model", "gpt", "a.flac"], ""), &["recogniser of speech"]);
}
