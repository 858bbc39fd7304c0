//! What reading a policy of many tokens takes, in memory and time, and what it does to lookups meanwhile.
//!
//! `cargo run --release -p postern-core --example policy_sync [TOKENS]`
//!
//! Memory and the time of the processor are read from `/proc`, so this runs on Linux. `docs/decisions/011-policy-sync.md` shows a run.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use postern_core::api_token::TokenHash;
use postern_core::clock::EARLIEST;
use postern_core::feed::{
    Head, HeadKey, Moment, Next, Page, PageId, PageWriter, Patience, PublicKeys, Shared,
    SharedPages, Snapshot, Source, Sync, Work,
};
use postern_core::id::number_to_text;
use postern_core::policy::document::{
    Audience, AudienceMode, Expiry, Method, Person, Service, Token,
};
use postern_core::policy::{Change, Digest, Policy, Record, Store};
use postern_core::random::{Random, RandomFailed};
use postern_core::time::{Seconds, Timestamp};
use serde::{Deserialize, Serialize};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Records of one step: what a filter does in a tick.
const BUDGET: usize = 1_000;

const METHODS: usize = 1_000;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let tokens = arguments
        .next()
        .map_or(Ok(1_000_000), |text| text.parse())?;
    match arguments.next() {
        Some(directory) => measure(tokens, Feed::new(directory.into())?),
        None => {
            let directory =
                std::env::temp_dir().join(format!("policy_sync.{}", std::process::id()));
            let result = publish(tokens, &directory);
            fs::remove_dir_all(&directory)?;
            result
        }
    }
}

/// Writes what is to be read, and measures in a process of its own, whose memory is that of reading alone.
fn publish(tokens: u64, directory: &Path) -> Result<()> {
    fs::create_dir(directory)?;
    let feed = Feed::new(directory.to_owned())?;
    feed.publish("whole", &mut |take| records(tokens, 1_900_000_000, take))?;
    let mut store = feed.publish("changed", &mut |take| records(tokens, 1_900_000_001, take))?;
    let token = token(tokens, 0, 1_900_000_000);
    feed.publish_change(&mut store, Change::Put(Record::Token(&token)))?;
    let mut command = std::process::Command::new(std::env::current_exe()?);
    let status = command.arg(tokens.to_string()).arg(directory).status()?;
    if status.success() {
        Ok(())
    } else {
        Err("it could not be measured".into())
    }
}

fn measure(tokens: u64, feed: Feed) -> Result<()> {
    let whole = feed.revision("whole")?;
    println!(
        "{tokens} tokens, {} persons, {METHODS} methods, {} pages",
        tokens / 100,
        whole.pages.len()
    );
    let mut gateway = Gateway::new(&feed);
    let base = Memory::now()?;
    gateway.read("from 0", &feed, &whole, &base)?;
    gateway.lookups("lookups at rest", tokens, 5);
    gateway.read("again, none changed", &feed, &whole, &base)?;
    let changed = feed.revision("changed")?;
    gateway.read("again, all changed", &feed, &changed, &base)?;
    let more = feed.revision("more")?;
    gateway.read("one token more", &feed, &more, &base)?;
    gateway.recover(&feed)?;
    gateway.begin(&feed, &whole)?;
    gateway.lookups("half read again", tokens, 5);
    Ok(())
}

/// A publisher that keeps its pages in files.
struct Feed {
    key: HeadKey,
    directory: PathBuf,
}

/// What a head says of a revision.
#[derive(Deserialize, Serialize)]
struct Revision {
    pages: Vec<PageId>,
    digest: Digest,
    is_whole: bool,
}

/// Hands each record to its argument.
type Records<'a> = dyn FnMut(&mut dyn FnMut(Record<'_>) -> Result<()>) -> Result<()> + 'a;

impl Feed {
    fn new(directory: PathBuf) -> Result<Self> {
        let key = HeadKey::generate(&mut Counter(1))?;
        Ok(Self { key, directory })
    }

    fn publish(&self, name: &str, records: &mut Records<'_>) -> Result<Store> {
        let (mut writer, mut store, mut pages) = (PageWriter::new(), Store::default(), Vec::new());
        records(&mut |record| {
            apply(&mut store, Change::Put(record))?;
            pages.extend(self.keep(writer.push(Change::Put(record))?)?);
            Ok(())
        })?;
        pages.extend(self.keep(writer.finish())?);
        self.tell(name, pages, &store, true)?;
        Ok(store)
    }

    fn publish_change(&self, store: &mut Store, change: Change<'_>) -> Result<()> {
        let mut writer = PageWriter::new();
        apply(store, change)?;
        writer.push(change)?;
        let page = self.keep(writer.finish())?;
        self.tell("more", page.into_iter().collect(), store, false)
    }

    fn keep(&self, page: Option<Page>) -> Result<Option<PageId>> {
        let Some(page) = page else {
            return Ok(None);
        };
        fs::write(self.directory.join(page.id.to_string()), page.body)?;
        Ok(Some(page.id))
    }

    fn tell(&self, name: &str, pages: Vec<PageId>, store: &Store, is_whole: bool) -> Result<()> {
        let digest = store.digest();
        let revision = Revision {
            pages,
            digest,
            is_whole,
        };
        Ok(fs::write(
            self.directory.join(name),
            serde_json::to_vec(&revision)?,
        )?)
    }

    fn revision(&self, name: &str) -> Result<Revision> {
        Ok(serde_json::from_slice(&fs::read(
            self.directory.join(name),
        )?)?)
    }

    fn page(&self, id: PageId) -> Result<Vec<u8>> {
        Ok(fs::read(self.directory.join(id.to_string()))?)
    }
}

fn apply(store: &mut Store, change: Change<'_>) -> Result<()> {
    let applied = store.apply(change);
    applied.map_err(|faults| {
        faults
            .iter()
            .map(ToString::to_string)
            .collect::<String>()
            .into()
    })
}

struct Gateway {
    sync: Sync,
    policy: Policy,
    random: Counter,
    now: Moment,
    revision: u64,
}

impl Gateway {
    fn new(feed: &Feed) -> Self {
        Self {
            sync: Sync::new(Source {
                feed: "default".to_owned(),
                keys: PublicKeys::new(vec![feed.key.public_key()]),
                patience: Patience {
                    warn_after: Seconds::new(300),
                    deny_after: Seconds::new(3600),
                },
            }),
            policy: Policy::default(),
            random: Counter(2),
            now: Moment::default(),
            revision: 0,
        }
    }

    /// Reads half of a revision, and leaves it at that.
    fn begin(&mut self, feed: &Feed, revision: &Revision) -> Result<()> {
        self.ask(feed, revision)?;
        for _ in 0..revision.pages.len() / 2 {
            if let Next::Page(page) = self.sync.next(self.now, &mut self.random)? {
                self.sync
                    .on_page(self.now, page, feed.page(page)?, &mut self.random)?;
            }
            while self.sync.work(&mut self.policy, BUDGET) == Work::Busy {}
        }
        Ok(())
    }

    /// Asks for a head, and hears of this revision.
    fn ask(&mut self, feed: &Feed, revision: &Revision) -> Result<()> {
        self.revision += 1;
        let request = loop {
            match self.sync.next(self.now, &mut self.random)? {
                Next::Head(head) => break head,
                Next::Wait(moment) => self.now = self.now.max(moment),
                _ => return Err("a page is asked for before its head".into()),
            }
        };
        let head = Head {
            feed: "default".to_owned(),
            epoch: 1,
            revision: self.revision,
            digest: revision.digest,
            nonce: request.nonce,
            issued_at: EARLIEST,
            reset: revision.is_whole,
            pages: revision.pages.clone(),
        };
        let head = head.to_json()?;
        let signature = feed.key.sign(&head);
        self.sync
            .on_head(self.now, &head, signature.as_bytes(), &mut self.random)?;
        Ok(())
    }

    fn read(&mut self, name: &str, feed: &Feed, revision: &Revision, base: &Memory) -> Result<()> {
        Memory::reset_peak()?;
        let start = processor_time();
        let mut steps = Steps::default();
        self.ask(feed, revision)?;
        let mut end = "";
        loop {
            while let (true, Next::Page(page)) =
                (end.is_empty(), self.sync.next(self.now, &mut self.random)?)
            {
                let body = feed.page(page)?;
                steps.time(|| self.sync.on_page(self.now, page, body, &mut self.random))?;
            }
            match steps.time(|| self.sync.work(&mut self.policy, BUDGET)) {
                Work::Idle if !end.is_empty() => break,
                Work::Switched(_) => end = "in force",
                Work::Refused(_) => end = "refused",
                _ => {}
            }
        }
        let memory = Memory::now()?;
        let spent = processor_time().saturating_sub(start).as_secs_f64();
        println!(
            "{name:>20}: {spent:5.2} s; nine of ten steps of at most {:.2} ms; {:.1} MiB, at the peak {:.1} MiB; {end}",
            steps.most().as_secs_f64() * 1e3,
            mib(memory.resident.saturating_sub(base.resident)),
            mib(memory.peak.saturating_sub(base.resident)),
        );
        Ok(())
    }

    /// Keeps the policy as a worker does for the others, and reads it into another worker.
    fn recover(&self, feed: &Feed) -> Result<()> {
        let start = processor_time();
        let (mut snapshot, mut pages, mut bytes) = (Snapshot::default(), Vec::new(), 0);
        while let Some(page) = snapshot.next_page(&self.policy) {
            bytes += page.body.len() as u64;
            pages.extend(feed.keep(Some(page))?);
        }
        let kept = processor_time().saturating_sub(start).as_secs_f64();
        let mut other = Self::new(feed);
        let start = processor_time();
        let count = pages.len();
        other.sync.read_shared(Shared {
            policy: *self.sync.in_force().ok_or("nothing is in force")?,
            pages: SharedPages::Whole(pages),
        });
        loop {
            while let Next::Shared(page) = other.sync.next(other.now, &mut other.random)? {
                let body = feed.page(page)?;
                other
                    .sync
                    .on_page(other.now, page, body, &mut other.random)?;
            }
            match other.sync.work(&mut other.policy, BUDGET) {
                Work::Switched(_) => break,
                Work::Refused(refusal) => return Err(refusal.into()),
                _ => {}
            }
        }
        println!(
            "{:>20}: {kept:5.2} s to keep, {:.2} s to read; {:.1} MiB in {count} pages",
            "by another worker",
            processor_time().saturating_sub(start).as_secs_f64(),
            mib(bytes),
        );
        Ok(())
    }

    fn lookups(&self, name: &str, tokens: u64, rounds: u64) {
        let drawn: Vec<_> = (0..100_000u64)
            .map(|step| step.wrapping_mul(0x9e37_79b9_7f4a_7c15) % tokens)
            .map(|number| (hash(number), number_to_text(number)))
            .collect();
        let start = processor_time();
        for _ in 0..rounds {
            for (hash, id) in &drawn {
                black_box(self.policy.token_by_hash(black_box(hash)));
                black_box(self.policy.token_by_id(black_box(id)));
            }
        }
        let each = processor_time().saturating_sub(start).as_nanos()
            / u128::from(rounds)
            / drawn.len() as u128
            / 2;
        println!("{name:>20}: {each} ns each");
    }
}

/// Times of steps.
#[derive(Default)]
struct Steps(Vec<Duration>);

impl Steps {
    fn time<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let start = start();
        let result = step();
        self.0.push(start.elapsed());
        result
    }

    /// The step that nine of ten are not longer than. A busy machine interrupts the longest ones.
    fn most(mut self) -> Duration {
        self.0.sort_unstable();
        let rank = self.0.len() * 9 / 10;
        self.0.get(rank).copied().unwrap_or_default()
    }
}

fn records(tokens: u64, expiry: u64, take: &mut dyn FnMut(Record<'_>) -> Result<()>) -> Result<()> {
    for number in 0..tokens.div_ceil(100) {
        let person = Person {
            id: number_to_text(number),
            roles: Vec::new(),
            active: true,
            valid_from: None,
        };
        take(Record::Person(&person))?;
    }
    take(Record::Service(&service(tokens.div_ceil(100))))?;
    for number in 0..tokens {
        take(Record::Token(&token(number, number / 100, expiry + number)))?;
    }
    Ok(())
}

fn token(number: u64, person: u64, expiry: u64) -> Token {
    Token {
        id: number_to_text(number),
        person: number_to_text(person),
        hash: hash(number),
        expires_at: Expiry::At(Timestamp::from_secs(expiry)),
        active: true,
        valid_from: None,
    }
}

fn service(persons: u64) -> Service {
    let audience = |number: u64| Audience {
        mode: AudienceMode::Restricted,
        persons: (0..5)
            .map(|step| number_to_text((number + step) % persons))
            .collect(),
        roles: Vec::new(),
        rely_on_parent: false,
        enforce: false,
    };
    let method = |number: usize| Method {
        name: format!("m{number}"),
        http: vec!["GET".to_owned()],
        path: format!("/{number}/{{id}}"),
        audience: Some(audience(number as u64 % persons)),
        upgrade: Vec::new(),
        allow_headers: Vec::new(),
    };
    Service {
        name: "orders".to_owned(),
        hosts: vec!["api.example.com".to_owned()],
        base_path: "/orders".to_owned(),
        forward: Default::default(),
        accept: vec![postern_core::policy::document::Accept::Access],
        case: Default::default(),
        preflight: Default::default(),
        audience: audience(0),
        methods: (0..METHODS).map(method).collect(),
    }
}

fn hash(number: u64) -> TokenHash {
    TokenHash::of(&number.to_le_bytes())
}

/// Bytes that nobody could guess in a measurement.
struct Counter(u64);

impl Random for Counter {
    fn fill(&mut self, dest: &mut [u8]) -> std::result::Result<(), RandomFailed> {
        for byte in dest {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            *byte = (self.0 >> 33) as u8;
        }
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement reads a clock; no rule does"
)]
fn start() -> Instant {
    Instant::now()
}

/// What this thread has had of a processor: other than by the clock, a busy machine changes little.
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text
        .split_whitespace()
        .next()
        .and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// Bytes of resident memory, now and at most since the peak was reset.
struct Memory {
    resident: u64,
    peak: u64,
}

impl Memory {
    fn now() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let value = |name: &str| -> Result<u64> {
            let line = status.lines().find(|line| line.starts_with(name));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            Ok(number.ok_or("no such line in status")?.parse::<u64>()? * 1024)
        };
        Ok(Self {
            resident: value("VmRSS:")?,
            peak: value("VmHWM:")?,
        })
    }

    fn reset_peak() -> Result<()> {
        Ok(fs::write("/proc/self/clear_refs", "5")?)
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
