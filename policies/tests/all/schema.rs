//! The JSON Schemas and the types that read a policy accept and refuse the same.

use std::collections::BTreeSet;

use jsonschema::{Retrieve, Uri, Validator};
use postern::scenario::Scenario;
use postern_core::gate::Gate;
use postern_core::policy::Policy;
use postern_core::policy::document::Document;
use postern_core::roots::RootKey;
use postern_core::time::Timestamp;
use serde_json::{Value, json};

use crate::command::{Folder, read_json};
use crate::examples::folders;

/// Finds schemas beside each other.
struct Beside;

impl Retrieve for Beside {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let name = uri.path().as_str().trim_start_matches('/');
        Ok(read_json(&format!("schema/{name}")))
    }
}

pub(crate) fn validator(reference: &str) -> Validator {
    jsonschema::options()
        .with_base_uri("https://schemas.invalid/")
        .with_retriever(Beside)
        .build(&json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": reference,
        }))
        .unwrap()
}

/// The definitions of a schema that are objects with members; `""` is the whole.
pub(crate) fn definitions(schema: &str) -> Vec<String> {
    let schema = read_json(&format!("schema/{schema}"));
    let has_members = |object: &Value| object.get("properties").is_some();
    let whole = has_members(&schema).then(String::new);
    let definitions = schema["$defs"].as_object().unwrap().iter();
    whole
        .into_iter()
        .chain(
            definitions
                .filter(|(_, object)| has_members(object))
                .map(|(name, _)| name.clone()),
        )
        .collect()
}

/// A kind of document: its schema, one that has every object in it, and where each definition is.
#[derive(Clone)]
pub(crate) struct Kind {
    pub(crate) schema: &'static str,
    base: Value,
    places: &'static [(&'static str, &'static str)],
    /// What the program says of a document: the error, if it refuses it.
    refusal: fn(&Value) -> Option<String>,
}

pub(crate) fn kinds() -> [Kind; 4] {
    [
        Kind {
            schema: "policy.schema.json",
            base: base_policy(),
            places: &[
                ("", ""),
                ("key", "/keys/0"),
                ("person", "/persons/0"),
                ("token", "/tokens/0"),
                ("service", "/services/0"),
                ("method", "/services/0/methods/0"),
                ("audience", "/services/0/methods/0/audience"),
                ("public_route", "/public/0"),
                ("bypass", "/bypass"),
            ],
            refusal: refusal_of_policy,
        },
        Kind {
            schema: "gateway.schema.json",
            base: base_gateway(),
            places: &[
                ("configuration", ""),
                ("policy", "/policy"),
                ("exchange", "/exchange"),
            ],
            refusal: refusal_of_gateway,
        },
        Kind {
            schema: "gateway.schema.json",
            base: base_synced_gateway(),
            places: &[
                ("configuration", ""),
                ("sync", "/sync"),
                ("exchange", "/exchange"),
            ],
            refusal: refusal_of_gateway,
        },
        Kind {
            schema: "scenario.schema.json",
            base: base_scenario(),
            places: &[
                ("", ""),
                ("case", "/cases/0"),
                ("caller", "/cases/0/as"),
                ("request", "/cases/0/request"),
                ("expect", "/cases/0/expect"),
                ("upstream", "/cases/0/expect/upstream"),
            ],
            refusal: refusal_of_scenario,
        },
    ]
}

fn base_policy() -> Value {
    json!({
        "format": 1,
        "keys": [{"kid": "2026-11", "root": "r1", "active_from": "2026-11-01T00:00:00Z"}],
        "roles": ["integration"],
        "persons": [{"id": "p-7", "active": true}],
        "tokens": [{
            "id": "t-9", "person": "p-7", "expires_at": "never", "active": true,
            "hash": "sha256:4f0c2d1b8e6a97350f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778",
        }],
        "services": [{
            "name": "s", "hosts": ["api.example.com"], "base_path": "/s",
            "audience": {"mode": "restricted"},
            "methods": [{
                "name": "m", "http": ["GET"], "path": "/m", "audience": {"mode": "restricted"},
            }],
        }],
        "public": [{"http": ["GET"], "path": "/public"}],
        "bypass": {"role": "integration"},
    })
}

fn base_gateway() -> Value {
    json!({
        "gateway_id": "edge-1",
        "hosts": ["api.example.com"],
        "issuer": "https://login.example.com",
        "token_audience": "example",
        "root_key_env": "POSTERN_ROOT_KEY",
        "policy": {"inline": {"format": 1}},
        "exchange": {},
    })
}

fn base_synced_gateway() -> Value {
    let mut gateway = base_gateway();
    gateway.as_object_mut().unwrap().remove("policy");
    gateway["sync"] = json!({
        "cluster": "postern_admin",
        "authority": "admin.internal",
        "credential_env": "POSTERN_GATEWAY_CREDENTIAL",
        "public_keys": ["ed25519:PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"],
    });
    gateway
}

fn base_scenario() -> Value {
    json!({
        "policy": "policy.json",
        "cases": [{
            "name": "n", "as": {"none": true},
            "request": {"method": "GET", "url": "https://api.example.com/s/m"},
            "expect": {"status": 401, "upstream": {}},
        }],
    })
}

fn refusal_of_policy(policy: &Value) -> Option<String> {
    let faults = Policy::from_json(policy.to_string().as_bytes()).err()?;
    Some(faults.iter().map(|fault| format!("{fault}\n")).collect())
}

/// The instant at which configurations are loaded.
fn now() -> Timestamp {
    Timestamp::parse("2026-12-01T00:00:00Z").unwrap()
}

fn refusal_of_gateway(config: &Value) -> Option<String> {
    let roots = RootKey::generate("r1", &mut postern::entropy::Entropy).unwrap();
    let roots = Some(roots.expose().to_owned());
    let faults = Gate::from_json(config.to_string().as_bytes(), Some(now()), |_| roots).err()?;
    Some(faults.iter().map(|fault| format!("{fault}\n")).collect())
}

fn refusal_of_scenario(scenario: &Value) -> Option<String> {
    let mut gateway = base_gateway();
    gateway.as_object_mut().unwrap().remove("policy");
    let folder = Folder::with(&[
        ("scenario.json", &scenario.to_string()),
        ("policy.json", &base_policy().to_string()),
        ("gateway.json", &gateway.to_string()),
    ]);
    let path = folder.path("scenario.json");
    Scenario::load(std::path::Path::new(&path))
        .err()
        .map(|error| error.to_string())
}

impl Kind {
    fn definition(&self, name: &str) -> Value {
        let schema = read_json(&format!("schema/{}", self.schema));
        if name.is_empty() {
            schema
        } else {
            schema["$defs"][name].clone()
        }
    }

    /// The base with a member changed by `change`.
    pub(crate) fn with(
        &self,
        place: &str,
        change: impl FnOnce(&mut serde_json::Map<String, Value>),
    ) -> Value {
        let mut document = self.base.clone();
        change(
            document
                .pointer_mut(place)
                .unwrap()
                .as_object_mut()
                .unwrap(),
        );
        document
    }

    /// Whether both accept a document; both must say the same.
    pub(crate) fn verdict(&self, validator: &Validator, document: &Value, what: &str) -> bool {
        let by_schema = validator
            .validate(document)
            .err()
            .map(|error| error.to_string());
        let by_program = (self.refusal)(document);
        assert_eq!(
            by_schema.is_none(),
            by_program.is_none(),
            "{what}: schema {by_schema:?}, program {by_program:?}"
        );
        by_schema.is_none()
    }
}

/// A caller has exactly one member, and a policy one source, so a member is put in the place of the one that is there;
/// shadow mode has two, so either brings the other.
fn put(place: &str, members: &mut serde_json::Map<String, Value>, name: &str, value: &Value) {
    if place.ends_with("/as") {
        members.clear();
    }
    if let Some(other) = [("policy", "sync"), ("sync", "policy")]
        .iter()
        .find_map(|(one, other)| (*one == name).then_some(*other))
    {
        members.remove(other);
    }
    if name == "shadow_until" {
        members.insert("mode".to_owned(), json!("shadow"));
    }
    if name == "mode" && value == "shadow" {
        members.insert("shadow_until".to_owned(), json!("2026-12-31T00:00:00Z"));
    }
    members.insert(name.to_owned(), value.clone());
}

#[test]
fn the_schemas_are_schemas() {
    for kind in kinds() {
        let schema = read_json(&format!("schema/{}", kind.schema));
        assert!(
            jsonschema::meta::validate(&schema).is_ok(),
            "{}",
            kind.schema
        );
    }
}

#[test]
fn the_places_are_all_that_there_are_and_the_bases_are_in_order() {
    for kind in kinds() {
        // A configuration has one source of its policy, so it takes two to have all that there is.
        let placed: BTreeSet<_> = kinds()
            .iter()
            .filter(|other| other.schema == kind.schema)
            .flat_map(|other| other.places)
            .map(|(name, _)| (*name).to_owned())
            .collect();
        let defined: BTreeSet<_> = definitions(kind.schema).into_iter().collect();
        assert_eq!(placed, defined);
        assert!(kind.verdict(&validator(kind.schema), &kind.base, kind.schema));
    }
}

#[test]
fn the_examples_fit_their_schemas() {
    let (policy, scenario) = (
        validator("policy.schema.json"),
        validator("scenario.schema.json"),
    );
    let part = validator("gateway.schema.json#/$defs/configuration");
    let whole = validator("gateway.schema.json");
    for folder in folders() {
        let read = |name: &str| -> Value {
            serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
        };
        for (validator, name) in [
            (&policy, "policy.json"),
            (&part, "gateway.json"),
            (&scenario, "scenario.json"),
        ] {
            if let Err(error) = validator.validate(&read(name)) {
                panic!("{folder:?} {name}: {error} at {}", error.instance_path());
            }
        }
        let prepared = Scenario::load(&folder.join("scenario.json"))
            .unwrap()
            .prepare()
            .unwrap();
        let config: Value = serde_json::from_str(prepared.config_json()).unwrap();
        assert!(whole.validate(&config).is_ok());
        assert!(
            whole.validate(&read("gateway.json")).is_err(),
            "a gateway needs a policy"
        );
    }
}

#[test]
fn every_example_of_a_member_is_accepted_by_both() {
    for kind in kinds() {
        let validator = validator(kind.schema);
        for (definition, place) in kind.places {
            let definition = kind.definition(definition);
            for (name, member) in definition["properties"].as_object().unwrap() {
                assert!(
                    member["description"]
                        .as_str()
                        .is_some_and(|text| text.ends_with('.') || text.ends_with(')')),
                    "{place}/{name}"
                );
                let examples = member["examples"]
                    .as_array()
                    .unwrap_or_else(|| panic!("{place}/{name}: no examples"));
                for example in examples {
                    let document = kind.with(place, |members| put(place, members, name, example));
                    let what = format!("{place}/{name} = {example}");
                    assert!(
                        kind.verdict(&validator, &document, &what),
                        "{what} is refused"
                    );
                }
            }
        }
    }
}

#[test]
fn both_know_the_same_members_and_refuse_any_other() {
    for kind in kinds() {
        let validator = validator(kind.schema);
        for (definition, place) in kind.places {
            let unknown = json!("x");
            let document = kind.with(place, |members| put(place, members, "unheard-of", &unknown));
            assert!(!kind.verdict(&validator, &document, place));
            let refusal = (kind.refusal)(&document).unwrap();
            // "unknown field `unheard-of`, expected one of `a`, `b`"
            let (_, expected) = refusal.split_once(", expected ").unwrap();
            let expected = expected.lines().next().unwrap();
            let known: BTreeSet<_> = expected.split('`').skip(1).step_by(2).collect();
            let definition = kind.definition(definition);
            let described: BTreeSet<_> = definition["properties"]
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            assert_eq!(known, described, "{place}");
        }
    }
}

#[test]
fn both_require_the_same_members() {
    for kind in kinds() {
        let validator = validator(kind.schema);
        for (definition, place) in kind.places {
            let properties = kind.definition(definition)["properties"].clone();
            for name in properties.as_object().unwrap().keys() {
                let document = kind.with(place, |members| {
                    members.remove(name);
                });
                // Without roles or persons the base's references lead nowhere, which no schema can see.
                if place.is_empty() && matches!(name.as_str(), "roles" | "persons") {
                    assert!(validator.is_valid(&document));
                    assert!(serde_json::from_value::<Document>(document).is_ok());
                    continue;
                }
                kind.verdict(&validator, &document, &format!("{place} without {name}"));
            }
        }
    }
}

#[test]
fn a_default_that_is_written_down_changes_nothing() {
    let [policy, gateway, synced, _] = kinds();
    for (definition, place) in policy.places {
        let properties = policy.definition(definition)["properties"].clone();
        for (name, member) in properties.as_object().unwrap() {
            let Some(default) = member.get("default") else {
                continue;
            };
            // The root's lists are needed by references; their default is tried on a policy without any.
            let base = if place.is_empty() {
                json!({"format": 1})
            } else {
                policy.base.clone()
            };
            let mut written = base.clone();
            let mut absent = base;
            written.pointer_mut(place).unwrap()[name] = default.clone();
            absent
                .pointer_mut(place)
                .unwrap()
                .as_object_mut()
                .unwrap()
                .remove(name);
            let read = |value: Value| {
                serde_json::to_value(serde_json::from_value::<Document>(value).unwrap()).unwrap()
            };
            assert_eq!(read(written), read(absent), "{place}/{name}");
        }
    }
    let places = |gateway: Kind| {
        let places = gateway.places.iter();
        places
            .map(|place| (gateway.clone(), place))
            .collect::<Vec<_>>()
    };
    for (gateway, (definition, place)) in [places(gateway), places(synced)].concat() {
        let properties = gateway.definition(definition)["properties"].clone();
        for (name, member) in properties.as_object().unwrap() {
            let Some(default) = member.get("default") else {
                continue;
            };
            let written = gateway.with(place, |members| put(place, members, name, default));
            let absent = gateway.with(place, |members| {
                members.remove(name);
            });
            let read = |value: &Value| {
                let roots = RootKey::generate("r1", &mut postern::entropy::Entropy).unwrap();
                let gate = Gate::from_json(value.to_string().as_bytes(), Some(now()), |_| {
                    Some(roots.expose().to_owned())
                });
                format!("{:?}", gate.unwrap().config())
            };
            assert_eq!(read(&written), read(&absent), "{place}/{name}");
        }
    }
}

/// Every list of words in a definition, with the place of its member: `true` if the words are items of a list.
fn words(properties: &Value) -> Vec<(String, Vec<Value>, bool)> {
    let list = |value: &Value| value["enum"].as_array().cloned();
    let members = properties.as_object().unwrap().iter();
    members
        .filter_map(|(name, member)| {
            let plain = list(member).map(|words| (name.clone(), words, false));
            plain.or_else(|| Some((name.clone(), list(&member["items"])?, true)))
        })
        .collect()
}

#[test]
fn both_know_the_same_words() {
    let mut tried = 0;
    for kind in kinds() {
        let validator = validator(kind.schema);
        for (definition, place) in kind.places {
            for (name, words, is_list) in words(&kind.definition(definition)["properties"]) {
                let document = |word: &Value| {
                    let value = if is_list { json!([word]) } else { word.clone() };
                    kind.with(place, |members| put(place, members, &name, &value))
                };
                for word in &words {
                    let what = format!("{place}/{name} = {word}");
                    assert!(kind.verdict(&validator, &document(word), &what), "{what}");
                    tried += 1;
                }
                let unheard_of = document(&json!("unheard-of"));
                assert!(!kind.verdict(&validator, &unheard_of, &name));
                let refusal = (kind.refusal)(&unheard_of).unwrap();
                // "expected one of `a`, `b`", or "the override headers are a, b".
                for word in &words {
                    assert!(
                        refusal.contains(word.as_str().unwrap()),
                        "{word} in {refusal}"
                    );
                }
                let quoted = refusal.matches('`').count() / 2;
                assert!(
                    quoted == 0 || quoted == words.len() + 1,
                    "{refusal} against {words:?}"
                );
            }
        }
    }
    assert!(tried > 15);
}

#[test]
fn neither_takes_null_for_an_absence() {
    for kind in kinds() {
        let validator = validator(kind.schema);
        for (definition, place) in kind.places {
            for name in kind.definition(definition)["properties"]
                .as_object()
                .unwrap()
                .keys()
            {
                // For a case, "nothing reaches the upstream" is null.
                if place.ends_with("/expect") && name == "upstream" {
                    continue;
                }
                let document = kind.with(place, |members| put(place, members, name, &Value::Null));
                let what = format!("{place}/{name} = null");
                assert!(!kind.verdict(&validator, &document, &what), "{what}");
            }
        }
    }
}
