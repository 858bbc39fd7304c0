//! A caller by the id of an API token, for whoever asks what it may do.

use thiserror::Error;

use crate::access_token::{AccessToken, NewClaims, mint};
use crate::gate::Gate;
use crate::random::{Random, RandomFailed};
use crate::time::Timestamp;

/// Why an API token has no access token.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum NoAccessToken {
    /// The policy has no such API token.
    #[error("there is no such token in the policy")]
    UnknownToken,
    /// No key signs at that instant.
    #[error("no key signs access tokens at that instant")]
    NoKey,
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

/// An access token of the API token with this id, issued at `now` for the gateway's `exchange.ttl`.
///
/// It is not exchanged but signed directly, so there is one also for an API token that no exchange accepts any more: it
/// stands for an access token made before that.
///
/// # Errors
/// [`NoAccessToken`].
pub fn access_token_of(
    gate: &Gate,
    id: &str,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<AccessToken, NoAccessToken> {
    let policy = gate.policy();
    let token = policy.token_by_id(id).ok_or(NoAccessToken::UnknownToken)?;
    let person = policy
        .person_of(&token)
        .ok_or(NoAccessToken::UnknownToken)?;
    let key = gate.keys().signer(now).ok_or(NoAccessToken::NoKey)?;
    let mut jti = [0; 16];
    random.fill(&mut jti)?;
    let config = gate.config();
    let claims = NewClaims {
        iss: &config.issuer,
        sub: &policy.store().id_text(person.id),
        aud: &config.token_audience,
        iat: now,
        exp: now.saturating_add(config.ttl),
        jti,
        client_id: id,
    };
    // A claim that cannot be written is no fault of the caller; there is no key that could sign it.
    mint(&key, &claims).map_err(|_| NoAccessToken::NoKey)
}
