//! T5 and ByT5 as transformers keeps them.

mod config;
mod tokenizer;

use std::{collections::BTreeMap, path::Path};

use attentive_bundle::Bundle;
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_tokenizer::TokenId;
use attentive_weights::Tensors;
use serde_json::json;

use self::config::T5Config;
use crate::{InterchangeError, checkpoint, files, imported, layout::transposed, source::Source};

/// The value of `model_type`.
pub(crate) const MODEL_TYPE: &str = "t5";

const SHARED: &str = "shared.weight";
const PROJECTION: &str = "lm_head.weight";

/// What older files hold and no class of transformers reads: positions of the attention to the source.
const UNUSED: &str = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";

/// Writes what `T5ForConditionalGeneration.from_pretrained` and T5's or ByT5's tokenizer read; tells what could not be
/// expressed.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
pub(crate) fn export(
    config: &TransformerConfig,
    bundle: &Bundle,
    folder: &Path,
) -> Result<Vec<String>, InterchangeError> {
    let specials = bundle.tokenizer.specials();
    let (Some(pad), Some(start), Some(eos)) = (specials.pad, specials.begin(), specials.end()) else {
        let problem = "its tokenizer has no id for padding or the end of a sentence".to_owned();
        return Err(InterchangeError::Inexpressible { format: "T5", problems: vec![problem] });
    };
    let theirs = T5Config::of_ours(config, [pad, start, eos])?;
    // Their scores are not divided by √d_k: where ours are, queries are instead.
    let query_scale = if config.scale_scores { (config.d_k() as f32).powf(-0.5) } else { 1.0 };
    let export = |slot: Slot| {
        let tensor = &bundle.params[&slot.ours];
        let mut tensor = if slot.is_map { transposed(tensor) } else { tensor.clone() };
        if slot.ours.ends_with(".query.weight") {
            tensor.values.iter_mut().for_each(|weight| *weight *= query_scale);
        }
        (slot.theirs, tensor)
    };
    let tensors: Tensors = slots(config).into_iter().map(export).collect();
    files::make_folder(folder)?;
    files::write_json(&folder.join("config.json"), &theirs)?;
    let never: Vec<TokenId> = specials.iter().filter(|&id| id != eos).collect();
    let generation = json!({
        "decoder_start_token_id": start,
        "eos_token_id": eos,
        "pad_token_id": pad,
        "num_beams": 1,
        // What our own search does not choose either.
        "suppress_tokens": never,
    });
    files::write_json(&folder.join("generation_config.json"), &generation)?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    Ok(tokenizer::export(folder, &*bundle.tokenizer)?.into_iter().collect())
}

/// Reads what transformers wrote.
///
/// # Errors
/// [`InterchangeError`] lists all settings or tensors that do not fit.
pub(crate) fn import(folder: &Path) -> Result<Bundle, InterchangeError> {
    let path = folder.join("config.json");
    let theirs: T5Config = files::read_json(&path)?;
    let mut config = theirs.to_ours(&path)?;
    config.validate()?;
    let mut source = Source::new(checkpoint::read(folder)?);
    config.tie_projection = drop_copies(&mut source);
    let mut params = Tensors::new();
    for slot in slots(&config) {
        let shape = if slot.is_map { slot.shape.iter().rev().copied().collect() } else { slot.shape };
        if let Some(tensor) = source.take(&slot.theirs, &shape) {
            params.insert(slot.ours, if slot.is_map { transposed(&tensor) } else { tensor });
        }
    }
    source.finish(folder)?;
    let tokenizer = tokenizer::import(folder, theirs.vocab_size)?;
    let begin = tokenizer.specials().begin();
    if theirs.decoder_start_token_id.is_some_and(|start| Some(start) != begin) {
        let start = theirs.decoder_start_token_id;
        let problem = format!("decoder_start_token_id is {start:?}, and the tokenizer begins sequences with {begin:?}");
        return Err(InterchangeError::Unsupported { path, problems: vec![problem] });
    }
    Ok(imported(folder, config, tokenizer, params))
}

/// Drops what is a copy of the shared table, and what is not used; whether the projection was a copy.
fn drop_copies(source: &mut Source) -> bool {
    let tensors = &mut source.tensors;
    tensors.remove(UNUSED);
    let copies = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", PROJECTION];
    if !tensors.contains_key(SHARED)
        && let Some(table) = copies.iter().find_map(|&name| tensors.get(name)).cloned()
    {
        tensors.insert(SHARED.into(), table);
    }
    // A table that differs stays, and is told to be none of the model's.
    let shared = tensors.get(SHARED).cloned();
    tensors.retain(|name, tensor| !(copies.contains(&name.as_str()) && Some(&*tensor) == shared.as_ref()));
    !tensors.contains_key(PROJECTION)
}

/// A parameter: its name and shape here, its name there, and whether it is a map, which stands transposed there.
struct Slot {
    ours: String,
    shape: Vec<usize>,
    theirs: String,
    is_map: bool,
}

/// Every parameter of a model that `T5ForConditionalGeneration` can be.
fn slots(config: &TransformerConfig) -> Vec<Slot> {
    let d_model = config.d_model;
    let mut slots = Vec::new();
    let mut push = |ours: String, shape: &[usize], theirs: String, is_map: bool| {
        slots.push(Slot { ours, shape: shape.to_vec(), theirs, is_map });
    };
    push("source_embedding.weight".into(), &[config.source_vocab_size, d_model], SHARED.into(), false);
    if !config.tie_projection {
        push("projection.weight".into(), &[config.target_vocab_size, d_model], PROJECTION.into(), false);
    }
    let n_buckets = match config.positions {
        attentive_attention::PositionsConfig::RelativeBuckets(buckets) => buckets.n_buckets,
        _ => 0,
    };
    let inner = config.n_heads * config.d_k();
    for (stack, positions, n_layers, attentions) in [
        ("encoder", "source_positions", config.n_encoder_layers, &[("self_attention", "SelfAttention")][..]),
        (
            "decoder",
            "target_positions",
            config.n_decoder_layers,
            &[("self_attention", "SelfAttention"), ("cross_attention", "EncDecAttention")],
        ),
    ] {
        let theirs = format!("{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
        push(format!("{positions}.weight"), &[n_buckets, config.n_heads], theirs, false);
        push(format!("{stack}.norm.gamma"), &[d_model], format!("{stack}.final_layer_norm.weight"), false);
        for n in 0..n_layers {
            let ours = |part: String| format!("{stack}.layers.{n}.{part}");
            let theirs = |sub_layer: usize, part: &str| format!("{stack}.block.{n}.layer.{sub_layer}.{part}.weight");
            for (sub_layer, (attention, their_attention)) in attentions.iter().enumerate() {
                for (part, their_part) in [("query", "q"), ("key", "k"), ("value", "v")] {
                    let to = theirs(sub_layer, &format!("{their_attention}.{their_part}"));
                    push(ours(format!("{attention}.{part}.weight")), &[d_model, inner], to, true);
                }
                let to = theirs(sub_layer, &format!("{their_attention}.o"));
                push(ours(format!("{attention}.output.weight")), &[inner, d_model], to, true);
                let norm = ours(format!("{attention}_add_norm.norm.gamma"));
                push(norm, &[d_model], theirs(sub_layer, "layer_norm"), false);
            }
            let sub_layer = attentions.len();
            let dense = |part: &str| theirs(sub_layer, &format!("DenseReluDense.{part}"));
            let wide = [d_model, config.d_ff];
            if config.gated {
                push(ours("feed_forward.gate.weight".into()), &wide, dense("wi_0"), true);
                push(ours("feed_forward.inner.weight".into()), &wide, dense("wi_1"), true);
            } else {
                push(ours("feed_forward.inner.weight".into()), &wide, dense("wi"), true);
            }
            push(ours("feed_forward.outer.weight".into()), &[config.d_ff, d_model], dense("wo"), true);
            let norm = ours("feed_forward_add_norm.norm.gamma".into());
            push(norm, &[d_model], theirs(sub_layer, "layer_norm"), false);
        }
    }
    slots
}
