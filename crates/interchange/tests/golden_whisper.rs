//! Whisper in and out against transformers (`tests/golden/generate_whisper.py`).

use std::{fs, path::Path, sync::Arc};

use attentive_backend::{BackendKind, Device};
use attentive_bundle::{
    Bundle, Processor, RecognizerModel, SpeechProcessor, SpeechTask, SpeechTokens, Transcriber, TranscriptionConfig,
};
use attentive_core::{NextToken, Spectrograms, SpeechBatch, SpeechRecognizer, TokenMatrix};
use attentive_interchange::{ExportConfig, Format, ImportConfig, InterchangeError, export};
use attentive_model::{SpeechModel, WhisperConfig};
use attentive_testkit::{Area, Comparison, Golden, largest_error, named};
use attentive_tokenizer::{ByteLevelBpeTrainer, Characters, Tokenizer, WordPieceTrainer};
use serde::Deserialize;
use serde_json::{Value, json};

/// How far a logit may be from transformers'.
const ALLOWED: f64 = 1e-4;
const BACKENDS: [BackendKind; 2] = [BackendKind::Flex, BackendKind::NdArray];

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

fn comparison(what: impl Into<String>, allowed: f64) -> Comparison {
    Comparison::new(Area::Weights, what, format!("transformers {}", golden().version("transformers")), allowed)
}

fn import(folder: &Path) -> Result<Bundle, InterchangeError> {
    attentive_interchange::import(folder, &ImportConfig::default()).map(|imported| imported.bundle)
}

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

fn transcriber() -> Transcriber<RecognizerModel> {
    Transcriber::from_bundle(&import(&golden().path("whisper")).unwrap(), &device(), None).unwrap()
}

fn field<T: for<'de> Deserialize<'de>>(case: &Value, name: &str) -> T {
    T::deserialize(&case[name]).unwrap()
}

/// The generator's sound.
fn sound((name, n): &(String, usize)) -> Vec<f32> {
    let sample = |(at, noise): (usize, f32)| noise * 0.5_f32.powi((at / 4000 % 5) as i32);
    named(name, *n).into_iter().enumerate().map(sample).collect()
}

/// The spectrograms of a case's sounds.
fn spectrograms(case: &Value, transcriber: &Transcriber<RecognizerModel>) -> Spectrograms {
    let sounds: Vec<(String, usize)> = field(case, "sounds");
    let log_mel = transcriber.log_mel();
    let values = sounds.iter().flat_map(|of| log_mel.window(&sound(of))).collect();
    Spectrograms::new(values, [log_mel.config().n_frames(), log_mel.config().n_mels])
}

#[test]
fn a_whisper_that_is_read_gives_the_logits_of_transformers() {
    let case = &golden().cases("whisper/logits.json")[0];
    let target: Vec<Vec<u32>> = field(case, "target");
    let rows: Vec<Vec<u32>> = target.iter().map(|row| [&row[..], &[0]].concat()).collect();
    let batch = SpeechBatch {
        sound: spectrograms(case, &transcriber()),
        target: TokenMatrix::from_rows(&rows, 0, 0),
        n_prompt: 1,
        indices: vec![0, 1],
    };
    let expected = Golden::tensor(case, "logits");
    for kind in BACKENDS {
        let mut comparison = comparison(format!("logits of a Whisper read, {kind}"), ALLOWED);
        let bundle = import(&golden().path("whisper")).unwrap();
        let model = bundle.model::<WhisperConfig>(&kind.device().unwrap()).unwrap();
        let hidden = model.teacher_forced(&batch, None);
        let last = model.logits(hidden.narrow(1, target[0].len() - 2, 2));
        let found: Vec<f32> = last.into_data().try_into_vec().unwrap();
        comparison.case("logits", largest_error(&found, &expected));
        comparison.report();
    }
    // The engine gives log-probabilities, of the last two tokens as above.
    let vocab = expected.len() / (2 * target.len());
    let model = import(&golden().path("whisper")).unwrap().recognizer_model(&device(), None).unwrap();
    let mut state = model.listen(&batch.sound);
    let mut comparison = comparison("log-probabilities of a Whisper read, packed weights", ALLOWED);
    let n = target[0].len() - 1;
    let parts =
        [0..n, n..n + 1].map(|part| target.iter().flat_map(|row| &row[part.clone()]).copied().collect::<Vec<_>>());
    for (at, tokens) in parts.iter().enumerate() {
        let found = model.log_probs(tokens, &mut state).unwrap();
        for (row, found) in found.chunks(vocab).enumerate() {
            let logits = &expected[(2 * row + at) * vocab..][..vocab];
            let total = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
            let expected: Vec<f64> = logits.iter().map(|logit| logit - total).collect();
            comparison.case(format!("row {row}, token {at}"), largest_error(found, &expected));
        }
    }
    comparison.report();
}

/// Tokens of the first window, of all that transformers gives as one, that belong to whole sentences.
const N_OF_FIRST: usize = 7;

/// The settings of a case, without temperatures above 0.
fn settings(case: &Value) -> TranscriptionConfig {
    let settings = &case["settings"];
    TranscriptionConfig {
        language: Some("de".to_owned()),
        temperatures: vec![0.0],
        reads_previous: settings["condition_on_prev_tokens"].as_bool().unwrap_or(false),
        min_log_prob: settings["logprob_threshold"].as_f64().unwrap_or(f64::NEG_INFINITY),
        max_no_speech: settings["no_speech_threshold"].as_f64().unwrap_or(1.0),
        ..TranscriptionConfig::default()
    }
}

#[test]
fn what_is_written_of_a_window_is_what_transformers_writes() {
    let transcriber = transcriber();
    let case = &golden().cases("whisper/logits.json")[0];
    let sounds: Vec<(String, usize)> = field(case, "sounds");
    let mut comparison = comparison("greedy search with a Whisper read", 0.0);
    for (name, language, task, times) in [
        ("plain", "de", SpeechTask::Transcribe, false),
        ("translated", "en", SpeechTask::Translate, false),
        ("timed", "de", SpeechTask::Transcribe, true),
    ] {
        let config = TranscriptionConfig {
            language: Some(language.to_owned()),
            task,
            times,
            ..settings(&json!({ "settings": {} }))
        };
        let expected: Vec<Vec<u32>> = field(&case["generated"], name);
        for (of, expected) in sounds.iter().zip(expected) {
            // Rows are filled with ends, and times may lead to a second window.
            let mut found: Vec<u32> = transcriber
                .segments(&sound(of), &config)
                .unwrap()
                .flat_map(|segment| segment.unwrap().tokens)
                .collect();
            let n = found.len().min(if times { N_OF_FIRST } else { usize::MAX });
            found.truncate(n);
            comparison.equal(format!("{name}, {of:?}"), &found, &expected[..n].to_vec());
            assert!(n >= N_OF_FIRST && (times || expected[n..].iter().all(|&id| id == transcriber.tokens().end)));
        }
    }
    comparison.report();
}

#[test]
fn long_recordings_have_the_segments_of_transformers() {
    let transcriber = transcriber();
    let mut comparison = comparison("segments of long recordings by a Whisper read", 0.0);
    for case in golden().cases("whisper/long.json") {
        let (of, until): ((String, usize), f64) = (field(&case, "sound"), field(&case, "until"));
        let config = settings(&case);
        let found = transcriber.transcribe(&sound(&of), &config).unwrap();
        assert_eq!(found.language.as_deref(), Some("de"));
        let found = found.segments.into_iter().filter(|segment| segment.start < until - 1e-6);
        let thousandths = |seconds: f64| (seconds * 1000.0).round() as i64;
        let found: Vec<_> =
            found.map(|segment| (thousandths(segment.start), thousandths(segment.end), segment.tokens)).collect();
        let first_time = transcriber.tokens().first_time.unwrap();
        let expected: Vec<_> = field::<Vec<Value>>(&case, "segments")
            .iter()
            .map(|segment| {
                let mut tokens: Vec<u32> = field(segment, "tokens");
                // There the last one of a window keeps the first time of what is heard again.
                if tokens.len() > 2 && tokens[tokens.len() - 2] >= first_time {
                    tokens.pop();
                }
                let seconds = |key| thousandths(segment[key].as_f64().unwrap());
                (seconds("start"), seconds("end"), tokens)
            })
            .collect();
        comparison.equal(format!("{of:?}, {}", case["settings"]), &found, &expected);
    }
    comparison.report();
}

#[test]
fn a_model_of_one_language_tells_whether_anybody_speaks() {
    let imported = with_settings("generation_config.json", &json!({ "is_multilingual": false })).unwrap();
    let transcriber = Transcriber::from_bundle(&imported.bundle, &device(), None).unwrap();
    let tokens = transcriber.tokens();
    assert_eq!(tokens.prompt(None, SpeechTask::Transcribe, true).unwrap(), [tokens.start]);
    let of = ("first".to_owned(), 8000);
    let config = TranscriptionConfig { language: None, ..settings(&json!({ "settings": {} })) };
    let found = transcriber.transcribe(&sound(&of), &config).unwrap();
    let window = transcriber.log_mel().window(&sound(&of));
    let sizes = [transcriber.log_mel().config().n_frames(), transcriber.log_mel().config().n_mels];
    let model = imported.bundle.recognizer_model(&device(), None).unwrap();
    let mut state = model.listen(&Spectrograms::new(window, sizes));
    let log_probs = model.log_probs(&[tokens.start], &mut state).unwrap();
    let expected = f64::from(log_probs[tokens.no_speech.unwrap() as usize]).exp();
    let first = found.segments[0].no_speech.expect("a probability that nobody speaks");
    assert!((first - expected).abs() < 1e-3, "{first} is not {expected}");
    // Where it is above what is allowed, a text that is not probable is left out.
    let strict = TranscriptionConfig { min_log_prob: 0.0, max_no_speech: 0.0, ..config };
    assert!(transcriber.transcribe(&sound(&of), &strict).unwrap().segments.is_empty());
}

#[test]
fn the_language_that_is_heard_is_that_of_transformers() {
    let transcriber = transcriber();
    let case = &golden().cases("whisper/logits.json")[0];
    let (sounds, expected): (Vec<(String, usize)>, Vec<u32>) = (field(case, "sounds"), field(case, "detected"));
    for (of, expected) in sounds.iter().zip(expected) {
        let config = TranscriptionConfig { language: None, temperatures: vec![0.0], ..TranscriptionConfig::default() };
        let language = transcriber.transcribe(&sound(of), &config).unwrap().language.unwrap();
        assert_eq!(transcriber.tokens().languages[&language], expected);
    }
}

#[test]
fn whisper_s_tokens_are_those_of_transformers() {
    let bundle = import(&golden().path("whisper")).unwrap();
    let tokenizer = bundle.tokenizer().unwrap();
    let case = &golden().cases("whisper/tokens.json")[0];
    let mut comparison = Comparison::new(
        Area::Tokenizers,
        "ids of Whisper's tokenizer",
        format!("transformers {}", golden().version("transformers")),
        0.0,
    );
    let rows: Vec<Vec<u32>> = field(case, "ids");
    for ((text, ids), decoded) in
        field::<Vec<String>>(case, "texts").iter().zip(&rows).zip(field::<Vec<String>>(case, "decoded"))
    {
        comparison.equal(text, &tokenizer.encode(text), ids);
        comparison.equal(text, &tokenizer.decode(ids).unwrap(), &decoded);
    }
    comparison.report();
}

#[test]
fn a_whisper_is_written_as_it_was_read() {
    let original = golden().path("whisper");
    let out = tempfile::tempdir().unwrap();
    let bundle = import(&original).unwrap();
    assert_eq!(export(&bundle, Format::Whisper, &ExportConfig::default(), out.path()).unwrap(), [""; 0]);
    let read = |folder: &Path| attentive_weights::read(&folder.join("model.safetensors")).unwrap();
    let mut comparison = comparison("weights of a Whisper written", 1e-6);
    let (written, expected) = (read(out.path()), read(&original));
    assert_eq!(written.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, tensor) in &expected {
        assert_eq!(written[name].shape, tensor.shape, "{name}");
        let largest = largest_error(&written[name].values, &tensor.values);
        // The sinusoids are made again.
        assert!(largest == 0.0 || name.contains("encoder.embed_positions"), "{name}");
        comparison.case(name, largest);
    }
    comparison.report();
    let json =
        |folder: &Path, name: &str| serde_json::from_slice::<Value>(&fs::read(folder.join(name)).unwrap()).unwrap();
    for name in ["config.json", "generation_config.json"] {
        let (written, expected) = (json(out.path(), name), json(&original, name));
        for (key, value) in written.as_object().unwrap() {
            assert_eq!(*value, expected[key], "{name}: {key}");
        }
    }
    let again = import(out.path()).unwrap();
    assert_eq!((&again.params, &again.model), (&bundle.params, &bundle.model));
    assert_eq!(again.processor.speech(), bundle.processor.speech());
    // A model's folder of our own holds the same.
    let saved = out.path().join("saved");
    bundle.save(&saved).unwrap();
    let again = Bundle::read(&saved).unwrap();
    assert_eq!(again.processor.speech(), bundle.processor.speech());
    assert_eq!(again.tokenizer().unwrap().encode("the animal"), bundle.tokenizer().unwrap().encode("the animal"));
}

/// A recogniser that is trained here has a vocabulary of ours, in which no token is called as Whisper's.
#[test]
fn a_whisper_with_a_vocabulary_of_ours_is_read_as_it_was_written() {
    let texts = ["the animal was too tired", "the street was too wide"];
    let words = WordPieceTrainer::with_vocab_size(60).train(texts).unwrap();
    let tokenizers: [(Arc<dyn Tokenizer>, &str); 3] = [
        (Arc::new(Characters::train(texts).framed()), "vocab.json"),
        (Arc::new(ByteLevelBpeTrainer::with_vocab_size(280).train(texts).unwrap()), "tokenizer.json"),
        (Arc::new(words), "tokenizer.json"),
    ];
    for (tokenizer, file) in tokenizers {
        let mut bundle = import(&golden().path("whisper")).unwrap();
        let (features, tokens) =
            (bundle.processor.speech().unwrap().features.clone(), SpeechTokens::of(&*tokenizer).unwrap());
        bundle.processor = Processor::Speech(Box::new(SpeechProcessor { features, tokens }), Arc::clone(&tokenizer));
        let out = tempfile::tempdir().unwrap();
        let notes = export(&bundle, Format::Whisper, &ExportConfig::default(), out.path()).unwrap();
        assert_eq!(notes.iter().any(|note| note.contains("import the folder again")), file == "vocab.json");
        assert!(out.path().join(file).is_file(), "{file}");
        let again = import(out.path()).unwrap();
        assert_eq!((&again.params, &again.model), (&bundle.params, &bundle.model));
        assert_eq!(again.processor.speech(), bundle.processor.speech());
        let found = again.tokenizer().unwrap();
        assert_eq!((found.specials(), found.vocab_size()), (tokenizer.specials(), tokenizer.vocab_size()));
        for text in texts {
            let ids = tokenizer.encode(text);
            assert_eq!(found.encode(text), ids);
            assert_eq!(found.decode(&ids).unwrap(), tokenizer.decode(&ids).unwrap());
        }
    }
}

/// `generate` of transformers begins with `decoder_start_token_id`, whatever the vocabulary calls it.
#[test]
fn a_transcription_begins_as_the_settings_say() {
    let start = |settings: &Value| {
        let imported = with_settings("generation_config.json", settings);
        imported.map(|imported| imported.bundle.processor.speech().unwrap().tokens.start)
    };
    assert_eq!(start(&json!({ "decoder_start_token_id": 265 })).unwrap(), 265);
    assert_eq!(start(&json!({ "decoder_start_token_id": null })).unwrap(), 264); // <|startoftranscript|>
    for odd in [json!({ "decoder_start_token_id": 9999 }), json!({ "suppress_tokens": [9999] })] {
        says(start(&odd), &["generation_config.json", "9999 is beyond the model's"]);
    }
}

/// CTranslate2's converter reads the folder with code of its own.
#[test]
fn a_whisper_of_ctranslate2_is_the_same_model() {
    let (original, converted) = (import(&golden().path("whisper")).unwrap(), golden().path("ctranslate2-whisper"));
    let converted = attentive_interchange::import(&converted, &ImportConfig::default()).unwrap();
    assert_eq!((converted.architecture, &converted.notes[..]), ("WhisperSpec", &[][..] as &[String]));
    let mut comparison = comparison("weights of a Whisper of CTranslate2", 0.0);
    for (name, tensor) in &original.params {
        comparison.equal(name, &converted.bundle.params[name], tensor);
    }
    comparison.report();
    assert_eq!(converted.bundle.params.len(), original.params.len());
    let [found, expected] = [&converted.bundle, &original].map(|bundle| bundle.processor.speech().unwrap());
    assert_eq!(found.features, expected.features);
    assert_eq!(found.tokens.suppressed, expected.tokens.suppressed);
    assert_eq!(found.tokens.first_time, expected.tokens.first_time);
}

/// A copy of the folder, with other settings in one of its files.
fn with_settings(file: &str, settings: &Value) -> Result<attentive_interchange::Imported, InterchangeError> {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden().path("whisper")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = copy.path().join(file);
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let table = if file == "processor_config.json" { &mut config["feature_extractor"] } else { &mut config };
    table.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    fs::write(&path, config.to_string()).unwrap();
    attentive_interchange::import(copy.path(), &ImportConfig::default())
}

#[track_caller]
fn says<T>(result: Result<T, InterchangeError>, parts: &[&str]) {
    let message = result.err().expect("an error").to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is missing in {message}");
    }
}

#[test]
fn settings_that_are_not_followed_are_named() {
    let odd = json!({ "scale_embedding": true, "encoder_ffn_dim": 13, "activation_function": "cosine" });
    says(with_settings("config.json", &odd), &["scale_embedding", "encoder_ffn_dim is 13", "cosine"]);
    says(with_settings("processor_config.json", &json!({ "feature_size": 11 })), &["[100, 10]", "[100, 11]"]);
    says(
        with_settings("processor_config.json", &json!({ "sampling_rate": 8000, "hop_length": 80 })),
        &["16000 is the least"],
    );
    let noted = with_settings("processor_config.json", &json!({ "dither": 0.5 })).unwrap();
    assert!(noted.notes.iter().any(|note| note.contains("dither = 0.5")), "{:?}", noted.notes);
    let noted = with_settings("generation_config.json", &json!({ "language": "german", "num_beams": 3 })).unwrap();
    assert!(noted.notes.iter().any(|note| note.contains("\"german\"")), "{:?}", noted.notes);
    assert!(noted.notes.iter().any(|note| note.contains("num_beams = 3")), "{:?}", noted.notes);
    let usual =
        with_settings("generation_config.json", &json!({ "forced_decoder_ids": [[1, 266], [2, 268]] })).unwrap();
    assert_eq!(usual.bundle.processor.speech().unwrap().tokens.usual_language.as_deref(), Some("de"));
    assert_eq!(usual.notes, [""; 0]);
    // Which counts for nothing beside generation_config.json.
    let of_model = with_settings("config.json", &json!({ "num_beams": 5 })).unwrap();
    assert_eq!(of_model.notes, ["config.json: not followed here: num_beams = 5"]);
    let others = json!({ "forced_decoder_ids": [[1, 266], [2, 267]], "max_length": 9 });
    let expected = [
        "not followed here: forced_decoder_ids say <|translate|>; ask for it",
        "generation_config.json: not followed here: max_length = 9",
    ];
    assert_eq!(with_settings("generation_config.json", &others).unwrap().notes, expected);
}

/// As transformers' `_retrieve_init_tokens` takes them.
#[test]
fn forced_ids_are_a_language_where_nothing_is_named() {
    let read = |file: &str, settings: &Value| {
        let imported = with_settings(file, settings).unwrap();
        (imported.bundle.processor.speech().unwrap().tokens.usual_language.clone(), imported.notes)
    };
    let usual = |language: &str| (Some(language.to_owned()), Vec::<String>::new());
    let file = "generation_config.json";
    let german = json!([[1, 266], [2, 268], [3, 272]]);
    assert_eq!(read(file, &json!({ "forced_decoder_ids": german })), usual("de"));
    // config.json is asked where this file has none.
    assert_eq!(read("config.json", &json!({ "forced_decoder_ids": german })), usual("de"));
    assert_eq!(read(file, &json!({ "forced_decoder_ids": [[1, null], [2, 268]] })), (None, vec![]));
    // A task or a language that is named counts alone.
    let ids = json!([[1, 266], [2, 267]]);
    assert_eq!(read(file, &json!({ "forced_decoder_ids": ids, "task": "transcribe" })), (None, vec![]));
    assert_eq!(read(file, &json!({ "forced_decoder_ids": ids, "language": "<|en|>" })), usual("en"));
    // A model of one language, which is forced to write no times.
    assert_eq!(read(file, &json!({ "forced_decoder_ids": [[1, 272]], "is_multilingual": false })), (None, vec![]));
    let (_, notes) = read(file, &json!({ "forced_decoder_ids": [[1, 265], [2, 266]] }));
    assert_eq!(notes, ["not followed here: forced_decoder_ids say <|de|> at 2"]);
}

#[test]
fn what_a_model_is_not_told_is_named() {
    let transcriber = transcriber();
    let config = TranscriptionConfig { language: Some("fr".to_owned()), ..TranscriptionConfig::default() };
    let error = transcriber.segments(&[0.0; 100], &config).unwrap_err().to_string();
    assert!(error.contains("\"fr\"") && error.contains("de, en"), "{error}");
    let prompt = TranscriptionConfig { prompt: Some("the ".repeat(40)), ..settings(&json!({ "settings": {} })) };
    // Half of the positions are left for what is to be written.
    assert!(transcriber.transcribe(&[0.0; 100], &prompt).unwrap().segments.len() <= 1);
}
