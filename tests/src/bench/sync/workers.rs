//! All workers of an Envoy, by many connections: the kernel gives each connection to a worker of its choice, and it stays
//! there.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::{Kept, Protocol};
use crate::message::Request;
use crate::{Error, Result};

/// With four workers, the chance that one of them has none of these is 4 × (3/4)³² = 0.04 %.
const CONNECTIONS: usize = 32;

/// Between two requests on a connection. A change is seen so much too late at most; and a gateway that is kept busy by
/// the measuring would be slower than it is.
const PAUSE: Duration = Duration::from_millis(10);

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Connections to all workers.
pub(super) struct Workers {
    connections: Vec<Kept>,
}

/// When something was the case.
pub(super) struct Seen {
    /// At the first worker.
    pub(super) first: Instant,
    /// At the last.
    pub(super) last: Instant,
    /// The answer of the last.
    pub(super) body: String,
}

impl Workers {
    pub(super) async fn connect(address: SocketAddr) -> Result<Self> {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(Kept::open(address, Protocol::Http1).await?);
        }
        Ok(Self { connections })
    }

    /// Asks on every connection until each was answered with this status; other answers may be of the statuses that
    /// `before` allows.
    pub(super) async fn until(
        &mut self,
        request: &Request,
        status: u16,
        before: &'static [u16],
    ) -> Result<Seen> {
        let start = Instant::now();
        let mut asking = JoinSet::new();
        for mut connection in self.connections.drain(..) {
            let request = request.clone();
            asking.spawn(async move {
                loop {
                    let answer = connection.send(&request).await?;
                    let now = Instant::now();
                    if answer.status == status {
                        return Ok((connection, now, answer.text()));
                    }
                    if !before.contains(&answer.status) {
                        return Err(Error::Malformed(format!(
                            "{}, where {status} was waited for: {}",
                            answer.status,
                            answer.text()
                        )));
                    }
                    if start.elapsed() > PATIENCE {
                        return Err(Error::Late {
                            what: format!("a {status} from every worker"),
                            seconds: PATIENCE.as_secs(),
                        });
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        let mut seen: Option<Seen> = None;
        while let Some(ended) = asking.join_next().await {
            let ended = ended.map_err(|error| Error::Fixture(error.to_string()))?;
            let (connection, at, body) = ended?;
            self.connections.push(connection);
            seen = Some(match seen {
                Some(seen) => Seen {
                    first: seen.first.min(at),
                    last: seen.last.max(at),
                    body,
                },
                None => Seen {
                    first: at,
                    last: at,
                    body,
                },
            });
        }
        seen.ok_or_else(|| Error::Fixture("there is no connection".to_owned()))
    }
}
