//! TCP connections in a scenario: how they are opened, and what their sides send.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};

use super::bytes::Bytes;
use super::union::True;

/// How a client opens a TCP connection.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Connecting {
    /// The worker; the next in turn without one.
    pub worker: Option<usize>,
    /// The plugins that the connection passes, by name.
    pub plugins: Option<Vec<String>>,
    refused: bool,
}

impl Connecting {
    /// Whether the upstream refuses the connection.
    pub fn is_refused(&self) -> bool {
        self.refused
    }
}

/// How a client opens a TCP connection.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Connect")]
struct ConnectTable {
    /// On this worker (0, 1, …) instead of the next in turn.
    worker: Option<usize>,
    /// The plugins that the connection passes, by name, in this order; all of them in the order of the file without this.
    plugins: Option<Vec<String>>,
    /// The upstream refuses the connection.
    refused: Option<True>,
}

impl<'de> Deserialize<'de> for Connecting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TrueOrTable)
    }
}

struct TrueOrTable;

impl<'de> Visitor<'de> for TrueOrTable {
    type Value = Connecting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`true` or a table")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Connecting, E> {
        True::deserialize(value.into_deserializer()).map(|True| Connecting::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Connecting, A::Error> {
        let table = ConnectTable::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Connecting {
            worker: table.worker,
            plugins: table.plugins,
            refused: table.refused.is_some(),
        })
    }
}

impl JsonSchema for Connecting {
    fn schema_name() -> Cow<'static, str> {
        "Connecting".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let yes = generator.subschema_for::<True>();
        let table = generator.subschema_for::<ConnectTable>();
        json_schema!({ "anyOf": [yes, table] })
    }
}

/// What one side of a TCP connection sends.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Sent {
    /// Bytes; the filters are called once for each.
    #[serde(default)]
    pub chunks: Vec<Bytes>,
    /// Whether this side sends no more: it closes. The connection is closed when both sides have.
    #[serde(default)]
    pub end: bool,
    /// Behind that, this side breaks the connection off (RST).
    #[serde(default)]
    reset: Option<True>,
}

impl Sent {
    /// Whether this side breaks the connection off.
    pub fn resets(&self) -> bool {
        self.reset.is_some()
    }
}
