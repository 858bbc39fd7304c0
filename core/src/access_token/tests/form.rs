//! Segments, header and signature of a token.

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn another_header_is_not_ours_whatever_it_says() {
    let golden = Golden::read();
    let (_, rest) = golden.token.split_once('.').unwrap();
    for header in [
        r#"{"alg":"none","typ":"at+jwt","kid":"2026-11"}"#,
        r#"{"alg":"HS512","typ":"at+jwt","kid":"2026-11"}"#,
        r#"{"alg":"EdDSA","typ":"postern-service+jwt","kid":"2026-11"}"#,
        r#"{"alg":"hs256","typ":"at+jwt","kid":"2026-11"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"2026-11"}"#,
        r#"{"alg":"HS256","kid":"2026-11"}"#,
        r#"{"alg":"HS256","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"2026-12"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"2026-11","crit":["x"]}"#,
        r#"{"typ":"at+jwt","alg":"HS256","kid":"2026-11"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"2026-11"} "#,
    ] {
        let token = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
        assert_eq!(check(&token, at(0)), Outcome::NotOurs, "{header}");
        let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
        assert_eq!(check(&unsigned, at(0)), Outcome::NotOurs, "{header}");
    }
    let padded = format!("{}=.{rest}", golden.token.split_once('.').unwrap().0);
    assert_eq!(check(&padded, at(0)), Outcome::NotOurs);
    assert_eq!(check("", at(0)), Outcome::NotOurs);
    assert_eq!(check(".", at(0)), Outcome::NotOurs);
    assert_eq!(check("no segments at all", at(0)), Outcome::NotOurs);
}

#[test]
fn a_forged_signature_is_refused() {
    let golden = Golden::read();
    let (input, _) = golden.token.rsplit_once('.').unwrap();
    for signature in [[0; 32], [0xFF; 32], *b"0123456789abcdef0123456789abcdef"] {
        let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
        assert_eq!(
            check(&token, at(0)),
            refused(AccessTokenFault::BadSignature)
        );
    }
}

#[test]
fn a_signature_of_another_length_is_refused() {
    let golden = Golden::read();
    let (input, signature) = golden.token.rsplit_once('.').unwrap();
    for altered in [
        String::new(),
        signature[..42].to_owned(),
        format!("{signature}A"),
        format!("{signature}="),
        format!("{signature}AAAA"),
        URL_SAFE_NO_PAD.encode([0; 64]),
        "A".repeat(8_000),
    ] {
        assert_eq!(
            check(&format!("{input}.{altered}"), at(0)),
            refused(AccessTokenFault::Malformed),
            "{altered}"
        );
    }
}

#[test]
fn a_token_that_is_cut_off_anywhere_is_not_verified() {
    let golden = Golden::read();
    for end in 0..golden.token.len() {
        assert!(
            !matches!(check(&golden.token[..end], at(0)), Outcome::Verified(_)),
            "{end}"
        );
    }
}

#[test]
fn two_or_four_segments_are_refused() {
    let golden = Golden::read();
    let (input, signature) = golden.token.rsplit_once('.').unwrap();
    for token in [
        input.to_owned(),
        format!("{input}..{signature}"),
        format!("{}.", golden.token),
        format!("{}.{signature}", golden.token),
    ] {
        assert_eq!(
            check(&token, at(0)),
            refused(AccessTokenFault::Malformed),
            "{token}"
        );
    }
}

#[test]
fn base64url_that_is_not_canonical_is_refused() {
    let golden = Golden::read();
    // 43 characters hold 258 bits: the last character has two bits that belong to no byte.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = alphabet.find(golden.token.chars().last().unwrap()).unwrap();
    assert_eq!(last % 4, 0);
    for stray in 1..4 {
        let mut token = golden.token.clone();
        token.pop();
        token.push_str(&alphabet[last + stray..=last + stray]);
        assert_eq!(check(&token, at(0)), refused(AccessTokenFault::Malformed));
    }
    // Even with a right signature over it.
    let payload = URL_SAFE_NO_PAD.encode(claims(&json!({})));
    for altered in [
        format!("{payload}="),
        format!("{payload}\n"),
        format!("{payload}+"),
    ] {
        assert_eq!(
            check(&sign_encoded(&altered), at(0)),
            refused(AccessTokenFault::Malformed)
        );
    }
}

#[test]
fn a_signature_is_checked_before_the_claims() {
    let expired = signed(&claims(&json!({"exp": 1})));
    let (input, _) = expired.rsplit_once('.').unwrap();
    let forged = format!("{input}.{}", URL_SAFE_NO_PAD.encode([1; 32]));
    assert_eq!(
        check(&forged, at(0)),
        refused(AccessTokenFault::BadSignature)
    );
}

#[test]
fn no_single_bit_of_a_token_can_be_flipped() {
    let golden = Golden::read();
    let ring = ring();
    for position in 0..golden.token.len() {
        for bit in 0..8 {
            let mut altered = golden.token.clone().into_bytes();
            altered[position] ^= 1 << bit;
            let outcome = verify(&ring, &altered, &EXPECTED, at(0));
            assert!(!matches!(outcome, Outcome::Verified(_)), "{position} {bit}");
        }
    }
}

proptest! {
    #[test]
    fn no_single_byte_of_a_token_can_be_changed(
        index in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut altered = Golden::read().token.into_bytes();
        let position = index.index(altered.len());
        prop_assume!(altered[position] != byte);
        altered[position] = byte;
        let outcome = verify(&ring(), &altered, &EXPECTED, at(0));
        prop_assert!(!matches!(outcome, Outcome::Verified(_)));
    }

    #[test]
    fn no_bytes_after_our_header_make_the_verification_panic(
        rest in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let ring = ring();
        let header = ring.keys().next().unwrap().header().as_bytes();
        let token = [header, b".", &rest].concat();
        prop_assert!(!matches!(verify(&ring, &token, &EXPECTED, at(0)), Outcome::Verified(_)));
    }
}
