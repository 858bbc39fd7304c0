//! A stream: one request, decided once, at its headers.

use std::rc::Weak;

use postern_core::decision_id::DecisionIds;
use postern_core::gate::{Action as Decided, Answer, Forward, Outcome, Record, Terms};
use postern_core::headers::{HeaderMap, encode};
use postern_core::oauth::MAX_FORM_LENGTH;
use postern_core::reason::Reason;
use postern_core::request::{forbidden_in_trailers, is_reserved};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::entropy::HostRandom;
use crate::host::{self, Level, Map, Status};
use crate::root::Configured;

/// A stream context. It holds no policy, since it can live for days.
pub(crate) struct Stream {
    context: u32,
    configured: Weak<Configured>,
    phase: Phase,
}

/// How far a stream has come.
#[derive(Clone, Copy)]
enum Phase {
    /// Its headers have not come.
    New,
    /// It waits for a form.
    AwaitsForm,
    /// It has been answered, or let go on.
    Decided { shadow: bool },
}

impl Stream {
    pub(crate) fn new(context: u32, configured: Weak<Configured>) -> Self {
        Self {
            context,
            configured,
            phase: Phase::New,
        }
    }

    fn decide(&mut self, configured: &Configured, end_of_stream: bool) -> Action {
        // A map that could not be read is an empty one, which the decision refuses.
        let pairs = host::header_pairs(Map::RequestHeaders).unwrap_or_default();
        #[cfg(feature = "test-trap")]
        trap_if_asked(&pairs);
        let Ok(gate) = configured.gate.try_borrow() else {
            return refuse_unconfigured();
        };
        let outcome = gate.decide(
            &pairs,
            end_of_stream,
            configured.now(),
            configured.ids.next_id(),
            &mut HostRandom,
        );
        let shadow = outcome.record.shadow;
        self.phase = Phase::Decided { shadow };
        let outcome = match outcome {
            Outcome {
                action: Decided::Forward(forward),
                record,
                terms,
            } => match apply(&forward) {
                Ok(()) => {
                    leave(configured, &record);
                    return Action::Continue;
                }
                Err(_) => gate.give_up(Reason::HostCall, record.id, terms),
            },
            Outcome {
                action: Decided::AwaitForm,
                record,
                ..
            } => {
                let now = host::monotonic_clock();
                if now.is_ok_and(|now| configured.held.hold(self.context, now)) {
                    self.phase = Phase::AwaitsForm;
                    return Action::Pause;
                }
                gate.give_up(Reason::TooManyForms, record.id, Terms::OAuthForm)
            }
            answered => answered,
        };
        answer(configured, outcome)
    }

    /// Takes what has come of the form; `Pause` until it is whole.
    fn gather(&mut self, configured: &Configured, size: usize, whole: bool) -> Action {
        if !whole && size <= MAX_FORM_LENGTH {
            return Action::Pause;
        }
        configured.held.release(self.context);
        self.phase = Phase::Decided { shadow: false };
        let Ok(form) = host::request_body(MAX_FORM_LENGTH + 1) else {
            return refuse_form(configured, Reason::HostCall);
        };
        let id = configured.ids.next_id();
        let Ok(gate) = configured.gate.try_borrow() else {
            return refuse_unconfigured();
        };
        let outcome = gate.decide_form(&form, configured.now(), id, &mut HostRandom);
        answer(configured, outcome)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if matches!(self.phase, Phase::AwaitsForm)
            && let Some(configured) = self.configured.upgrade()
        {
            configured.held.release(self.context);
        }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        match self.configured.upgrade() {
            Some(configured) => self.decide(&configured, end_of_stream),
            None => refuse_unconfigured(),
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match (self.phase, self.configured.upgrade()) {
            (Phase::Decided { .. }, _) => Action::Continue,
            (Phase::AwaitsForm, Some(configured)) => self.gather(&configured, size, end_of_stream),
            // Before its headers, or without what it was held by: nothing goes on undecided.
            (Phase::New | Phase::AwaitsForm, _) => close(),
        }
    }

    fn on_http_request_trailers(&mut self, count: usize) -> Action {
        let shadow = match (self.phase, self.configured.upgrade()) {
            (Phase::Decided { shadow }, _) => shadow,
            // A form that ends in trailers is whole.
            (Phase::AwaitsForm, Some(configured)) => {
                return self.gather(&configured, MAX_FORM_LENGTH, true);
            }
            (Phase::New | Phase::AwaitsForm, _) => return close(),
        };
        if count == 0 {
            return Action::Continue;
        }
        // The headers may be on their way already, so all that is left where something fails is to end the stream.
        match clean_trailers(shadow) {
            Ok(()) => Action::Continue,
            Err(()) => close(),
        }
    }
}

/// Refuses the form that the stream at hand waits for.
pub(crate) fn refuse_form(configured: &Configured, reason: Reason) -> Action {
    let id = configured.ids.next_id();
    match configured.gate.try_borrow() {
        Ok(gate) => answer(configured, gate.give_up(reason, id, Terms::OAuthForm)),
        Err(_) => refuse_unconfigured(),
    }
}

fn answer(configured: &Configured, outcome: Outcome<'_>) -> Action {
    leave(configured, &outcome.record);
    match outcome.action {
        Decided::Answer(answer) => send(&answer, outcome.record.reason),
        // What is no answer here would let an undecided request go on.
        _ => close(),
    }
}

#[cfg(feature = "test-trap")]
fn trap_if_asked(pairs: &[u8]) {
    if HeaderMap::decode(pairs)
        .is_ok_and(|map| map.iter().any(|(name, _)| name == b"x-postern-test-trap"))
    {
        host::log(
            Level::Error,
            "postern-test-trap: trapping as asked; this module is for tests alone",
        );
        host::trap();
    }
}

/// Changes the request's headers. After an error some changes may have been made, so the request must not go on.
fn apply(forward: &Forward<'_>) -> Result<(), Status> {
    for name in forward.remove.iter() {
        host::remove_header(Map::RequestHeaders, name)?;
    }
    for (name, value) in forward.set.iter() {
        host::replace_header(Map::RequestHeaders, name, value.as_bytes())?;
    }
    Ok(())
}

/// Takes from the trailers what must not reach the upstream; in shadow mode what speaks for the gateway alone.
fn clean_trailers(shadow: bool) -> Result<(), ()> {
    let pairs = host::header_pairs(Map::RequestTrailers).map_err(|_| ())?;
    let trailers = HeaderMap::decode(&pairs).map_err(|_| ())?;
    for name in forbidden_in_trailers(&trailers).filter(|name| !shadow || is_reserved(name)) {
        host::remove_header(Map::RequestTrailers, name).map_err(|_| ())?;
    }
    Ok(())
}

/// Counts the decision and leaves it for access logs. A host without filter state has nothing to log it by; that is no
/// reason to refuse the request.
fn leave(configured: &Configured, record: &Record<'_>) {
    configured.metrics.count(record.reason, record.shadow);
    if let Some(token) = &record.token
        && record.reason.problem().is_none()
    {
        configured.used(token.as_str());
    }
    let (Ok(gate), Ok(mut buffer)) = (
        configured.gate.try_borrow(),
        configured.line.try_borrow_mut(),
    ) else {
        return;
    };
    for &part in &gate.config().filter_state {
        if let Some(value) = record.write(part, &mut buffer)
            && host::set_property(part.key(), value).is_err()
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
