//! Keys of RSA and of the NIST curves, as Envoy reads them (BoringSSL `EVP_parse_public_key`, `EVP_parse_private_key`, PEM).

use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey, ObjectIdentifier, PrivateKeyInfoRef};
use rsa::pkcs1::DecodeRsaPrivateKey;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::hashes::Hash;

/// RFC 8410, section 3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// A key that verifies.
pub(super) enum PublicKey {
    Rsa(rsa::PublicKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
}

/// A key that signs.
pub(super) enum PrivateKey {
    Rsa(Box<rsa::PrivateKey>),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
    /// A key of a kind that signs no digests.
    Ed25519,
}

impl PublicKey {
    /// A SubjectPublicKeyInfo; what stands behind it is left alone.
    pub(super) fn from_der(bytes: &[u8]) -> Option<Self> {
        let bytes = first_element(bytes)?;
        let rsa = || rsa::PublicKey::from_public_key_der(bytes).map(Self::Rsa);
        let p256 = || p256::ecdsa::VerifyingKey::from_public_key_der(bytes).map(Self::P256);
        let p384 = || p384::ecdsa::VerifyingKey::from_public_key_der(bytes).map(Self::P384);
        let p521 = || p521::PublicKey::from_public_key_der(bytes).map(|key| Self::P521(key.into()));
        rsa()
            .or_else(|_| p256())
            .or_else(|_| p384())
            .or_else(|_| p521())
            .ok()
    }

    pub(super) fn from_pem(text: &str) -> Option<Self> {
        let (label, document) = p256::pkcs8::Document::from_pem(text).ok()?;
        (label == "PUBLIC KEY").then(|| Self::from_der(document.as_bytes()))?
    }

    pub(super) fn verifies(&self, hash: Hash, text: &[u8], signature: &[u8]) -> bool {
        let digest = hash.digest(text);
        match self {
            Self::Rsa(key) => match hash {
                Hash::Sha1 => key.pkcs1v15_verify_prehash::<Sha1>(&digest, signature),
                Hash::Sha224 => key.pkcs1v15_verify_prehash::<Sha224>(&digest, signature),
                Hash::Sha256 => key.pkcs1v15_verify_prehash::<Sha256>(&digest, signature),
                Hash::Sha384 => key.pkcs1v15_verify_prehash::<Sha384>(&digest, signature),
                Hash::Sha512 => key.pkcs1v15_verify_prehash::<Sha512>(&digest, signature),
            }
            .is_ok(),
            Self::P256(key) => p256::ecdsa::Signature::from_der(signature).is_ok_and(|signature| {
                key.verify_prehash(&widened(digest, 32), &signature).is_ok()
            }),
            Self::P384(key) => p384::ecdsa::Signature::from_der(signature).is_ok_and(|signature| {
                key.verify_prehash(&widened(digest, 48), &signature).is_ok()
            }),
            Self::P521(key) => p521::ecdsa::Signature::from_der(signature).is_ok_and(|signature| {
                key.verify_prehash(&widened(digest, 66), &signature).is_ok()
            }),
        }
    }
}

impl PrivateKey {
    /// PKCS #8 and nothing else.
    pub(super) fn from_der(bytes: &[u8]) -> Option<Self> {
        let bytes = first_element(bytes)?;
        if PrivateKeyInfoRef::try_from(bytes).is_ok_and(|key| key.algorithm.oid == ED25519) {
            return Some(Self::Ed25519);
        }
        let rsa = || rsa::PrivateKey::from_pkcs8_der(bytes).map(|key| Self::Rsa(Box::new(key)));
        let p256 = || p256::ecdsa::SigningKey::from_pkcs8_der(bytes).map(Self::P256);
        let p384 = || p384::ecdsa::SigningKey::from_pkcs8_der(bytes).map(Self::P384);
        let p521 = || p521::SecretKey::from_pkcs8_der(bytes).map(|key| Self::P521(key.into()));
        rsa()
            .or_else(|_| p256())
            .or_else(|_| p384())
            .or_else(|_| p521())
            .ok()
    }

    /// PKCS #8, and the older forms of each kind.
    pub(super) fn from_pem(text: &str) -> Option<Self> {
        let (label, document) = p256::pkcs8::SecretDocument::from_pem(text).ok()?;
        let bytes = document.as_bytes();
        match label {
            "PRIVATE KEY" => Self::from_der(bytes),
            "RSA PRIVATE KEY" => rsa::PrivateKey::from_pkcs1_der(bytes)
                .map(|key| Self::Rsa(Box::new(key)))
                .ok(),
            "EC PRIVATE KEY" => p256::SecretKey::from_sec1_der(bytes)
                .map(|key| Self::P256(key.into()))
                .or_else(|_| {
                    p384::SecretKey::from_sec1_der(bytes).map(|key| Self::P384(key.into()))
                })
                .or_else(|_| {
                    p521::SecretKey::from_sec1_der(bytes).map(|key| Self::P521(key.into()))
                })
                .ok(),
            _ => None,
        }
    }

    /// A signature: PKCS #1 1.5 of RSA, and the DER form of ECDSA. ECDSA draws no random numbers here (RFC 6979), so the same
    /// text has the same signature in every run; Envoy's differ.
    pub(super) fn sign(&self, hash: Hash, text: &[u8]) -> Option<Vec<u8>> {
        let digest = hash.digest(text);
        match self {
            Self::Rsa(key) => match hash {
                Hash::Sha1 => key.pkcs1v15_sign_prehash::<Sha1>(&digest),
                Hash::Sha224 => key.pkcs1v15_sign_prehash::<Sha224>(&digest),
                Hash::Sha256 => key.pkcs1v15_sign_prehash::<Sha256>(&digest),
                Hash::Sha384 => key.pkcs1v15_sign_prehash::<Sha384>(&digest),
                Hash::Sha512 => key.pkcs1v15_sign_prehash::<Sha512>(&digest),
            }
            .ok(),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature =
                    key.sign_prehash(&widened(digest, 32)).ok()?;
                Some(signature.to_der().as_bytes().to_vec())
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature =
                    key.sign_prehash(&widened(digest, 48)).ok()?;
                Some(signature.to_der().as_bytes().to_vec())
            }
            Self::P521(key) => {
                let signature: p521::ecdsa::Signature =
                    key.sign_prehash(&widened(digest, 66)).ok()?;
                Some(signature.to_der().as_bytes().to_vec())
            }
            Self::Ed25519 => None,
        }
    }
}

/// A digest that is shorter than the curve's field is a small number (FIPS 186-5, section 6.4): the zeros in front change
/// nothing, and the library wants half of the field's length at least.
fn widened(digest: Vec<u8>, length: usize) -> Vec<u8> {
    let zeros = length.saturating_sub(digest.len());
    [vec![0; zeros], digest].concat()
}

/// The first element of DER: its tag, its length and its content.
fn first_element(bytes: &[u8]) -> Option<&[u8]> {
    let (&first, rest) = bytes.get(1..)?.split_first()?;
    let header = bytes.len() - rest.len();
    let (length_bytes, length) = if first < 0x80 {
        (0, usize::from(first))
    } else {
        let count = usize::from(first & 0x7f);
        let digits = rest.get(..count).filter(|_| count <= 4)?;
        let length = digits
            .iter()
            .fold(0, |length, digit| length << 8 | usize::from(*digit));
        (count, length)
    };
    bytes.get(..header + length_bytes + length)
}
