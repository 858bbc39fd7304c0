//! Records: objects whose members are known by name.

use serde::de::Error;
use serde::de::value;
use serde_json::value::RawValue;

use super::place::{Faults, Members, Place};
use super::read::Read;

/// An object that is read.
pub(crate) struct Record<'a> {
    place: &'a Place<'a>,
    /// Nothing if there is no object.
    members: Option<Members<'a>>,
}

impl<'a> Record<'a> {
    /// Opens the object at a place. Members other than the known ones, and any that stands there twice, are faults.
    pub(crate) fn open(
        place: &'a Place<'a>,
        known: &'static [&'static str],
        faults: &mut Faults,
    ) -> Self {
        let members = place.members(faults);
        let named = members.as_ref().map_or(&[][..], |members| &members.0);
        let mut seen = Vec::with_capacity(named.len().min(known.len()));
        for (name, value) in named {
            match known.iter().position(|known| known == name) {
                None => {
                    let fault = value::Error::unknown_field(name, known);
                    faults.add(&place.member(name, value), &fault);
                }
                Some(at) if seen.contains(&at) => {
                    faults.add(place, &format_args!("duplicate field `{name}`"));
                }
                Some(at) => seen.push(at),
            }
        }
        Self { place, members }
    }

    /// A member that must be there.
    pub(crate) fn required<T: Read>(&self, name: &'static str, faults: &mut Faults) -> T {
        if let Some(value) = self.value(name) {
            return T::read(&self.place.member(name, value), faults);
        }
        if self.members.is_some() {
            faults.add(self.place, &value::Error::missing_field(name));
        }
        T::read(&Place::document(RawValue::NULL), &mut Faults::default())
    }

    /// A member that may be absent: if its name is there, so is a value, and `null` is none.
    pub(crate) fn optional<T: Read>(&self, name: &'static str, faults: &mut Faults) -> Option<T> {
        let value = self.value(name)?;
        Some(T::read(&self.place.member(name, value), faults))
    }

    fn value(&self, name: &str) -> Option<&RawValue> {
        let mut members = self.members.as_ref()?.0.iter();
        members.find_map(|(member, value)| (member == name).then_some(*value))
    }
}

/// Makes a struct readable from an object with the same members. `optional`: an [`Option`]; `default`, `or(value)`: what it
/// is if it is absent.
macro_rules! record {
    ($type:ident {
        $($(#[$condition:meta])* $field:ident $(: $kind:ident $(($value:expr))?)?),* $(,)?
    }) => {
        impl $crate::json::Read for $type {
            fn read(
                place: &$crate::json::Place<'_>,
                faults: &mut $crate::json::Faults,
            ) -> Self {
                let known = &[$($(#[$condition])* stringify!($field)),*];
                let record = $crate::json::Record::open(place, known, faults);
                Self {
                    $($(#[$condition])* $field: $crate::json::record!(
                        @ record, faults, stringify!($field) $(, $kind $(($value))?)?
                    )),*
                }
            }
        }
    };
    (@ $record:ident, $faults:ident, $name:expr) => {
        $record.required($name, $faults)
    };
    (@ $record:ident, $faults:ident, $name:expr, optional) => {
        $record.optional($name, $faults)
    };
    (@ $record:ident, $faults:ident, $name:expr, default) => {
        $record.optional($name, $faults).unwrap_or_default()
    };
    (@ $record:ident, $faults:ident, $name:expr, or($value:expr)) => {
        $record.optional($name, $faults).unwrap_or_else(|| $value)
    };
}

/// Makes an enum without content readable from the words for its variants.
macro_rules! words {
    ($type:ident { $first:ident = $word:literal $(, $variant:ident = $other:literal)* $(,)? }) => {
        // No variant is without a word.
        const _: fn($type) = |word| match word {
            $type::$first $(| $type::$variant)* => (),
        };

        impl $crate::json::Read for $type {
            fn read(
                place: &$crate::json::Place<'_>,
                faults: &mut $crate::json::Faults,
            ) -> Self {
                match $crate::json::word(place, &[$word $(, $other)*], faults) {
                    $(Some($other) => Self::$variant,)*
                    _ => Self::$first,
                }
            }
        }
    };
}

pub(crate) use {record, words};
