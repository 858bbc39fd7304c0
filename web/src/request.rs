//! A request as a page describes it.

use postern_core::explain::Asked;
use postern_core::headers::encode;
use serde::Deserialize;

/// A request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// The HTTP method.
    pub(crate) method: String,
    /// `Host` or `:authority`.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
    /// Names and values, in order.
    #[serde(default)]
    pub(crate) headers: Vec<(String, String)>,
    /// A form. `None`: no body follows.
    #[serde(default)]
    pub(crate) body: Option<String>,
}

impl Request {
    /// The request as explanations look at it.
    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked {
            method: &self.method,
            authority: &self.authority,
            path: &self.path,
            headers: &self.headers,
        }
    }

    /// The headers as a gateway hands them to the filter: names in lower case, pseudo-headers first, then the credential.
    pub(crate) fn encoded(&self, authorization: Option<&str>) -> Vec<u8> {
        let mut pairs = vec![
            (":method".to_owned(), self.method.as_str()),
            (":scheme".to_owned(), "https"),
            (":authority".to_owned(), &self.authority),
            (":path".to_owned(), &self.path),
        ];
        pairs.extend(authorization.map(|value| ("authorization".to_owned(), value)));
        let headers = self.headers.iter();
        pairs.extend(headers.map(|(name, value)| (name.to_ascii_lowercase(), value.as_str())));
        encode(&pairs)
    }
}
