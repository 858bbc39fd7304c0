//! Changes of the registry.

use postern_admin::database::Database;
use postern_admin::maintenance;
use postern_admin::registry::persons::{PersonAction, PersonChange};
use postern_admin::registry::tokens::TokenAction;
use postern_admin::registry::{Invalid, RegistryError};
use postern_core::policy::document::Service;

use crate::setting::{Setting, ada, generate, new_token};

#[tokio::test]
async fn a_change_that_fails_half_way_has_not_happened() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let before = setting.registry.position();
    let failed = setting.change(|change| {
        Box::pin(async move {
            change.generate_token(new_token("a", "p-1")).await?;
            change.generate_token(new_token("A", "p-1")).await
        })
    });
    assert!(matches!(failed.await, Err(RegistryError::NameTaken { .. })));
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
    let id = token.view.id;
    again
        .change(ada(), move |change| {
            Box::pin(async move { change.act_on_token(&id, TokenAction::Delete).await })
        })
        .await
        .expect("deleted");
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
        let token = new_token(&format!("b{round}"), "p-1");
        generate(&other, token).await.expect("a token");
    }
    setting.registry.refresh().await.expect("refreshed");
    assert_eq!(setting.registry.position(), other.position());
}

#[tokio::test]
async fn a_person_with_tokens_cannot_be_deleted_and_one_without_can() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    setting.token("a", "p-1").await;
    let delete = PersonAction::Delete;
    let refused = setting.change(move |change| Box::pin(change.act_on_person("p-1", delete)));
    match refused.await {
        Err(RegistryError::Refused(faults)) => assert!(!faults.is_empty()),
        other => panic!("{other:?}"),
    }
    setting.person("p-2").await;
    let deleted = setting.change(move |change| Box::pin(change.act_on_person("p-2", delete)));
    deleted.await.expect("deleted");
}

#[tokio::test]
async fn a_person_with_a_role_that_is_not_there_is_refused_and_nothing_is_left_of_it() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let before = setting.registry.position();
    let roles = PersonChange {
        roles: Some(vec!["nobody".to_owned()]),
        ..PersonChange::default()
    };
    let refused = setting.change(|change| Box::pin(change.change_person("p-1", roles)));
    assert!(matches!(refused.await, Err(RegistryError::Refused(_))));
    assert_eq!(setting.registry.position(), before);
    assert_eq!(setting.opened_again().await.position(), before);
}

#[tokio::test]
async fn a_record_that_no_page_can_hold_is_refused_with_its_place() {
    let setting = Setting::new().await;
    let hosts: Vec<String> = (0..20_000)
        .map(|n| format!("host-{n}.example.com"))
        .collect();
    let service: Service = serde_json::from_value(serde_json::json!({
        "name": "orders", "hosts": hosts, "base_path": "/", "audience": {"mode": "unrestricted"},
        "methods": []
    }))
    .expect("a service");
    let refused = setting.change(|change| Box::pin(change.put_service(service)));
    match refused.await {
        Err(RegistryError::Invalid(Invalid { path, reason })) => {
            assert_eq!(path, "services[orders]");
            assert!(reason.contains("262144"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(setting.registry.position().revision, 0);
}

#[tokio::test]
async fn a_credential_is_good_until_it_is_revoked_and_a_gateway_has_two_at_most() {
    let setting = Setting::new().await;
    let first = setting.gateway("edge-1").await;
    let add = || setting.change(|change| Box::pin(change.add_gateway_credential("edge-1")));
    let second = add().await.expect("a credential");
    assert!(matches!(add().await, Err(RegistryError::Invalid(_))));
    let registry = &setting.registry;
    for secret in [&first.secret, &second.secret] {
        let gateway = registry.gateway_by_credential(secret.as_bytes()).await;
        let gateway = gateway.expect("looked up").expect("known");
        assert_eq!(gateway.gateway, "edge-1");
    }
    let id = first.id.clone();
    let revoked = setting
        .change(|change| Box::pin(async move { change.revoke_gateway_credential(&id).await }));
    revoked.await.expect("revoked");
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
    let gateway = setting.gateway("edge-1").await;
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

#[tokio::test]
async fn restoring_tells_which_gateways_have_more_than_the_backup() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    setting.gateway("edge-1").await;
    setting.gateway("edge-2").await;
    let (target, backup) = (
        setting.folder.path().join("postern.db"),
        setting.folder.path().join("backup.db"),
    );
    let database = Database::open_file(&target).await.expect("a database");
    maintenance::backup(&database, &backup)
        .await
        .expect("a backup");
    database.close().await;
    setting.token("a", "p-1").await;
    for (gateway, revision) in [("edge-1", 2), ("edge-2", 1)] {
        let report = serde_json::json!({"vm": "v1", "epoch": 1, "revision": revision});
        let kept = setting.registry.report(gateway, report).await;
        kept.expect("kept");
    }
    let prospect = maintenance::look(&backup, &target, "default").await;
    let prospect = prospect.expect("looked at");
    let ahead: Vec<_> = prospect
        .ahead
        .iter()
        .map(|ahead| ahead.gateway.as_str())
        .collect();
    assert_eq!(ahead, ["edge-1"]);
    assert_eq!(prospect.lost.len(), 1);
    // Nothing was done, and nothing is left.
    assert_eq!(setting.opened_again().await.position().epoch, 1);
    assert!(!setting.folder.path().join("postern.db.restoring").exists());
}
