//! The string operations of Python that sacreBLEU's results depend on.

use std::borrow::Cow;

/// Python's `str.isspace`: Unicode's `White_Space` and the four information separators.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// Python's `str.split()`.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// Python's `str.lower()` if asked for. Both languages apply Unicode's full mapping, the final sigma included.
pub(crate) fn lowercase(text: &str, wanted: bool) -> Cow<'_, str> {
    if wanted { text.to_lowercase().into() } else { text.into() }
}

/// Python's `str.replace` in succession, copying only where something is found.
pub(crate) fn replace_each<'a>(text: &'a str, pairs: &[(&str, &str)]) -> Cow<'a, str> {
    pairs.iter().fold(
        Cow::Borrowed(text),
        |text, (from, to)| {
            if text.contains(from) { text.replace(from, to).into() } else { text }
        },
    )
}

/// `re.sub('([class])', ' \1 ', text)`: sets characters off with spaces.
pub(crate) fn set_off(text: &str, class: impl Fn(char) -> bool) -> String {
    let mut out = with_room(text);
    for c in text.chars() {
        if class(c) {
            out.extend([' ', c, ' ']);
        } else {
            out.push(c);
        }
    }
    out
}

/// `re.sub('([first])([second])', 'before\1 \2after', text)`: separates two neighbours of given classes.
///
/// Matches do not overlap: a character that ends one match does not begin another.
pub(crate) fn part(
    text: &str,
    first: impl Fn(char) -> bool,
    second: impl Fn(char) -> bool,
    [before, after]: [&str; 2],
) -> String {
    let mut out = with_room(text);
    let mut chars = text.chars().peekable();
    while let Some(a) = chars.next() {
        if let Some(b) = chars.next_if(|&b| first(a) && second(b)) {
            out.push_str(before);
            out.extend([a, ' ', b]);
            out.push_str(after);
        } else {
            out.push(a);
        }
    }
    out
}

fn with_room(text: &str) -> String {
    String::with_capacity(text.len() + text.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_white_space_as_in_python() {
        let split: Vec<_> = words("\u{1c}a\u{1f}b\u{85}c\u{a0}d\u{3000}e\u{200b}f ").collect();
        assert_eq!(split, ["a", "b", "c", "d", "e\u{200b}f"]);
    }

    #[test]
    fn matches_do_not_overlap() {
        let comma = |c| c == ',';
        assert_eq!(part("a,,,", |_| true, comma, ["", " "]), "a , , , ");
        assert_eq!(part(",a,a", comma, |c| c != ',', [" ", ""]), " , a , a");
    }

    #[test]
    fn replacements_see_the_results_of_earlier_ones() {
        assert_eq!(replace_each("&amp;lt;", &[("&amp;", "&"), ("&lt;", "<")]), "<");
    }
}
