//! A policy that changes.

use std::collections::BTreeMap;
use std::path::Path;

use postern_host::{Metric, Request};

use super::setting::{Admin, EXCHANGE, Gateway, module};

#[test]
fn without_a_policy_nothing_is_decided_and_with_one_a_token_works_until_it_is_deactivated() {
    let admin = Admin::new();
    let mut gateway = Gateway::alone(&admin);
    assert_eq!(gateway.reasons(), ["no_policy"]);

    let admin = Admin::filled();
    let issued = admin.token("nightly");
    let mut gateway = Gateway::alone(&admin);
    assert_eq!(gateway.reasons(), ["no_policy"]);
    gateway.pass(1);
    let access = gateway.exchange(&issued);
    assert_eq!(gateway.call(&access), [200]);

    admin.deactivate(&issued.view.id);
    gateway.pass(10);
    assert_eq!(gateway.call(&access), [401]);
    let (status, _) = gateway.send(Request::post(EXCHANGE), issued.token.expose());
    assert_eq!(status, 401);
}

#[test]
fn the_documentation_lists_exactly_the_metrics_that_policy_sync_defines() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let rows = page.lines().filter_map(|line| {
        let line = line.strip_prefix("| `postern.sync.")?;
        let (name, rest) = line.split_once("` | ")?;
        Some((name.to_owned(), rest.split(' ').next()?.to_owned()))
    });
    let documented: BTreeMap<_, _> = rows.collect();
    let gateway = Gateway::alone(&Admin::filled());
    let metrics = gateway.host.metrics().into_iter();
    let defined: BTreeMap<_, _> = metrics
        .filter_map(|(name, metric)| {
            let kind = match metric {
                Metric::Counter(_) => "counter",
                Metric::Gauge(_) => "gauge",
                _ => "something else",
            };
            Some((
                name.strip_prefix("postern.sync.")?.to_owned(),
                kind.to_owned(),
            ))
        })
        .collect();
    assert_eq!(defined, documented);
}

#[test]
fn a_vm_without_an_id_of_its_own_is_refused_with_the_reason() {
    let admin = Admin::filled();
    let builder = admin.host(module()).vm_id("");
    let mut host = builder.build();
    let refused = host.add_plugin(admin.configuration().to_string());
    assert!(refused.is_err());
    let lines = host.logs().iter();
    let said: Vec<_> = lines
        .filter(|line| line.message.contains("refused"))
        .collect();
    assert!(
        said.iter()
            .all(|line| line.message.contains("the VM needs a vm_id")),
        "{said:?}"
    );
    assert!(!said.is_empty());
}

#[test]
fn without_its_credential_a_configuration_is_refused_and_nothing_of_the_value_is_told() {
    let admin = Admin::filled();
    for (name, told) in [
        ("POSTERN_ROOT_KEY", "holds no credential of a gateway"),
        ("POSTERN_UNSET", "is not set for this VM"),
    ] {
        let mut host = admin.host(module()).build();
        let mut configuration = admin.configuration();
        configuration["sync"]["credential_env"] = name.into();
        assert!(host.add_plugin(configuration.to_string()).is_err());
        let lines: Vec<_> = host.logs().iter().map(|line| &line.message).collect();
        let lines = format!("{lines:?}");
        assert!(lines.contains("sync.credential_env") && lines.contains(told));
        assert!(!lines.contains("r1:"), "a secret is told");
    }
}
