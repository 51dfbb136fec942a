//! Whether a drafted token is accepted, and what replaces it.

use std::collections::HashMap;

use attentive_core::TokenId;

/// The probability that `token`, drawn from the distribution `q`, is accepted as one of `p`: `min(1, p / q)`.
///
/// Source: Leviathan et al. 2023, §2.3.
pub(super) fn acceptance(p: &[(TokenId, f64)], q: &[(TokenId, f64)], token: TokenId) -> f64 {
    let of = |distribution: &[(TokenId, f64)]| distribution.iter().find(|(other, _)| *other == token).map(|(_, p)| *p);
    match (of(p), of(q)) {
        (Some(p), Some(q)) => (p / q).min(1.0),
        _ => 0.0,
    }
}

/// The distribution of what replaces a token of `q` that was not accepted: `max(0, p − q)`, made to sum to 1.
///
/// Source: Leviathan et al. 2023, §2.3; Chen et al. 2023, equation 2.
pub(super) fn residual(p: Vec<(TokenId, f64)>, q: &[(TokenId, f64)]) -> Vec<(TokenId, f64)> {
    let q: HashMap<TokenId, f64> = q.iter().copied().collect();
    let more = |&(token, p): &(TokenId, f64)| {
        let left = p - q.get(&token).copied().unwrap_or(0.0);
        (left > 0.0).then_some((token, left))
    };
    let mut left: Vec<(TokenId, f64)> = p.iter().filter_map(more).collect();
    let sum: f64 = left.iter().map(|(_, p)| p).sum();
    if left.is_empty() {
        // One distribution, but for rounding.
        return p;
    }
    left.iter_mut().for_each(|(_, p)| *p /= sum);
    left
}
