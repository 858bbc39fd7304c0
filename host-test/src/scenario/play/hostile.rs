//! Requests of a scenario with bytes that are not UTF-8.

use super::super::build::{self, Asked, build};
use super::super::format::{ClientRequest, PeerReply};
use super::super::upstream::Peer;
use super::Player;
use crate::builder::Upstream;
use crate::diagnostics::{Code, Diagnostic};
use crate::request::Reply;

impl Player<'_> {
    /// What kills the plugins when this request is repeated with such bytes in one place after another. That happens in a host
    /// of its own with the plugins' configurations as they are now: nothing of the scenario changes.
    pub(super) fn hostile_bytes(&mut self, request: &ClientRequest) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let wire = request.wire();
        let accepted = self.plugins.iter().filter_map(|playing| playing.id);
        for plugin in accepted.filter_map(|id| self.host.plugin(id)) {
            let clusters = build::clusters(self.scenario);
            let asked = Asked::default();
            let module = plugin.module.clone();
            let mut host = build(self.scenario, &module, self.seed, false, &clusters, &asked);
            host.set_wall_clock(self.host.wall_clock());
            let mut upstream = Peer::new(&self.scenario.upstream);
            host.upstream = Upstream::Scripted(Box::new(move |request| {
                match upstream.answer(&request.headers) {
                    PeerReply::Response(response) => response.reply(),
                    _ => Reply::reset(),
                }
            }));
            // A configuration that the scenario's host has accepted may need what other plugins have left there.
            let Ok(id) = host.add_plugin_with(plugin) else {
                continue;
            };
            if host.try_hostile_bytes(id, &wire).is_ok() {
                found.extend(host.take_diagnostics());
            }
        }
        found.retain(|finding| finding.code == Code::NotUtf8);
        // Each is told once, at the first request that has it.
        found.retain(|finding| {
            let place = (finding.callback, finding.call, finding.detail.clone());
            self.spoilt.insert(place)
        });
        found
    }
}
