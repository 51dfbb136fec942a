//! Objects and arrays of JSON.

use super::{
    expr::{Expr, Rules},
    strings,
};

/// White space between two tokens of JSON: up to 32 of it, so that a text does not go on in it without end.
pub(super) fn white_space(rules: &mut Rules) -> Expr {
    let space = Expr::Characters(vec![('\t', '\n'), ('\r', '\r'), (' ', ' ')]);
    rules.add("white space", space.repeat(0, Some(32)))
}

/// Parts of JSON that a form has in many places.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) space: Expr,
    /// A character of a string.
    pub(super) character: Expr,
    /// A string of any characters, with its quotes.
    pub(super) string: Expr,
    /// An object of any members.
    pub(super) object: Expr,
    /// A value of any kind.
    pub(super) value: Expr,
}

impl Parts {
    pub(super) fn new(rules: &mut Rules) -> Self {
        let space = white_space(rules);
        let character = rules.add("a character", strings::characters(1, Some(1)));
        let quoted = Expr::Sequence(vec![Expr::text("\""), strings::characters(0, None), Expr::text("\"")]);
        let string = rules.add("a string", quoted);
        let [object, value] = ["an object", "a value"].map(|name| rules.reserve(name));
        let parts = Self { space, character, string, object: Expr::Rule(object), value: Expr::Rule(value) };
        let member = parts.member(parts.string.clone(), parts.value.clone());
        let members = parts.listed(rules, member, 0, None);
        rules.set(object, parts.list("{}", members));
        let items = parts.listed(rules, parts.value.clone(), 0, None);
        let literals = ["true", "false", "null"].map(Expr::text);
        let kinds = [parts.list("[]", items), parts.string.clone(), parts.object.clone(), super::numbers::any_number()];
        rules.set(value, Expr::Choice(kinds.into_iter().chain(literals).collect()));
        parts
    }

    /// What is in brackets, if something is.
    pub(super) fn list(&self, brackets: &str, content: Expr) -> Expr {
        let (open, close) = brackets.split_at(1);
        Expr::Sequence(vec![Expr::text(open), self.space.clone(), content, Expr::text(close)])
    }

    /// A member of an object, by its name with quotes.
    pub(super) fn member(&self, name: Expr, value: Expr) -> Expr {
        let space = || self.space.clone();
        Expr::Sequence(vec![name, space(), Expr::text(":"), space(), value])
    }

    fn comma(&self) -> Expr {
        Expr::text(",").then(self.space.clone())
    }

    /// From `min` to `max` of the same, white space after each.
    pub(super) fn listed(&self, rules: &mut Rules, item: Expr, min: u32, max: Option<u32>) -> Expr {
        self.items(rules, (Vec::new(), Some(item)), min, max)
    }

    /// Items of an array: the first ones by their places, and others; white space after each.
    pub(super) fn items(
        &self,
        rules: &mut Rules,
        (mut first, other): (Vec<Expr>, Option<Expr>),
        min: u32,
        max: Option<u32>,
    ) -> Expr {
        let spaced = |item: Expr| item.then(self.space.clone());
        let more = other.clone().map(|item| self.comma().then(spaced(item)));
        if first.is_empty() {
            first.extend(other);
        }
        let n_first = first.len() as u32;
        let max = if more.is_some() { max } else { Some(max.unwrap_or(n_first).min(n_first)) };
        if max.is_some_and(|max| max < min) {
            return Expr::never();
        }
        first.truncate(max.unwrap_or(u32::MAX) as usize);
        let n_more = (min.saturating_sub(n_first), max.map(|max| max.saturating_sub(n_first)));
        let mut rest = more.map_or(Expr::empty(), |more| more.repeat(n_more.0, n_more.1));
        // From the last one to the first; each that is not needed may be left out with all after it. Each is a rule, so that
        // no expression is as deep as there are items, in arrays within arrays.
        for (at, item) in first.into_iter().enumerate().rev() {
            let comma = if at == 0 { Expr::empty() } else { self.comma() };
            let item = Expr::Sequence(vec![comma, spaced(item), rest]);
            rest = rules.add("items", if at < min as usize { item } else { item.optional() });
        }
        rest
    }
}

/// A member that an object may have.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) member: Expr,
    pub(super) is_required: bool,
}

/// Members of an object in their order, and others after them; white space after each.
pub(super) fn members(rules: &mut Rules, parts: &Parts, fields: Vec<Field>, other: Option<Expr>) -> Expr {
    let spaced = |member: Expr| member.then(parts.space.clone());
    let other = other.map(|member| rules.add("another member", spaced(member)));
    // What follows where no member is written yet, and where one is.
    let others = |other: &Expr| parts.comma().then(other.clone()).repeat(0, None);
    let mut after = other.as_ref().map_or(Expr::empty(), others);
    let mut first = other.map_or(Expr::empty(), |other| other.then(after.clone()).optional());
    for Field { member, is_required } in fields.into_iter().rev() {
        let member = rules.add("a member", spaced(member));
        let begun = member.clone().then(after.clone());
        let with_comma = Expr::Sequence(vec![parts.comma(), member, after.clone()]);
        (first, after) = match is_required {
            true => (begun, with_comma),
            false => (Expr::Choice(vec![begun, first]), Expr::Choice(vec![with_comma, after])),
        };
        (first, after) = (rules.add("members", first), rules.add("more members", after));
    }
    first
}
