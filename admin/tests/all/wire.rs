//! The feed over HTTP.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use postern_admin::registry::callers::OperatorRole;
use postern_core::feed::{Entry, Expected, Head, Nonce, PageId, PageReader, Put};

use crate::service::Service;

const NONCE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

#[tokio::test]
async fn a_gateway_reads_a_signed_head_and_the_pages_it_names() {
    let service = Service::new().await;
    let edge = service.gateway("edge-1").await;
    service.setting.person("p-1").await;
    let path = format!("/v1/feeds/default?after=0&epoch=0&nonce={NONCE}");
    let answer = service.get(&path, &edge).await;
    let expected = Expected {
        feed: "default",
        nonce: Nonce::parse(NONCE).expect("a nonce"),
        keys: &service.keys,
    };
    let signatures = answer.header("postern-signature").as_bytes();
    let head = Head::verify(&answer.body, signatures, &expected).expect("a good head");
    assert!(head.reset);
    for id in &head.pages {
        let page = service
            .get(&format!("/v1/feeds/default/pages/{id}"), &edge)
            .await;
        assert_eq!(page.status, 200);
        assert_eq!(PageId::of(&page.body), *id);
        assert!(page.header("cache-control").contains("immutable"));
    }
    for path in [
        "/v1/feeds/other?after=0&epoch=0&nonce=AAAAAAAAAAAAAAAAAAAAAA",
        "/v1/feeds/default/pages/00",
        "/v1/feeds/default/pages/0000000000000000000000000000000000000000000000000000000000000000",
    ] {
        assert_eq!(service.get(path, &edge).await.status, 404, "{path}");
    }
    let bad = "/v1/feeds/default?after=0&epoch=0&nonce=short";
    assert_eq!(service.get(bad, &edge).await.status, 400);
}

#[tokio::test]
async fn a_request_that_waits_is_answered_by_the_next_change() {
    let service = Service::new().await;
    let edge = service.gateway("edge-1").await;
    service.setting.person("p-1").await;
    let position = service.setting.registry.position();
    let path = format!(
        "/v1/feeds/default?after={}&epoch={}&nonce={NONCE}",
        position.revision, position.epoch
    );
    let prefer = [("prefer", "wait=50")];
    let waiting = service.send(Method::GET, &path, &edge, &prefer, "");
    let changing = async {
        // Whether the request arrives before or after, it is answered by this.
        tokio::time::sleep(Duration::from_millis(50)).await;
        service.setting.person("p-2").await;
    };
    let (answer, ()) = tokio::join!(waiting, changing);
    assert_eq!(answer.header("preference-applied"), "wait=50");
    assert_eq!(answer.json()["revision"], position.revision + 1);
}

#[tokio::test]
async fn a_credential_holds_one_request_and_a_stop_ends_all() {
    let service = Service::new().await;
    let edge = service.gateway("edge-1").await;
    let prefer = [("prefer", "wait=50")];
    let path = format!("/v1/feeds/default?after=0&epoch=1&nonce={NONCE}");
    let first = service.send(Method::GET, &path, &edge, &prefer, "");
    let second = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let briefly = [("prefer", "wait=1")];
        service.send(Method::GET, &path, &edge, &briefly, "").await
    };
    // The first one comes back although nothing has changed, since the second took its turn.
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.status, second.status), (200, 200));
    service.stop().await;
}

#[tokio::test]
async fn a_request_that_does_not_wait_ends_no_other_one() {
    let service = Service::new().await;
    let edge = service.gateway("edge-1").await;
    let auditor = service.operator("eve", OperatorRole::Auditor).await;
    let prefer = [("prefer", "wait=50")];
    let path = format!("/v1/feeds/default?after=0&epoch=1&nonce={NONCE}");
    let waiting = service.send(Method::GET, &path, &edge, &prefer, "");
    let is_waiting = async || {
        let metrics = service.get("/metrics", &auditor).await;
        String::from_utf8_lossy(&metrics.body).contains("postern_admin_heads_waiting 1\n")
    };
    let other = async {
        while !is_waiting().await {
            tokio::task::yield_now().await;
        }
        // Another worker of the gateway that has just started.
        assert_eq!(service.get(&path, &edge).await.status, 200);
        assert!(is_waiting().await);
        service.setting.person("p-1").await;
    };
    let (answer, ()) = tokio::join!(waiting, other);
    assert_eq!(answer.json()["revision"], 1);
}

#[tokio::test]
async fn a_gateway_that_reads_other_formats_is_told_to_upgrade() {
    let service = Service::new().await;
    let edge = service.gateway("edge-1").await;
    let path = format!("/v1/feeds/default?after=0&epoch=0&nonce={NONCE}");
    for (formats, status) in [("1", 200), ("2, 1", 200), ("2", 406), ("x", 406)] {
        let headers = [("postern-format", formats)];
        let answer = service.send(Method::GET, &path, &edge, &headers, "").await;
        assert_eq!(answer.status, status, "{formats}");
    }
}

#[tokio::test]
async fn both_credentials_of_a_gateway_can_wait_at_the_same_time() {
    let service = Service::new().await;
    let first = service.gateway("edge-1").await;
    let second = service
        .setting
        .change(|change| Box::pin(change.add_gateway_credential("edge-1")));
    let second = second.await.expect("a credential").secret.to_string();
    let prefer = [("prefer", "wait=50")];
    let path = format!("/v1/feeds/default?after=0&epoch=1&nonce={NONCE}");
    let waiting = async {
        tokio::join!(
            service.send(Method::GET, &path, &first, &prefer, ""),
            service.send(Method::GET, &path, &second, &prefer, ""),
        )
    };
    let changing = async {
        let auditor = service.operator("eve", OperatorRole::Auditor).await;
        // The number of those that wait says when both do.
        loop {
            let metrics = service.get("/metrics", &auditor).await;
            let text = String::from_utf8_lossy(&metrics.body).into_owned();
            if text.contains("postern_admin_heads_waiting 2\n") {
                break;
            }
            tokio::task::yield_now().await;
        }
        service.setting.person("p-1").await;
    };
    let ((one, other), ()) = tokio::join!(waiting, changing);
    assert_eq!((one.status, other.status), (200, 200));
    assert_eq!(
        (
            one.json()["revision"].as_u64(),
            other.json()["revision"].as_u64()
        ),
        (Some(1), Some(1))
    );
}

#[tokio::test]
async fn fifty_gateways_that_wait_all_have_a_change_and_the_same_policy() {
    let service = Arc::new(Service::new().await);
    service.setting.person("p-1").await;
    service.setting.token("before", "p-1").await;
    let before = service.setting.registry.position();
    let mut gateways = tokio::task::JoinSet::new();
    for number in 0..50 {
        let credential = service.gateway(&format!("edge-{number}")).await;
        let service = Arc::clone(&service);
        gateways.spawn(async move {
            let mut after = (0, 0);
            let mut tokens = BTreeSet::new();
            loop {
                let head = read_feed(&service, &credential, after, &mut tokens).await;
                after = (head.epoch, head.revision);
                if head.revision > before.revision {
                    return (head.digest, tokens);
                }
            }
        });
    }
    let made = service.setting.token("after", "p-1").await;
    let position = service.setting.registry.position();
    while let Some(gateway) = gateways.join_next().await {
        let (digest, tokens) = gateway.expect("no panic");
        assert_eq!(digest, position.digest);
        assert!(
            tokens.contains(&made.view.id) && tokens.len() == 2,
            "{tokens:?}"
        );
    }
}

/// Asks for a head as a gateway does, and reads its pages.
async fn read_feed(
    service: &Service,
    credential: &str,
    (epoch, revision): (u64, u64),
    tokens: &mut BTreeSet<String>,
) -> Head {
    let nonce = Nonce::generate(&mut postern_admin::entropy::Entropy).expect("a nonce");
    let path = format!("/v1/feeds/default?after={revision}&epoch={epoch}&nonce={nonce}");
    let headers = [("prefer", "wait=50"), ("postern-format", "1")];
    let answer = service
        .send(Method::GET, &path, credential, &headers, "")
        .await;
    assert_eq!(answer.status, 200);
    let expected = Expected {
        feed: "default",
        nonce,
        keys: &service.keys,
    };
    let signatures = answer.header("postern-signature").as_bytes();
    let head = Head::verify(&answer.body, signatures, &expected).expect("a good head");
    for id in &head.pages {
        let path = format!("/v1/feeds/default/pages/{id}");
        let page = service.get(&path, credential).await;
        let mut page = PageReader::open(*id, page.body.to_vec()).expect("a page");
        while let Some(entry) = page.next_entry() {
            if let Entry::Put(Put::Token(token)) = entry.expect("readable") {
                tokens.insert(token.id);
            }
        }
    }
    head
}
