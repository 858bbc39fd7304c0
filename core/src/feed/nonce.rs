//! What ties an answer to a request.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};

use crate::json::text;
use crate::random::{Random, RandomFailed};

/// 128 random bits that a gateway sends with a request and the head must repeat, so that no answer to another request,
/// however well signed, can prolong an old policy. Written as 22 characters of base64url.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// A new one, for one request.
    ///
    /// # Errors
    /// [`RandomFailed`] if there is no randomness; then nothing may be asked.
    pub fn generate(random: &mut dyn Random) -> Result<Self, RandomFailed> {
        let mut bytes = [0; 16];
        random.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Reads the one form that each nonce has.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (length == bytes.len()).then_some(Self(bytes))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({self})")
    }
}

impl Serialize for Nonce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

text!(
    Nonce,
    "a nonce of 22 characters of base64url",
    |text: &str| Nonce::parse(text).ok_or("it is not of 22 characters of base64url"),
    Self([0; 16])
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::fakes::{Failing, Sequence};

    #[test]
    fn a_nonce_comes_back_from_its_text_and_other_texts_are_none() {
        let nonce = Nonce::generate(&mut Sequence::from_seed(1)).unwrap();
        let text = nonce.to_string();
        assert_eq!(text.len(), 22);
        assert_eq!(Nonce::parse(&text), Some(nonce));
        // The last character holds two bits that must be zero, or a nonce would have several texts.
        let other = format!("{}B", &text[..21]);
        for text in [
            "",
            &text[..21],
            &format!("{text}A"),
            &format!("{text}=="),
            &other,
        ] {
            assert_eq!(Nonce::parse(text), None, "{text}");
        }
    }

    #[test]
    fn two_nonces_differ_and_without_randomness_there_is_none() {
        let mut random = Sequence::from_seed(1);
        assert_ne!(Nonce::generate(&mut random), Nonce::generate(&mut random));
        assert_eq!(Nonce::generate(&mut Failing), Err(RandomFailed));
    }
}
