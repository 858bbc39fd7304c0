//! What a query must not carry.

/// The parameter in which RFC 6750, section 2.3, lets a caller send a token, and which ends up in every access log.
const ACCESS_TOKEN: &[u8] = b"access_token";

/// Whether `query` has a parameter named `access_token`, in any letter case and however its name is encoded.
pub(super) fn has_access_token(query: &[u8]) -> bool {
    query
        .split(|byte| matches!(byte, b'&' | b';'))
        .any(|parameter| is_access_token(Decoded { rest: parameter }))
}

fn is_access_token(mut name: Decoded<'_>) -> bool {
    ACCESS_TOKEN.iter().all(|wanted| {
        name.next()
            .is_some_and(|byte| byte.eq_ignore_ascii_case(wanted))
    }) && name.next().is_none()
}

/// The bytes of a parameter's name, decoded as a form's (WHATWG URL, `application/x-www-form-urlencoded` parsing).
struct Decoded<'a> {
    rest: &'a [u8],
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        match *self.rest {
            [] | [b'=', ..] => None,
            [b'%', high, low, ref rest @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                self.rest = rest;
                Some(super::path::hex_value(high) << 4 | super::path::hex_value(low))
            }
            [byte, ref rest @ ..] => {
                self.rest = rest;
                Some(if byte == b'+' { b' ' } else { byte })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_the_query_is_found_however_it_is_spelled() {
        for query in [
            "access_token=x",
            "access_token",
            "access_token=",
            "a=b&access_token=x",
            "a=b;access_token=x",
            "ACCESS_Token=x",
            "%61ccess_token=x",
            "access%5Ftoken=x",
            "access%5ftoken=x",
            "%61%63%63%65%73%73%5f%74%6F%6b%65%6e=x",
            "&&access_token=x",
            "a&access_token=x&b",
        ] {
            assert!(has_access_token(query.as_bytes()), "{query}");
        }
    }

    #[test]
    fn other_parameters_are_left_alone() {
        for query in [
            "",
            "a=access_token",
            "access_tokens=x",
            "xaccess_token=x",
            "access+token=x",
            "access%2Btoken=x",
            "access_token%3Dx",
            "access_toke%6",
            "access_toke%zz=x",
            "token=x",
            "=access_token",
        ] {
            assert!(!has_access_token(query.as_bytes()), "{query}");
        }
        assert!(!has_access_token(b"\xff\xfe=%"));
    }
}
