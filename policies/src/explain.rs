//! Why a request is allowed or refused: the gate's decision, with everything in the policy that it rests on.

#[cfg(test)]
mod tests;
mod text;

use postern_core::config::{Mode, OwnPath};
use postern_core::explain::{Place, Refused, header_names};
use postern_core::gate::{Action, Gate, Outcome, Record};
use postern_core::policy::document::{Document, Forward};
use postern_core::reason::Reason;
use postern_core::time::Timestamp;
use serde::Serialize;

use crate::prepared::{Caller, CallerError, Prepared};
use crate::request::Request;

pub use postern_core::explain::{AudienceView, PersonView, RoleView};

/// A decision, and why it is so. All paths lead into the policy.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// What becomes of the request; in shadow mode, what would become of it.
    pub decision: Decision,
    /// In shadow mode: that it goes on all the same. All else is said as if the gateway enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowView>,
    /// The reason's word, as in logs and metrics.
    pub reason: &'static str,
    /// What the reason means.
    pub sentence: String,
    /// The HTTP status of the gateway's own answer. None: the upstream answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The instant for which this holds.
    pub at: Timestamp,
    /// The request.
    pub request: Request,
    /// Who makes it.
    pub caller: CallerView,
    /// For a caller with an access token: how it would get one now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<ExchangeView>,
    /// The member of the configuration whose path the request is for, which the filter answers itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_path: Option<&'static str>,
    /// The public route that the request is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<String>,
    /// For a CORS preflight that goes on: what says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preflight: Option<String>,
    /// The method that the request is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<MethodView>,
    /// The audiences that must admit the caller: the method's own or its service's, or both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<AudienceView>,
    /// What the upstream gets, if it is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<UpstreamView>,
    /// For a refusal: what would have to change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<String>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It goes on to the upstream.
    Allowed,
    /// The gateway answers it itself, and well: an exchange, the key set, its readiness.
    Answered,
    /// The gateway refuses it.
    Refused,
}

/// Shadow mode, in which nothing is refused.
#[derive(Clone, Debug, Serialize)]
pub struct ShadowView {
    /// From when the gateway enforces.
    pub until: Timestamp,
    /// Names of the request's headers that the gateway removes all the same.
    pub removed: Vec<String>,
}

/// Who makes a request.
#[derive(Clone, Debug, Serialize)]
pub struct CallerView {
    /// What is sent.
    pub credential: String,
    /// The path of the API token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The person that the API token acts for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonView>,
}

/// What an exchange of the caller's API token gives.
#[derive(Clone, Debug, Serialize)]
pub struct ExchangeView {
    /// The reason's word.
    pub reason: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// When the access token ends, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// A method of the policy.
#[derive(Clone, Debug, Serialize)]
pub struct MethodView {
    /// The service's name.
    pub service: String,
    /// The method's name.
    pub method: String,
    /// Its path in the policy.
    pub path: String,
    /// Its HTTP methods.
    pub http: Vec<String>,
    /// Its pattern, below the service's base path.
    pub pattern: String,
}

/// What the upstream gets.
#[derive(Clone, Debug, Serialize)]
pub struct UpstreamView {
    /// Headers that the gateway sets.
    pub set: Vec<(String, String)>,
    /// The service whose token takes the place of the caller's `Authorization`. The token itself is told to nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_token: Option<String>,
    /// Names of the request's headers that the gateway removes.
    pub removed: Vec<String>,
}

/// Asks the gate about a request at `at`, and explains its answer by `policy`, which is the one that was prepared.
///
/// # Errors
/// [`CallerError`], if the policy has no such API token.
pub fn explain(
    prepared: &Prepared,
    policy: &Document,
    caller: &Caller,
    request: &Request,
    at: Timestamp,
) -> Result<Explanation, CallerError> {
    let exchange = match caller {
        Caller::Access(id) => Some(try_exchange(prepared, id, at)?),
        _ => None,
    };
    let authorization = match prepared.authorization(caller, at) {
        Ok(authorization) => authorization,
        // Then the exchange has said why.
        Err(CallerError::NoKey) => None,
        Err(error) => return Err(error),
    };
    let pairs = request.header_pairs(authorization.as_ref().map(|value| value.as_str()));
    let gate = prepared.gate();
    let (mut reason, mut explanation) = prepared.decide_enforcing(&pairs, at, |outcome| {
        let explanation = of_outcome(gate, policy, caller, request, at, &outcome);
        (outcome.record.reason, explanation)
    });
    let asked = request.asked();
    explanation.own_path = asked.own_path(gate).map(OwnPath::member);
    if reason == Reason::Preflight {
        let service = asked.preflight_service(gate);
        explanation.preflight = service.map(|at| format!("services[{at}].preflight"));
    }
    explanation.shadow = shadow(prepared, &pairs, at);
    if let Some(exchange) = &exchange
        && authorization.is_none()
        && let Some(of_exchange) = Reason::ALL
            .iter()
            .find(|reason| reason.as_str() == exchange.reason)
    {
        // There is no access token to send, so the caller gets no further than the exchange.
        reason = *of_exchange;
        explanation.decision = Decision::Refused;
        explanation.reason = exchange.reason;
        explanation.sentence = reason.sentence().to_owned();
        explanation.status = Some(exchange.status);
        explanation.upstream = None;
    }
    explanation.exchange = exchange;
    if explanation.decision == Decision::Refused {
        let names = explanation.method.as_ref();
        let refused = Refused {
            gate,
            policy,
            asked,
            reason,
            at,
            token: explanation.caller.token.as_deref(),
            person: explanation.caller.person.as_ref(),
            place: names.and_then(|names| Place::find(policy, &names.service, &names.method)),
            audiences: &explanation.audiences,
        };
        explanation.advice = refused.advice();
    }
    Ok(explanation)
}

fn try_exchange(prepared: &Prepared, id: &str, at: Timestamp) -> Result<ExchangeView, CallerError> {
    let config = prepared.gate().config();
    let request = Request {
        method: "POST".to_owned(),
        authority: config.hosts.first().cloned().unwrap_or_default(),
        path: config.exchange_path().to_owned(),
        headers: Vec::new(),
    };
    let authorization = prepared.authorization(&Caller::Api(id.to_owned()), at)?;
    let pairs = request.header_pairs(authorization.as_ref().map(|value| value.as_str()));
    Ok(prepared.decide_enforcing(&pairs, at, |outcome| {
        let (status, expires_at) = match &outcome.action {
            Action::Answer(answer) if answer.status == 200 => {
                let body = serde_json::from_str::<serde_json::Value>(&answer.body).ok();
                let end = body.and_then(|body| body.get("LifeTime")?.as_str().map(str::to_owned));
                (200, end)
            }
            Action::Answer(answer) => (answer.status, None),
            _ => (503, None),
        };
        ExchangeView {
            reason: outcome.record.reason.as_str(),
            status,
            expires_at,
        }
    }))
}

/// What becomes of the request in shadow mode, if the gateway is in it at `at`.
fn shadow(prepared: &Prepared, pairs: &[(String, String)], at: Timestamp) -> Option<ShadowView> {
    let Mode::ShadowUntil(until) = prepared.gate().config().mode else {
        return None;
    };
    prepared.decide(pairs, at, |outcome| match &outcome.action {
        Action::Forward(forward) if outcome.record.shadow => Some(ShadowView {
            until,
            removed: header_names(&forward.remove),
        }),
        _ => None,
    })
}

fn of_outcome(
    gate: &Gate,
    policy: &Document,
    caller: &Caller,
    request: &Request,
    at: Timestamp,
    outcome: &Outcome<'_>,
) -> Explanation {
    let record = &outcome.record;
    let token = record.token.as_deref().or(match caller {
        Caller::Access(id) | Caller::Api(id) => Some(id.as_str()),
        _ => None,
    });
    let audiences = place_of(policy, record).map_or_else(Vec::new, |place| {
        AudienceView::all(gate, policy, place, request.asked(), token)
    });
    let token = token.and_then(|id| policy.tokens.iter().position(|token| token.id == id));
    let person = token
        .and_then(|at| policy.tokens.get(at))
        .and_then(|token| {
            policy
                .persons
                .iter()
                .find(|person| person.id == token.person)
        });
    let place = place_of(policy, record);
    let (decision, status, upstream) = match &outcome.action {
        Action::Forward(forward) => {
            let reissued = place.filter(|place| place.service.forward == Forward::Reissue);
            // A service token is a credential, so its header is not shown as the others are.
            let set = forward
                .set
                .iter()
                .filter(|(name, _)| *name != "authorization");
            let view = UpstreamView {
                set: set
                    .map(|(name, value)| ((*name).to_owned(), value.as_str().to_owned()))
                    .collect(),
                service_token: reissued.map(|place| place.service.name.clone()),
                removed: header_names(&forward.remove),
            };
            (Decision::Allowed, None, Some(view))
        }
        Action::Answer(answer) if record.reason.problem().is_none() => {
            (Decision::Answered, Some(answer.status), None)
        }
        Action::Answer(answer) => (Decision::Refused, Some(answer.status), None),
        _ => (Decision::Refused, None, None),
    };
    let public = (record.reason == Reason::Public)
        .then(|| request.asked().public_route(policy))
        .flatten();
    Explanation {
        decision,
        shadow: None,
        reason: record.reason.as_str(),
        sentence: request.asked().sentence(record.reason),
        status,
        at,
        request: request.clone(),
        caller: CallerView {
            credential: caller.to_string(),
            token: token.map(|at| format!("tokens[{at}]")),
            person: person.map(PersonView::of),
        },
        exchange: None,
        own_path: None,
        public,
        preflight: None,
        method: place.map(MethodView::of),
        audiences,
        upstream,
        advice: Vec::new(),
    }
}

fn place_of<'p>(policy: &'p Document, record: &Record<'_>) -> Option<Place<'p>> {
    Place::find(policy, record.service?, record.method?)
}

impl MethodView {
    fn of(place: Place<'_>) -> Self {
        Self {
            service: place.service.name.clone(),
            method: place.method.name.clone(),
            path: place.path(),
            http: place.method.http.clone(),
            pattern: place.pattern(),
        }
    }
}
