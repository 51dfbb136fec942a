//! The programs of `examples`, each run as a program on a text of a few lines.
//!
//! `cargo test` builds them; where a test target is named, `cargo build --release --workspace --examples` does.

use std::{fs, ops::ControlFlow, path::Path, process::Command};

use attentive::{bundle::ChatTemplate, model::GptConfig, prelude::*, tokenizer::Characters, weights};

/// What an example writes, run in `folder`.
fn run(folder: &Path, name: &str, args: &[&str]) -> String {
    run_with(folder, name, args, "")
}

/// As [`run`], with `input` on standard input.
fn run_with(folder: &Path, name: &str, args: &[&str], input: &str) -> String {
    let test = std::env::current_exe().unwrap();
    let examples = test.ancestors().nth(2).unwrap().join("examples");
    let program = examples.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    let changed = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.rs"));
    assert!(
        changed(&program) >= changed(&source),
        "{} is missing or old: cargo build --release --workspace --examples",
        program.display()
    );
    fs::write(folder.join("input"), input).unwrap();
    let input = fs::File::open(folder.join("input")).unwrap();
    let output = Command::new(program).args(args).current_dir(folder).stdin(input).output().unwrap();
    assert!(output.status.success(), "{name} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The number between `before` and the next space or end of line, each time `before` comes.
fn numbers(text: &str, before: &str) -> Vec<f64> {
    let values = text.split(before).skip(1).filter_map(|rest| rest.split_whitespace().next());
    values.map(|value| value.parse().unwrap_or_else(|_| panic!("{value}: {text}"))).collect()
}

#[test]
fn two_text_files_become_a_model_that_translates() {
    const WORDS: [[&str; 2]; 5] =
        [["one", "eins"], ["two", "zwei"], ["three", "drei"], ["four", "vier"], ["six", "sechs"]];
    let folder = tempfile::tempdir().unwrap();
    // Every sentence of four words; one of seven is held out.
    let line =
        |number: usize, side: usize| [1, 5, 25, 125].map(|place| WORDS[number / place % 5][side]).join(" ") + "\n";
    for (part, is_held_out) in [("train", false), ("validation", true)] {
        for (side, end) in ["en", "de"].into_iter().enumerate() {
            let numbers = (0..625).filter(|number| (number % 7 == 0) == is_held_out);
            let text: String = numbers.map(|number| line(number, side)).collect();
            fs::write(folder.path().join(format!("{part}.{end}")), text).unwrap();
        }
    }
    let settings = [
        "tokenizer.merges=60",
        "model={d_model=32, d_ff=64, n_heads=2, n_encoder_layers=1, n_decoder_layers=1, dropout=0.0, norm=\"pre\"}",
        "schedule={kind=\"constant\", lr=5e-3, warmup_steps=20}",
        "training={steps=120, validate_every=120, checkpoint_every=20, clip_norm=1.0}",
        "evaluation.average_last=3",
    ];
    let told = run(folder.path(), "train", &settings);
    assert!(told.contains("checkpoints [80, 100, 120]"), "{told}");
    // Started again, it goes on.
    let told = run(folder.path(), "train", &["training.steps=240"]);
    assert!(told.contains("checkpoints [200, 220, 240]"), "{told}");
    assert!(!folder.path().join("runs/builtin-2").exists());
    let bleu = numbers(&told, "BLEU = ")[0];
    assert!(bleu > 95.0, "{told}");
    let translated = run(folder.path(), "translate", &["model", "six two one one", "four six three two"]);
    assert_eq!(translated, "sechs zwei eins eins\nvier sechs drei zwei\n");
}

#[test]
fn the_readme_shows_the_program_that_is_tried_here() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let readme = fs::read_to_string(repository.join("README.md")).unwrap();
    let program = include_str!("../examples/train.rs");
    let program = &program[program.find("use attentive").unwrap()..];
    assert!(program.lines().count() <= 30 && readme.contains(program));
}

#[test]
fn the_crate_s_page_names_every_example_and_feature() {
    let readme = include_str!("../README.md");
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().display();
        assert!(readme.contains(&format!("\n| `{name}` |")), "{name}");
    }
    let features = include_str!("../Cargo.toml").split("\n[").find(|part| part.starts_with("features]")).unwrap();
    for (name, _) in features.lines().filter_map(|line| line.split_once(" = ")) {
        assert!(name == "default" || readme.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn an_encoder_reads_then_classifies_then_compares() {
    let folder = tempfile::tempdir().unwrap();
    let told = run(folder.path(), "fine_tune", &["2"]);
    let classes: Vec<(f64, &str)> = told
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(probability, label)| Some((probability.parse().ok()?, label)))
        .collect();
    assert_eq!(classes.len(), 2, "{told}");
    assert!((classes[0].0 + classes[1].0 - 1.0).abs() < 0.002 && classes[0].0 >= 0.5, "{told}");

    let told = run(folder.path(), "embed", &["runs/classification-1", "It was tired.", "It was tired.", "The street"]);
    let [same, other] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
    assert_eq!(same, "1.000 It was tired.");
    assert!(other.ends_with(" The street") && other < "0.999", "{told}");
}

#[test]
fn imported_encoders_tag_rank_and_answer() {
    let folder = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interchange/tests/golden");
    for name in ["bert-tags", "bert-rank", "bert-answers"] {
        let imported = attentive::interchange::import(&golden.join(name), &Default::default()).unwrap();
        imported.bundle.save(folder.path().join(name)).unwrap();
    }
    let text = "the animal was too tired";
    let told = run(folder.path(), "tag", &["bert-tags", text]);
    let [label, score, tagged] = told.lines().next().unwrap().splitn(3, ' ').collect::<Vec<_>>()[..] else {
        panic!("{told}")
    };
    assert!(["ANI", "STR", "MISC"].contains(&label) && score.starts_with("0.") && text.contains(tagged), "{told}");
    let texts = [text, "the street was wide", "an end"];
    let told = run(folder.path(), "answer", &[&["bert-rank", "bert-answers", "wide?"], &texts[..]].concat());
    let scores: Vec<f64> = told.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    assert!(scores.len() == 3 && scores.is_sorted_by(|a, b| a >= b), "{told}");
    for line in told.lines() {
        let answer = line.splitn(3, ' ').nth(2).unwrap();
        assert!(!answer.is_empty() && texts.iter().any(|text| text.contains(answer)), "{told}");
    }
}

#[test]
fn an_imported_bart_summarizes_each_document() {
    let folder = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interchange/tests/golden/bart");
    let mut bundle = attentive::interchange::import(&golden, &Default::default()).unwrap().bundle;
    (bundle.decoding.max_len, bundle.decoding.beam) = (Some(6), 4);
    bundle.save(folder.path().join("bart")).unwrap();
    let documents = ["the animal\nwas tired", "a street"];
    for (name, text) in ["one", "two"].into_iter().zip(documents) {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let told = run(folder.path(), "summarize", &["bart", "one", "two"]);
    let translator = Translator::from_bundle(&bundle, &BackendKind::Flex.device().unwrap(), None).unwrap();
    let summaries = translator.translate(&documents, &bundle.decoding).unwrap();
    assert_eq!(told, summaries.iter().map(|summary| format!("{}\n", summary.text)).collect::<String>());
}

#[test]
fn an_imported_whisper_writes_what_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let golden = crates.join("interchange/tests/golden/whisper");
    let imported = attentive::interchange::import(&golden, &Default::default()).unwrap();
    imported.bundle.save(folder.path().join("whisper")).unwrap();
    let sound = crates.join("speech/tests/golden/s16.flac");
    let told = run(folder.path(), "transcribe", &["whisper", sound.to_str().unwrap()]);
    // A tiny model of no sense says something, at some time.
    let times: Vec<f64> = told.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    assert!(!times.is_empty() && times.iter().all(|time| (0.0..=1.0).contains(time)), "{told}");
}

#[test]
fn an_agent_plays_an_episode_step_by_step_and_many_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["data.episodes=20", "training.steps=2", "evaluation.episodes=0"].map(str::to_owned);
    let recipe = Recipe::of_command(Some(Path::new("cartpole")), &settings).unwrap();
    let device = BackendKind::Flex.device().unwrap();
    Run::create(folder.path(), recipe).unwrap().train(&device, TrainOptions::default()).unwrap();
    let told = run(folder.path(), "play", &["cartpole-1", "30"]);
    assert!(told.contains("=====") && told.contains("asked for 30, had ") && told.contains("of 10 more"), "{told}");
}

#[test]
fn an_imported_vit_classifies_a_picture_and_shows_where_it_looks() {
    let folder = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interchange/tests/golden/deit-teacher");
    let imported = attentive::interchange::import(&golden, &Default::default()).unwrap();
    imported.bundle.save(folder.path().join("vit")).unwrap();
    let told = run(folder.path(), "classify_image", &["vit"]);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!((lines.len(), lines[0]), (4, "shape.png"), "{told}");
    let sum: f64 = lines[1..].iter().map(|line| line[2..8].parse::<f64>().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-3, "{told}");
    let drawn = attentive::vision::Picture::open(&folder.path().join("shape.attention.png")).unwrap();
    assert_eq!(drawn.size(), [228, 456]);
}

#[test]
fn a_language_model_writes_what_the_library_writes() {
    let folder = tempfile::tempdir().unwrap();
    let device = BackendKind::Flex.device().unwrap();
    let tokenizer: Box<dyn Tokenizer> = Box::new(Characters::train(["to be or not to be"]));
    let config = GptConfig::gpt2_like(tokenizer.vocab_size(), 200, [1, 2, 16]);
    let params = weights::params(&config.init(&device, 1).unwrap());
    let bundle = Bundle::new("", config, tokenizer, params);
    bundle.save(folder.path().join("gpt")).unwrap();

    let told = run(folder.path(), "generate", &["gpt", "to be"]);
    let sampling = SamplingConfig { temperature: 0.8, top_p: 0.95, seed: 1, ..SamplingConfig::default() };
    let config = GenerationConfig { sampling, max_tokens: 100, ..GenerationConfig::default() };
    let written = Generator::from_bundle(&bundle, &device, None).unwrap().generate_all(&["to be"], 1, &config).unwrap();
    assert_eq!(written[0][0].text.len(), 100);
    assert!(told.starts_with(&format!("to be{}\n(", written[0][0].text)), "{told}");
}

#[test]
fn a_conversation_is_what_the_library_answers() {
    let folder = tempfile::tempdir().unwrap();
    let device = BackendKind::Flex.device().unwrap();
    let tokenizer: Box<dyn Tokenizer> = Box::new(Characters::train(["to be or not to be: system user"]));
    let config = GptConfig::gpt2_like(tokenizer.vocab_size(), 100, [1, 2, 16]);
    let params = weights::params(&config.init(&device, 1).unwrap());
    let template = "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}";
    let chat = Some(ChatTemplate::new(template).unwrap());
    let generation = GenerationConfig { max_tokens: 9, ..GenerationConfig::default() };
    let bundle = Bundle { chat, generation, ..Bundle::new("", config, tokenizer, params) };
    bundle.save(folder.path().join("gpt")).unwrap();

    let told = run_with(folder.path(), "chat", &["gpt", "be"], "to be\nor not\n");
    let chat = Chat::from_bundle(&bundle, &device, None).unwrap();
    let mut conversation = Conversation::from(vec![Message::system("be")]);
    let mut expected = String::new();
    for text in ["to be", "or not"] {
        conversation.messages.push(Message::user(text));
        let answer = chat.answer(&mut conversation, &bundle.generation, |_| ControlFlow::Continue(())).unwrap();
        let n = conversation.messages.len();
        expected += &format!("{}\n({:?}, {n} messages)\n", conversation.messages[n - 1].content, answer.ended);
    }
    assert_eq!(told, expected);
}

#[test]
fn a_layer_of_ones_own_learns_to_multiply() {
    let folder = tempfile::tempdir().unwrap();
    let told = run(folder.path(), "own_layer", &[]);
    let errors = numbers(&told, "squared error ");
    assert!(errors.len() == 4 && errors[3] < errors[0] / 100.0, "{told}");
    let product = numbers(&told, "1.5 · -1.5 = ")[0];
    assert!((product + 2.25).abs() < 1.0, "{told}");
}

#[test]
fn a_tokenizer_of_ones_own_serves_a_language_model() {
    let folder = tempfile::tempdir().unwrap();
    let told = run(folder.path(), "own_tokenizer", &[]);
    let (ids, score) = told.split_once('\n').unwrap();
    assert_eq!(ids, "[2, 0, 3, 3, 0, 1, 0, 4] GATTACAN");
    let nats: f64 = score.split(' ').next().unwrap().parse().unwrap();
    assert!((nats - 5f64.ln()).abs() < 0.2, "{told}");
}

#[test]
fn gpt_learns_from_tensors_as_from_layers() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text"), "the cat sat on the mat; ".repeat(40)).unwrap();
    for name in ["mini_gpt", "mini_gpt_layers"] {
        let told = run(folder.path(), name, &["text", "40"]);
        let losses = numbers(&told, "loss ");
        // Twelve characters are told apart at first, each as probable as another.
        assert!((losses[0] - 12f64.ln()).abs() < 0.3, "{name}: {told}");
        assert!(*losses.last().unwrap() < 0.7, "{name}: {told}");
        let written = told.lines().last().unwrap();
        assert!(written.len() >= 200 && written.bytes().all(|c| b"thecatsonm; ".contains(&c)), "{name}: {told}");
    }
}
