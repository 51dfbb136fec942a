//! Parameters that training leaves as they are.

use attentive_core::describes;
use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::Tensor,
};

use crate::TrainError;

/// `model`, in which no gradient reaches the parameters whose paths some pattern describes.
///
/// # Errors
/// [`TrainError::Freeze`] if a pattern describes no parameter, or none is left to be trained.
pub(crate) fn freeze<M: Module>(model: M, patterns: &[String]) -> Result<M, TrainError> {
    if patterns.is_empty() {
        return Ok(model);
    }
    let shapes = attentive_weights::param_shapes(&model);
    let names = || shapes.iter().map(|param| param.name.as_str());
    let problem = |pattern: &str, problem: String| TrainError::Freeze { pattern: pattern.to_owned(), problem };
    if let Some(idle) = patterns.iter().find(|pattern| !names().any(|name| describes(pattern, name))) {
        let mut parts: Vec<&str> = names().filter_map(|name| name.split('.').next()).collect();
        parts.dedup();
        let text = format!("no parameter has such a path; the model has {}", parts.join(", "));
        return Err(problem(idle, text));
    }
    // An adapter has frozen most already.
    let trained = attentive_weights::trained_shapes(&model);
    let trained = if trained.is_empty() { &shapes } else { &trained };
    if trained.iter().all(|param| patterns.iter().any(|pattern| describes(pattern, &param.name))) {
        return Err(problem(&patterns.join(", "), "nothing is left to be trained".to_owned()));
    }
    Ok(model.map(&mut Freeze { path: Vec::new(), patterns }))
}

struct Freeze<'a> {
    path: Vec<String>,
    patterns: &'a [String],
}

impl ModuleMapper for Freeze<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        match self.patterns.iter().any(|pattern| describes(pattern, &path)) {
            true => param.set_require_grad(false),
            false => param,
        }
    }
}
