//! What is going on, for whoever runs the command: pages on an address of their own.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::shared::SharedState;
use crate::status::LogLevel;

use super::stats::{self, Stats};
use super::traces::Traces;
use super::worker::Worker;

const PAGES: &str = "\
/ready              whether requests are taken: LIVE or DRAINING
/stats              counters and gauges of the guest and of the front
/stats/prometheus   the same for Prometheus, under the names that Envoy gives them
/traces             the last requests, with what crossed the boundary; ?last=N for fewer
/diagnostics        what the guest got away with
/logging            the log level; POST /logging?level=debug sets it
";

/// What the pages show.
pub(super) struct Admin {
    pub(super) workers: Vec<Arc<Worker>>,
    pub(super) shared: SharedState,
    pub(super) stats: Arc<Stats>,
    pub(super) traces: Arc<Traces>,
    pub(super) draining: AtomicBool,
}

impl Admin {
    /// Answers until the process ends: requests that are finished at the end can still be looked at.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(super::RETRY).await;
                continue;
            };
            let admin = Arc::clone(&self);
            let service = service_fn(move |request: Request<Incoming>| {
                let response = admin.answer(
                    request.method(),
                    request.uri().path(),
                    request.uri().query(),
                );
                std::future::ready(Ok::<_, Infallible>(response))
            });
            tokio::spawn(async move {
                // A client that breaks off is its own affair.
                let _ended = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }

    fn answer(&self, method: &Method, path: &str, query: Option<&str>) -> Response<Full<Bytes>> {
        let (status, text) = match (method, path) {
            (&Method::GET, "/") => (StatusCode::OK, PAGES.to_owned()),
            (&Method::GET, "/ready") if self.draining.load(Ordering::Relaxed) => {
                (StatusCode::SERVICE_UNAVAILABLE, "DRAINING\n".to_owned())
            }
            (&Method::GET, "/ready") => (StatusCode::OK, "LIVE\n".to_owned()),
            (&Method::GET, "/stats") => (
                StatusCode::OK,
                stats::text(&self.shared.metrics(), &self.stats),
            ),
            (&Method::GET, "/stats/prometheus") => (
                StatusCode::OK,
                stats::prometheus(&self.shared.metrics(), &self.stats),
            ),
            (&Method::GET, "/traces") => {
                let last = parameter(query, "last").map_or(Some(usize::MAX), |n| n.parse().ok());
                match last {
                    Some(last) => (StatusCode::OK, self.traces.text(last)),
                    None => bad("`last` is a number"),
                }
            }
            (&Method::GET, "/diagnostics") => (StatusCode::OK, self.diagnostics()),
            (&Method::GET, "/logging") => (StatusCode::OK, format!("{}\n", self.level())),
            (&Method::POST, "/logging") => match parameter(query, "level").map(str::parse) {
                Some(Ok(level)) => {
                    self.set_level(level);
                    (StatusCode::OK, format!("{level}\n"))
                }
                _ => bad("`level` is trace, debug, info, warn, error or critical"),
            },
            (
                _,
                "/" | "/ready" | "/stats" | "/stats/prometheus" | "/traces" | "/diagnostics"
                | "/logging",
            ) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "this page is for another method\n".to_owned(),
            ),
            _ => (
                StatusCode::NOT_FOUND,
                format!("no such page; there are\n{PAGES}"),
            ),
        };
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = status;
        let plain = hyper::header::HeaderValue::from_static("text/plain; charset=UTF-8");
        response.headers_mut().insert("content-type", plain);
        response
    }

    fn diagnostics(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        for worker in &self.workers {
            for finding in worker.running().diagnostics() {
                lines.push(format!("{finding}\n"));
            }
        }
        lines.sort();
        lines.dedup();
        lines.concat()
    }

    fn level(&self) -> LogLevel {
        let first = self.workers.first();
        first.map_or_else(LogLevel::default, |worker| worker.running().log_level())
    }

    fn set_level(&self, level: LogLevel) {
        for worker in &self.workers {
            worker.running().set_log_level(level);
        }
    }
}

fn bad(text: &str) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, format!("{text}\n"))
}

fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    let parameters = query.unwrap_or_default().split('&');
    parameters
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}
