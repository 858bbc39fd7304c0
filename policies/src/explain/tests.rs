//! What an explanation says of audiences is what the gate decides.

use serde_json::{Value, json};

use super::*;
use crate::entropy::Entropy;
use crate::prepared::{Caller, Prepared, gateway_for};
use crate::request::Request;

/// The policy's one person has the role `has`; its bypass role, if it has one, is `b`.
fn policy(own: &Value, parent: &Value, has: &str, bypass: bool) -> Document {
    let mut policy = json!({
        "format": 1,
        "keys": [{"kid": "k", "root": "r1", "active_from": "2026-11-01T00:00:00Z"}],
        "roles": ["a", "b"],
        "persons": [{"id": "p", "roles": [has], "active": true}],
        "tokens": [{
            "id": "t", "person": "p", "expires_at": "never", "active": true,
            "hash": "sha256:4f0c2d1b8e6a97350f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778",
        }],
        "services": [{
            "name": "s", "hosts": ["api.example.com"], "base_path": "/m", "audience": parent,
            "methods": [{"name": "m", "http": ["GET"], "path": "/", "audience": own}],
        }],
    });
    if bypass {
        policy["bypass"] = json!({"role": "b"});
    }
    serde_json::from_value(policy).unwrap()
}

fn audiences() -> Vec<Value> {
    let lists = [
        json!({"mode": "unrestricted"}),
        json!({"mode": "restricted"}),
        json!({"mode": "restricted", "persons": ["p"]}),
        json!({"mode": "restricted", "roles": ["a"]}),
    ];
    let enforced = lists.clone().map(|mut audience| {
        audience["enforce"] = json!(true);
        audience
    });
    [lists, enforced].concat()
}

#[test]
fn the_audiences_that_are_shown_admit_exactly_whom_the_gate_allows() {
    let request = Request::new("GET", "https://api.example.com/m", None).unwrap();
    let at = Timestamp::parse("2026-12-01T00:00:00Z").unwrap();
    let (mut allowed, mut refused) = (0, 0);
    for own in audiences() {
        for parent in audiences() {
            for (rely, has, bypass) in [
                (false, "a", true),
                (false, "b", true),
                (true, "a", false),
                (true, "a", true),
                (true, "b", false),
                (true, "b", true),
            ] {
                let mut own = own.clone();
                own["rely_on_parent"] = json!(rely);
                let policy = policy(&own, &parent, has, bypass);
                let gateway = gateway_for(&policy);
                let prepared = Prepared::new(&gateway, &policy, &mut Entropy).unwrap();
                let caller = Caller::Access("t".to_owned());
                let told = explain(&prepared, &policy, &caller, &request, at).unwrap();
                let admitted = told.audiences.iter().all(|view| view.admits == Some(true));
                assert_eq!(
                    told.decision == Decision::Allowed,
                    admitted,
                    "{own} under {parent}: {told}"
                );
                assert_eq!(told.audiences.len(), if rely { 2 } else { 1 });
                if admitted { allowed += 1 } else { refused += 1 }
            }
        }
    }
    assert!(allowed > 50 && refused > 50, "{allowed}, {refused}");
}
