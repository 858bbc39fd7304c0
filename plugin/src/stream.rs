//! A stream: one request, decided once, at its headers.

use std::rc::Weak;

use postern_core::decision_id::DecisionIds;
use postern_core::gate::{Action as Decided, Answer, Forward, Outcome, Record};
use postern_core::headers::{HeaderMap, encode};
use postern_core::reason::Reason;
use postern_core::request::forbidden_in_trailers;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::entropy::HostRandom;
use crate::host::{self, Level, Map, Status};
use crate::root::Configured;

/// A stream context. It holds no policy, since it can live for days.
pub(crate) struct Stream {
    configured: Weak<Configured>,
}

impl Stream {
    pub(crate) fn new(configured: Weak<Configured>) -> Self {
        Self { configured }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(configured) = self.configured.upgrade() else {
            return refuse_unconfigured();
        };
        // A map that could not be read is an empty one, which the decision refuses.
        let pairs = host::header_pairs(Map::RequestHeaders).unwrap_or_default();
        #[cfg(feature = "test-trap")]
        if HeaderMap::decode(&pairs)
            .is_ok_and(|map| map.iter().any(|(name, _)| name == b"x-postern-test-trap"))
        {
            host::log(
                Level::Error,
                "postern-test-trap: trapping as asked; this module is for tests alone",
            );
            host::trap();
        }
        let outcome = configured.gate.decide(
            &pairs,
            configured.now(),
            configured.ids.next_id(),
            &mut HostRandom,
        );
        let outcome = match outcome {
            Outcome {
                action: Decided::Forward(forward),
                record,
                grpc,
            } => match apply(&forward) {
                Ok(()) => {
                    leave(&configured, &record);
                    return Action::Continue;
                }
                Err(_) => configured.gate.give_up(Reason::HostCall, record.id, grpc),
            },
            answered => answered,
        };
        leave(&configured, &outcome.record);
        match outcome.action {
            Decided::Answer(answer) => send(&answer, outcome.record.reason),
            // No other action exists; one that did would not let the request go on.
            _ => close(),
        }
    }

    fn on_http_request_trailers(&mut self, count: usize) -> Action {
        if count == 0 {
            return Action::Continue;
        }
        // The headers may be on their way already, so all that is left where something fails is to end the stream.
        match clean_trailers() {
            Ok(()) => Action::Continue,
            Err(()) => close(),
        }
    }
}

/// Changes the request's headers. After an error some changes may have been made, so the request must not go on.
fn apply(forward: &Forward<'_>) -> Result<(), Status> {
    for name in &forward.remove {
        host::remove_header(Map::RequestHeaders, name)?;
    }
    for (name, value) in &forward.set {
        host::replace_header(Map::RequestHeaders, name, value)?;
    }
    Ok(())
}

fn clean_trailers() -> Result<(), ()> {
    let pairs = host::header_pairs(Map::RequestTrailers).map_err(|_| ())?;
    let trailers = HeaderMap::decode(&pairs).map_err(|_| ())?;
    for name in forbidden_in_trailers(&trailers) {
        host::remove_header(Map::RequestTrailers, name).map_err(|_| ())?;
    }
    Ok(())
}

/// Counts the decision and leaves it for access logs. A host without filter state has nothing to log it by; that is no
/// reason to refuse the request.
fn leave(configured: &Configured, record: &Record<'_>) {
    configured.metrics.count(record.reason);
    let values = [
        ("postern.reason", Some(record.reason.as_str())),
        ("postern.decision", Some(record.id.as_str())),
        ("postern.person", record.person.as_deref()),
        ("postern.token", record.token.as_deref()),
        ("postern.service", record.service),
        ("postern.method", record.method),
    ];
    for (path, value) in values {
        if let Some(value) = value
            && host::set_property(path, value).is_err()
        {
            break;
        }
    }
}

fn send(answer: &Answer, reason: Reason) -> Action {
    let headers = encode(&answer.headers);
    let details = format!("postern.{}", reason.as_str());
    match host::send_local_response(
        answer.status,
        &details,
        &headers,
        &answer.body,
        answer.grpc_status,
    ) {
        Ok(()) => Action::Pause,
        Err(_) => close(),
    }
}

/// The end of a stream that can be neither answered nor let through.
fn close() -> Action {
    if host::close_request().is_err() {
        host::log(
            Level::Error,
            "postern: a request could be neither answered nor reset; it is held",
        );
    }
    Action::Pause
}

fn refuse_unconfigured() -> Action {
    match DecisionIds::seeded(&mut HostRandom) {
        Ok(ids) => send(
            &Answer::not_configured(&ids.next_id()),
            Reason::NotConfigured,
        ),
        Err(_) => close(),
    }
}
