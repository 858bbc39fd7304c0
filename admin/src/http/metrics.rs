//! Metrics, as Prometheus reads them: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use postern_core::time::Timestamp;

use super::auth::Operator;
use super::{App, Problem};
use crate::clock::now;
use crate::registry::Health;

/// What a virtual machine said longer ago, in seconds, says nothing of its gateway now: it may be gone.
const LATE: u64 = 600;

pub(super) async fn metrics(
    State(app): State<App>,
    _operator: Operator,
) -> Result<Response, Problem> {
    let registry = &app.registry;
    let gateways = registry.gateways().await?;
    let reports = registry.health().await?;
    let (position, counters) = (registry.position(), registry.counters());
    let mut text = Text::default();
    text.family("revision", "gauge", "The revision of the policy");
    text.value("", position.revision);
    text.family("epoch", "gauge", "The epoch of the feed");
    text.value("", position.epoch);
    text.family(
        "changes_total",
        "counter",
        "Changes that were asked for, by what came of them",
    );
    text.value("{outcome=\"made\"}", counters.made.get());
    text.value("{outcome=\"refused\"}", counters.refused.get());
    text.value("{outcome=\"failed\"}", counters.failed.get());
    text.family(
        "commits_total",
        "counter",
        "Transactions that changes were made in",
    );
    text.value("", counters.commits.get());
    text.family(
        "changes_waiting",
        "gauge",
        "Changes that wait for their turn",
    );
    text.value("", registry.waiting() as u64);
    text.family("heads_total", "counter", "Heads of the feed that were sent");
    text.value("", counters.heads.get());
    text.family(
        "heads_waiting",
        "gauge",
        "Requests for a head that are held until there is news",
    );
    text.value("", app.polls.count() as u64);
    text.family("pages_total", "counter", "Pages that were asked for");
    text.value("{outcome=\"sent\"}", counters.pages.get());
    text.value("{outcome=\"missing\"}", counters.pages_missing.get());
    text.family(
        "reports_total",
        "counter",
        "Reports of gateways, by what became of them",
    );
    text.value("{outcome=\"kept\"}", counters.reports.get());
    text.value("{outcome=\"dropped\"}", counters.reports_dropped.get());
    text.family(
        "unauthorized_total",
        "counter",
        "Requests without a credential that is good",
    );
    text.value("", counters.unauthorized.get());
    text.family("gateways", "gauge", "Gateways that the registry knows");
    text.value("", gateways.len() as u64);
    of_gateways(&mut text, &reports, now());
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text.text).into_response())
}

fn of_gateways(text: &mut Text, reports: &[Health], now: Timestamp) {
    let age = |report: &Health| now.as_secs().saturating_sub(report.received_at.as_secs());
    let mut latest: BTreeMap<&str, u64> = BTreeMap::new();
    let mut behind: BTreeMap<&str, u64> = BTreeMap::new();
    for report in reports {
        let least = latest.entry(&report.gateway).or_insert(u64::MAX);
        *least = age(report).min(*least);
        if age(report) <= LATE {
            let most = behind.entry(&report.gateway).or_insert(0);
            *most = report.behind.max(*most);
        }
    }
    text.family(
        "gateway_report_age_seconds",
        "gauge",
        "Since when a gateway has not reported; none that never did",
    );
    for (gateway, age) in latest {
        text.value(&format!("{{gateway=\"{gateway}\"}}"), age);
    }
    text.family(
        "gateway_behind",
        "gauge",
        "Changes that a gateway lacked when it last reported, beside those of the 10 s before; of its worst machine",
    );
    for (gateway, behind) in behind {
        text.value(&format!("{{gateway=\"{gateway}\"}}"), behind);
    }
}

/// A page of metrics, as far as it is written.
#[derive(Default)]
struct Text {
    text: String,
    /// The family that values are of.
    name: String,
}

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.name = format!("postern_admin_{name}");
        let name = &self.name;
        let lines = format!("# HELP {name} {help}.\n# TYPE {name} {kind}\n");
        self.text.push_str(&lines);
    }

    /// Labels are of ids, which hold nothing to be escaped.
    fn value(&mut self, labels: &str, value: u64) {
        let line = format!("{}{labels} {value}\n", self.name);
        self.text.push_str(&line);
    }
}
