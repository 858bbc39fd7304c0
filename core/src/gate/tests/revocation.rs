//! What ends an access token before its time.

use super::*;

/// Swaps the policy under an access token that was good, and says what becomes of it.
fn after(change: impl FnOnce(String) -> String) -> Seen {
    let before = Fixture::new();
    let token = before.access_token();
    assert_eq!(
        before.call(&token, "GET", "/orders").reason,
        Reason::Allowed
    );
    let after = Fixture::with(change);
    after.call(&token, "GET", "/orders")
}

fn replaced(from: &'static str, to: &'static str) -> impl FnOnce(String) -> String {
    move |json| {
        assert!(json.contains(from), "{from}");
        json.replacen(from, to, 1)
    }
}

#[test]
fn a_change_to_the_api_token_or_its_person_ends_live_access_tokens() {
    let token = r#""expires_at": "never", "active": true"#;
    for (from, to, reason) in [
        (
            token,
            r#""expires_at": "never", "active": false"#,
            Reason::ApiTokenDeactivated,
        ),
        (
            token,
            r#""expires_at": "2026-11-24T12:00:00Z", "active": true"#,
            Reason::ApiTokenExpired,
        ),
        (
            r#""id": "t-9""#,
            r#""id": "t-10""#,
            Reason::AccessTokenOrphaned,
        ),
        (
            r#"["operators"], "active": true"#,
            r#"["operators"], "active": false"#,
            Reason::PersonInactive,
        ),
        (
            r#""person": "p-7""#,
            r#""person": "p-8""#,
            Reason::AccessTokenOtherPerson,
        ),
        (r#""kid": "k1""#, r#""kid": "k2""#, Reason::ApiTokenUnknown),
        (
            r#""active_from": "2026-11-01T00:00:00Z""#,
            r#""active_from": "2026-11-01T00:00:00Z", "revoked": true"#,
            Reason::AccessTokenKeyRevoked,
        ),
        (
            r#""active_from": "2026-11-01T00:00:00Z""#,
            r#""active_from": "2026-11-01T00:00:00Z", "not_after": "2026-11-24T12:00:00Z""#,
            Reason::AccessTokenKeyExpired,
        ),
        (
            r#""root": "r1""#,
            r#""root": "r2""#,
            Reason::AccessTokenKeyMissing,
        ),
        (
            r#""token_audience": "edge""#,
            r#""token_audience": "edge2""#,
            Reason::AccessTokenForged,
        ),
        (
            r#""issuer": "https://api.example.com""#,
            r#""issuer": "https://api.example.org""#,
            Reason::AccessTokenForged,
        ),
    ] {
        let seen = after(replaced(from, to));
        assert_eq!((seen.reason, seen.status), (reason, Some(401)), "{to}");
    }
}

#[test]
fn activating_again_does_not_revive_access_tokens_from_before() {
    for (valid_from, reason) in [
        ("2026-11-24T12:00:00Z", Reason::Allowed),
        ("2026-11-24T12:00:01Z", Reason::AccessTokenVoid),
    ] {
        let on_token = format!(r#""id": "t-9", "valid_from": "{valid_from}""#);
        assert_eq!(
            after(|json| json.replace(r#""id": "t-9""#, &on_token)).reason,
            reason
        );
        let on_person = format!(r#""id": "p-7", "valid_from": "{valid_from}""#);
        assert_eq!(
            after(|json| json.replace(r#""id": "p-7""#, &on_person)).reason,
            reason
        );
    }
}

#[test]
fn a_new_api_token_of_the_same_person_does_not_end_the_old_ones_access_tokens() {
    let other = api_token(9).hash();
    let more = format!(
        r#""tokens": [{{"id": "t-10", "person": "p-7", "hash": "{other}", "expires_at": "never", "active": false}},"#
    );
    assert_eq!(
        after(|json| json.replace(r#""tokens": ["#, &more)).reason,
        Reason::Allowed
    );
}

#[test]
fn claims_that_no_exchange_makes_are_refused_even_under_a_good_signature() {
    let fixture = Fixture::new();
    let refused = |change: fn(&mut NewClaims<'_>)| {
        fixture
            .call(&fixture.forge(change), "GET", "/orders")
            .reason
    };
    let later = |now: Timestamp, seconds| Timestamp::from_secs(now.as_secs() + seconds);
    assert_eq!(refused(|_| {}), Reason::Allowed);
    assert_eq!(
        refused(|claims| claims.iss = "https://api.example.org"),
        Reason::AccessTokenWrongIssuer
    );
    assert_eq!(
        refused(|claims| claims.aud = "edge2"),
        Reason::AccessTokenWrongAudience
    );
    assert_eq!(
        refused(|claims| claims.client_id = "t-404"),
        Reason::AccessTokenOrphaned
    );
    assert_eq!(
        refused(|claims| claims.sub = "p-8"),
        Reason::AccessTokenOtherPerson
    );
    assert_eq!(
        refused(|claims| claims.exp = claims.iat),
        Reason::AccessTokenExpired
    );
    let ahead = fixture.forge(|claims| claims.iat = later(claims.iat, 60));
    assert_eq!(
        fixture.call(&ahead, "GET", "/orders").reason,
        Reason::Allowed
    );
    let too_far = fixture.forge(|claims| claims.iat = later(claims.iat, 61));
    assert_eq!(
        fixture.call(&too_far, "GET", "/orders").reason,
        Reason::AccessTokenFromFuture
    );
}

#[test]
fn tokens_with_another_algorithm_or_type_are_not_access_tokens() {
    use base64::Engine as _;
    let fixture = Fixture::new();
    let good = fixture.access_token();
    let rest = good.split_once('.').unwrap().1;
    for header in [
        r#"{"alg":"none","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"HS512","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"k1"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"k9"}"#,
        r#"{"alg":"HS256","typ":"at+jwt"}"#,
        r#"{"typ":"at+jwt","alg":"HS256","kid":"k1"}"#,
    ] {
        let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header);
        let seen = fixture.call(&format!("{header}.{rest}"), "GET", "/orders");
        assert_eq!(
            (seen.reason, seen.status),
            (Reason::ApiTokenUnknown, Some(401))
        );
    }
    let forged = format!("{}A", &good[..good.len() - 1]);
    let seen = fixture.call(if forged == good { "x" } else { &forged }, "GET", "/orders");
    assert!(
        matches!(
            seen.reason,
            Reason::AccessTokenForged | Reason::AccessTokenMalformed
        ),
        "{:?}",
        seen.reason
    );
}
