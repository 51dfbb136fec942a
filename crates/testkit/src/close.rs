/// Panics unless every `|actual - expected| <= abs + rel * |expected|`.
///
/// Infinities are close to themselves; a NaN is close to nothing. The message names the worst element, the number of
/// elements out of bounds, and the bound.
///
/// # Panics
/// If the lengths differ or an element is out of bounds.
#[track_caller]
pub fn assert_close<A, E>(actual: &[A], expected: &[E], rel: f64, abs: f64)
where
    A: Copy + Into<f64>,
    E: Copy + Into<f64>,
{
    assert_eq!(
        actual.len(),
        expected.len(),
        "lengths differ: actual has {}, expected {}",
        actual.len(),
        expected.len()
    );
    let mut n_far = 0;
    let mut worst: Option<(f64, String)> = None;
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let (a, e): (f64, f64) = (a.into(), e.into());
        let bound = abs + rel * e.abs();
        let excess = if a == e { 0.0 } else { (a - e).abs() / bound };
        if excess.is_nan() || excess > 1.0 {
            n_far += 1;
            let excess = if excess.is_nan() { f64::INFINITY } else { excess };
            if worst.as_ref().is_none_or(|(w, _)| excess > *w) {
                let line =
                    format!("at {i}: actual {a:e}, expected {e:e}, off by {:e}, allowed {bound:e}", (a - e).abs());
                worst = Some((excess, line));
            }
        }
    }
    if let Some((excess, line)) = worst {
        panic!(
            "{n_far} of {} elements are too far (rel {rel:e}, abs {abs:e}); the worst, {excess:.1} times the bound, {line}",
            actual.len()
        );
    }
}

/// The largest `|actual − expected|`; NaN if one of them is not a number.
///
/// Infinities are no distance from themselves.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn largest_error<A, E>(actual: &[A], expected: &[E]) -> f64
where
    A: Copy + Into<f64>,
    E: Copy + Into<f64>,
{
    assert_eq!(actual.len(), expected.len(), "lengths differ");
    let error = |(&a, &e): (&A, &E)| {
        let (a, e): (f64, f64) = (a.into(), e.into());
        if a == e { 0.0 } else { (a - e).abs() }
    };
    // `f64::max` would pass over a NaN.
    actual.iter().zip(expected).map(error).fold(0.0, |largest, x| if x > largest || x.is_nan() { x } else { largest })
}

/// `‖actual − expected‖ / ‖expected‖` in the Euclidean norm; if nothing is expected, `‖actual‖`.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn relative_error<A, E>(actual: &[A], expected: &[E]) -> f64
where
    A: Copy + Into<f64>,
    E: Copy + Into<f64>,
{
    assert_eq!(actual.len(), expected.len(), "lengths differ");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let error = norm(&mut actual.iter().zip(expected).map(|(&a, &e)| a.into() - e.into()));
    let expected = norm(&mut expected.iter().map(|&e| e.into()));
    if expected > 0.0 { error / expected } else { error }
}

/// Widens `f32` values to the oracles' `f64`.
pub fn widen(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_values_and_equal_infinities_pass() {
        assert_close(&[1.0f32, f32::INFINITY, 0.0], &[1.0 + 1e-7, f64::INFINITY, 1e-9], 1e-6, 1e-8);
    }

    #[test]
    #[should_panic(expected = "1 of 2 elements are too far")]
    fn a_far_value_is_named() {
        assert_close(&[1.0, 2.0], &[1.0, 2.1], 1e-6, 0.0);
    }

    #[test]
    fn the_largest_error_keeps_what_is_not_a_number() {
        assert_eq!(largest_error(&[1.0_f32, f32::INFINITY, -2.5], &[1.5, f64::INFINITY, -2.0]), 0.5);
        for actual in [[f32::NAN, 1.0, 9.0], [9.0, 1.0, f32::NAN]] {
            assert!(largest_error(&actual, &[1.0_f64; 3]).is_nan());
        }
        assert_eq!(largest_error(&[f32::INFINITY], &[1.0_f64]), f64::INFINITY);
    }

    #[test]
    #[should_panic(expected = "too far")]
    fn nan_is_close_to_nothing() {
        assert_close(&[f64::NAN], &[f64::NAN], 1.0, 1.0);
    }
}
