//! `attentive tokenize`, each kind, there and back.

use std::{fs, path::Path};

use crate::support::{Folder, contains};

const TEXT: &str = "The animal didn't cross the street because it was too tired.\n\
                    The animal didn't cross the street because it was too wide.\n\
                    \n\
                    Die Straße war zu breit, das Tier zu müde.\n\
                    The street was wide; the animal was tired.\n";

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tokenizer/tests/golden").join(name);
    path.to_str().unwrap().to_owned()
}

#[test]
fn every_kind_is_trained_and_gives_the_text_back() {
    let folder = Folder::new();
    folder.write("text", TEXT);
    let kinds: [(&str, &[&str]); 6] = [
        ("bpe", &["--merges", "30"]),
        ("bpe", &["--vocab-size", "320", "--pre-tokenization", "spaces", "--min-frequency", "1"]),
        ("byte-level-bpe", &["--vocab-size", "300"]),
        ("unigram", &["--vocab-size", "310"]),
        ("bytes", &[]),
        ("characters", &[]),
    ];
    for (kind, size) in kinds {
        let trained = folder.succeed(&[&["tokenize", "train", "text", "--force", "--kind", kind], size].concat(), "");
        contains(&trained, &["entries from", "tokenizer.json"]);
        let ids = folder.succeed(&["tokenize", "encode", "text", "--tokenizer", "tokenizer.json"], "");
        assert_eq!(ids.lines().count(), 5);
        assert_eq!(folder.succeed(&["tokenize", "decode", "--tokenizer", "tokenizer.json"], &ids), TEXT, "{kind}");
        // From standard input, and the file first seen compressed.
        let model = ["--tokenizer", "tokenizer.json"];
        assert_eq!(folder.succeed(&[&["tokenize", "encode"], &model[..]].concat(), TEXT), ids);
        let shown = folder.succeed(&[&["tokenize", "show", "--input", "text"], &model[..]].concat(), "");
        contains(&shown, &["5 lines, 39 words", "characters and", "tokens per word", "0.000 % of the tokens"]);
    }
    let wordpiece = ["tokenize", "train", "text", "--kind", "wordpiece", "--vocab-size", "120", "--lowercase"];
    folder.succeed(&[&wordpiece[..], &["--out", "bert.json"]].concat(), "");
    let pieces = folder.succeed(&["tokenize", "encode", "--format", "pieces", "-t", "bert.json"], "The STREET ☃\n");
    assert_eq!(pieces, "the street [UNK]\n");
    let shown = folder.succeed(&["tokenize", "show", "-t", "bert.json", "the ☃"], "");
    contains(&shown, &["[UNK](1)", "50.000 % of the tokens"]);
}

#[test]
fn vocabularies_of_other_tools_are_read_by_what_they_hold() {
    let folder = Folder::new();
    let encode = |tokenizer: &str, text: &str| folder.succeed(&["tokenize", "encode", "-t", tokenizer], text);
    assert_eq!(encode("byt5", "hi\n"), "107 108\n");
    assert_eq!(encode("canine", "hi\n"), "104 105\n");
    assert_eq!(folder.succeed(&["tokenize", "decode", "-t", "byt5"], "107 108\n"), "hi\n");
    // A line stays a line.
    let broken = folder.run(&["tokenize", "decode", "-t", "byt5"], "107\n107 13 108\n13\n");
    assert_eq!(String::from_utf8(broken.stdout).unwrap(), "h\nh i\n \n");
    contains(&String::from_utf8(broken.stderr).unwrap(), &["written as spaces: 2, the first of them line 2"]);

    // Byte-level BPE under GPT-2's names: by either file, or by the folder.
    fs::create_dir(folder.path("gpt2")).unwrap();
    fs::copy(golden("byte_level.vocab.json"), folder.path("gpt2/encoder.json")).unwrap();
    fs::copy(golden("byte_level.merges.txt"), folder.path("gpt2/vocab.bpe")).unwrap();
    let ids = encode("gpt2", "the naïve ☃\n");
    assert_eq!(encode("gpt2/encoder.json", "the naïve ☃\n"), ids);
    assert_eq!(encode("gpt2/vocab.bpe", "the naïve ☃\n"), ids);
    assert_eq!(folder.succeed(&["tokenize", "decode", "-t", "gpt2"], &ids), "the naïve ☃\n");

    for tokenizer in ["wordpiece.vocab.txt", "sentencepiece.unigram.model", "sentencepiece.bpe_bytes.model"] {
        let ids = encode(&golden(tokenizer), "the table\n");
        assert!(ids.split_whitespace().count() > 1, "{tokenizer}: {ids}");
    }
}

#[test]
fn a_guess_of_case_is_warned_of_and_can_be_overruled() {
    let folder = Folder::new();
    fs::create_dir(folder.path("bert")).unwrap();
    folder.write("bert/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\nsat\non\nmat\nCOVID\n");
    let encode = |options: &[&str]| {
        let output = folder.run(&[&["tokenize", "encode", "-t", "bert"], options].concat(), "The COVID\n");
        assert!(output.status.success());
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (ids, warning) = encode(&[]);
    assert_eq!(ids, "5 1\n");
    contains(&warning, &["note: vocab.txt", "read as uncased", "1 of 6"]);
    assert_eq!(encode(&["--cased"]), ("1 10\n".to_owned(), String::new()));
    assert_eq!(encode(&["--uncased"]), ("5 1\n".to_owned(), String::new()));
}

/// Equal ids need equal text.
#[test]
fn text_is_encoded_to_the_letter() {
    let folder = Folder::new();
    let text = "\u{feff}windows\r\nlast line";
    let ids = folder.succeed(&["tokenize", "encode", "-t", "canine"], text);
    assert!(ids.starts_with("65279 119 ") && ids.contains(" 13\n"), "{ids}");
    assert_eq!(folder.succeed(&["tokenize", "decode", "-t", "canine"], &ids), format!("{text}\n"));
}

/// The goldens are subword-nmt's own files of the same text.
#[test]
fn codes_and_segmentation_equal_subword_nmt_s() {
    let folder = Folder::new();
    let corpus = golden("corpus.txt");
    let train = ["tokenize", "train", &corpus, "--merges", "400", "--pre-tokenization", "spaces", "--codes", "codes"];
    folder.succeed(&train, "");
    assert_eq!(
        fs::read_to_string(folder.path("codes")).unwrap(),
        fs::read_to_string(golden("subword_nmt.codes")).unwrap()
    );
    let expected = fs::read_to_string(golden("subword_nmt.segmented")).unwrap();
    for tokenizer in ["codes", "tokenizer.json"] {
        let args = ["tokenize", "encode", &corpus, "-t", tokenizer, "--format", "subword-nmt"];
        assert_eq!(folder.succeed(&args, ""), expected, "{tokenizer}");
    }
    // Unknown characters, spaces in rows and around: as subword-nmt's process_line writes them.
    let odd = folder.succeed(&["tokenize", "encode", "-t", "codes", "--format", "subword-nmt"], "  ☃☃ x  ☃ \n\n   \n");
    assert_eq!(odd, "  ☃@@ ☃ x ☃ \n\n   \n");
}

/// What a command says aside.
fn aside(folder: &Folder, args: &[&str]) -> String {
    let output = folder.run(args, "");
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn files_are_told_by_their_first_bytes() {
    let folder = Folder::new();
    let golden = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/tests/golden").join(name).display().to_string()
    };
    folder.write("plain", "one\ntwo wörds\nthree\n");
    let ids = folder.succeed(&["tokenize", "encode", "-t", "byt5", "plain"], "");
    for name in ["text.xz", "text.bz2", "text-utf-16le"] {
        assert_eq!(folder.succeed(&["tokenize", "encode", "-t", "byt5", &golden(name)], ""), ids, "{name}");
        let eval = ["eval", "--hypotheses", &golden(name), "--reference", "plain", "--metric", "chrf"];
        contains(&folder.succeed(&eval, ""), &["chrF2 = 100.00"]);
    }
    for name in ["text.tgz", "text.zip"] {
        for command in
            [&["tokenize", "train", "--kind", "characters"][..], &["eval", "--reference", "plain", "--hypotheses"]]
        {
            contains(&folder.fail(&[command, &[&golden(name)]].concat(), ""), &[name, "archive", "unpack it"]);
        }
    }
    let marked = aside(&folder, &["tokenize", "encode", "-t", "byt5", &golden("text-utf-16be")]);
    assert_eq!(marked.matches("no byte order mark").count(), 1, "{marked}");
    folder.write("nul", "one\0line\nand another\n");
    for command in
        [&["tokenize", "encode", "-t", "byt5", "nul"][..], &["eval", "--reference", "nul", "--hypotheses", "plain"]]
    {
        let output = folder.run(command, "");
        contains(&String::from_utf8(output.stderr).unwrap(), &["nul:1", "NUL"]);
    }
}

#[test]
fn long_lines_are_learned_from_in_part_with_a_notice() {
    let folder = Folder::new();
    folder.write("text", &format!("{}\n{}\nüber\n", "ab ".repeat(1 << 19), "x".repeat(3 << 19)));
    let train = |settings: &[&str]| aside(&folder, &[&["tokenize", "train", "text", "--force"], settings].concat());
    let said = train(&["--merges", "2"]);
    contains(
        &said,
        &["lines of more than 1048576 bytes: 2", "text:1", "--max-line-bytes", "words of more than 4192 bytes"],
    );
    // The last line is read, and so is the beginning of the first.
    let pieces = folder.succeed(&["tokenize", "encode", "-t", "tokenizer.json", "--format", "pieces"], "ab ü\n");
    assert_eq!(pieces, "ab</w> ü </w>\n");
    assert!(!train(&["--merges", "2", "--max-line-bytes", "2000000"]).contains("lines of more"));
    // A cut within a character is not an error.
    contains(&train(&["--kind", "characters", "--max-line-bytes", "1"]), &["lines of more than 1 bytes: 3"]);
}

#[test]
fn rare_characters_are_left_out_by_their_share() {
    let folder = Folder::new();
    folder.write("text", "too tired too tired too tired\ntoo wide ☃\n");
    let pieces = |settings: &[&str]| {
        let train = ["tokenize", "train", "text", "--force", "--character-coverage", "0.96"];
        contains(&aside(&folder, &[&train[..], settings].concat()), &["character coverage: 1"]);
        folder.succeed(&["tokenize", "encode", "-t", "tokenizer.json", "--format", "pieces"], "☃w\n")
    };
    assert_eq!(pieces(&["--merges", "0"]), "<0xE2> <0x98> <0x83> w </w>\n");
    assert_eq!(pieces(&["--kind", "characters"]), "<unk> w\n");
    assert_eq!(pieces(&["--kind", "unigram", "--vocab-size", "280"]), "▁ <0xE2> <0x98> <0x83> w\n");
    let train = |settings: &[&str]| folder.fail(&[&["tokenize", "train", "text", "--force"], settings].concat(), "");
    contains(&train(&["--kind", "bytes", "--character-coverage", "0.9"]), &["--character-coverage", "bpe, unigram"]);
    let said = aside(&folder, &["tokenize", "train", "text", "--force", "--kind", "bytes"]);
    contains(&said, &["--kind bytes learns nothing", "the files are not read"]);
    contains(&train(&["--merges", "2", "--character-coverage", "1.5"]), &["--character-coverage = 1.5", "at the most"]);
}

#[test]
fn samples_are_seeded() {
    let folder = Folder::new();
    folder.succeed(&["tokenize", "train", "--merges", "60"], TEXT);
    let sample = |strength: &str, seed: &str| {
        let args = ["tokenize", "encode", "-t", "tokenizer.json", "--sample", strength, "--seed", seed];
        folder.succeed(&args, TEXT)
    };
    let best = folder.succeed(&["tokenize", "encode", "-t", "tokenizer.json"], TEXT);
    assert_eq!(sample("0", "1"), best);
    assert_eq!(sample("0.5", "1"), sample("0.5", "1"));
    assert_ne!(sample("0.5", "1"), sample("0.5", "2"));
    let decoded = folder.succeed(&["tokenize", "decode", "-t", "tokenizer.json"], &sample("0.5", "1"));
    assert_eq!(decoded, TEXT);
    // Equal lines are cut in different ways.
    let twice =
        folder.succeed(&["tokenize", "encode", "-t", "tokenizer.json", "--sample", "0.5"], &"the street\n".repeat(9));
    assert!(twice.lines().any(|line| Some(line) != twice.lines().next()), "{twice}");
    let encode = ["tokenize", "encode", "-t", "tokenizer.json"];
    for strength in ["-0.1", "1.1", "NaN"] {
        let error = folder.fail(&[&encode[..], &["--sample", strength]].concat(), TEXT);
        contains(&error, &[&format!("--sample {strength}: must be between 0 and 1")]);
    }
    assert_eq!(folder.run(&[&encode[..], &["--seed", "2"]].concat(), TEXT).status.code(), Some(2));
}

#[test]
fn colour_is_for_terminals_or_for_those_who_ask() {
    let folder = Folder::new();
    let show = |more: &[&str]| folder.succeed(&[&["tokenize", "show", "-t", "byt5", "h\u{1b}i"], more].concat(), "");
    for plain in [show(&[]), show(&["--color", "never"])] {
        assert!(plain.starts_with("<0x68>(107) <0x1B>(30) <0x69>(108)\n\n"), "{plain}");
        assert!(!plain.contains('\x1b'), "{plain}");
    }
    contains(&show(&["--color", "always"]), &["\x1b[0m", "<0x68>"]);
    let canine = folder.succeed(&["tokenize", "show", "-t", "canine", "\u{1b}[31m"], "");
    assert!(!canine.contains('\x1b') && canine.contains("\\u{1b}(27)"), "{canine}");
    let counts = folder.succeed(&["tokenize", "show", "-t", "byt5", "--statistics", "zwei Wörter"], "");
    contains(&counts, &["1 lines, 2 words, 11 characters, 12 bytes", "12: 0.917 characters and 1.000 bytes per token"]);
    assert_eq!(counts.lines().count(), 3);
}

#[test]
fn bad_input_is_named() {
    let folder = Folder::new();
    folder.write("text", TEXT);
    folder.write("ids", "1 2\n3 x\n");
    folder.write("notes", "nothing of the kind\n");
    folder.write("cut.json", "{\"format\": \"attentive-tok");
    fs::write(folder.path("latin1"), b"ab\nf\xfcr\n").unwrap();
    let tokenize = |args: &[&str]| folder.fail(&[&["tokenize"], args].concat(), "");
    contains(&tokenize(&["encode", "text", "-t", "missing"]), &["missing"]);
    contains(&tokenize(&["encode", "text", "-t", "notes"]), &["notes", "tokenizer.json", "byt5"]);
    contains(&tokenize(&["encode", "text", "-t", "cut.json"]), &["cut.json", "damaged"]);
    contains(&tokenize(&["encode", "text", "-t", "."]), &["."]);
    contains(&tokenize(&["encode", "latin1", "-t", "byt5"]), &["latin1:2 is not UTF-8"]);
    contains(&tokenize(&["encode", "nowhere", "-t", "byt5"]), &["nowhere"]);
    contains(&tokenize(&["encode", "text", "-t", "byt5", "--sample", "-1"]), &["--sample -1"]);
    contains(&tokenize(&["encode", "text", "-t", "byt5", "--sample", "0.1"]), &["--sample 0.1: ", "one segmentation"]);
    contains(&tokenize(&["decode", "ids", "-t", "byt5"]), &["ids:2", "\"x\""]);
    folder.write("ids", "384\n");
    contains(&tokenize(&["decode", "ids", "-t", "byt5"]), &["ids:1", "384"]);
    let train = |args: &[&str]| tokenize(&[&["train", "text"], args].concat());
    contains(&train(&[]), &["--merges", "--vocab-size"]);
    folder.write("empty", "");
    contains(&tokenize(&["train", "empty", "--merges", "9"]), &["no line to learn from"]);
    let error = tokenize(&["train", "nowhere", "--merges", "9"]);
    assert_eq!(error.matches("os error 2").count(), 1, "a cause is said once: {error}");
    contains(&train(&["--vocab-size", "900", "--out", "."]), &["can't write .: it is a folder"]);
    contains(&train(&["--merges", "3", "--vocab-size", "9"]), &["give one"]);
    contains(&train(&["--vocab-size", "9"]), &["9 entries"]);
    contains(&train(&["--kind", "unigram", "--merges", "9"]), &["--merges"]);
    contains(&train(&["--kind", "characters", "--vocab-size", "9"]), &["--vocab-size"]);
    contains(&train(&["--kind", "unigram", "--vocab-size", "900", "--codes", "c"]), &["--codes"]);
    contains(&folder.fail(&["tokenize", "train", "latin1", "--merges", "9"], ""), &["latin1:2"]);
    contains(
        &folder.fail(&["tokenize", "train", "text", "--merges", "9", "--out", "no/where.json"], ""),
        &["no/where"],
    );
}
