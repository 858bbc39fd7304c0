//! The claims of a token, written and read.

use serde_json::json;

use super::super::mint;
use super::*;

#[test]
fn a_token_of_an_independent_implementation_is_verified() {
    let golden = Golden::read();
    let Outcome::Verified(verified) = check(&golden.token, at(0)) else {
        panic!("refused");
    };
    assert_eq!(verified.sub, "p-7");
    assert_eq!(verified.client_id, "t-9");
    assert_eq!(verified.jti, golden.jti_bytes);
    assert_eq!((verified.iat, verified.exp), (at(0), at(300)));
}

#[test]
fn the_claims_have_the_names_of_rfc_9068() {
    let token = Golden::read().token;
    let payload = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    let claims: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&payload).unwrap();
    let mut names: Vec<&str> = claims.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["aud", "client_id", "exp", "iat", "iss", "jti", "sub"]
    );
}

#[test]
fn a_token_is_good_until_the_second_before_its_end() {
    let token = Golden::read().token;
    assert!(matches!(check(&token, at(299)), Outcome::Verified(_)));
    assert_eq!(check(&token, at(300)), refused(AccessTokenFault::Expired));
    assert_eq!(
        check(&token, Timestamp::MAX),
        refused(AccessTokenFault::Expired)
    );
}

#[test]
fn a_token_issued_60_seconds_ahead_is_taken_and_61_is_not() {
    let token = Golden::read().token;
    let before = |secs| Timestamp::from_secs(ISSUED - secs);
    assert!(matches!(check(&token, before(60)), Outcome::Verified(_)));
    assert_eq!(
        check(&token, before(61)),
        refused(AccessTokenFault::IssuedInFuture)
    );
    assert_eq!(
        check(&token, Timestamp::from_secs(0)),
        refused(AccessTokenFault::IssuedInFuture)
    );
}

#[test]
fn a_token_valid_from_60_seconds_ahead_is_taken_and_61_is_not() {
    let valid_from = |secs: u64| signed(&claims(&json!({"nbf": ISSUED + secs})));
    assert!(matches!(
        check(&valid_from(60), at(0)),
        Outcome::Verified(_)
    ));
    assert_eq!(
        check(&valid_from(61), at(0)),
        refused(AccessTokenFault::NotYetValid)
    );
}

#[test]
fn a_wrong_issuer_or_audience_is_refused_despite_a_right_signature() {
    for (change, fault) in [
        (
            json!({"iss": "https://api.example.com/"}),
            AccessTokenFault::WrongIssuer,
        ),
        (
            json!({"iss": "HTTPS://api.example.com"}),
            AccessTokenFault::WrongIssuer,
        ),
        (json!({"aud": "edge2"}), AccessTokenFault::WrongAudience),
        (json!({"aud": "edge/"}), AccessTokenFault::WrongAudience),
        (json!({"aud": ""}), AccessTokenFault::WrongAudience),
        (json!({"aud": ["edge"]}), AccessTokenFault::BadClaims),
    ] {
        assert_eq!(
            check(&signed(&claims(&change)), at(0)),
            refused(fault),
            "{change}"
        );
    }
}

#[test]
fn a_claim_that_is_missing_or_of_another_type_is_refused() {
    for name in ["iss", "sub", "aud", "iat", "exp", "jti", "client_id"] {
        for change in [json!({name: null}), json!({name: true}), json!({name: {}})] {
            assert_eq!(
                check(&signed(&claims(&change)), at(0)),
                refused(AccessTokenFault::BadClaims),
                "{change}"
            );
        }
    }
    for change in [
        json!({"exp": "1793491500"}),
        json!({"exp": -1}),
        json!({"exp": 1_793_491_500.5}),
        json!({"nbf": "1793491200"}),
        json!({"jti": "short"}),
        json!({"jti": "8PHy8_T19vf4-fr7_P3-_x"}),
    ] {
        assert_eq!(
            check(&signed(&claims(&change)), at(0)),
            refused(AccessTokenFault::BadClaims),
            "{change}"
        );
    }
    let with_null = claims(&json!({})).replacen('{', "{\"nbf\":null,", 1);
    assert_eq!(
        check(&signed(&with_null), at(0)),
        refused(AccessTokenFault::BadClaims)
    );
}

#[test]
fn a_claim_that_stands_there_twice_is_refused_even_if_escaped() {
    let once = claims(&json!({}));
    assert!(matches!(check(&signed(&once), at(0)), Outcome::Verified(_)));
    for again in [
        r#""sub":"p-1""#,
        r#""s\u0075b":"p-1""#,
        r#""exp":9999999999"#,
        r#""aud":"edge""#,
    ] {
        let twice = once.replacen('{', &format!("{{{again},"), 1);
        assert_eq!(
            check(&signed(&twice), at(0)),
            refused(AccessTokenFault::BadClaims),
            "{again}"
        );
    }
}

#[test]
fn claims_that_nobody_asked_for_are_ignored() {
    let more = claims(&json!({"scope": "a b", "nbf": ISSUED, "extra": {"sub": "p-1"}}));
    assert!(matches!(check(&signed(&more), at(0)), Outcome::Verified(_)));
}

#[test]
fn a_payload_that_is_not_one_json_object_is_refused() {
    let good = claims(&json!({}));
    let named = Golden::read().claims;
    let in_order = ["iss", "sub", "aud", "iat", "exp", "nbf", "jti", "client_id"];
    let list = json!(in_order.map(|name| named.get(name).cloned().unwrap_or(json!(0))));
    for payload in [
        &list.to_string(),
        "",
        "null",
        "[]",
        "{}",
        &good[1..],
        &format!("{good}{good}"),
        &format!("{good},"),
        &"[".repeat(5_000),
    ] {
        assert_eq!(
            check(&signed(payload), at(0)),
            refused(AccessTokenFault::BadClaims),
            "{payload}"
        );
    }
    let not_utf8 = [b"{\"sub\":\"", [0xFF].as_slice(), b"\"}"].concat();
    assert_eq!(
        check(&sign_encoded(&URL_SAFE_NO_PAD.encode(not_utf8)), at(0)),
        refused(AccessTokenFault::BadClaims)
    );
}

#[test]
fn what_is_minted_is_verified_with_escapes_too() {
    let ring = ring();
    let claims = NewClaims {
        iss: ISSUER,
        sub: "a \"quoted\" person\\",
        aud: "edge",
        iat: at(0),
        exp: at(1),
        jti: [0; 16],
        client_id: "tökën",
    };
    let token = mint(&ring.signer(at(0)).unwrap(), &claims).unwrap();
    let Outcome::Verified(verified) = check(token.expose(), at(0)) else {
        panic!("refused");
    };
    assert_eq!(verified.sub, claims.sub);
    assert_eq!(verified.client_id, claims.client_id);
}
