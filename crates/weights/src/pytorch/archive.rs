//! Zip archives with uncompressed files, as `torch.save` writes them.
//!
//! Source: PKWARE's APPNOTE.TXT, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14 to 4.3.16 (its end),
//! 4.5.3 (ZIP64).

use std::{collections::BTreeMap, ops::Range};

use crate::FormatError;

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// Value of a 32-bit field whose number is in ZIP64's field.
const IN_ZIP64: u64 = 0xffff_ffff;

/// The files of an archive: the position of their content, by name.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    files: BTreeMap<String, Range<usize>>,
}

impl<'a> Archive<'a> {
    /// Reads the directory.
    ///
    /// # Errors
    /// The defect: a file that is compressed, or one outside the archive.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, FormatError> {
        // A comment of up to 65,535 bytes may follow the end.
        let first = bytes.len().saturating_sub(22 + 65_535);
        let end =
            bytes[first..].windows(4).rposition(|window| window == END).ok_or("the archive is cut short")? + first;
        if end + 22 + to_index(u64_at(bytes, end + 20, 2)?)? != bytes.len() {
            return Err("the archive is cut short".into());
        }
        let end = match u64_at(bytes, end + 16, 4)? {
            IN_ZIP64 => {
                let locator = end.checked_sub(20).ok_or("the archive is damaged")?;
                let end = to_index(u64_at(bytes, locator + 8, 8)?)?;
                expect(bytes, end, END_64)?;
                (u64_at(bytes, end + 32, 8)?, u64_at(bytes, end + 48, 8)?)
            }
            start => (u64_at(bytes, end + 10, 2)?, start),
        };
        let (n_entries, mut at) = (end.0, to_index(end.1)?);
        let mut files = BTreeMap::new();
        for _ in 0..n_entries {
            expect(bytes, at, ENTRY)?;
            let [name, extra, comment] = [28, 30, 32].map(|offset| u64_at(bytes, at + offset, 2));
            let [name, extra, comment] = [to_index(name?)?, to_index(extra?)?, to_index(comment?)?];
            let text = String::from_utf8_lossy(slice(bytes, at + 46, name)?).into_owned();
            let extra_field = slice(bytes, at + 46 + name, extra)?;
            let [size, start] = sizes(bytes, at, extra_field)?;
            if u64_at(bytes, at + 10, 2)? != 0 {
                return Err(format!("{text} is compressed; torch.save stores files as they are").into());
            }
            expect(bytes, start, LOCAL)?;
            let header = 30 + to_index(u64_at(bytes, start + 26, 2)? + u64_at(bytes, start + 28, 2)?)?;
            slice(bytes, start + header, size)?;
            files.insert(text, start + header..start + header + size);
            at += 46 + name + extra + comment;
        }
        Ok(Self { bytes, files })
    }

    /// Position of the content of a file.
    pub(super) fn place(&self, name: &str) -> Option<Range<usize>> {
        self.files.get(name).cloned()
    }

    /// The content of a file.
    pub(super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.place(name).map(|place| &self.bytes[place])
    }

    /// The first file whose name ends with the suffix: the name without it, and the content.
    pub(super) fn find_suffix(&self, suffix: &str) -> Option<(&str, &'a [u8])> {
        self.files.iter().find_map(|(name, place)| Some((name.strip_suffix(suffix)?, &self.bytes[place.clone()])))
    }
}

/// Size and start of the entry at `at`: 32 bits each, or 64 in its extra field.
fn sizes(bytes: &[u8], at: usize, extra: &[u8]) -> Result<[usize; 2], FormatError> {
    // Uncompressed size, compressed size, start: those that do not fit are in ZIP64's field, in this order.
    let mut fields = [u64_at(bytes, at + 24, 4)?, u64_at(bytes, at + 20, 4)?, u64_at(bytes, at + 42, 4)?];
    let mut rest = extra;
    while fields.contains(&IN_ZIP64) {
        let length = to_index(u64_at(rest, 2, 2)?)?;
        let content = slice(rest, 4, length)?;
        if u64_at(rest, 0, 2)? == 1 {
            let missing = fields.iter_mut().filter(|field| **field == IN_ZIP64);
            for (idx, field) in missing.enumerate() {
                *field = u64_at(content, 8 * idx, 8)?;
            }
            break;
        }
        rest = &rest[4 + length..];
    }
    Ok([to_index(fields[0])?, to_index(fields[2])?])
}

/// The `n` bytes from `at` on.
fn slice(bytes: &[u8], at: usize, n: usize) -> Result<&[u8], FormatError> {
    let end = at.checked_add(n);
    end.and_then(|end| bytes.get(at..end)).ok_or_else(|| "the archive is cut short".into())
}

/// The little-endian number in the `n` bytes from `at` on.
fn u64_at(bytes: &[u8], at: usize, n: usize) -> Result<u64, FormatError> {
    Ok(slice(bytes, at, n)?.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

fn to_index(number: u64) -> Result<usize, FormatError> {
    // Half of the largest number, so that sums of a few do not overflow.
    usize::try_from(number).ok().filter(|&n| n < usize::MAX / 2).ok_or_else(|| "the archive is damaged".into())
}

fn expect(bytes: &[u8], at: usize, signature: &[u8]) -> Result<(), FormatError> {
    match slice(bytes, at, 4)? == signature {
        true => Ok(()),
        false => Err("the archive's directory is damaged".into()),
    }
}
