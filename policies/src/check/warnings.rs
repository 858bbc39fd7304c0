//! What a gateway accepts, and an operator should look at.

use std::collections::BTreeSet;
use std::fmt;

use postern_core::policy::document::{Accept, Audience, AudienceMode, Document, Expiry, Key};
use postern_core::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Finding, Part};

/// Declares the warnings once: variant, code and what it is about.
macro_rules! codes {
    ($($variant:ident = $code:literal, $about:literal;)*) => {
        /// A kind of warning.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(into = "&'static str")]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $about] $variant,)*
        }

        impl Code {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word that it goes by.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
        }
    };
}

codes! {
    NeverExpires = "never-expires", "An active token that never ends.";
    TokenExpired = "token-expired", "A token that is active and past its end.";
    PublicRoute = "public-route", "A route that needs no credential.";
    UnrestrictedAudience = "unrestricted-audience", "An audience of every active person.";
    NoSigningKey = "no-signing-key", "No key that can sign now.";
    LastKeyEnds = "last-key-ends", "A signing key that ends without a successor.";
    LiteralWildcard = "literal-wildcard", "A literal segment that looks like a wildcard.";
    LowercaseMethod = "lowercase-method", "An HTTP method in lower case.";
    UnusedRole = "unused-role", "A role that nobody has.";
    UnservedHost = "unserved-host", "A host that the gateway does not answer for.";
    AcceptsApiTokens = "accepts-api-tokens", "A service that takes API tokens on calls.";
    ShadowMode = "shadow-mode", "A gateway that does not enforce.";
    FormExchange = "form-exchange", "An exchange that needs a setting of the host.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Code> for &'static str {
    fn from(code: Code) -> Self {
        code.as_str()
    }
}

/// Everything that is worth a look at `at`, in the order of the document.
pub(super) fn of(
    part: &Part<'_>,
    policy: &Document,
    gateway: Option<(&Part<'_>, &Map<String, Value>)>,
    at: Timestamp,
) -> Vec<Finding> {
    let mut warnings = Warnings {
        part,
        found: Vec::new(),
    };
    warnings.keys(&policy.keys, at);
    warnings.roles(policy);
    warnings.tokens(policy, at);
    warnings.services(policy);
    warnings.public(policy);
    let Some((part, gateway)) = gateway else {
        return warnings.found;
    };
    if let Some(hosts) = gateway.get("hosts") {
        let hosts = hosts.as_array().into_iter().flatten();
        warnings.hosts(policy, &hosts.filter_map(Value::as_str).collect());
    }
    let mut of_gateway = Warnings {
        part,
        found: warnings.found,
    };
    of_gateway.gateway(gateway, at);
    of_gateway.found
}

struct Warnings<'p> {
    part: &'p Part<'p>,
    found: Vec<Finding>,
}

impl Warnings<'_> {
    fn add(&mut self, code: Code, path: &str, sentence: impl Into<String>) {
        let found = self.part.finding(path, sentence);
        self.found.push(Finding {
            code: Some(code),
            ..found
        });
    }

    fn keys(&mut self, keys: &[Key], at: Timestamp) {
        if keys.is_empty() {
            let sentence = "there is no key, so no API token can be exchanged";
            return self.add(Code::NoSigningKey, "", sentence);
        }
        let usable = |key: &Key| !key.revoked && key.not_after.is_none_or(|end| at < end);
        let signs = |key: &Key| usable(key) && key.active_from <= at;
        if !keys.iter().any(signs) {
            let sentence = format!(
                "no key signs at {at}: each is revoked, past its not_after or not yet active; \
                 until one is, no API token can be exchanged"
            );
            return self.add(Code::NoSigningKey, "keys", sentence);
        }
        let lasting = keys
            .iter()
            .any(|key| !key.revoked && key.not_after.is_none());
        let last = keys.iter().enumerate().filter(|(_, key)| usable(key));
        let last = last.max_by_key(|(_, key)| key.not_after);
        if let (false, Some((number, key))) = (lasting, last)
            && let Some(end) = key.not_after
        {
            let path = format!("keys[{number}].not_after");
            let sentence = format!(
                "from {end} on there is no key, and no API token can be exchanged; \
                 add the next key before"
            );
            self.add(Code::LastKeyEnds, &path, sentence);
        }
    }

    fn roles(&mut self, policy: &Document) {
        for (at, role) in policy.roles.iter().enumerate() {
            if !policy
                .persons
                .iter()
                .any(|person| person.roles.contains(role))
            {
                let sentence = format!("nobody has the role {role:?}");
                self.add(Code::UnusedRole, &format!("roles[{at}]"), sentence);
            }
        }
    }

    fn tokens(&mut self, policy: &Document, now: Timestamp) {
        for (at, token) in policy.tokens.iter().enumerate() {
            let path = format!("tokens[{at}].expires_at");
            match token.expires_at {
                _ if !token.active => {}
                Expiry::Never => self.add(
                    Code::NeverExpires,
                    &path,
                    format!(
                        "token {:?} never expires; if it leaks unnoticed it is good until somebody \
                         deactivates it",
                        token.id
                    ),
                ),
                Expiry::At(end) if end <= now => self.add(
                    Code::TokenExpired,
                    &path,
                    format!(
                        "token {:?} is active but expired on {end}; deactivate it, or issue a new one",
                        token.id
                    ),
                ),
                Expiry::At(_) => {}
            }
        }
    }

    fn services(&mut self, policy: &Document) {
        for (at, service) in policy.services.iter().enumerate() {
            let parent = format!("services[{at}]");
            self.path(&format!("{parent}.base_path"), &service.base_path, false);
            if service.accept.contains(&Accept::Api) {
                let sentence = "takes API tokens on calls: a long-lived secret travels with each \
                                of them, not with an exchange alone";
                let path = format!("{parent}.accept");
                self.add(Code::AcceptsApiTokens, &path, sentence);
            }
            self.audience(&format!("{parent}.audience"), &service.audience);
            for (at, method) in service.methods.iter().enumerate() {
                let parent = format!("{parent}.methods[{at}]");
                self.http(&parent, &method.http);
                self.path(&format!("{parent}.path"), &method.path, true);
                if let Some(audience) = &method.audience {
                    self.audience(&format!("{parent}.audience"), audience);
                }
            }
        }
    }

    fn public(&mut self, policy: &Document) {
        for (at, route) in policy.public.iter().enumerate() {
            let parent = format!("public[{at}]");
            let sentence = format!(
                "{} {} is open to everybody, without a credential",
                route.http.join(", "),
                route.path
            );
            self.add(Code::PublicRoute, &parent, sentence);
            self.http(&parent, &route.http);
            self.path(&format!("{parent}.path"), &route.path, false);
        }
    }

    /// What the configuration says, without its policy.
    fn gateway(&mut self, gateway: &Map<String, Value>, at: Timestamp) {
        let text = |name: &str| gateway.get(name).and_then(Value::as_str);
        if text("mode") == Some("shadow")
            && let Some(until) = text("shadow_until").and_then(|text| Timestamp::parse(text).ok())
        {
            let sentence = if at < until {
                format!(
                    "until {until} this gateway refuses nothing: every request goes on, and \
                     decisions are only counted"
                )
            } else {
                format!(
                    "shadow mode is over since {until}, and this gateway enforces; remove mode \
                     and shadow_until"
                )
            };
            self.add(Code::ShadowMode, "mode", sentence);
        }
        let form = gateway
            .get("exchange")
            .and_then(|exchange| exchange.get("form"));
        if form == Some(&Value::Bool(true)) {
            let sentence = "in Envoy this needs \"allow_on_headers_stop_iteration\": true in the \
                            filter's PluginConfig; without it every form is answered 408";
            self.add(Code::FormExchange, "exchange.form", sentence);
        }
    }

    fn audience(&mut self, path: &str, audience: &Audience) {
        if audience.mode == AudienceMode::Unrestricted {
            let sentence = "every active person may call this, now and in future";
            self.add(Code::UnrestrictedAudience, path, sentence);
        }
    }

    fn http(&mut self, parent: &str, http: &[String]) {
        for (at, name) in http.iter().enumerate() {
            if name.bytes().any(|byte| byte.is_ascii_lowercase()) {
                let path = format!("{parent}.http[{at}]");
                let sentence = format!(
                    "HTTP methods are compared byte by byte, and clients send {:?}",
                    name.to_ascii_uppercase()
                );
                self.add(Code::LowercaseMethod, &path, sentence);
            }
        }
    }

    fn path(&mut self, path: &str, text: &str, pattern: bool) {
        for segment in text.split('/') {
            let meant = match segment {
                "*" | "**" => "any segment",
                _ if segment.starts_with(':') && segment.len() > 1 => "a parameter",
                _ if segment.ends_with('*') => "any ending",
                _ => continue,
            };
            let instead = match (pattern, segment) {
                (false, _) => "only literal segments may stand here".to_owned(),
                (true, "**") => "write \"{*rest}\" for all segments that follow".to_owned(),
                (true, _) if meant == "any ending" => {
                    "a parameter is a whole segment, \"{name}\"".to_owned()
                }
                (true, "*") => {
                    "write \"{name}\" for one segment, \"{*name}\" for all that follow".to_owned()
                }
                (true, _) => format!("write \"{{{}}}\"", segment.trim_start_matches(':')),
            };
            let sentence =
                format!("the segment {segment:?} is only itself, not {meant}; {instead}");
            self.add(Code::LiteralWildcard, path, sentence);
        }
    }

    fn hosts(&mut self, policy: &Document, served: &BTreeSet<&str>) {
        let of_services = policy
            .services
            .iter()
            .enumerate()
            .map(|(at, service)| (format!("services[{at}]"), &service.hosts));
        let of_routes = policy
            .public
            .iter()
            .enumerate()
            .map(|(at, route)| (format!("public[{at}]"), &route.hosts));
        for (parent, hosts) in of_services.chain(of_routes) {
            for (at, host) in hosts.iter().enumerate() {
                if !served.contains(host.as_str()) {
                    let path = format!("{parent}.hosts[{at}]");
                    let sentence = format!(
                        "this gateway does not answer for {host:?}; add it to the configuration's \
                         hosts, unless the policy is for other gateways too"
                    );
                    self.add(Code::UnservedHost, &path, sentence);
                }
            }
        }
    }
}
