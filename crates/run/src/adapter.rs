//! Runs that train an adapter in the place of a model.

use std::borrow::Cow;

use attentive_bundle::Adapter;
use attentive_model::AdapterConfig;
use attentive_task::{
    Context, Log, Result,
    config::{Problem, RunRecipe},
    of_model, thousands,
};
use attentive_weights::Tensors;
use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::Tensor,
};

/// The model that a run trains: `model`, with the adapter that the settings say on it.
///
/// # Errors
/// The adapter does not suit the model.
pub(crate) fn adapted<M: Module>(model: M, run: &RunRecipe, log: &dyn Log) -> Result<M> {
    let Some(adapter) = &run.adapter else { return Ok(model) };
    let (model, maps) =
        adapter.attach(model, run.training.seed).map_err(|error| Problem::within("adapter", &[error.key()], &error))?;
    log.line(&format!(
        "adapter   rank {} on {} linear maps: {} of {} parameters are trained",
        adapter.rank,
        maps.len(),
        thousands(n_trained(&model)),
        thousands(model.num_params() as u64)
    ));
    Ok(model)
}

/// Number of parameters that are trained.
pub(crate) fn n_trained<M: Module>(model: &M) -> u64 {
    struct Trained(u64);
    impl ModuleVisitor for Trained {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.val().is_require_grad() {
                self.0 += param.lazy_shape().num_elements() as u64;
            }
        }
    }
    let mut trained = Trained(0);
    model.visit(&mut trained);
    trained.0
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
