//! The shared case table: one request and what must come of it, in the test host and in Envoy, over both protocols.

mod authority;
mod credentials;
mod exchange;
mod expected;
mod forwarding;
mod oauth;
mod paths;
mod routes;
mod run;
mod tokens;

pub use expected::{Expected, Forwarded, OAuthRefusal, Refusal};
pub use oauth::{basic, form_body};
pub use run::{Findings, find_secrets, run, run_in};

use crate::Result;
use crate::client::Protocol;
use crate::fixture::World;
use crate::message::Request;

/// One row of the table.
#[derive(Clone, Debug)]
pub struct Case {
    /// What the row shows, as a sentence.
    pub name: String,
    /// What is sent.
    pub request: Request,
    /// What must come of it.
    pub expected: Expected,
    /// The protocols that can carry the request.
    pub protocols: &'static [Protocol],
}

impl Case {
    /// A row with a `GET` of `/` that expects nothing yet.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            request: Request::get("/"),
            expected: Expected::Unsaid,
            protocols: &Protocol::ALL,
        }
    }

    /// Sends this method to this target.
    #[must_use]
    pub fn request(mut self, method: impl Into<Vec<u8>>, target: impl Into<Vec<u8>>) -> Self {
        self.request.method = method.into();
        self.request.target = Some(target.into());
        self
    }

    /// Sends `GET`.
    #[must_use]
    pub fn get(self, target: impl Into<Vec<u8>>) -> Self {
        self.request("GET", target)
    }

    /// Sends `POST`.
    #[must_use]
    pub fn post(self, target: impl Into<Vec<u8>>) -> Self {
        self.request("POST", target)
    }

    /// Adds `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(mut self, token: impl AsRef<[u8]>) -> Self {
        self.request = self.request.bearer(token);
        self
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Replaces the authority.
    #[must_use]
    pub fn authority(mut self, authority: impl Into<Vec<u8>>) -> Self {
        self.request = self.request.authority(authority);
        self
    }

    /// Sends no authority at all.
    #[must_use]
    pub fn without_authority(mut self) -> Self {
        self.request.authority = None;
        self
    }

    /// Adds a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request = self.request.body(body);
        self
    }

    /// Adds a trailer field.
    #[must_use]
    pub fn trailer(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.request = self.request.trailer(name, value);
        self
    }

    /// Runs over HTTP/1.1 only; the reason is for the reader of the table.
    #[must_use]
    pub fn http1_only(mut self, _why: &'static str) -> Self {
        self.protocols = &[Protocol::Http1];
        self
    }

    /// Runs over HTTP/2 only; the reason is for the reader of the table.
    #[must_use]
    pub fn http2_only(mut self, _why: &'static str) -> Self {
        self.protocols = &[Protocol::Http2];
        self
    }

    /// Says what must come of it.
    #[must_use]
    pub fn expect(mut self, expected: impl Into<Expected>) -> Self {
        self.expected = expected.into();
        self
    }

    /// Envoy's codec ends the connection, before the filter sees anything; without a codec the filter refuses it.
    #[must_use]
    pub fn closed_by_codec(self, refusal: Refusal) -> Self {
        self.expect(Expected::ClosedByCodec(refusal))
    }

    /// Envoy itself answers, before the filter sees anything.
    #[must_use]
    pub fn answered_by_host(self, status: u16) -> Self {
        self.expect(Expected::ByHost { status })
    }
}

/// Credentials: none, other schemes, malformed.
///
/// # Errors
///
/// When the world's keys are not usable.
pub fn credentials(world: &World) -> Result<Vec<Case>> {
    credentials::cases(world)
}

/// Tokens that are well formed and not good, of both kinds.
///
/// # Errors
///
/// When the world's keys are not usable.
pub fn tokens(world: &World) -> Result<Vec<Case>> {
    let mut cases = tokens::api_tokens(world)?;
    cases.extend(tokens::access_tokens(world)?);
    Ok(cases)
}

/// The exchange in all its spellings.
///
/// # Errors
///
/// When the world's keys are not usable.
pub fn exchange(world: &World) -> Result<Vec<Case>> {
    exchange::cases(world)
}

/// OAuth client credentials by Basic.
///
/// # Errors
///
/// When the world's keys are not usable.
pub fn oauth_clients(world: &World) -> Result<Vec<Case>> {
    oauth::clients(world)
}

/// Token exchanges with a form, where the configuration takes them.
///
/// # Errors
///
/// When the world's keys are not usable.
pub fn oauth_forms(world: &World) -> Result<Vec<Case>> {
    oauth::forms(world)
}

/// Paths that two readers could read differently.
///
/// # Errors
///
/// When the world's keys are not usable.
pub fn paths(world: &World) -> Result<Vec<Case>> {
    paths::cases(world)
}

/// Which method a request names, its audience, and upgrades.
///
/// # Errors
///
/// When the world's keys are not usable.
pub fn routes(world: &World) -> Result<Vec<Case>> {
    routes::cases(world)
}

/// What an upstream sees: identity headers, removed headers, trailers.
///
/// # Errors
///
/// When the world's keys are not usable.
pub fn forwarding(world: &World) -> Result<Vec<Case>> {
    forwarding::cases(world)
}

/// Authorities.
///
/// # Errors
///
/// When the world's keys are not usable.
pub fn authority(world: &World) -> Result<Vec<Case>> {
    authority::cases(world)
}
