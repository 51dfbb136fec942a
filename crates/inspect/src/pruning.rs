//! Which heads to prune.

use std::collections::BTreeMap;

use attentive_model::{AttentionPlace, Attentions, ModelHead, ModelHeads};

use crate::HeadImportance;

/// The `n` heads that matter least, by gradients that are divided by the root of the sum of squares of their attention's; fewer
/// where the last head of an attention would leave, which stays. Heads that share keys and values leave together: then fewer
/// than `n` may.
///
/// Source: Michel et al. 2019, "Are Sixteen Heads Really Better than One?", §4.1; the division as there, after Molchanov et al.
/// 2017.
pub fn least_important(importance: &[HeadImportance], attentions: &Attentions, n: usize) -> ModelHeads {
    let mut norms = BTreeMap::<AttentionPlace, f64>::new();
    for HeadImportance { head, gradient } in importance {
        *norms.entry(head.attention).or_default() += gradient * gradient;
    }
    let share = |one: &HeadImportance| match norms.get(&one.head.attention).copied().unwrap_or_default().sqrt() {
        norm if norm > 0.0 => one.gradient / norm,
        _ => 0.0,
    };
    // Those that share the only head of keys and values may leave one by one.
    let [n_heads, n_kv_heads] = [attentions.whole.n_heads, attentions.whole.n_kv_heads];
    let per_group = if n_kv_heads > 1 { (n_heads / n_kv_heads).max(1) } else { 1 };
    let mut groups = BTreeMap::<(AttentionPlace, usize), (f64, Vec<ModelHead>)>::new();
    for one in importance {
        let group = groups.entry((one.head.attention, one.head.head / per_group)).or_default();
        group.0 += share(one);
        group.1.push(one.head);
    }
    let mut groups: Vec<(AttentionPlace, f64, Vec<ModelHead>)> =
        groups.into_iter().map(|((place, _), (sum, heads))| (place, sum / heads.len() as f64, heads)).collect();
    let mut n_groups = BTreeMap::<AttentionPlace, usize>::new();
    groups.iter().for_each(|(place, ..)| *n_groups.entry(*place).or_default() += 1);
    groups.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut pruned = ModelHeads::default();
    for (place, _, heads) in groups {
        let Some(left) = n_groups.get_mut(&place).filter(|left| **left > 1) else { continue };
        if pruned.len() + heads.len() <= n {
            *left -= 1;
            pruned.extend(heads);
        }
    }
    pruned
}
