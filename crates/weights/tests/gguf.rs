//! GGUF files of the Python package gguf (`tests/golden/generate_gguf.py`): read as they are, cut and damaged.

use std::{fs, path::PathBuf};

use attentive_testkit::survives;
use attentive_weights::{
    Blocks, Gguf, GgufArray, GgufValue, Packing, ScaleAxis, Tensors, WeightsError, WeightsFile, write_packed,
};
use serde::Deserialize;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[derive(Deserialize)]
struct Content {
    name: String,
    kind: String,
    shape: Vec<usize>,
    /// In hexadecimal digits.
    bytes: String,
    values: Vec<f32>,
}

/// Opens a file and reads every tensor.
fn read(bytes: &[u8]) -> Result<(), WeightsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    fs::write(&path, bytes).unwrap();
    let mut file = Gguf::open(&path)?;
    let readable = file.tensors().filter(|(_, entry)| entry.kind.is_ok()).map(|(name, _)| name.to_owned());
    for name in readable.collect::<Vec<_>>() {
        let tensor = file.read(&name)?;
        assert_eq!(tensor.to_f32().len(), tensor.shape.iter().product::<usize>());
    }
    Ok(())
}

fn message(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

/// A file of version 3 with these numbers of tensors and values.
fn header(n_tensors: u64, n_values: u64, rest: &[u8]) -> Vec<u8> {
    [b"GGUF", &3_u32.to_le_bytes()[..], &n_tensors.to_le_bytes(), &n_values.to_le_bytes(), rest].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A tensor's entry: shape in the file's order, type, position.
fn entry(name: &str, shape: &[u64], kind: u32, start: u64) -> Vec<u8> {
    let mut entry = [text(name), (shape.len() as u32).to_le_bytes().to_vec()].concat();
    shape.iter().for_each(|size| entry.extend(size.to_le_bytes()));
    entry.extend(kind.to_le_bytes());
    entry.extend(start.to_le_bytes());
    entry
}

#[test]
fn tensors_are_those_that_were_written() {
    let contents: Vec<Content> = serde_json::from_slice(&fs::read(golden("gguf.json")).unwrap()).unwrap();
    for name in ["little.gguf", "aligned.gguf", "version_2.gguf"] {
        let mut file = Gguf::open(&golden(name)).unwrap();
        assert_eq!(file.tensors().count(), contents.len());
        for Content { name, kind, shape, bytes, values } in &contents {
            if kind == "TQ1_0" {
                let message = file.read(name).unwrap_err().to_string();
                assert!(message.contains("tq1_0: it holds TQ1_0, a kind of number that can't be read"), "{message}");
                continue;
            }
            let tensor = file.read(name).unwrap();
            assert_eq!(
                (format!("{:?}", tensor.kind), &tensor.shape),
                (kind.replace("_K", "K").replace("IQ4_", "IQ4"), shape)
            );
            let read: String = tensor.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(read, *bytes, "{name}");
            assert_eq!(tensor.to_f32(), *values, "{name}");
        }
        let message = file.read("other").unwrap_err().to_string();
        assert!(message.contains("other: it is missing"), "{message}");
    }
}

#[test]
fn metadata_are_those_that_were_written() {
    let file = Gguf::open(&golden("aligned.gguf")).unwrap();
    let scalars = [
        ("uint8", GgufValue::U8(200), GgufArray::U8(vec![200; 3])),
        ("int8", GgufValue::I8(-100), GgufArray::I8(vec![-100; 3])),
        ("uint16", GgufValue::U16(60_000), GgufArray::U16(vec![60_000; 3])),
        ("int16", GgufValue::I16(-30_000), GgufArray::I16(vec![-30_000; 3])),
        ("uint32", GgufValue::U32(4_000_000_000), GgufArray::U32(vec![4_000_000_000; 3])),
        ("int32", GgufValue::I32(-2_000_000_000), GgufArray::I32(vec![-2_000_000_000; 3])),
        ("uint64", GgufValue::U64(1 << 63), GgufArray::U64(vec![1 << 63; 3])),
        ("int64", GgufValue::I64(-(1 << 62)), GgufArray::I64(vec![-(1 << 62); 3])),
        ("float32", GgufValue::F32(0.25), GgufArray::F32(vec![0.25; 3])),
        ("float64", GgufValue::F64(-1e300), GgufArray::F64(vec![-1e300; 3])),
        ("bool", GgufValue::Bool(true), GgufArray::Bool(vec![true; 3])),
        ("string", GgufValue::Text("straße".into()), GgufArray::Text(vec!["straße".into(); 3])),
    ];
    for (name, value, values) in scalars {
        assert_eq!(file.metadata(&format!("test.{name}")), Some(&value));
        assert_eq!(file.metadata(&format!("test.{name}s")), Some(&GgufValue::Array(values)));
    }
    let nested = GgufArray::Array(vec![GgufArray::I32(vec![1, 2]), GgufArray::I32(vec![3])]);
    assert_eq!(file.metadata("test.nested"), Some(&GgufValue::Array(nested)));
    let text = |key| file.metadata(key).and_then(GgufValue::as_text);
    assert_eq!((text("general.architecture"), text("general.alignment"), text("other")), (Some("test"), None, None));
    assert_eq!(file.metadata("general.alignment").and_then(GgufValue::as_u64), Some(64));
    assert!(file.all_metadata().any(|(key, value)| key == "test.bool" && value.as_bool() == Some(true)));
}

#[test]
fn what_is_not_supported_is_said() {
    let error = Gguf::open(&golden("big.gguf")).unwrap_err();
    assert!(matches!(error, WeightsError::Unsupported { .. }) && error.to_string().contains("big-endian"), "{error}");
    let mut old = fs::read(golden("little.gguf")).unwrap();
    old[4] = 1;
    assert!(message(&old).contains("version 1 of GGUF is not supported"));
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let whole = fs::read(golden("little.gguf")).unwrap();
    let padding = whole.iter().rev().take_while(|&&byte| byte == 0).count().min(32);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    for length in 0..whole.len() - padding {
        fs::write(&path, &whole[..length]).unwrap();
        let message = Gguf::open(&path).unwrap_err().to_string();
        assert!(message.contains("damaged") && message.contains("model.gguf"), "{length}: {message}");
    }
}

#[test]
fn a_damaged_file_is_an_error_or_tensors() {
    let whole = fs::read(golden("aligned.gguf")).unwrap();
    survives(&whole, 2_000, |damaged| drop(read(damaged)));
}

#[test]
fn errors_name_the_place() {
    let long = |n: u64| n.to_le_bytes().to_vec();
    let array = |kind: u32, n: u64| [&9_u32.to_le_bytes()[..], &kind.to_le_bytes(), &n.to_le_bytes()].concat();
    let nested = [&9_u32.to_le_bytes()[..], &1_u64.to_le_bytes()].concat().repeat(100_000);
    let cases = [
        (b"GGML and more".to_vec(), "does not begin with GGUF"),
        (header(0, u64::MAX, &[]), "byte 24: it is cut short: 8 bytes should follow, and 0 bytes do"),
        (header(0, 1, &long(u64::MAX)), "byte 32: it is cut short"),
        (header(0, 1, &[long(1), vec![0xff]].concat()), "byte 24: a text is not UTF-8"),
        (header(0, 1, &[text("k"), 13_u32.to_le_bytes().to_vec()].concat()), "byte 33: 13 is not a type"),
        (header(0, 1, &[text("k"), vec![7, 0, 0, 0, 2]].concat()), "byte 37: a truth value is 2"),
        (header(0, 1, &[text("k"), array(4, u64::MAX / 2)].concat()), "byte 49: it is cut short"),
        (header(0, 1, &[text("k"), array(8, 1 << 40)].concat()), "byte 49: it is cut short"),
        (header(0, 1, &[text("k"), 9_u32.to_le_bytes().to_vec(), nested].concat()), "more than 4 arrays"),
        (
            header(0, 2, &[text("k"), vec![0, 0, 0, 0, 1], text("k"), vec![0, 0, 0, 0, 1]].concat()),
            "\"k\" occurs twice",
        ),
        (
            header(0, 1, &[text("general.alignment"), vec![0, 0, 0, 0, 3]].concat()),
            "general.alignment is 3, not a power of two",
        ),
        (
            header(0, 1, &[text("general.alignment"), vec![7, 0, 0, 0, 1]].concat()),
            "general.alignment is not a whole number",
        ),
        (header(1, 0, &entry("t", &[1; 5], 0, 0)), "byte 33: a tensor has 5 axes"),
        (header(1, 0, &entry("t", &[1 << 33, 1 << 33], 0, 0)), "a tensor of F32 can't have the shape"),
        (header(1, 0, &entry("t", &[5, 0, 1 << 30, 1 << 40], 0, 0)), "a tensor of F32 can't have the shape"),
        (header(1, 0, &entry("t", &[33], 2, 0)), "a tensor of Q4_0 can't have the shape [33]"),
        (header(1, 0, &entry("t", &[4], 0, 0)), "t has 16 bytes from 0 on"),
        (header(1, 0, &entry("t", &[4], 0, u64::MAX - 31)), "t has 16 bytes from"),
        (header(1, 0, &entry("t", &[0], 0, 4)), "t begins at 4, not at a multiple of 32"),
        (
            header(2, 0, &[entry("s", &[16], 0, 0), entry("t", &[16], 0, 32), vec![0; 200]].concat()),
            "t shares bytes with another tensor",
        ),
    ];
    for (bytes, expected) in cases {
        let message = message(&bytes);
        assert!(message.contains(expected), "{message}, not {expected}");
    }
    assert!(read(&header(1, 0, &entry("t", &[5, 0], 0, 0))).is_ok(), "an empty tensor");
    assert!(read(&header(1, 0, &entry("t", &[1 << 60], 99, 7))).is_ok(), "a kind that is not asked for");
}

#[test]
fn blocks_are_kept_in_a_file_with_the_values_that_they_had() {
    let contents: Vec<Content> = serde_json::from_slice(&fs::read(golden("gguf.json")).unwrap()).unwrap();
    let mut file = Gguf::open(&golden("little.gguf")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut kept = Vec::new();
    for Content { name, kind, shape, .. } in contents.iter().filter(|content| content.kind != "TQ1_0") {
        let tensor = file.read(name).unwrap();
        let &[n, len] = &shape[..] else { continue };
        let lines: Vec<usize> = (0..n).rev().collect();
        let Some(rows) = Blocks::of_lines(&tensor, &lines, ScaleAxis::Rows) else {
            assert!(
                !["Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "Q5_0", "IQ4_NL"].contains(&kind.as_str()),
                "{kind}"
            );
            continue;
        };
        kept.push(kind.clone());
        let columns = Blocks::of_lines(&tensor, &lines, ScaleAxis::Columns).unwrap();
        assert!(Blocks::of_lines(&tensor, &[n], ScaleAxis::Rows).is_none());
        let (values, host, turned) = (tensor.to_f32(), rows.to_host(), columns.to_host());
        assert_eq!((host.shape, turned.shape), (vec![n, len], vec![len, n]));
        for (to, &from) in lines.iter().enumerate() {
            assert_eq!(host.values[to * len..][..len], values[from * len..][..len], "{kind}");
            assert!((0..len).all(|at| turned.values[at * n + to] == values[from * len + at]), "{kind}");
        }

        let blocks = [("a", &rows), ("b", &columns)].map(|(name, blocks)| (name.to_owned(), blocks.clone())).into();
        let tensors = Tensors::from([("c".to_owned(), rows.to_host())]);
        write_packed(&path, &tensors, &blocks, |_| Packing::Floats, &Default::default()).unwrap();
        let expected = [("a", &rows), ("b", &columns), ("c", &rows)];
        let expected: Tensors = expected.map(|(name, blocks)| (name.into(), blocks.to_host())).into();
        assert_eq!(attentive_weights::read(&path).unwrap(), expected);
        let stored = WeightsFile::open(&path).unwrap();
        assert_eq!(stored.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!((stored.blocks("a").unwrap().as_ref(), stored.blocks("b").unwrap()), (Some(&rows), Some(columns)));
    }
    kept.sort();
    assert_eq!(kept, ["IQ4_NL", "Q4_0", "Q4_1", "Q4_K", "Q5_0", "Q5_K", "Q6_K", "Q8_0"]);
}
