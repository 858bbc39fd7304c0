//! Which method of a service a path belongs to: one trie of patterns per service, all in one arena.

use super::fault::{Place, RouteFault, RouteRule};
use super::pattern::Segment;
use super::steps::step;
use crate::canonical::{Segments, fold};
use crate::order;
use crate::places::Places;
use crate::policy::document::Case;

/// Methods by service and path.
#[derive(Debug, Default)]
pub(super) struct MethodIndex {
    /// By service.
    services: Box<[Root]>,
    nodes: Box<[Node]>,
}

#[derive(Clone, Copy, Debug)]
struct Root {
    node: usize,
    case: Case,
}

#[derive(Debug)]
struct Node {
    /// Sorted by folded text, then by text; in an insensitive service the text is in lower case.
    literals: Box<[(Box<str>, usize)]>,
    parameter: Option<usize>,
    /// The methods of the path that ends here.
    here: Box<[HttpRoute]>,
    /// The methods of the paths that go on from here in any way.
    rest: Box<[HttpRoute]>,
}

/// An HTTP method and the service's method that it leads to; a node has them sorted by the former.
#[derive(Clone, Copy, Debug)]
struct HttpRoute {
    /// The HTTP method's place in [`HttpNames`].
    http: usize,
    method: usize,
}

/// The methods that the most specific pattern matching a path has.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathRoutes<'t>(&'t [HttpRoute]);

impl PathRoutes<'_> {
    /// The method for the HTTP method at `http` of [`HttpNames`].
    pub(super) fn method(self, http: usize) -> Option<usize> {
        let found = self.0.binary_search_by(|route| {
            step();
            route.http.cmp(&http)
        });
        self.0.get(found.ok()?).map(|route| route.method)
    }
}

/// A segment folds like a literal that was met on the way, without being it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct AmbiguousSegment;

enum Literal {
    Exact(usize),
    Near,
    None,
}

impl MethodIndex {
    /// The methods of the most specific pattern of `service` that matches `path`, if any does.
    pub(super) fn find(
        &self,
        service: usize,
        path: Segments<'_>,
    ) -> Result<Option<PathRoutes<'_>>, AmbiguousSegment> {
        self.services
            .get(service)
            .map_or(Ok(None), |root| self.walk(root.node, root.case, path))
    }

    /// A node lies at one depth, so it can be visited once only: what a request costs at most is in the policy, not in
    /// the request. No deeper than [`crate::canonical::CanonicalPath::MAX_SEGMENTS`].
    fn walk(
        &self,
        node: usize,
        case: Case,
        mut path: Segments<'_>,
    ) -> Result<Option<PathRoutes<'_>>, AmbiguousSegment> {
        step();
        let Some(node) = self.nodes.get(node) else {
            return Ok(None);
        };
        let Some(segment) = path.next() else {
            return Ok(PathRoutes::of(&node.here));
        };
        match node.literal(segment, case) {
            Literal::Exact(child) => {
                if let Some(found) = self.walk(child, case, path.clone())? {
                    return Ok(Some(found));
                }
            }
            Literal::Near => return Err(AmbiguousSegment),
            Literal::None => {}
        }
        if let Some(child) = node.parameter
            && let Some(found) = self.walk(child, case, path)?
        {
            return Ok(Some(found));
        }
        Ok(PathRoutes::of(&node.rest))
    }
}

impl<'t> PathRoutes<'t> {
    fn of(routes: &'t [HttpRoute]) -> Option<Self> {
        (!routes.is_empty()).then_some(Self(routes))
    }
}

impl Node {
    fn literal(&self, segment: &str, case: Case) -> Literal {
        let found = self.literals.binary_search_by(|(text, _)| {
            step();
            fold::order(text, segment).then_with(|| match case {
                Case::Sensitive => (**text).cmp(segment),
                Case::Insensitive => fold::order_lower(text, segment),
            })
        });
        let at = match found {
            Ok(at) => {
                return self
                    .literals
                    .get(at)
                    .map_or(Literal::None, |(_, child)| Literal::Exact(*child));
            }
            Err(at) => at,
        };
        // All that fold like the segment stand together, so that one of them would be beside its place.
        let near = [at.checked_sub(1), Some(at)]
            .into_iter()
            .flatten()
            .filter_map(|at| self.literals.get(at))
            .any(|(text, _)| fold::order(text, segment).is_eq());
        if near { Literal::Near } else { Literal::None }
    }
}

/// Every HTTP method that a policy names, sorted.
#[derive(Debug, Default)]
pub(super) struct HttpNames(Box<[Box<str>]>);

impl HttpNames {
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut known = Vec::new();
        for name in names {
            order::insert(&mut known, name);
        }
        Self(known.into_iter().map(Into::into).collect())
    }

    /// The place of `name`, by which routes know it.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.0
            .binary_search_by(|known| {
                step();
                (**known).cmp(name)
            })
            .ok()
    }
}

/// Takes services and their methods one by one and makes a [`MethodIndex`] of them.
#[derive(Default)]
pub(super) struct MethodIndexBuilder {
    services: Vec<Root>,
    nodes: Vec<NodeBuilder>,
    /// The nodes that literals lead to, by the node before, as eight bytes, and the text.
    literals: Places,
}

#[derive(Default)]
struct NodeBuilder {
    /// In lower case in an insensitive service.
    literals: Vec<(Box<str>, usize)>,
    parameter: Option<usize>,
    /// Ascending by HTTP method, as [`Self::rest`].
    here: Vec<HttpRoute>,
    rest: Vec<HttpRoute>,
}

impl MethodIndexBuilder {
    /// Begins the next service.
    pub(super) fn add_service(&mut self, case: Case) {
        let node = self.new_node();
        self.services.push(Root { node, case });
    }

    /// Adds a method of the last service. The fault, if there is one, is at the method's `path`.
    pub(super) fn add_method<'a>(
        &mut self,
        method: usize,
        pattern: &[Segment<'_>],
        http: impl Iterator<Item = (usize, &'a str)>,
    ) -> Option<RouteFault> {
        let Root { node, case } = *self.services.last()?;
        let service = self.services.len() - 1;
        let mut at = node;
        let mut rest = false;
        for segment in pattern {
            match segment {
                Segment::Literal(text) => at = self.literal(at, text, case)?,
                Segment::Parameter => at = self.parameter(at)?,
                Segment::Rest => rest = true,
            }
        }
        let node = self.nodes.get_mut(at)?;
        let routes = if rest { &mut node.rest } else { &mut node.here };
        let mut fault = None;
        for (id, name) in http {
            let first = match routes.binary_search_by(|route| route.http.cmp(&id)) {
                Ok(at) => routes.get(at).map_or(method, |route| route.method),
                Err(gap) => {
                    routes.insert(gap, HttpRoute { http: id, method });
                    method
                }
            };
            if first != method {
                fault.get_or_insert_with(|| {
                    RouteFault::new(
                        format!("{}.path", Place::Method(service, method)),
                        RouteRule::SamePaths {
                            other: Place::Method(service, first).to_string(),
                            http: name.to_owned(),
                        },
                    )
                });
            }
        }
        fault
    }

    pub(super) fn finish(self) -> MethodIndex {
        let nodes = self.nodes.into_iter().map(|node| {
            let text = |at: usize| node.literals.get(at).map_or("", |(text, _)| text);
            let folded = order::sorted(node.literals.len(), &|left, right| {
                let (left, right) = (text(left), text(right));
                fold::order(left, right).then_with(|| left.cmp(right))
            });
            let literals = folded
                .into_iter()
                .filter_map(|at| node.literals.get(at).cloned());
            Node {
                literals: literals.collect(),
                parameter: node.parameter,
                here: node.here.into_boxed_slice(),
                rest: node.rest.into_boxed_slice(),
            }
        });
        MethodIndex {
            nodes: nodes.collect(),
            services: self.services.into_boxed_slice(),
        }
    }

    fn literal(&mut self, at: usize, text: &str, case: Case) -> Option<usize> {
        let text: Box<str> = match case {
            Case::Sensitive => text.into(),
            Case::Insensitive => text.to_ascii_lowercase().into(),
        };
        let next = self.nodes.len();
        let key = [&(at as u64).to_be_bytes(), text.as_bytes()].concat();
        let child = self.literals.get_or_insert(&key, next);
        if child == next {
            self.nodes.get_mut(at)?.literals.push((text, child));
            self.new_node();
        }
        Some(child)
    }

    fn parameter(&mut self, at: usize) -> Option<usize> {
        let next = self.nodes.len();
        let child = *self.nodes.get_mut(at)?.parameter.get_or_insert(next);
        if child == next {
            self.new_node();
        }
        Some(child)
    }

    fn new_node(&mut self) -> usize {
        self.nodes.push(NodeBuilder::default());
        self.nodes.len() - 1
    }
}
