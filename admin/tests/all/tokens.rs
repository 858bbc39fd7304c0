//! API tokens in the registry.

use postern_admin::registry::tokens::{Ends, Issued, Origin, TokenAction};
use postern_admin::registry::{Kind, RegistryError, TokenState};
use postern_core::policy::document::{Document, Expiry};

use crate::setting::{Setting, new_token};

async fn regenerate(
    setting: &Setting,
    id: &str,
    ends: Ends,
    overlap_days: Option<u32>,
) -> Result<Issued, RegistryError> {
    let id = id.to_owned();
    let regenerated = setting.change(move |change| {
        Box::pin(async move { change.regenerate_token(&id, ends, overlap_days).await })
    });
    regenerated.await
}

async fn policy(setting: &Setting) -> Document {
    setting.registry.document().await.expect("a policy").1
}

#[tokio::test]
async fn names_that_people_take_for_one_are_refused_with_who_has_them() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let first = setting.token("Nightly Export", "p-1").await;
    let refused = setting.refused_token("  nightly EXPORT", "p-1").await;
    match refused {
        RegistryError::NameTaken { kind, holder } => {
            assert_eq!((kind, holder), (Kind::Token, first.view.id));
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_deleted_token_gives_its_name_back_and_never_its_id() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let first = setting.token("a", "p-1").await.view.id;
    let deleted = setting.act(&first, TokenAction::Delete).await;
    deleted.expect("deleted");
    let second = setting.token("a", "p-1").await.view.id;
    assert_ne!(first, second);
    let again = setting.act(&first, TokenAction::Activate).await;
    assert!(matches!(again, Err(RegistryError::Deleted { .. })));
}

#[tokio::test]
async fn regenerating_gives_the_name_to_a_new_token_and_leaves_the_old_one_its_end() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let old = setting.token("a", "p-1").await.view;
    let new = regenerate(&setting, &old.id, Ends::Never, None).await;
    let new = new.expect("regenerated").view;
    assert_eq!((new.name.as_str(), new.expires_at), ("a", Expiry::Never));
    let tokens = policy(&setting).await.tokens;
    let [kept, added] = tokens.as_slice() else {
        panic!("{tokens:?}");
    };
    assert_eq!((&kept.id, &added.id), (&old.id, &new.id));
    assert_ne!(kept.hash, added.hash);
    assert!(kept.active && kept.valid_from.is_none());
    assert_eq!(kept.expires_at, old.expires_at);
    let twice = regenerate(&setting, &old.id, Ends::Never, None).await;
    assert!(matches!(twice, Err(RegistryError::Invalid(_))), "{twice:?}");
}

#[tokio::test]
async fn an_overlap_ends_the_old_token_then_and_never_later_than_it_would_have() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let first = setting.token("a", "p-1").await.view;
    let later = regenerate(&setting, &first.id, Ends::InDays(90), Some(60)).await;
    let second = later.expect("regenerated").view;
    let sooner = regenerate(&setting, &second.id, Ends::InDays(90), Some(7)).await;
    let third = sooner.expect("regenerated").view;
    let at_once = regenerate(&setting, &third.id, Ends::Never, Some(0)).await;
    at_once.expect("regenerated");
    let tokens = policy(&setting).await.tokens;
    let end = |id: &str| {
        let token = tokens.iter().find(|token| token.id == id);
        token.expect("it is there").expires_at
    };
    assert_eq!(end(&first.id), first.expires_at);
    let (Expiry::At(before), Expiry::At(after)) = (second.expires_at, end(&second.id)) else {
        panic!("{second:?}");
    };
    let days = (before.as_secs() - after.as_secs()) / (24 * 60 * 60);
    assert!((82..=83).contains(&days), "{days}");
    let now = postern_admin::clock::now();
    assert!(matches!(end(&third.id), Expiry::At(end) if end <= now));
    let view = setting.registry.token(&third.id, now).await.expect("there");
    assert_eq!(view.state, TokenState::Expired);
}

#[tokio::test]
async fn ending_sessions_voids_what_was_issued_so_far_and_keeps_the_token() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let before = postern_admin::clock::now();
    let id = setting.token("a", "p-1").await.view.id;
    let ended = setting.act(&id, TokenAction::EndSessions).await;
    ended.expect("ended");
    let token = policy(&setting).await.tokens.remove(0);
    assert!(token.active);
    assert!(token.valid_from.is_some_and(|from| from > before));
}

#[tokio::test]
async fn a_token_that_comes_back_does_not_bring_its_access_tokens_back() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let id = setting.token("a", "p-1").await.view.id;
    for (action, active) in [
        (TokenAction::Deactivate, false),
        (TokenAction::Activate, true),
    ] {
        let before = postern_admin::clock::now();
        setting.act(&id, action).await.expect("done");
        let token = policy(&setting).await.tokens.remove(0);
        assert_eq!(token.active, active);
        assert!(token.valid_from.is_some_and(|from| from > before));
    }
}

#[tokio::test]
async fn the_hash_of_a_token_that_is_or_was_there_is_refused() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let token = setting.token("a", "p-1").await;
    let hash = token.token.hash();
    let import = || {
        let new = new_token("b", "p-1");
        setting.change(move |change| Box::pin(change.import_token(new, hash, Origin::Vouched)))
    };
    let refused = import().await;
    assert!(matches!(refused, Err(RegistryError::Refused(_))));
    let deleted = setting.act(&token.view.id, TokenAction::Delete).await;
    deleted.expect("deleted");
    match import().await {
        Err(RegistryError::Invalid(invalid)) => {
            assert!(invalid.path.ends_with(".hash"), "{invalid}");
        }
        other => panic!("{other:?}"),
    }
    // It is one change that failed, not the registry.
    setting.token("b", "p-1").await;
}
