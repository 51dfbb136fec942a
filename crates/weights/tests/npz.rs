//! Archives of NumPy (`tests/golden/generate_npz.py`): read as they are, cut and damaged.

use std::{fs, path::PathBuf};

use attentive_testkit::survives;
use attentive_weights::{Npz, WeightsError};
use serde::Deserialize;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[derive(Deserialize)]
struct Content {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// Opens a file and reads every array.
fn read(bytes: &[u8]) -> Result<(), WeightsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.npz");
    fs::write(&path, bytes).unwrap();
    let file = Npz::open(&path)?;
    for name in file.names() {
        let tensor = file.tensor(name)?;
        assert_eq!(tensor.values.len(), tensor.shape.iter().product::<usize>());
    }
    Ok(())
}

#[test]
fn arrays_are_those_that_were_written() {
    let contents: Vec<Content> = serde_json::from_slice(&fs::read(golden("npz.json")).unwrap()).unwrap();
    for archive in ["stored.npz", "deflated.npz"] {
        let file = Npz::open(&golden(archive)).unwrap();
        assert_eq!(file.names().count(), contents.len());
        for Content { name, shape, values } in &contents {
            let tensor = file.tensor(name).unwrap();
            assert_eq!((&tensor.shape, &tensor.values), (shape, values), "{archive} {name}");
            assert_eq!(file.is_float(name), !name.starts_with("kind") || name.contains("<f"), "{name}");
        }
        assert_eq!(file.bytes("kind |i1").unwrap(), [0, 1, 2, 100, 3, 1]);
    }
}

#[test]
fn versions_are_read_and_other_kinds_are_named() {
    let file = Npz::open(&golden("others.npz")).unwrap();
    for version in 1..=3 {
        assert_eq!(file.tensor(&format!("version {version}")).unwrap().values, [0.0, 1.0, 2.0]);
    }
    for (name, expected) in [
        ("big", "it holds >f4, a kind of number"),
        ("complex", "it holds <c8"),
        ("fields", "it holds several fields"),
        ("text.txt", "does not begin as NumPy's arrays"),
        ("other", "does not begin as NumPy's arrays"),
        ("absent", "it is missing"),
    ] {
        assert_eq!(file.shape(name), None);
        let message = file.tensor(name).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}, not {expected}");
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    for archive in ["stored.npz", "deflated.npz"] {
        let whole = fs::read(golden(archive)).unwrap();
        for length in 0..whole.len() {
            let message = read(&whole[..length]).unwrap_err().to_string();
            assert!(message.contains("damaged") && message.contains("model.npz"), "{length}: {message}");
        }
    }
}

#[test]
fn a_damaged_file_is_an_error_or_arrays() {
    for archive in ["stored.npz", "deflated.npz", "others.npz"] {
        survives(&fs::read(golden(archive)).unwrap(), 2_000, |damaged| drop(read(damaged)));
    }
}

#[test]
fn a_changed_value_is_an_error() {
    let whole = fs::read(golden("stored.npz")).unwrap();
    let at = whole.windows(4).position(|window| window == 2.5_f32.to_le_bytes()).unwrap();
    let mut changed = whole.clone();
    changed[at] ^= 1;
    let message = read(&changed).unwrap_err().to_string();
    assert!(message.contains("a number: its content is not what the archive announces"), "{message}");
}
