//! Root keys: the secrets that every signing key is derived from.
//!
//! They come from an environment variable, as `id:base64url[,id:base64url]`, and stay in the gateway's memory. One root
//! is one zone of trust: whoever reads it can mint tokens for all that share it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::order;
use crate::random::{Random, RandomFailed};

/// What the secrets in documentation begin with. Such a secret is refused, so that nobody deploys an example; a random
/// one begins so with 2⁻⁴².
pub const EXAMPLE_PREFIX: &str = "EXAMPLE";

/// The root key that documentation shows: right in form, and refused.
pub const EXAMPLE: &str = "r1:EXAMPLE-generate-your-own-with-root-key-new";

/// Shortest secret, in bytes: as long as the hash of HMAC-SHA256 (RFC 7518, 3.2).
pub const SECRET_MIN: usize = 32;

/// Longest secret, in bytes: one block of SHA-256; HMAC would hash a longer one first.
pub const SECRET_MAX: usize = 64;

/// The root keys that this gateway holds, ascending by id.
#[derive(Default)]
pub struct RootKeys(Vec<(String, RootSecret)>);

impl RootKeys {
    /// Reads `id:base64url[,id:base64url]`: ids of 1 to 64 characters out of `A-Z a-z 0-9 . _ -`, secrets of 32 to 64
    /// random bytes in unpadded base64url (RFC 4648, 5), no id and no secret twice, no white space.
    ///
    /// A secret that no random source delivers is refused: one of [`EXAMPLE_PREFIX`], one of printable ASCII only (a
    /// passphrase, or a key that was encoded twice), one whose bytes rise or fall by a fixed step (a placeholder such
    /// as zeros), and one with fewer than 16 different bytes. A real one meets each of these with less than 2⁻⁴⁰.
    ///
    /// # Errors
    /// [`RootKeyError`] with the number of the first entry that breaks a rule. It repeats nothing of `text`, not even
    /// ids: whoever swaps id and secret would else find the secret in a log.
    pub fn parse(text: &str) -> Result<Self, RootKeyError> {
        if text.is_empty() {
            return Err(RootKeyError::Empty);
        }
        let mut keys = Self::default();
        for (index, entry) in text.split(',').enumerate() {
            let fault = |rule| RootKeyError::Entry {
                entry: index + 1,
                rule,
            };
            let (id, secret) = parse_entry(entry).map_err(fault)?;
            if keys.0.iter().any(|(_, other)| other.is_same(&secret)) {
                return Err(fault(RootKeyRule::DuplicateSecret));
            }
            match keys.find(id) {
                Ok(_) => return Err(fault(RootKeyRule::DuplicateId)),
                Err(gap) => keys.0.insert(gap, (id.to_owned(), secret)),
            }
        }
        Ok(keys)
    }

    /// The secret of that id, if this gateway holds it.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&RootSecret> {
        self.0.get(self.find(id).ok()?).map(|(_, secret)| secret)
    }

    /// The ids of all root keys, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(id, _)| id.as_str())
    }

    /// Where an id stands, or would stand.
    fn find(&self, id: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_str().cmp(id))
    }
}

impl fmt::Debug for RootKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.0.iter().map(|(id, secret)| (id, secret));
        f.write_str("RootKeys(")?;
        f.debug_map().entries(keys).finish()?;
        f.write_str(")")
    }
}

/// The bytes of one root key: wiped from memory when dropped, and not printable by accident.
pub struct RootSecret(Zeroizing<Vec<u8>>);

impl RootSecret {
    /// The bytes, for key derivation alone.
    #[must_use]
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }

    fn is_same(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq;
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl fmt::Debug for RootSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootSecret([redacted])")
    }
}

/// A new root key in its written form: a secret, wiped from memory when dropped, and not printable by accident.
pub struct RootKey(Zeroizing<String>);

impl RootKey {
    /// Makes a root key of 32 random bytes.
    ///
    /// # Errors
    /// [`NewRootKeyError`] for an id that [`RootKeys::parse`] would refuse, and for a source of randomness that fails
    /// or delivers what that would refuse.
    pub fn generate(id: &str, random: &mut dyn Random) -> Result<Self, NewRootKeyError> {
        if !is_id(id) {
            return Err(NewRootKeyError::Id);
        }
        let mut secret = Zeroizing::new([0; SECRET_MIN]);
        random.fill(secret.as_mut_slice())?;
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(secret.as_slice()));
        // The capacity is the final length: a string that grows leaves copies behind that nothing wipes.
        let mut text = Zeroizing::new(String::with_capacity(id.len() + 1 + encoded.len()));
        text.push_str(id);
        text.push(':');
        text.push_str(&encoded);
        RootKeys::parse(&text).map_err(|_| RandomFailed)?;
        Ok(Self(text))
    }

    /// `id:base64url`, for the one who asked for it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey([redacted])")
    }
}

/// Why root keys are refused. Holds nothing of them.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum RootKeyError {
    /// There is no entry at all.
    #[error("there is no root key; make one with `postern root-key new`")]
    Empty,
    /// One entry breaks a rule.
    #[error("root key {entry}: {rule}")]
    Entry {
        /// The entry's number in the list, from 1.
        entry: usize,
        /// The rule.
        rule: RootKeyRule,
    },
}

/// A rule for one root key.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum RootKeyRule {
    /// There is no colon between an id and a secret.
    #[error("must have the form id:base64url")]
    Form,
    /// The id has another form.
    #[error("the id must have 1 to 64 characters out of A-Z a-z 0-9 . _ -")]
    Id,
    /// An earlier entry has the same id.
    #[error("its id is used twice")]
    DuplicateId,
    /// An earlier entry has the same secret.
    #[error("its secret is used twice; each root key needs a secret of its own")]
    DuplicateSecret,
    /// The secret is not canonical, unpadded base64url.
    #[error(
        "the secret must be base64url (A-Z a-z 0-9 - _) without padding, white space or stray bits at its end"
    )]
    Encoding,
    /// The secret is too short or too long.
    #[error("the secret must have 32 to 64 bytes, which is 43 to 86 characters of base64url")]
    Length,
    /// The secret comes from documentation.
    #[error("the secret is the documentation's example; make one with `postern root-key new`")]
    Example,
    /// The secret is text, or a key that was encoded twice.
    #[error(
        "the secret is printable text, such as a passphrase, and not random bytes; make one with `postern root-key new`"
    )]
    PrintableText,
    /// The secret is a placeholder.
    #[error("the secret is a pattern and not random bytes; make one with `postern root-key new`")]
    Pattern,
}

/// Why no root key was made.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum NewRootKeyError {
    /// The id has another form.
    #[error("a root key's id must have 1 to 64 characters out of A-Z a-z 0-9 . _ -")]
    Id,
    /// The source of randomness failed.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

fn parse_entry(entry: &str) -> Result<(&str, RootSecret), RootKeyRule> {
    let (id, encoded) = entry.split_once(':').ok_or(RootKeyRule::Form)?;
    if !is_id(id) {
        return Err(RootKeyRule::Id);
    }
    // The decoder's error tells position and byte of the fault, which are the secret's.
    let secret = URL_SAFE_NO_PAD
        .decode(encoded)
        .map(Zeroizing::new)
        .map_err(|_| RootKeyRule::Encoding)?;
    if !(SECRET_MIN..=SECRET_MAX).contains(&secret.len()) {
        return Err(RootKeyRule::Length);
    }
    if encoded.starts_with(EXAMPLE_PREFIX) {
        return Err(RootKeyRule::Example);
    }
    if secret
        .iter()
        .all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'))
    {
        return Err(RootKeyRule::PrintableText);
    }
    if is_pattern(&secret) {
        return Err(RootKeyRule::Pattern);
    }
    Ok((id, RootSecret(secret)))
}

fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn is_pattern(secret: &[u8]) -> bool {
    let mut different = Vec::new();
    for byte in secret {
        order::insert(&mut different, *byte);
    }
    let mut steps = secret
        .iter()
        .zip(secret.iter().skip(1))
        .map(|(byte, next)| next.wrapping_sub(*byte));
    let step = steps.next();
    different.len() < 16 || steps.all(|other| Some(other) == step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::fakes::{Failing, Sequence, Stuck};

    fn secret(seed: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        Sequence::from_seed(seed).fill(&mut bytes).unwrap();
        bytes
    }

    fn entry(id: &str, secret: &[u8]) -> String {
        format!("{id}:{}", URL_SAFE_NO_PAD.encode(secret))
    }

    fn rule_of(text: &str) -> RootKeyRule {
        match RootKeys::parse(text).unwrap_err() {
            RootKeyError::Entry { rule, .. } => rule,
            RootKeyError::Empty => panic!("{text} is not empty"),
        }
    }

    #[test]
    fn several_keys_are_found_by_their_ids() {
        let text = format!(
            "{},{}",
            entry("r2", &secret(1, 32)),
            entry("old.r_1-a", &secret(2, 64))
        );
        let keys = RootKeys::parse(&text).unwrap();
        assert_eq!(keys.ids().collect::<Vec<_>>(), ["old.r_1-a", "r2"]);
        assert_eq!(keys.get("r2").unwrap().expose(), secret(1, 32));
        assert_eq!(keys.get("old.r_1-a").unwrap().expose(), secret(2, 64));
        assert!(keys.get("r1").is_none());
    }

    #[test]
    fn a_generated_key_can_be_read_and_is_different_each_time() {
        let mut random = Sequence::from_seed(3);
        let first = RootKey::generate("r1", &mut random).unwrap();
        let second = RootKey::generate("r1", &mut random).unwrap();
        assert_eq!(first.expose().len(), "r1:".len() + 43);
        assert!(RootKeys::parse(first.expose()).unwrap().get("r1").is_some());
        assert_ne!(first.expose(), second.expose());
    }

    #[test]
    fn no_key_is_generated_from_a_bad_source_or_under_a_bad_id() {
        let failed = Err(NewRootKeyError::Random(RandomFailed));
        assert_eq!(RootKey::generate("r1", &mut Failing).map(|_| ()), failed);
        assert_eq!(
            RootKey::generate("r1", &mut Stuck(0xA5)).map(|_| ()),
            failed
        );
        let mut random = Sequence::from_seed(4);
        for id in ["", "a:b", "a,b", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(
                RootKey::generate(id, &mut random).map(|_| ()),
                Err(NewRootKeyError::Id),
                "{id}"
            );
        }
    }

    #[test]
    fn entries_of_another_form_are_refused() {
        let good = URL_SAFE_NO_PAD.encode(secret(5, 32));
        assert_eq!(RootKeys::parse("").unwrap_err(), RootKeyError::Empty);
        assert_eq!(rule_of(&good), RootKeyRule::Form);
        assert_eq!(rule_of(&format!("r1:{good},")), RootKeyRule::Form);
        assert_eq!(rule_of(&format!("r1={good}")), RootKeyRule::Form);
        assert_eq!(rule_of(&format!(":{good}")), RootKeyRule::Id);
        assert_eq!(rule_of(&format!(" r1:{good}")), RootKeyRule::Id);
        assert_eq!(
            rule_of(&format!("{}:{good}", "x".repeat(65))),
            RootKeyRule::Id
        );
        assert_eq!(rule_of(&format!("r1:{good}\n")), RootKeyRule::Encoding);
        assert_eq!(rule_of(&format!("r1:{good}=")), RootKeyRule::Encoding);
        assert_eq!(rule_of(&format!("r1:x:{good}")), RootKeyRule::Encoding);
    }

    #[test]
    fn standard_base64_and_stray_bits_are_refused() {
        let text = URL_SAFE_NO_PAD.encode([&[0xFB, 0xEF, 0xFF], secret(6, 29).as_slice()].concat());
        assert!(text.starts_with("----") || text.contains('-') || text.contains('_'));
        let standard = text.replace('-', "+").replace('_', "/");
        assert_eq!(rule_of(&format!("r1:{standard}")), RootKeyRule::Encoding);

        // 43 characters hold 258 bits; the last two must be zero.
        let mut stray = URL_SAFE_NO_PAD.encode([secret(7, 31), vec![0]].concat());
        assert_eq!(stray.pop(), Some('A'));
        stray.push('B');
        assert_eq!(rule_of(&format!("r1:{stray}")), RootKeyRule::Encoding);
    }

    #[test]
    fn secrets_under_32_and_over_64_bytes_are_refused() {
        for length in [0, 16, 31, 65, 100] {
            assert_eq!(
                rule_of(&entry("r1", &secret(8, length))),
                RootKeyRule::Length,
                "{length}"
            );
        }
        for length in 32..=64 {
            assert!(
                RootKeys::parse(&entry("r1", &secret(8, length))).is_ok(),
                "{length}"
            );
        }
    }

    #[test]
    fn an_id_or_a_secret_that_is_used_twice_is_refused() {
        let (first, second) = (secret(9, 32), secret(10, 32));
        let same_id = format!("{},{}", entry("r1", &first), entry("r1", &second));
        assert_eq!(
            RootKeys::parse(&same_id).unwrap_err(),
            RootKeyError::Entry {
                entry: 2,
                rule: RootKeyRule::DuplicateId
            }
        );
        let same_secret = format!("{},{}", entry("r1", &first), entry("r2", &first));
        assert_eq!(
            RootKeys::parse(&same_secret).unwrap_err(),
            RootKeyError::Entry {
                entry: 2,
                rule: RootKeyRule::DuplicateSecret
            }
        );
    }

    #[test]
    fn the_documentation_s_examples_are_refused() {
        assert_eq!(rule_of(EXAMPLE), RootKeyRule::Example);
    }

    #[test]
    fn secrets_that_are_not_random_are_refused() {
        let up: Vec<u8> = (0..32).collect();
        let down: Vec<u8> = (0..32).rev().collect();
        let by_sevens: Vec<u8> = (0..40_u8).map(|index| index.wrapping_mul(7)).collect();
        let repeated = [0xDE, 0xAD, 0xBE, 0xEF].repeat(8);
        for pattern in [vec![0; 32], vec![0xFF; 64], up, down, by_sevens, repeated] {
            assert_eq!(
                rule_of(&entry("r1", &pattern)),
                RootKeyRule::Pattern,
                "{pattern:?}"
            );
        }
        let hexadecimal = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        for text in ["correct horse battery staple, twice over", hexadecimal] {
            assert_eq!(
                rule_of(&entry("r1", text.as_bytes())),
                RootKeyRule::PrintableText
            );
        }
    }

    #[test]
    fn an_error_shows_nothing_of_the_keys_even_if_id_and_secret_are_swapped() {
        let secret = URL_SAFE_NO_PAD.encode(secret(11, 32));
        for text in [
            format!("{secret}:r1"),
            format!("{secret}:"),
            secret.clone(),
            format!("r1:{secret}!"),
            format!("r1:{secret},{secret}:r2"),
        ] {
            let error = RootKeys::parse(&text).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(&secret[..6]), "{shown}");
        }
    }

    #[test]
    fn debug_output_shows_ids_and_no_secret() {
        let keys = RootKeys::parse(&entry("r1", &secret(12, 32))).unwrap();
        assert_eq!(
            format!("{keys:?}"),
            "RootKeys({\"r1\": RootSecret([redacted])})"
        );
        let key = RootKey::generate("r1", &mut Sequence::from_seed(13)).unwrap();
        assert_eq!(format!("{key:?}"), "RootKey([redacted])");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,40}|([a-z0-9]{1,3}:[A-Za-z0-9_-]{40,90},?){1,3}") {
            let _ = RootKeys::parse(&text);
        }
    }
}
