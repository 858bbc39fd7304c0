//! Durations and instants.

use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer};

use super::union::Union;
use crate::clock::nanoseconds;

/// A duration with its unit, such as `5ms`, `2s` or `1h 30m`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Self).map_err(|error| {
            serde::de::Error::custom(format!(
                "`{text}` is no duration such as \"5ms\" or \"2s\": {error}"
            ))
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration with its unit, such as 5ms, 2s or 1h 30m.",
            "type": "string",
            "examples": ["5ms", "2s", "1h 30m"]
        })
    }
}

/// An instant on the wall clock (RFC 3339 in UTC), in quotes or as a TOML date-time.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Instant(u64);

impl Instant {
    /// Nanoseconds since 1970.
    pub fn nanoseconds(self) -> u64 {
        self.0
    }

    fn parse(text: &str) -> Result<Self, String> {
        let time = humantime::parse_rfc3339(text).map_err(|error| {
            format!("`{text}` is no instant such as 2026-01-01T00:00:00Z: {error}")
        })?;
        time.duration_since(UNIX_EPOCH)
            .map(|since| Self(nanoseconds(since)))
            .map_err(|_| format!("`{text}` is before 1970"))
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let union: Union<Self, DateTime> = Union {
            expecting: "an instant such as 2026-01-01T00:00:00Z",
            text: Some(Self::parse),
            integer: None,
            table: |written| Self::parse(&written.0.to_string()),
        };
        union.read(deserializer)
    }
}

/// A date-time without quotes, which TOML hands over as a table of its own.
struct DateTime(toml::value::Datetime);

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        toml::value::Datetime::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Instant {
    fn schema_name() -> Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An instant on the wall clock (RFC 3339 in UTC).",
            "type": "string",
            "format": "date-time",
            "examples": ["2026-01-01T00:00:00Z"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct At {
        at: Instant,
    }

    #[test]
    fn an_instant_may_stand_in_quotes_or_without() {
        for toml in ["at = 1970-01-01T00:00:01Z", "at = '1970-01-01T00:00:01Z'"] {
            let at: At = toml::from_str(toml).expect(toml);
            assert_eq!(at.at.nanoseconds(), 1_000_000_000);
        }
        let error = toml::from_str::<At>("at = 'yesterday'").err();
        assert!(error.is_some_and(|error| error.message().contains("2026-01-01T00:00:00Z")));
    }
}
