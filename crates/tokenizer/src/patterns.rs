//! Regular expressions of a `tokenizer.json`. The library reads them in Python by Oniguruma (in Ruby's syntax), and here
//! by another engine, to which some of them are something else: these are put in its words.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What `\w` is within brackets: here it has the two joiners (U+200D is in many emoji), there not.
const IN_BRACKETS: &str = r"[\w--[\x{200C}\x{200D}]]";
const NOT_IN_BRACKETS: &str = r"[\W\x{200C}\x{200D}]";
/// What it is alone: there it has ² ³ ¹ ¼ ½ ¾ too.
const WORD: &str = r"[[\w--[\x{200C}\x{200D}]]\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE}]";
const NOT_WORD: &str = r"[^[\w--[\x{200C}\x{200D}]]\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE}]";

/// A part of a tokenizer with patterns that find what its own find in Python; `None` if these do so here too.
///
/// # Errors
/// What is wrong with a pattern.
pub(crate) fn as_in_python<T: Serialize + DeserializeOwned>(part: &T) -> Result<Option<T>, String> {
    let mut json = serde_json::to_value(part).map_err(|error| error.to_string())?;
    if !translate(&mut json) {
        return Ok(None);
    }
    serde_json::from_value(json).map(Some).map_err(|error| error.to_string())
}

/// Translates every pattern in a part; whether one changed.
fn translate(part: &mut Value) -> bool {
    let mut has_changed = false;
    match part {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value.as_str().filter(|_| key == "Regex").and_then(translated) {
                    Some(pattern) => (*value, has_changed) = (Value::String(pattern), true),
                    None => has_changed |= translate(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| has_changed |= translate(item)),
        _ => {}
    }
    has_changed
}

/// The pattern that finds here what `pattern` finds there, if it is another.
fn translated(pattern: &str) -> Option<String> {
    let (mut written, mut rest) = (String::with_capacity(pattern.len()), pattern);
    let mut depth = 0_usize; // of brackets
    while !rest.is_empty() {
        let (part, after) = rest.split_at(length(rest, depth > 0));
        match part {
            r"\w" => written.push_str(if depth > 0 { IN_BRACKETS } else { WORD }),
            r"\W" => written.push_str(if depth > 0 { NOT_IN_BRACKETS } else { NOT_WORD }),
            r"\b" if depth == 0 => written.push_str(&format!("(?:(?<={WORD})(?!{WORD})|(?<!{WORD})(?={WORD}))")),
            r"\B" if depth == 0 => written.push_str(&format!("(?:(?<={WORD})(?={WORD})|(?<!{WORD})(?!{WORD}))")),
            // A line's begin and end; after the last line break, none begins.
            "^" if depth == 0 => written.push_str(r"(?:\A|(?<=\n)(?!\z))"),
            "$" if depth == 0 => written.push_str(r"(?=\n|\z)"),
            // There `m` has a dot match a line break.
            _ if depth == 0 && part.starts_with("(?") => written.push_str(&part.replace('m', "s")),
            _ => {
                let class = class(part).filter(|_| depth > 0);
                if class.is_none() && part.starts_with('[') {
                    depth += 1;
                } else if part == "]" {
                    depth = depth.saturating_sub(1);
                }
                written.push_str(class.as_deref().unwrap_or(part));
            }
        }
        rest = after;
    }
    (written != pattern).then_some(written)
}

/// The length of the first part of a pattern, in or outside of brackets: an escape, an opening bracket with what belongs
/// to it, a named class, a group's flags, or a character.
fn length(text: &str, in_brackets: bool) -> usize {
    let of_char = |text: &str| text.chars().next().map_or(0, char::len_utf8);
    let named = || text.find(":]").map(|end| end + 2).filter(|&end| class(&text[..end]).is_some());
    match text.as_bytes() {
        [b'\\', b'p' | b'P' | b'x', b'{', ..] => text.find('}').map_or(text.len(), |end| end + 1),
        [b'\\', ..] => 1 + of_char(&text[1..]),
        [b'[', b':', ..] if in_brackets => named().unwrap_or(1),
        // A closing bracket after the opening one is itself.
        [b'[', b'^', b']', ..] => 3,
        [b'[', b'^' | b']', ..] => 2,
        [b'(', b'?', ..] if !in_brackets => flags(text).map_or(1, str::len),
        _ => of_char(text),
    }
}

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
            r"\p{^L}[$^]\^\$\\w[]^][^]$](?<=a)(?:b)",
            "é[ß:alpha]",
        ] {
            assert_eq!(translated(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn parts_of_a_pattern_are_told_apart() {
        let of = |pattern: &str| translated(pattern).unwrap();
        assert_eq!(of(r"\\\w"), format!(r"\\{WORD}"));
        assert_eq!(of(r"[]\w]\W"), format!("[]{IN_BRACKETS}]{NOT_WORD}"));
        assert_eq!(of("[[:^alpha:]_]$"), r"[[^\p{Alphabetic}]_](?=\n|\z)");
        assert_eq!(of("(?mi-x:.)"), "(?si-x:.)");
    }
}
