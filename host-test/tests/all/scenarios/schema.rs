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
