//! Derivation of signing keys from root keys.
//!
//! HKDF-SHA256 (RFC 5869) of the root, with the salt `postern/v1`, to 32 bytes. `info` is, for each of issuer, token
//! audience, key id and purpose in this order: the length in bytes as two bytes, the more significant first, then the
//! bytes. The lengths keep the fields apart: without them, a byte could move from one to the next and give the same key.
//! Test vectors from an independent implementation are in `core/testdata/derive.json`.

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::roots::RootSecret;

/// What a derived key is for. A key of one purpose is never that of another.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Purpose {
    /// Signing access tokens.
    Access,
    /// Signing service tokens.
    Service,
    /// Protecting what a gateway shares between its own workers.
    Local,
}

impl Purpose {
    /// The bytes that stand for it in `info`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Service => "service",
            Self::Local => "local",
        }
    }
}

/// Derives the key of `kid` for one purpose of one zone (issuer and token audience).
///
/// # Errors
/// [`DeriveError`] if one of the texts is longer than its length can say.
pub fn derive(
    root: &RootSecret,
    issuer: &str,
    token_audience: &str,
    kid: &str,
    purpose: Purpose,
) -> Result<SecretKey32, DeriveError> {
    let fields = [
        ("issuer", issuer),
        ("token audience", token_audience),
        ("kid", kid),
        ("purpose", purpose.as_str()),
    ];
    let mut info = Vec::with_capacity(fields.iter().map(|(_, value)| 2 + value.len()).sum());
    for (field, value) in fields {
        let length = u16::try_from(value.len()).map_err(|_| DeriveError::TooLong { field })?;
        info.extend_from_slice(&length.to_be_bytes());
        info.extend_from_slice(value.as_bytes());
    }
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(SALT), root.expose())
        .expand(&info, key.as_mut_slice())
        .map_err(|_| DeriveError::Output)?;
    Ok(SecretKey32(key))
}

/// A derived key: wiped from memory when dropped, and not printable by accident.
pub struct SecretKey32(Zeroizing<[u8; 32]>);

impl SecretKey32 {
    /// The key's bytes, for the algorithm that its purpose names.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretKey32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey32([redacted])")
    }
}

/// Why a key cannot be derived.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DeriveError {
    /// A text is longer than 65,535 bytes.
    #[error("the {field} is longer than 65535 bytes")]
    TooLong {
        /// Which one.
        field: &'static str,
    },
    /// HKDF refused the length of the key. RFC 5869 allows up to 8,160 bytes, so this does not happen with 32.
    #[error("HKDF refused to give 32 bytes")]
    Output,
}

/// Changes with the form of `info`, so that two forms never give the same key.
const SALT: &[u8] = b"postern/v1";

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde::Deserialize;

    use super::*;
    use crate::roots::RootKeys;

    #[derive(Deserialize)]
    struct Vector {
        comment: String,
        root: String,
        issuer: String,
        token_audience: String,
        kid: String,
        purpose: String,
        key: String,
    }

    fn root(text: &str) -> RootKeys {
        RootKeys::parse(&format!("r1:{text}")).unwrap()
    }

    fn key(issuer: &str, token_audience: &str, kid: &str, purpose: Purpose) -> [u8; 32] {
        let roots = root("XgsDwt0_JXKaKB-5XB9ueMQbOk0zIfyQcJWb7SUlMOM");
        *derive(
            roots.get("r1").unwrap(),
            issuer,
            token_audience,
            kid,
            purpose,
        )
        .unwrap()
        .expose()
    }

    #[test]
    fn keys_are_those_of_an_independent_implementation() {
        let vectors: Vec<Vector> =
            serde_json::from_str(include_str!("../testdata/derive.json")).unwrap();
        assert!(vectors.len() >= 6);
        for vector in vectors {
            let purpose = [Purpose::Access, Purpose::Service, Purpose::Local]
                .into_iter()
                .find(|purpose| purpose.as_str() == vector.purpose)
                .unwrap();
            let roots = root(&vector.root);
            let key = derive(
                roots.get("r1").unwrap(),
                &vector.issuer,
                &vector.token_audience,
                &vector.kid,
                purpose,
            )
            .unwrap();
            assert_eq!(
                URL_SAFE_NO_PAD.encode(key.expose()),
                vector.key,
                "{}",
                vector.comment
            );
        }
    }

    #[test]
    fn a_byte_that_moves_to_the_next_field_changes_the_key() {
        let keys = [
            key("https://a", "edge", "k1", Purpose::Access),
            key("https://", "aedge", "k1", Purpose::Access),
            key("https://a", "edg", "ek1", Purpose::Access),
            key("https://a", "edgek", "1", Purpose::Access),
            key("https://aedge", "", "k1", Purpose::Access),
            key("", "https://aedge", "k1", Purpose::Access),
        ];
        for (index, one) in keys.iter().enumerate() {
            assert!(!keys[index + 1..].contains(one), "{index}");
        }
    }

    #[test]
    fn every_purpose_and_every_kid_has_a_key_of_its_own() {
        let keys = [
            key("i", "t", "k1", Purpose::Access),
            key("i", "t", "k1", Purpose::Service),
            key("i", "t", "k1", Purpose::Local),
            key("i", "t", "k2", Purpose::Access),
            key("i", "t", "K1", Purpose::Access),
        ];
        for (index, one) in keys.iter().enumerate() {
            assert!(!keys[index + 1..].contains(one), "{index}");
        }
    }

    #[test]
    fn a_text_of_65536_bytes_is_refused_and_one_less_is_not() {
        let roots = root("XgsDwt0_JXKaKB-5XB9ueMQbOk0zIfyQcJWb7SUlMOM");
        let root = roots.get("r1").unwrap();
        let long = "x".repeat(65_536);
        let field_of = |result: Result<SecretKey32, DeriveError>| result.map(|_| ()).unwrap_err();
        assert_eq!(
            field_of(derive(root, &long, "t", "k", Purpose::Access)),
            DeriveError::TooLong { field: "issuer" }
        );
        assert_eq!(
            field_of(derive(root, "i", &long, "k", Purpose::Access)),
            DeriveError::TooLong {
                field: "token audience"
            }
        );
        assert_eq!(
            field_of(derive(root, "i", "t", &long, Purpose::Access)),
            DeriveError::TooLong { field: "kid" }
        );
        assert!(derive(root, &long[1..], "t", "k", Purpose::Access).is_ok());
    }

    #[test]
    fn debug_output_shows_nothing_of_a_key() {
        let roots = root("XgsDwt0_JXKaKB-5XB9ueMQbOk0zIfyQcJWb7SUlMOM");
        let key = derive(roots.get("r1").unwrap(), "i", "t", "k", Purpose::Access).unwrap();
        assert_eq!(format!("{key:?}"), "SecretKey32([redacted])");
    }
}
