//! Bodies and queries, read strictly: unknown members are refused, with their path.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use postern_core::policy::document::FromJson;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Problem;

/// A JSON body.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = json_body(request, state).await?;
        let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = error.path().to_string();
            let path = if path == "." { String::new() } else { path };
            Problem::bad_request(path, error.inner().to_string())
        })?;
        deserializer
            .end()
            .map_err(|error| Problem::bad_request("", error.to_string()))?;
        Ok(Self(value))
    }
}

/// A part of the policy as a JSON body: every fault of its shape is told.
pub(super) struct Record<T>(pub(super) T);

impl<T: FromJson, S: Send + Sync> FromRequest<S> for Record<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = json_body(request, state).await?;
        T::from_json(&bytes).map(Self).map_err(|faults| {
            let mut faults = faults.into_iter();
            let first = faults.next();
            let problem = first.map_or_else(
                || Problem::bad_request("", "The body cannot be read"),
                |fault| Problem::bad_request(fault.path, fault.text),
            );
            faults.fold(problem, |problem, fault| problem.at(fault.path, fault.text))
        })
    }
}

async fn json_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let is_json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            let media_type = value.split(';').next().unwrap_or_default().trim();
            media_type.eq_ignore_ascii_case("application/json")
        });
    if !is_json {
        return Err(Problem::with_status(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Send the body as application/json",
        ));
    }
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| {
            let status = rejection.status();
            let detail = if status == StatusCode::PAYLOAD_TOO_LARGE {
                "The body is longer than what is sent here may be"
            } else {
                "The body did not come whole"
            };
            Problem::with_status(status, detail)
        })
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        // What may be shown once, or to operators only, is kept by no cache.
        let headers = [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        match serde_json::to_vec(&self.0) {
            Ok(body) => (headers, body).into_response(),
            Err(error) => {
                tracing::error!(%error, "an answer could not be written");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
