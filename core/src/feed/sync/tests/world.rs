//! Whatever the network does, nothing goes back; and when it stops, all heals.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::super::*;
use super::actors::{Edit, Gateway, Publisher, key, sign};

/// What happens next.
#[derive(Clone, Debug)]
enum Event {
    Publish(Edit),
    /// A backup is restored as it should be: the epoch grows.
    Restore(usize),
    /// A replica answers that has not got the last change yet.
    LateReplica,
    Lie(bool),
    /// An answer arrives that is as it should be.
    Answer,
    /// The answer to an earlier request arrives instead.
    Replay(usize),
    Flip(usize),
    Truncate(usize),
    OtherKey,
    OtherFeed,
    Lose,
    Page(PageEvent),
    Work(usize),
    Time(u64),
}

#[derive(Clone, Copy, Debug)]
enum PageEvent {
    Right,
    Lost,
    Flipped,
    Other,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let edit = prop_oneof![
        4 => (0..4u8).prop_map(Edit::Role),
        2 => (0..4u8).prop_map(Edit::NoRole),
        1 => any::<bool>().prop_map(Edit::Broken),
    ];
    let page = prop_oneof![
        6 => Just(PageEvent::Right),
        1 => Just(PageEvent::Lost),
        1 => Just(PageEvent::Flipped),
        1 => Just(PageEvent::Other),
    ];
    let event = prop_oneof![
        6 => edit.prop_map(Event::Publish),
        1 => (0..5usize).prop_map(Event::Restore),
        1 => Just(Event::LateReplica),
        1 => any::<bool>().prop_map(Event::Lie),
        8 => Just(Event::Answer),
        2 => (0..9usize).prop_map(Event::Replay),
        1 => (0..2000usize).prop_map(Event::Flip),
        1 => (0..400usize).prop_map(Event::Truncate),
        1 => Just(Event::OtherKey),
        1 => Just(Event::OtherFeed),
        1 => Just(Event::Lose),
        12 => page.prop_map(Event::Page),
        12 => (1..5usize).prop_map(Event::Work),
        6 => (0..40_000u64).prop_map(Event::Time),
    ];
    prop::collection::vec(event, 1..120)
}

/// A gateway and a publisher, and all that was ever true of the publisher.
struct World {
    gateway: Gateway,
    publisher: Publisher,
    /// The position and digest of the publisher from a moment on.
    history: Vec<(Moment, Position, Digest)>,
    request: Option<HeadRequest>,
    answers: Vec<(Vec<u8>, String)>,
    pages: VecDeque<PageId>,
}

impl World {
    fn note(&mut self) {
        let (now, publisher) = (self.gateway.now, &self.publisher);
        self.history
            .push((now, publisher.position(), publisher.digest()));
    }

    fn play(&mut self, event: &Event) {
        let before = self.gateway.sync.in_force;
        self.happen(event);
        let Some(after) = self.gateway.sync.in_force else {
            return;
        };
        if before != Some(after) {
            let old = before.map(|before| before.position);
            assert!(old <= Some(after.position), "{old:?} to {after:?}");
            // When it was contacted, or later, this was what the publisher had.
            let known = self
                .history
                .iter()
                .enumerate()
                .any(|(at, &(_, position, digest))| {
                    let until = self.history.get(at + 1).map(|(until, ..)| *until);
                    (position, digest) == (after.position, after.digest)
                        && until.is_none_or(|until| until >= after.contact)
                });
            assert!(known, "{after:?} was never so: {:?}", self.history);
        }
        assert_eq!(self.gateway.policy.store().digest(), after.digest);
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Publish(edit) => self.publisher.log.push(edit),
            Event::Restore(keep) => {
                self.publisher.epoch += 1;
                self.publisher.log.truncate(keep.max(1));
            }
            Event::Lie(lies) => self.publisher.lies = lies,
            Event::Time(millis) => self.gateway.now = self.gateway.now.after(millis),
            Event::Work(budget) => {
                self.gateway.sync.work(&mut self.gateway.policy, budget);
            }
            Event::Page(how) => self.page(how),
            _ => self.head(event),
        }
        self.note();
        self.poll();
    }

    fn poll(&mut self) {
        match self.gateway.next() {
            Next::Head(request) => self.request = Some(request),
            Next::Page(page) => self.pages.push_back(page),
            Next::Shared(_) | Next::Wait(_) => {}
        }
    }

    fn head(&mut self, event: &Event) {
        let Some(request) = self.request else {
            return;
        };
        let mut answer = match event {
            Event::LateReplica if self.publisher.log.len() > 1 => {
                let latest = self.publisher.log.pop();
                self.note();
                let answer = self.publisher.answer(&request);
                self.publisher.log.extend(latest);
                answer
            }
            _ => self.publisher.answer(&request),
        };
        match *event {
            Event::Answer => self.answers.push(answer.clone()),
            Event::Replay(which) => match self.answers.get(which) {
                Some(old) => answer = old.clone(),
                None => return,
            },
            Event::Flip(bit) => {
                let bit = bit % (answer.0.len() * 8);
                answer.0[bit / 8] ^= 1 << (bit % 8);
            }
            Event::Truncate(length) => answer.0.truncate(length.min(answer.0.len() - 1)),
            Event::OtherKey => answer.1 = key(2).sign(&answer.0),
            Event::OtherFeed => {
                let mut head: Head = serde_json::from_slice(&answer.0).unwrap();
                head.feed = "other".to_owned();
                answer = sign(&head, 1);
            }
            _ => {}
        }
        let gateway = &mut self.gateway;
        match event {
            Event::Lose => {
                let lost = gateway
                    .sync
                    .on_head_failure(gateway.now, None, &mut gateway.random);
                lost.unwrap();
            }
            Event::LateReplica => {
                // A gateway that has heard of the later revision does not go back.
                let has_heard = gateway.sync.latest == Some(self.publisher.position());
                let is_taken = gateway.hears(&answer).is_ok();
                assert!(!has_heard || !is_taken || self.publisher.log.len() == 1);
            }
            Event::Answer => {
                gateway.hears(&answer).ok();
            }
            _ => assert!(gateway.hears(&answer).is_err(), "{event:?}"),
        }
    }

    fn page(&mut self, how: PageEvent) {
        let Some(page) = self.pages.pop_front() else {
            return;
        };
        let gateway = &mut self.gateway;
        let mut body = self.publisher.pages[&page.to_string()].clone();
        match how {
            PageEvent::Lost => {
                let lost =
                    gateway
                        .sync
                        .on_page_failure(gateway.now, page, None, &mut gateway.random);
                return lost.unwrap();
            }
            PageEvent::Flipped => body[20] ^= 4,
            PageEvent::Other => body = b"{\"format\":1}\n".to_vec(),
            PageEvent::Right => {}
        }
        gateway
            .sync
            .on_page(gateway.now, page, body, &mut gateway.random)
            .ok();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_the_network_does_nothing_goes_back_and_all_heals_when_it_stops(
        events in events(),
    ) {
        let mut world = World {
            gateway: Gateway::new(),
            publisher: Publisher::new(),
            history: Vec::new(),
            request: None,
            answers: Vec::new(),
            pages: VecDeque::new(),
        };
        world.note();
        for event in &events {
            world.play(event);
        }

        world.publisher.lies = false;
        if world.publisher.is_broken() {
            world.publisher.log.push(Edit::Broken(false));
        }
        world.note();
        for _ in 0..40 {
            for event in [Event::Time(30_000), Event::Answer] {
                world.play(&event);
            }
            for event in [Event::Page(PageEvent::Right), Event::Work(100)].iter().cycle().take(60) {
                world.play(event);
            }
        }
        prop_assert_eq!(world.gateway.position(), Some(world.publisher.position()));
        let digest = world.gateway.policy.store().digest();
        prop_assert_eq!(digest, world.publisher.digest());
        let fresh = world.gateway.sync.freshness(world.gateway.now);
        prop_assert_eq!(fresh, Freshness::Fresh);
    }
}
