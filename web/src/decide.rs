//! `decide`: the gate's decision, as a page shows it.

use postern_core::decision_id::DecisionIds;
use postern_core::explain::header_names;
use postern_core::gate::{Action, Answer, Gate, Outcome};
use postern_core::reason::Reason;
use postern_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::gateway;
use crate::instant::Instant;
use crate::js::{self, Failure, PageRandom};
use crate::request::Request;

/// What `decide` is given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Arguments {
    configuration: Value,
    root_keys: Option<String>,
    #[serde(default)]
    throwaway: bool,
    request: Request,
    now: Instant,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// It goes on to the upstream.
    Allowed,
    /// The gateway answers it itself, and well.
    Answered,
    /// The gateway refuses it.
    Refused,
}

/// A decision.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Decision {
    pub(crate) decision: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(serialize_with = "word")]
    pub(crate) reason: Reason,
    pub(crate) sentence: String,
    shadow: bool,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    headers_set: Vec<(&'static str, String)>,
    headers_removed: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<AnswerView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AnswerView {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc_status: Option<u32>,
}

fn word<S: serde::Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.as_str())
}

/// Decides on a request.
pub(crate) fn decide(arguments: Arguments) -> Result<Decision, Failure> {
    let root_keys = match (arguments.root_keys, arguments.throwaway) {
        (Some(keys), false) => Zeroizing::new(keys),
        (None, true) => {
            // A text that is no JSON is left to the gate, whose fault says where.
            let configuration = gateway::value_of(&arguments.configuration).unwrap_or_default();
            gateway::throwaway_keys(&configuration)?
        }
        _ => {
            return Err(js::type_error(
                "give either rootKeys or throwaway: true, and not both",
            ));
        }
    };
    let Instant(now) = arguments.now;
    let configuration = gateway::text_of(&arguments.configuration);
    let gate = gateway::gate(&configuration, &root_keys, now)?;
    ask(&gate, &arguments.request, None, now)
}

/// Asks a gate about a request, to which an `authorization` may be added.
pub(crate) fn ask(
    gate: &Gate,
    request: &Request,
    authorization: Option<&str>,
    now: Timestamp,
) -> Result<Decision, Failure> {
    let mut random = PageRandom;
    let ids = DecisionIds::seeded(&mut random).map_err(|fault| js::error(&fault.to_string()))?;
    let headers = request.encoded(authorization);
    let no_body = request.body.is_none();
    let mut outcome = gate.decide(&headers, no_body, Some(now), ids.next_id(), &mut random);
    if matches!(outcome.action, Action::AwaitForm) {
        let form = request.body.as_deref().unwrap_or_default();
        outcome = gate.decide_form(form.as_bytes(), Some(now), outcome.record.id, &mut random);
    }
    Ok(Decision::of(outcome, request))
}

impl Decision {
    fn of(outcome: Outcome<'_>, request: &Request) -> Self {
        let record = outcome.record;
        let (decision, headers_set, headers_removed, answer) = match outcome.action {
            Action::Forward(forward) => {
                let removed = header_names(&forward.remove);
                let set = forward.set.iter();
                let set = set.map(|(name, value)| (*name, value.as_str().to_owned()));
                (Kind::Allowed, set.collect(), removed, None)
            }
            Action::Answer(answer) => {
                let kind = match record.reason.problem() {
                    None => Kind::Answered,
                    Some(_) => Kind::Refused,
                };
                (kind, Vec::new(), Vec::new(), Some(AnswerView::of(answer)))
            }
            _ => (Kind::Refused, Vec::new(), Vec::new(), None),
        };
        Self {
            decision,
            status: answer.as_ref().map(|answer| answer.status),
            reason: record.reason,
            sentence: request.asked().sentence(record.reason),
            shadow: record.shadow,
            id: record.id.to_string(),
            service: record.service.map(str::to_owned),
            method: record.method.map(str::to_owned),
            person: record.person.map(|id| id.to_string()),
            token: record.token.map(|id| id.to_string()),
            headers_set,
            headers_removed,
            answer,
        }
    }

    /// The caller has no access token to send, for this reason of the exchange.
    pub(crate) fn without_token(&mut self, exchange: Self) {
        self.decision = Kind::Refused;
        self.status = exchange.status;
        self.reason = exchange.reason;
        self.sentence = exchange.sentence;
        self.answer = exchange.answer;
        self.headers_set.clear();
        self.headers_removed.clear();
    }
}

impl AnswerView {
    fn of(answer: Answer) -> Self {
        Self {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
            grpc_status: answer.grpc_status,
        }
    }
}
