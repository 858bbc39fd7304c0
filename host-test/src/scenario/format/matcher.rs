//! What a value is to be: exactly this, something like it, or not there.

use std::borrow::Cow;
use std::fmt;

use regex::bytes::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer};

use super::bytes::{Bytes, BytesTable};
use super::log::LogLevelName;
use super::union::{OneOrMany, True, Union, text_or};

/// What some bytes are to be: text stands for exactly that text.
///
/// ```toml
/// body = "exactly this"
/// body = { contains = "this" }
/// body = { contains = ["this", "and that"] }
/// body = { regex = "^[0-9a-f]{8}$" }
/// body = { json = { error = "denied" } }
/// body = { hex = "ff" }
/// body = { any = true }
/// body = { absent = true }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Text {
    /// Exactly these bytes.
    Exact(Bytes),
    /// All of these, anywhere.
    Contains(Vec<Bytes>),
    /// Something that the expression finds; bytes that are not UTF-8 are allowed.
    Regex(Regex),
    /// JSON that has at least these members, and these elements and no others in its lists.
    Json(serde_json::Value),
    /// Anything, but it has to be there.
    Any,
    /// It must not be there.
    Absent,
}

/// The ways to say what a text is to be. Exactly one of them.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TextTable")]
struct TextTable {
    /// It has this in it, or all of these.
    contains: Option<OneOrMany<Bytes>>,
    /// The regular expression finds something in it.
    regex: Option<String>,
    /// It is JSON with at least these members.
    json: Option<serde_json::Value>,
    /// It is there, whatever it is.
    any: Option<True>,
    /// It is not there.
    absent: Option<True>,
    /// It is these bytes: two hexadecimal digits for each; white space is skipped.
    hex: Option<String>,
    /// It is these bytes (RFC 4648, section 4, with padding).
    base64: Option<String>,
    /// It is the contents of this file, relative to the scenario's folder.
    file: Option<std::path::PathBuf>,
    /// It is this text, `times` over.
    repeat: Option<String>,
    /// How often `repeat` is there.
    times: Option<u32>,
    /// It is this text, in which `${name}` stands for what an earlier step saved under that name.
    saved: Option<String>,
}

impl TextTable {
    fn into_text(self) -> Result<Text, String> {
        let is_bytes = self.hex.is_some()
            || self.base64.is_some()
            || self.file.is_some()
            || self.repeat.is_some()
            || self.times.is_some()
            || self.saved.is_some();
        let contains = self.contains.map(|parts| all_of(parts.values));
        let regex = self.regex.map(|text| expression(&text).map(Text::Regex));
        let json = self.json.map(json_with_members);
        let any = self.any.map(|True| Ok(Text::Any));
        let absent = self.absent.map(|True| Ok(Text::Absent));
        let bytes = is_bytes.then(|| {
            BytesTable {
                hex: self.hex,
                base64: self.base64,
                file: self.file,
                repeat: self.repeat,
                times: self.times,
                saved: self.saved,
            }
            .into_bytes()
            .map(Text::Exact)
        });
        let mut ways = [contains, regex, json, any, absent, bytes]
            .into_iter()
            .flatten();
        match (ways.next(), ways.next()) {
            (Some(way), None) => way,
            _ => Err(
                "exactly one of `contains`, `regex`, `json`, `any`, `absent` or bytes belongs here"
                    .to_owned(),
            ),
        }
    }
}

fn all_of(parts: Vec<Bytes>) -> Result<Text, String> {
    if parts.is_empty() || parts.iter().any(Bytes::is_written_empty) {
        return Err(format!("`contains` without anything to look for {ALWAYS}"));
    }
    Ok(Text::Contains(parts))
}

fn json_with_members(value: serde_json::Value) -> Result<Text, String> {
    if value.as_object().is_some_and(serde_json::Map::is_empty) {
        return Err("`json` without members says next to nothing: name one".to_owned());
    }
    Ok(Text::Json(value))
}

fn expression(text: &str) -> Result<Regex, String> {
    let regex = Regex::new(text).map_err(|error| error.to_string())?;
    if finds_something_anywhere(text) {
        return Err(format!(
            "`{text}` finds something in every text, so it {ALWAYS}"
        ));
    }
    Ok(regex)
}

/// What a matcher is refused for: a test that cannot fail tests nothing.
const ALWAYS: &str = "is always right: take `any = true` if that is meant";

/// Whether the expression is satisfied by no text at all, wherever that stands.
fn finds_something_anywhere(text: &str) -> bool {
    let mut parser = regex_syntax::ParserBuilder::new().utf8(false).build();
    parser.parse(text).is_ok_and(|parsed| {
        let properties = parsed.properties();
        properties.minimum_len() == Some(0) && properties.look_set().is_empty()
    })
}

impl Text {
    /// Whether bytes that are there are what they should be.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Exact(expected) => expected.as_slice() == bytes,
            Self::Contains(parts) => parts.iter().all(|part| contains(bytes, part.as_slice())),
            Self::Regex(regex) => regex.is_match(bytes),
            Self::Json(expected) => serde_json::from_slice(bytes)
                .is_ok_and(|value: serde_json::Value| json_contains(&value, expected)),
            Self::Any => true,
            Self::Absent => false,
        }
    }

    /// Whether a value that may not be there is what it should be.
    pub fn matches_option(&self, bytes: Option<&[u8]>) -> bool {
        match bytes {
            Some(bytes) => self.matches(bytes),
            None => matches!(self, Self::Absent),
        }
    }

    /// Whether it is written out, and neither a pattern nor what stands elsewhere.
    pub(in crate::scenario) fn is_exact(&self) -> bool {
        matches!(self, Self::Exact(bytes) if bytes.file().is_none() && bytes.saved().is_none())
    }

    pub(in crate::scenario) fn bytes_mut(&mut self) -> &mut [Bytes] {
        match self {
            Self::Exact(bytes) => std::slice::from_mut(bytes),
            Self::Contains(parts) => parts,
            _ => &mut [],
        }
    }
}

/// What is empty, as a file or a saved value may be, is not found: otherwise it would be found in everything.
fn contains(bytes: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && bytes.windows(part.len()).any(|window| window == part)
}

fn json_contains(value: &serde_json::Value, expected: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Object};
    match (value, expected) {
        (Object(value), Object(expected)) => expected.iter().all(|(name, expected)| {
            value
                .get(name)
                .is_some_and(|value| json_contains(value, expected))
        }),
        (Array(value), Array(expected)) => {
            value.len() == expected.len()
                && value
                    .iter()
                    .zip(expected)
                    .all(|(value, expected)| json_contains(value, expected))
        }
        (value, expected) => value == expected,
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(bytes) => f.write_str(&quoted(bytes.as_slice())),
            Self::Contains(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| quoted(part.as_slice())).collect();
                write!(f, "something with {} in it", parts.join(" and "))
            }
            Self::Regex(regex) => write!(f, "something like /{regex}/"),
            Self::Json(value) => write!(f, "JSON with {value}"),
            Self::Any => f.write_str("anything"),
            Self::Absent => f.write_str("nothing"),
        }
    }
}

/// Bytes in quotes for a person to read.
pub(in crate::scenario) fn quoted(bytes: &[u8]) -> String {
    match str::from_utf8(bytes) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("b\"{}\"", bytes.escape_ascii()),
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let union = Union {
            expecting: "text, or a table such as `{ contains = … }`",
            text: Some(|text| Ok(Self::Exact(text.as_bytes().to_vec().into()))),
            integer: None,
            table: TextTable::into_text,
        };
        union.read(deserializer)
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        text_or::<TextTable>(
            generator,
            "What some bytes are to be: text stands for exactly that text.",
        )
    }
}

/// What a number is to be: a number stands for exactly that.
///
/// ```toml
/// status = 200
/// status = { min = 200, max = 299 }
/// fuel = { near = 39000, percent = 2 }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Number {
    /// Exactly this.
    Exact(i64),
    /// From one to another, both included; either end may be open.
    Range(Option<i64>, Option<i64>),
    /// No further than so many percent from this.
    Near(i64, f64),
    /// Anything, but it has to be there.
    Any,
    /// It must not be there.
    Absent,
}

/// The ways to say what a number is to be.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NumberTable")]
struct NumberTable {
    /// It is at least this.
    min: Option<i64>,
    /// It is at most this.
    max: Option<i64>,
    /// It is near this: no further from it than `percent`.
    near: Option<i64>,
    /// How far from `near`.
    percent: Option<f64>,
    /// It is there, whatever it is.
    any: Option<True>,
    /// It is not there.
    absent: Option<True>,
}

impl NumberTable {
    fn into_number(self) -> Result<Number, String> {
        match self {
            Self {
                min,
                max,
                near: None,
                percent: None,
                any: None,
                absent: None,
            } if min.is_some() || max.is_some() => match (min, max) {
                (Some(min), Some(max)) if min > max => Err(format!(
                    "no number is at least {min} and at most {max}"
                )),
                (min, max) => Ok(Number::Range(min, max)),
            },
            Self {
                min: None,
                max: None,
                near: Some(near),
                percent: Some(percent),
                any: None,
                absent: None,
            } if percent >= 0.0 && percent.is_finite() => {
                if percent >= 100.0 {
                    return Err(format!(
                        "within {percent} percent of {near} is also nothing at all: take `max` if that is meant"
                    ));
                }
                Ok(Number::Near(near, percent))
            }
            Self {
                min: None,
                max: None,
                near: None,
                percent: None,
                any: Some(True),
                absent: None,
            } => Ok(Number::Any),
            Self {
                min: None,
                max: None,
                near: None,
                percent: None,
                any: None,
                absent: Some(True),
            } => Ok(Number::Absent),
            _ => Err("`min` and `max`, or `near` with `percent`, or one of `any` and `absent` belongs here".to_owned()),
        }
    }
}

impl Number {
    /// Whether a number that may not be there is what it should be.
    pub fn matches(self, number: Option<i64>) -> bool {
        match (self, number) {
            (Self::Absent, number) => number.is_none(),
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Exact(expected), Some(number)) => expected == number,
            (Self::Range(min, max), Some(number)) => {
                min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max)
            }
            (Self::Near(expected, percent), Some(number)) => {
                let allowed = precise(expected.abs()) * percent / 100.0;
                precise(number.saturating_sub(expected).abs()) <= allowed
            }
        }
    }
}

/// Reads what a number is to be that is there only if it is 0 or more, such as a status: "at least 0" would be always right.
pub(super) fn not_negative<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Number>, D::Error> {
    match Number::deserialize(deserializer)? {
        Number::Range(Some(..=0) | None, None) => {
            Err(serde::de::Error::custom(format!("0 and more {ALWAYS}")))
        }
        number => Ok(Some(number)),
    }
}

/// Reads what a number is to be that is always there, such as a cost.
pub(super) fn always_there<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Number>, D::Error> {
    match not_negative(deserializer)? {
        Some(Number::Any) => Err(serde::de::Error::custom(
            "`any` is always right here: it is always there",
        )),
        Some(Number::Absent) => Err(serde::de::Error::custom(
            "it is always there, so it cannot be absent",
        )),
        number => Ok(number),
    }
}

/// A tolerance in percent does not see the last digits of numbers above 2^53.
fn precise(number: i64) -> f64 {
    number as f64
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(number) => write!(f, "{number}"),
            Self::Range(Some(min), Some(max)) => write!(f, "{min} to {max}"),
            Self::Range(Some(min), None) => write!(f, "at least {min}"),
            Self::Range(None, Some(max)) => write!(f, "at most {max}"),
            Self::Range(None, None) | Self::Any => f.write_str("any number"),
            Self::Near(number, percent) => write!(f, "{number} ± {percent} %"),
            Self::Absent => f.write_str("nothing"),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let union = Union {
            expecting: "a number, or a table such as `{ min = … }`",
            text: None,
            integer: Some(|number| Ok(Self::Exact(number))),
            table: NumberTable::into_number,
        };
        union.read(deserializer)
    }
}

impl JsonSchema for Number {
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<NumberTable>();
        json_schema!({
            "description": "What a number is to be: a number stands for exactly that.",
            "anyOf": [{ "type": "integer" }, table]
        })
    }
}

/// A line of the log: text stands for a line with exactly that message.
///
/// ```toml
/// log = ["exactly this", { contains = "denied", level = "warning" }, { contains = "secret", absent = true }]
/// ```
#[derive(Clone, Debug)]
pub struct LogPattern {
    /// What its message is to be.
    pub message: Text,
    /// Its level; any without this.
    pub level: Option<LogLevelName>,
    /// How many such lines there are; at least one without this, and none for `absent`.
    pub count: Number,
}

/// A line of the log.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LogPatternTable")]
struct LogPatternTable {
    /// The message is exactly this.
    message: Option<String>,
    /// The message has this in it, or all of these.
    contains: Option<OneOrMany<Bytes>>,
    /// The regular expression finds something in the message.
    regex: Option<String>,
    /// The line has this level.
    level: Option<LogLevelName>,
    /// So many lines are like this.
    count: Option<Number>,
    /// No line is like this.
    absent: Option<True>,
}

impl LogPatternTable {
    fn into_pattern(self) -> Result<LogPattern, String> {
        let message = match (self.message, self.contains, self.regex) {
            (Some(text), None, None) => Text::Exact(text.into_bytes().into()),
            (None, Some(parts), None) => all_of(parts.values)?,
            (None, None, Some(text)) => Text::Regex(expression(&text)?),
            (None, None, None) if self.level.is_some() => Text::Any,
            _ => return Err(
                "exactly one of `message`, `contains` and `regex` belongs here, or `level` alone"
                    .to_owned(),
            ),
        };
        let count = match (self.count, self.absent) {
            (None, None) => Number::Range(Some(1), None),
            (Some(Number::Any | Number::Absent), None) => {
                return Err("a `count` is a number, or has a `min`, a `max` or `near`".to_owned());
            }
            (Some(Number::Range(Some(..=0) | None, None)), None) => {
                return Err("a `count` of 0 and more is always right".to_owned());
            }
            (Some(count), None) => count,
            (None, Some(True)) => Number::Exact(0),
            (Some(_), Some(True)) => {
                return Err("`count` and `absent` contradict each other".to_owned());
            }
        };
        Ok(LogPattern {
            message,
            level: self.level,
            count,
        })
    }
}

impl fmt::Display for LogPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(level) = self.level {
            write!(f, "[{}] ", crate::LogLevel::from(level))?;
        }
        write!(f, "{}", self.message)
    }
}

impl<'de> Deserialize<'de> for LogPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let union = Union {
            expecting: "a message, or a table such as `{ contains = … }`",
            text: Some(|text| {
                Ok(Self {
                    message: Text::Exact(text.as_bytes().to_vec().into()),
                    level: None,
                    count: Number::Range(Some(1), None),
                })
            }),
            integer: None,
            table: LogPatternTable::into_pattern,
        };
        union.read(deserializer)
    }
}

impl JsonSchema for LogPattern {
    fn schema_name() -> Cow<'static, str> {
        "LogPattern".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        text_or::<LogPatternTable>(
            generator,
            "A line of the log: text stands for a line with exactly that message.",
        )
    }
}
