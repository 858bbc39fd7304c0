//! The HTTP API: the feed for gateways, and `/v1/…` for operators.

mod auth;
mod body;
mod callers;
mod feed;
mod metrics;
mod persons;
mod policy;
mod problem;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post, put};

use crate::feed::Publisher;
use crate::registry::Registry;

pub use problem::Problem;

/// The longest body that is read, in bytes: a policy of some thousand tokens.
const MAX_BODY: usize = 16 << 20;

/// What handlers work with.
#[derive(Clone)]
pub struct App {
    registry: Registry,
    publisher: Publisher,
    polls: Arc<feed::Polls>,
}

impl App {
    /// Over this registry and its publisher.
    pub fn new(registry: Registry, publisher: Publisher) -> Self {
        Self {
            registry,
            publisher,
            polls: Arc::default(),
        }
    }

    pub(crate) fn polls(&self) -> Arc<feed::Polls> {
        Arc::clone(&self.polls)
    }
}

/// All routes. Serve it with [`axum::Router::into_make_service_with_connect_info`], so that the audit log knows from where.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics::metrics))
        .route("/v1/feeds/{feed}", get(feed::head))
        .route("/v1/feeds/{feed}/pages/{page}", get(feed::page))
        .route(
            "/v1/status",
            post(feed::status).layer(DefaultBodyLimit::max(feed::MAX_STATUS)),
        )
        .route("/v1/tokens", get(tokens::list).post(tokens::generate))
        .route("/v1/tokens/import", post(tokens::import))
        .route("/v1/tokens/{id}", get(tokens::show).delete(tokens::delete))
        .route("/v1/tokens/{id}/deactivate", post(tokens::deactivate))
        .route("/v1/tokens/{id}/activate", post(tokens::activate))
        .route("/v1/tokens/{id}/end-sessions", post(tokens::end_sessions))
        .route("/v1/tokens/{id}/regenerate", post(tokens::regenerate))
        .route("/v1/persons", get(persons::list).post(persons::add))
        .route(
            "/v1/persons/{id}",
            get(persons::show)
                .patch(persons::change)
                .delete(persons::delete),
        )
        .route("/v1/persons/{id}/end-sessions", post(persons::end_sessions))
        .route("/v1/roles", get(persons::roles))
        .route(
            "/v1/roles/{name}",
            put(persons::add_role).delete(persons::delete_role),
        )
        .route("/v1/services", get(policy::services))
        .route(
            "/v1/services/{name}",
            get(policy::service)
                .put(policy::put_service)
                .delete(policy::delete_service),
        )
        .route("/v1/services/{name}/audience", put(policy::put_audience))
        .route(
            "/v1/services/{name}/methods/{method}/audience",
            put(policy::put_method_audience).delete(policy::delete_method_audience),
        )
        .route(
            "/v1/public",
            get(policy::public)
                .post(policy::put_public)
                .delete(policy::delete_public),
        )
        .route("/v1/keys", get(policy::keys))
        .route(
            "/v1/keys/{kid}",
            put(policy::put_key).delete(policy::delete_key),
        )
        .route(
            "/v1/bypass",
            put(policy::put_bypass).delete(policy::delete_bypass),
        )
        .route("/v1/policy", get(policy::export))
        .route("/v1/gateways", get(callers::gateways))
        .route(
            "/v1/gateways/{id}",
            put(callers::add_gateway).delete(callers::remove_gateway),
        )
        .route(
            "/v1/gateways/{id}/credentials",
            post(callers::add_credential),
        )
        .route("/v1/credentials/{id}", delete(callers::revoke_credential))
        .route("/v1/reports", get(callers::reports))
        .route("/v1/audit", get(callers::audit))
        .fallback(|| async { Problem::not_found("there is nothing under this path") })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(app)
}
