//! Checking a plugin configuration by itself: every fault that the filter would find in it, with an empty policy in the
//! place of its own.

use postern_core::config::{ConfigFault, ConfigRule};
use postern_core::gate::Gate;
use postern_core::roots::RootKey;
use serde_json::{Map, Value, json};

use super::{Finding, Part};
use crate::entropy::Entropy;

/// Adds the faults of a configuration's members to `faults`. Gives the configuration without its policy if it is in
/// order, and its inline policy if it has one. `whole`: a policy must be there; else it must not.
pub(super) fn check(
    part: &Part<'_>,
    mut members: Map<String, Value>,
    whole: bool,
    faults: &mut Vec<Finding>,
) -> (Option<Map<String, Value>>, Option<Value>) {
    let policy = members.remove("policy");
    let reads_feed = members.contains_key("sync");
    let before = faults.len();
    let inline = match (policy, whole) {
        (Some(_), true) if reads_feed => {
            faults.push(part.finding("sync", ConfigRule::TwoSources.to_string()));
            None
        }
        (None, true) if reads_feed => None,
        (Some(policy), true) => inline(part, policy, faults),
        (Some(_), false) => {
            let sentence =
                "this configuration has a policy of its own; leave out the other, or this one";
            faults.push(part.finding("policy", sentence));
            None
        }
        (None, true) => {
            let sentence = "there is no policy; if it is in a file of its own, check that with \
                            `postern policy check POLICY --gateway` and this one";
            faults.push(part.finding("", sentence));
            None
        }
        (None, false) => None,
    };
    // A fault of the policy's own is told by whoever reads the policy.
    let policy_is_out_of_order = faults.len() > before;
    let before = faults.len();
    collect(part, &members, faults);
    let in_order = faults.len() == before && !policy_is_out_of_order;
    (in_order.then_some(members), inline)
}

/// The policy in a configuration's `policy` member; what the filter says of any other.
fn inline(part: &Part<'_>, policy: Value, faults: &mut Vec<Finding>) -> Option<Value> {
    match policy {
        Value::Object(mut members) if members.len() == 1 && members.contains_key("inline") => {
            members.remove("inline")
        }
        other => {
            let mut config = defaults();
            config.insert("policy".to_owned(), other);
            let found = refusals(&Value::Object(config));
            faults.extend(
                found
                    .iter()
                    .map(|fault| part.finding(&fault.path, fault.rule.to_string())),
            );
            None
        }
    }
}

/// Adds every fault of the members, the policy aside.
fn collect(part: &Part<'_>, members: &Map<String, Value>, faults: &mut Vec<Finding>) {
    let mut config = members.clone();
    if !config.contains_key("sync") {
        config.extend(
            defaults()
                .remove("policy")
                .map(|policy| ("policy".to_owned(), policy)),
        );
    }
    let found = refusals(&Value::Object(config));
    faults.extend(
        found
            .iter()
            .map(|fault| part.finding(&fault.path, fault.rule.to_string())),
    );
}

/// What the filter says of a configuration, with a root key of no meaning.
pub(super) fn refusals(config: &Value) -> Vec<ConfigFault> {
    // Without randomness there is no key, and the filter says so.
    let root = RootKey::generate("r1", &mut Entropy).ok();
    let root = root.as_ref().map(|key| key.expose().to_owned());
    Gate::from_json(
        config.to_string().as_bytes(),
        Some(crate::clock::now()),
        |_| root,
    )
    .err()
    .unwrap_or_default()
}

/// Members that are in order, one for each that must be there.
fn defaults() -> Map<String, Value> {
    let config = json!({
        "gateway_id": "example",
        "hosts": ["gateway.invalid"],
        "issuer": "https://gateway.invalid",
        "token_audience": "example",
        "root_key_env": "POSTERN_ROOT_KEY",
        "policy": { "inline": { "format": 1 } },
    });
    match config {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
