//! Text and policies of pages.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

/// A text as markup has it, in elements and in attributes; characters that XML does not have as the sign for what can't be shown.
pub(crate) fn escape(text: &str) -> String {
    let is_space = |c: char| matches!(c, '\t' | '\n' | '\r');
    let is_hidden = |c: char| c.is_control() && !is_space(c) || matches!(c, '\u{fffe}' | '\u{ffff}');
    let text = text.replace(is_hidden, "\u{fffd}");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What a browser lets a page do: nothing but its own style and script.
pub(crate) fn policy(style: &str, script: Option<&str>) -> String {
    let hash = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
    let script = script.map_or_else(String::new, |script| format!("; script-src {}", hash(script)));
    format!("default-src 'none'; img-src data:; style-src {}{script}", hash(style))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_xml_does_not_have_are_replaced() {
        assert_eq!(escape("<a>\n\u{1b}\u{ffff}\"&"), "&lt;a&gt;\n\u{fffd}\u{fffd}&quot;&amp;");
    }
}
