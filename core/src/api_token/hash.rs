//! The hash that an API token is known by.

use std::fmt;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::well_known;
use crate::hex;
use crate::json::text;

/// SHA-256 of a whole API token: all that registry and policy know of it.
///
/// Written `sha256:` and 64 lower-case hexadecimal digits. A fast hash without salt is enough for a secret of 128
/// random bits or more: there is nothing to guess. `==` is for tables and tests; compare with what a caller sent by
/// [`TokenHash::matches`].
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    const PREFIX: &str = "sha256:";

    /// The hash of a whole token.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// A hash that is already one, such as a record of a store.
    #[must_use]
    pub const fn from_bytes(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads `sha256:` and 64 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// [`TokenHashError`], which never holds any of `text`: someone may have put a token where its hash belongs.
    pub fn parse(text: &str) -> Result<Self, TokenHashError> {
        let digits = text
            .strip_prefix(Self::PREFIX)
            .ok_or(TokenHashError::PrefixMissing)?;
        if digits.len() != 64 {
            return Err(TokenHashError::WrongLength);
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            for digit in pair {
                let value = hex::digit_value(*digit).ok_or(TokenHashError::NotLowerHex)?;
                *byte = *byte << 4 | value;
            }
        }
        Ok(Self(hash))
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// Whether this is the hash of a text that everybody knows (such as the empty one, `password` or this project's
    /// example), or a pattern that is the hash of nothing. A policy must not contain it.
    #[must_use]
    pub fn is_well_known(&self) -> bool {
        well_known::contains(&self.0)
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        hex::write(f, &self.0)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({self})")
    }
}

impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

text!(
    TokenHash,
    "`sha256:` and 64 lower-case hexadecimal digits",
    TokenHash::parse,
    Self::from_bytes([0; 32])
);

/// Why a text is not a [`TokenHash`].
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum TokenHashError {
    /// It does not begin with the name of the hash.
    #[error(
        "a token's hash begins with `sha256:`; if this is a token, make its hash with `postern token hash`"
    )]
    PrefixMissing,
    /// A SHA-256 has 64 digits.
    #[error("a token's hash has exactly 64 hexadecimal digits after `sha256:`")]
    WrongLength,
    /// A character is no lower-case hexadecimal digit.
    #[error("a token's hash has only the digits 0-9 and a-f, in lower case, after `sha256:`")]
    NotLowerHex,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{ApiToken, EXAMPLE};
    use super::*;
    use crate::random::fakes::Sequence;

    /// FIPS 180-4's example message.
    #[test]
    fn a_hash_is_the_sha_256_of_the_whole_token() {
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hash = TokenHash::of(b"abc");
        assert_eq!(hash.to_string(), text);
        assert_eq!(TokenHash::parse(text), Ok(hash));
        assert!(hash.matches(&TokenHash::parse(text).unwrap()));
        assert!(!hash.matches(&TokenHash::of(b"abd")));
    }

    #[test]
    fn a_hash_of_another_form_is_refused_and_not_repeated() {
        let digits = "0123456789abcdef".repeat(4);
        let wrong = |text: &str| {
            let error = TokenHash::parse(text).unwrap_err();
            assert!(text.is_empty() || !error.to_string().contains(text));
            error
        };
        assert_eq!(wrong(""), TokenHashError::PrefixMissing);
        assert_eq!(wrong(&digits), TokenHashError::PrefixMissing);
        assert_eq!(wrong(EXAMPLE), TokenHashError::PrefixMissing);
        assert_eq!(
            wrong(&format!("SHA256:{digits}")),
            TokenHashError::PrefixMissing
        );
        assert_eq!(
            wrong(&format!("sha256:{digits}0")),
            TokenHashError::WrongLength
        );
        assert_eq!(
            wrong(&format!("sha256:{}", &digits[1..])),
            TokenHashError::WrongLength
        );
        assert_eq!(
            wrong(&format!("sha256:{}", digits.to_uppercase())),
            TokenHashError::NotLowerHex
        );
        assert_eq!(
            wrong(&format!("sha256:{}é", &digits[2..])),
            TokenHashError::NotLowerHex
        );
    }

    #[test]
    fn a_raw_token_where_its_hash_belongs_does_not_get_into_the_error() {
        let token = ApiToken::generate(&mut Sequence::from_seed(9)).unwrap();
        let json = serde_json::to_string(token.expose()).unwrap();
        let error = serde_json::from_str::<TokenHash>(&json)
            .unwrap_err()
            .to_string();
        assert!(!error.contains(&token.expose()[4..]), "{error}");
        assert!(error.contains("postern token hash"), "{error}");
    }

    #[test]
    fn json_holds_a_hash_as_its_text() {
        let hash = TokenHash::of(b"abc");
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json, format!("\"{hash}\""));
        assert_eq!(serde_json::from_str::<TokenHash>(&json).unwrap(), hash);
    }

    proptest! {
        #[test]
        fn any_hash_reads_back_as_the_same(bytes in any::<[u8; 32]>()) {
            let hash = TokenHash::from_bytes(bytes);
            prop_assert_eq!(TokenHash::parse(&hash.to_string()), Ok(hash));
            prop_assert_eq!(hash.as_bytes(), &bytes);
        }
    }
}
