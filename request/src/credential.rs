//! The one credential of a request: `Authorization: Bearer` and a token (RFC 6750, section 2.1).

use thiserror::Error;

use crate::byte_set::ByteSet;

/// The longest credential, in bytes.
pub const MAX_CREDENTIAL_LENGTH: usize = 8 * 1024;

/// What stands before the padding of RFC 6750's `b64token`.
static B64TOKEN: ByteSet = ByteSet::alphanumeric_and(b"-._~+/");

/// What an `Authorization` header holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Credential<'a> {
    /// There is no such header.
    None,
    /// A scheme other than Bearer.
    OtherScheme,
    /// A Bearer token: not empty, and of the alphabet of RFC 6750's `b64token`.
    Bearer(&'a [u8]),
}

/// Why an `Authorization` header is refused as malformed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum CredentialFault {
    /// Two headers, or two credentials in one: Envoy joins repeated headers of HTTP/1.1 with a comma.
    #[error("more than one credential")]
    Several,
    /// An empty header, a tab, a character outside the alphabet.
    #[error("not the word Bearer, a space and one token")]
    Malformed,
    /// Longer than [`MAX_CREDENTIAL_LENGTH`].
    #[error("longer than {MAX_CREDENTIAL_LENGTH} bytes")]
    TooLong,
}

impl<'a> Credential<'a> {
    /// Reads the values of all `Authorization` headers of a request.
    pub fn read(mut values: impl Iterator<Item = &'a [u8]>) -> Result<Self, CredentialFault> {
        let Some(value) = values.next() else {
            return Ok(Self::None);
        };
        if values.next().is_some() {
            return Err(CredentialFault::Several);
        }
        Self::parse(value)
    }

    fn parse(value: &'a [u8]) -> Result<Self, CredentialFault> {
        if value.len() > MAX_CREDENTIAL_LENGTH {
            return Err(CredentialFault::TooLong);
        }
        let Some(rest) = after_bearer(value) else {
            if value.iter().all(u8::is_ascii_whitespace) {
                return Err(CredentialFault::Malformed);
            }
            // `Basic x,Bearer y`: a list that hides a second credential behind another scheme.
            let hidden = value.split(|&byte| byte == b',').skip(1);
            if hidden
                .map(<[u8]>::trim_ascii)
                .any(|part| after_bearer(part).is_some())
            {
                return Err(CredentialFault::Several);
            }
            return Ok(Self::OtherScheme);
        };
        let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
        let token = rest.get(spaces..).unwrap_or_default();
        if spaces > 0 && is_b64token(token) {
            return Ok(Self::Bearer(token));
        }
        Err(if rest.contains(&b',') {
            CredentialFault::Several
        } else {
            CredentialFault::Malformed
        })
    }
}

/// What follows the scheme `Bearer` (RFC 9110, section 11.1: case-insensitive), or `None` for another scheme.
fn after_bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("bearer".len())?;
    let ends_here = rest.first().is_none_or(|&next| !is_scheme_byte(next));
    (scheme.eq_ignore_ascii_case(b"bearer") && ends_here).then_some(rest)
}

/// RFC 9110, section 5.6.2: `tchar`.
fn is_scheme_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 6750, section 2.1: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_b64token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|&&byte| byte == b'=').count();
    let body = token.get(..token.len() - padding).unwrap_or_default();
    !body.is_empty() && B64TOKEN.contains_all(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static [u8]]) -> Result<Credential<'static>, CredentialFault> {
        Credential::read(values.iter().copied())
    }

    #[test]
    fn one_bearer_token_is_read_whatever_the_case_of_the_scheme() {
        for value in [&b"Bearer abc"[..], b"bearer abc", b"BEARER   abc"] {
            assert_eq!(read(&[value]), Ok(Credential::Bearer(b"abc")));
        }
        assert_eq!(
            read(&[b"Bearer a-._~+/9=="]),
            Ok(Credential::Bearer(b"a-._~+/9=="))
        );
    }

    #[test]
    fn no_header_and_another_scheme_are_no_fault() {
        assert_eq!(read(&[]), Ok(Credential::None));
        for value in [
            &b"Basic YTpi"[..],
            b"Digest username=\"x\", realm=\"y\"",
            b"Bearerabc",
            b"abc",
            b"Bear",
        ] {
            assert_eq!(
                read(&[value]),
                Ok(Credential::OtherScheme),
                "{}",
                value.escape_ascii()
            );
        }
    }

    #[test]
    fn two_credentials_are_refused_however_they_are_put() {
        for values in [
            &[&b"Bearer a"[..], b"Bearer a"][..],
            &[b"Bearer a,Bearer b"],
            &[b"Bearer a, Bearer b"],
            &[b"Bearer a,"],
            &[b"Basic YTpi,Bearer b"],
            &[b"Basic YTpi, bearer b"],
            &[b"Basic YTpi", b"Bearer b"],
        ] {
            assert_eq!(read(values), Err(CredentialFault::Several));
        }
    }

    #[test]
    fn anything_else_than_one_token_is_malformed() {
        for value in [
            &b""[..],
            b" ",
            b"Bearer",
            b"Bearer ",
            b"Bearer\tabc",
            b"Bearer \tabc",
            b"Bearer a b",
            b"Bearer a\t",
            b"Bearer =",
            b"Bearer a=b",
            b"Bearer a\xff",
            b"Bearer \"a\"",
            b"Bearer a ",
            b"Bearer a;b",
            b"Bearer\x00a",
        ] {
            assert_eq!(
                read(&[value]),
                Err(CredentialFault::Malformed),
                "{}",
                value.escape_ascii()
            );
        }
    }

    #[test]
    fn a_credential_over_the_limit_is_refused() {
        let longest = [b"Bearer ".to_vec(), vec![b'a'; MAX_CREDENTIAL_LENGTH - 7]].concat();
        assert!(matches!(
            Credential::parse(&longest),
            Ok(Credential::Bearer(_))
        ));
        let longer = [longest, b"a".to_vec()].concat();
        assert_eq!(Credential::parse(&longer), Err(CredentialFault::TooLong));
    }
}
