//! What the decision needs of a request's headers, gathered in one pass over the map.

use thiserror::Error;

use crate::credential::{Credential, CredentialFault};
use crate::few::Few;
use crate::headers::HeaderMap;

/// Headers by which some upstreams take another path or method than the request line's, or take a refusal for a pass
/// (CVE-2023-30845 is the method's case). They are removed unless the method lists them in `allow_headers`.
pub const OVERRIDE_HEADERS: [&str; 6] = [
    "x-envoy-auth-failure-mode-allowed",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];

/// The start of every header that speaks for the gateway.
pub const RESERVED_PREFIX: &str = "x-postern-";

/// Why no rule is asked about a request.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum RequestFault {
    /// Two readers could each take another.
    #[error("a pseudo-header is repeated")]
    PseudoHeaderRepeated,
    /// The next hop would drop what the gateway says (RFC 9110, section 7.6.1).
    #[error("the connection header names a header that the gateway sets")]
    ConnectionNamesOurs,
}

/// The parts of a request that rules look at; nothing else of it can change a decision.
#[derive(Debug, Default)]
pub struct RequestHead<'a> {
    /// `:method`.
    pub method: Option<&'a [u8]>,
    /// `:authority`.
    pub authority: Option<&'a [u8]>,
    /// `:path`.
    pub path: Option<&'a [u8]>,
    /// Whether the caller speaks gRPC, so that refusals are put in its terms.
    pub grpc: bool,
    /// Whether the body is a form.
    pub form: bool,
    /// Whether `origin` and `access-control-request-method` are there, as in a CORS preflight.
    origin: bool,
    request_method: bool,
    content_length: Option<u64>,
    /// Whether `connection` names a header that the gateway sets.
    names_ours_hop_by_hop: bool,
    /// The values of `upgrade`.
    pub upgrades: Few<&'a [u8]>,
    /// `authorization`, under the names that it came with.
    authorization: Few<(&'a [u8], &'a [u8])>,
    /// Reserved headers, under the names that they came with.
    reserved: Few<&'a [u8]>,
    /// Override headers: the name that each came with, and its place in [`OVERRIDE_HEADERS`].
    overrides: Few<(&'a [u8], usize)>,
}

impl<'a> RequestHead<'a> {
    /// Reads a header map. A pseudo-header that is repeated is refused: two readers could each take another.
    ///
    /// `end_of_stream` says that no body follows.
    pub fn read(headers: &HeaderMap<'a>, end_of_stream: bool) -> Result<Self, RequestFault> {
        let mut head = Self::default();
        for (name, value) in headers.iter() {
            let slot = match name {
                b":method" => &mut head.method,
                b":authority" => &mut head.authority,
                b":path" => &mut head.path,
                _ => {
                    head.read_field(name, value);
                    continue;
                }
            };
            if slot.replace(value).is_some() {
                return Err(RequestFault::PseudoHeaderRepeated);
            }
        }
        if head.names_ours_hop_by_hop {
            return Err(RequestFault::ConnectionNamesOurs);
        }
        if end_of_stream {
            head.content_length = Some(0);
        }
        Ok(head)
    }

    /// The request's one credential.
    pub fn credential(&self) -> Result<Credential<'a>, CredentialFault> {
        Credential::read(self.authorization.iter().map(|&(_, value)| value))
    }

    /// The length of the body, where the caller has told it.
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// The reserved headers, under the names that they came with.
    pub fn reserved_names(&self) -> impl Iterator<Item = &'a [u8]> {
        self.reserved.iter().copied()
    }

    /// Whether this is a CORS preflight (the Fetch standard, "CORS-preflight request") in its strict sense: without a
    /// credential, which a browser never puts on one.
    pub fn is_preflight(&self, method: &str) -> bool {
        method == "OPTIONS" && self.origin && self.request_method && self.authorization.is_empty()
    }

    /// The one `Authorization` header, whatever its scheme; `None` if there is none.
    pub fn authorization(&self) -> Result<Option<&'a [u8]>, CredentialFault> {
        match self.authorization.only() {
            Some((_, value)) => Ok(Some(value)),
            None if self.authorization.is_empty() => Ok(None),
            None => Err(CredentialFault::Several),
        }
    }

    /// The names under which `authorization` came, for its removal.
    pub fn authorization_names(&self) -> impl Iterator<Item = &'a [u8]> {
        self.authorization.iter().map(|&(name, _)| name)
    }

    /// The names to remove before the request goes on: every reserved header, and each override header that is not in
    /// `allowed`.
    pub fn forbidden_names(&self, allowed: &[String]) -> impl Iterator<Item = &'a [u8]> {
        let overrides = self.overrides.iter().filter(|&&(_, place)| {
            let header = OVERRIDE_HEADERS.get(place).copied();
            !allowed.iter().any(|name| Some(name.as_str()) == header)
        });
        self.reserved
            .iter()
            .copied()
            .chain(overrides.map(|&(name, _)| name))
    }

    fn read_field(&mut self, name: &'a [u8], value: &'a [u8]) {
        if reads_as(name, "authorization") {
            self.authorization.push((name, value));
        } else if reads_as(name, "upgrade") {
            self.upgrades.push(value);
        } else if name.eq_ignore_ascii_case(b"content-type") {
            self.grpc |= is_grpc(value);
            self.form |= is_form(value);
        } else if name.eq_ignore_ascii_case(b"connection") {
            self.names_ours_hop_by_hop |= value
                .split(|&byte| byte == b',')
                .map(<[u8]>::trim_ascii)
                .any(|name| is_reserved(name) || reads_as(name, "authorization"));
        } else if reads_as(name, "origin") {
            self.origin = true;
        } else if reads_as(name, "access-control-request-method") {
            self.request_method = true;
        } else if reads_as(name, "content-length") {
            self.content_length = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok());
        } else if is_reserved(name) {
            self.reserved.push(name);
        } else if let Some(place) = OVERRIDE_HEADERS
            .iter()
            .position(|header| reads_as(name, header))
        {
            self.overrides.push((name, place));
        }
    }
}

/// The names to remove from a request's trailers. By then the call is decided, so no method's list is at hand, and a
/// credential has no business there.
pub fn forbidden_in_trailers<'a>(
    trailers: &HeaderMap<'a>,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    trailers.iter().map(|(name, _)| name).filter(|&name| {
        is_reserved(name)
            || reads_as(name, "authorization")
            || OVERRIDE_HEADERS.iter().any(|header| reads_as(name, header))
    })
}

/// Whether a header's name is one that only the gateway may set. Many upstreams read `_` as `-` (CGI does), and so does
/// this: GHSA-5m6w-wvh7-57vm is what happens otherwise.
pub fn is_reserved(name: &[u8]) -> bool {
    name.get(..RESERVED_PREFIX.len())
        .is_some_and(|start| reads_as(start, RESERVED_PREFIX))
}

/// Whether `name` in lower case and with `_` as `-` is `canonical`.
fn reads_as(name: &[u8], canonical: &str) -> bool {
    name.len() == canonical.len()
        && name.iter().zip(canonical.bytes()).all(|(&byte, expected)| {
            byte.to_ascii_lowercase() == expected || (byte == b'_' && expected == b'-')
        })
}

/// Whether a `Content-Type` is that of a form.
fn is_form(content_type: &[u8]) -> bool {
    let essence = content_type
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default();
    essence
        .trim_ascii()
        .eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// gRPC over HTTP/2: `application/grpc`, then nothing, a `+` suffix or parameters.
fn is_grpc(content_type: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    content_type
        .split_at_checked(GRPC.len())
        .is_some_and(|(start, rest)| {
            start.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+' | b';'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::encode;

    fn with_head<T>(
        pairs: &[(&str, &str)],
        check: impl FnOnce(Result<RequestHead<'_>, RequestFault>) -> T,
    ) -> T {
        let encoded = encode(pairs);
        check(RequestHead::read(
            &HeaderMap::decode(&encoded).unwrap(),
            false,
        ))
    }

    #[test]
    fn reserved_headers_are_found_under_every_spelling() {
        let spellings = [
            "x-postern-person",
            "X-Postern-Person",
            "x_postern_person",
            "x-postern_x",
            "X_POSTERN-",
        ];
        let pairs: Vec<_> = spellings
            .iter()
            .map(|&name| (name, "forged"))
            .chain([("x-postern", "kept")])
            .collect();
        with_head(&pairs, |head| {
            let names: Vec<_> = head
                .unwrap()
                .forbidden_names(&[])
                .map(<[u8]>::to_vec)
                .collect();
            assert_eq!(names, spellings.map(|name| name.as_bytes().to_vec()));
        });
    }

    #[test]
    fn override_headers_are_removed_unless_the_method_lists_them() {
        let pairs = [
            ("x-http-method-override", "DELETE"),
            ("X_Original_Url", "/admin"),
            ("accept", "*/*"),
        ];
        with_head(&pairs, |head| {
            let head = head.unwrap();
            assert_eq!(head.forbidden_names(&[]).count(), 2);
            let left: Vec<_> = head
                .forbidden_names(&["x-original-url".to_owned()])
                .collect();
            assert_eq!(left, [b"x-http-method-override"]);
        });
    }

    #[test]
    fn two_authorization_headers_are_two_credentials() {
        with_head(
            &[("authorization", "Bearer a"), ("Authorization", "Bearer b")],
            |head| {
                let head = head.unwrap();
                assert_eq!(head.credential(), Err(CredentialFault::Several));
                assert_eq!(head.authorization_names().count(), 2);
            },
        );
    }

    #[test]
    fn trailers_lose_reserved_and_override_headers_and_credentials() {
        let encoded = encode(&[
            ("x_postern_person", "forged"),
            ("grpc-status", "0"),
            ("Authorization", "Bearer a"),
            ("x-original-url", "/admin"),
        ]);
        let names: Vec<_> = forbidden_in_trailers(&HeaderMap::decode(&encoded).unwrap()).collect();
        assert_eq!(
            names,
            [
                &b"x_postern_person"[..],
                b"Authorization",
                b"x-original-url"
            ]
        );
    }

    #[test]
    fn a_header_that_the_gateway_sets_cannot_be_made_hop_by_hop() {
        for value in [
            "x-postern-person",
            "Upgrade, X_Postern_Token",
            "close,authorization",
        ] {
            with_head(&[("Connection", value)], |head| {
                assert_eq!(
                    head.unwrap_err(),
                    RequestFault::ConnectionNamesOurs,
                    "{value}"
                );
            });
        }
        with_head(&[("connection", "Upgrade, x-other")], |head| {
            assert!(head.is_ok());
        });
    }

    #[test]
    fn a_repeated_pseudo_header_is_refused() {
        for name in [":method", ":path", ":authority"] {
            with_head(&[(name, "a"), (name, "a")], |head| {
                assert_eq!(head.unwrap_err(), RequestFault::PseudoHeaderRepeated);
            });
        }
    }

    #[test]
    fn grpc_is_told_by_the_whole_media_type() {
        for (content_type, grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/gRPC; charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/grpcx", false),
            ("application/json", false),
        ] {
            with_head(&[("content-type", content_type)], |head| {
                assert_eq!(head.unwrap().grpc, grpc, "{content_type}");
            });
        }
    }

    #[test]
    fn the_content_type_of_a_form_may_have_parameters() {
        for content_type in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-Urlencoded; charset=utf-8",
        ] {
            assert!(is_form(content_type.as_bytes()));
        }
        for content_type in ["", "application/json", "application/x-www-form-urlencodedx"] {
            assert!(!is_form(content_type.as_bytes()));
        }
    }
}
