//! Table 3 on a text of a few lines: what is trained, what is read, what is refused.

use std::{fs, num::NonZeroU64, path::Path, time::Duration};

use attentive_backend::{BackendKind, Device};
use attentive_bundle::Bundle;
use attentive_collective::{Alone, Collective, Threads};
use attentive_paper::{Error, Exhibit, Length, Reproduction, Result};
use attentive_run::{Run, TrainOptions};

const RECIPE: &str = r#"
name = "few"
[data]
train.tsv = "few.tsv"
validation.tsv = "few.tsv"
test.tsv = "few.tsv"
[tokenizer]
merges = 10
[model]
d_model = 16
d_ff = 32
n_heads = 4
n_encoder_layers = 3
n_decoder_layers = 3
dropout = 0.1
[batch]
max_tokens = 256
[schedule]
kind = "cosine"
peak = 1e-3
warmup_steps = 10
total_steps = 100
[training]
steps = 100
[evaluation]
bleu_sentences = 0
average_last = 1
"#;

fn reproduction(folder: &Path) -> Reproduction {
    fs::write(folder.join("few.tsv"), "ab cd\tcd ab\nef gh\tgh ef\n".repeat(8)).unwrap();
    fs::write(folder.join("few.toml"), RECIPE).unwrap();
    Reproduction {
        recipe: Some(folder.join("few.toml")),
        settings: Vec::new(),
        rows: vec!["C N=2".into(), "big".into(), "E".into()],
        seeds: vec![1, 2],
        length: Length::Updates(NonZeroU64::new(2).unwrap()),
        runs: folder.join("runs"),
    }
}

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

/// The exhibit, and the names of the runs that were trained for it.
fn make(reproduction: &Reproduction) -> Result<(Exhibit, Vec<String>)> {
    make_among(&Alone, reproduction)
}

/// The same by one of several processes.
fn make_among(peers: &dyn Collective, reproduction: &Reproduction) -> Result<(Exhibit, Vec<String>)> {
    let mut trained = Vec::new();
    let exhibit = reproduction.make(peers, &device(), &(), &mut |_| Ok(()), &mut |run: Run| {
        trained.push(run.recipe().run.name.clone());
        run.train(&device(), TrainOptions::default())
    })?;
    Ok((exhibit.expect("nothing stops it"), trained))
}

#[test]
fn every_row_is_trained_once_with_the_papers_factors() {
    let folder = tempfile::tempdir().unwrap();
    let reproduction = reproduction(folder.path());
    let (exhibit, trained) = make(&reproduction).unwrap();
    assert_eq!(trained.len(), 2 * 4, "{trained:?}");
    let table = exhibit.tables().next().unwrap();
    let names: Vec<&str> = table.rows().iter().map(|row| row[0].as_str()).collect();
    assert_eq!(names, ["base", "C N=2", "E learned positions", "big"]);
    // The big model has three times as many updates (§5.2).
    let updates: Vec<&str> = table.rows().iter().map(|row| row[2].as_str()).collect();
    assert_eq!(updates, ["2", "2", "2", "6"]);
    assert!(table.rows().iter().all(|row| row[3].contains('±') && row[4].contains('±')), "{exhibit}");

    let model = |run: &str| {
        let bundle = Bundle::read(folder.path().join("runs").join(run)).unwrap();
        toml::Table::try_from(&bundle.model).unwrap()
    };
    let sizes = |run: &str| {
        let model = model(run);
        ["d_model", "d_ff", "n_heads", "n_encoder_layers"].map(|key| model[key].as_integer().unwrap())
    };
    assert_eq!(sizes("table3-base-seed-1-1"), [16, 32, 4, 3]);
    // Two of six layers. The big model has twice the widths and heads.
    assert_eq!(sizes("table3-c-n-2-seed-2-1"), [16, 32, 4, 1]);
    assert_eq!(sizes("table3-big-seed-1-1"), [32, 64, 8, 3]);
    assert_eq!(model("table3-big-seed-1-1")["dropout"].as_float(), Some(0.3));

    // All is there: nothing is trained again.
    let (again, trained) = make(&reproduction).unwrap();
    assert_eq!((again.to_string(), trained), (exhibit.to_string(), Vec::new()));
}

#[test]
fn processes_share_the_runs_and_make_the_table_of_one() {
    let [alone, shared] = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let (exhibit, mut all) = make(&reproduction(alone.path())).unwrap();
    let reproduction = reproduction(shared.path());
    let made = Threads::each(2, |peers| make_among(&peers, &reproduction).unwrap());
    assert!(made.iter().all(|(of_process, _)| of_process.to_string() == exhibit.to_string()));
    // Each of the two long runs has a process of its own.
    for (_, trained) in &made {
        assert_eq!(trained.iter().filter(|name| name.contains("big")).count(), 1, "{made:?}");
    }
    let mut trained: Vec<String> = made.into_iter().flat_map(|(_, trained)| trained).collect();
    trained.sort();
    all.sort();
    assert_eq!(trained, all);
    let again = Threads::each(3, |peers| make_among(&peers, &reproduction).unwrap());
    assert!(again.into_iter().all(|(again, trained)| again.to_string() == exhibit.to_string() && trained.is_empty()));
}

#[test]
fn processes_that_do_not_see_one_folder_are_told_before_they_train() {
    let folder = tempfile::tempdir().unwrap();
    let shared = reproduction(folder.path());
    let made = Threads::each(2, |peers| {
        let runs = folder.path().join(peers.rank().to_string());
        make_among(&peers, &Reproduction { runs, ..shared.clone() })
    });
    for refused in made {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("processes share runs in one folder"), "{error}");
    }
    assert!(!folder.path().join("0/table3-base-seed-1-1").exists());
}

#[test]
fn other_recipes_and_lengths_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    let first = Reproduction { rows: vec!["base".into()], seeds: vec![1], ..reproduction(folder.path()) };
    make(&first).unwrap();
    let refused = |other: Reproduction, what: &str| {
        let error = make(&other).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    refused(Reproduction { settings: vec!["model.d_ff=64".into()], ..first.clone() }, "begun with another recipe");
    let length = Length::Updates(NonZeroU64::new(3).unwrap());
    refused(Reproduction { length, ..first.clone() }, "begun with 2 updates");
    refused(Reproduction { rows: vec!["F".into()], ..first.clone() }, "no row \"F\"");
    refused(Reproduction { seeds: Vec::new(), ..first.clone() }, "needs a seed");
    refused(Reproduction { seeds: vec![2, 1, 2], ..first.clone() }, "the seed 2 is given twice");
    let heads = Reproduction { rows: vec!["A".into()], runs: folder.path().join("a"), ..first.clone() };
    // 16 heads of 16 values are one value each; 32 would be half a value.
    refused(Reproduction { settings: vec!["model.n_heads=8".into()], ..heads }, "can't be parted among 32 heads");
    let length = Length::Budget(Duration::from_millis(1));
    refused(Reproduction { length, runs: folder.path().join("b"), ..first.clone() }, "updates of each row: give more");
    // Another seed goes into the same folder.
    let (_, trained) = make(&Reproduction { seeds: vec![1, 2], ..first }).unwrap();
    assert_eq!(trained, ["table3-base-seed-2"]);
}

#[test]
fn only_translation_by_a_transformer_has_rows() {
    let folder = tempfile::tempdir().unwrap();
    let of = |recipe: &str| Reproduction { recipe: Some(recipe.into()), ..reproduction(folder.path()) };
    let error: Error = make(&of("bert")).unwrap_err();
    assert!(error.to_string().contains("Table 3 is of translation"), "{error}");
    let error = make(&of("rnn")).unwrap_err();
    assert!(error.to_string().contains("Table 3 is of the Transformer"), "{error}");
}
