//! Comparing what reached gRPC services.

use super::super::format::{Expect, GrpcExpect, GrpcMoment};
use super::super::grpc::GrpcSeen;
use super::super::observed::Observed;
use super::{Checker, Mark};

impl Checker {
    /// All of it in its order.
    pub(super) fn grpc(&mut self, expect: &Expect, observed: &Observed) {
        let Some(expected) = &expect.grpc else { return };
        let seen = &observed.grpc;
        if expected.len() != seen.len() {
            let shown = seen
                .iter()
                .map(|seen| (Mark::Observed, shown(seen)))
                .collect();
            let count = |count| format!("{count} events");
            self.differ_with(
                "grpc",
                count(expected.len()),
                count(seen.len()),
                shown,
                None,
            );
            return;
        }
        for (index, (expect, seen)) in expected.iter().zip(seen).enumerate() {
            self.in_list("grpc", index, |checker| checker.grpc_event(expect, seen));
        }
    }

    fn grpc_event(&mut self, expect: &GrpcExpect, seen: &GrpcSeen) {
        let GrpcExpect {
            cluster,
            on,
            service,
            method,
            message,
            initial_metadata,
            timeout_ms,
        } = expect;
        self.text("cluster", cluster.as_ref(), Some(seen.cluster.as_bytes()));
        self.word("on", on.map(GrpcMoment::name), seen.on.name());
        let call = &seen.call;
        self.text("service", service.as_ref(), Some(call.service.as_bytes()));
        self.text("method", method.as_ref(), Some(call.method.as_bytes()));
        self.text("message", message.as_ref(), seen.message.as_deref());
        self.headers(
            "initial_metadata",
            initial_metadata.as_ref(),
            Some(&call.initial_metadata),
        );
        let timeout = i64::try_from(call.timeout.as_millis()).unwrap_or(i64::MAX);
        self.number("timeout_ms", *timeout_ms, Some(timeout));
    }
}

fn shown(seen: &GrpcSeen) -> String {
    let call = &seen.call;
    format!(
        "{}: {} {}/{}",
        seen.cluster,
        seen.on.name(),
        call.service,
        call.method
    )
}

impl GrpcMoment {
    fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Open => "open",
            Self::Message => "message",
            Self::Close => "close",
        }
    }
}
