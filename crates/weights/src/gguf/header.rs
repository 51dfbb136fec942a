use std::io::{self, Read};

use super::value::{GgufArray, GgufValue};
use crate::FormatError;

/// Arrays inside one another; models have arrays of numbers and texts.
const MAX_DEPTH: usize = 4;
/// Bytes that are allocated before the first of them is read.
const FIRST_BYTES: u64 = 1 << 16;

/// The bytes before the tensors, read one item after another.
pub(super) struct Header<R> {
    reader: R,
    /// Offset of the next byte.
    pub(super) at: u64,
    /// Bytes of the file.
    pub(super) length: u64,
    /// The system's error, if there was one.
    pub(super) failure: Option<io::Error>,
}

impl<R: Read> Header<R> {
    pub(super) fn new(reader: R, length: u64) -> Self {
        Self { reader, at: 0, length, failure: None }
    }

    fn cut(&self, wanted: &str) -> FormatError {
        format!("byte {}: it is cut short: {wanted} should follow, and {} bytes do", self.at, self.length - self.at)
            .into()
    }

    /// The next `n` bytes.
    pub(super) fn bytes(&mut self, n: u64) -> Result<Vec<u8>, FormatError> {
        if n > self.length - self.at {
            return Err(self.cut(&format!("{n} bytes")));
        }
        let mut bytes = Vec::with_capacity(n.min(FIRST_BYTES) as usize);
        match self.reader.by_ref().take(n).read_to_end(&mut bytes) {
            Ok(read) if read as u64 == n => {
                self.at += n;
                Ok(bytes)
            }
            Ok(_) => Err(self.cut("more")),
            Err(cause) => {
                self.failure = Some(cause);
                Err("it can't be read".into())
            }
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        Ok(self.bytes(N as u64)?.try_into().expect("as many bytes as were read"))
    }

    pub(super) fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A length and a text.
    pub(super) fn text(&mut self) -> Result<String, FormatError> {
        let at = self.at;
        let n_bytes = self.u64()?;
        String::from_utf8(self.bytes(n_bytes)?).map_err(|_| format!("byte {at}: a text is not UTF-8").into())
    }

    fn truth(&mut self) -> Result<bool, FormatError> {
        let at = self.at;
        match self.array::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(format!("byte {at}: a truth value is {other}, not 0 or 1").into()),
        }
    }

    /// A type and a value of it.
    pub(super) fn value(&mut self) -> Result<GgufValue, FormatError> {
        let at = self.at;
        Ok(match self.u32()? {
            0 => GgufValue::U8(self.array().map(u8::from_le_bytes)?),
            1 => GgufValue::I8(self.array().map(i8::from_le_bytes)?),
            2 => GgufValue::U16(self.array().map(u16::from_le_bytes)?),
            3 => GgufValue::I16(self.array().map(i16::from_le_bytes)?),
            4 => GgufValue::U32(self.u32()?),
            5 => GgufValue::I32(self.array().map(i32::from_le_bytes)?),
            6 => GgufValue::F32(self.array().map(f32::from_le_bytes)?),
            7 => GgufValue::Bool(self.truth()?),
            8 => GgufValue::Text(self.text()?),
            9 => GgufValue::Array(self.values(0)?),
            10 => GgufValue::U64(self.u64()?),
            11 => GgufValue::I64(self.array().map(i64::from_le_bytes)?),
            12 => GgufValue::F64(self.array().map(f64::from_le_bytes)?),
            kind => return Err(unknown(at, kind)),
        })
    }

    /// A type, a number, and as many values of the type.
    fn values(&mut self, depth: usize) -> Result<GgufArray, FormatError> {
        let at = self.at;
        let (kind, n) = (self.u32()?, self.u64()?);
        if depth == MAX_DEPTH {
            return Err(format!("byte {at}: more than {MAX_DEPTH} arrays are inside one another").into());
        }
        Ok(match kind {
            0 => GgufArray::U8(self.numbers(n, u8::from_le_bytes)?),
            1 => GgufArray::I8(self.numbers(n, i8::from_le_bytes)?),
            2 => GgufArray::U16(self.numbers(n, u16::from_le_bytes)?),
            3 => GgufArray::I16(self.numbers(n, i16::from_le_bytes)?),
            4 => GgufArray::U32(self.numbers(n, u32::from_le_bytes)?),
            5 => GgufArray::I32(self.numbers(n, i32::from_le_bytes)?),
            6 => GgufArray::F32(self.numbers(n, f32::from_le_bytes)?),
            7 => GgufArray::Bool(self.items(n, Self::truth)?),
            8 => GgufArray::Text(self.items(n, Self::text)?),
            9 => GgufArray::Array(self.items(n, |header| header.values(depth + 1))?),
            10 => GgufArray::U64(self.numbers(n, u64::from_le_bytes)?),
            11 => GgufArray::I64(self.numbers(n, i64::from_le_bytes)?),
            12 => GgufArray::F64(self.numbers(n, f64::from_le_bytes)?),
            kind => return Err(unknown(at, kind)),
        })
    }

    fn numbers<T, const N: usize>(&mut self, n: u64, number: fn([u8; N]) -> T) -> Result<Vec<T>, FormatError> {
        let n_bytes = n.checked_mul(N as u64).ok_or_else(|| self.cut(&format!("{n} numbers")))?;
        let bytes = self.bytes(n_bytes)?;
        Ok(bytes.as_chunks().0.iter().map(|&bytes| number(bytes)).collect())
    }

    /// Items that have at least a byte each.
    fn items<T>(&mut self, n: u64, item: impl Fn(&mut Self) -> Result<T, FormatError>) -> Result<Vec<T>, FormatError> {
        if n > self.length - self.at {
            return Err(self.cut(&format!("{n} values")));
        }
        (0..n).map(|_| item(self)).collect()
    }
}

fn unknown(at: u64, kind: u32) -> FormatError {
    format!("byte {at}: {kind} is not a type of values").into()
}
