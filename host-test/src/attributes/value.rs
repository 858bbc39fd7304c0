//! Values of attributes, and how they cross the ABI.

use std::time::Duration;

use super::metadata;
use crate::pairs::encode_pairs;

/// The value of a property.
///
/// Guests get text and bytes as they are, numbers as 8 bytes in little-endian order, truth values as 1 byte, durations and
/// times as 8 bytes that count nanoseconds, and maps and lists in the encoding of header maps (Envoy, `serializeValue`).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PropertyValue {
    /// Text.
    String(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A number with a sign.
    Int(i64),
    /// A number without a sign.
    Uint(u64),
    /// A floating-point number: every number in Envoy's metadata is one.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// A length of time in nanoseconds.
    Duration(i64),
    /// A moment, in nanoseconds since 1970.
    Timestamp(i64),
    /// A list.
    List(Vec<Self>),
    /// Names and values.
    Map(Vec<(String, Self)>),
    /// A protobuf message, of which guests can read the whole or single fields.
    #[doc(hidden)]
    Message(Vec<(String, Self)>),
    /// Nothing; guests are told that it cannot be serialized.
    Null,
}

impl PropertyValue {
    /// The bytes that a guest gets; `None` if there are none for this value.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        Some(match self {
            Self::String(text) => text.clone().into_bytes(),
            Self::Bytes(bytes) => bytes.clone(),
            Self::Int(number) | Self::Duration(number) | Self::Timestamp(number) => {
                number.to_le_bytes().to_vec()
            }
            Self::Uint(number) => number.to_le_bytes().to_vec(),
            Self::Double(number) => number.to_le_bytes().to_vec(),
            Self::Bool(truth) => vec![u8::from(*truth)],
            Self::List(items) => {
                let items: Option<Vec<_>> = items
                    .iter()
                    .map(|item| Some((item.encode()?, Vec::new())))
                    .collect();
                encode_pairs(&items?)
            }
            Self::Map(entries) => {
                let entries: Option<Vec<_>> = entries
                    .iter()
                    .map(|(name, value)| Some((name.clone().into_bytes(), value.encode()?)))
                    .collect();
                encode_pairs(&entries?)
            }
            Self::Message(fields) => metadata::encode_message(fields),
            Self::Null => return None,
        })
    }

    /// The value as text, for hosts in which every property is text.
    pub(crate) fn text(&self) -> Vec<u8> {
        match self {
            Self::Int(number) | Self::Duration(number) | Self::Timestamp(number) => {
                number.to_string().into_bytes()
            }
            Self::Uint(number) => number.to_string().into_bytes(),
            Self::Double(number) => number.to_string().into_bytes(),
            Self::Bool(truth) => truth.to_string().into_bytes(),
            _ => self.encode().unwrap_or_default(),
        }
    }

    /// What stands under this name in a map, or under this number in a list.
    pub(crate) fn entry(&self, segment: &[u8]) -> Option<Self> {
        let name = str::from_utf8(segment).ok()?;
        match self {
            Self::Map(entries) | Self::Message(entries) => entries
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone()),
            Self::List(items) => items.get(name.parse::<usize>().ok()?).cloned(),
            _ => None,
        }
    }
}

impl From<&str> for PropertyValue {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for PropertyValue {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<Vec<u8>> for PropertyValue {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&[u8]> for PropertyValue {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<i64> for PropertyValue {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u64> for PropertyValue {
    fn from(number: u64) -> Self {
        Self::Uint(number)
    }
}

impl From<f64> for PropertyValue {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl From<bool> for PropertyValue {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<Duration> for PropertyValue {
    fn from(duration: Duration) -> Self {
        Self::Duration(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl<T: Into<Self>> From<Vec<(String, T)>> for PropertyValue {
    fn from(entries: Vec<(String, T)>) -> Self {
        let entries = entries.into_iter();
        Self::Map(entries.map(|(name, value)| (name, value.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_a_map_of_its_items_to_nothing() {
        let list = PropertyValue::List(vec![1.0.into(), "x".into()]);
        assert_eq!(
            list.encode().expect("bytes"),
            b"\x02\0\0\0\x08\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\xf0\x3f\0\0x\0\0"
        );
        assert_eq!(list.entry(b"1"), Some("x".into()));
        assert_eq!(list.entry(b"2"), None);
    }

    #[test]
    fn a_map_with_something_that_has_no_bytes_has_none() {
        let map = PropertyValue::Map(vec![("a".to_owned(), PropertyValue::Null)]);
        assert_eq!(map.encode(), None);
        assert_eq!(PropertyValue::from(true).encode(), Some(vec![1]));
    }
}
