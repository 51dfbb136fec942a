//! Reading and writing protocol buffer messages.
//!
//! Source: "Encoding", the protocol buffers documentation: wire types 0 (varint), 1 (64 bits), 2 (bytes), 5 (32 bits).

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(self) -> Result<&'a [u8], String> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            other => Err(format!("expected bytes, found {}", other.kind())),
        }
    }

    pub(crate) fn string(self) -> Result<&'a str, String> {
        str::from_utf8(self.bytes()?).map_err(|error| format!("a string is not UTF-8: {error}"))
    }

    pub(crate) fn integer(self) -> Result<u64, String> {
        match self {
            Self::Varint(value) => Ok(value),
            other => Err(format!("expected an integer, found {}", other.kind())),
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Varint(_) => "an integer",
            Self::Bytes(_) => "bytes",
            Self::Fixed32(_) | Self::Fixed64(_) => "a float",
        }
    }

    pub(crate) fn bool(self) -> Result<bool, String> {
        Ok(self.integer()? != 0)
    }

    pub(crate) fn float(self) -> Result<f32, String> {
        match self {
            Self::Fixed32(bits) => Ok(f32::from_bits(bits)),
            other => Err(format!("expected a float, found {}", other.kind())),
        }
    }
}

/// The fields of `message`: their numbers and values.
pub(crate) fn fields(message: &[u8]) -> impl Iterator<Item = Result<(u64, Value<'_>), String>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let at = message.len() - rest.len();
        let field = take_field(&mut rest).ok_or_else(|| format!("no whole field at byte {at} of {}", message.len()));
        if field.is_err() {
            rest = &[];
        }
        Some(field)
    })
}

fn take_field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    let tag = take_varint(rest)?;
    let value = match tag & 7 {
        0 => Value::Varint(take_varint(rest)?),
        1 => Value::Fixed64(u64::from_le_bytes(*take_array(rest)?)),
        2 => {
            let len = usize::try_from(take_varint(rest)?).ok()?;
            let (bytes, after) = rest.split_at_checked(len)?;
            *rest = after;
            Value::Bytes(bytes)
        }
        5 => Value::Fixed32(u32::from_le_bytes(*take_array(rest)?)),
        _ => return None,
    };
    Some((tag >> 3, value))
}

fn take_array<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (array, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(array)
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// A message in the making.
#[derive(Debug, Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(crate) fn integer(mut self, number: u64, value: u64) -> Self {
        self.varint(number << 3);
        self.varint(value);
        self
    }

    pub(crate) fn float(mut self, number: u64, value: f32) -> Self {
        self.varint(number << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, number: u64, value: &[u8]) -> Self {
        self.varint(number << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let message =
            Message::default().integer(3, 300).bytes(1, "tired".as_bytes()).float(2, -1.5).integer(40, u64::MAX);
        let read: Vec<_> = fields(&message.0).map(Result::unwrap).collect();
        let expected = [
            (3, Value::Varint(300)),
            (1, Value::Bytes(b"tired")),
            (2, Value::Fixed32((-1.5f32).to_bits())),
            (40, Value::Varint(u64::MAX)),
        ];
        assert_eq!(read, expected);
        assert_eq!(message.0[..3], [0x18, 0xAC, 0x02]); // the documentation's example of 300
    }

    #[test]
    fn cut_messages_are_errors() {
        let message = Message::default().bytes(1, &[7; 200]).0;
        for len in 1..message.len() {
            assert!(fields(&message[..len]).any(|field| field.is_err()), "{len}");
        }
        assert!(fields(&[0xFF; 20]).any(|field| field.is_err()));
    }
}
