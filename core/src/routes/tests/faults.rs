//! Policies that make no table, each with the place and the reason.

use super::*;

/// The faults of a policy, as an operator reads them.
fn faults(services: &[Service], public: &[PublicRoute]) -> Vec<String> {
    let faults = RouteTable::faults(services, public);
    assert_eq!(
        RouteTable::build(services, public).err().as_ref(),
        faults.first()
    );
    faults.iter().map(ToString::to_string).collect()
}

/// The places of the faults.
fn places(services: &[Service], public: &[PublicRoute]) -> Vec<String> {
    RouteTable::faults(services, public)
        .into_iter()
        .map(|fault| fault.path)
        .collect()
}

fn sensitive(base: &str, methods: &[&str]) -> Service {
    service(base, Case::Sensitive, methods)
}

fn insensitive(base: &str, methods: &[&str]) -> Service {
    service(base, Case::Insensitive, methods)
}

#[test]
fn every_fault_is_told_with_its_place() {
    let mut first = sensitive("/api/", &["GET /a", "GET /b"]);
    first.hosts = vec![
        "Api.example.com".to_owned(),
        HOST.to_owned(),
        HOST.to_owned(),
    ];
    first.methods[1].name = "GET /a".to_owned();
    first.methods[0].http = vec![
        "GET".to_owned(),
        "G T".to_owned(),
        "GET".to_owned(),
        "CONNECT".to_owned(),
    ];
    first.methods[1].upgrade = vec!["WebSocket".to_owned(), "a".to_owned(), "a".to_owned()];
    let mut second = sensitive("/api", &["GET /{id", "GET /x"]);
    second.name.clone_from(&first.name);
    second.hosts.clear();
    second.methods[1].http.clear();
    let third = sensitive("api", &[]);
    assert_eq!(
        faults(&[first, second, third], &[public("GET /a?b", &[])]),
        [
            "public[0].path: a path without \"?\" is needed; a query plays no part in routing",
            "services[0].hosts[0]: write it as \"api.example.com\": lower case, without port and without a trailing dot",
            "services[0].hosts[2]: this host stands in the list already",
            "services[0].methods[0].http[1]: not an HTTP method: only letters, digits and !#$%&'*+-.^_`|~ may stand in one",
            "services[0].methods[0].http[2]: this HTTP method stands in the list already",
            "services[0].methods[0].http[3]: CONNECT cannot be routed by path; list the protocol in \"upgrade\"",
            "services[0].methods[1].name: the same name as services[0].methods[0]",
            "services[0].methods[1].upgrade[0]: a protocol's name is a token in lower case, such as \"websocket\"",
            "services[0].methods[1].upgrade[2]: this protocol stands in the list already",
            "services[1].name: the same name as services[0]",
            "services[1].hosts: at least one host is needed",
            "services[1].methods[0].path: a parameter must be a whole segment: \"/{name}\"",
            "services[1].methods[1].http: at least one HTTP method is needed",
            "services[2].base_path: the path must begin with a slash",
        ]
    );
}

#[test]
fn a_base_path_is_literal_and_canonical() {
    for base in [
        "",
        "api",
        "//",
        "/api//x",
        "/api/./x",
        "/..",
        "/a%2Fb",
        "/%61",
        "/a%c3%a4",
        "/a;b",
        "/a b",
        "/api?x",
        "/{tenant}",
        "/api/{*rest}",
        "/a.",
    ] {
        assert_eq!(
            places(&[sensitive(base, &[])], &[]),
            ["services[0].base_path"],
            "{base:?}"
        );
    }
    for base in ["/", "/api", "/api/", "/API/a%C3%A4/x:y"] {
        assert!(places(&[sensitive(base, &[])], &[]).is_empty(), "{base:?}");
    }
}

#[test]
fn two_methods_on_the_same_paths_need_different_http_methods() {
    for (methods, collide) in [
        (["GET /a", "GET /a"], true),
        (["GET /a", "GET /a/"], true),
        (["GET /a", "POST /a"], false),
        (["GET,PUT /a", "POST,PUT /a"], true),
        (["GET /{x}", "GET /{y}"], true),
        (["GET /{x}/b", "GET /{y}/c"], false),
        (["GET /{x}", "GET /a"], false),
        (["GET /{*x}", "GET /{*y}"], true),
        (["GET /{x}", "GET /{*y}"], false),
        (["GET /a/{*x}", "GET /a/{*y}"], true),
        (["GET /a", "get /a"], false),
        (["GET /export", "GET /EXPORT"], false),
        (["GET /a+b", "GET /a%2Bb"], false),
    ] {
        let mut service = sensitive("/api", &methods);
        service.methods[1].name = "second".to_owned();
        let expected: &[&str] = if collide {
            &["services[0].methods[1].path"]
        } else {
            &[]
        };
        assert_eq!(places(&[service], &[]), expected, "{methods:?}");
    }
    let [fault] = &faults(&[sensitive("/api", &["GET /{x}", "PUT,GET /{y}"])], &[])[..] else {
        panic!("one fault is expected");
    };
    assert!(
        fault.contains("GET on the same paths as services[0].methods[0];"),
        "{fault}"
    );
}

#[test]
fn patterns_of_an_insensitive_service_collide_when_folded() {
    for (methods, collide) in [
        (["GET /export", "GET /EXPORT"], true),
        (["GET /a/{x}/b", "GET /A/{y}/B"], true),
        (["GET /a/x", "GET /A/{*y}"], false),
    ] {
        let expected: &[&str] = if collide {
            &["services[0].methods[1].path"]
        } else {
            &[]
        };
        assert_eq!(
            places(&[insensitive("/api", &methods)], &[]),
            expected,
            "{methods:?}"
        );
    }
}

#[test]
fn two_services_at_one_host_need_different_base_paths() {
    let same = |first: Service, second: Service| {
        let mut services = [first, second];
        services[0].name = "first".to_owned();
        places(&services, &[]) == ["services[1].base_path"]
    };
    assert!(same(sensitive("/api", &[]), sensitive("/api", &[])));
    assert!(same(sensitive("/api", &[]), sensitive("/api/", &[])));
    assert!(same(sensitive("/", &[]), insensitive("/", &[])));
    assert!(same(sensitive("/api", &[]), insensitive("/API", &[])));
    assert!(same(insensitive("/api", &[]), sensitive("/API", &[])));
    assert!(same(insensitive("/api", &[]), insensitive("/Api", &[])));
    assert!(!same(sensitive("/api", &[]), sensitive("/API", &[])));
    assert!(!same(sensitive("/api", &[]), sensitive("/apis", &[])));
    let mut elsewhere = sensitive("/api", &[]);
    elsewhere.hosts = vec!["b.example".to_owned()];
    assert!(!same(sensitive("/api", &[]), elsewhere.clone()));
    elsewhere.hosts.push(HOST.to_owned());
    assert!(same(sensitive("/api", &[]), elsewhere));
}

#[test]
fn a_later_insensitive_service_collides_with_all_it_folds_like() {
    let services = [
        sensitive("/api", &[]),
        sensitive("/API", &[]),
        insensitive("/Api", &[]),
        sensitive("/aPI", &[]),
    ];
    assert_eq!(
        places(&services, &[]),
        ["services[2].base_path", "services[3].base_path"]
    );
}

#[test]
fn a_pattern_fits_in_a_path_with_its_base() {
    let deep = "/a".repeat(60);
    let methods = [
        "GET /b/b/b/b",
        "GET /b/b/b/{*rest}",
        "GET /b/b/b/b/b",
        "GET /b/b/b/b/{*rest}",
    ];
    assert_eq!(
        places(&[sensitive(&deep, &methods)], &[]),
        ["services[0].methods[2].path", "services[0].methods[3].path"]
    );
    let long = format!("GET /{}", "b".repeat(CanonicalPath::MAX_BYTES - 3));
    assert!(places(&[sensitive("/a", &[&long])], &[]).is_empty());
    assert_eq!(
        places(&[sensitive("/aa", &[&long])], &[]),
        ["services[0].methods[0].path"]
    );
    assert_eq!(
        places(&[sensitive(&"/a".repeat(65), &[])], &[]),
        ["services[0].base_path"]
    );
}

#[test]
fn a_public_route_is_literal_and_canonical() {
    for path in [
        "", "x", "//", "/{x}", "/{*x}", "/x?", "/..", "/%2F", "/%c3%a4",
    ] {
        assert_eq!(
            places(&[], &[public(&format!("GET {path}"), &[])]),
            ["public[0].path"],
            "{path:?}"
        );
    }
    let mut route = public("GET,GET /x", &["A.example", "b.example", "b.example"]);
    assert_eq!(
        places(&[], &[route.clone()]),
        [
            "public[0].http[1]",
            "public[0].hosts[0]",
            "public[0].hosts[2]"
        ]
    );
    route.http.clear();
    route.hosts.clear();
    assert_eq!(places(&[], &[route]), ["public[0].http"]);
}

#[test]
fn what_needs_a_credential_cannot_be_public() {
    let services = [
        sensitive(
            "/api",
            &["GET,PUT /orders", "GET /", "GET /{id}", "GET /a/{*rest}"],
        ),
        insensitive("/ins", &["GET /x"]),
    ];
    for (route, refused) in [
        (public("GET /api/orders", &[]), true),
        (public("GET /api/orders/", &[HOST]), true),
        (public("POST,PUT /api/orders", &[HOST, "b.example"]), true),
        (public("GET /API/Orders", &[]), true),
        (public("GET /INS/X", &[]), true),
        (public("GET /api", &[]), true),
        (public("GET /api/", &[]), true),
        (public("POST /api/orders", &[]), false),
        (public("GET /api/orders", &["b.example"]), false),
        (public("GET /api/health", &[]), false),
        (public("GET /api/a/b", &[]), false),
    ] {
        let expected: &[&str] = if refused { &["public[0].path"] } else { &[] };
        assert_eq!(
            places(&services, std::slice::from_ref(&route)),
            expected,
            "{route:?}"
        );
    }
    let root = [sensitive("/", &["GET /"])];
    assert_eq!(places(&root, &[public("GET /", &[])]), ["public[0].path"]);
}

#[test]
fn two_public_routes_may_not_take_the_same_requests() {
    for (first, second, collide) in [
        (public("GET /x", &[]), public("GET /x", &[]), true),
        (
            public("GET /x", &[]),
            public("GET /x/", &["a.example"]),
            true,
        ),
        (
            public("GET /x", &["a.example"]),
            public("GET /x", &[]),
            true,
        ),
        (
            public("GET,PUT /x", &["a.example"]),
            public("PUT /x", &["b.example", "a.example"]),
            true,
        ),
        (
            public("GET /x", &["a.example"]),
            public("GET /x", &["b.example"]),
            false,
        ),
        (public("GET /x", &[]), public("PUT /x", &[]), false),
        (
            public("PUT /x", &["a.example"]),
            public("GET /x", &[]),
            false,
        ),
        (public("GET /x", &[]), public("GET /X", &[]), false),
    ] {
        let expected: &[&str] = if collide { &["public[1].path"] } else { &[] };
        let routes = [first, second];
        assert_eq!(places(&[], &routes), expected, "{routes:?}");
    }
}

#[test]
fn a_fault_does_not_drag_others_along() {
    let broken = [sensitive("/", &["GET /x"]), sensitive("x", &["GET /x"])];
    assert_eq!(places(&broken, &[]), ["services[1].base_path"]);
    let routes = [public("GET /x", &["A.example"]), public("GET /x", &[])];
    assert_eq!(places(&[], &routes), ["public[0].hosts[0]"]);
}
