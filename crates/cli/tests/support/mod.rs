//! A folder to run the command in.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// The lines of [`Folder::write_copying`].
pub(crate) const COPIED: [&str; 4] = ["it was ab", "ab cd", "cd it", "was cd ab"];

/// The model of a recipe for it, as small as one may be.
pub(crate) const TINY: &str =
    "d_model = 16\nd_ff = 16\nn_heads = 2\nn_encoder_layers = 1\nn_decoder_layers = 1\ndropout = 0.0\n";

/// A model of another system: a golden folder of `crates/interchange`, or a file in it.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../interchange/tests/golden").join(name)
}

/// Copies the files of a [`golden`] folder into a new one, where they may be changed.
pub(crate) fn copy_golden(name: &str, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(golden(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Imports a [`golden`] model as `out`; returns what is said of it.
    pub(crate) fn import(&self, name: &str, out: &str) -> String {
        self.succeed(&["import", golden(name).to_str().unwrap(), "--out", out], "")
    }

    /// Lines that are to be written down as they are, `pairs.tsv`, and a recipe that learns to, `NAME.toml`; after so many
    /// steps it ends, validates and saves.
    pub(crate) fn write_copying(&self, name: &str, [steps, validate_every, checkpoint_every]: [u64; 3], model: &str) {
        let lines = COPIED.map(|line| format!("{line}\t{line}\n"));
        self.write("pairs.tsv", &lines.concat().repeat(5));
        let recipe = format!(
            r#"
name = "{name}"

[data]
train.tsv = "pairs.tsv"
validation.tsv = "pairs.tsv"

[tokenizer]
merges = 10

[batch]
max_tokens = 256

[schedule]
kind = "constant"
lr = 1e-3

[training]
steps = {steps}
validate_every = {validate_every}
checkpoint_every = {checkpoint_every}

[evaluation]
bleu_sentences = 2
average_last = 1

[model]
{model}"#
        );
        self.write(&format!("{name}.toml"), &recipe);
    }

    /// Runs `attentive` here with `input` on standard input.
    pub(crate) fn run(&self, args: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_attentive"))
            .args(args)
            .current_dir(self.0.path())
            .env_remove("ATTENTIVE_BACKEND")
            .env_remove("ATTENTIVE_COMMAND")
            .env_remove("SACREBLEU_SEED")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that has seen enough closes its input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    pub(crate) fn succeed(&self, args: &[&str], input: &str) -> String {
        let output = self.run(args, input);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Does what the end of a run proposes, as a shell reads it; what it shows of the run's own text is `text`.
    #[track_caller]
    pub(crate) fn follow(&self, shown: &str, text: &str) -> String {
        let proposed = shown.lines().skip_while(|line| !line.ends_with("use it with:")).nth(1).unwrap().trim();
        assert!(proposed.contains(text), "{proposed}");
        let args = proposed.strip_prefix("attentive ").unwrap_or_else(|| panic!("{proposed}"));
        let command = format!("{} {args}", env!("CARGO_BIN_EXE_attentive"));
        let output = Command::new("sh").args(["-c", &command]).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "{proposed}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the command says when it refuses.
    pub(crate) fn fail(&self, args: &[&str], input: &str) -> String {
        self.end_with(1, args, input)
    }

    /// What the command says of a flag that it can't take.
    pub(crate) fn misuse(&self, args: &[&str]) -> String {
        self.end_with(2, args, "")
    }

    fn end_with(&self, code: i32, args: &[&str], input: &str) -> String {
        let output = self.run(args, input);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert!(!error.contains("panicked"), "{error}");
        error
    }
}

#[track_caller]
pub(crate) fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
}
