//! How long it takes until every worker of a gateway decides by a change.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Result;
use crate::client::{self, Protocol};
use crate::message::{Request, Response};
use crate::wait::until;

/// Requests that are sent at once, each on a connection of its own. The test host hands connections to its two workers in
/// turn, and Envoy by hash: the chance that all of them hit the same one is 2⁻¹⁹.
const AT_ONCE: usize = 20;

/// What was seen while a change came into force.
pub(super) struct Arrival {
    /// From the moment before the change was asked for until all of [`AT_ONCE`] answers showed it.
    pub(super) after: Duration,
    /// How many requests were answered with 200.
    pub(super) good: usize,
}

/// Sends a request again and again until each of so many answers shows what was changed.
pub(super) async fn arrival(
    gateway: SocketAddr,
    since: Instant,
    probe: &Request,
    shows: fn(&Response) -> bool,
) -> Result<Arrival> {
    let mut good = 0;
    until("the change at every worker", async || {
        let mut sent = JoinSet::new();
        for _ in 0..AT_ONCE {
            let probe = probe.clone();
            sent.spawn(async move { client::send(gateway, Protocol::Http1, &probe).await });
        }
        let answers: Vec<Response> = sent.join_all().await.into_iter().collect::<Result<_>>()?;
        good += answers.iter().filter(|answer| answer.status == 200).count();
        Ok(answers.iter().all(shows).then(|| Arrival {
            after: since.elapsed(),
            good,
        }))
    })
    .await
}
