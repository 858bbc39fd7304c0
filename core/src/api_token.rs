//! API tokens: how they are made, what is checked before one is looked up, and the hash that it is looked up by.
//!
//! Form: `pst_`, then 40 base62 characters from a CSPRNG (238 bits), then 6 base62 characters of CRC-32 over those 40.
//! So scanners find a leaked token, and junk is refused unhashed; the checksum proves nothing about who made it. The
//! alphabet, the checksum and its padding are those of GitHub's tokens.

mod hash;
mod vet;
mod well_known;

use std::fmt;

use crc::{CRC_32_ISO_HDLC, Crc};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::random::{Random, RandomFailed};

pub use hash::{TokenHash, TokenHashError};
pub use vet::{VetFault, vet};
pub use well_known::EXAMPLE;

/// What every API token made here begins with.
pub const PREFIX: &str = "pst_";

/// Length of a token made here, in bytes.
pub const LENGTH: usize = PREFIX.len() + BODY + CHECKSUM;

/// A shorter credential of foreign make is refused unhashed, in bytes.
pub const IMPORTED_MIN: usize = 32;

/// A longer credential of any kind is refused unhashed, in bytes.
pub const CREDENTIAL_MAX: usize = 8 * 1024;

/// The rules for a credential that is not an access token; gives what to look it up by.
///
/// A credential that begins with [`PREFIX`] must have the form of the module's page. A gateway's or operator's
/// credential is refused. Anything else may be a token that another system issued, known by its hash.
///
/// # Errors
/// [`ApiTokenFault`] names the rule that is broken; the credential has not been hashed then.
pub fn inspect(credential: &[u8]) -> Result<TokenHash, ApiTokenFault> {
    if credential.len() > CREDENTIAL_MAX {
        return Err(ApiTokenFault::TooLong);
    }
    if let Some(rest) = credential.strip_prefix(PREFIX.as_bytes()) {
        let Some((body, checksum)) = rest
            .split_at_checked(BODY)
            .filter(|(_, checksum)| checksum.len() == CHECKSUM)
        else {
            return Err(ApiTokenFault::WrongLength);
        };
        if !rest.iter().all(u8::is_ascii_alphanumeric) {
            return Err(ApiTokenFault::NotBase62);
        }
        if checksum != checksum_of(body) {
            return Err(ApiTokenFault::WrongChecksum);
        }
    } else if RESERVED_PREFIXES
        .iter()
        .any(|prefix| credential.starts_with(prefix))
    {
        return Err(ApiTokenFault::WrongKind);
    } else if credential.len() < IMPORTED_MIN {
        return Err(ApiTokenFault::TooShort);
    }
    Ok(TokenHash::of(credential))
}

/// The rule that a credential breaks before it is looked up. Never holds any of the credential.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum ApiTokenFault {
    /// It has the prefix of an API token, and another length: often a copy that was cut off.
    #[error("begins with pst_ but is not 50 characters long")]
    WrongLength,
    /// It has the prefix and the length of an API token, and a character that none has.
    #[error("begins with pst_ but has a character other than 0-9, A-Z and a-z")]
    NotBase62,
    /// It looks like an API token, but was never one: a typing error, or made up.
    #[error("begins with pst_ but its checksum is wrong")]
    WrongChecksum,
    /// It is the credential of a gateway (`psg_`) or an operator (`pso_`), which is good at the admin service only.
    #[error("is the credential of a gateway or an operator, not an API token")]
    WrongKind,
    /// It is no token of this system, and too short to be a secret of another.
    #[error("has no pst_ prefix and is shorter than 32 bytes")]
    TooShort,
    /// It is longer than any credential may be.
    #[error("is longer than 8 KiB")]
    TooLong,
}

/// A new API token: a secret, wiped from memory when dropped, and not printable by accident.
#[derive(Clone)]
pub struct ApiToken(Zeroizing<String>);

impl ApiToken {
    /// Makes a token from 40 uniformly drawn characters.
    ///
    /// # Errors
    /// [`RandomFailed`] if the source fails or is visibly stuck.
    pub fn generate(random: &mut dyn Random) -> Result<Self, RandomFailed> {
        secret(PREFIX, random).map(Self)
    }

    /// The token itself: for the one who asked for it, once, and for nothing that is kept.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What registry and policy keep of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.0.as_bytes())
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken([redacted])")
    }
}

/// Who proves to the admin service who they are. Their credentials have the form of an API token with a prefix of their own,
/// and no gateway takes them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Caller {
    /// A gateway that reads the feed: `psg_`.
    Gateway,
    /// An operator who changes the registry: `pso_`.
    Operator,
}

impl Caller {
    /// Makes a credential.
    ///
    /// # Errors
    /// [`RandomFailed`] if the source fails or is visibly stuck.
    pub fn generate(self, random: &mut dyn Random) -> Result<Zeroizing<String>, RandomFailed> {
        secret(self.prefix(), random)
    }

    /// What to look a credential up by, or `None` if it is none: another kind, or mistyped.
    #[must_use]
    pub fn inspect(self, credential: &[u8]) -> Option<TokenHash> {
        let rest = credential.strip_prefix(self.prefix().as_bytes())?;
        let (body, checksum) = rest.split_at_checked(BODY)?;
        (checksum == checksum_of(body)).then(|| TokenHash::of(credential))
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Gateway => GATEWAY_PREFIX,
            Self::Operator => OPERATOR_PREFIX,
        }
    }
}

/// Random characters of a token.
const BODY: usize = 40;

/// Base62 characters that hold a CRC-32: 62⁶ > 2³².
const CHECKSUM: usize = 6;

/// Base62 in the order that the checksum is written in.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What every credential of a gateway begins with.
const GATEWAY_PREFIX: &str = "psg_";

/// What every credential of an operator begins with.
const OPERATOR_PREFIX: &str = "pso_";

/// Credentials of a gateway and of an operator: refused wherever an API token belongs, not even hashed.
const RESERVED_PREFIXES: [&[u8]; 2] = [GATEWAY_PREFIX.as_bytes(), OPERATOR_PREFIX.as_bytes()];

static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// A secret of the form that all credentials have that are made here.
fn secret(prefix: &str, random: &mut dyn Random) -> Result<Zeroizing<String>, RandomFailed> {
    // The capacity is the final length: a string that grows leaves copies behind that nothing wipes.
    let mut token = Zeroizing::new(String::with_capacity(prefix.len() + BODY + CHECKSUM));
    token.push_str(prefix);
    let mut block = Zeroizing::new([0; 64]);
    // Each byte serves with 62/64, so one block nearly always does; a source that needs eight is broken.
    for _ in 0..8 {
        random.fill(block.as_mut_slice())?;
        if is_stuck(block.as_slice()) {
            return Err(RandomFailed);
        }
        for byte in block.iter() {
            if token.len() == prefix.len() + BODY {
                break;
            }
            // The two values past the alphabet are dropped, not folded into it, so that all characters are equally
            // likely.
            if let Some(digit) = ALPHABET.get(usize::from(byte >> 2)) {
                token.push(char::from(*digit));
            }
        }
    }
    let body = token.as_bytes().get(prefix.len()..).unwrap_or_default();
    if body.len() != BODY {
        return Err(RandomFailed);
    }
    for digit in checksum_of(body) {
        token.push(char::from(digit));
    }
    Ok(token)
}

/// CRC-32 of `body` in base62, most significant digit first, padded with `0`.
fn checksum_of(body: &[u8]) -> [u8; CHECKSUM] {
    let mut rest = CRC.checksum(body);
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        if let Some(character) = ALPHABET.get((rest % 62) as usize) {
            *digit = *character;
        }
        rest /= 62;
    }
    digits
}

/// Whether all bytes are the same: with 64 of them, 2⁻⁵⁰⁴ for a working source, and a token of zeros for a dead one.
fn is_stuck(block: &[u8]) -> bool {
    let mut neighbours = block.iter().zip(block.iter().skip(1));
    neighbours.all(|(byte, next)| byte == next)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::random::fakes::{Failing, Sequence, Stuck};

    fn token(seed: u64) -> ApiToken {
        ApiToken::generate(&mut Sequence::from_seed(seed)).unwrap()
    }

    #[test]
    fn a_generated_token_has_the_published_form_and_passes_inspection() {
        let token = token(1);
        let text = token.expose();
        assert_eq!(text.len(), 50);
        assert!(text.starts_with("pst_"));
        assert!(text[4..].bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(inspect(text.as_bytes()), Ok(token.hash()));
    }

    #[test]
    fn generated_tokens_differ_and_use_the_whole_alphabet() {
        let mut random = Sequence::from_seed(2);
        let tokens: BTreeSet<String> = (0..500)
            .map(|_| ApiToken::generate(&mut random).unwrap().expose().to_owned())
            .collect();
        assert_eq!(tokens.len(), 500);
        let used: BTreeSet<u8> = tokens
            .iter()
            .flat_map(|token| token[4..44].bytes())
            .collect();
        assert_eq!(used, ALPHABET.iter().copied().collect());
    }

    #[test]
    fn a_callers_credential_is_good_for_its_kind_and_nothing_else() {
        let mut random = Sequence::from_seed(7);
        let gateway = Caller::Gateway.generate(&mut random).unwrap();
        assert!(gateway.starts_with("psg_"));
        assert_eq!(
            Caller::Gateway.inspect(gateway.as_bytes()),
            Some(TokenHash::of(gateway.as_bytes()))
        );
        assert_eq!(Caller::Operator.inspect(gateway.as_bytes()), None);
        assert_eq!(inspect(gateway.as_bytes()), Err(ApiTokenFault::WrongKind));
        let mistyped = gateway.replacen("psg_", "psg_x", 1);
        assert_eq!(Caller::Gateway.inspect(&mistyped.as_bytes()[..50]), None);
        assert_eq!(Caller::Gateway.inspect(b"psg_"), None);
    }

    #[test]
    fn a_source_that_fails_or_is_stuck_makes_no_token() {
        assert_eq!(ApiToken::generate(&mut Failing).unwrap_err(), RandomFailed);
        for byte in [0x00, 0x01, 0x7F, 0xFF] {
            assert_eq!(
                ApiToken::generate(&mut Stuck(byte)).unwrap_err(),
                RandomFailed
            );
        }
    }

    #[test]
    fn a_source_that_yields_only_unusable_values_ends_in_an_error() {
        struct PastTheAlphabet;
        impl Random for PastTheAlphabet {
            fn fill(&mut self, dest: &mut [u8]) -> Result<(), RandomFailed> {
                for (index, byte) in dest.iter_mut().enumerate() {
                    *byte = 0xF8 | (index as u8 & 0x07);
                }
                Ok(())
            }
        }
        assert_eq!(
            ApiToken::generate(&mut PastTheAlphabet).unwrap_err(),
            RandomFailed
        );
    }

    /// The value that GitHub's format is documented with, for 30 characters instead of 40.
    #[test]
    fn the_checksum_is_the_one_of_github_tokens() {
        assert_eq!(&checksum_of(b"zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ"), b"0mLq17");
    }

    #[test]
    fn a_token_with_a_wrong_checksum_is_refused() {
        let token = token(3);
        for position in 4..50 {
            let mut altered = token.expose().as_bytes().to_vec();
            altered[position] = if altered[position] == b'x' {
                b'y'
            } else {
                b'x'
            };
            assert_eq!(
                inspect(&altered),
                Err(ApiTokenFault::WrongChecksum),
                "{position}"
            );
        }
    }

    #[test]
    fn a_token_of_another_length_is_refused() {
        let token = token(4);
        let text = token.expose();
        for end in 4..50 {
            assert_eq!(
                inspect(&text.as_bytes()[..end]),
                Err(ApiTokenFault::WrongLength)
            );
        }
        assert_eq!(
            inspect(format!("{text}0").as_bytes()),
            Err(ApiTokenFault::WrongLength)
        );
        assert_eq!(
            inspect(format!("{text}{text}").as_bytes()),
            Err(ApiTokenFault::WrongLength)
        );
    }

    #[test]
    fn a_token_with_a_character_outside_base62_is_refused() {
        for foreign in [b'-', b'_', b'/', b'=', b' ', 0x00, 0x80] {
            let mut altered = token(5).expose().as_bytes().to_vec();
            altered[20] = foreign;
            assert_eq!(inspect(&altered), Err(ApiTokenFault::NotBase62));
        }
    }

    #[test]
    fn credentials_of_gateways_and_operators_are_never_api_tokens() {
        let token = token(6);
        for prefix in ["psg_", "pso_"] {
            let credential = token.expose().replacen("pst_", prefix, 1);
            assert_eq!(
                inspect(credential.as_bytes()),
                Err(ApiTokenFault::WrongKind)
            );
            assert_eq!(inspect(prefix.as_bytes()), Err(ApiTokenFault::WrongKind));
        }
    }

    #[test]
    fn a_foreign_token_is_hashed_from_32_bytes_on() {
        let foreign = [b'a'; 33];
        assert_eq!(inspect(&foreign[..31]), Err(ApiTokenFault::TooShort));
        assert_eq!(inspect(&foreign[..32]), Ok(TokenHash::of(&foreign[..32])));
        assert_eq!(inspect(b""), Err(ApiTokenFault::TooShort));
        // The prefix is compared exactly: this one is a foreign token of 46 bytes, which nobody has.
        assert!(inspect(token(7).expose().replacen("pst_", "PST_", 1).as_bytes()).is_ok());
    }

    #[test]
    fn a_credential_over_8_kib_is_refused_unhashed() {
        let long = vec![b'a'; CREDENTIAL_MAX + 1];
        assert_eq!(inspect(&long), Err(ApiTokenFault::TooLong));
        assert!(inspect(&long[1..]).is_ok());
    }

    #[test]
    fn the_example_has_the_right_form_and_its_hash_is_well_known() {
        assert!(inspect(EXAMPLE.as_bytes()).unwrap().is_well_known());
    }

    #[test]
    fn debug_output_of_a_token_shows_nothing_of_it() {
        assert_eq!(format!("{:?}", token(8)), "ApiToken([redacted])");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_inspection_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..80),
            ours in any::<bool>(),
        ) {
            if ours {
                bytes.splice(0..0, *b"pst_");
            }
            let _ = inspect(&bytes);
        }
    }
}
