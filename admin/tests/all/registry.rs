//! Changes of the registry.

use postern_admin::registry::persons::PersonChange;
use postern_admin::registry::tokens::Ends;
use postern_admin::registry::{Kind, RegistryError};

use crate::setting::{Setting, begin, new_token};

#[tokio::test]
async fn a_change_that_is_dropped_has_not_happened() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let before = setting.registry.position();
    let mut change = setting.begin().await;
    change
        .generate_token(new_token("a", "p-1"))
        .await
        .expect("a token");
    drop(change);
    assert_eq!(setting.registry.position(), before);
    // The name is free, and so is the policy in memory.
    setting.token("a", "p-1").await;
    assert_eq!(setting.registry.position().revision, before.revision + 1);
}

#[tokio::test]
async fn every_committed_change_is_there_when_the_registry_is_opened_again() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let token = setting.token("a", "p-1").await;
    let again = setting.opened_again().await;
    assert_eq!(again.position(), setting.registry.position());
    let mut change = begin(&again).await;
    change
        .delete_token(&token.record.id)
        .await
        .expect("deleted");
    change.commit().await.expect("committed");
    // The first process sees it with its next change, or when it looks.
    assert_ne!(setting.registry.position(), again.position());
    let seen = setting.registry.refresh().await.expect("refreshed");
    assert_eq!(seen, again.position());
}

#[tokio::test]
async fn two_processes_can_change_one_registry_in_turn() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let other = setting.opened_again().await;
    for round in 0..5 {
        setting.token(&format!("a{round}"), "p-1").await;
        let mut change = begin(&other).await;
        change
            .generate_token(new_token(&format!("b{round}"), "p-1"))
            .await
            .expect("a token");
        change.commit().await.expect("committed");
    }
    setting.registry.refresh().await.expect("refreshed");
    assert_eq!(setting.registry.position(), other.position());
}

#[tokio::test]
async fn names_that_people_take_for_one_are_refused_with_who_has_them() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let first = setting.token("Nightly Export", "p-1").await;
    let refused = setting.refused_token("  nightly EXPORT", "p-1").await;
    match refused {
        RegistryError::NameTaken { kind, holder } => {
            assert_eq!((kind, holder), (Kind::Token, first.record.id));
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_deleted_token_gives_its_name_back_and_never_its_id() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let first = setting.token("a", "p-1").await;
    let mut change = setting.begin().await;
    change
        .delete_token(&first.record.id)
        .await
        .expect("deleted");
    change.commit().await.expect("committed");
    let second = setting.token("a", "p-1").await;
    assert_ne!(first.record.id, second.record.id);
    let mut change = setting.begin().await;
    let again = change.activate_token(&first.record.id).await;
    assert!(matches!(again, Err(RegistryError::Deleted { .. })));
}

#[tokio::test]
async fn regenerating_gives_the_name_to_a_new_token_and_leaves_the_old_one_its_end() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let old = setting.token("a", "p-1").await;
    let mut change = setting.begin().await;
    let new = change
        .regenerate_token(&old.record.id, Ends::Never, None)
        .await
        .expect("regenerated");
    change.commit().await.expect("committed");
    assert_eq!(new.name, "a");
    assert_ne!(new.record.id, old.record.id);
    assert_ne!(new.record.hash, old.record.hash);
    // The old one still works: it can be deactivated, and its name is taken by the new one.
    let mut change = setting.begin().await;
    change
        .deactivate_token(&old.record.id)
        .await
        .expect("it is still there");
    change.commit().await.expect("committed");
    let mut change = setting.begin().await;
    let twice = change
        .regenerate_token(&old.record.id, Ends::Never, None)
        .await;
    assert!(matches!(twice, Err(RegistryError::Invalid(_))), "{twice:?}");
}

#[tokio::test]
async fn a_person_with_tokens_cannot_be_deleted_and_one_without_can() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    setting.token("a", "p-1").await;
    let mut change = setting.begin().await;
    change.delete_person("p-1").await.expect("staged");
    match change.commit().await {
        Err(RegistryError::Refused(faults)) => {
            assert!(!faults.is_empty());
        }
        other => panic!("{other:?}"),
    }
    setting.person("p-2").await;
    let mut change = setting.begin().await;
    change.delete_person("p-2").await.expect("staged");
    change.commit().await.expect("committed");
}

#[tokio::test]
async fn a_person_with_a_role_that_is_not_there_is_refused_and_nothing_is_left_of_it() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let before = setting.registry.position();
    let mut change = setting.begin().await;
    let roles = PersonChange {
        roles: Some(vec!["nobody".to_owned()]),
        ..PersonChange::default()
    };
    change.change_person("p-1", roles).await.expect("staged");
    assert!(matches!(
        change.commit().await,
        Err(RegistryError::Refused(_))
    ));
    assert_eq!(setting.registry.position(), before);
    assert_eq!(setting.opened_again().await.position(), before);
}

#[tokio::test]
async fn a_credential_is_good_until_it_is_revoked_and_a_gateway_has_two_at_most() {
    let setting = Setting::new().await;
    let mut change = setting.begin().await;
    change.add_gateway("edge-1").await.expect("a gateway");
    let first = change
        .add_gateway_credential("edge-1")
        .await
        .expect("a credential");
    let second = change
        .add_gateway_credential("edge-1")
        .await
        .expect("a credential");
    assert!(change.add_gateway_credential("edge-1").await.is_err());
    change.commit().await.expect("committed");
    let registry = &setting.registry;
    for secret in [&first.secret, &second.secret] {
        let gateway = registry.gateway_by_credential(secret.as_bytes()).await;
        let gateway = gateway.expect("looked up").expect("known");
        assert_eq!(gateway.gateway, "edge-1");
    }
    let mut change = setting.begin().await;
    change
        .revoke_gateway_credential(&first.id)
        .await
        .expect("revoked");
    change.commit().await.expect("committed");
    let gateway = registry
        .gateway_by_credential(first.secret.as_bytes())
        .await;
    assert_eq!(gateway.expect("looked up"), None);
    let gateway = registry
        .gateway_by_credential(second.secret.as_bytes())
        .await;
    let gateway = gateway.expect("looked up").expect("known");
    assert_eq!(gateway.credential, second.id);
}

#[tokio::test]
async fn no_secret_stands_in_the_database() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let token = setting.token("a", "p-1").await;
    let mut change = setting.begin().await;
    change.add_gateway("edge-1").await.expect("a gateway");
    let gateway = change
        .add_gateway_credential("edge-1")
        .await
        .expect("a credential");
    change.commit().await.expect("committed");
    for entry in std::fs::read_dir(setting.folder.path()).expect("the folder") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        for secret in [token.token.expose(), gateway.secret.as_str()] {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "a secret stands in the database");
        }
    }
}
