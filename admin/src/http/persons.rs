//! Persons and roles.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::auth::Operator;
use super::body::Json;
use super::tokens::List;
use super::{App, Problem};
use crate::registry::persons::{NewPerson, PersonAction, PersonChange, PersonView};
use crate::registry::{Actor, RegistryError};

/// Lists are cut after so many.
const PAGE: u32 = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Add {
    id: Option<String>,
    name: String,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeOf {
    name: Option<String>,
    roles: Option<Vec<String>>,
    active: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    #[serde(default)]
    after: String,
}

pub(super) async fn list(
    State(app): State<App>,
    _operator: Operator,
    query: Result<Query<After>, QueryRejection>,
) -> Result<Json<List<PersonView>>, Problem> {
    let Query(After { after }) =
        query.map_err(|error| Problem::bad_request("query", error.body_text()))?;
    let items = app.registry.persons(&after, PAGE).await?;
    let next = (items.len() == PAGE as usize)
        .then(|| items.last().map(|last| last.id.clone()))
        .flatten();
    Ok(Json(List { items, next }))
}

pub(super) async fn show(
    State(app): State<App>,
    _operator: Operator,
    Path(id): Path<String>,
) -> Result<Json<PersonView>, Problem> {
    Ok(Json(app.registry.person(&id).await?))
}

pub(super) async fn add(
    State(app): State<App>,
    Operator(actor): Operator,
    Json(asked): Json<Add>,
) -> Result<Response, Problem> {
    let new = NewPerson {
        id: asked.id,
        name: asked.name,
        roles: asked.roles,
    };
    let id = app
        .registry
        .change(actor, |change| Box::pin(change.add_person(new)))
        .await?;
    let view = app.registry.person(&id).await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

pub(super) async fn change(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(id): Path<String>,
    Json(asked): Json<ChangeOf>,
) -> Result<Json<PersonView>, Problem> {
    let asked = PersonChange {
        name: asked.name,
        roles: asked.roles,
        active: asked.active,
    };
    let person = id.clone();
    app.registry
        .change(actor, move |change| {
            Box::pin(async move { change.change_person(&person, asked).await })
        })
        .await?;
    Ok(Json(app.registry.person(&id).await?))
}

pub(super) async fn end_sessions(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(id): Path<String>,
) -> Result<Json<PersonView>, Problem> {
    act(&app, actor, &id, PersonAction::EndSessions).await?;
    Ok(Json(app.registry.person(&id).await?))
}

pub(super) async fn delete(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    act(&app, actor, &id, PersonAction::Delete).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn act(app: &App, actor: Actor, id: &str, action: PersonAction) -> Result<(), RegistryError> {
    let id = id.to_owned();
    app.registry
        .change(actor, move |change| {
            Box::pin(async move { change.act_on_person(&id, action).await })
        })
        .await
}

pub(super) async fn roles(
    State(app): State<App>,
    _operator: Operator,
) -> Result<Json<Vec<String>>, Problem> {
    Ok(Json(app.registry.roles().await?))
}

pub(super) async fn add_role(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    app.registry
        .change(actor, move |change| {
            Box::pin(async move { change.add_role(&name).await })
        })
        .await?;
    Ok(StatusCode::CREATED)
}

pub(super) async fn delete_role(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    app.registry
        .change(actor, move |change| {
            Box::pin(async move { change.delete_role(&name).await })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
