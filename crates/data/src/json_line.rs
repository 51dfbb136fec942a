//! Lines of JSON.

use std::path::Path;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use crate::{DataError, Line, LineReader};

/// The longest line of a log that is read.
const MAX_LOG_LINE_BYTES: usize = 1 << 20;

/// The entries of a run's log, one line of JSON each. A last line that is cut off is no entry: the run is under way, or was
/// killed.
///
/// # Errors
/// Those of [`LineReader::next_line`] and [`Line::json`], for the entry that is asked for.
pub fn log_entries<T: DeserializeOwned>(log: impl AsRef<Path>) -> impl Iterator<Item = Result<T, DataError>> {
    let mut lines = LineReader::new([log], MAX_LOG_LINE_BYTES);
    std::iter::from_fn(move || {
        let line = match lines.next_line() {
            Ok(line) => line?,
            Err(error) => return Some(Err(error)),
        };
        match line.json() {
            Err(_) if line.is_cut_off() && matches!(lines.next_line(), Ok(None)) => None,
            entry => Some(entry),
        }
    })
}

/// The longest part of a line that a message repeats, in characters.
const LONGEST: usize = 60;

impl Line {
    /// What a line of JSON has, an object.
    ///
    /// # Errors
    /// [`DataError::LongLine`], [`DataError::InvalidUtf8`] or [`DataError::Json`], with file and line.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, DataError> {
        let (path, line) = (self.place.path.to_path_buf(), self.place.line);
        if self.is_over_long {
            return Err(DataError::LongLine { path, line, max_bytes: self.bytes.len() });
        }
        let Ok(text) = std::str::from_utf8(&self.bytes) else { return Err(DataError::InvalidUtf8 { path, line }) };
        // Of a list, serde would take the values by their order.
        if text.trim_ascii_start().starts_with('[') {
            let problem = "expected an object, and found a list".to_owned();
            return Err(DataError::Json { path, line, column: 0, problem });
        }
        serde_json::from_str(text).map_err(|cause| {
            let (column, problem) = (cause.column(), problem(&cause));
            DataError::Json { path, line, column, problem }
        })
    }

    /// Whether more could make JSON of it.
    fn is_cut_off(&self) -> bool {
        !self.is_over_long && serde_json::from_slice::<IgnoredAny>(&self.bytes).is_err_and(|error| error.is_eof())
    }
}

/// What is wrong with a line, without the place that its reader adds: it counts lines from the first of this text.
fn problem(cause: &serde_json::Error) -> String {
    let said = cause.to_string();
    let place = format!(" at line {} column {}", cause.line(), cause.column());
    let said = said.strip_suffix(&place).unwrap_or(&said);
    match cause.classify() {
        Category::Data => of_kinds(said).unwrap_or_else(|| said.to_owned()),
        _ => format!("it is not JSON: {}", said.replace("EOF while parsing ", "it ends within ")),
    }
}

/// What serde says of a value of another kind than is wanted, in JSON's words.
fn of_kinds(said: &str) -> Option<String> {
    let kinds = said.strip_prefix("invalid type: ").or_else(|| said.strip_prefix("invalid value: "))?;
    let (found, expected) = kinds.rsplit_once(", expected ")?;
    let begins = |words: &[&str]| words.iter().any(|word| expected.starts_with(word));
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "an integer of at least 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "an integer",
        "f32" | "f64" => "a number",
        _ if begins(&["struct ", "a map", "internally tagged ", "adjacently tagged "]) => "an object",
        _ if begins(&["a sequence", "tuple ", "a tuple ", "an array "]) => "a list",
        other => other,
    };
    let found = match found {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        long if long.chars().count() > LONGEST => format!("{}…", long.chars().take(LONGEST).collect::<String>()),
        other => other.to_owned(),
    };
    Some(format!("expected {expected}, and found {found}"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::Place;

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "its fields are only read into")]
    struct Sizes {
        n: u32,
        name: String,
        #[serde(default)]
        all: Vec<f64>,
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told_at_one_place() {
        let said = |bytes: &[u8], is_over_long| {
            let place = Place::from((PathBuf::from("a.jsonl"), 7));
            Line { place, bytes: bytes.to_vec(), is_over_long }.json::<Sizes>().unwrap_err().to_string()
        };
        for (line, expected) in [
            (r#"{"n": 1}"#, "a.jsonl:7: missing field `name`"),
            (r#"[1, "a"]"#, "a.jsonl:7: expected an object, and found a list"),
            ("3", "a.jsonl:7: expected an object, and found integer `3`"),
            (r#"{"n": -1}"#, "a.jsonl:7: expected an integer of at least 0, and found integer `-1`"),
            (r#"{"n": {}}"#, "a.jsonl:7: expected an integer of at least 0, and found an object"),
            (r#"{"n": 1, "name": "a", "all": 3}"#, "a.jsonl:7: expected a list, and found integer `3`"),
            (r#"{"n": NaN}"#, "a.jsonl:7: it is not JSON: expected value"),
            (r#"{"n": 1, "name": "a"#, "a.jsonl:7: it is not JSON: it ends within a string"),
        ] {
            let said = said(line.as_bytes(), false);
            assert_eq!(said.split(", at column ").next(), Some(expected), "{said}");
        }
        assert!(said(br#"{"n": 1}"#, false).contains(", at column "));
        assert_eq!(said(b"{\"n\": 1, \"name\": \"\xff\"}", false), "a.jsonl:7 is not UTF-8: convert the file");
        assert_eq!(said(b"{\"n\"", true), "a.jsonl:7 is longer than 4 bytes: break it into lines");
        let long = format!(r#"{{"n": "{}"}}"#, "é".repeat(500));
        assert!(said(long.as_bytes(), false).chars().count() < 200);
    }

    #[test]
    fn the_last_line_of_a_log_alone_may_be_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let read = |bytes: &[u8]| {
            std::fs::write(folder.path().join("log"), bytes).unwrap();
            let entries: Result<Vec<Sizes>, _> = log_entries(folder.path().join("log")).collect();
            entries.map(|entries| entries.len()).map_err(|error| error.to_string())
        };
        let whole = "{\"n\": 1, \"name\": \"ä\"}\n".as_bytes();
        for cut in 0..whole.len() {
            let n_entries = if cut + 1 == whole.len() { 2 } else { 1 };
            assert_eq!(read(&[whole, &whole[..cut]].concat()), Ok(n_entries));
        }
        for (second, problem) in [
            ("{\"n\": 1}\n", "missing field `name`"),
            ("{\"n\"\n{}", "it ends within an object"),
            ("{]", "is not JSON"),
        ] {
            let said = read(&[whole, second.as_bytes()].concat()).unwrap_err();
            assert!(said.contains("log:2: ") && said.contains(problem), "{said}");
        }
        assert!(read(&vec![b'['; MAX_LOG_LINE_BYTES + 1]).unwrap_err().contains("log:1 is longer than 1048576 bytes"));
    }
}
