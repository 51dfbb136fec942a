use std::{
    env,
    fmt::{Debug, Display},
    fs,
    path::Path,
};

/// The part of the report that a [`Comparison`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// Operations, layers, losses, gradients and updates.
    Numbers,
    /// Scores of translations.
    Scores,
    /// Text to ids and back.
    Tokenizers,
    /// Models read from and written for other systems.
    Weights,
}

/// The errors of one comparison with another implementation.
///
/// If the variable `ATTENTIVE_FIDELITY` names a folder, as `cargo xtask golden --report` does, the comparison leaves a
/// row for docs/fidelity.md there.
///
/// ```
/// use attentive_testkit::{Area, Comparison, relative_error};
///
/// let mut comparison = Comparison::new(Area::Numbers, "a half", "arithmetic", 1e-5);
/// comparison.case("of one", relative_error(&[0.5_f32], &[0.5_f64]));
/// comparison.report();
/// ```
#[derive(Debug)]
#[must_use = "a comparison is reported at its end"]
pub struct Comparison {
    area: Area,
    what: String,
    against: String,
    allowed: f64,
    n_cases: usize,
    largest: f64,
    others: f64,
}

impl Comparison {
    /// A comparison of `what` with `against`, a system and its version; no error may be above `allowed`.
    pub fn new(area: Area, what: impl Into<String>, against: impl Into<String>, allowed: f64) -> Self {
        let (what, against) = (what.into(), against.into());
        Self { area, what, against, allowed, n_cases: 0, largest: 0.0, others: 0.0 }
    }

    /// Adds the error of one case.
    ///
    /// # Panics
    /// If it is larger than allowed, or not a number.
    #[track_caller]
    pub fn case(&mut self, name: impl Display, error: f64) {
        let Self { what, against, allowed, .. } = self;
        assert!(error <= *allowed, "{what} against {against}, {name}: error {error:e}, allowed {allowed:e}");
        self.n_cases += 1;
        self.largest = self.largest.max(error);
    }

    /// Adds one case that requires equality.
    ///
    /// # Panics
    /// If `actual` is not `expected`.
    #[track_caller]
    pub fn equal<A: PartialEq<E> + Debug, E: Debug>(&mut self, name: impl Display, actual: &A, expected: &E) {
        assert!(
            actual == expected,
            "{} against {}, {name}: {actual:?} instead of {expected:?}",
            self.what,
            self.against
        );
        self.case(name, 0.0);
    }

    /// Adds the distance of the other system's own f32 from its f64, for comparison.
    pub fn f32_of_the_other(&mut self, error: f64) {
        self.others = self.others.max(error);
    }

    /// Ends the comparison.
    ///
    /// # Panics
    /// If there was no case, or the row can't be written.
    pub fn report(self) {
        assert!(self.n_cases > 0, "{}: there was no case to compare", self.what);
        let Some(folder) = env::var_os("ATTENTIVE_FIDELITY") else { return };
        let file_name = self.what.replace(|c: char| !c.is_alphanumeric(), "-");
        let Self { area, what, against, allowed, n_cases, largest, others } = self;
        let row = format!("{area:?}\t{what}\t{against}\t{n_cases}\t{largest:e}\t{allowed:e}\t{others:e}\n");
        fs::write(Path::new(&folder).join(file_name + ".tsv"), row).expect("the report's folder can be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "halves against arithmetic, of one: error 2e-1, allowed 1e-1")]
    fn what_is_too_far_is_named() {
        Comparison::new(Area::Numbers, "halves", "arithmetic", 0.1).case("of one", 0.2);
    }

    #[test]
    #[should_panic(expected = "NaN")]
    fn nan_is_too_far() {
        Comparison::new(Area::Numbers, "halves", "arithmetic", 0.1).case("of one", f64::NAN);
    }
}
