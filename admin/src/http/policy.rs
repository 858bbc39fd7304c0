//! Services, public routes, signing keys, the bypass, and the policy that all of it makes.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use postern_core::feed::Put;
use postern_core::policy::document::{Audience, Bypass, Document, Key, PublicRoute, Service};
use serde::Serialize;

use super::auth::Operator;
use super::body::{Json, Record};
use super::{App, Problem};
use crate::registry::{Actor, Invalid, Kind, RegistryError};

/// A policy and its revision.
#[derive(Serialize)]
pub(super) struct Exported {
    revision: u64,
    policy: Document,
}

pub(super) async fn export(
    State(app): State<App>,
    _operator: Operator,
) -> Result<Json<Exported>, Problem> {
    let (revision, policy) = app.registry.document().await?;
    Ok(Json(Exported { revision, policy }))
}

pub(super) async fn services(
    State(app): State<App>,
    _operator: Operator,
) -> Result<Json<Vec<Service>>, Problem> {
    let records = app.registry.records(Kind::Service).await?;
    let services = records.into_iter().filter_map(|record| match record {
        Put::Service(service) => Some(service),
        _ => None,
    });
    Ok(Json(services.collect()))
}

pub(super) async fn service(
    State(app): State<App>,
    _operator: Operator,
    Path(name): Path<String>,
) -> Result<Json<Service>, Problem> {
    Ok(Json(app.registry.service(&name).await?))
}

pub(super) async fn put_service(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(name): Path<String>,
    Record(service): Record<Service>,
) -> Result<Json<Service>, Problem> {
    same("name", &name, &service.name)?;
    app.registry
        .change(actor, move |change| {
            Box::pin(async move { change.put_service(service).await })
        })
        .await?;
    Ok(Json(app.registry.service(&name).await?))
}

pub(super) async fn delete_service(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    app.registry
        .change(actor, move |change| {
            Box::pin(async move { change.delete_service(&name).await })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn put_audience(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(service): Path<String>,
    Json(audience): Json<Audience>,
) -> Result<StatusCode, Problem> {
    set_audience(&app, actor, service, None, Some(audience)).await
}

pub(super) async fn put_method_audience(
    State(app): State<App>,
    Operator(actor): Operator,
    Path((service, method)): Path<(String, String)>,
    Json(audience): Json<Audience>,
) -> Result<StatusCode, Problem> {
    set_audience(&app, actor, service, Some(method), Some(audience)).await
}

pub(super) async fn delete_method_audience(
    State(app): State<App>,
    Operator(actor): Operator,
    Path((service, method)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    set_audience(&app, actor, service, Some(method), None).await
}

async fn set_audience(
    app: &App,
    actor: Actor,
    service: String,
    method: Option<String>,
    audience: Option<Audience>,
) -> Result<StatusCode, Problem> {
    app.registry
        .change(actor, move |change| {
            Box::pin(async move {
                change
                    .set_audience(&service, method.as_deref(), audience)
                    .await
            })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn public(
    State(app): State<App>,
    _operator: Operator,
) -> Result<Json<Vec<PublicRoute>>, Problem> {
    let records = app.registry.records(Kind::Public).await?;
    let routes = records.into_iter().filter_map(|record| match record {
        Put::Public(route) => Some(route),
        _ => None,
    });
    Ok(Json(routes.collect()))
}

pub(super) async fn put_public(
    State(app): State<App>,
    Operator(actor): Operator,
    Record(route): Record<PublicRoute>,
) -> Result<StatusCode, Problem> {
    app.registry
        .change(actor, move |change| {
            Box::pin(async move { change.put_public(route).await })
        })
        .await?;
    Ok(StatusCode::CREATED)
}

pub(super) async fn delete_public(
    State(app): State<App>,
    Operator(actor): Operator,
    Record(route): Record<PublicRoute>,
) -> Result<StatusCode, Problem> {
    app.registry
        .change(actor, move |change| {
            Box::pin(async move { change.delete_public(route).await })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn keys(
    State(app): State<App>,
    _operator: Operator,
) -> Result<Json<Vec<Key>>, Problem> {
    let records = app.registry.records(Kind::Key).await?;
    let keys = records.into_iter().filter_map(|record| match record {
        Put::Key(key) => Some(key),
        _ => None,
    });
    Ok(Json(keys.collect()))
}

pub(super) async fn put_key(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(kid): Path<String>,
    Record(key): Record<Key>,
) -> Result<StatusCode, Problem> {
    same("kid", &kid, &key.kid)?;
    app.registry
        .change(actor, move |change| {
            Box::pin(async move { change.put_key(key).await })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn delete_key(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(kid): Path<String>,
) -> Result<StatusCode, Problem> {
    app.registry
        .change(actor, move |change| {
            Box::pin(async move { change.delete_key(&kid).await })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn put_bypass(
    State(app): State<App>,
    Operator(actor): Operator,
    Record(bypass): Record<Bypass>,
) -> Result<StatusCode, Problem> {
    app.registry
        .change(actor, move |change| {
            Box::pin(async move { change.set_bypass(Some(bypass)).await })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn delete_bypass(
    State(app): State<App>,
    Operator(actor): Operator,
) -> Result<StatusCode, Problem> {
    app.registry
        .change(actor, move |change| {
            Box::pin(async move { change.set_bypass(None).await })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the path names must be what the body says.
fn same(member: &str, path: &str, body: &str) -> Result<(), RegistryError> {
    if path == body {
        return Ok(());
    }
    Err(Invalid::new(member, "the path names another one").into())
}
