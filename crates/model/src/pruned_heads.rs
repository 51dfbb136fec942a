//! Heads by name, and those that a model has lost.

use std::{collections::BTreeSet, fmt, str::FromStr};

use attentive_attention::{HeadsLeft, MultiHeadAttentionConfig};
use serde::{Deserialize, Serialize};

use crate::ConfigError;

/// Which tokens look at which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttentionKind {
    /// The tokens of a text at one another.
    Encoder,
    /// Each token at those before it.
    Decoder,
    /// The tokens that are written at those of the source.
    Cross,
}

/// An attention of a model: `encoder.0.self`, `decoder.2.self` or `decoder.2.cross`, with layers counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttentionPlace {
    /// Which attention of a layer.
    pub kind: AttentionKind,
    /// The layer, from the input up; of layers that share their parameters, the number of these.
    pub layer: usize,
}

/// A head of a model, counted from 0 among all that the attention began with: `encoder.0.self:3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ModelHead {
    /// Its attention.
    pub attention: AttentionPlace,
    /// Its number there.
    pub head: usize,
}

/// Heads of a model.
///
/// ```
/// use attentive_model::ModelHeads;
///
/// let heads: ModelHeads = "decoder.1.cross:0,encoder.0.self:3".parse()?;
/// assert_eq!(heads.to_string(), "encoder.0.self:3,decoder.1.cross:0");
/// # Ok::<(), attentive_model::BadHead>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct ModelHeads(#[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))] BTreeSet<ModelHead>);

/// What is not the name of a head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a head: write its attention and its number, counted from 0, as encoder.0.self:3 or decoder.2.cross:0"
)]
pub struct BadHead(pub String);

/// The attentions of a model whose heads can be pruned.
#[derive(Debug, Clone, PartialEq)]
pub struct Attentions {
    /// Where they are.
    pub places: Vec<AttentionPlace>,
    /// Each of them, with all of its heads.
    pub whole: MultiHeadAttentionConfig,
    /// The heads that were pruned.
    pub pruned: ModelHeads,
}

impl AttentionKind {
    /// Its name: `encoder`, `decoder` or `decoder to encoder`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Decoder => "decoder",
            Self::Cross => "decoder to encoder",
        }
    }

    /// Its places in so many layers.
    pub fn places(self, n_layers: usize) -> impl Iterator<Item = AttentionPlace> {
        (0..n_layers).map(move |layer| AttentionPlace { kind: self, layer })
    }

    /// The stack that has it, and its name in a layer.
    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::Encoder => ("encoder", "self"),
            Self::Decoder => ("decoder", "self"),
            Self::Cross => ("decoder", "cross"),
        }
    }
}

impl AttentionPlace {
    /// The path of its parameters: `encoder.layers.0.self_attention`.
    pub fn path(self) -> String {
        let (stack, name) = self.kind.parts();
        format!("{stack}.layers.{}.{name}_attention", self.layer)
    }
}

impl fmt::Display for AttentionPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stack, name) = self.kind.parts();
        write!(f, "{stack}.{}.{name}", self.layer)
    }
}

impl fmt::Display for ModelHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.attention, self.head)
    }
}

impl FromStr for ModelHead {
    type Err = BadHead;

    fn from_str(text: &str) -> Result<Self, BadHead> {
        let head = || {
            let (attention, head) = text.trim().split_once(':')?;
            let mut parts = attention.split('.');
            let (stack, layer, name) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
            let kinds = [AttentionKind::Encoder, AttentionKind::Decoder, AttentionKind::Cross];
            let kind =
                kinds.into_iter().find(|kind| kind.parts() == (stack, name) && parts.clone().next().is_none())?;
            Some(Self { attention: AttentionPlace { kind, layer }, head: head.parse().ok()? })
        };
        head().ok_or_else(|| BadHead(text.to_owned()))
    }
}

impl TryFrom<String> for ModelHead {
    type Error = BadHead;

    fn try_from(text: String) -> Result<Self, BadHead> {
        text.parse()
    }
}

impl From<ModelHead> for String {
    fn from(head: ModelHead) -> Self {
        head.to_string()
    }
}

impl fmt::Display for ModelHeads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.iter().map(|head| head.to_string()).collect();
        f.write_str(&names.join(","))
    }
}

impl FromStr for ModelHeads {
    type Err = BadHead;

    fn from_str(text: &str) -> Result<Self, BadHead> {
        text.split(',').map(str::parse).collect()
    }
}

impl FromIterator<ModelHead> for ModelHeads {
    fn from_iter<I: IntoIterator<Item = ModelHead>>(heads: I) -> Self {
        Self(heads.into_iter().collect())
    }
}

impl Extend<ModelHead> for ModelHeads {
    fn extend<I: IntoIterator<Item = ModelHead>>(&mut self, heads: I) {
        self.0.extend(heads);
    }
}

impl ModelHeads {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The heads, in order.
    pub fn iter(&self) -> impl Iterator<Item = ModelHead> {
        self.0.iter().copied()
    }

    /// Whether a head is one of them.
    pub fn has(&self, head: ModelHead) -> bool {
        self.0.contains(&head)
    }

    /// The attentions that have some of them, in order.
    pub fn places(&self) -> Vec<AttentionPlace> {
        let mut places: Vec<AttentionPlace> = self.iter().map(|head| head.attention).collect();
        places.dedup();
        places
    }

    /// What is left of an attention of `[n_heads, n_kv_heads]` without these; `None` if it has none of them.
    pub fn left(&self, attention: AttentionPlace, n_heads: [usize; 2]) -> Option<HeadsLeft> {
        let has_some = self.iter().any(|head| head.attention == attention);
        has_some.then(|| HeadsLeft::without(n_heads, |head| self.has(ModelHead { attention, head })))
    }

    /// An attention without these heads, of `whole`, with all of them.
    pub(crate) fn without(
        &self,
        attention: AttentionPlace,
        whole: &MultiHeadAttentionConfig,
    ) -> MultiHeadAttentionConfig {
        match self.left(attention, [whole.n_heads, whole.n_kv_heads]) {
            Some(_) => whole.without(|head| self.has(ModelHead { attention, head })),
            None => whole.clone(),
        }
    }

    /// Parameters that a model loses with them, where each attention is `whole`.
    pub(crate) fn n_params(&self, whole: &MultiHeadAttentionConfig) -> usize {
        let lost = |place| whole.n_params().saturating_sub(self.without(place, whole).n_params());
        self.places().into_iter().map(lost).sum()
    }

    /// Multiply–adds that one position loses with them, where each attention is `whole`; `passes` gives the layers that run an
    /// attention, and the keys that a query sees in them together.
    pub(crate) fn products(
        &self,
        whole: &MultiHeadAttentionConfig,
        passes: impl Fn(AttentionPlace) -> (usize, usize),
    ) -> usize {
        let MultiHeadAttentionConfig { d_model, d_k, d_v, .. } = *whole;
        let lost = |place| {
            let ((n_passes, n_keys), left) = (passes(place), self.without(place, whole));
            let [n, n_kv] = [whole.n_heads - left.n_heads, whole.n_kv_heads - left.n_kv_heads];
            (n_passes * (n + n_kv) * d_model + n * n_keys) * (d_k + d_v)
        };
        self.places().into_iter().map(lost).sum()
    }

    /// How a description goes on: `, 3 heads pruned`; nothing without any.
    pub(crate) fn describe(&self) -> String {
        if self.is_empty() { String::new() } else { format!(", {} heads pruned", self.len()) }
    }
}

impl Attentions {
    /// Checks that the heads that were pruned exist, and what is left.
    ///
    /// # Errors
    /// [`ConfigError`] names the head.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let Self { places, whole: MultiHeadAttentionConfig { n_heads, n_kv_heads, .. }, pruned } = self;
        if let Some(head) = pruned.iter().find(|head| head.head >= *n_heads || !places.contains(&head.attention)) {
            return Err(ConfigError::NoHead { head, attentions: places.clone(), n_heads: *n_heads });
        }
        for attention in pruned.places() {
            let left = pruned.left(attention, [*n_heads, *n_kv_heads]);
            if left.as_ref().is_some_and(|left| left.heads.is_empty()) {
                return Err(ConfigError::NoHeadsLeft { attention });
            }
            if left.is_some_and(|left| !left.is_even(*n_kv_heads)) {
                return Err(ConfigError::UnevenHeads { attention, per_group: n_heads / n_kv_heads });
            }
        }
        Ok(())
    }

    /// The heads of one attention that are left: all, if none were pruned.
    pub fn left(&self, attention: AttentionPlace) -> HeadsLeft {
        let n_heads = [self.whole.n_heads, self.whole.n_kv_heads];
        self.pruned.left(attention, n_heads).unwrap_or_else(|| HeadsLeft::without(n_heads, |_| false))
    }

    /// All heads that are left.
    pub fn heads(&self) -> impl Iterator<Item = ModelHead> {
        let heads = self
            .places
            .iter()
            .flat_map(|&attention| (0..self.whole.n_heads).map(move |head| ModelHead { attention, head }));
        heads.filter(|&head| !self.pruned.has(head))
    }
}
