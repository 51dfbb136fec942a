//! Regular expressions as forms.

use regex_syntax::{
    ParserBuilder,
    hir::{Class, ClassUnicode, Hir, HirKind, Look},
};

use super::{expr::Expr, strings};

/// How characters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Plain,
    /// Within a string of JSON.
    Json,
}

/// Texts that a regular expression matches from their beginning to their end.
pub(super) fn whole(pattern: &str) -> Result<Expr, String> {
    check_len(pattern)?;
    convert(&parse(pattern)?, Spelling::Plain, (true, true))
}

/// A pattern of JSON Schema: texts that it matches somewhere, as they are written within a string of JSON; and how many
/// characters they have, at least and at most.
pub(super) struct Pattern {
    pub(super) expr: Expr,
    pub(super) n_characters: (u64, Option<u64>),
}

impl Pattern {
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        check_len(pattern)?;
        let hir = parse(&as_ecma(pattern)?)?;
        Ok(Self { expr: search(&hir)?, n_characters: found_lengths(&hir) })
    }
}

/// The longest pattern, in bytes: a class of few letters may stand for hundreds of ranges.
const MAX_LEN: usize = 1 << 14;

fn parse(pattern: &str) -> Result<Hir, String> {
    // The error has the pattern on several lines, with marks below what is wrong; its last line says what.
    let problem = |error: regex_syntax::Error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        last.strip_prefix("error: ").unwrap_or(last).to_owned()
    };
    ParserBuilder::new().build().parse(pattern).map_err(problem)
}

fn check_len(pattern: &str) -> Result<(), String> {
    let problem = || format!("it has {} bytes; a pattern has {MAX_LEN} at most", pattern.len());
    (pattern.len() <= MAX_LEN).then_some(()).ok_or_else(problem)
}

/// A pattern of ECMA 262 as one of crate `regex`. There, `\d` and `\w` are those of ASCII, `\s` is its own, `.` does not
/// match the end of a line of any kind, and classes have neither classes within nor operators.
fn as_ecma(pattern: &str) -> Result<String, String> {
    const SPACES: &str =
        r"\t\n\x0B\f\r \u{A0}\u{1680}\u{2000}-\u{200A}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}\u{FEFF}";
    let mut rust = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    let mut is_in_class = false;
    while let Some(c) = characters.next() {
        let next = if c == '\\' { characters.next() } else { None };
        match next {
            Some('d') => rust.push_str("[0-9]"),
            Some('D') => rust.push_str("[^0-9]"),
            Some('w') => rust.push_str("[0-9A-Za-z_]"),
            Some('W') => rust.push_str("[^0-9A-Za-z_]"),
            Some('s') => rust.extend(["[", SPACES, "]"]),
            Some('S') => rust.extend(["[^", SPACES, "]"]),
            Some(next) => rust.extend([c, next]),
            None if is_in_class => match c {
                '[' | '&' | '~' => rust.extend(['\\', c]),
                '-' if characters.peek() == Some(&'-') => {
                    return Err(r"a class has --: write \- for the character".to_owned());
                }
                _ => {
                    is_in_class = c != ']';
                    rust.push(c);
                }
            },
            None => match c {
                '.' => rust.push_str(r"[^\n\r\u{2028}\u{2029}]"),
                '[' => {
                    is_in_class = true;
                    rust.push(c);
                    rust.extend(characters.next_if_eq(&'^'));
                    if characters.peek() == Some(&']') {
                        return Err("a class is empty".to_owned());
                    }
                }
                _ => rust.push(c),
            },
        }
    }
    Ok(rust)
}

/// Texts that an expression matches somewhere.
fn search(hir: &Hir) -> Result<Expr, String> {
    match hir.kind() {
        HirKind::Alternation(parts) => Ok(Expr::Choice(parts.iter().map(search).collect::<Result<_, _>>()?)),
        HirKind::Capture(capture) => search(&capture.sub),
        _ => {
            let (begins, ends) = is_anchored(hir);
            let any = |is_anchored: bool| if is_anchored { Expr::empty() } else { strings::characters(0, None) };
            // What looks around within a part is right where the whole is bound to that end.
            let found = convert(hir, Spelling::Json, (begins, ends))?;
            Ok(Expr::Sequence(vec![any(begins), found, any(ends)]))
        }
    }
}

/// Whether an expression matches at the beginning of a text alone, and at its end alone.
fn is_anchored(hir: &Hir) -> (bool, bool) {
    let is = |part: Option<&Hir>, look| part.is_some_and(|part| *part.kind() == HirKind::Look(look));
    let parts = parts_of(hir);
    (is(parts.first(), Look::Start), is(parts.last(), Look::End))
}

fn parts_of(hir: &Hir) -> &[Hir] {
    if let HirKind::Concat(parts) = hir.kind() { parts } else { std::slice::from_ref(hir) }
}

/// Characters of the texts that an expression matches somewhere.
fn found_lengths(hir: &Hir) -> (u64, Option<u64>) {
    match hir.kind() {
        HirKind::Alternation(parts) => either(parts.iter().map(found_lengths)),
        HirKind::Capture(capture) => found_lengths(&capture.sub),
        _ => {
            let (min, max) = lengths(hir);
            (min, max.filter(|_| is_anchored(hir) == (true, true)))
        }
    }
}

/// Characters of the texts that an expression matches whole.
fn lengths(hir: &Hir) -> (u64, Option<u64>) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => (0, Some(0)),
        HirKind::Literal(literal) => {
            let n = String::from_utf8_lossy(&literal.0).chars().count() as u64;
            (n, Some(n))
        }
        HirKind::Class(_) => (1, Some(1)),
        HirKind::Capture(capture) => lengths(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(lengths).fold((0, Some(0)), |(min, max), (a, b)| {
            (min.saturating_add(a), max.zip(b).map(|(max, b)| max.saturating_add(b)))
        }),
        HirKind::Alternation(parts) => either(parts.iter().map(lengths)),
        HirKind::Repetition(repetition) => {
            let (min, max) = lengths(&repetition.sub);
            let most = match (max, repetition.max) {
                (Some(0), _) => Some(0),
                (Some(max), Some(times)) => Some(max.saturating_mul(times.into())),
                _ => None,
            };
            (min.saturating_mul(repetition.min.into()), most)
        }
    }
}

fn either(lengths: impl Iterator<Item = (u64, Option<u64>)>) -> (u64, Option<u64>) {
    let both = |(a, b): (u64, Option<u64>), (c, d): (u64, Option<u64>)| (a.min(c), b.zip(d).map(|(b, d)| b.max(d)));
    lengths.reduce(both).unwrap_or((0, Some(0)))
}

/// An expression, which is at the beginning of the text and at its end or not.
fn convert(hir: &Hir, spelling: Spelling, (begins, ends): (bool, bool)) -> Result<Expr, String> {
    match hir.kind() {
        HirKind::Empty => Ok(Expr::empty()),
        HirKind::Literal(literal) => {
            let text = str::from_utf8(&literal.0).map_err(|_| "it has bytes that are not text".to_owned())?;
            Ok(match spelling {
                Spelling::Plain => Expr::text(text),
                Spelling::Json => strings::spelled(text),
            })
        }
        HirKind::Class(class) => Ok(characters(&ranges(class)?, spelling)),
        HirKind::Look(Look::Start) if begins => Ok(Expr::empty()),
        HirKind::Look(Look::End) if ends => Ok(Expr::empty()),
        HirKind::Look(_) => {
            Err("^ and $ are supported at the ends alone, \\b and what else looks around nowhere".to_owned())
        }
        HirKind::Capture(capture) => convert(&capture.sub, spelling, (begins, ends)),
        HirKind::Repetition(repetition) => {
            let part = convert(&repetition.sub, spelling, (false, false))?;
            Ok(part.repeat(repetition.min, repetition.max))
        }
        HirKind::Alternation(parts) => Ok(Expr::Choice(
            parts.iter().map(|part| convert(part, spelling, (begins, ends))).collect::<Result<_, _>>()?,
        )),
        HirKind::Concat(parts) => {
            let is_look = |part: &Hir| matches!(part.kind(), HirKind::Look(_));
            let n_first = parts.iter().take_while(|part| is_look(part)).count();
            let n_last = parts.iter().rev().take_while(|part| is_look(part)).count();
            let convert = |(at, part)| {
                let is_at = (begins && at <= n_first, ends && at + 1 + n_last >= parts.len());
                convert(part, spelling, is_at)
            };
            Ok(Expr::Sequence(parts.iter().enumerate().map(convert).collect::<Result<_, _>>()?))
        }
    }
}

fn ranges(class: &Class) -> Result<Vec<(char, char)>, String> {
    let class: ClassUnicode = match class {
        Class::Unicode(class) => class.clone(),
        Class::Bytes(class) => class.to_unicode_class().ok_or_else(|| "it has bytes that are not text".to_owned())?,
    };
    Ok(class.iter().map(|range| (range.start(), range.end())).collect())
}

fn characters(ranges: &[(char, char)], spelling: Spelling) -> Expr {
    match spelling {
        Spelling::Plain => Expr::Characters(ranges.to_vec()),
        Spelling::Json => strings::spelled_class(ranges),
    }
}
