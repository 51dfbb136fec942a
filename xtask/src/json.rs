//! JSON: texts whose numbers may differ by rounding are compared, and strings are written.

/// The largest relative difference between numbers of two JSON texts that are otherwise equal, except for layout.
///
/// The difference of `a` and `b` is `|a − b| / max(|a|, |b|, 1)`: absolute if both are small, because a
/// zero on one machine may be 1e-17 on another.
///
/// # Errors
/// The first place, as a token number and both tokens, where the texts differ by more than `tolerance` or in kind.
pub(crate) fn compare(a: &str, b: &str, tolerance: f64) -> Result<f64, String> {
    let (mut left, mut right) = (tokens(a), tokens(b));
    let mut largest = 0.0_f64;
    for place in 1.. {
        let (a, b) = match (left.next(), right.next()) {
            (None, None) => break,
            (Some(a), Some(b)) if a == b => continue,
            (a, b) => (a.unwrap_or("nothing"), b.unwrap_or("nothing")),
        };
        let distance = match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(x), Ok(y)) => (x - y).abs() / x.abs().max(y.abs()).max(1.0),
            _ => f64::INFINITY,
        };
        if distance.is_nan() || distance > tolerance {
            return Err(format!("token {place}: committed {a}, generated {b}"));
        }
        largest = largest.max(distance);
    }
    Ok(largest)
}

/// A text as a string of JSON.
pub(crate) fn quoted(text: &str) -> String {
    let mut json = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c.is_control() => json += &format!("\\u{:04x}", u32::from(c)),
            c => json.push(c),
        }
    }
    json + "\""
}

/// Strings, marks, and words (numbers, `true`, `null`) in turn; white space is dropped.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let end = match rest.chars().next()? {
            '"' => end_of_string(rest),
            '{' | '}' | '[' | ']' | ':' | ',' => 1,
            _ => rest.find(|c: char| c.is_whitespace() || "{}[]:,\"".contains(c)).unwrap_or(rest.len()),
        };
        let (token, tail) = rest.split_at(end);
        rest = tail;
        Some(token)
    })
}

/// The length of the string literal that `text` begins with, quotes included.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_those_of_json() {
        assert_eq!(quoted("a \"b\" \\ c\n\u{1b} ä☃😀"), "\"a \\\"b\\\" \\\\ c\\u000a\\u001b ä☃😀\"");
    }

    #[test]
    fn layout_and_rounding_are_no_difference() {
        let a = r#"{"x": [1.0, 2.00000001], "text": "a \"1.0\" b"}"#;
        let b = "{\"x\":[1,2.0],\n\"text\":\"a \\\"1.0\\\" b\"}";
        let distance = compare(a, b, 1e-6).unwrap();
        assert!(distance > 0.0 && distance < 1e-8);
    }

    #[test]
    fn numbers_strings_and_lengths_are_compared() {
        assert_eq!(compare("[1.0, 2.0]", "[1.0, 2.1]", 1e-6).unwrap_err(), "token 4: committed 2.0, generated 2.1");
        assert!(compare(r#"["1.0"]"#, r#"["1.00"]"#, 1e-6).is_err());
        assert!(compare("[1]", "[1, 2]", 1e-6).is_err());
        assert!(compare("[1]", "[NaN]", 1e-6).is_err());
    }

    #[test]
    fn small_numbers_are_compared_absolutely() {
        assert!(compare("0", "1e-17", 1e-6).is_ok());
        assert!(compare("0", "1e-3", 1e-6).is_err());
    }
}
