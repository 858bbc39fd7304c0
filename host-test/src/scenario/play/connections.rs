//! TCP connections in a scenario.

use super::super::format::{Connecting, Sent, Step};
use super::{Impossible, Player};
use crate::connection::{ConnectOptions, Connection, ConnectionId};

/// A connection of the scenario.
pub(super) struct PlayedConnection {
    name: String,
    pub(super) id: ConnectionId,
}

/// Who sends on a connection.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Client,
    Upstream,
}

impl Player<'_> {
    pub(super) fn connect(
        &mut self,
        step: &Step,
        name: &str,
        connecting: &Connecting,
    ) -> Result<(), Impossible> {
        let chain = match &step.plugin {
            Some(plugin) => vec![self.accepted(Some(plugin))?],
            None => self.chain(connecting.plugins.as_deref())?,
        };
        let mut options = ConnectOptions::new();
        options.worker = connecting.worker;
        options.unreachable = connecting.is_refused();
        let id = self.host.connect_through(&chain, &options);
        self.connections.push(PlayedConnection {
            name: name.to_owned(),
            id,
        });
        self.pump();
        Ok(())
    }

    pub(super) fn send_on_connection(
        &mut self,
        name: &str,
        side: Side,
        sent: &Sent,
    ) -> Result<(), Impossible> {
        let id = self.last_connection(name).ok_or_else(|| {
            Impossible(if name.is_empty() {
                "no connection without a `stream` name was opened before".to_owned()
            } else {
                format!("no connection named `{name}` was opened before")
            })
        })?;
        let last = sent.chunks.len().saturating_sub(1);
        for (index, chunk) in sent.chunks.iter().enumerate() {
            let end = sent.end && index == last;
            match side {
                Side::Client => self.host.downstream_data(id, chunk, end),
                Side::Upstream => self.host.upstream_data(id, chunk, end),
            }
        }
        if sent.chunks.is_empty() && sent.end {
            match side {
                Side::Client => self.host.close_by_client(id),
                Side::Upstream => self.host.close_by_upstream(id),
            }
        }
        if sent.resets() {
            match side {
                Side::Client => self.host.reset_by_client(id),
                Side::Upstream => self.host.reset_by_upstream(id),
            }
        }
        self.pump();
        Ok(())
    }

    /// What has come of the last connection of this name.
    pub(super) fn connection_seen(&self, name: &str) -> Option<Connection> {
        self.host.connection(self.last_connection(name)?).cloned()
    }

    fn last_connection(&self, name: &str) -> Option<ConnectionId> {
        let mut named = self.connections.iter().rev();
        named.find(|one| one.name == name).map(|one| one.id)
    }
}
