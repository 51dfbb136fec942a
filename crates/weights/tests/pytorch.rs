//! Checkpoints of PyTorch (`tests/golden/generate.py`): read as they are, damaged anywhere, and with more than tensors.

use std::{
    fs,
    path::{Path, PathBuf},
};

use attentive_weights::{CheckpointItem, HostTensor, Tensors, WeightsFile, read};
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
fn what_is_beside_the_tensors_is_data() {
    for name in ["training.bin", "training_pickles.bin"] {
        let file = WeightsFile::open(&golden(name)).unwrap();
        let root = file.checkpoint().unwrap();
        let args = root.get("args").unwrap();
        assert_eq!(args.class(), Some("argparse.Namespace"));
        let of = |key: &str| args.get(key).unwrap();
        assert_eq!(of("arch").text(), Some("transformer"));
        assert_eq!((of("encoder_layers").integer(), of("big").integer()), (Some(6), Some(1 << 40)));
        assert_eq!((of("dropout").number(), of("negative").number()), (Some(0.1), Some(-300.0)));
        assert_eq!((of("share").truth(), of("tied").truth(), of("path").is_none()), (Some(true), Some(false), true));
        assert_eq!((of("huge").integer(), of("raw").text(), of("raw").number()), (None, None, None));
        let numbers = |key: &str| of(key).items().unwrap().map(CheckpointItem::number).collect::<Vec<_>>();
        assert_eq!(numbers("cutoff"), [Some(1.0), Some(2.5), None]);
        assert_eq!(numbers("betas"), [Some(0.9), Some(0.98)]);
        assert_eq!(of("nested").fields().into_keys().collect::<Vec<_>>(), ["embed_dim"]);
        assert_eq!(of("itself").get("itself").unwrap().get("arch").unwrap().text(), Some("transformer"));
        assert_eq!(args.fields().len(), 15);
        let vocab = root.get("vocab").unwrap();
        let field = vocab.get("fields").unwrap().items().unwrap().next().unwrap().items().unwrap().nth(1).unwrap();
        let itos: Vec<_> = field.get("itos").unwrap().items().unwrap().map(CheckpointItem::text).collect();
        assert_eq!((field.class(), &itos[..]), (Some("__main__.Field"), &[Some("<unk>"), Some("straße")][..]));
        assert_eq!(vocab.get("words").unwrap().items().unwrap().len(), 2);
        assert_eq!(root.get("slots").unwrap().get("inner").unwrap().integer(), Some(3));
        assert_eq!(root.get("counts").unwrap().get("a").unwrap().integer(), Some(2));
        // Calls and what is not text are kept, and nothing is known of them.
        assert_eq!(
            (root.get("call").unwrap().class(), root.get("surrogate").unwrap().text()),
            (Some("os.getenv"), None)
        );
        let shown: Vec<_> = ["cutoff", "nested", "path", "huge"].map(|key| of(key).to_string()).into();
        assert_eq!(shown, ["a list of 3", "a dictionary of 2", "None", "bytes"]);
    }
    assert!(WeightsFile::open(&golden("archive.bin")).unwrap().checkpoint().unwrap().get("args").is_none());
}

#[test]
fn weights_are_found_beside_settings_and_with_a_projection_of_their_own() {
    let expected = read(&golden("archive.bin")).unwrap();
    for name in ["training.bin", "training_pickles.bin"] {
        let mut found = read(&golden(name)).unwrap();
        let [weight, bias] = ["generator.0.weight", "generator.0.bias"].map(|name| found.remove(name).unwrap());
        assert_eq!((&weight, &bias), (&expected["f32"], &expected["f64"]));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn a_checkpoint_cut_anywhere_is_called_damaged() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["archive.bin", "pickles.bin", "training.bin", "training_pickles.bin"] {
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
        name in prop_oneof![Just("archive.bin"), Just("pickles.bin"), Just("training.bin"), Just("training_pickles.bin")],
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
        walk(&path);
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
        walk(&path);
    }
}

/// Visits values of a checkpoint, whatever is in what.
fn walk(path: &Path) {
    let Ok(file) = WeightsFile::open(path) else { return };
    let mut left: Vec<CheckpointItem<'_>> = file.checkpoint().into_iter().collect();
    for _ in 0..1000 {
        let Some(item) = left.pop() else { return };
        assert!(item.to_string().len() < 1000);
        left.extend(item.items().into_iter().flatten().chain(item.fields().into_values()).take(50));
    }
}
