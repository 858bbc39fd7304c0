//! Making an access token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use serde::{Serialize, Serializer};
use thiserror::Error;
use zeroize::Zeroizing;

use super::AccessToken;
use crate::keyring::SigningKey;
use crate::time::Timestamp;

/// The claims of a new access token, in the order in which they are written (RFC 9068, 2.2).
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NewClaims<'a> {
    /// The issuer.
    pub iss: &'a str,
    /// The person's id.
    pub sub: &'a str,
    /// The token audience.
    pub aud: &'a str,
    /// Now.
    #[serde(serialize_with = "numeric_date")]
    pub iat: Timestamp,
    /// From when on the token is refused.
    #[serde(serialize_with = "numeric_date")]
    pub exp: Timestamp,
    /// 16 random bytes, written in base64url.
    #[serde(serialize_with = "base64url")]
    pub jti: [u8; 16],
    /// The id of the API token that is exchanged.
    pub client_id: &'a str,
}

/// Writes and signs an access token.
///
/// # Errors
/// [`MintFailed`], if the claims cannot be written as JSON.
pub fn mint(key: &SigningKey<'_>, claims: &NewClaims<'_>) -> Result<AccessToken, MintFailed> {
    let payload = serde_json::to_vec(claims).map_err(|_| MintFailed)?;
    let header = key.header();
    // The capacity is the final length: a string that grows leaves copies behind that nothing wipes.
    let length = header.len() + 1 + encoded_len(payload.len()) + 1 + encoded_len(32);
    let mut token = Zeroizing::new(String::with_capacity(length));
    token.push_str(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(&payload, &mut token);
    let signature = key
        .mac()
        .chain_update(token.as_bytes())
        .finalize()
        .into_bytes();
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(AccessToken(token))
}

/// The claims could not be written as JSON. Texts and numbers always can be, so this does not happen; but a caller that
/// must not panic has to say what it would do.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the claims of an access token cannot be written as JSON")]
pub struct MintFailed;

fn numeric_date<S: Serializer>(instant: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(instant.as_secs())
}

fn base64url<S: Serializer>(bytes: &[u8; 16], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
}

fn encoded_len(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}
