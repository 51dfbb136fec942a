//! What a command did to files, from the log of `strace`.

use std::{
    collections::HashMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Calls that change files, and those that say which file a number means.
pub(super) const CALLS: &str = "openat,close,lseek,write,writev,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,\
                                renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,unlink,unlinkat,rmdir";

/// A call that succeeded.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Call {
    Open { fd: u64, path: PathBuf, creates: bool, truncates: bool, appends: bool },
    Close { fd: u64 },
    Seek { fd: u64, to: u64 },
    Write { fd: u64, at: Option<u64>, bytes: Vec<u8> },
    Truncate { fd: u64, length: u64 },
    Sync { fd: u64 },
    Rename { from: PathBuf, to: PathBuf, exchanges: bool },
    Link { from: PathBuf, to: PathBuf },
    Symlink { target: PathBuf, path: PathBuf },
    MakeFolder { path: PathBuf },
    Remove { path: PathBuf },
}

/// The calls of a log that `strace -f -y -xx` wrote, in the order in which they ended.
pub(super) fn parse(text: &str, working_folder: &Path) -> Vec<Call> {
    let mut unfinished = HashMap::<&str, &str>::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(thread, begun);
        } else if let Some((_, ended)) = rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            let whole = unfinished.remove(thread).unwrap_or_default().to_owned() + ended;
            calls.extend(call(&whole, working_folder));
        } else {
            calls.extend(call(rest, working_folder));
        }
    }
    calls
}

/// `name(argument, …) = result`, if it succeeded.
fn call(line: &str, working_folder: &Path) -> Option<Call> {
    let (name, rest) = line.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let result: u64 = leading_number(result)?;
    let arguments: Vec<&str> = arguments.trim_end().strip_suffix(')')?.split(", ").collect();
    let argument = |n: usize| arguments.get(n).copied().unwrap_or_default();
    let fd = leading_number(argument(0));
    let path = |n: usize| Some(working_folder.join(text(argument(n))?));
    let path_at = |n: usize| {
        let folder = angled(argument(n)).unwrap_or_else(|| working_folder.to_owned());
        Some(folder.join(text(argument(n + 1))?))
    };
    Some(match name {
        "openat" => {
            let has = |flag: &str| argument(2).split('|').any(|found| found == flag);
            let [creates, truncates, appends] = ["O_CREAT", "O_TRUNC", "O_APPEND"].map(has);
            Call::Open { fd: result, path: path_at(0)?, creates, truncates, appends }
        }
        "close" => Call::Close { fd: fd? },
        "lseek" => Call::Seek { fd: fd?, to: result },
        "write" | "writev" => {
            let mut bytes: Vec<u8> = arguments[1..].iter().filter_map(|argument| quoted(argument)).flatten().collect();
            bytes.truncate(usize::try_from(result).ok()?);
            Call::Write { fd: fd?, at: None, bytes }
        }
        "pwrite64" => {
            let mut bytes = quoted(argument(1))?;
            bytes.truncate(usize::try_from(result).ok()?);
            Call::Write { fd: fd?, at: leading_number(argument(3)), bytes }
        }
        "ftruncate" => Call::Truncate { fd: fd?, length: leading_number(argument(1))? },
        "fsync" | "fdatasync" => Call::Sync { fd: fd? },
        "rename" => Call::Rename { from: path(0)?, to: path(1)?, exchanges: false },
        "renameat" | "renameat2" => {
            let exchanges = argument(4).contains("RENAME_EXCHANGE");
            Call::Rename { from: path_at(0)?, to: path_at(2)?, exchanges }
        }
        "link" => Call::Link { from: path(0)?, to: path(1)? },
        "linkat" => Call::Link { from: path_at(0)?, to: path_at(2)? },
        "symlink" => Call::Symlink { target: text(argument(0))?.into(), path: path(1)? },
        "symlinkat" => Call::Symlink { target: text(argument(0))?.into(), path: path_at(1)? },
        "mkdir" => Call::MakeFolder { path: path(0)? },
        "mkdirat" => Call::MakeFolder { path: path_at(0)? },
        "unlink" | "rmdir" => Call::Remove { path: path(0)? },
        "unlinkat" => Call::Remove { path: path_at(0)? },
        _ => return None,
    })
}

fn leading_number(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The path in angle brackets after a file's number.
fn angled(argument: &str) -> Option<PathBuf> {
    let inside = argument.split_once('<')?.1.split_once('>')?.0;
    Some(String::from_utf8_lossy(&unescape(inside)).into_owned().into())
}

/// The bytes in quotation marks.
fn quoted(argument: &str) -> Option<Vec<u8>> {
    let inside = argument.split_once('"')?.1.rsplit_once('"')?.0;
    Some(unescape(inside))
}

fn text(argument: &str) -> Option<OsString> {
    String::from_utf8(quoted(argument)?).ok().map(OsString::from)
}

/// `\x6f\x6b` as bytes; what is not escaped stays.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.strip_prefix(b"x").and_then(|after| std::str::from_utf8(after.get(..2)?).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'\\') {
            Some(byte) => (bytes.push(byte), rest = &after[3..]),
            None => (bytes.push(*first), rest = after),
        };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_from_a_log() {
        let log = r#"7 openat(AT_FDCWD<\x2f\x77>, "\x61", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0666) = 3<\x2f\x77\x2f\x61>
7 write(3<\x2f\x77\x2f\x61>, "\x68\x69\x0a", 3 <unfinished ...>
8 mkdir("\x64", 0777) = -1 EEXIST (File exists)
7 <... write resumed>) = 2
7 writev(3<\x2f\x77\x2f\x61>, [{iov_base="\x68", iov_len=1}, {iov_base="\x69", iov_len=1}], 2) = 2
8 unlinkat(4<\x2f\x77\x2f\x64>, "\x62", 0) = 0
8 renameat2(AT_FDCWD<\x2f\x77>, "\x61", AT_FDCWD<\x2f\x77>, "\x2f\x62", RENAME_EXCHANGE) = 0
8 +++ exited with 0 +++
"#;
        let write = |bytes: &[u8]| Call::Write { fd: 3, at: None, bytes: bytes.to_vec() };
        let expected = [
            Call::Open { fd: 3, path: "/w/a".into(), creates: true, truncates: true, appends: false },
            write(b"hi"),
            write(b"hi"),
            Call::Remove { path: "/w/d/b".into() },
            Call::Rename { from: "/w/a".into(), to: "/b".into(), exchanges: true },
        ];
        assert_eq!(parse(log, Path::new("/w")), expected);
    }
}
