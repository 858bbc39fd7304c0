//! Headers on their way onto the wire: what Envoy refuses to send, what it sends as it is, and what the other side reads of that.
//!
//! Filters may write anything into headers. Of requests, Envoy's router and codec refuse what is no HTTP; of responses, next to
//! nothing. Every rule here was probed in Envoy 1.40; `tests/differential/writes.scenario.toml` holds both to it.

mod check;
mod fault;
mod reading;
mod received;
mod reply;
mod request;

pub(crate) use check::{
    Unsendable, check_request, has_control, is_token, leaves_over_http2, status,
};
pub(crate) use fault::{Carrier, header_fault, request_fault, response_fault};
pub(crate) use reading::Reading;
pub(crate) use received::{Received, received, received_trailers};
pub(crate) use reply::{Judged, judge_reply};
pub(crate) use request::{Framing, header_lines, request_head};
