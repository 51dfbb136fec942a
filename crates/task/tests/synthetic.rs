//! Synthetic pairs, by a model with random weights: what is written, where it goes on, what is refused.

use std::{
    cell::Cell,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use attentive_backend::BackendKind;
use attentive_bundle::{DecodingConfig, TranslationModel, Translator};
use attentive_collective::{Alone, Collective, Threads};
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_task::{Lines, Synthesis, SyntheticPairs, SyntheticReport};
use attentive_tokenizer::{BpeTrainer, Tokenizer};

struct Made {
    translator: Translator<TranslationModel>,
    config: DecodingConfig,
    folder: tempfile::TempDir,
}

impl Made {
    fn new() -> Self {
        let device = BackendKind::Flex.device().unwrap();
        let tokenizer = BpeTrainer::with_merges(4).train(["ab ba", "aab abb"]).unwrap();
        let n = tokenizer.vocab_size();
        let config = TransformerConfig {
            d_model: 8,
            d_ff: 8,
            n_heads: 2,
            n_encoder_layers: 1,
            n_decoder_layers: 1,
            ..TransformerConfig::base(n)
        };
        let model = TranslationModel::new(config.init(&device, 3).unwrap(), &config).unwrap();
        let translator = Translator::new(model, Arc::new(tokenizer)).unwrap();
        // Of random weights nothing ends by itself.
        let config = DecodingConfig { beam: 3, max_len: Some(4), ..DecodingConfig::default() };
        Self { translator, config, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn pairs(&self, synthesis: Synthesis) -> SyntheticPairs<'_, TranslationModel> {
        let identity = "random".into();
        SyntheticPairs { translator: &self.translator, config: &self.config, sampling: None, synthesis, identity }
    }

    /// The best translations of a text, as a user gets them.
    fn best(&self, text: &str, n: usize) -> Vec<String> {
        let found = self.translator.translate_n_best(&[text], &self.config, n.try_into().unwrap()).unwrap();
        found[0].iter().map(|translation| translation.text.clone()).collect()
    }
}

/// The lines of a file.
fn lines(path: &Path) -> Lines {
    Lines::open(&[path.to_owned()], "text", |_| {})
}

#[test]
fn a_teacher_writes_targets_and_back_translation_sources() {
    let made = Made::new();
    let text = made.write("text", "ab ba\n\n  \naab\n");
    let report = made
        .pairs(Synthesis::Distilled)
        .write(&Alone, lines(&text), None, &made.path("out"), &(), &|| true)
        .unwrap()
        .unwrap();
    assert_eq!(report, SyntheticReport { n_lines: 4, n_pairs: 2, n_blank: 2, ..SyntheticReport::default() });
    assert_eq!(report.left_out(), "2 blank");
    let [first, second] = ["ab ba", "aab"].map(|text| made.best(text, 1).remove(0));
    let written = fs::read_to_string(made.path("out")).unwrap();
    assert_eq!(written, format!("ab ba\t{first}\naab\t{second}\n"));

    let back = Synthesis::Backtranslated { tag: "<BT>".into() };
    made.pairs(back).write(&Alone, lines(&text), None, &made.path("back"), &(), &|| true).unwrap();
    let written = fs::read_to_string(made.path("back")).unwrap();
    assert_eq!(written, format!("<BT> {first}\tab ba\n<BT> {second}\taab\n"));
}

#[test]
fn a_tag_that_would_break_the_table_is_refused() {
    let made = Made::new();
    let (text, out) = (made.write("text", "ab ba\n"), made.path("out"));
    for tag in ["a\tb", "a\nb", "<BT>\r"] {
        let pairs = made.pairs(Synthesis::Backtranslated { tag: tag.into() });
        let error = pairs.write(&Alone, lines(&text), None, &out, &(), &|| true).unwrap_err().to_string();
        assert!(error.starts_with(&format!("tag = {tag:?}: ")), "{error}");
        assert!(!out.exists() && !made.path("out.part").exists());
    }
}

#[test]
fn a_text_without_lines_gives_no_pairs() {
    let made = Made::new();
    let (text, out) = (made.write("text", ""), made.path("out"));
    for of in [Synthesis::Distilled, Synthesis::Backtranslated { tag: "<BT>".into() }] {
        let report = made.pairs(of).write(&Alone, lines(&text), None, &out, &(), &|| true).unwrap();
        assert_eq!(report, Some(SyntheticReport::default()));
        assert_eq!(fs::read_to_string(&out).unwrap(), "");
        assert!(!made.path("out.part").exists() && !made.path("out.progress").exists());
    }
}

#[test]
fn references_choose_among_the_beam() {
    let made = Made::new();
    let text = made.write("text", "ab ba\n");
    let candidates = made.best("ab ba", 3);
    assert_ne!(candidates[0], candidates[2]);
    let references = lines(&made.write("reference", &format!("{}\n", candidates[2])));
    let pairs = made.pairs(Synthesis::Distilled);
    pairs.write(&Alone, lines(&text), Some(references), &made.path("out"), &(), &|| true).unwrap();
    assert_eq!(fs::read_to_string(made.path("out")).unwrap(), format!("ab ba\t{}\n", candidates[2]));
}

#[test]
fn what_was_ended_goes_on_to_the_same_pairs() {
    let made = Made::new();
    let all: String = (0..1200).map(|n| format!("{}\n", ["ab", "ba ab", "aab", ""][n % 4])).collect();
    let text = made.write("text", &all);
    let whole = made
        .pairs(Synthesis::Distilled)
        .write(&Alone, lines(&text), None, &made.path("whole"), &(), &|| true)
        .unwrap()
        .unwrap();

    let out = made.path("out");
    assert_eq!(made.pairs(Synthesis::Distilled).write(&Alone, lines(&text), None, &out, &(), &|| false).unwrap(), None);
    assert!(!out.exists());
    // A process that was killed amid a block has written some of its pairs.
    let part = made.path("out.part");
    let mut bytes = fs::read(&part).unwrap();
    bytes.extend(b"ab\thal");
    fs::write(&part, bytes).unwrap();
    let n_blocks = Cell::new(0);
    let count = || {
        n_blocks.set(n_blocks.get() + 1);
        true
    };
    let report =
        made.pairs(Synthesis::Distilled).write(&Alone, lines(&text), None, &out, &(), &count).unwrap().unwrap();
    assert_eq!((report, n_blocks.get()), (whole, 2));
    assert_eq!(fs::read(&out).unwrap(), fs::read(made.path("whole")).unwrap());
    assert!(!part.exists() && !made.path("out.progress").exists());
}

#[test]
fn several_processes_write_the_pairs_of_one() {
    let made = Made::new();
    let all: String = (0..1700).map(|n| format!("{}\n", ["ab", "ba ab", "aab", "", "abba"][n % 5])).collect();
    let text = made.write("text", &all);
    let whole = made.pairs(Synthesis::Distilled).write(&Alone, lines(&text), None, &made.path("whole"), &(), &|| true);
    let (whole, expected) = (whole.unwrap(), fs::read(made.path("whole")).unwrap());
    // By `size` processes, of which the first one may be told to end.
    let by = |size: usize, out: &Path, go_on: bool| {
        Threads::each(size, |peer| {
            let of_peer = Made::new();
            let pairs = of_peer.pairs(Synthesis::Distilled);
            pairs.write(&peer, lines(&text), None, out, &(), &|| go_on || peer.rank() > 0).unwrap()
        })
    };
    for size in [2, 3] {
        let out = made.path(&format!("of-{size}"));
        let mut reports = by(size, &out, true);
        assert_eq!(reports.remove(0), whole);
        assert!(reports.iter().all(Option::is_none));
        assert_eq!(fs::read(&out).unwrap(), expected, "{size} processes");
    }
    let out = made.path("ended");
    assert_eq!(by(2, &out, false), [None, None]);
    assert!(!out.exists());
    assert_eq!(by(3, &out, true)[0], whole);
    assert_eq!(fs::read(&out).unwrap(), expected, "after an end");
}

#[test]
fn one_process_at_a_time_writes_the_pairs() {
    let made = Made::new();
    let text = made.write("text", &"ab\n".repeat(600));
    let out = made.path("out");
    let pairs = made.pairs(Synthesis::Distilled);
    assert_eq!(pairs.write(&Alone, lines(&text), None, &out, &(), &|| false).unwrap(), None);
    let other = File::options().write(true).open(made.path("out.part")).unwrap();
    other.try_lock().unwrap();
    let before = fs::read(made.path("out.part")).unwrap();
    let error = pairs.write(&Alone, lines(&text), None, &out, &(), &|| true).unwrap_err().to_string();
    assert!(error.contains("another process writes"), "{error}");
    assert_eq!(fs::read(made.path("out.part")).unwrap(), before);
    drop(other);
    assert!(pairs.write(&Alone, lines(&text), None, &out, &(), &|| true).unwrap().is_some());
}

#[test]
fn nothing_goes_on_by_other_settings_or_beside_other_lines() {
    let made = Made::new();
    let text = made.write("text", &"ab\n".repeat(600));
    let out = made.path("out");
    assert_eq!(made.pairs(Synthesis::Distilled).write(&Alone, lines(&text), None, &out, &(), &|| false).unwrap(), None);
    let refused = |synthesis, text: &Path, references: Option<Lines>, what: &str| {
        let error =
            made.pairs(synthesis).write(&Alone, lines(text), references, &out, &(), &|| true).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    let back = Synthesis::Backtranslated { tag: String::new() };
    refused(back.clone(), &text, None, "was begun with another model, other settings");
    let state = made.path("out.progress");
    let progress = fs::read_to_string(&state).unwrap();
    let version = concat!("\"version\":\"", env!("CARGO_PKG_VERSION"), "\"");
    for (other, what) in [("\"version\":\"0.0.1\"", "by version 0.0.1 of"), ("\"ago\":0", "by an earlier version of")] {
        assert!(progress.contains(version), "{progress}");
        fs::write(&state, progress.replace(version, other)).unwrap();
        refused(back.clone(), &text, None, what);
    }
    fs::write(&state, progress).unwrap();
    let other = made.write("other", &format!("ba\n{}", "ab\n".repeat(599)));
    refused(Synthesis::Distilled, &other, None, "was begun with other lines");
    let short = made.write("short", "ab\n");
    refused(Synthesis::Distilled, &short, None, "was begun with other lines");
    refused(Synthesis::Distilled, &text, Some(lines(&text)), "was begun with other lines");
    fs::write(made.path("out.part"), "").unwrap();
    refused(Synthesis::Distilled, &text, None, "is shorter than");
    fs::remove_file(made.path("out.part")).unwrap();
    fs::remove_file(made.path("out.progress")).unwrap();
    refused(Synthesis::Distilled, &text, Some(lines(&short)), "text:2 has no reference");
    let many = made.write("many", &"ab\n".repeat(601));
    refused(Synthesis::Distilled, &text, Some(lines(&many)), "many:601 is a reference of no line");
}
