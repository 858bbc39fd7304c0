//! The feed: what gateways ask for, and what they report.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use postern_core::feed::{Nonce, PageId, Signatures};
use postern_core::policy::document::Document;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::oneshot;

use super::auth::Gateway;
use super::body::Json;
use super::{App, Problem};
use crate::clock;
use crate::feed::Known;

/// The longest that a request is held, whatever is asked for.
const MAX_WAIT: Duration = Duration::from_secs(55);

/// The longest report, in bytes: no more of a body is read.
pub(super) const MAX_STATUS: usize = 64 * 1024;

/// RFC 7240, sections 2 and 3.
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// The formats of pages that a gateway reads.
const POSTERN_FORMAT: HeaderName = HeaderName::from_static("postern-format");

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    after: u64,
    epoch: u64,
    nonce: String,
}

/// Requests that are being held: one for each credential, so that a gateway that forgets its requests holds no more.
#[derive(Default)]
pub(crate) struct Polls(Mutex<Held>);

#[derive(Default)]
struct Held {
    senders: HashMap<String, oneshot::Sender<()>>,
    /// The service is stopping; nothing is held any more.
    is_over: bool,
}

impl Polls {
    /// Ends the request that was held for this credential, and says when the next one to be held comes.
    fn take_turn(&self, credential: &str) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut held = self.lock();
        if !held.is_over {
            // Dropping the sender of the one before ends its wait.
            held.senders.insert(credential.to_owned(), sender);
            held.senders.retain(|_, sender| !sender.is_closed());
        }
        receiver
    }

    /// Requests that are being held.
    pub(crate) fn count(&self) -> usize {
        let held = self.lock();
        let open = held.senders.values().filter(|sender| !sender.is_closed());
        open.count()
    }

    /// Ends all waits, now and later.
    pub(crate) fn end_all(&self) {
        let mut held = self.lock();
        held.is_over = true;
        held.senders.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) async fn head(
    State(app): State<App>,
    gateway: Gateway,
    Path(feed): Path<String>,
    query: Result<Query<After>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(asked) = query.map_err(|error| Problem::bad_request("query", error.body_text()))?;
    if feed != app.publisher.feed() {
        return Err(Problem::not_found("there is no feed of this name"));
    }
    check_format(&headers)?;
    let nonce = Nonce::parse(&asked.nonce)
        .ok_or_else(|| Problem::bad_request("nonce", "22 characters of base64url"))?;
    let wait = wait(&headers);
    let known = Known {
        epoch: asked.epoch,
        revision: asked.after,
    };
    let at_once = app.publisher.head(known, nonce, Duration::ZERO, clock::now);
    let head = if wait.is_zero() {
        // A worker that has just started asks this beside the one that waits for all.
        at_once.await?
    } else {
        let replaced = app.polls.take_turn(&gateway.credential);
        let first = app.publisher.head(known, nonce, wait, clock::now);
        tokio::select! {
            head = first => head?,
            _ended = replaced => at_once.await?,
        }
    };
    app.registry.counters().heads.count();
    tracing::debug!(gateway = gateway.id, after = asked.after, "head");
    let mut response = head.body.into_response();
    let answer = response.headers_mut();
    answer.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let signatures = HeaderValue::from_str(&head.signatures).map_err(|error| {
        Problem::with_status(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    })?;
    answer.insert(HeaderName::from_static(Signatures::HEADER), signatures);
    if !wait.is_zero() {
        let applied = format!("wait={}", wait.as_secs());
        if let Ok(applied) = HeaderValue::from_str(&applied) {
            answer.insert(PREFERENCE_APPLIED, applied);
        }
    }
    Ok(response)
}

pub(super) async fn page(
    State(app): State<App>,
    _gateway: Gateway,
    Path((feed, page)): Path<(String, String)>,
) -> Result<Response, Problem> {
    if feed != app.publisher.feed() {
        return Err(Problem::not_found("there is no feed of this name"));
    }
    let id = PageId::parse(&page)
        .ok_or_else(|| Problem::not_found("a page is named by 64 hexadecimal digits"))?;
    let counters = app.registry.counters();
    let Some(body) = app.publisher.page(id) else {
        counters.pages_missing.count();
        let detail = "no head of late named this page; ask for a head";
        return Err(Problem::not_found(detail));
    };
    counters.pages.count();
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        // Named by its hash, so it never changes; hashes of tokens are for gateways only, so no shared cache without need.
        (
            header::CACHE_CONTROL,
            "private, max-age=31536000, immutable",
        ),
    ];
    Ok((headers, body).into_response())
}

pub(super) async fn status(
    State(app): State<App>,
    gateway: Gateway,
    Json(report): Json<Value>,
) -> Result<StatusCode, Problem> {
    let counters = app.registry.counters();
    let kept = app.registry.report(&gateway.id, report).await;
    match &kept {
        Ok(()) => counters.reports.count(),
        Err(_) => counters.reports_dropped.count(),
    }
    kept?;
    Ok(StatusCode::NO_CONTENT)
}

/// `Postern-Format` lists the formats that the gateway reads; without it, it reads the first one.
fn check_format(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(formats) = headers.get(POSTERN_FORMAT) else {
        return Ok(());
    };
    let reads = formats.to_str().is_ok_and(|formats| {
        formats
            .split(',')
            .any(|format| format.trim().parse() == Ok(Document::FORMAT))
    });
    if reads {
        return Ok(());
    }
    let detail = format!(
        "This feed is written in format {}, which the gateway does not read: upgrade the gateway",
        Document::FORMAT
    );
    Err(Problem::with_status(StatusCode::NOT_ACCEPTABLE, detail))
}

/// The wait that is asked for, as far as it is given.
fn wait(headers: &HeaderMap) -> Duration {
    let asked = headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .find_map(|preference| preference.trim().strip_prefix("wait="))
        .and_then(|seconds| seconds.trim_matches('"').parse().ok());
    Duration::from_secs(asked.unwrap_or(0)).min(MAX_WAIT)
}
