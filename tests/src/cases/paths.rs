use super::{Case, Refusal};
use crate::Result;
use crate::fixture::World;

/// Segments that two readers could read differently, or that are not paths at all.
const BAD_SEGMENTS: [&str; 34] = [
    "", ".", "..", "%2e", "%2E%2E", ".%2e", "a%2Fb", "a%2fb", "..%2f", "a%5Cb", "a%5cb", r"a\b",
    r"..\", "a;b", "..;", ";", "a%3Bb", "%00", "a%00", "a%0ab", "a%1f", "a%7F", "%61dmin", "a%41",
    "%2D", "a%7e", "%", "a%2", "a%zz", "a%252Fb", "a%23b", "a%3Fb", "a.", "a%20",
];

pub(super) fn cases(world: &World) -> Result<Vec<Case>> {
    let token = world.access_token()?;
    let mut cases = Vec::new();
    for segment in BAD_SEGMENTS {
        for (place, target) in [
            ("first", format!("/{segment}/m42Services/api/orders")),
            (
                "inside a base path",
                format!("/m42Services/{segment}/orders"),
            ),
            (
                "as a parameter",
                format!("/m42Services/api/orders/{segment}/lines"),
            ),
            (
                "last, before a slash",
                format!("/m42Services/api/orders/{segment}/"),
            ),
            ("last", format!("/files/a/{segment}")),
        ] {
            // A path that ends in one slash is the path without it.
            if segment.is_empty() && place == "last" {
                continue;
            }
            cases.push(
                Case::named(format!("the segment {segment:?} {place}"))
                    .get(target)
                    .bearer(&token)
                    .expect(Refusal::invalid_request().because("path_malformed")),
            );
        }
    }
    cases.extend(whole_paths(world, &token));
    Ok(cases)
}

fn whole_paths(world: &World, token: &str) -> Vec<Case> {
    let refused = |name: &str, target: &str| {
        Case::named(name)
            .get(target)
            .bearer(token)
            .expect(Refusal::invalid_request().because("path_malformed"))
    };
    let deep = format!("/files{}", "/a".repeat(64));
    let long = format!("/files/{}", "a".repeat(8 * 1024));
    vec![
        Case::named("a raw byte above ASCII over HTTP/1.1")
            .get("/files/\u{fc}")
            .bearer(token)
            .http1_only("Envoy's HTTP/2 codec passes it on")
            .answered_by_host(400),
        refused("a raw byte above ASCII over HTTP/2", "/files/\u{fc}")
            .http2_only("Envoy's HTTP/1.1 codec refuses it"),
        refused("a raw pipe", "/files/a|b"),
        refused("a raw brace", "/files/{a}"),
        refused("a raw quotation mark", "/files/\"a\""),
        refused("a raw caret", "/files/a^b"),
        refused("a raw backtick", "/files/`a`")
            .http1_only("an HTTP/2 client of ours cannot write it"),
        refused("a raw angle bracket", "/files/<a>")
            .http1_only("an HTTP/2 client of ours cannot write it"),
        refused("two slashes at the end", "/m42Services/api/orders//"),
        refused("encoded bytes that are not UTF-8", "/files/%ff"),
        refused("a path of 65 segments", &deep),
        refused("a path of more than 8 KiB", &long),
        refused(
            "a bad path under a public route",
            "/healthz/../m42Services/api/orders",
        ),
        refused("an encoded spelling of a public route", "/%68ealthz"),
        Case::named("a bad path without credential")
            .get("/m42Services/%2e%2e/orders")
            .expect(Refusal::invalid_request().because("path_malformed")),
        Case::named("a bad path to the exchange")
            .post("/m42Services/./api/ApiToken/GenerateAccessTokenFromApiToken")
            .bearer(&world.tokens.external)
            .expect(Refusal::invalid_request().because("path_malformed")),
        Case::named("a fragment in the path")
            .get("/m42Services/api/orders#x")
            .bearer(token)
            .http1_only("an HTTP/2 client of ours cannot write it")
            .answered_by_host(400),
        Case::named("an asterisk as target of OPTIONS")
            .request("OPTIONS", "*")
            .bearer(token)
            .http1_only("RFC 9113 writes it in another way")
            .answered_by_host(404),
        Case::named("an asterisk as target of GET")
            .request("GET", "*")
            .bearer(token)
            .http1_only("RFC 9113 writes it in another way")
            .answered_by_host(400),
        Case::named("CONNECT has no path")
            .request("CONNECT", "127.0.0.1:443")
            .bearer(token)
            .expect(Refusal::invalid_request().because("path_malformed")),
    ]
}
