//! The exchange of an API token for an access token, in the form that clients of the original system use: the API token
//! in `Authorization: Bearer`, no body that matters, and `RawToken` and `LifeTime` in the answer.

use serde::Serialize;

use super::Gate;
use super::answer::Answer;
use super::decide::{Refusal, bearer};
use super::outcome::{Action, Known};
use crate::access_token::{NewClaims, mint};
use crate::canonical::CanonicalPath;
use crate::policy::document::Expiry;
use crate::policy::{MAX_ACCESS_TOKEN_LIFE, TokenRow};
use crate::random::Random;
use crate::reason::Reason;
use crate::request::RequestHead;
use crate::time::Timestamp;

/// The answer of the original system: `LifeTime` is an instant, despite its name.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Exchanged<'a> {
    raw_token: &'a str,
    life_time: String,
}

/// Answers a request to the exchange's path, which never goes on to an upstream.
pub(super) fn answer<'a>(
    gate: &'a Gate,
    head: &RequestHead<'a>,
    method: &str,
    path: &CanonicalPath<'_>,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<(Action<'a>, Reason, Known<'a>), Refusal<'a>> {
    if method != "POST" {
        return Err(Reason::ExchangeMethod.into());
    }
    if path.query().is_some_and(|query| !query.is_empty()) {
        return Err(Reason::ExchangeQuery.into());
    }
    let credential = bearer(head)?;
    if gate.is_access_token(credential) {
        return Err(Reason::AccessTokenAtExchange.into());
    }
    let token = gate.exchangeable(credential, now)?;
    let known = Known {
        token: Some(token),
        method: None,
    };
    let answer =
        exchange(gate, &token, now, random).map_err(|reason| Refusal::knowing(reason, known))?;
    Ok((Action::Answer(answer), Reason::Exchanged, known))
}

fn exchange(
    gate: &Gate,
    token: &TokenRow,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<Answer, Reason> {
    let key = gate.keys.signer(now).ok_or(Reason::NoKey)?;
    let person = gate.policy.person_of(token).ok_or(Reason::PersonInactive)?;
    let mut jti = [0; 16];
    random.fill(&mut jti).map_err(|_| Reason::Randomness)?;

    let exp = now.saturating_add(gate.config.ttl.min(MAX_ACCESS_TOKEN_LIFE));
    let exp = match token.expires_at {
        Expiry::At(end) => exp.min(end),
        Expiry::Never => exp,
    };
    let store = gate.policy.store();
    let access_token = mint(
        &key,
        &NewClaims {
            iss: &gate.config.issuer,
            sub: &store.id_text(person.id),
            aud: &gate.config.token_audience,
            iat: now,
            exp,
            jti,
            client_id: &store.id_text(token.id),
        },
    )
    .map_err(|_| Reason::NoKey)?;
    let exchanged = Exchanged {
        raw_token: access_token.expose(),
        life_time: exp.to_string(),
    };
    Ok(Answer {
        status: 200,
        headers: vec![
            ("content-type", "application/json".to_owned()),
            // RFC 6749, section 5.1: both, on every answer that holds a token.
            ("cache-control", "no-store".to_owned()),
            ("pragma", "no-cache".to_owned()),
        ],
        body: serde_json::to_string(&exchanged).map_err(|_| Reason::NoKey)?,
        grpc_status: None,
    })
}

impl Gate {
    /// Whether a credential is an access token of one of this policy's keys, good or not. Such a one is never looked up
    /// as an API token.
    fn is_access_token(&self, credential: &[u8]) -> bool {
        crate::access_token::first_segment(credential)
            .is_some_and(|header| self.keys.by_header(header).is_some())
    }
}
