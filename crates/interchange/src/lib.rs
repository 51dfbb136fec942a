//! Models in and out.
//!
//! | system | in | out |
//! |---|---|---|
//! | transformers: Marian (OPUS-MT), post-norm | [`import`] | [`export`] to [`Format::Marian`] |
//! | transformers: Pegasus, pre-norm | [`import`] | [`export`] to [`Format::Pegasus`] |
//! | transformers: BART | [`import`] | [`export`] to [`Format::Bart`] |
//! | transformers: mBART, mBART-50 | [`import`] | [`export`] to [`Format::MBart`] |
//! | transformers: M2M100, NLLB | [`import`] | [`export`] to [`Format::M2M100`] |
//! | transformers: GPT-2 | [`import`] | [`export`] to [`Format::Gpt2`] |
//! | transformers: Llama, Mistral, Qwen 2 and 3, Gemma 1 to 3, Phi and Phi 3, GPT-NeoX, StarCoder 2, OPT | [`import`] | [`export`] to [`Format::Llama`] and others |
//! | transformers: BERT | [`import`] | [`export`] to [`Format::Bert`] |
//! | transformers: RoBERTa | [`import`] | [`export`] to [`Format::Roberta`] |
//! | transformers: XLM-RoBERTa | [`import`] | [`export`] to [`Format::XlmRoberta`] |
//! | transformers: DistilBERT | [`import`] | [`export`] to [`Format::DistilBert`] |
//! | transformers: MPNet | [`import`] | [`export`] to [`Format::Mpnet`] |
//! | transformers: ELECTRA | [`import`] | [`export`] to [`Format::Electra`] |
//! | transformers: ALBERT | [`import`] | [`export`] to [`Format::Albert`] |
//! | transformers: T5, ByT5 | [`import`] | [`export`] to [`Format::T5`] |
//! | transformers: CANINE | [`import`] | [`export`] to [`Format::Canine`] |
//! | transformers: Decision Transformer | [`import`] | [`export`] to [`Format::DecisionTransformer`] |
//! | transformers: Whisper | [`import`] | [`export`] to [`Format::Whisper`] |
//! | transformers: ViT, DeiT | [`import`] | [`export`] to [`Format::Vit`], [`Format::Deit`] |
//! | transformers: chat templates of language models | [`import`] | [`export`] to the model's format |
//! | sentence-transformers: what stands around an encoder | [`import`] | [`export`] to the encoder's format |
//! | llama.cpp: GGUF files of Llama, Qwen 2 and 3, Gemma 1 to 3, Phi 2 and 3, GPT-NeoX | [`import`] | |
//! | Marian's own files: `.npz`, vocabularies and SentencePiece models | [`import`] | |
//! | fairseq: `.pt` of encoder–decoders, dictionaries and codes | [`import`] | |
//! | OpenNMT-py: `.pt` of encoder–decoders | [`import`] | |
//! | CTranslate2: encoder–decoders | [`import`] | [`export`] to [`Format::CTranslate2`] |
//!
//! A family is a folder of this crate and a row of the table in `family.rs`, which tells it from the others, reads and
//! writes it.
//!
//! With the feature `hub`, `Hub` downloads a folder of transformers, or finds it in the cache of `huggingface_hub`.
//!
//! Weights are read from safetensors or from PyTorch's pickles, which are read as data: nothing in them is executed. What
//! the other system says of a model is followed, refused by name, or named in a note: nothing is dropped in silence.
//!
//! ```no_run
//! use attentive_bundle::Bundle;
//! use attentive_interchange::{ExportConfig, Format, ImportConfig, export, import};
//!
//! let notes = export(&Bundle::read("runs/latest")?, Format::Marian, &ExportConfig::default(), "marian".as_ref())?;
//! let again = import("marian".as_ref(), &ImportConfig::default())?;
//! again.bundle.save("again")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod activations;
mod aliases;
mod bert;
mod cache;
mod canine;
mod chat;
mod checkpoint;
mod checks;
mod ctranslate2;
mod decision_transformer;
mod decoder;
mod elsewhere;
mod error;
mod fairseq;
mod family;
mod files;
mod gguf;
mod gpt2;
#[cfg(feature = "hub")]
mod hub;
mod labels;
mod layout;
mod marian;
mod onnx;
mod opennmt;
mod peft;
mod pytorch;
mod reader;
mod registry;
mod score;
mod sentences;
mod seq2seq;
mod settings;
mod source;
mod t5;
mod tokenizers;
mod translators;
mod vit;
mod whisper;

use std::path::Path;

use attentive_bundle::{Bundle, EmbeddingConfig};
use attentive_model::{GptConfig, ModelSpec, Role};
use serde_json::Value;

use decoder::rotary;
use reader::Reader;
use sentences::{MODULES, Sentences};

pub use cache::ImportCache;
pub use ctranslate2::Quantization;
pub use error::InterchangeError;
pub use family::{Format, UnknownName};
#[cfg(feature = "hub")]
pub use hub::{Download, Hub, HubModel};
pub use onnx::export_onnx;
pub use peft::{export_adapter, is_adapter, merge_adapter, model_and_adapter, read_adapter, with_adapter};
pub use registry::architectures;

/// How to export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportConfig {
    /// The longest text that the exported model takes, where the format has such a limit: its tables of sinusoids, and what its
    /// settings say of positions without an end. Without it, of the latter what the folder said that the model came from, and
    /// else [`MAX_LEN`](Self::MAX_LEN).
    pub max_len: Option<usize>,
    /// How CTranslate2's weights are stored.
    pub quantization: Quantization,
}

impl Default for ExportConfig {
    /// As long texts as the model came with, f32.
    fn default() -> Self {
        Self { max_len: None, quantization: Quantization::Float32 }
    }
}

impl ExportConfig {
    /// The longest text where nothing says it.
    pub const MAX_LEN: usize = 1024;

    /// The longest text of a table of positions.
    pub(crate) fn n_positions(&self) -> usize {
        self.max_len.unwrap_or(Self::MAX_LEN)
    }

    /// The longest text of a model whose positions have no end.
    pub(crate) fn context(&self, bundle: &Bundle) -> usize {
        self.max_len.or(bundle.lengths.model).unwrap_or(Self::MAX_LEN)
    }
}

/// How to import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportConfig {
    /// Whether tensors that are not in the model, heads of other tasks, are left out; else they are an error.
    pub drop_unknown: bool,
    /// Whether a WordPiece vocabulary is uncased; by default what the folder says.
    pub lowercase: Option<bool>,
    /// Whether texts are longer than those of pre-training, for a model whose positions differ then (Phi 3 with a context of
    /// 128,000); by default they are not, and end there.
    pub long_context: bool,
}

/// An imported model.
#[derive(Debug)]
pub struct Imported {
    /// The model, with all that its use needs.
    pub bundle: Bundle,
    /// The architecture, as the other system calls it.
    pub architecture: &'static str,
    /// The kinds of numbers that the weights were kept in: `f32`, `bf16`, `Q4_0`.
    pub stored: Vec<String>,
    /// What was left out, or is done in another way than by the other system; a line each, for the user to know.
    pub notes: Vec<String>,
}

/// Writes a model's folder for another system, and how vectors of texts are made, where the model says so, for
/// sentence-transformers; what comes back is what it can't express, for the user to know. The folder is written in one step;
/// files that the format does not have stay in it, of which those that are read with a model are named.
///
/// # Errors
/// [`InterchangeError::Inexpressible`] lists what the format lacks; or what the system refuses.
pub fn export(
    bundle: &Bundle,
    format: Format,
    options: &ExportConfig,
    folder: &Path,
) -> Result<Vec<String>, InterchangeError> {
    if options.quantization != Quantization::Float32 && format != Format::CTranslate2 {
        let problem = format!("quantization {}: it is of CTranslate2's matrices", options.quantization);
        return Err(InterchangeError::Inexpressible { format: format.name(), problems: vec![problem] });
    }
    if !bundle.blocks.is_empty() {
        let mut unpacked = bundle.clone();
        unpacked.unpack();
        return export(&unpacked, format, options, folder);
    }
    let write = |new: &Path| {
        let mut notes = (format.family().export)(bundle, options, new)?;
        notes.extend(not_followed(bundle, options.max_len));
        notes.extend(without_shortlist(bundle));
        if bundle.model.role() == Role::Encoder && bundle.embedding != EmbeddingConfig::default() {
            notes.extend(sentences::write(bundle, new)?);
        }
        if let Some(template) = &bundle.chat {
            chat::write(template, new)?;
        }
        notes.extend(files::note_of_others(folder, new)?);
        Ok(notes)
    };
    attentive_bundle::write_folder(folder, write, |cause| InterchangeError::Io { path: folder.to_owned(), cause })
}

/// A note of a longest text that was asked for, where the model has one of its own.
fn not_followed(bundle: &Bundle, max_len: Option<usize>) -> Option<String> {
    let asked = max_len?;
    if bundle.model.role() == Role::ImageEncoder {
        return Some(format!("max_len = {asked} is not followed: the model reads pictures"));
    }
    let longest = bundle.model.max_len().filter(|&longest| longest != asked)?;
    Some(format!("max_len = {asked} is not followed: the model has {longest} positions"))
}

/// A note of the shortlist that no format has.
fn without_shortlist(bundle: &Bundle) -> Option<String> {
    let note = "the shortlist is left out: translations there are searched among all tokens";
    bundle.shortlist.is_some().then(|| note.to_owned())
}

/// The bundle's configuration as one of the family that a format is for.
fn config_for<C: ModelSpec>(bundle: &Bundle, format: &'static str) -> Result<C, InterchangeError> {
    let inexpressible = |problem| InterchangeError::Inexpressible { format, problems: vec![problem] };
    if bundle.model.attentions().is_some_and(|attentions| !attentions.pruned.is_empty()) {
        let problem = "pruned_heads: all of its layers have as many heads; export the model from before `prune-heads`";
        return Err(inexpressible(problem.to_owned()));
    }
    bundle.model.spec().ok_or_else(|| {
        inexpressible(format!("the model's family is {}, which this format is not for", bundle.model.family()))
    })
}

/// Reads another system's folder: configuration, weights and tokenizer; of a folder of sentence-transformers, how vectors of
/// texts are made, too. A file whose name ends in `.gguf` is one of llama.cpp, a folder with a `model.bin` one of
/// CTranslate2, and one that ends in `.npz`, or a folder with such a file and no `config.json`, one of Marian; `.pt` likewise
/// is a checkpoint of fairseq or OpenNMT-py.
///
/// # Errors
/// [`InterchangeError`]: an architecture that is not here, settings or tensors that do not fit, damaged files, options that
/// are not for such a model.
pub fn import(folder: &Path, options: &ImportConfig) -> Result<Imported, InterchangeError> {
    let imported = read(folder, options)?;
    let Bundle { model, processor, .. } = &imported.bundle;
    let of_text = processor.tokenizer().and_then(|tokenizer| tokenizer.to_model());
    let found = of_text.and_then(|model| model.lowercase());
    if let Some(lowercase) = options.lowercase.filter(|&lowercase| found != Some(lowercase)) {
        let case = if lowercase { "uncased" } else { "cased" };
        let problem =
            format!("it can't be read as {case}: that can be said of BERT's vocabularies alone; leave it out");
        return Err(InterchangeError::Vocabulary { path: folder.to_owned(), problem });
    }
    if options.long_context {
        let mut positions = model.spec::<GptConfig>().map(|config| config.positions).unwrap_or_default();
        rotary::for_length(&mut positions, true)
            .map_err(|problem| InterchangeError::Unsupported { path: folder.to_owned(), problems: vec![problem] })?;
    }
    Ok(imported)
}

/// As [`import`], without a look at whether the options were of use.
fn read(folder: &Path, options: &ImportConfig) -> Result<Imported, InterchangeError> {
    if folder.is_file() && folder.extension().is_some_and(|end| end.eq_ignore_ascii_case(gguf::EXTENSION)) {
        return gguf::import(folder, options);
    }
    if folder.join(ctranslate2::MODEL).is_file() {
        return ctranslate2::import(folder, options);
    }
    if let Some(files) = marian::Files::find(folder)? {
        return marian::import(&files, options);
    }
    if let Some(checkpoint) = pytorch::find(folder)? {
        return pytorch::import(&checkpoint, options);
    }
    let sentences = Sentences::read(folder)?;
    let place = sentences.as_ref().map_or_else(|| folder.to_owned(), |sentences| sentences.folder.clone());
    let mut reader = Reader::open(&place, options)?;
    if is_adapter(&place) {
        let note = "adapter_config.json: not followed here: merge the adapter of the folder into the model (merge)";
        reader.notes.push(note.to_owned());
    }
    let model_type = reader.setting("model_type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let classes = reader.classes();
    let mut found = family::import_of(&model_type, &classes);
    if found.is_none() && model_type.is_empty() && classes.is_empty() {
        // Files of before 2020 do not say it; their tensors' names do.
        let source = reader.source(str::to_owned)?;
        found = family::import_by_tensors(&source);
        let note =
            |(name, _)| format!("config.json does not say what the model is: its tensors are named as those of {name}");
        reader.notes.extend(found.map(note));
    }
    // A class is named after its architecture.
    let named = || if model_type.is_empty() { classes.concat().to_lowercase() } else { model_type.clone() };
    let (architecture, import) = found.ok_or_else(|| InterchangeError::UnknownArchitecture {
        path: reader.config_path(),
        found: model_type.clone(),
        classes: classes.clone(),
        nearest: family::nearest(&named(), family::importable_names()),
        known: family::importable_names().collect::<Vec<_>>().join(", "),
    })?;
    let mut bundle = import(&mut reader).map_err(|error| family::by_class(error, architecture, &reader))?;
    if bundle.model.role() == Role::LanguageModel {
        bundle.chat = chat::read(&place, std::mem::take(&mut reader.special_names), &mut reader.notes)?;
    }
    let mut notes = std::mem::take(&mut reader.notes);
    match sentences {
        Some(sentences) if bundle.model.role() == Role::Encoder => {
            sentences.check_widths(bundle.model.d_model(), folder)?;
            notes.extend(sentences.notes);
            (bundle.embedding, bundle.dense) = (sentences.embedding, sentences.dense);
            // As there, a text is cut where the tokenizer's settings or the model's positions end.
            let positions = reader.number("max_position_embeddings");
            let all = positions.into_iter().chain(reader.tokenizer_max_len).min();
            bundle.embedding.max_len = bundle.embedding.max_len.or(all);
        }
        Some(_) => notes.push(format!("{MODULES}: not followed here: vectors are made by encoders alone")),
        None => {}
    }
    Ok(Imported { bundle, architecture, stored: reader.stored, notes })
}
