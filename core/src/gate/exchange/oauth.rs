//! The exchange in the terms of OAuth: client credentials by Basic (RFC 6749, section 4.4), answered at headers, and a
//! token exchange with a form (RFC 8693), for which the body has to be awaited.

use serde::Serialize;

use super::seed::success;
use super::{check_target, exchange};
use crate::api_token::{self, TokenHash};
use crate::canonical::CanonicalPath;
use crate::decision_id::DecisionId;
use crate::gate::Gate;
use crate::gate::decide::{Decided, Refusal};
use crate::gate::outcome::{Action, Known, Outcome, Terms};
use crate::oauth::basic::{ClientCredentials, is_basic};
use crate::oauth::form::TokenExchange;
use crate::oauth::{ACCESS_TOKEN_TYPE, MAX_FORM_LENGTH};
use crate::policy::TokenRow;
use crate::random::Random;
use crate::reason::Reason;
use crate::request::RequestHead;
use crate::time::Timestamp;

/// The hash of nothing; no policy may have it.
const NOBODYS: TokenHash = TokenHash::from_bytes([0; 32]);

/// RFC 6749, section 5.1, and for a token exchange RFC 8693, section 2.2.1.
#[derive(Serialize)]
struct Body<'a> {
    access_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
}

/// Answers a request to the exchange's path for OAuth clients, or has its form awaited. It never goes on to an upstream.
pub(in crate::gate) fn answer<'a>(
    gate: &'a Gate,
    head: &RequestHead<'a>,
    method: &str,
    path: &CanonicalPath<'_>,
    now: Timestamp,
    random: &mut dyn Random,
) -> Decided<'a> {
    let client = |reason: Reason| Refusal::in_terms(reason, Terms::OAuthClient);
    check_target(method, path).map_err(client)?;
    match head.authorization().map_err(|fault| client(fault.into()))? {
        // Hosts hand two headers over as one, joined by a comma, which no base64 has.
        Some(value) if value.contains(&b',') => Err(client(Reason::SeveralCredentials)),
        Some(value) if is_basic(value) => client_credentials(gate, value, now, random)
            .map_err(|refusal| refusal.put_in(Terms::OAuthClient)),
        Some(_) => Err(client(Reason::OtherScheme)),
        None if !gate.config().form => Err(client(Reason::FormUnsupported)),
        None => await_form(head),
    }
}

fn client_credentials<'a>(
    gate: &'a Gate,
    value: &[u8],
    now: Timestamp,
    random: &mut dyn Random,
) -> Decided<'a> {
    let credentials = ClientCredentials::read(value).ok_or(Reason::ClientMalformed)?;
    gate.refuse_own_tokens(&credentials.secret)?;
    let token = client(gate, &credentials)?;
    gate.in_force(&token, now)?;
    exchanged(gate, &token, None, now, random, None)
}

/// The API token of which a client has both the id and the secret.
///
/// A wrong id takes as long as a wrong secret: both are looked up whatever the other comes to, and a hash that is not
/// there is compared all the same. Nothing more is known of either refusal, since telling it to the host takes time, too.
fn client(gate: &Gate, credentials: &ClientCredentials) -> Result<TokenRow, Reason> {
    let policy = gate.policy();
    let hash = api_token::inspect(&credentials.secret)?;
    let by_secret = policy.token_by_hash(&hash);
    let is_known = by_secret.is_some() || hash.matches(&NOBODYS);
    let id = str::from_utf8(&credentials.id).unwrap_or_default();
    let by_id = policy.store().id_code(id);
    match by_secret {
        Some(token) if by_id == Some(token.id) => Ok(token),
        _ if is_known => Err(Reason::ClientMismatch),
        _ => Err(Reason::ApiTokenUnknown),
    }
}

/// The body is taken only if it can be what the exchange reads.
fn await_form<'a>(head: &RequestHead<'a>) -> Decided<'a> {
    let refuse = |reason: Reason| Err(Refusal::in_terms(reason, Terms::OAuthForm));
    match head.content_length() {
        // Without a body the host would never hand one over, and the request would wait for it.
        _ if !head.form => return refuse(Reason::FormMalformed),
        Some(0) => return refuse(Reason::FormMalformed),
        Some(length) if length > MAX_FORM_LENGTH as u64 => return refuse(Reason::FormTooLong),
        _ => {}
    }
    Ok((Action::AwaitForm, Reason::Exchanged, Known::default()))
}

fn exchanged<'a>(
    gate: &'a Gate,
    token: &TokenRow,
    service: Option<&str>,
    now: Timestamp,
    random: &mut dyn Random,
    issued_token_type: Option<&'static str>,
) -> Decided<'a> {
    let known = Known::token(*token);
    let told = |reason| Refusal::knowing(reason, known);
    let exchanged = exchange(gate, token, service, now, random).map_err(told)?;
    let body = Body {
        access_token: exchanged.token.expose(),
        issued_token_type,
        token_type: "Bearer",
        expires_in: exchanged.exp.saturating_since(now).as_secs(),
    };
    let body = serde_json::to_string(&body).map_err(|_| told(Reason::NoKey))?;
    Ok((Action::Answer(success(body)), Reason::Exchanged, known))
}

fn token_exchange<'a>(
    gate: &'a Gate,
    form: &[u8],
    now: Timestamp,
    random: &mut dyn Random,
) -> Decided<'a> {
    if form.len() > MAX_FORM_LENGTH {
        return Err(Reason::FormTooLong.into());
    }
    let asked = TokenExchange::read(form)?;
    let credential = asked.subject_token.as_bytes();
    gate.refuse_own_tokens(credential)?;
    let token = gate.exchangeable(credential, now)?;
    let service = asked.audience.as_deref();
    // After the look-up: only a client with a good token learns which services there are.
    if service.is_some_and(|service| !gate.policy().has_service(service)) {
        return Err(Refusal::knowing(
            Reason::AudienceUnknown,
            Known::token(token),
        ));
    }
    exchanged(gate, &token, service, now, random, Some(ACCESS_TOKEN_TYPE))
}

/// Answers a form that was awaited.
pub(in crate::gate) fn answer_form<'a>(
    gate: &'a Gate,
    form: &[u8],
    now: Option<Timestamp>,
    decision: DecisionId,
    random: &mut dyn Random,
) -> Outcome<'a> {
    let decided = match now {
        Some(now) => token_exchange(gate, form, now, random),
        None => Err(Reason::Clock.into()),
    };
    gate.outcome(decided, decision, Terms::OAuthForm)
}
