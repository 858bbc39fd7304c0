//! Verifying an access token.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use serde::{Deserialize, Deserializer};

use super::{AccessTokenFault, CLOCK_SKEW, Expected, Outcome, Verified, first_segment};
use crate::json::Object;
use crate::keyring::{Key, KeyRing};
use crate::time::Timestamp;

/// Verifies a credential at `now`, if it is an access token of one of the ring's keys.
///
/// In this order: the key is accepted; three segments; the signature, in constant time; then, and not before, the
/// claims: all of RFC 9068, 2.2, present once; `iss` exact; `aud` one
/// string, the token audience or `<token audience>/<service>`; `now < exp`; `iat` and
/// `nbf` at most [`CLOCK_SKEW`] ahead. Claims that are not named there are ignored.
#[must_use]
pub fn verify(
    ring: &KeyRing,
    credential: &[u8],
    expected: &Expected<'_>,
    now: Timestamp,
) -> Outcome {
    let Some(key) = first_segment(credential).and_then(|header| ring.by_header(header)) else {
        return Outcome::NotOurs;
    };
    match verify_by(key, credential, expected, now) {
        Ok(verified) => Outcome::Verified(verified),
        Err(fault) => Outcome::Refused(fault),
    }
}

/// Verifies a credential whose first segment is the header of this key; see [`verify`].
pub(crate) fn verify_by(
    key: &Key,
    credential: &[u8],
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Verified, AccessTokenFault> {
    let mac = key.usable(now)?;
    let payload = signed_payload(mac.clone(), key.header(), credential)?;
    let claims: Claims<'_> =
        serde_json::from_slice(&payload).map_err(|_| AccessTokenFault::BadClaims)?;
    if claims.iss != expected.issuer {
        return Err(AccessTokenFault::WrongIssuer);
    }
    let service = narrowed(&claims.aud, expected.token_audience)?;
    let nbf = Timestamp::from_secs(claims.nbf);
    if nbf > now.saturating_add(CLOCK_SKEW) {
        return Err(AccessTokenFault::NotYetValid);
    }
    let verified = Verified {
        jti: decode_exactly(claims.jti.as_bytes()).ok_or(AccessTokenFault::BadClaims)?,
        iat: Timestamp::from_secs(claims.iat),
        exp: Timestamp::from_secs(claims.exp),
        nbf,
        service: service.map(str::to_owned),
        sub: claims.sub.into_owned(),
        client_id: claims.client_id.into_owned(),
    };
    verified.still_valid(now)?;
    Ok(verified)
}

/// The decoded payload of a credential whose first segment is `header`, once the signature over both has proved right.
fn signed_payload(
    mac: hmac::Hmac<sha2::Sha256>,
    header: &str,
    credential: &[u8],
) -> Result<Vec<u8>, AccessTokenFault> {
    // From the end, where the signature is short.
    let last_dot = credential.iter().rposition(|byte| *byte == b'.');
    let (signed, signature) = last_dot
        .and_then(|dot| Some((credential.get(..dot)?, credential.get(dot + 1..)?)))
        .ok_or(AccessTokenFault::Malformed)?;
    let payload = signed
        .get(header.len() + 1..)
        .filter(|payload| !payload.contains(&b'.'))
        .ok_or(AccessTokenFault::Malformed)?;
    let signature: [u8; 32] = decode_exactly(signature).ok_or(AccessTokenFault::Malformed)?;
    mac.chain_update(signed)
        .verify_slice(&signature)
        .map_err(|_| AccessTokenFault::BadSignature)?;
    // Only a holder of the key gets this far, so a payload is not worth decoding before.
    URL_SAFE_NO_PAD
        .decode(payload)
        .map_err(|_| AccessTokenFault::Malformed)
}

/// The service that an audience is narrowed to: `<token audience>/<service>`. A token audience holds no `/`, so the two
/// cannot be confused.
fn narrowed<'a>(
    audience: &'a str,
    token_audience: &str,
) -> Result<Option<&'a str>, AccessTokenFault> {
    match audience.strip_prefix(token_audience) {
        Some("") => Ok(None),
        Some(rest) => match rest.strip_prefix('/') {
            Some(service) if !service.is_empty() => Ok(Some(service)),
            _ => Err(AccessTokenFault::WrongAudience),
        },
        None => Err(AccessTokenFault::WrongAudience),
    }
}

/// Decodes canonical, unpadded base64url of exactly `N` bytes, without allocating.
///
/// Canonical: bits past the last byte are zero, so that a signature has one text and a token cannot be altered into
/// another good one.
fn decode_exactly<const N: usize>(encoded: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    match URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes) {
        Ok(length) if length == N => Some(bytes),
        _ => None,
    }
}

/// The claims that are read. Serde refuses one that stands there twice.
#[derive(Deserialize)]
#[serde(remote = "Self")]
struct Claims<'a> {
    #[serde(borrow)]
    iss: Cow<'a, str>,
    #[serde(borrow)]
    sub: Cow<'a, str>,
    #[serde(borrow)]
    aud: Cow<'a, str>,
    iat: u64,
    exp: u64,
    /// Never written here. Absent, it is the beginning of time; a number and nothing else (not `null`) if present.
    #[serde(default)]
    nbf: u64,
    #[serde(borrow)]
    jti: Cow<'a, str>,
    #[serde(borrow)]
    client_id: Cow<'a, str>,
}

/// A claims set is an object (RFC 7519, 7.2).
impl<'de> Deserialize<'de> for Claims<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(Object(deserializer))
    }
}
