//! Values that stand in JSON as a string of their own form.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Reads a string and hands it to `parse`, without a copy of the string.
///
/// `expecting` ends the sentence "invalid type: …, expected".
pub(crate) fn deserialize_text<'de, D, T, E>(
    deserializer: D,
    expecting: &'static str,
    parse: fn(&str) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    deserializer.deserialize_str(Text {
        expecting,
        parse,
        target: PhantomData,
    })
}

struct Text<T, E> {
    expecting: &'static str,
    parse: fn(&str) -> Result<T, E>,
    target: PhantomData<T>,
}

impl<T, E: fmt::Display> Visitor<'_> for Text<T, E> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.expecting)
    }

    fn visit_str<F: Error>(self, text: &str) -> Result<T, F> {
        (self.parse)(text).map_err(F::custom)
    }
}

/// Makes a type readable from a string, in a [document](super::Read) and wherever serde reads: `text!(type, what is
/// expected, function, value that means nothing)`.
macro_rules! text {
    ($type:ty, $expected:literal, $parse:expr, $blank:expr) => {
        impl $crate::json::Read for $type {
            fn read(place: &$crate::json::Place<'_>, faults: &mut $crate::json::Faults) -> Self {
                match place
                    .text($expected, faults)
                    .map(|text| $parse(text.as_ref()))
                {
                    Some(Ok(value)) => return value,
                    Some(Err(fault)) => faults.add(place, &fault),
                    None => {}
                }
                $blank
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::json::deserialize_text(deserializer, $expected, $parse)
            }
        }
    };
}

pub(crate) use text;
