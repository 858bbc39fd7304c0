//! Header maps as Envoy keeps them.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::names::Names;

/// Request headers of which Envoy 1.40 keeps one value: a second one is joined to the first with a comma.
/// Found by sending each name twice through an Envoy.
static JOINED_REQUEST_HEADERS: Names = Names::new(&[
    "te",
    "via",
    ":path",
    "accept",
    "expect",
    "origin",
    "pragma",
    ":method",
    ":scheme",
    "referer",
    "upgrade",
    "if-match",
    ":authority",
    "connection",
    "keep-alive",
    "user-agent",
    "content-type",
    "grpc-timeout",
    "x-request-id",
    "authorization",
    "cache-control",
    "if-none-match",
    "content-length",
    "accept-encoding",
    "x-forwarded-for",
    "content-encoding",
    "proxy-connection",
    "x-forwarded-host",
    "x-forwarded-port",
    "if-modified-since",
    "transfer-encoding",
    "x-client-trace-id",
    "x-forwarded-proto",
    "grpc-accept-encoding",
    "x-envoy-original-path",
    "access-control-request-method",
    "access-control-request-headers",
]);

/// The same for response headers.
static JOINED_RESPONSE_HEADERS: Names = Names::new(&[
    "age",
    "via",
    "date",
    "etag",
    "vary",
    "server",
    ":status",
    "expires",
    "upgrade",
    "location",
    "connection",
    "keep-alive",
    "grpc-status",
    "content-type",
    "grpc-message",
    "proxy-status",
    "x-request-id",
    "cache-control",
    "last-modified",
    "content-length",
    "content-encoding",
    "x-envoy-degraded",
    "transfer-encoding",
    "x-envoy-ratelimited",
    "x-envoy-attempt-count",
    "access-control-max-age",
    "x-envoy-upstream-canary",
    "access-control-allow-origin",
    "x-envoy-decorator-operation",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-expose-headers",
    "x-envoy-upstream-service-time",
    "access-control-allow-credentials",
    "x-envoy-immediate-health-check-fail",
]);

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
    entries: Vec<Entry>,
    /// The bytes of all names and values, and of some that are no longer there: one piece of memory for a whole map.
    bytes: Vec<u8>,
    joining: Joining,
}

#[derive(Clone)]
struct Entry {
    name: Range<usize>,
    value: Range<usize>,
}

/// So many bytes may be kept for nothing before they are cleared away.
const MAX_WASTE: usize = 4 * 1024;

/// Room for the headers of a request or response from the start.
const USUAL_HEADERS: usize = 16;
const USUAL_BYTES: usize = 512;

impl HeaderMap {
    /// The bytes to look through for one name.
    pub(crate) fn weight(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Entry>()
    }

    /// An empty map in which no name is joined.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_joining(joining: Joining) -> Self {
        Self {
            joining,
            ..Self::default()
        }
    }

    /// The same, with room for what a request or response usually has.
    pub(crate) fn with_room(joining: Joining) -> Self {
        Self {
            entries: Vec::with_capacity(USUAL_HEADERS),
            bytes: Vec::with_capacity(USUAL_BYTES),
            joining,
        }
    }

    /// The first value of `name`, whatever its letter case. That is also all that a guest sees of duplicates when it
    /// asks for one value.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.position(name.as_ref())
            .map(|at| &self.bytes[self.entries[at].value.clone()])
    }

    /// The first value of `name` as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self, name: impl AsRef<[u8]>) -> Option<String> {
        self.get(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// All values of `name`, in order.
    pub fn all(&self, name: impl AsRef<[u8]>) -> Vec<&[u8]> {
        let name = self.known_as(name.as_ref());
        self.iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    /// Whether there is a header of that name.
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.position(name.as_ref()).is_some()
    }

    /// Whether `name` has more than one value.
    pub(crate) fn has_several(&self, name: &[u8]) -> bool {
        let name = self.known_as(name);
        let mut values = self
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values.next().is_some() && values.next().is_some()
    }

    /// All pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|entry| self.pair(entry))
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
        let (name, value) = (self.known_as(name.as_ref()), value.as_ref());
        if let Some(joined) = self.joined(name) {
            return self.join(joined, value);
        }
        let entry = Entry {
            name: self.store(name),
            value: self.store(value),
        };
        self.bytes[entry.name.clone()].make_ascii_lowercase();
        // Envoy keeps pseudo headers in front, in the order in which they were added.
        let place = if name.starts_with(b":") {
            self.pseudo_headers_end()
        } else {
            self.entries.len()
        };
        self.entries.insert(place, entry);
        self.clear_away();
    }

    /// Sets the one value of `name`. Every value that there was goes, and the new one comes behind all other headers.
    pub fn replace(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.remove(name.as_ref());
        self.append(name, value);
    }

    /// Sets the first value of `name` where it stands, or adds one at the end.
    pub(crate) fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        match self.position(name.as_bytes()) {
            Some(at) => {
                self.entries[at].value = self.store(value.as_ref());
                self.clear_away();
            }
            None => self.append(name, value),
        }
    }

    /// Removes every value of `name`; whether there was one.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> bool {
        let name = self.known_as(name.as_ref());
        self.retain(|key| !key.eq_ignore_ascii_case(name))
    }

    /// Keeps the headers whose names, in lower case, pass; whether one went.
    pub(crate) fn retain(&mut self, mut passes: impl FnMut(&[u8]) -> bool) -> bool {
        let before = self.entries.len();
        let bytes = &self.bytes;
        self.entries
            .retain(|entry| passes(&bytes[entry.name.clone()]));
        before != self.entries.len()
    }

    /// A map in which no name is joined, of the headers whose names pass.
    pub(crate) fn filtered(&self, passes: impl FnMut(&[u8]) -> bool) -> Self {
        let mut map = self.clone();
        map.joining = Joining::Nothing;
        map.retain(passes);
        map
    }

    /// Removes all headers.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
    }

    /// The sum of the lengths of all names and values: `proxy_get_header_map_size`.
    pub fn byte_size(&self) -> usize {
        self.entries
            .iter()
            .map(|entry| entry.name.len() + entry.value.len())
            .sum()
    }

    fn pair(&self, entry: &Entry) -> (&[u8], &[u8]) {
        (
            &self.bytes[entry.name.clone()],
            &self.bytes[entry.value.clone()],
        )
    }

    /// In a request `host` is another name for `:authority` (Envoy `HeaderMapImpl`, where both are one inline header).
    fn known_as<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        let host = self.joining == Joining::Request && name.eq_ignore_ascii_case(b"host");
        if host { b":authority" } else { name }
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        let name = self.known_as(name);
        let last = name.last().map(u8::to_ascii_lowercase);
        self.entries.iter().position(|entry| {
            let key = &self.bytes[entry.name.clone()];
            // Names of one length mostly differ at their end.
            key.len() == name.len() && key.last().copied() == last && key.eq_ignore_ascii_case(name)
        })
    }

    /// The header to which a new value of this name is joined.
    fn joined(&self, name: &[u8]) -> Option<usize> {
        let names = match self.joining {
            Joining::Nothing => return None,
            Joining::Request => &JOINED_REQUEST_HEADERS,
            Joining::Response => &JOINED_RESPONSE_HEADERS,
        };
        // Most names come once: looking for them first saves looking through the list.
        self.position(name)
            .filter(|_| names.contains(self.known_as(name)))
    }

    fn join(&mut self, at: usize, value: &[u8]) {
        let present = self.entries[at].value.clone();
        let start = self.bytes.len();
        self.bytes.extend_from_within(present.clone());
        if !present.is_empty() {
            self.bytes.push(b',');
        }
        self.bytes.extend_from_slice(value);
        self.entries[at].value = start..self.bytes.len();
        self.clear_away();
    }

    fn store(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// A guest may set a header a million times.
    fn clear_away(&mut self) {
        if self.bytes.len() <= MAX_WASTE {
            return;
        }
        let used = self.byte_size();
        if self.bytes.len() - used > MAX_WASTE.max(used) {
            let mut kept = Self::with_joining(self.joining);
            for entry in &self.entries {
                let (name, value) = self.pair(entry);
                let entry = Entry {
                    name: kept.store(name),
                    value: kept.store(value),
                };
                kept.entries.push(entry);
            }
            *self = kept;
        }
    }

    fn pseudo_headers_end(&self) -> usize {
        self.iter()
            .take_while(|(name, _)| name.starts_with(b":"))
            .count()
    }
}

impl PartialEq for HeaderMap {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for HeaderMap {}

impl fmt::Debug for HeaderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(
                self.iter()
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
    fn host_is_another_name_for_the_authority_of_a_request() {
        let mut map = HeaderMap::with_joining(Joining::Request);
        map.append(":authority", "a");
        map.append("Host", "b");
        assert_eq!(map.get("host"), Some(b"a,b".as_slice()));
        assert_eq!(map.all("host"), [b"a,b"]);
        map.replace("host", "c");
        assert_eq!(map.get(":authority"), Some(b"c".as_slice()));
        assert!(map.remove("host"));
        assert!(map.is_empty());
        let mut response = HeaderMap::with_joining(Joining::Response);
        response.append("host", "b");
        assert_eq!(response.get(":authority"), None);
    }

    #[test]
    fn a_header_that_is_set_a_million_times_takes_no_more_memory_than_ten_times() {
        let mut map: HeaderMap = [("x-a", "1"), ("x-b", "2")].into_iter().collect();
        for number in 0..1_000_000 {
            map.replace("X-B", number.to_string());
            map.set("x-a", "long enough to matter");
        }
        assert!(map.bytes.len() < 3 * MAX_WASTE);
        assert_eq!(map.get("x-b"), Some(b"999999".as_slice()));
        assert_eq!(map.len(), 2);
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
