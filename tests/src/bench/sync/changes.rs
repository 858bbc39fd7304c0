//! Many small changes: memory, and VMs that were started anew.

use std::time::{Duration, Instant};

use super::Arguments;
use super::memory;
use super::report::Report;
use super::setting::{Setting, exchange};
use super::workers::Workers;
use crate::envoy::Envoy;
use crate::{Error, Result};

/// Workers of the gateway.
const CONCURRENCY: u32 = 2;

/// The memory after a tenth of the changes may grow by this share until the last.
const GOAL: f64 = 1.05;

/// How long one change may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let changes = arguments.changes.unwrap_or(10_000);
    let mut setting = Setting::new(arguments).await?;
    setting.serve()?;
    let envoy = setting
        .envoy(arguments, &arguments.wasm, CONCURRENCY, 1)
        .await?;
    let mut workers = Workers::connect(envoy.address("gateway-0")?).await?;
    workers
        .until(&exchange(&setting.token), 200, &[503])
        .await?;
    let heads = setting.heads().await?;
    let vms = created(&envoy).await?;
    let at_start = memory::resident(envoy.process_id())?;
    let mut made = None;
    let mut after_some = at_start;
    let some = changes.div_ceil(10);
    for number in 0..changes {
        let before = setting.heads().await?;
        made = Some(change(&setting, made, number).await?);
        asked_again(&setting, before).await?;
        if number + 1 == some {
            in_force(&setting, &mut workers).await?;
            after_some = memory::resident(envoy.process_id())?;
        }
    }
    in_force(&setting, &mut workers).await?;
    let at_end = memory::resident(envoy.process_id())?;
    let asked = setting.heads().await? - heads;
    report.goal(
        format!("memory of Envoy after {changes} changes"),
        format!(
            "{at_end:.1} MiB, {:+.1} %",
            (at_end / after_some - 1.0) * 100.0
        ),
        format!("+5 % of that after {some}, {after_some:.1} MiB"),
        at_end <= after_some * GOAL,
    );
    report.note("  before the first", format!("{at_start:.1} MiB"));
    report.note("  heads by which they came", asked.to_string());
    let linear = memory::linear(envoy.process_id())?;
    report.note("  linear memory of the VMs", format!("{linear:.1?} MiB"));
    let anew = created(&envoy).await? - vms;
    report.goal(
        "VMs that were started anew",
        anew.to_string(),
        "0",
        anew == 0,
    );
    Ok(())
}

/// Generates a token, or deactivates the one that was generated.
async fn change(setting: &Setting, made: Option<String>, number: usize) -> Result<String> {
    match made.filter(|_| number % 2 == 1) {
        Some(id) => {
            setting.admin.deactivate(&id).await?;
            Ok(id)
        }
        None => {
            let name = format!("token {number}");
            Ok(setting.admin.generate(&name, "exporter").await?.id)
        }
    }
}

/// Waits until the gateway has asked for what follows: it has the change then.
async fn asked_again(setting: &Setting, before: u64) -> Result<()> {
    let start = Instant::now();
    while setting.heads().await? == before {
        if start.elapsed() > PATIENCE {
            return Err(Error::Late {
                what: "a change at the gateway".to_owned(),
                seconds: PATIENCE.as_secs(),
            });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Waits until a token that is generated now is good in every worker.
async fn in_force(setting: &Setting, workers: &mut Workers) -> Result<()> {
    let heads = setting.heads().await?;
    let last = setting
        .admin
        .generate(&format!("last of {heads}"), "exporter")
        .await?;
    workers.until(&exchange(&last.token), 200, &[401]).await?;
    Ok(())
}

/// How many VMs Envoy has made so far.
async fn created(envoy: &Envoy) -> Result<u64> {
    let created = envoy.stat("wasm.envoy.wasm.runtime.v8.created").await?;
    if created == 0 {
        return Err(Error::Fixture("Envoy counts no VMs".to_owned()));
    }
    Ok(created)
}
