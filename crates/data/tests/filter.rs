//! What is left out of a corpus, and what is said of it.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use attentive_data::{
    CorpusFilter, CorpusRow, CorpusRows, DataError, Duplicates, FilterConfig, FilterReport, FilterRule, LengthUnit,
    ParallelFiles, TsvLayout,
};
use proptest::prelude::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn run(config: &FilterConfig, mut rows: CorpusRows) -> Result<(Vec<CorpusRow>, FilterReport), DataError> {
    let mut filter = CorpusFilter::new(config.clone())?;
    let mut kept = Vec::new();
    while let Some(block) = filter.next_block(&mut rows)? {
        kept.extend(filter.keep(block));
    }
    Ok((kept, filter.report(&rows)))
}

fn texts(rows: &[CorpusRow]) -> Vec<Vec<&str>> {
    rows.iter().map(|row| row.texts.iter().map(String::as_str).collect()).collect()
}

fn counts(report: &FilterReport) -> Vec<(FilterRule, u64)> {
    report.left_out.iter().map(|(rule, left_out)| (*rule, left_out.count)).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn pairs_are_left_out_by_the_first_rule_that_they_break_and_the_first_of_each_is_shown() {
    let folder = Folder::new();
    let source = b"the dog\n\nthe dog\nthe cat\nno \xff utf\nsame here\na b c d\nthe bird\n";
    let target = "der Hund\nleer\nder Hund\ndie Katze\nkein\nsame here\na\nder Vogel\n";
    let source = folder.write("a.en.gz", gzip(source));
    let target = folder.write("a.de", target);
    let files = ParallelFiles::sides([&source], [&target]);
    let (kept, report) = run(&FilterConfig::default(), CorpusRows::of_pairs(&files, 1000).unwrap()).unwrap();
    assert_eq!(texts(&kept), [["the dog", "der Hund"], ["the cat", "die Katze"], ["the bird", "der Vogel"]]);
    assert_eq!((report.n_read, report.n_kept), (8, 3));
    let rules =
        [FilterRule::InvalidUtf8, FilterRule::Empty, FilterRule::Ratio, FilterRule::Identical, FilterRule::Duplicate];
    assert_eq!(counts(&report), rules.map(|rule| (rule, 1)));
    let ratio = &report.left_out[&FilterRule::Ratio].first;
    assert_eq!(ratio.places.iter().map(|place| place.line).collect::<Vec<_>>(), [7, 7]);
    assert_eq!((&ratio.texts[..], &ratio.measured[..]), (&["a b c d".into(), "a".into()][..], "4 words and 1"));
    assert_eq!(report.files.iter().map(|file| file.n_lines).collect::<Vec<_>>(), [8, 8]);
    let shown = report.to_string();
    assert!(shown.starts_with("3 of 8 lines kept (37.5 %)\n"), "{shown}");
    let line = format!("  1 there before, first {}:3, {}:3: the dog | der Hund", source.display(), target.display());
    assert!(shown.lines().any(|shown| shown == line), "{shown}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        (&json["left_out"]["ratio"]["count"], &json["left_out"]["ratio"]["first"]["places"][1][1]),
        (&1.into(), &7.into())
    );
    assert_eq!(serde_json::from_value::<FilterReport>(json).unwrap(), report);
}

#[test]
fn columns_and_texts_of_one_language_are_filtered_too() {
    let folder = Folder::new();
    let long = "x".repeat(50);
    let file = folder.write("a.tsv", format!("1\tein Hund\ta dog\n2\tnur\n\n3\t{long}\ta\n4\tdie Katze\tthe cat\n"));
    let files = ParallelFiles::tsv_of([&file], TsvLayout::of_columns(3, 2));
    let (kept, report) = run(&FilterConfig::default(), CorpusRows::of_pairs(&files, 40).unwrap()).unwrap();
    assert_eq!(texts(&kept), [["a dog", "ein Hund"], ["the cat", "die Katze"]]);
    let expected = [(FilterRule::Columns, 1), (FilterRule::TooManyBytes, 1), (FilterRule::Empty, 1)];
    assert_eq!(counts(&report), expected);
    let first = &report.left_out[&FilterRule::Columns].first;
    assert_eq!(
        (first.places.len(), first.places[0].line, &first.texts[0][..]),
        (1, 2, "2\tnur".replace('\t', " ").as_str())
    );

    let text = folder.write("a.txt", "a dog\n\n...\na dog\nthe cat");
    let (kept, report) = run(&FilterConfig::default(), CorpusRows::of_text([&text], 40).unwrap()).unwrap();
    assert_eq!(texts(&kept), [["a dog"], ["the cat"]]);
    assert_eq!(counts(&report), [FilterRule::Empty, FilterRule::TooShort, FilterRule::Duplicate].map(|rule| (rule, 1)));
}

#[test]
fn sides_of_unlike_length_and_settings_out_of_range_are_refused_by_name() {
    let folder = Folder::new();
    let (one, two) = (folder.write("one", "a\n"), folder.write("two", "b\nc\n"));
    let files = ParallelFiles::sides([&one], [&two]);
    let error = run(&FilterConfig::default(), CorpusRows::of_pairs(&files, 10).unwrap()).unwrap_err().to_string();
    assert!(error.contains("two:2 has no line on the other side"), "{error}");
    let refused = |config: FilterConfig, what: &str| {
        let error = CorpusFilter::new(config).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    let usual = FilterConfig::default;
    refused(FilterConfig { min_length: 5, max_length: 4, ..usual() }, "max_length = 4: must be at least min_length");
    refused(FilterConfig { max_ratio: f64::NAN, ..usual() }, "max_ratio = NaN");
    refused(FilterConfig { max_ratio: 0.5, ..usual() }, "max_ratio = 0.5: must be at least 1");
    refused(FilterConfig { min_letters: 1.5, ..usual() }, "min_letters = 1.5");
    refused(FilterConfig { bloom_mib: usize::MAX, ..usual() }, "bloom_mib");
    refused(FilterConfig { target_language: Some("tlh".into()), ..usual() }, "\"tlh\" is not a language");
    assert!(
        serde_json::from_str::<FilterConfig>(r#"{"max_ration": 2}"#).unwrap_err().to_string().contains("max_ration")
    );
    assert!(CorpusRows::of_text([""; 0], 1).is_err());
}

/// Few words, so that lines come again.
fn pairs() -> impl Strategy<Value = Vec<[String; 2]>> {
    let side = || "[ab]{1,2}( [ab]| 1| \\.){0,3}";
    prop::collection::vec((side(), side()).prop_map(|(source, target)| [source, target]), 0..60)
}

fn configs() -> impl Strategy<Value = FilterConfig> {
    use Duplicates::{Either, Keep, Pair, Source, Target};
    let duplicates = prop::sample::select(vec![Keep, Pair, Source, Target, Either]);
    let unit = prop::sample::select(vec![LengthUnit::Words, LengthUnit::Characters]);
    (duplicates, unit, 0_usize..3, 1.0_f64..4.0, 0.0_f64..1.0, any::<bool>(), 0_usize..2).prop_map(
        |(duplicates, unit, min_length, max_ratio, min_letters, identical, bloom_mib)| FilterConfig {
            duplicates,
            unit,
            min_length,
            max_ratio,
            min_letters,
            identical,
            bloom_mib,
            ..FilterConfig::default()
        },
    )
}

fn write(folder: &Folder, pairs: &[[String; 2]]) -> ParallelFiles {
    let side = |idx: usize| pairs.iter().map(|pair| format!("{}\n", pair[idx])).collect::<String>();
    ParallelFiles::sides([folder.write("source", side(0))], [folder.write("target", side(1))])
}

/// Whether a pair is left out by itself, as the guide says it.
fn is_bad(pair: &[String; 2], config: &FilterConfig) -> bool {
    let length = |text: &str| match config.unit {
        LengthUnit::Words => text.split(' ').filter(|word| word.chars().any(char::is_alphanumeric)).count(),
        LengthUnit::Characters => text.replace(' ', "").len(),
    };
    let letters = |text: &str| text.matches(['a', 'b']).count() as f64 / text.replace(' ', "").len() as f64;
    let [a, b] = [length(&pair[0]), length(&pair[1])];
    a.min(b) < config.min_length
        || a.max(b) as f64 > config.max_ratio * a.min(b) as f64
        || !config.identical && pair[0] == pair[1]
        || pair.iter().any(|text| letters(text) < config.min_letters)
}

proptest! {
    #[test]
    fn what_stays_is_what_a_plain_loop_keeps(pairs in pairs(), config in configs()) {
        let folder = Folder::new();
        let rows = |pairs: &[[String; 2]]| CorpusRows::of_pairs(&write(&folder, pairs), 1000).unwrap();
        let (kept, report) = run(&config, rows(&pairs)).unwrap();
        let mut seen: [HashSet<String>; 3] = Default::default();
        let mut expected = Vec::new();
        for pair in pairs.iter().filter(|pair| !is_bad(pair, &config)) {
            let keys = [pair[0].clone(), pair[1].clone(), pair.join("\t")];
            let watched: &[usize] = match config.duplicates {
                Duplicates::Keep => &[],
                Duplicates::Source => &[0],
                Duplicates::Target => &[1],
                Duplicates::Pair => &[2],
                Duplicates::Either => &[0, 1],
            };
            if watched.iter().all(|&idx| !seen[idx].contains(&keys[idx])) {
                watched.iter().for_each(|&idx| { seen[idx].insert(keys[idx].clone()); });
                expected.push(pair.clone());
            }
        }
        let kept: Vec<[String; 2]> = kept.into_iter().map(|row| row.texts.try_into().unwrap()).collect();
        prop_assert_eq!(&kept, &expected);
        prop_assert_eq!(report.n_read, pairs.len() as u64);
        let n_left_out: u64 = report.left_out.values().map(|left_out| left_out.count).sum();
        prop_assert_eq!(report.n_kept + n_left_out, report.n_read);
        // Nothing is wrong with what stays.
        let (again, report) = run(&config, rows(&kept)).unwrap();
        prop_assert_eq!((again.len(), report.left_out.len()), (kept.len(), 0));
    }
}

#[test]
fn blocks_make_no_difference() {
    let folder = Folder::new();
    let line = |n: usize| format!("word {}\n", char::from_u32(0x4e00 + (n % 5000) as u32).unwrap());
    let path: PathBuf = folder.write("long", (0..9000).map(line).collect::<String>());
    let (kept, report) = run(&FilterConfig::default(), CorpusRows::of_text([Path::new(&path)], 100).unwrap()).unwrap();
    assert_eq!((kept.len(), report.left_out[&FilterRule::Duplicate].count), (5000, 4000));
    assert_eq!(report.left_out[&FilterRule::Duplicate].first.places[0].line, 5001);
}
