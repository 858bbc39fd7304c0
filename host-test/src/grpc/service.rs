//! The target of a gRPC call: the name of a cluster, or a serialized `envoy.config.core.v3.GrpcService`.

use crate::protobuf::{Field, fields};

/// What the bytes that a guest passed as its service stand for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Service {
    /// The name of a cluster, as bytes that are no protobuf message.
    Name(String),
    /// A message that names a cluster (`envoy_grpc`) or a target (`google_grpc`).
    Message(String),
    /// A message that names neither.
    Nothing,
}

/// Reads a service as Envoy does: as a message if it is one, and only then as a name. A short name can be a message by
/// accident, and Envoy does not notice either.
pub(crate) fn read_service(bytes: &[u8]) -> Service {
    let Some(message) = fields(bytes) else {
        return Service::Name(String::from_utf8_lossy(bytes).into_owned());
    };
    // `envoy_grpc` is field 1 with `cluster_name` as its field 1; `google_grpc` field 2 with `target_uri`. The last wins.
    let target = message.iter().rev().find_map(|field| match field {
        Field {
            number: 1 | 2,
            bytes: Some(inner),
            ..
        } => Some(*inner),
        _ => None,
    });
    let Some(target) = target else {
        return Service::Nothing;
    };
    match fields(target) {
        None => Service::Name(String::from_utf8_lossy(bytes).into_owned()),
        Some(inner) => Service::Message(
            inner
                .iter()
                .rev()
                .find(|field| field.number == 1)
                .and_then(|field| field.bytes)
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .unwrap_or_default(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_name_and_a_message_names_its_cluster() {
        assert_eq!(read_service(b"up"), Service::Name("up".to_owned()));
        assert_eq!(
            read_service(b"\x0a\x04\x0a\x02up"),
            Service::Message("up".to_owned())
        );
        assert_eq!(read_service(b""), Service::Nothing);
        assert_eq!(
            read_service(b"\x12\x05\x0a\x03h:1"),
            Service::Message("h:1".to_owned())
        );
    }
}
