//! A client's connection over which several requests come.

use std::sync::{Arc, OnceLock};

use crate::filter_state::ConnectionState;

/// A client's connection: requests that come [over](crate::Request::over) the same one share what filters leave on it
/// (`declare_property` and `set_envoy_filter_state` with the life span `DownstreamConnection`), its `connection.id`, and its
/// worker. A request that says nothing comes over a connection of its own.
///
/// ```
/// use postern_host::{ClientConnection, Request};
///
/// let connection = ClientConnection::new();
/// let first = Request::get("/a").over(&connection);
/// let second = Request::get("/b").over(&connection);
/// # let _ = (first, second);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClientConnection {
    pub(crate) state: ConnectionState,
    home: Arc<OnceLock<Home>>,
}

/// What is settled by the first request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home {
    pub(crate) number: u64,
    pub(crate) worker: usize,
}

impl ClientConnection {
    /// A new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where it is; the first request settles that.
    pub(crate) fn home(&self, first: Home) -> Home {
        *self.home.get_or_init(|| first)
    }
}
