//! A model's shortlist: learned, followed, and left out.

use crate::support::{COPIED, Folder, TINY, contains};

#[test]
fn translations_are_among_the_tokens_of_a_shortlist_unless_it_is_left_out() {
    let folder = Folder::new();
    folder.write_copying("copy", [60, 60, 60], TINY);
    folder.succeed(&["train", "copy.toml"], "");
    folder.write("source", "it was ab\nab cd\n");
    folder.write("target", "cd it\ncd it\n");
    let learn = ["shortlist", "--source", "source", "--target", "target", "--out", "few"];
    let said = folder.succeed(&learn, "");
    contains(&said, &["2 pairs read, 2 kept", "source tokens have target tokens of their own; the model is in few"]);
    let translate = |more: &[&str]| {
        let args = [&["translate", "--min-length", "3"][..], more, &[COPIED[0]]].concat();
        folder.succeed(&args, "").trim().to_owned()
    };
    let held = translate(&["--model", "few"]);
    assert!(!held.is_empty() && held.chars().all(|c| "cdit ".contains(c)), "{held:?}");
    assert_eq!(translate(&["--model", "few", "--no-shortlist"]), translate(&[]));

    folder.succeed(&["quantize", "--model", "few", "--out", "bytes"], "");
    assert!(folder.path("bytes/shortlist.json").exists());
    let said = folder.succeed(&["extend", "--model", "few", "--out", "more", "Okapi"], "");
    contains(&said, &["1 new tokens", "the shortlist, which does not have them, is left out"]);
    assert!(!folder.path("more/shortlist.json").exists());

    // What was learned of other weights does not hold for those that are trained on.
    let recipe = r#"
name = "tuned"
pretrained = "few"
data.train.tsv = "pairs.tsv"
batch.max_tokens = 256
schedule = { kind = "constant", lr = 1e-3 }
training = { steps = 1 }
"#;
    folder.write("tune.toml", recipe);
    let said = String::from_utf8(folder.run(&["train", "tune.toml"], "").stderr).unwrap();
    contains(&said, &["warning: the shortlist of ", "few is not kept: learn another (shortlist)"]);
    assert!(folder.path("runs/tuned-1/model.safetensors").exists());
    assert!(!folder.path("runs/tuned-1/shortlist.json").exists());

    let error = folder.fail(&learn, "");
    contains(&error, &["few is there already", "--force"]);
    folder.write("target", "cd it\n");
    let error = folder.fail(&[&learn[..], &["--force"]].concat(), "");
    contains(&error, &["no such line on the other side"]);
}
