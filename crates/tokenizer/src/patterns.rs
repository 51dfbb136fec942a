//! Regular expressions of a `tokenizer.json`. The library reads them in Python by Oniguruma (in Ruby's syntax), and here
//! by another engine, to which some of them are something else: these are put in its words.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Value, value::RawValue};

/// What `\w` is within brackets: here it has the two joiners (U+200D is in many emoji), there not.
const IN_BRACKETS: &str = r"[\w--[\x{200C}\x{200D}]]";
const NOT_IN_BRACKETS: &str = r"[\W\x{200C}\x{200D}]";
/// What it is alone: there it has ² ³ ¹ ¼ ½ ¾ too.
const WORD: &str = r"[[\w--[\x{200C}\x{200D}]]\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE}]";
const NOT_WORD: &str = r"[^[\w--[\x{200C}\x{200D}]]\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE}]";
/// A line break of any kind, `\R` there.
const LINE_BREAK: &str = r"(?>\r\n|[\n-\r\x{85}\x{2028}\x{2029}])";

/// Parts of a `tokenizer.json` that have patterns.
const WITH_PATTERNS: [&str; 3] = ["normalizer", "pre_tokenizer", "decoder"];

/// A `tokenizer.json` with patterns that find here what its own find in Python.
///
/// # Errors
/// A pattern has what is not read here.
pub(crate) fn as_in_python(json: &str) -> Result<Cow<'_, str>, String> {
    // What is no file of theirs, or has no pattern, their reader is to see as it is.
    let parts = json.contains("\"Regex\"").then(|| serde_json::from_str::<BTreeMap<&str, Box<RawValue>>>(json).ok());
    let Some(mut parts) = parts.flatten() else { return Ok(json.into()) };
    let mut has_changed = false;
    for (_, part) in parts.iter_mut().filter(|(key, _)| WITH_PATTERNS.contains(key)) {
        let mut value: Value = serde_json::from_str(part.get()).map_err(|error| error.to_string())?;
        if translate(&mut value)? {
            *part = RawValue::from_string(value.to_string()).map_err(|error| error.to_string())?;
            has_changed = true;
        }
    }
    let written = has_changed.then(|| serde_json::to_string(&parts)).transpose();
    Ok(written.map_err(|error| error.to_string())?.map_or(json.into(), Cow::Owned))
}

/// Translates every pattern in a part; whether one changed.
fn translate(part: &mut Value) -> Result<bool, String> {
    let mut has_changed = false;
    match part {
        Value::Object(entries) => {
            for (key, value) in entries {
                let pattern = value.as_str().filter(|_| key == "Regex").map(translated).transpose()?;
                match pattern.flatten() {
                    Some(pattern) => (*value, has_changed) = (Value::String(pattern), true),
                    None => has_changed |= translate(value)?,
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                has_changed |= translate(item)?;
            }
        }
        _ => {}
    }
    Ok(has_changed)
}

/// A group that is open.
#[derive(Clone, Copy, Default)]
struct Group {
    /// Where it is written, and where what it holds is.
    start: usize,
    inner: usize,
    /// Groups of flags in it that are to be closed with it.
    n_of_flags: usize,
    /// Whether capitals and small letters are the same before it.
    ignores_case: bool,
}

/// The pattern that finds here what `pattern` finds there, if it is another.
///
/// # Errors
/// It has what is not read here.
fn translated(pattern: &str) -> Result<Option<String>, String> {
    let (mut written, mut rest) = (String::with_capacity(pattern.len()), pattern);
    let mut depth = 0_usize; // of brackets
    let mut groups = vec![Group::default()];
    let mut ignores_case = false;
    // Where what a quantifier repeats begins: an item, and brackets that are open.
    let (mut item, mut brackets) = (None, 0);
    while !rest.is_empty() {
        let (part, after) = rest.split_at(length(rest, depth > 0));
        rest = after;
        let start = written.len();
        if let Some(name) = part.strip_prefix(r"\p").or_else(|| part.strip_prefix(r"\P")) {
            // Flags of case are not of properties there.
            let property = property(part, name, depth > 0);
            let is_of_any_case = ignores_case && depth == 0 && !name.is_empty();
            written.push_str(&if is_of_any_case { format!("(?-i:{property})") } else { property });
            item = Some(start);
            continue;
        }
        if depth > 0 {
            match part {
                r"\w" => written.push_str(IN_BRACKETS),
                r"\W" => written.push_str(NOT_IN_BRACKETS),
                // Two of them take sets apart here.
                "~" if after.starts_with('~') => written.push_str(r"\~"),
                _ => {
                    let class = class(part);
                    if class.is_none() && part.starts_with('[') {
                        depth += 1;
                    } else if part == "]" {
                        depth -= 1;
                        item = Some(brackets);
                    }
                    written.push_str(class.as_deref().unwrap_or(part));
                }
            }
            continue;
        }
        match part {
            r"\X" | r"\g" | r"\y" | r"\Y" => return Err(format!("{part} in the pattern {pattern:?} is not read here")),
            r"\w" => written.push_str(WORD),
            r"\W" => written.push_str(NOT_WORD),
            r"\R" => written.push_str(LINE_BREAK),
            r"\b" => written.push_str(&format!("(?:(?<={WORD})(?!{WORD})|(?<!{WORD})(?={WORD}))")),
            r"\B" => written.push_str(&format!("(?:(?<={WORD})(?={WORD})|(?<!{WORD})(?!{WORD}))")),
            // Here these are the ends of a word.
            r"\<" | r"\>" => written.push_str(&part[1..]),
            // A line's begin and end; after the last line break, none begins.
            "^" => written.push_str(r"(?:\A|(?<=\n)(?!\z))"),
            "$" => written.push_str(r"(?=\n|\z)"),
            "|" => {
                written.push('|');
                item = None;
                continue;
            }
            "*" | "+" | "?" => {
                written.push_str(part);
                continue;
            }
            _ if part.starts_with('(') => {
                if after.starts_with("?~") {
                    return Err(format!("(?~ in the pattern {pattern:?} is not read here"));
                }
                let before = ignores_case;
                if let Some((on, off)) =
                    part.strip_prefix("(?").map(|flags| flags.split_once('-').unwrap_or((flags, "")))
                {
                    ignores_case = (before || on.contains('i')) && !off.contains('i');
                }
                // There `m` has a dot match a line break.
                written.push_str(&part.replace('m', "s"));
                let end = after.chars().next().filter(|_| part.len() > 1).unwrap_or_default();
                match groups.last_mut().filter(|_| end == ')') {
                    // There flags are of all that follows in their group, alternatives too, as one item.
                    Some(group) if start > group.inner => {
                        written.push(':');
                        group.n_of_flags += 1;
                    }
                    Some(group) => {
                        written.push(')');
                        group.inner = written.len();
                    }
                    None => {
                        written.extend((end == ':').then_some(end));
                        let inner = written.len();
                        groups.push(Group { start, inner, n_of_flags: 0, ignores_case: before });
                    }
                }
                rest = after.strip_prefix([')', ':']).filter(|_| part.len() > 1).unwrap_or(after);
                item = None;
                continue;
            }
            ")" if groups.len() > 1 => {
                let group = groups.pop().unwrap_or_default();
                written.extend(std::iter::repeat_n(')', group.n_of_flags + 1));
                (item, ignores_case) = (Some(group.start), group.ignores_case);
                continue;
            }
            _ if part.len() > 1 && part.starts_with('{') => {
                // There it is repeated, or left out, as a whole.
                let is_whole = after.starts_with('+') || after.starts_with('?') && !part.contains(',');
                match item.filter(|_| is_whole) {
                    Some(item) => {
                        written.insert_str(item, "(?:");
                        written.push_str(part);
                        written.push(')');
                    }
                    None => written.push_str(part),
                }
                continue;
            }
            _ => {
                if part.starts_with('[') {
                    (depth, brackets) = (1, start);
                }
                written.push_str(part);
            }
        }
        item = Some(start);
    }
    written.extend(std::iter::repeat_n(')', groups[0].n_of_flags));
    Ok((written != pattern).then_some(written))
}

/// The length of the first part of a pattern, in or outside of brackets: an escape, an opening bracket with what belongs
/// to it, a named class, a group's flags, or a character.
fn length(text: &str, in_brackets: bool) -> usize {
    let of_char = |text: &str| text.chars().next().map_or(0, char::len_utf8);
    let named = || text.find(":]").map(|end| end + 2).filter(|&end| class(&text[..end]).is_some());
    match text.as_bytes() {
        [b'\\', b'p' | b'P' | b'x', b'{', ..] => text.find('}').map_or(text.len(), |end| end + 1),
        [b'{', ..] if !in_brackets => repeats(text).map_or(1, str::len),
        [b'\\', ..] => 1 + of_char(&text[1..]),
        [b'[', b':', ..] if in_brackets => named().unwrap_or(1),
        // A closing bracket after the opening one is itself.
        [b'[', b'^', b']', ..] => 3,
        [b'[', b'^' | b']', ..] => 2,
        [b'(', b'?', ..] if !in_brackets => flags(text).map_or(1, str::len),
        _ => of_char(text),
    }
}

/// How often an item is repeated, as `{1,3}`.
fn repeats(text: &str) -> Option<&str> {
    let (numbers, _) = text.strip_prefix('{')?.split_once('}')?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (least, most) = numbers.split_once(',').unwrap_or((numbers, numbers));
    (is_number(least) && is_number(most) && numbers.len() > numbers.matches(',').count())
        .then(|| &text[..numbers.len() + 2])
}

/// What a property is, as `\p{L}`, in or outside of brackets: `name` is what follows the letter.
fn property(part: &str, name: &str, in_brackets: bool) -> String {
    // Without braces, there it is the letter.
    let Some(name) = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')) else {
        return part[1..].to_owned();
    };
    let (is_not, name) = name.strip_prefix('^').map_or((false, name), |name| (true, name));
    let is_not = is_not != part.starts_with(r"\P");
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    if plain == "word" && !in_brackets {
        return if is_not { NOT_WORD } else { WORD }.to_owned();
    }
    if OF_CLASSES.contains(&&*plain)
        && let Some(class) = class(&format!("[:{}{plain}:]", if is_not { "^" } else { "" }))
    {
        return class;
    }
    format!(r"\{}{{{name}}}", if is_not { 'P' } else { 'p' })
}

/// Named classes that are properties there too, and not here.
const OF_CLASSES: [&str; 6] = ["alnum", "blank", "graph", "print", "word", "xdigit"];

/// A group's flags, as `(?i:`.
fn flags(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("(?")?;
    let n = inner.find(|c: char| !"imx-".contains(c)).filter(|&n| n > 0)?;
    [":", ")"].iter().any(|end| inner[n..].starts_with(end)).then(|| &text[..2 + n])
}

/// What a named class is, as `[:alpha:]`: here those are of ASCII alone.
fn class(part: &str) -> Option<String> {
    let name = part.strip_prefix("[:")?.strip_suffix(":]")?;
    let (not, name) = name.strip_prefix('^').map_or(("", name), |name| ("^", name));
    let class = match name {
        "alnum" => r"\p{Alphabetic}\p{Nd}",
        "alpha" => r"\p{Alphabetic}",
        "blank" => r"\p{Zs}\t",
        "cntrl" => r"\p{Cc}",
        "digit" => r"\p{Nd}",
        "graph" => r"[^\s\p{Cc}\p{Cn}]",
        "lower" => r"\p{Lowercase}",
        "print" => r"[^\s\p{Cc}\p{Cn}]\p{Zs}",
        "punct" => r"\p{P}\p{S}",
        "space" => r"\s",
        "upper" => r"\p{Uppercase}",
        "word" => r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}",
        "xdigit" => "0-9A-Fa-f",
        _ => return None,
    };
    Some(format!("[{not}{class}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_find_the_same_stay() {
        for pattern in [
            r"'s|'t| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            r"(?i:'s|'ll)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}",
            r"\P{L}[$^]\^\$\\w[]^][^]$](?<=a)(?:b)",
            r"(?i)a|b{2,3}?c{,}{d}",
            "é[ß:alpha]",
        ] {
            assert_eq!(translated(pattern), Ok(None), "{pattern}");
        }
    }

    #[test]
    fn parts_of_a_pattern_are_told_apart() {
        let of = |pattern: &str| translated(pattern).unwrap().unwrap();
        assert_eq!(of(r"\\\w"), format!(r"\\{WORD}"));
        assert_eq!(of(r"[]\w]\W"), format!("[]{IN_BRACKETS}]{NOT_WORD}"));
        assert_eq!(of("[[:^alpha:]_]$"), r"[[^\p{Alphabetic}]_](?=\n|\z)");
        assert_eq!(of("(?mi-x:.)"), "(?si-x:.)");
        assert_eq!(of(r"(a|\p{N}{1,3}+)b{2}?"), r"(a|(?:\p{N}{1,3})+)(?:b{2})?");
        assert_eq!(of("(a(?i)b|c)d(?i)e|f"), "(a(?i:b|c))d(?i:e|f)");
        assert_eq!(of(r"(?i:\p{Lu})\p{^Lu}\pL\<[a~~]"), r"(?i:(?-i:\p{Lu}))\P{Lu}pL<[a\~~]");
        assert_eq!(
            of(r"[\p{Alnum}]\P{graph}\P{word}"),
            format!(r"[[\p{{Alphabetic}}\p{{Nd}}]][^[^\s\p{{Cc}}\p{{Cn}}]]{NOT_WORD}")
        );
        assert!(translated(r"\X+").is_err_and(|problem| problem.starts_with(r"\X in the pattern ")));
    }
}
