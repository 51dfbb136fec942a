//! Sizes that may be left to be found out: `#[serde(with = "attentive_data::auto_size")]` reads and writes a number above
//! 0, or `"auto"`, which is [`AUTO`].

use std::fmt;

use serde::{
    Deserializer, Serialize, Serializer,
    de::{Error, Unexpected, Visitor},
};

/// A size that is still to be found out; nothing is cut by it.
pub const AUTO: usize = 0;

/// Writes a size.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(size: &usize, serializer: S) -> Result<S::Ok, S::Error> {
    match *size {
        AUTO => serializer.serialize_str("auto"),
        size => size.serialize(serializer),
    }
}

/// Reads a size.
///
/// # Errors
/// What is neither a number above 0 nor `"auto"` is refused.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    struct Size;
    impl Visitor<'_> for Size {
        type Value = usize;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number above 0, or \"auto\"")
        }

        fn visit_u64<E: Error>(self, n: u64) -> Result<usize, E> {
            let wrong = || E::invalid_value(Unexpected::Unsigned(n), &self);
            usize::try_from(n).ok().filter(|&n| n != AUTO).ok_or_else(wrong)
        }

        fn visit_i64<E: Error>(self, n: i64) -> Result<usize, E> {
            let wrong = || E::invalid_value(Unexpected::Signed(n), &self);
            usize::try_from(n).ok().filter(|&n| n != AUTO).ok_or_else(wrong)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<usize, E> {
            if text == "auto" { Ok(AUTO) } else { Err(E::invalid_value(Unexpected::Str(text), &self)) }
        }
    }
    deserializer.deserialize_any(Size)
}

/// What is read, as a JSON Schema.
#[cfg(feature = "schema")]
pub fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "auto" }] })
}
