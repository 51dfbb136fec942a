//! Adapters: few parameters that are trained in the place of a model's own.

use attentive_attention::{Initializer, LowRank};
use attentive_core::{describes, mix64};
use burn::{
    module::{Module, ModuleVisitor, Param, Reparameterizer},
    tensor::Tensor,
};
use serde::{Deserialize, Serialize};

/// What an adapter is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum AdapterKind {
    /// `W + s · A B` (Hu et al. 2022).
    #[default]
    Lora,
    /// The same, and a length of its own for each output's weights (Liu et al. 2024).
    Dora,
}

/// Settings of an adapter: a change of low rank for each of some linear maps, which is trained while the model stays as it
/// is.
///
/// ```
/// use attentive_backend::BackendKind;
/// use attentive_model::{AdapterConfig, GptConfig, ModelSpec};
/// use burn::module::Module;
///
/// let device = BackendKind::Flex.device()?.autodiff();
/// let gpt = GptConfig::gpt2_like(8, 4, [1, 2, 16]).init(&device, 1)?;
/// let n_params = gpt.num_params();
/// let adapter = AdapterConfig { rank: 2, targets: vec!["*.query".into(), "*.value".into()], ..AdapterConfig::default() };
/// let (gpt, maps) = adapter.attach(gpt, 1)?;
/// assert_eq!(maps, ["decoder.layers.0.self_attention.query", "decoder.layers.0.self_attention.value"]);
/// assert_eq!(gpt.num_params(), n_params + 2 * 2 * (16 + 16));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct AdapterConfig {
    /// What it is made of: `lora`, or `dora`, which also learns the lengths of weights.
    pub kind: AdapterKind,
    /// Rank of each change.
    pub rank: usize,
    /// `α`: changes are multiplied by α / rank.
    pub alpha: f64,
    /// Whether changes are multiplied by α / √rank instead, which suits high ranks (Kalajdzievski 2023, rsLoRA).
    pub rank_stabilized: bool,
    /// Probability with which inputs of a change are dropped; for maps of attention and of feed-forward networks.
    pub dropout: f64,
    /// The linear maps that are changed, by their paths: a part stands for all that is in it, and `*` for any characters.
    pub targets: Vec<String>,
    /// Parameters that are trained as a whole beside it, by their paths: a new classifier, for example.
    pub train: Vec<String>,
}

impl Default for AdapterConfig {
    /// Rank 8 and α 16 on queries and values, which the paper's authors choose (Hu et al. 2022, §4.2 and §7.1).
    fn default() -> Self {
        Self {
            kind: AdapterKind::Lora,
            rank: 8,
            alpha: 16.0,
            rank_stabilized: false,
            dropout: 0.0,
            targets: vec!["*.query".into(), "*.value".into()],
            train: Vec::new(),
        }
    }
}

/// An adapter that can't be, or not on this model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct AdapterError {
    key: &'static str,
    problem: String,
}

impl AdapterError {
    fn new(key: &'static str, problem: impl Into<String>) -> Self {
        Self { key, problem: problem.into() }
    }

    /// The setting that this is about.
    pub fn key(&self) -> &'static str {
        self.key
    }
}

impl AdapterConfig {
    /// What changes are multiplied by.
    pub fn scale(&self) -> f64 {
        let rank = self.rank as f64;
        self.alpha / if self.rank_stabilized { rank.sqrt() } else { rank }
    }

    /// Checks that there can be such an adapter.
    ///
    /// # Errors
    /// [`AdapterError`] names the setting that is wrong.
    pub fn validate(&self) -> Result<(), AdapterError> {
        let Self { rank, alpha, dropout, targets, .. } = self;
        if *rank == 0 {
            return Err(AdapterError::new("rank", "0 is not a rank; it must be at least 1"));
        }
        if !(alpha.is_finite() && *alpha > 0.0) {
            return Err(AdapterError::new("alpha", format!("{alpha} must be a number above 0")));
        }
        if !(0.0..1.0).contains(dropout) {
            return Err(AdapterError::new("dropout", format!("{dropout} must be at least 0 and below 1")));
        }
        match targets.is_empty() {
            true => Err(AdapterError::new("targets", "name a linear map: [\"*.query\", \"*.value\"] for example")),
            false => Ok(()),
        }
    }

    /// `model` with a change that does nothing yet on each map that a target describes, drawn from `seed`, and the paths of
    /// these maps. All other parameters stay as they are in training, but for those of [`train`](Self::train).
    ///
    /// # Errors
    /// [`AdapterError`] if a pattern describes no map or no parameter, or a setting does not suit the map.
    pub fn attach<M: Module>(&self, model: M, seed: u64) -> Result<(M, Vec<String>), AdapterError> {
        self.validate()?;
        let mut found = Maps::default();
        model.visit(&mut found);
        if let Some(idle) =
            self.targets.iter().find(|pattern| !found.maps.iter().any(|map| describes(pattern, &map.path)))
        {
            let there = found.kinds().join(", ");
            return Err(AdapterError::new("targets", format!("{idle:?} describes no linear map; there are {there}")));
        }
        if let Some(idle) = self.train.iter().find(|pattern| !found.params.iter().any(|path| describes(pattern, path)))
        {
            let mut parts: Vec<&str> = found.params.iter().filter_map(|path| path.split('.').next()).collect();
            parts.dedup();
            let text = format!("{idle:?} describes no parameter; the model has {}", parts.join(", "));
            return Err(AdapterError::new("train", text));
        }
        let is_among = |patterns: &[String], path: &str| patterns.iter().any(|pattern| describes(pattern, path));
        found.maps.retain(|map| is_among(&self.targets, &map.path) && !is_among(&self.train, &map.weight()));
        if found.maps.is_empty() {
            return Err(AdapterError::new(
                "train",
                "it has every linear map of targets, and leaves none to an adapter",
            ));
        }
        if let Some(map) = found.maps.iter().find(|map| self.dropout > 0.0 && !map.drops) {
            let text = format!("inputs of {} are never dropped: set 0, or leave it out of targets", map.path);
            return Err(AdapterError::new("dropout", text));
        }
        let attach = Attach { config: self, maps: &found.maps, seed: mix64(seed ^ 0xada9), init: None };
        let model = model.apply_reparameterization(attach);
        Ok((model, found.maps.into_iter().map(|map| map.path).collect()))
    }
}

/// A linear map of a model.
#[derive(Debug)]
struct Map {
    path: String,
    /// Whether passes of training reach it, which dropout needs.
    drops: bool,
}

impl Map {
    fn weight(&self) -> String {
        format!("{}.weight", self.path)
    }
}

/// The linear maps of a model, and the paths of all parameters.
#[derive(Debug, Default)]
struct Maps {
    /// Names, and what has each of them.
    path: Vec<(String, String)>,
    maps: Vec<Map>,
    params: Vec<String>,
}

impl Maps {
    /// The ends of the maps' paths, each once.
    fn kinds(&self) -> Vec<String> {
        let mut kinds: Vec<String> = Vec::new();
        for map in &self.maps {
            let parts: Vec<&str> = map.path.split('.').collect();
            let kind = match &parts[..] {
                [.., part, map] => format!("*.{part}.{map}"),
                _ => map.path.clone(),
            };
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }
}

impl ModuleVisitor for Maps {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push((name.to_owned(), container_type.to_owned()));
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
        let joined = |path: &[(String, String)]| path.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(".");
        self.params.push(joined(&self.path));
        if let [before @ .., (name, of)] = &self.path[..]
            && (&**name, &**of) == ("weight", "Struct:Linear")
        {
            let within = before.last().map_or("", |(_, within)| within);
            let drops = ["Struct:MultiHeadAttention", "Struct:FeedForward"].contains(&within);
            self.maps.push(Map { path: joined(before), drops });
        }
    }
}

/// Lays changes on the weights of maps, and keeps other parameters from training.
struct Attach<'a> {
    config: &'a AdapterConfig,
    maps: &'a [Map],
    seed: u64,
    init: Option<Initializer>,
}

impl Reparameterizer for Attach<'_> {
    type Reparam = LowRank;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LowRank>) {
        let param = param.set_require_grad(self.config.train.iter().any(|pattern| describes(pattern, path)));
        if !self.maps.iter().any(|map| map.weight() == path) {
            return (param, None);
        }
        let weight = param.base();
        let &AdapterConfig { kind, rank, dropout, .. } = self.config;
        let init = self.init.get_or_insert_with(|| Initializer::new(self.seed, &weight.device()));
        let shape = [weight.dims()[0], weight.dims()[D - 1]];
        let change = LowRank::new(weight.reshape(shape), rank, kind == AdapterKind::Dora, init);
        (param, Some(LowRank { scale: self.config.scale(), dropout, ..change }))
    }
}
