//! Steady traffic, and how long its requests wait.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::report::percentile;
use crate::client::{Kept, Protocol};
use crate::message::Request;
use crate::{Error, Result};

/// Connections, on each of which a request follows the other.
const CONNECTIONS: usize = 8;

/// From the sending of one request to that of the next on a connection.
const PERIOD: Duration = Duration::from_millis(20);

/// Traffic that goes on until it is stopped.
pub(super) struct Traffic {
    is_over: Arc<AtomicBool>,
    senders: JoinSet<Result<Vec<f64>>>,
}

/// How long requests waited for their answers, in milliseconds.
pub(super) struct Waits(Vec<f64>);

impl Traffic {
    /// Starts it. Every answer must have this status.
    pub(super) fn start(address: SocketAddr, request: &Request, status: u16) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut senders = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (is_over, request) = (Arc::clone(&is_over), request.clone());
            senders.spawn(async move {
                let mut connection = Kept::open(address, Protocol::Http1).await?;
                let mut waits = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let sent = Instant::now();
                    let answer = connection.send(&request).await?;
                    let waited = sent.elapsed();
                    if answer.status != status {
                        return Err(Error::Malformed(format!(
                            "{} in the middle of traffic: {}",
                            answer.status,
                            answer.text()
                        )));
                    }
                    waits.push(waited.as_secs_f64() * 1e3);
                    tokio::time::sleep(PERIOD.saturating_sub(waited)).await;
                }
                Ok(waits)
            });
        }
        Self { is_over, senders }
    }

    /// Ends it.
    pub(super) async fn stop(mut self) -> Result<Waits> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut waits = Vec::new();
        while let Some(ended) = self.senders.join_next().await {
            waits.extend(ended.map_err(|error| Error::Fixture(error.to_string()))??);
        }
        Ok(Waits(waits))
    }
}

impl Waits {
    pub(super) fn longest(&self) -> f64 {
        percentile(&self.0, 1.0)
    }

    /// Median, 99 %, 99.9 % and the longest of all.
    pub(super) fn spread(&self) -> String {
        let [median, p99, p999] = [0.5, 0.99, 0.999].map(|share| percentile(&self.0, share));
        format!(
            "{median:.1}, {p99:.1}, {p999:.1} and {:.1} ms of {} requests",
            self.longest(),
            self.0.len()
        )
    }
}
