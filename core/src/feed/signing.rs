//! Signing heads: for the service that publishes a feed. The filter never links this.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use thiserror::Error;
use zeroize::Zeroizing;

use super::head::signed_bytes;
use super::key::PublicKey;
use super::signature::Signatures;
use crate::random::{Random, RandomFailed};

/// The secret key that signs heads. Wiped when dropped. Written `ed25519-secret:` and 43 characters of base64url.
pub struct HeadKey(SigningKey);

impl HeadKey {
    const PREFIX: &str = "ed25519-secret:";

    /// A new key.
    ///
    /// # Errors
    /// [`RandomFailed`] if there is no randomness.
    pub fn generate(random: &mut dyn Random) -> Result<Self, RandomFailed> {
        let mut secret = Zeroizing::new([0; 32]);
        random.fill(secret.as_mut_slice())?;
        // What a source that does not work delivers; a key that everybody knows would be worse than none.
        if secret.iter().all(|byte| Some(byte) == secret.first()) {
            return Err(RandomFailed);
        }
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// Reads what [`HeadKey::expose`] wrote.
    ///
    /// # Errors
    /// [`HeadKeyError`], which holds none of the text.
    pub fn parse(text: &str) -> Result<Self, HeadKeyError> {
        let encoded = text.strip_prefix(Self::PREFIX).ok_or(HeadKeyError)?;
        let mut secret = Zeroizing::new([0; 32]);
        let length = URL_SAFE_NO_PAD.decode_slice(encoded, secret.as_mut_slice());
        if length != Ok(32) {
            return Err(HeadKeyError);
        }
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// The key as text, for the file or the environment that keeps it.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_bytes()));
        Zeroizing::new(format!("{}{}", Self::PREFIX, encoded.as_str()))
    }

    /// The key that gateways need to verify what this one signs.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey::new(self.0.verifying_key())
    }

    /// Signs a head's bytes: one entry for the header [`Signatures::HEADER`]. While a key is being changed, sign with
    /// both and join the entries with a comma.
    #[must_use]
    pub fn sign(&self, head: &[u8]) -> String {
        let signature = self.0.sign(&signed_bytes(head)).to_bytes();
        Signatures::write_entry(self.public_key().id(), &signature)
    }
}

impl fmt::Debug for HeadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeadKey({}, [redacted])", self.public_key().id())
    }
}

/// A text is not a [`HeadKey`].
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("a head key is `ed25519-secret:` and 43 characters of base64url")]
pub struct HeadKeyError;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::fakes::{Sequence, Stuck};

    #[test]
    fn a_key_comes_back_from_its_text_and_debug_output_hides_it() {
        let key = HeadKey::generate(&mut Sequence::from_seed(1)).unwrap();
        let text = key.expose();
        let again = HeadKey::parse(&text).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert_eq!(again.sign(b"x"), key.sign(b"x"));
        let secret = text.split_once(':').unwrap().1;
        assert!(!format!("{key:?}").contains(secret));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let text = HeadKey::generate(&mut Sequence::from_seed(1))
            .unwrap()
            .expose();
        for text in [
            "",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{}A", text.as_str()),
        ] {
            assert!(HeadKey::parse(text).is_err());
        }
        assert!(HeadKey::generate(&mut Stuck(0)).is_err());
    }
}
