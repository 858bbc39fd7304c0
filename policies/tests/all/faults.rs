//! Every rule that a policy or a configuration can break, broken once: where it is told, and that the reference has it.

use postern_core::gate::Gate;
use postern_core::roots::RootKey;
use postern_core::time::Timestamp;
use serde_json::{Value, json};

use crate::command::{Folder, file, postern};
use crate::gateway_faults::{gateway_rows, sync_rows};

/// A value for a place, the path at which a fault is told, and its sentence.
pub(crate) type Row = (&'static str, Value, &'static str, &'static str);

fn policy() -> Value {
    json!({
        "format": 1,
        "keys": [
            {"kid": "k1", "root": "r1", "active_from": "2026-11-01T00:00:00Z"},
            {"kid": "k2", "root": "r1", "active_from": "2027-11-01T00:00:00Z"},
        ],
        "roles": ["a", "b"],
        "persons": [{"id": "p", "roles": ["a"], "active": true}],
        "tokens": [
            {"id": "t1", "person": "p", "hash": hash('1'), "expires_at": "never", "active": true},
            {"id": "t2", "person": "p", "hash": hash('2'), "expires_at": "never", "active": true},
        ],
        "services": [
            {
                "name": "s1", "hosts": ["api.example.com"], "base_path": "/s1",
                "audience": {"mode": "restricted", "roles": ["a"]},
                "methods": [
                    {"name": "m1", "http": ["GET"], "path": "/one"},
                    {"name": "m2", "http": ["GET"], "path": "/two", "audience": {"mode": "restricted"}},
                ],
            },
            {
                "name": "s2", "hosts": ["api.example.com"], "base_path": "/s2",
                "audience": {"mode": "unrestricted"}, "methods": [],
            },
        ],
        "public": [{"http": ["GET"], "path": "/a"}, {"http": ["GET"], "path": "/b"}],
        "bypass": {"role": "b"},
    })
}

fn gateway() -> Value {
    json!({
        "gateway_id": "edge-1",
        "hosts": ["api.example.com"],
        "issuer": "https://login.example.com",
        "token_audience": "example",
        "root_key_env": "POSTERN_ROOT_KEY",
        "exchange": {"ttl": "5m", "path": "/exchange", "form": false},
        "identity": ["person"],
        "filter_state": ["record"],
    })
}

fn synced_gateway() -> Value {
    let mut gateway = gateway();
    gateway["sync"] = json!({
        "cluster": "postern_admin",
        "authority": "admin.internal",
        "credential_env": "POSTERN_GATEWAY_CREDENTIAL",
        "public_keys": ["ed25519:PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"],
    });
    gateway
}

fn hash(digit: char) -> String {
    // Not 64 times the same digit: that would be the hash of nothing, and refused.
    format!("sha256:4f0c{}", digit.to_string().repeat(60))
}

fn policy_rows() -> Vec<Row> {
    let long_audience: Vec<_> = (0..1001).map(|number| format!("x{number}")).collect();
    let deep = "/a".repeat(64);
    vec![
        (
            "/format",
            json!(2),
            "format",
            "format 2 is unknown; this version reads format 1",
        ),
        (
            "/persons/0/id",
            json!("no id"),
            "persons[0].id",
            "\"no id\" is no id: use 1 to 64 of the characters A-Z a-z 0-9 . _ -",
        ),
        (
            "/persons/0/id",
            json!("pst_p"),
            "persons[0].id",
            "it begins as a token does; an id goes into logs and headers, so choose another",
        ),
        (
            "/roles",
            json!(["a", "b", "a"]),
            "roles[2]",
            "\"a\" is there twice",
        ),
        (
            "/tokens/1/id",
            json!("t1"),
            "tokens[1].id",
            "\"t1\" is there twice",
        ),
        (
            "/public/1/path",
            json!("/a"),
            "public[1]",
            "\"/a\" is there twice",
        ),
        (
            "/persons/0/roles",
            json!(["nobody"]),
            "persons[0].roles[0]",
            "there is no role \"nobody\" in the policy",
        ),
        (
            "/tokens/0/person",
            json!("nobody"),
            "tokens[0].person",
            "there is no person \"nobody\" in the policy",
        ),
        (
            "/services/0/audience/roles",
            json!(["c"]),
            "services[0].audience.roles[0]",
            "there is no role \"c\" in the policy",
        ),
        (
            "/bypass/role",
            json!("c"),
            "bypass.role",
            "there is no role \"c\" in the policy",
        ),
        // SHA-256 of the empty text.
        (
            "/tokens/0/hash",
            json!("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            "tokens[0].hash",
            "this is the hash of a well-known text; issue a new token",
        ),
        (
            "/tokens/1/hash",
            json!(hash('1')),
            "tokens[1].hash",
            "token \"t1\" has the same hash",
        ),
        (
            "/keys/1/active_from",
            json!("2026-11-01T00:00:00Z"),
            "keys[1].active_from",
            "key \"k1\" is active from the same instant; which of the two signs would be chance",
        ),
        (
            "/keys/0/not_after",
            json!("2026-11-01T00:00:00Z"),
            "keys[0].not_after",
            "not_after is not later than active_from, so the key never signs",
        ),
        (
            "/keys/0/not_after",
            json!("2027-11-01T01:00:59Z"),
            "keys[0].not_after",
            "not_after must be at least 1 h and 60 s after key \"k2\" begins to sign, so that tokens of this key live out their time",
        ),
        (
            "/services/0/audience/mode",
            json!("unrestricted"),
            "services[0].audience",
            "an unrestricted audience has no persons and no roles; say \"restricted\", or remove the lists",
        ),
        (
            "/services/0/audience/rely_on_parent",
            json!(true),
            "services[0].audience.rely_on_parent",
            "only a method's audience can rely on its parent",
        ),
        (
            "/services/0/audience/persons",
            json!(long_audience),
            "services[0].audience",
            "an audience lists at most 1000 persons and roles; use a role",
        ),
        (
            "/services/0/accept",
            json!([]),
            "services[0].accept",
            "the list is empty",
        ),
        (
            "/services/0/methods/0/allow_headers",
            json!(["accept"]),
            "services[0].methods[0].allow_headers[0]",
            "\"accept\" is never removed, so it cannot be allowed; the override headers are x-envoy-auth-failure-mode-allowed, x-http-method, x-http-method-override, x-method-override, x-original-url, x-rewrite-url",
        ),
        (
            "/services/0/methods/1/name",
            json!("m1"),
            "services[0].methods[1].name",
            "the same name as services[0].methods[0]",
        ),
        (
            "/services/0/hosts",
            json!([]),
            "services[0].hosts",
            "at least one host is needed",
        ),
        (
            "/services/0/hosts",
            json!(["API.example.com:443"]),
            "services[0].hosts[0]",
            "write it as \"api.example.com\": lower case, without port and without a trailing dot",
        ),
        (
            "/services/0/hosts",
            json!(["*.example.com"]),
            "services[0].hosts[0]",
            "not a host name or an IPv6 address in brackets (letters, digits, \"-\", \"_\", and single dots between labels; at most 253 bytes)",
        ),
        (
            "/services/0/hosts",
            json!(["a", "a"]),
            "services[0].hosts[1]",
            "this host stands in the list already",
        ),
        (
            "/services/0/methods/0/path",
            json!("one"),
            "services[0].methods[0].path",
            "the path must begin with a slash",
        ),
        (
            "/services/0/methods/0/path",
            json!("/b%c3%a4r"),
            "services[0].methods[0].path",
            "write it as \"b%C3%A4r\": percent-encodings in upper case",
        ),
        (
            "/services/0/methods/0/path",
            json!("/one?x=1"),
            "services[0].methods[0].path",
            "a path without \"?\" is needed; a query plays no part in routing",
        ),
        (
            "/services/0/base_path",
            json!("/{tenant}"),
            "services[0].base_path",
            "only literal segments may stand here, no \"{\" and \"}\"",
        ),
        (
            "/services/0/methods/0/path",
            json!("/{id}.json"),
            "services[0].methods[0].path",
            "a parameter must be a whole segment: \"/{name}\"",
        ),
        (
            "/services/0/methods/0/path",
            json!("/{1}"),
            "services[0].methods[0].path",
            "a parameter is named with a letter or \"_\", then letters, digits and \"_\"",
        ),
        (
            "/services/0/methods/0/path",
            json!("/{x}/{x}"),
            "services[0].methods[0].path",
            "the parameter \"x\" stands in this pattern already",
        ),
        (
            "/services/0/methods/0/path",
            json!("/{*x}/y"),
            "services[0].methods[0].path",
            "\"{*x}\" takes the rest of the path and must be the last segment",
        ),
        (
            "/services/0/methods/0/path",
            json!(deep),
            "services[0].methods[0].path",
            "with its service's base path it has more than 64 segments",
        ),
        (
            "/services/0/methods/0/path",
            json!(format!("/{}", "a".repeat(8189))),
            "services[0].methods[0].path",
            "with its service's base path it is longer than 8192 bytes",
        ),
        (
            "/services/0/methods/0/http",
            json!([]),
            "services[0].methods[0].http",
            "at least one HTTP method is needed",
        ),
        (
            "/services/0/methods/0/http",
            json!(["GE T"]),
            "services[0].methods[0].http[0]",
            "not an HTTP method: only letters, digits and !#$%&'*+-.^_`|~ may stand in one",
        ),
        (
            "/services/0/methods/0/http",
            json!(["GET", "GET"]),
            "services[0].methods[0].http[1]",
            "this HTTP method stands in the list already",
        ),
        (
            "/services/0/methods/0/http",
            json!(["CONNECT"]),
            "services[0].methods[0].http[0]",
            "CONNECT cannot be routed by path; list the protocol in \"upgrade\"",
        ),
        (
            "/services/0/methods/0/upgrade",
            json!(["WebSocket"]),
            "services[0].methods[0].upgrade[0]",
            "a protocol's name is a token in lower case, such as \"websocket\"",
        ),
        (
            "/services/0/methods/0/upgrade",
            json!(["h2c", "h2c"]),
            "services[0].methods[0].upgrade[1]",
            "this protocol stands in the list already",
        ),
        (
            "/services/1/base_path",
            json!("/s1"),
            "services[1].base_path",
            "the same base path as services[0] at the host api.example.com; letter case makes no difference if either service is \"case\": \"insensitive\"",
        ),
        (
            "/services/0/methods/1/path",
            json!("/one/"),
            "services[0].methods[1].path",
            "GET on the same paths as services[0].methods[0]; letter case makes no difference if the service is \"case\": \"insensitive\"",
        ),
        (
            "/public/0/path",
            json!("/s1/one"),
            "public[0].path",
            "GET on this path is the method services[0].methods[0] of a service; what needs a credential cannot be public",
        ),
        (
            "/public/1",
            json!({"http": ["GET", "HEAD"], "path": "/a"}),
            "public[1].path",
            "GET on this path is the public route public[0] already",
        ),
    ]
}

/// A configuration in shadow mode for longer than is allowed, whenever it is loaded.
fn gateway_in_shadow_for_ever() -> Value {
    let until = json!("9999-12-31T23:59:59Z");
    let shadow = with(gateway(), "/mode", &json!("shadow"));
    with(shadow, "/shadow_until", &until)
}

const SHADOW_TOO_LONG: &str = "must be at most 90 days ahead";

/// What a gateway says of its environment: its root keys, and whether its clock can be trusted.
fn told_at_the_start(shadow: bool, clock: bool, root_keys: Option<&str>) -> Vec<String> {
    let mut config = gateway();
    if shadow {
        config["mode"] = json!("shadow");
        config["shadow_until"] = json!("2026-12-31T00:00:00Z");
    }
    config["policy"] = json!({"inline": policy()});
    let now = clock.then(|| Timestamp::parse("2026-12-01T00:00:00Z").unwrap());
    let root_keys = root_keys.map(str::to_owned);
    match Gate::from_json(config.to_string().as_bytes(), now, |_| root_keys) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(|fault| fault.rule.to_string()).collect(),
    }
}

fn start_sentences() -> Vec<String> {
    let good = RootKey::generate("r1", &mut postern::entropy::Entropy).unwrap();
    let good = Some(good.expose());
    assert_eq!(told_at_the_start(true, true, good), [""; 0]);
    let without_source = Gate::from_json(gateway().to_string().as_bytes(), None, |_| None);
    let without_source = without_source.map(|_| ()).unwrap_err();
    [
        without_source
            .iter()
            .map(|fault| fault.rule.to_string())
            .collect(),
        told_at_the_start(false, true, None),
        told_at_the_start(false, true, Some("r1:short")),
        told_at_the_start(true, false, good),
    ]
    .concat()
}

/// The faults of the policy with `value` at `pointer`, as paths and sentences.
fn faults_of(policy: &Value, gateway: &Value) -> Vec<(String, String)> {
    faults_of_file(policy, Some(gateway))
}

/// The same for a file, and the gateway's configuration if that is in another one.
fn faults_of_file(file: &Value, gateway: Option<&Value>) -> Vec<(String, String)> {
    let folder = Folder::with(&[
        ("policy.json", &file.to_string()),
        (
            "gateway.json",
            &gateway.map(Value::to_string).unwrap_or_default(),
        ),
    ]);
    let (file, beside) = (folder.path("policy.json"), folder.path("gateway.json"));
    let mut arguments = vec!["policy", "check", "--json", &file];
    if gateway.is_some() {
        arguments.extend(["--gateway", &beside]);
    }
    let run = postern(&arguments);
    let told = run.json();
    assert_eq!(run.code == 0, told["ok"] == true);
    let faults = told["files"][0]["faults"].as_array().unwrap();
    let text = |fault: &Value, member: &str| fault[member].as_str().unwrap().to_owned();
    faults
        .iter()
        .map(|fault| (text(fault, "path"), text(fault, "sentence")))
        .collect()
}

fn with(mut document: Value, pointer: &str, value: &Value) -> Value {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match parent {
        Value::Object(members) => {
            members.insert(member.to_owned(), value.clone());
        }
        Value::Array(items) => items[member.parse::<usize>().unwrap()] = value.clone(),
        _ => panic!("{pointer} leads nowhere"),
    }
    document
}

#[test]
fn the_policy_that_the_rows_break_is_in_order() {
    assert_eq!(faults_of(&policy(), &gateway()), []);
    assert_eq!(faults_of(&policy(), &synced_gateway()), []);
    assert_eq!(faults_of_file(&synced_gateway(), None), []);
}

#[test]
fn every_broken_rule_is_told_at_its_place() {
    for (pointer, value, path, sentence) in policy_rows() {
        let told = faults_of(&with(policy(), pointer, &value), &gateway());
        let expected = (path.to_owned(), sentence.to_owned());
        assert!(told.contains(&expected), "{expected:?} in {told:#?}");
    }
    for (pointer, value, path, sentence) in gateway_rows() {
        let told = faults_of(&policy(), &with(gateway(), pointer, &value));
        assert_eq!(told, [(path.to_owned(), sentence.to_owned())]);
    }
    for (pointer, value, path, sentence) in sync_rows() {
        let told = faults_of_file(&with(synced_gateway(), pointer, &value), None);
        assert_eq!(told, [(path.to_owned(), sentence.to_owned())]);
    }
    let told = faults_of(&policy(), &gateway_in_shadow_for_ever());
    let expected = ("shadow_until".to_owned(), SHADOW_TOO_LONG.to_owned());
    assert_eq!(told, [expected]);
}

/// In the reference, `…` stands for what differs from fault to fault.
#[test]
fn the_references_list_every_fault_and_no_other() {
    let sentences = |rows: Vec<Row>| -> Vec<String> {
        rows.into_iter()
            .map(|(.., sentence)| sentence.to_owned())
            .collect()
    };
    lists("../docs/policy.md", &sentences(policy_rows()));
    let of_the_start = start_sentences();
    assert_eq!(of_the_start.len(), 4);
    let mut of_gateway = [sentences(gateway_rows()), sentences(sync_rows())].concat();
    of_gateway.push(SHADOW_TOO_LONG.to_owned());
    of_gateway.extend(of_the_start);
    lists("../docs/configuration.md", &of_gateway);
}

fn lists(page: &str, sentences: &[String]) {
    let reference = std::fs::read_to_string(file(page)).unwrap();
    let (_, after) = reference.split_once("\n## Faults\n").unwrap();
    let section = after.split("\n## ").next().unwrap();
    let listed: Vec<_> = section
        .lines()
        .filter_map(|line| line.strip_prefix("- `` ")?.split(" ``").next())
        .collect();
    let fits = |listed: &str, sentence: &str| {
        let (begin, more) = listed.split_once('…').unwrap_or((listed, ""));
        let Some(mut rest) = sentence.strip_prefix(begin) else {
            return false;
        };
        if !listed.contains('…') {
            return rest.is_empty();
        }
        let mut parts: Vec<_> = more.split('…').collect();
        let end = parts.pop().unwrap_or_default();
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(end)
    };
    for sentence in sentences {
        assert!(
            listed.iter().any(|listed| fits(listed, sentence)),
            "not listed: {sentence}"
        );
    }
    for listed in &listed {
        assert!(
            sentences.iter().any(|sentence| fits(listed, sentence)),
            "no such fault: {listed}"
        );
    }
}
