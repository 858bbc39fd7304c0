//! A request as a person writes it down, taken apart but not tidied up: what a gate refuses must reach it as it was
//! written.

use std::borrow::Cow;

use postern_core::explain::Asked;
use serde::Serialize;
use thiserror::Error;

/// A request without its credential.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// What stands in `:authority` or `Host`.
    pub authority: String,
    /// What stands in `:path`: path and query, byte for byte.
    pub path: String,
    /// Other headers, in order. Not serialised, since one may hold a secret.
    #[serde(skip)]
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// Takes a URL apart at its first `://` and the first `/` or `?` after that. A URL that begins with `/` gets
    /// `default_authority`.
    ///
    /// No URL parser is used: those normalise paths, and a path that needs it is just what a gate refuses.
    ///
    /// # Errors
    /// [`UrlFault`] for a URL that names no authority.
    pub fn new(method: &str, url: &str, default_authority: Option<&str>) -> Result<Self, UrlFault> {
        let (authority, path) = if url.starts_with('/') {
            (default_authority.ok_or(UrlFault::NoAuthority)?, url)
        } else {
            let (scheme, rest) = url.split_once("://").ok_or(UrlFault::NoAuthority)?;
            if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
                return Err(UrlFault::Scheme);
            }
            rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
        };
        // RFC 9112, section 3.2.1: a client sends an absent path as "/".
        let path = if path.starts_with('/') {
            Cow::Borrowed(path)
        } else {
            Cow::Owned(format!("/{path}"))
        };
        Ok(Self {
            method: method.to_owned(),
            authority: authority.to_owned(),
            path: path.into_owned(),
            headers: Vec::new(),
        })
    }

    /// The request as explanations look at it.
    #[must_use]
    pub fn asked(&self) -> Asked<'_> {
        Asked {
            method: &self.method,
            authority: &self.authority,
            path: &self.path,
            headers: &self.headers,
        }
    }

    /// All headers as a gateway hands them to the filter: pseudo-headers first, then the credential, then the others.
    #[must_use]
    pub fn header_pairs(&self, authorization: Option<&str>) -> Vec<(String, String)> {
        let mut pairs = vec![
            (":method".to_owned(), self.method.clone()),
            (":scheme".to_owned(), "https".to_owned()),
            (":authority".to_owned(), self.authority.clone()),
            (":path".to_owned(), self.path.clone()),
        ];
        pairs.extend(authorization.map(|value| ("authorization".to_owned(), value.to_owned())));
        pairs.extend(self.headers.iter().cloned());
        pairs
    }
}

/// Why a text is no URL of a request.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum UrlFault {
    /// There is no host, or the URL is not absolute.
    #[error("write a whole URL, such as https://api.example.com/orders/7")]
    NoAuthority,
    /// A gateway serves HTTP.
    #[error("the URL must begin with https:// or http://")]
    Scheme,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> Result<(String, String), UrlFault> {
        Request::new("GET", url, None).map(|request| (request.authority, request.path))
    }

    #[test]
    fn a_url_is_taken_apart_and_nothing_in_it_is_tidied_up() {
        for (url, authority, path) in [
            ("https://a.example/x/7?y=1", "a.example", "/x/7?y=1"),
            (
                "http://A.example:8080/X//../%61",
                "A.example:8080",
                "/X//../%61",
            ),
            ("https://user@a.example/", "user@a.example", "/"),
            ("https://a.example", "a.example", "/"),
            ("https://a.example?y=/z", "a.example", "/?y=/z"),
            ("https:///x", "", "/x"),
        ] {
            let expected = (authority.to_owned(), path.to_owned());
            assert_eq!(parts(url), Ok(expected), "{url}");
        }
    }

    #[test]
    fn a_url_without_authority_is_refused_unless_there_is_a_default() {
        assert_eq!(parts("/x"), Err(UrlFault::NoAuthority));
        assert_eq!(parts("a.example/x"), Err(UrlFault::NoAuthority));
        assert_eq!(parts("ftp://a.example/x"), Err(UrlFault::Scheme));
        let request = Request::new("GET", "/x", Some("a.example")).unwrap();
        assert_eq!(request.authority, "a.example");
    }
}
