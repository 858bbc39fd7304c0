//! The authority of a request, reduced to the host that the policy and the configuration name.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

use crate::id::Shown;

/// A host in its only spelling: lower case, without port and without a trailing dot.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Host<'a>(Cow<'a, str>);

impl<'a> Host<'a> {
    /// The longest host name in bytes (RFC 1035, section 2.3.4, less the root's length byte and dot).
    pub const MAX_BYTES: usize = 253;

    /// Takes `authority` as it stands in `:authority` or `Host` (RFC 3986, section 3.2): removes the port and one
    /// trailing dot and makes it lower case. Allocates only where there is an upper-case letter.
    ///
    /// # Errors
    /// The rule that `authority` breaks; such a request is answered 400.
    pub fn canonicalise(authority: &'a [u8]) -> Result<Self, AuthorityFault> {
        if authority.is_empty() {
            return Err(AuthorityFault::Missing);
        }
        if authority.contains(&b'@') {
            return Err(AuthorityFault::Userinfo);
        }
        let authority = str::from_utf8(authority).map_err(|_| AuthorityFault::Malformed)?;
        let host = if authority.starts_with('[') {
            address(authority)?
        } else {
            name(authority)?
        };
        Ok(Self(if host.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        }))
    }

    /// The host, as the policy's and the configuration's `hosts` spell it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Host<'_> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Checks an entry of a `hosts` list: it must stand there as [`Host::canonicalise`] makes it, since a host that no
/// request can have would be a rule that never applies.
///
/// # Errors
/// Why `host` is none, or the spelling that is wanted.
pub fn validate_host(host: &str) -> Result<(), HostFault> {
    let canonical = Host::canonicalise(host.as_bytes())?;
    if canonical.as_str() == host {
        Ok(())
    } else {
        Err(HostFault::NotCanonical {
            canonical: canonical.as_str().to_owned(),
        })
    }
}

/// Why an authority names no host.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AuthorityFault {
    /// There is none, or it is empty.
    #[error("the authority is missing")]
    Missing,
    /// It holds an `@`: what stands before it is no part of a host, and readers differ on where it ends.
    #[error("the authority holds an \"@\"; user names and passwords do not belong there")]
    Userinfo,
    /// What follows the colon is not one to five digits of at most 65535.
    #[error("the port after the host is not a number from 0 to 65535")]
    Port,
    /// It is neither a host name, an IPv4 address nor an IPv6 address in brackets.
    #[error(
        "not a host name or an IPv6 address in brackets (letters, digits, \"-\", \"_\", and single dots between labels; at most 253 bytes)"
    )]
    Malformed,
}

impl AuthorityFault {
    /// A stable name for logs and metrics.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "authority_missing",
            Self::Userinfo => "authority_userinfo",
            Self::Port => "authority_port",
            Self::Malformed => "authority_malformed",
        }
    }
}

/// Why an entry of a `hosts` list is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HostFault {
    /// It is no host at all.
    #[error(transparent)]
    Authority(#[from] AuthorityFault),
    /// It is one, but not as requests are compared with it.
    #[error(
        "write it as {}: lower case, without port and without a trailing dot",
        Shown(canonical)
    )]
    NotCanonical {
        /// The spelling that is wanted.
        canonical: String,
    },
}

/// The part of `[address]` or `[address]:port` up to the closing bracket.
fn address(authority: &str) -> Result<&str, AuthorityFault> {
    let end = authority.find(']').ok_or(AuthorityFault::Malformed)?;
    let (host, after) = authority
        .split_at_checked(end + 1)
        .ok_or(AuthorityFault::Malformed)?;
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or(AuthorityFault::Malformed)?;
    inner
        .parse::<Ipv6Addr>()
        .map_err(|_| AuthorityFault::Malformed)?;
    match after.strip_prefix(':') {
        Some(port) => check_port(port)?,
        None if after.is_empty() => {}
        None => return Err(AuthorityFault::Malformed),
    }
    Ok(host)
}

/// The part of `name`, `name.`, `name:port` or `name.:port` that is the name.
fn name(authority: &str) -> Result<&str, AuthorityFault> {
    let host = match authority.split_once(':') {
        Some((host, port)) => {
            check_port(port)?;
            host
        }
        None => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.len() > Host::MAX_BYTES {
        return Err(AuthorityFault::Malformed);
    }
    let mut before = b'.';
    for byte in host.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => {}
            b'.' if before != b'.' => {}
            _ => return Err(AuthorityFault::Malformed),
        }
        before = byte;
    }
    if before == b'.' {
        return Err(AuthorityFault::Malformed);
    }
    Ok(host)
}

fn check_port(port: &str) -> Result<(), AuthorityFault> {
    let digits = matches!(port.len(), 1..=5) && port.bytes().all(|b| b.is_ascii_digit());
    if digits && port.parse::<u16>().is_ok() {
        Ok(())
    } else {
        Err(AuthorityFault::Port)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host(authority: &str) -> Result<String, AuthorityFault> {
        Host::canonicalise(authority.as_bytes()).map(|host| host.to_string())
    }

    #[test]
    fn case_port_and_one_trailing_dot_do_not_make_another_host() {
        for authority in [
            "api.example.com",
            "API.Example.COM",
            "api.example.com:443",
            "api.example.com:0",
            "api.example.com:65535",
            "api.example.com:00443",
            "api.example.com.",
            "Api.example.com.:8443",
        ] {
            assert_eq!(
                host(authority).as_deref(),
                Ok("api.example.com"),
                "{authority}"
            );
        }
    }

    #[test]
    fn names_and_addresses_are_hosts() {
        for authority in ["localhost", "a", "127.0.0.1", "my_host-1.internal", "[::1]"] {
            assert_eq!(host(authority).as_deref(), Ok(authority));
        }
        assert_eq!(host("[2001:DB8::A]:8443").as_deref(), Ok("[2001:db8::a]"));
        assert_eq!(
            host("[::ffff:192.0.2.1]").as_deref(),
            Ok("[::ffff:192.0.2.1]")
        );
    }

    #[test]
    fn an_authority_that_can_be_read_in_two_ways_is_refused() {
        use AuthorityFault::{Malformed, Missing, Port, Userinfo};
        for (authority, fault) in [
            ("", Missing),
            ("user@api.example.com", Userinfo),
            ("user:pw@api.example.com", Userinfo),
            ("@api.example.com", Userinfo),
            ("api.example.com@", Userinfo),
            ("[::1]@api.example.com", Userinfo),
            ("api.example.com:", Port),
            ("api.example.com:x", Port),
            ("api.example.com:80x", Port),
            ("api.example.com:+80", Port),
            ("api.example.com:-1", Port),
            ("api.example.com: 80", Port),
            ("api.example.com:65536", Port),
            ("api.example.com:000080", Port),
            ("api.example.com:80:80", Port),
            ("[::1]:", Port),
            ("[::1]:65536", Port),
            ("::1", Port),
            (":80", Malformed),
            (".", Malformed),
            ("..", Malformed),
            (".example.com", Malformed),
            ("api..example.com", Malformed),
            ("api.example.com..", Malformed),
            ("api.example.com..:80", Malformed),
            ("api example.com", Malformed),
            (" api.example.com", Malformed),
            ("api.example.com ", Malformed),
            ("api.example.com,other.example.com", Malformed),
            ("api.example.com/", Malformed),
            ("api.example.com%00", Malformed),
            ("api.example.com\0", Malformed),
            ("http://api.example.com", Port),
            ("b\u{fc}cher.example", Malformed),
            ("[::1", Malformed),
            ("[::1]x", Malformed),
            ("[::1].", Malformed),
            ("[::1]]", Malformed),
            ("[]", Malformed),
            ("[fe80::1%25eth0]", Malformed),
            ("[api.example.com]", Malformed),
            ("[v1.x]", Malformed),
        ] {
            assert_eq!(host(authority), Err(fault), "{authority:?}");
        }
        assert_eq!(Host::canonicalise(b"api\xff"), Err(Malformed));
    }

    #[test]
    fn a_name_of_253_bytes_is_the_longest() {
        let longest = ["a"; 127].join(".");
        assert_eq!(longest.len(), Host::MAX_BYTES);
        assert_eq!(host(&longest).as_deref(), Ok(longest.as_str()));
        assert_eq!(
            host(&format!("{longest}.:443")).as_deref(),
            Ok(longest.as_str())
        );
        assert_eq!(host(&format!("{longest}a")), Err(AuthorityFault::Malformed));
    }

    #[test]
    fn a_lower_case_host_is_borrowed() {
        let host = Host::canonicalise(b"api.example.com.:443").unwrap();
        assert!(matches!(host.0, Cow::Borrowed(_)));
    }

    #[test]
    fn a_policy_host_must_be_canonical_and_the_fault_says_how() {
        assert_eq!(validate_host("api.example.com"), Ok(()));
        for written in ["API.example.com", "api.example.com:443", "api.example.com."] {
            let fault = validate_host(written).unwrap_err();
            assert!(
                fault.to_string().contains("\"api.example.com\""),
                "{written}: {fault}"
            );
        }
        assert_eq!(
            validate_host("*.example.com"),
            Err(HostFault::Authority(AuthorityFault::Malformed))
        );
    }

    proptest! {
        #[test]
        fn a_canonical_host_is_its_own_canonical_form(bytes in authorities()) {
            if let Ok(host) = Host::canonicalise(&bytes) {
                prop_assert_eq!(validate_host(host.as_str()), Ok(()));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Host::canonicalise(&bytes);
        }
    }

    fn authorities() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(proptest::sample::select(&b"aZ09.-_:[]@"[..]), 0..12)
    }
}
