use super::credentials::CALL;
use super::{Case, Forwarded, Refusal};
use crate::Result;
use crate::fixture::{AccessToken, EXCHANGE, KID, Signer, World, api_token, root_key};

pub(super) fn api_tokens(world: &World) -> Result<Vec<Case>> {
    let tokens = &world.tokens;
    let mut wrong_checksum = tokens.external.clone();
    let last = wrong_checksum.pop();
    wrong_checksum.push(if last == Some('A') { 'B' } else { 'A' });
    let refused = |name: &str, token: &str, reason| {
        Case::named(format!("{name} is refused at the exchange"))
            .post(EXCHANGE)
            .bearer(token)
            .expect(Refusal::invalid_token().because(reason))
    };
    Ok(vec![
        refused("an unknown API token", &tokens.unknown, "api_token_unknown"),
        refused(
            "a deactivated API token",
            &tokens.deactivated,
            "api_token_deactivated",
        ),
        refused("an expired API token", &tokens.expired, "api_token_expired"),
        refused(
            "an API token of an inactive person",
            &tokens.of_inactive_person,
            "person_inactive",
        ),
        refused(
            "an API token with a wrong checksum",
            &wrong_checksum,
            "api_token_malformed",
        ),
        refused(
            "an API token cut short",
            &tokens.external[..40],
            "api_token_malformed",
        ),
        refused(
            "a foreign token of 32 characters",
            &"x".repeat(32),
            "api_token_unknown",
        ),
        refused(
            "a foreign token that is too short",
            &"x".repeat(31),
            "api_token_too_short",
        ),
        refused(
            "a gateway's credential",
            &tokens.external.replacen("pst_", "psg_", 1),
            "credential_of_other_kind",
        ),
        refused(
            "an operator's credential",
            &tokens.external.replacen("pst_", "pso_", 1),
            "credential_of_other_kind",
        ),
        refused(
            "an access token",
            &world.access_token()?,
            "access_token_at_exchange",
        ),
        refused(
            "an access token of an unknown key",
            &foreign(world)?,
            "api_token_unknown",
        ),
        Case::named("an API token where an access token belongs")
            .get(CALL)
            .bearer(&tokens.external)
            .expect(Refusal::invalid_token().because("api_token_at_method")),
        Case::named("an unknown API token where an access token belongs")
            .get(CALL)
            .bearer(api_token()?)
            .expect(Refusal::invalid_token().because("api_token_unknown")),
    ])
}

pub(super) fn access_tokens(world: &World) -> Result<Vec<Case>> {
    let now = world.now;
    let signer = world.signer()?;
    let good = || AccessToken::of("t-external", "p-external", now);
    let refused = |name: &str, token: String, reason| {
        Case::named(format!("an access token {name} is refused"))
            .get(CALL)
            .bearer(token)
            .expect(Refusal::invalid_token().because(reason))
    };
    let signed = good().signed(&signer);
    let (message, signature) = signed.rsplit_once('.').unwrap_or_default();
    let tampered = good().claim("sub", "p-operator").signed(&signer);
    let grafted = format!(
        "{}.{signature}",
        tampered.rsplit_once('.').unwrap_or_default().0
    );
    let other_root = Signer::derived(&root_key("r1")?, KID)?;
    let service_key =
        Signer::derived_for(&world.root_key, KID, postern_core::derive::Purpose::Service)?;
    let past = AccessToken::of("t-external", "p-external", now - 301);
    Ok(vec![
        Case::named("an access token made by hand, as the documents describe it, is good")
            .get(CALL)
            .bearer(&signed)
            .expect(Forwarded::call(
                "p-external",
                "t-external",
                "orders",
                "list",
            )),
        refused(
            "that has expired",
            past.signed(&signer),
            "access_token_expired",
        ),
        refused(
            "that expires this second",
            past.claim("exp", now).signed(&signer),
            "access_token_expired",
        ),
        refused(
            "with another token's signature",
            grafted,
            "access_token_forged",
        ),
        refused(
            "signed with another root's key",
            good().signed(&other_root),
            "access_token_forged",
        ),
        refused(
            "signed with the key of another purpose",
            good().signed(&service_key),
            "access_token_forged",
        ),
        refused(
            "with an empty signature",
            format!("{message}."),
            "access_token_malformed",
        ),
        refused(
            "without a signature",
            message.to_owned(),
            "access_token_malformed",
        ),
        refused(
            "with a fourth segment",
            format!("{signed}.x"),
            "access_token_malformed",
        ),
        refused(
            "with alg none",
            good().header("alg", "none").unsigned(),
            "api_token_unknown",
        ),
        refused(
            "with alg none that is signed",
            good().header("alg", "none").signed(&signer),
            "api_token_unknown",
        ),
        refused(
            "with alg HS512",
            good().header("alg", "HS512").signed(&signer),
            "api_token_unknown",
        ),
        refused(
            "with alg RS256",
            good().header("alg", "RS256").signed(&signer),
            "api_token_unknown",
        ),
        refused(
            "with typ JWT",
            good().header("typ", "JWT").signed(&signer),
            "api_token_unknown",
        ),
        refused(
            "with a service token's typ",
            good().header("typ", "postern-service+jwt").signed(&signer),
            "api_token_unknown",
        ),
        refused("with an unknown kid", foreign(world)?, "api_token_unknown"),
        refused(
            "with one more member in its header",
            good().header("crit", "x").signed(&signer),
            "api_token_unknown",
        ),
        refused(
            "for another audience",
            good().claim("aud", "other").signed(&signer),
            "access_token_wrong_audience",
        ),
        refused(
            "for two audiences",
            good().claim("aud", vec!["edge"]).signed(&signer),
            "access_token_malformed",
        ),
        refused(
            "of another issuer",
            good().claim("iss", "https://evil.test").signed(&signer),
            "access_token_wrong_issuer",
        ),
        refused(
            "without exp",
            good().without("exp").signed(&signer),
            "access_token_malformed",
        ),
        refused(
            "whose exp is no number",
            good().claim("exp", "never").signed(&signer),
            "access_token_malformed",
        ),
        refused(
            "dated too far ahead",
            good()
                .claim("iat", now + 3600)
                .claim("exp", now + 4000)
                .signed(&signer),
            "access_token_from_future",
        ),
        refused(
            "that is not valid yet",
            good().claim("nbf", now + 3600).signed(&signer),
            "access_token_from_future",
        ),
        refused(
            "of a deleted API token",
            AccessToken::of("t-gone", "p-external", now).signed(&signer),
            "access_token_orphaned",
        ),
        refused(
            "of a deactivated API token",
            AccessToken::of("t-deactivated", "p-external", now).signed(&signer),
            "api_token_deactivated",
        ),
        refused(
            "of an expired API token",
            AccessToken::of("t-expired", "p-external", now).signed(&signer),
            "api_token_expired",
        ),
        refused(
            "of an inactive person",
            AccessToken::of("t-of-inactive", "p-inactive", now).signed(&signer),
            "person_inactive",
        ),
        refused(
            "that names another person than its API token",
            good().claim("sub", "p-operator").signed(&signer),
            "access_token_other_person",
        ),
    ])
}

/// An access token of a key that no policy here has.
fn foreign(world: &World) -> Result<String> {
    let token = AccessToken::of("t-external", "p-external", world.now).header("kid", "1999-01");
    Ok(token.signed(&Signer::derived(&world.root_key, "1999-01")?))
}
