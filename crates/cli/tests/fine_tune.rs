//! Models of other systems that are trained further, with parts of them left as they are.

use std::{collections::BTreeMap, fs};

use attentive_bundle::{Bundle, PackedRounding, WeightFormat};
use attentive_model::GptConfig;
use attentive_testkit::assert_close;
use attentive_weights::{HostTensor, Rounding, Tensors};

use crate::support::{Folder, golden};

/// Parameters of a model that are not those of another.
fn changed(before: &Tensors, after: &Tensors) -> BTreeMap<String, HostTensor> {
    after
        .iter()
        .filter(|(name, tensor)| before.get(*name) != Some(tensor))
        .map(|(n, t)| (n.clone(), t.clone()))
        .collect()
}

fn params(folder: &Folder, model: &str) -> Tensors {
    attentive_weights::read(&folder.path(model).join("model.safetensors")).unwrap()
}

fn imported(name: &str, more: &[&str]) -> Folder {
    let folder = Folder::new();
    folder.succeed(&[&["import", golden(name).to_str().unwrap(), "--out", "before"], more].concat(), "");
    folder
}

/// A language model that is fine-tuned; tables of its training follow.
const TUNED: &str = r#"
name = "tuned"
task = "causal-lm"
pretrained = "before"
data.train = { text = "text.txt", documents = "line" }
data.validation_fraction = 0.1
batch = { context = 16, rows = 2 }
evaluation.samples = 0
"#;

/// The same of a translation model.
const TRANSLATED: &str = r#"
name = "tuned"
pretrained = "before"
data.train = { source = "train.en", target = "train.de" }
batch.max_tokens = 128
"#;

const LOOP: &str = "
[schedule]
kind = \"constant\"
lr = 1e-3

[training]
steps = 4
checkpoint_every = 2
";

#[test]
fn a_llama_keeps_its_tokens_and_what_is_frozen() {
    let folder = imported("gguf/llama.gguf", &[]);
    folder.write("text.txt", &"the animal was tired\na street too wide\n".repeat(20));
    let recipe = r#"
name = "tuned"
task = "causal-lm"
pretrained = "before"
data.train = { text = "text.txt", documents = "line" }
data.validation_fraction = 0.1
model.dropout = 0.25
batch = { context = 16, rows = 2 }
"#;
    folder.write("tune.toml", &format!("{recipe}{LOOP}freeze = [\"embedding\", \"*.norm.gamma\"]\n"));
    let shown = folder.succeed(&["train", "tune.toml"], "");
    // Its vocabulary has rows that no token has, and they stay.
    assert!(shown.contains("parameters are taken") && !shown.contains("new  "), "{shown}");
    let config = fs::read_to_string(folder.path("runs/tuned-1/config.toml")).unwrap();
    for setting in ["vocab_size = 41", "d_model = 8", "dropout = 0.25", "attention_dropout = 0.0", "begin_id = 1"] {
        assert!(config.contains(setting), "{setting} is missing:\n{config}");
    }
    let [before, after] = ["before", "runs/tuned-1"].map(|model| params(&folder, model));
    let changed = changed(&before, &after);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let is_frozen = |name: &str| name == "embedding.weight" || name.ends_with(".norm.gamma");
    assert!(before.keys().all(|name| changed.contains_key(name) != is_frozen(name)), "{:?}", changed.keys());

    // It is talked with as before.
    let template = fs::read_to_string(folder.path("runs/tuned-1/chat_template.jinja")).unwrap();
    assert!(template.contains(r#"{%- set bos_token = "<s>" -%}"#), "{template}");
    let answers = |model: &str| folder.run(&["chat", "--model", model, "--max-tokens", "2"], "the street\n").status;
    assert!(answers("before").success() && answers("runs/tuned-1").success());

    // It goes on without the model that it began from, and leaves alone what it left alone.
    fs::rename(folder.path("before"), folder.path("moved")).unwrap();
    folder.succeed(&["train", "--resume", "runs/tuned-1", "--set", "training.steps=6"], "");
    assert_eq!(params(&folder, "runs/tuned-1")["embedding.weight"], before["embedding.weight"]);
    let lengths = |model: &str| Bundle::read(folder.path(model)).unwrap().lengths;
    assert_eq!((lengths("runs/tuned-1"), lengths("moved").is_default()), (lengths("moved"), false));

    for (pattern, problem) in [("encoder", "no parameter has such a path"), ("*", "nothing is left to be trained")] {
        let freeze = format!("training.freeze=[\"{pattern}\"]");
        let rates = "training.rates=[{ pattern = \"nowhere\", factor = 0.5 }]";
        for command in ["train", "doctor"] {
            let fail =
                |setting| folder.fail(&[command, "tune.toml", "--set", "pretrained=moved", "--set", setting], "");
            let error = fail(&freeze);
            assert!(error.contains(&format!("training.freeze has \"{pattern}\": {problem}")), "{error}");
            assert!(!error.contains("go on with"), "{error}");
            let error = fail(rates);
            assert!(error.contains("training.rates has \"nowhere\": ") && !error.contains("go on"), "{error}");
        }
    }
    assert!(!folder.path("runs/tuned-2").exists());
    let error = folder.fail(&["train", "tune.toml", "--set", "pretrained=moved", "--set", "batch.context=100000"], "");
    assert!(error.contains("batch.context"), "{error}");
}

#[test]
fn a_model_that_is_trained_for_eight_bits_is_rounded_to_those() {
    let folder = imported("gguf/llama.gguf", &[]);
    folder.write("text.txt", &"the animal was tired\na street too wide\n".repeat(20));
    folder.write("plain.toml", &format!("{TUNED}{LOOP}"));
    folder.write("tune.toml", &format!("{TUNED}{LOOP}quantize = \"int8\"\n"));
    folder.succeed(&["train", "tune.toml"], "");
    folder.succeed(&["quantize", "--model", "runs/tuned-1", "--out", "small"], "");
    let [trained, small] = ["runs/tuned-1", "small"].map(|model| params(&folder, model));
    let spec: GptConfig = Bundle::read(folder.path("runs/tuned-1")).unwrap().spec().unwrap();
    let rounding = PackedRounding::new(&spec, WeightFormat::Int8).unwrap();
    let round = |(name, tensor): (&String, &HostTensor)| (name.clone(), rounding.round(name, tensor).unwrap());
    let rounded: Tensors = trained.iter().map(round).collect();
    assert!(small == rounded && small != trained);

    // It goes on to the same bytes, and not to those of a run that rounds nothing.
    folder.succeed(&["train", "tune.toml", "--set", "training.steps=2"], "");
    folder.succeed(&["train", "--resume", "runs/tuned-2", "--set", "training.steps=4"], "");
    assert_eq!(params(&folder, "runs/tuned-2"), trained);
    folder.succeed(&["train", "plain.toml"], "");
    assert!(params(&folder, "runs/tuned-3") != trained);

    let error = folder.fail(&["train", "tune.toml", "--set", "training.quantize=q4_0"], "");
    assert!(error.contains("training.quantize: q4_0 holds whole blocks of 32 inputs, and "), "{error}");
}

#[test]
fn morse_code_that_the_window_of_a_model_cuts_off_is_refused() {
    let folder = imported("whisper", &[]);
    let error = folder.fail(&["train", "morse", "--set", "pretrained=before"], "");
    assert!(error.contains("data.morse.sound.seconds = 1.2 is longer than features.window_seconds = 1"), "{error}");
}

#[test]
fn a_model_of_several_languages_is_told_which_one_is_spoken() {
    let folder = imported("whisper", &[]);
    let train = ["train", "morse", "--set", "pretrained=before", "--set", "data.morse.sound.seconds=0.5"];
    let error = folder.fail(&train, "");
    assert!(error.contains("language: the model is told which") && error.contains("one of de, en"), "{error}");
    let error = folder.fail(&[&train[..], &["--set", "language=xx"]].concat(), "");
    assert!(error.contains("xx") && error.contains("it knows de, en"), "{error}");
}

#[test]
fn positions_that_end_before_a_text_of_a_later_epoch_are_refused() {
    let folder = Folder::new();
    let train = ["train", "morse", "--set", "model.max_target_len=8", "--set", "data.morse.sizes=[2, 1, 0]"];
    let error = folder.fail(&train, "");
    assert!(error.contains("model.max_target_len = 8 is too short for the longest Morse code"), "{error}");
}

#[test]
fn a_translator_that_is_told_languages_learns_between_them() {
    let folder = imported("nllb", &["--source-language", "eng_Latn", "--target-language", "deu_Latn"]);
    folder.write("train.en", &"the animal was tired\nthe street was wide\n".repeat(10));
    folder.write("train.de", &"das tier war wide\ndie street war tired\n".repeat(10));
    folder.write("tune.toml", &format!("{TRANSLATED}{LOOP}"));
    let shown = folder.succeed(&["train", "tune.toml"], "");
    assert!(shown.contains("parameters are taken") && !shown.contains("new  "), "{shown}");
    assert_eq!(folder.succeed(&["translate", "the street was wide"], "").lines().count(), 1);
    let config = fs::read_to_string(folder.path("runs/tuned-1/config.toml")).unwrap();
    assert!(config.contains("beam_rules = \"present\""), "{config}");
    let sampling = "tokenizer.bpe_dropout=0.1 tokenizer.unigram_alpha=0.1".split(' ').flat_map(|set| ["--set", set]);
    let error = folder.fail(&["train", "tune.toml"].into_iter().chain(sampling).collect::<Vec<_>>(), "");
    assert!(error.contains("different kinds of tokenizer"), "{error}");
    // Another role is refused, by the model's name.
    let error = folder.fail(&["train", "gpt", "--set", "pretrained=before"], "");
    assert!(error.contains("causal-lm trains a language model") && error.contains("before"), "{error}");
}

/// As OPUS-MT has languages: `>>de<<` is in the vocabulary.
#[test]
fn a_language_of_the_vocabulary_is_learnt_as_if_the_texts_said_it() {
    let folder = imported("marian", &[]);
    let sources = ["the animal was tired", "the street was wide"].repeat(10);
    folder.write("train.en", &sources.iter().map(|line| format!("{line}\n")).collect::<String>());
    folder.write("said.en", &sources.iter().map(|line| format!(">>de<< {line}\n")).collect::<String>());
    folder.write("train.de", &"das Tier war breit\ndie Straße war zu\n".repeat(10));
    folder.write("tune.toml", &format!("{TRANSLATED}{LOOP}"));
    let train = |sets: &[&str]| {
        let sets = sets.iter().flat_map(|set| ["--set", *set]);
        ["train", "tune.toml"].into_iter().chain(sets).map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |sets: &[&str]| folder.succeed(&train(sets).iter().map(String::as_str).collect::<Vec<_>>(), "");
    run(&["data.source_language=en", "data.target_language=de"]);
    run(&["data.train.source=said.en"]);
    run(&[]);
    let [told, said, untold] = [1, 2, 3].map(|run| params(&folder, &format!("runs/tuned-{run}")));
    assert_eq!(told, said);
    assert_ne!(told, untold);
    // It is the usual one from then on.
    let translate = |run: &str, text: &str| folder.succeed(&["translate", "--scores", "--model", run, text], "");
    assert_eq!(translate("runs/tuned-1", "the end"), translate("runs/tuned-2", ">>de<< the end"));
    let error = train(&["data.source_language=en", "data.target_language=fr"]);
    let error = folder.fail(&error.iter().map(String::as_str).collect::<Vec<_>>(), "");
    assert!(error.contains("no language \"fr\"; near it are de"), "{error}");
}

#[test]
fn a_bert_with_rows_that_no_token_has_is_taken_whole() {
    let folder = imported("wild-bert", &[]);
    folder.write("texts.tsv", &"the animal\tgood\na street\tbad\n".repeat(10));
    let recipe = r#"
name = "tuned"
task = "classification"
pretrained = "before"
data.train.tsv = "texts.tsv"
batch = { context = 12, rows = 2 }
"#;
    folder.write("tune.toml", &format!("{recipe}{LOOP}freeze = [\"embedding\", \"encoder\"]\n"));
    let shown = folder.succeed(&["train", "tune.toml"], "");
    let new = shown.lines().find(|line| line.starts_with("new ")).unwrap_or_default();
    assert!(new.contains("classifier") && !new.contains("embedding"), "{shown}");
    let [before, after] = ["before", "runs/tuned-1"].map(|model| params(&folder, model));
    assert_eq!(before["embedding.weight"], after["embedding.weight"]);
}

#[test]
fn an_adapter_is_trained_alone_listed_merged_and_written_for_peft() {
    let folder = imported("llama", &[]);
    folder.write("text.txt", &"the animal was tired\na street too wide\n".repeat(20));
    let adapter = "adapter = { rank = 2, targets = [\"*.self_attention.*\"] }\n";
    folder.write("tune.toml", &format!("{TUNED}{adapter}{LOOP}"));
    let shown = folder.succeed(&["train", "tune.toml"], "");
    let line = shown.lines().find(|line| line.starts_with("adapter ")).unwrap_or_default();
    assert!(line.contains("rank 2 on 8 linear maps"), "{shown}");

    // The model is whole, and all that differs from the one before are the weights that are changed.
    let [before, after] = ["before", "runs/tuned-1"].map(|model| params(&folder, model));
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let is_changed = |name: &str| name.contains(".self_attention.");
    let of_runs = changed(&before, &after);
    assert!(before.keys().all(|name| of_runs.contains_key(name) == is_changed(name)), "{:?}", of_runs.keys());
    let state = attentive_weights::read(&folder.path("runs/tuned-1/checkpoints/step-00000004/optimizer.safetensors"));
    assert!(state.unwrap().keys().all(|name| name.contains(".weight.adapter.")));

    let listed = folder.succeed(&["inspect", "runs/tuned-1", "--params"], "");
    for part in
        ["merged into the model", "rank = 2", "on 8 linear maps", "change       decoder.layers.0.self_attention.key"]
    {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    assert!(!folder.succeed(&["inspect", "before"], "").contains("adapter"));

    // The base and the adapter make the same model again, from the run and from PEFT's folder.
    folder.succeed(&["merge", "--model", "before", "--adapter", "runs/tuned-1", "--out", "merged"], "");
    assert_eq!(params(&folder, "merged"), after);
    let export = ["export", "--model", "runs/tuned-1", "--adapter", "--format", "llama", "--out", "peft"];
    folder.succeed(&export, "");
    folder.succeed(&["merge", "--model", "before", "--adapter", "peft", "--out", "again"], "");
    assert_eq!(params(&folder, "again"), after);
    // Nor does an adapter have to be merged.
    let score = |model: &str| -> f64 {
        let scored = folder.succeed(&["score", "--model", model], "the animal was tired\n");
        scored.split('\t').next().unwrap().parse().unwrap()
    };
    for model in ["before+runs/tuned-1", "before+peft"] {
        assert!((score(model) - score("merged")).abs() < 2e-4, "{model}");
    }
    let error = folder.fail(&["score", "--model", "before+before"], "a\n");
    assert!(error.contains("before has no adapter"), "{error}");
    let made = folder.succeed(&["average", "runs/tuned-1", "--checkpoint", "last", "--out", "last"], "");
    assert_eq!((params(&folder, "last").len(), made.is_empty()), (after.len(), false));

    let error = folder.fail(&["merge", "--model", "before", "--adapter", "before", "--out", "no"], "");
    assert!(error.contains("before has no adapter"), "{error}");
    let error = folder.fail(&["export", "--model", "before", "--adapter", "--format", "llama", "--out", "no"], "");
    assert!(error.contains("has no adapter"), "{error}");
    let error = folder.fail(&["train", "tune.toml", "--set", "adapter.targets=[\"*.c_attn\"]"], "");
    assert!(error.contains("adapter.targets: \"*.c_attn\" describes no linear map"), "{error}");
    let error = folder.fail(&["train", "gpt", "--set", "adapter.rank=4"], "");
    assert!(error.contains("adapter: it changes a model that was trained before"), "{error}");
}

#[test]
fn a_model_for_conversations_learns_their_answers() {
    let folder = imported("gguf/llama.gguf", &[]);
    let line = |question: &str, answer: &str| {
        let message = |role: &str, content: &str| format!(r#"{{"role": "{role}", "content": "{content}"}}"#);
        format!("{{\"messages\": [{}, {}]}}\n", message("user", question), message("assistant", answer))
    };
    let chats: String = ["the street", "the animal", "a street"].map(|text| line(text, "wide")).concat();
    folder.write("chats.jsonl", &chats.repeat(4));
    let recipe = r#"
name = "tuned"
task = "causal-lm"
pretrained = "before"
conversations = { train = "chats.jsonl", validation = "chats.jsonl" }
batch = { context = 64, rows = 3 }
"#;
    folder.write("tune.toml", &format!("{recipe}{LOOP}"));
    let longer = ["train", "tune.toml", "--set", "training.steps=60", "--set", "schedule.lr=2e-2"];
    let shown = folder.succeed(&longer, "");
    assert!(shown.contains("12 train conversations"), "{shown}");
    let nats = shown.lines().filter_map(|line| line.strip_prefix("validation ")).next_back().unwrap_or_default();
    let nats: f64 = nats.split(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{shown}"));
    assert!(nats < 0.5, "{shown}");
    // It answers as it was taught, by the template that came with it.
    let answer = folder.succeed(
        &["chat", "--model", "runs/tuned-1", "--max-tokens", "8", "--temperature", "0", "--prompt", "the street"],
        "",
    );
    assert_eq!(answer.trim(), "wide", "{answer}");

    // It goes on without the model that it began from, to the same bytes.
    folder.succeed(&["train", "tune.toml", "--set", "training.steps=6", "--set", "schedule.lr=2e-2"], "");
    folder.succeed(&["train", "tune.toml", "--set", "training.steps=4", "--set", "schedule.lr=2e-2"], "");
    fs::rename(folder.path("before"), folder.path("moved")).unwrap();
    folder.succeed(&["train", "--resume", "runs/tuned-3", "--set", "training.steps=6"], "");
    assert_eq!(params(&folder, "runs/tuned-3"), params(&folder, "runs/tuned-2"));

    let moved = ["train", "tune.toml", "--set", "pretrained=moved", "--set"];
    // Packed, it goes on to the same bytes as well.
    let packed = |steps: &'static str| [&moved[..], &["conversations.pack=true", "--set", steps]].concat();
    let shown = folder.succeed(&packed("training.steps=6"), "");
    assert!(shown.contains(" train batches of up to 3 × 64 tokens"), "{shown}");
    folder.succeed(&packed("training.steps=4"), "");
    folder.succeed(&["train", "--resume", "runs/tuned-5", "--set", "training.steps=6"], "");
    assert_eq!(params(&folder, "runs/tuned-5"), params(&folder, "runs/tuned-4"));

    folder.write("bad.jsonl", "{\"messages\": [{\"role\": \"user\"}]}\n");
    let error = folder.fail(&[&moved[..], &["conversations.train=bad.jsonl"]].concat(), "");
    assert!(error.contains("bad.jsonl:1: missing field `content`") && !error.contains("at line"), "{error}");
    folder.write("bad.jsonl", "[1]\n");
    let error = folder.fail(&[&moved[..], &["conversations.train=bad.jsonl"]].concat(), "");
    assert!(error.contains("bad.jsonl:1: expected an object, and found a list"), "{error}");
    for (lines, words) in [
        ("", "there are no conversations in "),
        ("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n", "no conversation has an answer"),
    ] {
        folder.write("bad.jsonl", lines);
        let error = folder.fail(&[&moved[..], &["conversations.train=bad.jsonl"]].concat(), "");
        assert!(error.contains(words), "{error}");
    }
    let error = folder.fail(&[&moved[..], &["batch.context=2"]].concat(), "");
    assert!(error.contains("conversations.train: there is no answer to learn within batch.context = 2"), "{error}");
    let error = folder.fail(&[&moved[..], &["data.train.text=chats.jsonl"]].concat(), "");
    assert!(error.contains("[data] and [conversations]"), "{error}");
}

/// Trains all of the model `before`; then, from it once more, an adapter of its queries, and what is `new` as a whole. The
/// first of the two is written as `format`, and read.
fn learns(folder: &Folder, format: &str, new: &[&str]) {
    let train = |more: &[&str]| {
        let shown = folder.succeed(&[&["train", "tune.toml", "--set", "training.steps=2"], more].concat(), "");
        assert!(shown.contains("parameters are taken"), "{format}: {shown}");
    };
    train(&[]);
    let as_a_whole = format!("adapter.train={new:?}");
    train(&["--set", "adapter.rank=2", "--set", "adapter.targets=[\"*.query\"]", "--set", &as_a_whole]);
    let before = params(folder, "before");
    let [whole, adapted] = ["runs/tuned-1", "runs/tuned-2"].map(|run| changed(&before, &params(folder, run)));
    for part in [".self_attention.", ".feed_forward."] {
        assert!(whole.keys().any(|name| name.contains(part)), "{format}: {part} of {:?}", whole.keys());
    }
    assert!(adapted.keys().any(|name| name.ends_with(".query.weight")), "{format}: {:?}", adapted.keys());
    let is_new = |name: &str| new.iter().any(|part| name.split('.').next() == Some(*part));
    let stays = |name: &String| before.contains_key(name) && !name.ends_with(".query.weight") && !is_new(name);
    assert!(!adapted.keys().any(stays), "{format}: {:?}", adapted.keys());

    folder.succeed(&["export", "--model", "runs/tuned-1", "--format", format, "--out", "written"], "");
    folder.succeed(&["import", folder.path("written").to_str().unwrap(), "--out", "again"], "");
    // The longest text is that of the folder that the model came from.
    let [origin, tuned, written] =
        ["before", "runs/tuned-1", "again"].map(|model| Bundle::read(folder.path(model)).unwrap().lengths);
    assert_eq!((tuned, written.model), (origin, origin.model), "{format}");
    let again = params(folder, "again");
    for (name, tensor) in params(folder, "runs/tuned-1") {
        // Phi has one norm for two sub-layers: what the second has learnt goes into the map that reads it.
        if format != "phi" || !name.contains(".feed_forward") {
            assert_close(&again[&name].values, &tensor.values, 0.0, 1e-6);
        }
    }
}

#[test]
fn every_decoder_that_comes_in_learns_and_goes_out_again() {
    for (name, format) in [
        ("gpt2", "gpt2"),
        ("llama", "llama"),
        ("mistral", "mistral"),
        ("qwen2", "qwen2"),
        ("qwen3", "qwen3"),
        ("gemma", "gemma"),
        ("gemma2", "gemma2"),
        ("gemma3", "gemma3_text"),
        ("phi", "phi"),
        ("phi3", "phi3"),
        ("gpt-neox", "gpt_neox"),
        ("starcoder2", "starcoder2"),
        ("opt", "opt"),
    ] {
        let folder = imported(name, &[]);
        folder.write("text.txt", &"the animal was tired\na street too wide\n".repeat(20));
        folder.write("tune.toml", &format!("{TUNED}{LOOP}"));
        learns(&folder, format, &[]);
    }
}

#[test]
fn every_encoder_that_comes_in_learns_and_goes_out_again() {
    for (name, format) in [
        ("bert-model", "bert"),
        ("roberta-model", "roberta"),
        ("xlm-roberta-model", "xlm-roberta"),
        ("distilbert-model", "distilbert"),
        ("mpnet-model", "mpnet"),
        ("electra-discriminator", "electra"),
        ("albert-masked-lm", "albert"),
        ("modernbert-untied", "modernbert"),
    ] {
        let folder = imported(name, &[]);
        folder.write("texts.tsv", &"the animal\tgood\na street\tbad\n".repeat(10));
        let recipe = r#"
name = "tuned"
task = "classification"
pretrained = "before"
data.train.tsv = "texts.tsv"
batch = { context = 8, rows = 2 }
"#;
        folder.write("tune.toml", &format!("{recipe}{LOOP}"));
        learns(&folder, format, &["classifier", "pooler"]);
    }
}

#[test]
fn every_encoder_decoder_that_comes_in_learns_and_goes_out_again() {
    for (name, format, languages) in [
        ("marian", "marian", None),
        ("pegasus", "pegasus", None),
        ("bart", "bart", None),
        ("mbart", "mbart", Some(["en_XX", "de_DE"])),
        ("mbart50", "mbart", Some(["en_XX", "de_DE"])),
        ("m2m100", "m2m_100", Some(["en", "de"])),
        ("nllb", "m2m_100", Some(["eng_Latn", "deu_Latn"])),
        ("t5", "t5", None),
        ("byt5", "t5", None),
    ] {
        let of_languages = languages.map(|[source, target]| ["--source-language", source, "--target-language", target]);
        let folder = imported(name, of_languages.as_ref().map_or(&[][..], |more| &more[..]));
        folder.write("train.en", &"the animal was tired\nthe street was wide\n".repeat(10));
        folder.write("train.de", &"das Tier war zu breit\neine Tier war zu\n".repeat(10));
        folder.write("tune.toml", &format!("{TRANSLATED}{LOOP}"));
        learns(&folder, format, &[]);
    }
}
