//! GPT-2 as transformers keeps it: matrices as ours (`Conv1D`), query, key and value in one.

mod config;

use std::{collections::BTreeMap, path::Path};

use attentive_bundle::Bundle;
use attentive_model::{GptConfig, ModelSpec};

use self::config::Gpt2Config;
use crate::{
    ExportConfig, InterchangeError, config_for,
    family::Family,
    files,
    layout::{Layout, Order, Places, Slot},
    reader::Reader,
    settings, tokenizers,
};

pub(crate) const FAMILY: Family =
    Family { name: MODEL_TYPE, class_prefix: "GPT2", import: Some(import), export, places: Some(places) };

/// The value of `model_type`.
const MODEL_TYPE: &str = "gpt2";

/// The prefix of names in the files of `GPT2LMHeadModel`; OpenAI's do not have it.
const PREFIX: &str = "transformer.";

const EMBEDDING: &str = "wte.weight";
const PROJECTION: &str = "lm_head.weight";

/// Writes what `GPT2LMHeadModel.from_pretrained` and `AutoTokenizer` read; tells what could not be expressed.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
fn export(bundle: &Bundle, _: &ExportConfig, folder: &Path) -> Result<Vec<String>, InterchangeError> {
    let config = &config_for::<GptConfig>(bundle, MODEL_TYPE)?;
    let specials = bundle.tokenizer()?.specials();
    let theirs = Gpt2Config::of_ours(config, specials.bos, specials.eos)?;
    let tensors = places(bundle)?.export(bundle)?;
    files::make_folder(folder)?;
    files::write_json(&folder.join("config.json"), &theirs)?;
    let mut notes = Vec::new();
    let generation = settings::of_language_model(bundle, specials, &mut notes);
    files::write_json(&folder.join("generation_config.json"), &generation)?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    let (tokenizer, begin, begin_id) = (&**bundle.tokenizer()?, bundle.generation.begin, bundle.generation.begin_id);
    let first = begin_id.or(specials.eos).filter(|_| begin);
    // The class puts its bos_token before a text, and no other.
    notes.extend(match first.is_none() || first == specials.begin() {
        true => tokenizers::export_gpt2(folder, tokenizer, first)?,
        false => tokenizers::export_decoder(folder, tokenizer, (begin, begin_id), None)?,
    });
    Ok(notes)
}

/// Every parameter under the names of `GPT2LMHeadModel`.
fn places(bundle: &Bundle) -> Result<Places, InterchangeError> {
    let config = config_for(bundle, MODEL_TYPE)?;
    Gpt2Config::of_ours(&config, None, None)?;
    let mut slots = slots(&config);
    for slot in slots.iter_mut().filter(|slot| slot.theirs != PROJECTION) {
        slot.theirs.insert_str(0, PREFIX);
    }
    Ok(Places::new(slots, Order::SAME))
}

/// Reads what transformers wrote, or what OpenAI released.
///
/// # Errors
/// [`InterchangeError`] lists all settings or tensors that do not fit.
fn import(reader: &mut Reader<'_>) -> Result<Bundle, InterchangeError> {
    let theirs: Gpt2Config = reader.config()?;
    let mut config = theirs.to_ours(&reader.config_path())?;
    config.validate()?;
    let mut source = reader.source(|name| name.strip_prefix(PREFIX).unwrap_or(name).to_owned())?;
    source.check_layers("n_layer", config.n_layers, "h.")?;
    // Masks, which older files hold.
    source.drop_all(|name| name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias"));
    if config.tie_projection {
        config.tie_projection = source.settle_projection(PROJECTION, EMBEDDING, &mut reader.notes)?;
    }
    let params = source.take(slots(&config), &Order::SAME)?;
    reader.finish(source)?;
    let tokenizer = reader.tokenizer(None)?;
    let (begin, begin_id) = reader.begin(tokenizer.specials().eos);
    let mut bundle = reader.bundle(config, tokenizer, params)?;
    (bundle.generation.begin, bundle.generation.begin_id) = (begin, begin_id);
    Ok(bundle)
}

/// Every parameter of a model that `GPT2LMHeadModel` can be, under the names of OpenAI's files.
fn slots(config: &GptConfig) -> Vec<Slot> {
    let (d, vocab, max_len) = (config.d_model, config.vocab_size, config.positions.max_len().unwrap_or(0));
    let mut slots = Vec::new();
    let mut push = |ours: String, theirs: String, layout: Layout| slots.push(Slot { ours, theirs, layout });
    push("embedding.weight".into(), EMBEDDING.into(), Layout::same(&[vocab, d]));
    push("positions.weight".into(), "wpe.weight".into(), Layout::same(&[max_len, d]));
    if !config.tie_projection {
        push("projection.weight".into(), PROJECTION.into(), Layout::same(&[vocab, d]));
    }
    slots.extend(blocks("", config.n_layers, [d, config.d_ff]));
    slots
}

/// The parameters of a stack of GPT-2's layers and of the norm above it, whose names begin with `prefix` there.
pub(crate) fn blocks(prefix: &str, n_layers: usize, [d, d_ff]: [usize; 2]) -> Vec<Slot> {
    let mut slots = Vec::new();
    let mut push = |ours: String, theirs: String, layout: Layout| {
        slots.push(Slot { ours, theirs: format!("{prefix}{theirs}"), layout });
    };
    let mut norm = |ours: &str, theirs: &str| {
        push(format!("{ours}.gamma"), format!("{theirs}.weight"), Layout::same(&[d]));
        push(format!("{ours}.beta"), format!("{theirs}.bias"), Layout::same(&[d]));
    };
    norm("decoder.norm", "ln_f");
    for n in 0..n_layers {
        norm(&format!("decoder.layers.{n}.self_attention_add_norm.norm"), &format!("h.{n}.ln_1"));
        norm(&format!("decoder.layers.{n}.feed_forward_add_norm.norm"), &format!("h.{n}.ln_2"));
    }
    let mut linear = |n: usize, sub_layer: &str, parts: &[&str], [rows, cols]: [usize; 2], theirs: &str| {
        for (kind, shape) in [("weight", &[rows, cols][..]), ("bias", &[cols])] {
            for (idx, part) in parts.iter().enumerate() {
                let ours = format!("decoder.layers.{n}.{sub_layer}.{part}.{kind}");
                push(ours, format!("h.{n}.{theirs}.{kind}"), Layout::columns(idx, parts.len(), shape));
            }
        }
    };
    for n in 0..n_layers {
        linear(n, "self_attention", &["query", "key", "value"], [d, d], "attn.c_attn");
        linear(n, "self_attention", &["output"], [d, d], "attn.c_proj");
        linear(n, "feed_forward", &["inner"], [d, d_ff], "mlp.c_fc");
        linear(n, "feed_forward", &["outer"], [d_ff, d], "mlp.c_proj");
    }
    slots
}
