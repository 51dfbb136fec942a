//! Files as they are stored: compressed, in UTF-16, or not text at all; the golden ones are of Python's modules.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use attentive_data::{DataError, DocumentUnit, FileReport, LabeledText, LineReader, TextFiles, TsvLayout};

const TEXT: [&str; 3] = ["one", "two wörds", "three"];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn lines_of(path: &Path) -> Result<(Vec<String>, FileReport), DataError> {
    let mut reader = LineReader::new([path], 1000);
    let mut lines = Vec::new();
    while let Some(line) = reader.next_line()? {
        lines.push(String::from_utf8_lossy(&line.bytes).into_owned());
    }
    let report = reader.finish()?.remove(0);
    Ok((lines, report))
}

/// The lines of a file with these bytes.
fn lines_in(bytes: &[u8]) -> Result<(Vec<String>, FileReport), DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, bytes).unwrap();
    lines_of(&path)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_compression_is_read_whatever_the_file_is_called() {
    let (lines, plain) = lines_in((TEXT.join("\n") + "\n").as_bytes()).unwrap();
    assert_eq!(lines, TEXT);
    for name in ["text.xz", "text-twice.xz", "text.bz2", "text-twice.bz2"] {
        let (lines, report) = lines_in(&fs::read(golden(name)).unwrap()).unwrap();
        assert_eq!(
            (lines, &report.sha256, report.n_bytes),
            (TEXT.map(String::from).to_vec(), &plain.sha256, 21),
            "{name}"
        );
    }
    assert!(lines_of(&golden("nothing.bz2")).unwrap().0.is_empty());
}

#[test]
fn zeros_after_compressed_data_are_padding() {
    let zeros = [0; 1000];
    let bzip2 = fs::read(golden("text.bz2")).unwrap();
    for padded in [[&gzip(b"a\nb\n"), &zeros[..]].concat(), [&gzip(b"a\n"), &zeros[..], &gzip(b"b\n"), &zeros].concat()]
    {
        assert_eq!(lines_in(&padded).unwrap().0, ["a", "b"]);
    }
    assert_eq!(lines_in(&[&bzip2, &zeros[..]].concat()).unwrap().0, TEXT);
    let error = lines_in(&[&gzip(b"a\n"), &b"garbage"[..]].concat()).unwrap_err();
    assert!(matches!(error, DataError::Read { .. }), "{error}");
}

#[test]
fn archives_and_other_formats_are_refused_by_name() {
    let cases: [(&[u8], &str); 13] = [
        (&fs::read(golden("text.tar")).unwrap(), "is a tar archive: unpack it"),
        (&fs::read(golden("text.tgz")).unwrap(), "is a tar archive, compressed by gzip: unpack it"),
        (&fs::read(golden("text.tar.xz")).unwrap(), "is a tar archive, compressed by xz: unpack it"),
        (&fs::read(golden("text.zip")).unwrap(), "is a ZIP archive, or an Office document: unpack it"),
        (&fs::read(golden("text.lzma")).unwrap(), "is compressed by lzma: decompress it"),
        (&fs::read(golden("text-utf-32")).unwrap(), "is in UTF-32: convert it"),
        (&gzip(&gzip(b"a\n")), "is gzip data, compressed by gzip: decompress it once"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "is a 7z archive"),
        (b"PAR1\x15\x04\x15", "is a Parquet file: write its text column"),
        (b"SQLite format 3\0\x10", "is an SQLite database"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "is a PDF document: save its text"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 798\n",
            "is a Git LFS pointer, not the file itself: fetch the file with `git lfs pull`",
        ),
        (&[0; 64], "file:1 has binary data"),
    ];
    for (bytes, expected) in cases {
        let error = lines_in(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    // Every reader has the same opener.
    let archive = golden("text.tgz");
    for unit in [DocumentUnit::Line, DocumentUnit::Paragraph, DocumentUnit::File] {
        let error = TextFiles::new([&archive], unit).documents().next().unwrap().unwrap_err();
        assert!(matches!(error, DataError::NotText { .. }), "{error}");
    }
    assert!(matches!(LabeledText::read(&[&archive], TsvLayout::default()), Err(DataError::NotText { .. })));
}

#[test]
fn utf_16_is_read_with_and_without_a_mark() {
    let text = fs::read(golden("text-utf-16le")).unwrap();
    for (name, mark, order) in
        [("text-utf-16le", b"\xff\xfe", "little-endian"), ("text-utf-16be", b"\xfe\xff", "big-endian")]
    {
        let bytes = fs::read(golden(name)).unwrap();
        let (lines, report) = lines_in(&bytes).unwrap();
        assert_eq!((lines, report.n_bytes), (TEXT.map(String::from).to_vec(), text.len() as u64));
        assert!(
            report.notes[0].contains("no byte order mark") && report.notes[0].contains(order),
            "{:?}",
            report.notes
        );
        for bytes in [[&mark[..], &bytes].concat(), gzip(&[&mark[..], &bytes].concat())] {
            let (lines, report) = lines_in(&bytes).unwrap();
            assert_eq!((lines, report.notes), (TEXT.map(String::from).to_vec(), Vec::new()));
        }
    }
    // Half a character is not text: in its line, as in any other file.
    let broken: Vec<u8> = [0xfeff, 0x61, 0x0a, 0xd83e, 0x0a].iter().flat_map(|unit: &u16| unit.to_le_bytes()).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken");
    fs::write(&path, broken).unwrap();
    let error = TextFiles::new([&path], DocumentUnit::Line).documents().find_map(Result::err).unwrap();
    assert!(error.to_string().contains("broken:2 is not UTF-8"), "{error}");
    // At the end it is a file that was cut off.
    for n_cut in [1, 2, 3] {
        let whole: Vec<u8> = "\u{feff}a\nb🦊".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let error = lines_in(&whole[..whole.len() - n_cut]).unwrap_err().to_string();
        assert!(error.contains("is UTF-16 that ends within a character: it is cut off"), "{error}");
    }
}

#[test]
fn nul_characters_in_text_are_noted() {
    let (lines, report) = lines_in(b"one line\ntwo\0\nthree lines\nf\0ur\nthe end\n").unwrap();
    assert_eq!((&*lines[1], lines.len()), ("two\0", 5));
    assert!(report.notes[0].contains("file:2, the first of 2 lines, has NUL characters"), "{:?}", report.notes);
}

#[test]
fn a_line_that_is_too_long_is_refused_before_its_end_is_read() {
    // 256 MiB in a few bytes, cut off: a reader that went on would take them in, and fail.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long");
    let mut long = zstd::Encoder::new(fs::File::create(&path).unwrap(), 1).unwrap();
    let letters = vec![b'a'; 1 << 20];
    (0..256).for_each(|_| long.write_all(&letters).unwrap());
    let file = long.finish().unwrap();
    file.set_len(file.metadata().unwrap().len() * 3 / 4).unwrap();
    let mut reader = LineReader::new([&path], 10);
    assert!(reader.next_line().unwrap().unwrap().is_over_long);
    let error = TextFiles::new([&path], DocumentUnit::Line).documents().next().unwrap().unwrap_err();
    assert!(error.to_string().contains("long:1 is longer than 16777216 bytes"), "{error}");
    let error = LabeledText::read(&[&path], TsvLayout::default()).unwrap_err();
    assert!(error.to_string().contains("long:1 is longer than 1048576 bytes"), "{error}");
}
