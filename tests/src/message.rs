//! HTTP messages as bytes: what a test sends and what came back, with header order and duplicates kept.

use std::fmt;

/// A header section: names and values as bytes, in the order of the wire.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Headers(Vec<(Vec<u8>, Vec<u8>)>);

impl Headers {
    /// Appends a field, next to any that has the same name.
    pub fn push(&mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.push((name.into(), value.into()));
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// All values of one name (compared as ASCII without case), in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The only value of one name; `None` when it is absent or there are several.
    pub fn only<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value),
            _ => None,
        }
    }

    /// The only value of one name as text, bad UTF-8 replaced.
    pub fn text(&self, name: &str) -> Option<String> {
        self.only(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Whether there is any field of that name.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no field at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_map()
            .entries(self.iter().map(|(name, value)| {
                (
                    name.escape_ascii().to_string(),
                    value.escape_ascii().to_string(),
                )
            }))
            .finish()
    }
}

impl<N: Into<Vec<u8>>, V: Into<Vec<u8>>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        Self(
            fields
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

/// A request to send, byte for byte.
#[derive(Clone, Debug)]
pub struct Request {
    /// The HTTP method.
    pub method: Vec<u8>,
    /// The request target: `:path` in HTTP/2. `None` in HTTP/2 CONNECT, which has none.
    pub target: Option<Vec<u8>>,
    /// `Host` in HTTP/1.1, `:authority` in HTTP/2.
    pub authority: Option<Vec<u8>>,
    /// All other fields, in the order to send.
    pub headers: Headers,
    /// The body. `None` sends no framing header and ends the stream with the headers.
    pub body: Option<Vec<u8>>,
    /// Trailers; with any, HTTP/1.1 sends the body chunked.
    pub trailers: Headers,
}

impl Request {
    /// A request without body to an authority that the fixture's gateway answers for.
    pub fn new(method: impl Into<Vec<u8>>, target: impl Into<Vec<u8>>) -> Self {
        Self {
            method: method.into(),
            target: Some(target.into()),
            authority: Some(crate::fixture::HOST.into()),
            headers: Headers::default(),
            body: None,
            trailers: Headers::default(),
        }
    }

    /// `GET` of a path.
    pub fn get(target: impl Into<Vec<u8>>) -> Self {
        Self::new("GET", target)
    }

    /// `POST` to a path, without body.
    pub fn post(target: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target)
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Adds `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(self, token: impl AsRef<[u8]>) -> Self {
        let value = [b"Bearer ".as_slice(), token.as_ref()].concat();
        self.header("authorization", value)
    }

    /// Replaces the authority.
    #[must_use]
    pub fn authority(mut self, authority: impl Into<Vec<u8>>) -> Self {
        self.authority = Some(authority.into());
        self
    }

    /// Adds a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Adds a trailer field, after an empty body unless there is one.
    #[must_use]
    pub fn trailer(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.trailers.push(name, value);
        self.body.get_or_insert_default();
        self
    }
}

/// A response as it came.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields, names in lower case as every gateway here sends them.
    pub headers: Headers,
    /// The whole body, transfer coding removed.
    pub body: Vec<u8>,
    /// Trailer fields.
    pub trailers: Headers,
}

impl Response {
    /// The body as text, bad UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// When it is not JSON.
    pub fn json(&self) -> crate::Result<serde_json::Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_fields_of_one_name_are_kept_apart_and_are_not_an_only_value() {
        let request = Request::get("/")
            .header("A", "1")
            .header("b", "2")
            .header("a", "3");

        assert_eq!(request.headers.all("a").collect::<Vec<_>>(), [b"1", b"3"]);
        assert_eq!(request.headers.only("a"), None);
        assert_eq!(request.headers.text("B").as_deref(), Some("2"));
    }

    #[test]
    fn headers_are_printed_readably_even_when_they_are_not_text() {
        let headers: Headers = [("x", b"a\xff".as_slice())].into_iter().collect();

        assert_eq!(format!("{headers:?}"), r#"{"x": "a\\xff"}"#);
    }
}
