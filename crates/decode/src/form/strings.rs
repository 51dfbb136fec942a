//! Strings of JSON.

use super::expr::{Expr, Rules};

/// Whether a character can't be in a string as it is (RFC 8259, §7).
fn is_escaped(c: char) -> bool {
    c < ' ' || c == '"' || c == '\\'
}

/// A character as it is written where it can't be as it is.
fn escape(c: char) -> String {
    match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c => format!("\\u{:04x}", u32::from(c)),
    }
}

/// A text within a string, written in one way.
pub(super) fn spelled(text: &str) -> Expr {
    let write = |c| if is_escaped(c) { escape(c) } else { c.to_string() };
    Expr::Bytes(text.chars().map(write).collect::<String>().into_bytes())
}

/// A character of a class within a string, written in one way.
pub(super) fn spelled_class(ranges: &[(char, char)]) -> Expr {
    let escaped = |c: &char| is_escaped(*c) && ranges.iter().any(|&(first, last)| (first..=last).contains(c));
    let mut choice: Vec<Expr> = ('\0'..='\\').filter(escaped).map(|c| Expr::Bytes(escape(c).into_bytes())).collect();
    let plain: Vec<(char, char)> = ranges.iter().flat_map(|&range| plain_parts(range)).collect();
    if !plain.is_empty() {
        choice.push(Expr::Characters(plain));
    }
    Expr::Choice(choice)
}

/// The parts of a range whose characters are written as they are.
fn plain_parts((first, last): (char, char)) -> Vec<(char, char)> {
    const PLAIN: [(char, char); 3] = [(' ', '!'), ('#', '['), (']', char::MAX)];
    let parts = PLAIN.iter().map(|&(from, to)| (first.max(from), last.min(to)));
    parts.filter(|(first, last)| first <= last).collect()
}

/// So many characters of any kind within a string, written in any way. An escape of two halves (a character beyond U+FFFF)
/// is one character; a half by itself is none.
pub(super) fn characters(min: u32, max: Option<u32>) -> Expr {
    let hex = |ranges: &[(char, char)]| Expr::Characters(ranges.to_vec());
    let any = || hex(&[('0', '9'), ('A', 'F'), ('a', 'f')]);
    let d = || hex(&[('D', 'D'), ('d', 'd')]);
    let code = |parts: Vec<Expr>| Expr::text("\\u").then(Expr::Sequence(parts));
    let first_half = vec![d(), hex(&[('8', '9'), ('A', 'B'), ('a', 'b')]), any(), any()];
    let second_half = vec![d(), hex(&[('C', 'F'), ('c', 'f')]), any(), any()];
    let escapes = ['"', '\\', '/', 'b', 'f', 'n', 'r', 't'].map(|c| Expr::Bytes(vec![b'\\', c as u8]));
    let mut choice = vec![
        spelled_class(&[(' ', '!'), ('#', '['), (']', char::MAX)]),
        code(vec![hex(&[('0', '9'), ('A', 'C'), ('E', 'F'), ('a', 'c'), ('e', 'f')]), any(), any(), any()]),
        code(vec![d(), hex(&[('0', '7')]), any(), any()]),
        code(first_half).then(code(second_half)),
    ];
    choice.extend(escapes);
    Expr::Choice(choice).repeat(min, max)
}

/// The content of a string that is none of `names`, written in one way; none if they have more than `n_left` characters,
/// those that they begin alike with once. Each character takes kilobytes.
pub(super) fn other_than(rules: &mut Rules, names: &[&str], n_left: &mut usize) -> Option<Expr> {
    let any_rest = || spelled_class(&[('\0', char::MAX)]).repeat(0, None);
    let mut firsts: Vec<char> = names.iter().filter_map(|name| name.chars().next()).collect();
    firsts.sort_unstable();
    firsts.dedup();
    // What no name begins with, and then anything.
    let mut others = Vec::new();
    let mut from = Some('\0');
    for &first in &firsts {
        let before = from.filter(|&from| from < first).map(|from| (from, previous(first)));
        others.extend(before);
        from = next(first);
    }
    others.extend(from.map(|from| (from, char::MAX)));
    let mut choice = vec![spelled_class(&others).then(any_rest())];
    for first in firsts {
        let rests: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(first)).collect();
        *n_left = n_left.checked_sub(1)?;
        let rest = other_than(rules, &rests, n_left)?;
        choice.push(spelled(first.encode_utf8(&mut [0; 4])).then(rest));
    }
    if !names.iter().any(|name| name.is_empty()) {
        choice.push(Expr::empty());
    }
    // A rule, so that no expression is as deep as a name is long.
    Some(rules.add("another name", Expr::Choice(choice)))
}

fn next(c: char) -> Option<char> {
    (c..=char::MAX).nth(1)
}

fn previous(c: char) -> char {
    ('\0'..c).next_back().unwrap_or(c)
}
