//! What would have to change for a refused request to be allowed.

use std::collections::BTreeSet;

use postern_core::canonical::{CanonicalPath, Host};
use postern_core::config::OwnPath;
use postern_core::policy::document::{AudienceMode, Document, Service};
use postern_core::reason::Reason;
use postern_core::routes::Miss;

use super::{AudienceView, Explanation};
use crate::prepared::Prepared;

/// More of a kind than these help nobody.
const SHOWN: usize = 8;

pub(super) fn of(prepared: &Prepared, policy: &Document, explanation: &Explanation) -> Vec<String> {
    let Some(reason) = Reason::ALL
        .iter()
        .find(|reason| reason.as_str() == explanation.reason)
    else {
        return Vec::new();
    };
    let context = Context {
        prepared,
        policy,
        explanation,
    };
    context.advice(*reason)
}

struct Context<'c> {
    prepared: &'c Prepared,
    policy: &'c Document,
    explanation: &'c Explanation,
}

impl Context<'_> {
    fn advice(&self, reason: Reason) -> Vec<String> {
        let token = self.explanation.caller.token.as_deref().unwrap_or("tokens");
        let exchange_path = self.prepared.gate().config().exchange_path();
        let one = |sentence: String| vec![sentence];
        match reason {
            Reason::WrongHost => one(format!(
                "Add the host to the configuration's \"hosts\", which are {}, and to those of a service.",
                shown(self.prepared.gate().config().hosts.iter())
            )),
            _ if self.explanation.own_path == Some(OwnPath::OAuth.member()) => self.oauth(reason),
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
                .explanation
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
    fn oauth(&self, reason: Reason) -> Vec<String> {
        let advice = match reason {
            Reason::ExchangeMethod => "Use POST.",
            Reason::ExchangeQuery => "Leave out what follows \"?\".",
            Reason::FormMalformed => {
                "Send a form; it holds the API token, so none can be tried here."
            }
            _ if self.prepared.gate().config().form => {
                "Send the API token's id and the API token in \"Authorization: Basic …\", or a form."
            }
            _ => "Send the API token's id and the API token in \"Authorization: Basic …\".",
        };
        vec![advice.to_owned()]
    }

    /// For a CORS preflight: where it could be let through.
    fn preflight(&self) -> Option<String> {
        let request = &self.explanation.request;
        let has = |name: &str| {
            let mut headers = request.headers.iter();
            headers.any(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
        };
        if request.method != "OPTIONS" || !has("origin") || !has("access-control-request-method") {
            return None;
        }
        let at = super::preflight(self.prepared, request)?;
        Some(format!(
            "Set services[{at}].preflight to \"pass\" if its upstream answers CORS preflights."
        ))
    }

    fn person_inactive(&self) -> Vec<String> {
        let id = self
            .explanation
            .caller
            .person
            .as_ref()
            .map(|person| &person.id);
        let at = self
            .policy
            .persons
            .iter()
            .position(|person| Some(&person.id) == id);
        let path = at.map_or("persons".to_owned(), |at| format!("persons[{at}]"));
        vec![format!("Set {path}.active to true.")]
    }

    fn no_service(&self) -> Vec<String> {
        let Some(host) = self.host() else {
            return Vec::new();
        };
        let services: Vec<_> = self
            .policy
            .services
            .iter()
            .filter(|service| service.hosts.contains(&host))
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
        let Some(host) = self.host() else {
            return Vec::new();
        };
        let request = &self.explanation.request;
        let Ok(path) = CanonicalPath::parse(request.path.as_bytes()) else {
            return Vec::new();
        };
        let routes = self.prepared.gate().policy().routes();
        match routes.find(&host, &path, &request.method) {
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
                    .filter(|http| routes.find(&host, &path, http).is_ok());
                vec![format!(
                    "Add {} to a method of services[{service}] with this path; it has {}.",
                    request.method,
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
                    service.hosts.contains(&host) && starts_alike(path.as_str(), &service.base_path)
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
        use postern_core::policy::document::Case;
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
        let path = self.explanation.method.as_ref().map(|method| &method.path);
        path.map_or_else(Vec::new, |path| {
            vec![format!("Add the protocol to {path}.upgrade.")]
        })
    }

    /// How to get into an audience that does not admit the caller.
    fn admit(&self, view: &AudienceView) -> Option<String> {
        let person = self.explanation.caller.person.as_ref()?;
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
        let at = self.explanation.at;
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

    fn host(&self) -> Option<String> {
        let authority = self.explanation.request.authority.as_bytes();
        let host = Host::canonicalise(authority).ok()?;
        Some(host.as_str().to_owned())
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
