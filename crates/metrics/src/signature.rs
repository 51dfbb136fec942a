use std::fmt;

/// The release of sacreBLEU whose scores these are.
pub const SACREBLEU_VERSION: &str = "2.6.0";

/// Number of references of a corpus's segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefCount {
    /// All segments have this many.
    Fixed(usize),
    /// The number differs from segment to segment.
    Varying,
}

impl RefCount {
    pub(crate) fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Varying }
    }
}

impl From<usize> for RefCount {
    fn from(n: usize) -> Self {
        Self::Fixed(n)
    }
}

impl fmt::Display for RefCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(n) => n.fmt(f),
            Self::Varying => f.write_str("var"),
        }
    }
}

/// The settings that reproduce a score, as sacreBLEU writes them: `nrefs:1|case:mixed|…|version:2.6.0`.
///
/// `{}` writes the long form, `{:#}` sacreBLEU's `--short` form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    name: &'static str,
    short: &'static str,
    value: String,
}

impl Signature {
    /// `options` are `(name, short name, value)`, in the order in which they are to be written.
    pub(crate) fn new<const N: usize>(n_refs: RefCount, options: [(&'static str, &'static str, String); N]) -> Self {
        Self::of(n_refs, options, SACREBLEU_VERSION)
    }

    /// As [`new`](Self::new), of a score of another program of this version.
    pub(crate) fn of<const N: usize>(
        n_refs: RefCount,
        options: [(&'static str, &'static str, String); N],
        version: &str,
    ) -> Self {
        let mut signature = Self { items: Vec::new() };
        signature.push("nrefs", "#", n_refs.to_string());
        for (name, short, value) in options {
            signature.push(name, short, value);
        }
        signature.push("version", "v", version.into());
        signature
    }

    fn push(&mut self, name: &'static str, short: &'static str, value: String) {
        self.items.push(Item { name, short, value });
    }

    /// The signature of a score with a bootstrap interval, or of a paired bootstrap test: `bs:1000|seed:12345`.
    #[must_use]
    pub fn with_bootstrap(self, n_samples: usize, seed: u64) -> Self {
        self.with_sampling("bs", n_samples, seed)
    }

    /// The signature of a paired approximate randomization test: `ar:10000|seed:12345`.
    #[must_use]
    pub fn with_randomization(self, n_trials: usize, seed: u64) -> Self {
        self.with_sampling("ar", n_trials, seed)
    }

    fn with_sampling(mut self, name: &'static str, n_samples: usize, seed: u64) -> Self {
        self.set(name, name, n_samples.to_string());
        self.set("seed", "rs", seed.to_string());
        self
    }

    /// The signature of a score on a named test set, such as `test:wmt14` and `lang:en-de`.
    #[must_use]
    pub fn with_test_set(mut self, test_set: &str, lang_pair: &str) -> Self {
        self.set("test", "t", test_set.into());
        self.set("lang", "l", lang_pair.into());
        self
    }

    /// Puts an item where sacreBLEU has it: the items of all metrics first, those of one metric after.
    fn set(&mut self, name: &'static str, short: &'static str, value: String) {
        const COMMON: [&str; 6] = ["nrefs", "bs", "ar", "seed", "test", "lang"];
        let rank = |name| COMMON.iter().position(|&common| common == name).unwrap_or(COMMON.len());
        self.items.retain(|item| item.name != name);
        let at = self.items.partition_point(|item| rank(item.name) < rank(name));
        self.items.insert(at, Item { name, short, value });
    }

    /// The `(name, value)` pairs in the order in which they are written.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.items.iter().map(|item| (item.name, item.value.as_str()))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, item) in self.items.iter().enumerate() {
            let name = if f.alternate() { item.short } else { item.name };
            let bar = if idx == 0 { "" } else { "|" };
            write!(f, "{bar}{name}:{}", item.value)?;
        }
        Ok(())
    }
}

/// sacreBLEU's words for a switch.
pub(crate) fn yes_no(on: bool) -> String {
    if on { "yes" } else { "no" }.into()
}

/// sacreBLEU's words for the treatment of case.
pub(crate) fn case(lowercase: bool) -> String {
    if lowercase { "lc" } else { "mixed" }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampling_stands_between_references_and_options() {
        let signature = Signature::new(RefCount::Fixed(2), [("case", "c", case(false))])
            .with_test_set("wmt14", "en-de")
            .with_randomization(10_000, 12345)
            .with_bootstrap(1000, 12345);
        assert_eq!(
            signature.to_string(),
            "nrefs:2|bs:1000|ar:10000|seed:12345|test:wmt14|lang:en-de|case:mixed|version:2.6.0"
        );
        assert_eq!(format!("{signature:#}"), "#:2|bs:1000|ar:10000|rs:12345|t:wmt14|l:en-de|c:mixed|v:2.6.0");
    }
}
