//! Forgetting deletions.

use postern_admin::clock::now;
use postern_admin::registry::persons::{NewPerson, PersonAction};
use postern_admin::registry::tokens::TokenAction;
use postern_admin::registry::{Log, RegistryError};

use crate::gateway::Gateway;
use crate::setting::{Setting, ada, generate, new_token};

async fn compact(setting: &Setting, at_least: u64) -> Option<u64> {
    let compacted = setting.registry.compact(ada(), now(), at_least).await;
    compacted.expect("compacted").map(|done| done.deletions)
}

/// Tokens of which every other one is deleted; returns the ids of the deleted ones.
async fn half_deleted(setting: &Setting, count: usize) -> Vec<String> {
    setting.person("p-1").await;
    let mut deleted = Vec::new();
    for number in 0..count {
        let id = setting.token(&format!("a{number}"), "p-1").await.view.id;
        if number % 2 == 0 {
            let done = setting.act(&id, TokenAction::Delete).await;
            done.expect("deleted");
            deleted.push(id);
        }
    }
    deleted
}

#[tokio::test]
async fn a_gateway_that_was_away_for_too_long_reads_the_whole_policy_and_has_no_deleted_token() {
    let setting = Setting::new().await;
    let id = {
        setting.person("p-1").await;
        setting.token("a", "p-1").await.view.id
    };
    let mut away = Gateway::new(&setting);
    away.sync().await;
    assert!(away.policy.token_by_id(&id).is_some());
    let mut near = Gateway::new(&setting);
    setting.token("b", "p-1").await;
    let deleted = setting.act(&id, TokenAction::Delete).await;
    deleted.expect("deleted");
    near.sync().await;
    assert_eq!(compact(&setting, 2).await, None, "there is one alone");
    assert_eq!(compact(&setting, 1).await, Some(1));
    assert_eq!(compact(&setting, 1).await, None, "there is none any more");
    setting.token("c", "p-1").await;
    assert!(away.sync().await.reset);
    assert!(away.policy.token_by_id(&id).is_none());
    assert!(!near.sync().await.reset);
    assert_eq!(near.policy.store().digest(), away.policy.store().digest());
}

#[tokio::test]
async fn who_reads_the_log_meanwhile_reads_it_as_it_was() {
    let setting = Setting::new().await;
    let deleted = half_deleted(&setting, 20).await;
    let mut log = setting.registry.read_log().await.expect("a log");
    assert_eq!(compact(&setting, 1).await, Some(10));
    setting.token("later", "p-1").await;
    let entries = log.after(1, Log::WithDeletions).await.expect("entries");
    let deletions = entries
        .iter()
        .filter(|(_, entry)| matches!(entry, postern_core::feed::Entry::Delete(_)));
    assert_eq!(deletions.count(), deleted.len());
    assert!(log.floor() < log.position().revision);
}

#[tokio::test]
async fn another_process_that_had_not_looked_forgets_what_was_deleted_as_well() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let id = setting.token("a", "p-1").await.view.id;
    let other = setting.opened_again().await;
    let done = setting.act(&id, TokenAction::Delete).await;
    done.expect("deleted");
    assert_eq!(compact(&setting, 1).await, Some(1));
    // Its memory still has the token, and the log no longer says that it was deleted.
    let issued = generate(&other, new_token("b", "p-1")).await;
    issued.expect("a token");
    setting.registry.refresh().await.expect("refreshed");
    assert_eq!(setting.registry.position(), other.position());
    assert_eq!(setting.opened_again().await.position(), other.position());
}

#[tokio::test]
async fn an_id_that_was_used_is_not_used_again_although_its_deletion_is_forgotten() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let delete = PersonAction::Delete;
    let deleted = setting.change(move |change| Box::pin(change.act_on_person("p-1", delete)));
    deleted.await.expect("deleted");
    assert_eq!(compact(&setting, 1).await, Some(1));
    let again = NewPerson {
        id: Some("p-1".to_owned()),
        name: "again".to_owned(),
        roles: Vec::new(),
    };
    let refused = setting
        .change(|change| Box::pin(change.add_person(again)))
        .await;
    assert!(
        matches!(refused, Err(RegistryError::Deleted { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_snapshot_from_before_is_not_followed_by_changes_that_lack_deletions() {
    let setting = Setting::new().await;
    half_deleted(&setting, 10).await;
    let mut early = Gateway::new(&setting);
    early.sync().await;
    delete_all(&setting).await;
    assert!(compact(&setting, 1).await.is_some());
    // The same publisher, so that its snapshot is the one from before.
    early.start_over();
    let head = early.sync().await;
    assert!(head.reset);
    assert_eq!(head.digest, setting.registry.position().digest);
}

/// Deletes all tokens that are left.
async fn delete_all(setting: &Setting) {
    let (_, policy) = setting.registry.document().await.expect("a policy");
    for token in policy.tokens {
        let done = setting.act(&token.id, TokenAction::Delete).await;
        done.expect("deleted");
    }
}
