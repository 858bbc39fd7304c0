//! Documents in JSON: reading them, and where a fault in one is.
//!
//! What serde derives takes a list where a record is expected, an object where a word is expected, and `null` for a member
//! that is absent; nobody writes policies in that way and no schema allows it. It also is a fifth of the filter, once for
//! each type. So types here say in a line what they are read from ([`record`], [`words`], [`text`]), and
//! [`serde_json`] finds where the values are ([`Place`]).

mod object;
mod place;
mod read;
mod record;
mod text;

use std::fmt;

use serde::Deserializer;
use serde::de::{Deserialize, Error};
use serde_json::value::RawValue;

pub(crate) use self::object::Object;
pub(crate) use self::place::{Faults, Place};
pub(crate) use self::read::{Read, variant, word};
pub(crate) use self::record::{Record, record, words};
pub(crate) use self::text::{deserialize_text, text};
use crate::id::Shown;

/// What in a document is not of the expected shape.
#[derive(Debug)]
pub struct ShapeFault {
    /// Where: such as `tokens[3].hash`, or nothing for the document itself.
    pub path: String,
    /// What is wrong there.
    pub text: String,
}

impl fmt::Display for ShapeFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.text)
    }
}

/// Reads a whole document, or tells all that is wrong with its shape.
pub(crate) fn read<T: Read>(json: &[u8]) -> Result<T, Vec<ShapeFault>> {
    let value = serde_json::from_slice(json).map_err(|error| {
        vec![ShapeFault {
            path: String::new(),
            text: without_secrets(&error.to_string()),
        }]
    })?;
    read_value(value)
}

/// All faults in a line.
pub(crate) fn joined(faults: &[ShapeFault]) -> String {
    let told: Vec<_> = faults.iter().map(ShapeFault::to_string).collect();
    told.join("; ")
}

fn read_value<T: Read>(value: &RawValue) -> Result<T, Vec<ShapeFault>> {
    let mut faults = Faults::default();
    let document = T::read(&Place::document(value), &mut faults);
    faults.into_result().map(|()| document)
}

/// A type that can be read from JSON as a gateway reads it.
pub trait FromJson: Sized {
    /// Reads a whole text.
    ///
    /// # Errors
    /// All that is wrong with its shape: unknown, missing and repeated members, values of another type. Text that is no
    /// JSON has one fault.
    fn from_json(json: &[u8]) -> Result<Self, Vec<ShapeFault>>;
}

impl<T: Read> FromJson for T {
    fn from_json(json: &[u8]) -> Result<Self, Vec<ShapeFault>> {
        read(json)
    }
}

/// Makes types that can be [read](Read) readable wherever serde reads JSON.
macro_rules! deserializable {
    ($($type:ty),* $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::json::deserialize(deserializer)
            }
        }
    )*};
}

pub(crate) use deserializable;

/// Reads a part of a document that serde reads.
pub(crate) fn deserialize<'de, T: Read, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Box::<RawValue>::deserialize(deserializer)?;
    read_value(&value).map_err(|faults| D::Error::custom(joined(&faults)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Eq, PartialEq)]
    struct Lamp {
        colour: Colour,
        watts: Option<u32>,
    }

    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    enum Colour {
        Red,
        Green,
    }

    record!(Lamp {
        colour,
        watts: optional,
    });
    words!(Colour { Red = "red", Green = "green" });

    fn fault(json: &str) -> (String, String) {
        let fault = read::<Vec<Lamp>>(json.as_bytes()).unwrap_err().remove(0);
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
                "invalid type: sequence, expected an object".to_owned()
            )
        );
    }

    #[test]
    fn null_is_no_absence() {
        let (path, text) = fault(r#"[{"colour": "red", "watts": null}]"#);
        assert_eq!(path, "[0].watts");
        assert!(
            text.starts_with("invalid type: null, expected a whole number"),
            "{text}"
        );
    }

    #[test]
    fn neither_an_object_nor_a_number_is_a_word() {
        for json in [r#"[{"colour": {"red": null}}]"#, r#"[{"colour": 1}]"#] {
            let (path, text) = fault(json);
            assert_eq!(path, "[0].colour");
            assert!(text.ends_with("expected a string"), "{text}");
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

    #[test]
    fn every_fault_is_told_once_and_nothing_that_only_follows_from_one() {
        let json = r#"[{"colour": 1, "watts": "x", "size": 1}, 7, {}, {"colour": "red", "colour": "red"}]"#;
        let faults = read::<Vec<Lamp>>(json.as_bytes()).unwrap_err();
        let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "[0].size: unknown field `size`, expected `colour` or `watts`",
                "[0].colour: invalid type: number `1`, expected a string",
                "[0].watts: invalid type: string \"x\", expected a whole number",
                "[1]: invalid type: number `7`, expected an object",
                "[2]: missing field `colour`",
                "[3]: duplicate field `colour`",
            ]
        );
    }

    #[test]
    fn of_many_faults_the_first_are_told_and_the_others_counted() {
        let faults = read::<Vec<bool>>(format!("[{}0]", "0,".repeat(999)).as_bytes()).unwrap_err();
        assert_eq!(faults.len(), Faults::MOST + 1);
        let last = faults.last().unwrap().to_string();
        assert_eq!(last, format!("and {} faults more", 1000 - Faults::MOST));
    }

    #[test]
    fn a_string_of_broken_escapes_is_told_with_its_place() {
        for json in [
            r#"[{"colour": "\ud800"}]"#,
            r#"[{"colour": 1, "\ud800": 1}]"#,
        ] {
            let (path, text) = fault(json);
            assert!(path.starts_with("[0]"), "{path}");
            assert!(text == "unexpected end of hex escape", "{text}");
        }
    }

    #[test]
    fn members_are_known_by_what_their_names_mean_not_by_how_they_are_written() {
        let (path, text) = fault(r#"[{"colour": "red", "c\u006flour": "red"}]"#);
        assert_eq!((&*path, &*text), ("[0]", "duplicate field `colour`"));
    }

    #[test]
    fn a_text_of_a_thousand_levels_is_refused_like_any_other() {
        let (path, text) = fault(&format!("{}{}", "[".repeat(1000), "]".repeat(1000)));
        assert_eq!(
            (&*path, &*text),
            ("[0]", "invalid type: sequence, expected an object")
        );
    }
}
