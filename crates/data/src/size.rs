//! How large a batch is, if that is known before the run.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Unexpected, Visitor},
};

/// The size of batches: a number above 0, or in files `"auto"`.
///
/// ```
/// use attentive_data::Size;
///
/// assert_eq!(serde_json::from_str::<Size>("\"auto\"")?, Size::Auto);
/// assert_eq!([Size::Of(64).or(1), Size::Auto.or(1)], [64, 1]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Measured before the first update: the largest that fits into memory.
    Auto,
    /// Given.
    Of(usize),
}

impl Size {
    /// The size that is given, or `start` if it is still to be measured.
    pub const fn or(self, start: usize) -> usize {
        match self {
            Self::Auto => start,
            Self::Of(size) => size,
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Of(size) => size.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number above 0, or \"auto\"")
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<Size, E> {
                let size = usize::try_from(n).ok().filter(|&n| n > 0).map(Size::Of);
                size.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(n), &self))
            }

            fn visit_i64<E: Error>(self, n: i64) -> Result<Size, E> {
                let size = usize::try_from(n).ok().filter(|&n| n > 0).map(Size::Of);
                size.ok_or_else(|| E::invalid_value(Unexpected::Signed(n), &self))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
                if text == "auto" { Ok(Size::Auto) } else { Err(E::invalid_value(Unexpected::Str(text), &self)) }
            }
        }
        deserializer.deserialize_any(Read)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "auto" }] })
    }
}
