//! Lines that differ from the others: blank, too long, or of other bytes. None costs the file.

use std::{fs, process::Command, sync::LazyLock};

use serde_json::Value;

use crate::support::{Folder, TINY, contains};

/// A translator of 16 positions that has learnt next to nothing, a BERT and a classifier of 10.
static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::new();
    folder.write_copying("copy", [2, 2, 2], &format!("{TINY}positions = {{ learned = {{ max_len = 16 }} }}\n"));
    folder.write("test.tsv", &format!("ab cd\tab cd\n{0}\t{0}\n", "ab ".repeat(20)));
    let output = folder.run(&["train", "copy.toml", "--set", "data.test.tsv=test.tsv"], "");
    // A sentence of the test set that is too long does not cost the run.
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    contains(&said, &["sentence 2 has ", "positions for 16; its beginning is translated"]);
    for (model, name) in [("bert-masked-lm", "bert"), ("bert-classification", "classes"), ("bert-rank", "rank")] {
        folder.import(model, name);
    }
    folder
});

/// What a command writes, and what it says beside.
#[track_caller]
fn both(args: &[&str], input: &str) -> (String, String) {
    let output = FOLDER.run(args, input);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{args:?}: {said}");
    (String::from_utf8(output.stdout).unwrap(), said)
}

fn vectors(jsonl: &str) -> Vec<Value> {
    jsonl.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["vector"].clone()).collect()
}

/// The values of an array of NumPy's.
fn npy(name: &str) -> (String, Vec<f32>) {
    let bytes = fs::read(FOLDER.path(name)).unwrap();
    let header = String::from_utf8(bytes[10..128].to_vec()).unwrap();
    let shape = header.split("'shape': ").nth(1).unwrap().split(", }").next().unwrap();
    let values = bytes[128..].as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    (shape.to_owned(), values.collect())
}

#[test]
fn a_text_that_is_the_name_of_a_file_is_noted() {
    FOLDER.write("text.txt", "ab\n");
    assert!(both(&["translate", "text.txt"], "").1.contains("note: text.txt is taken as the text itself"));
    assert!(!both(&["translate", "ab"], "").1.contains("is taken as the text itself"));
}

#[test]
fn blank_lines_have_blank_answers() {
    let input = "ab cd\n\n \t \u{3000}\r\ncd it\n";
    for settings in [&[][..], &["--beam", "1"], &["--temperature", "1"], &["--prefix", "was"]] {
        let (translated, _) = both(&[&["translate"], settings].concat(), input);
        let lines: Vec<&str> = translated.lines().collect();
        assert_eq!((lines.len(), lines[1], lines[2]), (4, "", ""), "{settings:?}: {translated}");
        let alone = |text: &str| both(&[&["translate", text], settings].concat(), "").0;
        assert_eq!([lines[0], lines[3]].map(|line| format!("{line}\n")), ["ab cd", "cd it"].map(alone));
    }
    for settings in [["--n-best", "2"], ["--samples", "2"]] {
        let (translated, _) = both(&[&["translate"], &settings[..]].concat(), input);
        let lines: Vec<(&str, &str)> = translated.lines().map(|line| line.split_once('\t').unwrap()).collect();
        let numbers: Vec<&str> = lines.iter().map(|(number, _)| *number).collect();
        assert_eq!((numbers, lines[2].1, lines[3].1), (vec!["1", "1", "2", "3", "4", "4"], "", ""), "{translated}");
    }
    FOLDER.write("blank.txt", input);
    let eval = ["eval", "--source", "blank.txt", "--reference", "blank.txt", "--output", "blank.out"];
    both(&eval, "");
    assert_eq!(fs::read_to_string(FOLDER.path("blank.out")).unwrap(), both(&["translate"], input).0);

    let input = "animal\n\n \u{200b} \nthe end\n";
    let vectors = vectors(&both(&["embed", "--model", "bert"], input).0);
    assert_eq!(vectors.iter().map(Value::is_null).collect::<Vec<_>>(), [false, true, true, false]);
    both(&["embed", "--model", "bert", "--npy", "blank.npy"], &format!("\n{input}"));
    let (shape, values) = npy("blank.npy");
    let is_missing = values.as_chunks::<6>().0.iter().map(|row| row.map(f32::is_nan));
    assert_eq!(shape, "(5, 6)");
    assert_eq!(is_missing.collect::<Vec<_>>(), [[true; 6], [false; 6], [true; 6], [true; 6], [false; 6]]);
    let (classes, _) = both(&["classify", "--model", "classes"], input);
    let lines: Vec<&str> = classes.lines().collect();
    assert_eq!((lines.len(), lines[1], lines[2]), (4, "", ""), "{classes}");
    let (filled, _) = both(&["fill", "--model", "bert", "--top-k", "1"], "the [MASK]\n\n[MASK] end\n");
    let lines: Vec<&str> = filled.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[3], lines[4]), (7, "the [MASK]", "", "[MASK] end"), "{filled}");
}

#[test]
fn blank_lines_of_held_out_data_are_scored_as_empty_translations() {
    let folder = Folder::new();
    folder.write_copying("copy", [2, 2, 2], TINY);
    let held_out = ["ab cd\tab cd", "", "\tcd it", "ab\t "];
    folder.write("held.tsv", &(held_out.join("\n") + "\n"));
    let parts = ["--set", "data.validation.tsv=held.tsv", "--set", "data.test.tsv=held.tsv"];
    let shown = folder.succeed(&[&["train", "copy.toml"], &parts[..]].concat(), "");
    contains(&shown, &["validation empty line, 3 times: ", "held.tsv:2, 3, 4; skipped for the loss\n"]);
    let record = fs::read_to_string(folder.path("runs/copy-1/training.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    let chrf = |score: &&Value| score["split"] == "test" && score["metric"] == "chrf";
    let of_run = record["scores"].as_array().unwrap().iter().find(chrf).unwrap()["value"].as_f64().unwrap();

    // As the same lines are by eval, where a line that is left out would not count.
    for column in [0, 1] {
        let lines = held_out.map(|line| line.split('\t').nth(column).unwrap_or_default().to_owned() + "\n");
        folder.write(["held.0", "held.1"][column], &lines.concat());
    }
    let eval = ["eval", "--source", "held.0", "--reference", "held.1", "--metric", "chrf", "--json", "--output", "out"];
    let json: Value = serde_json::from_str(&folder.succeed(&eval, "")).unwrap();
    let of_eval = json["scores"][0]["score"].as_f64().unwrap();
    assert!((of_run - of_eval).abs() < 1e-9, "{of_run} and {of_eval}");
    assert_eq!(json["n_segments"], 4);
    let translated = fs::read_to_string(folder.path("out")).unwrap();
    let lines: Vec<&str> = translated.lines().collect();
    assert_eq!((lines.len(), lines[1], lines[2]), (4, "", ""), "{translated}");
}

#[test]
fn a_line_that_is_too_long_ends_a_command_after_the_lines_before_it() {
    let long = "ab ".repeat(40);
    let input = format!("ab cd\n\n{long}\nab\n");
    let output = FOLDER.run(&["translate"], &input);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    contains(&said, &["error: line 3 has ", "positions for 16", "--on-long"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), both(&["translate"], "ab cd\n\n").0);
    // Lines are counted from the beginning of the input.
    let far = format!("{}{long}\n", "\n".repeat(700));
    assert!(FOLDER.fail(&["translate"], &far).contains("line 701 has "));
    FOLDER.write("far.txt", &far);
    let eval = ["eval", "--source", "far.txt", "--reference", "far.txt", "--output", "far.out"];
    contains(&FOLDER.fail(&eval, ""), &["far.txt:701 has "]);
    assert_eq!(fs::read_to_string(FOLDER.path("far.out")).unwrap(), "\n".repeat(700));

    for texts in [["ab", long.trim()], [long.trim(), "ab"]] {
        let error = FOLDER.fail(&["attention", "--word", "ab", "--target", texts[0], texts[1]], "");
        contains(&error, &["positions for 16; shorten it"]);
    }

    let long = format!("animal\n{}\nanimal\n", "the animal ".repeat(10));
    for call in [["embed", "--model", "bert"], ["classify", "--model", "classes"]] {
        let output = FOLDER.run(&call, &long);
        contains(&String::from_utf8(output.stderr).unwrap(), &["error: line 2 has ", "positions for 10"]);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), both(&call, "animal").0);
    }
    for [command, model] in [["rerank", "rank"], ["similar", "bert"]] {
        let call = [command, "--model", model, "--query", "animal"];
        let output = FOLDER.run(&call, &format!("animal\n{}\nanimal\n", "animal ".repeat(40)));
        contains(&String::from_utf8(output.stderr).unwrap(), &["error: line 2 has "]);
        let before = both(&call, "animal\n").0;
        assert!(output.status.code() == Some(1) && !before.is_empty(), "{before}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), before);
    }
    contains(&FOLDER.fail(&["embed", "--model", "bert", "--npy", "long.npy"], &long), &["error: line 2 has "]);
    assert_eq!(npy("long.npy").0, "(1, 6)");
    let error = FOLDER.fail(&["fill", "--model", "bert"], &format!("[MASK]\n[MASK] {}\n", "animal ".repeat(10)));
    contains(&error, &["line 2 has ", "positions for 10"]);
}

#[test]
fn a_line_that_is_too_long_is_skipped_or_cropped() {
    let input = format!("ab cd\n{}\nab\n", "ab ".repeat(40));
    let (skipped, said) = both(&["translate", "--on-long", "skip"], &input);
    contains(&said, &["warning: line 2 has ", "it is skipped"]);
    assert_eq!(skipped, both(&["translate"], "ab cd\n\nab\n").0);
    let (several, _) = both(&["translate", "--on-long", "skip", "--n-best", "2"], &input);
    assert!(several.contains("\n2\t\n3\t"), "{several}");
    let (cropped, said) = both(&["translate", "--on-long", "crop"], &input);
    contains(&said, &["warning: line 2 has ", "its first 16 are read"]);
    // The end of the sentence takes the last of the 16 positions.
    let tokenize = |command: &str, text: &str| both(&["tokenize", command, "-t", "runs/latest"], text).0;
    let ids = tokenize("encode", &"ab ".repeat(40));
    let beginning = tokenize("decode", &ids.split(' ').take(15).collect::<Vec<_>>().join(" "));
    assert_eq!(tokenize("encode", &beginning).split_whitespace().count(), 15, "the text can be cut there");
    assert_eq!(cropped, both(&["translate"], &format!("ab cd\n{beginning}ab\n")).0);
    FOLDER.write("long.txt", &input);
    for (how, expected) in [("skip", skipped), ("crop", cropped)] {
        let eval = ["eval", "--source", "long.txt", "--reference", "long.txt", "--on-long", how];
        let (_, said) = both(&[&eval[..], &["--output", "o", "--overwrite"]].concat(), "");
        contains(&said, &["warning: long.txt:2 has ", "no perplexity"]);
        assert_eq!(fs::read_to_string(FOLDER.path("o")).unwrap(), expected);
    }

    let long = format!("animal\n{}\nanimal\n", "the animal ".repeat(10));
    let cut = format!("animal\n{}\nanimal\n", "the animal ".repeat(4)); // 8 tokens and 2 that frame them
    for call in [["embed", "--model", "bert"], ["classify", "--model", "classes"]] {
        let (cropped, said) = both(&[&call[..], &["--on-long", "crop"]].concat(), &long);
        contains(&said, &["warning: line 2 has 22 tokens", "its first 10 are read"]);
        let (whole, said) = both(&call, &cut);
        assert_eq!(said, "");
        // Each ends, or begins, in its text.
        let answers = |text: &str| text.replace(long.lines().nth(1).unwrap(), cut.lines().nth(1).unwrap());
        assert_eq!(answers(&cropped), whole);
        let (skipped, said) = both(&[&call[..], &["--on-long", "skip"]].concat(), &long);
        contains(&said, &["warning: line 2 has 22 tokens", "it is skipped"]);
        assert_eq!(skipped.lines().count(), 3, "{skipped}");
    }
    let (skipped, _) = both(&["embed", "--model", "bert", "--on-long", "skip"], &long);
    assert_eq!(vectors(&skipped).iter().map(Value::is_null).collect::<Vec<_>>(), [false, true, false]);
    let masked = format!("[MASK]\n[MASK] {}\n[MASK] end\n", "animal ".repeat(10));
    for how in ["crop", "skip"] {
        let (filled, said) = both(&["fill", "--model", "bert", "--top-k", "1", "--on-long", how], &masked);
        contains(&said, &["warning: line 2 has 13 tokens"]);
        assert_eq!(filled.lines().count(), if how == "crop" { 9 } else { 7 }, "{filled}");
    }
    let (_, said) = both(&["embed", "--model", "bert", "--compare", "animal", "--on-long", "crop"], &long);
    contains(&said, &["warning: line 2 has "]);
}

#[test]
fn lines_that_are_sought_have_the_numbers_of_the_input() {
    let input = format!("\nanimal\n{}\n \u{3000}\nthe end\n", "animal ".repeat(40));
    // What both models have positions for of the long line, beside the frame and the query.
    for (command, model, n_read) in [("rerank", "rank", 20), ("similar", "bert", 8)] {
        let call = [command, "--model", model, "--query", "animal"];
        let row = |number: usize, read: &str| {
            let alone = both(&call, read).0;
            let (score, line) = (alone.split('\t').next().unwrap(), input.lines().nth(number - 1).unwrap());
            format!("{score}\t{number}\t{line}")
        };
        let cropped = row(3, &"animal ".repeat(n_read));
        for (how, of_long) in [("crop", Some(cropped)), ("skip", None)] {
            let (shown, said) = both(&[&call[..], &["--on-long", how]].concat(), &input);
            contains(&said, &["warning: line 3 has "]);
            assert_eq!(said.lines().count(), 1, "{said}");
            let mut expected = vec![row(2, "animal"), row(5, "the end")];
            expected.extend(of_long);
            expected.sort_unstable();
            let mut found: Vec<&str> = shown.lines().collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{command} {how}");
        }
    }
}

#[test]
fn a_penalty_decides_whether_a_token_comes_again() {
    let tokens = |penalty: &str, beam: &str| -> Vec<Vec<String>> {
        let lengths = ["--min-length", "6", "--max-length", "6", "--format", "jsonl"];
        let call = ["translate", "--repetition-penalty", penalty, "--beam", beam];
        let shown = both(&[&call[..], &lengths].concat(), "it was ab\ncd it\n").0;
        let of_line = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let tokens = line["tokens"].as_array().unwrap().iter();
            tokens.map(|token| token["token"].as_str().unwrap().to_owned()).collect()
        };
        shown.lines().map(of_line).collect()
    };
    // Log-probabilities of tokens that are there already are multiplied: by a thousand, they are below all others, and by a
    // thousandth, above them.
    for beam in ["1", "3"] {
        for tokens in tokens("1000", beam) {
            assert!(tokens.len() >= 6 && (1..6).all(|at| !tokens[..at].contains(&tokens[at])), "{tokens:?}");
        }
    }
    for tokens in tokens("0.001", "1") {
        assert!(tokens.len() >= 6 && tokens[1..6].iter().all(|token| *token == tokens[0]), "{tokens:?}");
    }
}

#[test]
fn a_huge_line_is_too_long_for_a_model_without_a_limit() {
    let folder = Folder::new();
    folder.write_copying("copy", [2, 2, 2], TINY);
    folder.succeed(&["train", "copy.toml"], "");
    let whole = folder.succeed(&["translate"], "ab cd\n\nab\n");
    // One word, and many.
    for long in ["ab".repeat(150_000), "ab ".repeat(100_000)] {
        let input = format!("ab cd\n{long}\nab\n");
        let refused = folder.run(&["translate"], &input);
        let said = String::from_utf8(refused.stderr).unwrap();
        contains(&said, &["error: line 2 has ", "at most 16384 are read at once", "--on-long crop"]);
        assert_eq!(String::from_utf8(refused.stdout).unwrap(), folder.succeed(&["translate"], "ab cd\n"));
        let skipped = folder.run(&["translate", "--on-long", "skip"], &input);
        contains(&String::from_utf8(skipped.stderr).unwrap(), &["warning: line 2 has ", "it is skipped"]);
        assert_eq!(String::from_utf8(skipped.stdout).unwrap(), whole);
        folder.write("long.txt", &input);
        let eval = ["eval", "--source", "long.txt", "--reference", "long.txt", "--on-long", "skip"];
        let evaluated = folder.run(&[&eval[..], &["--output", "o", "--overwrite"]].concat(), "");
        let evaluated = String::from_utf8(evaluated.stderr).unwrap();
        contains(&evaluated, &["no perplexity", "warning: long.txt:2 has "]);
        assert_eq!(fs::read_to_string(folder.path("o")).unwrap(), whole);
    }
}

#[test]
fn what_is_not_text_is_named_by_its_line() {
    fs::write(FOLDER.path("bytes"), b"ab cd\nab\xff\nab\n").unwrap();
    let call = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attentive"));
        let input = fs::File::open(FOLDER.path("bytes")).unwrap();
        command.args(args).current_dir(FOLDER.path("")).stdin(input).output().unwrap()
    };
    for args in [&["translate"][..], &["embed", "--model", "bert"], &["classify", "--model", "classes"]] {
        let output = call(args);
        let said = String::from_utf8(output.stderr).unwrap();
        contains(&said, &["error: line 2 is not UTF-8"]);
        assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1, "the line before is answered");
    }
    let said = String::from_utf8(call(&["summarize"]).stderr).unwrap();
    contains(&said, &["error: standard input is not UTF-8: convert the text first"]);
    let with_nul = "ab\na\0b\n\0\n";
    let commands: [&[&str]; 4] = [
        &["translate"],
        &["embed", "--model", "bert"],
        &["tokenize", "encode", "-t", "byt5"],
        &["tokenize", "show", "-t", "byt5"],
    ];
    for args in commands {
        let (_, said) = both(args, with_nul);
        assert_eq!(said.matches("NUL").count(), 1, "{said}");
        contains(&said, &["warning: standard input:2, the first of 2 lines, has NUL characters"]);
    }
}

#[test]
fn token_ids_are_read_as_lists_of_programs_are_written() {
    let decode = |ids: &str| FOLDER.run(&["tokenize", "decode", "-t", "byt5"], ids);
    let text = "100 101 102\n[100, 101, 102]\n100,101,102\n[100,101,102]\n[100 101 102]\r\n[]\n\n";
    assert_eq!(String::from_utf8(decode(text).stdout).unwrap(), "abc\n".repeat(5) + "\n\n");
    for bad in ["[100, 101", "100;101", "[[100]]", "-1", "1.5"] {
        let said = String::from_utf8(decode(&format!("100\n{bad}\n")).stderr).unwrap();
        contains(&said, &["error: line 2: ", "is not a token id"]);
    }
}

#[test]
fn samples_and_prefixes_are_obeyed() {
    let translate = |args: &[&str]| both(&[&["translate", "ab cd"], args].concat(), "").0;
    assert_eq!(translate(&["--seed", "3"]), translate(&["--seed", "3", "--samples", "1"]));
    let samples = |seed: &str| translate(&["--samples", "5", "--seed", seed, "--top-p", "0.9"]);
    assert_eq!(samples("1"), samples("1"));
    assert_ne!(samples("1"), samples("2"));
    assert!(samples("1").lines().all(|line| line.starts_with("1\t")));
    // Without chance it is greedy search.
    let greedy = translate(&["--beam", "1"]);
    for settings in [["--temperature", "0"], ["--top-k", "1"]] {
        assert_eq!(translate(&settings), greedy, "{settings:?}");
    }
    for settings in [&["--samples", "3"][..], &["--n-best", "2"], &["--beam", "1"]] {
        let found = translate(&[settings, &["--prefix", "was it", "--min-length", "6", "--max-length", "8"]].concat());
        assert!(found.lines().all(|line| line.split('\t').next_back().unwrap().starts_with("was it")), "{found}");
    }
    for clash in [["--samples", "2", "--beam", "2"], ["--top-k", "2", "--n-best", "2"]] {
        contains(&FOLDER.fail(&[&["translate", "ab"][..], &clash[..]].concat(), ""), &["leave out one"]);
    }
    let refused = |args: &[&str]| FOLDER.fail(&[&["translate", "ab"], args].concat(), "");
    contains(&refused(&["--prefix", &"ab ".repeat(20)]), &["the prefix has "]);
    contains(&refused(&["--temperature", "0", "--min-p", "0.1"]), &["--min-p limits what is drawn", "--temperature"]);
    let error = refused(&["--prefix", "was it", "--max-length", "2"]);
    contains(&error, &["the prefix has ", "a translation at most 2"]);
    contains(&refused(&["--min-length", "9", "--max-length", "3"]), &["--min-length 9 is more than --max-length 3"]);
    contains(&refused(&["--n-best", "5"]), &["--n-best 5 is more than the beam of 4"]);
}

#[test]
fn help_says_what_becomes_of_such_lines() {
    for command in ["translate", "eval", "embed", "classify", "fill", "tag", "rerank"] {
        contains(&both(&[command, "--help"], "").0, &["--on-long <HOW>", "`crop` reads", "without tokens"]);
    }
}

#[test]
fn standard_input_is_one_of_the_files() {
    FOLDER.write("one.txt", "a b c d\n");
    for call in [
        "eval --hypotheses - --reference -",
        "eval --source - --reference -",
        "compare one.txt - --reference -",
        "distill - --reference - --out distilled.tsv",
        "filter --source - --target - --out kept.tsv",
        "shortlist --source - --target - --out short",
        "similar --model bert --queries -",
        "probe --model bert --data - --test -",
        "tokenize encode -t byt5 - -",
        "summarize - -",
    ] {
        let words: Vec<&str> = call.split(' ').collect();
        contains(&FOLDER.fail(&words, "a b c d\n"), &["standard input", "only one of the files"]);
    }
}

#[test]
fn eval_says_how_translations_that_exist_are_scored() {
    contains(&FOLDER.fail(&["eval", "--reference", "pairs.tsv"], ""), &["--source", "--hypotheses -"]);
    FOLDER.write("ref.txt", "a b c d\n");
    let (score, _) = both(&["eval", "--hypotheses", "-", "--reference", "ref.txt"], "a b c d\n");
    assert!(score.starts_with("BLEU = 100.00"), "{score}");
    let eval = ["eval", "--hypotheses", "ref.txt", "--reference", "ref.txt"];
    for (flags, problem) in [
        (["--model", "nowhere"], "cannot be used with"),
        (["--target-language", "de"], "cannot be used with"),
        (["--beam", "2"], "cannot be used with"),
        (["--precision", "int8"], "cannot be used with"),
        (["--on-long", "crop"], "cannot be used with"),
        (["--confidence-n", "9"], "required arguments were not provided"),
    ] {
        let output = FOLDER.run(&[&eval[..], &flags].concat(), "");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        contains(&error, &[problem]);
    }
}
