//! Damaged files of weights: an error or weights, never a panic.

use std::{collections::BTreeMap, fs};

use attentive_testkit::survives;
use attentive_weights::{HostTensor, Tensors, read, write};

#[test]
fn a_damaged_file_is_an_error_or_weights() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let tensor = |shape: &[usize]| {
        let n = shape.iter().product();
        HostTensor { shape: shape.to_vec(), values: (0..n).map(|i: usize| i as f32).collect() }
    };
    let tensors: Tensors = [("a.weight".to_owned(), tensor(&[2, 3])), ("a.bias".to_owned(), tensor(&[5]))].into();
    write(&path, &tensors, &BTreeMap::from([("step".to_owned(), "3".to_owned())])).unwrap();
    survives(&fs::read(&path).unwrap(), 2_000, |damaged| {
        fs::write(&path, damaged).unwrap();
        if let Ok(tensors) = read(&path) {
            for tensor in tensors.values() {
                assert_eq!(tensor.values.len(), tensor.shape.iter().product::<usize>());
            }
        }
    });
}
