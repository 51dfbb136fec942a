//! Models that read pictures, from the command line.

use std::{fs, process::Command};

use attentive_vision::{Picture, SHAPE_LABELS, Shapes};

use crate::support::{Folder, contains};

/// A model of the pictures of a folder.
const RECIPE: &str = r#"
name = "shapes"
task = "image-classification"

[data.train]
folder = "pictures"

[data.validation]
folder = "pictures"

[model]
image_size = 16
patch_size = 8
d_model = 16
d_ff = 32
n_heads = 2
n_layers = 1

[batch]
rows = 4

[schedule]
kind = "constant"
lr = 1e-3

[training]
steps = 6
validate_every = 3
checkpoint_every = 3
"#;

/// A folder with a model of transformers, a picture, and what is not one.
fn folder() -> Folder {
    let folder = Folder::new();
    let said = folder.import("deit-teacher", "model");
    assert!(said.contains("use: classify, embed, attention"), "{said}");
    fs::write(folder.path("picture.png"), Shapes { seed: 1, n: 1 }.picture(0).0.to_png()).unwrap();
    folder.write("empty.png", "");
    folder
}

#[test]
fn a_picture_is_classified_embedded_and_looked_at() {
    let folder = folder();
    let line = folder.succeed(&["classify", "--model", "model", "picture.png"], "");
    let [label, probability, path] = line.trim_end().split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
    assert!(["cat", "dog", "neither"].contains(&label) && path == "picture.png", "{line}");
    assert!((1.0 / 3.0 - 1e-3..=1.0).contains(&probability.parse::<f64>().unwrap()), "{line}");
    // Lines of standard input are paths too.
    let all = folder.succeed(&["classify", "--model", "model", "--all"], "picture.png\npicture.png\n");
    assert_eq!(all.lines().count(), 8, "{all}");
    let vector = folder.succeed(&["embed", "--model", "model", "picture.png"], "");
    let vector: serde_json::Value = serde_json::from_str(&vector).unwrap();
    assert_eq!(vector["vector"].as_array().unwrap().len(), 8);
    for out in ["a.png", "a.svg"] {
        let said = folder.succeed(&["attention", "--model", "model", "--out", out, "picture.png"], "");
        assert!(said.contains(&format!("drawn in {out}")), "{said}");
    }
    // The picture as the model saw it, twelve pixels a side, and the map beside it.
    assert_eq!(Picture::open(&folder.path("a.png")).unwrap().size(), [228, 456]);
    assert!(fs::read_to_string(folder.path("a.svg")).unwrap().contains("data:image/png;base64,"));
}

#[test]
fn what_is_not_a_picture_is_named_and_flags_of_texts_are_refused() {
    let folder = folder();
    let refusals: [(&[&str], &str); 6] = [
        (&["classify", "--model", "model", "empty.png"], "empty.png is empty"),
        (&["embed", "--model", "model", "nowhere.png"], "cannot read nowhere.png"),
        (&["classify", "--model", "model", "--pair", "picture.png"], "--pair is for models that read text"),
        (&["embed", "--model", "model", "--normalize", "picture.png"], "--normalize"),
        (&["attention", "--model", "model", "--word", "it", "picture.png"], "--word is for models that read text"),
        (&["fill", "--model", "model", "a [MASK]"], "an image encoder"),
    ];
    for (args, part) in refusals {
        let said = folder.fail(args, "");
        assert!(said.contains(part), "{args:?}: {said}");
    }
    // The pictures before it are answered.
    for command in ["classify", "embed"] {
        let output = folder.run(&[command, "--model", "model"], "picture.png\nempty.png\npicture.png\n");
        contains(&String::from_utf8_lossy(&output.stderr), &["empty.png is empty"]);
        let before = folder.succeed(&[command, "--model", "model", "picture.png"], "");
        assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap()), (Some(1), before));
    }
}

#[test]
fn a_folder_of_pictures_is_learnt_from_and_broken_ones_are_counted_and_named() {
    let folder = Folder::new();
    folder.write("shapes.toml", RECIPE);
    let shapes = Shapes { seed: 1, n: 24 };
    for idx in 0..shapes.n {
        let (picture, class) = shapes.picture(idx);
        let class = folder.path("pictures").join(SHAPE_LABELS[class as usize]);
        fs::create_dir_all(&class).unwrap();
        fs::write(class.join(format!("{idx}.png")), picture.to_png()).unwrap();
    }
    let whole = shapes.picture(0).0.to_png();
    fs::write(folder.path("pictures/circle/cut.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.path("pictures/square/empty.jpg"), "").unwrap();
    fs::write(folder.path("pictures/square/notes.txt"), "notes").unwrap();
    for args in [&["doctor", "shapes.toml"][..], &["train", "shapes.toml"]] {
        let output = folder.run(args, "");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{said}");
        contains(&said, &["data      24 train pictures", "data.train: 2 broken pictures are left out"]);
        contains(&said, &["cut.png is damaged", "empty.jpg is empty", "notes.txt"]);
    }
    // One thread makes the batches, and learns from them.
    let mut alone = Command::new(env!("CARGO_BIN_EXE_attentive"));
    alone.args(["train", "shapes.toml"]).current_dir(folder.path(".")).env("RAYON_NUM_THREADS", "1");
    assert!(alone.output().unwrap().status.success());
    let [first, second] =
        ["shapes-1", "shapes-2"].map(|run| fs::read(folder.path("runs").join(run).join("model.safetensors")));
    assert!(first.unwrap() == second.unwrap(), "the number of threads changes nothing");
    contains(&folder.succeed(&["inspect"], ""), &["family       vit", "(24 pictures, sha256 "]);
    contains(&folder.succeed(&["selftest"], ""), &["sight      holds", "company    holds", "gradients  holds"]);

    fs::write(folder.path("picture.png"), whole).unwrap();
    let classes = folder.succeed(&["classify", "--all", "picture.png"], "");
    assert_eq!(classes.lines().count(), 1 + SHAPE_LABELS.len(), "{classes}");
    folder.succeed(&["export", "--format", "vit", "--out", "theirs"], "");
    folder.succeed(&["import", "theirs", "--out", "back"], "");
    assert_eq!(folder.succeed(&["classify", "--model", "back", "--all", "picture.png"], ""), classes);
}
