//! Ids of persons and tokens as text.
//!
//! A registry makes ids by the million, so those are numbers with a short text form, and the policy store keeps eight
//! bytes for each. A person writes ids by hand, a few thousand at most; those are interned. Which of the two an id is
//! follows from its text alone, so the two never name the same thing.

use std::fmt;
use std::ops::Deref;

/// The longest id, in bytes.
pub const MAX_ID_LENGTH: usize = 64;

/// Length of the text form of a number: 13 digits of 5 bits, of which the first holds 3.
const NUMBER_LENGTH: usize = 13;

/// Crockford's base 32 in lower case: no `i`, `l`, `o`, `u`, so that an id survives being read aloud.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

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
pub fn looks_secret_bytes(text: &[u8]) -> bool {
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
    NumberText::new(number).as_str().to_owned()
}

/// The text form of a number, without an allocation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NumberText([u8; NUMBER_LENGTH]);

impl NumberText {
    /// Only the low 63 bits of `number` are used.
    pub fn new(number: u64) -> Self {
        let mut left = number & !(1 << 63);
        let mut text = [b'0'; NUMBER_LENGTH];
        for place in text.iter_mut().rev() {
            if let Some(&digit) = DIGITS.get((left & 31) as usize) {
                *place = digit;
            }
            left >>= 5;
        }
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // All of it is ASCII.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The text of an id, without an allocation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdText<'a> {
    /// Of a registry-made one.
    Number(NumberText),
    /// Of a hand-written one.
    Written(&'a str),
}

impl IdText<'_> {
    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Number(text) => text.as_str(),
            Self::Written(text) => text,
        }
    }

    /// The text's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Number(text) => text.as_bytes(),
            Self::Written(text) => text.as_bytes(),
        }
    }
}

impl Deref for IdText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for IdText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The number of a registry-made id, or `None` for a hand-written one.
pub fn number_from_text(text: &str) -> Option<u64> {
    let text: &[u8; NUMBER_LENGTH] = text.as_bytes().try_into().ok()?;
    let mut number = 0;
    for &byte in text {
        let digit = VALUES
            .get(usize::from(byte))
            .copied()
            .filter(|digit| *digit < 32)?;
        number = (number << 5) | u64::from(digit);
    }
    // The first of the 13 digits has three bits.
    matches!(text.first(), Some(b'0'..=b'7')).then_some(number)
}

/// The value of each byte as a digit; 32 for what is none.
#[expect(
    clippy::indexing_slicing,
    reason = "it is a constant, and there an index out of range does not compile"
)]
static VALUES: [u8; 256] = {
    let mut values = [32; 256];
    let mut digit = 0;
    while digit < DIGITS.len() {
        values[DIGITS[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

/// An id apart from any policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Id {
    /// A registry-made one.
    Number(u64),
    /// A hand-written one.
    Written(Box<str>),
}

impl Id {
    /// Takes a text for an id, whatever stands in it.
    pub fn new(text: &str) -> Self {
        number_from_text(text).map_or_else(|| Self::Written(text.into()), Self::Number)
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
        for number in [0, 1, 31, 32, 12_345_678_901_234_567, (1 << 63) - 1] {
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
}
