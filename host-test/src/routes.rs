//! Routes: where requests go that the filters let through.

use std::collections::BTreeSet;

use crate::headers::HeaderMap;

/// Envoy's default for `max_internal_redirects`.
const MAX_REDIRECTS: u32 = 1;

/// A route, as in Envoy's `route_config`. The first one that matches is taken, when the request has passed all filters: one that
/// looks at a header sees what a filter has written.
///
/// ```
/// use postern_host::{Host, Module, Reply, Request, Route};
///
/// # let module = Module::compile(r#"(module
/// #     (memory (export "memory") 1)
/// #     (func (export "proxy_abi_version_0_2_1"))
/// #     (func (export "malloc") (param i32) (result i32) (i32.const 1024)))"#)?;
/// let mut host = Host::builder(&module)
///     .route(Route::path("/healthz").direct_response(200, "fine"))
///     .route(Route::prefix("/orders/").header("x-version", "2").to("orders-v2"))
///     .route(Route::prefix("/orders/").to("orders"))
///     .upstream_cluster("orders", |_request| Reply::ok().body("one"))
///     .upstream_cluster("orders-v2", |_request| Reply::ok().body("two"))
///     .build();
/// let plugin = host.add_plugin("")?;
/// assert_eq!(host.request(plugin, Request::get("/healthz")).body_text(), "fine");
/// assert_eq!(host.request(plugin, Request::get("/orders/7?full")).body_text(), "one");
/// assert_eq!(host.request(plugin, Request::get("/orders/7").header("x-version", "2")).body_text(), "two");
/// assert_eq!(host.request(plugin, Request::get("/")).status(), 404);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a route does nothing until a host has it"]
pub struct Route {
    path: PathMatch,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub(crate) target: Target,
    redirects: Option<Redirects>,
}

#[derive(Clone, Debug)]
enum PathMatch {
    Prefix(Vec<u8>),
    Exact(Vec<u8>),
}

/// Where a route leads.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The upstream that there is without clusters.
    Upstream,
    Cluster(String),
    Direct {
        status: u16,
        body: String,
    },
}

/// Envoy's `internal_redirect_policy`.
#[derive(Clone, Copy, Debug)]
struct Redirects {
    max: u32,
    other_scheme: bool,
}

impl Route {
    /// A route for paths that begin with this; the query does not count. It leads to the host's upstream, unless
    /// [`to`](Self::to) or [`direct_response`](Self::direct_response) says otherwise.
    pub fn prefix(prefix: impl AsRef<[u8]>) -> Self {
        Self::new(PathMatch::Prefix(prefix.as_ref().to_vec()))
    }

    /// A route for exactly this path; the query does not count.
    pub fn path(path: impl AsRef<[u8]>) -> Self {
        Self::new(PathMatch::Exact(path.as_ref().to_vec()))
    }

    fn new(path: PathMatch) -> Self {
        Self {
            path,
            headers: Vec::new(),
            target: Target::Upstream,
            redirects: None,
        }
    }

    /// Only for requests with this value of this header; several values count as one with commas.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let value = Some(value.as_ref().to_vec());
        self.headers.push((name.as_ref().to_vec(), value));
        self
    }

    /// Only for requests that have this header.
    pub fn header_present(mut self, name: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.as_ref().to_vec(), None));
        self
    }

    /// Leads to a cluster; see [`HostBuilder::upstream_cluster`](crate::HostBuilder::upstream_cluster). One that there is not
    /// gets a 503.
    pub fn to(mut self, cluster: impl Into<String>) -> Self {
        self.target = Target::Cluster(cluster.into());
        self
    }

    /// The host answers itself, when the request has passed the filters.
    pub fn direct_response(mut self, status: u16, body: impl Into<String>) -> Self {
        let body = body.into();
        self.target = Target::Direct { status, body };
        self
    }

    /// The host follows a 302 of the upstream itself, once: the request passes all filters again, with the headers as they
    /// have left them, and with the authority and path that the upstream chose (Envoy's `internal_redirect_policy`).
    pub fn follow_redirects(self) -> Self {
        self.follow_redirects_up_to(MAX_REDIRECTS)
    }

    /// The same, so many times.
    pub fn follow_redirects_up_to(mut self, max: u32) -> Self {
        let other_scheme = self
            .redirects
            .is_some_and(|redirects| redirects.other_scheme);
        self.redirects = Some(Redirects { max, other_scheme });
        self
    }

    /// Redirects to another scheme are followed too (Envoy's `allow_cross_scheme_redirect`).
    pub fn follow_to_other_schemes(mut self) -> Self {
        let max = self
            .redirects
            .map_or(MAX_REDIRECTS, |redirects| redirects.max);
        self.redirects = Some(Redirects {
            max,
            other_scheme: true,
        });
        self
    }

    fn matches(&self, headers: &HeaderMap) -> bool {
        let path = headers.get(":path").unwrap_or_default();
        let end = path.iter().position(|byte| matches!(byte, b'?' | b'#'));
        let path = &path[..end.unwrap_or(path.len())];
        let path_matches = match &self.path {
            PathMatch::Prefix(prefix) => path.starts_with(prefix),
            PathMatch::Exact(exact) => path == exact,
        };
        path_matches
            && self.headers.iter().all(|(name, wanted)| {
                let values = headers.all(name);
                match wanted {
                    None => !values.is_empty(),
                    Some(wanted) => !values.is_empty() && values.join(&b","[..]) == *wanted,
                }
            })
    }

    /// The request that a redirect of the upstream makes of this one, if it is followed: Envoy's
    /// `convertRequestHeadersForInternalRedirect`.
    pub(crate) fn redirected(
        &self,
        request: &HeaderMap,
        location: &[u8],
        followed: u32,
    ) -> Option<HeaderMap> {
        let redirects = self.redirects?;
        let location = str::from_utf8(location).ok()?;
        let (scheme, rest) = location.split_once("://")?;
        let old_scheme = request.text(":scheme").unwrap_or_default();
        let allowed = matches!(scheme, "http" | "https")
            && (redirects.other_scheme || scheme == old_scheme)
            && followed < redirects.max;
        if !allowed {
            return None;
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let path = match target.split('#').next().unwrap_or_default() {
            "" => "/".to_owned(),
            query if query.starts_with('?') => format!("/{query}"),
            path => path.to_owned(),
        };
        let original = format!(
            "{old_scheme}://{}{}",
            request.text(":authority").unwrap_or_default(),
            request.text(":path").unwrap_or_default()
        );
        let mut headers = request.clone();
        headers.set(":authority", authority);
        headers.set(":path", path);
        headers.set(":scheme", scheme);
        headers.set("x-envoy-original-url", original);
        Some(headers)
    }
}

/// All routes of a host.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    pub(crate) list: Vec<Route>,
    /// The clusters that routes can lead to.
    pub(crate) clusters: BTreeSet<String>,
    /// The route that there is without any.
    everything: Route,
}

impl Default for Routes {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            clusters: BTreeSet::new(),
            everything: Route::prefix("/"),
        }
    }
}

impl Routes {
    /// The route of a request. Where no routes are given, there is one for every path. CONNECT has none, and no route leads from
    /// there: Envoy's match it only where they are told to.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Option<&Route> {
        if !headers.contains(":path") {
            return None;
        }
        if self.list.is_empty() {
            return Some(&self.everything).filter(|route| route.matches(headers));
        }
        self.list.iter().find(|route| route.matches(headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> HeaderMap {
        [
            (":scheme", "http"),
            (":authority", "h:81"),
            (":path", path),
            ("x-a", "1"),
            ("x-a", "2"),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn a_route_matches_by_path_without_query_and_by_headers() {
        let matches = |route: Route, path| route.matches(&request(path));
        assert!(matches(Route::path("/a"), "/a?b"));
        assert!(!matches(Route::path("/a"), "/a/"));
        assert!(matches(Route::prefix("/a"), "/ab"));
        assert!(!matches(Route::prefix("/a?"), "/a?b"));
        assert!(matches(Route::prefix("/").header("X-A", "1,2"), "/"));
        assert!(!matches(Route::prefix("/").header("x-a", "1"), "/"));
        assert!(matches(Route::prefix("/").header_present("x-a"), "/"));
        assert!(!matches(Route::prefix("/").header_present("x-b"), "/"));
    }

    #[test]
    fn only_an_absolute_redirect_to_the_same_scheme_is_followed() {
        let route = Route::prefix("/").follow_redirects();
        let to = |location: &str, followed| {
            let headers = route.redirected(&request("/old?q"), location.as_bytes(), followed)?;
            Some((headers.text(":authority")?, headers.text(":path")?))
        };
        let some = |authority: &str, path: &str| Some((authority.to_owned(), path.to_owned()));
        assert_eq!(to("http://other/new?x=1#f", 0), some("other", "/new?x=1"));
        assert_eq!(to("http://other", 0), some("other", "/"));
        assert_eq!(to("http://other?x", 0), some("other", "/?x"));
        assert_eq!(to("/new", 0), None);
        assert_eq!(to("https://other/new", 0), None);
        assert_eq!(to("http://other/new", 1), None);
        let route = route.follow_to_other_schemes();
        let headers = route.redirected(&request("/old?q"), b"https://other/new", 0);
        let headers = headers.expect("followed");
        assert_eq!(headers.text(":scheme").as_deref(), Some("https"));
        let original = headers.text("x-envoy-original-url");
        assert_eq!(original.as_deref(), Some("http://h:81/old?q"));
        let without = Route::prefix("/");
        assert!(without.redirected(&request("/"), b"http://o/", 0).is_none());
    }
}
