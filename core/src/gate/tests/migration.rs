//! Shadow mode: everything is decided and counted, nothing is refused.

use super::*;

fn shadow(json: String) -> String {
    json.replace(
        r#""gateway_id""#,
        r#""mode": "shadow", "shadow_until": "2026-11-25T00:00:00Z", "gateway_id""#,
    )
}

#[test]
fn in_shadow_mode_a_request_goes_on_as_it_came_but_for_reserved_headers() {
    let fixture = Fixture::with(shadow);
    let headers = [
        ("authorization", "Bearer whatever"),
        ("x_postern_person", "root"),
        ("x-original-url", "/admin"),
    ];
    for (method, path, reason) in [
        ("GET", "/orders", Reason::ApiTokenTooShort),
        ("POST", EXCHANGE, Reason::ApiTokenTooShort),
        ("GET", "/orders//1", Reason::PathMalformed),
    ] {
        let seen = fixture.send(method, path, &headers);
        assert_eq!(
            (seen.reason, seen.status, seen.shadow),
            (reason, None, true),
            "{path}"
        );
        assert_eq!(seen.removed, ["x_postern_person"]);
        assert!(seen.set.is_empty());
    }
}

#[test]
fn headers_that_contradict_themselves_are_refused_and_go_on_in_shadow_mode() {
    let request = [
        (":method", "GET"),
        (":authority", "api.example.com"),
        (":path", "/orders"),
        ("X-Postern-Person", "root"),
    ];
    for (more, reason) in [
        ((":path", "/public"), Reason::PseudoHeaderRepeated),
        (
            ("connection", "x-postern-person"),
            Reason::ConnectionNamesOurs,
        ),
    ] {
        let encoded = encode(&[&request[..], &[more]].concat());
        let fixture = Fixture::new();
        let seen = fixture.decide(&encoded, Some(fixture.now));
        assert_eq!((seen.reason, seen.status), (reason, Some(400)));
        let fixture = Fixture::with(shadow);
        let seen = fixture.decide(&encoded, Some(fixture.now));
        assert_eq!(
            (seen.reason, seen.status, seen.shadow),
            (reason, None, true)
        );
        assert_eq!(seen.removed, ["X-Postern-Person"]);
    }
}

#[test]
fn in_shadow_mode_good_calls_are_counted_as_what_they_would_be() {
    let access_token = Fixture::new().access_token();
    let fixture = Fixture::with(shadow);
    let seen = fixture.call(&access_token, "GET", "/orders");
    assert_eq!((seen.reason, seen.shadow), (Reason::Allowed, true));
    assert_eq!((seen.removed.len(), seen.set.len()), (0, 0));
}

#[test]
fn shadow_mode_ends_by_itself_and_when_the_clock_is_doubtful() {
    let mut fixture = Fixture::with(shadow);
    fixture.now = Timestamp::parse("2026-11-24T23:59:59Z").unwrap();
    assert_eq!(fixture.send("GET", "/orders", &[]).status, None);
    fixture.now = Timestamp::parse("2026-11-25T00:00:00Z").unwrap();
    let seen = fixture.send("GET", "/orders", &[]);
    assert_eq!((seen.status, seen.shadow), (Some(401), false));
    let encoded = encode(&[
        (":authority", "api.example.com"),
        (":path", "/orders"),
        (":method", "GET"),
    ]);
    assert_eq!(fixture.decide(&encoded, None).status, Some(503));
}

#[test]
fn shadow_mode_is_refused_without_a_clock() {
    let json = configuration(&api_token(7).hash(), shadow);
    let faults = Gate::from_json(json.as_bytes(), None, |_| Some(root_key()))
        .map(|_| ())
        .unwrap_err();
    assert!(
        faults[0]
            .to_string()
            .starts_with("mode: the gateway's clock cannot be trusted")
    );
}

#[test]
fn a_header_map_that_cannot_be_read_is_refused_in_shadow_mode_too() {
    let fixture = Fixture::with(shadow);
    let seen = fixture.decide(b"", Some(fixture.now));
    assert_eq!(
        (seen.reason, seen.status),
        (Reason::HeadersUnreadable, Some(503))
    );
}
