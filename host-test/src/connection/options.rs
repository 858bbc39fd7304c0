//! How a connection is opened.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where clients of connections are, as far as guests are told.
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000);

/// How [`Host::connect_through`](crate::Host::connect_through) opens a connection.
///
/// ```
/// use postern_host::{ClosedBy, ConnectOptions, Host, Module};
///
/// let module = Module::compile(
///     r#"(module
///         (memory (export "memory") 1)
///         (func (export "proxy_abi_version_0_2_1"))
///         (func (export "malloc") (param i32) (result i32) (i32.const 1024)))"#,
/// )?;
/// let mut host = Host::builder(&module).workers(2).build();
/// let plugin = host.add_plugin("")?;
///
/// let options = ConnectOptions::new().worker(1).unreachable();
/// let connection = host.connect_through(&[plugin], &options);
///
/// let seen = host.connection(connection).expect("it was not taken");
/// assert_eq!(seen.worker, 1);
/// assert_eq!(seen.closed, Some(ClosedBy::NoUpstream));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    pub(crate) worker: Option<usize>,
    pub(crate) source: SocketAddr,
    pub(crate) unreachable: bool,
}

impl ConnectOptions {
    /// On the next worker in turn, from 127.0.0.1:50000, to an upstream that takes it.
    pub fn new() -> Self {
        Self {
            worker: None,
            source: CLIENT,
            unreachable: false,
        }
    }

    /// On this worker (0, 1, …) instead of the next in turn.
    #[must_use]
    pub fn worker(mut self, worker: usize) -> Self {
        self.worker = Some(worker);
        self
    }

    /// Where the client is, as far as guests are told (`source.address`).
    #[must_use]
    pub fn source(mut self, source: SocketAddr) -> Self {
        self.source = source;
        self
    }

    /// The upstream refuses the connection. Envoy tries when all filters have let the new connection pass, and then closes.
    #[must_use]
    pub fn unreachable(mut self) -> Self {
        self.unreachable = true;
        self
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self::new()
    }
}
