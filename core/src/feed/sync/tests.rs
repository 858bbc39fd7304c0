//! A gateway, a publisher, and a network that does what it likes.

mod actors;
mod world;

use self::actors::{Edit, Gateway, PATIENCE, Publisher, sign};
use std::collections::BTreeMap;

use super::super::compact::Snapshot;
use super::super::head::HeadFault;
use super::super::page::PageFault;
use super::*;

#[test]
fn a_gateway_reads_everything_then_changes_and_is_fresh_since_it_asked() {
    let (mut gateway, mut publisher) = (Gateway::new(), Publisher::new());
    assert_eq!(gateway.sync.freshness(gateway.now), Freshness::Never);
    let request = gateway.asks();
    assert_eq!(
        (request.after, request.epoch, request.wait),
        (0, 0, Seconds::new(0))
    );
    let sent = gateway.now;
    gateway.now = sent.after(400);
    let news = gateway.hears(&publisher.answer(&request));
    assert_eq!(news, Ok(News::Reading(publisher.position())));
    gateway.works(&publisher);
    assert_eq!(gateway.sync.in_force().unwrap().contact, sent);
    assert_eq!(gateway.policy.store().digest(), publisher.digest());

    publisher
        .log
        .extend([Edit::Role(1), Edit::NoRole(0), Edit::Role(2)]);
    let request = gateway.asks();
    assert_eq!((request.after, request.epoch, request.wait), (1, 1, WAIT));
    gateway.hears(&publisher.answer(&request)).unwrap();
    gateway.works(&publisher);
    assert_eq!(gateway.position(), Some(publisher.position()));
    assert_eq!(gateway.policy.store().digest(), publisher.digest());
}

#[test]
fn only_an_answer_to_this_request_renews_freshness() {
    let (mut gateway, mut publisher) = (Gateway::new(), Publisher::new());
    gateway.walks(&mut publisher);
    let first = gateway.asks();
    let copy = publisher.answer(&first);
    gateway
        .sync
        .on_head_failure(gateway.now, None, &mut gateway.random)
        .unwrap();
    let contact = gateway.sync.in_force().unwrap().contact;
    for _ in 0..3 {
        gateway.asks();
        let fault = gateway.hears(&copy).unwrap_err();
        assert_eq!(fault, SyncFault::Head(HeadFault::OtherNonce));
    }
    assert_eq!(gateway.hears(&copy), Err(SyncFault::NotAsked));
    assert_eq!(gateway.sync.in_force().unwrap().contact, contact);
    assert_eq!(gateway.walks(&mut publisher), News::UpToDate);
    assert!(gateway.sync.in_force().unwrap().contact > contact);
}

#[test]
fn an_older_revision_is_refused_in_its_epoch_and_a_lower_epoch_always() {
    let (mut gateway, mut publisher) = (Gateway::new(), Publisher::new());
    publisher.log.extend([Edit::Role(1), Edit::Role(2)]);
    gateway.walks(&mut publisher);
    let latest = gateway.position().unwrap();
    publisher.log.truncate(2);
    let request = gateway.asks();
    let fault = gateway.hears(&publisher.answer(&request)).unwrap_err();
    let position = publisher.position();
    assert_eq!(fault, SyncFault::Rollback { position, latest });

    publisher.epoch = 2;
    publisher.log = vec![Edit::Role(7)];
    assert!(matches!(gateway.walks(&mut publisher), News::Reading(_)));
    assert_eq!(gateway.policy.store().digest(), publisher.digest());
    publisher.epoch = 1;
    publisher.log = vec![Edit::Role(7); 10];
    let request = gateway.asks();
    let fault = gateway.hears(&publisher.answer(&request)).unwrap_err();
    assert!(matches!(fault, SyncFault::Rollback { .. }));
}

#[test]
fn a_refused_policy_is_read_from_0_once_and_then_a_newer_one_is_waited_for() {
    let (mut gateway, mut publisher) = (Gateway::new(), Publisher::new());
    gateway.walks(&mut publisher);
    let good = gateway.policy.store().digest();
    let contact = gateway.sync.in_force().unwrap().contact;
    publisher.log.push(Edit::Broken(true));
    let bad = publisher.position();

    gateway.walks(&mut publisher);
    let request = gateway.asks();
    assert_eq!(request.after, 0);
    gateway.hears(&publisher.answer(&request)).unwrap();
    gateway.works(&publisher);
    let retried: Vec<_> = gateway
        .refusals
        .iter()
        .map(|refusal| refusal.is_retried)
        .collect();
    assert_eq!(retried, [true, false]);
    assert_eq!(
        gateway.refusals[0].to_string(),
        "revision 1.2 is refused: bypass.role: there is no role \"nobody\" in the policy"
    );
    assert_eq!(gateway.policy.store().digest(), good);

    // Nothing but the question whether there is a newer one, and no freshness by it.
    for _ in 0..3 {
        let request = gateway.asks();
        assert_eq!((request.after, request.wait), (2, WAIT));
        let answer = publisher.answer(&request);
        assert_eq!(gateway.hears(&answer), Ok(News::StillRefused(bad)));
    }
    assert_eq!(gateway.sync.in_force().unwrap().contact, contact);
    let late = contact.after(millis(PATIENCE.deny_after));
    assert_eq!(gateway.sync.freshness(late), Freshness::Stale);

    // A revocation after it is in force as soon as it is published.
    publisher.log.extend([Edit::Broken(false), Edit::NoRole(0)]);
    let healed = publisher.position();
    assert_eq!(
        gateway.walks(&mut publisher),
        News::NewerThanRefused(healed)
    );
    assert_eq!(gateway.walks(&mut publisher), News::Reading(healed));
    assert_eq!(gateway.position(), Some(healed));
    assert_eq!(gateway.policy.store().digest(), publisher.digest());
}

#[test]
fn a_policy_that_went_wrong_is_found_by_its_digest_and_read_from_0() {
    let (mut gateway, mut publisher) = (Gateway::new(), Publisher::new());
    gateway.walks(&mut publisher);
    // As after a defect: the same revision, and another policy.
    publisher.log = vec![Edit::Role(5)];
    let request = gateway.asks();
    let fault = gateway.hears(&publisher.answer(&request)).unwrap_err();
    assert_eq!(fault, SyncFault::OtherDigest(publisher.position()));
    assert_eq!(gateway.asks().after, 0);
    gateway
        .sync
        .on_head_failure(gateway.now, None, &mut gateway.random)
        .unwrap();
    gateway.walks(&mut publisher);
    assert_eq!(gateway.policy.store().digest(), publisher.digest());
}

#[test]
fn a_head_whose_digest_is_not_that_of_its_pages_is_refused() {
    let (mut gateway, mut publisher) = (Gateway::new(), Publisher::new());
    publisher.lies = true;
    gateway.walks(&mut publisher);
    assert!(matches!(
        gateway.refusals[0].reason,
        RefusalReason::Digest { .. }
    ));
    assert_eq!(gateway.position(), None);
    assert_eq!(gateway.policy.store().digest(), Digest::default());
}

#[test]
fn a_new_epoch_without_a_whole_policy_is_no_answer_and_everything_is_asked_for() {
    let (mut gateway, mut publisher) = (Gateway::new(), Publisher::new());
    gateway.walks(&mut publisher);
    let request = gateway.asks();
    let (body, _) = publisher.answer(&request);
    let mut head: Head = serde_json::from_slice(&body).unwrap();
    head.epoch = 2;
    let fault = gateway.hears(&sign(&head, 1)).unwrap_err();
    assert_eq!(fault, SyncFault::EpochWithoutReset);
    let request = gateway.asks();
    assert_eq!(request.after, 0);
    head.nonce = request.nonce;
    assert_eq!(gateway.hears(&sign(&head, 1)), Err(SyncFault::NotWhole));
}

#[test]
fn failures_space_requests_out_and_an_unheld_answer_does_not_make_a_loop() {
    let (mut gateway, mut publisher) = (Gateway::new(), Publisher::new());
    gateway.walks(&mut publisher);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        gateway.asks();
        let before = gateway.now;
        gateway
            .sync
            .on_head_failure(gateway.now, None, &mut gateway.random)
            .unwrap();
        gateway.asks();
        pauses.push(gateway.now.since(before).unwrap());
        gateway.sync.state = State::Idle;
        gateway.sync.not_before = gateway.now;
    }
    assert!(pauses[0] <= 1_000 && pauses[11] >= 15_000, "{pauses:?}");

    assert_eq!(gateway.walks(&mut publisher), News::UpToDate);
    let before = gateway.now;
    let request = gateway.asks();
    assert!(gateway.now.since(before).unwrap() >= POLL / 2);
    gateway.now = gateway.now.after(millis(WAIT));
    gateway.hears(&publisher.answer(&request)).unwrap();
    let before = gateway.now;
    gateway.asks();
    assert_eq!(gateway.now, before);
}

#[test]
fn a_request_without_any_answer_is_over_after_a_while() {
    let mut gateway = Gateway::new();
    gateway.asks();
    let Next::Wait(moment) = gateway.next() else {
        panic!("nothing to wait for");
    };
    assert_eq!(gateway.sync.failures(), 0);
    gateway.now = moment;
    assert!(matches!(gateway.next(), Next::Wait(later) if later > moment));
    assert_eq!(gateway.sync.failures(), 1);
}

#[test]
fn a_page_that_never_comes_right_gives_its_head_up() {
    let (mut gateway, mut publisher) = (Gateway::new(), Publisher::new());
    let request = gateway.asks();
    gateway.hears(&publisher.answer(&request)).unwrap();
    let mut asked = 0;
    while let State::Reading(_) = gateway.sync.state {
        match gateway.next() {
            Next::Page(page) => {
                asked += 1;
                let html = b"<html>".to_vec();
                let fault = gateway
                    .sync
                    .on_page(gateway.now, page, html, &mut gateway.random);
                assert_eq!(fault, Err(SyncFault::Page(page, PageFault::OtherBytes)));
            }
            Next::Wait(moment) => gateway.now = gateway.now.max(moment),
            other => panic!("{other:?} beside the page"),
        }
    }
    assert_eq!(asked, 5);
    gateway.walks(&mut publisher);
    assert_eq!(gateway.position(), Some(publisher.position()));
}

#[test]
fn a_worker_takes_over_a_later_contact_with_the_same_policy_and_nothing_else() {
    let (mut gateway, mut publisher) = (Gateway::new(), Publisher::new());
    let with = |own: InForce, millis: u64| InForce {
        contact: own.contact.after(millis),
        ..own
    };
    gateway.walks(&mut publisher);
    let own = *gateway.sync.in_force().unwrap();
    let mut newer = with(own, 5);
    newer.position.revision += 1;
    let other = InForce {
        digest: Digest::default(),
        ..with(own, 5)
    };
    for foreign in [own, newer, other] {
        assert!(!gateway.sync.renew(&foreign), "{foreign:?}");
        assert_eq!(gateway.sync.in_force(), Some(&own));
    }
    assert!(gateway.sync.renew(&with(own, 5)));
    assert!(!gateway.sync.renew(&with(own, 4)));
    assert_eq!(gateway.sync.in_force(), Some(&with(own, 5)));
    assert!(!Gateway::new().sync.renew(&own));
}

/// What a worker that has read a policy keeps of it for the others.
fn kept(gateway: &Gateway) -> (Shared, BTreeMap<String, Vec<u8>>) {
    let mut snapshot = Snapshot::default();
    let pages: Vec<_> = std::iter::from_fn(|| snapshot.next_page(&gateway.policy)).collect();
    let shared = Shared {
        policy: *gateway.sync.in_force().unwrap(),
        pages: SharedPages::Whole(pages.iter().map(|page| page.id).collect()),
    };
    let pages = pages
        .into_iter()
        .map(|page| (page.id.to_string(), page.body));
    (shared, pages.collect())
}

#[test]
fn a_worker_that_begins_anew_takes_policy_and_age_from_another_one_and_goes_on_from_there() {
    let (mut reader, mut publisher) = (Gateway::new(), Publisher::new());
    publisher.log.extend([Edit::Role(1), Edit::Role(2)]);
    reader.walks(&mut publisher);
    let (shared, pages) = kept(&reader);

    let mut other = Gateway::new();
    other.now = other.now.after(50_000);
    other.asks();
    assert!(other.sync.read_shared(shared.clone()));
    other.recovers(&pages);
    assert_eq!(other.sync.in_force(), Some(&shared.policy));
    assert_eq!(other.policy.store().digest(), publisher.digest());
    assert!(!other.sync.read_shared(shared));
    publisher.log.push(Edit::NoRole(1));
    let request = other.asks();
    assert_eq!((request.after, request.wait), (3, Seconds::new(0)));
    other.hears(&publisher.answer(&request)).unwrap();
    other.works(&publisher);
    assert_eq!(other.policy.store().digest(), publisher.digest());
}

#[test]
fn a_first_policy_of_other_workers_decides_once_a_head_or_a_neighbour_has_confirmed_it() {
    let (mut reader, mut publisher) = (Gateway::new(), Publisher::new());
    publisher.log.extend([Edit::Role(1), Edit::Role(2)]);
    reader.walks(&mut publisher);
    let (shared, pages) = kept(&reader);
    let begun = || {
        let mut other = Gateway::new();
        assert!(other.sync.read_shared(shared.clone()));
        other.recovers(&pages);
        assert!(other.sync.needs_head());
        assert_eq!(other.sync.freshness(other.now), Freshness::Never);
        other
    };
    // It is the latest.
    let mut other = begun();
    let request = other.asks();
    assert_eq!(
        other.hears(&publisher.answer(&request)).unwrap(),
        News::UpToDate
    );
    assert!(!other.sync.needs_head());
    assert_eq!(other.sync.freshness(other.now), Freshness::Fresh);
    // That question was not to be held: the next one, which is, follows without a pause.
    let before = other.now;
    assert_eq!(other.asks().wait, WAIT);
    assert!(other.now.since(before).unwrap() <= 100);

    // Another configuration in the same memory decides by it; one that decides by another policy says nothing of it.
    let mut other = begun();
    let mut decides = shared.policy;
    decides.position.revision += 1;
    other.sync.vouch(&decides);
    assert!(other.sync.needs_head());
    other.sync.vouch(&shared.policy);
    assert_eq!(other.sync.freshness(other.now), Freshness::Fresh);

    // It was the latest once.
    let mut other = begun();
    publisher.log.push(Edit::NoRole(1));
    let request = other.asks();
    other.hears(&publisher.answer(&request)).unwrap();
    assert_eq!(other.sync.freshness(other.now), Freshness::Never);
    other.works(&publisher);
    assert_eq!(other.sync.freshness(other.now), Freshness::Fresh);
    assert_eq!(other.policy.store().digest(), publisher.digest());
}

#[test]
fn what_other_workers_keep_is_left_for_the_feed_if_it_is_not_what_it_should_be() {
    let (mut reader, mut publisher) = (Gateway::new(), Publisher::new());
    reader.walks(&mut publisher);
    let (shared, pages) = kept(&reader);
    let other_digest = InForce {
        digest: Digest::default(),
        ..shared.policy
    };
    let cases = [
        (shared.clone(), BTreeMap::new()),
        (
            shared.clone(),
            pages.keys().map(|id| (id.clone(), b"x".to_vec())).collect(),
        ),
        (
            Shared {
                policy: other_digest,
                ..shared
            },
            pages,
        ),
    ];
    for (shared, pages) in cases {
        let mut other = Gateway::new();
        assert!(other.sync.read_shared(shared));
        other.recovers(&pages);
        assert_eq!(other.position(), None);
        assert_eq!(other.asks().after, 0);
        other
            .sync
            .on_head_failure(other.now, None, &mut other.random)
            .unwrap();
        other.walks(&mut publisher);
        assert_eq!(other.position(), Some(publisher.position()));
    }
}

#[test]
fn changes_that_other_workers_keep_are_read_only_onto_what_they_are_changes_of() {
    let (mut reader, mut publisher) = (Gateway::new(), Publisher::new());
    let mut other = Gateway::new();
    reader.walks(&mut publisher);
    other.walks(&mut publisher);
    publisher.log.push(Edit::Role(1));
    let base = reader.position().unwrap();
    reader.walks(&mut publisher);
    let request = HeadRequest {
        after: 1,
        epoch: 1,
        ..other.asks()
    };
    let (head, _) = publisher.answer(&request);
    let head: Head = serde_json::from_slice(&head).unwrap();
    let changes = |base| Shared {
        policy: *reader.sync.in_force().unwrap(),
        pages: SharedPages::Changes(base, head.pages.clone()),
    };
    assert!(!Gateway::new().sync.read_shared(changes(base)));
    assert!(!other.sync.read_shared(changes(Position {
        revision: 9,
        ..base
    })));
    assert!(other.sync.read_shared(changes(base)));
    other.recovers(&publisher.pages);
    assert_eq!(other.position(), reader.position());
    assert_eq!(other.policy.store().digest(), publisher.digest());
}
