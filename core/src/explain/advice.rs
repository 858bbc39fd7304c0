//! What would have to change for a refused request to be allowed.

use std::collections::BTreeSet;

use super::{Asked, AudienceView, PersonView, Place};
use crate::config::OwnPath;
use crate::gate::Gate;
use crate::policy::document::{AudienceMode, Case, Document, Service};
use crate::reason::Reason;
use crate::routes::Miss;
use crate::time::Timestamp;

/// More of a kind than these help nobody.
const SHOWN: usize = 8;

/// A refused request, with what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// Who refused it.
    pub gate: &'a Gate,
    /// The gate's policy, as it is written.
    pub policy: &'a Document,
    /// The request.
    pub asked: Asked<'a>,
    /// Why it was refused.
    pub reason: Reason,
    /// When.
    pub at: Timestamp,
    /// The path of the caller's API token in the policy.
    pub token: Option<&'a str>,
    /// The caller.
    pub person: Option<&'a PersonView>,
    /// The method that it is for.
    pub place: Option<Place<'a>>,
    /// The audiences that were asked.
    pub audiences: &'a [AudienceView],
}

impl Refused<'_> {
    /// What would have to change for the request to be allowed: sentences, none of which repeats a credential.
    pub fn advice(&self) -> Vec<String> {
        let reason = self.reason;
        let token = self.token.unwrap_or("tokens");
        let config = self.gate.config();
        let exchange_path = config.exchange_path();
        let one = |sentence: String| vec![sentence];
        match reason {
            Reason::WrongHost => one(format!(
                "Add the host to the configuration's \"hosts\", which are {}, and to those of a service.",
                shown(config.hosts.iter())
            )),
            _ if self.asked.own_path(self.gate) == Some(OwnPath::OAuth) => self.oauth(),
            Reason::NoCredential | Reason::OtherScheme => {
                let mut advice = vec![format!(
                    "Exchange an API token at POST {exchange_path}, and send the access token in \
                     \"Authorization: Bearer …\"."
                )];
                advice.extend(self.preflight());
                advice
            }
            Reason::ApiTokenAtMethod => one(format!(
                "Exchange the API token at POST {exchange_path} first; methods take access tokens \
                 only, unless their service's \"accept\" lists \"api\"."
            )),
            Reason::AccessTokenNotAccepted => one(
                "Send the API token itself, or add \"access\" to the service's \"accept\"."
                    .to_owned(),
            ),
            Reason::AccessTokenAtExchange => {
                one("Send the API token to the exchange, not an access token.".to_owned())
            }
            Reason::ApiTokenUnknown => one(
                "Add the token's hash to the policy's \"tokens\"; `postern token hash` tells it."
                    .to_owned(),
            ),
            Reason::ApiTokenMalformed | Reason::ApiTokenTooShort => {
                one("Copy the whole API token; it was probably cut off or mistyped.".to_owned())
            }
            Reason::ApiTokenDeactivated => one(format!(
                "Set {token}.active to true, or issue a new API token with `postern token new`."
            )),
            Reason::ApiTokenExpired => one(format!(
                "Issue a new API token with `postern token new`, or move {token}.expires_at."
            )),
            Reason::PersonInactive => self.person_inactive(),
            Reason::AccessTokenVoid => one(format!(
                "Exchange the API token again, later than valid_from of {token} and of its person."
            )),
            Reason::NoService => self.no_service(),
            Reason::NoPath | Reason::NoHttpMethod | Reason::AmbiguousPath => self.no_method(),
            Reason::UpgradeNotListed => self.upgrade(),
            Reason::NotInAudience => self
                .audiences
                .iter()
                .filter_map(|view| self.admit(view))
                .collect(),
            Reason::ExchangeMethod => one("Use POST.".to_owned()),
            Reason::MetadataMethod => one("Use GET or HEAD.".to_owned()),
            Reason::ExchangeQuery => one("Leave out what follows \"?\".".to_owned()),
            Reason::NoKey => self.no_key(),
            _ if reason
                .problem()
                .is_some_and(|problem| problem.status() == 400) =>
            {
                one("Change the request: no policy can allow one like this.".to_owned())
            }
            _ if reason
                .problem()
                .is_some_and(|problem| problem.status() == 401) =>
            {
                one(format!(
                    "Exchange the API token again at POST {exchange_path}."
                ))
            }
            _ => Vec::new(),
        }
    }

    /// What is no call but a request for a token, in OAuth's terms. No caller that can be tried here sends one.
    fn oauth(&self) -> Vec<String> {
        let advice = match self.reason {
            Reason::ExchangeMethod => "Use POST.",
            Reason::ExchangeQuery => "Leave out what follows \"?\".",
            Reason::FormMalformed => {
                "Send a form of the type application/x-www-form-urlencoded, with grant_type and subject_token."
            }
            _ if self.gate.config().form => {
                "Send the API token's id and the API token in \"Authorization: Basic …\", or a form."
            }
            _ => "Send the API token's id and the API token in \"Authorization: Basic …\".",
        };
        vec![advice.to_owned()]
    }

    /// For a CORS preflight: where it could be let through.
    fn preflight(&self) -> Option<String> {
        let asked = self.asked;
        let has = |name: &str| {
            let mut headers = asked.headers.iter();
            headers.any(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
        };
        if asked.method != "OPTIONS" || !has("origin") || !has("access-control-request-method") {
            return None;
        }
        let at = asked.preflight_service(self.gate)?;
        Some(format!(
            "Set services[{at}].preflight to \"pass\" if its upstream answers CORS preflights."
        ))
    }

    fn person_inactive(&self) -> Vec<String> {
        let id = self.person.map(|person| &person.id);
        let at = self
            .policy
            .persons
            .iter()
            .position(|person| Some(&person.id) == id);
        let path = at.map_or("persons".to_owned(), |at| format!("persons[{at}]"));
        vec![format!("Set {path}.active to true.")]
    }

    fn no_service(&self) -> Vec<String> {
        let Some((host, _)) = self.asked.canonical() else {
            return Vec::new();
        };
        let host = host.as_str();
        let services: Vec<_> = self
            .policy
            .services
            .iter()
            .filter(|service| service.hosts.iter().any(|name| name == host))
            .map(|service| format!("{} ({})", service.base_path, service.name))
            .collect();
        if services.is_empty() {
            return vec![format!("Add a service for the host {host}; there is none.")];
        }
        vec![format!(
            "Add a service with this path; on {host} there are {}.",
            shown(services.iter())
        )]
    }

    fn no_method(&self) -> Vec<String> {
        let Some((host, path)) = self.asked.canonical() else {
            return Vec::new();
        };
        let host = host.as_str();
        let routes = self.gate.policy().routes();
        match routes.find(host, &path, self.asked.method) {
            Err(Miss::NoPath { service }) => self.service(service).map_or_else(Vec::new, |found| {
                let methods = found.methods.iter();
                let methods = methods.map(|method| {
                    format!(
                        "{} {} ({})",
                        method.http.join("/"),
                        method.path,
                        method.name
                    )
                });
                vec![format!(
                    "Add a method to services[{service}] ({}); below {} it has {}.",
                    found.name,
                    found.base_path,
                    shown(methods.collect::<Vec<_>>().iter())
                )]
            }),
            Err(Miss::NoHttpMethod { service }) => {
                let names: BTreeSet<_> = self
                    .service(service)
                    .map_or(&[][..], |found| &found.methods)
                    .iter()
                    .flat_map(|method| &method.http)
                    .collect();
                let good = names
                    .into_iter()
                    .filter(|http| routes.find(host, &path, http).is_ok());
                vec![format!(
                    "Add {} to a method of services[{service}] with this path; it has {}.",
                    self.asked.method,
                    shown(good)
                )]
            }
            Err(Miss::Ambiguous { service: Some(at) }) => vec![format!(
                "Write the path as services[{at}] does, in the same case and without \
                 percent-encoding{}.",
                self.insensitive_instead(at)
            )],
            Err(Miss::Ambiguous { service: None }) => {
                let bases = self.policy.services.iter().filter(|service| {
                    service.hosts.iter().any(|name| name == host)
                        && starts_alike(path.as_str(), &service.base_path)
                });
                let bases: Vec<_> = bases.map(|service| &service.base_path).collect();
                vec![format!(
                    "Write the path as the service's base_path is written: {}.",
                    shown(bases.into_iter())
                )]
            }
            _ => Vec::new(),
        }
    }

    fn insensitive_instead(&self, at: usize) -> String {
        match self.service(at).map(|service| service.case) {
            Some(Case::Sensitive) => {
                format!(
                    ", or set services[{at}].case to \"insensitive\" if its upstream ignores case"
                )
            }
            _ => String::new(),
        }
    }

    fn upgrade(&self) -> Vec<String> {
        let add = |place: Place<'_>| format!("Add the protocol to {}.upgrade.", place.path());
        self.place.map(add).into_iter().collect()
    }

    /// How to get into an audience that does not admit the caller.
    fn admit(&self, view: &AudienceView) -> Option<String> {
        let person = self.person?;
        if view.admits == Some(true) || view.mode == AudienceMode::Unrestricted {
            return None;
        }
        let mut sentence = format!("Add {:?} to {}.persons", person.id, view.path);
        let roles: Vec<_> = view.roles.iter().map(|role| &role.name).collect();
        if !roles.is_empty() {
            let one_of = if roles.len() == 1 {
                "the role"
            } else {
                "one of the roles"
            };
            sentence.push_str(&format!(
                ", or give the person {one_of} {}",
                shown(roles.into_iter())
            ));
        }
        sentence.push('.');
        if let Some(bypass) = &self.policy.bypass
            && view.enforce
            && person.roles.contains(&bypass.role)
        {
            sentence.push_str(&format!(
                " The bypass role {:?} does not count here, since the audience says \"enforce\".",
                bypass.role
            ));
        }
        Some(sentence)
    }

    fn no_key(&self) -> Vec<String> {
        if self.policy.keys.is_empty() {
            return vec!["Add a key to the policy's \"keys\".".to_owned()];
        }
        let at = self.at;
        let keys = self.policy.keys.iter().enumerate();
        keys.map(|(number, key)| {
            let why = match key.not_after {
                _ if key.revoked => "is revoked".to_owned(),
                Some(end) if at >= end => format!("ended at {end}"),
                _ => format!("is active from {} on", key.active_from),
            };
            format!(
                "Add a key that is active at {at}: keys[{number}] ({}) {why}.",
                key.kid
            )
        })
        .collect()
    }

    fn service(&self, at: usize) -> Option<&Service> {
        self.policy.services.get(at)
    }
}

/// Whether the first segments of `path` are those of `base` but for the case of letters.
fn starts_alike(path: &str, base: &str) -> bool {
    let mut segments = path.split('/');
    base.trim_end_matches('/').split('/').all(|expected| {
        segments
            .next()
            .is_some_and(|segment| segment.eq_ignore_ascii_case(expected))
    })
}

fn shown<T: std::fmt::Display>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<_> = items.map(|item| item.to_string()).collect();
    match items.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] if items.len() <= SHOWN => format!("{} and {last}", first.join(", ")),
        more => format!(
            "{} and {} more",
            more.get(..SHOWN).unwrap_or_default().join(", "),
            items.len() - SHOWN
        ),
    }
}
