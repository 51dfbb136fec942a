//! Which lengths rows are padded to.

/// Most candidate widths considered; more lengths than these are rounded up to a coarser grid.
const MAX_CANDIDATES: usize = 512;

/// The `n_widths` widths that pad least: each of `counts[len]` rows of length `len` takes the least width that
/// holds it, and widths are multiples of `multiple`.
///
/// Exact, by dynamic programming over the distinct lengths: `waste(k, j) = min_i waste(k - 1, i) +
/// (rows of lengths in (i, j]) · width_j`.
pub(crate) fn least_padding(counts: &[u64], n_widths: usize, multiple: usize) -> Vec<usize> {
    let grid = counts.len().div_ceil(MAX_CANDIDATES * multiple).max(1) * multiple;
    // Candidate widths, ascending, and the number of rows that fit each.
    let mut widths: Vec<usize> = Vec::new();
    let mut n_fit: Vec<u64> = Vec::new();
    for (len, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let width = len.next_multiple_of(grid);
        if widths.last() != Some(&width) {
            widths.push(width);
            n_fit.push(n_fit.last().copied().unwrap_or(0));
        }
        if let Some(n) = n_fit.last_mut() {
            *n += count;
        }
    }
    let n_candidates = widths.len();
    let cost = |from: usize, to: usize| {
        let before = if from == 0 { 0 } else { n_fit[from - 1] };
        u128::from(n_fit[to - 1] - before) * widths[to - 1] as u128
    };

    // `area[j]`: least padded area of the first `j` candidates with as many widths as rounds so far.
    let mut area: Vec<u128> = (0..=n_candidates).map(|j| if j == 0 { 0 } else { cost(0, j) }).collect();
    let mut last_cuts: Vec<Vec<usize>> = Vec::new();
    for _ in 1..n_widths.min(n_candidates) {
        let (next, cuts): (Vec<_>, Vec<_>) = (0..=n_candidates)
            .map(|j| {
                let split = (0..j).map(|i| (area[i] + cost(i, j), i));
                split.min().unwrap_or((0, 0))
            })
            .unzip();
        area = next;
        last_cuts.push(cuts);
    }

    let mut chosen = Vec::new();
    let mut end = n_candidates;
    for cuts in last_cuts.iter().rev().map(Some).chain([None]) {
        if end == 0 {
            break;
        }
        chosen.push(widths[end - 1]);
        end = cuts.map_or(0, |cuts| cuts[end]);
    }
    chosen.reverse();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(counts: &[u64], widths: &[usize]) -> u64 {
        let width = |len| *widths.iter().find(|&&w| w >= len).expect("the longest length has a width");
        (0..counts.len()).filter(|&len| counts[len] > 0).map(|len| counts[len] * width(len) as u64).sum()
    }

    #[test]
    fn equals_trying_all_choices() {
        let counts = [0, 4, 0, 9, 1, 0, 12, 3, 2, 0, 1];
        let lengths: Vec<usize> = (0..counts.len()).filter(|&len| counts[len] > 0).collect();
        for n_widths in 1..=lengths.len() + 2 {
            let best = (0..1_u32 << lengths.len())
                .map(|set| (0..lengths.len()).filter(|i| set >> i & 1 == 1).map(|i| lengths[i]).collect())
                .filter(|widths: &Vec<usize>| widths.len() <= n_widths && widths.last() == lengths.last())
                .map(|widths| area(&counts, &widths))
                .min();
            let widths = least_padding(&counts, n_widths, 1);
            assert!(widths.len() <= n_widths && widths.is_sorted());
            assert_eq!(Some(area(&counts, &widths)), best, "{n_widths} widths: {widths:?}");
        }
    }

    #[test]
    fn widths_are_multiples_and_hold_every_length() {
        let mut counts = vec![0; 5000];
        (1..5000).step_by(3).for_each(|len| counts[len] = 1);
        for multiple in [1, 8, 64] {
            let widths = least_padding(&counts, 6, multiple);
            assert_eq!(widths.len(), 6);
            assert!(widths.iter().all(|w| w % multiple == 0) && *widths.last().unwrap() >= 4999);
        }
        assert!(least_padding(&[], 4, 1).is_empty());
        assert!(least_padding(&[0, 0], 4, 1).is_empty());
    }
}
