//! A publisher and a gateway.

use std::collections::BTreeMap;

use super::super::super::page_writer::PageWriter;
use super::super::super::signing::HeadKey;
use super::super::*;
use crate::clock::EARLIEST;
use crate::policy::document::Bypass;
use crate::policy::{Change, Record, RecordId, Store};
use crate::random::fakes::Sequence;

pub(super) const PATIENCE: Patience = Patience {
    warn_after: Seconds::new(300),
    deny_after: Seconds::new(3600),
};

pub(super) fn key(seed: u64) -> HeadKey {
    HeadKey::generate(&mut Sequence::from_seed(seed)).unwrap()
}

pub(super) fn source() -> Source {
    Source {
        feed: "default".to_owned(),
        keys: PublicKeys::new(vec![key(1).public_key()]),
        patience: PATIENCE,
    }
}

/// A change of the publisher's policy: a role comes or goes, or it has a fault from then on, or no longer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    Role(u8),
    NoRole(u8),
    Broken(bool),
}

/// A publisher, whose policy is a set of roles.
pub(super) struct Publisher {
    pub(super) epoch: u64,
    /// The changes of this epoch; revision 1 is the first.
    pub(super) log: Vec<Edit>,
    /// Whether the head tells another digest than that of the policy.
    pub(super) lies: bool,
    pub(super) pages: BTreeMap<String, Vec<u8>>,
}

impl Publisher {
    pub(super) fn new() -> Self {
        Self {
            epoch: 1,
            log: vec![Edit::Role(0)],
            lies: false,
            pages: BTreeMap::new(),
        }
    }

    pub(super) fn position(&self) -> Position {
        Position {
            epoch: self.epoch,
            revision: self.log.len() as u64,
        }
    }

    pub(super) fn store(log: &[Edit]) -> Store {
        let mut store = Store::default();
        for edit in log {
            Self::with_change(*edit, |change| store.apply(change).unwrap());
        }
        store
    }

    pub(super) fn with_change<T>(edit: Edit, then: impl FnOnce(Change<'_>) -> T) -> T {
        let nobody = Bypass {
            role: "nobody".to_owned(),
        };
        match edit {
            Edit::Role(number) => then(Change::Put(Record::Role(&format!("r{number}")))),
            Edit::NoRole(number) => then(Change::Delete(RecordId::Role(&format!("r{number}")))),
            Edit::Broken(true) => then(Change::Put(Record::Bypass(&nobody))),
            Edit::Broken(false) => then(Change::Delete(RecordId::Bypass)),
        }
    }

    pub(super) fn digest(&self) -> Digest {
        Self::store(&self.log).digest()
    }

    pub(super) fn is_broken(&self) -> bool {
        let mut broken = self.log.iter().rev().filter_map(|edit| match edit {
            Edit::Broken(broken) => Some(*broken),
            _ => None,
        });
        self.lies || broken.next().unwrap_or(false)
    }

    /// The answer to a request: the head as it is sent, and its signature.
    pub(super) fn answer(&mut self, request: &HeadRequest) -> (Vec<u8>, String) {
        let is_known = request.epoch == self.epoch && request.after <= self.log.len() as u64;
        let after = if is_known { request.after as usize } else { 0 };
        let mut pages = Vec::new();
        for changes in self.log[after..].chunks(2) {
            let mut writer = PageWriter::new();
            for change in changes {
                Self::with_change(*change, |change| writer.push(change).unwrap());
            }
            let page = writer.finish().unwrap();
            self.pages.insert(page.id.to_string(), page.body);
            pages.push(page.id);
        }
        let head = Head {
            feed: "default".to_owned(),
            epoch: self.epoch,
            revision: self.log.len() as u64,
            digest: if self.lies {
                Digest::default()
            } else {
                self.digest()
            },
            nonce: request.nonce,
            issued_at: EARLIEST,
            reset: after == 0,
            pages,
        };
        sign(&head, 1)
    }
}

pub(super) fn sign(head: &Head, seed: u64) -> (Vec<u8>, String) {
    let body = head.to_json().unwrap();
    let signature = key(seed).sign(&body);
    (body, signature)
}

/// A gateway with its policy, and what it may be held to.
pub(super) struct Gateway {
    pub(super) sync: Sync,
    pub(super) policy: Policy,
    pub(super) random: Sequence,
    pub(super) now: Moment,
    pub(super) refusals: Vec<Refusal>,
}

impl Gateway {
    pub(super) fn new() -> Self {
        Self {
            sync: Sync::new(source()),
            policy: Policy::default(),
            random: Sequence::from_seed(5),
            now: Moment::from_millis(1_000),
            refusals: Vec::new(),
        }
    }

    pub(super) fn next(&mut self) -> Next {
        self.sync.next(self.now, &mut self.random).unwrap()
    }

    /// Goes forward in time until there is a request for a head.
    pub(super) fn asks(&mut self) -> HeadRequest {
        loop {
            match self.next() {
                Next::Head(request) => return request,
                Next::Wait(moment) => self.now = self.now.max(moment),
                Next::Page(page) | Next::Shared(page) => panic!("{page} is asked for"),
            }
        }
    }

    pub(super) fn hears(
        &mut self,
        (body, signature): &(Vec<u8>, String),
    ) -> Result<News, SyncFault> {
        self.sync
            .on_head(self.now, body, signature.as_bytes(), &mut self.random)
    }

    /// Fetches all pages from the publisher and works until nothing is left to do.
    pub(super) fn works(&mut self, publisher: &Publisher) {
        loop {
            while let Next::Page(page) = self.next_page() {
                let body = publisher.pages[&page.to_string()].clone();
                let taken = self.sync.on_page(self.now, page, body, &mut self.random);
                taken.unwrap();
            }
            match self.sync.work(&mut self.policy, 1) {
                Work::Idle => return,
                Work::Refused(refusal) => self.refusals.push(refusal),
                Work::Busy | Work::Switched(_) => {}
            }
        }
    }

    /// Reads what other workers keep, until it is in force or given up.
    pub(super) fn recovers(&mut self, pages: &BTreeMap<String, Vec<u8>>) {
        while let State::Reading(_) = &self.sync.state {
            if let Next::Shared(page) = self.next() {
                match pages.get(&page.to_string()) {
                    Some(body) => {
                        let body = body.clone();
                        self.sync
                            .on_page(self.now, page, body, &mut self.random)
                            .ok();
                    }
                    None => {
                        let lost =
                            self.sync
                                .on_page_failure(self.now, page, None, &mut self.random);
                        lost.unwrap();
                    }
                }
            }
            self.sync.work(&mut self.policy, 3);
        }
        while self.sync.work(&mut self.policy, 3) != Work::Idle {}
    }

    pub(super) fn next_page(&mut self) -> Next {
        match &self.sync.state {
            State::Reading(_) => self.next(),
            _ => Next::Wait(self.now),
        }
    }

    pub(super) fn walks(&mut self, publisher: &mut Publisher) -> News {
        let request = self.asks();
        let news = self.hears(&publisher.answer(&request)).unwrap();
        self.works(publisher);
        news
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.sync.in_force().map(|in_force| in_force.position)
    }
}
