//! Client credentials in `Authorization: Basic` (RFC 6749, section 2.3.1; RFC 7617): the id of an API token as the
//! client's id, the API token itself as its secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The id and the secret of a client.
pub(crate) struct ClientCredentials {
    /// The API token's id.
    pub(crate) id: Zeroizing<Vec<u8>>,
    /// The API token. Wiped when dropped.
    pub(crate) secret: Zeroizing<Vec<u8>>,
}

/// Whether the value of an `Authorization` header is of the scheme Basic.
pub(crate) fn is_basic(value: &[u8]) -> bool {
    value
        .split_at_checked("basic".len())
        .is_some_and(|(scheme, rest)| {
            scheme.eq_ignore_ascii_case(b"basic")
                && rest.first().is_none_or(u8::is_ascii_whitespace)
        })
}

impl ClientCredentials {
    /// Reads the value of an `Authorization` header of the scheme Basic; `None` if it holds no id and secret.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let encoded = value.get("basic".len()..)?.trim_ascii();
        let pair = Zeroizing::new(STANDARD.decode(encoded).ok()?);
        let colon = pair.iter().position(|&byte| byte == b':')?;
        let (id, secret) = pair.split_at_checked(colon)?;
        let (id, secret) = (percent_decoded(id)?, percent_decoded(secret.get(1..)?)?);
        (!id.is_empty() && !secret.is_empty()).then_some(Self { id, secret })
    }
}

/// Undoes the percent-encoding that RFC 6749 asks of a client. Many clients do not encode at all; but no token holds a
/// `%` or a space, so `%` always begins an escape and `+` is always itself.
fn percent_decoded(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(*bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        decoded.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pair: &str) -> Option<(String, String)> {
        let credentials =
            ClientCredentials::read(format!("Basic {}", STANDARD.encode(pair)).as_bytes())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some((text(&credentials.id), text(&credentials.secret)))
    }

    fn pair(id: &str, secret: &str) -> Option<(String, String)> {
        Some((id.to_owned(), secret.to_owned()))
    }

    #[test]
    fn id_and_secret_are_split_at_the_first_colon() {
        assert_eq!(read("t-9:pst_x"), pair("t-9", "pst_x"));
        assert_eq!(read("t-9:a:b"), pair("t-9", "a:b"));
    }

    #[test]
    fn a_client_may_or_may_not_percent_encode() {
        assert_eq!(read("t%2D9:a%2Bb"), pair("t-9", "a+b"));
        assert_eq!(read("t-9:a+b/c="), pair("t-9", "a+b/c="));
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        for text in ["", "t-9", ":secret", "t-9:", "t-9:%", "t-9:%zz", "t-9:%4"] {
            assert_eq!(read(text), None, "{text}");
        }
        for value in [&b"Basic !!!"[..], b"basic", b"Basic "] {
            assert!(ClientCredentials::read(value).is_none());
        }
    }

    #[test]
    fn the_scheme_is_compared_as_a_word_without_case() {
        for value in [&b"Basic x"[..], b"basic x", b"BASIC", b"Basic\tx"] {
            assert!(is_basic(value));
        }
        for value in [&b"Bearer x"[..], b"Basically x", b"Bas", b""] {
            assert!(!is_basic(value));
        }
    }
}
