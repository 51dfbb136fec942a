//! Episodes from files: JSON lines, and NumPy's archives (`tests/golden/generate.py`).

use std::path::{Path, PathBuf};

use attentive_core::{Action, ActionSpace, Episode};
use attentive_task::{Episodes, config::EpisodesRecipe};
use serde_json::json;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn open(recipe: serde_json::Value) -> attentive_task::Result<Episodes> {
    let recipe: EpisodesRecipe = serde_json::from_value(recipe).unwrap();
    Episodes::open(&recipe, &())
}

#[test]
fn an_archive_of_discrete_actions_is_cut_where_episodes_end() {
    let Episodes { train, validation, shape, records } = open(json!({ "train": golden("discrete.npz") })).unwrap();
    assert_eq!((validation, shape.n_features, shape.actions), (None, 3, ActionSpace::Discrete(4)));
    assert_eq!((records.len(), records[0].n_lines), (1, 2));
    assert_eq!(train.iter().map(Episode::n_steps).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(train[1].observation(2), [5.0, 1.25, -5.0]);
    assert_eq!(train[1].actions.get(2), Some(Action::Discrete(1)));
    assert_eq!(train[1].rewards, [0.0, 1.0, 2.0, 0.0]);
    let wider = open(json!({ "train": golden("discrete.npz"), "n_actions": 9 })).unwrap();
    assert_eq!(wider.shape.actions, ActionSpace::Discrete(9));
}

#[test]
fn a_compressed_archive_of_numbers_has_them_and_its_rest_is_an_episode() {
    let Episodes { train, shape, .. } = open(json!({ "train": golden("continuous.npz") })).unwrap();
    assert_eq!(shape.actions, ActionSpace::Continuous(2));
    assert_eq!(train.iter().map(Episode::n_steps).collect::<Vec<_>>(), [4, 3]);
    assert_eq!(train[1].actions.get(1), Some(Action::Continuous(vec![0.625, -5.0])));
    assert_eq!(train[0].total(), 3.0);
}

#[test]
fn what_is_wrong_with_an_archive_is_told_by_its_array() {
    for (name, words) in [
        ("endless.npz", "no array says where episodes end"),
        ("short.npz", "actions have the shape [5]"),
        ("nan.npz", "rewards[2] has NaN"),
        ("negative.npz", "actions[0] is -1"),
    ] {
        let error = open(json!({ "train": golden(name) })).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(words), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, words) in [
        ("text.npz", "text.npz is damaged, or not an archive of NumPy's arrays"),
        ("array.npy", "array.npy is an array of NumPy's: episodes are several"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, "no archive").unwrap();
        let error = open(json!({ "train": path })).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("weights"), "{error}");
    }
    let error = open(json!({ "train": golden("discrete.npz"), "validation": golden("continuous.npz") })).unwrap_err();
    assert!(error.to_string().contains("lists of numbers, those of others whole numbers"), "{error}");
    let error = open(json!({ "train": golden("discrete.npz"), "n_actions": 3 })).unwrap_err().to_string();
    assert!(error.contains("data.n_actions = 3") && error.contains("the action 3"), "{error}");
    let error = open(json!({ "train": golden("continuous.npz"), "n_actions": 3 })).unwrap_err().to_string();
    assert!(error.contains("whole numbers"), "{error}");
}

#[test]
fn an_action_that_training_data_does_not_have_is_refused_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, actions: &str| {
        let path = folder.path().join(name);
        let line = format!(r#"{{"observations": [[1], [2]], "actions": {actions}, "rewards": [0, 1]}}"#);
        std::fs::write(&path, format!("{line}\n{line}\n")).unwrap();
        path
    };
    let (train, validation) = (path("train.jsonl", "[0, 1]"), path("validation.jsonl", "[0, 2]"));
    let error = open(json!({ "train": train, "validation": validation })).unwrap_err().to_string();
    assert!(error.contains("validation.jsonl:1: actions[1] is 2, which is not one of 0 to 1"), "{error}");
    let both = open(json!({ "train": [train, validation] })).unwrap();
    assert_eq!((both.train.len(), both.shape.actions), (4, ActionSpace::Discrete(3)));
}

#[test]
fn without_files_scripted_policies_make_episodes() {
    let made = open(json!({ "environment": "key-door", "episodes": 30 })).unwrap();
    assert_eq!((made.train.len(), made.validation.unwrap().len()), (30, 3));
    assert_eq!((made.shape.n_features, made.shape.actions), (6, ActionSpace::Discrete(4)));
    assert_eq!(made.records.len(), 2);
    assert_eq!(
        made.records[0].sha256,
        open(json!({ "environment": "key-door", "episodes": 30 })).unwrap().records[0].sha256
    );
}
