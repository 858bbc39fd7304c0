use super::{Case, Expected, Refusal};
use crate::Result;
use crate::fixture::{EXCHANGE, World};

pub(super) fn cases(world: &World) -> Result<Vec<Case>> {
    let mut cases = spellings(world);
    cases.extend(refusals(world)?);
    Ok(cases)
}

const EXTERNAL: Expected = Expected::Exchanged {
    token: "t-external",
    person: "p-external",
};

fn spellings(world: &World) -> Vec<Case> {
    let token = &world.tokens.external;
    let exchanged = |name: &str, target: String| {
        Case::named(name)
            .post(target)
            .bearer(token)
            .expect(EXTERNAL)
    };
    vec![
        exchanged("the exchange without slash and query", EXCHANGE.to_owned()),
        exchanged("the exchange with a slash", format!("{EXCHANGE}/")),
        exchanged(
            "the exchange as the documentation writes it, with slash and question mark",
            format!("{EXCHANGE}/?"),
        ),
        exchanged("the exchange with an empty query", format!("{EXCHANGE}?")),
        exchanged(
            "the exchange under /M42Services",
            EXCHANGE.replace("m42", "M42"),
        ),
        exchanged("the exchange in lower case", EXCHANGE.to_ascii_lowercase()),
        exchanged("the exchange in upper case", EXCHANGE.to_ascii_uppercase()),
        exchanged("the exchange with an empty JSON body", EXCHANGE.to_owned())
            .header("content-type", "application/json")
            .body("{}"),
        exchanged("the exchange with an empty body", EXCHANGE.to_owned()).body(""),
        exchanged(
            "the exchange with a form body, which nobody reads",
            EXCHANGE.to_owned(),
        )
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=password&username=x"),
        exchanged(
            "the exchange with a body that is not what it says",
            EXCHANGE.to_owned(),
        )
        .header("content-type", "application/json")
        .body(b"\xff\x00not json".as_slice()),
        exchanged(
            "the exchange with a content type and no body",
            EXCHANGE.to_owned(),
        )
        .header("content-type", "text/xml; charset=utf-8"),
        Case::named("the exchange of a token that never expires")
            .post(EXCHANGE)
            .bearer(&world.tokens.never_expires)
            .expect(Expected::Exchanged {
                token: "t-never",
                person: "p-external",
            }),
        Case::named("the exchange of a token that was imported by its hash")
            .post(EXCHANGE)
            .bearer(&world.tokens.imported)
            .expect(Expected::Exchanged {
                token: "t-imported",
                person: "p-external",
            }),
    ]
}

fn refusals(world: &World) -> Result<Vec<Case>> {
    let token = &world.tokens.external;
    let mut cases: Vec<Case> = ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"]
        .into_iter()
        .map(|method| {
            Case::named(format!("{method} at the exchange"))
                .request(method, EXCHANGE)
                .bearer(token)
                .expect(Refusal::method_not_allowed().because("exchange_method"))
        })
        .collect();
    cases.extend([
        Case::named("an HTTP method in lower case at the exchange")
            .request("post", EXCHANGE)
            .bearer(token)
            .http2_only("Envoy's HTTP/1.1 codec knows a fixed list of methods")
            .expect(Refusal::method_not_allowed().because("exchange_method")),
        Case::named("a wrong HTTP method at the exchange without credential")
            .get(EXCHANGE)
            .expect(Refusal::method_not_allowed().because("exchange_method")),
        Case::named("a query at the exchange")
            .post(format!("{EXCHANGE}?a=1"))
            .bearer(token)
            .expect(Refusal::invalid_request().because("exchange_query")),
        Case::named("an API token in the exchange's query")
            .post(format!("{EXCHANGE}?access_token={token}"))
            .expect(Refusal::invalid_request().because("token_in_query")),
        Case::named("a path below the exchange is not the exchange")
            .post(format!("{EXCHANGE}/x"))
            .bearer(world.access_token()?)
            .expect(Refusal::no_rule().because("no_service")),
    ]);
    Ok(cases)
}
