//! `model.bin` of CTranslate2 (the goldens of the crate `interchange`): read, cut and damaged.

use std::{fs, path::PathBuf};

use attentive_testkit::survives;
use attentive_weights::{ModelBin, WeightsError};

fn golden(quantization: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../interchange/tests/golden");
    folder.join(format!("ctranslate2-of-marian-npz-{quantization}/model.bin"))
}

/// Opens a file and reads every tensor.
fn read(bytes: &[u8]) -> Result<(), WeightsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bin");
    fs::write(&path, bytes).unwrap();
    let file = ModelBin::open(&path)?;
    for name in file.names() {
        let tensor = file.tensor(name)?;
        assert_eq!(tensor.values.len(), tensor.shape.iter().product::<usize>());
    }
    Ok(())
}

#[test]
fn kinds_of_numbers_are_near_one_another() {
    let exact = ModelBin::open(&golden("float32")).unwrap();
    assert_eq!((exact.spec(), exact.revision()), ("TransformerSpec", 7));
    assert_eq!(exact.setting("encoder/num_heads"), Some(2.0));
    assert_eq!(exact.stored_name("decoder/projection/weight"), "decoder/embeddings/weight");
    for (quantization, kind, allowed) in [("float16", "F16", 1e-3), ("int16", "I16", 1e-3), ("int8", "I8", 2.1e-3)] {
        let file = ModelBin::open(&golden(quantization)).unwrap();
        assert!(file.names().eq(exact.names()) && file.settings().eq(exact.settings()), "{quantization}");
        assert_eq!(file.kind("decoder/embeddings/weight").unwrap(), kind);
        for name in exact.names().filter(|name| !name.ends_with("encodings")) {
            let [found, expected] = [&file, &exact].map(|file| file.tensor(name).unwrap());
            assert_eq!(found.shape, expected.shape);
            let is_near = |(a, b): (&f32, &f32)| (a - b).abs() <= allowed * b.abs().max(1.0);
            assert!(
                file.is_float(name) && found.values.iter().zip(&expected.values).all(is_near),
                "{quantization} {name}"
            );
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let whole = fs::read(golden("int8")).unwrap();
    for length in (0..whole.len()).step_by(7) {
        let message = read(&whole[..length]).unwrap_err().to_string();
        assert!(message.contains("damaged") && message.contains("model.bin"), "{length}: {message}");
    }
    assert!(read(&[&whole[..], &[0]].concat()).is_err());
}

#[test]
fn a_damaged_file_is_an_error_or_tensors() {
    for quantization in ["int8", "float16"] {
        survives(&fs::read(golden(quantization)).unwrap(), 2_000, |damaged| drop(read(damaged)));
    }
}
