//! What a scenario says, as the library takes it: a host, requests, faults.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::format::{
    Bytes, Capability, ClientRequest, FaultEffect, FaultSpec, PluginSpec, Property, RoutePath,
    RouteSpec, RouteTarget, Setup,
};
use super::grpc::{GrpcPeer, GrpcSeen};
use super::load::Scenario;
use super::upstream::{Peer, callout_reply};
use crate::callout::Callout;
use crate::fault::Fault;
use crate::grpc::GrpcReply;
use crate::host::Host;
use crate::module::Module;
use crate::plugin::Plugin;
use crate::request::Request;
use crate::routes::Route;

/// What the peers of a scenario were asked.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) callouts: Arc<Mutex<Vec<Callout>>>,
    pub(super) grpc: Arc<Mutex<Vec<GrpcSeen>>>,
}

/// Clusters by name. The filter's calls and routes ask the same rules.
pub(super) type Clusters = BTreeMap<String, Arc<Mutex<Peer>>>;

/// The clusters of a scenario.
pub(super) fn clusters(scenario: &Scenario) -> Clusters {
    let clusters = scenario.clusters.iter();
    clusters
        .map(|(name, rules)| (name.clone(), Arc::new(Mutex::new(Peer::new(rules)))))
        .collect()
}

/// The host of a scenario, without its plugins.
pub(super) fn build(
    scenario: &Scenario,
    module: &Module,
    seed: u64,
    trace: bool,
    clusters: &Clusters,
    asked: &Asked,
) -> Host {
    let Setup {
        module: _,
        profile: _,
        abi_lenient: _,
        configuration: _,
        vm_configuration,
        environment,
        vm_id,
        root_id,
        plugin_name,
        workers,
        main_thread_vm,
        drain_time,
        failure_policy,
        reload_backoff,
        allow_on_headers_stop_iteration,
        trailers,
        upgrade_types,
        envoy_headers,
        canary,
        log_level,
        wall_clock,
        seed: _,
        buffer_limit,
        properties,
        foreign_functions,
        dns,
        capabilities,
        allow,
        diagnose,
        hostile_bytes: _,
        fuel_per_callback,
        memory_limit,
    } = scenario.setup.clone();
    let mut builder = Host::builder(module)
        .manual_upstream()
        .seed(seed)
        .trace(trace);
    macro_rules! set {
        ($($said:expr => $method:ident $(($value:ident => $given:expr))?;)*) => {
            $(if let Some(value) = $said {
                $(let $value = value; let value = $given;)?
                builder = builder.$method(value);
            })*
        };
    }
    set! {
        vm_configuration => vm_configuration;
        vm_id => vm_id;
        root_id => root_id;
        plugin_name => plugin_name;
        workers => workers (workers => workers.get());
        main_thread_vm => main_thread_vm;
        drain_time => drain_time (span => span.0);
        failure_policy => failure_policy (policy => policy.into());
        reload_backoff => reload_backoff (span => span.0);
        allow_on_headers_stop_iteration => allow_on_headers_stop_iteration;
        trailers => trailers;
        upgrade_types => upgrade_types;
        envoy_headers => envoy_headers;
        canary => canary;
        log_level => log_level (level => level.into());
        wall_clock => wall_clock (instant => instant.nanoseconds());
        buffer_limit => buffer_limit;
        diagnose => diagnose;
        fuel_per_callback => fuel_per_callback;
        memory_limit => memory_limit;
    }
    for (key, value) in environment {
        builder = builder.environment(key, value);
    }
    for (path, property) in properties {
        builder = match property {
            Property::Value(value) => builder.property(&path, value),
            Property::Absent => builder.without_property(&path),
        };
    }
    for (name, function) in foreign_functions {
        let answer = match (function.status, function.result) {
            (Some(status), _) => Err(status),
            (None, result) => Ok(result.unwrap_or_default().as_slice().to_vec()),
        };
        builder = builder.foreign_function(name, move |_argument| answer.clone());
    }
    for (name, answer) in &dns {
        builder = builder.dns(name, answer.into());
    }
    for Capability(name) in capabilities.into_iter().flatten() {
        builder = builder.capability(name);
    }
    for allowed in allow {
        builder = builder.allow(allowed.0);
    }
    for route in &scenario.routes {
        builder = builder.route(route.into());
    }
    for (name, peer) in clusters {
        let (peer, calls) = (Arc::clone(peer), Arc::clone(&asked.callouts));
        let scripted = move |callout: &Callout| {
            let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.push(callout.clone());
            let mut peer = peer.lock().unwrap_or_else(PoisonError::into_inner);
            callout_reply(&mut peer, callout)
        };
        builder = builder
            .cluster(name, scripted)
            .manual_upstream_cluster(name);
    }
    for (name, rules) in &scenario.grpc {
        let mut peer = GrpcPeer::new(rules);
        let seen = Arc::clone(&asked.grpc);
        let cluster = name.clone();
        builder = builder.grpc_service(name, move |event| {
            let Some(event) = GrpcSeen::of(&cluster, event) else {
                return GrpcReply::new();
            };
            let reply = peer.answer(&event);
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(event);
            reply
        });
    }
    builder.build()
}

/// The plugins of a scenario, in the order of the chain, each with its module.
pub(super) fn plugins(scenario: &Scenario, host: &Host, modules: &[Module]) -> Vec<Plugin> {
    let setup = &scenario.setup;
    let configured = |module: &Module, configuration: Option<&Bytes>| {
        let plugin = Plugin {
            module: module.clone(),
            ..host.template.clone()
        };
        plugin.configuration(configuration.map_or(&[][..], Bytes::as_slice))
    };
    if scenario.plugins.is_empty() {
        let module = modules.first().into_iter();
        return module
            .map(|module| configured(module, setup.configuration.as_ref()))
            .collect();
    }
    let plugins = scenario.plugins.iter().zip(modules);
    plugins
        .map(|(spec, module)| {
            let configuration = spec.configuration.as_ref().or(setup.configuration.as_ref());
            spec.over(configured(module, configuration))
        })
        .collect()
}

impl PluginSpec {
    /// What it says, and where it says nothing what `plugin` is.
    fn over(&self, mut plugin: Plugin) -> Plugin {
        let Self {
            name,
            module: _,
            configuration: _,
            vm_configuration,
            environment,
            capabilities,
            vm_id,
            root_id,
            failure_policy,
            reload_backoff,
            allow_on_headers_stop_iteration,
        } = self;
        plugin = plugin.name(name);
        if let Some(configuration) = vm_configuration {
            plugin = plugin.vm_configuration(configuration);
        }
        for (key, value) in environment {
            plugin = plugin.environment(key, value);
        }
        if let Some(capabilities) = capabilities {
            plugin.vm.capabilities.clear();
            for Capability(name) in capabilities {
                plugin = plugin.capability(name);
            }
        }
        if let Some(vm_id) = vm_id {
            plugin = plugin.vm_id(vm_id);
        }
        if let Some(root_id) = root_id {
            plugin = plugin.root_id(root_id);
        }
        if let Some(policy) = failure_policy {
            plugin = plugin.failure_policy((*policy).into());
        }
        if let Some(backoff) = reload_backoff {
            plugin = plugin.reload_backoff(backoff.0);
        }
        if let Some(allowed) = allow_on_headers_stop_iteration {
            plugin = plugin.allow_on_headers_stop_iteration(*allowed);
        }
        plugin
    }
}

impl From<&RouteSpec> for Route {
    fn from(spec: &RouteSpec) -> Self {
        let RouteSpec {
            path,
            headers,
            headers_present,
            target,
            follow_redirects,
            follow_to_other_schemes,
        } = spec;
        let mut route = match path {
            RoutePath::Exact(path) => Self::path(path),
            RoutePath::Prefix(prefix) => Self::prefix(prefix),
        };
        for (name, value) in headers {
            route = route.header(name, value);
        }
        for name in headers_present {
            route = route.header_present(name);
        }
        route = match target {
            RouteTarget::Upstream => route,
            RouteTarget::Cluster(cluster) => route.to(cluster),
            RouteTarget::Direct(direct) => route.direct_response(direct.status, &direct.body),
        };
        if let Some(times) = follow_redirects {
            route = route.follow_redirects_up_to(*times);
        }
        if *follow_to_other_schemes {
            route = route.follow_to_other_schemes();
        }
        route
    }
}

impl ClientRequest {
    /// The request as the client puts it on the wire.
    pub(super) fn wire(&self) -> Request {
        let method = self
            .method
            .as_ref()
            .map_or(&b"GET"[..], |method| method.as_slice());
        let path = self.path.as_ref().map_or(&b"/"[..], |path| path.as_slice());
        let mut request = Request::new(method, path);
        if let Some(authority) = &self.authority {
            request = request.authority(authority);
        }
        if self.without_authority {
            request = request.without_authority();
        }
        if self.without_path {
            request = request.without_path();
        }
        if let Some(scheme) = &self.scheme {
            request = request.scheme(scheme);
        }
        for (name, value) in self.headers.iter() {
            request = request.header(name, value);
        }
        if let Some(body) = &self.body {
            request = request.body(body);
        }
        for chunk in &self.chunks {
            request = request.chunk(chunk);
        }
        for (name, value) in self.trailers.iter() {
            request = request.trailer(name, value);
        }
        if !self.end {
            request = request.unfinished();
        }
        if self.http2 {
            request = request.http2();
        }
        for (path, property) in &self.properties {
            request = match property {
                Property::Value(value) => request.property(path, value.clone()),
                Property::Absent => request.without_property(path),
            };
        }
        if let Some(worker) = self.worker {
            request = request.on_worker(worker);
        }
        if let Some(source) = self.source {
            request = request.from_address(source);
        }
        request
    }
}

impl From<&FaultSpec> for Fault {
    fn from(spec: &FaultSpec) -> Self {
        let mut fault = match &spec.effect {
            FaultEffect::Status(status) => Self::status(&spec.function, *status),
            FaultEffect::Bytes(bytes) => Self::bytes(&spec.function, bytes),
        };
        if let Some(call) = spec.call {
            fault = fault.on_call(call);
        }
        if let Some(callback) = &spec.callback {
            fault = fault.in_callback(callback);
        }
        fault
    }
}
