//! The tokens that translations of a source are searched among.

use std::collections::BTreeMap;

use attentive_core::TokenId;
use attentive_model::ModelConfig;
use serde::{Deserialize, Serialize};

use crate::{
    BundleError,
    folder::{Folder, SHORTLIST},
};

/// A vocabulary shortlist: for each source token the target tokens that it is most often translated by, and the target tokens
/// that are most frequent whatever the source. A search among these multiplies less of the projection.
///
/// Source: L'Hostis et al. 2016, "Vocabulary Selection Strategies for NMT", §3.
///
/// ```
/// use attentive_bundle::Shortlist;
///
/// let shortlist = Shortlist::new(vec![3, 2], [(7, vec![9, 8]), (5, vec![8])]);
/// assert_eq!(shortlist.of(&[5, 7, 7]), [2, 3, 8, 9]);
/// assert_eq!(shortlist.of(&[6]), [2, 3]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shortlist {
    /// The most frequent target tokens, the most frequent first.
    frequent: Vec<TokenId>,
    /// The target tokens of each source token, the most probable first.
    of_source: BTreeMap<TokenId, Vec<TokenId>>,
}

impl Shortlist {
    /// A shortlist of these frequent target tokens, and of the target tokens of source tokens.
    pub fn new(frequent: Vec<TokenId>, of_source: impl IntoIterator<Item = (TokenId, Vec<TokenId>)>) -> Self {
        Self { frequent, of_source: of_source.into_iter().collect() }
    }

    /// The target tokens for a source, each once, in order of their ids.
    pub fn of(&self, source: &[TokenId]) -> Vec<TokenId> {
        let of_tokens = source.iter().flat_map(|&token| self.of_token(token));
        let mut tokens: Vec<TokenId> = self.frequent.iter().chain(of_tokens).copied().collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }

    /// The most frequent target tokens, the most frequent first.
    pub fn frequent(&self) -> &[TokenId] {
        &self.frequent
    }

    /// The target tokens of a source token, the most probable first.
    pub fn of_token(&self, source: TokenId) -> &[TokenId] {
        self.of_source.get(&source).map_or(&[], Vec::as_slice)
    }

    /// Number of source tokens that have target tokens.
    pub fn n_source_tokens(&self) -> usize {
        self.of_source.len()
    }

    /// The shortlist of a model's folder, if it has one.
    pub(crate) fn read(folder: &Folder<'_>, model: &ModelConfig) -> Result<Option<Self>, BundleError> {
        let Some(json) = folder.bytes_of_optional(SHORTLIST)? else { return Ok(None) };
        let damaged = |problem: String| BundleError::Damaged { path: folder.place(SHORTLIST), problem };
        let shortlist: Self = serde_json::from_slice(&json).map_err(|cause| damaged(cause.to_string()))?;
        match shortlist.problem(model.source_vocab_size(), model.vocab_size()) {
            Some(problem) => Err(damaged(problem)),
            None => Ok(Some(shortlist)),
        }
    }

    /// What its file has.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers")
    }

    /// What is wrong with it for a model of so many source tokens and target tokens.
    pub(crate) fn problem(&self, n_source: usize, n_target: usize) -> Option<String> {
        let beyond = |side, id, n| format!("it has the {side} token {id}, and the model {n} of them");
        let targets = self.frequent.iter().chain(self.of_source.values().flatten());
        if let Some(&id) = self.of_source.keys().find(|&&id| id as usize >= n_source) {
            return Some(beyond("source", id, n_source));
        }
        targets.copied().find(|&id| id as usize >= n_target).map(|id| beyond("target", id, n_target))
    }
}
