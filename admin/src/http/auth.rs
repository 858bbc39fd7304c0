//! Who calls: an operator or a gateway, by `Authorization: Bearer`.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Method, header};

use super::{App, Problem};
use crate::registry::Actor;
use crate::registry::callers::OperatorRole;

/// An operator who may do what the request asks for: everything for an admin, reading for an auditor.
pub(super) struct Operator(pub(super) Actor);

/// A gateway.
pub(super) struct Gateway {
    pub(super) id: String,
    pub(super) credential: String,
}

impl FromRequestParts<App> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let credential = bearer(parts).ok_or_else(|| unknown(app))?;
        let operator = app
            .registry
            .operator_by_credential(credential.as_bytes())
            .await?
            .ok_or_else(|| unknown(app))?;
        let only_reads = matches!(parts.method, Method::GET | Method::HEAD);
        if operator.role == OperatorRole::Auditor && !only_reads {
            return Err(Problem::forbidden("An auditor reads and changes nothing"));
        }
        let address = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or_else(|| "unknown".to_owned(), |info| info.0.ip().to_string());
        Ok(Self(Actor {
            operator: operator.id,
            address,
        }))
    }
}

impl FromRequestParts<App> for Gateway {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let credential = bearer(parts).ok_or_else(|| unknown(app))?;
        let known = app
            .registry
            .gateway_by_credential(credential.as_bytes())
            .await?
            .ok_or_else(|| unknown(app))?;
        Ok(Self {
            id: known.gateway,
            credential: known.credential,
        })
    }
}

fn unknown(app: &App) -> Problem {
    app.registry.counters().unauthorized.count();
    Problem::unauthorized()
}

fn bearer(parts: &Parts) -> Option<String> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, credential) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| credential.to_owned())
}
