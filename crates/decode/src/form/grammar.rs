//! Grammars in the notation of llama.cpp, GBNF.
//!
//! A grammar is rules, `name ::= …`; texts are what the rule `root` says. A rule is alternatives between `|`, each of
//! `"literals"`, `[a-z]` and `[^a-z]`, `.` for any character, names of rules, and groups in parentheses; after each of
//! these `*`, `+`, `?`, `{n}`, `{n,}` or `{n,m}` may say how often. `#` begins a comment.

use std::collections::HashMap;

use super::{
    FormError,
    expr::{Expr, RuleId, Rules},
};

/// Groups within others at most.
const MAX_DEPTH: usize = 100;

/// The rule `root` of a grammar.
pub(super) fn read(rules: &mut Rules, text: &str) -> Result<Expr, FormError> {
    let mut reader = Reader { text, at: 0, rules, ids: HashMap::new(), called: Vec::new(), depth: 0 };
    let mut defined: HashMap<RuleId, usize> = HashMap::new();
    reader.space(true);
    while reader.at < text.len() {
        let (line, name) = (reader.line(), reader.name()?.to_owned());
        reader.space(false);
        reader.expect("::=")?;
        reader.space(true);
        let body = reader.alternatives(false)?;
        let rule = reader.rule(&name);
        if let Some(first) = defined.insert(rule, line) {
            return Err(reader.problem_at(line, format!("{name} is defined twice, on line {first} before")));
        }
        reader.rules.set(rule, body);
        if !matches!(reader.peek(), None | Some('\n' | '\r')) {
            let c = reader.peek().unwrap_or_default();
            return Err(reader.problem(format!("{c:?} is not a part of a rule: a new one begins on a line of its own")));
        }
        reader.space(true);
    }
    for (name, line) in std::mem::take(&mut reader.called) {
        if !reader.ids.get(&name).is_some_and(|rule| defined.contains_key(rule)) {
            return Err(reader.problem_at(line, format!("there is no rule {name}: write {name} ::= …")));
        }
    }
    let root = reader.ids.get("root").filter(|rule| defined.contains_key(rule));
    root.map(|&rule| Expr::Rule(rule)).ok_or_else(|| reader.problem("there is no rule root, which texts begin with"))
}

struct Reader<'a> {
    text: &'a str,
    /// Bytes that are read.
    at: usize,
    rules: &'a mut Rules,
    ids: HashMap<String, RuleId>,
    /// Names that are used, and their lines.
    called: Vec<(String, usize)>,
    depth: usize,
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

impl<'a> Reader<'a> {
    fn line(&self) -> usize {
        1 + self.text[..self.at].matches('\n').count()
    }

    fn problem(&self, problem: impl Into<String>) -> FormError {
        self.problem_at(self.line(), problem)
    }

    fn problem_at(&self, line: usize, problem: impl Into<String>) -> FormError {
        FormError::Grammar { line, problem: problem.into() }
    }

    fn rule(&mut self, name: &str) -> RuleId {
        if let Some(&rule) = self.ids.get(name) {
            return rule;
        }
        let rule = self.rules.reserve(name);
        self.ids.insert(name.to_owned(), rule);
        rule
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn skip(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        self.at += if is_next { text.len() } else { 0 };
        is_next
    }

    fn expect(&mut self, text: &str) -> Result<(), FormError> {
        if self.skip(text) { Ok(()) } else { Err(self.problem(format!("{text} is missing"))) }
    }

    /// Passes white space and comments, and ends of lines if `lines`.
    fn space(&mut self, lines: bool) {
        while let Some(c) = self.peek() {
            match c {
                '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                '\n' | '\r' if !lines => return,
                c if c.is_whitespace() => self.at += c.len_utf8(),
                _ => return,
            }
        }
    }

    fn name(&mut self) -> Result<&'a str, FormError> {
        let rest = self.rest();
        let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        if name.is_empty() {
            let found = self.peek().map_or("the end".to_owned(), |c| format!("{c:?}"));
            return Err(self.problem(format!("there is {found} in the place of a rule's name")));
        }
        self.at += name.len();
        Ok(name)
    }

    fn alternatives(&mut self, is_nested: bool) -> Result<Expr, FormError> {
        let mut choice = vec![self.sequence(is_nested)?];
        while self.skip("|") {
            self.space(true);
            choice.push(self.sequence(is_nested)?);
        }
        Ok(Expr::Choice(choice))
    }

    fn sequence(&mut self, is_nested: bool) -> Result<Expr, FormError> {
        let mut parts = Vec::new();
        loop {
            let Some(part) = self.part()? else { return Ok(Expr::Sequence(parts)) };
            parts.push(self.repeated(part)?);
            self.space(is_nested);
        }
    }

    fn part(&mut self) -> Result<Option<Expr>, FormError> {
        let part = match self.peek() {
            Some('"') => self.literal()?,
            Some('[') => self.class()?,
            Some('.') => {
                self.at += 1;
                Expr::range('\0', char::MAX)
            }
            Some('(') => {
                self.at += 1;
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(self.problem("groups are nested too deeply"));
                }
                self.space(true);
                let group = self.alternatives(true)?;
                self.expect(")")?;
                self.depth -= 1;
                // What is repeated is not written again.
                self.rules.add("a group", group)
            }
            Some(c) if is_name(c) => {
                let (line, name) = (self.line(), self.name()?);
                self.called.push((name.to_owned(), line));
                Expr::Rule(self.rule(name))
            }
            _ => return Ok(None),
        };
        Ok(Some(part))
    }

    /// A part, as often as what follows it says.
    fn repeated(&mut self, part: Expr) -> Result<Expr, FormError> {
        let mark = self.peek();
        self.at += usize::from(matches!(mark, Some('*' | '+' | '?' | '{')));
        let (min, max) = match mark {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => self.times()?,
            _ => return Ok(part),
        };
        if max.is_some_and(|max| max < min) {
            return Err(self.problem(format!("{{{min},{}}} is less at most than at least", max.unwrap_or(0))));
        }
        Ok(part.repeat(min, max))
    }

    fn times(&mut self) -> Result<(u32, Option<u32>), FormError> {
        self.space(false);
        let min = self.number()?;
        self.space(false);
        let max = match self.skip(",") {
            false => Some(min),
            true => {
                self.space(false);
                let is_bounded = self.peek().is_some_and(|c| c.is_ascii_digit());
                is_bounded.then(|| self.number()).transpose()?
            }
        };
        self.space(false);
        self.expect("}")?;
        Ok((min, max))
    }

    fn number(&mut self) -> Result<u32, FormError> {
        let rest = self.rest();
        let digits = &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())];
        let number = digits.parse().map_err(|_| self.problem("a whole number is missing between { and }"))?;
        self.at += digits.len();
        Ok(number)
    }

    fn literal(&mut self) -> Result<Expr, FormError> {
        self.at += 1;
        let mut text = String::new();
        while !self.skip("\"") {
            text.push(self.character("\"")?);
        }
        Ok(Expr::text(&text))
    }

    fn class(&mut self) -> Result<Expr, FormError> {
        self.at += 1;
        let is_negated = self.skip("^");
        let mut ranges = Vec::new();
        while !self.skip("]") {
            let first = self.character("]")?;
            let is_range = self.rest().starts_with('-') && !self.rest().starts_with("-]");
            self.at += usize::from(is_range);
            let last = if is_range { self.character("]")? } else { first };
            if last < first {
                return Err(self.problem(format!("{first:?} to {last:?} is not a range")));
            }
            ranges.push(regex_syntax::hir::ClassUnicodeRange::new(first, last));
        }
        let mut class = regex_syntax::hir::ClassUnicode::new(ranges);
        if is_negated {
            class.negate();
        }
        Ok(Expr::Characters(class.iter().map(|range| (range.start(), range.end())).collect()))
    }

    /// A character of what `close` ends, which may be escaped.
    fn character(&mut self, close: &str) -> Result<char, FormError> {
        let missing = |reader: &Self| reader.problem(format!("{close} is missing"));
        match self.next() {
            None | Some('\n') => Err(missing(self)),
            Some('\\') => match self.next() {
                Some('n') => Ok('\n'),
                Some('r') => Ok('\r'),
                Some('t') => Ok('\t'),
                Some('x') => self.code(2),
                Some('u') => self.code(4),
                Some('U') => self.code(8),
                Some(c @ ('\\' | '"' | '[' | ']' | '-' | '^')) => Ok(c),
                Some(c) => Err(self.problem(format!("the escape \\{c} is not known"))),
                None => Err(missing(self)),
            },
            Some(c) => Ok(c),
        }
    }

    fn code(&mut self, n: usize) -> Result<char, FormError> {
        let digits = self.rest().get(..n).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let c = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        self.at += if c.is_some() { n } else { 0 };
        c.ok_or_else(|| self.problem(format!("an escape has {n} hexadecimal digits of a character")))
    }
}
