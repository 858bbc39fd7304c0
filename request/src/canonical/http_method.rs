//! The HTTP method of a request.

use std::fmt;

/// An HTTP method: a token, compared byte by byte, since `get` is not `GET` (RFC 9110, section 9.1).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct HttpMethod<'a>(&'a str);

impl<'a> HttpMethod<'a> {
    /// Takes `method` as it stands in `:method`.
    ///
    /// # Errors
    /// The rule that `method` breaks; such a request is answered 400.
    pub fn parse(method: &'a [u8]) -> Result<Self, MethodFault> {
        if method.is_empty() {
            return Err(MethodFault::Missing);
        }
        match str::from_utf8(method) {
            Ok(text) if is_token(text) => Ok(Self(text)),
            _ => Err(MethodFault::NotAToken),
        }
    }

    /// The method as it was sent.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Display for HttpMethod<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Why bytes are no HTTP method.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MethodFault {
    /// There is none, or it is empty.
    #[error("the HTTP method is missing")]
    Missing,
    /// It holds a byte that a token cannot hold (RFC 9110, section 5.6.2).
    #[error("not an HTTP method: only letters, digits and !#$%&'*+-.^_`|~ may stand in one")]
    NotAToken,
}

impl MethodFault {
    /// A stable name for logs and metrics.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "method_missing",
            Self::NotAToken => "method_not_a_token",
        }
    }
}

/// Whether `text` is a token (RFC 9110, section 5.6.2).
pub fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'!' | b'#'
                        | b'$'
                        | b'%'
                        | b'&'
                        | b'\''
                        | b'*'
                        | b'+'
                        | b'-'
                        | b'.'
                        | b'^'
                        | b'_'
                        | b'`'
                        | b'|'
                        | b'~'
                )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_kept_as_it_was_sent() {
        for method in ["GET", "get", "M-SEARCH", "X!#$%&'*+-.^_`|~9"] {
            assert_eq!(
                HttpMethod::parse(method.as_bytes()).map(HttpMethod::as_str),
                Ok(method)
            );
        }
    }

    #[test]
    fn every_byte_outside_a_token_is_refused() {
        let allowed =
            "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        for byte in 0..=u8::MAX {
            let method = [b'G', byte, b'T'];
            assert_eq!(
                HttpMethod::parse(&method).is_ok(),
                allowed.as_bytes().contains(&byte),
                "{byte:#04x}"
            );
        }
    }

    #[test]
    fn a_missing_method_is_refused() {
        assert_eq!(HttpMethod::parse(b""), Err(MethodFault::Missing));
    }
}
