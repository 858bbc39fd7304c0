use super::{Case, Expected, Forwarded};
use crate::Result;
use crate::fixture::{EXCHANGE, World};

/// Headers by which an upstream takes another path, method or verdict than the gateway saw.
const OVERRIDES: [&str; 6] = [
    "x-original-url",
    "x-rewrite-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-envoy-auth-failure-mode-allowed",
];

/// Spellings under which an upstream could take a header for ours.
const FORGED: [&str; 8] = [
    "x-postern-person",
    "X-Postern-Person",
    "x_postern_person",
    "X_POSTERN_TOKEN",
    "x-postern_service",
    "x-postern-decision",
    "x-postern-anything",
    "x-postern-",
];

pub(super) fn cases(world: &World) -> Result<Vec<Case>> {
    let token = world.access_token()?;
    let list = || Forwarded::call("p-external", "t-external", "orders", "list");
    let create = || Forwarded::call("p-external", "t-external", "orders", "create");
    let call = |name: String| {
        Case::named(name)
            .get("/m42Services/api/orders")
            .bearer(&token)
    };
    let mut cases = Vec::new();
    for name in FORGED {
        cases.push(
            call(format!("{name} of a client is replaced or removed"))
                .header(name, "forged")
                .expect(list()),
        );
        cases.push(
            Case::named(format!("{name} in trailers is removed"))
                .post("/m42Services/api/orders")
                .bearer(&token)
                .body("order")
                .trailer(name, "forged")
                .trailer("x-checksum", "1")
                .expect(create()),
        );
        cases.push(
            Case::named(format!("{name} on a public route is removed"))
                .get("/healthz")
                .header(name, "forged")
                .expect(Forwarded::public()),
        );
    }
    cases.push(
        FORGED
            .into_iter()
            .chain(FORGED)
            .fold(call("all of them, twice".to_owned()), |case, name| {
                case.header(name, "forged")
            })
            .expect(list()),
    );
    for name in OVERRIDES {
        cases.push(
            call(format!("{name} is removed"))
                .header(name, "/admin/status")
                .expect(list().without(name)),
        );
        cases.push(
            Case::named(format!("{name} in trailers is removed"))
                .post("/m42Services/api/orders")
                .bearer(&token)
                .body("order")
                .trailer(name, "/admin/status")
                .expect(create().without(name)),
        );
        cases.push(
            Case::named(format!("{name} on a public route is removed"))
                .get("/healthz")
                .header(name, "/admin/status")
                .expect(Forwarded::public().without(name)),
        );
    }
    cases.extend([
        call("an override header with underscores is removed".to_owned())
            .header("X_HTTP_Method_Override", "DELETE")
            .expect(list().without("x_http_method_override")),
        Case::named("a method that lists an override header gets it, and no other")
            .post("/m42Services/api/orders/1/legacy")
            .bearer(&token)
            .header("x-http-method-override", "PATCH")
            .header("x-original-url", "/admin/status")
            .expect(
                Forwarded::call("p-external", "t-external", "orders", "legacy")
                    .with("x-http-method-override", "PATCH")
                    .without("x-original-url"),
            ),
        // Envoy takes the header away before a filter sees it; where a host does not, the request is refused.
        call("a Connection header cannot have what we say dropped on the way".to_owned())
            .header("connection", "x-postern-person, x-postern-token")
            .expect(list().without("connection")),
        call("a header that only looks like ours stays".to_owned())
            .header("x-posterns", "kept")
            .expect(list().with("x-posterns", "kept")),
        Case::named("a body and its other trailers arrive")
            .post("/m42Services/api/orders")
            .bearer(&token)
            .body("order")
            .trailer("x-checksum", "1")
            .expect(create()),
        Case::named("a credential in trailers does not reach the upstream")
            .post("/m42Services/api/orders")
            .bearer(&token)
            .body("order")
            .trailer("authorization", format!("Bearer {token}"))
            .expect(create()),
        Case::named("a public route needs no credential")
            .get("/healthz")
            .expect(Forwarded::public()),
        Case::named("a public route does not pass a credential on")
            .get("/healthz")
            .bearer(&token)
            .expect(Forwarded::public()),
        Case::named("a public route does not judge a credential")
            .get("/healthz")
            .header("authorization", "Basic dXNlcjpwYXNzd29yZA==")
            .expect(Forwarded::public()),
        Case::named("a public route passes a credential on where the policy says so")
            .get("/login/status")
            .header("authorization", "Basic dXNlcjpwYXNzd29yZA==")
            .expect(Forwarded::public().with("authorization", "Basic dXNlcjpwYXNzd29yZA==")),
        Case::named("forged headers at the exchange change nothing")
            .post(EXCHANGE)
            .bearer(&world.tokens.external)
            .header("x-postern-person", "p-operator")
            .header("x-original-url", "/admin/status")
            .expect(Expected::Exchanged {
                token: "t-external",
                person: "p-external",
            }),
    ]);
    Ok(cases)
}
