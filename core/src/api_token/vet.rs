//! Whether a credential may become an API token of a policy.

use thiserror::Error;
use zeroize::Zeroizing;

use super::{ApiTokenFault, CREDENTIAL_MAX, TokenHash, inspect};
use crate::credential::{Credential, CredentialFault};

/// What stands before a token in an `Authorization` header.
const SCHEME: &str = "Bearer ";

/// The longest token that a gateway takes, in bytes: the header holds the scheme as well.
const LONGEST: usize = CREDENTIAL_MAX - SCHEME.len();

/// The hash under which a policy can know a credential.
///
/// # Errors
/// [`VetFault`], if no caller could be let in by it, or everybody could.
pub fn vet(credential: &[u8]) -> Result<TokenHash, VetFault> {
    if credential.is_empty() {
        return Err(VetFault::Empty);
    }
    // Before the gate's rules, since a line of two words is the likelier mistake than a short token.
    let header = Zeroizing::new([SCHEME.as_bytes(), credential].concat());
    match Credential::read([header.as_slice()].into_iter()) {
        Ok(Credential::Bearer(read)) if read == credential => {}
        Err(CredentialFault::TooLong) => return Err(VetFault::TooLong),
        _ => return Err(VetFault::Character),
    }
    let hash = inspect(credential)?;
    if hash.is_well_known() {
        return Err(VetFault::WellKnown);
    }
    Ok(hash)
}

/// Why a credential has no place in a policy. Never holds any of the credential.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum VetFault {
    /// There is nothing to hash.
    #[error("it is empty")]
    Empty,
    /// No header that holds it is read.
    #[error("it is longer than a gateway takes, {LONGEST} bytes")]
    TooLong,
    /// No header could hold it.
    #[error(
        "it has a character that no token in an Authorization header can have, such as a space, a quote or a line end \
         inside it"
    )]
    Character,
    /// The gate would refuse it unhashed.
    #[error("it {0}")]
    Token(#[from] ApiTokenFault),
    /// The hash is that of a text that everybody knows.
    #[error("everybody knows this token; no policy takes its hash")]
    WellKnown,
}

#[cfg(test)]
mod tests {
    use super::super::{ApiToken, EXAMPLE};
    use super::*;
    use crate::random::fakes::Sequence;

    #[test]
    fn a_token_of_this_system_and_a_long_secret_of_another_have_a_hash() {
        let token = ApiToken::generate(&mut Sequence::from_seed(3)).unwrap();
        assert_eq!(vet(token.expose().as_bytes()), Ok(token.hash()));
        let foreign = b"0f9a3d77c2e14b68a5d0e1f2a3b4c5d6";
        assert_eq!(vet(foreign), Ok(TokenHash::of(foreign)));
        assert!(vet(&vec![b'a'; LONGEST]).is_ok());
    }

    #[test]
    fn what_no_gateway_would_take_has_no_hash_and_the_reason_names_the_rule() {
        for (credential, fault) in [
            (&b""[..], VetFault::Empty),
            (
                b"two words that are long enough for a token",
                VetFault::Character,
            ),
            (b"0f9a3d77c2e14b68a5d0e1f2a3b4c5d6\n", VetFault::Character),
            (b"short", VetFault::Token(ApiTokenFault::TooShort)),
            (
                b"psg_0f9a3d77c2e14b68a5d0e1f2a3b4c5d6",
                VetFault::Token(ApiTokenFault::WrongKind),
            ),
            (EXAMPLE.as_bytes(), VetFault::WellKnown),
            (&[b'a'; LONGEST + 1], VetFault::TooLong),
        ] {
            assert_eq!(vet(credential), Err(fault), "{}", credential.escape_ascii());
        }
    }
}
