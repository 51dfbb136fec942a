//! ModernBERT as transformers keeps it: pre-norm encoders with windows, rotary positions and GEGLU (Warner et al. 2024), each
//! with one head at most.

mod config;
mod names;

use std::{collections::BTreeMap, path::Path};

use attentive_attention::Activation;
use attentive_bundle::{Bundle, Lengths};
use attentive_model::{BertConfig, ModelSpec, PoolerActivation};
use serde_json::{Value, json};

use self::names::{EMBEDDING, PREFIX, PROJECTION, slots};
use crate::{
    ExportConfig, InterchangeError, config_for,
    decoder::{Keys, differences, extend},
    family::{Family, known_classes},
    files,
    layout::{Order, Places},
    reader::{CONFIG, Reader},
    score,
    source::Source,
    tokenizers,
};

pub(crate) const FAMILY: Family =
    Family { name: MODEL_TYPE, class_prefix: CLASS_PREFIX, import: Some(import), export, places: Some(places) };

/// The value of `model_type`.
const MODEL_TYPE: &str = "modernbert";
const CLASS_PREFIX: &str = "ModernBert";

/// The head of a model; all are called by the same names there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    None,
    /// For hidden tokens.
    MaskedLm,
    /// A classifier of texts.
    Texts,
    /// A classifier of tokens.
    Tokens,
    /// For answers.
    Spans,
}

const CLASSES: [(&str, Head); 5] = [
    ("ModernBertForMaskedLM", Head::MaskedLm),
    ("ModernBertForSequenceClassification", Head::Texts),
    ("ModernBertForTokenClassification", Head::Tokens),
    ("ModernBertForQuestionAnswering", Head::Spans),
    ("ModernBertModel", Head::None),
];

impl Head {
    /// The first head of a model; others have no place there.
    fn of_ours(config: &BertConfig) -> Self {
        let heads = [
            (config.masked_lm, Self::MaskedLm),
            (!config.labels.is_empty(), Self::Texts),
            (!config.token_labels.is_empty(), Self::Tokens),
            (config.spans, Self::Spans),
        ];
        heads.into_iter().find(|(there, _)| *there).map_or(Self::None, |(_, head)| head)
    }

    /// That of its class, or where no class is known, what its tensors say.
    fn of_file(classes: &[Self], source: &Source) -> Self {
        let has = |start| source.has_any(start);
        match classes.first() {
            Some(&head) if head != Self::None => head,
            _ if has("decoder.") => Self::MaskedLm,
            _ if has("classifier.") => Self::Texts,
            _ => Self::None,
        }
    }

    /// Whether it is on the pooler.
    fn is_pooled(self) -> bool {
        matches!(self, Self::Texts | Self::Tokens | Self::Spans)
    }

    fn class(self) -> &'static str {
        CLASSES.iter().find(|(_, head)| *head == self).expect("every head has a class").0
    }
}

/// Writes what `from_pretrained` of the class of the model's head, and the tokenizer's class, read; tells what could not be
/// expressed.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
fn export(bundle: &Bundle, options: &ExportConfig, folder: &Path) -> Result<Vec<String>, InterchangeError> {
    let config = &config_for::<BertConfig>(bundle, MODEL_TYPE)?;
    let (head, tokenizer) = (Head::of_ours(config), &**bundle.tokenizer()?);
    let mut theirs = config::write(config, head);
    // What is to be written is read back: each choice of ours that is another then is one that the class lacks.
    let mut keys = Keys::new(CONFIG.into(), &theirs);
    let read = config::read(&mut keys, head, Some(config.labels.len() + config.token_labels.len()))?;
    let problems = match keys.finish() {
        Err(InterchangeError::Unsupported { problems, .. }) => problems,
        Err(other) => return Err(other),
        Ok(_) => differences(&normal(config), &normal(&read.config)),
    };
    if !problems.is_empty() {
        return Err(InterchangeError::Inexpressible { format: MODEL_TYPE, problems });
    }
    let specials = tokenizer.specials();
    let of_folder = json!({
        "model_type": MODEL_TYPE,
        "architectures": [head.class()],
        "max_position_embeddings": options.context(bundle),
        "bos_token_id": specials.bos.or(specials.cls),
        "cls_token_id": specials.cls.or(specials.bos),
        "eos_token_id": specials.eos.or(specials.sep),
        "sep_token_id": specials.sep.or(specials.eos),
        "pad_token_id": specials.pad,
    });
    extend(&mut theirs, of_folder);
    let tensors = places(bundle)?.export(bundle)?;
    files::make_folder(folder)?;
    score::write_config(folder, &theirs, bundle.reading.score, config.labels.len())?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    let longest = options.max_len.or(bundle.lengths.tokenizer).unwrap_or(options.context(bundle));
    tokenizers::export_framed(folder, tokenizer, Some(longest), bundle.reading.separators)
}

/// Every parameter under the names of the class of the model's head.
fn places(bundle: &Bundle) -> Result<Places, InterchangeError> {
    let config = &config_for::<BertConfig>(bundle, MODEL_TYPE)?;
    let prefix = if Head::of_ours(config) == Head::None { "" } else { PREFIX };
    Ok(Places::new(slots(config, prefix), Order::SAME))
}

/// Without what has no effect in use: dropout, and what a pooler and a projection to tokens would be.
fn normal(config: &BertConfig) -> BertConfig {
    let mut config = BertConfig { dropout: 0.0, attention_dropout: 0.0, ..config.clone() };
    config.tie_projection |= !config.masked_lm;
    if !config.pooler {
        (config.pooler_activation, config.pooler_norm, config.pooler_tokens) = (PoolerActivation::Gelu, true, true);
    }
    config
}

/// Reads what transformers wrote.
///
/// # Errors
/// [`InterchangeError`] lists all settings or tensors that do not fit.
fn import(reader: &mut Reader<'_>) -> Result<Bundle, InterchangeError> {
    let mut source = reader.source(|name| name.strip_prefix(PREFIX).unwrap_or(name).to_owned())?;
    let classes = known_classes(reader, &mut source, CLASS_PREFIX, &CLASSES)?;
    let head = Head::of_file(&classes, &source);
    let n_labels = source.shape("classifier.bias").map(|shape| shape.iter().product());
    let config::Read { mut config, note } = reader.read_keys(|keys| config::read(keys, head, n_labels))?;
    reader.notes.extend(note);
    config.validate()?;
    if config.tie_projection {
        config.tie_projection = source.settle_projection(PROJECTION, EMBEDDING, &mut reader.notes)?;
    }
    source.check_layers("num_hidden_layers", config.n_layers, "layers.")?;
    let params = source.take(slots(&config, ""), &Order::SAME)?;
    reader.finish(source)?;
    let tokenizer = tokenizers::import_encoder(reader)?;
    let n_labels = config.labels.len();
    let mut bundle = reader.bundle(config, tokenizer, params)?;
    bundle.reading.score = score::activation(reader, n_labels)?;
    bundle.lengths = Lengths::new(reader.number("max_position_embeddings"), reader.tokenizer_max_len);
    Ok(bundle)
}

/// The pooler's functions, and those of layers and of the head for hidden tokens that are the same.
const POOLERS: [(PoolerActivation, Activation); 2] =
    [(PoolerActivation::Gelu, Activation::Gelu), (PoolerActivation::Relu, Activation::Relu)];

/// The name of the pooler's function there.
fn pooler_name(activation: PoolerActivation) -> Value {
    let found = POOLERS.iter().find(|(pooler, _)| *pooler == activation);
    json!(found.map_or("tanh", |&(_, activation)| crate::activations::theirs(activation)))
}

/// The pooler's function of a name there.
fn pooler_activation(name: &str) -> Option<PoolerActivation> {
    if name == "tanh" {
        return Some(PoolerActivation::Tanh);
    }
    let activation = crate::activations::ours(name)?;
    POOLERS.iter().find(|(_, known)| *known == activation).map(|&(pooler, _)| pooler)
}
