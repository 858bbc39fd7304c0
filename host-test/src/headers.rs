//! Header maps as Envoy keeps them.

use std::borrow::Cow;
use std::fmt;

/// Request headers of which Envoy 1.40 keeps one value: a second one is joined to the first with a comma.
/// Found by sending each name twice through an Envoy.
const JOINED_REQUEST_HEADERS: &[&str] = &[
    ":authority",
    ":method",
    ":path",
    ":scheme",
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-type",
    "expect",
    "grpc-accept-encoding",
    "grpc-timeout",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "keep-alive",
    "origin",
    "pragma",
    "proxy-connection",
    "referer",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-client-trace-id",
    "x-envoy-original-path",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
];

/// The same for response headers.
const JOINED_RESPONSE_HEADERS: &[&str] = &[
    ":status",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "age",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "etag",
    "expires",
    "grpc-message",
    "grpc-status",
    "keep-alive",
    "last-modified",
    "location",
    "proxy-status",
    "server",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-degraded",
    "x-envoy-immediate-health-check-fail",
    "x-envoy-ratelimited",
    "x-envoy-upstream-canary",
    "x-envoy-upstream-service-time",
    "x-request-id",
];

/// Which names hold one joined value.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Joining {
    #[default]
    Nothing,
    Request,
    Response,
}

/// Headers or trailers: an ordered list of names and values, with duplicates. Names are kept in lower case, values are
/// bytes as they came.
#[derive(Clone, Default)]
pub struct HeaderMap {
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    joining: Joining,
}

impl HeaderMap {
    /// An empty map in which no name is joined.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_joining(joining: Joining) -> Self {
        Self {
            entries: Vec::new(),
            joining,
        }
    }

    /// The first value of `name`, whatever its letter case. That is also all that a guest sees of duplicates when it
    /// asks for one value.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = name.as_ref();
        self.entries
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// The first value of `name` as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self, name: impl AsRef<[u8]>) -> Option<String> {
        self.get(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// All values of `name`, in order.
    pub fn all(&self, name: impl AsRef<[u8]>) -> Vec<&[u8]> {
        let name = name.as_ref();
        self.entries
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
            .collect()
    }

    /// Whether there is a header of that name.
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.get(name).is_some()
    }

    /// Whether `name` has more than one value.
    pub(crate) fn has_several(&self, name: &[u8]) -> bool {
        let mut values = self
            .entries
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values.next().is_some() && values.next().is_some()
    }

    /// All pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// The number of pairs, duplicates counted.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a value behind those that are there. In the headers of a request or response, a name that Envoy keeps once
    /// gets the new value joined to the old one.
    pub fn append(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref().to_ascii_lowercase(), value.as_ref());
        if self.is_joined(&name)
            && let Some((_, present)) = self.entries.iter_mut().find(|(key, _)| *key == name)
        {
            if !present.is_empty() {
                present.push(b',');
            }
            present.extend_from_slice(value);
            return;
        }
        // Envoy keeps pseudo headers in front, in the order in which they were added.
        let place = if name.starts_with(b":") {
            self.pseudo_headers_end()
        } else {
            self.entries.len()
        };
        self.entries.insert(place, (name, value.to_vec()));
    }

    /// Sets the one value of `name`. Every value that there was goes, and the new one comes behind all other headers.
    pub fn replace(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.remove(name.as_ref());
        self.append(name, value);
    }

    /// Sets the first value of `name` where it stands, or adds one at the end.
    pub(crate) fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        match self
            .entries
            .iter_mut()
            .find(|(key, _)| key == name.as_bytes())
        {
            Some((_, present)) => *present = value.as_ref().to_vec(),
            None => self.append(name, value),
        }
    }

    /// Removes every value of `name`; whether there was one.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> bool {
        let before = self.entries.len();
        let name = name.as_ref();
        self.entries
            .retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        before != self.entries.len()
    }

    /// The sum of the lengths of all names and values: `proxy_get_header_map_size`.
    pub fn byte_size(&self) -> usize {
        self.entries
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum()
    }

    fn is_joined(&self, name: &[u8]) -> bool {
        let names = match self.joining {
            Joining::Nothing => return false,
            Joining::Request => JOINED_REQUEST_HEADERS,
            Joining::Response => JOINED_RESPONSE_HEADERS,
        };
        names
            .binary_search_by(|joined| joined.as_bytes().cmp(name))
            .is_ok()
    }

    fn pseudo_headers_end(&self) -> usize {
        self.entries
            .iter()
            .take_while(|(name, _)| name.starts_with(b":"))
            .count()
    }
}

impl PartialEq for HeaderMap {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for HeaderMap {}

impl fmt::Debug for HeaderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(
                self.entries
                    .iter()
                    .map(|(name, value)| (String::from_utf8_lossy(name), printable(value))),
            )
            .finish()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for HeaderMap {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut map = Self::new();
        for (name, value) in pairs {
            map.append(name, value);
        }
        map
    }
}

fn printable(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.escape_ascii().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_authorization_header_of_a_request_joins_the_first() {
        let mut map = HeaderMap::with_joining(Joining::Request);
        map.append("Authorization", "Bearer a");
        map.append("x-b", "1");
        map.append("authorization", "Bearer b");
        map.append("X-B", "2");
        assert_eq!(map.all("authorization"), [b"Bearer a,Bearer b"]);
        assert_eq!(map.all("x-b"), [b"1", b"2"]);
    }

    #[test]
    fn the_joined_names_are_sorted_for_the_search() {
        assert!(JOINED_REQUEST_HEADERS.is_sorted());
        assert!(JOINED_RESPONSE_HEADERS.is_sorted());
    }

    #[test]
    fn replacing_leaves_one_value_behind_all_others() {
        let mut map: HeaderMap = [("a", "1"), ("b", "2"), ("A", "3"), ("c", "4")]
            .into_iter()
            .collect();
        map.replace("A", "9");
        assert_eq!(
            map,
            [("b", "2"), ("c", "4"), ("a", "9")].into_iter().collect()
        );
        map.replace("d", "5");
        assert_eq!(map.len(), 4);
    }

    #[test]
    fn pseudo_headers_stay_in_front() {
        let map: HeaderMap = [("x", "1"), (":method", "GET"), (":path", "/")]
            .into_iter()
            .collect();
        let names: Vec<_> = map.iter().map(|(name, _)| name.to_vec()).collect();
        assert_eq!(
            names,
            [b":method".to_vec(), b":path".to_vec(), b"x".to_vec()]
        );
    }
}
