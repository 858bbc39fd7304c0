//! What Envoy's access log says about one request.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::Result;
use crate::upstream::MARKER;

/// The keys that the filter leaves in filter state, all under `wasm.`.
const STATE: [&str; 8] = [
    "postern.record",
    "postern.reason",
    "postern.decision",
    "postern.person",
    "postern.token",
    "postern.service",
    "postern.method",
    "postern.mode",
];

/// One entry.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Logged {
    /// `%RESPONSE_CODE%`.
    pub status: u16,
    /// `%RESPONSE_CODE_DETAILS%`.
    pub details: Option<String>,
    /// The filter state that is set, by key without `wasm.`.
    pub left: BTreeMap<String, String>,
    /// What it says, also where that is part of `postern.record`: by the key that the piece has by itself.
    pub state: BTreeMap<String, String>,
}

impl Logged {
    /// An entry of a request that left this.
    pub fn new(status: u16, details: Option<String>, left: BTreeMap<String, String>) -> Self {
        let mut state = left.clone();
        for pair in state
            .remove("postern.record")
            .unwrap_or_default()
            .split(' ')
        {
            if let Some((name, value)) = pair.split_once('=') {
                state.insert(format!("postern.{name}"), value.to_owned());
            }
        }
        Self {
            status,
            details,
            left,
            state,
        }
    }
}

/// The log format: one JSON object a line.
pub(super) fn format() -> Value {
    let mut format = Map::new();
    format.insert("marker".to_owned(), json!(format!("%REQ({MARKER})%")));
    format.insert("status".to_owned(), json!("%RESPONSE_CODE%"));
    format.insert("details".to_owned(), json!("%RESPONSE_CODE_DETAILS%"));
    for key in STATE {
        format.insert(
            key.to_owned(),
            json!(format!("%FILTER_STATE(wasm.{key}:PLAIN)%")),
        );
    }
    Value::Object(format)
}

/// The entry with this marker, if it is written already.
pub(super) fn find(path: &Path, marker: &str) -> Result<Option<Logged>> {
    let Ok(text) = std::fs::read_to_string(path) else {
        return Ok(None);
    };
    // The last line may be half written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    for line in whole.lines() {
        let entry: Value = serde_json::from_str(line)?;
        if entry["marker"].as_str() == Some(marker) {
            let status = entry["status"]
                .as_u64()
                .and_then(|status| status.try_into().ok());
            let left = STATE
                .into_iter()
                .filter_map(|key| Some((key.to_owned(), entry[key].as_str()?.to_owned())));
            return Ok(Some(Logged::new(
                status.unwrap_or_default(),
                entry["details"].as_str().map(str::to_owned),
                left.collect(),
            )));
        }
    }
    Ok(None)
}
