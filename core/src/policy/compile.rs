//! Checking what holds between records, and compiling routes and audiences: in steps, since a policy may be big.

use std::sync::Arc;

use super::audience::{CompiledAudience, Names as _};
use super::compiled::{CLOCK_SKEW, MAX_ACCESS_TOKEN_LIFE};
use super::document::{Accept, Forward, Key, Preflight};
use super::fault::{PolicyFault, PolicyRule};
use super::store::{KeptService, Lists, NamesOf, Store};
use crate::id::is_id;
use crate::order;
use crate::request::OVERRIDE_HEADERS;
use crate::routes::RouteTable;

/// What is compiled of a policy.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    pub(super) routes: Arc<RouteTable>,
    pub(super) services: Vec<Arc<CompiledService>>,
    /// The place of the role that is exempt from audiences.
    pub(super) bypass: Option<u32>,
}

#[derive(Debug)]
pub(super) struct CompiledService {
    source: Arc<KeptService>,
    pub(super) name: String,
    pub(super) forward: Forward,
    pub(super) accept: Vec<Accept>,
    pub(super) preflight: Preflight,
    pub(super) audience: CompiledAudience,
    pub(super) methods: Vec<CompiledMethod>,
}

#[derive(Debug)]
pub(super) struct CompiledMethod {
    pub(super) name: String,
    pub(super) audience: Option<CompiledAudience>,
    pub(super) upgrade: Vec<String>,
    pub(super) allow_headers: Vec<String>,
}

/// Compiles the lists of one side of a store, a service at a time.
#[derive(Debug, Default)]
pub(super) struct Compiler {
    compiled: Compiled,
    /// How many services are compiled.
    done: usize,
    faults: Vec<PolicyFault>,
}

/// What compiling may take over from: the policy that decides, unless names may have lost their places.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub(super) compiled: &'a Compiled,
    pub(super) lists: &'a Lists,
    /// Whether every person and role of that policy is in this one.
    pub(super) keeps_names: bool,
}

impl Compiler {
    /// Compiles the next service. Returns roughly how many names were looked up, or `None` if all are compiled.
    pub(super) fn step(&mut self, names: &NamesOf<'_>, before: Before<'_>) -> Option<usize> {
        let kept = names.store.lists(names.side).services.get(self.done)?;
        self.done += 1;
        if before.keeps_names {
            let mut services = before.compiled.services.iter();
            if let Some(same) = services.find(|service| Arc::ptr_eq(&service.source, kept)) {
                self.compiled.services.push(Arc::clone(same));
                return Some(1);
            }
        }
        match compile_service(kept, names) {
            Ok(service) => self.compiled.services.push(Arc::new(service)),
            Err(found) => {
                let parent = format!("services[{}]", self.done - 1);
                let found = found.into_iter().map(|fault| fault.within(&parent));
                self.faults.extend(found);
            }
        }
        let listed = |audience: &super::document::Audience| {
            audience.persons.len() + audience.roles.len() + 1
        };
        let methods = kept.service.methods.iter();
        let methods = methods.map(|method| 1 + method.audience.as_ref().map_or(0, listed));
        Some(listed(&kept.service.audience) + methods.sum::<usize>())
    }

    /// Does the rest, in one step.
    pub(super) fn finish(
        mut self,
        names: &NamesOf<'_>,
        before: Option<Before<'_>>,
    ) -> Result<Compiled, Vec<PolicyFault>> {
        let lists = names.store.lists(names.side);
        let mut faults = key_faults(&lists.keys);
        faults.append(&mut self.faults);
        if let Some(bypass) = &lists.bypass {
            self.compiled.bypass = names.role_place(&bypass.role);
            if self.compiled.bypass.is_none() {
                let rule = PolicyRule::Dangling {
                    kind: "role",
                    name: bypass.role.clone(),
                };
                faults.push(PolicyFault::new("bypass.role", rule));
            }
        }
        if let Some(before) = before
            && has_same_routes(lists, before.lists)
        {
            self.compiled.routes = Arc::clone(&before.compiled.routes);
        } else {
            let services: Vec<_> = lists.services.iter().map(|kept| &kept.service).collect();
            let public: Vec<_> = lists.public.iter().map(|route| &**route).collect();
            let (routes, found) = RouteTable::compile(&services, &public);
            let found = found.into_iter();
            faults.extend(
                found.map(|fault| PolicyFault::new(fault.path, PolicyRule::Route(fault.rule))),
            );
            self.compiled.routes = Arc::new(routes);
        }
        if faults.is_empty() {
            return Ok(self.compiled);
        }
        Err(faults)
    }
}

/// Compiles a store that holds one policy, at once.
pub(super) fn compile(store: &Store) -> Result<Compiled, Vec<PolicyFault>> {
    let names = NamesOf {
        store,
        side: store.now(),
    };
    let before = Before {
        compiled: &Compiled::default(),
        lists: store.lists(names.side),
        keeps_names: false,
    };
    let mut compiler = Compiler::default();
    while compiler.step(&names, before).is_some() {}
    compiler.finish(&names, None)
}

/// Whether the lists have the very same routes in the same order.
fn has_same_routes(one: &Lists, other: &Lists) -> bool {
    one.services.len() == other.services.len()
        && one.public.len() == other.public.len()
        && one
            .services
            .iter()
            .zip(&other.services)
            .all(|(one, other)| Arc::ptr_eq(one, other))
        && one
            .public
            .iter()
            .zip(&other.public)
            .all(|(one, other)| Arc::ptr_eq(one, other))
}

/// Two keys must not begin together, and a key must verify until the last token that it signed has ended.
fn key_faults(keys: &[Key]) -> Vec<PolicyFault> {
    let mut faults = Vec::new();
    let active_from = |at: usize| keys.get(at).map(|key| key.active_from);
    let order = order::sorted(keys.len(), &|one, other| {
        active_from(one).cmp(&active_from(other))
    });
    let order: Vec<_> = order
        .into_iter()
        .filter_map(|at| Some((at, keys.get(at)?)))
        .collect();
    let mut next_keys = order.iter().skip(1);
    for (at, key) in &order {
        let next = next_keys.next();
        if let Some((other, _)) = next.filter(|(_, next)| next.active_from == key.active_from) {
            let rule = PolicyRule::EqualActiveFrom(key.kid.clone());
            faults.push(PolicyFault::new(format!("keys[{other}].active_from"), rule));
        }
        let Some(not_after) = key.not_after else {
            continue;
        };
        let path = format!("keys[{at}].not_after");
        if not_after <= key.active_from {
            faults.push(PolicyFault::new(path, PolicyRule::KeyNeverActive));
            continue;
        }
        let end = |next: &Key| {
            next.active_from
                .saturating_add(MAX_ACCESS_TOKEN_LIFE)
                .saturating_add(CLOCK_SKEW)
        };
        if let Some((_, next)) = next.filter(|(_, next)| !key.revoked && not_after < end(next)) {
            faults.push(PolicyFault::new(
                path,
                PolicyRule::OverlapTooShort {
                    next: next.kid.clone(),
                },
            ));
        }
    }
    faults
}

fn compile_service(
    source: &Arc<KeptService>,
    names: &NamesOf<'_>,
) -> Result<CompiledService, Vec<PolicyFault>> {
    let service = &source.service;
    let mut faults = Vec::new();
    if service.accept.is_empty() {
        faults.push(PolicyFault::new("accept", PolicyRule::EmptyList));
    }
    let audience = CompiledAudience::compile(&service.audience, false, names);
    let mut methods = Vec::with_capacity(service.methods.len());
    for (at, method) in service.methods.iter().enumerate() {
        let parent = format!("methods[{at}]");
        if !is_id(&method.name) {
            faults.push(PolicyFault::new(
                format!("{parent}.name"),
                PolicyRule::Id(method.name.clone()),
            ));
        }
        for (place, name) in method.allow_headers.iter().enumerate() {
            if !OVERRIDE_HEADERS.contains(&name.as_str()) {
                let rule = PolicyRule::NotAnOverrideHeader { name: name.clone() };
                faults.push(PolicyFault::new(
                    format!("{parent}.allow_headers[{place}]"),
                    rule,
                ));
            }
        }
        let own = method
            .audience
            .as_ref()
            .map(|audience| CompiledAudience::compile(audience, true, names))
            .transpose();
        match own {
            Ok(audience) => methods.push(CompiledMethod {
                name: method.name.clone(),
                audience,
                upgrade: method.upgrade.clone(),
                allow_headers: method.allow_headers.clone(),
            }),
            Err(found) => {
                let parent = format!("{parent}.audience");
                faults.extend(found.into_iter().map(|fault| fault.within(&parent)));
            }
        }
    }
    match audience {
        Ok(audience) if faults.is_empty() => Ok(CompiledService {
            source: Arc::clone(source),
            name: service.name.clone(),
            forward: service.forward,
            accept: service.accept.clone(),
            preflight: service.preflight,
            audience,
            methods,
        }),
        Ok(_) => Err(faults),
        Err(found) => {
            faults.extend(found.into_iter().map(|fault| fault.within("audience")));
            Err(faults)
        }
    }
}
