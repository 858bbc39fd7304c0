//! Calls of methods and public routes.

use super::*;

#[test]
fn a_caller_in_the_audience_is_let_through_with_its_identity_and_without_its_token() {
    let fixture = Fixture::new();
    let seen = fixture.call(&fixture.access_token(), "GET", "/orders/17?x=1");
    assert_eq!((seen.reason, seen.status), (Reason::Allowed, None));
    assert_eq!(seen.removed, ["authorization"]);
    let set: Vec<_> = seen
        .set
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let decision = set[4].1;
    assert_eq!(
        set,
        [
            ("x-postern-person", "p-7"),
            ("x-postern-token", "t-9"),
            ("x-postern-service", "orders"),
            ("x-postern-method", "read"),
            ("x-postern-decision", decision),
        ]
    );
    assert_eq!(decision.len(), 13);
    assert_eq!(
        (seen.token.as_deref(), seen.person.as_deref()),
        (Some("t-9"), Some("p-7"))
    );
}

#[test]
fn headers_that_claim_to_be_the_gateways_are_removed_under_the_names_they_came_with() {
    let fixture = Fixture::new();
    let bearer = format!("Bearer {}", fixture.access_token());
    let seen = fixture.send(
        "GET",
        "/orders",
        &[
            ("X-Postern-Person", "root"),
            ("x_postern_person", "root"),
            ("authorization", &bearer),
            ("x-http-method-override", "DELETE"),
            ("accept", "*/*"),
        ],
    );
    assert_eq!(seen.reason, Reason::Allowed);
    assert_eq!(
        seen.removed,
        [
            "X-Postern-Person",
            "x_postern_person",
            "x-http-method-override",
            "authorization"
        ]
    );
}

#[test]
fn an_override_header_passes_only_where_the_method_lists_it() {
    let fixture = Fixture::new();
    let bearer = format!("Bearer {}", fixture.access_token());
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-http-method-override", "PATCH"),
        ("x-original-url", "/admin"),
    ];
    assert_eq!(
        fixture.send("POST", "/orders/tunnel/x", &headers).removed,
        ["x-original-url", "authorization"]
    );
}

#[test]
fn without_a_credential_every_path_gets_the_same_401() {
    let fixture = Fixture::new();
    for path in [
        "/orders",
        "/orders/export",
        "/nothing/here",
        "/",
        "/ORDERS/EXPORT",
    ] {
        for headers in [&[][..], &[("authorization", "Basic YTpi")]] {
            let seen = fixture.send("GET", path, headers);
            assert_eq!(seen.status, Some(401), "{path}");
            assert_eq!(
                seen.header("www-authenticate"),
                Some("Bearer realm=\"edge\"")
            );
        }
    }
}

#[test]
fn a_caller_outside_the_audience_gets_403_and_a_path_without_rule_another() {
    let fixture = Fixture::new();
    let token = fixture.access_token();
    for (method, path, reason) in [
        ("POST", "/orders/export", Reason::NotInAudience),
        ("GET", "/orders/export", Reason::NoHttpMethod),
        ("GET", "/orders/1/2", Reason::NoPath),
        ("GET", "/invoices", Reason::NoService),
        ("get", "/orders", Reason::NoHttpMethod),
    ] {
        let seen = fixture.call(&token, method, path);
        assert_eq!(
            (seen.reason, seen.status),
            (reason, Some(403)),
            "{method} {path}"
        );
        assert_eq!(seen.token.as_deref(), Some("t-9"));
    }
    assert_eq!(
        fixture
            .call(&token, "POST", "/orders/export")
            .method
            .as_deref(),
        Some("export")
    );
}

#[test]
fn a_path_that_differs_from_a_literal_only_in_case_is_ambiguous() {
    let fixture = Fixture::new();
    let token = fixture.access_token();
    let seen = fixture.call(&token, "GET", "/orders/EXPORT");
    assert_eq!(
        (seen.reason, seen.status),
        (Reason::AmbiguousPath, Some(400))
    );
    let insensitive = Fixture::with(|json| {
        json.replace(r#""base_path""#, r#""case": "insensitive", "base_path""#)
    });
    let seen = insensitive.call(&insensitive.access_token(), "GET", "/ORDERS/EXPORT");
    assert_eq!(seen.reason, Reason::NoHttpMethod);
}

#[test]
fn an_upgrade_passes_only_where_the_method_lists_it() {
    let fixture = Fixture::new();
    let bearer = format!("Bearer {}", fixture.access_token());
    let upgrade = |path, protocol| {
        let headers = [
            ("authorization", bearer.as_str()),
            ("connection", "upgrade"),
            ("upgrade", protocol),
        ];
        fixture.send("GET", path, &headers).reason
    };
    assert_eq!(upgrade("/orders/watch/live", "websocket"), Reason::Allowed);
    assert_eq!(upgrade("/orders/watch/live", "WebSocket"), Reason::Allowed);
    assert_eq!(
        upgrade("/orders/watch/live", "websocket, h2c"),
        Reason::UpgradeNotListed
    );
    assert_eq!(upgrade("/orders/watch/live", ""), Reason::UpgradeNotListed);
    assert_eq!(upgrade("/orders", "websocket"), Reason::UpgradeNotListed);
}

#[test]
fn a_public_route_needs_no_credential_and_passes_none_on() {
    let fixture = Fixture::new();
    let seen = fixture.send(
        "GET",
        "/healthz",
        &[
            ("authorization", "Basic YTpi"),
            ("x-postern-person", "root"),
        ],
    );
    assert_eq!((seen.reason, seen.set.len()), (Reason::Public, 0));
    assert_eq!(seen.removed, ["x-postern-person", "authorization"]);
    let seen = fixture.send("GET", "/login", &[("authorization", "Basic YTpi")]);
    assert_eq!((seen.reason, seen.removed.len()), (Reason::Public, 0));
}

#[test]
fn a_public_route_that_passes_credentials_on_passes_none_of_ours() {
    use base64::Engine as _;
    let fixture = Fixture::new();
    let api_token = fixture.api_token.expose();
    let basic = |secret: &str| {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("t-9:{secret}"));
        format!("Basic {pair}")
    };
    for (value, passes) in [
        (format!("Bearer {api_token}"), false),
        (format!("Bearer {}", fixture.access_token()), false),
        (format!("Bearer x,Bearer {api_token}"), false),
        (basic(api_token), false),
        (basic("password"), true),
        ("Bearer eyJhbGciOiJub25lIn0.e30.".to_owned(), true),
    ] {
        let seen = fixture.send("GET", "/login", &[("authorization", &value)]);
        assert_eq!(
            (seen.reason, seen.removed.is_empty()),
            (Reason::Public, passes)
        );
    }
}

#[test]
fn a_public_route_is_public_for_its_method_and_spelling_alone() {
    let fixture = Fixture::new();
    for (method, path) in [
        ("POST", "/healthz"),
        ("GET", "/HEALTHZ"),
        ("GET", "/healthz/x"),
    ] {
        assert_eq!(fixture.send(method, path, &[]).reason, Reason::NoCredential);
    }
    assert_eq!(
        fixture
            .send("GET", "/healthz", &[("upgrade", "websocket")])
            .reason,
        Reason::NoCredential
    );
}

#[test]
fn an_authority_that_is_not_the_gateways_is_misdirected() {
    let fixture = Fixture::new();
    for (authority, status) in [
        ("api.example.com", None),
        ("API.example.com.:443", None),
        ("127.0.0.1:8080", None),
        ("other.example.com", Some(421)),
        ("api.example.com.evil.com", Some(421)),
        ("user@api.example.com", Some(400)),
        ("api.example.com:x", Some(400)),
        ("", Some(400)),
    ] {
        assert_eq!(
            fixture.send_to(authority, "GET", "/healthz", &[]).status,
            status,
            "{authority}"
        );
    }
}

#[test]
fn a_path_in_another_than_the_canonical_form_is_refused_with_its_rule() {
    let fixture = Fixture::new();
    let token = fixture.access_token();
    for path in [
        "/orders//1",
        "/orders/../x",
        "/orders/%2e%2e/x",
        "/orders/a%2Fb",
        "/orders/%61",
        "/orders;x/1",
        "orders",
        "",
    ] {
        let seen = fixture.call(&token, "GET", path);
        assert_eq!(
            (seen.reason, seen.status),
            (Reason::PathMalformed, Some(400)),
            "{path}"
        );
        assert!(seen.body.contains("The path is refused"), "{}", seen.body);
    }
}

#[test]
fn a_token_in_the_query_is_refused_wherever_it_is_sent() {
    let fixture = Fixture::new();
    for path in [
        "/healthz?access_token=x",
        "/orders?a=b&access_token=x",
        "/orders?access%5Ftoken=x",
    ] {
        assert_eq!(
            fixture.send("GET", path, &[]).reason,
            Reason::TokenInQuery,
            "{path}"
        );
    }
}

#[test]
fn two_credentials_or_a_malformed_one_are_a_bad_request() {
    let fixture = Fixture::new();
    for value in ["Bearer a,Bearer b", "Bearer", "Bearer\ta", ""] {
        let seen = fixture.send("GET", "/orders", &[("authorization", value)]);
        assert_eq!(seen.status, Some(400), "{value}");
        assert!(
            seen.header("www-authenticate")
                .unwrap()
                .contains("error=\"invalid_request\"")
        );
    }
    let twice = [("authorization", "Bearer a"), ("authorization", "Bearer a")];
    assert_eq!(
        fixture.send("GET", "/orders", &twice).reason,
        Reason::SeveralCredentials
    );
}

#[test]
fn the_bypass_role_and_the_parents_audience_count_as_the_policy_says() {
    let open = |json: String| {
        json.replace(
            r#""public":"#,
            r#""bypass": {"role": "operators"}, "public":"#,
        )
    };
    let fixture = Fixture::with(open);
    assert_eq!(
        fixture
            .call(&fixture.access_token(), "POST", "/orders/export")
            .reason,
        Reason::Allowed
    );

    let enforced = |json: String| {
        open(json).replace(
            r#""persons": ["p-8"]"#,
            r#""persons": ["p-8"], "enforce": true"#,
        )
    };
    let fixture = Fixture::with(enforced);
    assert_eq!(
        fixture
            .call(&fixture.access_token(), "POST", "/orders/export")
            .reason,
        Reason::NotInAudience
    );

    let own = |rely: &str| {
        let audience = format!(r#""persons": ["p-7"], "rely_on_parent": {rely}"#);
        move |json: String| {
            json.replace(r#""persons": ["p-8"]"#, &audience)
                .replace(r#""roles": ["operators"]}"#, r#""roles": ["auditors"]}"#)
        }
    };
    for (rely, reason) in [("false", Reason::Allowed), ("true", Reason::NotInAudience)] {
        let fixture = Fixture::with(|json| {
            own(rely)(json).replace(r#""roles": ["auditors"], "active""#, r#""active""#)
        });
        assert_eq!(
            fixture
                .call(&fixture.access_token(), "POST", "/orders/export")
                .reason,
            reason,
            "{rely}"
        );
    }
}

#[test]
fn a_grpc_caller_is_refused_in_its_own_terms() {
    let fixture = Fixture::new();
    let encoded = encode(&[
        (":authority", "api.example.com"),
        (":path", "/orders"),
        (":method", "POST"),
        ("content-type", "application/grpc"),
    ]);
    let id = DecisionIds::seeded(&mut Sequence::from_seed(3))
        .unwrap()
        .next_id();
    let outcome = fixture
        .gate
        .decide(&encoded, true, Some(fixture.now), id, &mut Failing);
    let Action::Answer(answer) = outcome.action else {
        panic!("let through")
    };
    assert_eq!((answer.status, answer.grpc_status), (401, Some(16)));
    assert_eq!(answer.body, "No credential was sent.");
}
