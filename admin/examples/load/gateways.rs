//! Gateways that wait for changes, and how soon each of them has one.
//!
//! Each is a connection of its own with a credential of its own that does what a gateway does on the wire: a new nonce for
//! each request, the signature, feed, nonce and revision of each head checked, pages fetched and checked by their hashes,
//! and each line read. It keeps no policy, which would measure the machine of the bench.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hyper::Method;
use postern_admin::entropy::Entropy;
use postern_core::feed::{Expected, Head, Nonce, PageReader, PublicKeys, Signatures};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::client::Connection;
use crate::report::{Report, percentile};
use crate::service::Service;
use crate::{Arguments, Failure};

/// Until the last gateway has a change, in seconds.
const GOAL: f64 = 2.0;

/// Memory of the service, in MiB.
const MEMORY: f64 = 512.0;

/// Gateways that read the whole policy to begin with. The others begin with where it stands, as gateways that have it: a
/// thousand at once would measure the disk cache of the bench.
const READERS: usize = 10;

/// What a gateway says when it has read a head with news.
struct Seen {
    revision: u64,
    at: Instant,
}

/// Has gateways wait, and makes changes.
pub(crate) async fn measure(
    arguments: &Arguments,
    service: &Service,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut operator = Connection::open(service.address, &service.operator).await?;
    let credentials = enrol(arguments.gateways, &mut operator).await?;
    let (before, _) = service.memory()?;
    let (sender, mut seen) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let mut gateways = tokio::task::JoinSet::new();
    let began = Instant::now();
    for (number, credential) in credentials.into_iter().enumerate() {
        let gateway = Gateway {
            connection: Connection::open(service.address, &credential).await?,
            keys: service.keys.clone(),
            epoch: 0,
            revision: 0,
            reads_whole: number < READERS,
            seen: sender.clone(),
            waiting: Arc::clone(&waiting),
        };
        gateways.spawn(gateway.run());
    }
    drop(sender);
    let times = all_have(arguments.gateways, Some(began), &mut seen, &mut gateways).await?;
    report.note(
        format!("all have begun, {READERS} of them with the whole policy"),
        format!("{:.1} s", times.last().copied().unwrap_or(f64::MAX)),
    );
    let mut all = Vec::new();
    let mut last = Vec::new();
    for change in 0..arguments.changes {
        until_all_wait(&waiting, arguments.gateways).await;
        let asked = json!({"name": format!("change {change}"), "person": "p-0", "expires_in": 30});
        let began = Instant::now();
        let made = operator.json(Method::POST, "/v1/tokens", &asked).await?;
        if !made["token"].is_string() {
            return Err("an answer without a token".into());
        }
        let times = all_have(arguments.gateways, Some(began), &mut seen, &mut gateways).await?;
        last.push(times.last().copied().unwrap_or(f64::MAX));
        all.extend(times);
    }
    let (after, peak) = service.memory()?;
    all.sort_by(f64::total_cmp);
    last.sort_by(f64::total_cmp);
    let worst = last.last().copied().unwrap_or(f64::MAX);
    report.goal(
        format!(
            "a change until the last of {} gateways has it",
            arguments.gateways
        ),
        format!("{worst:.2} s at most of {} changes", arguments.changes),
        format!("{GOAL} s"),
        worst <= GOAL,
    );
    report.note(
        "  until one has it, median and 99 %",
        format!(
            "{:.2} and {:.2} s",
            percentile(&all, 0.5),
            percentile(&all, 0.99)
        ),
    );
    report.goal(
        format!(
            "memory while {} gateways wait, and at most",
            arguments.gateways
        ),
        format!("{after:.0} and {peak:.0} MiB"),
        format!("{MEMORY} MiB"),
        peak <= MEMORY,
    );
    report.note(
        "  for each gateway that waits",
        format!(
            "{:.0} KiB",
            (after - before) * 1024.0 / arguments.gateways as f64
        ),
    );
    Ok(())
}

async fn enrol(count: usize, operator: &mut Connection) -> Result<Vec<String>, Failure> {
    let mut credentials = Vec::new();
    for number in 0..count {
        let path = format!("/v1/gateways/edge-{number}");
        operator.json(Method::PUT, &path, &Value::Null).await?;
        let path = format!("{path}/credentials");
        let made = operator.json(Method::POST, &path, &Value::Null).await?;
        let credential = made["credential"].as_str().ok_or("no credential")?;
        credentials.push(credential.to_owned());
    }
    Ok(credentials)
}

/// Waits until every gateway has what is newest; returns how long each took.
async fn all_have(
    count: usize,
    since: Option<Instant>,
    seen: &mut mpsc::UnboundedReceiver<Seen>,
    gateways: &mut tokio::task::JoinSet<Result<(), Failure>>,
) -> Result<Vec<f64>, Failure> {
    let mut times = Vec::new();
    let mut revision = 0;
    let limit = tokio::time::sleep(Duration::from_secs(120));
    tokio::pin!(limit);
    while times.len() < count {
        let one = tokio::select! {
            one = seen.recv() => one.ok_or("all gateways have ended")?,
            Some(ended) = gateways.join_next() => {
                ended??;
                return Err("a gateway has ended".into());
            }
            () = &mut limit => {
                return Err(format!("{} of {count} have it after two minutes", times.len()).into());
            }
        };
        if revision != 0 && one.revision != revision {
            return Err("gateways have other revisions than one another".into());
        }
        revision = one.revision;
        times.push(since.map_or(0.0, |since| (one.at - since).as_secs_f64()));
    }
    Ok(times)
}

/// Until the requests of all gateways are on their way, and the service has had time to take them in.
async fn until_all_wait(waiting: &AtomicUsize, count: usize) {
    while waiting.load(Ordering::Acquire) < count {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
}

struct Gateway {
    connection: Connection,
    keys: PublicKeys,
    epoch: u64,
    revision: u64,
    reads_whole: bool,
    seen: mpsc::UnboundedSender<Seen>,
    waiting: Arc<AtomicUsize>,
}

impl Gateway {
    async fn run(mut self) -> Result<(), Failure> {
        loop {
            let head = self.head().await?;
            if (head.epoch, head.revision) < (self.epoch, self.revision) {
                return Err("the feed went back".into());
            }
            if (head.epoch, head.revision) == (self.epoch, self.revision) {
                continue;
            }
            let pages = match self.revision {
                0 if !self.reads_whole => &[],
                _ => head.pages.as_slice(),
            };
            for id in pages {
                let path = format!("/v1/feeds/default/pages/{id}");
                let answer = self
                    .connection
                    .send(Method::GET, &path, &[], String::new())
                    .await?;
                if answer.status != 200 {
                    return Err(format!("{path}: {}", answer.status).into());
                }
                let mut page = PageReader::open(*id, answer.body.to_vec())?;
                while let Some(entry) = page.next_entry() {
                    entry?;
                }
            }
            (self.epoch, self.revision) = (head.epoch, head.revision);
            self.seen.send(Seen {
                revision: head.revision,
                at: Instant::now(),
            })?;
        }
    }

    async fn head(&mut self) -> Result<Head, Failure> {
        let nonce = Nonce::generate(&mut Entropy)?;
        let path = format!(
            "/v1/feeds/default?after={}&epoch={}&nonce={nonce}",
            self.revision, self.epoch
        );
        let headers = [("prefer", "wait=25"), ("postern-format", "1")];
        self.waiting.fetch_add(1, Ordering::Release);
        let answer = self
            .connection
            .send(Method::GET, &path, &headers, String::new())
            .await;
        self.waiting.fetch_sub(1, Ordering::Release);
        let answer = answer?;
        if answer.status != 200 {
            return Err(format!("{path}: {}", answer.status).into());
        }
        let signatures = answer.headers.get(Signatures::HEADER);
        let signatures = signatures.ok_or("a head without a signature")?;
        let expected = Expected {
            feed: "default",
            nonce,
            keys: &self.keys,
        };
        Ok(Head::verify(
            &answer.body,
            signatures.as_bytes(),
            &expected,
        )?)
    }
}
