//! The schema of scenario files.

use postern_host::scenario;
use serde_json::{Value, json};

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let committed = include_str!("../../../schema/scenario.schema.json");
    let committed: Value = serde_json::from_str(committed).expect("JSON");
    assert!(
        committed == scenario::schema(),
        "write it anew: cargo run -p postern-host -- schema > host-test/schema/scenario.schema.json"
    );
}

#[test]
fn the_schema_knows_what_the_parser_knows() {
    let validator = jsonschema::validator_for(&scenario::schema()).expect("a schema");
    let good = json!({
        "host": { "module": "m.wasm", "wall_clock": "2026-01-01T00:00:00Z" },
        "cluster": { "auth": [{ "reply": { "status": 200 } }] },
        "step": [
            { "request": { "headers": [["a", "1"], ["b", { "hex": "ff" }]] }, "expect": { "status": { "min": 200 } } },
            { "fault": { "function": "proxy_log", "status": "CAS_MISMATCH" } },
        ]
    });
    assert!(validator.is_valid(&good));
    for bad in [
        json!({ "step": [{ "expect": { "stauts": 200 } }] }),
        json!({ "step": [{ "request": { "headers": [["a"]] } }] }),
        json!({ "step": [{ "advance": 5 }] }),
        json!({ "step": [{ "fault": { "function": "proxy_log", "status": "NO" } }] }),
        json!({ "hots": {} }),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}

/// What the schema has against the text of a scenario file.
pub(crate) fn problems(text: &str) -> Vec<String> {
    let table: toml::Table = text.parse().expect("TOML");
    let validator = jsonschema::validator_for(&scenario::schema()).expect("a schema");
    let json = json(&toml::Value::Table(table));
    let errors = validator.iter_errors(&json);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// The value as JSON: an instant of TOML is text there.
fn json(value: &toml::Value) -> Value {
    match value {
        toml::Value::Datetime(instant) => Value::String(instant.to_string()),
        toml::Value::Array(values) => values.iter().map(json).collect(),
        toml::Value::Table(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), json(value)))
            .collect(),
        other => serde_json::to_value(other).expect("JSON"),
    }
}

#[test]
fn every_scenario_of_the_repository_is_valid() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["host-test", "tests", "policies"].map(|folder| root.join(folder));
    let folders: Vec<_> = folders
        .into_iter()
        .filter(|folder| scenario::find(std::slice::from_ref(folder)).is_ok())
        .collect();
    let files = scenario::find(&folders).expect("scenarios");
    assert!(files.len() >= 16, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file");
        assert_eq!(problems(&text), Vec::<String>::new(), "{}", file.display());
    }
}
