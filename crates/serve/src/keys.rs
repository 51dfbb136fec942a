//! The keys that clients give.

use std::{fmt, fs, path::Path};

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::ServeError;

/// Characters of the shortest key that is taken.
const MIN_KEY: usize = 16;

/// The keys that are taken, by their SHA-256.
#[derive(Clone)]
pub(crate) struct Keys(Vec<[u8; 32]>);

impl Keys {
    /// The keys of a file, one a line; blank lines and those that begin with `#` are passed over.
    pub(crate) fn read(path: &Path) -> Result<Self, ServeError> {
        let text = fs::read_to_string(path).map_err(|cause| ServeError::Read { path: path.to_owned(), cause })?;
        let keys: Vec<&str> =
            text.lines().map(str::trim).filter(|key| !key.is_empty() && !key.starts_with('#')).collect();
        if keys.is_empty() || keys.iter().any(|key| key.len() < MIN_KEY) {
            return Err(ServeError::Keys { path: path.to_owned(), least: MIN_KEY });
        }
        Ok(Self(keys.into_iter().map(digest).collect()))
    }

    /// Whether `key` is one of them, in a time that says nothing about them.
    pub(crate) fn has(&self, key: &str) -> bool {
        let key = digest(key);
        self.0.iter().fold(Choice::from(0), |found, known| found | known.ct_eq(&key)).into()
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("n", &self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Result<Keys, ServeError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        Keys::read(file.path())
    }

    #[test]
    fn whole_keys_of_the_file_are_taken_and_nothing_else() {
        let keys = keys("# two keys\nfirst-key-0123456789\n\n  second-key-0123456789  \n").unwrap();
        assert!(keys.has("first-key-0123456789") && keys.has("second-key-0123456789"));
        for other in ["", "first-key-012345678", "# two keys", "first-key-01234567890", "FIRST-KEY-0123456789"] {
            assert!(!keys.has(other), "{other}");
        }
    }

    #[test]
    fn a_file_without_keys_or_with_short_ones_is_refused() {
        assert!(matches!(keys("# none\n\n"), Err(ServeError::Keys { .. })));
        assert!(matches!(keys("short\n"), Err(ServeError::Keys { .. })));
    }
}
