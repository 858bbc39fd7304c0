//! What can be read from a document, and what can be read from any.

use serde::de::Error;
use serde::de::value;

use super::place::{Faults, Place};

/// What can be read from a document.
pub(crate) trait Read: Sized {
    /// Reads the value at a place. If it is none, that is noted, and what is returned means nothing.
    fn read(place: &Place<'_>, faults: &mut Faults) -> Self;
}

impl Read for String {
    fn read(place: &Place<'_>, faults: &mut Faults) -> Self {
        let text = place.text("a string", faults);
        text.map_or_else(Self::new, Into::into)
    }
}

impl Read for u64 {
    fn read(place: &Place<'_>, faults: &mut Faults) -> Self {
        place.number(faults).unwrap_or_default()
    }
}

impl Read for u32 {
    fn read(place: &Place<'_>, faults: &mut Faults) -> Self {
        let number = place.number(faults).unwrap_or_default();
        Self::try_from(number).unwrap_or_else(|_| {
            faults.add(place, &format_args!("{number} is more than {}", Self::MAX));
            0
        })
    }
}

impl Read for bool {
    fn read(place: &Place<'_>, faults: &mut Faults) -> Self {
        place.truth(faults)
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(place: &Place<'_>, faults: &mut Faults) -> Self {
        let items = place.items(faults).unwrap_or_default();
        let items = items.into_iter().enumerate();
        items
            .map(|(at, item)| T::read(&place.item(at, item), faults))
            .collect()
    }
}

/// The word that stands at a place, if it is one of those known.
pub(crate) fn word(
    place: &Place<'_>,
    known: &'static [&'static str],
    faults: &mut Faults,
) -> Option<&'static str> {
    let text = place.text("a string", faults)?;
    let word = known.iter().copied().find(|&word| word == text);
    if word.is_none() {
        faults.add(place, &value::Error::unknown_variant(&text, known));
    }
    word
}

/// The object of one member that stands at a place, if the member's name is one of those known, and the member's value.
pub(crate) fn variant<'a>(
    place: &'a Place<'a>,
    known: &'static [&'static str],
    faults: &mut Faults,
) -> Option<(&'static str, Place<'a>)> {
    let members = place.members(faults)?.0;
    let [(name, value)] = members.as_slice() else {
        faults.add(
            place,
            &format_args!("an object of {} members, expected one", members.len()),
        );
        return None;
    };
    let found = known.iter().copied().find(|&known| known == name);
    if found.is_none() {
        faults.add(place, &value::Error::unknown_variant(name, known));
    }
    found.map(|found| (found, place.member(found, value)))
}
