//! Checked sizes: the `unsafe` code of this crate relies on them, and plain products of sizes wrap around.

/// The largest number of `f32` that one slice can hold.
const MOST: usize = isize::MAX as usize / size_of::<f32>();

/// Number of elements of memory that a view of `dims` with `strides` spans: one more than the index of its last
/// element, and 0 if a dimension is zero. `None` if that is not a `usize`.
pub(crate) fn extent<const N: usize>(dims: [usize; N], strides: [usize; N]) -> Option<usize> {
    if dims.contains(&0) {
        return Some(0);
    }
    dims.into_iter().zip(strides).try_fold(1_usize, |sum, (n, stride)| sum.checked_add((n - 1).checked_mul(stride)?))
}

/// The product of `dims`; each product of some of them is a valid size too.
///
/// # Panics
/// If no memory can hold as many `f32`. For this check a dimension of zero counts as one, so that the others can be
/// multiplied in any order.
#[track_caller]
pub(crate) fn elements<const N: usize>(dims: [usize; N]) -> usize {
    let product = dims.into_iter().try_fold(1_usize, |product, n| product.checked_mul(n.max(1)));
    assert!(product.is_some_and(|n| n <= MOST), "a size of {dims:?} is more than memory can hold");
    dims.into_iter().product()
}

/// The product of `dims` as a measure of work, at most `usize::MAX`.
pub(crate) fn work<const N: usize>(dims: [usize; N]) -> usize {
    dims.into_iter().fold(1, usize::saturating_mul)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sizes whose products wrap around about half of the time.
    fn sizes() -> impl Strategy<Value = usize> {
        prop_oneof![
            0..9_usize,
            (0..9_usize).prop_map(|less| usize::MAX - less),
            (0..usize::BITS, 0..3_usize).prop_map(|(bit, more)| (1_usize << bit).wrapping_add(more).wrapping_sub(1)),
            any::<usize>(),
        ]
    }

    proptest! {
        #[test]
        fn an_extent_is_exact_or_refused(dims in prop::array::uniform3(sizes()), strides in prop::array::uniform3(sizes())) {
            // Below 2¹³⁰, so not in `u128`: no dimension's part exceeds 2¹²⁸, and saturated sums stay large.
            let exact = dims.into_iter().zip(strides).fold(1_u128, |sum, (n, stride)| {
                sum.saturating_add((n as u128).saturating_sub(1) * stride as u128)
            });
            let expected = if dims.contains(&0) { Some(0) } else { usize::try_from(exact).ok() };
            prop_assert_eq!(extent(dims, strides), expected);
        }

        #[test]
        fn elements_are_counted_or_refused(dims in prop::array::uniform4(sizes())) {
            let exact = dims.into_iter().fold(1_u128, |product, n| product.saturating_mul(n as u128));
            if let Ok(n) = std::panic::catch_unwind(|| elements(dims)) {
                prop_assert_eq!(n as u128, exact);
                prop_assert!(n <= MOST);
            } else {
                let without_zeros = dims.into_iter().fold(1_u128, |product, n| product.saturating_mul(n.max(1) as u128));
                prop_assert!(without_zeros > MOST as u128);
            }
            prop_assert_eq!(work(dims) as u128, if dims.contains(&0) { 0 } else { exact.min(usize::MAX as u128) });
        }
    }
}
