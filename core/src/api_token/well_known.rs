//! Hashes that no policy may contain, since everybody knows the token or nobody can.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::places::Places;

/// The API token that documentation shows: right in form, refused by every policy.
pub const EXAMPLE: &str = "pst_EXAMPLEdoNotUseThisTokenAnywhereEXAMPLE00fmMKY";

/// Whether `hash` is that of a text of the list below, with or without a line feed at its end, or is itself a pattern.
pub(super) fn contains(hash: &[u8; 32]) -> bool {
    is_pattern(hash) || HASHES.get(hash).is_some()
}

/// What people hash to try a thing out, or by mistake: an empty variable, a placeholder, a specification's example.
const TEXTS: &[&str] = &[
    EXAMPLE,
    "",
    "\0",
    " ",
    "0",
    "1",
    "123",
    "1234",
    "12345",
    "123456",
    "12345678",
    "123456789",
    "1234567890",
    "a",
    // FIPS 180-4's examples of SHA-256.
    "abc",
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "The quick brown fox jumps over the lazy dog",
    "The quick brown fox jumps over the lazy dog.",
    "access_token",
    "admin",
    "api-token",
    "api_token",
    "apitoken",
    "bar",
    "change-me",
    "change_me",
    "changeit",
    "changeme",
    "default",
    "demo",
    "dummy",
    "example",
    "foo",
    "foobar",
    "hello",
    "hello world",
    "Hello World",
    "Hello, World!",
    "hello, world",
    "insecure",
    "letmein",
    "my-secret",
    "my-token",
    "nil",
    "none",
    "null",
    "pass",
    "password",
    "placeholder",
    "postern",
    "pst_",
    "qwerty",
    "secret",
    "string",
    "test",
    "test-token",
    "test_token",
    "testing",
    "todo",
    "token",
    "undefined",
    "user",
    "xxx",
];

static HASHES: LazyLock<Places> = LazyLock::new(|| {
    let mut hashes = Places::default();
    for (at, text) in TEXTS.iter().enumerate() {
        // `echo` without `-n` hashes the line feed too.
        for text in [*text, &format!("{text}\n")] {
            hashes.put(&Sha256::digest(text.as_bytes()), at);
        }
    }
    hashes
});

/// Whether the second half repeats the first (which includes any shorter pattern that fills both), or each byte differs
/// from the one before by the same step. A real hash is like that with 2⁻¹²⁸ or less.
fn is_pattern(hash: &[u8; 32]) -> bool {
    let (first, second) = hash.split_at(16);
    let mut steps = hash
        .iter()
        .zip(hash.iter().skip(1))
        .map(|(byte, next)| next.wrapping_sub(*byte));
    let step = steps.next();
    first == second || steps.all(|other| Some(other) == step)
}

#[cfg(test)]
mod tests {
    use super::super::TokenHash;

    #[test]
    fn hashes_of_what_people_try_out_are_well_known() {
        for text in [
            "",
            "password",
            "token",
            "secret",
            "test",
            "changeme",
            "abc",
            "password\n",
            "\n",
        ] {
            assert!(TokenHash::of(text.as_bytes()).is_well_known(), "{text:?}");
        }
        // As printed by `sha256sum </dev/null`.
        let of_nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(TokenHash::parse(of_nothing).unwrap().is_well_known());
    }

    #[test]
    fn patterns_are_well_known() {
        for digits in [
            "00".repeat(32),
            "ff".repeat(32),
            "deadbeef".repeat(8),
            "0123456789abcdef".repeat(4),
            (0..32).map(|byte| format!("{byte:02x}")).collect(),
            (0..32).rev().map(|byte| format!("{byte:02x}")).collect(),
        ] {
            let hash = TokenHash::parse(&format!("sha256:{digits}")).unwrap();
            assert!(hash.is_well_known(), "{digits}");
        }
    }

    #[test]
    fn the_hash_of_a_real_token_is_not_well_known() {
        assert!(!TokenHash::of(b"pst_0mLq17 is not one of them").is_well_known());
        let mut nearly = [7; 32];
        nearly[31] = 8;
        assert!(!TokenHash::from_bytes(nearly).is_well_known());
    }
}
