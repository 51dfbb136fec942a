//! Formats of files, told by their first bytes.

/// A compression that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Bzip2,
    Xz,
    Zstandard,
}

impl Compression {
    /// The compression of a file with these first bytes, if it has one.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        let is_bzip2 = |level: u8, block: &[u8]| {
            // A block, or the end of a file of nothing: the decimals of π, or of its square root.
            let begins = block.starts_with(b"1AY&SY") || block.starts_with(b"\x17\x72\x45\x38\x50\x90");
            level.is_ascii_digit() && begins
        };
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [b'B', b'Z', b'h', level, block @ ..] if is_bzip2(*level, block) => Some(Self::Bzip2),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            // A frame, or a skippable one, which parallel compressors write first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstandard),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstandard => "Zstandard",
        }
    }
}

const UNPACK: &str = "unpack it, and name the text files in it";
const DECOMPRESS: &str = "decompress it, or compress it by gzip, bzip2, xz or zstd instead";
const SAVE: &str = "save its text as a plain text file";
const WRITE: &str = "write its text column to a plain text file, a line each";
const CONVERT: &str = "convert it with iconv -f UTF-32 -t UTF-8";
const FETCH: &str = "fetch the file with `git lfs pull`";

/// Formats that are not text: first bytes, name, and what to do.
const REFUSED: &[(&[u8], &str, &str)] = &[
    (b"PK\x03\x04", "a ZIP archive, or an Office document", UNPACK),
    (b"PK\x05\x06", "an empty ZIP archive", UNPACK),
    (b"PK\x07\x08", "a ZIP archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"!<arch>\n", "an ar archive", UNPACK),
    (b"MSCF\0\0\0\0", "a cabinet archive", UNPACK),
    (b"\x04\x22\x4d\x18", "compressed by lz4", DECOMPRESS),
    (b"\x1f\x9d", "compressed by compress", DECOMPRESS),
    (b"LZIP\x01", "compressed by lzip", DECOMPRESS),
    (b"\x5d\0\0", "compressed by lzma", DECOMPRESS),
    (b"\x89LZO\0\r\n\x1a\n", "compressed by lzop", DECOMPRESS),
    (b"\xff\x06\0\0sNaPpY", "compressed by snappy", DECOMPRESS),
    (b"%PDF-", "a PDF document", SAVE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document", SAVE),
    (b"{\\rtf1", "an RTF document", SAVE),
    (b"PAR1\x15", "a Parquet file", WRITE),
    (b"ARROW1\0\0", "an Arrow file", WRITE),
    (b"FEA1\0", "a Feather file", WRITE),
    (b"Obj\x01", "an Avro file", WRITE),
    (b"SQLite format 3\0", "an SQLite database", WRITE),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", WRITE),
    (b"\x93NUMPY", "a NumPy array", WRITE),
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the file itself", FETCH),
    (b"\xff\xfe\0\0", "in UTF-32", CONVERT),
    (b"\0\0\xfe\xff", "in UTF-32", CONVERT),
];

/// Name and remedy of a format that is not text; of a compression too, for text is compressed once.
pub(crate) fn refused(head: &[u8]) -> Option<(String, &'static str)> {
    if let Some(inner) = Compression::of(head) {
        return Some((format!("{} data", inner.name()), "decompress it once"));
    }
    if is_tar(head) {
        return Some(("a tar archive".to_owned(), UNPACK));
    }
    let (_, name, remedy) = REFUSED.iter().find(|(magic, ..)| head.starts_with(magic))?;
    Some(((*name).to_owned(), remedy))
}

/// Whether the bytes begin with a header of tar, whose checksum is the sum of its bytes with spaces in its own place.
fn is_tar(head: &[u8]) -> bool {
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let Some(header) = head.get(..512) else { return false };
    let digits = header[CHECKSUM]
        .iter()
        .copied()
        .skip_while(|byte| *byte == b' ')
        .take_while(|byte| matches!(byte, b'0'..=b'7'));
    let told = digits.fold(None, |sum, digit| Some(sum.unwrap_or(0) * 8 + u32::from(digit - b'0')));
    let outside = [&header[..CHECKSUM.start], &header[CHECKSUM.end..]].concat();
    told == Some(outside.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' '))
}

/// Whether a byte is a control character that text does not have; those from BEL to CR and ESC are in logs of terminals.
pub(crate) fn is_control(byte: u8) -> bool {
    matches!(byte, 0..=6 | 0x0e..=0x1a | 0x7f)
}

/// Whether the bytes are control characters to a good part; a few are an accident that text may have had.
pub(crate) fn is_binary(head: &[u8]) -> bool {
    let n_control = head.iter().filter(|&&byte| is_control(byte)).count();
    n_control > 8 && 4 * n_control > head.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_looks_like_a_format_is_text() {
        for text in ["BZh9 is how bzip2 begins", "PAR1", "ORC", "Rar!", "PK", "7z", "Obj", "{\\r}", "", "FEA1", "%PD"] {
            assert_eq!((Compression::of(text.as_bytes()), refused(text.as_bytes())), (None, None), "{text}");
        }
        // Text of 512 bytes, all digits where tar has its checksum.
        assert!(!is_tar(&[b'7'; 512]));
    }

    #[test]
    fn binary_data_have_control_characters() {
        assert!(is_binary(&[0; 64]) && is_binary(&b"\x01\x02ab\x03\0".repeat(3)));
        assert!(!is_binary("a\tb\r\nf\u{fc}nf\x0c\x1b[0m".as_bytes()) && !is_binary(b"a\0b\nc\n") && !is_binary(b""));
    }
}
