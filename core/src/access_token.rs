//! Access tokens: short-lived JWTs (RFC 7519, HS256) with the claims of RFC 9068, made here and verified here.
//!
//! The JOSE header is never parsed. A token is one of ours exactly if its first segment is, byte for byte, the header
//! that one of our keys writes; so `alg`, `typ` and whatever else a header may hold are the key's to say, not the
//! caller's (RFC 8725, 3.1).

mod mint;
mod remembered;
#[cfg(test)]
mod tests;
mod verify;

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::keyring::KeyFault;
use crate::time::{Seconds, Timestamp};

pub use mint::{MintFailed, NewClaims, mint};
pub(crate) use remembered::{Facts, Remembered, verify_or_remember};
pub use verify::verify;

/// How far `iat` and `nbf` may lie ahead, since the clocks of two gateways differ. `exp` has no such leeway.
pub const CLOCK_SKEW: Seconds = Seconds::new(60);

/// The first segment of a credential in segments, without the `.` after it: what [`crate::keyring::KeyRing::by_header`]
/// knows the tokens of its keys by. `None` if there is no `.`.
#[must_use]
pub fn first_segment(credential: &[u8]) -> Option<&[u8]> {
    let end = credential.iter().position(|byte| *byte == b'.')?;
    credential.get(..end)
}

/// A new access token: a secret, wiped from memory when dropped, and not printable by accident.
#[derive(Clone)]
pub struct AccessToken(Zeroizing<String>);

impl AccessToken {
    /// The token itself, for the caller that exchanged its API token.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken([redacted])")
    }
}

/// Who must have issued a token, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// `iss`, exactly.
    pub issuer: &'a str,
    /// `aud`, exactly.
    pub token_audience: &'a str,
}

/// What [`verify`] found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// No access token of one of our keys; perhaps another kind of credential.
    NotOurs,
    /// An access token that is good now. Whether its API token and its person still are is the policy's to say.
    Verified(Verified),
    /// An access token of one of our keys, and not good. It is no other kind of credential either.
    Refused(AccessTokenFault),
}

/// The claims of a token that is good now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verified {
    /// The service that the token is narrowed to; `None`: it is good at all of them.
    pub service: Option<String>,
    /// The person's id.
    pub sub: String,
    /// The id of the API token that was exchanged for it.
    pub client_id: String,
    /// The token's own id.
    pub jti: [u8; 16],
    /// When it was issued.
    pub iat: Timestamp,
    /// From when on it is refused.
    pub exp: Timestamp,
    /// From when on it is good, if it says so; tokens that are made here do not.
    pub(crate) nbf: Timestamp,
}

impl Verified {
    /// The check that remains when a verification is remembered: whether the token is still good at `now`.
    ///
    /// # Errors
    /// [`AccessTokenFault::Expired`]; or [`AccessTokenFault::IssuedInFuture`], if the clock has gone back.
    pub fn still_valid(&self, now: Timestamp) -> Result<(), AccessTokenFault> {
        check_times(self.iat, self.exp, now)
    }
}

/// What remains to be checked when a verification is remembered; see [`Verified::still_valid`].
pub(crate) fn check_times(
    iat: Timestamp,
    exp: Timestamp,
    now: Timestamp,
) -> Result<(), AccessTokenFault> {
    if now >= exp {
        return Err(AccessTokenFault::Expired);
    }
    if iat > now.saturating_add(CLOCK_SKEW) {
        return Err(AccessTokenFault::IssuedInFuture);
    }
    Ok(())
}

/// The rule that an access token breaks. For logs and metrics only: a caller learns no more than `invalid_token`.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum AccessTokenFault {
    /// It has not three segments, or one is not canonical base64url.
    #[error("is not three segments of canonical base64url")]
    Malformed,
    /// It was signed with another key, or altered.
    #[error("has a wrong signature")]
    BadSignature,
    /// The policy has revoked its key.
    #[error("is signed with a revoked key")]
    KeyRevoked,
    /// Its key's `not_after` has come.
    #[error("is signed with a key whose time is over")]
    KeyExpired,
    /// This gateway does not hold the root of its key.
    #[error("is signed with a key whose root this gateway lacks")]
    RootMissing,
    /// Its payload is not the JSON object that RFC 9068 describes: a claim is missing, twice there or of another type.
    #[error("has claims missing, twice or of a wrong type")]
    BadClaims,
    /// `iss` is another issuer.
    #[error("is of another issuer")]
    WrongIssuer,
    /// `aud` is another audience.
    #[error("is for another audience")]
    WrongAudience,
    /// `exp` has come.
    #[error("has expired")]
    Expired,
    /// `iat` lies further ahead than clocks differ.
    #[error("was issued in the future")]
    IssuedInFuture,
    /// `nbf` lies further ahead than clocks differ.
    #[error("is not valid yet")]
    NotYetValid,
}

impl From<KeyFault> for AccessTokenFault {
    fn from(fault: KeyFault) -> Self {
        match fault {
            KeyFault::Revoked => Self::KeyRevoked,
            KeyFault::Expired => Self::KeyExpired,
            KeyFault::RootMissing => Self::RootMissing,
        }
    }
}
