//! Drafts from the text itself.

use attentive_core::TokenId;

/// What may follow `text`: what followed the latest earlier place of its last tokens, of as many as are found, at most
/// `longest`; `n` tokens, or none. What was repeated up to the end is so on.
pub(super) fn continuation(text: &[TokenId], longest: usize, n: usize) -> Vec<TokenId> {
    let Some((_, before)) = text.split_last() else { return Vec::new() };
    let place = |len: usize| {
        let last = &text[text.len() - len..];
        before.windows(len).rposition(|window| window == last).map(|at| at + len)
    };
    let after = (1..=longest.min(before.len())).rev().find_map(place);
    after.map_or_else(Vec::new, |after| text[after..].iter().copied().cycle().take(n).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_followed_the_longest_ngram_follows_again() {
        assert_eq!(continuation(&[1, 2, 3, 4, 9, 2, 5, 1, 2], 2, 2), [3, 4]);
        assert_eq!(continuation(&[1, 2, 3, 4, 9, 2, 5, 1, 2], 1, 2), [5, 1]);
        assert_eq!(continuation(&[1, 2, 3, 4, 9, 2, 5, 7, 2], 9, 9), [5, 7, 2, 5, 7, 2, 5, 7, 2]);
        assert_eq!(continuation(&[7, 7], 3, 3), [7, 7, 7]);
        for (text, longest, n) in [(&[][..], 3, 3), (&[1], 3, 3), (&[1, 2], 3, 3), (&[1, 1], 3, 0)] {
            assert!(continuation(text, longest, n).is_empty());
        }
    }
}
