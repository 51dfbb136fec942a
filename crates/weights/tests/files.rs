//! Files of weights: what comes back, and what is said of bad ones.

use std::{collections::BTreeMap, fs, path::Path};

use attentive_backend::{BackendKind, Device};
use attentive_weights::{HostTensor, Packing, ScaleAxis, Tensors, average, load, params, read, write, write_packed};
use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

#[derive(Module, Debug)]
struct Model {
    weight: Param<Tensor<2>>,
    layers: Vec<Layer>,
}

#[derive(Module, Debug)]
struct Layer {
    bias: Param<Tensor<1>>,
}

fn model(scale: f32, device: &Device) -> Model {
    let bias = |value: f32| Layer { bias: Param::from_tensor(Tensor::from_floats([value * scale], device)) };
    Model {
        weight: Param::from_tensor(Tensor::from_floats([[1.0, -2.0, 3.5]], device) * scale),
        layers: vec![bias(4.0), bias(0.25)],
    }
}

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

fn write_plain(path: &Path, tensors: &Tensors) {
    write(path, tensors, &BTreeMap::new()).unwrap();
}

#[test]
fn what_is_written_is_read_and_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let expected = params(&model(1.0, &device()));
    assert_eq!(expected.keys().collect::<Vec<_>>(), ["layers.0.bias", "layers.1.bias", "weight"]);
    write_plain(&path, &expected);
    assert_eq!(read(&path).unwrap(), expected);
    let loaded = load(model(9.0, &device()), read(&path).unwrap()).unwrap();
    assert_eq!(params(&loaded), expected);
    let trained = load(model(9.0, &device().autodiff()), expected.clone()).unwrap();
    assert!(trained.weight.val().is_require_grad());
    // The same tensors give the same bytes.
    let again = folder.path().join("again.safetensors");
    write_plain(&again, &expected);
    assert_eq!(fs::read(path).unwrap(), fs::read(again).unwrap());
}

#[test]
fn every_difference_to_the_model_is_listed() {
    let mut tensors = params(&model(1.0, &device()));
    tensors.remove("layers.0.bias");
    tensors.insert("layers.1.bias".into(), HostTensor { shape: vec![2], values: vec![0.0; 2] });
    tensors.insert("head".into(), HostTensor { shape: vec![1], values: vec![0.0] });
    let message = load(model(1.0, &device()), tensors).unwrap_err().to_string();
    for part in
        ["missing: layers.0.bias [1]", "layers.1.bias: the model has [1], the file has [2]", "not in the model: head"]
    {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_file_cut_anywhere_is_called_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    write_plain(&path, &params(&model(1.0, &device())));
    let whole = fs::read(&path).unwrap();
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(message.contains("damaged") && message.contains("model.safetensors"), "{message}");
    }
    assert!(read(&folder.path().join("none")).unwrap_err().to_string().contains("none"));
}

#[test]
fn the_average_is_the_mean_of_each_value() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = [1.0, 2.0, 6.0]
        .into_iter()
        .map(|scale| {
            let path = folder.path().join(format!("{scale}"));
            write_plain(&path, &params(&model(scale, &device())));
            path
        })
        .collect();
    assert_eq!(average(&paths).unwrap(), params(&model(3.0, &device())));
    assert!(average::<&Path>(&[]).is_err());

    let mut other = params(&model(1.0, &device()));
    other.remove("weight");
    write_plain(&paths[2], &other);
    let message = average(&paths).unwrap_err().to_string();
    assert!(message.contains("weight") && message.contains("6"), "{message}");
}

#[test]
fn bytes_and_scales_stand_for_what_was_rounded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let matrix = HostTensor { shape: vec![2, 3], values: vec![1.0, -0.5, 0.0, 10.0, 127.0, 0.0] };
    let vector = HostTensor { shape: vec![2], values: vec![0.1, 0.2] };
    let tensors: Tensors = [("a", &matrix), ("b", &matrix), ("c", &vector)].map(|(n, t)| (n.into(), t.clone())).into();
    let axis = |name: &str| match name {
        "a" => Packing::Int8(ScaleAxis::Rows),
        "b" => Packing::Int8(ScaleAxis::Columns),
        _ => Packing::Floats,
    };
    write_packed(&path, &tensors, &BTreeMap::new(), axis, &BTreeMap::new()).unwrap();
    let found = read(&path).unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(found["c"], vector);
    // By hand: round(127 w / max |w|) max |w| / 127 in each row, and in each column.
    let (step, ten) = (1.0 / 127.0, 10.0 / 127.0);
    let expected = [[1.0, -64.0 * step, 0.0, 10.0, 127.0, 0.0], [13.0 * ten, -1.0, 0.0, 10.0, 127.0, 0.0]];
    for (name, expected) in ["a", "b"].into_iter().zip(expected) {
        assert_eq!(found[name].shape, [2, 3]);
        for (found, expected) in found[name].values.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{name}: {found} {expected}");
        }
    }
    // What was rounded once is not changed by rounding again.
    write_packed(&path, &found, &BTreeMap::new(), axis, &BTreeMap::new()).unwrap();
    for (name, again) in read(&path).unwrap() {
        let pairs = again.values.iter().zip(&found[&name].values);
        assert!(pairs.into_iter().all(|(again, once)| (again - once).abs() <= 1e-6 * once.abs()), "{name}");
    }
}
