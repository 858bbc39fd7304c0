//! Host functions that fail.

use schemars::JsonSchema;
use serde::Deserialize;

use super::bytes::Bytes;
use super::names;

/// A host function that fails, or that answers other bytes than the true ones.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "FaultTable")]
#[schemars(with = "FaultTable")]
#[non_exhaustive]
pub struct FaultSpec {
    /// The function, as guests import it.
    pub function: String,
    /// What it does.
    pub effect: FaultEffect,
    /// The only call that is struck, counted from 1; every one without this.
    pub call: Option<u64>,
    /// The only callback in which calls are struck; every one without this.
    pub callback: Option<String>,
}

/// What a faulty host function does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FaultEffect {
    /// It does nothing and answers this: a status, or an errno for a function of WASI.
    Status(u32),
    /// It works, but hands over these bytes.
    Bytes(Bytes),
}

/// A host function that fails, or that answers other bytes than the true ones.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Fault")]
struct FaultTable {
    /// The function, as guests import it.
    function: String,
    /// What it answers instead of doing anything: the name of a status, such as CAS_MISMATCH, or a number.
    status: Option<StatusCode>,
    /// The bytes that it hands over instead of the true ones.
    bytes: Option<Bytes>,
    /// The only call that is struck, counted from 1 since the step; every one without this.
    #[schemars(range(min = 1))]
    call: Option<u64>,
    /// The only callback in which calls count and are struck, such as `proxy_on_request_headers`.
    callback: Option<String>,
}

impl TryFrom<FaultTable> for FaultSpec {
    type Error = String;

    fn try_from(table: FaultTable) -> Result<Self, Self::Error> {
        let effect = match (table.status, table.bytes) {
            (Some(status), None) => FaultEffect::Status(status.0),
            (None, Some(bytes)) => FaultEffect::Bytes(bytes),
            _ => return Err("a fault has either a `status` or `bytes`".to_owned()),
        };
        names::function(&table.function)?;
        table.callback.as_deref().map_or(Ok(()), names::callback)?;
        if table.call == Some(0) {
            return Err("calls are counted from 1".to_owned());
        }
        Ok(Self {
            function: table.function,
            effect,
            call: table.call,
            callback: table.callback,
        })
    }
}

/// A `proxy_status_t` by name or number.
#[derive(Debug)]
struct StatusCode(u32);

/// The names of the specification, by their numbers (v0.2.1, "proxy_status_t").
const STATUS_NAMES: [(&str, u32); 12] = [
    ("OK", 0),
    ("NOT_FOUND", 1),
    ("BAD_ARGUMENT", 2),
    ("SERIALIZATION_FAILURE", 3),
    ("PARSE_FAILURE", 4),
    ("INVALID_MEMORY_ACCESS", 6),
    ("EMPTY", 7),
    ("CAS_MISMATCH", 8),
    ("RESULT_MISMATCH", 9),
    ("INTERNAL_FAILURE", 10),
    ("BROKEN_CONNECTION", 11),
    ("UNIMPLEMENTED", 12),
];

impl<'de> Deserialize<'de> for StatusCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let union: super::union::Union<Self, NoTable> = super::union::Union {
            expecting: "a status by its name or number",
            text: Some(|name| {
                let found = STATUS_NAMES.iter().find(|(known, _)| *known == name);
                found.map(|(_, number)| Self(*number)).ok_or_else(|| {
                    let names: Vec<_> = STATUS_NAMES.iter().map(|(name, _)| *name).collect();
                    format!(
                        "`{name}` is no status: use {} or a number",
                        names.join(", ")
                    )
                })
            }),
            integer: Some(|number| {
                u32::try_from(number)
                    .map(Self)
                    .map_err(|_| format!("{number} is no status"))
            }),
            table: |table| match table {},
        };
        union.read(deserializer)
    }
}

/// There is no table for a status.
#[derive(Deserialize)]
enum NoTable {}

impl JsonSchema for StatusCode {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StatusCode".into()
    }

    fn json_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<_> = STATUS_NAMES.iter().map(|(name, _)| *name).collect();
        schemars::json_schema!({ "anyOf": [{ "enum": names }, { "type": "integer", "minimum": 0, "maximum": u32::MAX }] })
    }
}
