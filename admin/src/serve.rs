//! The service: HTTP over a listener, until it is told to stop.

use std::net::SocketAddr;
use std::time::Duration;

use postern_core::feed::HeadKey;
use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;

use crate::feed::Publisher;
use crate::http::{App, router};
use crate::registry::Registry;

/// How often it is looked whether another process, such as the command line, has changed the registry. Half of what a change
/// may take to reach the gateways is left for the way there.
const LOOK: Duration = Duration::from_millis(100);

/// Serves until `stop` is done. Requests that are held are answered at once then.
///
/// # Errors
/// What the listener says.
pub async fn serve(
    registry: Registry,
    keys: Vec<HeadKey>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let publisher = Publisher::new(registry.clone(), keys);
    let app = App::new(registry.clone(), publisher);
    let polls = app.polls();
    let looking = tokio::spawn(look(registry));
    let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
    let result = axum::serve(listener, service)
        .with_graceful_shutdown(async move {
            stop.await;
            polls.end_all();
        })
        .await;
    looking.abort();
    result
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
