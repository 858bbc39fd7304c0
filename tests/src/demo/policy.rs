//! The policy that the demo begins with and changes.

use postern_core::policy::document::{AudienceMode, Document, Expiry, Forward};

use serde_json::json;

use crate::Result;
use crate::fixture::{
    HOST, KID, ROOT_KEY_ENV, api_token, at, key, method, now, person, persons, roles, service,
    token,
};

/// The person of the seed's example.
pub(super) const PERSON: &str = "ExternalApp";

/// The one method that the example needs.
pub(super) const ALLOWED_PATH: &str = "/m42Services/api/orders";

/// Another method of the same API, with another audience.
pub(super) const DENIED_PATH: &str = "/m42Services/api/invoices";

const DAY: u64 = 24 * 60 * 60;

/// The API as it was before anybody thought of [`PERSON`]: two services that the role `operators` may call.
pub(super) fn before() -> Document {
    let list = || vec![method("list", &["GET"], "/", None)];
    Document {
        format: Document::FORMAT,
        keys: vec![key(KID, "r1", now() - DAY)],
        roles: vec!["operators".to_owned()],
        services: vec![
            service("orders", ALLOWED_PATH, roles(&["operators"]), list()),
            service("invoices", DENIED_PATH, roles(&["operators"]), list()),
        ],
        ..Document::default()
    }
}

/// The plugin configuration around a policy: what an operator would write for this one gateway.
pub(super) fn config(policy: &Document) -> String {
    json!({
        "gateway_id": "demo",
        "hosts": [HOST],
        "issuer": "https://gateway.demo",
        "token_audience": "demo",
        "root_key_env": ROOT_KEY_ENV,
        "policy": { "inline": policy },
        "exchange": { "ttl": "5m" },
        "identity": ["person", "token"],
        "mode": "enforce",
    })
    .to_string()
}

/// Step 1.
pub(super) fn create_person(policy: &mut Document) {
    policy.persons.push(person(PERSON, &[], true));
}

/// Step 2: the one method gets an audience of its own.
pub(super) fn grant(policy: &mut Document) {
    for service in policy
        .services
        .iter_mut()
        .filter(|service| service.base_path == ALLOWED_PATH)
    {
        for method in &mut service.methods {
            let audience = method.audience.get_or_insert_with(|| persons(&[]));
            audience.mode = AudienceMode::Restricted;
            audience.persons.push(PERSON.to_owned());
        }
    }
}

/// Step 7: what the service gets in place of the caller's credential.
pub(super) fn forward(policy: &mut Document, forward: Forward) {
    for service in policy
        .services
        .iter_mut()
        .filter(|service| service.base_path == ALLOWED_PATH)
    {
        service.forward = forward;
    }
}

/// Step 3: the raw token; the policy keeps its hash.
pub(super) fn issue(policy: &mut Document, id: &str, days: u64) -> Result<String> {
    let raw = api_token()?;
    policy
        .tokens
        .push(token(id, PERSON, &raw, at(now() + days * DAY)));
    Ok(raw)
}

/// What an administrator does with a token that is no longer wanted.
pub(super) fn deactivate(policy: &mut Document, id: &str) {
    for token in policy.tokens.iter_mut().filter(|token| token.id == id) {
        token.active = false;
    }
}

/// A token's hash and expiry, as the policy has them.
pub(super) fn describe(policy: &Document, id: &str) -> String {
    let Some(token) = policy.tokens.iter().find(|token| token.id == id) else {
        return String::new();
    };
    let expiry: String = match token.expires_at {
        Expiry::At(instant) => instant.to_string(),
        Expiry::Never => "never".to_owned(),
    };
    format!("hash {}, expires {expiry}", token.hash)
}
