//! Documents in JSON: reading them, and where a fault in one is.
//!
//! Serde takes a list where a record is expected, an object where a word is expected, and `null` for a member that is
//! absent. Nobody writes policies in that way and no schema allows it, so types are [read strictly](strictly_read), and
//! what may be absent must be [there](present) if its name is. (That also spares a module a quarter of all code that
//! reads JSON.)

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, Visitor};
use serde::forward_to_deserialize_any;

use crate::id::Shown;

/// Why JSON is no document of the expected shape.
#[derive(Debug)]
pub(crate) struct ShapeFault {
    /// Where: such as `tokens[3].hash`, or nothing for the document itself.
    pub(crate) path: String,
    /// What is wrong there.
    pub(crate) text: String,
}

impl fmt::Display for ShapeFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.text)
    }
}

/// Reads a whole document.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, ShapeFault> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let document = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        ShapeFault {
            path: if path == "." {
                String::new()
            } else {
                without_secrets_in_path(&path)
            },
            text: without_secrets(&error.into_inner().to_string()),
        }
    })?;
    reader.end().map_err(|error| ShapeFault {
        path: String::new(),
        text: error.to_string(),
    })?;
    Ok(document)
}

/// A path whose members are shown only if somebody can have chosen them: a token that stands where a member's name
/// belongs is part of the path.
fn without_secrets_in_path(path: &str) -> String {
    let shown = path.split('.').map(|member| {
        if Shown(member).is_shown() {
            member
        } else {
            "…"
        }
    });
    shown.collect::<Vec<_>>().join(".")
}

/// Serde's sentence without the text that it quotes from the document, unless that can be shown. It quotes a name after
/// "unknown field" and "unknown variant", and a string before ", expected".
fn without_secrets(sentence: &str) -> String {
    for (before, after) in [
        ("unknown field `", "`, "),
        ("unknown variant `", "`, "),
        ("string \"", "\", expected"),
    ] {
        let Some((start, rest)) = sentence.split_once(before) else {
            continue;
        };
        // The last one, since the text may hold anything; nothing that the document says stands after it.
        let Some((quoted, rest)) = rest
            .rsplit_once(after)
            .filter(|_| before.starts_with("string"))
            .or_else(|| rest.split_once(after))
        else {
            continue;
        };
        if !Shown(quoted).is_shown() {
            return format!("{start}{before}…{after}{rest}");
        }
    }
    sentence.to_owned()
}

/// Makes types readable through [`Strict`]. They derive `Deserialize` with `#[serde(remote = "Self")]`, by which the derived
/// function is the type's own, and this is the trait's that calls it.
macro_rules! strictly_read {
    ($($type:ty),* $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::deserialize($crate::json::Strict(deserializer))
            }
        }
    )*};
}

/// Makes types writable that derive `Serialize` with `#[serde(remote = "Self")]`, as they are without it.
macro_rules! written {
    ($($type:ty),* $(,)?) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }
    )*};
}

pub(crate) use {strictly_read, written};

/// Reads a member that may be absent: if its name is there, so is a value, and `null` is none.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a struct from an object alone, and an enum without content from a string alone.
pub(crate) struct Strict<D>(pub(crate) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_str(Word(visitor))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// Hands a string to the visitor of an enum.
struct Word<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Word<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(formatter)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
        self.0.visit_enum(StrDeserializer::new(text))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, Eq, PartialEq)]
    #[serde(deny_unknown_fields, remote = "Self")]
    struct Lamp {
        colour: Colour,
        #[serde(default, deserialize_with = "present")]
        watts: Option<u8>,
    }

    #[derive(Debug, Deserialize, Eq, PartialEq)]
    #[serde(rename_all = "lowercase", remote = "Self")]
    enum Colour {
        Red,
        Green,
    }

    strictly_read!(Lamp, Colour);

    fn fault(json: &str) -> (String, String) {
        let fault = read::<Vec<Lamp>>(json.as_bytes()).unwrap_err();
        (fault.path, fault.text)
    }

    #[test]
    fn an_object_with_words_is_read() {
        let lamps: Vec<Lamp> =
            read(br#"[{"colour": "green", "watts": 5}, {"colour": "red"}]"#).unwrap();
        let (green, red) = (Colour::Green, Colour::Red);
        let expected = [(green, Some(5)), (red, None)];
        assert_eq!(
            lamps,
            expected.map(|(colour, watts)| Lamp { colour, watts })
        );
    }

    #[test]
    fn a_list_is_no_record() {
        assert_eq!(
            fault(r#"[["green", 5]]"#),
            (
                "[0]".to_owned(),
                "invalid type: sequence, expected struct Lamp at line 1 column 1".to_owned()
            )
        );
    }

    #[test]
    fn null_is_no_absence() {
        let (path, text) = fault(r#"[{"colour": "red", "watts": null}]"#);
        assert_eq!(path, "[0].watts");
        assert!(
            text.starts_with("invalid type: null, expected u8"),
            "{text}"
        );
    }

    #[test]
    fn neither_an_object_nor_a_number_is_a_word() {
        for json in [r#"[{"colour": {"red": null}}]"#, r#"[{"colour": 1}]"#] {
            let (path, text) = fault(json);
            assert_eq!(path, "[0].colour");
            assert!(text.contains("expected enum Colour"), "{text}");
        }
    }

    #[test]
    fn an_unknown_word_is_told_with_the_known_ones() {
        let (path, text) = fault(r#"[{"colour": "blue"}]"#);
        assert_eq!(path, "[0].colour");
        assert!(
            text.starts_with("unknown variant `blue`, expected `red` or `green`"),
            "{text}"
        );
    }

    #[test]
    fn an_unknown_member_and_text_after_the_end_are_faults() {
        let (path, text) = fault(r#"[{"colour": "red", "size": 1}]"#);
        assert!(
            path.starts_with("[0]") && text.starts_with("unknown field `size`"),
            "{path}: {text}"
        );
        let (path, text) = fault("[] x");
        assert!(
            path.is_empty() && text.starts_with("trailing characters"),
            "{path}: {text}"
        );
    }
}
