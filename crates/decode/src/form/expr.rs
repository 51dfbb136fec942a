//! What forms are made of: expressions over bytes that may call one another.

/// A regular expression over bytes that may call rules.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    /// These bytes.
    Bytes(Vec<u8>),
    /// One character of these ranges.
    Characters(Vec<(char, char)>),
    /// One after another; of nothing, the empty text.
    Sequence(Vec<Expr>),
    /// Any of these; of nothing, no text at all.
    Choice(Vec<Expr>),
    /// At least and at most so often.
    Repeat(Box<Expr>, u32, Option<u32>),
    /// What a rule says.
    Rule(RuleId),
}

/// An index into the bodies of rules.
pub(super) type RuleId = usize;

impl Expr {
    /// Memory that it takes.
    pub(super) fn n_bytes(&self) -> usize {
        let beyond = match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Characters(ranges) => size_of_val(&ranges[..]),
            Self::Sequence(parts) | Self::Choice(parts) => parts.iter().map(Self::n_bytes).sum(),
            Self::Repeat(part, ..) => part.n_bytes(),
            Self::Rule(_) => 0,
        };
        size_of::<Self>() + beyond
    }

    pub(super) fn text(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }

    pub(super) fn empty() -> Self {
        Self::Sequence(Vec::new())
    }

    /// No text at all.
    pub(super) fn never() -> Self {
        Self::Choice(Vec::new())
    }

    pub(super) fn range(first: char, last: char) -> Self {
        Self::Characters(vec![(first, last)])
    }

    pub(super) fn optional(self) -> Self {
        self.repeat(0, Some(1))
    }

    pub(super) fn repeat(self, min: u32, max: Option<u32>) -> Self {
        Self::Repeat(Box::new(self), min, max)
    }

    pub(super) fn then(self, next: Self) -> Self {
        Self::Sequence(vec![self, next])
    }
}

/// Rules that call one another; a form begins with one of them.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Each with its name, where it has one.
    pub(super) bodies: Vec<(String, Expr)>,
}

impl Rules {
    /// A rule whose body is set later; until then it is not a text at all.
    pub(super) fn reserve(&mut self, name: impl Into<String>) -> RuleId {
        self.bodies.push((name.into(), Expr::never()));
        self.bodies.len() - 1
    }

    pub(super) fn set(&mut self, rule: RuleId, body: Expr) {
        self.bodies[rule].1 = body;
    }

    /// The call of a new rule.
    pub(super) fn add(&mut self, name: impl Into<String>, body: Expr) -> Expr {
        let rule = self.reserve(name);
        self.set(rule, body);
        Expr::Rule(rule)
    }
}
