//! Which requests need no credential.

use super::fault::{Place, RouteFault, RouteRule};
use super::steps::step;
use crate::canonical::{CanonicalPath, fold};
use crate::places::Places;

/// Public routes by path, HTTP method and host.
#[derive(Debug, Default)]
pub(super) struct PublicIndex {
    /// Sorted by path.
    paths: Box<[PublicPath]>,
}

#[derive(Debug)]
struct PublicPath {
    text: Box<str>,
    entries: Box<[Entry]>,
}

/// Sorted by HTTP method and host.
#[derive(Debug)]
struct Entry {
    /// The HTTP method's place in [`super::methods::HttpNames`].
    http: usize,
    /// Absent: every host.
    host: Option<Box<str>>,
    route: usize,
}

impl PublicIndex {
    pub(super) fn find(&self, host: &str, http: usize, path: &CanonicalPath<'_>) -> Option<usize> {
        let found = self.paths.binary_search_by(|public| {
            step();
            (*public.text).cmp(path.as_str())
        });
        let entries = &self.paths.get(found.ok()?)?.entries;
        let route = |host: Option<&str>| {
            let found = entries.binary_search_by(|entry| {
                step();
                (entry.http, entry.host.as_deref()).cmp(&(http, host))
            });
            entries.get(found.ok()?).map(|entry| entry.route)
        };
        route(Some(host)).or_else(|| route(None))
    }

    /// Whether `path`, folded, is public at `host` for any HTTP method. Looks at every path: not for requests.
    pub(super) fn covers(&self, host: &str, path: &CanonicalPath<'_>) -> bool {
        self.paths
            .iter()
            .filter(|public| fold::order(&public.text, path.as_str()).is_eq())
            .flat_map(|public| &public.entries)
            .any(|entry| entry.host.as_deref().is_none_or(|name| name == host))
    }
}

/// A public route whose members are each in order.
pub(super) struct Route<'a> {
    pub(super) route: usize,
    pub(super) path: &'a str,
    /// None: every host.
    pub(super) hosts: Vec<&'a str>,
    /// HTTP methods by their place in [`super::methods::HttpNames`].
    pub(super) http: Vec<(usize, &'a str)>,
}

impl<'a> Route<'a> {
    /// The hosts as entries of the index have them.
    fn hosts(&self) -> impl Iterator<Item = Option<&'a str>> + use<'a> {
        let every = self.hosts.is_empty().then_some(None);
        let listed: Vec<_> = self.hosts.iter().copied().map(Some).collect();
        every.into_iter().chain(listed)
    }

    fn fault(&self, rule: RouteRule) -> RouteFault {
        RouteFault::new(format!("{}.path", Place::Public(self.route)), rule)
    }
}

/// Takes public routes one by one and makes a [`PublicIndex`] of them.
#[derive(Default)]
pub(super) struct PublicIndexBuilder<'a> {
    /// The places in `entries`, by path.
    paths: Places,
    entries: Vec<PathBuilder<'a>>,
}

struct PathBuilder<'a> {
    text: &'a str,
    /// HTTP method, host and route, ascending.
    entries: Vec<(usize, Option<&'a str>, usize)>,
}

impl<'a> PublicIndexBuilder<'a> {
    /// Adds a route; the fault, if there is one, is that another has its requests already.
    pub(super) fn add(&mut self, route: &Route<'a>) -> Option<RouteFault> {
        let next = self.entries.len();
        let at = self.paths.get_or_insert(route.path.as_bytes(), next);
        if at == next {
            self.entries.push(PathBuilder {
                text: route.path,
                entries: Vec::new(),
            });
        }
        let entries = &mut self.entries.get_mut(at)?.entries;
        for &(http, name) in &route.http {
            for host in route.hosts() {
                let find = |host: Option<&str>| {
                    let gap = entries.partition_point(|entry| (entry.0, entry.1) < (http, host));
                    (gap, entries.get(gap).filter(|entry| entry.0 == http))
                };
                let other = match host {
                    Some(_) => find(None)
                        .1
                        .filter(|entry| entry.1.is_none())
                        .or_else(|| find(host).1.filter(|entry| entry.1 == host)),
                    None => find(None).1,
                };
                if let Some((_, _, other)) = other {
                    return Some(route.fault(RouteRule::SamePublic {
                        other: Place::Public(*other).to_string(),
                        http: name.to_owned(),
                    }));
                }
            }
            for host in route.hosts() {
                let gap = entries.partition_point(|entry| (entry.0, entry.1) < (http, host));
                entries.insert(gap, (http, host, route.route));
            }
        }
        None
    }

    pub(super) fn finish(self) -> PublicIndex {
        let entry = |&(http, host, route): &(usize, Option<&str>, usize)| Entry {
            http,
            host: host.map(Into::into),
            route,
        };
        let paths = self
            .paths
            .iter()
            .filter_map(|(_, place)| self.entries.get(place));
        let paths = paths.map(|path| PublicPath {
            text: path.text.into(),
            entries: path.entries.iter().map(entry).collect(),
        });
        PublicIndex {
            paths: paths.collect(),
        }
    }
}

/// The literal method paths that public routes must keep away from, in any letter case.
#[derive(Default)]
pub(super) struct Protected {
    /// The paths of all public routes, folded: nothing else is worth keeping.
    public: Places,
    /// The places in `places`, by [`key`].
    methods: Places,
    places: Vec<Place>,
}

impl Protected {
    pub(super) fn new(public: &[Route<'_>]) -> Self {
        let mut protected = Self::default();
        for route in public {
            protected.public.get_or_insert(&fold::key(route.path), 0);
        }
        protected
    }

    /// Whether any public route could be `path`, so that [`Self::add`] is worth its work.
    pub(super) fn concerns(&self) -> bool {
        !self.public.is_empty()
    }

    /// Adds the literal path of a method.
    pub(super) fn add(&mut self, place: Place, path: &str, hosts: &[&str], http: &[(usize, &str)]) {
        let path = fold::key(path);
        if self.public.get(&path).is_none() {
            return;
        }
        let at = self.places.len();
        self.places.push(place);
        for (http, _) in http {
            for host in hosts {
                self.methods.get_or_insert(&key(&path, *http, host), at);
            }
        }
    }

    /// The fault of `route` if it is one of the methods added.
    pub(super) fn check(&self, route: &Route<'_>) -> Option<RouteFault> {
        let path = fold::key(route.path);
        route.http.iter().find_map(|&(http, name)| {
            let method = if route.hosts.is_empty() {
                self.methods.first_with(&key(&path, http, ""))
            } else {
                let mut hosts = route.hosts.iter();
                hosts.find_map(|host| self.methods.get(&key(&path, http, host)))
            };
            let method = self.places.get(method?)?.to_string();
            let http = name.to_owned();
            Some(route.fault(RouteRule::PublicIsMethod { method, http }))
        })
    }
}

/// A key that begins alike for all hosts: no path has a zero byte.
fn key(path: &[u8], http: usize, host: &str) -> Vec<u8> {
    let http = (http as u64).to_be_bytes();
    [path, &[0], &http, host.as_bytes()].concat()
}
