//! `explain`: the gate's decision, with everything in the policy that it rests on.

use postern_core::explain::{AudienceView, PersonView, Place, Refused};
use postern_core::gate::Gate;
use postern_core::policy::document::Document;
use postern_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::caller::{self, Caller};
use crate::decide::{self, Decision, Kind};
use crate::gateway;
use crate::instant::Instant;
use crate::js::{self, Failure};
use crate::request::Request;

/// What `explain` is given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    configuration: Option<Value>,
    policy: Option<Value>,
    caller: Option<Caller>,
    request: Request,
    now: Instant,
}

/// A decision, and why it is so. All paths lead into the policy.
#[derive(Serialize)]
pub(crate) struct Explanation {
    #[serde(flatten)]
    decision: Decision,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<ExchangeView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<CallerView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<RuleView>,
    audiences: Vec<AudienceView>,
    advice: Vec<String>,
}

/// What an exchange of the caller's API token gives.
#[derive(Serialize)]
struct ExchangeView {
    reason: &'static str,
    status: Option<u16>,
}

/// The API token and its person.
#[derive(Serialize)]
struct CallerView {
    /// The path of the API token.
    token: String,
    person: PersonView,
}

/// The method that the request is for.
#[derive(Serialize)]
struct RuleView {
    /// Its path.
    path: String,
    http: Vec<String>,
    /// Its pattern, with the service's base path.
    pattern: String,
}

/// Decides and explains.
pub(crate) fn explain(arguments: Arguments) -> Result<Explanation, Failure> {
    let Instant(now) = arguments.now;
    let (mut configuration, text) = assembled(arguments.configuration, arguments.policy)?;
    let root_keys = gateway::throwaway_keys(&configuration)?;
    // The text as it was given is checked first: a value has lost what a strict reader refuses.
    let mut gate = gateway::gate(&text, &root_keys, now)?;
    let policy = configuration
        .pointer_mut("/policy/inline")
        .map(Value::take)
        .unwrap_or_default();

    let caller = arguments.caller;
    let api_token = match &caller {
        None => None,
        Some(caller) => {
            let mut policy = policy.clone();
            let token = caller::replace_token(&mut policy, caller.id())?;
            set_policy(&mut configuration, policy);
            gate = gateway::gate(&configuration.to_string(), &root_keys, now)?;
            Some(caller::bearer(token.expose()))
        }
    };
    let policy: Document =
        serde_json::from_value(policy).map_err(|fault| js::error(&fault.to_string()))?;

    let request = &arguments.request;
    let (decision, exchange) = match &caller {
        Some(Caller::AccessTokenOf(id)) => {
            let exchange = try_exchange(&gate, api_token.as_ref().map(|text| text.as_str()), now)?;
            let view = ExchangeView {
                reason: exchange.reason.as_str(),
                status: exchange.status,
            };
            let authorization = caller::access_token(&gate, id, now)?;
            let text = authorization.as_ref().map(|text| text.as_str());
            let mut decision = decide::ask(&gate, request, text, now)?;
            if authorization.is_none() {
                decision.without_token(exchange);
            }
            (decision, Some(view))
        }
        _ => {
            let text = api_token.as_ref().map(|text| text.as_str());
            (decide::ask(&gate, request, text, now)?, None)
        }
    };
    let id = decision
        .token
        .as_deref()
        .or(caller.as_ref().map(Caller::id));
    let view = id.and_then(|id| CallerView::find(&policy, id));
    let names = decision.service.as_deref().zip(decision.method.as_deref());
    let place = names.and_then(|(service, method)| Place::find(&policy, service, method));
    let asked = request.asked();
    let mut explanation = Explanation {
        at: now,
        exchange,
        audiences: place.map_or_else(Vec::new, |place| {
            AudienceView::all(&gate, &policy, place, asked, id)
        }),
        rule: place.map(RuleView::of),
        caller: view,
        advice: Vec::new(),
        decision,
    };
    if explanation.decision.decision == Kind::Refused {
        let caller = explanation.caller.as_ref();
        let refused = Refused {
            gate: &gate,
            policy: &policy,
            asked,
            reason: explanation.decision.reason,
            at: now,
            token: caller.map(|caller| caller.token.as_str()),
            person: caller.map(|caller| &caller.person),
            place,
            audiences: &explanation.audiences,
        };
        explanation.advice = refused.advice();
    }
    Ok(explanation)
}

/// The whole configuration, as a value and as the text that a gateway would read.
fn assembled(
    configuration: Option<Value>,
    policy: Option<Value>,
) -> Result<(Value, String), Failure> {
    let Some(policy) = policy else {
        let Some(configuration) = configuration else {
            return Err(js::type_error("give a configuration, a policy, or both"));
        };
        let text = gateway::text_of(&configuration);
        // A text that is no JSON is left to the gate, whose fault says where.
        return Ok((gateway::value_of(&configuration).unwrap_or_default(), text));
    };
    let policy = gateway::value_of(&policy)?;
    let configuration = match configuration {
        Some(configuration) => gateway::value_of(&configuration)?,
        None => Value::Object(gateway::configuration_for(&policy)),
    };
    let mut whole = configuration;
    set_policy(&mut whole, policy);
    let text = whole.to_string();
    Ok((whole, text))
}

fn set_policy(configuration: &mut Value, policy: Value) {
    // What is no object is left to the gate, which refuses it.
    if let Value::Object(members) = configuration {
        members.insert("policy".to_owned(), json!({ "inline": policy }));
    }
}

fn try_exchange(gate: &Gate, api_token: Option<&str>, now: Timestamp) -> Result<Decision, Failure> {
    let config = gate.config();
    let request = Request {
        method: "POST".to_owned(),
        authority: config.hosts.first().cloned().unwrap_or_default(),
        path: config.exchange_path().to_owned(),
        headers: Vec::new(),
        body: None,
    };
    decide::ask(gate, &request, api_token, now)
}

impl CallerView {
    fn find(policy: &Document, id: &str) -> Option<Self> {
        let at = policy.tokens.iter().position(|token| token.id == id)?;
        let token = policy.tokens.get(at)?;
        let mut persons = policy.persons.iter();
        let person = persons.find(|person| person.id == token.person)?;
        Some(Self {
            token: format!("tokens[{at}]"),
            person: PersonView::of(person),
        })
    }
}

impl RuleView {
    fn of(place: Place<'_>) -> Self {
        Self {
            path: place.path(),
            http: place.method.http.clone(),
            pattern: place.pattern(),
        }
    }
}
