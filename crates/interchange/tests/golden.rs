//! Models in and out against transformers and CTranslate2 (`tests/golden/generate.py`).

use std::{borrow::Cow, fs, ops::Range, path::Path, sync::Arc};

use attentive_attention::{Activation, Mask, NormPlacement};
use attentive_backend::{BackendKind, Device};
use attentive_bundle::{Bundle, Processor, Shortlist};
use attentive_core::{EncoderDecoder, NextToken, TokenMatrix};
use attentive_decode::{DecodeRequest, Rules, greedy};
use attentive_interchange::{ExportConfig, Format, ImportConfig, InterchangeError, Quantization, export};
use attentive_model::{GptConfig, ModelSpec, Transformer, TransformerConfig};
use attentive_testkit::{Area, Comparison, Golden, largest_error, named};
use attentive_tokenizer::{Specials, TokenId, Tokenizer, UnknownId};
use attentive_weights::{HostTensor, Tensors, param_shapes};
use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax};
use serde::Deserialize;
use serde_json::Value;

fn import(folder: &Path) -> Result<Bundle, InterchangeError> {
    attentive_interchange::import(folder, &ImportConfig::default()).map(|imported| imported.bundle)
}

/// How far a logit or log-probability may be from the other system's.
const ALLOWED: f64 = 1e-4;
const BACKENDS: [BackendKind; 2] = [BackendKind::Flex, BackendKind::NdArray];

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

fn comparison(what: impl Into<String>, system: &str, package: &str, allowed: f64) -> Comparison {
    Comparison::new(Area::Weights, what, format!("{system} {}", golden().version(package)), allowed)
}

fn field<T: for<'de> Deserialize<'de>>(case: &Value, name: &str) -> T {
    T::deserialize(&case[name]).unwrap()
}

fn ids(rows: &[Vec<u32>], device: &Device) -> Tensor<2, Int> {
    let shape = [rows.len(), rows[0].len()];
    let ids: Vec<i64> = rows.iter().flatten().map(|&id| i64::from(id)).collect();
    Tensor::from_data(TensorData::new(ids, shape), device)
}

/// The scores after each token of `target`, whose rows are equally long.
fn logits(model: &Transformer, source: &[Vec<u32>], target: &[Vec<u32>], device: &Device) -> Tensor<3> {
    let source = TokenMatrix::from_rows(source, 0, 0);
    let mask = Mask::padding(source.lengths(), source.n_cols(), device);
    let rows: Vec<Vec<u32>> = source.ids().chunks(source.n_cols()).map(<[u32]>::to_vec).collect();
    let memory = model.encode(ids(&rows, device), &mask, None);
    model.logits(model.decode(ids(target, device), &memory, &mask, None))
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

const SEQ2SEQ: [(&str, Format); 3] =
    [("marian", Format::Marian), ("marian-separate", Format::Marian), ("pegasus", Format::Pegasus)];
const ALL: [(&str, Format); 4] = [SEQ2SEQ[0], SEQ2SEQ[1], SEQ2SEQ[2], ("gpt2", Format::Gpt2)];

#[test]
fn models_that_are_read_give_the_logits_of_transformers() {
    for (name, kind) in SEQ2SEQ.iter().flat_map(|(name, _)| BACKENDS.map(|kind| (name, kind))) {
        let what = format!("logits of a {name} model read, {kind}");
        let mut comparison = comparison(what, "transformers", "transformers", ALLOWED);
        let device = kind.device().unwrap();
        let model = import(&golden().path(name)).unwrap().model::<TransformerConfig>(&device).unwrap();
        for case in golden().cases(&format!("{name}/logits.json")) {
            let logits = logits(&model, &field::<Vec<_>>(&case, "source"), &field::<Vec<_>>(&case, "target"), &device);
            comparison.case("logits", largest_error(&values(logits), &Golden::tensor(&case, "logits")));
        }
        comparison.report();
    }
}

#[test]
fn gpt_2_gives_the_logits_of_transformers() {
    for kind in BACKENDS {
        let what = format!("logits of a GPT-2 read, {kind}");
        let mut comparison = comparison(what, "transformers", "transformers", ALLOWED);
        let device = kind.device().unwrap();
        let model = import(&golden().path("gpt2")).unwrap().model::<GptConfig>(&device).unwrap();
        for case in golden().cases("gpt2/logits.json") {
            let logits = model.logits(model.forward(ids(&field::<Vec<_>>(&case, "ids"), &device), None));
            comparison.case("logits", largest_error(&values(logits), &Golden::tensor(&case, "logits")));
        }
        comparison.report();
    }
}

#[test]
fn the_engine_gives_the_log_probabilities_of_transformers() {
    let device = BackendKind::Flex.device().unwrap();
    for (name, _) in SEQ2SEQ {
        let what = format!("log-probabilities of a {name} model read, the engine of the CPU");
        let mut comparison = comparison(what, "transformers", "transformers", ALLOWED);
        let model = import(&golden().path(name)).unwrap().translation_model(&device, None).unwrap();
        for case in golden().cases(&format!("{name}/logits.json")) {
            let source: Vec<Vec<u32>> = field(&case, "source");
            let target: Vec<Vec<u32>> = field(&case, "target");
            let mut state = model.start(&TokenMatrix::from_rows(&source, 0, 0));
            let found = model.log_probs(&target.concat(), &mut state).unwrap();
            let logits = Golden::tensor(&case, "logits");
            let vocab_size = logits.len() / target.concat().len();
            let rows = logits.chunks_exact(vocab_size * target[0].len());
            let last = rows.map(|row| row[row.len() - vocab_size..].to_vec()).collect::<Vec<_>>().concat();
            comparison.case("the last step", largest_error(&found, &attentive_testkit::log_softmax(&last, vocab_size)));
        }
        comparison.report();
    }
}

#[test]
fn models_are_written_as_they_were_read() {
    for (name, format) in ALL {
        is_written_as_it_was_read(&golden().path(name), name, format);
    }
}

#[test]
fn a_shortlist_is_said_to_be_left_out() {
    let mut bundle = import(&golden().path("marian")).unwrap();
    bundle.shortlist = Some(Arc::new(Shortlist::new(vec![1], [])));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let exported = export(&bundle, Format::Marian, &ExportConfig::default(), &path("marian"));
    for notes in [exported, attentive_interchange::export_onnx(&bundle, Some(16), &path("onnx"))] {
        let notes = notes.unwrap();
        assert!(notes.iter().any(|note| note.starts_with("the shortlist is left out")), "{notes:?}");
    }
}

#[test]
fn a_longest_text_that_is_not_followed_is_told() {
    let bundle = import(&golden().path("gpt2")).unwrap();
    let own = bundle.model.max_len().unwrap();
    let out = tempfile::tempdir().unwrap();
    for (asked, told) in [(Some(own + 1), true), (Some(own - 1), true), (Some(own), false), (None, false)] {
        let options = ExportConfig { max_len: asked, ..ExportConfig::default() };
        let gpt2 = export(&bundle, Format::Gpt2, &options, &out.path().join(format!("gpt2-{asked:?}")));
        let onnx = attentive_interchange::export_onnx(&bundle, asked, &out.path().join("onnx"));
        for notes in [gpt2.unwrap(), onnx.unwrap()] {
            assert_eq!(notes.iter().any(|note| note.contains("is not followed: the model has")), told, "{notes:?}");
        }
    }
}

fn is_written_as_it_was_read(original: &Path, name: &str, format: Format) {
    let folder = tempfile::tempdir().unwrap();
    let bundle = import(original).unwrap();
    let max_len = bundle.model.max_len().is_none().then_some(64);
    let notes = export(&bundle, format, &ExportConfig { max_len, ..ExportConfig::default() }, folder.path());
    assert_eq!(notes.unwrap(), [""; 0]);
    let read = |folder: &Path| attentive_weights::read(&folder.join("model.safetensors")).unwrap();
    let what = format!("weights of a {name} model written");
    let mut comparison = comparison(what, "transformers", "transformers", 0.0);
    let (written, expected) = (read(folder.path()), read(original));
    assert_eq!(written.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, tensor) in &expected {
        comparison.equal(name, &written[name], tensor);
    }
    comparison.report();
    let json = |path: &Path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    let (written, expected) = (json(&folder.path().join("config.json")), json(&original.join("config.json")));
    for (key, value) in written.as_object().unwrap() {
        // Our translations end where the model ends them, and name the id that they begin with.
        if !["forced_eos_token_id", "bos_token_id"].contains(&key.as_str()) && !expected[key].is_null() {
            assert_eq!(*value, expected[key], "{key}");
        }
    }
    for vocabulary in ["vocab.json", "target_vocab.json"].iter().filter(|file| original.join(file).is_file()) {
        assert_eq!(json(&folder.path().join(vocabulary)), json(&original.join(vocabulary)), "{vocabulary}");
    }
    let again = import(folder.path()).unwrap();
    assert_eq!(again.params, bundle.params);
    assert_eq!(again.tokenizer().unwrap().encode("the animal"), bundle.tokenizer().unwrap().encode("the animal"));
}

#[test]
fn pickles_hold_the_same_as_safetensors() {
    for (name, _) in ALL {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(golden().path(name)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "safetensors") {
                fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        assert_eq!(import(folder.path()).unwrap().params, import(&golden().path(name)).unwrap().params, "{name}");
    }
}

#[test]
fn marian_tokens_are_those_of_transformers() {
    let mut comparison = comparison("ids and text of Marian's tokenizers", "transformers", "transformers", 0.0);
    for name in ["marian", "marian-separate"] {
        let tokenizer = import(&golden().path(name)).unwrap().tokenizer().unwrap().clone();
        let case = &golden().cases(&format!("{name}/tokens.json"))[0];
        let texts: Vec<String> = field(case, "texts");
        for (text, expected) in texts.iter().zip(field::<Vec<Vec<u32>>>(case, "sources")) {
            comparison.equal(format!("{name}: source {text:?}"), &tokenizer.encode(text), &expected);
        }
        for (text, expected) in texts.iter().zip(field::<Vec<Vec<u32>>>(case, "targets")) {
            comparison.equal(format!("{name}: target {text:?}"), &tokenizer.encode_target(text), &expected);
            assert_eq!(tokenizer.sample_target(text, 0.5, 1), expected, "{name}: the one segmentation is drawn too");
        }
        for (ids, expected) in field::<Vec<Vec<u32>>>(case, "ids").iter().zip(field::<Vec<String>>(case, "decoded")) {
            comparison.equal(format!("{name}: text of {ids:?}"), &tokenizer.decode(ids).unwrap(), &expected);
        }
    }
    comparison.report();
}

/// The vocabulary of the generator: special tokens, then letters.
struct Letters(Specials);

const VOCABULARY: [&str; 4] = ["<pad>", "<s>", "</s>", "<unk>"];
const VOCAB_SIZE: usize = VOCABULARY.len() + 13;

impl Letters {
    fn new() -> Self {
        Self(Specials { pad: Some(0), bos: Some(1), eos: Some(2), unk: Some(3), ..Specials::default() })
    }
}

impl Tokenizer for Letters {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        text.bytes().map(|letter| TokenId::from(letter - b'a') + VOCABULARY.len() as TokenId).collect()
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.encode(text).into_iter().zip((0..text.len()).map(|at| at..at + 1)).collect()
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        Ok(ids.iter().filter_map(|&id| u8::try_from(id).ok()?.checked_sub(4)).map(|letter| b'a' + letter).collect())
    }

    fn vocab_size(&self) -> usize {
        VOCAB_SIZE
    }

    fn specials(&self) -> &Specials {
        &self.0
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        let letter = || String::from_utf8(self.decode_bytes(&[id]).unwrap()).unwrap();
        Some(VOCABULARY.get(id as usize).map_or_else(|| letter().into(), |&name| name.into()))
    }
}

/// The model whose parameters the generator made by the same formula from the same names.
fn bundle(case: &Value) -> Bundle {
    let pre_norm: bool = field(case, "pre_norm");
    let config = TransformerConfig {
        d_model: 6,
        d_ff: 7,
        n_heads: 2,
        n_encoder_layers: 2,
        n_decoder_layers: 2,
        norm: if pre_norm { NormPlacement::Pre } else { NormPlacement::Post },
        activation: if pre_norm { Activation::Gelu } else { Activation::Relu },
        projection_bias: pre_norm,
        ..TransformerConfig::base(VOCAB_SIZE)
    };
    let model = config.init(&BackendKind::Flex.device().unwrap(), 0).unwrap();
    let params: Tensors = param_shapes(&model)
        .into_iter()
        .map(|param| {
            let offset = if param.name.ends_with("gamma") { 1.0 } else { 0.0 };
            let values = named(&param.name, param.shape.iter().product()).iter().map(|x| x * 0.5 + offset).collect();
            (param.name, HostTensor { shape: param.shape, values })
        })
        .collect();
    Bundle::new("tiny", config, Processor::Text(Arc::new(Letters::new())), params)
}

#[test]
fn ctranslate2_s_files_are_those_of_its_own_converter() {
    let mut comparison = comparison("model.bin of CTranslate2, its bytes", "ctranslate2", "ctranslate2", 0.0);
    for case in golden().cases("ctranslate2.json") {
        let folder = tempfile::tempdir().unwrap();
        let quantization: Quantization = field::<String>(&case, "quantization").parse().unwrap();
        let options = ExportConfig { max_len: Some(32), quantization };
        export(&bundle(&case), Format::CTranslate2, &options, folder.path()).unwrap();
        let name: String = field(&case, "name");
        let file = |file: &str| {
            let read = |path: &Path| fs::read(path).unwrap();
            (read(&folder.path().join(file)), read(&golden().path(&name).join(file)))
        };
        let (written, expected) = file("model.bin");
        comparison.case(&name, if written == expected { 0.0 } else { f64::INFINITY });
        for text in ["config.json", "shared_vocabulary.json"] {
            let (written, expected) = file(text);
            let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
            assert_eq!(json(&written), json(&expected), "{name}/{text}");
        }
    }
    comparison.report();
}

#[test]
fn ctranslate2_translates_exported_models_as_we_do() {
    for kind in BACKENDS {
        let device = kind.device().unwrap();
        let what = format!("log-probabilities of exported models, {kind}");
        let mut comparison = comparison(what, "ctranslate2", "ctranslate2", ALLOWED);
        let cases = golden().cases("ctranslate2.json");
        for case in cases.iter().filter(|case| case["quantization"] == "float32") {
            let bundle = bundle(case);
            let model = bundle.model::<TransformerConfig>(&device).unwrap();
            let encode = |letters: &[String]| bundle.tokenizer().unwrap().encode(&letters.concat());
            let sentences: Vec<Vec<String>> = field(case, "sentences");
            let source: Vec<Vec<u32>> = sentences.iter().map(|letters| [encode(letters), vec![2]].concat()).collect();

            let forced = bundle.tokenizer().unwrap().encode(&field::<String>(case, "forced"));
            let target = vec![[&[1], &forced[..]].concat(); source.len()];
            let wanted = vec![[&forced[..], &[2]].concat(); source.len()];
            let log_p = log_softmax(logits(&model, &source, &target, &device), 2);
            let wanted = ids(&wanted, &device).unsqueeze_dim(2);
            let log_p = values(log_p.gather(2, wanted));
            comparison.case(&case["name"], largest_error(&log_p, &Golden::tensor(case, "log_probs")));

            let rules = Rules { suppressed: vec![0, 1, 3], ..Rules::default() };
            let (prompt, max_len) = (vec![1; source.len()], vec![12; source.len()]);
            let request = DecodeRequest { prompt: &prompt, prefixes: &[], eos: 2, rules: &rules, max_len: &max_len };
            let state = model.start(&TokenMatrix::from_rows(&source, 0, 0));
            let translations = greedy(&model, state, &request).unwrap();
            for (found, expected) in translations.iter().zip(field::<Vec<Vec<String>>>(case, "translations")) {
                assert_eq!(found.tokens, encode(&expected), "{}", case["name"]);
            }
        }
        comparison.report();
    }
}
