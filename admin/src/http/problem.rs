//! Errors as RFC 9457 has them: `application/problem+json`.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use postern_core::random::RandomFailed;
use serde::Serialize;

use crate::registry::RegistryError;

/// An answer that says what is wrong.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    // Most answers are none, so what holds one should be small.
    body: Box<Body>,
    header: Option<(HeaderName, &'static str)>,
}

#[derive(Debug, Serialize)]
struct Body {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Place>,
}

/// What is wrong, and where in the request or in the policy that would result.
#[derive(Debug, Serialize)]
struct Place {
    path: String,
    reason: String,
}

impl Problem {
    fn new(status: StatusCode, code: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            body: Box::new(Body {
                r#type: format!("urn:postern:admin:{code}"),
                title,
                status: status.as_u16(),
                detail: detail.into(),
                errors: Vec::new(),
            }),
            header: None,
        }
    }

    pub(super) fn at(mut self, path: impl Into<String>, reason: impl Into<String>) -> Self {
        self.body.errors.push(Place {
            path: path.into(),
            reason: reason.into(),
        });
        self
    }

    /// The body, the query or a header is not what it should be.
    pub(super) fn bad_request(path: impl Into<String>, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "The request cannot be read",
            reason.clone(),
        )
        .at(path, reason)
    }

    /// The body has another type than JSON, or is too long.
    pub(super) fn with_status(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::new(status, "bad-request", "The request cannot be read", detail)
    }

    /// No credential, or none that is good.
    pub(super) fn unauthorized() -> Self {
        let mut problem = Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "A credential is needed",
            "Send `Authorization: Bearer` with a credential that is good here",
        );
        problem.header = Some((header::WWW_AUTHENTICATE, "Bearer realm=\"postern-admin\""));
        problem
    }

    /// A credential that is good, and not for this.
    pub(super) fn forbidden(detail: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "This credential is not enough",
            detail,
        )
    }

    /// There is no such thing.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// There is one, and it takes no such method.
    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "Method not allowed",
            "This path takes other methods",
        )
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        let detail = error.to_string();
        match error {
            RegistryError::NotFound { .. } => Self::not_found(detail),
            RegistryError::Exists { .. } => Self::new(
                StatusCode::CONFLICT,
                "exists",
                "It is there already",
                detail,
            ),
            RegistryError::NameTaken { .. } => Self::new(
                StatusCode::CONFLICT,
                "name-taken",
                "The name is taken",
                detail.clone(),
            )
            .at("name", detail),
            RegistryError::Deleted { .. } => {
                Self::new(StatusCode::GONE, "deleted", "It was deleted", detail)
            }
            RegistryError::InUse { .. } => {
                Self::new(StatusCode::CONFLICT, "in-use", "It is still used", detail)
            }
            RegistryError::Invalid(invalid) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                "A value cannot be taken",
                detail,
            )
            .at(invalid.path, invalid.reason),
            RegistryError::Refused(faults) => faults.into_iter().fold(
                Self::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "refused",
                    "The policy that results would have faults",
                    "Nothing was changed",
                ),
                |problem, fault| problem.at(fault.path, fault.rule.to_string()),
            ),
            RegistryError::Full(_) => {
                tracing::error!(%detail, "a change failed");
                Self::new(
                    StatusCode::INSUFFICIENT_STORAGE,
                    "full",
                    "The registry has no room left",
                    "Nothing was changed; gateways keep what they have, and changes work again when there is room",
                )
            }
            RegistryError::Busy | RegistryError::Stopped => {
                let mut problem =
                    Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Not now", detail);
                problem.header = Some((header::RETRY_AFTER, "1"));
                problem
            }
            other => {
                // What the database says may hold names and values; it is for the operator of this service alone.
                tracing::error!(error = %other, "a request failed");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "unavailable",
                    "The registry is not available",
                    "Look whether the change was made before you ask again; the log of the service says what failed",
                )
            }
        }
    }
}

impl From<RandomFailed> for Problem {
    fn from(error: RandomFailed) -> Self {
        RegistryError::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Members are texts and a number; an empty body would still have its status.
        let body = serde_json::to_vec(&*self.body).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_failing_database_is_not_said_to_have_changed_nothing() {
        // It may fail when what was changed is read again, or after it wrote the end of a transaction.
        let error = RegistryError::Database(Arc::new(sqlx::Error::PoolClosed));
        let problem = Problem::from(error);
        assert_eq!(problem.status, StatusCode::SERVICE_UNAVAILABLE);
        let detail = &problem.body.detail;
        assert!(detail.contains("whether the change was made"), "{detail}");
    }
}
