//! `attentive import` and `attentive export`, end to end.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::support::{copy_golden, golden};

fn attentive(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attentive")).args(args).output().expect("attentive runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_model_of_transformers_is_imported_translates_and_is_exported() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (name, other) in [("marian", "pegasus"), ("pegasus", "marian")] {
        let bundle = path(&format!("{name}-bundle"));
        let imported = attentive(&["import", golden(name).to_str().unwrap(), "--out", &bundle]);
        assert!(imported.status.success(), "{}", text(&imported.stderr));
        let translated = attentive(&["translate", "--model", &bundle, "--beam", "1", "the animal was tired"]);
        assert!(translated.status.success(), "{}", text(&translated.stderr));
        assert_eq!(text(&translated.stdout).lines().count(), 1);

        for format in [name, "ctranslate2"] {
            let out = path(&format!("{name}-{format}"));
            let exported = attentive(&["export", "--model", &bundle, "--format", format, "--out", &out]);
            assert!(exported.status.success(), "{}", text(&exported.stderr));
            assert!(Path::new(&out).join("config.json").is_file());
        }
        let refused = attentive(&["export", "--model", &bundle, "--format", other, "--out", &path("refused")]);
        assert!(!refused.status.success());
        assert!(text(&refused.stderr).contains("norm is"), "{}", text(&refused.stderr));
        assert!(!Path::new(&path("refused")).exists(), "nothing is written of what can't be expressed");
    }
}

#[test]
fn languages_are_given_once_or_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let source = golden("nllb");
    let [plain, usual] = [path("plain"), path("usual")];
    let import = ["import", source.to_str().unwrap(), "--out"];
    let imported = attentive(&[&import[..], &[&plain]].concat());
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    let german = ["--source-language", "eng_Latn", "--target-language", "deu_Latn"];
    let imported = attentive(&[&import[..], &[&usual], &german].concat());
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    let translate = |model: &str, more: &[&str]| {
        attentive(&[&["translate", "--model", model, "--beam", "1", "--max-length", "6", "the animal"], more].concat())
    };
    let missing = text(&translate(&plain, &[]).stderr);
    assert!(missing.contains("--target-language") && missing.contains("deu_Latn, eng_Latn"), "{missing}");
    let unknown = text(&translate(&plain, &["--target-language", "deu"]).stderr);
    assert!(unknown.contains("no language \"deu\"; near it are deu_Latn"), "{unknown}");
    let [once, for_good] = [translate(&plain, &german), translate(&usual, &[])].map(|output| text(&output.stdout));
    assert_eq!(once, for_good);
    assert_eq!(once.lines().count(), 1);
    let other = translate(&usual, &["--target-language", "fra_Latn"]);
    assert!(other.status.success(), "{}", text(&other.stderr));
    let bart = path("bart");
    attentive(&["import", golden("bart").to_str().unwrap(), "--out", &bart]);
    let refused = text(&translate(&bart, &["--source-language", "en"]).stderr);
    assert!(refused.contains("leave out \"en\""), "{refused}");
}

/// As OPUS-MT has languages: the vocabulary has `>>de<<`, which a text may begin with.
#[test]
fn a_language_of_the_vocabulary_is_told_as_if_the_text_said_it() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("marian").to_str().unwrap().to_owned();
    attentive(&["import", golden("marian").to_str().unwrap(), "--out", &model]);
    let translate = |source: &str, more: &[&str]| {
        let args = ["translate", "--model", &model, "--format", "jsonl", source];
        let output = attentive(&[&args[..], more].concat());
        (text(&output.stdout), text(&output.stderr))
    };
    let german = ["--target-language", "de"];
    let [said, told, both] = [(">>de<< the end", &[][..]), ("the end", &german[..]), (">>de<< the end", &german[..])]
        .map(|(source, more)| {
            let (found, problem) = translate(source, more);
            let found: serde_json::Value = serde_json::from_str(&found).expect(&problem);
            (found["translation"].clone(), found["log_prob"].clone())
        });
    assert_eq!((&told, &both), (&said, &said));
    let (_, problem) = translate("the end", &["--target-language", "fr"]);
    assert!(problem.contains("no language \"fr\"; near it are de"), "{problem}");
}

#[test]
fn each_document_has_a_summary_on_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let [model, two_lines, one_line, long, blank] = ["model", "two", "one", "long", "blank"].map(path);
    let imported = attentive(&["import", golden("bart").to_str().unwrap(), "--out", &model]);
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    std::fs::write(&two_lines, "the animal\nwas tired\n").unwrap();
    std::fs::write(&one_line, "the animal was\n").unwrap();
    std::fs::write(&long, "the ".repeat(100)).unwrap();
    let summarize = |more: &[&str]| attentive(&[&["summarize", "--model", &model, "--max-length", "9"], more].concat());
    let count = |more: &[&str]| {
        let output = summarize(more);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).lines().count()
    };
    assert_eq!([count(&[&two_lines, &one_line]), count(&["--lines", &two_lines, &one_line])], [2, 3]);
    let refused = summarize(&[&one_line, &long]);
    assert!(!refused.status.success() && text(&refused.stdout).lines().count() == 1);
    assert!(text(&refused.stderr).contains("--on-long crop"), "{}", text(&refused.stderr));
    assert_eq!(count(&["--on-long", "crop", &one_line, &long]), 2);
    // Blank ones have blank summaries, whatever is put before the others.
    std::fs::write(&blank, "the animal\n\n \t\u{3000}\nwas tired\n").unwrap();
    for before in ["", "the street "] {
        let output = summarize(&["--before", before, "--lines", &blank]);
        let (summaries, said) = (text(&output.stdout), text(&output.stderr));
        let lines: Vec<&str> = summaries.lines().collect();
        assert_eq!((lines.len(), lines[1], lines[2]), (4, "", ""), "{before:?}: {summaries}{said}");
        let [first, last] = ["the animal", "was tired"].map(|line| {
            std::fs::write(&one_line, line).unwrap();
            text(&summarize(&["--before", before, &one_line]).stdout)
        });
        assert_eq!([lines[0], lines[3]], [first.trim_end(), last.trim_end()], "{before:?}");
    }
    std::fs::write(&blank, "\n \n").unwrap();
    assert_eq!(text(&summarize(&["--before", "the street ", &blank]).stdout), "\n");
}

/// A fairseq dictionary's words are between what Python takes for white space, which is more than Unicode does.
#[test]
fn a_document_without_tokens_has_no_summary() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model").to_str().unwrap().to_owned();
    let imported = attentive(&["import", golden("fairseq").to_str().unwrap(), "--out", &model]);
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    let document = folder.path().join("document");
    std::fs::write(&document, "\u{1c} \u{1f}\n").unwrap();
    let before = ["--before", "the animal ", document.to_str().unwrap()];
    let output = attentive(&[&["summarize", "--model", &model], &before[..]].concat());
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("\n".to_owned(), String::new()));
}

#[test]
fn an_address_of_the_hub_says_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let expected = if cfg!(feature = "hub") { "not in the cache" } else { "--features hub" };
    for args in [&["import", "hf://tiny/none", "--out", out.to_str().unwrap()][..], &["run", "hf://tiny/none"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_attentive"))
            .args(args)
            .env("HF_HUB_CACHE", folder.path())
            .env("HF_HUB_OFFLINE", "1")
            .output()
            .expect("attentive runs");
        assert!(!output.status.success() && !out.exists());
        assert!(text(&output.stderr).contains(expected), "{args:?}: {}", text(&output.stderr));
    }
}

/// The model is in the cache as `huggingface_hub` writes it: nothing is downloaded.
#[cfg(feature = "hub")]
#[test]
fn a_model_of_the_hub_is_run_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (commit, repo) = ("0123456789abcdef".repeat(3)[..40].to_owned(), folder.path().join("hub/models--tiny--llama"));
    copy_golden("llama", &repo.join("snapshots").join(&commit));
    std::fs::create_dir(repo.join("refs")).unwrap();
    std::fs::write(repo.join("refs/main"), &commit).unwrap();
    let run = || {
        let output = Command::new(env!("CARGO_BIN_EXE_attentive"))
            .args(["run", "hf://tiny/llama", "--max-tokens", "2", "the street"])
            .env("HF_HUB_CACHE", folder.path().join("hub"))
            .env("HF_HUB_OFFLINE", "1")
            .env("ATTENTIVE_CACHE", folder.path().join("cache"))
            .output()
            .expect("attentive runs");
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    };
    let [(first, said), (again, nothing)] = [run(), run()];
    assert!(first.starts_with("the street") && said.contains("found: llama"), "{first}{said}");
    assert_eq!((again, &*nothing), (first, ""));
}

#[test]
fn what_an_import_does_not_follow_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle").to_str().unwrap().to_owned();
    let imported = attentive(&["import", golden("wild-gpt2").to_str().unwrap(), "--out", &bundle]);
    let output = text(&imported.stdout);
    for note in ["note: lm_head.weight differs", "note: config.json: not followed here: prefix = \"Once\""] {
        assert!(output.contains(note), "{output}");
    }
    // What is followed is the model's own setting from here on.
    let config = std::fs::read_to_string(Path::new(&bundle).join("config.toml")).unwrap();
    assert!(config.contains("no_repeat_ngram = 2") && config.contains("begin = false"), "{config}");
    let generated = attentive(&["generate", "--model", &bundle, "the a"]);
    assert!(generated.status.success(), "{}", text(&generated.stderr));
}

#[test]
fn a_gpt_2_is_imported_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let bundle = path("bundle");
    for args in [
        &["import", golden("gpt2").to_str().unwrap(), "--out", &bundle][..],
        &["inspect", &bundle],
        &["export", "--model", &bundle, "--format", "gpt2", "--out", &path("exported")],
        &["import", &path("exported"), "--out", &path("again")],
    ] {
        let output = attentive(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    }
    let params = |name: &str| std::fs::read(Path::new(&path(name)).join("model.safetensors")).unwrap();
    assert_eq!(params("bundle"), params("again"));
    let refused = attentive(&["export", "--model", &bundle, "--format", "ctranslate2", "--out", &path("refused")]);
    assert!(text(&refused.stderr).contains("the model's family is gpt"), "{}", text(&refused.stderr));
}

#[test]
fn heads_of_other_tasks_are_left_out_and_listed_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let [source, out] = ["source", "out"].map(|name| folder.path().join(name));
    copy_golden("bert-model", &source);
    let weights = source.join("model.safetensors");
    let mut tensors = attentive_weights::read(&weights).unwrap();
    tensors.insert("choices.bias".to_owned(), attentive_weights::HostTensor { shape: vec![1], values: vec![1.0] });
    attentive_weights::write(&weights, &tensors, &Default::default()).unwrap();
    let args = ["import", source.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let refused = attentive(&args);
    assert_eq!(refused.status.code(), Some(1));
    let error = text(&refused.stderr);
    assert!(error.contains("not in the model: choices.bias") && error.contains("drop_unknown"), "{error}");
    assert!(!out.exists());
    let imported = attentive(&[&args[..], &["--drop-unknown"]].concat());
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    let output = text(&imported.stdout);
    assert!(output.contains("note: tensors that are not in the model are left out: choices.bias"), "{output}");
    let params = attentive_weights::read(&out.join("model.safetensors")).unwrap();
    assert!(params.keys().all(|name| !name.contains("choices")));
}

#[test]
fn case_is_what_the_import_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let golden = golden("bert-model");
    // "the" is 5 and "The" is 20; the folder says that it is uncased.
    for (option, expected) in [(None, 5), (Some("--uncased"), 5), (Some("--cased"), 20)] {
        let out = folder.path().join(option.unwrap_or("by-folder"));
        let args = ["import", golden.to_str().unwrap(), "--out", out.to_str().unwrap()];
        let imported = attentive(&[&args[..], option.as_slice()].concat());
        assert!(imported.status.success(), "{}", text(&imported.stderr));
        let tokenizer = attentive_tokenizer::open(&out.join("tokenizer.json")).unwrap();
        assert_eq!(tokenizer.encode("The"), [expected], "{option:?}");
    }
    let both = attentive(&["import", golden.to_str().unwrap(), "--out", "never", "--cased", "--uncased"]);
    assert_eq!(both.status.code(), Some(2), "{}", text(&both.stderr));
}

/// The files of a folder with their content, by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_folder_that_is_there_is_replaced_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let [gpt2, llama] = ["gpt2", "llama"].map(|name| {
        let model = path(&format!("{name}-model"));
        let imported = attentive(&["import", golden(name).to_str().unwrap(), "--out", &model]);
        assert!(imported.status.success(), "{}", text(&imported.stderr));
        model
    });
    let sources = ["gpt2", "llama"].map(|name| golden(name).to_str().unwrap().to_owned());
    for (name, commands) in [
        ("import", [vec!["import", &sources[0]], vec!["import", &sources[1]]]),
        ("quantize", [vec!["quantize", "--model", &gpt2], vec!["quantize", "--model", &llama]]),
        (
            "export",
            [
                vec!["export", "--format", "gpt2", "--model", &gpt2],
                vec!["export", "--format", "llama", "--model", &llama],
            ],
        ),
    ] {
        let [out, fresh] = [path(name), path(&format!("{name}-fresh"))];
        let run = |of: usize, out: &str, more: &[&str]| attentive(&[&commands[of][..], &["--out", out], more].concat());
        assert!(run(0, &out, &[]).status.success(), "{name}");
        let before = files(Path::new(&out));
        let refused = run(1, &out, &[]);
        assert_eq!(refused.status.code(), Some(1), "{name}");
        let error = text(&refused.stderr);
        assert!(error.contains("is there already") && error.contains("--force"), "{name}: {error}");
        assert!(files(Path::new(&out)) == before, "{name}: what is refused changes nothing");
        let replaced = run(1, &out, &["--force"]);
        assert!(replaced.status.success(), "{name}: {}", text(&replaced.stderr));
        assert!(run(1, &fresh, &[]).status.success(), "{name}");
        let found = files(Path::new(&out));
        for (file, content) in files(Path::new(&fresh)) {
            let is_new = found.iter().any(|(name, found)| *name == file && *found == content);
            assert!(is_new, "{name}: {file} is that of the new model");
        }
    }
}

#[test]
fn what_is_no_model_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = attentive(&["import", folder.path().to_str().unwrap(), "--out", "never"]);
    assert!(!nothing.status.success());
    assert!(text(&nothing.stderr).contains("has no config.json"), "{}", text(&nothing.stderr));
    let unknown = attentive(&["export", "--format", "keras", "--out", "never"]);
    assert!(text(&unknown.stderr).contains("there are marian, pegasus, bart, "), "{}", text(&unknown.stderr));
}

/// The page of architectures has the tables that the command prints, which are made of the table that imports by them.
#[test]
fn the_page_of_architectures_is_that_of_the_command() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/models.md");
    let (page, listed) = (std::fs::read_to_string(page).unwrap(), attentive(&["import", "--list"]));
    assert!(listed.status.success());
    assert!(
        page.contains(&text(&listed.stdout)),
        "write the output of `attentive import --list` into docs/guide/models.md"
    );
}

/// A GGUF file, a folder of transformers and a model of ours, each run at once; what was imported is found again.
#[test]
fn run_imports_into_a_cache_and_uses_the_model() {
    let cache = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_attentive"))
            .args(["run"])
            .args(args)
            .env("ATTENTIVE_CACHE", cache.path())
            .output()
            .expect("attentive runs");
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let (gguf, folder) = (golden("gguf/qwen3.gguf"), golden("llama"));
    let [gguf, folder] = [&gguf, &folder].map(|path| path.to_str().unwrap());
    let (succeeds, first, said) = run(&[gguf, "--max-tokens", "4", "the animal"]);
    assert!(succeeds && first.starts_with("the animal"), "{first}{said}");
    assert!(said.contains("found: qwen3, ") && said.contains("kept as F32"), "{said}");
    assert!(said.contains("use: generate, score"), "{said}");
    let (succeeds, again, said) = run(&[gguf, "--max-tokens", "4", "the animal"]);
    assert!(succeeds && first == again && said.is_empty(), "{again}{said}");
    let (succeeds, scored, said) = run(&["--as", "score", folder, "the street"]);
    assert!(succeeds && scored.contains("the street") && said.contains("found: llama"), "{scored}{said}");
    let (succeeds, _, said) = run(&["--as", "embed", folder]);
    assert!(!succeeds && said.contains("embed does not run this model; use generate, score"), "{said}");
    let imported = cache.path().join("models").read_dir().unwrap().next().unwrap().unwrap().path();
    let (succeeds, _, said) = run(&[imported.to_str().unwrap(), "--max-tokens", "2"]);
    assert!(succeeds, "{said}");
    let (succeeds, _, said) = run(&["nowhere"]);
    assert!(!succeeds && said.contains("nowhere"), "{said}");
}
