//! Service tokens: what the filter puts on a request in place of the caller's credential, good at one upstream alone.
//!
//! A service token is a JWT with `typ` `postern-service+jwt`, signed with EdDSA (RFC 8037), so that an upstream verifies
//! it with public keys and can make none. No gateway accepts one.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use serde::Serialize;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::access_token::NewClaims;
use crate::derive::SecretKey32;
use crate::jose;
use crate::time::Seconds;

/// The longest life of a service token: as long as a request takes to reach its upstream, with room for clocks that
/// differ.
pub const MAX_LIFE: Seconds = Seconds::new(60);

/// A service token is used again while at least this much of its life is left.
pub const MIN_LEFT: Seconds = Seconds::new(15);

/// The key of one kid for service tokens. Wiped when dropped.
pub struct ServiceKey {
    signing: SigningKey,
    header: String,
}

impl ServiceKey {
    /// Makes the key from what was derived for it.
    ///
    /// # Errors
    /// [`ServiceTokenFailed`] if the header cannot be written as JSON.
    pub fn new(kid: &str, secret: &SecretKey32) -> Result<Self, ServiceTokenFailed> {
        let header = jose::header("EdDSA", "postern-service+jwt", kid);
        Ok(Self {
            signing: SigningKey::from_bytes(secret.expose()),
            header: header.map_err(|_| ServiceTokenFailed)?,
        })
    }

    /// The encoded JOSE header that every token of this key begins with.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// The public key, for an upstream's key set (RFC 8037, section 2).
    #[must_use]
    pub fn public_jwk(&self, kid: &str) -> PublicJwk {
        PublicJwk {
            kty: "OKP",
            crv: "Ed25519",
            kid: kid.to_owned(),
            x: URL_SAFE_NO_PAD.encode(self.signing.verifying_key().to_bytes()),
            r#use: "sig",
            alg: "EdDSA",
        }
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceKey([redacted])")
    }
}

/// A public key as it stands in a key set (RFC 7517, section 4).
#[derive(Debug, Serialize)]
pub struct PublicJwk {
    kty: &'static str,
    crv: &'static str,
    kid: String,
    x: String,
    r#use: &'static str,
    alg: &'static str,
}

/// A key set (RFC 7517, section 5), as JSON.
///
/// # Errors
/// [`ServiceTokenFailed`] if it cannot be written.
pub fn key_set(keys: impl Iterator<Item = PublicJwk>) -> Result<String, ServiceTokenFailed> {
    #[derive(Serialize)]
    struct KeySet {
        keys: Vec<PublicJwk>,
    }
    let keys = keys.collect();
    serde_json::to_string(&KeySet { keys }).map_err(|_| ServiceTokenFailed)
}

/// Writes and signs a service token. `aud` is `<token audience>/<service>`; `exp` is at most [`MAX_LIFE`] after `iat`, and
/// not after what was presented ends.
///
/// # Errors
/// [`ServiceTokenFailed`] if the claims cannot be written as JSON.
pub fn mint(
    key: &ServiceKey,
    claims: &NewClaims<'_>,
) -> Result<Zeroizing<String>, ServiceTokenFailed> {
    let payload = serde_json::to_vec(claims).map_err(|_| ServiceTokenFailed)?;
    let signed = format!("{}.{}", key.header, URL_SAFE_NO_PAD.encode(payload));
    let signature = key.signing.sign(signed.as_bytes()).to_bytes();
    let signature = URL_SAFE_NO_PAD.encode(signature);
    Ok(Zeroizing::new(format!("{signed}.{signature}")))
}

/// A token or key set could not be written as JSON. Texts and numbers always can be, so this does not happen; a caller
/// that must not panic still has to say what it would do.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("a service token or key set cannot be written as JSON")]
pub struct ServiceTokenFailed;

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signature, VerifyingKey};

    use super::*;
    use crate::derive::{Purpose, derive};
    use crate::roots::RootKeys;
    use crate::time::Timestamp;

    fn key() -> ServiceKey {
        let roots = RootKeys::parse("r1:XgsDwt0_JXKaKB-5XB9ueMQbOk0zIfyQcJWb7SUlMOM").unwrap();
        let secret = derive(
            roots.get("r1").unwrap(),
            "https://a",
            "edge",
            "k1",
            Purpose::Service,
        );
        ServiceKey::new("k1", &secret.unwrap()).unwrap()
    }

    fn token() -> Zeroizing<String> {
        let claims = NewClaims {
            iss: "https://a",
            sub: "p-7",
            aud: "edge/orders",
            iat: Timestamp::from_secs(1_800_000_000),
            exp: Timestamp::from_secs(1_800_000_060),
            jti: [0; 16],
            client_id: "t-9",
        };
        mint(&key(), &claims).unwrap()
    }

    #[test]
    fn a_service_token_verifies_with_the_published_key_and_nothing_else_of_ours() {
        let set: serde_json::Value =
            serde_json::from_str(&key_set([key().public_jwk("k1")].into_iter()).unwrap()).unwrap();
        let jwk = &set["keys"][0];
        assert_eq!(jwk["kty"], "OKP");
        assert_eq!(jwk["crv"], "Ed25519");
        assert_eq!(jwk["kid"], "k1");
        assert_eq!(jwk.as_object().unwrap().len(), 6);
        let public = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
        let public = VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap();

        let token = token();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let signature = Signature::from_slice(&signature).unwrap();
        assert!(public.verify_strict(signed.as_bytes(), &signature).is_ok());
        assert!(public.verify_strict(b"another text", &signature).is_err());
    }

    #[test]
    fn header_and_claims_are_those_of_the_contract() {
        let token = token();
        let mut parts = token
            .split('.')
            .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
        let mut text = || String::from_utf8(parts.next().unwrap()).unwrap();
        assert_eq!(
            text(),
            r#"{"alg":"EdDSA","typ":"postern-service+jwt","kid":"k1"}"#
        );
        assert_eq!(
            text(),
            r#"{"iss":"https://a","sub":"p-7","aud":"edge/orders","iat":1800000000,"exp":1800000060,"jti":"AAAAAAAAAAAAAAAAAAAAAA","client_id":"t-9"}"#
        );
    }
}
