//! White space as Python has it.

/// Whether Python's `str.isspace` holds for `c`: Unicode's white space and the four separators of ASCII.
pub(crate) fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Text without white space around it, as Python's `str.strip` gives it; of bytes that are not UTF-8, without ASCII's.
pub(crate) fn trim_python(bytes: Vec<u8>) -> Vec<u8> {
    match String::from_utf8(bytes) {
        Ok(text) => text.trim_matches(is_python_space).as_bytes().to_vec(),
        Err(error) => error.as_bytes().trim_ascii().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_goes_from_both_ends() {
        for (text, expected) in [("\u{1c} a b\u{2003}\n", "a b"), ("  ", ""), ("", ""), ("a", "a")] {
            assert_eq!(trim_python(text.as_bytes().to_vec()), expected.as_bytes());
        }
        assert_eq!(trim_python(b" \xffa \xff ".to_vec()), b"\xffa \xff");
    }
}
