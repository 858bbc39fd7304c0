//! What the host offers beside the ABI's own: properties and foreign functions.

use std::borrow::Cow;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

use super::bytes::Bytes;
use super::names;
use super::time::Span;
use super::union::True;
use crate::DnsAnswer;
use crate::attributes::PropertyValue;
use crate::profile::Profile;

/// A host to behave as, by its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ProfileName(pub Profile);

impl<'de> Deserialize<'de> for ProfileName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Profile::from_str(&name).map(Self).map_err(D::Error::custom)
    }
}

impl JsonSchema for ProfileName {
    fn schema_name() -> Cow<'static, str> {
        "Profile".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = Profile::ALL.iter().map(|profile| profile.name()).collect();
        json_schema!({ "description": "A host to behave as.", "enum": names })
    }
}

/// A property: its value, or `{ absent = true }` for one that is not found.
#[derive(Clone, Debug, PartialEq)]
pub enum Property {
    /// It has this value.
    Value(PropertyValue),
    /// It is not found.
    Absent,
}

impl<'de> Deserialize<'de> for Property {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        if value == serde_json::json!({ "absent": true }) {
            return Ok(Self::Absent);
        }
        property(&value).map(Self::Value).ok_or_else(|| {
            D::Error::custom("a property is text, a number, true or false, a list or a table")
        })
    }
}

fn property(value: &serde_json::Value) -> Option<PropertyValue> {
    use serde_json::Value;
    Some(match value {
        Value::String(text) => PropertyValue::String(text.clone()),
        Value::Bool(flag) => PropertyValue::Bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(number) => PropertyValue::Int(number),
            None => PropertyValue::Double(number.as_f64()?),
        },
        Value::Array(values) => {
            PropertyValue::List(values.iter().map(property).collect::<Option<_>>()?)
        }
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| Some((name.clone(), property(value)?)));
            PropertyValue::Map(members.collect::<Option<_>>()?)
        }
        Value::Null => return None,
    })
}

impl JsonSchema for Property {
    fn schema_name() -> Cow<'static, str> {
        "Property".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A property: its value, or `{ absent = true }` for one that is not found.",
            "type": ["string", "number", "boolean", "array", "object"]
        })
    }
}

/// What a foreign function answers.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ForeignFunction {
    /// The bytes that it hands over; none without this.
    pub result: Option<Bytes>,
    /// The status that it fails with, by its number.
    pub status: Option<u32>,
}

/// A host function or a callback, by name.
#[derive(Clone, Debug, serde::Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(try_from = "String")]
pub struct Capability(#[schemars(with = "String")] pub String);

impl TryFrom<String> for Capability {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        if names::callback(&name).is_ok() || names::function(&name).is_ok() {
            Ok(Self(name))
        } else {
            Err(format!("`{name}` is no host function and no callback"))
        }
    }
}

/// What a look-up of a name comes to.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Dns")]
#[non_exhaustive]
pub struct DnsSpec {
    /// The addresses, such as `10.0.0.1` or `::1`; without any, the name does not exist.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub addresses: Vec<IpAddr>,
    /// How long they are good for; 0 s without this.
    pub ttl: Option<Span>,
    /// How long the answer takes; no time without this.
    pub delay: Option<Span>,
    /// The servers cannot be reached.
    failure: Option<True>,
    /// The answer comes while the guest still asks, as Envoy's from the hosts file of its machine.
    at_once: Option<True>,
}

impl From<&DnsSpec> for DnsAnswer {
    fn from(spec: &DnsSpec) -> Self {
        let mut answer = match spec.failure {
            Some(True) => Self::failure(),
            None => Self::new(spec.addresses.iter().copied()),
        };
        if let Some(ttl) = spec.ttl {
            answer = answer.ttl(ttl.0);
        }
        if let Some(delay) = spec.delay {
            answer = answer.after(delay.0);
        }
        if spec.at_once.is_some() {
            answer = answer.at_once();
        }
        answer
    }
}
