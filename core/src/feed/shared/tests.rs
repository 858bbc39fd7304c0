//! Workers of one gateway, and a host that need not be honest.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::entry::Entry;
use super::super::freshness::{Freshness, Patience};
use super::super::key::PublicKeys;
use super::super::moment::Moment;
use super::super::page_writer::{Page, PageWriter};
use super::super::sync::{Changes, InForce, Next, Position, SharedPages, Source, Sync, Work};
use super::*;
use crate::clock::EARLIEST;
use crate::policy::{Phase, Policy, Reading};
use crate::random::fakes::Sequence;
use crate::roots::RootKeys;
use crate::time::Seconds;

/// An honest host.
#[derive(Clone, Default)]
struct Host {
    values: BTreeMap<String, (Vec<u8>, u32)>,
    count: u32,
}

impl SharedData for Host {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, SharedDataFailed> {
        Ok(self.values.get(key).cloned())
    }

    fn set(
        &mut self,
        key: &str,
        value: &[u8],
        unchanged: Option<u32>,
    ) -> Result<bool, SharedDataFailed> {
        let known = self.values.get(key).map(|(_, count)| *count);
        // As Envoy does: whatever is said of a value that is not there, it is set.
        if known.is_some() && unchanged.is_some() && unchanged != known {
            return Ok(false);
        }
        self.count += 1;
        self.values
            .insert(key.to_owned(), (value.to_vec(), self.count));
        Ok(true)
    }
}

/// A host without shared data.
struct NoSharedData;

impl SharedData for NoSharedData {
    fn get(&self, _: &str) -> Result<Option<(Vec<u8>, u32)>, SharedDataFailed> {
        Err(SharedDataFailed)
    }

    fn set(&mut self, _: &str, _: &[u8], _: Option<u32>) -> Result<bool, SharedDataFailed> {
        Err(SharedDataFailed)
    }
}

fn key(roots: &str) -> LocalKey {
    let roots = RootKeys::parse(roots).unwrap();
    LocalKey::derive(&roots, "https://a", "edge")
        .unwrap()
        .unwrap()
}

fn our_key() -> LocalKey {
    key("r1:XgsDwt0_JXKaKB-5XB9ueMQbOk0zIfyQcJWb7SUlMOM")
}

fn shelf() -> Shelf {
    Shelf::of(&["admin", "default", "edge-1"])
}

/// The worker that asks the feed.
struct Reader {
    policy: Policy,
    in_force: InForce,
    keeper: Keeper,
    host: Host,
}

impl Reader {
    fn new(page_limit: usize) -> Self {
        let in_force = InForce {
            position: Position {
                epoch: 1,
                revision: 1,
            },
            digest: Policy::default().store().digest(),
            issued_at: EARLIEST,
            contact: Moment::from_millis(1),
        };
        let mut reader = Self {
            policy: Policy::default(),
            in_force,
            keeper: Keeper::new(shelf(), None).with_page_limit(page_limit),
            host: Host::default(),
        };
        reader.keeper.switched(None, in_force);
        reader.tell();
        reader
    }

    fn tell(&mut self) {
        let board = self.keeper.board().unwrap();
        board.store(&mut self.host, shelf(), &our_key()).unwrap();
    }

    /// Puts changes in force, each list of them as a page.
    fn reads(&mut self, pages: &[Vec<String>]) {
        self.policy.begin(Reading::Changes).unwrap();
        self.keeper.begin();
        for line in pages.iter().flatten() {
            let entry: Entry = serde_json::from_str(line).unwrap();
            self.policy.stage(entry.change()).unwrap();
        }
        let pages: Vec<_> = pages.iter().map(|lines| page(lines)).collect();
        // They come as they like.
        for page in pages.iter().rev() {
            self.keeper
                .keep_page(&mut self.host, page.id, &page.body)
                .unwrap();
        }
        self.policy.close().unwrap();
        while self.policy.advance(1000).unwrap() != Phase::Checked {}
        self.policy.switch().unwrap();
        while self.policy.advance(1000).unwrap() != Phase::Settled {}
        let changes = Changes {
            base: self.in_force.position,
            pages: pages.iter().map(|page| page.id).collect(),
        };
        self.in_force.position.revision += 1;
        self.in_force.contact = self.in_force.contact.after(10);
        self.in_force.digest = self.policy.store().digest();
        self.keeper.switched(Some(&changes), self.in_force);
        self.tell();
    }

    fn writes_snapshot(&mut self) -> bool {
        let is_done = self
            .keeper
            .write_snapshot(&mut self.host, &self.policy)
            .unwrap();
        if is_done {
            self.tell();
        }
        is_done
    }
}

fn page(lines: &[String]) -> Page {
    let mut writer = PageWriter::new();
    for line in lines {
        let entry: Entry = serde_json::from_str(line).unwrap();
        writer.push(entry.change()).unwrap();
    }
    writer.finish().unwrap()
}

/// A worker that reads what others keep.
struct Follower {
    sync: Sync,
    policy: Policy,
    random: Sequence,
}

impl Follower {
    fn new() -> Self {
        Self {
            sync: Sync::new(Source {
                feed: "default".to_owned(),
                keys: PublicKeys::default(),
                patience: Patience {
                    warn_after: Seconds::new(300),
                    deny_after: Seconds::new(3600),
                },
            }),
            policy: Policy::default(),
            random: Sequence::from_seed(3),
        }
    }

    fn position(&self) -> Option<Position> {
        self.sync.in_force().map(|in_force| in_force.position)
    }

    /// Reads as long as there is something newer. Returns how it was kept each time.
    fn follows(&mut self, host: &dyn SharedData) -> Vec<&'static str> {
        let mut ways = Vec::new();
        let now = Moment::from_millis(1_000);
        while let Ok(Some(board)) = Board::load(host, shelf(), &our_key()) {
            let Some(shared) = board.offer(self.position()) else {
                self.sync.renew(&board.policy);
                break;
            };
            ways.push(match shared.pages {
                SharedPages::Changes(..) => "changes",
                SharedPages::Whole(_) => "whole",
            });
            assert!(self.sync.read_shared(shared));
            let before = self.position();
            for _ in 0..10_000 {
                if let Next::Shared(page) = self.sync.next(now, &mut self.random).unwrap() {
                    let random = &mut self.random;
                    match board.page(host, shelf(), page) {
                        Ok(Some(body)) => self.sync.on_page(now, page, body, random).unwrap_or(()),
                        _ => self.sync.on_page_failure(now, page, None, random).unwrap(),
                    }
                }
                match self.sync.work(&mut self.policy, 50) {
                    Work::Switched(_) | Work::Refused(_) => break,
                    _ => {}
                }
            }
            if self.position() == before {
                ways.push("failed");
                break;
            }
        }
        while self.sync.work(&mut self.policy, 50) != Work::Idle {}
        ways
    }
}

fn role(number: usize) -> String {
    format!(r#"{{"put":{{"role":"role-{number}"}}}}"#)
}

fn person(number: usize, is_active: bool) -> String {
    format!(r#"{{"put":{{"person":{{"id":"person-{number}","active":{is_active}}}}}}}"#)
}

fn no_person(number: usize) -> String {
    format!(r#"{{"delete":{{"person":"person-{number}"}}}}"#)
}

#[test]
fn a_worker_follows_change_by_change_and_a_new_one_reads_a_snapshot_and_what_came_after() {
    let mut reader = Reader::new(MAX);
    reader.reads(&[vec![role(0), person(0, true)]]);
    while !reader.writes_snapshot() {}
    let mut follower = Follower::new();
    assert_eq!(follower.follows(&reader.host), ["whole"]);

    reader.reads(&[vec![person(1, true)], vec![no_person(0)]]);
    reader.reads(&[vec![person(2, false)]]);
    assert_eq!(follower.follows(&reader.host), ["changes", "changes"]);
    let mut newcomer = Follower::new();
    assert_eq!(newcomer.follows(&reader.host), ["whole"]);
    for worker in [follower, newcomer] {
        assert_eq!(
            worker.policy.store().digest(),
            reader.policy.store().digest()
        );
        assert_eq!(worker.sync.in_force(), Some(&reader.in_force));
    }
}

#[test]
fn pages_apply_in_the_order_of_their_head_whatever_order_they_came_in() {
    let mut reader = Reader::new(MAX);
    while !reader.writes_snapshot() {}
    let mut follower = Follower::new();
    follower.follows(&reader.host);
    reader.reads(&[vec![person(0, true)], vec![person(0, false)]]);
    assert_eq!(follower.follows(&reader.host), ["changes"]);
    let digest = reader.policy.store().digest();
    assert_eq!(follower.policy.store().digest(), digest);
}

#[test]
fn changes_of_which_a_page_was_not_kept_are_not_offered() {
    let mut reader = Reader::new(MAX);
    while !reader.writes_snapshot() {}
    let base = reader.in_force.position;
    let changes = Changes {
        base,
        pages: vec![page(&[role(1)]).id],
    };
    reader.in_force.position.revision += 1;
    reader.keeper.begin();
    reader.keeper.switched(Some(&changes), reader.in_force);
    let board = reader.keeper.board().unwrap();
    assert_eq!(board.offer(Some(base)), None);
    assert!(reader.keeper.needs_snapshot());
}

#[test]
fn contact_travels_without_any_page() {
    let mut reader = Reader::new(MAX);
    while !reader.writes_snapshot() {}
    let mut follower = Follower::new();
    follower.follows(&reader.host);
    reader.in_force.contact = reader.in_force.contact.after(500);
    reader.keeper.contacted(reader.in_force);
    reader.tell();
    assert!(follower.follows(&reader.host).is_empty());
    assert_eq!(follower.sync.in_force(), Some(&reader.in_force));
}

#[test]
fn keys_do_not_grow_in_number_with_changes() {
    let mut reader = Reader::new(600);
    let mut most = 0;
    for number in 0..400 {
        reader.reads(&[vec![person(number % 40, number % 3 == 0)]]);
        for _ in 0..3 {
            reader.writes_snapshot();
        }
        if number == 199 {
            most = reader.host.values.len();
        }
    }
    assert_eq!(reader.host.values.len(), most);
    let mut newcomer = Follower::new();
    assert_eq!(newcomer.follows(&reader.host), ["whole"]);
    assert_eq!(
        newcomer.policy.store().digest(),
        reader.policy.store().digest()
    );
}

#[test]
fn a_worker_that_takes_over_goes_on_with_the_board_that_is_there() {
    let mut reader = Reader::new(MAX);
    reader.reads(&[vec![person(0, true)]]);
    while !reader.writes_snapshot() {}
    let mut follower = Follower::new();
    follower.follows(&reader.host);
    let board = Board::load(&reader.host, shelf(), &our_key()).unwrap();
    assert_eq!(board.as_ref(), reader.keeper.board());
    reader.keeper = Keeper::new(shelf(), board);
    reader.reads(&[vec![person(1, true)]]);
    assert!(!reader.keeper.needs_snapshot());
    assert_eq!(follower.follows(&reader.host), ["changes"]);
}

#[test]
fn a_list_of_changes_longer_than_the_ring_is_not_kept_and_a_snapshot_is_asked_for() {
    let mut reader = Reader::new(MAX);
    while !reader.writes_snapshot() {}
    let pages: Vec<_> = (0..=usize::from(RING))
        .map(|number| vec![role(number)])
        .collect();
    reader.reads(&pages);
    assert!(reader.keeper.needs_snapshot());
    let mut follower = Follower::new();
    assert!(follower.follows(&reader.host).is_empty());
    assert_eq!(follower.position(), None);
    while !reader.writes_snapshot() {}
    let mut newcomer = Follower::new();
    assert_eq!(newcomer.follows(&reader.host), ["whole"]);
    assert_eq!(
        newcomer.policy.store().digest(),
        reader.policy.store().digest()
    );
}

#[test]
fn changes_whose_pages_the_ring_has_written_over_are_not_offered() {
    let mut reader = Reader::new(MAX);
    while !reader.writes_snapshot() {}
    let begin = reader.in_force.position;
    for number in 0..usize::from(RING) / 2 {
        reader.reads(&[vec![role(2 * number)], vec![role(2 * number + 1)]]);
    }
    let board = reader.keeper.board().unwrap();
    assert!(board.offer(Some(begin)).is_some());
    reader.reads(&[vec![role(0), role(1000)]]);
    let board = reader.keeper.board().unwrap();
    assert_eq!(board.offer(Some(begin)), None);
    assert_eq!(board.offer(None), None);
    assert!(reader.keeper.needs_snapshot());
    let next = Position {
        revision: begin.revision + 1,
        ..begin
    };
    assert!(board.offer(Some(next)).is_some());
}

#[test]
fn a_board_of_another_key_source_or_writer_is_forged() {
    let reader = Reader::new(MAX);
    let host = reader.host;
    let board_key = shelf().board();
    let load = |host: &Host, shelf, key: &LocalKey| Board::load(host, shelf, key);
    assert!(load(&host, shelf(), &our_key()).unwrap().is_some());
    let other = key("r1:AAsDwt0_JXKaKB-5XB9ueMQbOk0zIfyQcJWb7SUlMOM");
    assert_eq!(load(&host, shelf(), &other), Err(BoardFault::Forged));
    let elsewhere = Shelf::of(&["admin", "defaultedge-1", ""]);
    let mut moved = host.clone();
    let (value, _) = host.values[&board_key].clone();
    moved.set(&elsewhere.board(), &value, None).unwrap();
    assert_eq!(load(&moved, elsewhere, &our_key()), Err(BoardFault::Forged));
    for at in 0..value.len() {
        let mut changed = value.clone();
        changed[at] ^= 1;
        moved.set(&board_key, &changed, None).unwrap();
        assert_eq!(load(&moved, shelf(), &our_key()), Err(BoardFault::Forged));
        moved.set(&board_key, &value[..at], None).unwrap();
        assert_eq!(load(&moved, shelf(), &our_key()), Err(BoardFault::Forged));
    }
    let failed = BoardFault::Failed(SharedDataFailed);
    assert_eq!(Board::load(&NoSharedData, shelf(), &our_key()), Err(failed));
    assert_eq!(load(&Host::default(), shelf(), &our_key()), Ok(None));
}

#[test]
fn a_value_longer_than_any_board_is_refused_whatever_its_mac() {
    let mut host = Host::default();
    for (length, fault) in [
        (256 * 1024 - 32, BoardFault::Form),
        (256 * 1024, BoardFault::Forged),
    ] {
        let body = vec![9; length];
        let tag = our_key().tag(shelf(), &body);
        let value = [&tag[..], &body].concat();
        host.set(&shelf().board(), &value, None).unwrap();
        let loaded = Board::load(&host, shelf(), &our_key());
        assert_eq!(loaded, Err(fault), "{length}");
    }
}

#[test]
fn one_worker_holds_the_lease_until_it_is_over() {
    let mut host = Host::default();
    let (one, other) = (Worker([1; 16]), Worker([2; 16]));
    let now = Moment::from_millis(10_000);
    let mut holds = |worker, now| holds_lease(&mut host, shelf(), worker, now, Freshness::Fresh);
    assert!(holds(one, now));
    assert!(!holds(other, now));
    assert!(holds(one, now.after(LEASE - 1)));
    assert!(!holds(other, now.after(LEASE)));
    assert!(holds(other, now.after(2 * LEASE)));
    assert!(!holds(one, now.after(2 * LEASE)));
}

#[test]
fn whatever_is_in_the_lease_a_policy_that_is_late_is_asked_for() {
    let worker = Worker([1; 16]);
    let now = Moment::from_millis(10_000);
    let forged = |until: u64| [&[9; 16][..], &until.to_be_bytes()].concat();
    for (value, asks_while_fresh) in [
        (Vec::new(), true),
        (vec![7; 1000], true),
        (forged(u64::MAX), true),
        (forged(10_000 + LEASE + 1), true),
        (forged(10_000), true),
        (forged(10_000 + LEASE), false),
    ] {
        for (freshness, asks) in [
            (Freshness::Fresh, asks_while_fresh),
            (Freshness::Never, asks_while_fresh),
            (Freshness::Late, true),
            (Freshness::Stale, true),
        ] {
            let mut host = Host::default();
            host.set(&shelf().lease(), &value, None).unwrap();
            let holds = holds_lease(&mut host, shelf(), worker, now, freshness);
            assert_eq!(holds, asks, "{value:?} {freshness:?}");
        }
    }
    assert!(holds_lease(
        &mut NoSharedData,
        shelf(),
        worker,
        now,
        Freshness::Fresh
    ));
}

const MAX: usize = 256 * 1024;

/// A host that answers what it likes, to each question something else.
struct Hostile<'a> {
    truth: &'a Host,
    old: &'a Host,
    answers: Vec<u8>,
    asked: std::cell::Cell<usize>,
}

impl SharedData for Hostile<'_> {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, SharedDataFailed> {
        let asked = self.asked.get();
        self.asked.set(asked + 1);
        let Some(&answer) = self.answers.get(asked) else {
            return self.truth.get(key);
        };
        match answer % 8 {
            0 => Err(SharedDataFailed),
            1 => Ok(None),
            2 => self.old.get(key),
            3 => Ok(Some((vec![answer; 50], 1))),
            4 => {
                let other = self.truth.values.values().nth(usize::from(answer) / 8);
                Ok(other.cloned())
            }
            5 => Ok(self.truth.get(key)?.map(|(mut value, count)| {
                if let Some(byte) = value.get_mut(usize::from(answer)) {
                    *byte ^= 1;
                }
                (value, count)
            })),
            _ => self.truth.get(key),
        }
    }

    fn set(&mut self, _: &str, _: &[u8], _: Option<u32>) -> Result<bool, SharedDataFailed> {
        Ok(true)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn a_snapshot_that_changes_overtake_is_whole_with_the_changes_after_it(
        edits in prop::collection::vec((0..30usize, 0..4u8), 1..60),
        pace in 0..4usize,
    ) {
        let mut reader = Reader::new(100);
        reader.reads(&[(0..30).map(|number| person(number, true)).collect()]);
        for (number, kind) in edits {
            let line = match kind {
                0 => no_person(number),
                1 => role(number),
                2 => format!(r#"{{"delete":{{"role":"role-{number}"}}}}"#),
                _ => person(number, number % 2 == 0),
            };
            reader.reads(&[vec![line]]);
            for _ in 0..pace {
                reader.writes_snapshot();
            }
        }
        while reader.keeper.needs_snapshot() {
            reader.writes_snapshot();
        }
        let mut newcomer = Follower::new();
        prop_assert_eq!(newcomer.follows(&reader.host), ["whole"]);
        prop_assert_eq!(newcomer.policy.store().digest(), reader.policy.store().digest());
    }

    #[test]
    fn a_hostile_host_cannot_put_anything_in_force_but_what_a_worker_had(
        answers in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut reader = Reader::new(100);
        reader.reads(&[(0..10).map(|number| person(number, true)).collect()]);
        while !reader.writes_snapshot() {}
        let mut known = vec![reader.policy.store().digest(), Policy::default().store().digest()];
        let old = reader.host.clone();
        for number in 0..4 {
            reader.reads(&[vec![person(number, false)]]);
            known.push(reader.policy.store().digest());
        }
        let hostile = Hostile {
            truth: &reader.host,
            old: &old,
            answers,
            asked: std::cell::Cell::new(0),
        };
        let mut follower = Follower::new();
        for _ in 0..5 {
            let before = follower.position();
            follower.follows(&hostile);
            prop_assert!(before <= follower.position());
            let digest = follower.policy.store().digest();
            prop_assert!(known.contains(&digest));
            let told = follower.sync.in_force().map(|in_force| in_force.digest);
            prop_assert_eq!(told.unwrap_or_default(), digest);
        }
    }
}

#[test]
fn names_of_sources_do_not_run_together() {
    assert_ne!(Shelf::of(&["ab", "c"]), Shelf::of(&["a", "bc"]));
    assert_eq!(shelf().to_string().len(), "postern.".len() + 16);
}
