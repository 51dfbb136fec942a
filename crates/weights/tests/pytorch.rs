//! Checkpoints of PyTorch (`tests/golden/generate.py`): read as they are, damaged anywhere, and with more than tensors.

use std::{fs, path::PathBuf};

use attentive_weights::{HostTensor, Tensors, read};
use proptest::prelude::*;
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

#[test]
fn both_layouts_hold_the_tensors_that_were_saved() {
    let contents: Vec<Content> = serde_json::from_slice(&fs::read(golden("tensors.json")).unwrap()).unwrap();
    let expected: Tensors =
        contents.into_iter().map(|Content { name, shape, values }| (name, HostTensor { shape, values })).collect();
    for name in ["archive.bin", "pickles.bin"] {
        assert_eq!(read(&golden(name)).unwrap(), expected, "{name}");
    }
}

#[test]
fn nothing_is_called() {
    let message = read(&golden("unknown.bin")).unwrap_err().to_string();
    assert!(message.contains("unknown: it is made by os.getenv, which is not called here"), "{message}");
}

#[test]
fn a_checkpoint_cut_anywhere_is_called_damaged() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["archive.bin", "pickles.bin"] {
        let whole = fs::read(golden(name)).unwrap();
        let path = folder.path().join(name);
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("damaged") && message.contains(name), "{message}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_change_of_bytes_does_harm(
        name in prop_oneof![Just("archive.bin"), Just("pickles.bin")],
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = fs::read(golden(name)).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        // Tensors or an error: neither a panic nor an endless loop.
        let _ = read(&path);
    }

    #[test]
    fn no_pickle_does_harm(program in prop::collection::vec(prop_oneof![
        Just(b'('), Just(b')'), Just(b'}'), Just(b']'), Just(b't'), Just(b'u'), Just(b'e'), Just(b'a'), Just(b's'), Just(b'R'), Just(b'Q'),
        Just(b'2'), Just(b'0'), Just(b'b'), Just(0x85), Just(0x86), Just(0x87), Just(0x94), Just(b'N'), Just(b'.'), any::<u8>(),
    ], 0..200)) {
        const PICKLES: [u8; 14] = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any.bin");
        fs::write(&path, [&PICKLES[..], b".K\x01.}.", &program].concat()).unwrap();
        let _ = read(&path);
    }
}
