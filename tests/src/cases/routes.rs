use super::{Case, Expected, Forwarded, Refusal};
use crate::Result;
use crate::fixture::World;

pub(super) fn cases(world: &World) -> Result<Vec<Case>> {
    let external = world.access_token()?;
    let operator = world.operator_access_token()?;
    let mut cases = choice(&external, &operator);
    cases.extend(audiences(&external, &operator));
    cases.extend(upgrades(&external, &operator));
    cases.extend(grpc(world, &external));
    Ok(cases)
}

fn orders(method: &str) -> Forwarded {
    Forwarded::call("p-external", "t-external", "orders", method)
}

fn choice(external: &str, operator: &str) -> Vec<Case> {
    let call = |name: &str, target: &str| Case::named(name).get(target).bearer(external);
    vec![
        call(
            "a method at its service's base path",
            "/m42Services/api/orders",
        )
        .expect(orders("list")),
        call(
            "one trailing slash is the same path",
            "/m42Services/api/orders/",
        )
        .expect(orders("list").target("/m42Services/api/orders/")),
        call(
            "a query is passed on and decides nothing",
            "/m42Services/api/orders?a=..//%2F;b#".trim_end_matches('#'),
        )
        .expect(orders("list").target("/m42Services/api/orders?a=..//%2F;b")),
        call(
            "a literal comes before a parameter",
            "/m42Services/api/orders/export",
        )
        .expect(orders("export")),
        call(
            "a parameter takes one segment",
            "/m42Services/api/orders/4711",
        )
        .expect(orders("read")),
        call(
            "an encoded space inside a parameter",
            "/m42Services/api/orders/a%20b",
        )
        .expect(orders("read").target("/m42Services/api/orders/a%20b")),
        call(
            "encoded UTF-8 in a parameter",
            "/m42Services/api/orders/%C3%BC",
        )
        .expect(orders("read")),
        call("a rest takes many segments", "/files/a/b/c").expect(Forwarded::call(
            "p-external",
            "t-external",
            "files",
            "get",
        )),
        call("a rest takes not nothing", "/files").expect(Refusal::no_rule().because("no_path")),
        call("no path of the service", "/m42Services/api/orders/1/2/3")
            .expect(Refusal::no_rule().because("no_path")),
        call("no service", "/m42Services/api/other")
            .expect(Refusal::no_rule().because("no_service")),
        call("a base path is whole segments", "/m42Services/api/orders2")
            .expect(Refusal::no_rule().because("no_service")),
        Case::named("a path with another HTTP method")
            .request("PUT", "/m42Services/api/orders")
            .bearer(external)
            .expect(Refusal::no_rule().because("no_http_method")),
        Case::named("an HTTP method is case-sensitive")
            .request("get", "/m42Services/api/orders")
            .bearer(external)
            .http2_only("Envoy's HTTP/1.1 codec knows a fixed list of methods")
            .expect(Refusal::no_rule().because("no_http_method")),
        Case::named("an unknown HTTP method over HTTP/1.1")
            .request("get", "/m42Services/api/orders")
            .bearer(external)
            .http1_only("Envoy's HTTP/2 codec passes any method on")
            .answered_by_host(400),
        Case::named("no fall-through from a literal path to a parameter for its HTTP method")
            .request("DELETE", "/m42Services/api/orders/export")
            .bearer(operator)
            .expect(Refusal::no_rule().because("no_http_method")),
        call(
            "another case beside a literal",
            "/m42Services/api/orders/EXPORT",
        )
        .expect(Refusal::ambiguous_path().because("ambiguous_path")),
        call("another case in a base path", "/M42services/api/orders")
            .expect(Refusal::ambiguous_path().because("ambiguous_path")),
        call("another case in a service that takes any", "/Reports/MONTH").expect(
            Forwarded::call("p-external", "t-external", "reports", "month")
                .target("/Reports/MONTH"),
        ),
    ]
}

fn audiences(external: &str, operator: &str) -> Vec<Case> {
    let denied = || Refusal::insufficient_scope().because("not_in_audience");
    vec![
        Case::named("a person outside a service's audience of roles")
            .get("/admin/status")
            .bearer(external)
            .expect(denied()),
        Case::named("a person inside it through a role")
            .get("/admin/status")
            .bearer(operator)
            .expect(Forwarded::call(
                "p-operator",
                "t-operator",
                "admin",
                "status",
            )),
        Case::named("a person outside an audience of persons")
            .get("/m42Services/api/orders")
            .bearer(operator)
            .expect(denied()),
        Case::named("a method's audience takes the place of its service's, for those outside")
            .request("DELETE", "/m42Services/api/orders/1")
            .bearer(external)
            .expect(denied()),
        Case::named("a method's audience takes the place of its service's, for those inside")
            .request("DELETE", "/m42Services/api/orders/1")
            .bearer(operator)
            .expect(Forwarded::call(
                "p-operator",
                "t-operator",
                "orders",
                "delete",
            )),
        Case::named("an empty audience is nobody")
            .get("/nobody/x")
            .bearer(operator)
            .expect(denied()),
    ]
}

fn upgrades(external: &str, operator: &str) -> Vec<Case> {
    let upgrade = |name: &str, target: &str, protocol: &str| {
        Case::named(name)
            .get(target)
            .header("connection", "Upgrade")
            .header("upgrade", protocol)
            .http1_only("HTTP/2 has no Upgrade header")
    };
    vec![
        upgrade(
            "an upgrade that the method lists",
            "/m42Services/api/orders/1/follow",
            "websocket",
        )
        .bearer(external)
        .expect(orders("follow").status(101)),
        upgrade(
            "an upgrade that the method does not list",
            "/m42Services/api/orders",
            "websocket",
        )
        .bearer(external)
        .expect(Refusal::upgrade().because("upgrade_not_listed")),
        upgrade("an upgrade on a public route", "/healthz", "websocket")
            .expect(Refusal::unauthenticated().because("no_credential")),
        upgrade(
            "an upgrade without credential",
            "/m42Services/api/orders/1/follow",
            "websocket",
        )
        .expect(Refusal::unauthenticated().because("no_credential")),
        upgrade(
            "an upgrade by a person outside the audience",
            "/m42Services/api/orders/1/follow",
            "websocket",
        )
        .bearer(operator)
        .expect(Refusal::insufficient_scope().because("not_in_audience")),
        upgrade(
            "an upgrade to something unknown",
            "/m42Services/api/orders",
            "postern/1",
        )
        .bearer(external)
        .answered_by_host(403),
    ]
}

fn grpc(world: &World, external: &str) -> Vec<Case> {
    let call = |name: &str, target: &str| {
        Case::named(name)
            .post(target)
            .header("content-type", "application/grpc")
            .http2_only("gRPC is HTTP/2")
    };
    vec![
        call("a gRPC call without credential", "/m42Services/api/orders")
            .expect(Expected::RefusedGrpc(16)),
        call("a gRPC call with a bad token", "/m42Services/api/orders")
            .bearer(&world.tokens.unknown)
            .expect(Expected::RefusedGrpc(16)),
        call("a gRPC call with a bad path", "/m42Services//orders")
            .bearer(external)
            .expect(Expected::RefusedGrpc(3)),
        call("a gRPC call without a rule", "/orders.Orders/List")
            .bearer(external)
            .expect(Expected::RefusedGrpc(7)),
        call(
            "a gRPC call to another authority",
            "/m42Services/api/orders",
        )
        .authority("other.example")
        .bearer(external)
        .expect(Expected::RefusedGrpc(5)),
    ]
}
