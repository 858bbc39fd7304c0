//! Ids of persons and tokens as the policy store keeps them: a 64-bit code for each.
//!
//! What an id is, and how it is written, is `postern-request`'s.

use crate::places::Places;

pub use postern_request::id::{
    Id, IdText, MAX_ID_LENGTH, NumberText, Shown, is_id, looks_secret, looks_secret_bytes,
    number_from_text, number_to_text,
};

/// What no number has that is written as an id.
const INTERNED: u64 = 1 << 63;

/// An id as the policy store keeps it; only the [`IdTable`] that made it can tell its text.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IdCode(u64);

impl IdCode {
    /// The bare number, for packed storage.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// What [`IdCode::to_bits`] gave.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// The texts of hand-written ids, each kept once.
#[derive(Debug, Default)]
pub struct IdTable {
    texts: Vec<Box<str>>,
    places: Places,
}

impl IdTable {
    /// The code for an id, which is interned if it is new and hand-written. `None` if the text is no id.
    pub fn intern(&mut self, text: &str) -> Option<IdCode> {
        if !is_id(text) {
            return None;
        }
        if let Some(code) = self.code(text) {
            return Some(code);
        }
        let place = self.texts.len();
        self.texts.push(text.into());
        self.places.put(text.as_bytes(), place);
        Some(IdCode(INTERNED | place as u64))
    }

    /// The code for an id that may be in the policy; `None` if it cannot be.
    pub fn code(&self, text: &str) -> Option<IdCode> {
        number_from_text(text)
            .map(IdCode)
            .or_else(|| self.interned(text))
    }

    /// As [`IdTable::code`], of an id that has been read already.
    pub(crate) fn code_of(&self, id: &Id) -> Option<IdCode> {
        match id {
            Id::Number(number) => Some(IdCode(*number)),
            Id::Written(text) => self.interned(text),
        }
    }

    fn interned(&self, text: &str) -> Option<IdCode> {
        let place = self.places.get(text.as_bytes())?;
        Some(IdCode(INTERNED | place as u64))
    }

    /// The text of a code that this table gave.
    pub fn text(&self, code: IdCode) -> IdText<'_> {
        if code.0 & INTERNED == 0 {
            return IdText::Number(NumberText::new(code.0));
        }
        let place = usize::try_from(code.0 & !INTERNED).ok();
        let text = place.and_then(|place| self.texts.get(place));
        IdText::Written(text.map_or("", |text| text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_both_kinds_come_back_as_they_were_written() {
        let mut table = IdTable::default();
        for text in ["t-9", "0000000000001", "T-9", "billing.nightly", "t-9"] {
            let code = table.intern(text).unwrap();
            assert_eq!(table.text(code).as_str(), text);
            assert_eq!(table.code(text), Some(code));
            assert_eq!(IdCode::from_bits(code.to_bits()), code);
        }
        assert_eq!(table.code("t-10"), None);
    }

    #[test]
    fn text_outside_the_alphabet_of_ids_is_refused() {
        let long = "a".repeat(65);
        for text in ["", "a b", "ä", "a/b", "a\n", long.as_str()] {
            assert_eq!(IdTable::default().intern(text), None, "{text:?}");
        }
        assert!(IdTable::default().intern(&"a".repeat(64)).is_some());
    }
}
