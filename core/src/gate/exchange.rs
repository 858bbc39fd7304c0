//! The exchange of an API token for an access token, in three forms that say the same: that of the original system, OAuth
//! client credentials, and a token exchange with a form.

mod oauth;
mod seed;

use super::Gate;
use crate::access_token::{AccessToken, NewClaims, first_segment, mint};
use crate::canonical::CanonicalPath;
use crate::policy::document::Expiry;
use crate::policy::{MAX_ACCESS_TOKEN_LIFE, TokenRow};
use crate::random::Random;
use crate::reason::Reason;
use crate::time::Timestamp;

pub(super) use oauth::{answer as oauth, answer_form};
pub(super) use seed::answer as seed;

/// An access token and its end.
struct Exchanged {
    token: AccessToken,
    exp: Timestamp,
}

/// Each form of the exchange takes POST alone, and no query, which would get into logs.
fn check_target(method: &str, path: &CanonicalPath<'_>) -> Result<(), Reason> {
    if method != "POST" {
        return Err(Reason::ExchangeMethod);
    }
    if path.query().is_some_and(|query| !query.is_empty()) {
        return Err(Reason::ExchangeQuery);
    }
    Ok(())
}

/// Makes an access token for an API token that an exchange accepts, narrowed to a service if one is named.
fn exchange(
    gate: &Gate,
    token: &TokenRow,
    service: Option<&str>,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<Exchanged, Reason> {
    let key = gate.keys.signer(now).ok_or(Reason::NoKey)?;
    let person = gate.policy.person_of(token).ok_or(Reason::PersonInactive)?;
    if token.valid_from.max(person.valid_from) > Some(now) {
        // The token would be void from the start: this clock is behind that of whoever ended the sessions.
        return Err(Reason::Clock);
    }
    let mut jti = [0; 16];
    random.fill(&mut jti).map_err(|_| Reason::Randomness)?;

    let exp = now.saturating_add(gate.config.ttl.min(MAX_ACCESS_TOKEN_LIFE));
    let exp = match token.expires_at {
        Expiry::At(end) => exp.min(end),
        Expiry::Never => exp,
    };
    let audience = &gate.config.token_audience;
    let narrowed = service.map(|service| format!("{audience}/{service}"));
    let store = gate.policy.store();
    let claims = NewClaims {
        iss: &gate.config.issuer,
        sub: &store.id_text(person.id),
        aud: narrowed.as_deref().unwrap_or(audience),
        iat: now,
        exp,
        jti,
        client_id: &store.id_text(token.id),
    };
    let token = mint(&key, &claims).map_err(|_| Reason::NoKey)?;
    Ok(Exchanged { token, exp })
}

impl Gate {
    /// Refuses a credential that is a token of ours, good or not: such a one is never looked up as an API token.
    fn refuse_own_tokens(&self, credential: &[u8]) -> Result<(), Reason> {
        let Some(header) = first_segment(credential) else {
            return Ok(());
        };
        if self.keys.by_header(header).is_some() {
            return Err(Reason::AccessTokenAtExchange);
        }
        if self.keys.is_service_header(header) {
            return Err(Reason::ServiceTokenPresented);
        }
        Ok(())
    }
}
