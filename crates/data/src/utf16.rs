//! Text in UTF-16.

use std::io::{self, Read};

use crate::format;

/// Units decoded at a time.
const UNITS_AT_ONCE: usize = 1 << 14;

/// Which byte of a unit comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    const BOTH: [Self; 2] = [Self::Little, Self::Big];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Little => "little-endian",
            Self::Big => "big-endian",
        }
    }

    fn unit(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    fn units(self, bytes: &[u8]) -> impl Iterator<Item = u16> {
        bytes.as_chunks().0.iter().map(move |&bytes| self.unit(bytes))
    }
}

/// How a text in UTF-16 is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) order: ByteOrder,
    /// Whether a byte order mark says so.
    pub(crate) has_mark: bool,
}

/// Whether a text with these first bytes is in UTF-16: by its mark, or by what it would be.
pub(crate) fn recognise(head: &[u8]) -> Option<Found> {
    let mark = ByteOrder::BOTH.into_iter().find(|order| order.units(head).next() == Some(0xfeff));
    let guess = || ByteOrder::BOTH.into_iter().find(|order| is_likely(head, *order));
    mark.map(|order| Found { order, has_mark: true }).or_else(|| guess().map(|order| Found { order, has_mark: false }))
}

/// Whether the bytes are text in UTF-16 that would be none in UTF-8.
///
/// The upper bytes of alphabets are control characters. Those of Indian scripts are tabs and line breaks, and other scripts
/// are hardly ever UTF-8 by accident: of these, a space or a line break is asked for.
fn is_likely(head: &[u8], order: ByteOrder) -> bool {
    let units: Vec<u16> = order.units(head).collect();
    // The last unit may be half of a character.
    let mut characters = char::decode_utf16(units.iter().copied().take(units.len().saturating_sub(1)));
    if units.len() < 2 || !characters.all(|c| c.is_ok_and(|c| !c.is_control() || "\t\n\r\x0c".contains(c))) {
        return false;
    }
    let mostly =
        |is_so: fn(u8) -> bool| 10 * units.iter().filter(|unit| is_so(unit.to_be_bytes()[0])).count() > 6 * units.len();
    let has_blanks = units.iter().any(|unit| [0x0a, 0x20].contains(unit));
    let is_utf8 = std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    // U+7Fxx are Chinese.
    mostly(|upper| upper != 0x7f && format::is_control(upper))
        || has_blanks && (mostly(|upper| upper < 0x20) || !is_utf8)
}

/// The error of a text that ends in half a unit or half a character.
#[derive(Debug, thiserror::Error)]
#[error("UTF-16 that ends within a character")]
pub(crate) struct CutOff;

impl CutOff {
    /// Whether an error of reading is this one.
    pub(crate) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Self>)
    }
}

/// Reads UTF-16 as UTF-8.
///
/// Half a character within the text becomes a byte that is not UTF-8 either, so that it is found and named as in any other
/// file; at the end it is the error [`CutOff`].
pub(crate) struct Utf16<R> {
    reader: R,
    order: ByteOrder,
    /// The mark is not text.
    skips_mark: bool,
    /// The first half of a character.
    high: Option<u16>,
    /// Bytes of the next unit.
    odd: Option<u8>,
    text: Vec<u8>,
    /// What of `text` was read.
    n_read: usize,
}

impl<R: Read> Utf16<R> {
    pub(crate) fn new(reader: R, Found { order, has_mark }: Found) -> Self {
        Self { reader, order, skips_mark: has_mark, high: None, odd: None, text: Vec::new(), n_read: 0 }
    }

    pub(crate) fn into_inner(self) -> R {
        self.reader
    }

    /// Decodes some more; nothing is left if that gives no text.
    fn fill(&mut self) -> io::Result<()> {
        self.text.clear();
        self.n_read = 0;
        while self.text.is_empty() {
            let mut bytes = vec![0; 2 * UNITS_AT_ONCE];
            let start = usize::from(self.odd.is_some());
            bytes[0] = self.odd.take().unwrap_or_default();
            let n = start + self.reader.read(&mut bytes[start..])?;
            if n == start {
                let is_whole = start == 0 && self.high.is_none();
                return if is_whole { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidData, CutOff)) };
            }
            bytes.truncate(n);
            self.odd = (n % 2 == 1).then(|| bytes[n - 1]);
            for unit in self.order.units(&bytes) {
                self.push(unit);
            }
        }
        Ok(())
    }

    fn push(&mut self, unit: u16) {
        if std::mem::take(&mut self.skips_mark) {
            return;
        }
        let before = self.high.take();
        if let (0xd800..=0xdbff, None) = (unit, before) {
            self.high = Some(unit);
            return;
        }
        for decoded in char::decode_utf16(before.into_iter().chain([unit])) {
            match decoded {
                Ok(c) => self.text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                Err(_) => self.text.push(INVALID),
            }
        }
    }
}

/// A byte that UTF-8 never has.
const INVALID: u8 = 0xff;

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.n_read == self.text.len() {
            self.fill()?;
        }
        let n = (&self.text[self.n_read..]).read(buffer)?;
        self.n_read += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str, order: ByteOrder) -> Vec<u8> {
        let bytes = |unit: u16| if order == ByteOrder::Little { unit.to_le_bytes() } else { unit.to_be_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn scripts_are_recognised_without_a_mark_and_read() {
        let texts = [
            "The animal\nwas tired.\r\n",
            "Größe\tund Maß\n",
            "Быстрая лиса\nПРИВЕТ МИР\n",
            "η αλεπού\n",
            "שלום עולם\n",
            "नमस्ते दुनिया\n",
            "敏捷的狐狸 跳过\n懒狗。\n",
            "한국어 문장\n",
            "a 🦊 b\n",
        ];
        for text in texts {
            assert_eq!(recognise(text.as_bytes()), None, "{text}");
            for order in ByteOrder::BOTH {
                let bytes = encoded(text, order);
                assert_eq!(recognise(&bytes), Some(Found { order, has_mark: false }), "{text} {order:?}");
                let mut read = String::new();
                Utf16::new(&bytes[..], recognise(&bytes).unwrap()).read_to_string(&mut read).unwrap();
                assert_eq!(read, text);
                let marked = encoded(&format!("\u{feff}{text}"), order);
                assert_eq!(recognise(&marked), Some(Found { order, has_mark: true }));
            }
        }
    }

    #[test]
    fn other_bytes_are_not_utf_16() {
        let numbers: Vec<u8> = (0..200_u16).flat_map(u16::to_le_bytes).collect();
        let latin = b"gr\xfc\xdfe\0 an alle\n";
        for bytes in [
            &[0; 64][..],
            &numbers,
            latin,
            b"one\0two three\n",
            b"a\0b\nc\n",
            b"\x7f\x7f\n\x7f\x7f\x7f\n",
            b"",
            b"a",
            b"\n",
            b"ab",
        ] {
            assert_eq!(recognise(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn half_characters_are_not_utf_8() {
        let found = Found { order: ByteOrder::Little, has_mark: false };
        for units in [&[0xd83e, 0x61][..], &[0xdd8a, 0x61], &[0xd83e, 0xd83e, 0xdd8a]] {
            let bytes: Vec<u8> = units.iter().flat_map(|unit: &u16| unit.to_le_bytes()).collect();
            let mut read = Vec::new();
            Utf16::new(&bytes[..], found).read_to_end(&mut read).unwrap();
            assert!(String::from_utf8(read.clone()).is_err(), "{units:?}: {read:?}");
        }
        for cut in [&b"a\0b"[..], b"a\0\x3e\xd8", b"a\0\x3e\xd8\x8a"] {
            let mut read = Vec::new();
            let error = Utf16::new(cut, found).read_to_end(&mut read).unwrap_err();
            assert!(CutOff::is(&error) && read == b"a", "{error}: {read:?}");
        }
    }
}
