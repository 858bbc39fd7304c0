//! A value in a document, and where it stands.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{ShapeFault, without_secrets, without_secrets_in_path};

/// The faults of a document. Reading goes on after one, with values that nobody will see.
#[derive(Default)]
pub(crate) struct Faults {
    found: Vec<ShapeFault>,
    left_out: usize,
}

impl Faults {
    /// The most that are told.
    pub(super) const MOST: usize = 100;

    /// Notes what is wrong at a place.
    #[cold]
    pub(crate) fn add(&mut self, place: &Place<'_>, sentence: &dyn fmt::Display) {
        if self.found.len() == Self::MOST {
            self.left_out += 1;
            return;
        }
        self.found.push(ShapeFault {
            path: without_secrets_in_path(&place.path()),
            text: without_secrets(&sentence.to_string()),
        });
    }

    #[cold]
    fn unexpected(&mut self, place: &Place<'_>, expected: &str) {
        let value = place.value.get();
        let found = match value.as_bytes().first() {
            Some(b'{') => "map",
            Some(b'[') => "sequence",
            Some(b'"') => &format!("string {value}"),
            Some(b't' | b'f') => &format!("boolean `{value}`"),
            Some(b'n') => value,
            _ => &format!("number `{value}`"),
        };
        self.add(
            place,
            &format_args!("invalid type: {found}, expected {expected}"),
        );
    }

    pub(super) fn into_result(mut self) -> Result<(), Vec<ShapeFault>> {
        if self.found.is_empty() {
            return Ok(());
        }
        if self.left_out > 0 {
            self.found.push(ShapeFault {
                path: String::new(),
                text: format!("and {} faults more", self.left_out),
            });
        }
        Err(self.found)
    }
}

/// A value of valid syntax.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    value: &'a RawValue,
    step: Step<'a>,
}

/// How a place is reached.
#[derive(Clone, Copy)]
enum Step<'a> {
    Document,
    Member(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

/// An object's members, in the document's order and with those that stand there twice.
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Place<'a> {
    /// The whole document.
    pub(super) fn document(value: &'a RawValue) -> Self {
        let step = Step::Document;
        Self { value, step }
    }

    /// A member of this object.
    pub(super) fn member(&'a self, name: &'a str, value: &'a RawValue) -> Self {
        let step = Step::Member(self, name);
        Self { value, step }
    }

    /// An item of this list.
    pub(super) fn item(&'a self, at: usize, value: &'a RawValue) -> Self {
        let step = Step::Item(self, at);
        Self { value, step }
    }

    fn path(&self) -> String {
        match self.step {
            Step::Document => String::new(),
            Step::Member(within, name) => match within.path() {
                path if path.is_empty() => name.to_owned(),
                path => format!("{path}.{name}"),
            },
            Step::Item(within, at) => format!("{}[{at}]", within.path()),
        }
    }

    /// The string that stands here.
    pub(crate) fn text(&self, expected: &str, faults: &mut Faults) -> Option<Cow<'a, str>> {
        if !self.value.get().starts_with('"') {
            faults.unexpected(self, expected);
            return None;
        }
        self.parsed(faults).map(|Borrowed(text)| text)
    }

    /// Whether a string stands here.
    pub(crate) fn is_text(&self) -> bool {
        self.value.get().starts_with('"')
    }

    /// The members of the object that stands here.
    pub(super) fn members(&self, faults: &mut Faults) -> Option<Members<'a>> {
        if !self.value.get().starts_with('{') {
            faults.unexpected(self, "an object");
            return None;
        }
        self.parsed(faults)
    }

    /// The items of the list that stands here.
    pub(super) fn items(&self, faults: &mut Faults) -> Option<Vec<&'a RawValue>> {
        if !self.value.get().starts_with('[') {
            faults.unexpected(self, "a list");
            return None;
        }
        self.parsed(faults)
    }

    /// The whole number that stands here.
    pub(super) fn number(&self, faults: &mut Faults) -> Option<u64> {
        let read = self.value.get().parse().ok();
        if read.is_none() {
            faults.unexpected(self, "a whole number");
        }
        read
    }

    /// The truth that stands here.
    pub(super) fn truth(&self, faults: &mut Faults) -> bool {
        match self.value.get() {
            "true" => true,
            "false" => false,
            _ => {
                faults.unexpected(self, "true or false");
                false
            }
        }
    }

    /// Strings may hold escapes of no meaning, which nobody has looked at.
    fn parsed<T: Deserialize<'a>>(&self, faults: &mut Faults) -> Option<T> {
        match serde_json::from_str(self.value.get()) {
            Ok(value) => Some(value),
            Err(error) => {
                let sentence = error.to_string();
                // A line and column of this value alone would mislead.
                let end = sentence.rfind(" at line ").unwrap_or(sentence.len());
                faults.add(self, &sentence.get(..end).unwrap_or_default());
                None
            }
        }
    }
}

/// A string, copied only where it holds escapes: serde reads every [`Cow`] as an owned one.
struct Borrowed<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Borrowed<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Borrowed<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Borrowed(Cow::Owned(text.to_owned())))
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Borrowed(Cow::Borrowed(text)))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Borrowed(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(All)
    }
}
