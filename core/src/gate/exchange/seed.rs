//! The form that clients of the original system use: the API token in `Authorization: Bearer`, no body that matters, and
//! `RawToken` and `LifeTime` in the answer. Answered at headers, so that it works on every host.

use serde::Serialize;

use super::{check_target, exchange};
use crate::canonical::CanonicalPath;
use crate::gate::Gate;
use crate::gate::answer::{Answer, no_store};
use crate::gate::decide::{Decided, Refusal, bearer};
use crate::gate::outcome::{Action, Known};
use crate::random::Random;
use crate::reason::Reason;
use crate::request::RequestHead;
use crate::time::Timestamp;

/// The answer of the original system: `LifeTime` is an instant, despite its name.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    raw_token: &'a str,
    life_time: String,
}

/// Answers a request to the exchange's path, which never goes on to an upstream.
pub(in crate::gate) fn answer<'a>(
    gate: &'a Gate,
    head: &RequestHead<'a>,
    method: &str,
    path: &CanonicalPath<'_>,
    now: Timestamp,
    random: &mut dyn Random,
) -> Decided<'a> {
    check_target(method, path)?;
    let credential = bearer(head)?;
    gate.refuse_own_tokens(credential)?;
    let token = gate.exchangeable(credential, now)?;
    let known = Known::token(token);
    let told = |reason| Refusal::knowing(reason, known);
    let exchanged = exchange(gate, &token, None, now, random).map_err(told)?;
    let body = Body {
        raw_token: exchanged.token.expose(),
        life_time: exchanged.exp.to_string(),
    };
    let body = serde_json::to_string(&body).map_err(|_| told(Reason::NoKey))?;
    Ok((Action::Answer(success(body)), Reason::Exchanged, known))
}

/// An answer that holds a token.
pub(super) fn success(body: String) -> Answer {
    Answer {
        status: 200,
        headers: no_store("application/json").into(),
        body,
        grpc_status: None,
    }
}
