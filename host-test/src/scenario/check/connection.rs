//! Comparing what came of TCP connections.

use super::super::bless::literal;
use super::super::format::{Closer, ConnectionExpect, Expect};
use super::super::observed::Observed;
use super::Checker;
use crate::connection::{ClosedBy, Connection};

impl Checker {
    pub(super) fn connection(&mut self, expect: &Expect, observed: &Observed) {
        if let Some(expect) = &expect.connection {
            let seen = observed.connection.as_ref();
            self.at("connection", |checker| match seen {
                Some(seen) => checker.connection_seen(expect, seen),
                None => checker.differ_with(
                    "closed_by",
                    "a connection".to_owned(),
                    "none of this name".to_owned(),
                    Vec::new(),
                    None,
                ),
            });
        }
    }

    fn connection_seen(&mut self, expect: &ConnectionExpect, seen: &Connection) {
        let ConnectionExpect {
            connected,
            to_upstream,
            to_client,
            upstream_ended,
            upstream_reset,
            client_ended,
            client_reset,
            closed_by,
        } = expect;
        let closer = Closer::of(seen.closed).name();
        if expect.says_nothing() {
            self.fill("to_upstream", literal::bytes(&seen.to_upstream));
            self.fill("to_client", literal::bytes(&seen.to_client));
            self.fill("closed_by", literal::string(closer));
        }
        self.flag("connected", *connected, seen.connected);
        self.text("to_upstream", to_upstream.as_ref(), Some(&seen.to_upstream));
        self.text("to_client", to_client.as_ref(), Some(&seen.to_client));
        self.flag("upstream_ended", *upstream_ended, seen.upstream_ended);
        self.flag("upstream_reset", *upstream_reset, seen.upstream_reset);
        self.flag("client_reset", *client_reset, seen.client_reset);
        self.flag("client_ended", *client_ended, seen.client_ended);
        self.word("closed_by", closed_by.map(Closer::name), closer);
    }
}

impl Closer {
    fn of(closed: Option<ClosedBy>) -> Self {
        match closed {
            Some(ClosedBy::Filter) => Self::Filter,
            Some(ClosedBy::Client) => Self::Client,
            Some(ClosedBy::Upstream) => Self::Upstream,
            Some(ClosedBy::NoUpstream) => Self::NoUpstream,
            Some(ClosedBy::Host) => Self::Host,
            None => Self::Nobody,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::NoUpstream => "no-upstream",
            Self::Host => "host",
            Self::Nobody => "nobody",
        }
    }
}
