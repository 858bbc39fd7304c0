//! What gateways are told.

use std::time::Duration;

use postern_admin::clock::now;
use postern_admin::entropy::Entropy;
use postern_admin::feed::{Known, Publisher};
use postern_admin::registry::tokens::TokenAction;
use postern_core::feed::{Expected, Head, HeadKey, Nonce, PageReader, PublicKeys};
use postern_core::policy::{Phase, Policy, Reading};

use crate::setting::Setting;

const NOTHING: Known = Known {
    epoch: 0,
    revision: 0,
};

struct Gateway {
    publisher: Publisher,
    keys: PublicKeys,
    policy: Policy,
    known: Known,
}

impl Gateway {
    fn new(setting: &Setting) -> Self {
        let key = HeadKey::generate(&mut Entropy).expect("a key");
        Self {
            keys: PublicKeys::new(vec![key.public_key()]),
            publisher: Publisher::new(setting.registry.clone(), vec![key]),
            policy: Policy::default(),
            known: NOTHING,
        }
    }

    async fn head(&self, wait: Duration) -> Head {
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
    async fn sync(&mut self) -> Head {
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

#[tokio::test]
async fn a_gateway_that_has_nothing_gets_everything_and_then_only_changes() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let first = setting.token("a", "p-1").await;
    let mut gateway = Gateway::new(&setting);
    assert!(gateway.sync().await.reset);
    assert!(gateway.policy.token_by_id(&first.view.id).is_some());

    let second = setting.token("b", "p-1").await;
    let head = gateway.sync().await;
    assert!(!head.reset);
    assert!(gateway.policy.token_by_id(&second.view.id).is_some());

    let deleted = setting.act(&first.view.id, TokenAction::Delete).await;
    deleted.expect("deleted");
    gateway.sync().await;
    assert!(gateway.policy.token_by_id(&first.view.id).is_none());
    assert_eq!(gateway.policy.token_count(), 1);
}

#[tokio::test]
async fn a_gateway_that_has_all_there_is_hears_of_the_next_change_at_once() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let mut gateway = Gateway::new(&setting);
    gateway.sync().await;
    let waiting = gateway.head(Duration::from_secs(60));
    let (head, token) = tokio::join!(waiting, setting.token("a", "p-1"));
    assert_eq!(head.revision, setting.registry.position().revision);
    assert_eq!(head.pages.len(), 1);
    assert!(!token.view.id.is_empty());
}

#[tokio::test]
async fn a_wait_without_news_ends_in_a_head_that_says_so() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let mut gateway = Gateway::new(&setting);
    gateway.sync().await;
    let head = gateway.head(Duration::from_millis(20)).await;
    assert_eq!(head.revision, gateway.known.revision);
    assert!(head.pages.is_empty() && !head.reset);
}

#[tokio::test]
async fn gateways_that_ask_for_the_same_changes_get_the_same_pages() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let gateway = Gateway::new(&setting);
    let first = gateway.head(Duration::ZERO).await;
    let second = gateway.head(Duration::ZERO).await;
    assert_eq!(first.pages, second.pages);
    assert_ne!(first.nonce, second.nonce);
}

#[tokio::test]
async fn what_a_gateway_says_of_another_epoch_or_of_the_future_counts_for_nothing() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let mut gateway = Gateway::new(&setting);
    for known in [
        Known {
            epoch: 2,
            revision: 1,
        },
        Known {
            epoch: 1,
            revision: 900,
        },
    ] {
        gateway.known = known;
        assert!(gateway.head(Duration::ZERO).await.reset, "{known:?}");
    }
}
