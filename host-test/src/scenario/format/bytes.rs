//! Bytes that need not be text, and the headers made of them.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::union::{OneOrMany, Union, text_or};

/// Bytes: text as it stands, or a table for what is no text or is too long to write.
///
/// ```toml
/// body = "text"
/// body = { hex = "00 ff" }
/// body = { base64 = "AP8=" }
/// body = { file = "body.bin" }
/// body = { repeat = "ab", times = 1000 }
/// body = { saved = "Bearer ${token}" }
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Bytes {
    bytes: Vec<u8>,
    file: Option<PathBuf>,
    saved: Option<String>,
}

impl Bytes {
    /// The bytes. Those of a file are there once [`load`](crate::scenario::load) has read it.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// The file that they stand in, as the scenario names it.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The text in which `${name}` stands for what an earlier step saved under that name.
    pub fn saved(&self) -> Option<&str> {
        self.saved.as_deref()
    }

    /// Whether it is known before anything runs that there is no byte.
    pub(super) fn is_written_empty(&self) -> bool {
        self.bytes.is_empty() && self.file.is_none() && self.saved.is_none()
    }

    pub(in crate::scenario) fn fill(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }
}

/// The ways to write bytes that are no text. Exactly one of them.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BytesTable")]
pub(super) struct BytesTable {
    /// Two hexadecimal digits for each byte; white space is skipped.
    pub(super) hex: Option<String>,
    /// RFC 4648, section 4, with its padding.
    pub(super) base64: Option<String>,
    /// The contents of a file, relative to the scenario's folder.
    pub(super) file: Option<PathBuf>,
    /// A text to be repeated.
    pub(super) repeat: Option<String>,
    /// How often `repeat` is there.
    pub(super) times: Option<u32>,
    /// A text in which `${name}` stands for what an earlier step saved under that name.
    pub(super) saved: Option<String>,
}

/// No scenario needs more, and a typing error should not take all memory.
const MAX_REPEATED: usize = 256 * 1024 * 1024;

impl BytesTable {
    pub(super) fn into_bytes(self) -> Result<Bytes, String> {
        let repeat = match (self.repeat, self.times) {
            (None, None) => None,
            (Some(text), Some(times)) => Some(repeated(text, times)),
            _ => Some(Err("`repeat` and `times` belong together".to_owned())),
        };
        let base64 = |text: &String| {
            let bytes = STANDARD.decode(text);
            bytes.map_err(|error| format!("not base64: {error}"))
        };
        let mut ways = [
            self.hex.as_deref().map(from_hex).map(plain),
            self.base64.as_ref().map(base64).map(plain),
            repeat.map(plain),
            self.file.map(|file| {
                Ok(Bytes {
                    file: Some(file),
                    ..Bytes::default()
                })
            }),
            self.saved.map(|text| {
                Ok(Bytes {
                    saved: Some(text),
                    ..Bytes::default()
                })
            }),
        ]
        .into_iter()
        .flatten();
        match (ways.next(), ways.next()) {
            (Some(way), None) => way,
            _ => Err("exactly one of `hex`, `base64`, `file`, `saved`, or `repeat` with `times` belongs here".to_owned()),
        }
    }
}

fn plain(bytes: Result<Vec<u8>, String>) -> Result<Bytes, String> {
    bytes.map(Bytes::from)
}

fn repeated(text: String, times: u32) -> Result<Vec<u8>, String> {
    let times = usize::try_from(times).unwrap_or(usize::MAX);
    if text.len().saturating_mul(times) > MAX_REPEATED {
        return Err("more than 256 MiB".to_owned());
    }
    Ok(text.into_bytes().repeat(times))
}

fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| {
            letter
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
                .ok_or_else(|| format!("`{letter}` is no hexadecimal digit"))
        })
        .collect::<Result<_, _>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
    } else {
        Err("an odd number of hexadecimal digits".to_owned())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let union = Union {
            expecting: "text, or a table with `hex`, `base64`, `file`, `saved`, or `repeat` and `times`",
            text: Some(|text| Ok(text.as_bytes().to_vec().into())),
            integer: None,
            table: BytesTable::into_bytes,
        };
        union.read(deserializer)
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        text_or::<BytesTable>(
            generator,
            "Bytes: text, or a table for what is no text or too long to write.",
        )
    }
}

/// Headers or trailers in their order, with duplicates: a list of pairs, or a table in which a list stands for several
/// headers of one name.
///
/// ```toml
/// headers = [["x-a", "1"], ["x-b", "2"], ["x-a", "3"]]
/// headers = { x-a = ["1", "3"], x-b = "2" }
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Headers(Vec<(String, Bytes)>);

impl Headers {
    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::scenario) fn values_mut(&mut self) -> impl Iterator<Item = &mut Bytes> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of `[name, value]`, or a table of names and values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Headers, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = list.next_element()? {
                    pairs.push(pair);
                }
                Ok(Headers(pairs))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Headers, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = table.next_entry::<String, OneOrMany<Bytes>>()? {
                    pairs.extend(value.values.into_iter().map(|value| (name.clone(), value)));
                }
                Ok(Headers(pairs))
            }
        }

        deserializer.deserialize_any(Pairs)
    }
}

impl JsonSchema for Headers {
    fn schema_name() -> Cow<'static, str> {
        "Headers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Bytes>();
        let values = generator.subschema_for::<OneOrMany<Bytes>>();
        json_schema!({
            "description": "Headers in their order, with duplicates: a list of pairs, or a table in which a list stands for several headers of one name.",
            "anyOf": [
                {
                    "type": "array",
                    "items": { "type": "array", "prefixItems": [{ "type": "string" }, value], "minItems": 2, "maxItems": 2 }
                },
                { "type": "object", "additionalProperties": values }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<Bytes, String> {
        #[derive(serde::Deserialize)]
        struct Holder {
            b: Bytes,
        }
        toml::from_str::<Holder>(toml)
            .map(|holder| holder.b)
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn bytes_that_are_no_text_can_be_written_in_several_ways() {
        let of = |toml: &str| read(toml).expect("bytes").as_slice().to_vec();
        assert_eq!(of("b = 'ä'"), "ä".as_bytes());
        assert_eq!(of("b = { hex = '00 fF' }"), [0, 255]);
        assert_eq!(of("b = { base64 = 'AP8=' }"), [0, 255]);
        assert_eq!(of("b = { repeat = 'ab', times = 2 }"), b"abab");
    }

    #[test]
    fn what_means_nothing_is_refused_with_the_reason() {
        for (toml, reason) in [
            ("b = {}", "exactly one"),
            ("b = { hex = '00', base64 = '' }", "exactly one"),
            ("b = { hex = '0' }", "odd number"),
            ("b = { hex = 'zz' }", "`z` is no"),
            (
                "b = { repeat = 'aaaaaaaaaa', times = 4000000000 }",
                "256 MiB",
            ),
            ("b = { hax = '00' }", "unknown field `hax`"),
            ("b = 1", "invalid type: integer"),
        ] {
            let error = read(toml).expect_err(toml);
            assert!(error.contains(reason), "{toml}: {error}");
        }
    }
}
