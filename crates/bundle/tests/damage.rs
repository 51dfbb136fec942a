//! A model's folder with any of its files damaged: an error, or a model that can be used; never a panic.

use std::{fs, path::Path};

use attentive_backend::BackendKind;
use attentive_bundle::{
    Bundle, BundleError, DecodingConfig, Dense, DenseActivation, EmbeddingConfig, Processor, ScoreRecord, Translator,
};
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_testkit::survives;
use attentive_tokenizer::{BpeTrainer, Tokenizer};
use attentive_weights::{HostTensor, Tensors};
use serde_json::Value;

const PARTS: [&str; 4] = ["config.toml", "tokenizer.json", "model.safetensors", "training.json"];

fn bundle() -> Bundle {
    let tokenizer: Box<dyn Tokenizer> = Box::new(BpeTrainer::with_merges(5).train(["to be or not to be"]).unwrap());
    let config = TransformerConfig {
        d_model: 4,
        d_ff: 6,
        n_heads: 2,
        n_encoder_layers: 1,
        n_decoder_layers: 1,
        share_embeddings: false,
        ..TransformerConfig::base(tokenizer.vocab_size())
    };
    let params = attentive_weights::params(&config.init(&BackendKind::Flex.device().unwrap(), 1).unwrap());
    Bundle::new("", config, tokenizer, params)
}

/// Writes a bundle as one without sums.
fn save_without_sums(bundle: &Bundle, path: &Path) {
    bundle.replace(path).unwrap();
    let record = path.join("training.json");
    let mut content: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    content.as_object_mut().unwrap().remove("files").unwrap();
    fs::write(record, content.to_string()).unwrap();
}

/// Reads a folder and translates with what it holds.
fn translate(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let bundle = Bundle::read(path)?;
    let translator = Translator::from_bundle(&bundle, &BackendKind::Flex.device()?, None)?;
    translator.translate(&["to be", "or not"], &DecodingConfig { max_len_offset: 2, ..bundle.decoding })?;
    Ok(())
}

#[test]
fn a_damaged_bundle_without_sums_is_an_error_or_a_model_that_translates() {
    let folder = tempfile::tempdir().unwrap();
    save_without_sums(&bundle(), folder.path());
    translate(folder.path()).unwrap();
    for part in PARTS {
        let path = folder.path().join(part);
        let whole = fs::read(&path).unwrap();
        survives(&whole, 300, |damaged| {
            fs::write(&path, damaged).unwrap();
            let _ = translate(folder.path());
        });
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn a_changed_file_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    bundle().replace(folder.path()).unwrap();
    for part in &PARTS[..3] {
        let path = folder.path().join(part);
        let whole = fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        *damaged.last_mut().unwrap() ^= 1;
        fs::write(&path, damaged).unwrap();
        let error = Bundle::read(folder.path()).unwrap_err();
        assert!(matches!(&error, BundleError::Changed { path: found } if *found == path), "{error}");
        fs::remove_file(&path).unwrap();
        let error = Bundle::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        fs::write(&path, whole).unwrap();
    }
    translate(folder.path()).unwrap();
}

#[test]
fn an_opened_bundle_whose_weights_were_changed_never_makes_a_model() {
    let folder = tempfile::tempdir().unwrap();
    bundle().replace(folder.path()).unwrap();
    let path = folder.path().join("model.safetensors");
    let mut damaged = fs::read(&path).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&path, damaged).unwrap();
    let (bundle, device) = (Bundle::open(folder.path()).unwrap(), BackendKind::Flex.device().unwrap());
    let packed = || Translator::from_bundle(&bundle, &device, None).map(|_| ());
    let error = packed().unwrap_err();
    assert!(matches!(&error, BundleError::Changed { path: found } if *found == path), "{error}");
    for error in [packed().unwrap_err(), bundle.model::<TransformerConfig>(&device).map(|_| ()).unwrap_err()] {
        assert!(matches!(&error, BundleError::Damaged { path: found, .. } if *found == path), "{error}");
    }
}

#[test]
fn dense_layers_that_the_configuration_does_not_have_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dense = |value| Dense {
        weight: HostTensor { shape: vec![4, 4], values: vec![value; 16] },
        bias: HostTensor { shape: vec![4], values: vec![0.0; 4] },
    };
    let device = BackendKind::Flex.device().unwrap();
    Bundle { dense: vec![dense(1.0)], ..bundle() }.replace(folder.path()).unwrap();
    let (all, stored) = (Bundle::read(folder.path()).unwrap(), Bundle::open(folder.path()).unwrap());
    let on_tensors =
        [all.model::<TransformerConfig>(&device).map(|_| ()), stored.model::<TransformerConfig>(&device).map(|_| ())];
    let packed = [Translator::from_bundle(&all, &device, None), Translator::from_bundle(&stored, &device, None)];
    for made in on_tensors.into_iter().chain(packed.map(|made| made.map(|_| ()))) {
        let error = made.unwrap_err();
        let says = error.to_string();
        assert!(matches!(error, BundleError::Damaged { .. }) && says.contains("embedding.dense.0.bias"), "{says}");
    }

    let embedding = EmbeddingConfig { dense: vec![DenseActivation::Tanh], ..EmbeddingConfig::default() };
    Bundle { dense: vec![dense(f32::NAN)], embedding, ..bundle() }.replace(folder.path()).unwrap();
    for error in [Bundle::read(folder.path()).unwrap_err(), Bundle::open(folder.path()).unwrap_err()] {
        let says = error.to_string();
        assert!(matches!(error, BundleError::Damaged { .. }) && says.contains("embedding.dense.0.weight"), "{says}");
    }
}

#[test]
fn a_record_or_a_configuration_that_is_written_alone_keeps_the_sums() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    bundle().save(&path).unwrap();
    let config = fs::read_to_string(path.join("config.toml")).unwrap() + "[training]\nsteps = 7\n";
    Bundle::write_config(&path, &config).unwrap();
    let read = Bundle::read(&path).unwrap();
    assert_eq!(read.recipe["training"]["steps"].as_integer(), Some(7));
    Bundle::write_record(&path, &read.record).unwrap();
    fs::write(path.join("tokenizer.json"), "{}").unwrap();
    assert!(matches!(Bundle::read(&path), Err(BundleError::Changed { .. })), "the sums are still there");
    // Without them, a change would go unseen.
    fs::write(path.join("training.json"), "{").unwrap();
    assert!(matches!(Bundle::write_record(&path, &read.record), Err(BundleError::Damaged { .. })));
    assert_eq!(fs::read_to_string(path.join("training.json")).unwrap(), "{");
}

#[test]
fn a_record_that_others_made_does_not_command_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let scored = ScoreRecord::new("test\r", "bleu\u{9b}2J", 1.0, "\u{1b}]0;title\u{7}ä");
    let mut bundle = bundle();
    bundle.record.backend = "\u{1b}[31mflex\n".into();
    bundle.record.scores = vec![scored];
    bundle.replace(folder.path()).unwrap();
    let read = Bundle::read(folder.path()).unwrap().record;
    assert_eq!(read.backend, "\\u{1b}[31mflex\\n");
    assert_eq!(read.scores[0], ScoreRecord::new("test\\r", "bleu\\u{9b}2J", 1.0, "\\u{1b}]0;title\\u{7}ä"));
}

#[test]
fn a_record_without_an_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    bundle().save(&path).unwrap();
    let record = path.join("training.json");
    let json = fs::read_to_string(&record).unwrap();
    fs::write(&record, format!("{json}{}", " ".repeat((1 << 24) - json.len()))).unwrap();
    assert!(Bundle::read(&path).is_ok());
    fs::write(&record, format!("{json}{}", " ".repeat((1 << 24) - json.len() + 1))).unwrap();
    let error = Bundle::read(&path).unwrap_err().to_string();
    assert!(error.contains("training.json: it is longer than any record"), "{error}");
    // Nor is one written that could not be read.
    fs::write(&record, &json).unwrap();
    let mut long = Bundle::read(&path).unwrap().record;
    long.backend = "x".repeat(1 << 24);
    let error = Bundle::write_record(&path, &long).unwrap_err().to_string();
    assert!(error.contains("training.json: it is longer than any record"), "{error}");
    assert_eq!(fs::read_to_string(&record).unwrap(), json);
}

#[test]
fn values_that_are_not_finite_are_refused_by_the_parameter_s_name() {
    let folder = tempfile::tempdir().unwrap();
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut bundle = bundle();
        bundle.params.get_mut("decoder.layers.0.feed_forward.inner.weight").unwrap().values[3] = value;
        bundle.replace(folder.path()).unwrap();
        let error = Bundle::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("decoder.layers.0.feed_forward.inner.weight") && error.contains("value 3"), "{error}");
    }
}

#[test]
fn settings_beyond_any_use_are_refused_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    save_without_sums(&bundle(), folder.path());
    let path = folder.path().join("config.toml");
    let whole = fs::read_to_string(&path).unwrap();
    for (setting, changed, says) in [
        ("d_ff = 6", "d_ff = 131072", "holds"),
        ("d_ff = 6", "d_ff = 131073", "at most 131072"),
        ("d_ff = 6", "d_ff = 99999999999", "at most"),
        ("beam = 4", "beam = 4294967295", "decoding.beam"),
        ("beam = 4", "beam = 0", "decoding.beam"),
        ("max_len_offset = 50", "max_len_offset = 9223372036854775807", "decoding.max_len_offset"),
        ("batch_tokens = 2048", "batch_tokens = 9223372036854775807", "decoding.batch_tokens"),
        ("max_tokens = 200", "max_tokens = 9223372036854775807", "generation.max_tokens"),
        ("top_p = 1.0", "top_p = 0.0", "generation.sampling.top_p"),
        ("source_vocab_size", "target_vocab_size = 1\nsource_vocab_size", "duplicate"),
    ] {
        assert!(whole.contains(setting), "{setting}");
        fs::write(&path, whole.replace(setting, changed)).unwrap();
        let error = Bundle::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("config.toml") && error.contains(says), "{changed}: {error}");
    }
}

#[test]
fn settings_without_end_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    save_without_sums(&bundle(), folder.path());
    let path = folder.path().join("config.toml");
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{}\n{whole}", "#".repeat(1 << 19))).unwrap();
    assert!(Bundle::read(folder.path()).is_ok());
    fs::write(&path, format!("{}\n{whole}", "#".repeat(1 << 20))).unwrap();
    let error = Bundle::read(folder.path()).unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(format!("{error} {cause}").contains("at most 1048576 bytes"), "{error}");
}

#[test]
fn tables_that_are_smaller_than_the_vocabulary_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let all = bundle();
    let config = all.spec::<TransformerConfig>().unwrap();
    let device = BackendKind::Flex.device().unwrap();
    for (config, says) in [
        (TransformerConfig { source_vocab_size: config.source_vocab_size - 1, ..config.clone() }, "for sources"),
        (TransformerConfig { target_vocab_size: config.target_vocab_size - 1, ..config.clone() }, "do not belong"),
    ] {
        let params = attentive_weights::params(&config.init(&device, 1).unwrap());
        Bundle { model: config.into(), params, ..all.clone() }.replace(folder.path()).unwrap();
        let error = Bundle::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("tokenizer.json") && error.contains(says), "{error}");
    }
}

#[test]
fn a_folder_is_written_as_one_and_gives_way_only_where_it_is_a_model_and_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("models/small");
    bundle().save(&path).unwrap();
    assert!(matches!(bundle().save(&path).unwrap_err(), BundleError::Exists { .. }));

    let other = Bundle { params: zeros(bundle().params), ..bundle() };
    other.replace(&path).unwrap();
    assert_eq!(Bundle::read(&path).unwrap().params, other.params);
    let beside: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside, ["small"], "nothing is left beside it");

    fs::create_dir(path.join("checkpoints")).unwrap();
    let error = other.replace(&path).unwrap_err();
    assert!(matches!(&error, BundleError::NotAModel { other, .. } if other == "checkpoints"), "{error}");
    assert_eq!(Bundle::read(&path).unwrap().params, other.params);
}

#[test]
fn a_model_that_an_interrupted_exchange_set_aside_is_brought_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small");
    bundle().save(&path).unwrap();
    fs::rename(&path, folder.path().join(".small.old")).unwrap();
    let other = Bundle { params: zeros(bundle().params), ..bundle() };
    assert!(matches!(other.save(&path).unwrap_err(), BundleError::Exists { .. }));
    assert_eq!(Bundle::read(&path).unwrap().params, bundle().params);
}

fn zeros(mut params: Tensors) -> Tensors {
    params.values_mut().for_each(|tensor| tensor.values.fill(0.0));
    params
}

#[test]
fn a_model_without_a_tokenizer_is_read_and_says_so_where_text_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw");
    Bundle { processor: Processor::None, ..bundle() }.save(&path).unwrap();
    let read = Bundle::read(&path).unwrap();
    read.model::<TransformerConfig>(&BackendKind::Flex.device().unwrap()).unwrap();
    let error = read.tokenizer().err().unwrap().to_string();
    assert!(error.contains("without a tokenizer"), "{error}");
}

#[test]
fn a_recipe_s_other_tables_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut with_recipe = bundle();
    with_recipe.recipe = "name = \"small\"\n[training]\nsteps = 3\n".parse().unwrap();
    let path = folder.path().join("a");
    with_recipe.save(&path).unwrap();
    let read = Bundle::read(&path).unwrap();
    assert_eq!((&read.recipe, &read.model), (&with_recipe.recipe, &with_recipe.model));
}

#[test]
fn weights_that_are_written_over_make_no_second_model() {
    let folder = tempfile::tempdir().unwrap();
    bundle().replace(folder.path()).unwrap();
    let path = folder.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    let (opened, device) = (Bundle::open(folder.path()).unwrap(), BackendKind::Flex.device().unwrap());
    let make = || Translator::from_bundle(&opened, &device, None).map(drop);
    make().unwrap();
    // Another file in its place leaves the one that is open as it is.
    fs::rename(&path, folder.path().join("before")).unwrap();
    fs::write(&path, &whole[..9]).unwrap();
    make().unwrap();
    fs::rename(folder.path().join("before"), &path).unwrap();
    fs::write(&path, &whole).unwrap();
    // Clocks of file systems are coarse.
    fs::File::options().write(true).open(&path).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let error = make().unwrap_err();
    assert!(matches!(&error, BundleError::Damaged { path: found, .. } if *found == path), "{error}");
}
