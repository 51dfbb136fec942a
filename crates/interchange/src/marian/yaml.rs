//! The YAML that Marian writes: settings, each a value or a list of values, and vocabularies.

use std::collections::BTreeMap;

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Setting {
    One(String),
    Many(Vec<String>),
}

/// Settings by name: `name: value`, or `name:` and a line `- value` for each.
///
/// # Errors
/// The line that is not one of these.
pub(super) fn settings(text: &str) -> Result<BTreeMap<String, Setting>, String> {
    let mut settings: BTreeMap<String, Setting> = BTreeMap::new();
    let mut last: Option<String> = None;
    for (at, line) in (1..).zip(text.lines()) {
        let damage = || format!("line {at}: {line:?} is neither a setting nor a value of one");
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') || content == "---" {
            continue;
        }
        let is_of_last = line.starts_with(' ') || content.starts_with("- ");
        if is_of_last {
            let list = last.as_ref().and_then(|name| settings.get_mut(name)).ok_or_else(damage)?;
            match (list, content.strip_prefix("- ")) {
                (Setting::Many(values), Some(value)) => values.push(scalar(value)?),
                (Setting::Many(values), None) if values.is_empty() && content == "[]" => {}
                _ => return Err(damage()),
            }
            continue;
        }
        let (name, value) = content.split_once(':').ok_or_else(damage)?;
        let inner = value.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let value = match (value.trim(), inner) {
            ("", _) => Setting::Many(Vec::new()),
            (_, Some(list)) => {
                let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
                Setting::Many(items.map(scalar).collect::<Result<_, _>>()?)
            }
            (value, None) => Setting::One(scalar(value)?),
        };
        last = Some(name.to_owned());
        if settings.insert(name.to_owned(), value).is_some() {
            return Err(format!("line {at}: {name} is there twice"));
        }
    }
    Ok(settings)
}

/// The entries of a vocabulary with their ids: `entry: id`, or `? entry` and `: id` on lines of their own.
///
/// # Errors
/// The line that is neither.
pub(super) fn entries(text: &str) -> Result<Vec<(String, u32)>, String> {
    let mut entries = Vec::new();
    let mut key: Option<String> = None;
    for (at, line) in (1..).zip(text.lines()) {
        let damage = || format!("line {at}: {line:?} is not an entry and its id");
        if line.trim().is_empty() || line == "---" {
            continue;
        }
        let (entry, id) = match (key.take(), line.strip_prefix("? ")) {
            (None, Some(entry)) => {
                key = Some(scalar(entry)?);
                continue;
            }
            (Some(entry), None) => (entry, line.strip_prefix(':').ok_or_else(damage)?),
            (None, None) => {
                let (entry, id) = line.rsplit_once(':').ok_or_else(damage)?;
                (scalar(entry)?, id)
            }
            (Some(_), Some(_)) => return Err(damage()),
        };
        entries.push((entry, id.trim().parse().map_err(|_| damage())?));
    }
    match key {
        None => Ok(entries),
        Some(entry) => Err(format!("the entry {entry:?} does not have an id")),
    }
}

/// A value as it is, or in quotes.
fn scalar(text: &str) -> Result<String, String> {
    let quoted = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    match (quoted('"'), quoted('\'')) {
        (Some(inner), _) => unescaped(inner).ok_or_else(|| format!("{text} has an escape that is not YAML's")),
        (None, Some(inner)) => Ok(inner.replace("''", "'")),
        (None, None) => Ok(text.to_owned()),
    }
}

/// What is in double quotes, without its escapes (YAML 1.2, §5.7).
fn unescaped(text: &str) -> Option<String> {
    let mut result = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            result.push(char);
            continue;
        }
        let digits = |chars: &mut std::str::Chars<'_>, n: usize| {
            let hex: String = chars.take(n).collect();
            char::from_u32(u32::from_str_radix(&hex, 16).ok().filter(|_| hex.len() == n)?)
        };
        result.push(match chars.next()? {
            '0' => '\0',
            'a' => '\x07',
            'b' => '\x08',
            't' => '\t',
            'n' => '\n',
            'v' => '\x0b',
            'f' => '\x0c',
            'r' => '\r',
            'e' => '\x1b',
            'N' => '\u{85}',
            '_' => '\u{a0}',
            'L' => '\u{2028}',
            'P' => '\u{2029}',
            'x' => digits(&mut chars, 2)?,
            'u' => digits(&mut chars, 4)?,
            'U' => digits(&mut chars, 8)?,
            other if other.is_ascii_alphanumeric() => return None,
            other => other,
        });
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_values_and_lists() {
        let text =
            "# what it is\ntype: transformer\nempty: \"\"\nnothing:\n  []\nsizes:\n  - 3\n  - 4\nshort: [a, 'b c']\n";
        let many = |values: &[&str]| Setting::Many(values.iter().map(|&value| value.to_owned()).collect());
        let one = |value: &str| Setting::One(value.to_owned());
        let expected = [
            ("type", one("transformer")),
            ("empty", one("")),
            ("nothing", many(&[])),
            ("sizes", many(&["3", "4"])),
            ("short", many(&["a", "b c"])),
        ];
        let expected = expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(settings(text), Ok(expected));
        for damaged in ["a", "  - 1", "a: 1\n  - 2", "a: 1\na: 2", "a:\n  b: 1"] {
            assert!(settings(damaged).is_err(), "{damaged}");
        }
    }

    #[test]
    fn entries_are_plain_or_in_quotes() {
        let text = "</s>: 0\n\"\\\"\": 1\n'''': 2\n\"\\\\\": 3\n\"\\x85\": 4\n:: 5\n? long\n: 6\n\"a: b\": 7\n▁a: 8\n\"\\u2581\": 9\n";
        let entries = entries(text).unwrap();
        let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["</s>", "\"", "'", "\\", "\u{85}", ":", "long", "a: b", "▁a", "▁"]);
        assert!(entries.iter().map(|&(_, id)| id).eq(0..10));
        for damaged in ["a", "a: b", "? a", "? a\n? b", "\"\\q\": 1", "\"\\x8\": 1"] {
            assert!(super::entries(damaged).is_err(), "{damaged}");
        }
    }
}
