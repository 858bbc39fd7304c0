//! Gateways with their credentials, and the audit log.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::auth::Operator;
use super::body::Json;
use super::{App, Problem};
use crate::registry::callers::GatewayView;
use crate::registry::{AuditLine, Report};

/// The audit log is cut after so many lines.
const PAGE: u32 = 100;

/// A credential that was made. This is the only answer it ever stands in.
#[derive(Serialize)]
struct Made<'a> {
    id: &'a str,
    credential: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lines {
    subject: Option<String>,
    before: Option<u64>,
}

pub(super) async fn gateways(
    State(app): State<App>,
    _operator: Operator,
) -> Result<Json<Vec<GatewayView>>, Problem> {
    Ok(Json(app.registry.gateways().await?))
}

pub(super) async fn reports(
    State(app): State<App>,
    _operator: Operator,
) -> Result<Json<Vec<Report>>, Problem> {
    Ok(Json(app.registry.reports().await?))
}

pub(super) async fn add_gateway(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    app.registry
        .change(actor, move |change| {
            Box::pin(async move { change.add_gateway(&id).await })
        })
        .await?;
    Ok(StatusCode::CREATED)
}

pub(super) async fn remove_gateway(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    app.registry
        .change(actor, move |change| {
            Box::pin(async move { change.remove_gateway(&id).await })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn add_credential(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(gateway): Path<String>,
) -> Result<Response, Problem> {
    let made = app
        .registry
        .change(actor, move |change| {
            Box::pin(async move { change.add_gateway_credential(&gateway).await })
        })
        .await?;
    let body = Made {
        id: &made.id,
        credential: &made.secret,
    };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

pub(super) async fn revoke_credential(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    app.registry
        .change(actor, move |change| {
            Box::pin(async move { change.revoke_gateway_credential(&id).await })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn audit(
    State(app): State<App>,
    _operator: Operator,
    query: Result<Query<Lines>, QueryRejection>,
) -> Result<Json<Vec<AuditLine>>, Problem> {
    let Query(lines) = query.map_err(|error| Problem::bad_request("query", error.body_text()))?;
    let lines = app
        .registry
        .audit(lines.subject.as_deref(), lines.before, PAGE)
        .await?;
    Ok(Json(lines))
}
