//! What services ask for: service tokens, API tokens on calls, preflights; and what the gate tells about itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};

use super::*;

fn service(more: &'static str) -> impl Fn(String) -> String {
    move |json| {
        json.replace(
            r#""base_path": "/orders""#,
            &format!(r#""base_path": "/orders", {more}"#),
        )
    }
}

fn authorization(seen: &Seen) -> &str {
    let (_, value) = seen
        .set
        .iter()
        .find(|(name, _)| name == "authorization")
        .unwrap();
    value.strip_prefix("Bearer ").unwrap()
}

fn claims(token: &str) -> serde_json::Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Verifies a service token with the published key set, as an upstream does.
fn verify(fixture: &Fixture, token: &str) {
    let set = fixture.send("GET", "/.well-known/jwks.json", &[]).json();
    let public = URL_SAFE_NO_PAD
        .decode(set["keys"][0]["x"].as_str().unwrap())
        .unwrap();
    let public = VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    public.verify_strict(signed.as_bytes(), &signature).unwrap();
}

#[test]
fn a_service_that_asks_for_it_gets_a_token_for_itself_and_never_the_callers() {
    let fixture = Fixture::with(service(r#""forward": "reissue""#));
    let presented = fixture.access_token();
    let seen = fixture.call(&presented, "GET", "/orders");
    assert_eq!(seen.reason, Reason::Allowed);
    let token = authorization(&seen);
    assert_ne!(token, presented);
    verify(&fixture, token);
    let claims = claims(token);
    assert_eq!(claims["aud"], "edge/orders");
    assert_eq!(claims["sub"], "p-7");
    assert_eq!(claims["client_id"], "t-9");
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        60
    );
}

#[test]
fn a_service_token_is_good_at_no_gateway() {
    let fixture = Fixture::with(service(r#""forward": "reissue""#));
    let seen = fixture.call(&fixture.access_token(), "GET", "/orders");
    let token = authorization(&seen);
    for refused in [
        fixture.call(token, "GET", "/orders"),
        fixture.exchange(token),
    ] {
        assert_eq!(
            (refused.reason, refused.status),
            (Reason::ServiceTokenPresented, Some(401))
        );
    }
}

#[test]
fn a_service_token_is_used_again_while_enough_of_it_is_left() {
    let mut fixture = Fixture::with(service(r#""forward": "reissue""#));
    let presented = fixture.access_token();
    let start = fixture.now.as_secs();
    let mut at = |seconds| {
        fixture.now = Timestamp::from_secs(start + seconds);
        authorization(&fixture.call(&presented, "GET", "/orders")).to_owned()
    };
    let first = at(0);
    assert_eq!(at(45), first);
    let second = at(46);
    assert_ne!(second, first);
    assert_eq!(at(60), second);
}

#[test]
fn a_service_token_never_outlives_what_was_presented() {
    let mut fixture = Fixture::with(service(r#""forward": "reissue""#));
    let long = fixture.access_token();
    let start = fixture.now.as_secs();
    let short =
        fixture.forge(|claims| claims.exp = Timestamp::from_secs(claims.iat.as_secs() + 20));
    // The kept token of the longer-lived one would be good for another minute.
    assert_eq!(
        claims(authorization(&fixture.call(&long, "GET", "/orders")))["exp"],
        start + 60
    );
    assert_eq!(
        claims(authorization(&fixture.call(&short, "GET", "/orders")))["exp"],
        start + 20
    );
    fixture.now = Timestamp::from_secs(start + 10);
    assert_eq!(
        claims(authorization(&fixture.call(&short, "GET", "/orders")))["exp"],
        start + 20
    );
}

#[test]
fn a_kept_service_token_decides_nothing() {
    let fixture = Fixture::with(service(r#""forward": "reissue""#));
    let presented = fixture.access_token();
    assert_eq!(
        fixture.call(&presented, "GET", "/orders").reason,
        Reason::Allowed
    );
    let refused = fixture.call(&presented, "POST", "/orders/export");
    assert_eq!(
        (refused.reason, refused.set.len()),
        (Reason::NotInAudience, 0)
    );
}

#[test]
fn an_api_token_is_taken_on_calls_where_the_service_says_so() {
    let fixture = Fixture::with(service(
        r#""accept": ["access", "api"], "forward": "reissue""#,
    ));
    let api_token = fixture.api_token.expose().to_owned();
    let seen = fixture.call(&api_token, "GET", "/orders");
    assert_eq!(seen.reason, Reason::Allowed);
    verify(&fixture, authorization(&seen));
    assert_eq!(
        fixture
            .call(&fixture.access_token(), "GET", "/orders")
            .reason,
        Reason::Allowed
    );
    for (method, path, reason, status) in [
        ("POST", "/orders/export", Reason::NotInAudience, 403),
        ("GET", "/orders/1/2", Reason::NoPath, 403),
        ("GET", "/orders/EXPORT", Reason::AmbiguousPath, 400),
        // Elsewhere it is no credential, and is told nothing of what there is.
        ("GET", "/elsewhere", Reason::ApiTokenAtMethod, 401),
    ] {
        let seen = fixture.call(&api_token, method, path);
        assert_eq!(
            (seen.reason, seen.status),
            (reason, Some(status)),
            "{method} {path}"
        );
    }
}

#[test]
fn a_service_may_take_api_tokens_alone() {
    let fixture = Fixture::with(service(r#""accept": ["api"]"#));
    assert_eq!(
        fixture
            .call(fixture.api_token.expose(), "GET", "/orders")
            .reason,
        Reason::Allowed
    );
    let seen = fixture.call(&fixture.access_token(), "GET", "/orders");
    assert_eq!(
        (seen.reason, seen.status),
        (Reason::AccessTokenNotAccepted, Some(401))
    );
}

#[test]
fn a_preflight_passes_only_in_its_strict_sense_and_where_the_service_says_so() {
    let strict = [
        ("origin", "https://a"),
        ("access-control-request-method", "GET"),
    ];
    let fixture = Fixture::with(service(r#""preflight": "pass""#));
    let seen = fixture.send(
        "OPTIONS",
        "/orders/1",
        &[strict[0], strict[1], ("x-postern-person", "root")],
    );
    assert_eq!((seen.reason, seen.status), (Reason::Preflight, None));
    assert_eq!(seen.removed, ["x-postern-person"]);
    for (method, path, headers) in [
        ("GET", "/orders/1", &strict[..]),
        ("OPTIONS", "/orders/1", &strict[..1]),
        ("OPTIONS", "/orders/1", &strict[1..]),
        ("OPTIONS", "/elsewhere", &strict[..]),
        ("OPTIONS", "/orders/EXPORT", &strict[..]),
    ] {
        assert_eq!(
            fixture.send(method, path, headers).reason,
            Reason::NoCredential,
            "{method} {path}"
        );
    }
    let with_credential = [strict[0], strict[1], ("authorization", "Basic YTpi")];
    assert_eq!(
        fixture
            .send("OPTIONS", "/orders/1", &with_credential)
            .reason,
        Reason::OtherScheme
    );
    assert_eq!(
        Fixture::new().send("OPTIONS", "/orders/1", &strict).reason,
        Reason::NoCredential
    );
}

#[test]
fn the_key_set_holds_the_accepted_keys_and_may_be_cached() {
    let keys = r#""active_from": "2026-11-01T00:00:00Z"},
        {"kid": "next", "root": "r1", "active_from": "2026-12-01T00:00:00Z"},
        {"kid": "gone", "root": "r1", "active_from": "2026-10-01T00:00:00Z", "revoked": true},
        {"kid": "elsewhere", "root": "r2", "active_from": "2026-09-01T00:00:00Z""#;
    let fixture =
        Fixture::with(|json| json.replace(r#""active_from": "2026-11-01T00:00:00Z""#, keys));
    let seen = fixture.send("GET", "/.well-known/jwks.json", &[]);
    assert_eq!((seen.reason, seen.status), (Reason::KeySet, Some(200)));
    assert_eq!(seen.header("cache-control"), Some("public, max-age=300"));
    let set = seen.json();
    let kids: Vec<_> = set["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap())
        .collect();
    assert_eq!(kids.len(), 2);
    assert!(kids.contains(&"k1") && kids.contains(&"next"));
    let refused = fixture.send("POST", "/.well-known/jwks.json", &[]);
    assert_eq!(
        (refused.status, refused.header("allow")),
        (Some(405), Some("GET, HEAD"))
    );
}

#[test]
fn readiness_is_told_where_it_is_asked_for() {
    let ready = |json: String| {
        json.replace(
            r#""gateway_id""#,
            r#""ready_path": "/postern/ready", "gateway_id""#,
        )
    };
    let fixture = Fixture::with(ready);
    let seen = fixture.send("GET", "/postern/ready", &[]);
    assert_eq!((seen.reason, seen.status), (Reason::Ready, Some(200)));
    let unready = Fixture::with(|json| ready(json).replace(r#""root": "r1""#, r#""root": "r2""#));
    assert_eq!(
        unready.send("GET", "/postern/ready", &[]).reason,
        Reason::NoKey
    );
    assert_eq!(
        Fixture::new().send("GET", "/postern/ready", &[]).reason,
        Reason::NoCredential
    );
}
