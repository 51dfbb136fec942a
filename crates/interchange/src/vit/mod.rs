//! ViT and DeiT as transformers keeps them: encoders of pictures, their heads, and what makes numbers of pictures.

mod config;
mod names;
mod processor;

use std::{collections::BTreeMap, path::Path};

use attentive_bundle::Bundle;
use attentive_model::{Distillation, ModelSpec, VitConfig};

use self::{config::TheirConfig, names::slots};
use crate::{
    ExportConfig, InterchangeError, config_for,
    family::{Family, known_classes},
    files,
    layout::{Order, Places},
    reader::Reader,
    score,
    source::Source,
};

pub(crate) const VIT: Family = Family {
    name: "vit",
    class_prefix: "ViT",
    import: Some(|reader| import(Variant::Vit, reader)),
    export: |bundle, options, folder| export(Variant::Vit, bundle, options, folder),
    places: Some(|bundle| Ok(places(Variant::Vit, &config_for(bundle, Variant::Vit.model_type())?))),
};

pub(crate) const DEIT: Family = Family {
    name: "deit",
    class_prefix: "DeiT",
    import: Some(|reader| import(Variant::Deit, reader)),
    export: |bundle, options, folder| export(Variant::Deit, bundle, options, folder),
    places: Some(|bundle| Ok(places(Variant::Deit, &config_for(bundle, Variant::Deit.model_type())?))),
};

/// The two families of transformers' classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// With a class token.
    Vit,
    /// With a distillation token too.
    Deit,
}

impl Variant {
    /// The value of `model_type`, and the prefix of parameters in files with a head.
    fn model_type(self) -> &'static str {
        match self {
            Self::Vit => "vit",
            Self::Deit => "deit",
        }
    }

    /// The beginning of its classes' names.
    fn class_prefix(self) -> &'static str {
        match self {
            Self::Vit => VIT.class_prefix,
            Self::Deit => DEIT.class_prefix,
        }
    }

    /// The classes that come in.
    fn classes(self) -> &'static [(&'static str, ())] {
        match self {
            Self::Vit => &[("ViTModel", ()), ("ViTForImageClassification", ())],
            Self::Deit => {
                &[("DeiTModel", ()), ("DeiTForImageClassification", ()), ("DeiTForImageClassificationWithTeacher", ())]
            }
        }
    }

    /// The class of a model with these heads.
    fn class(self, config: &VitConfig) -> &'static str {
        match (self, config.labels.is_empty(), config.distillation) {
            (Self::Vit, true, _) => "ViTModel",
            (Self::Vit, false, _) => "ViTForImageClassification",
            (Self::Deit, true, _) => "DeiTModel",
            (Self::Deit, false, Distillation::Head) => "DeiTForImageClassificationWithTeacher",
            (Self::Deit, false, _) => "DeiTForImageClassification",
        }
    }
}

/// Writes what `from_pretrained` of the variant's classes and its processor of images read; tells what could not be
/// expressed.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
fn export(variant: Variant, bundle: &Bundle, _: &ExportConfig, folder: &Path) -> Result<Vec<String>, InterchangeError> {
    let config = &config_for::<VitConfig>(bundle, variant.model_type())?;
    let theirs = TheirConfig::of_ours(config, variant)?;
    let has_head = !config.labels.is_empty();
    let tensors = places(variant, config).export(bundle)?;
    files::make_folder(folder)?;
    score::write_config(folder, &theirs, bundle.reading.score, config.labels.len())?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    let mut notes = Vec::new();
    match bundle.processor.image() {
        Some(processor) => notes.extend(processor::write(processor, folder)?),
        None => notes.push("the model has no processor.json: no preprocessor_config.json is written".to_owned()),
    }
    if has_head && config.pooler {
        notes.push(format!("{} has no pooler: this one is left out", variant.class(config)));
    }
    Ok(notes)
}

/// Every parameter under the names of the variant's class with the model's heads.
fn places(variant: Variant, config: &VitConfig) -> Places {
    let mut slots = slots(config);
    if !config.labels.is_empty() {
        // Classes with a head have no pooler, and call the rest by a prefix.
        slots.retain(|slot| !slot.ours.starts_with("pooler."));
        for slot in slots.iter_mut().filter(|slot| !slot.theirs.contains("classifier.")) {
            slot.theirs.insert_str(0, &format!("{}.", variant.model_type()));
        }
    }
    Places::new(slots, Order::SAME)
}

/// Reads what transformers wrote, of any version.
///
/// # Errors
/// [`InterchangeError`] lists all settings or tensors that do not fit.
fn import(variant: Variant, reader: &mut Reader<'_>) -> Result<Bundle, InterchangeError> {
    let theirs: TheirConfig = reader.config()?;
    let prefix = format!("{}.", variant.model_type());
    let mut source = reader.source(|name| name.strip_prefix(&prefix).unwrap_or(name).to_owned())?;
    if source.drop("embeddings.mask_token") {
        reader.notes.push("embeddings.mask_token is left out: it hides patches in pre-training".to_owned());
    }
    known_classes(reader, &mut source, variant.class_prefix(), variant.classes())?;
    let heads = Heads::of(&source, variant);
    let mut config = theirs.to_ours(reader, &heads)?;
    config.pooler = source.has_any("pooler.");
    config.validate()?;
    source.check_layers("num_hidden_layers", config.n_layers, "encoder.layer.")?;
    let params = source.take(slots(&config), &Order::SAME)?;
    reader.finish(source)?;
    let processor = processor::read(reader, &config)?;
    reader.bundle_of_pictures(config, processor, params)
}

/// The heads of a file, by its tensors.
struct Heads {
    /// Classes of the classifier.
    n_labels: usize,
    distillation: Distillation,
}

impl Heads {
    fn of(source: &Source, variant: Variant) -> Self {
        let n_labels = |name: &str| source.shape(name).map(|shape| shape.iter().product());
        let distillation = match (variant, source.has_any("distillation_classifier.")) {
            (Variant::Vit, _) => Distillation::None,
            (Variant::Deit, false) => Distillation::Token,
            (Variant::Deit, true) => Distillation::Head,
        };
        let n_labels = n_labels("classifier.bias").or_else(|| n_labels("cls_classifier.bias")).unwrap_or_default();
        Self { n_labels, distillation }
    }
}
