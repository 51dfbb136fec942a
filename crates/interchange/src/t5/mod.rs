//! T5 and ByT5 as transformers keeps them.

mod config;
mod tokenizer;

use std::{collections::BTreeMap, path::Path};

use attentive_attention::PositionsConfig;
use attentive_bundle::Bundle;
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_tokenizer::Framing;
use serde_json::json;

use self::config::T5Config;
use crate::{
    ExportConfig, InterchangeError, config_for,
    family::Family,
    files,
    layout::{Layout, Order, Places, Slot},
    reader::Reader,
    settings,
    source::Tables,
    tokenizers,
};

pub(crate) const FAMILY: Family =
    Family { name: MODEL_TYPE, class_prefix: "T5", import: Some(import), export, places: Some(places) };

/// The value of `model_type`.
const MODEL_TYPE: &str = "t5";

const TABLES: Tables = Tables {
    shared: "shared.weight",
    own: ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"],
    projection: "lm_head.weight",
};

/// What older files hold and no class of transformers reads: positions of the attention to the source.
const UNUSED: &str = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";

/// Writes what `T5ForConditionalGeneration.from_pretrained` and T5's or ByT5's tokenizer read; tells what could not be
/// expressed.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
fn export(bundle: &Bundle, options: &ExportConfig, folder: &Path) -> Result<Vec<String>, InterchangeError> {
    let config = &config_for::<TransformerConfig>(bundle, MODEL_TYPE)?;
    let specials = bundle.tokenizer()?.specials();
    let (start, first) = tokenizers::target_ids(&**bundle.tokenizer()?);
    let (Some(pad), Some(start), Some(eos)) = (specials.pad, start, specials.end()) else {
        let problem = "its tokenizer has no id for padding or the end of a sentence".to_owned();
        return Err(InterchangeError::Inexpressible { format: "T5", problems: vec![problem] });
    };
    let theirs = T5Config::of_ours(config, [pad, start, eos])?;
    // Their scores are not divided by √d_k: where ours are, queries are instead.
    let query_scale = if config.scale_scores { (config.d_k() as f32).powf(-0.5) } else { 1.0 };
    let places = Places::new(slots(config), Order::SAME);
    let mut tensors = places.export(bundle)?;
    for slot in places.slots.iter().filter(|slot| slot.ours.ends_with(".query.weight")) {
        let query = tensors.get_mut(&slot.theirs).expect("every slot is exported");
        query.values.iter_mut().for_each(|weight| *weight *= query_scale);
    }
    files::make_folder(folder)?;
    files::write_json(&folder.join("config.json"), &theirs)?;
    let languages = bundle.tokenizer()?.framing().into_iter().flat_map(Framing::of_sources_alone);
    let never = specials.iter().filter(|&id| id != eos).chain(languages).collect();
    let mut generation = json!({
        "decoder_start_token_id": start,
        "eos_token_id": eos,
        "pad_token_id": pad,
    });
    // What our own search does not choose is not chosen there either.
    let longest = options.n_positions();
    let settings = settings::of_decoding(&bundle.decoding, never, first, longest);
    generation.as_object_mut().expect("an object").extend(settings);
    files::write_json(&folder.join("generation_config.json"), &generation)?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    let note = tokenizer::export(folder, &**bundle.tokenizer()?)?;
    let told = tokenizers::note_of_targets(&**bundle.tokenizer()?);
    Ok(note.into_iter().chain(told).chain(settings::left_out_of_decoding(&bundle.decoding)).collect())
}

/// Every parameter under the names of transformers; of models whose queries are stored as they are there.
fn places(bundle: &Bundle) -> Result<Places, InterchangeError> {
    let config = &config_for::<TransformerConfig>(bundle, MODEL_TYPE)?;
    match config.scale_scores {
        true => Err(InterchangeError::Inexpressible {
            format: "T5",
            problems: vec!["scale_scores: its queries are scaled there, and an adapter's would be too".to_owned()],
        }),
        false => Ok(Places::new(slots(config), Order::SAME)),
    }
}

/// Reads what transformers wrote.
///
/// # Errors
/// [`InterchangeError`] lists all settings or tensors that do not fit.
fn import(reader: &mut Reader<'_>) -> Result<Bundle, InterchangeError> {
    let path = reader.config_path();
    let theirs: T5Config = reader.config()?;
    let mut config = theirs.to_ours(&path)?;
    config.validate()?;
    let mut source = reader.source(str::to_owned)?;
    source.check_layers("num_layers", config.n_encoder_layers, "encoder.block.")?;
    source.check_layers("num_decoder_layers", config.n_decoder_layers, "decoder.block.")?;
    source.drop(UNUSED);
    // Whether the projection is tied is what the file says: transformers does not look at the setting either.
    let settled = TABLES.settle(&mut source, true)?;
    [config.share_embeddings, config.tie_projection] = settled;
    reader.notes.extend(TABLES.notes([true, theirs.says_tied()], settled));
    let params = source.take(slots(&config), &Order::SAME)?;
    reader.finish(source)?;
    let tokenizer = tokenizers::import_translator(reader, theirs.decoder_start_token_id)?;
    reader.bundle(config, tokenizer, params)
}

/// Every parameter of a model that `T5ForConditionalGeneration` can be.
fn slots(config: &TransformerConfig) -> Vec<Slot> {
    let d_model = config.d_model;
    let mut slots = Vec::new();
    let mut push = |ours: String, theirs: String, layout: Layout| slots.push(Slot { ours, theirs, layout });
    let table = |n: usize| Layout::same(&[n, d_model]);
    if config.share_embeddings {
        push("source_embedding.weight".into(), TABLES.shared.into(), table(config.source_vocab_size));
    } else {
        let [encoder, decoder] = TABLES.own;
        push("source_embedding.weight".into(), encoder.into(), table(config.source_vocab_size));
        push("target_embedding.weight".into(), decoder.into(), table(config.target_vocab_size));
    }
    if !config.tie_projection {
        push("projection.weight".into(), TABLES.projection.into(), table(config.target_vocab_size));
    }
    let n_buckets = match config.positions {
        PositionsConfig::RelativeBuckets(buckets) => buckets.n_buckets,
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
        push(format!("{positions}.weight"), theirs, Layout::same(&[n_buckets, config.n_heads]));
        let norm = Layout::same(&[d_model]);
        push(format!("{stack}.norm.gamma"), format!("{stack}.final_layer_norm.weight"), norm.clone());
        for n in 0..n_layers {
            let ours = |part: String| format!("{stack}.layers.{n}.{part}");
            let theirs = |sub_layer: usize, part: &str| format!("{stack}.block.{n}.layer.{sub_layer}.{part}.weight");
            for (sub_layer, (attention, their_attention)) in attentions.iter().enumerate() {
                for (part, their_part) in [("query", "q"), ("key", "k"), ("value", "v")] {
                    let to = theirs(sub_layer, &format!("{their_attention}.{their_part}"));
                    push(ours(format!("{attention}.{part}.weight")), to, Layout::map([d_model, inner]));
                }
                let to = theirs(sub_layer, &format!("{their_attention}.o"));
                push(ours(format!("{attention}.output.weight")), to, Layout::map([inner, d_model]));
                let of_attention = ours(format!("{attention}_add_norm.norm.gamma"));
                push(of_attention, theirs(sub_layer, "layer_norm"), norm.clone());
            }
            let sub_layer = attentions.len();
            let dense = |part: &str| theirs(sub_layer, &format!("DenseReluDense.{part}"));
            let wide = Layout::map([d_model, config.d_ff]);
            if config.gated {
                push(ours("feed_forward.gate.weight".into()), dense("wi_0"), wide.clone());
                push(ours("feed_forward.inner.weight".into()), dense("wi_1"), wide);
            } else {
                push(ours("feed_forward.inner.weight".into()), dense("wi"), wide);
            }
            push(ours("feed_forward.outer.weight".into()), dense("wo"), Layout::map([config.d_ff, d_model]));
            push(ours("feed_forward_add_norm.norm.gamma".into()), theirs(sub_layer, "layer_norm"), norm.clone());
        }
    }
    slots
}
