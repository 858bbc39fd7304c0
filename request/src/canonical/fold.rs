//! Spellings that some upstream may take for one another.
//!
//! Two canonical segments *fold alike* when they differ only in the case of ASCII letters, or in whether a sub-delimiter,
//! `:` or `@` is percent-encoded (RFC 3986, section 2.2, makes those two different paths; many upstreams decode both to
//! one). Folding decides nothing but that a request is ambiguous.

use std::cmp::Ordering;

use super::path::{hex_value, is_delimiter};

/// How `left` and `right` stand to each other once folded.
pub fn order(left: &str, right: &str) -> Ordering {
    let (left, right) = after_start(left.as_bytes(), right.as_bytes());
    at_once(left, right).unwrap_or_else(|| Folded { rest: left }.cmp(Folded { rest: right }))
}

/// How `key`, which is folded, stands to `text` once folded.
pub fn order_key(key: &[u8], text: &str) -> Ordering {
    let (key, text) = after_start(key, text.as_bytes());
    at_once(key, text).unwrap_or_else(|| key.iter().copied().cmp(Folded { rest: text }))
}

/// The order of what follows a common start, where two plain bytes or an end decide it.
fn at_once(left: &[u8], right: &[u8]) -> Option<Ordering> {
    match (left.first(), right.first()) {
        (Some(b'%'), _) | (_, Some(b'%')) => None,
        (left, right) => {
            let lower = |byte: Option<&u8>| byte.map(u8::to_ascii_lowercase);
            Some(lower(left).cmp(&lower(right)))
        }
    }
}

/// What follows the start that two texts have in common but for letter case. Nearly all comparisons are decided by it, at
/// a fraction of what folding costs. It holds no percent sign, since only that folds to anything but one byte.
fn after_start<'a>(left: &'a [u8], right: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let alike = |(left, right): &(&u8, &u8)| {
        **left != b'%' && (left == right || left.eq_ignore_ascii_case(right))
    };
    let start = left.iter().zip(right).take_while(alike).count();
    (
        left.get(start..).unwrap_or_default(),
        right.get(start..).unwrap_or_default(),
    )
}

/// How `stored`, which is lower case, stands to `right` read as lower case.
pub fn order_lower(stored: &str, right: &str) -> Ordering {
    stored
        .bytes()
        .cmp(right.bytes().map(|byte| byte.to_ascii_lowercase()))
}

/// The canonical `text`, folded, as a key.
pub fn key(text: &str) -> Box<[u8]> {
    let rest = text.as_bytes();
    Folded { rest }.collect()
}

/// The bytes of a canonical text, folded.
struct Folded<'a> {
    rest: &'a [u8],
}

impl Iterator for Folded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        match *self.rest {
            [] => None,
            [b'%', high, low, ref rest @ ..]
                if is_delimiter(hex_value(high) << 4 | hex_value(low)) =>
            {
                self.rest = rest;
                Some(hex_value(high) << 4 | hex_value(low))
            }
            [byte, ref rest @ ..] => {
                self.rest = rest;
                Some(byte.to_ascii_lowercase())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        let parts = vec!["a", "A", "b", "!", "%21", "%20", "%C3%A4", "~", "M42"];
        prop::collection::vec(prop::sample::select(parts), 0..6).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn texts_stand_to_each_other_as_their_keys_do(left in text(), right in text()) {
            let (left_key, right_key) = (key(&left), key(&right));
            prop_assert_eq!(order(&left, &right), left_key.cmp(&right_key));
            prop_assert_eq!(order_key(&left_key, &right), left_key.cmp(&right_key));
        }
    }

    #[test]
    fn letters_of_either_case_fold_alike() {
        assert_eq!(order("Export", "eXPORT"), Ordering::Equal);
        assert_ne!(order("export", "exports"), Ordering::Equal);
        assert_ne!(order("%C3%A4", "%C3%84"), Ordering::Equal);
    }

    #[test]
    fn a_delimiter_and_its_encoding_fold_alike() {
        for (encoded, literal) in [
            ("%21", "!"),
            ("%24", "$"),
            ("%26", "&"),
            ("%27", "'"),
            ("%28", "("),
            ("%29", ")"),
            ("%2A", "*"),
            ("%2B", "+"),
            ("%2C", ","),
            ("%3A", ":"),
            ("%3D", "="),
            ("%40", "@"),
        ] {
            let encoded = format!("Items{encoded}x");
            assert_eq!(
                order(&encoded, &format!("items{literal}X")),
                Ordering::Equal
            );
        }
        assert_ne!(order("a%20b", "a b"), Ordering::Equal);
        assert_ne!(order("a%22b", "a%5Bb"), Ordering::Equal);
    }
}
