//! Responses that the host makes itself, on behalf of a filter or on its own.

use std::collections::VecDeque;

use crate::exchange::LocalResponse;
use crate::front::{Part, Refusal};
use crate::headers::{HeaderMap, Joining};

/// A response to be sent through the filter's response callbacks.
#[derive(Debug)]
pub(crate) struct LocalReply {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl LocalReply {
    /// What Envoy makes of a filter's answer (Envoy `Http::Utility::prepareLocalReply`). A gRPC client gets status 200 with
    /// the failure in headers, and no body.
    pub(crate) fn from_filter(local: &LocalResponse, grpc: bool) -> Self {
        let mut headers = HeaderMap::with_room(Joining::Response);
        let status = if grpc {
            "200".to_owned()
        } else {
            // Envoy keeps a status in 16 bits.
            (local.status & 0xffff).to_string()
        };
        headers.append(":status", status);
        // The status is not theirs to say.
        let theirs = local.headers.iter().filter(|(name, _)| name != b":status");
        for (name, value) in theirs {
            headers.append(name, value);
        }
        if grpc {
            headers.remove("content-length");
            headers.set("content-type", "application/grpc");
            headers.replace("grpc-status", grpc_status(local).to_string());
            if !local.body.is_empty() {
                headers.replace("grpc-message", percent_encoded(&local.body));
            }
            return Self {
                headers,
                body: Vec::new(),
            };
        }
        if local.body.is_empty() {
            headers.remove("content-length");
            headers.remove("content-type");
        } else {
            headers.set("content-length", local.body.len().to_string());
            if !headers.contains("content-type") {
                headers.append("content-type", "text/plain");
            }
        }
        Self {
            headers,
            body: local.body.clone(),
        }
    }

    /// An answer of the host's own.
    pub(crate) fn from_host(status: u16, body: impl AsRef<[u8]>, grpc: bool) -> Self {
        let local = LocalResponse {
            status: u32::from(status),
            details: String::new(),
            body: body.as_ref().to_vec(),
            headers: HeaderMap::new(),
            grpc_status: -1,
        };
        Self::from_filter(&local, grpc)
    }

    pub(crate) fn from_refusal(refusal: Refusal) -> Self {
        Self::from_host(refusal.status, refusal.body, false)
    }

    /// The parts that the filter's response callbacks get. The answer to HEAD has the headers alone.
    pub(crate) fn parts(&mut self, to_head: bool) -> VecDeque<Part> {
        let body = std::mem::take(&mut self.body);
        if body.is_empty() || to_head {
            VecDeque::from([Part::Headers(true)])
        } else {
            VecDeque::from([Part::Headers(false), Part::Body(body, true)])
        }
    }
}

/// The status that the filter gave, or else the one that stands for the HTTP status (gRPC documentation, "HTTP to gRPC Status
/// Code Mapping").
fn grpc_status(local: &LocalResponse) -> i32 {
    if local.grpc_status >= 0 {
        return local.grpc_status;
    }
    match local.status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// gRPC's encoding of `grpc-message`: everything but printable ASCII, and the percent sign, as `%XX`.
fn percent_encoded(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len()), |mut text, byte| {
            if (b' '..=b'~').contains(byte) && *byte != b'%' {
                text.push(char::from(*byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(grpc_status: i32) -> LocalResponse {
        LocalResponse {
            status: 401,
            details: String::new(),
            body: b"50% n\xc3\xb6".to_vec(),
            headers: [
                ("www-authenticate", "Bearer"),
                ("content-type", "application/json"),
            ]
            .into_iter()
            .collect(),
            grpc_status,
        }
    }

    #[test]
    fn a_plain_client_gets_body_length_and_type() {
        let reply = LocalReply::from_filter(&refusal(-1), false);
        let expected = [
            (":status", "401"),
            ("www-authenticate", "Bearer"),
            ("content-type", "application/json"),
            ("content-length", "7"),
        ];
        assert_eq!(reply.headers, expected.into_iter().collect());
        assert_eq!(reply.body, b"50% n\xc3\xb6");
        let bare = LocalReply::from_host(503, "", false);
        assert_eq!(bare.headers, [(":status", "503")].into_iter().collect());
        assert_eq!(
            LocalReply::from_host(503, "x", false)
                .headers
                .text("content-type")
                .as_deref(),
            Some("text/plain")
        );
    }

    #[test]
    fn headers_of_a_filter_do_not_change_the_status() {
        let mut local = refusal(-1);
        local.status = 70_000;
        local.headers.append(":status", "200");
        let reply = LocalReply::from_filter(&local, false);
        assert_eq!(reply.headers.all(":status"), [b"4464"]);
        let to_grpc = LocalReply::from_filter(&local, true);
        assert_eq!(to_grpc.headers.all(":status"), [b"200"]);
    }

    #[test]
    fn a_grpc_client_gets_status_200_and_the_failure_in_headers() {
        let reply = LocalReply::from_filter(&refusal(-1), true);
        let expected = [
            (":status", "200"),
            ("www-authenticate", "Bearer"),
            ("content-type", "application/grpc"),
            ("grpc-status", "16"),
            ("grpc-message", "50%25 n%C3%B6"),
        ];
        assert_eq!(reply.headers, expected.into_iter().collect());
        assert!(reply.body.is_empty());
        assert_eq!(
            LocalReply::from_filter(&refusal(5), true)
                .headers
                .text("grpc-status")
                .as_deref(),
            Some("5")
        );
    }
}
