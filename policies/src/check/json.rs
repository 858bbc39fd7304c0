//! Reading JSON as a gateway reads it: a member that stands twice in an object is a fault, not the last one's victory.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Why a text is not read.
#[derive(Debug)]
pub(crate) struct JsonFault {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) path: String,
    pub(crate) sentence: String,
}

/// The value that `text` is.
pub(crate) fn read(text: &str) -> Result<Value, JsonFault> {
    let value = serde_json::from_str(text).map_err(|error| fault(String::new(), &error))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, Unique>(&mut reader) {
        Ok(Unique) => Ok(value),
        Err(error) => {
            let path = error.path().to_string();
            let path = if path == "." { String::new() } else { path };
            Err(fault(path, &error.into_inner()))
        }
    }
}

fn fault(path: String, error: &serde_json::Error) -> JsonFault {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let sentence = match text.strip_suffix(&place) {
        Some(sentence) if error.is_data() => sentence.to_owned(),
        Some(sentence) => format!("this is no JSON: {sentence} (column {})", error.column()),
        None => text,
    };
    JsonFault {
        line: error.line(),
        path,
        sentence,
    }
}

/// Any JSON without a member that stands twice.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Look)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E: Error>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Unique, A::Error> {
        while items.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unique, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if seen.contains(&name) {
                members.next_value::<IgnoredAny>()?;
                return Err(A::Error::custom(format!(
                    "the member {name:?} is there twice"
                )));
            }
            members.next_value::<Unique>()?;
            seen.insert(name);
        }
        Ok(Unique)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_without_repeated_members_is_read() {
        let text = r#"{"a": [1, -1, 1.5, "x", true, null, {"a": 1}], "b": {"a": {}}}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(read(text).unwrap(), value);
    }

    #[test]
    fn a_repeated_member_is_told_with_its_place() {
        let fault = read("{\"a\": [{\"b\": 1,\n\"b\": 2}]}").unwrap_err();
        assert_eq!((fault.line, fault.path.as_str()), (2, "a[0]"));
        assert_eq!(fault.sentence, "the member \"b\" is there twice");
    }

    #[test]
    fn what_is_no_json_is_told_with_its_line_and_column() {
        let fault = read("{\n\"a\": ,\n}").unwrap_err();
        assert_eq!(fault.line, 2);
        assert_eq!(fault.sentence, "this is no JSON: expected value (column 6)");
        assert!(read("{} {}").is_err());
    }
}
