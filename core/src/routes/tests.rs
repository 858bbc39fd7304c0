use std::fmt::Write as _;

use super::steps::tests::counted;
use super::*;
use crate::policy::document::{
    Audience, AudienceMode, Case, Forward, Method, Preflight, PublicAuthorization,
};

mod faults;
mod reference;

const HOST: &str = "api.example.com";

/// A service at [`HOST`] with one method for each `"GET,POST /pattern"`, named after it.
pub(super) fn service(base: &str, case: Case, methods: &[&str]) -> Service {
    Service {
        name: format!("{base} {case:?}"),
        hosts: vec![HOST.to_owned()],
        base_path: base.to_owned(),
        forward: Forward::Strip,
        preflight: Preflight::Refuse,
        accept: Vec::new(),
        case,
        audience: Audience {
            mode: AudienceMode::Unrestricted,
            persons: Vec::new(),
            roles: Vec::new(),
            rely_on_parent: false,
            enforce: false,
        },
        methods: methods.iter().map(|text| method(text)).collect(),
    }
}

fn method(text: &str) -> Method {
    let (http, path) = text.split_once(' ').unwrap();
    Method {
        name: text.to_owned(),
        http: http.split(',').map(str::to_owned).collect(),
        path: path.to_owned(),
        audience: None,
        upgrade: Vec::new(),
        allow_headers: Vec::new(),
    }
}

/// `"GET,POST /path"`, at `hosts` if there are any.
fn public(text: &str, hosts: &[&str]) -> PublicRoute {
    let (http, path) = text.split_once(' ').unwrap();
    PublicRoute {
        http: http.split(',').map(str::to_owned).collect(),
        path: path.to_owned(),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        authorization: PublicAuthorization::Strip,
    }
}

/// What `request`, as in `"GET /path"`, finds: `"base: method"`, or a miss in one word.
fn find(services: &[Service], request: &str) -> String {
    let table = RouteTable::build(services, &[]).unwrap();
    find_in(&table, services, HOST, request)
}

fn find_in(table: &RouteTable, services: &[Service], host: &str, request: &str) -> String {
    let (http, target) = request.split_once(' ').unwrap();
    let path = CanonicalPath::parse(target.as_bytes()).unwrap();
    match table.find(host, &path, http) {
        Ok(found) => {
            let service = &services[found.service];
            format!(
                "{}: {}",
                service.base_path, service.methods[found.method].name
            )
        }
        Err(Miss::NoService) => "no service".to_owned(),
        Err(Miss::NoPath { service }) => format!("{}: no path", services[service].base_path),
        Err(Miss::NoHttpMethod { service }) => {
            format!("{}: no method", services[service].base_path)
        }
        Err(Miss::Ambiguous { service: None }) => "ambiguous".to_owned(),
        Err(Miss::Ambiguous {
            service: Some(service),
        }) => format!("{}: ambiguous", services[service].base_path),
    }
}

#[test]
fn the_longest_base_path_in_whole_segments_takes_the_request() {
    let services = [
        service("/", Case::Sensitive, &["GET /{*rest}"]),
        service("/api", Case::Sensitive, &["GET /", "GET /orders"]),
        service("/api/orders", Case::Sensitive, &["GET /{id}"]),
    ];
    for (request, found) in [
        ("GET /", "/: no path"),
        ("GET /x", "/: GET /{*rest}"),
        ("GET /apis", "/: GET /{*rest}"),
        ("GET /api", "/api: GET /"),
        ("GET /api/", "/api: GET /"),
        ("GET /api/ordersx", "/api: no path"),
        ("GET /api/orders/7", "/api/orders: GET /{id}"),
        // Nothing falls back, neither to a service that declares the path nor to a rest.
        ("GET /api/orders", "/api/orders: no path"),
        ("GET /api/orders/7/lines", "/api/orders: no path"),
        ("POST /api/orders/7", "/api/orders: no method"),
    ] {
        assert_eq!(find(&services, request), found, "{request}");
    }
}

#[test]
fn a_literal_goes_before_a_parameter_and_a_parameter_before_a_rest() {
    let services = [service(
        "/v1",
        Case::Sensitive,
        &[
            "GET /",
            "GET /orders",
            "GET /{x}",
            "GET /{*rest}",
            "GET /orders/{id}",
            "GET /orders/{id}/lines",
            "POST /{x}/{y}/lines",
            "GET /files/{*path}",
            "GET,HEAD /{x}/{y}/{z}",
        ],
    )];
    for (request, found) in [
        ("GET /v1", "/v1: GET /"),
        ("GET /v1/orders", "/v1: GET /orders"),
        ("GET /v1/orders/", "/v1: GET /orders"),
        ("GET /v1/things", "/v1: GET /{x}"),
        ("GET /v1/orders/7", "/v1: GET /orders/{id}"),
        ("GET /v1/things/7", "/v1: GET /{*rest}"),
        ("GET /v1/orders/7/lines", "/v1: GET /orders/{id}/lines"),
        // The most specific path decides, whatever HTTP methods it lacks.
        ("POST /v1/orders/7/lines", "/v1: no method"),
        ("POST /v1/things/7/lines", "/v1: POST /{x}/{y}/lines"),
        ("GET /v1/things/7/lines", "/v1: no method"),
        ("get /v1/orders", "/v1: no method"),
        ("HEAD /v1/a/b/c", "/v1: GET,HEAD /{x}/{y}/{z}"),
        ("GET /v1/files", "/v1: GET /{x}"),
        ("GET /v1/files/a", "/v1: GET /files/{*path}"),
        ("GET /v1/files/a/b/c/d", "/v1: GET /files/{*path}"),
        ("GET /v1/a/b/c/d", "/v1: GET /{*rest}"),
        // A literal that leads nowhere does not hide the patterns beside it.
        ("GET /v1/orders/7/notes", "/v1: GET,HEAD /{x}/{y}/{z}"),
        ("GET /v1/orders/7/notes/1", "/v1: GET /{*rest}"),
    ] {
        assert_eq!(find(&services, request), found, "{request}");
    }
}

#[test]
fn neither_a_parameter_nor_a_rest_matches_nothing() {
    let services = [service(
        "/v1",
        Case::Sensitive,
        &["GET /a/{x}", "GET /b/{*x}"],
    )];
    for request in [
        "GET /v1/a",
        "GET /v1/a/",
        "GET /v1/b",
        "GET /v1/b/",
        "GET /v1",
    ] {
        assert_eq!(find(&services, request), "/v1: no path", "{request}");
    }
}

#[test]
fn a_segment_that_only_folds_like_a_literal_is_ambiguous() {
    let services = [
        service(
            "/v1",
            Case::Sensitive,
            &[
                "GET /export",
                "GET /{x}",
                "GET /{x}/{y}",
                "GET /a/export/b",
                "GET /items:run",
                "GET /{x}/EXPORT/c",
            ],
        ),
        service("/", Case::Sensitive, &["GET /{*rest}"]),
    ];
    for (request, found) in [
        ("GET /v1/export", "/v1: GET /export"),
        ("GET /v1/exports", "/v1: GET /{x}"),
        ("GET /v1/EXPORT", "/v1: ambiguous"),
        ("GET /v1/Export/", "/v1: ambiguous"),
        ("GET /v1/EXPORT/x", "/v1: ambiguous"),
        ("GET /v1/A/x", "/v1: ambiguous"),
        ("GET /v1/a/EXPORT/b", "/v1: ambiguous"),
        // Met on the way through `/a`, it ends the search, though `/{x}/EXPORT/c` is exactly this.
        ("GET /v1/a/EXPORT/c", "/v1: ambiguous"),
        ("GET /v1/b/EXPORT/c", "/v1: GET /{x}/EXPORT/c"),
        ("GET /v1/items:run", "/v1: GET /items:run"),
        ("GET /v1/items%3Arun", "/v1: ambiguous"),
        ("GET /v1/items%3arun", "/v1: ambiguous"),
        ("GET /V1/export", "ambiguous"),
        ("GET /V1", "ambiguous"),
        ("GET /w1", "/: GET /{*rest}"),
    ] {
        assert_eq!(find(&services, request), found, "{request}");
    }
}

#[test]
fn a_sensitive_service_may_tell_paths_apart_by_case() {
    let services = [service(
        "/v1",
        Case::Sensitive,
        &["GET /export", "GET /EXPORT", "GET /{x}"],
    )];
    assert_eq!(find(&services, "GET /v1/export"), "/v1: GET /export");
    assert_eq!(find(&services, "GET /v1/EXPORT"), "/v1: GET /EXPORT");
    assert_eq!(find(&services, "GET /v1/Export"), "/v1: ambiguous");
}

#[test]
fn an_insensitive_service_takes_letters_of_either_case() {
    let services = [service(
        "/M42Services/Api",
        Case::Insensitive,
        &[
            "GET /Orders",
            "GET /orders/{id}",
            "GET /{x}",
            "GET /items:run",
        ],
    )];
    for (request, found) in [
        (
            "GET /m42services/API/ORDERS",
            "/M42Services/Api: GET /Orders",
        ),
        (
            "GET /M42Services/Api/Orders/7",
            "/M42Services/Api: GET /orders/{id}",
        ),
        (
            "GET /m42services/api/orderS/AbC",
            "/M42Services/Api: GET /orders/{id}",
        ),
        ("GET /m42services/api/things", "/M42Services/Api: GET /{x}"),
        (
            "GET /m42services/api/Items:Run",
            "/M42Services/Api: GET /items:run",
        ),
        (
            "GET /m42services/api/items%3Arun",
            "/M42Services/Api: ambiguous",
        ),
        ("get /m42services/api/things", "/M42Services/Api: no method"),
    ] {
        assert_eq!(find(&services, request), found, "{request}");
    }
}

#[test]
fn base_paths_that_only_fold_alike_are_ambiguous_across_services() {
    let services = [
        service("/", Case::Sensitive, &["GET /{*rest}"]),
        service("/api", Case::Sensitive, &["GET /{*rest}", "GET /ADMIN"]),
        service("/api/admin", Case::Sensitive, &["GET /{*rest}"]),
        service("/api/deep/er", Case::Sensitive, &["GET /{*rest}"]),
        service("/api/loose", Case::Insensitive, &["GET /{*rest}"]),
        service("/api/loose/tight", Case::Sensitive, &["GET /{*rest}"]),
        service("/ins/only", Case::Insensitive, &["GET /{*rest}"]),
    ];
    for (request, found) in [
        ("GET /api/admin/x", "/api/admin: GET /{*rest}"),
        ("GET /api/ADMIN", "ambiguous"),
        ("GET /api/ADMIN/x", "ambiguous"),
        ("GET /API/x", "ambiguous"),
        ("GET /API/admin/x", "ambiguous"),
        ("GET /api/deep/x", "/api: GET /{*rest}"),
        ("GET /api/DEEP/x", "ambiguous"),
        ("GET /api/deep/ER", "ambiguous"),
        // An insensitive service owns all spellings of its base path, those of a shared beginning too.
        ("GET /API/Loose/x", "/api/loose: GET /{*rest}"),
        ("GET /api/loose/tight/x", "/api/loose/tight: GET /{*rest}"),
        ("GET /api/LOOSE/tight/x", "ambiguous"),
        ("GET /api/loose/TIGHT/x", "ambiguous"),
        ("GET /INS/ONLY/x", "/ins/only: GET /{*rest}"),
        ("GET /INS/x", "/: GET /{*rest}"),
    ] {
        assert_eq!(find(&services, request), found, "{request}");
    }
}

#[test]
fn base_paths_may_be_told_apart_by_case_if_both_services_are_sensitive() {
    let services = [
        service("/api", Case::Sensitive, &["GET /x"]),
        service("/API", Case::Sensitive, &["GET /x"]),
    ];
    assert_eq!(find(&services, "GET /api/x"), "/api: GET /x");
    assert_eq!(find(&services, "GET /API/x"), "/API: GET /x");
    assert_eq!(find(&services, "GET /Api/x"), "ambiguous");
}

#[test]
fn a_service_answers_at_its_hosts_only() {
    let mut services = [
        service("/api", Case::Sensitive, &["GET /x"]),
        service("/api", Case::Sensitive, &["GET /y"]),
        service("/", Case::Sensitive, &["GET /z"]),
    ];
    services[0].hosts = vec!["a.example".to_owned(), "c.example".to_owned()];
    services[1].hosts = vec!["b.example".to_owned()];
    services[2].hosts = vec!["[::1]".to_owned()];
    for (index, service) in services.iter_mut().enumerate() {
        service.name = index.to_string();
    }
    let table = RouteTable::build(&services, &[]).unwrap();
    for (host, request, found) in [
        ("a.example", "GET /api/x", "/api: GET /x"),
        ("c.example", "GET /api/x", "/api: GET /x"),
        ("b.example", "GET /api/x", "/api: no path"),
        ("b.example", "GET /api/y", "/api: GET /y"),
        ("d.example", "GET /api/x", "no service"),
        ("[::1]", "GET /z", "/: GET /z"),
        ("[::1]", "GET /api/x", "/: no path"),
        ("a.example", "GET /", "no service"),
    ] {
        assert_eq!(
            find_in(&table, &services, host, request),
            found,
            "{host} {request}"
        );
    }
}

#[test]
fn an_empty_policy_has_no_routes() {
    let path = CanonicalPath::parse(b"/").unwrap();
    let table = RouteTable::default();
    assert_eq!(table.find(HOST, &path, "GET"), Err(Miss::NoService));
    assert_eq!(table.public(HOST, "GET", &path), None);
}

#[test]
fn a_public_route_takes_exactly_its_requests() {
    let public = [
        public("GET,HEAD /healthz", &[]),
        public("GET /docs/", &["a.example"]),
        public("GET /docs", &["b.example"]),
        public("GET /", &[]),
        public("POST /docs", &[]),
    ];
    let table = RouteTable::build(&[], &public).unwrap();
    for (host, http, target, route) in [
        (HOST, "GET", "/healthz", Some(0)),
        (HOST, "HEAD", "/healthz/", Some(0)),
        (HOST, "HEAD", "/healthz?x", Some(0)),
        (HOST, "POST", "/healthz", None),
        (HOST, "get", "/healthz", None),
        (HOST, "GET", "/Healthz", None),
        (HOST, "GET", "/healthz/x", None),
        (HOST, "GET", "/docs", None),
        ("a.example", "GET", "/docs", Some(1)),
        ("b.example", "GET", "/docs/", Some(2)),
        ("a.example", "POST", "/docs", Some(4)),
        ("a.example", "PUT", "/docs", None),
        (HOST, "GET", "/", Some(3)),
    ] {
        let path = CanonicalPath::parse(target.as_bytes()).unwrap();
        assert_eq!(
            table.public(host, http, &path),
            route,
            "{host} {http} {target}"
        );
    }
}

#[test]
fn the_gateway_learns_where_it_must_not_answer_itself() {
    let services = [service("/api/orders", Case::Sensitive, &[])];
    let public = [
        public("GET /Login", &[]),
        public("GET /docs", &["a.example"]),
    ];
    let table = RouteTable::build(&services, &public).unwrap();
    let path = |target: &'static str| CanonicalPath::parse(target.as_bytes()).unwrap();
    for target in ["/api/orders", "/api/orders/x", "/API/Orders/x/y"] {
        assert!(table.is_under_service(HOST, &path(target)), "{target}");
        assert!(
            !table.is_under_service("a.example", &path(target)),
            "{target}"
        );
    }
    for target in ["/", "/api", "/api/order", "/api/ordersx"] {
        assert!(!table.is_under_service(HOST, &path(target)), "{target}");
    }
    assert!(table.is_public(HOST, &path("/login")));
    assert!(table.is_public("a.example", &path("/DOCS/")));
    assert!(!table.is_public(HOST, &path("/docs")));
    assert!(!table.is_public(HOST, &path("/login/x")));
}

/// `count` services at as many hosts, the first of them with `count` methods.
fn big(count: usize) -> Vec<Service> {
    let mut services: Vec<_> = (0..count)
        .map(|index| {
            let mut service = service(&format!("/api/s{index}"), Case::Sensitive, &["GET /x"]);
            service.hosts.push(format!("h{index}.example"));
            service
        })
        .collect();
    let mut path = String::new();
    services[0].methods = (0..count)
        .map(|index| {
            path.clear();
            write!(path, "GET /orders/m{index}/{{id}}/lines").unwrap();
            method(&path)
        })
        .collect();
    services
}

#[test]
fn ten_thousand_methods_services_and_hosts_cost_a_request_what_ten_cost() {
    let steps = |count: usize| {
        let table = RouteTable::build(&big(count), &[]).unwrap();
        let last = count - 1;
        let first = CanonicalPath::parse(b"/api/s0/orders/m9/7/lines").unwrap();
        let (found, methods) = counted(|| table.find(HOST, &first, "GET"));
        assert_eq!(
            found,
            Ok(Found {
                service: 0,
                method: 9
            })
        );
        let target = format!("/api/s{last}/x");
        let path = CanonicalPath::parse(target.as_bytes()).unwrap();
        let (found, services) = counted(|| table.find(HOST, &path, "GET"));
        assert_eq!(
            found,
            Ok(Found {
                service: last,
                method: 0
            })
        );
        let host = format!("h{last}.example");
        let (found, hosts) = counted(|| table.find(&host, &path, "GET"));
        assert_eq!(
            found,
            Ok(Found {
                service: last,
                method: 0
            })
        );
        let miss = CanonicalPath::parse(b"/api/s0/orders/nothing/7/lines").unwrap();
        let (found, misses) = counted(|| table.find(HOST, &miss, "PUT"));
        assert_eq!(found, Err(Miss::NoPath { service: 0 }));
        [methods, services, hosts, misses]
    };
    for (small, big) in steps(10).into_iter().zip(steps(10_000)) {
        // A thousand times as many are ten more halvings in each of the lists searched: hosts, base paths, patterns.
        assert!(big <= small + 3 * 10 + 3, "{small} steps became {big}");
        assert!(big < 80, "{big} steps");
    }
}

#[test]
fn ten_thousand_public_routes_cost_a_request_what_ten_cost() {
    let steps = |count: usize| {
        let routes: Vec<_> = (0..count)
            .map(|index| public(&format!("GET /p{index}"), &[]))
            .collect();
        let table = RouteTable::build(&[], &routes).unwrap();
        let path = CanonicalPath::parse(b"/p9").unwrap();
        let (found, steps) = counted(|| table.public(HOST, "GET", &path));
        assert_eq!(found, Some(9));
        steps
    };
    assert!(steps(10_000) <= steps(10) + 11);
}

#[test]
fn a_path_that_tries_every_branch_visits_a_node_once() {
    // Every level has a literal and a parameter: a search that forgot where it had been would double at each.
    let mut methods = Vec::new();
    for parameter in 0..20 {
        let pattern: String = (0..20)
            .map(|level| if level == parameter { "/{x}" } else { "/a" })
            .collect();
        methods.push(format!("GET {pattern}/end{parameter}"));
    }
    let methods: Vec<&str> = methods.iter().map(String::as_str).collect();
    let table = RouteTable::build(&[service("/", Case::Sensitive, &methods)], &[]).unwrap();
    let target = format!("{}/no", "/a".repeat(20));
    let path = CanonicalPath::parse(target.as_bytes()).unwrap();
    let (found, steps) = counted(|| table.find(HOST, &path, "GET"));
    assert_eq!(found, Err(Miss::NoPath { service: 0 }));
    // 20 patterns of 21 segments are at most 420 nodes; each costs a visit and at most two comparisons.
    assert!(steps < 3 * 420 + 10, "{steps}");
}
