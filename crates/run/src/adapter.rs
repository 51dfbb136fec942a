//! Runs that train an adapter in the place of a model.

use std::borrow::Cow;

use attentive_bundle::Adapter;
use attentive_core::describes;
use attentive_model::AdapterConfig;
use attentive_task::{
    Context, Log, Result,
    config::{Problem, RunRecipe},
    of_model, thousands,
};
use attentive_weights::{ParamShape, Tensors};
use burn::module::Module;

/// The model that a run trains: `model`, which begins from `pretrained`, with the adapter that the settings say on it.
///
/// # Errors
/// The adapter does not suit the model.
pub(crate) fn adapted<M: Module>(model: M, pretrained: Option<&Tensors>, run: &RunRecipe, log: &dyn Log) -> Result<M> {
    let Some(adapter) = &run.adapter else { return Ok(model) };
    let new = parts_left_new(&model, pretrained, adapter);
    if !new.is_empty() {
        let parts = new.join(", ");
        log.warning(&format!("the adapter leaves new parts as they were drawn: name them in adapter.train ({parts})"));
    }
    let (model, maps) =
        adapter.attach(model, run.training.seed).map_err(|error| Problem::within("adapter", &[error.key()], &error))?;
    let frozen = &run.training.freeze;
    let trained = attentive_weights::trained_shapes(&model).into_iter();
    let trained = trained.filter(|param| !frozen.iter().any(|pattern| describes(pattern, &param.name)));
    log.line(&format!(
        "adapter   rank {} on {} linear maps: {} of {} parameters are trained",
        adapter.rank,
        maps.len(),
        thousands(n_values(trained)),
        thousands(model.num_params() as u64)
    ));
    Ok(model)
}

/// The parts of a model that the one before does not have, and that an adapter does not train either.
fn parts_left_new<M: Module>(model: &M, before: Option<&Tensors>, adapter: &AdapterConfig) -> Vec<String> {
    let Some(before) = before else { return Vec::new() };
    let is_new = |param: &ParamShape| before.get(&param.name).is_none_or(|known| known.shape != param.shape);
    let is_trained = |param: &ParamShape| adapter.train.iter().any(|pattern| describes(pattern, &param.name));
    let params = attentive_weights::param_shapes(model).into_iter();
    let part = |param: ParamShape| param.name.split('.').next().unwrap_or_default().to_owned();
    let mut parts: Vec<String> = params.filter(|param| is_new(param) && !is_trained(param)).map(part).collect();
    parts.dedup();
    parts
}

/// Number of parameters that are trained.
pub(crate) fn n_trained<M: Module>(model: &M) -> u64 {
    n_values(attentive_weights::trained_shapes(model).into_iter())
}

fn n_values(params: impl Iterator<Item = ParamShape>) -> u64 {
    params.map(|param| param.shape.iter().product::<usize>() as u64).sum()
}

/// The parameters of a model, of all that a run trained, and the adapter that they are changed by, if it trained one.
///
/// # Errors
/// A matrix is missing.
pub(crate) fn merged<'a>(
    trained: &'a Tensors,
    adapter: Option<&AdapterConfig>,
) -> Result<(Cow<'a, Tensors>, Option<Adapter>)> {
    let Some(config) = adapter else { return Ok((of_model(trained), None)) };
    let (mut params, adapter) = Adapter::split(trained.clone(), config).context("the run's adapter")?;
    adapter.merge(&mut params).context("the run's adapter")?;
    Ok((Cow::Owned(params), Some(adapter)))
}
