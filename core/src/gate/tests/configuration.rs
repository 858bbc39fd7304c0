//! What a configuration may say, and what is told where it may not.

use super::*;

/// The faults of the fixture's configuration after one replacement in it.
fn told(from: &str, to: &str) -> String {
    let hash = api_token(7).hash();
    let json = configuration(&hash, |json| {
        assert!(json.contains(from), "{from}");
        json.replacen(from, to, 1)
    });
    faults(&json).join("\n")
}

#[test]
fn every_fault_is_told_with_its_path() {
    for (from, to, expected) in [
        (
            r#""gateway_id""#,
            r#""mode": "off", "gateway_id""#,
            "mode: unknown variant",
        ),
        (
            r#""gateway_id""#,
            r#""mode": "shadow", "gateway_id""#,
            "mode: shadow mode needs shadow_until",
        ),
        (
            r#""gateway_id""#,
            r#""mode": "shadow", "shadow_until": "2027-02-22T12:00:01Z", "gateway_id""#,
            "shadow_until: must be at most 90 days ahead",
        ),
        (
            r#""gateway_id""#,
            r#""mode": "shadow", "shadow_until": "soon", "gateway_id""#,
            "shadow_until: ",
        ),
        (
            r#""gateway_id""#,
            r#""shadow_until": "2026-12-01T00:00:00Z", "gateway_id""#,
            "shadow_until: has a meaning in shadow mode only",
        ),
        (
            r#""gateway_id""#,
            r#""exchange": {"oauth_path": "/Orders"}, "gateway_id""#,
            "exchange.oauth_path: lies under a service",
        ),
        (
            r#""gateway_id""#,
            r#""jwks_path": "/oauth/TOKEN", "gateway_id""#,
            "jwks_path: is the same path as exchange.oauth_path",
        ),
        (
            r#""gateway_id""#,
            r#""ready_path": "/healthz", "gateway_id""#,
            "ready_path: lies under a service or a public route",
        ),
        (
            r#""gateway_id""#,
            r#""ready_path": "/", "gateway_id""#,
            "ready_path: must be a path other than the root",
        ),
        (
            r#""gateway_id""#,
            r#""ready_path": null, "gateway_id""#,
            "ready_path: invalid type: null",
        ),
        (
            r#""gateway_id""#,
            r#""shadow_until": null, "gateway_id""#,
            "shadow_until: invalid type: null",
        ),
        (
            r#""edge-1""#,
            r#""edge 1""#,
            "gateway_id: \"edge 1\" is no id",
        ),
        (
            r#""edge-1""#,
            r#""pst_edge""#,
            "gateway_id: it begins as a token does",
        ),
        (
            r#""https://api.example.com""#,
            r#""psg_a""#,
            "issuer: it begins as a token does",
        ),
        (
            r#""edge","#,
            r#""pso_edge","#,
            "token_audience: it begins as a token does",
        ),
        (
            r#"["api.example.com", "127.0.0.1"]"#,
            "[]",
            "hosts: the list is empty",
        ),
        (
            r#"["api.example.com", "127.0.0.1"]"#,
            r#"["API.example.com"]"#,
            "hosts[0]: ",
        ),
        (
            r#"["api.example.com", "127.0.0.1"]"#,
            r#"["a.b", "a.b"]"#,
            "hosts[1]: \"a.b\" is there twice",
        ),
        (
            r#""https://api.example.com""#,
            r#""a\"b""#,
            "issuer: use 1 to 256",
        ),
        (r#""edge","#, r#""a/b","#, "token_audience: use 1 to 128"),
        (r#""ROOT""#, r#""A=B""#, "root_key_env: \"A=B\" is no name"),
        (
            r#""gateway_id""#,
            r#""exchange": {"ttl": "0s"}, "gateway_id""#,
            "exchange.ttl: must be between",
        ),
        (
            r#""gateway_id""#,
            r#""exchange": {"ttl": "3601s"}, "gateway_id""#,
            "exchange.ttl: must be between",
        ),
        (
            r#""gateway_id""#,
            r#""exchange": {"ttl": "5"}, "gateway_id""#,
            "exchange.ttl: ",
        ),
        (
            r#""gateway_id""#,
            r#""exchange": {"path": "/a//b"}, "gateway_id""#,
            "exchange.path: ",
        ),
        (
            r#""gateway_id""#,
            r#""exchange": {"path": "/a/"}, "gateway_id""#,
            "exchange.path: must be a path other than the root",
        ),
        (
            r#""gateway_id""#,
            r#""exchange": {"path": "/Orders/x"}, "gateway_id""#,
            "exchange.path: lies under a service",
        ),
        (
            r#""gateway_id""#,
            r#""exchange": {"path": "/HEALTHZ"}, "gateway_id""#,
            "exchange.path: lies under a service",
        ),
        (
            r#""person", "token","#,
            r#""person", "person","#,
            "identity[1]: \"x-postern-person\" is there twice",
        ),
        (
            r#""gateway_id""#,
            r#""filter_state": ["mode", "mode"], "gateway_id""#,
            "filter_state[1]: \"mode\" is there twice",
        ),
        (
            r#""gateway_id""#,
            r#""sink": {}, "gateway_id""#,
            "sink: unknown field",
        ),
        (
            r#""gateway_id""#,
            r#""gateway_id": "x", "gateway_id""#,
            "duplicate field",
        ),
        (
            r#""format": 1"#,
            r#""format": 2"#,
            "policy.inline.format: format 2 is unknown",
        ),
        (
            r#""format": 1,"#,
            r#""format": 1, "extra": 1,"#,
            "policy.inline.extra: unknown field",
        ),
    ] {
        let told = told(from, to);
        assert!(told.contains(expected), "{to}: {told}");
    }
}

#[test]
fn every_fault_of_the_policy_is_told_with_its_path() {
    for (from, to, expected) in [
        (
            r#""base_path": "/orders""#,
            r#""base_path": "/orders", "forward": "keep""#,
            "services[0].forward: unknown variant",
        ),
        (
            r#""base_path": "/orders""#,
            r#""base_path": "/orders", "accept": ["basic"]"#,
            "services[0].accept[0]: unknown variant",
        ),
        (
            r#""base_path": "/orders""#,
            r#""base_path": "/orders", "preflight": "answer""#,
            "services[0].preflight: unknown variant",
        ),
        (
            r#""path": "/{id}""#,
            r#""path": "/{id}", "audience": null"#,
            "services[0].methods[1].audience: invalid type: null",
        ),
        (
            r#""root": "r1""#,
            r#""root": "r1", "not_after": null"#,
            "keys[0].not_after: invalid type: null",
        ),
        (
            r#""roles": ["operators", "auditors"]"#,
            r#""roles": ["operators", "a b"]"#,
            "roles[1]: \"a b\" is no id",
        ),
        (
            r#""roles": ["operators", "auditors"]"#,
            r#""roles": ["operators", "operators"]"#,
            "roles[1]: \"operators\" is there twice",
        ),
        (
            r#"["operators"], "active""#,
            r#"["nobody"], "active""#,
            "persons[0].roles[0]: there is no role \"nobody\"",
        ),
        (
            r#""id": "p-8""#,
            r#""id": "p-7""#,
            "persons[1].id: \"p-7\" is there twice",
        ),
        (
            r#""person": "p-7""#,
            r#""person": "p-9""#,
            "tokens[0].person: there is no person \"p-9\"",
        ),
        (
            r#""expires_at": "never""#,
            r#""expires_at": "soon""#,
            "tokens[0].expires_at: ",
        ),
        (
            r#""expires_at": "never", "#,
            "",
            "missing field `expires_at`",
        ),
        (
            r#""hash": "sha256:"#,
            r#""hash": "md5:"#,
            "tokens[0].hash: ",
        ),
        (
            r#""name": "list""#,
            r#""name": "read""#,
            "services[0].methods[1].name: ",
        ),
        (
            r#""name": "orders""#,
            r#""name": "or ders""#,
            "services[0].name: ",
        ),
        (
            r#""path": "/{id}""#,
            r#""path": "/{id}", "upgrade": ["WebSocket"]"#,
            "services[0].methods[1].upgrade[0]: ",
        ),
        (
            r#""path": "/{id}""#,
            r#""path": "/{id}", "allow_headers": ["x-foo"]"#,
            "services[0].methods[1].allow_headers[0]: \"x-foo\" is never removed",
        ),
        (
            r#""persons": ["p-8"]"#,
            r#""persons": ["p-9"]"#,
            "services[0].methods[2].audience.persons[0]: there is no person",
        ),
        (
            r#""mode": "restricted", "roles""#,
            r#""mode": "restricted", "rely_on_parent": true, "roles""#,
            "services[0].audience.rely_on_parent: only a method",
        ),
        (
            r#""audience": {"mode": "restricted", "roles": ["operators"]},"#,
            "",
            "missing field `audience`",
        ),
        (
            r#""base_path": "/orders""#,
            r#""base_path": "/orders", "accept": []"#,
            "services[0].accept: the list is empty",
        ),
        (
            r#""base_path": "/orders""#,
            r#""base_path": "/or//ders""#,
            "services[0].base_path: ",
        ),
        (
            r#""path": "/healthz""#,
            r#""path": "/{x}""#,
            "public[0].path: ",
        ),
        (
            r#""public":"#,
            r#""bypass": {"role": "nobody"}, "public":"#,
            "bypass.role: there is no role \"nobody\"",
        ),
    ] {
        let told = told(from, to);
        assert!(
            told.starts_with("policy.inline.") && told.contains(expected),
            "{to}: {told}"
        );
    }
}

#[test]
fn keys_that_leave_a_gap_or_begin_together_are_refused() {
    let keys = |second: &str, end: &str| {
        let keys = format!(
            r#""active_from": "2026-11-01T00:00:00Z"{end}}}, {{"kid": "k2", "root": "r1", "active_from": "{second}""#
        );
        let hash = api_token(7).hash();
        let json = configuration(&hash, |json| {
            json.replace(r#""active_from": "2026-11-01T00:00:00Z""#, &keys)
        });
        Gate::from_json(json.as_bytes(), now(), |_| Some(root_key()))
            .map(|_| ())
            .map_err(|faults| faults[0].to_string())
    };
    assert_eq!(keys("2026-11-02T00:00:00Z", ""), Ok(()));
    assert!(
        keys("2026-11-01T00:00:00Z", "")
            .unwrap_err()
            .contains("keys[1].active_from: key \"k1\" is active from the same")
    );
    let end = |at: &str| format!(r#", "not_after": "{at}""#);
    assert_eq!(
        keys("2026-11-02T00:00:00Z", &end("2026-11-02T01:01:00Z")),
        Ok(())
    );
    assert!(
        keys("2026-11-02T00:00:00Z", &end("2026-11-02T01:00:59Z"))
            .unwrap_err()
            .contains("keys[0].not_after: not_after must be at least")
    );
    assert!(
        keys("2026-11-02T00:00:00Z", &end("2026-11-01T00:00:00Z"))
            .unwrap_err()
            .contains("never signs")
    );
}

#[test]
fn two_tokens_with_one_hash_and_well_known_hashes_are_refused() {
    let hash = api_token(7).hash();
    let twice = format!(
        r#""tokens": [{{"id": "t-8", "person": "p-8", "hash": "{hash}", "expires_at": "never", "active": true}},"#
    );
    assert!(
        told(r#""tokens": ["#, &twice)
            .contains("policy.inline.tokens[1].hash: token \"t-8\" has the same hash")
    );
    let json = configuration(&TokenHash::of(b"password"), |json| json);
    assert!(
        faults(&json)[0]
            .starts_with("policy.inline.tokens[0].hash: this is the hash of a well-known text")
    );
}

#[test]
fn missing_or_bad_root_keys_are_told_without_their_text() {
    let json = configuration(&api_token(7).hash(), |json| json);
    let fault = |roots: Option<&str>| {
        let roots = roots.map(str::to_owned);
        Gate::from_json(json.as_bytes(), now(), |name| {
            (name == "ROOT").then_some(roots).flatten()
        })
        .unwrap_err()[0]
            .to_string()
    };
    assert!(fault(None).starts_with("root_key_env: the environment variable \"ROOT\" is not set"));
    for roots in ["", "r1", "r1:c2VjcmV0", crate::roots::EXAMPLE] {
        let fault = fault(Some(roots));
        assert!(
            fault
                .starts_with("root_key_env: the root keys in the environment variable are refused"),
            "{fault}"
        );
        assert!(!fault.contains("c2VjcmV0"));
    }
}

#[test]
fn a_key_without_its_root_is_kept_and_reported() {
    let fixture = Fixture::with(|json| json.replace(r#""root": "r1""#, r#""root": "r2""#));
    assert_eq!(
        fixture.gate.keys().missing_roots().collect::<Vec<_>>(),
        [("k1", "r2")]
    );
}

#[test]
fn text_that_is_no_json_or_goes_on_after_it_is_refused() {
    assert!(!faults("").is_empty());
    assert!(!faults("[]").is_empty());
    let json = configuration(&api_token(7).hash(), |json| format!("{json} x"));
    assert!(faults(&json)[0].contains("trailing characters"));
}

#[test]
fn a_secret_in_the_wrong_place_of_a_configuration_is_not_told() {
    let secrets = [api_token(7).expose().to_owned(), root_key()];
    let hash = api_token(7).hash();
    let plain: serde_json::Value =
        serde_json::from_str(&configuration(&hash, |json| json)).unwrap();
    let mut places = Vec::new();
    strings(&plain, &mut Vec::new(), &mut places);
    assert!(places.len() > 50, "{}", places.len());
    for secret in secrets
        .iter()
        .chain([&secrets[1]["r1:".len()..].to_owned()])
    {
        for place in &places {
            let mut changed = plain.clone();
            let (last, parents) = place.split_last().unwrap();
            let parent = parent_of(&mut changed, parents);
            match last.parse::<usize>() {
                Ok(at) => parent[at] = secret.as_str().into(),
                Err(_) => parent[last.as_str()] = secret.as_str().into(),
            }
            told_without(&changed, secret, place);
            // A member's name can be a slip of hand, too.
            if let Some(object) = parent_of(&mut changed, parents).as_object_mut() {
                object.insert(secret.clone(), 1.into());
            }
            told_without(&changed, secret, place);
        }
    }
}

/// The paths of all values that are no lists and no records.
fn strings(value: &serde_json::Value, path: &mut Vec<String>, places: &mut Vec<Vec<String>>) {
    let mut within = |step: String, value| {
        path.push(step);
        strings(value, path, places);
        path.pop();
    };
    match value {
        serde_json::Value::Object(members) => members
            .iter()
            .for_each(|(name, value)| within(name.clone(), value)),
        serde_json::Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(at, value)| within(at.to_string(), value)),
        _ => places.push(path.clone()),
    }
}

fn parent_of<'a>(value: &'a mut serde_json::Value, path: &[String]) -> &'a mut serde_json::Value {
    path.iter()
        .fold(value, |value, step| match step.parse::<usize>() {
            Ok(at) => &mut value[at],
            Err(_) => &mut value[step.as_str()],
        })
}

fn told_without(configuration: &serde_json::Value, secret: &str, place: &[String]) {
    let roots = || Some(root_key());
    if let Err(faults) = Gate::from_json(configuration.to_string().as_bytes(), now(), |_| roots()) {
        for fault in faults {
            let told = fault.to_string();
            assert!(
                !told.contains(secret) && !told.contains(&secret.to_lowercase()),
                "{place:?}: {told}"
            );
        }
    }
}
