//! BERT and its kin as transformers keeps them: post-norm encoders with learned positions, and their heads.
//!
//! The heads of a file are those that it has tensors of, and those that its class cannot do without: released files hold
//! more than their `architectures` says.

mod classes;
mod config;
mod dialect;
mod modern;
mod names;

use std::{collections::BTreeMap, path::Path};

use attentive_bundle::Bundle;
use attentive_model::{BertConfig, ModelSpec};

use self::{
    classes::{Heads, Variant},
    config::EncoderConfig,
    names::{EMBEDDING, slots},
};
use crate::{
    InterchangeError, config_for,
    family::Family,
    files,
    layout::{Order, Places},
    reader::Reader,
    score,
    source::Source,
    tokenizers::{self, OfEncoder},
};

pub(crate) use self::modern::FAMILY as MODERN_BERT;

pub(crate) const BERT: Family = Family {
    name: "bert",
    class_prefix: "Bert",
    import: Some(|reader| import(Variant::Bert, reader)),
    export: |bundle, _, folder| export(Variant::Bert, bundle, folder),
    places: Some(|bundle| places(Variant::Bert, bundle)),
};

pub(crate) const ROBERTA: Family = Family {
    name: "roberta",
    class_prefix: "Roberta",
    import: Some(|reader| import(Variant::Roberta, reader)),
    export: |bundle, _, folder| export(Variant::Roberta, bundle, folder),
    places: Some(|bundle| places(Variant::Roberta, bundle)),
};

pub(crate) const XLM_ROBERTA: Family = Family {
    name: "xlm-roberta",
    class_prefix: "XLMRoberta",
    import: Some(|reader| import(Variant::XlmRoberta, reader)),
    export: |bundle, _, folder| export(Variant::XlmRoberta, bundle, folder),
    places: Some(|bundle| places(Variant::XlmRoberta, bundle)),
};

pub(crate) const DISTILBERT: Family = Family {
    name: "distilbert",
    class_prefix: "DistilBert",
    import: Some(|reader| import(Variant::DistilBert, reader)),
    export: |bundle, _, folder| export(Variant::DistilBert, bundle, folder),
    places: Some(|bundle| places(Variant::DistilBert, bundle)),
};

pub(crate) const MPNET: Family = Family {
    name: "mpnet",
    class_prefix: "MPNet",
    import: Some(|reader| import(Variant::Mpnet, reader)),
    export: |bundle, _, folder| export(Variant::Mpnet, bundle, folder),
    places: Some(|bundle| places(Variant::Mpnet, bundle)),
};

pub(crate) const ELECTRA: Family = Family {
    name: "electra",
    class_prefix: "Electra",
    import: Some(|reader| import(Variant::Electra, reader)),
    export: |bundle, _, folder| export(Variant::Electra, bundle, folder),
    places: Some(|bundle| places(Variant::Electra, bundle)),
};

pub(crate) const ALBERT: Family = Family {
    name: "albert",
    class_prefix: "Albert",
    import: Some(|reader| import(Variant::Albert, reader)),
    export: |bundle, _, folder| export(Variant::Albert, bundle, folder),
    places: Some(|bundle| places(Variant::Albert, bundle)),
};

/// Writes what `from_pretrained` of the variant's classes and its tokenizer read; tells what could not be expressed.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
fn export(variant: Variant, bundle: &Bundle, folder: &Path) -> Result<Vec<String>, InterchangeError> {
    let config = &config_for::<BertConfig>(bundle, variant.model_type())?;
    let theirs = EncoderConfig::of_ours(config, variant, bundle.tokenizer()?.specials())?;
    let class = variant.class(config);
    let mut tensors = places(variant, bundle)?.export(bundle)?;
    let [bias, own_bias, _] = head_names(variant);
    if let Some(bias) = tensors.get(&bias).filter(|_| !config.tie_projection).cloned() {
        // A head of its own has a bias of its own there.
        tensors.insert(own_bias, bias);
    }
    files::make_folder(folder)?;
    let config_of_class = variant.dialect().written(&theirs);
    score::write_config(folder, &config_of_class, bundle.reading.score, config.labels.len())?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    let how = OfEncoder {
        max_len: config.max_len(),
        separators: bundle.reading.separators,
        has_segments: config.n_segments > 1,
        note_of_pairs: variant.note_of_pairs(&bundle.reading),
    };
    let notes = tokenizers::export_encoder(folder, &**bundle.tokenizer()?, how)?;
    Ok([class.notes(variant, Heads::of_ours(config)), notes].concat())
}

/// Every parameter under the names of the variant's class with the model's heads.
fn places(variant: Variant, bundle: &Bundle) -> Result<Places, InterchangeError> {
    let config = &config_for::<BertConfig>(bundle, variant.model_type())?;
    let theirs = EncoderConfig::of_ours(config, variant, bundle.tokenizer()?.specials())?;
    let prefix = if variant.class(config).heads == Heads::default() { "" } else { variant.prefix() };
    Ok(Places::new(slots(variant, config, theirs.first_position(variant), prefix), Order::SAME))
}

/// Reads what transformers wrote, of any version, or what was converted from the released models.
///
/// # Errors
/// [`InterchangeError`] lists all settings or tensors that do not fit.
fn import(variant: Variant, reader: &mut Reader<'_>) -> Result<Bundle, InterchangeError> {
    let dialect = variant.dialect();
    let theirs: EncoderConfig = reader.config_named(|key| dialect.of_bert(key), dialect.defaults())?;
    let mut source = reader.source(|name| current_name(variant, name))?;
    for buffer in ["embeddings.position_ids", "embeddings.token_type_ids"] {
        source.drop(buffer);
    }
    for (start, task) in dialect.left_out {
        if source.has_any(start) {
            source.drop_all(|name| name.starts_with(start));
            reader.notes.push(format!("{start}…, the head that {task}, is left out: it is of pre-training"));
        }
    }
    let heads = theirs.heads(variant, reader, &mut source)?;
    let n_labels = source.shape(&variant.classifier_bias(heads)).map(|shape| shape.iter().product());
    let mut config = theirs.to_ours(variant, reader, heads, n_labels)?;
    config.tie_projection = settle_head(&mut source, variant, theirs.tie_word_embeddings, reader)?;
    config.validate()?;
    let n_layers = config.n_layer_groups.map_or("num_hidden_layers", |_| "num_hidden_groups");
    source.check_layers(dialect.setting(n_layers), config.n_own_layers(), &dialect.tensor("encoder.layer."))?;
    if dialect.has_deep_classifier && !config.labels.is_empty() {
        // Files of before 2020 have one, which the class does not use.
        source.drop_all(|name| name.starts_with("pooler."));
    }
    let params = source.take(slots(variant, &config, config.first_position, ""), &Order::SAME)?;
    reader.finish(source)?;
    let tokenizer = tokenizers::import_encoder(reader)?;
    theirs.check_padding(variant, reader, tokenizer.specials().pad)?;
    let n_labels = config.labels.len();
    let mut bundle = reader.bundle(config, tokenizer, params)?;
    bundle.reading.score = score::activation(reader, n_labels)?;
    Ok(bundle)
}

/// A name as it is today, without the class's prefix: converted files have TensorFlow's `gamma` and `beta`.
fn current_name(variant: Variant, name: &str) -> String {
    let name = name.strip_prefix(variant.prefix()).unwrap_or(name);
    match name.rsplit_once("LayerNorm.") {
        Some((before, "gamma")) => format!("{before}LayerNorm.weight"),
        Some((before, "beta")) => format!("{before}LayerNorm.bias"),
        _ => name.to_owned(),
    }
}

/// The names of the bias of the head for hidden tokens, of the bias that goes with a projection of its own, and of that.
fn head_names(variant: Variant) -> [String; 3] {
    let head = variant.masked_lm_head();
    ["bias", "decoder.bias", "decoder.weight"].map(|part| variant.dialect().tensor(&format!("{head}.{part}")))
}

/// Whether hidden tokens are guessed with the embeddings, by the file; leaves out the head's copies.
fn settle_head(
    source: &mut Source,
    variant: Variant,
    wants_tied: bool,
    reader: &mut Reader<'_>,
) -> Result<bool, InterchangeError> {
    let [bias, own_bias, own] = head_names(variant);
    if source.has(&own_bias) && own_bias != bias {
        if source.has(&bias) && !source.are_equal(&bias, &own_bias)? {
            source.drop(&bias);
            reader.notes.push(format!("{own_bias} differs from {bias}: it is used, as in transformers"));
        }
        source.alias(&own_bias, &bias);
        source.drop(&own_bias);
    }
    if !source.has(&own) {
        return Ok(wants_tied || !source.has(&bias));
    }
    if wants_tied {
        return source.settle_projection(&own, EMBEDDING, &mut reader.notes);
    }
    let is_copy = source.has(EMBEDDING) && source.are_equal(&own, EMBEDDING)?;
    source.drop_if(&own, is_copy);
    Ok(is_copy)
}
