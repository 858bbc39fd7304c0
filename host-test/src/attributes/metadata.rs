//! The protobuf messages among the attributes: `envoy.config.core.v3.Metadata`, `Node` and `google.protobuf.Struct`.

use super::PropertyValue;
use crate::protobuf::{Field, fields, put_bool, put_bytes, put_double};

/// Fields that are messages or text, by the names that a guest reads them under.
const FIELDS: &[(&str, u8)] = &[
    // Metadata
    ("filter_metadata", 1),
    // Node
    ("id", 1),
    ("cluster", 2),
    ("metadata", 3),
    ("locality", 4),
    ("user_agent_name", 6),
];
const LOCALITY: &[(&str, u8)] = &[("region", 1), ("zone", 2), ("sub_zone", 3)];

/// Metadata that nobody has set.
pub(super) fn empty_message() -> PropertyValue {
    PropertyValue::Message(vec![(
        "filter_metadata".to_owned(),
        PropertyValue::Map(Vec::new()),
    )])
}

/// The bytes of a message with these fields.
pub(super) fn encode_message(message: &[(String, PropertyValue)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in message {
        let Some((_, number)) = FIELDS.iter().find(|(field, _)| field == name) else {
            continue;
        };
        match (name.as_str(), value) {
            ("filter_metadata", PropertyValue::Map(namespaces)) => {
                for (namespace, value) in namespaces {
                    let mut entry = Vec::new();
                    put_bytes(&mut entry, 1, namespace.as_bytes());
                    put_bytes(&mut entry, 2, &encode_struct(value));
                    put_bytes(&mut bytes, *number, &entry);
                }
            }
            ("locality", PropertyValue::Map(parts) | PropertyValue::Message(parts)) => {
                let mut locality = Vec::new();
                for (part, value) in parts {
                    let number = LOCALITY.iter().find(|(field, _)| field == part);
                    if let (Some((_, number)), PropertyValue::String(text)) = (number, value) {
                        put_bytes(&mut locality, *number, text.as_bytes());
                    }
                }
                put_bytes(&mut bytes, *number, &locality);
            }
            (_, PropertyValue::String(text)) => put_bytes(&mut bytes, *number, text.as_bytes()),
            (_, value) => put_bytes(&mut bytes, *number, &encode_struct(value)),
        }
    }
    bytes
}

/// A `google.protobuf.Struct`, or nothing of what is no map.
fn encode_struct(value: &PropertyValue) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let PropertyValue::Map(entries) = value {
        for (name, value) in entries {
            let mut entry = Vec::new();
            put_bytes(&mut entry, 1, name.as_bytes());
            put_bytes(&mut entry, 2, &encode_value(value));
            put_bytes(&mut bytes, 1, &entry);
        }
    }
    bytes
}

/// A `google.protobuf.Value`.
fn encode_value(value: &PropertyValue) -> Vec<u8> {
    let mut bytes = Vec::new();
    match value {
        PropertyValue::Double(number) => put_double(&mut bytes, 2, *number),
        PropertyValue::String(text) => put_bytes(&mut bytes, 3, text.as_bytes()),
        PropertyValue::Bool(truth) => put_bool(&mut bytes, 4, *truth),
        PropertyValue::Map(_) => put_bytes(&mut bytes, 5, &encode_struct(value)),
        PropertyValue::List(items) => {
            let mut list = Vec::new();
            for item in items {
                put_bytes(&mut list, 1, &encode_value(item));
            }
            put_bytes(&mut bytes, 6, &list);
        }
        _ => {}
    }
    bytes
}

/// Reads a serialized `google.protobuf.Struct`; `None` if it is none.
pub(crate) fn decode_struct(bytes: &[u8]) -> Option<PropertyValue> {
    let entries = fields(bytes)?;
    let entries = entries.iter().filter(|field| field.number == 1);
    entries
        .map(|entry| {
            let entry = fields(entry.bytes?)?;
            let of = |number| entry.iter().rev().find(|field| field.number == number);
            let name = of(1).and_then(|field| field.bytes).unwrap_or_default();
            let value = match of(2).and_then(|field| field.bytes) {
                Some(value) => decode_value(value)?,
                None => PropertyValue::Null,
            };
            Some((String::from_utf8(name.to_vec()).ok()?, value))
        })
        .collect::<Option<Vec<_>>>()
        .map(PropertyValue::Map)
}

fn decode_value(bytes: &[u8]) -> Option<PropertyValue> {
    let read = fields(bytes)?;
    Some(match read.last() {
        Some(Field {
            number: 2,
            fixed64: Some(bits),
            ..
        }) => PropertyValue::Double(f64::from_bits(*bits)),
        Some(Field {
            number: 3,
            bytes: Some(text),
            ..
        }) => PropertyValue::String(String::from_utf8(text.to_vec()).ok()?),
        Some(Field {
            number: 4,
            varint: Some(truth),
            ..
        }) => PropertyValue::Bool(*truth != 0),
        Some(Field {
            number: 5,
            bytes: Some(inner),
            ..
        }) => decode_struct(inner)?,
        Some(Field {
            number: 6,
            bytes: Some(inner),
            ..
        }) => {
            let items = fields(inner)?;
            let items = items.iter().filter(|field| field.number == 1);
            let items = items.map(|item| decode_value(item.bytes?));
            PropertyValue::List(items.collect::<Option<_>>()?)
        }
        _ => PropertyValue::Null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, PropertyValue)]) -> PropertyValue {
        let entries = entries.iter();
        PropertyValue::Map(
            entries
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        )
    }

    #[test]
    fn metadata_has_the_bytes_that_envoy_gave_for_it() {
        let metadata = vec![(
            "filter_metadata".to_owned(),
            map(&[("lm", map(&[("x", "1".into())]))]),
        )];
        assert_eq!(
            encode_message(&metadata),
            b"\n\x10\n\x02lm\x12\n\n\x08\n\x01x\x12\x03\x1a\x011"
        );
    }

    #[test]
    fn a_struct_comes_back_as_it_was() {
        let all = map(&[
            ("n", 3.0.into()),
            ("s", "text".into()),
            ("b", true.into()),
            ("m", map(&[("z", "y".into())])),
            ("l", PropertyValue::List(vec![1.0.into(), "x".into()])),
        ]);
        assert_eq!(decode_struct(&encode_struct(&all)), Some(all));
        assert_eq!(decode_struct(b"\xff\xff"), None);
    }
}
