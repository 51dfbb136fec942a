//! The page: its files are in the program.

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use sha2::{Digest, Sha256};

use crate::app::App;

/// A file of the page, by its name in `page/`.
struct File {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! files {
    ($($name:literal: $kind:literal),* $(,)?) => {
        &[$(File { name: $name, kind: $kind, bytes: include_bytes!(concat!("../../page/", $name)) }),*]
    };
}

const FILES: &[File] = files![
    "api.js": "text/javascript; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "attention.js": "text/javascript; charset=utf-8",
    "board.js": "text/javascript; charset=utf-8",
    "chart.js": "text/javascript; charset=utf-8",
    "complete.js": "text/javascript; charset=utf-8",
    "dom.js": "text/javascript; charset=utf-8",
    "encode.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "index.html": "text/html; charset=utf-8",
    "lines.js": "text/javascript; charset=utf-8",
    "map.js": "text/javascript; charset=utf-8",
    "runs.js": "text/javascript; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "translate.js": "text/javascript; charset=utf-8",
    "words.js": "text/javascript; charset=utf-8",
];

pub(super) fn router() -> Router<Arc<App>> {
    FILES.iter().fold(Router::new(), |router, file| {
        let place = if file.name == "index.html" { "/".to_owned() } else { format!("/{}", file.name) };
        router.route(&place, get(move |headers: HeaderMap| async move { file.answer(&headers) }))
    })
}

impl File {
    /// The file, unless the client has this one.
    fn answer(&self, headers: &HeaderMap) -> Response {
        let tag = format!("\"{}\"", hex(&Sha256::digest(self.bytes)[..16]));
        let is_there = headers
            .get(header::IF_NONE_MATCH)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|tags| tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag));
        let told = [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache".to_owned())];
        match is_there {
            true => (StatusCode::NOT_MODIFIED, told).into_response(),
            false => (told, [(header::CONTENT_TYPE, self.kind)], self.bytes).into_response(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_in_the_program() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let found: BTreeSet<String> =
            fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(found, FILES.iter().map(|file| file.name.to_owned()).collect());
    }

    #[test]
    fn it_is_smaller_than_100_kilobytes() {
        let n_bytes: usize = FILES.iter().map(|file| file.bytes.len()).sum();
        assert!(n_bytes < 100_000, "{n_bytes} bytes");
    }
}
