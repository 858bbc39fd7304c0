//! What the host offers beside the ABI's own: properties and foreign functions.

use std::borrow::Cow;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

use super::bytes::Bytes;
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
