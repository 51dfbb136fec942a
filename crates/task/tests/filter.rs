//! A corpus filtered into files, and scored by models with random weights.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use attentive_backend::{BackendKind, Device};
use attentive_bundle::{Bundle, Translator};
use attentive_collective::Alone;
use attentive_data::{Duplicates, FilterConfig, FilterRule};
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_task::{Filtering, PairScoring, filter_rules, likelihood_of};
use attentive_tokenizer::{BpeTrainer, Tokenizer};
use serde_json::Value;

const SOURCES: [&str; 5] = ["ab ba", "aab", "ba ab aab", "abb", "ba"];
const TARGETS: [&str; 5] = ["ba ab", "abb ab", "aab", "b", "aab ab ba"];

struct Made {
    folder: tempfile::TempDir,
    device: Device,
}

impl Made {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), device: BackendKind::Flex.device().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, lines: &[&str]) -> PathBuf {
        fs::write(self.path(name), lines.join("\n") + "\n").unwrap();
        self.path(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The folder of a model whose weights are drawn with a seed.
    fn model(&self, name: &str, seed: u64) -> PathBuf {
        let tokenizer = BpeTrainer::with_merges(4).train(["ab ba", "aab abb"]).unwrap();
        let config = TransformerConfig {
            d_model: 8,
            d_ff: 8,
            n_heads: 2,
            n_encoder_layers: 1,
            n_decoder_layers: 1,
            ..TransformerConfig::base(tokenizer.vocab_size())
        };
        let params = attentive_weights::params(&config.init(&self.device, seed).unwrap());
        let tokenizer: Arc<dyn Tokenizer> = Arc::new(tokenizer);
        Bundle::new(name, config, tokenizer, params).save(self.path(name)).unwrap();
        self.path(name)
    }

    fn filtering(&self) -> Filtering {
        Filtering {
            source: vec![self.write("source", &SOURCES)],
            target: vec![self.write("target", &TARGETS)],
            columns: None,
            out: vec![self.path("out.source"), self.path("out.target")],
            force: false,
            rules: FilterConfig { max_ratio: f64::INFINITY, ..FilterConfig::default() },
            scoring: None,
            report: Some(self.path("report.json")),
        }
    }

    fn run(&self, filtering: &Filtering) -> attentive_data::FilterReport {
        filtering.write(&self.device, &(), &|| true).unwrap().unwrap()
    }
}

/// The mean log-probability of a token, by the model on tensors.
fn mean(model: &Path, source: &str, target: &str, device: &Device) -> f64 {
    let bundle = Bundle::read(model).unwrap();
    let [source, target] = [source, target].map(|text| vec![text.to_owned()]);
    let told = likelihood_of(&Alone, &bundle, device, &source, &target, 100).unwrap().unwrap();
    -told.loss_nats / told.n_units as f64
}

#[test]
fn pairs_score_as_the_model_on_tensors_says() {
    let made = Made::new();
    let model = made.model("model", 3);
    let bundle = Bundle::read(&model).unwrap();
    let translator = Translator::from_bundle(&bundle, &made.device, None).unwrap();
    let pairs: Vec<(&str, &str)> = SOURCES.into_iter().zip(TARGETS).chain([("ab", ""), (" ", "ab")]).collect();
    for batch_tokens in [1, 2048] {
        let config = attentive_bundle::DecodingConfig { batch_tokens, ..bundle.decoding.clone() };
        let scores = translator.score(&pairs, &config).unwrap();
        assert_eq!(scores[5..], [None, None]);
        for ((source, target), score) in pairs.iter().zip(&scores[..5]) {
            let score = score.unwrap();
            let expected = mean(&model, source, target, &made.device);
            assert!((score.log_prob / score.n_tokens as f64 - expected).abs() < 1e-4, "{source} {target}");
        }
    }
}

#[test]
fn improbable_pairs_are_left_out_by_one_model_or_two() {
    let made = Made::new();
    let (model, reverse) = (made.model("model", 3), made.model("reverse", 4));
    let forward: Vec<f64> =
        SOURCES.iter().zip(TARGETS).map(|(source, target)| mean(&model, source, target, &made.device)).collect();
    let dual: Vec<f64> = SOURCES
        .iter()
        .zip(TARGETS)
        .zip(&forward)
        .map(|((source, target), forward)| {
            let (a, b) = (-forward, -mean(&reverse, target, source, &made.device));
            (-((a - b).abs() + (a + b) / 2.0)).exp()
        })
        .collect();
    for (reverse, expected) in [(None, forward), (Some(reverse), dual)] {
        let mut sorted = expected.clone();
        sorted.sort_by(f64::total_cmp);
        let min = f64::midpoint(sorted[1], sorted[2]);
        let out = Some(made.path("scores"));
        let scoring = PairScoring { model: model.clone(), reverse, min_score: Some(min), out };
        let filtering = Filtering { scoring: Some(scoring), force: true, ..made.filtering() };
        let report = made.run(&filtering);
        assert_eq!((report.n_kept, report.left_out[&FilterRule::Score].count), (3, 2));
        let stay: Vec<usize> = (0..5).filter(|&idx| expected[idx] >= min).collect();
        let texts = |of: &[&str]| stay.iter().map(|&idx| format!("{}\n", of[idx])).collect::<String>();
        assert_eq!((made.read("out.source"), made.read("out.target")), (texts(&SOURCES), texts(&TARGETS)));
        for (written, &idx) in made.read("scores").lines().zip(&stay) {
            assert!((written.parse::<f64>().unwrap() - expected[idx]).abs() < 1e-4, "{written}");
        }
        let told: Value = serde_json::from_str(&made.read("report.json")).unwrap();
        assert_eq!((&told["scoring"]["min_score"], &told["report"]["n_kept"]), (&min.into(), &3.into()));
    }
}

#[test]
fn outputs_are_whole_or_not_there() {
    let made = Made::new();
    let filtering = made.filtering();
    assert_eq!(filtering.write(&made.device, &(), &|| false).unwrap(), None);
    let names = || {
        let mut names: Vec<String> = fs::read_dir(made.folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["source", "target"], "nothing is left of what was ended");
    let short = Filtering { target: vec![made.write("short", &TARGETS[..4])], ..filtering.clone() };
    let error = short.write(&made.device, &(), &|| true).unwrap_err().to_string();
    assert!(error.contains("source:5 has no line on the other side"), "{error}");
    assert_eq!(names(), ["short", "source", "target"]);

    made.run(&filtering);
    assert_eq!(made.read("out.target"), TARGETS.join("\n") + "\n");
    let refused = |filtering: Filtering, what: &str| {
        let error = filtering.write(&made.device, &(), &|| true).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    refused(filtering.clone(), "out.source is there already");
    let new = || Filtering { out: vec![made.path("new")], report: None, ..filtering.clone() };
    refused(Filtering { out: vec![made.path("source")], force: true, ..new() }, "source is read");
    let unfinished = made.write("a.part", &SOURCES);
    let of_unfinished = Filtering { source: vec![unfinished], out: vec![made.path("a")], ..new() };
    refused(of_unfinished, "a.part is read, and would be written over");
    assert_eq!(made.read("a.part"), SOURCES.join("\n") + "\n");
    fs::remove_file(made.path("a.part")).unwrap();
    refused(Filtering { out: vec![made.path("a"), made.path("a.part")], ..new() }, "a.part would be written over");
    refused(Filtering { out: vec![made.path("a"), made.path("./a")], ..new() }, "named twice");
    refused(Filtering { out: vec![made.folder.path().to_owned()], force: true, ..new() }, "not a file");
    refused(Filtering { out: Vec::new(), ..new() }, "no file is named");
    refused(Filtering { columns: Some([1, 2]), ..new() }, "leave out one of them");
    refused(Filtering { columns: Some([0, 2]), target: Vec::new(), ..new() }, "counted from 1");
    refused(Filtering { columns: Some([2, 2]), target: Vec::new(), ..new() }, "counted from 1");
    let two = vec![made.path("a"), made.path("b")];
    refused(Filtering { target: Vec::new(), out: two, ..new() }, "one language");
    let scoring = PairScoring { model: made.path("none"), reverse: None, min_score: None, out: None };
    refused(Filtering { target: Vec::new(), scoring: Some(scoring.clone()), ..new() }, "a model scores pairs");
    let none = PairScoring { min_score: Some(f64::NAN), ..scoring.clone() };
    refused(Filtering { scoring: Some(none), ..new() }, "min_score = NaN");
    refused(Filtering { scoring: Some(scoring), ..new() }, "there is no model");
    let rules = FilterConfig { target_language: Some("de".into()), ..FilterConfig::default() };
    refused(Filtering { target: Vec::new(), rules, ..new() }, "no target_language");
}

#[test]
fn pairs_go_to_one_file_as_columns() {
    let made = Made::new();
    made.run(&Filtering { out: vec![made.path("out.tsv")], ..made.filtering() });
    let columns: String = SOURCES.iter().zip(TARGETS).map(|(source, target)| format!("{source}\t{target}\n")).collect();
    assert_eq!(made.read("out.tsv"), columns);
    let turned = Filtering {
        source: vec![made.path("out.tsv")],
        target: Vec::new(),
        columns: Some([2, 1]),
        force: true,
        ..made.filtering()
    };
    made.run(&turned);
    assert_eq!(made.read("out.source"), TARGETS.join("\n") + "\n");
}

#[test]
fn rules_are_settings() {
    let rules = |settings: &[&str]| filter_rules(&settings.iter().map(|&one| one.to_owned()).collect::<Vec<_>>());
    let read = rules(&["max_ratio=2", "duplicates = either", "identical=true", "source_language=en"]).unwrap();
    let expected = FilterConfig {
        max_ratio: 2.0,
        duplicates: Duplicates::Either,
        identical: true,
        source_language: Some("en".into()),
        ..FilterConfig::default()
    };
    assert_eq!((read, rules(&[]).unwrap()), (expected, FilterConfig::default()));
    for (setting, what) in [
        ("max_ratio", "expected key=value"),
        ("max_ration=2", "rule max_ration: no such setting; did you mean `max_ratio`?"),
        ("foo=1", "rule foo: no such setting; there are: unit, min_length, "),
        ("max_ratio=two", "rule max_ratio: \"two\" must be a number"),
        ("min_length=-1", "rule min_length: -1 must be an integer of at least 0"),
        ("duplicates=all", "rule duplicates: \"all\" must be one of: keep, pair, source, target, either"),
    ] {
        let error = attentive_task::with_causes(&rules(&["identical=true", setting]).unwrap_err());
        assert!(error.contains(what) && !error.contains('\n'), "{error}");
    }
    let twice = rules(&["max_ratio=2", "max_ratio=3"]).unwrap_err().to_string();
    assert_eq!(twice, "rule max_ratio is given twice, 2 and 3: give it once");
}

#[test]
fn the_settings_of_rules_are_those_that_are_read() {
    let config = serde_json::to_value(FilterConfig::default()).unwrap();
    let read: BTreeSet<&str> = config.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(FilterConfig::SETTINGS.map(|(name, _)| name).into_iter().collect::<BTreeSet<&str>>(), read);
    for (name, allowed) in FilterConfig::SETTINGS {
        // Nothing is a list, and all that is named is taken.
        let error = filter_rules(&[format!("{name}=[]")]).unwrap_err().to_string();
        assert_eq!(error, format!("rule {name}: [] must be {allowed}"));
        let values = allowed.strip_prefix("one of: ").into_iter().flat_map(|names| names.split(", "));
        values.for_each(|value| drop(filter_rules(&[format!("{name}={value}")]).unwrap()));
    }
}
