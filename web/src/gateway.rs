//! A gate from what a page has: a configuration or a policy, and keys that may be made for the occasion.

use std::collections::BTreeSet;

use postern_core::gate::Gate;
use postern_core::roots::RootKey;
use postern_core::time::Timestamp;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::js::{self, Failure, PageRandom};

/// The JSON text of what may be a text already.
pub(crate) fn text_of(json: &Value) -> String {
    match json {
        Value::String(text) => text.clone(),
        json => json.to_string(),
    }
}

/// The value of what may be a text of JSON.
pub(crate) fn value_of(json: &Value) -> Result<Value, Failure> {
    match json {
        Value::String(text) => {
            serde_json::from_str(text).map_err(|fault| js::error(&fault.to_string()))
        }
        json => Ok(json.clone()),
    }
}

/// A gate with these root keys.
pub(crate) fn gate(configuration: &str, root_keys: &str, now: Timestamp) -> Result<Gate, Failure> {
    Gate::from_json(configuration.as_bytes(), Some(now), |_| {
        Some(root_keys.to_owned())
    })
    .map_err(js::refused)
}

/// A configuration for a policy that comes without one: a gateway for all hosts that the policy names.
pub(crate) fn configuration_for(policy: &Value) -> Map<String, Value> {
    let lists = ["services", "public"].into_iter();
    let records = lists
        .filter_map(|list| policy.get(list)?.as_array())
        .flatten();
    let hosts: BTreeSet<&str> = records
        .filter_map(|record| record.get("hosts")?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let hosts: Vec<_> = if hosts.is_empty() {
        vec!["gateway.invalid"]
    } else {
        hosts.into_iter().collect()
    };
    let configuration = json!({
        "gateway_id": "example",
        "hosts": hosts,
        "issuer": "https://gateway.invalid",
        "token_audience": "example",
        "root_key_env": "POSTERN_ROOT_KEY",
    });
    match configuration {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// A new root key for each root that the configuration's policy names; one anyway, since no gateway starts without.
pub(crate) fn throwaway_keys(configuration: &Value) -> Result<Zeroizing<String>, Failure> {
    let keys = configuration.pointer("/policy/inline/keys");
    let keys = keys.and_then(Value::as_array).into_iter().flatten();
    let mut roots: BTreeSet<&str> = keys.filter_map(|key| key.get("root")?.as_str()).collect();
    // A root whose id is none is left to the check of the policy, which tells its path.
    roots.retain(|id| postern_core::id::is_id(id));
    roots.insert("postern-throw-away");
    let mut text = Zeroizing::new(String::new());
    for id in roots {
        let key = RootKey::generate(id, &mut PageRandom);
        let key = key.map_err(|fault| js::error(&fault.to_string()))?;
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(key.expose());
    }
    Ok(text)
}
