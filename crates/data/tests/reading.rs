//! Files as users have them: compressed, divided, with marks and carriage returns, and broken in every way.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use attentive_data::{
    CorpusReport, CorpusRules, DataError, LineReader, OnProblem, ParallelFiles, Place, Problem, Treatment, TsvLayout,
};
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn sides(&self, source: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> ParallelFiles {
        ParallelFiles::sides([self.write("a.en", source)], [self.write("a.de", target)])
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// A line number, a source and a target.
type Text = (u64, String, String);

fn read(files: &ParallelFiles, rules: &CorpusRules) -> Result<(Vec<Text>, CorpusReport), DataError> {
    let mut pairs = files.pairs(rules)?;
    let texts = pairs.by_ref().map(|pair| pair.map(|p| (p.line, p.source, p.target))).collect::<Result<_, _>>()?;
    Ok((texts, pairs.finish()?))
}

fn skip_all() -> CorpusRules {
    CorpusRules {
        on_line_count: OnProblem::Skip,
        on_columns: OnProblem::Skip,
        on_invalid_utf8: OnProblem::Skip,
        on_empty: OnProblem::Skip,
        ..CorpusRules::default()
    }
}

/// The kept pairs' lines, and for one problem its count and places, as `file:line`.
fn skipped(files: &ParallelFiles, rules: &CorpusRules, problem: Problem) -> (Vec<u64>, u64, Vec<String>) {
    let (texts, report) = read(files, rules).unwrap();
    assert_eq!(report.n_kept, texts.len() as u64);
    assert_eq!(report.problems.len(), 1, "{report}");
    let found = &report.problems[&problem];
    let name = |place: &Place| format!("{}:{}", place.path.file_name().unwrap().to_str().unwrap(), place.line);
    (texts.iter().map(|(line, ..)| *line).collect(), found.count, found.first.iter().map(name).collect())
}

fn refusal(files: &ParallelFiles, rules: &CorpusRules) -> String {
    match read(files, rules) {
        Err(error @ DataError::Refused { .. }) => error.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn every_container_gives_the_same_pairs_and_hashes() {
    let folder = Folder::new();
    let (source, target) = ("one\ntwo words\nthree\n", "eins\nzwei Wörter\ndrei\n");
    let mut skippable = vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    skippable.extend(zstd(source.as_bytes()));
    let (begin, end) = source.as_bytes().split_at(6); // amid a line
    let sources = [
        source.as_bytes().to_vec(),
        gzip(source.as_bytes()),
        [gzip(begin), gzip(end)].concat(),
        zstd(source.as_bytes()),
        [zstd(begin), zstd(end)].concat(),
        skippable,
    ];
    let (expected, plain) = read(&folder.sides(source, target), &CorpusRules::default()).unwrap();
    assert_eq!(expected[1], (2, "two words".to_owned(), "zwei Wörter".to_owned()));
    assert_eq!(plain.source[0].sha256, format!("{:x}", Sha256::digest(source)));
    assert_eq!((plain.source[0].n_lines, plain.source[0].n_bytes), (3, source.len() as u64));
    for bytes in sources {
        let (texts, report) = read(&folder.sides(bytes, target), &CorpusRules::default()).unwrap();
        assert_eq!((texts, report), (expected.clone(), plain.clone()));
    }
}

#[test]
fn files_of_a_side_are_one_and_sides_may_be_divided_differently() {
    let folder = Folder::new();
    let source = [folder.write("1.en", "a\nb"), folder.write("2.en", ""), folder.write("3.en", gzip(b"c\n"))];
    let target = [folder.write("1.de", "A\n"), folder.write("2.de", "B\nC\n")];
    let files = ParallelFiles::sides(source, target);
    let (texts, report) = read(&files, &CorpusRules::default()).unwrap();
    let texts: Vec<_> = texts.iter().map(|(line, s, t)| (*line, s.as_str(), t.as_str())).collect();
    assert_eq!(texts, [(1, "a", "A"), (2, "b", "B"), (3, "c", "C")]);
    assert_eq!(report.source.iter().map(|file| file.n_lines).collect::<Vec<_>>(), [2, 0, 1]);
    assert_eq!(files.digests().unwrap(), [report.source, report.target]);
}

#[test]
fn line_ends_and_byte_order_marks_are_no_text() {
    let folder = Folder::new();
    let source = [folder.write("1", "\u{feff}a\r\nb\r\n"), folder.write("2", zstd("\u{feff}c\u{feff}".as_bytes()))];
    let (texts, _) =
        read(&ParallelFiles::sides(source, [folder.write("3", "x\r\ny\nz\rz")]), &CorpusRules::default()).unwrap();
    let texts: Vec<_> = texts.iter().map(|(_, s, t)| (s.as_str(), t.as_str())).collect();
    assert_eq!(texts, [("a", "x"), ("b", "y"), ("c\u{feff}", "z\rz")]);
}

#[test]
fn only_line_feeds_divide_lines() {
    let folder = Folder::new();
    let text = "a\u{2028}b\u{85}c\u{b}d\u{c}e";
    let (texts, _) = read(&folder.sides(text, "x"), &CorpusRules::default()).unwrap();
    assert_eq!(texts, [(1, text.to_owned(), "x".to_owned())]);
}

#[test]
fn tab_separated() {
    let folder = Folder::new();
    let files = ParallelFiles::tsv([folder.write("a.tsv", gzip(b"a b\tA B\nc\tC\r\n"))]);
    let (texts, report) = read(&files, &CorpusRules::default()).unwrap();
    assert_eq!(texts, [(1, "a b".to_owned(), "A B".to_owned()), (2, "c".to_owned(), "C".to_owned())]);
    assert_eq!((report.source.len(), report.target.len()), (1, 0));
    assert!(report.to_string().contains("both  "));
}

#[test]
fn line_counts_that_differ() {
    let folder = Folder::new();
    let files = folder.sides("a\nb\nc\n", "A\nB\nC\nD\nE\n");
    let found = skipped(&files, &skip_all(), Problem::LineCount);
    assert_eq!(found, (vec![1, 2, 3], 2, vec!["a.de:4".to_owned(), "a.de:5".to_owned()]));
    let message = refusal(&files, &CorpusRules::default());
    assert!(message.contains("a.de:4") && message.contains("(source 3 lines, target 5)"), "{message}");
    assert!(message.contains("on_line_count = \"skip\""), "{message}");
    // No advice to set what has no settings.
    let message = refusal(&files, &CorpusRules::strict());
    assert!(message.ends_with("(source 3 lines, target 5); align the two sides"), "{message}");
    let found = skipped(&folder.sides("a\nb\n", "A\n"), &skip_all(), Problem::LineCount);
    assert_eq!(found, (vec![1], 1, vec!["a.en:2".to_owned()]));
}

#[test]
fn invalid_utf8() {
    let folder = Folder::new();
    let files = folder.sides(b"a\nM\xfcller\nc\n", "A\nB\nC\n");
    let found = skipped(&files, &skip_all(), Problem::InvalidUtf8);
    assert_eq!(found, (vec![1, 3], 1, vec!["a.en:2".to_owned()]));
    let message = refusal(&files, &CorpusRules::default());
    assert!(message.contains("a.en:2") && message.contains("convert the file to UTF-8"), "{message}");
    // A file in another encoding altogether.
    let utf16: Vec<u8> = "\u{feff}a\nb".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (texts, _) = read(&folder.sides(utf16, "A\nB\n"), &CorpusRules::default()).unwrap();
    assert_eq!(texts[1], (2, "b".to_owned(), "B".to_owned()));
}

#[test]
fn empty_lines() {
    let folder = Folder::new();
    let files = folder.sides("a\n\n \u{a0}\td \n", "A\nB\n\u{3000}\n");
    let found = skipped(&files, &skip_all(), Problem::Empty);
    assert_eq!(found, (vec![1], 2, vec!["a.en:2".to_owned(), "a.de:3".to_owned()]));
    assert!(refusal(&files, &CorpusRules::strict()).contains("empty line, 2 times"));
    let all = |files: &ParallelFiles| {
        let rules = CorpusRules::strict();
        let pairs = files.pairs(&rules).unwrap().keeping_blank().map(Result::unwrap);
        pairs.map(|pair| (pair.line, pair.source, pair.target)).collect::<Vec<_>>()
    };
    let pair = |line, source: &str, target: &str| (line, source.to_owned(), target.to_owned());
    assert_eq!(all(&files), [pair(1, "a", "A"), pair(2, "", "B"), pair(3, " \u{a0}\td ", "\u{3000}")]);
    let files = ParallelFiles::tsv([folder.write("a.tsv", "a\tA\n\n\tC\nd\t \n")]);
    assert_eq!(all(&files), [pair(1, "a", "A"), pair(2, "", ""), pair(3, "", "C"), pair(4, "d", " ")]);
}

#[test]
fn wrong_columns() {
    let folder = Folder::new();
    let files = ParallelFiles::tsv([folder.write("a.tsv", "a\tA\nb\n\n d\tD\td\ne\t E\n")]);
    let (texts, report) = read(&files, &skip_all()).unwrap();
    assert_eq!(texts.iter().map(|(line, ..)| *line).collect::<Vec<_>>(), [1, 5]);
    assert_eq!((report.n_read, report.n_kept), (5, 2));
    assert_eq!(report.problems[&Problem::Columns].count, 2);
    assert_eq!(report.problems[&Problem::Empty].first[0].line, 3);
    assert!(refusal(&files, &CorpusRules::default()).contains("a.tsv:2"));
    let files = ParallelFiles::tsv([folder.write("a.tsv", "a\t\n\tB\n")]);
    assert_eq!(skipped(&files, &skip_all(), Problem::Empty).1, 2);
}

#[test]
fn two_of_several_columns() {
    let folder = Folder::new();
    let text = "id\tde\tscore\ten\n1\tA\t0.5\ta\n\n2\tB\t0.5\n3\tC\t0.5\tc\tnote\n";
    let layout = TsvLayout { header: true, ..TsvLayout::of_columns(4, 2) };
    let files = ParallelFiles::tsv_of([folder.write("a.tsv", text)], layout);
    let (texts, report) = read(&files, &skip_all()).unwrap();
    assert_eq!(texts, [(2, "a".to_owned(), "A".to_owned()), (5, "c".to_owned(), "C".to_owned())]);
    let place = |problem| report.problems[&problem].first[0].line;
    assert_eq!((place(Problem::Columns), place(Problem::Empty), report.n_read), (4, 3, 4));
    assert!(refusal(&files, &CorpusRules::default()).contains("columns = [1, 2]"));
    // Long columns that nobody wants are not a problem, wherever they are.
    let long = "x".repeat(20);
    let text = format!("1\tA\t{long}\ta\t{long}\n2\t{long}\t \tb\n");
    let files = ParallelFiles::tsv_of([folder.write("b.tsv", text)], TsvLayout::of_columns(4, 2));
    let found = skipped(&files, &CorpusRules { max_bytes: 10, ..skip_all() }, Problem::TooManyBytes);
    assert_eq!(found, (vec![1], 1, vec!["b.tsv:2".to_owned()]));
}

#[test]
fn lines_of_too_many_bytes() {
    let folder = Folder::new();
    // The limit cuts the two-byte ü of line 2; line 3 is longer than any buffer; line 4 fits exactly.
    let long = "x".repeat(1 << 20);
    let files = folder.sides(format!("a\nabcdü\n{long}\nabcde\r\n"), "A\nB\nC\nD\n");
    let rules = CorpusRules { max_bytes: 5, ..skip_all() };
    let found = skipped(&files, &rules, Problem::TooManyBytes);
    assert_eq!(found, (vec![1, 4], 2, vec!["a.en:2".to_owned(), "a.en:3".to_owned()]));
    let rules = CorpusRules { on_over_long: Treatment::Truncate, ..rules };
    let (texts, _) = read(&files, &rules).unwrap();
    let sources: Vec<_> = texts.iter().map(|(_, source, _)| source.as_str()).collect();
    assert_eq!(sources, ["a", "abcd", "xxxxx", "abcde"]);
    let rules = CorpusRules { on_over_long: Treatment::Refuse, ..rules };
    assert!(refusal(&files, &rules).contains("raise max_bytes"));
    // The hash is of the whole file all the same.
    let [source, _] = files.digests().unwrap();
    assert_eq!(source[0].n_bytes, (2 + 7 + long.len() + 1 + 7) as u64);
    // The tab of the last one is beyond what is kept of a line.
    let lines = format!("abcde\tabcde\nabcdef\ta\na\tabcdef\n{long}\ta\n");
    let files = ParallelFiles::tsv([folder.write("a.tsv", lines)]);
    let found = skipped(&files, &CorpusRules { max_bytes: 5, ..skip_all() }, Problem::TooManyBytes);
    assert_eq!(found, (vec![1], 3, [2, 3, 4].map(|line| format!("a.tsv:{line}")).to_vec()));
}

#[test]
fn a_report_counts_all_keeps_some_and_names_every_refused_problem() {
    let folder = Folder::new();
    let files = folder.sides([b"\n".repeat(1500), b"\xff\nok\n".to_vec()].concat(), "x\n".repeat(1502));
    let rules = CorpusRules { max_reported: 3, ..skip_all() };
    let (_, report) = read(&files, &rules).unwrap();
    let text = report.to_string();
    assert!(text.starts_with("1,502 pairs read, 1 kept\n"), "{text}");
    assert!(text.contains("skipped  empty line, 1,500 times: "), "{text}");
    assert!(text.ends_with("a.en:1, 2, 3, …"), "{text}");
    assert!(text.contains("not UTF-8, once: "), "{text}");
    let message = refusal(&files, &CorpusRules::strict());
    assert!(message.contains("1,500 times") && message.contains("a.en:1501"), "{message}");
}

#[test]
fn no_pair_is_yielded_after_a_refused_one() {
    let folder = Folder::new();
    let files = folder.sides("a\n\nc\nd\n", "A\nB\nC\nD\n");
    let rules = CorpusRules::strict();
    let mut pairs = files.pairs(&rules).unwrap();
    assert_eq!(pairs.next().unwrap().unwrap().line, 1);
    assert!(matches!(pairs.next(), Some(Err(DataError::Refused { .. }))));
    assert!(pairs.next().is_none());
    assert_eq!(pairs.report().n_read, 4);
}

#[test]
fn damaged_compression_is_an_error_that_names_the_file() {
    let folder = Folder::new();
    let text = "a line of text\n".repeat(20_000);
    for mut bytes in [gzip(text.as_bytes()), zstd(text.as_bytes())] {
        bytes.truncate(bytes.len() - 5);
        let files = folder.sides(&bytes, &text);
        let message = match read(&files, &CorpusRules::default()) {
            Err(error @ DataError::Read { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(message.contains("a.en past line ") && message.contains("gzip -t"), "{message}");
    }
}

#[test]
fn missing_files() {
    let folder = Folder::new();
    let present = folder.write("a", "a\n");
    let absent = folder.0.path().join("b");
    let error = read(&ParallelFiles::sides([&present], [&absent]), &CorpusRules::default()).unwrap_err();
    assert!(matches!(&error, DataError::Open { path, .. } if *path == absent), "{error}");
    let error = read(&ParallelFiles::tsv([folder.0.path()]), &CorpusRules::default()).unwrap_err();
    assert!(matches!(error, DataError::Open { .. }), "a folder: {error}");
    let none: [PathBuf; 0] = [];
    let error = ParallelFiles::sides([&present], none).pairs(&CorpusRules::default()).unwrap_err();
    assert_eq!(error.to_string(), "no target files given: name at least one");
}

#[test]
fn a_reader_of_lines_spans_files() {
    let folder = Folder::new();
    let mut reader = LineReader::new([folder.write("1", "a\nbbbb"), folder.write("2", "c")], 3);
    let mut lines = Vec::new();
    while let Some(line) = reader.next_line().unwrap() {
        lines.push((line.place.line, String::from_utf8(line.bytes).unwrap(), line.is_over_long));
    }
    assert_eq!(lines, [(1, "a".into(), false), (2, "bbb".into(), true), (1, "c".into(), false)]);
    assert!(reader.next_line().unwrap().is_none());
    assert_eq!(reader.finish().unwrap().len(), 2);
}
