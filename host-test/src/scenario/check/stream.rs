//! Comparing what the client, the upstream and the clusters got.

use std::collections::BTreeMap;

use toml_edit::Value;

use super::super::bless::literal;
use super::super::format::{
    Answerer, CalloutExpect, Expect, HeaderExpect, LocalResponseExpect, Number, State, Text,
    UpstreamExpect,
};
use super::super::observed::{Observed, StreamSeen};
use super::{Checker, headers};
use crate::callout::Callout;
use crate::exchange::AnsweredBy;
use crate::host::StreamState;

impl Checker {
    pub(super) fn stream(&mut self, expect: &Expect, observed: &Observed) {
        let seen = observed.stream.as_ref();
        let exchange = seen.map(|seen| &seen.exchange);
        let response = exchange.and_then(|exchange| exchange.response.as_ref());
        let status = response.map(|response| i64::from(response.status));
        self.number("status", expect.status, status);
        self.word(
            "answered_by",
            expect.answered_by.map(Answerer::name),
            exchange.map_or("nobody", |exchange| answerer(exchange.answered_by)),
        );
        self.word(
            "state",
            expect.state.map(State::name),
            seen.map_or("no stream", |seen| state(&seen.state)),
        );
        let details = exchange.map(|exchange| exchange.details.as_bytes());
        self.text("details", expect.details.as_ref(), details);
        let headers = response.map(|response| &response.headers);
        self.headers("headers", expect.headers.as_ref(), headers);
        self.headers_in_order(
            "headers_in_order",
            expect.headers_in_order.as_ref(),
            headers,
        );
        let body = response.map(|response| response.body.as_slice());
        self.text("body", expect.body.as_ref(), body);
        let trailers = response.map(|response| &response.trailers);
        self.headers("trailers", expect.trailers.as_ref(), trailers);
        let metadata = response.map(|response| response.metadata.as_slice());
        self.metadata(expect.metadata.as_deref(), metadata);
        let complete = response.is_some_and(|response| response.complete);
        self.flag("complete", expect.complete, complete);
        if let Some(upstream) = &expect.upstream {
            self.at("upstream", |checker| checker.upstream(upstream, seen));
        }
        if let Some(local) = &expect.local_response {
            self.at("local_response", |checker| {
                checker.local_response(local, seen);
            });
        }
        let state = exchange.map(|exchange| &exchange.filter_state);
        let value = |name: &str| state?.get(name).cloned();
        let all = || {
            let all = state.into_iter().flatten();
            all.map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        };
        self.table("filter_state", expect.filter_state.as_ref(), value, all);
    }

    fn upstream(&mut self, expect: &UpstreamExpect, seen: Option<&StreamSeen>) {
        let UpstreamExpect {
            reached,
            cluster,
            redirects,
            headers,
            headers_in_order,
            body,
            trailers,
            metadata,
            complete,
        } = expect;
        let redirected = seen.map_or(0, |seen| seen.exchange.redirected.len());
        let redirected = i64::try_from(redirected).unwrap_or(i64::MAX);
        let got = seen.and_then(|seen| seen.exchange.upstream.as_ref());
        if expect.says_nothing() {
            match got {
                Some(got) => {
                    self.fill("headers", headers::table(&got.headers));
                    if !got.body.is_empty() {
                        self.fill("body", literal::bytes(&got.body));
                    }
                }
                None => self.fill("reached", literal::flag(false)),
            }
            return;
        }
        if got.is_none() && reached.is_none() {
            for (key, table) in [("headers", headers), ("trailers", trailers)] {
                if table.as_ref().is_some_and(HeaderExpect::is_empty) {
                    self.empty(key, None);
                }
            }
            self.flag("reached", Some(true), false);
            return;
        }
        self.flag("reached", *reached, got.is_some());
        let led_to = got
            .and_then(|got| got.cluster.as_deref())
            .map(str::as_bytes);
        self.text("cluster", cluster.as_ref(), led_to);
        self.number("redirects", *redirects, Some(redirected));
        self.headers("headers", headers.as_ref(), got.map(|got| &got.headers));
        self.headers_in_order(
            "headers_in_order",
            headers_in_order.as_ref(),
            got.map(|got| &got.headers),
        );
        self.text("body", body.as_ref(), got.map(|got| got.body.as_slice()));
        self.headers("trailers", trailers.as_ref(), got.map(|got| &got.trailers));
        let frames = got.map(|got| got.metadata.as_slice());
        self.metadata(metadata.as_deref(), frames);
        self.flag("complete", *complete, got.is_some_and(|got| got.complete));
    }

    /// All frames in their order.
    fn metadata(
        &mut self,
        expected: Option<&[BTreeMap<String, Text>]>,
        observed: Option<&[BTreeMap<Vec<u8>, Vec<u8>>]>,
    ) {
        let Some(expected) = expected else { return };
        let observed = observed.unwrap_or_default();
        if expected.len() != observed.len() {
            let count = |count| format!("{count} frames");
            let exact = expected
                .iter()
                .flat_map(BTreeMap::values)
                .all(Text::is_exact);
            let fix = exact.then(|| literal::list(observed.iter().map(frame_literal)));
            let (expected, observed) = (count(expected.len()), count(observed.len()));
            self.differ_with("metadata", expected, observed, Vec::new(), fix);
            return;
        }
        for (index, (expected, frame)) in expected.iter().zip(observed).enumerate() {
            self.in_list("metadata", index, |checker| {
                for (name, text) in expected {
                    let value = frame.get(name.as_bytes()).map(Vec::as_slice);
                    checker.text(name, Some(text), value);
                }
            });
        }
    }

    fn local_response(&mut self, expect: &LocalResponseExpect, seen: Option<&StreamSeen>) {
        let LocalResponseExpect {
            sent,
            status,
            details,
            body,
            headers,
            grpc_status,
        } = expect;
        let got = seen.and_then(|seen| seen.exchange.local_response.as_ref());
        let Some(got) = got else {
            if expect.says_nothing() {
                self.fill("sent", literal::flag(false));
            } else {
                self.flag("sent", sent.or(Some(true)), false);
            }
            return;
        };
        if expect.says_nothing() {
            self.fill("status", literal::number(i64::from(got.status)));
            self.fill("details", literal::string(&got.details));
            self.fill("body", literal::bytes(&got.body));
        }
        self.flag("sent", *sent, true);
        self.number("status", *status, Some(i64::from(got.status)));
        self.text("details", details.as_ref(), Some(got.details.as_bytes()));
        self.text("body", body.as_ref(), Some(&got.body));
        self.headers("headers", headers.as_ref(), Some(&got.headers));
        self.number(
            "grpc_status",
            *grpc_status,
            Some(i64::from(got.grpc_status)),
        );
    }

    /// All calls in their order.
    pub(super) fn callouts(&mut self, expect: &Expect, observed: &Observed) {
        let Some(expected) = &expect.callouts else {
            return;
        };
        let calls = &observed.callouts;
        if expected.len() != calls.len() {
            let shown = calls
                .iter()
                .map(|call| (super::Mark::Observed, shown(call)))
                .collect();
            let count = |count| format!("{count} calls");
            let fix = expected
                .iter()
                .all(CalloutExpect::is_exact)
                .then(|| literal::list(calls.iter().map(callout_literal)));
            self.differ_with(
                "callouts",
                count(expected.len()),
                count(calls.len()),
                shown,
                fix,
            );
            return;
        }
        for (index, (expect, call)) in expected.iter().zip(calls).enumerate() {
            self.in_list("callouts", index, |checker| checker.callout(expect, call));
        }
    }

    fn callout(&mut self, expect: &CalloutExpect, call: &Callout) {
        let CalloutExpect {
            cluster,
            headers,
            body,
            trailers,
            timeout_ms,
        } = expect;
        self.text("cluster", cluster.as_ref(), Some(call.cluster.as_bytes()));
        self.headers("headers", headers.as_ref(), Some(&call.headers));
        self.text("body", body.as_ref(), Some(&call.body));
        self.headers("trailers", trailers.as_ref(), Some(&call.trailers));
        let timeout = i64::try_from(call.timeout.as_millis()).unwrap_or(i64::MAX);
        self.number("timeout_ms", *timeout_ms, Some(timeout));
    }

    /// Everything about a stream for an expectation that is to be filled in.
    pub(super) fn fill_stream(&mut self, seen: &StreamSeen) {
        let exchange = &seen.exchange;
        match &exchange.response {
            Some(response) => {
                self.fill("status", literal::number(i64::from(response.status)));
                if !response.headers.is_empty() {
                    self.fill("headers", headers::table(&response.headers));
                }
                if !response.body.is_empty() {
                    self.fill("body", literal::bytes(&response.body));
                }
            }
            None => self.fill("state", literal::string(state(&seen.state))),
        }
        self.at("upstream", |checker| {
            checker.upstream(&UpstreamExpect::default(), Some(seen));
        });
    }
}

fn shown(call: &Callout) -> String {
    let header = |name: &str| call.headers.text(name).unwrap_or_default();
    format!(
        "{}: {} {}{}",
        call.cluster,
        header(":method"),
        header(":authority"),
        header(":path")
    )
}

impl CalloutExpect {
    /// Whether it has no pattern, which would be its author's.
    fn is_exact(&self) -> bool {
        let Self {
            cluster,
            headers,
            body,
            trailers,
            timeout_ms,
        } = self;
        let texts = [cluster, body].into_iter().flatten();
        let headers = [headers, trailers].into_iter().flatten();
        texts
            .chain(headers.flat_map(HeaderExpect::texts))
            .all(Text::is_exact)
            && timeout_ms.is_none_or(|timeout| matches!(timeout, Number::Exact(_)))
    }
}

fn callout_literal(call: &Callout) -> Value {
    let mut members = vec![
        ("cluster".to_owned(), literal::string(&call.cluster)),
        ("headers".to_owned(), headers::table(&call.headers)),
    ];
    if !call.body.is_empty() {
        members.push(("body".to_owned(), literal::bytes(&call.body)));
    }
    literal::table(members)
}

fn frame_literal(frame: &BTreeMap<Vec<u8>, Vec<u8>>) -> Value {
    literal::table(frame.iter().map(|(name, value)| {
        let name = String::from_utf8_lossy(name).into_owned();
        (name, literal::bytes(value))
    }))
}

fn answerer(by: AnsweredBy) -> &'static str {
    match by {
        AnsweredBy::Upstream => Answerer::Upstream,
        AnsweredBy::Filter => Answerer::Filter,
        AnsweredBy::Host => Answerer::Host,
        AnsweredBy::Nobody => Answerer::Nobody,
    }
    .name()
}

fn state(state: &StreamState) -> &'static str {
    match state {
        StreamState::Paused => State::Paused,
        StreamState::AwaitingUpstream(_) => State::AwaitingUpstream,
        StreamState::Upgraded(_) => State::Upgraded,
        StreamState::Finished => State::Finished,
    }
    .name()
}

impl Answerer {
    fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Filter => "filter",
            Self::Host => "host",
            Self::Nobody => "nobody",
        }
    }
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::AwaitingUpstream => "awaiting_upstream",
            Self::Upgraded => "upgraded",
            Self::Finished => "finished",
        }
    }
}
