//! Files and folders that are replaced in one step, and last through a loss of power.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// Replaces a file in one step: whoever reads it sees the old bytes or the new ones, even after a crash of the system.
///
/// # Errors
/// The system's error; the old file is then untouched.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    atomically(path, |temporary| fs::write(temporary, bytes))
}

/// [`write_atomically`] of the content that `write` puts in a temporary file.
pub(crate) fn atomically(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    // safetensors makes files for their owner alone; the user's mask says who may read this one.
    let made = File::create(temporary).and_then(|file| Ok(file.metadata()?.permissions()));
    let written = made.and_then(|mode| write(temporary).and_then(|()| fs::set_permissions(temporary, mode)));
    written.and_then(|()| replace_file(temporary, path)).inspect_err(|_| {
        // The failure is reported; a remaining temporary file only takes space.
        let _ = fs::remove_file(temporary);
    })
}

/// The longest file of settings, in bytes. A byte of TOML takes up to 350 bytes of memory.
const MAX_SETTINGS: u64 = 1 << 20;

/// The text of a file of settings, of at most 1 MiB.
///
/// # Errors
/// The system's error; [`io::ErrorKind::InvalidData`] for a longer file, and for one that is not UTF-8.
pub fn read_settings(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_SETTINGS + 1).read_to_string(&mut text)?;
    check_length(&text)?;
    Ok(text)
}

/// Replaces a file of settings in one step, as [`write_atomically`] does.
///
/// # Errors
/// The system's error; [`io::ErrorKind::InvalidData`] for a text that [`read_settings`] would refuse.
pub fn write_settings(path: &Path, text: &str) -> io::Result<()> {
    check_length(text)?;
    write_atomically(path, text.as_bytes())
}

fn check_length(text: &str) -> io::Result<()> {
    if text.len() as u64 > MAX_SETTINGS {
        let problem = format!("it is longer than any settings, which have at most {MAX_SETTINGS} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    Ok(())
}

/// Gives a whole file the name `path`, in place of one that has it, after its bytes are on the disk.
///
/// # Errors
/// The system's error.
pub fn replace_file(whole: &Path, path: &Path) -> io::Result<()> {
    File::open(whole)?.sync_all()?;
    fs::rename(whole, path)?;
    sync_parent(path)
}

/// Gives a whole folder the name `path`, after all that is in it is on the disk. A folder that had the name is deleted.
///
/// Linux exchanges the two names in one step, on file systems that can. Elsewhere the old folder has the name `aside`
/// between two renames, and is still there after a crash at that moment.
///
/// # Errors
/// The system's error. What has the name `path` is then the old folder or the new one, whole.
pub fn replace_folder(whole: &Path, path: &Path, aside: &Path) -> io::Result<()> {
    sync_tree(whole)?;
    if !path.exists() {
        fs::rename(whole, path)?;
    } else if !exchange(whole, path)? {
        fs::rename(path, aside)?;
        if let Err(cause) = fs::rename(whole, path) {
            fs::rename(aside, path)?;
            return Err(cause);
        }
    }
    sync_parent(path)?;
    remove_folder(whole)?;
    remove_folder(aside)
}

/// Exchanges two names in one step; returns whether that can be done here.
#[cfg(target_os = "linux")]
fn exchange(a: &Path, b: &Path) -> io::Result<bool> {
    use rustix::{
        fs::{CWD, RenameFlags, renameat_with},
        io::Errno,
    };
    match renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
        Err(cause) => Err(cause.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn exchange(_: &Path, _: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Removes a folder, if there is one.
///
/// # Errors
/// The system's error.
pub fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

/// Makes a folder and those above it that are missing, whose names last through a crash of the system.
///
/// # Errors
/// The system's error.
pub fn make_folder(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    make_folder(parent(path))?;
    match fs::create_dir(path) {
        // Another process was faster.
        Err(_) if path.is_dir() => Ok(()),
        made => made.and_then(|()| sync_parent(path)),
    }
}

/// Makes the names in a folder last through a crash of the system, where the system knows how to.
///
/// # Errors
/// The system's error.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// [`sync_folder`] of the folder that a path is in.
///
/// # Errors
/// The system's error.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    sync_folder(parent(path))
}

/// [`sync_folder`] of a folder, all files in it, and all folders.
fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_tree(&entry.path())?;
        } else if kind.is_file() && cfg!(unix) {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_folder(folder)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_takes_the_place_of_another() {
        let root = tempfile::tempdir().unwrap();
        let [whole, path, aside] = ["whole", "a/b/path", "aside"].map(|name| root.path().join(name));
        make_folder(path.parent().unwrap()).unwrap();
        for text in ["first", "second"] {
            make_folder(&whole.join("inner")).unwrap();
            fs::write(whole.join("inner/file"), text).unwrap();
            replace_folder(&whole, &path, &aside).unwrap();
            assert_eq!(fs::read_to_string(path.join("inner/file")).unwrap(), text);
            assert!(!whole.exists() && !aside.exists());
        }
        assert!(replace_folder(&whole, &path, &aside).is_err());
        assert_eq!(fs::read_to_string(path.join("inner/file")).unwrap(), "second");
    }

    #[test]
    fn settings_that_could_not_be_read_are_not_written() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("config.toml");
        let longest = "#".repeat(1 << 20);
        write_settings(&path, &longest).unwrap();
        assert_eq!(read_settings(&path).unwrap(), longest);
        let error = write_settings(&path, &format!("{longest}#")).unwrap_err();
        assert!(error.to_string().contains("at most 1048576 bytes"), "{error}");
        assert_eq!(read_settings(&path).unwrap(), longest);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn two_names_are_exchanged() {
        let root = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| root.path().join(name));
        paths.iter().for_each(|path| fs::write(path, path.to_str().unwrap()).unwrap());
        let [a, b] = &paths;
        if exchange(a, b).unwrap() {
            assert_eq!(fs::read_to_string(a).unwrap(), b.to_str().unwrap());
            assert_eq!(fs::read_to_string(b).unwrap(), a.to_str().unwrap());
        }
        assert!(exchange(a, &root.path().join("missing")).is_err());
    }
}
