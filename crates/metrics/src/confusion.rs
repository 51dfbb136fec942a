use crate::Metric;

/// What a classifier said of examples whose classes are known: for each class and each guess, how many.
///
/// # Examples
/// ```
/// use attentive_metrics::{Confusion, Metric};
///
/// let mut confusion = Confusion::new(2);
/// for (class, guess) in [(1, 1), (1, 1), (1, 0), (0, 0)] {
///     confusion.add((class, guess));
/// }
/// assert_eq!(confusion.value(), Some(0.75)); // the accuracy
/// assert!((confusion.matthews().unwrap() - 0.577_350_269).abs() < 1e-9);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    n_classes: usize,
    /// Row-major, a row for each class.
    counts: Vec<u64>,
}

impl Confusion {
    /// No example yet of `n_classes` classes.
    pub fn new(n_classes: usize) -> Self {
        Self { n_classes, counts: vec![0; n_classes * n_classes] }
    }

    /// Examples of `class` that were taken for `guess`.
    pub fn count(&self, class: usize, guess: usize) -> u64 {
        self.counts[class * self.n_classes + guess]
    }

    /// All examples.
    pub fn n(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Examples whose class was told right.
    pub fn n_right(&self) -> u64 {
        (0..self.n_classes).map(|class| self.count(class, class)).sum()
    }

    /// The share of examples told right, or `None` without examples.
    pub fn accuracy(&self) -> Option<f64> {
        (self.n() > 0).then(|| self.n_right() as f64 / self.n() as f64)
    }

    /// The correlation of classes and guesses, from −1 to 1: 0 is what chance, or one guess for all, has; that is also its
    /// value where all examples are of one class. `None` without examples.
    ///
    /// Source: Matthews 1975; Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient",
    /// for more than two classes.
    pub fn matthews(&self) -> Option<f64> {
        let n = self.n() as f64;
        let [mut of_both, mut of_classes, mut of_guesses] = [0.0; 3];
        for k in 0..self.n_classes {
            let [class, guess] = [self.of_class(k) as f64, self.of_guess(k) as f64];
            of_both += class * guess;
            of_classes += class * class;
            of_guesses += guess * guess;
        }
        let spread = ((n * n - of_classes) * (n * n - of_guesses)).sqrt();
        let covariance = self.n_right() as f64 * n - of_both;
        (n > 0.0).then(|| if spread > 0.0 { covariance / spread } else { 0.0 })
    }

    /// The mean over classes of F1, the harmonic mean of precision and recall; that of a class without examples and guesses
    /// is 0, as in scikit-learn. `None` without examples.
    pub fn macro_f1(&self) -> Option<f64> {
        let f1 = |class: usize| {
            let both = self.of_class(class) + self.of_guess(class);
            2.0 * self.count(class, class) as f64 / both.max(1) as f64
        };
        (self.n() > 0).then(|| (0..self.n_classes).map(f1).sum::<f64>() / self.n_classes as f64)
    }

    fn of_class(&self, class: usize) -> u64 {
        (0..self.n_classes).map(|guess| self.count(class, guess)).sum()
    }

    fn of_guess(&self, guess: usize) -> u64 {
        (0..self.n_classes).map(|class| self.count(class, guess)).sum()
    }
}

/// Its value is the accuracy.
impl Metric for Confusion {
    /// An example's class and what it was taken for; classes count from 0.
    type Sample<'a> = (usize, usize);

    /// # Panics
    /// One of them is not a class.
    fn add(&mut self, (class, guess): (usize, usize)) {
        assert!(class < self.n_classes && guess < self.n_classes, "class {class} or {guess} of {}", self.n_classes);
        self.counts[class * self.n_classes + guess] += 1;
    }

    /// # Panics
    /// They do not have as many classes.
    fn merge(&mut self, other: Self) {
        assert_eq!(self.n_classes, other.n_classes, "of as many classes");
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
    }

    fn value(&self) -> Option<f64> {
        self.accuracy()
    }
}
