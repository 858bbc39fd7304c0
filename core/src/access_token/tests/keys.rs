//! Which keys a token is verified with.

use super::*;

#[test]
fn a_token_of_another_root_issuer_or_audience_has_a_wrong_signature() {
    let golden = Golden::read();
    let keys = [policy_key(&golden.kid)];
    let other_root = "b8vpXZ3BDkBQJc7Xu1yYNcCdXSYv5ZP-Vd8yDDe3KRE";
    for (ring, expected) in [
        (ring_of(&keys, other_root, ISSUER, "edge"), EXPECTED),
        (
            ring_of(&keys, &golden.root, "https://api.example.org", "edge"),
            Expected {
                issuer: "https://api.example.org",
                ..EXPECTED
            },
        ),
        (
            ring_of(&keys, &golden.root, ISSUER, "edge-2"),
            Expected {
                token_audience: "edge-2",
                ..EXPECTED
            },
        ),
    ] {
        assert_eq!(
            verify(&ring, golden.token.as_bytes(), &expected, at(0)),
            refused(AccessTokenFault::BadSignature)
        );
    }
}

#[test]
fn a_token_under_the_header_of_another_of_our_keys_has_a_wrong_signature() {
    let golden = Golden::read();
    let keys = [policy_key("2026-11"), policy_key("2026-12")];
    let ring = ring_of(&keys, &golden.root, ISSUER, "edge");
    let other = ring
        .keys()
        .find(|key| key.kid() == "2026-12")
        .unwrap()
        .header();
    let (_, rest) = golden.token.split_once('.').unwrap();
    assert_eq!(
        verify(
            &ring,
            format!("{other}.{rest}").as_bytes(),
            &EXPECTED,
            at(0)
        ),
        refused(AccessTokenFault::BadSignature)
    );
    assert!(matches!(
        verify(&ring, golden.token.as_bytes(), &EXPECTED, at(0)),
        Outcome::Verified(_)
    ));
}

#[test]
fn a_key_that_is_not_accepted_is_named_and_the_token_is_still_ours() {
    let golden = Golden::read();
    let outcome = |change: fn(&mut Key)| {
        let mut key = policy_key(&golden.kid);
        change(&mut key);
        let ring = ring_of(&[key], &golden.root, ISSUER, "edge");
        verify(&ring, golden.token.as_bytes(), &EXPECTED, at(10))
    };
    assert_eq!(
        outcome(|key| key.revoked = true),
        refused(AccessTokenFault::KeyRevoked)
    );
    assert_eq!(
        outcome(|key| key.not_after = Some(at(10))),
        refused(AccessTokenFault::KeyExpired)
    );
    assert_eq!(
        outcome(|key| key.root = "r2".to_owned()),
        refused(AccessTokenFault::RootMissing)
    );
    assert!(matches!(
        outcome(|key| key.not_after = Some(at(11))),
        Outcome::Verified(_)
    ));
    assert!(matches!(
        outcome(|key| key.active_from = at(100)),
        Outcome::Verified(_)
    ));
}
