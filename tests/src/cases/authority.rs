use super::{Case, Forwarded, Refusal};
use crate::Result;
use crate::fixture::{EXCHANGE, OTHER_HOST, World};

pub(super) fn cases(world: &World) -> Result<Vec<Case>> {
    let token = world.access_token()?;
    let operator = world.operator_access_token()?;
    let call = |name: &str, authority: &str| {
        Case::named(name)
            .get("/m42Services/api/orders")
            .bearer(&token)
            .authority(authority)
    };
    let list = || Forwarded::call("p-external", "t-external", "orders", "list");
    Ok(vec![
        call("an authority of nobody", "other.example")
            .expect(Refusal::misdirected().because("wrong_host")),
        call(
            "an authority that only begins like one of ours",
            &format!("{OTHER_HOST}.evil.test"),
        )
        .expect(Refusal::misdirected().because("wrong_host")),
        Case::named("an authority of nobody without credential")
            .get("/healthz")
            .authority("other.example")
            .expect(Refusal::misdirected().because("wrong_host")),
        Case::named("the exchange at an authority of nobody")
            .post(EXCHANGE)
            .bearer(&world.tokens.external)
            .authority("other.example")
            .expect(Refusal::misdirected().because("wrong_host")),
        call("userinfo in the authority", "user@127.0.0.1")
            .http1_only("Envoy's HTTP/2 codec refuses it")
            .expect(Refusal::invalid_request().because("authority_userinfo")),
        call(
            "userinfo that hides another authority",
            "127.0.0.1@other.example",
        )
        .http1_only("Envoy's HTTP/2 codec refuses it")
        .expect(Refusal::invalid_request().because("authority_userinfo")),
        call("userinfo over HTTP/2", "user@127.0.0.1")
            .http2_only("RFC 9113, section 8.3.1, forbids it")
            .closed_by_codec(Refusal::invalid_request().because("authority_userinfo")),
        call("characters that no authority has", "127.0.0.1%2F")
            .http1_only("an HTTP/2 client of ours cannot say it")
            .expect(Refusal::invalid_request().because("authority_malformed")),
        call("an empty authority", "")
            .http1_only("an HTTP/2 client of ours cannot say it")
            .expect(Refusal::invalid_request().because("authority_missing")),
        call("a port", "127.0.0.1:8443").expect(list()),
        call("a trailing dot", &format!("{OTHER_HOST}.")).expect(list()),
        call("other letters", &OTHER_HOST.to_ascii_uppercase()).expect(list()),
        call(
            "other letters, a dot and a port",
            &format!("{}.:80", OTHER_HOST.to_ascii_uppercase()),
        )
        .expect(list()),
        Case::named("a service of another authority is not found")
            .get("/admin/status")
            .bearer(&operator)
            .authority(OTHER_HOST)
            .expect(Refusal::no_rule().because("no_service")),
        Case::named("an absolute-form target is its authority and path")
            .get(format!("http://{OTHER_HOST}/m42Services/api/orders"))
            .bearer(&token)
            .http1_only("HTTP/2 has no request line")
            .expect(list().target("/m42Services/api/orders")),
        Case::named("an absolute-form target to an authority of nobody")
            .get("http://other.example/m42Services/api/orders")
            .bearer(&token)
            .http1_only("HTTP/2 has no request line")
            .expect(Refusal::misdirected().because("wrong_host")),
        Case::named("no authority at all")
            .get("/m42Services/api/orders")
            .bearer(&token)
            .without_authority()
            .http1_only("an HTTP/2 client of ours cannot leave it out")
            .answered_by_host(400),
    ])
}
