/// `log Σ exp xᵢ`, shifted by the maximum; minus infinity for no element or none above minus infinity.
pub fn log_sum_exp(x: &[f64]) -> f64 {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY {
        return max;
    }
    max + x.iter().map(|x| (x - max).exp()).sum::<f64>().ln()
}

/// Soft-max of each row of `x` `[rows, cols]`. A row of minus infinities gives zeros.
pub fn softmax(x: &[f64], cols: usize) -> Vec<f64> {
    log_softmax(x, cols).into_iter().map(f64::exp).collect()
}

/// Log-soft-max of each row of `x` `[rows, cols]`. A row of minus infinities stays one.
pub fn log_softmax(x: &[f64], cols: usize) -> Vec<f64> {
    x.chunks_exact(cols)
        .flat_map(|row| {
            let lse = log_sum_exp(row);
            row.iter().map(move |x| if lse == f64::NEG_INFINITY { lse } else { x - lse })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assert_close;

    #[test]
    fn weights_of_one_two_four() {
        let x = [1.0f64, 2.0, 4.0].map(|w| w.ln() + 1000.0);
        assert_close(&softmax(&x, 3), &[1.0 / 7.0, 2.0 / 7.0, 4.0 / 7.0], 1e-12, 0.0);
    }

    #[test]
    fn a_fully_hidden_row_gives_zeros() {
        assert_eq!(softmax(&[f64::NEG_INFINITY; 3], 3), [0.0; 3]);
    }
}
