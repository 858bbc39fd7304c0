//! Comparing what reached gRPC services.

use toml_edit::Value;

use super::super::bless::literal;
use super::super::format::{Expect, GrpcExpect, GrpcMoment, HeaderExpect, Number, Text};
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
                expected
                    .iter()
                    .all(GrpcExpect::is_exact)
                    .then(|| literal::list(seen.iter().map(event_literal))),
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

impl GrpcExpect {
    /// Whether it has no pattern, which would be its author's.
    fn is_exact(&self) -> bool {
        let Self {
            cluster,
            on: _,
            service,
            method,
            message,
            initial_metadata,
            timeout_ms,
        } = self;
        let texts = [cluster, service, method, message].into_iter().flatten();
        let metadata = initial_metadata.iter().flat_map(HeaderExpect::texts);
        texts.chain(metadata).all(Text::is_exact)
            && timeout_ms.is_none_or(|timeout| matches!(timeout, Number::Exact(_)))
    }
}

fn event_literal(seen: &GrpcSeen) -> Value {
    let text = |key: &str, text: &str| (key.to_owned(), literal::string(text));
    let mut members = vec![
        text("cluster", &seen.cluster),
        text("on", seen.on.name()),
        text("service", &seen.call.service),
        text("method", &seen.call.method),
    ];
    if let Some(message) = &seen.message {
        members.push(("message".to_owned(), literal::bytes(message)));
    }
    literal::table(members)
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
