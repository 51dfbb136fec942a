//! Zip archives, as `torch.save` and NumPy write them.
//!
//! Source: PKWARE's APPNOTE.TXT, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14 to 4.3.16 (its end),
//! 4.4.5 (methods), 4.5.3 (ZIP64).

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
};

use crate::FormatError;

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// Value of a 32-bit field whose number is in ZIP64's field.
const IN_ZIP64: u64 = 0xffff_ffff;

/// Bytes in memory or of a file, of which parts are taken.
pub(crate) trait Bytes {
    fn len(&self) -> usize;

    /// The `n` bytes from `at` on.
    ///
    /// # Errors
    /// The defect: they are not there, or can't be read.
    fn part(&self, at: usize, n: usize) -> Result<Cow<'_, [u8]>, FormatError>;
}

impl Bytes for [u8] {
    fn len(&self) -> usize {
        self.len()
    }

    fn part(&self, at: usize, n: usize) -> Result<Cow<'_, [u8]>, FormatError> {
        slice(self, at, n).map(Cow::Borrowed)
    }
}

/// An open file of this length, of which a part is read when it is taken.
pub(crate) struct FileBytes<'a> {
    pub(crate) file: &'a File,
    pub(crate) len: usize,
}

impl Bytes for FileBytes<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn part(&self, at: usize, n: usize) -> Result<Cow<'_, [u8]>, FormatError> {
        at.checked_add(n).filter(|&end| end <= self.len).ok_or("it is cut short")?;
        let (mut file, mut bytes) = (self.file, vec![0; n]);
        let read = file.seek(SeekFrom::Start(at as u64)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|cause| FormatError::from(format!("it can't be read: {cause}")))?;
        Ok(Cow::Owned(bytes))
    }
}

/// The files of an archive by name.
pub(crate) struct Archive<'a, B: Bytes + ?Sized> {
    bytes: &'a B,
    pub(crate) files: BTreeMap<String, Member>,
}

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Position of what is stored of it.
    pub(crate) place: Range<usize>,
    pub(crate) method: Method,
    /// Bytes of its content.
    pub(crate) size: usize,
    /// CRC-32 of its content.
    pub(crate) crc: u32,
}

/// How a file is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// As it is.
    Stored,
    /// Compressed by DEFLATE.
    Deflated,
    /// In another way, by its number.
    Other(u16),
}

impl<'a, B: Bytes + ?Sized> Archive<'a, B> {
    /// Reads the directory, and the header of each file.
    ///
    /// # Errors
    /// The defect: a file outside the archive.
    pub(crate) fn open(bytes: &'a B) -> Result<Self, FormatError> {
        let len = bytes.len();
        // A comment of up to 65,535 bytes may follow the end, and ZIP64's locator stands before it.
        let n_last = len.min(20 + 22 + 65_535);
        let last = bytes.part(len - n_last, n_last)?;
        let end = last.windows(4).rposition(|window| window == END).ok_or("the archive is cut short")?;
        if end + 22 + to_index(u64_at(&last, end + 20, 2)?)? != last.len() {
            return Err("the archive is cut short".into());
        }
        let (n_entries, n_bytes, start) = match u64_at(&last, end + 16, 4)? {
            IN_ZIP64 => {
                let locator = end.checked_sub(20).ok_or("the archive is damaged")?;
                let end = bytes.part(to_index(u64_at(&last, locator + 8, 8)?)?, 56)?;
                expect(&end, END_64)?;
                (u64_at(&end, 32, 8)?, u64_at(&end, 40, 8)?, u64_at(&end, 48, 8)?)
            }
            start => (u64_at(&last, end + 10, 2)?, u64_at(&last, end + 12, 4)?, start),
        };
        let directory = bytes.part(to_index(start)?, to_index(n_bytes)?)?;
        let (mut at, mut files) = (0, BTreeMap::new());
        for _ in 0..n_entries {
            expect(directory.get(at..).unwrap_or_default(), ENTRY)?;
            let [name, extra, comment] = [28, 30, 32].map(|offset| u64_at(&directory, at + offset, 2));
            let [name, extra, comment] = [to_index(name?)?, to_index(extra?)?, to_index(comment?)?];
            let text = String::from_utf8_lossy(slice(&directory, at + 46, name)?).into_owned();
            let extra_field = slice(&directory, at + 46 + name, extra)?;
            let [size, stored, start] = sizes(&directory, at, extra_field)?;
            let method = match u64_at(&directory, at + 10, 2)? {
                0 if size == stored => Method::Stored,
                8 => Method::Deflated,
                other => Method::Other(other as u16),
            };
            let local = bytes.part(start, 30)?;
            expect(&local, LOCAL)?;
            let first = start + 30 + to_index(u64_at(&local, 26, 2)? + u64_at(&local, 28, 2)?)?;
            first.checked_add(stored).filter(|&end| end <= len).ok_or("the archive is cut short")?;
            let crc = u64_at(&directory, at + 16, 4)? as u32;
            files.insert(text, Member { place: first..first + stored, method, size, crc });
            at += 46 + name + extra + comment;
        }
        Ok(Self { bytes, files })
    }

    /// Position of what is stored of a file.
    pub(crate) fn place(&self, name: &str) -> Option<Range<usize>> {
        self.files.get(name).map(|member| member.place.clone())
    }

    /// What is stored of a file, if it is there.
    ///
    /// # Errors
    /// As [`Bytes::part`].
    pub(crate) fn get(&self, name: &str) -> Result<Option<Cow<'a, [u8]>>, FormatError> {
        self.place(name).map(|place| self.bytes.part(place.start, place.len())).transpose()
    }

    /// The name, without this suffix, of the first file that has it.
    pub(crate) fn find_suffix(&self, suffix: &str) -> Option<&str> {
        self.files.keys().find_map(|name| name.strip_suffix(suffix))
    }
}

/// Sizes of the content and of what is stored of it, and start of the entry at `at`: 32 bits each, or 64 in its extra field.
fn sizes(bytes: &[u8], at: usize, extra: &[u8]) -> Result<[usize; 3], FormatError> {
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
    Ok([to_index(fields[0])?, to_index(fields[1])?, to_index(fields[2])?])
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

fn expect(bytes: &[u8], signature: &[u8]) -> Result<(), FormatError> {
    match bytes.starts_with(signature) {
        true => Ok(()),
        false => Err("the archive's directory is damaged".into()),
    }
}
