//! What a scenario says, as the library takes it: a host, requests, faults.

use std::sync::{Arc, Mutex, PoisonError};

use super::format::{ClientRequest, FaultEffect, FaultSpec, Property, Setup};
use super::grpc::{GrpcPeer, GrpcSeen};
use super::load::Scenario;
use super::upstream::{Peer, callout_reply};
use crate::callout::Callout;
use crate::fault::Fault;
use crate::grpc::GrpcReply;
use crate::host::Host;
use crate::module::Module;
use crate::request::Request;

/// The host of a scenario, without its configuration. Its clusters note in `callouts` what they are asked, and its gRPC services in
/// `grpc` what reaches them.
pub(super) fn build(
    scenario: &Scenario,
    module: &Module,
    seed: u64,
    trace: bool,
    callouts: &Arc<Mutex<Vec<Callout>>>,
    grpc: &Arc<Mutex<Vec<GrpcSeen>>>,
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
        allow,
        diagnose,
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
    for allowed in allow {
        builder = builder.allow(allowed.0);
    }
    for (name, rules) in &scenario.clusters {
        let mut peer = Peer::new(rules);
        let calls = Arc::clone(callouts);
        builder = builder.cluster(name, move |callout| {
            let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.push(callout.clone());
            callout_reply(&mut peer, callout)
        });
    }
    for (name, rules) in &scenario.grpc {
        let mut peer = GrpcPeer::new(rules);
        let seen = Arc::clone(grpc);
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
