//! `explain`: the gate's decision, with everything in the policy that it rests on.

use postern_core::canonical::{CanonicalPath, Host};
use postern_core::gate::Gate;
use postern_core::policy::document::{Document, Method, Service};
use postern_core::reason::Reason;
use postern_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::advice;
use crate::audience::{AudienceView, PersonView};
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
    pub(crate) decision: Decision,
    pub(crate) at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<ExchangeView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) caller: Option<CallerView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<RuleView>,
    pub(crate) audiences: Vec<AudienceView>,
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
pub(crate) struct CallerView {
    /// The path of the API token.
    pub(crate) token: String,
    /// The path of the person.
    #[serde(skip)]
    pub(crate) person_path: String,
    pub(crate) person: PersonView,
}

/// The method that the request is for.
#[derive(Serialize)]
pub(crate) struct RuleView {
    /// Its path.
    pub(crate) path: String,
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
    let place = Place::find(&policy, &decision);
    let mut explanation = Explanation {
        at: now,
        exchange,
        audiences: place.map_or_else(Vec::new, |place| {
            AudienceView::all(&gate, &policy, place, request, id)
        }),
        rule: place.map(RuleView::of),
        caller: view,
        advice: Vec::new(),
        decision,
    };
    if explanation.decision.decision == Kind::Refused {
        explanation.advice = advice::of(&gate, &policy, request, &explanation);
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
        let mut persons = policy.persons.iter().enumerate();
        let (person_at, person) = persons.find(|(_, person)| person.id == token.person)?;
        Some(Self {
            token: format!("tokens[{at}]"),
            person_path: format!("persons[{person_at}]"),
            person: PersonView::of(person),
        })
    }
}

/// A method in a policy, with its places.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    service_at: usize,
    pub(crate) service: &'p Service,
    method_at: usize,
    pub(crate) method: &'p Method,
}

impl<'p> Place<'p> {
    fn find(policy: &'p Document, decision: &Decision) -> Option<Self> {
        let (service, method) = (decision.service.as_ref()?, decision.method.as_ref()?);
        let mut services = policy.services.iter().enumerate();
        let (service_at, service) = services.find(|(_, candidate)| candidate.name == *service)?;
        let mut methods = service.methods.iter().enumerate();
        let (method_at, method) = methods.find(|(_, candidate)| candidate.name == *method)?;
        Some(Self {
            service_at,
            service,
            method_at,
            method,
        })
    }

    /// The path of the service.
    pub(crate) fn service_path(&self) -> String {
        format!("services[{}]", self.service_at)
    }

    /// The path of the method.
    pub(crate) fn path(&self) -> String {
        format!("{}.methods[{}]", self.service_path(), self.method_at)
    }
}

impl RuleView {
    fn of(place: Place<'_>) -> Self {
        let base = place.service.base_path.trim_end_matches('/');
        Self {
            path: place.path(),
            http: place.method.http.clone(),
            pattern: format!("{base}{}", place.method.path),
        }
    }
}

/// The host and the path that the gate has looked a request up by, if both can be read.
pub(crate) fn canonical(request: &Request) -> Option<(String, CanonicalPath<'_>)> {
    let host = Host::canonicalise(request.authority.as_bytes()).ok()?;
    let path = CanonicalPath::parse(request.path.as_bytes()).ok()?;
    Some((host.as_str().to_owned(), path))
}

/// Whether a reason leaves it to the caller to send another request.
pub(crate) fn is_malformed(reason: Reason) -> bool {
    reason
        .problem()
        .is_some_and(|problem| problem.status() == 400)
}
