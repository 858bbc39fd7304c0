//! A gateway, but for the wire.

use std::time::Duration;

use postern_admin::clock::now;
use postern_admin::entropy::Entropy;
use postern_admin::feed::{Known, Publisher};
use postern_core::feed::{Expected, Head, HeadKey, Nonce, PageReader, PublicKeys};
use postern_core::policy::{Phase, Policy, Reading};

use crate::setting::Setting;

pub(crate) const NOTHING: Known = Known {
    epoch: 0,
    revision: 0,
};

/// A gateway that reads a publisher's pages into a policy.
pub(crate) struct Gateway {
    publisher: Publisher,
    keys: PublicKeys,
    pub(crate) policy: Policy,
    pub(crate) known: Known,
}

impl Gateway {
    pub(crate) fn new(setting: &Setting) -> Self {
        let key = HeadKey::generate(&mut Entropy).expect("a key");
        Self {
            keys: PublicKeys::new(vec![key.public_key()]),
            publisher: Publisher::new(setting.registry.clone(), vec![key]),
            policy: Policy::default(),
            known: NOTHING,
        }
    }

    pub(crate) async fn head(&self, wait: Duration) -> Head {
        let nonce = Nonce::generate(&mut Entropy).expect("a nonce");
        let head = self
            .publisher
            .head(self.known, nonce, wait, now)
            .await
            .expect("a head");
        let expected = Expected {
            feed: "default",
            nonce,
            keys: &self.keys,
        };
        Head::verify(&head.body, head.signatures.as_bytes(), &expected).expect("a good head")
    }

    /// Reads what there is and puts it in force, if it has the digest that its head says.
    pub(crate) async fn sync(&mut self) -> Head {
        let head = self.head(Duration::ZERO).await;
        if head.pages.is_empty() && !head.reset {
            return head;
        }
        self.policy
            .begin(if head.reset {
                Reading::Whole {
                    is_new_epoch: false,
                }
            } else {
                Reading::Changes
            })
            .expect("settled");
        self.advance_to(Phase::Open);
        for id in &head.pages {
            let body = self.publisher.page(*id).expect("the page is there");
            let mut page = PageReader::open(*id, body.to_vec()).expect("a page");
            while let Some(entry) = page.next_entry() {
                let entry = entry.expect("readable");
                self.policy.stage(entry.change()).expect("staged");
            }
        }
        assert_eq!(self.policy.staged_digest(), head.digest);
        self.policy.close().expect("open");
        self.advance_to(Phase::Checked);
        self.policy.switch().expect("checked");
        self.advance_to(Phase::Settled);
        self.known = Known {
            epoch: head.epoch,
            revision: head.revision,
        };
        head
    }

    /// Forgets everything, as a gateway that is restarted.
    pub(crate) fn start_over(&mut self) {
        (self.policy, self.known) = (Policy::default(), NOTHING);
    }

    fn advance_to(&mut self, phase: Phase) {
        for _ in 0..1_000 {
            if self.policy.phase() == phase {
                return;
            }
            self.policy.advance(1_000).expect("no fault");
        }
        panic!("the policy does not get to {phase:?}");
    }
}
