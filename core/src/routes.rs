//! Which route a request belongs to.
//!
//! A [`RouteTable`] is made once from a policy's services and public routes and then only read. Its lookups allocate
//! nothing, and cost a request the same however many services, methods and hosts there are.
//!
//! # Public routes
//! A public route takes a request whose host, HTTP method and path are exactly its own. Nothing is folded here: a request
//! that is only like a public one needs a credential.
//!
//! # The service
//! Of the services at the request's host, the one with the longest base path that the path lies under, in whole segments.
//! The others are out, whatever they declare: nothing falls back.
//!
//! # The method
//! Below the base path, a segment is a literal before it is `{name}`, and `{name}` before `{*name}`, which takes all
//! segments that are left and at least one. Where a choice leads nowhere, the next one is tried, so a literal never hides
//! a pattern beside it: allow rules only. The first pattern that matches the whole path is the one; if it is not
//! declared for the request's HTTP method, that is a miss, and less specific patterns are not asked.
//!
//! # Ambiguity
//! Two segments *fold alike* if they differ only in the case of ASCII letters, or in whether a sub-delimiter, `:` or `@`
//! is percent-encoded. An upstream may take one for the other, so a rule for the one must not be passed by as the other:
//! - On the way through a service's patterns, a segment that folds like a declared literal, while none is exactly it,
//!   ends the search: ambiguous, even if `{name}` or a branch not yet tried would match. In a service that is `case:
//!   insensitive`, a segment that differs from a literal in letter case only *is* that literal; a percent-encoding still
//!   makes the request ambiguous.
//! - The way through base paths follows segments that fold alike as deep as it can. It is ambiguous if, beyond the last
//!   base path that the request truly lies under, it meets one that the request only folds like, or a segment that is
//!   not spelled as any sensitive service there spells it. So next to a service at `/api/admin`, a request for
//!   `/api/ADMIN` is ambiguous, and nothing that a service at `/api` may declare for it counts.

mod compile;
mod fault;
mod methods;
mod pattern;
mod public;
mod services;
mod steps;

pub use fault::{RouteFault, RouteRule};

use crate::canonical::CanonicalPath;
use crate::policy::document::{PublicRoute, Service};

/// The routes of a policy, compiled. The default is that of an empty policy.
#[derive(Debug, Default)]
pub struct RouteTable {
    http: methods::HttpNames,
    services: services::ServiceIndex,
    methods: methods::MethodIndex,
    public: public::PublicIndex,
}

/// The method that a request belongs to, by its place in the policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Found {
    /// The index in the policy's `services`.
    pub service: usize,
    /// The index in the service's `methods`.
    pub method: usize,
}

/// Why a request belongs to no method.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Miss {
    /// No service at this host has a base path that the path lies under.
    NoService,
    /// No pattern of the service matches the path.
    NoPath {
        /// The index in the policy's `services`.
        service: usize,
    },
    /// The pattern that matches the path is not declared for this HTTP method.
    NoHttpMethod {
        /// The index in the policy's `services`.
        service: usize,
    },
    /// A segment folds like a declared literal without being it.
    Ambiguous {
        /// The index in the policy's `services`; absent where it is the base path that is ambiguous.
        service: Option<usize>,
    },
}

impl RouteTable {
    /// Compiles the routes of a policy. Names are only compared here; what may stand in them is not judged.
    ///
    /// # Errors
    /// The first fault that [`Self::faults`] finds.
    pub fn build(services: &[Service], public: &[PublicRoute]) -> Result<Self, RouteFault> {
        let (table, faults) = Self::compile(&refs(services), &refs(public));
        faults.into_iter().next().map_or(Ok(table), Err)
    }

    /// Every fault of a policy's services and public routes.
    #[must_use]
    pub fn faults(services: &[Service], public: &[PublicRoute]) -> Vec<RouteFault> {
        Self::compile(&refs(services), &refs(public)).1
    }

    /// The table of all that is in order, and every fault.
    pub(crate) fn compile(
        services: &[&Service],
        public: &[&PublicRoute],
    ) -> (Self, Vec<RouteFault>) {
        compile::compile(services, public)
    }

    /// The public route of a request, by its index in the policy's `public`. `host` is canonical.
    #[must_use]
    pub fn public(&self, host: &str, http: &str, path: &CanonicalPath<'_>) -> Option<usize> {
        self.public.find(host, self.http.find(http)?, path)
    }

    /// The method of a request. `host` is canonical.
    ///
    /// # Errors
    /// Why there is none; such a request is refused.
    pub fn find(&self, host: &str, path: &CanonicalPath<'_>, http: &str) -> Result<Found, Miss> {
        let (service, below) = self.services.find(host, path)?;
        let routes = match self.methods.find(service, below) {
            Ok(Some(routes)) => routes,
            Ok(None) => return Err(Miss::NoPath { service }),
            Err(methods::AmbiguousSegment) => {
                let service = Some(service);
                return Err(Miss::Ambiguous { service });
            }
        };
        self.http
            .find(http)
            .and_then(|http| routes.method(http))
            .map(|method| Found { service, method })
            .ok_or(Miss::NoHttpMethod { service })
    }

    /// Whether `path` lies under the base path of a service at `host`, or folds like one that does: then the gateway
    /// must not answer there itself.
    #[must_use]
    pub fn is_under_service(&self, host: &str, path: &CanonicalPath<'_>) -> bool {
        self.services.covers(host, path)
    }

    /// Whether `path` is that of a public route at `host`, for any HTTP method, or folds like it: then the gateway must
    /// not answer there itself. Looks at every public route, so it is for loading a configuration, not for requests.
    #[must_use]
    pub fn is_public(&self, host: &str, path: &CanonicalPath<'_>) -> bool {
        self.public.covers(host, path)
    }
}

fn refs<T>(items: &[T]) -> Vec<&T> {
    items.iter().collect()
}

#[cfg(test)]
mod tests;
