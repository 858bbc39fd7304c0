//! Configurations with one fault each.

use serde_json::{Value, json};

/// A change that makes a good configuration a bad one.
pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) apply: fn(&mut Value),
    /// How the log line goes on: the JSON path, which is empty for the whole document, and the reason.
    pub(super) path: &'static str,
    pub(super) reason: &'static str,
}

const fn fault(
    name: &'static str,
    path: &'static str,
    reason: &'static str,
    apply: fn(&mut Value),
) -> Fault {
    Fault {
        name,
        apply,
        path,
        reason,
    }
}

/// The inline policy.
fn policy(config: &mut Value) -> &mut Value {
    &mut config["policy"]["inline"]
}

/// Appends to an array of the policy.
fn push(config: &mut Value, array: &str, item: Value) {
    if let Some(items) = policy(config)[array].as_array_mut() {
        items.push(item);
    }
}

fn copy(config: &mut Value, array: &str, place: usize) -> Value {
    policy(config)[array][place].clone()
}

fn hash(byte: &str) -> Value {
    json!(format!("sha256:{}", byte.repeat(32)))
}

/// All of them.
pub(super) fn faults() -> Vec<Fault> {
    let mut faults = plugin_faults();
    faults.extend(record_faults());
    faults.extend(route_faults());
    faults
}

fn plugin_faults() -> Vec<Fault> {
    vec![
        fault(
            "an unknown member",
            "surprise",
            "unknown field `surprise`, expected one of ",
            |config| config["surprise"] = json!(1),
        ),
        fault("a member missing", "", "missing field `issuer`", |config| {
            config
                .as_object_mut()
                .and_then(|members| members.remove("issuer"));
        }),
        fault("no hosts", "hosts", "the list is empty", |config| {
            config["hosts"] = json!([]);
        }),
        fault(
            "a host with a port",
            "hosts[0]",
            "write it as \"api.example.com\": lower case, without port",
            |config| {
                config["hosts"][0] = json!("api.example.com:443");
            },
        ),
        fault(
            "an unknown mode",
            "mode",
            "unknown variant `open`, expected `enforce` or `shadow`",
            |config| {
                config["mode"] = json!("open");
            },
        ),
        fault(
            "a TTL of more than an hour",
            "exchange.ttl",
            "must be between 1 s and 1h",
            |config| config["exchange"]["ttl"] = json!("61m"),
        ),
        fault(
            "a TTL of nothing",
            "exchange.ttl",
            "must be between 1 s and 1h",
            |config| {
                config["exchange"]["ttl"] = json!("0s");
            },
        ),
        fault(
            "a TTL without unit",
            "exchange.ttl",
            "invalid type: number `300`, expected a duration like \"5m\"",
            |config| {
                config["exchange"]["ttl"] = json!(300);
            },
        ),
        fault(
            "an exchange under a service",
            "exchange.path",
            "lies under a service or a public route of the policy",
            |config| {
                config["exchange"]["path"] = json!("/m42Services/api/orders/exchange");
            },
        ),
        fault(
            "an environment variable that is not set",
            "root_key_env",
            "the environment variable \"POSTERN_NOWHERE\" is not set for this VM",
            |config| {
                config["root_key_env"] = json!("POSTERN_NOWHERE");
            },
        ),
        fault(
            "an identity header that there is not",
            "identity[0]",
            "unknown variant `name`, expected one of `person`",
            |config| {
                config["identity"][0] = json!("name");
            },
        ),
        fault(
            "a piece of filter state that there is not",
            "filter_state[0]",
            "unknown variant `path`, expected one of `record`",
            |config| {
                config["filter_state"] = json!(["path"]);
            },
        ),
    ]
}

fn record_faults() -> Vec<Fault> {
    vec![
        fault(
            "another format",
            "policy.inline.format",
            "format 2 is unknown",
            |config| policy(config)["format"] = json!(2),
        ),
        fault(
            "an unknown member of a token",
            "policy.inline.tokens[0].name",
            "unknown field `name`, expected one of ",
            |config| {
                policy(config)["tokens"][0]["name"] = json!("x");
            },
        ),
        fault(
            "two tokens with one id",
            "policy.inline.tokens[7].id",
            "\"t-external\" is there twice",
            |config| {
                let mut token = copy(config, "tokens", 0);
                token["hash"] = hash("3d");
                push(config, "tokens", token);
            },
        ),
        fault(
            "two tokens with one hash",
            "policy.inline.tokens[7].hash",
            "token \"t-external\" has the same hash",
            |config| {
                let mut token = copy(config, "tokens", 0);
                token["id"] = json!("t-copy");
                push(config, "tokens", token);
            },
        ),
        fault(
            "a token of nobody",
            "policy.inline.tokens[0].person",
            "there is no person \"p-nobody\" in the policy",
            |config| {
                policy(config)["tokens"][0]["person"] = json!("p-nobody");
            },
        ),
        fault(
            "a hash that is too short",
            "policy.inline.tokens[0].hash",
            "a token's hash has exactly 64 hexadecimal digits",
            |config| {
                policy(config)["tokens"][0]["hash"] = json!("sha256:abc");
            },
        ),
        fault(
            "the hash of nothing",
            "policy.inline.tokens[0].hash",
            "this is the hash of a well-known text",
            |config| {
                policy(config)["tokens"][0]["hash"] = json!(
                    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
                );
            },
        ),
        fault(
            "an expiry that is no instant",
            "policy.inline.tokens[0].expires_at",
            "not an instant of the form YYYY-MM-DDThh:mm:ssZ",
            |config| {
                policy(config)["tokens"][0]["expires_at"] = json!("tomorrow");
            },
        ),
        fault(
            "an expiry left out",
            "policy.inline.tokens[0]",
            "missing field `expires_at`",
            |config| {
                policy(config)["tokens"][0]
                    .as_object_mut()
                    .and_then(|token| token.remove("expires_at"));
            },
        ),
        fault(
            "two persons with one id",
            "policy.inline.persons[3].id",
            "\"p-external\" is there twice",
            |config| {
                let person = copy(config, "persons", 0);
                push(config, "persons", person);
            },
        ),
        fault(
            "a person's role that there is not",
            "policy.inline.persons[0].roles[0]",
            "there is no role \"kings\" in the policy",
            |config| {
                policy(config)["persons"][0]["roles"] = json!(["kings"]);
            },
        ),
        fault(
            "an id with a space",
            "policy.inline.persons[0].id",
            "\"p 7\" is no id: use 1 to 64 of the characters",
            |config| {
                policy(config)["persons"][0]["id"] = json!("p 7");
            },
        ),
        fault(
            "two keys with one kid",
            "policy.inline.keys[1].kid",
            "\"2026-11\" is there twice",
            |config| {
                let mut key = copy(config, "keys", 0);
                key["active_from"] = json!("2020-01-01T00:00:00Z");
                push(config, "keys", key);
            },
        ),
        fault(
            "two keys active from one instant",
            "policy.inline.keys[1].active_from",
            "key \"2026-11\" is active from the same instant",
            |config| {
                let mut key = copy(config, "keys", 0);
                key["kid"] = json!("twin");
                push(config, "keys", key);
            },
        ),
        fault(
            "a key that ends before its successor's tokens do",
            "policy.inline.keys[1].not_after",
            "not_after must be at least 1 h and 60 s after key \"2026-11\" begins to sign",
            |config| {
                let active_from = policy(config)["keys"][0]["active_from"].clone();
                push(
                    config,
                    "keys",
                    json!({"kid": "old", "root": "r1", "active_from": "2020-01-01T00:00:00Z", "not_after": active_from}),
                );
            },
        ),
    ]
}

fn route_faults() -> Vec<Fault> {
    vec![
        fault(
            "a service without audience",
            "policy.inline.services[0]",
            "missing field `audience`",
            |config| {
                policy(config)["services"][0]
                    .as_object_mut()
                    .and_then(|service| service.remove("audience"));
            },
        ),
        fault(
            "an audience of nobody there",
            "policy.inline.services[0].audience.persons[0]",
            "there is no person \"p-nobody\" in the policy",
            |config| {
                policy(config)["services"][0]["audience"]["persons"] = json!(["p-nobody"]);
            },
        ),
        fault(
            "two services with one name",
            "policy.inline.services[5].name",
            "\"orders\" is there twice",
            |config| {
                let mut service = copy(config, "services", 0);
                service["base_path"] = json!("/elsewhere");
                push(config, "services", service);
            },
        ),
        fault(
            "two services at one place",
            "policy.inline.services[5].base_path",
            "the same base path as services[0] at the host 127.0.0.1",
            |config| {
                let mut service = copy(config, "services", 0);
                service["name"] = json!("copy");
                push(config, "services", service);
            },
        ),
        fault(
            "patterns that collide",
            "policy.inline.services[0].methods[8].path",
            "GET on the same paths as services[0].methods[3]",
            |config| {
                let method = json!({"name": "again", "http": ["GET"], "path": "/{other}"});
                if let Some(methods) = policy(config)["services"][0]["methods"].as_array_mut() {
                    methods.push(method);
                }
            },
        ),
        fault(
            "patterns that collide once folded",
            "policy.inline.services[2].methods[1].path",
            "GET on the same paths as services[2].methods[0]",
            |config| {
                let method = json!({"name": "again", "http": ["GET"], "path": "/mONTH"});
                if let Some(methods) = policy(config)["services"][2]["methods"].as_array_mut() {
                    methods.push(method);
                }
            },
        ),
        fault(
            "a base path with a dot segment",
            "policy.inline.services[0].base_path",
            "the path has a segment that is one dot or two",
            |config| {
                policy(config)["services"][0]["base_path"] = json!("/m42Services/../orders");
            },
        ),
        fault(
            "a rest that is not last",
            "policy.inline.services[0].methods[0].path",
            "\"{*rest}\" takes the rest of the path and must be the last segment",
            |config| {
                policy(config)["services"][0]["methods"][0]["path"] = json!("/{*rest}/more");
            },
        ),
        fault(
            "a method without HTTP methods",
            "policy.inline.services[0].methods[0].http",
            "at least one HTTP method is needed",
            |config| {
                policy(config)["services"][0]["methods"][0]["http"] = json!([]);
            },
        ),
        fault(
            "a public path with a parameter",
            "policy.inline.public[0].path",
            "only literal segments may stand here",
            |config| {
                policy(config)["public"][0]["path"] = json!("/{anything}");
            },
        ),
        fault(
            "a path of 65 segments",
            "policy.inline.services[0].methods[0].path",
            "with its service's base path it has more than 64 segments",
            |config| {
                policy(config)["services"][0]["methods"][0]["path"] = json!("/a".repeat(65));
            },
        ),
        fault(
            "an audience of 1,001",
            "policy.inline.services[0].audience",
            "an audience lists at most 1000 persons and roles",
            |config| {
                let names: Vec<String> = (0..1001).map(|number| format!("p-{number}")).collect();
                for name in &names {
                    push(config, "persons", json!({"id": name, "active": true}));
                }
                policy(config)["services"][0]["audience"]["persons"] = json!(names);
            },
        ),
        fault(
            "a bypass for a role that there is not",
            "policy.inline.bypass.role",
            "there is no role \"kings\" in the policy",
            |config| {
                policy(config)["bypass"] = json!({"role": "kings"});
            },
        ),
    ]
}
