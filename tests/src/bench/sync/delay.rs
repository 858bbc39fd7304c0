//! One change until it is in force in every worker; and how often the admin service is asked meanwhile.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Arguments;
use super::report::{Report, percentile};
use super::setting::{Setting, call, exchange};
use super::workers::Workers;
use crate::{Error, Result};

/// Workers of the gateway.
const CONCURRENCY: u32 = 4;

/// 99 of 100 changes are in force within so many milliseconds.
const GOAL: f64 = 500.0;

/// What is in force after a change, by its kind.
#[derive(Default)]
struct Delays {
    first: Vec<f64>,
    last: Vec<f64>,
}

pub(super) async fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let changes = arguments.changes.unwrap_or(102);
    let mut setting = Setting::new(arguments).await?;
    setting.serve()?;
    let (mut delays, few) = follow(arguments, &setting, CONCURRENCY, 3, changes).await?;
    let all: Vec<f64> = delays
        .iter()
        .flat_map(|delays| delays.last.clone())
        .collect();
    let first: Vec<f64> = delays
        .iter()
        .flat_map(|delays| delays.first.clone())
        .collect();
    let p99 = percentile(&all, 0.99);
    report.goal(
        format!("{} changes until in force in every worker, 99 %", all.len()),
        format!("{p99:.0} ms"),
        format!("{GOAL:.0} ms"),
        p99 <= GOAL,
    );
    report.note("  median and maximum", spread(&all));
    report.note("  in the first worker, median and maximum", spread(&first));
    for (name, delays) in ["generated", "re-audienced", "deactivated"]
        .iter()
        .zip(&mut delays)
    {
        report.note(
            format!("  {name}, median and maximum"),
            spread(&delays.last),
        );
    }
    let (_, one) = follow(arguments, &setting, 1, 1, changes.div_ceil(3)).await?;
    let is_met = few.waiting == 1 && few.per_change <= one.per_change * 1.1 + 0.1;
    report.goal(
        format!("heads asked for at each change, {CONCURRENCY} workers and 3 listeners"),
        format!("{:.2}", few.per_change),
        format!("as 1 worker and 1 listener, {:.2}", one.per_change),
        is_met,
    );
    report.note(
        "  requests that wait at the admin service",
        few.waiting.to_string(),
    );
    Ok(())
}

fn spread(values: &[f64]) -> String {
    let (median, most) = (percentile(values, 0.5), percentile(values, 1.0));
    format!("{median:.0} and {most:.0} ms")
}

/// How a gateway asks.
struct Polls {
    per_change: f64,
    waiting: u64,
}

/// Makes changes one after another, each when the one before is in force everywhere.
async fn follow(
    arguments: &Arguments,
    setting: &Setting,
    concurrency: u32,
    listeners: u32,
    changes: usize,
) -> Result<([Delays; 3], Polls)> {
    let envoy = setting
        .envoy(arguments, &arguments.wasm, concurrency, listeners)
        .await?;
    let mut workers = Workers::connect(envoy.address("gateway-0")?).await?;
    let seen = workers
        .until(&exchange(&setting.token), 200, &[503])
        .await?;
    let kept = access(&seen.body)?;
    // Whoever asked before the lease was known has its answer by now, or holds it for 25 s more.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let waiting = setting.admin.metric("postern_admin_heads_waiting").await?;
    let before = setting.heads().await?;
    let mut delays: [Delays; 3] = Default::default();
    let (mut is_open, mut made_changes) = (true, 0);
    for number in 0..changes.div_ceil(3) {
        let [generated, moved, deactivated] = &mut delays;
        let start = Instant::now();
        let name = format!("{concurrency} {number}");
        let made = setting.admin.generate(&name, "exporter").await?;
        let request = exchange(&made.token);
        generated.note(start, &workers.until(&request, 200, &[401]).await?);

        let audience = if is_open {
            json!({"mode": "restricted"})
        } else {
            json!({"mode": "unrestricted"})
        };
        is_open = !is_open;
        let (status, other): (u16, &[u16]) = if is_open {
            (200, &[403])
        } else {
            (403, &[200])
        };
        let start = Instant::now();
        setting
            .admin
            .put("/v1/services/orders/audience", &audience)
            .await?;
        moved.note(start, &workers.until(&call(&kept), status, other).await?);

        let start = Instant::now();
        setting.admin.deactivate(&made.id).await?;
        deactivated.note(start, &workers.until(&request, 401, &[200]).await?);
        made_changes += 3;
    }
    let asked = setting.heads().await? - before;
    Ok((
        delays,
        Polls {
            per_change: asked as f64 / f64::from(made_changes),
            waiting,
        },
    ))
}

impl Delays {
    fn note(&mut self, start: Instant, seen: &super::workers::Seen) {
        let millis = |at: Instant| at.duration_since(start).as_secs_f64() * 1e3;
        self.first.push(millis(seen.first));
        self.last.push(millis(seen.last));
    }
}

/// The access token in the answer to an exchange.
pub(super) fn access(body: &str) -> Result<String> {
    let body: serde_json::Value = serde_json::from_str(body)?;
    let token = body["RawToken"].as_str();
    token
        .map(str::to_owned)
        .ok_or_else(|| Error::Fixture("an exchange without a token".to_owned()))
}
