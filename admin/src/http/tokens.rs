//! API tokens.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use postern_core::api_token::TokenHash;
use serde::{Deserialize, Deserializer, Serialize};

use super::auth::Operator;
use super::body::Json;
use super::{App, Problem};
use crate::clock::now;
use crate::registry::tokens::{Ends, Issued, NewToken, Origin, TokenAction};
use crate::registry::{Actor, Invalid, RegistryError, TokenFilter, TokenView};

/// Lists are cut after so many.
const PAGE: u32 = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Generate {
    name: String,
    person: String,
    #[serde(deserialize_with = "ends")]
    expires_in: Ends,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Import {
    name: String,
    person: String,
    #[serde(deserialize_with = "ends")]
    expires_in: Ends,
    hash: TokenHash,
    #[serde(default)]
    vouched: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Regenerate {
    #[serde(deserialize_with = "ends")]
    expires_in: Ends,
    overlap_days: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    person: Option<String>,
    name: Option<String>,
    #[serde(default)]
    after: String,
}

/// A list, and where the next one begins.
#[derive(Serialize)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// A token that was made. This is the only answer it ever stands in.
#[derive(Serialize)]
struct Made<'a> {
    token: &'a str,
    #[serde(flatten)]
    view: TokenView,
}

pub(super) async fn list(
    State(app): State<App>,
    _operator: Operator,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<List<TokenView>>, Problem> {
    let Query(filter) = query.map_err(|error| Problem::bad_request("query", error.body_text()))?;
    let filter = TokenFilter {
        person: filter.person,
        name: filter.name,
        after: filter.after,
    };
    let items = app.registry.tokens(&filter, PAGE, now()).await?;
    let next = (items.len() == PAGE as usize)
        .then(|| items.last().map(|last| last.id.clone()))
        .flatten();
    Ok(Json(List { items, next }))
}

pub(super) async fn show(
    State(app): State<App>,
    _operator: Operator,
    Path(id): Path<String>,
) -> Result<Json<TokenView>, Problem> {
    Ok(Json(app.registry.token(&id, now()).await?))
}

pub(super) async fn generate(
    State(app): State<App>,
    Operator(actor): Operator,
    Json(asked): Json<Generate>,
) -> Result<Response, Problem> {
    let new = NewToken {
        name: asked.name,
        person: asked.person,
        ends: asked.expires_in,
    };
    let issued = app
        .registry
        .change(actor, |change| Box::pin(change.generate_token(new)))
        .await?;
    Ok(made(issued))
}

pub(super) async fn import(
    State(app): State<App>,
    Operator(actor): Operator,
    Json(asked): Json<Import>,
) -> Result<Response, Problem> {
    if !asked.vouched {
        let reason = "only a hash arrives here, so nobody can see how good the token behind it is: say `true` to vouch for \
                      it, or import the token itself with the command line, which hashes it where it is";
        return Err(RegistryError::from(Invalid::new("vouched", reason)).into());
    }
    let new = NewToken {
        name: asked.name,
        person: asked.person,
        ends: asked.expires_in,
    };
    let hash = asked.hash;
    let view = app
        .registry
        .change(actor, move |change| {
            Box::pin(change.import_token(new, hash, Origin::Vouched))
        })
        .await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

pub(super) async fn regenerate(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(id): Path<String>,
    Json(asked): Json<Regenerate>,
) -> Result<Response, Problem> {
    let (ends, overlap) = (asked.expires_in, asked.overlap_days);
    let issued = app
        .registry
        .change(actor, move |change| {
            Box::pin(async move { change.regenerate_token(&id, ends, overlap).await })
        })
        .await?;
    Ok(made(issued))
}

pub(super) async fn deactivate(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(id): Path<String>,
) -> Result<Json<TokenView>, Problem> {
    act(&app, actor, &id, TokenAction::Deactivate).await?;
    Ok(Json(app.registry.token(&id, now()).await?))
}

pub(super) async fn activate(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(id): Path<String>,
) -> Result<Json<TokenView>, Problem> {
    act(&app, actor, &id, TokenAction::Activate).await?;
    Ok(Json(app.registry.token(&id, now()).await?))
}

pub(super) async fn end_sessions(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(id): Path<String>,
) -> Result<Json<TokenView>, Problem> {
    act(&app, actor, &id, TokenAction::EndSessions).await?;
    Ok(Json(app.registry.token(&id, now()).await?))
}

pub(super) async fn delete(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    act(&app, actor, &id, TokenAction::Delete).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn act(app: &App, actor: Actor, id: &str, action: TokenAction) -> Result<(), RegistryError> {
    let id = id.to_owned();
    app.registry
        .change(actor, move |change| {
            Box::pin(async move { change.act_on_token(&id, action).await })
        })
        .await
}

fn made(issued: Issued) -> Response {
    let token = issued.token.expose();
    let view = issued.view;
    (StatusCode::CREATED, Json(Made { token, view })).into_response()
}

/// A number of days, or the word `never`.
fn ends<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ends, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Days(u32),
        Word(String),
    }
    match Written::deserialize(deserializer) {
        Ok(Written::Days(days)) => Ok(Ends::InDays(days)),
        Ok(Written::Word(word)) if word == "never" => Ok(Ends::Never),
        _ => Err(serde::de::Error::custom(
            "a whole number of days, or the word \"never\"",
        )),
    }
}
