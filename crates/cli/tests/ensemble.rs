//! Several models that translate together, and samples of least risk.

use std::fs;

use attentive_metrics::{Bleu, Chrf, Scorer};
use serde_json::Value;

use crate::support::{COPIED, Folder, TINY, contains};

/// Two models of one tokenizer, and one of another.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write_copying("copy", [6, 2, 3], TINY);
    folder.succeed(&["train", "copy.toml"], "");
    folder.succeed(&["train", "copy.toml", "--set", "training.seed=5"], "");
    folder.succeed(&["train", "copy.toml", "--set", "tokenizer.merges=3"], "");
    folder
}

#[test]
fn models_translate_together() {
    let folder = folder();
    let [first, second] = ["runs/copy-1", "runs/copy-2"];
    let translate = |more: &[&str]| {
        let call = [&["translate", "--scores", "--model", first], more, &COPIED[..]].concat();
        folder.succeed(&call, "")
    };
    let alone = translate(&[]);
    assert_eq!(translate(&["--with", first]), alone, "a model twice is the model");
    assert_eq!(translate(&["--with", first, "--log-linear"]), alone);
    let together = translate(&["--with", second]);
    assert_ne!(together, alone);
    assert_eq!(together.lines().count(), COPIED.len());
    assert_eq!(translate(&["--with", second, "--weights", "1,1"]), together, "all alike");
    assert_eq!(translate(&["--with", second, "--weights", "1,1e-12"]), alone, "the other hardly counts");
    for (more, said) in [
        (&["--with", second, "--weights", "1"][..], "1 weights for 2 models"),
        (&["--with", second, "--weights", "1,0"], "is not above 0"),
        (&["--with", "nowhere"], "nowhere"),
        (&["--with", "runs/copy-3"], "another tokenizer"),
    ] {
        let call = [&["translate", "--model", first], more, &["ab"]].concat();
        contains(&folder.fail(&call, ""), &[said]);
    }
}

#[test]
fn models_that_translate_together_are_evaluated_together() {
    let folder = Folder::new();
    // So that they write text.
    folder.write_copying("copy", [40, 20, 20], TINY);
    for other in ["training.seed=1", "training.seed=5", "tokenizer.merges=3"] {
        folder.succeed(&["train", "copy.toml", "--set", other, "--set", "schedule.lr=0.01"], "");
    }
    let [first, second] = ["runs/copy-1", "runs/copy-2"];
    let lines = COPIED.map(|line| format!("{line}\n")).concat();
    folder.write("lines", &lines);
    let eval = |args: &[&str]| -> Value {
        let told = folder.succeed(&[&["eval", "--json", "--reference", "lines"], args].concat(), "");
        serde_json::from_str(&told).unwrap()
    };
    let of_model = |model: &str, more: &[&str]| {
        eval(&[&["--source", "lines", "--output", "out", "--overwrite", "--model", model], more].concat())
    };
    let nats = |told: &Value| told["perplexity"].as_f64().expect("a perplexity").ln();
    let [a, b] = [first, second].map(|model| nats(&of_model(model, &[])));
    assert!((nats(&of_model(first, &["--with", first])) - a).abs() < 1e-4, "a model twice is the model");
    for more in [&["--with", second][..], &["--with", second, "--weights", "1,3", "--log-linear"]] {
        let translated = folder.succeed(&[&["translate", "--model", first], more].concat(), &lines);
        folder.write("hypotheses", &translated);
        let told = of_model(first, more);
        assert_eq!(fs::read_to_string(folder.path("out")).unwrap(), translated);
        assert_eq!(told["scores"], eval(&["--hypotheses", "hypotheses"])["scores"]);
    }
    // The logarithm of a mean is not below the mean of logarithms.
    let together = nats(&of_model(first, &["--with", second]));
    assert!(together <= (a + b) / 2.0 + 1e-4, "{together} of {a} and {b}");
    folder.write("blank", "ab\n\n");
    let call = ["eval", "--model", first, "--with", second, "--source", "blank", "--reference", "blank"];
    let told = folder.run(&call, "");
    assert!(told.status.success());
    contains(&String::from_utf8_lossy(&told.stderr), &["no perplexity: a sentence is blank"]);
    let call = ["eval", "--model", first, "--with", "runs/copy-3", "--source", "lines", "--reference", "lines"];
    contains(&folder.fail(&call, ""), &["another tokenizer"]);
}

#[test]
fn the_sample_of_least_risk_is_the_one_that_is_most_like_all() {
    let folder = folder();
    let call =
        ["translate", "--model", "runs/copy-1", "--samples", "6", "--temperature", "2", "--seed", "3", "ab cd ef"];
    let samples = folder.succeed(&call, "");
    let samples: Vec<&str> = samples.lines().map(|line| line.split_once('\t').expect("numbered").1).collect();
    let bleu = Bleu { effective_order: true, ..Bleu::default() };
    let likeness = |sample: &str, option: &str| -> f64 {
        let of_other = |other: &&str| match option {
            "--least-risk=bleu" => bleu.sentence(sample, &[other]).unwrap().score,
            _ => Chrf::default().sentence(sample, &[other]).unwrap().score,
        };
        samples.iter().map(of_other).sum()
    };
    for option in ["--least-risk", "--least-risk=chrf", "--least-risk=bleu"] {
        let best = samples.iter().map(|sample| likeness(sample, option)).fold(0.0, f64::max);
        let chosen = folder.succeed(&[&call[..], &[option]].concat(), "");
        let [chosen] = chosen.lines().collect::<Vec<_>>()[..] else { panic!("{chosen}") };
        assert!(samples.contains(&chosen) && (likeness(chosen, option) - best).abs() < 1e-9, "{chosen} of {samples:?}");
    }
    for (alone, needed) in
        [(&["--least-risk"][..], "--samples"), (&["--least-risk=ter"], "chrf or bleu"), (&["--weights", "1"], "--with")]
    {
        let output = folder.run(&[&["translate", "--model", "runs/copy-1"], alone, &["ab"]].concat(), "");
        assert_eq!(output.status.code(), Some(2));
        contains(&String::from_utf8_lossy(&output.stderr), &[needed]);
    }
}
