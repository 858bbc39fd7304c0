//! What would have to change for a refused request to be allowed.

use postern_core::gate::Gate;
use postern_core::policy::document::{AudienceMode, Document};
use postern_core::reason::Reason;
use postern_core::routes::Miss;

use crate::audience::AudienceView;
use crate::explain::{self, Explanation};
use crate::request::Request;

/// More of a kind than these help nobody.
const SHOWN: usize = 8;

/// Sentences, none of which repeats a credential.
pub(crate) fn of(
    gate: &Gate,
    policy: &Document,
    request: &Request,
    explanation: &Explanation,
) -> Vec<String> {
    let exchange = gate.config().exchange_path();
    let caller = explanation.caller.as_ref();
    let token = caller.map_or("tokens", |caller| &caller.token);
    let person = caller.map_or("persons", |caller| &caller.person_path);
    let reason = explanation.decision.reason;
    let sentence = match reason {
        Reason::NotInAudience => {
            return explanation
                .audiences
                .iter()
                .filter_map(|audience| admit(audience, policy, explanation))
                .collect();
        }
        Reason::NoService | Reason::NoPath | Reason::NoHttpMethod | Reason::AmbiguousPath => {
            return route(gate, policy, request).into_iter().collect();
        }
        Reason::UpgradeNotListed => match &explanation.rule {
            Some(rule) => format!("Add the protocol to {}.upgrade.", rule.path),
            None => return Vec::new(),
        },
        Reason::WrongHost => format!(
            "Add the host to the configuration's \"hosts\", which are {}, and to those of a service.",
            shown(&gate.config().hosts)
        ),
        Reason::NoCredential | Reason::OtherScheme => format!(
            "Exchange an API token at POST {exchange}, and send the access token in \"Authorization: Bearer …\"."
        ),
        Reason::ApiTokenAtMethod => {
            format!(
                "Exchange the API token at POST {exchange} first; this service takes access tokens."
            )
        }
        Reason::AccessTokenAtExchange => {
            "Send the API token to the exchange, not an access token.".to_owned()
        }
        Reason::AccessTokenNotAccepted => {
            "Send the API token itself; this service takes no access tokens.".to_owned()
        }
        Reason::ApiTokenUnknown => "Add the token's hash to the policy's \"tokens\".".to_owned(),
        Reason::ApiTokenMalformed | Reason::ApiTokenTooShort => {
            "Copy the whole API token; it was probably cut off or mistyped.".to_owned()
        }
        Reason::ApiTokenDeactivated => {
            format!("Set {token}.active to true, or issue a new API token.")
        }
        Reason::ApiTokenExpired => format!("Issue a new API token, or move {token}.expires_at."),
        Reason::PersonInactive => format!("Set {person}.active to true."),
        Reason::AccessTokenVoid => format!(
            "Exchange the API token again, later than valid_from of {token} and of {person}."
        ),
        Reason::NoKey => format!(
            "Add a key to the policy's \"keys\" that is active at {} and not revoked.",
            explanation.at
        ),
        Reason::ExchangeMethod => "Use POST.".to_owned(),
        Reason::ExchangeQuery => "Leave out what follows \"?\".".to_owned(),
        _ if explain::is_malformed(reason) => {
            "Change the request: no policy can allow one like this.".to_owned()
        }
        _ => return Vec::new(),
    };
    vec![sentence]
}

/// How to get into an audience that does not admit the caller.
fn admit(audience: &AudienceView, policy: &Document, explanation: &Explanation) -> Option<String> {
    let person = &explanation.caller.as_ref()?.person;
    if audience.admits != Some(false) || audience.mode == AudienceMode::Unrestricted {
        return None;
    }
    let mut sentence = format!("Add {:?} to {}.persons", person.id, audience.path);
    let roles: Vec<_> = audience
        .roles
        .iter()
        .map(|role| role.name.clone())
        .collect();
    match roles.as_slice() {
        [] => {}
        [role] => sentence.push_str(&format!(", or give the person the role {role}")),
        roles => sentence.push_str(&format!(
            ", or give the person one of the roles {}",
            shown(roles)
        )),
    }
    sentence.push('.');
    let bypass = policy.bypass.as_ref().map(|bypass| &bypass.role);
    if let Some(role) = bypass.filter(|role| audience.enforce && person.roles.contains(role)) {
        sentence.push_str(&format!(
            " The bypass role {role:?} does not count here, since the audience says \"enforce\"."
        ));
    }
    Some(sentence)
}

/// Where a route would have to be added, or how the path would have to be written.
fn route(gate: &Gate, policy: &Document, request: &Request) -> Option<String> {
    let (host, path) = explain::canonical(request)?;
    let routes = gate.policy().routes();
    let service = |at: usize| policy.services.get(at);
    Some(match routes.find(&host, &path, &request.method).err()? {
        Miss::NoService => {
            let services = policy.services.iter();
            let services = services.filter(|service| service.hosts.contains(&host));
            let bases: Vec<_> = services
                .map(|service| format!("{} ({})", service.base_path, service.name))
                .collect();
            format!(
                "Add a service with this path; on {host} there are {}.",
                shown(&bases)
            )
        }
        Miss::NoPath { service: at } => {
            let found = service(at)?;
            let methods = found.methods.iter().map(|method| {
                format!(
                    "{} {} ({})",
                    method.http.join("/"),
                    method.path,
                    method.name
                )
            });
            format!(
                "Add a method to services[{at}] ({}); below {} it has {}.",
                found.name,
                found.base_path,
                shown(&methods.collect::<Vec<_>>())
            )
        }
        Miss::NoHttpMethod { service: at } => {
            let mut names: Vec<_> = service(at)?
                .methods
                .iter()
                .flat_map(|method| method.http.clone())
                .collect();
            names.sort_unstable();
            names.dedup();
            names.retain(|http| routes.find(&host, &path, http).is_ok());
            format!(
                "Add {} to a method of services[{at}] with this path; it has {}.",
                request.method,
                shown(&names)
            )
        }
        Miss::Ambiguous { service: Some(at) } => format!(
            "Write the path as services[{at}] does, in the same case and without percent-encoding."
        ),
        Miss::Ambiguous { service: None } => {
            "Write the path as a service's base_path is written, in the same case.".to_owned()
        }
    })
}

fn shown(items: &[String]) -> String {
    match items {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] if items.len() <= SHOWN => format!("{} and {last}", first.join(", ")),
        items => format!(
            "{} and {} more",
            items.get(..SHOWN).unwrap_or_default().join(", "),
            items.len() - SHOWN
        ),
    }
}
