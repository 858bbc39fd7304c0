use super::{Case, Forwarded, Refusal};
use crate::Result;
use crate::fixture::{EXCHANGE, World};

/// A method that `t-external` may call.
pub(super) const CALL: &str = "/m42Services/api/orders";

pub(super) fn cases(world: &World) -> Result<Vec<Case>> {
    let mut cases = missing(world);
    cases.extend(malformed(world)?);
    Ok(cases)
}

fn missing(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    for (place, path) in [
        ("a method", CALL),
        ("no service", "/nowhere/at/all"),
        (
            "a method with another case",
            "/m42Services/api/orders/EXPORT",
        ),
        ("a method that nobody may call", "/nobody/x"),
    ] {
        cases.push(
            Case::named(format!(
                "no credential for {place} is told to bring one, and nothing else"
            ))
            .get(path)
            .expect(Refusal::unauthenticated().because("no_credential")),
        );
        cases.push(
            Case::named(format!("Basic for {place} is no credential here"))
                .get(path)
                .header("authorization", "Basic dXNlcjpwYXNzd29yZA==")
                .expect(Refusal::unauthenticated().because("other_scheme")),
        );
    }
    cases.push(
        Case::named("no credential at the exchange")
            .post(EXCHANGE)
            .expect(Refusal::unauthenticated().because("no_credential")),
    );
    cases.push(
        Case::named("an API token under another scheme at the exchange")
            .post(EXCHANGE)
            .header("authorization", format!("Token {}", world.tokens.external))
            .expect(Refusal::unauthenticated().because("other_scheme")),
    );
    cases
}

fn malformed(world: &World) -> Result<Vec<Case>> {
    let token = world.access_token()?;
    let other = world.operator_access_token()?;
    let long = "a".repeat(8 * 1024 + 1);
    let bad = |name: &str, value: Vec<u8>, reason| {
        Case::named(name)
            .get(CALL)
            .header("authorization", value)
            .expect(Refusal::invalid_request().because(reason))
    };
    let value = |text: String| text.into_bytes();
    Ok(vec![
        Case::named("two Authorization headers, both good")
            .get(CALL)
            .bearer(&token)
            .bearer(&other)
            .expect(Refusal::invalid_request().because("several_credentials")),
        Case::named("two Authorization headers, the first Basic")
            .get(CALL)
            .header("authorization", "Basic dXNlcjpwYXNzd29yZA==")
            .bearer(&token)
            .expect(Refusal::invalid_request().because("several_credentials")),
        bad(
            "a comma list of two tokens",
            value(format!("Bearer {token},{other}")),
            "several_credentials",
        ),
        bad(
            "a comma list of two credentials",
            value(format!("Bearer {token}, Bearer {other}")),
            "several_credentials",
        ),
        bad(
            "a comma after the token",
            value(format!("Bearer {token},")),
            "several_credentials",
        ),
        bad(
            "a tab after the scheme",
            value(format!("Bearer\t{token}")),
            "credential_malformed",
        ),
        bad(
            "a tab in the token",
            value(format!("Bearer {token}\t{other}")),
            "credential_malformed",
        ),
        bad(
            "a space in the token",
            value(format!("Bearer {token} {other}")),
            "credential_malformed",
        ),
        bad(
            "an empty Authorization header",
            Vec::new(),
            "credential_malformed",
        ),
        bad(
            "Bearer without a token",
            value("Bearer".to_owned()),
            "credential_malformed",
        ),
        bad(
            "a token in quotes",
            value(format!("Bearer \"{token}\"")),
            "credential_malformed",
        ),
        bad(
            "a token with an equals sign in the middle",
            value(format!("Bearer a={token}")),
            "credential_malformed",
        ),
        bad(
            "a token that is not UTF-8",
            b"Bearer a\xff\xfeb".to_vec(),
            "credential_malformed",
        ),
        bad(
            "a token of UTF-8 letters",
            "Bearer schlüssel".as_bytes().to_vec(),
            "credential_malformed",
        ),
        bad(
            "a credential over 8 KiB",
            value(format!("Bearer {long}")),
            "credential_too_long",
        ),
        Case::named("a malformed credential at the exchange")
            .post(EXCHANGE)
            .header(
                "authorization",
                format!("Bearer {},", world.tokens.external),
            )
            .expect(Refusal::invalid_request().because("several_credentials")),
        Case::named("an access token in the query")
            .get(format!("{CALL}?access_token={token}"))
            .expect(Refusal::invalid_request().because("token_in_query")),
        Case::named("an access token in the query, its name encoded")
            .get(format!("{CALL}?a=1&%61ccess_token=x"))
            .bearer(&token)
            .expect(Refusal::invalid_request().because("token_in_query")),
        Case::named("the scheme in other letters is the same scheme")
            .get(CALL)
            .header("authorization", format!("bEARER {token}"))
            .expect(Forwarded::call(
                "p-external",
                "t-external",
                "orders",
                "list",
            )),
        Case::named("a header that is not UTF-8 beside a good token")
            .get(CALL)
            .header("x-bin", b"a\xff\xfeb".as_slice())
            .bearer(&token)
            .expect(Forwarded::call(
                "p-external",
                "t-external",
                "orders",
                "list",
            )),
    ])
}
