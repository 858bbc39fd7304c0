//! A policy in the form in which requests are decided: checked as a whole, with routes and audiences compiled.

use super::audience::CompiledAudience;
use super::compile::{Compiled, CompiledMethod, CompiledService, compile};
use super::document::{Accept, Document, Forward, Key, Preflight, PublicAuthorization};
use super::document_faults::{duplicates, without_consequences};
use super::fault::{PolicyFault, PolicyRule};
use super::persons::PersonRow;
use super::staging::Staging;
use super::store::{Change, Record, Store};
use super::tokens::TokenRow;
use crate::api_token::TokenHash;
use crate::canonical::CanonicalPath;
use crate::id::IdCode;
use crate::json;
use crate::routes::{Miss, RouteTable};
use crate::time::Seconds;

/// The longest life of an access token; a key must outlive the tokens that it signed.
pub const MAX_ACCESS_TOKEN_LIFE: Seconds = Seconds::new(3600);

/// How far ahead another gateway's clock may be.
pub const CLOCK_SKEW: Seconds = Seconds::new(60);

/// A policy that has no fault. The default is the empty one, which allows nothing.
#[derive(Debug, Default)]
pub struct Policy {
    pub(super) store: Store,
    pub(super) compiled: Compiled,
    /// The policy that is to take its place.
    pub(super) staging: Staging,
}

impl Policy {
    /// Reads a policy from JSON. All its faults are told, each with its path; those between records only if each
    /// record is of its shape.
    pub fn from_json(json: &[u8]) -> Result<Self, Vec<PolicyFault>> {
        let document: Document = json::read(json).map_err(|faults| {
            let faults = faults.into_iter();
            faults
                .map(|fault| PolicyFault::new(fault.path, PolicyRule::Shape(fault.text)))
                .collect::<Vec<_>>()
        })?;
        Self::from_document(&document)
    }

    /// Takes a whole document, or tells every fault in it.
    pub fn from_document(document: &Document) -> Result<Self, Vec<PolicyFault>> {
        if document.format != Document::FORMAT {
            return Err(vec![PolicyFault::new(
                "format",
                PolicyRule::Format(document.format),
            )]);
        }
        let mut faults = duplicates(document);
        let mut store = Store::default();
        // In the order of their references: persons name roles, tokens name persons.
        let records = numbered("roles", &document.roles, |role| Record::Role(role))
            .chain(numbered("persons", &document.persons, Record::Person))
            .chain(numbered("keys", &document.keys, Record::Key))
            .chain(numbered("tokens", &document.tokens, Record::Token))
            .chain(numbered("services", &document.services, Record::Service))
            .chain(numbered("public", &document.public, Record::Public));
        let bypass = document.bypass.iter().map(Record::Bypass);
        let records = records.chain(bypass.map(|record| ("bypass", None, record)));
        for (member, at, record) in records {
            if let Err(found) = store.apply(Change::Put(record)) {
                let place = at.map_or(member.to_owned(), |at| format!("{member}[{at}]"));
                faults.extend(found.into_iter().map(|fault| fault.within(&place)));
            }
        }
        if !faults.is_empty() {
            // A record that was refused or replaced has left no place in the store's lists, so the faults of those after
            // it would be told at the wrong place. Only faults leave this function now, so the lists may be the document's.
            store.show_lists_of(document);
        }
        match Self::compile(store) {
            Ok(policy) if faults.is_empty() => Ok(policy),
            Ok(_) => Err(without_consequences(faults, Vec::new(), document)),
            Err(found) => Err(without_consequences(faults, found, document)),
        }
    }

    /// Checks what holds between records, and compiles them.
    pub fn compile(store: Store) -> Result<Self, Vec<PolicyFault>> {
        let compiled = compile(&store)?;
        Ok(Self {
            store,
            compiled,
            staging: Staging::default(),
        })
    }

    /// The records of the policy.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The policy's keys, as they are written.
    pub fn keys(&self) -> &[Key] {
        &self.store.lists(self.store.now()).keys
    }

    /// How many API tokens the policy has.
    pub fn token_count(&self) -> usize {
        self.store.tokens.len(self.store.now())
    }

    /// Where requests are routed.
    pub fn routes(&self) -> &RouteTable {
        &self.compiled.routes
    }

    /// The API token with this hash.
    pub fn token_by_hash(&self, hash: &TokenHash) -> Option<TokenRow> {
        self.store.tokens.by_hash(hash, self.store.now())
    }

    /// The API token with this id.
    pub fn token_by_id(&self, id: &str) -> Option<TokenRow> {
        let id = self.store.id_code(id)?;
        self.store.tokens.by_id(id, self.store.now())
    }

    /// The API token with this code, which the policy's store has given.
    pub(crate) fn token(&self, id: IdCode) -> Option<TokenRow> {
        self.store.tokens.by_id(id, self.store.now())
    }

    /// Every API token, in no order.
    pub fn tokens(&self) -> impl Iterator<Item = TokenRow> {
        self.store.tokens.iter(self.store.now())
    }

    /// The person of a token of this policy.
    pub fn person_of(&self, token: &TokenRow) -> Option<&PersonRow> {
        self.store.persons.get(token.person, self.store.now())
    }

    /// What a public route does with `Authorization`, if the request is for one.
    pub fn public_route(
        &self,
        host: &str,
        method: &str,
        path: &CanonicalPath<'_>,
    ) -> Option<PublicAuthorization> {
        let place = self.compiled.routes.public(host, method, path)?;
        let lists = self.store.lists(self.store.now());
        lists.public.get(place).map(|route| route.authorization)
    }

    /// The method that a request names.
    pub fn method(
        &self,
        host: &str,
        method: &str,
        path: &CanonicalPath<'_>,
    ) -> Result<MethodRef<'_>, Miss> {
        let found = self.compiled.routes.find(host, path, method)?;
        let service = self.compiled.services.get(found.service);
        let method = service.and_then(|service| service.methods.get(found.method));
        match (service, method) {
            (Some(service), Some(method)) => Ok(MethodRef { service, method }),
            // The table was built from these services; without one there is no rule.
            _ => Err(Miss::NoService),
        }
    }

    /// Whether a service takes a kind of credential.
    pub fn accepts(&self, service: usize, kind: Accept) -> bool {
        self.compiled
            .services
            .get(service)
            .is_some_and(|service| service.accept.contains(&kind))
    }

    /// Whether there is a service of this name.
    pub fn has_service(&self, name: &str) -> bool {
        self.compiled
            .services
            .iter()
            .any(|service| service.name == name)
    }

    /// How many methods the policy has.
    pub fn method_count(&self) -> usize {
        self.compiled
            .services
            .iter()
            .map(|service| service.methods.len())
            .sum()
    }

    /// What becomes of a CORS preflight for a path: that is for the service to say, whatever its methods.
    pub fn preflight(&self, host: &str, path: &CanonicalPath<'_>) -> Preflight {
        let service = match self.compiled.routes.find(host, path, "OPTIONS") {
            Ok(found) => Some(found.service),
            Err(Miss::NoPath { service } | Miss::NoHttpMethod { service }) => Some(service),
            Err(Miss::Ambiguous { .. } | Miss::NoService) => None,
        };
        service
            .and_then(|service| self.compiled.services.get(service))
            .map_or(Preflight::Refuse, |service| service.preflight)
    }

    /// Whether a token's person is in a method's audience.
    pub fn allows(&self, method: MethodRef<'_>, token: &TokenRow) -> bool {
        let Some(person) = self.person_of(token) else {
            return false;
        };
        let parent = &method.service.audience;
        let own = method.method.audience.as_ref().unwrap_or(parent);
        own.allows(token.person, person, self.compiled.bypass)
            && (!own.rely_on_parent || parent.allows(token.person, person, self.compiled.bypass))
    }

    /// What each audience that [`Policy::allows`] asks says of a token's person, to explain a decision.
    pub fn admissions(&self, method: MethodRef<'_>, token: &TokenRow) -> Admissions {
        let admits = |audience: &CompiledAudience| {
            let person = self.person_of(token);
            person.is_some_and(|person| audience.allows(token.person, person, self.compiled.bypass))
        };
        let own = method.method.audience.as_ref();
        let asks_parent = own.is_none_or(|own| own.rely_on_parent);
        Admissions {
            method: own.map(admits),
            service: asks_parent.then(|| admits(&method.service.audience)),
        }
    }
}

/// Whether the audiences of a call admit a person. `None` is an audience that is not asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Admissions {
    /// The method's own.
    pub method: Option<bool>,
    /// Its service's.
    pub service: Option<bool>,
}

/// A method of a policy.
#[derive(Clone, Copy, Debug)]
pub struct MethodRef<'a> {
    service: &'a CompiledService,
    method: &'a CompiledMethod,
}

impl<'a> MethodRef<'a> {
    /// The service's name.
    pub fn service(self) -> &'a str {
        &self.service.name
    }

    /// What becomes of the caller's credential.
    pub fn forwards(self) -> Forward {
        self.service.forward
    }

    /// Whether its service takes a kind of credential.
    pub fn accepts(self, kind: Accept) -> bool {
        self.service.accept.contains(&kind)
    }

    /// The method's name.
    pub fn name(self) -> &'a str {
        &self.method.name
    }

    /// The override headers that reach the upstream.
    pub fn allow_headers(self) -> &'a [String] {
        &self.method.allow_headers
    }

    /// Whether a value of an `Upgrade` header names only protocols that the method lists.
    pub fn allows_upgrade(self, value: &[u8]) -> bool {
        value
            .split(|&byte| byte == b',')
            .map(<[u8]>::trim_ascii)
            .all(|protocol| {
                self.method
                    .upgrade
                    .iter()
                    .any(|listed| listed.as_bytes().eq_ignore_ascii_case(protocol))
            })
    }
}

fn numbered<'a, T>(
    list: &'static str,
    items: &'a [T],
    record: impl Fn(&'a T) -> Record<'a>,
) -> impl Iterator<Item = (&'static str, Option<usize>, Record<'a>)> {
    items
        .iter()
        .enumerate()
        .map(move |(at, item)| (list, Some(at), record(item)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(json: &str) -> Vec<String> {
        let faults = Policy::from_json(json.as_bytes()).unwrap_err();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_refused_record_does_not_move_the_places_of_those_after_it() {
        let told = faults(
            r#"{"format": 1,
                "keys": [
                    {"kid": "no id", "root": "r", "active_from": "2026-11-01T00:00:00Z"},
                    {"kid": "k", "root": "r", "active_from": "2026-11-02T00:00:00Z",
                     "not_after": "2026-11-01T00:00:00Z"}],
                "services": [
                    {"name": "no id", "hosts": ["a"], "base_path": "/a",
                     "audience": {"mode": "restricted"}, "methods": []},
                    {"name": "s", "hosts": ["a"], "base_path": "/b",
                     "audience": {"mode": "restricted"}, "methods": []},
                    {"name": "s", "hosts": ["a"], "base_path": "/c",
                     "audience": {"mode": "restricted"}, "methods": []},
                    {"name": "t", "hosts": ["A"], "base_path": "/d",
                     "audience": {"mode": "restricted", "roles": ["r"]}, "methods": []}]}"#,
        );
        for place in [
            "keys[0].kid: ",
            "keys[1].not_after: ",
            "services[0].name: ",
            "services[2].name: ",
            "services[3].hosts[0]: ",
            "services[3].audience.roles[0]: ",
        ] {
            let here = told.iter().any(|fault| fault.starts_with(place));
            assert!(here, "{place} in {told:#?}");
        }
        assert!(!told.iter().any(|fault| fault.starts_with("services[1]")));
    }

    #[test]
    fn a_call_is_allowed_exactly_if_every_audience_that_is_asked_admits_the_person() {
        let audiences = [
            r#"{"mode": "unrestricted""#,
            r#"{"mode": "restricted""#,
            r#"{"mode": "restricted", "persons": ["p"]"#,
        ];
        let owns = std::iter::once(None).chain(
            audiences
                .iter()
                .flat_map(|own| [Some((own, false)), Some((own, true))]),
        );
        for own in owns {
            for parent in audiences {
                let method = own.map_or_else(String::new, |(own, rely)| {
                    format!(r#", "audience": {own}, "rely_on_parent": {rely}}}"#)
                });
                let json = format!(
                    r#"{{"format": 1, "persons": [{{"id": "p", "active": true}}],
                        "tokens": [{{"id": "t", "person": "p", "expires_at": "never", "active": true,
                            "hash": "sha256:4f0c2d1b8e6a97350f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778"}}],
                        "services": [{{"name": "s", "hosts": ["a"], "base_path": "/s",
                            "audience": {parent}}},
                            "methods": [{{"name": "m", "http": ["GET"], "path": "/"{method}}}]}}]}}"#
                );
                let policy = Policy::from_json(json.as_bytes()).unwrap();
                let path = CanonicalPath::parse(b"/s").unwrap();
                let method = policy.method("a", "GET", &path).unwrap();
                let token = policy.token_by_id("t").unwrap();
                let told = policy.admissions(method, &token);
                let all = told.method.unwrap_or(true) && told.service.unwrap_or(true);
                assert_eq!(policy.allows(method, &token), all, "{json}");
                assert_eq!(told.method.is_some(), own.is_some(), "{json}");
                let asks_parent = own.is_none_or(|(_, rely)| rely);
                assert_eq!(told.service.is_some(), asks_parent, "{json}");
            }
        }
    }
}
