//! Who answers: upstreams, and the clusters and services that guests call.

use crate::callout::{Callout, CalloutReply};
use crate::exchange::UpstreamRequest;
use crate::grpc::{GrpcEvent, GrpcReply};
use crate::request::Reply;
use crate::routes::Route;

use super::HostBuilder;

/// Who answers as a cluster.
pub(crate) enum Cluster {
    Scripted(Box<dyn FnMut(&Callout) -> CalloutReply + Send>),
    /// The caller, with `Host::call_replies`.
    Manual,
}

/// A function that answers as an upstream.
pub(crate) type Answering = Box<dyn FnMut(&UpstreamRequest) -> Reply + Send>;

/// Who answers as the upstream.
pub(crate) enum Upstream {
    Scripted(Answering),
    /// The caller, with `Host::upstream_replies`.
    Manual,
}

impl HostBuilder {
    /// Who answers requests that the filter lets through; without this, an upstream that says 200.
    pub fn upstream(
        mut self,
        upstream: impl FnMut(&UpstreamRequest) -> Reply + Send + 'static,
    ) -> Self {
        self.upstream = Upstream::Scripted(Box::new(upstream));
        self
    }

    /// One more route behind the others; see [`Route`]. Without any, everything leads to the upstream. Where there are some, a
    /// request that none matches gets a 404, when it has passed the filters.
    pub fn route(mut self, route: Route) -> Self {
        self.stream.routes.list.push(route);
        self
    }

    /// A cluster that [routes](Route::to) can lead to, and who answers there.
    pub fn upstream_cluster(
        mut self,
        name: impl Into<String>,
        upstream: impl FnMut(&UpstreamRequest) -> Reply + Send + 'static,
    ) -> Self {
        let name = name.into();
        self.stream.routes.clusters.insert(name.clone());
        self.upstream_clusters.insert(name, Box::new(upstream));
        self
    }

    /// A cluster that [routes](Route::to) can lead to; the caller answers there, with
    /// [`Host::upstream_replies`](crate::Host::upstream_replies), if it is the [upstream](Self::manual_upstream) too.
    pub fn manual_upstream_cluster(mut self, name: impl Into<String>) -> Self {
        self.stream.routes.clusters.insert(name.into());
        self
    }

    /// The caller answers, with [`Host::upstream_replies`](crate::Host::upstream_replies).
    pub fn manual_upstream(mut self) -> Self {
        self.upstream = Upstream::Manual;
        self
    }

    /// A cluster that guests can call with `proxy_http_call`, and what it answers.
    pub fn cluster(
        mut self,
        name: impl Into<String>,
        peer: impl FnMut(&Callout) -> CalloutReply + Send + 'static,
    ) -> Self {
        self.clusters
            .insert(name.into(), Cluster::Scripted(Box::new(peer)));
        self
    }

    /// A cluster that guests can call with `proxy_http_call`; the caller answers, with [`Host::take_calls`](crate::Host::take_calls) and
    /// [`Host::call_replies`](crate::Host::call_replies).
    pub fn manual_cluster(mut self, name: impl Into<String>) -> Self {
        self.clusters.insert(name.into(), Cluster::Manual);
        self
    }

    /// A cluster with a gRPC service that guests can call with `proxy_grpc_call` and `proxy_grpc_stream`. The peer is asked
    /// each time that something reaches it, and answers with what it sends then.
    ///
    /// ```
    /// # use postern_host::{GrpcEvent, GrpcReply, Host, Module};
    /// # fn example(module: &Module) {
    /// let host = Host::builder(module)
    ///     .grpc_service("authz", |event| match event {
    ///         GrpcEvent::Call(call, message) if call.method == "Check" => GrpcReply::ok(message),
    ///         GrpcEvent::Call(..) => GrpcReply::error(12, "no such method"),
    ///         GrpcEvent::Message(_, message) => GrpcReply::new().message(message),
    ///         GrpcEvent::HalfClosed(_) => GrpcReply::new().status(0, ""),
    ///         _ => GrpcReply::new(),
    ///     })
    ///     .build();
    /// # }
    /// ```
    pub fn grpc_service(
        mut self,
        cluster: impl Into<String>,
        peer: impl FnMut(&GrpcEvent<'_>) -> GrpcReply + Send + 'static,
    ) -> Self {
        let cluster = cluster.into();
        self.grpc_peers.insert(cluster, Box::new(peer));
        self
    }
}
