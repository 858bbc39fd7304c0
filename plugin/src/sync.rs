//! Policy sync: the calls that `postern_core::feed` asks for, and what becomes of their answers.

mod link;
mod metrics;
mod reports;
mod roots;
mod standing;
mod troubles;
mod vouched;
mod workers;

use postern_core::api_token::Caller;
use postern_core::config::{ConfigFault, ConfigRule};
use postern_core::feed::{
    Changes, Freshness, InForce, MAX_HEAD, MAX_PAGE, Moment, News, Next, PageId, Refusal, Sync,
    SyncFault, TIMEOUT, WAIT, Work, is_clock_doubtful,
};
use postern_core::gate::{Gate, Standing};
use postern_core::time::Timestamp;
use zeroize::Zeroizing;

use crate::entropy::HostRandom;
use crate::host::{self, Level};
use link::{Answer, Call, Failure, Link, NotSent};
use metrics::{Count, Origin, SyncMetrics};
use reports::Reports;
pub(crate) use roots::{answered, register};
use troubles::{Kind, Troubles};
use workers::Workers;

/// Records of one step of work, a fraction of a millisecond.
const STEP: usize = 256;

/// How long one callback may work on the policy that is to come: requests of this worker wait for it.
const WORK: Effort = Effort {
    millis: 4,
    steps: 64,
};

/// The same while there is no policy yet, so that requests are refused anyway.
const FIRST_WORK: Effort = Effort {
    millis: 8,
    steps: 128,
};

/// The same when a configuration is taken: without the policy that other workers have, its first requests would be
/// refused.
const START: Effort = Effort {
    millis: 1_000,
    steps: 8_192,
};

/// How often `on_tick` comes, in milliseconds. Answers come by themselves, so ticks are for pauses, failures, and what
/// other workers have: a change is in force with them so much later.
const TICK: u32 = 100;

/// The same, while there is a policy to work on: less than half of the time then.
const BUSY_TICK: u32 = 10;

/// The same, while there is no policy yet.
const FIRST_TICK: u32 = 1;

/// How much is done in one go: whatever is spent first.
#[derive(Clone, Copy)]
struct Effort {
    millis: u64,
    steps: u32,
}

/// Reads one feed.
pub(crate) struct Client {
    sync: Sync,
    link: Link,
    workers: Workers,
    metrics: SyncMetrics,
    troubles: Troubles,
    reports: Reports,
    /// What is being read, if it is changes; kept until they are in force.
    changes: Option<Changes>,
    origin: Origin,
    freshness: Freshness,
    asks: bool,
    wall: Option<Timestamp>,
}

impl Client {
    /// What reads the feed, where the configuration names one. What other workers have is taken at once.
    pub(crate) fn of(gate: &mut Gate, wall: Option<Timestamp>) -> Result<Option<Self>, String> {
        let config = gate.config();
        let Some(source) = &config.sync else {
            return Ok(None);
        };
        let name = &source.credential_env;
        let fault = |rule: ConfigRule| {
            let path = "sync.credential_env".to_owned();
            ConfigFault { path, rule }.to_string()
        };
        let credential = host::environment(name)
            .map(Zeroizing::new)
            .ok_or_else(|| fault(ConfigRule::CredentialMissing(name.clone())))?;
        if Caller::Gateway.inspect(credential.as_bytes()).is_none() {
            return Err(fault(ConfigRule::Credential(name.clone())));
        }
        let now = moment().ok_or_else(|| "sync: the host has no monotonic clock".to_owned())?;
        let workers = Workers::join(config, gate, now)?;
        let mut vm = String::new();
        for byte in workers.me.0.iter().take(8) {
            vm.push_str(&format!("{byte:02x}"));
        }
        let mut client = Self {
            sync: Sync::new(source.source.clone()),
            link: Link::new(source, &credential),
            workers,
            metrics: SyncMetrics::define(),
            troubles: Troubles::of(&config.gateway_id),
            reports: Reports::of(vm, now),
            changes: None,
            origin: Origin::None,
            freshness: Freshness::Never,
            asks: false,
            wall,
        };
        client.look(now);
        client.work(gate, now, START);
        if let Some(decides) = vouched::decided(client.workers.shelf, now) {
            client.sync.vouch(&decides);
        }
        client.judge(gate);
        Ok(Some(client))
    }

    /// The period of ticks to begin with.
    pub(crate) fn first_tick(&self) -> u32 {
        if self.sync.needs_head() {
            FIRST_TICK
        } else {
            TICK
        }
    }

    /// Whether the wall clock is too far behind that of whoever made the policy.
    pub(crate) fn doubts(&self, wall: Timestamp) -> bool {
        let in_force = self.sync.in_force();
        in_force.is_some_and(|in_force| is_clock_doubtful(wall, in_force.issued_at))
    }

    /// A token was used.
    pub(crate) fn used(&mut self, token: &str) {
        if let Some(wall) = self.wall {
            self.reports.used(token, wall);
        }
    }

    /// Sends what is to be sent, works on what has come, and says when it wants to go on, in milliseconds.
    pub(crate) fn drive(&mut self, gate: &mut Gate, wall: Option<Timestamp>) -> u32 {
        let Some(now) = moment() else {
            self.lose_clock(gate);
            return TICK;
        };
        self.wall = wall;
        let in_force = self.sync.in_force();
        let is_reader = self.workers.ask(now, in_force, self.sync.freshness(now));
        self.asks = is_reader || self.sync.needs_head();
        self.look(now);
        let effort = match gate.standing() {
            Standing::NoPolicy => FIRST_WORK,
            _ => WORK,
        };
        let is_busy = self.work(gate, now, effort) || self.keep(gate, now);
        self.judge(gate);
        self.report(now);
        match (is_busy, gate.standing()) {
            (false, _) => TICK,
            (true, Standing::NoPolicy) => FIRST_TICK,
            (true, _) => BUSY_TICK,
        }
    }

    /// Takes the answer to a call. Those of calls that are not ours are none of our business.
    pub(crate) fn arrived(&mut self, call: u32, body_size: usize) {
        let Some(now) = moment() else { return };
        match self.link.answered(call) {
            Some(Call::Head) => self.head_arrived(now, body_size),
            Some(Call::Page(page)) => self.page_arrived(now, page, body_size),
            Some(Call::Report) => self.report_arrived(now, body_size),
            None => {}
        }
    }

    /// Looks what the other workers have.
    fn look(&mut self, now: Moment) {
        // While a head is to confirm what was read, nothing that is shared may get in its way.
        if self.workers.is_reading() || self.sync.needs_head() {
            return;
        }
        let in_force = self.sync.in_force().copied();
        match self.workers.look(in_force.as_ref()) {
            Ok(Some(board)) => match board.offer(in_force.map(|in_force| in_force.position)) {
                Some(shared) => {
                    if self.sync.read_shared(shared) {
                        self.workers.read(board);
                    }
                }
                None => {
                    self.sync.renew(&board.policy);
                }
            },
            Ok(None) => {}
            Err(fault) => self.fails(now, Kind::Shared, &fault.to_string()),
        }
    }

    /// Asks for what is wanted. Returns whether some of it came at once, from other workers.
    fn send(&mut self, now: Moment) -> bool {
        let mut has_come = false;
        loop {
            if self.sync.is_idle() && !self.asks {
                return has_come;
            }
            match self.sync.next(now, &mut HostRandom) {
                Ok(Next::Head(request)) => match self.link.ask_head(&request) {
                    Ok(()) => self.metrics.count(Count::Polls),
                    Err(NotSent) => self.head_failed(now, not_sent()),
                },
                Ok(Next::Page(page)) => {
                    if self.link.ask_page(page).is_err() {
                        self.page_failed(now, page, not_sent());
                    }
                }
                Ok(Next::Shared(page)) => {
                    has_come = true;
                    self.take_shared(now, page);
                }
                Ok(_) => return has_come,
                Err(error) => {
                    self.fails(now, Kind::Host, &error.to_string());
                    return has_come;
                }
            }
        }
    }

    /// Works on what has come. Returns whether there is more to do.
    fn work(&mut self, gate: &mut Gate, since: Moment, effort: Effort) -> bool {
        for _ in 0..effort.steps {
            let has_come = self.send(since);
            match gate.work(&mut self.sync, STEP, &mut HostRandom) {
                Work::Idle if !has_come => {
                    // A reading from other workers that has ended without a word has failed.
                    if self.workers.is_reading() && !self.sync.is_reading() {
                        self.workers.stop_reading(true);
                    }
                    return false;
                }
                #[cfg(feature = "test-trap")]
                Work::Busy if self.sync.is_reading() => trap_if_asked(),
                Work::Switched(in_force) => self.switched(since, &in_force, gate),
                Work::Refused(refusal) => self.refused(since, &refusal),
                _ => {}
            }
            let spent = moment().and_then(|now| now.since(since));
            if spent.is_none_or(|spent| spent >= effort.millis) {
                break;
            }
        }
        true
    }

    fn switched(&mut self, now: Moment, in_force: &InForce, gate: &Gate) {
        let changes = self.changes.take();
        let told = if self.workers.stop_reading(false) {
            self.origin = Origin::Shared;
            Ok(())
        } else {
            self.origin = Origin::Feed;
            self.troubles.are_over();
            self.workers.switched(changes.as_ref(), *in_force)
        };
        if told.is_err() {
            self.fails(now, Kind::Shared, "it cannot be written");
        }
        self.metrics
            .switched(in_force, self.origin, gate, self.wall);
        self.reports.hasten(now);
        let policy = gate.policy();
        self.troubles.say(
            Level::Info,
            &format!(
                "policy revision {} from {} {}: {} tokens, {} keys, digest {}",
                in_force.position,
                self.origin.as_str(),
                if self.sync.needs_head() {
                    "is there, and decides once the feed has confirmed it"
                } else {
                    "is in force"
                },
                policy.token_count(),
                policy.keys().len(),
                in_force.digest.to_hex()
            ),
        );
        crate::root::report_missing_roots(gate);
    }

    fn refused(&mut self, now: Moment, refusal: &Refusal) {
        self.changes = None;
        if self.workers.stop_reading(true) {
            return self.fails(now, Kind::Shared, &refusal.to_string());
        }
        self.metrics.count(Count::PoliciesRefused);
        let then = if refusal.is_retried {
            "it is read from 0 once"
        } else {
            "the policy before it decides on until there is a newer one"
        };
        self.fails(now, Kind::Policy, &format!("policy {refusal}; {then}"));
        self.reports.hasten(now);
    }

    /// Keeps for the others what they need. Returns whether there is more to do.
    fn keep(&mut self, gate: &Gate, now: Moment) -> bool {
        if self.sync.is_reading() {
            return false;
        }
        match self.workers.write_snapshot(now, gate) {
            Ok(is_busy) => is_busy,
            Err(fault) => {
                self.fails(now, Kind::Shared, &fault.to_string());
                false
            }
        }
    }

    fn report(&mut self, now: Moment) {
        let in_force = self.sync.in_force();
        let report = self.reports.next(
            now,
            in_force,
            self.origin,
            &self.troubles,
            &mut self.metrics,
        );
        let Some(report) = report else { return };
        if let Some(bytes) = self.workers.bytes() {
            self.metrics.shared_bytes(bytes);
        }
        if self.link.report(&report).is_err() {
            self.report_failed(now, &not_sent().text);
        }
    }

    fn report_arrived(&mut self, now: Moment, body_size: usize) {
        match Answer::read(body_size, MAX_PAGE) {
            Ok(_) => {
                self.reports.ended();
                self.metrics.count(Count::Reports);
            }
            Err(failure) => self.report_failed(now, &failure.text),
        }
    }

    fn report_failed(&mut self, now: Moment, text: &str) {
        self.reports.ended();
        self.metrics.count(Count::Dropped);
        self.fails(now, Kind::Report, text);
    }

    fn head_arrived(&mut self, now: Moment, body_size: usize) {
        let answer = match Answer::read(body_size, MAX_HEAD) {
            Ok(answer) => answer,
            Err(failure) => return self.head_failed(now, failure),
        };
        let taken = self
            .sync
            .on_head(now, &answer.body, &answer.signatures, &mut HostRandom);
        match taken {
            Ok(news) => self.heard(now, news),
            // It was overtaken by what another worker kept.
            Err(SyncFault::NotAsked) => {}
            Err(fault) => self.fails(now, Kind::Answer, &fault.to_string()),
        }
    }

    fn heard(&mut self, now: Moment, news: News) {
        match news {
            News::Reading(position) => {
                self.changes = self.sync.changes();
                self.workers.begin();
                self.troubles
                    .say(Level::Info, &format!("reading policy revision {position}"));
            }
            News::UpToDate => {
                self.troubles.are_over();
                let in_force = self.sync.in_force().copied();
                let told = in_force.map_or(Ok(()), |in_force| self.workers.contacted(in_force));
                if told.is_err() {
                    self.fails(now, Kind::Shared, "it cannot be written");
                }
            }
            _ => {}
        }
    }

    fn page_arrived(&mut self, now: Moment, page: PageId, body_size: usize) {
        let body = match Answer::read(body_size, MAX_PAGE) {
            Ok(answer) => answer.body,
            Err(failure) => return self.page_failed(now, page, failure),
        };
        // Of a whole policy nothing is kept but a snapshot.
        let kept = self.changes.is_some().then(|| body.clone());
        match self.sync.on_page(now, page, body, &mut HostRandom) {
            Ok(()) => {
                self.metrics.count(Count::Pages);
                let kept = kept.map_or(Ok(()), |body| self.workers.keep_page(page, &body));
                if kept.is_err() {
                    self.fails(now, Kind::Shared, "it cannot be written");
                }
            }
            Err(fault) => {
                self.metrics.count(Count::PagesRefused);
                self.fails(now, Kind::Page, &fault.to_string());
            }
        }
    }

    fn take_shared(&mut self, now: Moment, page: PageId) {
        let taken = match self.workers.page(page) {
            Some(body) => self
                .sync
                .on_page(now, page, body, &mut HostRandom)
                .map_err(|fault| fault.to_string()),
            None => {
                let noted = self.sync.on_page_failure(now, page, None, &mut HostRandom);
                Err(noted.map_or_else(
                    |error| error.to_string(),
                    |()| format!("page {page} is gone"),
                ))
            }
        };
        match taken {
            Ok(()) => self.metrics.count(Count::PagesShared),
            Err(text) => self.fails(now, Kind::Shared, &text),
        }
    }

    fn head_failed(&mut self, now: Moment, failure: Failure) {
        let noted = self
            .sync
            .on_head_failure(now, failure.retry_after, &mut HostRandom);
        if let Err(error) = noted {
            self.fails(now, Kind::Host, &error.to_string());
        }
        self.fails(now, failure.kind, &failure.text);
    }

    fn page_failed(&mut self, now: Moment, page: PageId, failure: Failure) {
        let noted = self
            .sync
            .on_page_failure(now, page, failure.retry_after, &mut HostRandom);
        if let Err(error) = noted {
            self.fails(now, Kind::Host, &error.to_string());
        }
        self.fails(now, failure.kind, &format!("page {page}: {}", failure.text));
    }

    fn fails(&mut self, now: Moment, kind: Kind, text: &str) {
        let now = (now, self.wall);
        self.troubles.happened(kind, text, now, &self.metrics);
    }
}

/// Traps in the middle of a reading, once, if shared data say so.
#[cfg(feature = "test-trap")]
fn trap_if_asked() {
    const KEY: &str = "postern-test-trap";
    if host::shared_data(KEY).is_ok_and(|value| value.is_some_and(|(value, _)| !value.is_empty())) {
        let _once = host::set_shared_data(KEY, b"", 0);
        host::log(
            Level::Error,
            "postern-test-trap: trapping as asked; this module is for tests alone",
        );
        host::trap();
    }
}

fn not_sent() -> Failure {
    Failure::new(
        Kind::Host,
        "the host does not take the call; is there such a cluster?",
    )
}

fn moment() -> Option<Moment> {
    let nanoseconds = host::monotonic_clock().ok()?;
    Some(Moment::from_millis(nanoseconds / 1_000_000))
}

// What a request for news may take is part of what an operator is told about alarms: `warn_after` is longer.
const _: () = assert!(WAIT.as_secs() + TIMEOUT.as_secs() == 45);
