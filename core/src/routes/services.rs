//! Which service a request belongs to: one trie of base paths per host.
//!
//! The keys of the trie are folded (see [`crate::canonical::fold`]), so that spellings that an upstream may take for one
//! another meet in one node. What was declared decides there which of them is meant.

use std::cmp::Ordering;

use super::Miss;
use super::fault::{Place, RouteFault, RouteRule};
use super::steps::step;
use crate::canonical::{CanonicalPath, Segments, fold};
use crate::order;
use crate::places::Places;
use crate::policy::document::Case;

/// Services by host and base path.
#[derive(Debug, Default)]
pub(super) struct ServiceIndex {
    /// By name, with the root of the host's trie.
    hosts: Box<[(Box<[u8]>, usize)]>,
    nodes: Box<[Node]>,
    /// By service.
    bases: Box<[Base]>,
}

#[derive(Debug)]
struct Node {
    /// By folded segment.
    children: Box<[(Box<[u8]>, usize)]>,
    /// How the sensitive services spell the segment that leads here, sorted.
    spellings: Box<[Box<str>]>,
    /// The services whose base path ends here, in the order of [`Base::order`].
    services: Box<[usize]>,
}

/// A service's base path: without trailing slash, the root empty.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) path: Box<str>,
    pub(super) case: Case,
}

impl Base {
    /// How this base path stands to `path`: by folded letters first, so that those that only case tells apart are
    /// neighbours, and an insensitive one, which has no such neighbour, is equal to all of them.
    fn order(&self, path: &str) -> Ordering {
        if *self.path == *path {
            return Ordering::Equal;
        }
        let lower = |byte: u8| byte.to_ascii_lowercase();
        let folded = self.path.bytes().map(lower).cmp(path.bytes().map(lower));
        folded.then_with(|| match self.case {
            Case::Insensitive => Ordering::Equal,
            Case::Sensitive => (*self.path).cmp(path),
        })
    }
}

impl ServiceIndex {
    /// The service with the longest base path that `path` lies under, and the segments below it.
    pub(super) fn find<'p>(
        &self,
        host: &str,
        path: &'p CanonicalPath<'_>,
    ) -> Result<(usize, Segments<'p>), Miss> {
        let mut node = self.root(host).ok_or(Miss::NoService)?;
        let mut rest = path.segments();
        let mut best = self
            .service(node, "")
            .map(|service| (service, rest.clone()));
        let mut ambiguous = false;
        while let Some(segment) = rest.next() {
            let Some(child) = self.child(node, segment) else {
                break;
            };
            node = child;
            ambiguous |= !node.spellings.is_empty() && !node.is_spelled(segment);
            if !node.services.is_empty() {
                best = self
                    .service(node, path.before(&rest))
                    .map(|service| (service, rest.clone()));
                ambiguous = best.is_none();
            }
        }
        if ambiguous {
            return Err(Miss::Ambiguous { service: None });
        }
        best.ok_or(Miss::NoService)
    }

    /// Whether `path`, folded, lies under any service's base path.
    pub(super) fn covers(&self, host: &str, path: &CanonicalPath<'_>) -> bool {
        let mut node = self.root(host);
        let mut segments = path.segments();
        while let Some(here) = node {
            if !here.services.is_empty() {
                return true;
            }
            node = segments
                .next()
                .and_then(|segment| self.child(here, segment));
        }
        false
    }

    fn root(&self, host: &str) -> Option<&Node> {
        let found = self.hosts.binary_search_by(|(name, _)| {
            step();
            (**name).cmp(host.as_bytes())
        });
        let (_, root) = self.hosts.get(found.ok()?)?;
        self.nodes.get(*root)
    }

    fn child(&self, node: &Node, segment: &str) -> Option<&Node> {
        step();
        let found = node.children.binary_search_by(|(key, _)| {
            step();
            fold::order_key(key, segment)
        });
        let (_, child) = node.children.get(found.ok()?)?;
        self.nodes.get(*child)
    }

    /// The service of `node` whose base path is `path`, which leads to `node`.
    fn service(&self, node: &Node, path: &str) -> Option<usize> {
        let found = node.services.binary_search_by(|service| {
            step();
            self.bases
                .get(*service)
                .map_or(Ordering::Less, |base| base.order(path))
        });
        node.services.get(found.ok()?).copied()
    }
}

impl Node {
    fn is_spelled(&self, segment: &str) -> bool {
        self.spellings
            .binary_search_by(|spelling| {
                step();
                (**spelling).cmp(segment)
            })
            .is_ok()
    }
}

/// Takes services one by one and makes a [`ServiceIndex`] of them.
#[derive(Default)]
pub(super) struct ServiceIndexBuilder<'a> {
    hosts: Places,
    nodes: Vec<NodeBuilder<'a>>,
    bases: Vec<Base>,
    /// The service of each base path [`at`] each host, as written.
    written: Places,
    /// One service of each base path [`at`] each host, in lower case; an insensitive one where there is one.
    lower: Places,
}

#[derive(Default)]
struct NodeBuilder<'a> {
    children: Places,
    spellings: Vec<&'a str>,
    services: Vec<usize>,
}

impl<'a> ServiceIndexBuilder<'a> {
    /// Adds the next service. Its hosts are canonical and its base path is [`super::pattern::literal_path`]'s; a service
    /// that has neither is still counted, with no hosts.
    pub(super) fn add(
        &mut self,
        hosts: impl Iterator<Item = &'a str>,
        base: &'a str,
        case: Case,
    ) -> Option<RouteFault> {
        let service = self.bases.len();
        self.bases.push(Base {
            path: base.into(),
            case,
        });
        let mut fault = None;
        for host in hosts {
            if let Some(other) = self.collision(service, host, base, case) {
                fault.get_or_insert_with(|| {
                    RouteFault::new(
                        format!("{}.base_path", Place::Service(service)),
                        RouteRule::SameBase {
                            other: Place::Service(other).to_string(),
                            host: host.to_owned(),
                        },
                    )
                });
                continue;
            }
            self.insert(service, host, base, case);
        }
        fault
    }

    pub(super) fn finish(self) -> ServiceIndex {
        let bases = self.bases.into_boxed_slice();
        let nodes = self.nodes.into_iter().map(|node| {
            let base = |at: usize| {
                node.services
                    .get(at)
                    .and_then(|service| bases.get(*service))
            };
            let by_base = order::sorted(node.services.len(), &|left, right| match (
                base(left),
                base(right),
            ) {
                (Some(left), Some(right)) => left.order(&right.path),
                (left, right) => left.is_some().cmp(&right.is_some()),
            });
            let services = by_base
                .into_iter()
                .filter_map(|at| node.services.get(at).copied());
            Node {
                services: services.collect(),
                children: node.children.into_boxed_slice(),
                spellings: node.spellings.into_iter().map(Into::into).collect(),
            }
        });
        ServiceIndex {
            nodes: nodes.collect(),
            hosts: self.hosts.into_boxed_slice(),
            bases,
        }
    }

    fn collision(&mut self, service: usize, host: &str, base: &str, case: Case) -> Option<usize> {
        let written = self.written.get_or_insert(&at(host, base), service);
        let key = at(host, &base.to_ascii_lowercase());
        let lower = self.lower.get_or_insert(&key, service);
        let mut insensitive = case == Case::Insensitive;
        if insensitive {
            self.lower.put(&key, service);
        }
        if written != service {
            return Some(written);
        }
        let base = self.bases.get(lower);
        insensitive |= base.is_some_and(|base| base.case == Case::Insensitive);
        (insensitive && lower != service).then_some(lower)
    }

    fn insert(&mut self, service: usize, host: &str, base: &'a str, case: Case) {
        let next = self.nodes.len();
        let mut at = self.hosts.get_or_insert(host.as_bytes(), next);
        if at == next {
            new_node(&mut self.nodes);
        }
        for segment in base.split('/').skip(1) {
            let next = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else {
                return;
            };
            at = node.children.get_or_insert(&fold::key(segment), next);
            if at == next {
                new_node(&mut self.nodes);
            }
            if let (Case::Sensitive, Some(child)) = (case, self.nodes.get_mut(at)) {
                order::insert(&mut child.spellings, segment);
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.services.push(service);
        }
    }
}

/// A base path at a host, as a key: no host has a zero byte.
fn at(host: &str, base: &str) -> Vec<u8> {
    [host, "\0", base].concat().into_bytes()
}

fn new_node(nodes: &mut Vec<NodeBuilder<'_>>) {
    nodes.push(NodeBuilder::default());
}
