//! Encoders as a user meets them: from a text to a model that guesses, embeds and classifies, and what it says of bad input.

use std::fs;

use crate::support::Folder;

fn folder() -> Folder {
    let folder = Folder::new();
    // Letters in their order, round and round: each hidden one follows from its neighbours.
    let line = |n: usize| {
        let letters: Vec<String> = ('a'..='j').cycle().skip(n % 10).take(8).map(String::from).collect();
        letters.join(" ") + if n % 4 == 3 { "\n\n" } else { "\n" }
    };
    folder.write("text.txt", &(0..120).map(line).collect::<String>());
    // A text is of the class "up" if its second letter follows its first.
    let row = |n: usize| {
        let letter = |n: usize| char::from(b'a' + (n % 10) as u8);
        let (a, up) = (n % 10, n.is_multiple_of(3));
        format!("{} {}\t{}\n", letter(a), letter(if up { a + 1 } else { a + 4 }), if up { "up" } else { "other" })
    };
    folder.write("train.tsv", &(0..120).map(row).collect::<String>());
    folder.write("test.tsv", &(0..30).map(row).collect::<String>());
    folder.write("masked.toml", &format!("{MASKED_LM}{COMMON}"));
    folder.write("classes.toml", &format!("{CLASSIFICATION}{COMMON}"));
    // Words in their order, round and round.
    let words = ["ab", "cdef", "ghi", "jklmn", "op"];
    let line = |n: usize| words.into_iter().cycle().skip(n % 5).take(7).collect::<Vec<_>>().join(" ") + "\n";
    folder.write("words.txt", &(0..120).map(line).collect::<String>());
    folder.write("canine.toml", CANINE);
    folder
}

const MASKED_LM: &str = r#"
name = "letters"
task = "masked-lm"

[data]
validation_fraction = 0.1

[data.train]
text = "text.txt"
documents = "paragraph"

[batch]
context = 16
rows = 8
examples = "full-sentences"

[masking]
copies = 0
"#;

const CLASSIFICATION: &str = r#"
name = "classes"
task = "classification"

[data]
train.tsv = "train.tsv"
validation.tsv = "test.tsv"
test.tsv = "test.tsv"

[batch]
context = 8
rows = 16
"#;

const COMMON: &str = r#"
[tokenizer]
kind = "wordpiece"
vocab_size = 30

[model]
d_model = 32
d_ff = 64
n_heads = 2
n_layers = 2
dropout = 0.0
attention_dropout = 0.0
norm = "pre"
init_std = 0.15
next_sentence = false

[model.positions.learned]
max_len = 16

[schedule]
kind = "cosine"
peak = 5e-3
warmup_steps = 10
total_steps = 800

[training]
steps = 800
clip_norm = 1.0
validate_every = 400
checkpoint_every = 400
"#;

const CANINE: &str = r#"
name = "words"
task = "masked-lm"

[data]
validation_fraction = 0.1
train.text = "words.txt"

[tokenizer]
kind = "code-points"

[model]
preset = "canine"
d_model = 32
d_ff = 64
n_heads = 2
n_layers = 1
n_buckets = 128
max_len = 64
block = 16
dropout = 0.0
attention_dropout = 0.0
norm = "pre"
init_std = 0.15
next_sentence = false

[batch]
context = 40
rows = 8
examples = "full-sentences"

[masking]
copies = 0

[schedule]
kind = "cosine"
peak = 5e-3
warmup_steps = 10
total_steps = 400

[training]
steps = 400
clip_norm = 1.0
validate_every = 200
checkpoint_every = 200
"#;

/// Compares the lines that are found with the cosines of vectors of `embed`.
fn finds_what_is_near(folder: &Folder) {
    let lines = ["c b a", "f g h", "", "a b c", "a b c d"];
    let vector = |text: &str| -> Vec<f64> {
        let embedded: serde_json::Value = serde_json::from_str(&folder.succeed(&["embed", text], "")).unwrap();
        embedded["vector"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let query = vector("a b c");
    let numbered = (1..).zip(lines).filter(|(_, line)| !line.is_empty());
    let mut expected: Vec<(f64, usize, &str)> = numbered
        .map(|(number, line)| (vector(line), number, line))
        .map(|(v, number, line)| (dot(&v, &query) / (dot(&v, &v) * dot(&query, &query)).sqrt(), number, line))
        .collect();
    expected.sort_by(|a, b| b.0.total_cmp(&a.0));
    let expected: Vec<String> =
        expected.iter().map(|(cosine, number, line)| format!("{cosine:.4}\t{number}\t{line}\n")).collect();
    assert_eq!(expected[0], "1.0000\t4\ta b c\n");
    let text = lines.join("\n");
    assert_eq!(folder.succeed(&["similar", "--query", "a b c"], &text), expected.concat());
    folder.write("lines.txt", &text);
    folder.write("queries.txt", "a b c\nf g h\n");
    let top = ["similar", "--top", "1", "--query", "c b a", "--queries", "queries.txt", "lines.txt"];
    let found = folder.succeed(&top, "");
    let found: Vec<&str> = found.lines().collect();
    assert_eq!(found, ["c b a\t1.0000\t1\tc b a", "a b c\t1.0000\t4\ta b c", "f g h\t1.0000\t2\tf g h"]);
    let places = folder.succeed(&["similar", "--query", "a b c", "--top", "2", "lines.txt", "queries.txt"], "");
    assert_eq!(places, "1.0000\tlines.txt:4\ta b c\n1.0000\tqueries.txt:1\ta b c\n");
    assert!(folder.fail(&["similar", "--query", " "], "a").contains("no tokens"));
}

#[track_caller]
fn contains_candidates(filled: &str) {
    assert!(filled.lines().nth(1) == Some("  [MASK] 1") && filled.lines().count() > 3, "{filled}");
}

#[test]
fn a_canine_learns_words_by_their_characters() {
    let folder = folder();
    let shown = folder.succeed(&["train", "canine.toml"], "");
    for part in ["4 characters a molecule", "hidden tokens guessed right", "always \"", "fill --model", "[MASK][MASK]"]
    {
        assert!(shown.contains(part), "{part:?} is missing:\n{shown}");
    }
    contains_candidates(&folder.follow(&shown, "[MASK][MASK][MASK][MASK][MASK] op ab"));
    let filled = folder.succeed(&["fill", "--top-k", "2", "ab cdef [MASK][MASK][MASK] jklmn op ab"], "");
    let lines: Vec<&str> = filled.lines().collect();
    assert_eq!((lines.len(), lines[1]), (4, "  [MASK] 1"), "{filled}");
    assert!(lines[2].ends_with("\tghi"), "{filled}");
    let embedded: serde_json::Value = serde_json::from_str(&folder.succeed(&["embed", "ab cdef"], "")).unwrap();
    assert_eq!(embedded["vector"].as_array().unwrap().len(), 32);
    assert_eq!(folder.succeed(&["embed", "--compare", "ab", "ab cdef", "op ab"], "").lines().count(), 3);
    assert!(folder.fail(&["classify", "ab"], "").contains("tells classes"));
    assert!(folder.fail(&["fill", &"[MASK]".repeat(63)], "").contains("positions for 64"));
    assert!(folder.succeed(&["inspect"], "").contains("family       canine"));

    // Whatever the recipe says of the model, the one that was trained before counts.
    let settings = ["train", "classes.toml", "--set", "pretrained=runs/words-1", "--set", "training.steps=4"];
    let shown = folder.succeed(&settings, "");
    assert!(shown.contains("parameters are taken") && shown.contains("4 characters a molecule"), "{shown}");
    assert_eq!(folder.succeed(&["classify", "a b"], "").split('\t').count(), 3);

    let export = ["export", "--format", "canine", "--out", "hf", "--model"];
    assert!(folder.fail(&[&export[..], &["runs/words-1"]].concat(), "").contains("norm: its layers are post-norm"));
    folder.succeed(&["train", "canine.toml", "--set", "model.norm=post", "--set", "training.steps=4"], "");
    assert!(folder.succeed(&[&export[..], &["runs/words-2"]].concat(), "").contains("this head is left out"));
    folder.succeed(&["import", "hf", "--out", "again"], "");
    let vector = |model: &str| folder.succeed(&["embed", "--model", model, "ab cdef"], "");
    assert_eq!(vector("again"), vector("runs/words-2"));
    let error = folder.fail(&["train", "canine.toml", "--set", "tokenizer.kind=bytes"], "");
    assert!(error.contains("code-points"), "{error}");
}

#[test]
fn a_canine_learns_characters_one_after_another() {
    let folder = folder();
    let shown = folder.succeed(&["train", "canine.toml", "--set", "objective.kind=autoregressive"], "");
    assert!(shown.contains("hidden tokens guessed right"), "{shown}");
    contains_candidates(&folder.follow(&shown, "[MASK][MASK][MASK][MASK][MASK] op ab"));
    let filled = folder.succeed(&["fill", "--top-k", "2", "ab cdef [MASK][MASK][MASK] jklmn op ab"], "");
    let lines: Vec<&str> = filled.lines().collect();
    assert_eq!((lines.len(), lines[1]), (4, "  [MASK] 1"), "{filled}");
    assert!(lines[2].ends_with("\tghi"), "{filled}");
    assert!(folder.succeed(&["selftest", "--model", "runs/words-1"], "").contains("gradients"));

    // It goes on in the other way, and back.
    let goes_on = ["train", "canine.toml", "--set", "pretrained=runs/words-1", "--set", "training.steps=4", "--set"];
    let shown = folder.succeed(&[&goes_on[..], &["objective.kind=independent"]].concat(), "");
    assert!(shown.contains("left out  autoregressive."), "{shown}");
    let shown = folder.succeed(&[&goes_on[..], &["name=again"]].concat(), "");
    assert!(!shown.contains("left out") && !shown.contains("new  "), "{shown}");

    let both = ["train", "canine.toml", "--set", "objective.kind=independent"];
    let error = folder.fail(&[&both[..], &["--set", "model.guessing=autoregressive"]].concat(), "");
    assert!(error.contains("objective.kind and model.guessing"), "{error}");
    let error = folder.fail(&["train", "masked.toml", "--set", "objective.kind=autoregressive"], "");
    assert!(error.contains("objective.kind: is for encoders of characters"), "{error}");
}

#[test]
fn a_canine_learns_subwords_at_their_first_character() {
    let folder = folder();
    let settings = ["--set", "objective={kind='subwords', n_subwords=60}"];
    let shown = folder.succeed(&[&["train", "canine.toml"][..], &settings].concat(), "");
    assert!(shown.contains("hidden tokens guessed right"), "{shown}");
    contains_candidates(&folder.follow(&shown, "[MASK][MASK][MASK][MASK][MASK] op ab"));
    let filled = folder.succeed(&["fill", "--top-k", "2", "ab cdef [MASK][MASK][MASK] jklmn op ab"], "");
    assert!(filled.lines().nth(2).is_some_and(|line| line.ends_with("\tghi")), "{filled}");
    assert!(folder.succeed(&["selftest", "--model", "runs/words-1"], "").contains("gradients"));
    let error = folder.fail(&["train", "canine.toml", "--set", "objective.n_subwords=60"], "");
    assert!(error.contains("objective.n_subwords: is for objective.kind"), "{error}");
}

#[test]
fn hidden_letters_are_learnt_and_the_model_can_be_used() {
    let folder = folder();
    let shown = folder.succeed(&["train", "masked.toml"], "");
    for part in ["training tokens in 10", "hidden tokens guessed right", "always \"", "fill --model"] {
        assert!(shown.contains(part), "{part:?} is missing:\n{shown}");
    }
    contains_candidates(&folder.follow(&shown, "a b c d [MASK] f g h"));
    let filled = folder.succeed(&["fill", "--top-k", "2"], "c d e [MASK] g h i j\nd e [MASK] g h i <mask> a\n");
    let lines: Vec<&str> = filled.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[1]), (11, "c d e [MASK] g h i j", "  [MASK] 1"));
    let best = |line: &str| line.rsplit_once('\t').unwrap().1.to_owned();
    assert_eq!([lines[2], lines[6]].map(best), ["f", "f"], "{filled}");

    let embedded = folder.succeed(&["embed", "a b c", "c b a"], "");
    let vectors: Vec<serde_json::Value> = embedded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((vectors[0]["text"].as_str(), vectors[0]["vector"].as_array().unwrap().len()), (Some("a b c"), 32));
    assert_ne!(vectors[0]["vector"], vectors[1]["vector"]);
    assert_ne!(folder.succeed(&["embed", "--pooling", "cls", "a b c"], ""), folder.succeed(&["embed", "a b c"], ""));
    let vector = |args: &[&str]| -> Vec<f64> {
        let line = folder.succeed(&[&["embed"], args].concat(), "");
        let vector = serde_json::from_str::<serde_json::Value>(&line).unwrap()["vector"].take();
        serde_json::from_value(vector).unwrap()
    };
    let unit = vector(&["--normalize", "a b c"]);
    assert!((unit.iter().map(|value| value * value).sum::<f64>() - 1.0).abs() < 1e-5);
    assert_eq!(vector(&["--pooling", "max,cls,last-token", "--frame", "a b c"]).len(), 3 * 32);
    assert_ne!(vector(&["--frame", "a b c"]), vector(&["--frame=false", "a b c"]));
    assert_ne!(vector(&["--specials", "a [SEP] c"]), vector(&["a [SEP] c"]));
    assert!(folder.fail(&["embed", "--prompt", "query", "a"], "").contains("there is no prompt \"query\""));
    finds_what_is_near(&folder);
    folder.succeed(&["embed", "--npy", "v.npy", "a"], "");
    folder.succeed(&["embed", "--npy", "v.npy", "--force", "a b c", "c b a"], "");
    let npy = fs::read(folder.path("v.npy")).unwrap();
    assert_eq!((&npy[..6], npy.len()), (&b"\x93NUMPY"[..], 128 + 2 * 32 * 4));
    let header = String::from_utf8_lossy(&npy[10..128]);
    assert!(header.contains("'shape': (2, 32)") && header.ends_with('\n'), "{header}");
    let first = f32::from_le_bytes(npy[128..132].try_into().unwrap());
    assert!((f64::from(first) - vectors[0]["vector"][0].as_f64().unwrap()).abs() < 1e-6);

    let compared = folder.succeed(&["embed", "--compare", "b", "a b c", "h b i", "b"], "");
    let cosines: Vec<&str> = compared.lines().skip(3).collect();
    assert_eq!(cosines.len(), 2, "{compared}");
    let values: Vec<f64> = cosines[1].split_whitespace().skip(1).map(|cosine| cosine.parse().unwrap()).collect();
    assert!(values.len() == 2 && values.iter().all(|cosine| cosine.abs() < 1.0), "{compared}");

    let inspected = folder.succeed(&["inspect"], "");
    for part in ["family       bert", "score        validation masked-accuracy", "unigram-baseline"] {
        assert!(inspected.contains(part), "{part:?} is missing:\n{inspected}");
    }
    assert!(folder.fail(&["fill", "a b"], "").contains("[MASK]"));
    assert!(folder.fail(&["classify", "a b"], "").contains("tells classes"));
    assert!(folder.fail(&["embed", "--compare", "z", "a b"], "").contains("0 times"));
    assert!(folder.fail(&["fill", &"a ".repeat(20)], "").contains("positions for 16"));
    assert!(folder.fail(&["generate", "a b"], "").contains("family bert"));
}

#[test]
fn classes_are_learnt_from_nothing_and_from_a_trained_model() {
    let folder = folder();
    let shown = folder.succeed(&["train", "classes.toml"], "");
    for part in ["120 train texts", "labels    other, up", "classes told right", "classify --model"] {
        assert!(shown.contains(part), "{part:?} is missing:\n{shown}");
    }
    assert!(folder.follow(&shown, "classify --model ").ends_with("\ta b\n"), "the first text");
    let told = folder.succeed(&["classify"], "c d\nc g\n");
    let labels: Vec<&str> = told.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(labels, ["up", "other"], "{told}");
    assert!(folder.succeed(&["classify", "--all", "c d"], "").lines().count() == 3);

    folder.succeed(&["train", "masked.toml", "--set", "training.steps=20"], "");
    let settings = ["train", "classes.toml", "--set", "pretrained=runs/letters-1", "--set", "model.d_model=64"];
    let shown = folder.succeed(&settings, "");
    assert!(shown.contains("parameters are taken") && shown.contains("d_model 32"), "{shown}");
}

#[test]
fn texts_that_are_cut_off_are_told() {
    let folder = folder();
    folder.write("long.tsv", "a b\tup\na b c d e f\tup\na b c d e f g\tother\n");
    let settings = ["--set", "data.validation.tsv=long.tsv", "--set", "training.steps=2"];
    let output = folder.run(&[&["train", "classes.toml"], &settings[..]].concat(), "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.matches("cut off").count() == 1, "{said}");
    let cut =
        "validation: 1 of 3 texts have more than 6 tokens, and are cut off: batch.context; the first is on line 3";
    assert!(said.contains(cut), "{said}");
}

#[cfg(unix)]
#[test]
fn a_run_that_begins_from_a_model_does_not_need_it_to_go_on() {
    let folder = folder();
    folder.succeed(&["train", "masked.toml", "--set", "training.steps=4"], "");
    let begun = folder.path("runs/letters-1").canonicalize().unwrap();
    std::os::unix::fs::symlink("runs/letters-1", folder.path("link")).unwrap();
    for (run, name) in (1..).zip(["runs/latest", "runs/latest/", "link"]) {
        let latest = folder.path("runs/latest");
        fs::remove_file(&latest).unwrap();
        std::os::unix::fs::symlink("letters-1", &latest).unwrap();
        let settings = ["name=tuned", "training.steps=4", &format!("pretrained={name}")].map(str::to_owned);
        let sets: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        folder.succeed(&[&["train", "classes.toml"], &sets[..]].concat(), "");
        let config = fs::read_to_string(folder.path(&format!("runs/tuned-{run}/config.toml"))).unwrap();
        assert!(config.contains(&format!("pretrained = {begun:?}")), "{name}: {config}");
    }
    fs::rename(&begun, folder.path("moved")).unwrap();
    folder.succeed(&["train", "--resume", "runs/tuned-1", "--set", "training.steps=8"], "");
}

#[test]
fn bad_input_is_named() {
    let folder = folder();
    let says = |recipe: &str, settings: &[&str], parts: &[&str]| {
        let sets = settings.iter().flat_map(|setting| ["--set", setting]);
        let args: Vec<&str> = ["train", recipe].into_iter().chain(sets).collect();
        let error = folder.fail(&args, "");
        for part in parts {
            assert!(error.contains(part), "{part:?} is missing: {error}");
        }
    };
    says("masked.toml", &["model.preset=bert-tiny"], &["roberta-base"]);
    says("masked.toml", &["masking.rate=0"], &["masking.rate"]);
    says("masked.toml", &["batch.context=17"], &["batch.context = 17", "16"]);
    says("masked.toml", &["batch.examples=sentence-pairs", "data.train.documents=line"], &["paragraph"]);
    says("masked.toml", &["model.next_sentence=true"], &["full sentences"]);
    says("masked.toml", &["model.masked_lm=false"], &["model.masked_lm"]);
    says("masked.toml", &["tokenizer.kind=bpe", "tokenizer.vocab_size=300"], &["mask", "wordpiece"]);
    folder.write("blank.txt", "\n\n");
    says("masked.toml", &["data.train.text=blank.txt"], &["data.train: the text holds no token"]);
    folder.write("bad.tsv", "a b\tup\nno label\n");
    says("classes.toml", &["data.train.tsv=bad.tsv"], &["bad.tsv:2", "tab"]);
    folder.write("one.tsv", "a b\tup\n");
    says("classes.toml", &["data.train.tsv=one.tsv"], &["two at least"]);
    folder.write("new.tsv", "a b\tdown\n");
    says("classes.toml", &["data.test.tsv=new.tsv"], &["data.test", "down"]);
    folder.write("cola.tsv", "gj04\t1\t*\ta b\ngj04\t0\ta b\n");
    says("classes.toml", &["data.train.tsv=cola.tsv", "data.train.columns=[4, 2]"], &["cola.tsv:2", "[4, 2]"]);
    says("classes.toml", &["data.train.columns=[2, 2]"], &["data.train.columns", "two different columns"]);
    says("classes.toml", &["pretrained=runs/none"], &["pretrained = ", "there is no model at ", "runs/none"]);
}

#[test]
fn what_is_wrong_with_a_text_is_said_with_its_line() {
    let folder = Folder::new();
    for (model, name) in [("bert-masked-lm", "bert"), ("bert-classification", "classes")] {
        folder.import(model, name);
    }
    let long = "the animal ".repeat(1000);
    let input = format!("animal\n[MASK]\n{long}\n");
    for call in [["embed", "--model", "bert"], ["classify", "--model", "classes"]] {
        let error = folder.fail(&call, &input);
        assert!(error.contains("line 3") && error.contains("positions for"), "{call:?}: {error}");
    }
    let output = folder.run(&["fill", "--model", "bert"], "[MASK]\nnothing hidden\n");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && error.contains("line 2: the text has no [MASK]"), "{error}");
    let before = folder.succeed(&["fill", "--model", "bert"], "[MASK]\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), before, "the line itself is not answered");
}
