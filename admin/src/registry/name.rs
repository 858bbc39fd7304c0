//! Names that people give to persons and tokens.

use caseless::Caseless as _;
use unicode_normalization::UnicodeNormalization as _;

use super::Invalid;

/// The longest name, in characters.
const LONGEST: usize = 200;

/// A name as it is shown, and as it is compared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Name {
    /// Without spaces around it, in normalisation form C.
    pub(super) shown: String,
    /// The same for all spellings that people take for one: case folded (Unicode 3.13, D145).
    pub(super) key: String,
}

impl Name {
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let shown: String = text.trim().nfc().collect();
        let invalid = |reason: &str| Err(Invalid::new("name", reason));
        if shown.is_empty() {
            return invalid("a name has at least one character that is not a space");
        }
        if shown.chars().count() > LONGEST {
            return invalid("a name has at most 200 characters");
        }
        if shown.chars().any(char::is_control) {
            return invalid("a name has no control characters");
        }
        if postern_core::id::looks_secret(&shown) {
            return invalid("this begins as a secret does; a name is shown and logged");
        }
        let key = shown.chars().nfd().default_case_fold().nfc().collect();
        Ok(Self { shown, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_that_people_take_for_one_name_are_one() {
        let key = |text: &str| Name::parse(text).unwrap().key;
        assert_eq!(key("  Nightly Export "), key("nightly export"));
        assert_eq!(key("STRASSE"), key("straße"));
        assert_eq!(key("Cafe\u{301}"), key("CAFÉ"));
        assert_ne!(key("nightly export"), key("nightly-export"));
    }

    #[test]
    fn a_name_is_shown_as_it_was_written() {
        assert_eq!(Name::parse(" Straße 7 ").unwrap().shown, "Straße 7");
    }

    #[test]
    fn what_is_no_name_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "at least one character"),
            (" \t ", "at least one character"),
            ("a\u{7}b", "no control characters"),
            ("a\nb", "no control characters"),
            (&"x".repeat(201), "at most 200"),
            ("pst_abc", "begins as a secret"),
        ] {
            let invalid = Name::parse(text).unwrap_err();
            assert_eq!(invalid.path, "name");
            assert!(invalid.reason.contains(reason), "{text:?}: {invalid}");
        }
    }
}
