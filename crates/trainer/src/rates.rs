//! Learning rates of parts of a model.

use std::collections::BTreeMap;

use attentive_core::describes;
use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::Tensor,
};
use serde::{Deserialize, Serialize};

use crate::{TrainError, TrainerConfig};

/// Parts of a path that a number follows, that of a layer.
const LAYERS: [&str; 2] = ["layers", "cells"];

/// A learning rate of their own for some parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RateConfig {
    /// The parameters, by their paths: a part stands for all that is in it, and `*` for any characters.
    pub pattern: String,
    /// What the learning rate is multiplied by.
    pub factor: f64,
}

/// The factors of the learning rate that are not 1, by parameter: that of the last pattern which describes it, times that of
/// its layer.
///
/// # Errors
/// [`TrainError::Rates`] if a pattern describes no parameter that is trained, or the model has no layers to tell apart.
pub(crate) fn factors<M: Module>(model: &M, config: &TrainerConfig) -> Result<BTreeMap<String, f64>, TrainError> {
    let mut params = Params::default();
    if config.rates.is_empty() && config.layer_decay == 1.0 {
        return Ok(BTreeMap::new());
    }
    model.visit(&mut params);
    of_params(&params, config)
}

/// Those of these parameters.
fn of_params(params: &Params, config: &TrainerConfig) -> Result<BTreeMap<String, f64>, TrainError> {
    let TrainerConfig { rates, layer_decay, .. } = config;
    let trained = || params.found.iter().filter(|(_, is_trained)| *is_trained).map(|(name, _)| name.as_str());
    if let Some(idle) = rates.iter().find(|rate| !trained().any(|name| describes(&rate.pattern, name))) {
        let mut parts: Vec<&str> = trained().filter_map(|name| name.split('.').next()).collect();
        parts.dedup();
        let problem = format!("no parameter that is trained has such a path; those are in {}", parts.join(", "));
        return Err(TrainError::Rates { setting: format!("rates has {:?}", idle.pattern), problem });
    }
    let stacks = if *layer_decay == 1.0 { Stacks::default() } else { Stacks::of(params)? };
    let of_pattern = |name: &str| {
        let last = rates.iter().rev().find(|rate| describes(&rate.pattern, name));
        last.map_or(1.0, |rate| rate.factor)
    };
    let factor = |(at, (name, _)): (usize, &(String, bool))| {
        (name.clone(), of_pattern(name) * layer_decay.powi(stacks.layers_above(at, name)))
    };
    Ok(params.found.iter().enumerate().map(factor).filter(|(_, factor)| *factor != 1.0).collect())
}

/// The paths of parameters in the order of the model, and whether each is trained.
#[derive(Debug, Default)]
struct Params {
    path: Vec<String>,
    found: Vec<(String, bool)>,
}

impl ModuleVisitor for Params {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.push((self.path.join("."), param.val().is_require_grad()));
    }
}

/// The stacks of layers of a model: what comes before the number of a layer in its path, and how many layers there are.
#[derive(Debug, Default)]
struct Stacks {
    n_layers: BTreeMap<String, usize>,
    /// Where the first layer of the last stack is among parameters.
    last: usize,
}

impl Stacks {
    /// Those that are trained: one, or an encoder and a decoder, of which neither is above the other.
    fn of(params: &Params) -> Result<Self, TrainError> {
        let mut n_layers: BTreeMap<String, (usize, bool, usize)> = BTreeMap::new();
        for (at, (name, is_trained)) in params.found.iter().enumerate() {
            let Some((stack, layer)) = layer_of(name) else { continue };
            let (n, any, _) = n_layers.entry(stack.to_owned()).or_insert((0, false, at));
            (*n, *any) = ((*n).max(layer + 1), *any | is_trained);
        }
        n_layers.retain(|_, (_, is_trained, _)| *is_trained);
        let names: Vec<&str> = n_layers.keys().map(String::as_str).collect();
        let is_of_two = |name: &&str| ["encoder", "decoder"].iter().any(|part| name.split('.').any(|of| of == *part));
        let problem = match &names[..] {
            [] => "no layers of the model are trained".to_owned(),
            [_] => String::new(),
            [_, _] if names.iter().all(is_of_two) => String::new(),
            _ => format!("the model has layers of several kinds, in {}: set rates instead", names.join(", ")),
        };
        if !problem.is_empty() {
            return Err(TrainError::Rates { setting: "layer_decay".to_owned(), problem });
        }
        let last = n_layers.values().map(|(_, _, first)| *first).max().unwrap_or(0);
        Ok(Self { n_layers: n_layers.into_iter().map(|(name, (n, _, _))| (name, n)).collect(), last })
    }

    /// How many times a parameter's learning rate has decayed: once for its own layer and for each above it, and once more for
    /// what is below all layers, such as embeddings. What is above them has the whole rate, and so has the projection to the
    /// vocabulary, wherever the model has it.
    fn layers_above(&self, at: usize, name: &str) -> i32 {
        let n = match layer_of(name) {
            Some((stack, layer)) => self.n_layers.get(stack).map_or(0, |n| n - layer),
            None if at >= self.last || self.is_beside(name) => 0,
            None => self.n_layers.values().max().map_or(0, |n| n + 1),
        };
        i32::try_from(n).unwrap_or(i32::MAX)
    }

    /// Whether a parameter belongs to a stack without being in a layer, as its last norm, or projects to the vocabulary.
    fn is_beside(&self, name: &str) -> bool {
        let is_of = |stack: &String| name.strip_prefix(stack.as_str()).is_some_and(|rest| rest.starts_with('.'));
        self.n_layers.keys().any(is_of) || name.split('.').any(|part| part == "projection" || part == "projection_bias")
    }
}

/// The stack that a parameter's layer is in, and the number of the layer.
fn layer_of(name: &str) -> Option<(&str, usize)> {
    let mut start = 0;
    for part in name.split('.') {
        let end = start + part.len();
        if LAYERS.contains(&part)
            && let Some(number) = name.get(end + 1..).and_then(|rest| rest.split('.').next())
            && let Ok(number) = number.parse()
        {
            return Some((name[..start].trim_end_matches('.'), number));
        }
        start = end + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The factors of a model with these parameters, all of which are trained, in powers of a half.
    fn decayed(names: &[&str]) -> Result<Vec<i32>, String> {
        let found: Vec<(String, bool)> = names.iter().map(|&name| (name.to_owned(), true)).collect();
        let params = Params { path: Vec::new(), found };
        let stacks = Stacks::of(&params).map_err(|error| error.to_string())?;
        Ok(names.iter().enumerate().map(|(at, name)| stacks.layers_above(at, name)).collect())
    }

    #[test]
    fn a_layer_decays_once_for_itself_and_for_each_above_it() {
        let bert = [
            "embedding.weight",
            "norm.gamma",
            "encoder.layers.0.w",
            "encoder.layers.1.w",
            "encoder.norm.gamma",
            "pooler.w",
        ];
        assert_eq!(decayed(&bert).unwrap(), [3, 3, 2, 1, 0, 0]);
        let transformer = [
            "source_embedding.weight",
            "projection.weight",
            "encoder.layers.0.w",
            "encoder.norm.gamma",
            "target_norm.gamma",
            "decoder.layers.0.w.adapter.down",
            "decoder.layers.1.w",
            "projection_bias",
        ];
        assert_eq!(decayed(&transformer).unwrap(), [3, 0, 1, 0, 3, 2, 1, 0]);
        let rnn = ["source_embedding.weight", "encoder.layers.0.forward.w", "decoder.bridge.w", "decoder.cells.0.w"];
        assert_eq!(decayed(&rnn).unwrap(), [2, 1, 0, 1]);
    }

    #[test]
    fn layers_of_other_kinds_are_refused_by_name() {
        let error = decayed(&["local.layers.0.w", "encoder.layers.0.w", "last.layers.0.w"]).unwrap_err();
        assert!(error.contains("in encoder, last, local: set rates instead"), "{error}");
        assert!(decayed(&["layers.w", "cells.x.w"]).unwrap_err().contains("no layers"));
    }
}
