//! One gateway's side of policy sync: what to ask for next, and what an answer means.
//!
//! This is a state machine without I/O. Whoever drives it asks [`Sync::next`] what to send, hands in what comes back, and
//! calls [`Sync::work`] as often as there is time: that is where pages become the policy in force, a bounded step at a
//! time. Time and randomness are arguments.
//!
//! # What it never does
//! - Believe a head that no accepted key signed, that is of another feed, or that answers another request.
//! - Go back: to a lower revision of the epoch, or to a lower epoch.
//! - Put anything in force but a whole policy that was checked and has the digest that its head says.
//! - Call a policy fresh that is not the latest the feed had when the request was sent. A head that is newer than what is
//!   in force renews nothing until its policy is in force; so neither a lost page nor a policy that this gateway must
//!   refuse can hold up a revocation beyond `deny_after`.

mod fault;
mod position;
mod terms;
#[cfg(test)]
mod tests;

pub use self::fault::{Refusal, SyncFault};
pub use self::position::Position;
pub use self::terms::{Changes, HeadRequest, News, Next, Shared, SharedPages, Work};
use super::apply::{Application, Progress, RefusalReason};
use super::backoff::{Backoff, jitter};
use super::download::{Arrival, Download};
use super::freshness::{Freshness, Patience};
use super::head::{Expected, Head};
use super::key::PublicKeys;
use super::moment::{Moment, millis};
use super::nonce::Nonce;
use super::page::{PageId, PageReader};
use crate::policy::{Digest, Phase, Policy, Reading};
use crate::random::{Random, RandomFailed};
use crate::time::{Seconds, Timestamp};

/// How long a request for a head may be held by the server until there is news.
pub const WAIT: Seconds = Seconds::new(25);

/// How long an answer may take beyond that. The caller's own timeout should be shorter.
pub const TIMEOUT: Seconds = Seconds::new(20);

/// Between two requests for a head, at least.
const PACE: u64 = 100;

/// Between two requests to a server that does not hold them.
const POLL: u64 = 5_000;

/// What a gateway reads, and whom it believes.
#[derive(Clone, Debug)]
pub struct Source {
    /// The feed's name.
    pub feed: String,
    /// The keys it accepts heads from.
    pub keys: PublicKeys,
    /// How old a policy may be.
    pub patience: Patience,
}

/// One gateway's reading of one feed.
#[derive(Debug)]
pub struct Sync {
    source: Source,
    in_force: Option<InForce>,
    /// Whether a head that was asked for here has named the policy in force, or one before it. What workers share is
    /// authentic, and may be old.
    is_confirmed: bool,
    /// The latest position that any head told.
    latest: Option<Position>,
    /// A policy that was refused even when it was read from 0. Nothing is tried until there is another one.
    refused: Option<(Position, Digest)>,
    /// Whether the next reading is from 0.
    from_zero: bool,
    state: State,
    backoff: Backoff,
    not_before: Moment,
}

/// The policy that decides, as the feed knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InForce {
    /// Its revision.
    pub position: Position,
    /// Its digest.
    pub digest: Digest,
    /// When its head was made, by the publisher's clock.
    pub issued_at: Timestamp,
    /// When the last request was sent by whose answer it was the latest.
    pub contact: Moment,
}

#[derive(Debug)]
enum State {
    Idle,
    Asking(Asked),
    Reading(Box<ReadingHead>),
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    nonce: Nonce,
    sent: Moment,
    after: After,
}

/// The revision whose successors were asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum After {
    /// Everything.
    Zero,
    /// What is in force.
    InForce(Position),
    /// A policy that was refused: only whether there is a newer one.
    Refused(Position),
}

#[derive(Debug)]
struct ReadingHead {
    head: InForce,
    origin: Origin,
    download: Download,
    application: Application,
}

/// Where a policy is read from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Origin {
    /// The feed, as changes.
    Changes,
    /// The feed, from 0.
    Zero,
    /// Other workers of this gateway.
    Shared,
}

impl Sync {
    /// A reading that has nothing yet.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self {
            source,
            in_force: None,
            is_confirmed: false,
            latest: None,
            refused: None,
            from_zero: false,
            state: State::Idle,
            backoff: Backoff::default(),
            not_before: Moment::default(),
        }
    }

    /// The policy that decides, if there is one.
    #[must_use]
    pub fn in_force(&self) -> Option<&InForce> {
        self.in_force.as_ref()
    }

    /// How old the policy in force is; [`Freshness::Never`] while [`Sync::needs_head`].
    #[must_use]
    pub fn freshness(&self, now: Moment) -> Freshness {
        let in_force = self.in_force.filter(|_| self.is_confirmed);
        let contact = in_force.map(|in_force| in_force.contact);
        Freshness::of(contact, now, self.source.patience)
    }

    /// Whether the first policy came from other workers and no head has confirmed it yet. It was theirs once; whoever can
    /// write what they share can also bring back what they wrote long ago. So nothing is decided by it before the feed
    /// was heard.
    #[must_use]
    pub fn needs_head(&self) -> bool {
        self.in_force.is_some() && !self.is_confirmed
    }

    /// Confirms the policy in force in place of a head: another reading in the same memory, which nobody else can write,
    /// decides by that policy now.
    pub fn vouch(&mut self, decides: &InForce) {
        let own = self.in_force.map(|own| (own.position, own.digest));
        self.is_confirmed |= own == Some((decides.position, decides.digest));
    }

    /// Whether nothing was asked and nothing is being read: [`Sync::next`] then asks for a head, or waits until it may.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Whether a policy is being read.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        matches!(self.state, State::Reading(_))
    }

    /// The changes that the feed has told, and that are being read; `None` if what is being read is a whole policy, or is
    /// not the feed's.
    #[must_use]
    pub fn changes(&self) -> Option<Changes> {
        match (&self.state, &self.in_force) {
            (State::Reading(reading), Some(in_force)) if reading.origin == Origin::Changes => {
                Some(Changes {
                    base: in_force.position,
                    pages: reading.download.pages().to_vec(),
                })
            }
            _ => None,
        }
    }

    /// Failures since the last answer that could be used.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.backoff.failures()
    }

    /// Takes over a later contact that another worker of this gateway had with the same policy. Returns whether it did.
    pub fn renew(&mut self, other: &InForce) -> bool {
        let Some(own) = &mut self.in_force else {
            return false;
        };
        let is_same = (own.position, own.digest) == (other.position, other.digest);
        let is_later = is_same && other.contact > own.contact;
        if is_later {
            *own = *other;
        }
        is_later
    }

    /// Begins to read a policy that other workers of this gateway keep, in place of asking the feed. Returns whether it
    /// does: not while the feed's own pages are on their way, not unless it is newer than what is in force, and changes
    /// only of what is in force.
    pub fn read_shared(&mut self, shared: Shared) -> bool {
        let own = self.in_force.map(|in_force| in_force.position);
        let fits = match &shared.pages {
            SharedPages::Changes(base, _) => own == Some(*base),
            SharedPages::Whole(_) => true,
        };
        let is_busy = matches!(self.state, State::Reading(_));
        if is_busy || !fits || own >= Some(shared.policy.position) {
            return false;
        }
        let is_new_epoch = own.is_some_and(|own| own.epoch != shared.policy.position.epoch);
        let (reading, download) = match shared.pages {
            SharedPages::Changes(_, pages) => (Reading::Changes, Download::new(pages)),
            SharedPages::Whole(pages) => (
                Reading::Whole { is_new_epoch },
                Download::opened_by(PageReader::open_kept, pages),
            ),
        };
        self.state = State::Reading(Box::new(ReadingHead {
            head: shared.policy,
            origin: Origin::Shared,
            application: Application::new(reading, shared.policy.digest),
            download,
        }));
        true
    }

    /// What to send now.
    ///
    /// # Errors
    /// [`RandomFailed`] if there is no nonce to be had; then nothing is asked.
    pub fn next(&mut self, now: Moment, random: &mut dyn Random) -> Result<Next, RandomFailed> {
        self.expire(now, random)?;
        match &mut self.state {
            State::Asking(asked) => Ok(Next::Wait(deadline(asked))),
            State::Reading(reading) => {
                if let Some(page) = reading.download.next_wanted(now, millis(TIMEOUT)) {
                    return Ok(match reading.origin {
                        Origin::Shared => Next::Shared(page),
                        _ => Next::Page(page),
                    });
                }
                let moment = reading.download.next_moment();
                Ok(Next::Wait(moment.unwrap_or(now.after(millis(TIMEOUT)))))
            }
            State::Idle if now < self.not_before => Ok(Next::Wait(self.not_before)),
            State::Idle => self.ask(now, random).map(Next::Head),
        }
    }

    /// Takes the answer to a request for a head: a body with status 200, and the header
    /// [`Signatures::HEADER`](super::Signatures::HEADER).
    ///
    /// # Errors
    /// [`SyncFault`]; the answer is then as good as none.
    pub fn on_head(
        &mut self,
        now: Moment,
        body: &[u8],
        signatures: &[u8],
        random: &mut dyn Random,
    ) -> Result<News, SyncFault> {
        let State::Asking(asked) = self.state else {
            return Err(SyncFault::NotAsked);
        };
        self.state = State::Idle;
        let needed_head = self.needs_head();
        match self.judge(&asked, body, signatures) {
            Ok(news) => {
                self.backoff.succeeded();
                self.not_before = asked.sent.after(PACE);
                let is_news = !matches!(news, News::UpToDate | News::StillRefused(_));
                // That request did not ask to be held; the next one does.
                let has_confirmed = needed_head && !self.needs_head();
                let held = now.since(asked.sent).unwrap_or(0);
                if !is_news && !has_confirmed && held < millis(WAIT) / 2 {
                    // The server did not hold the request; without a pause this would be a loop.
                    let pause = POLL / 2 + jitter(POLL, random)?;
                    self.not_before = now.after(pause);
                }
                Ok(news)
            }
            Err(fault) => {
                self.pause(now, None, random)?;
                Err(fault)
            }
        }
    }

    /// Notes that a request for a head had no answer that could be one: none at all, or another status than 200.
    ///
    /// # Errors
    /// [`RandomFailed`] if the pause that follows cannot be drawn.
    pub fn on_head_failure(
        &mut self,
        now: Moment,
        retry_after: Option<Seconds>,
        random: &mut dyn Random,
    ) -> Result<(), RandomFailed> {
        if let State::Asking(_) = self.state {
            self.state = State::Idle;
            self.pause(now, retry_after, random)?;
        }
        Ok(())
    }

    /// Takes the answer to a request for a page. One that nobody waits for is dropped.
    ///
    /// # Errors
    /// [`SyncFault`]: the page cannot be used; it is asked for again, unless [`Work::Refused`] follows.
    pub fn on_page(
        &mut self,
        now: Moment,
        page: PageId,
        body: Vec<u8>,
        random: &mut dyn Random,
    ) -> Result<(), SyncFault> {
        let State::Reading(reading) = &mut self.state else {
            return Ok(());
        };
        match reading.download.arrived(page, body) {
            Arrival::Taken => Ok(()),
            Arrival::Failed(fault) => {
                self.on_page_failure(now, page, None, random)?;
                Err(SyncFault::Page(page, fault))
            }
            Arrival::Unreadable(place, fault) => {
                let reason = RefusalReason::Page {
                    place,
                    fault: fault.clone(),
                };
                reading.application.refuse(reason);
                Err(SyncFault::Page(page, fault))
            }
        }
    }

    /// Notes that a request for a page had no answer that could be one. After several failures its head is given up.
    ///
    /// # Errors
    /// [`RandomFailed`] if the pause that follows cannot be drawn.
    pub fn on_page_failure(
        &mut self,
        now: Moment,
        page: PageId,
        retry_after: Option<Seconds>,
        random: &mut dyn Random,
    ) -> Result<(), RandomFailed> {
        if let State::Reading(reading) = &mut self.state {
            let pause = self.backoff.failed(retry_after, random)?;
            let failures = reading.download.failed(page, now.after(pause));
            // What other workers kept is there or not.
            let is_hopeless =
                |failures| reading.origin == Origin::Shared || Download::is_hopeless(failures);
            if failures.is_some_and(is_hopeless) {
                self.state = State::Idle;
                self.not_before = now.after(pause);
            }
        }
        Ok(())
    }

    /// Does a step of work of about `budget` records. Must be called with the same policy each time, which nothing else may
    /// change.
    pub fn work(&mut self, policy: &mut Policy, budget: usize) -> Work {
        let State::Reading(reading) = &mut self.state else {
            // What is left of a reading that ended, or was given up.
            policy.abort();
            return match policy.advance(budget) {
                Ok(Phase::Settled) => Work::Idle,
                _ => Work::Busy,
            };
        };
        let head = reading.head;
        match reading
            .application
            .step(policy, &mut reading.download, budget)
        {
            Progress::Busy => Work::Busy,
            Progress::Waiting => Work::Idle,
            Progress::Switched => {
                self.is_confirmed |= reading.origin != Origin::Shared;
                self.state = State::Idle;
                self.backoff.succeeded();
                (self.from_zero, self.refused) = (false, None);
                self.in_force = Some(head);
                self.latest = self.latest.max(Some(head.position));
                Work::Switched(head)
            }
            Progress::Refused(reason) => {
                let is_retried = reading.origin != Origin::Zero;
                match reading.origin {
                    Origin::Changes => self.from_zero = true,
                    Origin::Zero => {
                        self.from_zero = false;
                        self.refused = Some((head.position, head.digest));
                    }
                    // That says nothing of the feed, which is asked next.
                    Origin::Shared => {}
                }
                self.state = State::Idle;
                Work::Refused(Refusal {
                    position: head.position,
                    reason,
                    is_retried,
                })
            }
        }
    }

    /// Gives up what is overdue.
    fn expire(&mut self, now: Moment, random: &mut dyn Random) -> Result<(), RandomFailed> {
        if let State::Asking(asked) = &self.state
            && deadline(asked) <= now
        {
            return self.on_head_failure(now, None, random);
        }
        while let State::Reading(reading) = &self.state
            && let Some(page) = reading.download.overdue(now)
        {
            self.on_page_failure(now, page, None, random)?;
        }
        Ok(())
    }

    fn ask(&mut self, now: Moment, random: &mut dyn Random) -> Result<HeadRequest, RandomFailed> {
        let nonce = Nonce::generate(random)?;
        let after = match (self.refused, self.in_force) {
            (Some((refused, _)), _) => After::Refused(refused),
            (None, Some(in_force)) if !self.from_zero => After::InForce(in_force.position),
            (None, _) => After::Zero,
        };
        self.state = State::Asking(Asked {
            nonce,
            sent: now,
            after,
        });
        let (position, wait) = match after {
            After::InForce(position) if !self.is_confirmed => (position, Seconds::new(0)),
            After::Zero => (Position::default(), Seconds::new(0)),
            After::InForce(position) | After::Refused(position) => (position, WAIT),
        };
        Ok(HeadRequest {
            after: position.revision,
            epoch: position.epoch,
            nonce,
            wait,
        })
    }

    fn judge(&mut self, asked: &Asked, body: &[u8], signatures: &[u8]) -> Result<News, SyncFault> {
        let expected = Expected {
            feed: &self.source.feed,
            nonce: asked.nonce,
            keys: &self.source.keys,
        };
        let head = Head::verify(body, signatures, &expected)?;
        let position = Position {
            epoch: head.epoch,
            revision: head.revision,
        };
        if let Some(latest) = self.latest
            && position < latest
        {
            return Err(SyncFault::Rollback { position, latest });
        }
        self.latest = Some(position);
        if let After::Refused(_) = asked.after {
            if self.refused == Some((position, head.digest)) {
                return Ok(News::StillRefused(position));
            }
            // Its pages are changes of something that this gateway does not have.
            self.refused = None;
            return Ok(News::NewerThanRefused(position));
        }
        let base = match asked.after {
            After::InForce(base) if !head.reset => Some(base),
            After::InForce(_) => None,
            _ if head.reset => None,
            _ => return Err(SyncFault::NotWhole),
        };
        if base.is_some_and(|base| base.epoch != position.epoch) {
            self.from_zero = true;
            return Err(SyncFault::EpochWithoutReset);
        }
        let next = InForce {
            position,
            digest: head.digest,
            issued_at: head.issued_at,
            contact: asked.sent,
        };
        if let Some(in_force) = &mut self.in_force
            && in_force.position == position
            && in_force.digest == head.digest
        {
            *in_force = next;
            self.is_confirmed = true;
            self.from_zero = false;
            return Ok(News::UpToDate);
        }
        if base == Some(position) {
            // The same revision, and another policy: one of the two went wrong.
            self.from_zero = true;
            return Err(SyncFault::OtherDigest(position));
        }
        let reading = match base {
            Some(_) => Reading::Changes,
            None => Reading::Whole {
                is_new_epoch: self
                    .in_force
                    .is_some_and(|in_force| in_force.position.epoch != position.epoch),
            },
        };
        self.state = State::Reading(Box::new(ReadingHead {
            head: next,
            origin: if base.is_some() {
                Origin::Changes
            } else {
                Origin::Zero
            },
            application: Application::new(reading, head.digest),
            download: Download::new(head.pages),
        }));
        Ok(News::Reading(position))
    }

    fn pause(
        &mut self,
        now: Moment,
        retry_after: Option<Seconds>,
        random: &mut dyn Random,
    ) -> Result<(), RandomFailed> {
        let pause = self.backoff.failed(retry_after, random)?;
        self.not_before = now.after(pause);
        Ok(())
    }
}

fn deadline(asked: &Asked) -> Moment {
    asked.sent.after(millis(WAIT) + millis(TIMEOUT))
}
