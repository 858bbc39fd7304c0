//! TCP connections through network filters, as Envoy's `envoy.filters.network.wasm` in front of its TCP proxy.

mod filter;
mod link;
mod options;

use crate::attributes::Settings;
use crate::builder::FailurePolicy;
use crate::exchange::{Callback, LogLine, StreamId};
use crate::host::Host;
use crate::plugin::PluginSettings;
use crate::plugins::PluginId;
use crate::state::{Common, Deferred};
use crate::stream::{StreamInfo, Surroundings};

use filter::Filter;
pub(crate) use link::Link;
pub use options::ConnectOptions;

/// Names one connection of one host.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub(crate) u64);

/// What has come of a connection so far.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Connection {
    /// Whether there is a connection to the upstream. Not while the filter pauses the new connection: what the client sends
    /// meanwhile is read only afterwards.
    pub connected: bool,
    /// The bytes that reached the upstream.
    pub to_upstream: Vec<u8>,
    /// Whether the upstream saw the end of what the client sends.
    pub upstream_ended: bool,
    /// Whether the upstream saw the connection broken off (RST), because the client did that.
    pub upstream_reset: bool,
    /// The bytes that reached the client.
    pub to_client: Vec<u8>,
    /// Whether the client saw the end of what the upstream sends.
    pub client_ended: bool,
    /// Whether the client saw the connection broken off (RST): the upstream did that, or there is none and nobody has read what
    /// the client sent.
    pub client_reset: bool,
    /// Who closed the connection; `None`: it is open.
    pub closed: Option<ClosedBy>,
    /// The lines that the guest logged in this connection's callbacks.
    pub log: Vec<LogLine>,
    /// What crossed the boundary in this connection's callbacks, in the format of Envoy's trace. Empty unless the host was
    /// built to trace.
    pub trace: Vec<String>,
    /// The callbacks that ran for this connection, in order, with what each cost.
    pub callbacks: Vec<Callback>,
    /// Why the VM died in one of this connection's callbacks, if it did.
    pub trap: Option<String>,
    /// The worker that serves the connection.
    pub worker: usize,
    /// The id of the connection's context in the VM of the first filter; 0 if that never heard of it.
    pub context: u32,
}

/// Who closed a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ClosedBy {
    /// The filter, with `proxy_close_stream`.
    Filter,
    /// The client: both sides have ended, it was the last; or it broke the connection off.
    Client,
    /// The upstream: both sides have ended, it was the last; or it broke the connection off.
    Upstream,
    /// The host, because the upstream could not be connected to.
    NoUpstream,
    /// The host, because the filter's VM is dead.
    Host,
}

impl Host {
    /// Opens a connection through the plugin, as a network filter in front of a proxy to one upstream. The caller plays the
    /// client and the upstream, and looks at what came of it with [`connection`](Self::connection).
    ///
    /// ```
    /// use postern_host::{ClosedBy, Host, Module};
    ///
    /// // A filter that hangs up on whoever sends more than four bytes at once.
    /// let module = Module::compile(
    ///     r#"(module
    ///         (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
    ///         (memory (export "memory") 1)
    ///         (func (export "proxy_abi_version_0_2_1"))
    ///         (func (export "malloc") (param i32) (result i32) (i32.const 1024))
    ///         (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
    ///             (if (i32.gt_u (local.get 1) (i32.const 4)) (then (drop (call $close (i32.const 2)))))
    ///             (i32.const 0)))"#,
    /// )?;
    /// let mut host = Host::builder(&module).build();
    /// let plugin = host.add_plugin("")?;
    ///
    /// let connection = host.connect(plugin);
    /// host.downstream_data(connection, "ping", false);
    /// host.upstream_data(connection, "pong", false);
    /// host.downstream_data(connection, "too much", false);
    ///
    /// let seen = host.connection(connection).expect("it was not taken");
    /// assert_eq!(seen.to_upstream, b"ping");
    /// assert_eq!(seen.to_client, b"pong");
    /// assert_eq!(seen.closed, Some(ClosedBy::Filter));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(&mut self, plugin: PluginId) -> ConnectionId {
        self.connect_through(&[plugin], &ConnectOptions::new())
    }

    /// Opens a connection through a chain of several plugins, in this order. What the upstream sends passes them the other way.
    pub fn connect_through(
        &mut self,
        chain: &[PluginId],
        options: &ConnectOptions,
    ) -> ConnectionId {
        let id = ConnectionId(self.next_stream);
        self.next_stream += 1;
        let worker = options.worker.unwrap_or(self.next_worker) % self.worker_count;
        self.next_worker = self.next_worker.wrapping_add(1);
        let mut filters = Vec::with_capacity(chain.len());
        for plugin in chain {
            let home = self.root_for_stream(*plugin, worker);
            let settings = match self.plugins.get(plugin) {
                Some(plugin) => plugin.settings,
                None => PluginSettings::default(),
            };
            let fails_open = settings.policy == FailurePolicy::FailOpen;
            filters.push(Filter::new(home, fails_open));
        }
        let info = StreamInfo {
            id: StreamId(id.0),
            source: options.source,
            protocol: "",
            started: self.clock.wall(),
            connection: id.0,
            common: Common::of_connection(),
            properties: Settings::default(),
        };
        let link = Box::new(Link::new(info, filters, options.unreachable, worker));
        self.connections.insert(id, link);
        self.with_connection(id, Link::begin);
        id
    }

    /// The client sends bytes; `end` says that no more follow. A closed connection takes no notice.
    pub fn downstream_data(
        &mut self,
        connection: ConnectionId,
        bytes: impl AsRef<[u8]>,
        end: bool,
    ) {
        let bytes = bytes.as_ref();
        self.with_connection(connection, |link, around| {
            link.take_from_client(bytes, end, around);
        });
    }

    /// The upstream sends bytes; `end` says that no more follow. A connection that is closed, or not connected to the
    /// upstream, takes no notice.
    pub fn upstream_data(&mut self, connection: ConnectionId, bytes: impl AsRef<[u8]>, end: bool) {
        let bytes = bytes.as_ref();
        self.with_connection(connection, |link, around| {
            link.take_from_upstream(bytes, end, around);
        });
    }

    /// The client closes. In TCP that is the end of what it sends and no more: the connection is closed when the upstream
    /// has ended too.
    pub fn close_by_client(&mut self, connection: ConnectionId) {
        self.downstream_data(connection, [], true);
    }

    /// The upstream closes: the end of what it sends. The connection is closed when the client has ended too.
    pub fn close_by_upstream(&mut self, connection: ConnectionId) {
        self.upstream_data(connection, [], true);
    }

    /// The client breaks the connection off (RST). What of its bytes was not read is lost. Envoy gets to know that while it reads
    /// from there: not before there is an upstream, and behind the end of what the client sends only when it writes to it.
    pub fn reset_by_client(&mut self, connection: ConnectionId) {
        self.with_connection(connection, Link::reset_by_client);
    }

    /// The upstream breaks the connection off (RST). Behind the end of what it sends, Envoy gets to know that when it writes to it.
    pub fn reset_by_upstream(&mut self, connection: ConnectionId) {
        self.with_connection(connection, Link::reset_by_upstream);
    }

    /// What has come of a connection so far. `None`: it is not of this host, or was taken before.
    pub fn connection(&self, connection: ConnectionId) -> Option<&Connection> {
        self.connections.get(&connection).map(|link| link.seen())
    }

    /// Takes what came of a connection. One that is open is given up, without any callback.
    pub fn take_connection(&mut self, connection: ConnectionId) -> Option<Connection> {
        let link = self.connections.remove(&connection)?;
        Some(link.into_seen(&mut self.vms))
    }

    /// Does to a connection what a callback of another context asked for.
    pub(crate) fn apply_to_connection(&mut self, vm: usize, context: u32, asked: &Deferred) {
        let mut links = self.connections.iter();
        let found = links.find_map(|(id, link)| Some((*id, link.filter_of(vm, context)?)));
        if let Some((id, filter)) = found {
            self.move_connection(id, |link, around| link.apply_later(filter, asked, around));
        }
    }

    fn with_connection(
        &mut self,
        id: ConnectionId,
        action: impl FnOnce(&mut Link, &mut Surroundings<'_>),
    ) {
        self.move_connection(id, action);
        self.settle();
    }

    fn move_connection(
        &mut self,
        id: ConnectionId,
        action: impl FnOnce(&mut Link, &mut Surroundings<'_>),
    ) {
        // Moving one connection touches no other.
        let mut connections = std::mem::take(&mut self.connections);
        if let Some(link) = connections.get_mut(&id) {
            self.surround(&mut **link, action);
        }
        self.connections = connections;
    }
}
