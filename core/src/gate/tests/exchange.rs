//! The exchange.

use super::*;

#[test]
fn an_api_token_is_exchanged_for_an_access_token_that_opens_its_methods() {
    let fixture = Fixture::new();
    let seen = fixture.exchange(fixture.api_token.expose());
    assert_eq!((seen.reason, seen.status), (Reason::Exchanged, Some(200)));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("cache-control"), Some("no-store"));
    assert_eq!(seen.header("pragma"), Some("no-cache"));
    let answer: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(answer["LifeTime"], "2026-11-24T12:05:00Z");
    assert_eq!(answer.as_object().unwrap().len(), 2);
    let token = answer["RawToken"].as_str().unwrap();
    assert_eq!(
        fixture.call(token, "GET", "/orders").reason,
        Reason::Allowed
    );
}

#[test]
fn the_path_is_found_in_any_case_with_or_without_slash_and_empty_query() {
    let fixture = Fixture::new();
    let lower = EXCHANGE.to_ascii_lowercase();
    let other_case = EXCHANGE.replacen("/m42", "/M42", 1);
    for path in [EXCHANGE, &lower, &other_case] {
        for end in ["", "/", "?", "/?"] {
            let seen = fixture.call(fixture.api_token.expose(), "POST", &format!("{path}{end}"));
            assert_eq!(seen.reason, Reason::Exchanged, "{path}{end}");
        }
    }
}

#[test]
fn other_methods_and_a_query_are_refused_at_the_exchange() {
    let fixture = Fixture::new();
    for method in ["GET", "PUT", "HEAD", "OPTIONS", "post"] {
        let seen = fixture.call(fixture.api_token.expose(), method, EXCHANGE);
        assert_eq!(
            (seen.status, seen.header("allow")),
            (Some(405), Some("POST")),
            "{method}"
        );
    }
    let seen = fixture.call(
        fixture.api_token.expose(),
        "POST",
        &format!("{EXCHANGE}?a=b"),
    );
    assert_eq!(
        (seen.reason, seen.status),
        (Reason::ExchangeQuery, Some(400))
    );
}

#[test]
fn each_kind_of_token_is_good_in_its_own_place_alone() {
    let fixture = Fixture::new();
    let access_token = fixture.access_token();
    for (seen, reason) in [
        (
            fixture.exchange(&access_token),
            Reason::AccessTokenAtExchange,
        ),
        (
            fixture.call(fixture.api_token.expose(), "GET", "/orders"),
            Reason::ApiTokenAtMethod,
        ),
        (
            fixture.exchange(&format!("psg_{}", "a".repeat(46))),
            Reason::CredentialOfOtherKind,
        ),
        (
            fixture.exchange(&format!("pso_{}", "a".repeat(46))),
            Reason::CredentialOfOtherKind,
        ),
        (
            fixture.exchange(api_token(8).expose()),
            Reason::ApiTokenUnknown,
        ),
        (fixture.exchange("pst_tooshort"), Reason::ApiTokenMalformed),
        (fixture.exchange("short"), Reason::ApiTokenTooShort),
    ] {
        assert_eq!((seen.reason, seen.status), (reason, Some(401)));
        let problem: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
        assert_eq!(problem["type"], "urn:postern:problem:invalid_token");
    }
}

#[test]
fn an_access_token_never_outlives_its_api_token() {
    let ends = |end: &str| {
        let expiry = format!(r#""expires_at": "{end}""#);
        Fixture::with(|json| json.replace(r#""expires_at": "never""#, &expiry))
    };
    for (end, life_time) in [
        ("2026-11-24T12:00:01Z", "2026-11-24T12:00:01Z"),
        ("2026-11-24T12:04:59Z", "2026-11-24T12:04:59Z"),
        ("2026-11-24T12:05:01Z", "2026-11-24T12:05:00Z"),
    ] {
        let fixture = ends(end);
        assert!(
            fixture
                .exchange(fixture.api_token.expose())
                .body
                .contains(life_time),
            "{end}"
        );
    }
    let fixture = ends(NOW);
    assert_eq!(
        fixture.exchange(fixture.api_token.expose()).reason,
        Reason::ApiTokenExpired
    );
}

#[test]
fn an_access_token_ends_to_the_second() {
    let mut fixture = Fixture::new();
    let token = fixture.access_token();
    for (seconds, reason) in [
        (299, Reason::Allowed),
        (300, Reason::AccessTokenExpired),
        (301, Reason::AccessTokenExpired),
    ] {
        fixture.now = Timestamp::from_secs(Timestamp::parse(NOW).unwrap().as_secs() + seconds);
        assert_eq!(
            fixture.call(&token, "GET", "/orders").reason,
            reason,
            "{seconds}"
        );
    }
}

#[test]
fn a_foreign_token_of_enough_length_is_exchanged_by_its_hash() {
    let foreign = "eyJhbGciOiJodHRwIn0.eyJVc2VyRnJhZ21lbnRJZCI6IjEifQ.c2lnbmF0dXJl";
    let hash = TokenHash::of(foreign.as_bytes());
    let fixture = Fixture::with(|_| configuration(&hash, |json| json));
    assert_eq!(fixture.exchange(foreign).reason, Reason::Exchanged);
}

#[test]
fn without_a_key_that_signs_now_the_exchange_is_unavailable() {
    for change in [
        r#""active_from": "2026-11-24T12:00:01Z""#,
        r#""active_from": "2026-11-01T00:00:00Z", "revoked": true"#,
        r#""active_from": "2026-11-01T00:00:00Z", "not_after": "2026-11-24T12:00:00Z""#,
    ] {
        let fixture =
            Fixture::with(|json| json.replace(r#""active_from": "2026-11-01T00:00:00Z""#, change));
        let seen = fixture.exchange(fixture.api_token.expose());
        assert_eq!(
            (seen.reason, seen.status),
            (Reason::NoKey, Some(503)),
            "{change}"
        );
    }
    let other_root = Fixture::with(|json| json.replace(r#""root": "r1""#, r#""root": "r2""#));
    assert_eq!(
        other_root.exchange(other_root.api_token.expose()).reason,
        Reason::NoKey
    );
}
