//! The public keys that a gateway accepts heads from.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::hex;

/// What a key is named by in a signature header: the first eight bytes of the SHA-256 of the public key, in hexadecimal.
/// It only says which key to try.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// The id of a public key.
    pub(super) fn of(public: &VerifyingKey) -> Self {
        let hash: [u8; 32] = Sha256::digest(public.as_bytes()).into();
        Self(hash.first_chunk().copied().unwrap_or_default())
    }

    /// Reads 16 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        hex::parse(text).map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// An Ed25519 public key (RFC 8032). Written `ed25519:` and 43 characters of base64url.
#[derive(Clone, Eq, PartialEq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    const PREFIX: &str = "ed25519:";

    pub(super) fn new(key: VerifyingKey) -> Self {
        Self(key)
    }

    /// Reads a key as it stands in a configuration.
    ///
    /// # Errors
    /// [`PublicKeyError`]: another form, or a key that no signature should be believed from.
    pub fn parse(text: &str) -> Result<Self, PublicKeyError> {
        let encoded = text
            .strip_prefix(Self::PREFIX)
            .ok_or(PublicKeyError::PrefixMissing)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok();
        let bytes: [u8; 32] = bytes
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(PublicKeyError::Form)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| PublicKeyError::NotAKey)?;
        if key.is_weak() {
            return Err(PublicKeyError::Weak);
        }
        Ok(Self(key))
    }

    /// What signatures of this key are named by.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.0)
    }

    /// Whether `signature` is this key's, by the strict rules: one message and key have one signature, and a key of small
    /// order has none.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        self.0.verify_strict(message, &signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The keys that a gateway accepts heads from: one, or two while a key is being changed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PublicKeys(Vec<PublicKey>);

impl PublicKeys {
    /// These keys.
    #[must_use]
    pub fn new(keys: Vec<PublicKey>) -> Self {
        Self(keys)
    }

    /// All of them, in the order in which they are listed.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter()
    }

    /// The key of this name.
    #[must_use]
    pub fn get(&self, id: KeyId) -> Option<&PublicKey> {
        self.0.iter().find(|key| key.id() == id)
    }
}

/// Why a text is not a [`PublicKey`].
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// It does not begin with the name of the algorithm.
    #[error("a public key begins with `ed25519:`")]
    PrefixMissing,
    /// It is not 32 bytes in base64url.
    #[error("a public key has 43 characters of base64url after `ed25519:`, without `=`")]
    Form,
    /// The bytes are no point of the curve.
    #[error("these 32 bytes are no Ed25519 public key")]
    NotAKey,
    /// A key of small order: everybody can make signatures for it.
    #[error("this key is of small order, so anybody can sign for it")]
    Weak,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, 7.1, test 1.
    const RFC_KEY: &str = "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    #[test]
    fn a_key_comes_back_from_its_text_and_has_a_short_name() {
        let key = PublicKey::parse(RFC_KEY).unwrap();
        assert_eq!(key.to_string(), RFC_KEY);
        // printf d75a9801…511a | xxd -r -p | sha256sum
        assert_eq!(key.id().to_string(), "21fe31dfa154a261");
        assert_eq!(KeyId::parse("21fe31dfa154a261"), Some(key.id()));
        let keys = PublicKeys::new(vec![key.clone()]);
        assert_eq!(keys.get(key.id()), Some(&key));
        assert_eq!(keys.get(KeyId([0; 8])), None);
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_reason() {
        let encoded = |bytes: [u8; 32]| format!("ed25519:{}", URL_SAFE_NO_PAD.encode(bytes));
        let mut no_point = [0; 32];
        no_point[0] = 2;
        let mut identity = [0; 32];
        identity[0] = 1;
        for (text, error) in [
            (
                RFC_KEY.trim_start_matches("ed25519:").to_owned(),
                PublicKeyError::PrefixMissing,
            ),
            (format!("{RFC_KEY}="), PublicKeyError::Form),
            (RFC_KEY[..50].to_owned(), PublicKeyError::Form),
            (encoded(no_point), PublicKeyError::NotAKey),
            (encoded(identity), PublicKeyError::Weak),
        ] {
            assert_eq!(PublicKey::parse(&text), Err(error), "{text}");
        }
    }
}
