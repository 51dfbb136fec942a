//! Files read one tensor at a time: any kind of number, and memory and work that the file's size bounds.

use std::{collections::BTreeMap, fs, path::Path};

use attentive_weights::{
    HostTensor, Int8Rows, Packing, Rows, ScaleAxis, Source, TensorProblem, Tensors, WeightsError, WeightsFile, read,
    write_packed,
};
use proptest::prelude::*;

/// A safetensors file of these tensors: name, kind, shape, bytes.
fn safetensors(path: &Path, tensors: &[(&str, &str, &[usize], Vec<u8>)]) {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, dtype, shape, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        header.insert((*name).into(), serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": offsets}));
        data.extend(bytes);
    }
    let header = serde_json::to_vec(&header).unwrap();
    fs::write(path, [&(header.len() as u64).to_le_bytes(), &header[..], &data].concat()).unwrap();
}

/// A checkpoint of before PyTorch 1.6 with one storage of f32, which each tensor is a view of: `[n]`, by a stride.
struct Checkpoint {
    state: Vec<u8>,
}

const PREFIX: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}q\x00.";

fn int(number: usize) -> Vec<u8> {
    [b"J", &(number as u32).to_le_bytes()[..]].concat()
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

impl Checkpoint {
    fn new() -> Self {
        let storage = [b"(", &text("storage")[..], b"ctorch\nFloatStorage\n", &text("0"), &text("cpu")].concat();
        let call = b"ctorch._utils\n_rebuild_tensor_v2\nq\x00".to_vec();
        Self { state: [b"\x80\x02", &call[..], b"0", &storage, b"K\x01tq\x010}"].concat() }
    }

    fn tensor(mut self, name: &str, n: usize, stride: usize) -> Self {
        let view = [&text(name)[..], b"h\x00(h\x01Q", b"K\x00", &int(n), b"\x85", &int(stride), b"\x85tRs"].concat();
        self.state.extend(view);
        self
    }

    fn write(self, path: &Path, n_stored: usize) {
        let keys = [b"\x80\x02](", &text("0")[..], b"e."].concat();
        let storage = [&(n_stored as u64).to_le_bytes()[..], &vec![0; 4 * n_stored]].concat();
        fs::write(path, [PREFIX, &self.state, b".", &keys, &storage].concat()).unwrap();
    }
}

fn file(name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

#[test]
fn every_kind_of_number_is_read_and_one_that_is_not_stops_no_other() {
    let (_folder, path) = file("model.safetensors");
    let bytes = |values: &[i64], width: usize| values.iter().flat_map(|n| n.to_le_bytes()[..width].to_vec()).collect();
    let tensors = [
        ("ids", "I64", &[1, 3][..], bytes(&[-1, 0, 70_000], 8)),
        ("mask", "BOOL", &[3], vec![1, 0, 1]),
        ("u8", "U8", &[2], vec![0, 255]),
        ("i8", "I8", &[2], vec![0, 255]),
        ("i16", "I16", &[2], bytes(&[-2, 300], 2)),
        ("u16", "U16", &[1], bytes(&[65_535], 2)),
        ("i32", "I32", &[1], bytes(&[-70_000], 4)),
        ("u32", "U32", &[1], bytes(&[70_000], 4)),
        ("u64", "U64", &[1], bytes(&[5], 8)),
        ("f16", "F16", &[1], vec![0x00, 0x3e]),
        ("bf16", "BF16", &[1], vec![0xc0, 0x3f]),
        ("f32", "F32", &[1], 1.5_f32.to_le_bytes().to_vec()),
        ("f64", "F64", &[1], 1.5_f64.to_le_bytes().to_vec()),
        ("f8", "F8_E4M3", &[1], vec![0x38]),
    ];
    safetensors(&path, &tensors);
    let file = WeightsFile::open(&path).unwrap();
    assert_eq!(file.names().count(), tensors.len());
    let expected: [(&str, &[f32]); 13] = [
        ("ids", &[-1.0, 0.0, 70_000.0]),
        ("mask", &[1.0, 0.0, 1.0]),
        ("u8", &[0.0, 255.0]),
        ("i8", &[0.0, -1.0]),
        ("i16", &[-2.0, 300.0]),
        ("u16", &[65_535.0]),
        ("i32", &[-70_000.0]),
        ("u32", &[70_000.0]),
        ("u64", &[5.0]),
        ("f16", &[1.5]),
        ("bf16", &[1.5]),
        ("f32", &[1.5]),
        ("f64", &[1.5]),
    ];
    for (name, values) in expected {
        assert_eq!(file.tensor(name).unwrap().values, values, "{name}");
        assert_eq!(file.is_float(name), name.starts_with('f') || name == "bf16", "{name}");
    }
    assert_eq!(file.shape("ids"), Some(&[1, 3][..]));
    assert!(!file.is_float("f8"));
    for message in [file.tensor("f8").unwrap_err().to_string(), read(&path).unwrap_err().to_string()] {
        assert!(message.contains("f8: it holds F8_E4M3") && !message.contains("damaged"), "{message}");
    }
}

#[test]
fn views_of_one_storage_do_not_multiply_the_file() {
    let (_folder, path) = file("pytorch_model.bin");
    let views = (0..400).fold(Checkpoint::new(), |file, n| file.tensor(&format!("tensor {n}"), 100_000, 1));
    views.write(&path, 100_000);
    let message = read(&path).unwrap_err().to_string();
    assert!(message.contains("more than 16 times the file's size"), "{message}");
    // A few are usual: tables that are tied.
    let file = WeightsFile::open(&path).unwrap();
    assert!((0..12).all(|n| file.tensor(&format!("tensor {n}")).unwrap().values.len() == 100_000));
    // Who reads one again and again makes no more of the file.
    assert!((0..40).all(|_| file.tensor("tensor 3").unwrap().values.len() == 100_000));
    assert!(matches!(
        (12..400).try_for_each(|n| file.tensor(&format!("tensor {n}")).map(drop)),
        Err(WeightsError::TooLarge { .. })
    ));
    // A value that is shown again and again is bounded too.
    Checkpoint::new().tensor("expanded", 1 << 30, 0).write(&path, 1);
    assert!(matches!(read(&path), Err(WeightsError::TooLarge { .. })));
}

#[test]
fn a_state_dictionary_within_a_checkpoint_is_read() {
    let (_folder, path) = file("pytorch_model.bin");
    for name in ["state_dict", "model_state_dict", "model"] {
        let mut checkpoint = Checkpoint::new();
        checkpoint.state.extend([&text("epoch")[..], &int(3), b"s", &text(name), b"}"].concat());
        let mut checkpoint = checkpoint.tensor("a.weight", 2, 1);
        checkpoint.state.extend(b"s");
        checkpoint.write(&path, 2);
        assert_eq!(read(&path).unwrap().into_keys().collect::<Vec<_>>(), ["a.weight"]);
    }
}

/// A checkpoint of entries, each a dictionary of one tensor, with a tensor beside them.
fn nested(names: &[&str], beside: &str) -> Checkpoint {
    let mut checkpoint = Checkpoint::new();
    for name in names {
        checkpoint.state.extend([&text(name)[..], b"}"].concat());
        checkpoint = checkpoint.tensor("a.weight", 2, 1);
        checkpoint.state.extend(b"s");
    }
    checkpoint.tensor(beside, 2, 1)
}

#[test]
fn no_tensor_is_dropped_for_a_dictionary_beside_it() {
    let (_folder, path) = file("pytorch_model.bin");
    // A loss is not a parameter.
    nested(&["state_dict"], "loss").write(&path, 2);
    assert_eq!(read(&path).unwrap().into_keys().collect::<Vec<_>>(), ["a.weight"]);
    nested(&["model"], "b.weight").write(&path, 2);
    let names: Vec<String> = WeightsFile::open(&path).unwrap().names().map(str::to_owned).collect();
    assert_eq!(names, ["b.weight", "model"]);
    assert!(read(&path).unwrap_err().to_string().contains("model"));
    nested(&["model", "state_dict"], "loss").write(&path, 2);
    let message = read(&path).unwrap_err().to_string();
    assert!(message.contains("two state dictionaries, model and state_dict"), "{message}");
}

#[test]
fn a_view_costs_what_it_shows_and_not_its_storage() {
    let (_folder, path) = file("pytorch_model.bin");
    let views = (0..20_000).fold(Checkpoint::new(), |file, n| file.tensor(&n.to_string(), 1, 1));
    views.write(&path, 4_000_000);
    assert_eq!(read(&path).unwrap().len(), 20_000);
    Checkpoint::new().tensor("spread", 2, 999_999).tensor("every third", 300, 3).write(&path, 1_000_000);
    let file = WeightsFile::open(&path).unwrap();
    assert_eq!(file.tensor("every third").unwrap().values.len(), 300);
    match file.tensor("spread").unwrap_err() {
        WeightsError::Tensor { name, problem, .. } => {
            assert_eq!((&*name, problem), ("spread", TensorProblem::Sparse { n_values: 2, span: 1_000_000 }));
        }
        other => panic!("{other}"),
    }
}

/// As many objects outside the pickle as the tuple has items that names them: the work is their sum, not their product.
#[test]
fn long_tuples_are_not_read_for_every_object_that_they_name() {
    let (_folder, path) = file("pytorch_model.bin");
    let n = 200_000;
    let mut state = b"\x80\x02(".to_vec();
    state.extend([&text("storage")[..], b"ctorch\nFloatStorage\n", &text("0")].concat());
    state.extend(b"K\x00".repeat(n));
    state.extend(b"tq\x010");
    state.extend(b"h\x01Q0".repeat(n));
    state.push(b'}');
    Checkpoint { state }.write(&path, 1);
    assert!(read(&path).unwrap().is_empty());
}

#[test]
fn a_long_name_is_not_copied_again_and_again() {
    let (_folder, path) = file("pytorch_model.bin");
    let mut state = [b"\x80\x02", &text(&"x".repeat(1 << 20))[..], b"q\x000"].concat();
    state.extend(b"h\x00h\x00\x930".repeat(100_000));
    state.push(b'}');
    Checkpoint { state }.write(&path, 1);
    assert!(read(&path).unwrap_err().to_string().contains("name is too long"));
}

#[test]
fn what_a_pickle_refers_to_again_and_again_is_short() {
    let (_folder, path) = file("pytorch_model.bin");
    // One name of many tensors.
    let one = Checkpoint::new().tensor("one", 1, 1).state;
    let mut state = [&one[..], b"(", &text(&"x".repeat(1 << 20)), b"q\x05"].concat();
    state.extend(b"Nh\x05".repeat(200_000));
    state.extend(b"Nu");
    Checkpoint { state }.write(&path, 1);
    let message = read(&path).unwrap_err().to_string();
    assert!(message.contains("tensor's name is too long"), "{message}");
    // One shape of many tensors.
    let mut checkpoint = Checkpoint::new();
    checkpoint.state.extend([b"(", &b"K\x01".repeat(100_000)[..], b"tq\x050"].concat());
    for n in 0..20_000 {
        checkpoint.state.extend([&text(&n.to_string())[..], b"h\x00(h\x01QK\x00h\x05h\x05tRs"].concat());
    }
    checkpoint.write(&path, 1);
    let message = read(&path).unwrap_err().to_string();
    assert!(message.contains("more than 8 dimensions"), "{message}");
    // Values without end, each of a byte.
    Checkpoint { state: [b"\x80\x02", &b"]".repeat(1 << 20)[..], b"}"].concat() }.write(&path, 1);
    let message = read(&path).unwrap_err().to_string();
    assert!(message.contains("more than 1048576 operations"), "{message}");
}

#[test]
fn bytes_without_scales_are_numbers_and_a_matrix_with_a_nan_is_refused_by_name() {
    let (_folder, path) = file("model.safetensors");
    for value in [f32::NAN, f32::INFINITY] {
        let matrix = HostTensor { shape: vec![1, 2], values: vec![1.0, value] };
        let tensors = [("layers.0.inner.weight".to_owned(), matrix)].into();
        let written =
            write_packed(&path, &tensors, &BTreeMap::new(), |_| Packing::Int8(ScaleAxis::Rows), &BTreeMap::new());
        let message = written.unwrap_err().to_string();
        assert!(message.contains("layers.0.inner.weight: value 1 is"), "{message}");
        assert!(!path.exists());
    }
    let scales = [1.0_f32.to_le_bytes(), 2.0_f32.to_le_bytes(), 3.0_f32.to_le_bytes()].concat();
    safetensors(&path, &[("a", "I8", &[2, 2], vec![1; 4]), ("a.scale", "F32", &[1, 3], scales)]);
    let message = read(&path).unwrap_err().to_string();
    assert!(message.contains("a: it holds bytes [2, 2] and its scales are [1, 3]"), "{message}");
}

/// A file may have any number of them in a chain.
#[test]
fn scales_are_not_bytes_with_scales_of_their_own() {
    let (_folder, path) = file("model.safetensors");
    let scales = [1.0_f32.to_le_bytes(), 2.0_f32.to_le_bytes()].concat();
    let tensors: [(&str, &str, &[usize], Vec<u8>); 3] = [
        ("a", "I8", &[2, 2], vec![1; 4]),
        ("a.scale", "I8", &[1, 2], vec![1; 2]),
        ("a.scale.scale", "F32", &[1, 2], scales),
    ];
    safetensors(&path, &tensors);
    let message = read(&path).unwrap_err().to_string();
    assert!(message.contains("a: it is not a tensor (its scales are bytes)"), "{message}");
}

proptest! {
    #[test]
    fn views_are_those_of_strides(
        shape in prop::collection::vec(0_usize..4, 0..4), strides in prop::collection::vec(0_usize..6, 3), first in 0_usize..4,
    ) {
        let strides = &strides[..shape.len().min(3)];
        let shape = &shape[..strides.len()];
        let (_folder, path) = file("pytorch_model.bin");
        let n_stored = 40;
        let tuple = |sizes: &[usize]| [b"(", &sizes.iter().flat_map(|&n| int(n)).collect::<Vec<u8>>()[..], b"t"].concat();
        let mut checkpoint = Checkpoint::new();
        let view = [&text("view")[..], b"h\x00(h\x01Q", &int(first), &tuple(shape), &tuple(strides), b"tRs"].concat();
        checkpoint.state.extend(view);
        checkpoint.write(&path, n_stored);
        let mut bytes = fs::read(&path).unwrap();
        let storage = bytes.len() - 4 * n_stored;
        for n in 0..n_stored {
            bytes[storage + 4 * n..][..4].copy_from_slice(&(n as f32).to_le_bytes());
        }
        fs::write(&path, bytes).unwrap();
        let mut places = vec![first];
        for (&size, &stride) in shape.iter().zip(strides) {
            places = places.iter().flat_map(|&at| (0..size).map(move |n| at + n * stride)).collect();
        }
        let found = read(&path).unwrap().remove("view").unwrap();
        prop_assert_eq!(found.shape, shape);
        prop_assert_eq!(found.values, places.into_iter().map(|n| n as f32).collect::<Vec<_>>());
    }
}

/// Rows from the second to the last but one of matrices next to each other, by their whole values.
fn middle(whole: &[&HostTensor]) -> Vec<f32> {
    let row = |at: usize| whole.iter().flat_map(move |tensor| tensor.values.chunks(tensor.shape[1]).nth(at).unwrap());
    (1..whole[0].shape[0] - 1).flat_map(row).copied().collect()
}

#[test]
fn some_rows_are_those_of_the_whole_tensor() {
    let (_folder, path) = file("model.safetensors");
    let numbers: Vec<f32> = (0..20).map(|i| i as f32 * 0.375 - 3.0).collect();
    let halves = |half: fn(f32) -> [u8; 2]| numbers.iter().copied().flat_map(half).collect::<Vec<u8>>();
    let kinds = [
        ("f32", "F32", numbers.iter().flat_map(|x| x.to_le_bytes()).collect()),
        ("f64", "F64", numbers.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect()),
        ("bf16", "BF16", halves(|x| [(x.to_bits() >> 16) as u8, (x.to_bits() >> 24) as u8])),
        ("i32", "I32", (0..20_i32).flat_map(i32::to_le_bytes).collect::<Vec<u8>>()),
    ];
    let shape: &[usize] = &[5, 4];
    safetensors(&path, &kinds.map(|(name, kind, bytes)| (name, kind, shape, bytes)));
    let (source, whole) = (WeightsFile::open(&path).unwrap(), read(&path).unwrap());
    let in_memory: &dyn Source = &whole;
    for source in [&source, in_memory] {
        let all = Rows::beside(whole.keys().map(|name| source.rows(name).unwrap()).collect());
        for (name, tensor) in &whole {
            let mut rows = vec![f32::NAN; 3 * 4];
            source.rows(name).unwrap().read(1..4, &mut rows).unwrap();
            assert_eq!(rows, middle(&[tensor]), "{name}");
        }
        let mut rows = vec![f32::NAN; 3 * 4 * whole.len()];
        all.read(1..4, &mut rows).unwrap();
        assert_eq!(rows, middle(&whole.values().collect::<Vec<_>>()));
        assert!(matches!(source.rows("g"), Err(WeightsError::Tensor { .. } | WeightsError::Mismatch { .. })));
    }
    let views = Checkpoint::new().tensor("row", 4, 2);
    views.write(&path, 8);
    let mut row = [f32::NAN; 4];
    WeightsFile::open(&path).unwrap().rows("row").unwrap().read(0..1, &mut row).unwrap();
    assert_eq!(row, [0.0; 4]);
}

#[test]
fn a_value_of_rows_that_is_not_finite_is_found_where_it_is_in_the_tensor() {
    let (_folder, path) = file("model.safetensors");
    let mut values = [0.5_f32; 12];
    values[7] = f32::INFINITY;
    safetensors(&path, &[("w", "F32", &[6, 2], values.iter().flat_map(|x| x.to_le_bytes()).collect())]);
    let file = WeightsFile::open(&path).unwrap();
    let rows = file.rows("w").unwrap();
    assert!(rows.read(0..3, &mut [0.0; 6]).is_ok());
    let error = rows.read(3..6, &mut [0.0; 6]).unwrap_err();
    assert!(matches!(&error, WeightsError::NotFinite { index: 7, .. }), "{error}");
    // What was cut off after it was opened.
    fs::write(&path, &fs::read(&path).unwrap()[..100]).unwrap();
    assert!(matches!(rows.read(3..6, &mut [0.0; 6]), Err(WeightsError::Io { .. })));
}

#[test]
fn bytes_are_read_some_rows_at_a_time() {
    let (_folder, path) = file("model.safetensors");
    let matrix = |shape: [usize; 2]| HostTensor {
        values: (0..shape[0] * shape[1]).map(|i| (i * 7 % 19) as f32 - 9.0).collect(),
        shape: shape.to_vec(),
    };
    let tensors =
        Tensors::from([("a".into(), matrix([5, 3])), ("b".into(), matrix([5, 4])), ("t".into(), matrix([5, 2]))]);
    let axis = |name: &str| if name == "t" { ScaleAxis::Rows } else { ScaleAxis::Columns };
    write_packed(&path, &tensors, &BTreeMap::new(), |name| Packing::Int8(axis(name)), &BTreeMap::new()).unwrap();
    let (file, whole) = (WeightsFile::open(&path).unwrap(), read(&path).unwrap());
    let of = |name: &str| file.int8(name).unwrap().unwrap();
    let both = Int8Rows::beside(vec![of("a"), of("b")]).unwrap();
    assert_eq!((*both.shape(), both.axis(), both.scales().len()), ([5, 7], ScaleAxis::Columns, 7));
    let mut bytes = [0; 3 * 7];
    both.read(1..4, &mut bytes).unwrap();
    let scaled: Vec<f32> = bytes.iter().zip(both.scales().iter().cycle()).map(|(&q, s)| f32::from(q) * s).collect();
    assert_eq!(scaled, middle(&[&whole["a"], &whole["b"]]));
    assert!(Int8Rows::beside(vec![of("a"), of("t")]).is_none() && Int8Rows::beside(Vec::new()).is_none());
    let mut bytes = [0; 3 * 2];
    of("t").read(1..4, &mut bytes).unwrap();
    let scaled: Vec<f32> = bytes.iter().enumerate().map(|(i, &q)| f32::from(q) * of("t").scales()[1 + i / 2]).collect();
    assert_eq!(scaled, middle(&[&whole["t"]]));
    assert!(file.int8("a.scale").unwrap().is_none());
}
