//! Folders as `folders.json` and its parts store them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Cases and the entries of all folders.
pub(crate) fn all(golden: impl Fn(&str) -> PathBuf) -> Value {
    let read = |name: &str| -> Value { serde_json::from_str(&fs::read_to_string(golden(name)).unwrap()).unwrap() };
    let mut all = read("folders.json");
    let part = |at| read(&format!("folders.{at}.json")).as_array().unwrap().clone();
    all["folders"] = (0..all["n_parts"].as_u64().unwrap()).flat_map(part).collect();
    all
}

/// Writes the files of an entry: their text, the golden file of that name, or bytes in base 64.
pub(crate) fn write(folder: &Path, files: &Value, golden: impl Fn(&str) -> PathBuf) -> Vec<PathBuf> {
    let written = files.as_object().unwrap().iter().map(|(name, content)| {
        let content = match content {
            Value::String(text) => text.clone().into_bytes(),
            object if object.get("golden").is_some() => fs::read(golden(object["golden"].as_str().unwrap())).unwrap(),
            object => decoded(object["base64"].as_str().unwrap()),
        };
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        path
    });
    written.collect()
}

/// Standard base 64.
pub(crate) fn decoded(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|&c| c != b'=').map(digit).collect();
    let groups = digits.chunks(4).flat_map(|group| {
        let bits = group.iter().fold(0u32, |bits, &digit| bits << 6 | u32::from(digit)) << (6 * (4 - group.len()));
        bits.to_be_bytes()[1..group.len()].to_vec()
    });
    groups.collect()
}
