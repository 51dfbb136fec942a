//! GGUF files (`tests/golden/generate_gguf.py`) against the folders of transformers that they are made from.

use attentive_attention::{PositionsConfig, Rotary, RotaryScaling};
use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, Conversation, Message, WeightFormat};
use attentive_core::LanguageModel;
use attentive_interchange::{ImportConfig, Imported, InterchangeError, export_onnx, import};
use attentive_model::GptConfig;
use attentive_testkit::{Area, Comparison, Golden, largest_error};
use serde::Deserialize;
use serde_json::Value;

/// Files, and the folders with what they compute.
const FILES: [(&str, &str); 11] = [
    ("llama", "llama"),
    ("llama-f16", "llama"),
    ("qwen3", "qwen3"),
    ("gemma", "gemma"),
    ("gemma2", "gemma2"),
    ("gemma3", "gemma3"),
    ("phi", "phi"),
    ("phi3", "phi3"),
    ("phi3-long", "phi3-long"),
    ("gpt-neox", "gpt-neox"),
    ("gpt-neox-in-turn", "gpt-neox-in-turn"),
];

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> Imported {
    let path = golden().path(&format!("gguf/{name}.gguf"));
    import(&path, &ImportConfig::default()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn encoded(bundle: &Bundle, text: &str) -> Vec<u32> {
    let tokenizer = bundle.tokenizer().unwrap();
    let begin = bundle.generation.begin_id.or(tokenizer.specials().eos).filter(|_| bundle.generation.begin);
    begin.into_iter().chain(tokenizer.encode(text)).collect()
}

#[test]
fn models_give_the_log_probabilities_of_transformers() {
    let device = BackendKind::Flex.device().unwrap();
    for (name, folder) in FILES {
        let case: Value = golden().cases(&format!("{folder}/logits.json")).remove(0);
        let bundle = read(name).bundle;
        let rows: Vec<Vec<u32>> = Deserialize::deserialize(&case["ids"]).unwrap();
        let logits = Golden::tensor(&case, "logits");
        let vocab_size = logits.len() / rows.concat().len();
        let expected = attentive_testkit::log_softmax(&logits, vocab_size);
        let model = bundle.text_model(&device, None).unwrap();
        let allowed = if name.ends_with("f16") { 5e-3 } else { 1e-4 };
        let system = format!("transformers {}", golden().version("transformers"));
        let mut comparison =
            Comparison::new(Area::Weights, format!("log-probabilities of {name}.gguf"), system, allowed);
        for (row, expected) in rows.iter().zip(expected.chunks(vocab_size * rows[0].len())) {
            let found = model.log_probs_of(row).unwrap();
            comparison.case("log-probabilities", largest_error(&found, &of_targets(row, expected, vocab_size)));
        }
        comparison.report();
        let texts: Vec<String> = Deserialize::deserialize(&case["texts"]).unwrap();
        let ids: Vec<Vec<u32>> = Deserialize::deserialize(&case["encoded"]).unwrap();
        assert_eq!(texts.iter().map(|text| encoded(&bundle, text)).collect::<Vec<_>>(), ids, "{name}");
    }
}

/// Of the log-probabilities of all tokens, those of the tokens of a row after its first.
fn of_targets(row: &[u32], all: &[f64], vocab_size: usize) -> Vec<f64> {
    row[1..].iter().enumerate().map(|(at, &target)| all[at * vocab_size + target as usize]).collect()
}

/// The largest error of log-probabilities of the golden with blocks.
fn error_of_blocks<P: attentive_bundle::Params>(bundle: &Bundle<P>, precision: Option<WeightFormat>) -> f64 {
    let case: Value = golden().cases("gguf/llama-blocks.json").remove(0);
    let rows: Vec<Vec<u32>> = Deserialize::deserialize(&case["ids"]).unwrap();
    let expected = attentive_testkit::log_softmax(&Golden::tensor(&case, "logits"), 41);
    let model = bundle.text_model(&BackendKind::Flex.device().unwrap(), precision).unwrap();
    let found: Vec<f32> = rows.iter().flat_map(|row| model.log_probs_of(row).unwrap()).collect();
    let expected = rows.iter().zip(expected.chunks(41 * rows[0].len())).flat_map(|(row, all)| of_targets(row, all, 41));
    largest_error(&found, &expected.collect::<Vec<_>>())
}

#[test]
fn blocks_are_kept_and_computed_with() {
    let Imported { bundle, notes, .. } = read("llama-blocks");
    // Of 23 matrices, one is in blocks that are not kept (Q5_1), and two are not in blocks.
    assert_eq!(bundle.blocks.len(), 20);
    assert!(notes.iter().any(|note| note.contains("in the file's blocks: 20 matrices")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("are kept as 32-bit numbers: 1")), "{notes:?}");
    assert_eq!(bundle.decoding.precision, WeightFormat::Blocks);

    let folder = tempfile::tempdir().unwrap();
    let [path, again] = ["model", "again"].map(|name| folder.path().join(name));
    bundle.save(&path).unwrap();
    let opened = Bundle::open(&path).unwrap();
    for precision in [None, Some(WeightFormat::Blocks)] {
        let (in_memory, in_file) = (error_of_blocks(&bundle, precision), error_of_blocks(&opened, precision));
        // Inputs are rounded to eight bits.
        assert!(in_memory > 0.0 && in_memory < 0.1, "{in_memory}");
        assert_eq!(in_memory, in_file);
    }
    let exact = error_of_blocks(&opened, Some(WeightFormat::F32));
    assert!(exact < 1e-4, "{exact}");

    // The values are those of the blocks, and a copy has the same bytes.
    let copy = Bundle::read(&path).unwrap();
    assert_eq!((&copy.params, &copy.blocks), (&bundle.params, &bundle.blocks));
    copy.save(&again).unwrap();
    let [bytes, copied] = [&path, &again].map(|folder| std::fs::read(folder.join("model.safetensors")).unwrap());
    assert!(bytes == copied && bytes.len() < 80_000, "{} bytes", bytes.len());
    // A matrix that is changed is a parameter as others are.
    let mut changed = bundle.clone();
    let mut matrix = changed.blocks.remove("embedding.weight").unwrap().to_host();
    matrix.values[0] += 1.0;
    changed.params.insert("embedding.weight".to_owned(), matrix);
    changed.save(folder.path().join("changed")).unwrap();
    let kept = Bundle::read(folder.path().join("changed")).unwrap();
    assert_eq!((&kept.params, &kept.blocks), (&changed.params, &changed.blocks));
    assert_eq!(error_of_blocks(&changed, None), error_of_blocks(&kept, None));
    // In another precision, all are numbers.
    let mut unpacked = bundle.clone();
    unpacked.decoding.precision = WeightFormat::F32;
    unpacked.save(folder.path().join("unpacked")).unwrap();
    unpacked.unpack();
    let read = Bundle::read(folder.path().join("unpacked")).unwrap();
    assert_eq!((&read.params, read.blocks.len(), read.params.len()), (&unpacked.params, 0, bundle.params.len() + 20));
    assert_eq!(error_of_blocks(&read, None), exact);

    let device = BackendKind::Flex.device().unwrap();
    let Err(error) = self::read("llama").bundle.text_model(&device, Some(WeightFormat::Blocks)) else {
        panic!("it has no blocks")
    };
    let error = error.to_string();
    assert!(error.contains("the weights are not in blocks"), "{error}");
}

#[test]
fn a_vocabulary_of_sentencepiece_gives_its_ids() {
    let Imported { bundle, notes, architecture, stored, .. } = read("sentencepiece");
    assert_eq!((architecture, stored), ("llama", vec!["F32".to_owned()]));
    assert_eq!(notes, [""; 0]);
    assert_eq!((bundle.generation.begin, bundle.generation.begin_id), (true, Some(1)));
    let tokenizer = bundle.tokenizer().unwrap();
    for case in golden().cases("gguf/sentencepiece.json") {
        let text = case["text"].as_str().unwrap();
        let ids: Vec<u32> = Deserialize::deserialize(&case["ids"]).unwrap();
        assert_eq!(tokenizer.encode(text), ids, "{text:?}");
        assert_eq!(tokenizer.decode(&ids).unwrap().trim_start(), text.trim_start());
    }
}

#[test]
fn a_file_has_its_chat_template() {
    let bundle = read("llama").bundle;
    let conversation = Conversation { messages: vec![Message::user("the street")], ..Conversation::default() };
    let text = bundle.chat.as_ref().unwrap().render(&conversation, false).unwrap();
    assert_eq!(text, "<s>the street</s>");
    assert!(read("qwen3").bundle.chat.is_none());
    let folder = tempfile::tempdir().unwrap();
    let notes = export_onnx(&bundle, Some(16), &folder.path().join("onnx")).unwrap();
    assert!(notes.contains(&"the chat template is left out".to_owned()), "{notes:?}");
    let damaged = with("llama", "{% endfor %}", "{% endxor %}").unwrap();
    assert!(damaged.bundle.chat.is_none());
    assert!(damaged.notes[0].contains("tokenizer.chat_template is left out"), "{:?}", damaged.notes);
}

#[test]
fn what_is_read_is_said() {
    assert_eq!(read("llama").notes, ["the vocabulary has 3 rows that no token has: they are never chosen"]);
}

/// A golden file with some texts of its metadata replaced by longer ones, by a multiple of 32 bytes in all: tensors begin at
/// such.
fn with_texts(name: &str, texts: &[(&str, &str)]) -> Result<Imported, InterchangeError> {
    let with_length = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let mut bytes = std::fs::read(golden().path(&format!("gguf/{name}.gguf"))).unwrap();
    let n_bytes = bytes.len();
    for &(from, to) in texts {
        let from = with_length(from);
        let at = bytes.windows(from.len()).position(|part| part == from).unwrap();
        bytes.splice(at..at + from.len(), with_length(to));
    }
    assert_eq!((bytes.len() - n_bytes) % 32, 0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    import(&path, &ImportConfig::default())
}

#[test]
fn a_text_of_llama_3_has_its_begin_token_where_the_file_does_not_say() {
    const KEY: &str = "tokenizer.ggml.add_bos_token";
    for (pre, begin_id) in [("llama-bpe", Some(1)), ("smollm", None)] {
        let other = format!("{KEY}{}", "x".repeat(32 + "gpt-2".len() - pre.len()));
        let bundle = with_texts("llama", &[("gpt-2", pre), (KEY, &*other)]).unwrap().bundle;
        assert_eq!((bundle.generation.begin, bundle.generation.begin_id), (begin_id.is_some(), begin_id), "{pre}");
    }
}

#[test]
fn what_a_file_does_not_say_is_what_llama_cpp_assumes() {
    let config = |imported: Imported| imported.bundle.model.spec::<GptConfig>().unwrap();
    let without_caps = config(with("gemma2", "logit_softcapping", "logit_xoftcapping").unwrap());
    assert_eq!((without_caps.attention_cap, without_caps.logit_cap), (Some(50.0), Some(30.0)));
    let without_window = config(with("gemma2", "sliding_window", "sliding_xindow").unwrap());
    assert_eq!((without_window.window, without_window.full_layers), (Some(4096), vec![1]));
}

#[test]
fn the_factor_of_cosines_is_followed_or_refused() {
    let key = |part: &str| format!("gemma3.rope.{part}");
    let (window_theta, factor) = (key("freq_base_swa"), key("scaling.attn_factor"));
    let other = format!("tokenizer.ggml.add_bos_token{}", "x".repeat(32 - (factor.len() - window_theta.len())));
    // 100, which is the base of the frequencies of windows.
    let texts = [(&*window_theta, &*factor), ("tokenizer.ggml.add_bos_token", &*other)];
    let error = with_texts("gemma3", &texts).expect_err("refused").to_string();
    assert!(error.contains("rope.scaling.attn_factor is 100"), "{error}");
    let other = format!("{other}xx");
    let texts = [texts[0], ("tokenizer.ggml.add_bos_token", &*other), ("linear", "yarn")];
    let config = with_texts("gemma3", &texts).unwrap().bundle.model.spec::<GptConfig>().unwrap();
    let PositionsConfig::Rotary(Rotary { scaling: Some(RotaryScaling::Yarn { amplitude, .. }), .. }) = config.positions
    else {
        panic!("{:?}", config.positions)
    };
    // llama.cpp multiplies it by what YaRN has (`rope_yarn` of ggml): 1 + 0.1 ln 8.
    assert!((amplitude - 100.0 * (1.0 + 0.1 * 8_f64.ln())).abs() < 1e-9, "{amplitude}");
}

/// A golden file with some of its bytes replaced by as many.
fn with(name: &str, from: &str, to: &str) -> Result<Imported, InterchangeError> {
    assert_eq!(from.len(), to.len());
    let bytes = std::fs::read(golden().path(&format!("gguf/{name}.gguf"))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let mut changed = bytes.clone();
    for at in (0..bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from.as_bytes())) {
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    assert_ne!(changed, bytes);
    std::fs::write(&path, changed).unwrap();
    import(&path, &ImportConfig::default())
}

#[test]
fn what_can_t_be_read_is_named() {
    for (name, from, to, expected) in [
        ("llama", "llama", "mamba", "model_type is \"mamba\""),
        ("llama", "gpt-2", "gpt-9", "rules called \"gpt-9\"; there are gpt-2"),
        ("llama", "tokenizer.ggml.model", "tokenizer.ggml.xodel", "tokenizer.ggml.model is missing"),
        ("llama", "llama.block_count", "llama.blork_count", "llama.block_count is missing"),
        ("llama", "blk.1.ffn_up", "blk.1.ffn_uq", "missing: blk.1.ffn_up.weight"),
        ("gemma3", "linear", "dynamo", "rope.scaling.type is \"dynamo\""),
        ("sentencepiece", "tokenizer.ggml.tokens", "tokenizer.ggml.tokenz", "tokenizer.ggml.tokens is missing"),
    ] {
        let error = with(name, from, to).expect_err("refused").to_string();
        assert!(error.contains(expected), "{name}, {to}: {error}");
    }
    let notes = with("llama", "llama.rope.freq_base", "llama.rope.freq_bose").unwrap().notes;
    assert!(notes[0].contains("not followed here: llama.rope.freq_bose"), "{notes:?}");
}
