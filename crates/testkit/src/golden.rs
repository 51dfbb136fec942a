use std::{fs, path::PathBuf};

use serde_json::Value;

/// The folder `tests/golden` of a crate.
///
/// ```no_run
/// use attentive_testkit::Golden;
///
/// let golden = Golden::of(env!("CARGO_MANIFEST_DIR"));
/// for case in golden.cases("adam.json") {
///     let expected = Golden::tensor(&case, "weight 1");
/// }
/// println!("compared with PyTorch {}", golden.version("torch"));
/// ```
#[derive(Clone, Debug)]
pub struct Golden(PathBuf);

impl Golden {
    /// The folder of the crate whose manifest is in `manifest_dir`.
    pub fn of(manifest_dir: &str) -> Self {
        Self(PathBuf::from(manifest_dir).join("tests/golden"))
    }

    /// Path of a golden file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The cases of a JSON file that is a list.
    ///
    /// # Panics
    /// If the file is missing or is not a list.
    pub fn cases(&self, name: &str) -> Vec<Value> {
        let text = fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The name of the tensor of `actual` that differs most from the case's, and its error.
    ///
    /// Errors are relative to the tensor's norm; or to that of all tensors together if the tensor is zero except
    /// for rounding, as the gradient of a key's bias is. That of a tensor with a NaN is infinite.
    ///
    /// # Panics
    /// If a tensor is missing on either side.
    #[track_caller]
    pub fn largest_error(case: &Value, actual: &[(String, Vec<f32>)]) -> (String, f64) {
        let n_expected = case["tensors"].as_object().map_or(0, serde_json::Map::len);
        assert_eq!(actual.len(), n_expected, "another number of tensors");
        let norm = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>().sqrt();
        let expected: Vec<Vec<f64>> = actual.iter().map(|(name, _)| Self::tensor(case, name)).collect();
        let everything = norm(&expected.concat());
        let errors = actual.iter().zip(&expected).map(|((name, actual), expected)| {
            assert_eq!(actual.len(), expected.len(), "{name} has another length");
            let scale = if norm(expected) > 1e-9 * everything { norm(expected) } else { everything };
            let error: Vec<f64> = actual.iter().zip(expected).map(|(&a, &e)| f64::from(a) - e).collect();
            let error = norm(&error) / scale;
            // Of NaNs, those that have a sign are in order before all numbers.
            (name.clone(), if error.is_nan() { f64::INFINITY } else { error })
        });
        errors.max_by(|(_, a), (_, b)| a.total_cmp(b)).expect("a case has tensors")
    }

    /// The values of one of a case's tensors.
    ///
    /// # Panics
    /// If it is missing.
    pub fn tensor(case: &Value, name: &str) -> Vec<f64> {
        let values = case["tensors"][name].as_array().unwrap_or_else(|| panic!("no tensor {name:?}"));
        values.iter().map(|x| x.as_f64().expect("a number")).collect()
    }

    /// The version of the package that made the goldens, from `requirements.txt`.
    ///
    /// # Panics
    /// If it is not pinned there.
    pub fn version(&self, package: &str) -> String {
        let requirements = fs::read_to_string(self.path("requirements.txt")).expect("requirements.txt");
        let pinned = requirements.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix("=="));
        pinned.unwrap_or_else(|| panic!("requirements.txt does not pin {package}")).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_with_a_nan_differs_most() {
        let case = serde_json::json!({ "tensors": { "a": [1.0, 2.0], "b": [1.0] } });
        for nan in [f32::NAN, -f32::NAN] {
            let actual = [("a".to_owned(), vec![1.0, nan]), ("b".to_owned(), vec![1.5])];
            assert_eq!(Golden::largest_error(&case, &actual), ("a".to_owned(), f64::INFINITY));
        }
    }
}
