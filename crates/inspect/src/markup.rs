//! Text and policies of pages.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

/// A text as markup has it, in elements and in attributes.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What a browser lets a page do: nothing but its own style and script.
pub(crate) fn policy(style: &str, script: Option<&str>) -> String {
    let hash = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
    let script = script.map_or_else(String::new, |script| format!("; script-src {}", hash(script)));
    format!("default-src 'none'; img-src data:; style-src {}{script}", hash(style))
}
