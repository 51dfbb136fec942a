//! The Decision Transformer as transformers keeps it: `DecisionTransformerModel`.

mod config;

use std::{collections::BTreeMap, path::Path};

use attentive_bundle::{Bundle, Processor};
use attentive_core::TrajectoryProcessor;
use attentive_model::{DecisionTransformerConfig, ModelSpec, PolicySpec};
use attentive_weights::check_finite;

use self::config::TheirConfig;
use crate::{
    ExportConfig, InterchangeError, config_for,
    family::Family,
    files, gpt2,
    layout::{self, Layout, Order, Slot},
    reader::{Reader, new_record},
};

pub(crate) const FAMILY: Family =
    Family { name: MODEL_TYPE, class_prefix: "DecisionTransformer", import: Some(import), export, places: None };

/// The value of `model_type`.
const MODEL_TYPE: &str = "decision_transformer";
/// The class that reads and writes it.
const CLASS: &str = "DecisionTransformerModel";

/// Embeddings of tokens, which the model does not have.
const UNUSED: &str = "encoder.wte.weight";
/// GPT-2's positions, of which the model takes the first for everything: it is a bias of the norm before.
const POSITIONS: &str = "encoder.wpe.weight";
const EMBEDDING_BIAS: &str = "embedding_norm.beta";

/// Steps that an agent sees if nothing says how many: those of Chen et al. 2021.
const USUAL_CONTEXT: usize = 20;

/// Writes what `DecisionTransformerModel.from_pretrained` reads, and `processor.json`, which has the means, deviations and
/// scale of the data; tells what could not be expressed.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
fn export(bundle: &Bundle, _: &ExportConfig, folder: &Path) -> Result<Vec<String>, InterchangeError> {
    let config = &config_for::<DecisionTransformerConfig>(bundle, MODEL_TYPE)?;
    let theirs = TheirConfig::of_ours(config)?;
    let mut tensors = layout::export(bundle, &slots(config), &Order::SAME)?;
    let d = config.d_model;
    let mut notes = Vec::new();
    for (name, n) in [(UNUSED, 1), (POSITIONS, theirs.n_positions)] {
        tensors.insert(name.to_owned(), layout::zeros(&[n, d]));
    }
    if !config.world_heads {
        let heads = [("predict_state", config.d_state), ("predict_return", 1)];
        for (name, n) in heads {
            tensors.insert(format!("{name}.weight"), layout::zeros(&[n, d]));
            tensors.insert(format!("{name}.bias"), layout::zeros(&[n]));
        }
        notes.push("the model has no heads for the next state and the return: they are zeros there".to_owned());
    }
    if config.discrete {
        notes.push("action_preds are scores of the actions, which are read as a one among zeros".to_owned());
    }
    files::make_folder(folder)?;
    files::write_json(&folder.join("config.json"), &theirs)?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    bundle.processor.write(folder)?;
    notes.push("transformers does not scale states and returns: processor.json says by what".to_owned());
    Ok(notes)
}

/// Reads what transformers wrote.
///
/// # Errors
/// [`InterchangeError`] lists all settings or tensors that do not fit.
fn import(reader: &mut Reader<'_>) -> Result<Bundle, InterchangeError> {
    let theirs: TheirConfig = reader.config()?;
    let mut config = theirs.to_ours(&reader.config_path())?;
    config.validate()?;
    let processor = Processor::of_file(reader.folder)?;
    if let Some(processor) = processor.as_ref().and_then(Processor::trajectory) {
        config.discrete = processor.actions.is_discrete();
    } else {
        let note = "nothing says how states and returns were scaled: observations and returns are read as they are";
        reader.notes.push(note.to_owned());
    }
    let mut source = reader.source(str::to_owned)?;
    source.check_layers("n_layer", config.n_layers, "encoder.h.")?;
    // Masks, which older files hold, and a table that nothing reads.
    source.drop_all(|name| name == UNUSED || name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias"));
    let mut params = source.take(slots(&config), &Order::SAME)?;
    if source.has(POSITIONS) {
        let positions = source.tensor(POSITIONS)?;
        source.drop(POSITIONS);
        let bias = params.get_mut(EMBEDDING_BIAS).filter(|_| positions.shape.ends_with(&[config.d_model]));
        match bias {
            Some(bias) => bias.values.iter_mut().zip(&positions.values).for_each(|(bias, first)| *bias += first),
            None => source.problem(format!("{POSITIONS} has the shape {:?}", positions.shape)),
        }
    }
    reader.finish(source)?;
    check_finite(&params)?;
    let context = theirs.max_length.unwrap_or(USUAL_CONTEXT);
    let plain = || TrajectoryProcessor::plain(config.d_state, config.actions(), context).into();
    let processor = processor.unwrap_or_else(plain);
    Ok(Bundle { record: new_record(), ..Bundle::new(reader.folder, config, processor, params) })
}

/// Every parameter that both models have.
fn slots(config: &DecisionTransformerConfig) -> Vec<Slot> {
    let d = config.d_model;
    let mut slots = Vec::new();
    let mut push = |ours: String, theirs: String, layout: Layout| slots.push(Slot { ours, theirs, layout });
    push("timestep_embedding.weight".into(), "embed_timestep.weight".into(), Layout::same(&[config.max_steps, d]));
    let mut map = |ours: &str, theirs: &str, [d_in, d_out]: [usize; 2]| {
        push(format!("{ours}.weight"), format!("{theirs}.weight"), Layout::map([d_in, d_out]));
        push(format!("{ours}.bias"), format!("{theirs}.bias"), Layout::same(&[d_out]));
    };
    map("return_embedding", "embed_return", [1, d]);
    map("state_embedding", "embed_state", [config.d_state, d]);
    map("action_embedding", "embed_action", [config.d_action, d]);
    map("action_head", "predict_action.0", [d, config.d_action]);
    if config.world_heads {
        map("state_head", "predict_state", [d, config.d_state]);
        map("return_head", "predict_return", [d, 1]);
    }
    push("embedding_norm.gamma".into(), "embed_ln.weight".into(), Layout::same(&[d]));
    push(EMBEDDING_BIAS.into(), "embed_ln.bias".into(), Layout::same(&[d]));
    slots.extend(gpt2::blocks("encoder.", config.n_layers, [d, config.d_ff]));
    slots
}
