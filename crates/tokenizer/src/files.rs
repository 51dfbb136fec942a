//! Reading files whole, and writing them so that no half of one is ever found.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::error::TokenizerError;
use crate::formats;

/// The bytes of the file at `path`, unless a download or a checkout put something else in its place.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    let bytes = fs::read(path).map_err(TokenizerError::io(path))?;
    formats::refuse_stand_ins(path, &bytes)?;
    Ok(bytes)
}

/// The text of the file at `path`, with the same exception; a byte order mark is not part of it.
pub(crate) fn read_text(path: &Path) -> Result<String, TokenizerError> {
    let bytes = read(path)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let reason = format!("byte {} is not UTF-8", error.utf8_error().valid_up_to());
        TokenizerError::invalid(path)(reason)
    })?;
    Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
}

/// Writes `bytes` to `path`: beside it first, then renamed, each step on the disk before the next begins. After a loss
/// of power there is the old file or the new one, whole. A pipe or a device is written as it is.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), TokenizerError> {
    if path.exists() && !path.is_file() {
        return fs::write(path, bytes).map_err(TokenizerError::io(path));
    }
    let unfinished = path.with_extension("json.part");
    let written = File::create(&unfinished).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(cause) = written {
        // What is left is of no use; that it cannot be removed either is not the error to tell.
        let _ = fs::remove_file(&unfinished);
        return Err(TokenizerError::io(&unfinished)(cause));
    }
    fs::rename(&unfinished, path).and_then(|()| sync_folder(path)).map_err(TokenizerError::io(path))
}

/// Puts the entry of `path` in its folder on the disk, where the system lets folders be opened.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        write(&path, b"old").unwrap();
        fs::create_dir(folder.path().join("tokenizer.json.part")).unwrap();
        let error = write(&path, b"new").unwrap_err();
        assert!(matches!(error, TokenizerError::Io { .. }), "{error}");
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_stays_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        write(&path, b"new").unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    }

    #[test]
    fn a_byte_order_mark_is_not_text_and_bytes_that_are_not_utf_8_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vocab.txt");
        fs::write(&path, "\u{feff}[UNK]\n").unwrap();
        assert_eq!(read_text(&path).unwrap(), "[UNK]\n");
        fs::write(&path, b"ab\xff").unwrap();
        assert!(read_text(&path).unwrap_err().to_string().contains("byte 2 is not UTF-8"));
    }
}
