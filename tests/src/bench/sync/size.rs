//! A large policy: how long it takes to be read, what it needs, and what it costs beside a small one.

use std::time::{Duration, Instant};

use super::super::cpu::Spent;
use super::Arguments;
use super::memory;
use super::policy::{self, Amounts};
use super::report::{Report, percentile};
use super::setting::{Setting, exchange};
use super::traffic::Traffic;
use super::workers::Workers;
use crate::client::{Kept, Protocol};
use crate::envoy::Envoy;
use crate::{Error, Result};

/// Workers of the gateway.
const CONCURRENCY: u32 = 2;

/// What a large policy is compared with.
const SMALL: Amounts = Amounts {
    tokens: 100,
    persons: 10,
    methods: 10,
};

/// Goals: seconds, MiB, milliseconds.
const FIRST_SYNC: f64 = 20.0;
const AT_REST: f64 = 72.0;
const AT_PEAK: f64 = 110.0;
const LONGER: f64 = 10.0;
const RECOVERY: f64 = 5.0;

/// A lookup costs the same if it costs at most so much more: figures of two runs of the same differ by that.
const SAME: f64 = 1.1;

/// How long traffic is watched before anything happens.
const BEFORE: Duration = Duration::from_secs(15);

/// How long a large policy may take to be loaded.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) async fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let large = Amounts {
        tokens: arguments.tokens,
        persons: arguments.persons,
        methods: arguments.methods,
    };
    let mut setting = Setting::new(arguments).await?;
    import(&setting, SMALL)?;
    let copy = setting.admin.copy()?;
    let small = std::mem::replace(&mut setting.admin, copy);
    let start = Instant::now();
    import(&setting, large)?;
    report.note(
        format!("import of {} tokens into the registry", large.tokens),
        seconds(start.elapsed()),
    );
    let loaded = std::mem::replace(&mut setting.admin, small);
    let before = grow(arguments, &mut setting, loaded, large, report).await?;
    fresh(arguments, &mut setting, large, before, report).await
}

fn import(setting: &Setting, amounts: Amounts) -> Result<()> {
    policy::write(amounts, &setting.admin.folder().join("policy.json"))?;
    setting
        .admin
        .command(&["policy", "import", "--vouch", "policy.json"])
        .map(drop)
}

/// A gateway with a small policy, to which the large one comes under traffic. Returns what a lookup costs in the small
/// one, in microseconds.
async fn grow(
    arguments: &Arguments,
    setting: &mut Setting,
    loaded: crate::admin::Admin,
    large: Amounts,
    report: &mut Report,
) -> Result<f64> {
    setting.serve()?;
    let envoy = setting
        .envoy(arguments, &arguments.wasm, CONCURRENCY, 1)
        .await?;
    let address = envoy.address("gateway-0")?;
    let request = exchange(&setting.token);
    let mut workers = Workers::connect(address).await?;
    workers.until(&request, 200, &[503]).await?;
    let cost = lookup(&envoy, setting).await?;
    let linear = memory::linear(envoy.process_id())?;
    report.note(
        format!("linear memory of the VMs, {} tokens", SMALL.tokens),
        format!("{linear:.1?} MiB"),
    );

    let traffic = Traffic::start(address, &request, 200);
    tokio::time::sleep(BEFORE).await;
    let before = traffic.stop().await?;
    let traffic = Traffic::start(address, &request, 200);
    setting.admin.kill()?;
    setting.admin = loaded;
    setting.serve()?;
    let start = Instant::now();
    wait_for(&envoy, large, CONCURRENCY as usize).await?;
    let took = start.elapsed();
    let meanwhile = traffic.stop().await?;
    let longer = meanwhile.longest() - before.longest();
    report.goal(
        "longest wait of a request while the policy loads, beside that before",
        format!("{longer:+.1} ms"),
        format!("{LONGER:+.0} ms"),
        longer <= LONGER,
    );
    report.note("  median, 99 %, 99.9 %, longest before", before.spread());
    report.note("  … meanwhile", meanwhile.spread());
    report.note("  until in force in every worker", seconds(took));
    Ok(cost)
}

/// A gateway that begins with the large policy.
async fn fresh(
    arguments: &Arguments,
    setting: &mut Setting,
    large: Amounts,
    small_cost: f64,
    report: &mut Report,
) -> Result<()> {
    let request = exchange(&setting.token);
    let start = Instant::now();
    let envoy = setting
        .envoy(arguments, &arguments.trap_wasm, CONCURRENCY, 1)
        .await?;
    let mut workers = Workers::connect(envoy.address("gateway-0")?).await?;
    let seen = workers.until(&request, 200, &[503]).await?;
    let took = seen.last.duration_since(start).as_secs_f64();
    let spent = Spent::of(envoy.process_id())?;
    report.goal(
        "first sync, from the start of Envoy until in force in every worker",
        format!("{took:.1} s"),
        format!("{FIRST_SYNC:.0} s"),
        took <= FIRST_SYNC,
    );
    report.note(
        "  in the first worker",
        seconds(seen.first.duration_since(start)),
    );
    report.note(
        "  Envoy's threads ran, and waited for a processor",
        format!("{} and {}", seconds(spent.running), seconds(spent.waiting)),
    );
    // What workers keep for each other is written after that.
    tokio::time::sleep(Duration::from_secs(15)).await;
    at_most(report, "linear memory of a VM at rest", &envoy, AT_REST)?;

    let cost = lookup(&envoy, setting).await?;
    report.goal(
        format!("processor time of an exchange, {} tokens", large.tokens),
        format!("{cost:.0} µs"),
        format!("as {} tokens, {small_cost:.0} µs, to 10 %", SMALL.tokens),
        cost <= small_cost * SAME,
    );

    let mut longest: f64 = 0.0;
    let before = Spent::of(envoy.process_id())?;
    for _ in 0..3 {
        let trap = request.clone().header("x-postern-test-trap", "1");
        let start = Instant::now();
        let trapped = envoy.send("gateway-0", Protocol::Http1, &trap).await?;
        if trapped.status != 503 {
            return Err(Error::Malformed(format!("{} from a trap", trapped.status)));
        }
        let seen = workers.until(&request, 200, &[503]).await?;
        longest = longest.max(seen.last.duration_since(start).as_secs_f64());
    }
    report.goal(
        "recovery of a VM after a trap, 503 until then, longest of 3",
        format!("{longest:.2} s"),
        format!("{RECOVERY:.0} s"),
        longest <= RECOVERY,
    );
    let spent = Spent::of(envoy.process_id())?.since(before);
    report.note(
        "  Envoy's threads ran, and waited for a processor, in all 3",
        format!("{} and {}", seconds(spent.running), seconds(spent.waiting)),
    );

    setting.admin.kill()?;
    setting.admin.command(&["backup", "backup.db"])?;
    setting.admin.command(&["restore", "backup.db", "--yes"])?;
    let known = in_force(&envoy, large)?;
    setting.serve()?;
    let start = Instant::now();
    wait_for(&envoy, large, known + CONCURRENCY as usize).await?;
    report.note(
        "full re-read after a restored backup, until in force in every worker",
        seconds(start.elapsed()),
    );
    at_most(
        report,
        "linear memory of a VM, peak of a full re-read",
        &envoy,
        AT_PEAK,
    )
}

fn at_most(report: &mut Report, what: &str, envoy: &Envoy, goal: f64) -> Result<()> {
    let linear = memory::linear(envoy.process_id())?;
    let most = linear.first().copied();
    let most = most.ok_or_else(|| Error::Fixture("no linear memory was found".to_owned()))?;
    report.goal(
        what,
        format!("{most:.1} MiB"),
        format!("{goal:.0} MiB"),
        most <= goal,
    );
    report.note("  of each VM", format!("{linear:.1?} MiB"));
    let resident = memory::resident(envoy.process_id())?;
    report.note("  Envoy's process", format!("{resident:.0} MiB"));
    Ok(())
}

/// How often Envoy's log tells of a policy of so many tokens.
fn in_force(envoy: &Envoy, large: Amounts) -> Result<usize> {
    // The one that the setting has is there too.
    let text = format!("is in force: {} tokens", large.tokens + 1);
    Ok(envoy.log()?.matches(&text).count())
}

async fn wait_for(envoy: &Envoy, large: Amounts, times: usize) -> Result<()> {
    let start = Instant::now();
    while in_force(envoy, large)? < times {
        if start.elapsed() > PATIENCE {
            return Err(Error::Late {
                what: "a large policy in every worker".to_owned(),
                seconds: PATIENCE.as_secs(),
            });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// The processor time of an exchange, which looks up an API token: the median of some rounds, in microseconds.
async fn lookup(envoy: &Envoy, setting: &Setting) -> Result<f64> {
    const ROUNDS: usize = 9;
    const REQUESTS: u32 = 1_000;
    let request = exchange(&setting.token);
    let mut connection = Kept::open(envoy.address("gateway-0")?, Protocol::Http1).await?;
    let mut costs = Vec::new();
    for _ in 0..ROUNDS {
        let before = Spent::of(envoy.process_id())?;
        for _ in 0..REQUESTS {
            connection.send(&request).await?;
        }
        let spent = Spent::of(envoy.process_id())?.since(before);
        costs.push(spent.running.as_secs_f64() * 1e6 / f64::from(REQUESTS));
    }
    Ok(percentile(&costs, 0.5))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
