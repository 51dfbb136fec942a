//! Parameters that training leaves as they are.

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
    if names().all(|name| patterns.iter().any(|pattern| describes(pattern, name))) {
        return Err(problem(&patterns.join(", "), "nothing is left to be trained".to_owned()));
    }
    Ok(model.map(&mut Freeze { path: Vec::new(), patterns }))
}

/// Whether a pattern describes a path: `*` stands for any characters, and a part of a model for all that is in it.
fn describes(pattern: &str, path: &str) -> bool {
    let rest = |tail: &str| tail.is_empty() || tail.starts_with('.');
    match pattern.split_once('*') {
        None => path.strip_prefix(pattern).is_some_and(rest),
        Some((head, pattern)) => path.strip_prefix(head).is_some_and(|path| {
            let ends = path.char_indices().map(|(at, _)| at).chain([path.len()]);
            ends.into_iter().any(|at| describes(pattern, &path[at..]))
        }),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_describes_paths_and_what_is_in_them() {
        let path = "encoder.layers.0.self_attention.query.weight";
        for pattern in ["encoder", "encoder.*", "*", "*.weight", "encoder.layers.0", "*.self_attention.*", path, "enc*"]
        {
            assert!(describes(pattern, path), "{pattern}");
        }
        for pattern in ["enc", "decoder.*", "*.bias", "encoder.layers.1", "encoder.layers.0.self", "", "query"] {
            assert!(!describes(pattern, path), "{pattern}");
        }
    }
}
