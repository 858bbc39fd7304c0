//! What gateways are told.

use std::time::Duration;

use postern_admin::feed::Known;
use postern_admin::registry::tokens::TokenAction;

use crate::gateway::Gateway;
use crate::setting::Setting;

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
