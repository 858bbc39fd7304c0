//! The service: HTTP over a listener, until it is told to stop.

use std::net::SocketAddr;
use std::time::Duration;

use postern_core::feed::HeadKey;
use postern_core::time::Timestamp;
use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::feed::Publisher;
use crate::http::{App, router};
use crate::registry::{Actor, Registry};

/// How often it is looked whether another process, such as the command line, has changed the registry. Half of what a change
/// may take to reach the gateways is left for the way there.
const LOOK: Duration = Duration::from_millis(100);

/// How often it is looked whether deletions can be forgotten.
const COMPACT_EVERY: Duration = Duration::from_secs(60 * 60);

/// For how long deletions are kept, in seconds: whoever is away for less catches up with the changes alone.
const DELETIONS_KEPT: u64 = 30 * 24 * 60 * 60;

/// Fewer deletions are not worth it that a gateway reads the whole policy.
const WORTHWHILE: u64 = 10_000;

/// Serves until `stop` is done. Requests that are held are answered at once then.
///
/// # Errors
/// What the listener says, and what keeps the policy from being read.
pub async fn serve(
    registry: Registry,
    keys: Vec<HeadKey>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    registry.load().await.map_err(std::io::Error::other)?;
    let publisher = Publisher::new(registry.clone(), keys);
    let app = App::new(registry.clone(), publisher);
    let polls = app.polls();
    let looking = tokio::spawn(look(registry.clone()));
    let compacting = tokio::spawn(compact(registry));
    let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
    let result = axum::serve(listener, service)
        .with_graceful_shutdown(async move {
            stop.await;
            polls.end_all();
        })
        .await;
    looking.abort();
    compacting.abort();
    result
}

async fn compact(registry: Registry) {
    let mut interval = tokio::time::interval(COMPACT_EVERY);
    loop {
        interval.tick().await;
        let actor = Actor {
            operator: "service".to_owned(),
            address: "local".to_owned(),
        };
        let until = clock::now().as_secs().saturating_sub(DELETIONS_KEPT);
        let until = Timestamp::from_secs(until);
        match registry.compact(actor, until, WORTHWHILE).await {
            Ok(Some(done)) => tracing::info!(
                deletions = done.deletions,
                floor = done.floor,
                "old deletions are forgotten"
            ),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "old deletions cannot be forgotten"),
        }
    }
}

async fn look(registry: Registry) {
    let mut interval = tokio::time::interval(LOOK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_failing = false;
    loop {
        interval.tick().await;
        match registry.refresh().await {
            Ok(_) => is_failing = false,
            Err(error) if !is_failing => {
                tracing::error!(%error, "the database cannot be read; gateways keep what they have");
                is_failing = true;
            }
            Err(_) => {}
        }
    }
}
