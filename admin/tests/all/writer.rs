//! Changes that are made together.

use std::collections::BTreeSet;

use postern_admin::registry::{AuditLine, Registry, RegistryError};

use tokio::sync::oneshot;

use crate::setting::{Setting, ada, generate, new_token};

async fn generate_all(
    registry: &Registry,
    names: Vec<String>,
) -> Vec<Result<String, RegistryError>> {
    let tasks: Vec<_> = names
        .into_iter()
        .map(|name| {
            let registry = registry.clone();
            tokio::spawn(async move {
                let issued = generate(&registry, new_token(&name, "p-1")).await?;
                Ok(issued.view.id)
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.expect("no panic"));
    }
    outcomes
}

async fn token_lines(registry: &Registry) -> Vec<AuditLine> {
    let lines = registry.audit(None, None, 10_000).await.expect("the log");
    let of_tokens = lines.into_iter().filter(|line| line.action == "token.add");
    of_tokens.collect()
}

#[tokio::test]
async fn each_of_many_changes_at_once_has_its_own_revision_and_its_own_line() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let before = setting.registry.position().revision;
    let names = (0..300).map(|n| format!("token {n}")).collect();
    let outcomes = generate_all(&setting.registry, names).await;
    let made: BTreeSet<String> = outcomes
        .into_iter()
        .map(|id| id.expect("a token"))
        .collect();
    let lines = token_lines(&setting.registry).await;
    let logged: BTreeSet<String> = lines.iter().map(|line| line.subject.clone()).collect();
    assert_eq!(logged, made);
    let revisions: BTreeSet<u64> = lines.iter().map(|line| line.revision).collect();
    assert_eq!(revisions, (before + 1..=before + 300).collect());
    assert_eq!(
        setting.opened_again().await.position(),
        setting.registry.position()
    );
}

#[tokio::test]
async fn a_refused_change_takes_none_of_those_around_it_with_it() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    // Each name comes twice, so half of the changes are refused, wherever they stand.
    let names = (0..200).map(|n| format!("token {}", n % 100)).collect();
    let outcomes = generate_all(&setting.registry, names).await;
    let (made, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (100, 100));
    for error in refused {
        assert!(
            matches!(error, Err(RegistryError::NameTaken { .. })),
            "{error:?}"
        );
    }
    assert_eq!(token_lines(&setting.registry).await.len(), 100);
    let (_, policy) = setting.registry.document().await.expect("a policy");
    assert_eq!(policy.tokens.len(), 100);
    assert_eq!(
        setting.opened_again().await.position(),
        setting.registry.position()
    );
}

#[tokio::test]
async fn two_processes_that_change_at_once_lose_nothing() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let other = setting.opened_again().await;
    let names = |prefix: &str| (0..100).map(|n| format!("{prefix} {n}")).collect();
    let (first, second) = tokio::join!(
        generate_all(&setting.registry, names("a")),
        generate_all(&other, names("b"))
    );
    assert!(first.into_iter().chain(second).all(|id| id.is_ok()));
    setting.registry.refresh().await.expect("refreshed");
    other.refresh().await.expect("refreshed");
    assert_eq!(setting.registry.position(), other.position());
    assert_eq!(token_lines(&other).await.len(), 200);
    assert_eq!(setting.opened_again().await.position(), other.position());
}

#[tokio::test]
async fn looking_for_changes_of_others_never_goes_back() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let names = (0..200).map(|n| format!("token {n}")).collect();
    let mut positions = setting.registry.watch();
    let watching = tokio::spawn(async move {
        let mut last = positions.borrow_and_update().revision;
        while last < 201 {
            positions.changed().await.expect("the registry is there");
            let revision = positions.borrow_and_update().revision;
            assert!(last <= revision, "{last} {revision}");
            last = revision;
        }
    });
    let looking = async {
        while setting.registry.position().revision < 201 {
            setting.registry.refresh().await.expect("refreshed");
        }
    };
    let (made, ()) = tokio::join!(generate_all(&setting.registry, names), looking);
    assert!(made.iter().all(Result::is_ok));
    watching.await.expect("it never went back");
}

/// A change that is under way until the sender is used.
async fn hold(registry: &Registry) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (open, gate) = oneshot::channel::<()>();
    let (begun, has_begun) = oneshot::channel::<()>();
    let registry = registry.clone();
    let held = tokio::spawn(async move {
        let held = registry.change(ada(), |_| {
            Box::pin(async move {
                begun.send(()).expect("somebody waits");
                gate.await.expect("it is opened");
                Ok(())
            })
        });
        held.await.expect("nothing is wrong with it");
    });
    has_begun.await.expect("it begins");
    (open, held)
}

#[tokio::test]
async fn a_change_is_made_although_its_caller_has_gone() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    let (open, held) = hold(&setting.registry).await;
    let registry = setting.registry.clone();
    let leaving = tokio::spawn(async move { generate(&registry, new_token("a", "p-1")).await });
    while setting.registry.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    leaving.abort();
    assert!(leaving.await.is_err());
    open.send(()).expect("it is held");
    held.await.expect("no panic");
    let refused = setting.refused_token("a", "p-1").await;
    assert!(
        matches!(refused, RegistryError::NameTaken { .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn reports_do_not_wait_where_many_changes_do() {
    let setting = Setting::new().await;
    setting.person("p-1").await;
    setting.gateway("edge-1").await;
    let (open, held) = hold(&setting.registry).await;
    let names = (0..600).map(|n| format!("token {n}")).collect();
    let registry = setting.registry.clone();
    let making = tokio::spawn(async move { generate_all(&registry, names).await });
    while setting.registry.waiting() < 600 {
        tokio::task::yield_now().await;
    }
    let report = || serde_json::json!({"vm": "v1", "epoch": 1, "revision": 1});
    let dropped = setting.registry.report("edge-1", report()).await;
    assert!(matches!(dropped, Err(RegistryError::Busy)), "{dropped:?}");
    open.send(()).expect("it is held");
    held.await.expect("no panic");
    assert!(making.await.expect("no panic").iter().all(Result::is_ok));
    let kept = setting.registry.report("edge-1", report()).await;
    kept.expect("kept");
    assert_eq!(setting.registry.reports().await.expect("reports").len(), 1);
}
