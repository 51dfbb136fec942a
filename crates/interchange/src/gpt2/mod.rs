//! GPT-2 as transformers keeps it: matrices as ours (`Conv1D`), query, key and value in one.

mod config;

use std::{collections::BTreeMap, path::Path};

use attentive_bundle::Bundle;
use attentive_model::{GptConfig, ModelSpec};
use attentive_weights::{HostTensor, Tensors};
use serde_json::json;

use self::config::Gpt2Config;
use crate::{InterchangeError, checkpoint, files, imported, source::Source, tokenizers};

/// The value of `model_type`.
pub(crate) const MODEL_TYPE: &str = "gpt2";

/// What stands before every name in the files of `GPT2LMHeadModel`, and is missing in OpenAI's.
const PREFIX: &str = "transformer.";

/// Writes what `GPT2LMHeadModel.from_pretrained` and `GPT2Tokenizer` read; tells what could not be expressed.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
pub(crate) fn export(config: &GptConfig, bundle: &Bundle, folder: &Path) -> Result<Vec<String>, InterchangeError> {
    let specials = bundle.tokenizer.specials();
    let theirs = Gpt2Config::of_ours(config, specials.bos, specials.eos)?;
    let tensors: Tensors = slots(config).into_iter().map(|slot| slot.export(&bundle.params)).collect();
    files::make_folder(folder)?;
    files::write_json(&folder.join("config.json"), &theirs)?;
    let generation = json!({ "bos_token_id": specials.bos, "eos_token_id": specials.eos, "do_sample": false });
    files::write_json(&folder.join("generation_config.json"), &generation)?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    Ok(tokenizers::export_gpt2(folder, &*bundle.tokenizer)?.into_iter().collect())
}

/// Reads what transformers wrote, or what OpenAI released.
///
/// # Errors
/// [`InterchangeError`] lists all settings or tensors that do not fit.
pub(crate) fn import(folder: &Path) -> Result<Bundle, InterchangeError> {
    let path = folder.join("config.json");
    let theirs: Gpt2Config = files::read_json(&path)?;
    let config = theirs.to_ours(&path)?;
    config.validate()?;
    let named = |(name, tensor): (String, HostTensor)| (name.strip_prefix(PREFIX).unwrap_or(&name).to_owned(), tensor);
    let mut source = Source::new(checkpoint::read(folder)?.into_iter().map(named).collect());
    // Masks, which older files hold, and what is tied.
    source.tensors.retain(|name, _| !(name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")));
    if config.tie_projection {
        source.tensors.remove("lm_head.weight");
    }
    let mut params = Tensors::new();
    for slot in slots(&config) {
        let name = slot.theirs.strip_prefix(PREFIX).unwrap_or(&slot.theirs).to_owned();
        if let Some(tensor) = source.take(&name, &slot.shape()) {
            slot.import(&tensor, &mut params);
        }
    }
    source.finish(folder)?;
    let tokenizer = tokenizers::import_gpt2(folder)?;
    tokenizers::check_vocabulary(folder, &*tokenizer, config.vocab_size)?;
    Ok(imported(folder, config, tokenizer, params))
}

/// A tensor of theirs, and the parameters of ours that stand side by side in it.
struct Slot {
    ours: Vec<String>,
    /// Rows of a matrix; none of a vector.
    rows: Option<usize>,
    /// Columns of each of our parameters.
    width: usize,
    theirs: String,
}

impl Slot {
    fn shape(&self) -> Vec<usize> {
        let width = self.width * self.ours.len();
        self.rows.map_or(vec![width], |rows| vec![rows, width])
    }

    fn export(self, params: &Tensors) -> (String, HostTensor) {
        let parts: Vec<&HostTensor> = self.ours.iter().map(|name| &params[name]).collect();
        let rows = 0..self.rows.unwrap_or(1);
        let values =
            rows.flat_map(|row| parts.iter().flat_map(move |part| &part.values[row * self.width..][..self.width]));
        let values = values.copied().collect();
        (self.theirs.clone(), HostTensor { shape: self.shape(), values })
    }

    fn import(self, tensor: &HostTensor, params: &mut Tensors) {
        let Self { ours, rows, width, .. } = self;
        let row_len = width * ours.len();
        let shape = rows.map_or(vec![width], |rows| vec![rows, width]);
        for (part, name) in ours.into_iter().enumerate() {
            let rows = tensor.values.chunks_exact(row_len);
            let values = rows.flat_map(|row| row[part * width..][..width].iter().copied()).collect();
            params.insert(name, HostTensor { shape: shape.clone(), values });
        }
    }
}

/// Every parameter of a model that `GPT2LMHeadModel` can be.
fn slots(config: &GptConfig) -> Vec<Slot> {
    let (d, vocab, max_len) = (config.d_model, config.vocab_size, config.positions.max_len().unwrap_or(0));
    let mut slots = Vec::new();
    let mut push = |ours: Vec<String>, rows: Option<usize>, width: usize, theirs: String| {
        slots.push(Slot { ours, rows, width, theirs });
    };
    push(vec!["embedding.weight".into()], Some(vocab), d, format!("{PREFIX}wte.weight"));
    push(vec!["positions.weight".into()], Some(max_len), d, format!("{PREFIX}wpe.weight"));
    if !config.tie_projection {
        push(vec!["projection.weight".into()], Some(vocab), d, "lm_head.weight".into());
    }
    let mut norm = |ours: &str, theirs: &str| {
        push(vec![format!("{ours}.gamma")], None, d, format!("{PREFIX}{theirs}.weight"));
        push(vec![format!("{ours}.beta")], None, d, format!("{PREFIX}{theirs}.bias"));
    };
    norm("decoder.norm", "ln_f");
    for n in 0..config.n_layers {
        norm(&format!("decoder.layers.{n}.self_attention_add_norm.norm"), &format!("h.{n}.ln_1"));
        norm(&format!("decoder.layers.{n}.feed_forward_add_norm.norm"), &format!("h.{n}.ln_2"));
    }
    let mut linear = |n: usize, sub_layer: &str, parts: &[&str], [rows, width]: [usize; 2], theirs: &str| {
        let ours =
            |kind: &str| parts.iter().map(|part| format!("decoder.layers.{n}.{sub_layer}.{part}.{kind}")).collect();
        push(ours("weight"), Some(rows), width, format!("{PREFIX}h.{n}.{theirs}.weight"));
        push(ours("bias"), None, width, format!("{PREFIX}h.{n}.{theirs}.bias"));
    };
    for n in 0..config.n_layers {
        linear(n, "self_attention", &["query", "key", "value"], [d, d], "attn.c_attn");
        linear(n, "self_attention", &["output"], [d, d], "attn.c_proj");
        linear(n, "feed_forward", &["inner"], [d, config.d_ff], "mlp.c_fc");
        linear(n, "feed_forward", &["outer"], [config.d_ff, d], "mlp.c_proj");
    }
    slots
}
