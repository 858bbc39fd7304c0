//! Ids of persons and tokens: text outside, a 64-bit code inside.
//!
//! A registry makes ids by the million, so those are numbers with a short text form, and the policy store keeps eight
//! bytes for each. A person writes ids by hand, a few thousand at most; those are interned. Which of the two an id is
//! follows from its text alone, so the two never name the same thing.

use std::fmt;

use crate::places::Places;

/// The longest id, in bytes.
pub const MAX_ID_LENGTH: usize = 64;

/// Length of the text form of a number: 13 digits of 5 bits, of which the first holds 3.
const NUMBER_LENGTH: usize = 13;

/// Crockford's base 32 in lower case: no `i`, `l`, `o`, `u`, so that an id survives being read aloud.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

const INTERNED: u64 = 1 << 63;

/// Whether `text` may be an id: `[A-Za-z0-9._-]{1,64}`.
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID_LENGTH).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// What every secret that this project issues begins with.
const SECRET_PREFIXES: [&str; 3] = ["pst_", "psg_", "pso_"];

/// Whether `text` begins as a secret of ours does. No id may: ids go into logs and headers.
pub fn looks_secret(text: &str) -> bool {
    looks_secret_bytes(text.as_bytes())
}

/// As [`looks_secret`], for bytes that need not be text.
pub(crate) fn looks_secret_bytes(text: &[u8]) -> bool {
    SECRET_PREFIXES
        .iter()
        .any(|prefix| text.starts_with(prefix.as_bytes()))
}

/// A text of a document as faults show it: quoted if it can be an id that somebody chose, else by its length. A token or
/// a key that stands in the wrong place, as they do by a slip of hand, must not get into a log that way.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl Shown<'_> {
    /// The shortest secret, 32 random bytes in base64url, has 43 characters.
    const LONGEST: usize = 40;

    /// Whether the text is shown.
    pub fn is_shown(self) -> bool {
        self.0.len() <= Self::LONGEST && !looks_secret(self.0) && !self.0.contains(char::is_control)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_shown() {
            return write!(formatter, "\"{}\"", self.0);
        }
        write!(formatter, "a text of {} bytes", self.0.len())
    }
}

/// The text form of a registry-made id. Only the low 63 bits of `number` are used.
pub fn number_to_text(number: u64) -> String {
    (0..NUMBER_LENGTH)
        .rev()
        .map(|place| {
            let digit = ((number & !INTERNED) >> (5 * place)) & 31;
            DIGITS
                .get(digit as usize)
                .map_or('0', |&byte| char::from(byte))
        })
        .collect()
}

/// The number of a registry-made id, or `None` for a hand-written one.
pub fn number_from_text(text: &str) -> Option<u64> {
    if text.len() != NUMBER_LENGTH || !text.starts_with(|first: char| ('0'..='7').contains(&first))
    {
        return None;
    }
    text.bytes().try_fold(0u64, |number, byte| {
        let digit = DIGITS.iter().position(|&candidate| candidate == byte)?;
        Some((number << 5) | digit as u64)
    })
}

/// An id apart from any policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Id {
    /// A registry-made one.
    Number(u64),
    /// A hand-written one.
    Written(Box<str>),
}

impl Id {
    pub(crate) fn new(text: &str) -> Self {
        number_from_text(text).map_or_else(|| Self::Written(text.into()), Self::Number)
    }
}

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
    pub fn text(&self, code: IdCode) -> String {
        if code.0 & INTERNED == 0 {
            return number_to_text(code.0);
        }
        usize::try_from(code.0 & !INTERNED)
            .ok()
            .and_then(|place| self.texts.get(place))
            .map_or_else(String::new, |text| text.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_could_be_a_secret_is_shown_by_its_length() {
        assert_eq!(Shown("p-7").to_string(), "\"p-7\"");
        assert_eq!(Shown("a b").to_string(), "\"a b\"");
        assert_eq!(Shown("pst_x").to_string(), "a text of 5 bytes");
        assert_eq!(Shown("a\nb").to_string(), "a text of 3 bytes");
        assert_eq!(Shown(&"x".repeat(41)).to_string(), "a text of 41 bytes");
    }

    #[test]
    fn a_registry_made_id_keeps_its_number_through_its_text() {
        for number in [0, 1, 31, 32, 12_345_678_901_234_567, INTERNED - 1] {
            let text = number_to_text(number);
            assert_eq!(text.len(), NUMBER_LENGTH);
            assert!(is_id(&text));
            assert_eq!(number_from_text(&text), Some(number));
        }
    }

    #[test]
    fn a_hand_written_id_is_no_number() {
        for text in [
            "t-9",
            "p-7",
            "",
            "8000000000000",
            "000000000000u",
            "0000000000000000",
            "000000000000A",
        ] {
            assert_eq!(number_from_text(text), None, "{text}");
        }
    }

    #[test]
    fn ids_of_both_kinds_come_back_as_they_were_written() {
        let mut table = IdTable::default();
        for text in ["t-9", "0000000000001", "T-9", "billing.nightly", "t-9"] {
            let code = table.intern(text).unwrap();
            assert_eq!(table.text(code), text);
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
