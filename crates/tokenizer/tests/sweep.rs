//! Folders of every class of tokenizer against transformers (`tests/golden/sweep.py`): ids, frames and text are equal, or the
//! folder is refused by name, or a note names what differs.
//!
//! `cargo xtask golden --check` has the folders made and says where they are; without that there is nothing to compare.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use attentive_tokenizer::{Frame, Framing, OpenOptions, Opened, Tokenizer, TokenizerError};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Below which the folders are.
const FOLDER: &str = "ATTENTIVE_SWEEP";
/// What the notes on differences say.
const NAMED: [&str; 3] =
    ["with which transformers 5 reads it", "transformers gives it a new id", "to the caller, unlike in transformers"];
/// What a refusal says: that a class is read from `tokenizer.json` alone, or that ByT5 has other entries than it always has.
const REASONS: [&str; 3] = ["tokenizer.json alone", "ByT5's 125", "by the vocabulary"];
/// Differences of a folder that are shown.
const N_SHOWN: usize = 3;

fn read<T: DeserializeOwned>(path: &Path) -> T {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn field<T: DeserializeOwned>(entry: &Value, name: &str) -> T {
    serde_json::from_value(entry[name].clone()).unwrap()
}

/// What was compared, with what differs.
#[derive(Default)]
struct Verdict {
    n: usize,
    different: usize,
    shown: String,
}

impl Verdict {
    fn compare<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, of: &str, found: &T, expected: &T) {
        self.n += 1;
        if found != expected {
            self.different += 1;
            if self.different <= N_SHOWN {
                let _ = writeln!(self.shown, "    {what} of {of:?}:\n      {found:?}\n      {expected:?} expected");
            }
        }
    }
}

/// Whether a folder may be refused so: none with a `tokenizer.json` is, and another for a known reason.
fn is_expected(folder: &Path, error: &TokenizerError) -> bool {
    let is_named = REASONS.iter().any(|reason| error.to_string().contains(reason));
    matches!(error, TokenizerError::Unsupported { .. }) && is_named && !folder.join("tokenizer.json").is_file()
}

fn causes(error: &TokenizerError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

/// What stands around a text in the usual language, if the model is told one.
fn frame_of(opened: &Opened) -> Frame {
    let source = opened.frame.clone().unwrap_or_default();
    let framing = Framing { source: source.clone(), languages: opened.languages.clone(), ..Framing::default() };
    match &framing.languages {
        // That of a `tokenizer.json` has the language already.
        Some(languages)
            if !languages.ids.values().any(|id| source.before.contains(id) || source.after.contains(id)) =>
        {
            framing.of_source(None).unwrap_or(source)
        }
        _ => source,
    }
}

fn compare(entry: &Value, texts: &[String], tokenizer: &dyn Tokenizer, frame: Frame) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.compare("entries", "", &tokenizer.source_vocab_size(), &field(entry, "n"));
    let Frame { before, after, .. } = frame;
    verdict.compare("frame", "", &[before.clone(), after.clone()].concat(), &field(entry, "frame"));
    let (split, whole): (Vec<Vec<u32>>, Vec<Vec<u32>>) = (field(entry, "split"), field(entry, "whole"));
    for (text, expected) in texts.iter().zip(field::<Vec<Vec<u32>>>(entry, "framed")) {
        let framed = [before.clone(), tokenizer.encode_with_specials(text), after.clone()].concat();
        verdict.compare("framed ids", text, &framed, &expected);
    }
    for (text, (split, whole)) in texts.iter().zip(split.iter().zip(&whole)) {
        verdict.compare("ids", text, &tokenizer.encode(text), split);
        verdict.compare("ids with special tokens", text, &tokenizer.encode_with_specials(text), whole);
    }
    let targets: Option<Vec<Vec<u32>>> = field(entry, "targets");
    for (text, target) in texts.iter().zip(targets.iter().flatten()) {
        verdict.compare("ids of a target", text, &tokenizer.encode_target(text), target);
    }
    for (ids, text) in targets.unwrap_or(whole).iter().zip(field::<Vec<String>>(entry, "decoded")) {
        verdict.compare("text", &format!("{ids:?}"), &tokenizer.decode(ids).unwrap_or_default(), &text);
    }
    verdict
}

#[test]
#[ignore = "compares folders that sweep.py writes: cargo xtask golden --check"]
fn every_class_has_the_ids_of_transformers_or_is_refused_by_name() {
    let root = PathBuf::from(env::var_os(FOLDER).expect(FOLDER)).join("tokenizer");
    let texts: Vec<String> = read(&root.join("texts.json"));
    let mut folders: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    let mut report = String::new();
    let (mut n_equal, mut n_refused, mut n_noted, mut failed) = (0, 0, 0, 0);
    for folder in folders {
        let entry: Value = read(&folder.with_extension("json"));
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let class = entry["class"].as_str().unwrap_or("refused by transformers").to_owned();
        let opened = match OpenOptions::default().open(&folder) {
            Err(error) => {
                let is_expected = is_expected(&folder, &error) || entry.get("refused").is_some();
                *(if is_expected { &mut n_refused } else { &mut failed }) += 1;
                let refused = if is_expected { "refused" } else { "REFUSED, and is to be read" };
                let _ = writeln!(report, "{name} ({class}): {refused}: {}", causes(&error));
                continue;
            }
            Ok(opened) => opened,
        };
        if let Some(reason) = entry.get("refused") {
            let _ = writeln!(report, "{name}: read, and transformers says {reason}");
            continue;
        }
        let verdict = compare(&entry, &texts, &*opened.tokenizer, frame_of(&opened));
        match verdict.different {
            0 => n_equal += 1,
            n if opened.notes.iter().any(|note| NAMED.iter().any(|named| note.contains(named))) => {
                n_noted += 1;
                let _ = writeln!(report, "{name} ({class}): {n} of {} differ as noted: {:?}", verdict.n, opened.notes);
            }
            n => {
                failed += 1;
                let Verdict { n: of, shown, .. } = &verdict;
                let _ = writeln!(report, "{name} ({class}): {n} of {of} DIFFER, notes {:?}\n{shown}", opened.notes);
            }
        }
    }
    let sum = format!(
        "{n_equal} folders equal, {n_refused} refused by name, {n_noted} noted, {failed} differ or are to be read"
    );
    fs::write(root.join("report.txt"), format!("{report}{sum}\n")).unwrap();
    assert_eq!(failed, 0, "{report}{sum}");
}
