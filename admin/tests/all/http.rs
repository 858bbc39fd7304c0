//! The HTTP API.

use std::time::Duration;

use hyper::Method;
use postern_admin::registry::callers::OperatorRole;
use postern_core::feed::{Entry, Expected, Head, Nonce, PageId, PageReader, Put};
use serde_json::json;

use crate::service::Service;

const NONCE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

#[tokio::test]
async fn a_token_is_shown_once_and_never_again() {
    let service = Service::new().await;
    let ada = service.operator("ada", OperatorRole::Admin).await;
    let person = json!({"id": "p-1", "name": "Exporter"});
    assert_eq!(service.post("/v1/persons", &ada, &person).await.status, 201);
    let asked = json!({"name": "nightly", "person": "p-1", "expires_in": 30});
    let made = service.post("/v1/tokens", &ada, &asked).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.header("cache-control"), "no-store");
    let made = made.json();
    let token = made["token"].as_str().expect("the token").to_owned();
    assert!(token.starts_with("pst_"));
    let id = made["id"].as_str().expect("an id");
    for path in [
        format!("/v1/tokens/{id}"),
        "/v1/tokens".to_owned(),
        "/v1/policy".to_owned(),
        "/v1/audit".to_owned(),
    ] {
        let answer = service.get(&path, &ada).await;
        assert_eq!(answer.status, 200, "{path}");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(text.contains(id) && !text.contains(&token), "{path}");
    }
}

#[tokio::test]
async fn nobody_reads_or_changes_anything_without_a_credential_that_is_good_for_it() {
    let service = Service::new().await;
    let ada = service.operator("ada", OperatorRole::Admin).await;
    let eve = service.operator("eve", OperatorRole::Auditor).await;
    let edge = service.gateway("edge-1").await;
    let feed = format!("/v1/feeds/default?after=0&epoch=0&nonce={NONCE}");
    for (path, credential, status) in [
        ("/v1/tokens", "", 401),
        ("/v1/tokens", "pso_0000", 401),
        ("/v1/tokens", edge.as_str(), 401),
        ("/v1/tokens", ada.as_str(), 200),
        ("/v1/tokens", eve.as_str(), 200),
        (feed.as_str(), "", 401),
        (feed.as_str(), ada.as_str(), 401),
        (feed.as_str(), edge.as_str(), 200),
    ] {
        let answer = service.get(path, credential).await;
        assert_eq!(answer.status, status, "{path}");
        let challenges = answer.headers.contains_key("www-authenticate");
        assert_eq!(challenges, status == 401, "{path}");
    }
    let person = json!({"name": "Exporter"});
    assert_eq!(service.post("/v1/persons", &eve, &person).await.status, 403);
    let revoked = service
        .setting
        .change(|change| Box::pin(change.revoke_operator("ada")));
    revoked.await.expect("revoked");
    assert_eq!(service.get("/v1/tokens", &ada).await.status, 401);
}

#[tokio::test]
async fn a_bad_request_is_told_where_and_why_and_changes_nothing() {
    let service = Service::new().await;
    let ada = service.operator("ada", OperatorRole::Admin).await;
    service.setting.person("p-1").await;
    service.setting.token("nightly", "p-1").await;
    let before = service.setting.registry.position();
    for (body, status, place) in [
        (json!({"name": "a", "person": "p-1"}), 400, ""),
        (
            json!({"name": "a", "person": "p-1", "expires_in": "soon"}),
            400,
            "expires_in",
        ),
        (
            json!({"name": "a", "person": "p-1", "expires_in": -1}),
            400,
            "expires_in",
        ),
        (
            json!({"name": "a", "person": "p-1", "expires_in": 0}),
            422,
            "expires_in",
        ),
        (
            json!({"name": " ", "person": "p-1", "expires_in": 1}),
            422,
            "name",
        ),
        (
            json!({"name": "NIGHTLY", "person": "p-1", "expires_in": 1}),
            409,
            "name",
        ),
        (
            json!({"name": "a", "person": "p-9", "expires_in": 1}),
            404,
            "",
        ),
        (
            json!({"name": "a", "person": "p-1", "expires_in": 1, "x": 1}),
            400,
            "x",
        ),
    ] {
        let answer = service.post("/v1/tokens", &ada, &body).await;
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["status"], status, "{body}");
        if !place.is_empty() {
            assert_eq!(problem["errors"][0]["path"], place, "{body}: {problem}");
        }
    }
    let service_without_role = json!({
        "name": "orders", "hosts": ["api.example.com"], "base_path": "/orders",
        "audience": {"mode": "restricted", "roles": ["nobody"]}, "methods": []
    });
    let answer = service
        .send(
            Method::PUT,
            "/v1/services/orders",
            &ada,
            &[("content-type", "application/json")],
            service_without_role.to_string(),
        )
        .await;
    assert_eq!(answer.status, 422);
    let path = answer.json()["errors"][0]["path"].clone();
    assert_eq!(path, "services[orders].audience.roles[0]");
    assert_eq!(service.setting.registry.position(), before);
}

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
        service.get(&path, &edge).await
    };
    // The first one comes back although nothing has changed, since the second took its turn.
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.status, second.status), (200, 200));
    service.stop().await;
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
async fn a_report_tells_when_a_token_was_used_and_never_in_the_future() {
    let service = Service::new().await;
    let ada = service.operator("ada", OperatorRole::Admin).await;
    let edge = service.gateway("edge-1").await;
    service.setting.person("p-1").await;
    let token = service.setting.token("nightly", "p-1").await;
    let id = token.view.id;
    let report =
        json!({"vm": "v1", "revision": 3, "last_used": {id.clone(): "2999-01-01T00:00:00Z"}});
    assert_eq!(service.post("/v1/status", &edge, &report).await.status, 204);
    let view = service.get(&format!("/v1/tokens/{id}"), &ada).await.json();
    assert_eq!(view["last_used_on"], "edge-1");
    let used = view["last_used_at"].as_str().expect("an instant");
    assert!(used < "2999", "{used}");
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
async fn metrics_tell_operators_what_was_done_and_which_gateways_are_behind() {
    let service = Service::new().await;
    let eve = service.operator("eve", OperatorRole::Auditor).await;
    let edge = service.gateway("edge-1").await;
    service.setting.person("p-1").await;
    service.setting.token("a", "p-1").await;
    service.setting.refused_token("a", "p-1").await;
    let head = format!("/v1/feeds/default?after=0&epoch=0&nonce={NONCE}");
    assert_eq!(service.get(&head, &edge).await.status, 200);
    let report = json!({"vm": "v1", "epoch": 1, "revision": 2});
    assert_eq!(service.post("/v1/status", &edge, &report).await.status, 204);
    assert_eq!(service.get("/metrics", "").await.status, 401);
    let answer = service.get("/metrics", &eve).await;
    assert!(
        answer
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    for line in [
        "postern_admin_revision 2",
        "postern_admin_epoch 1",
        "postern_admin_changes_total{outcome=\"refused\"} 1",
        "postern_admin_changes_total{outcome=\"failed\"} 0",
        "postern_admin_heads_total 1",
        "postern_admin_reports_total{outcome=\"kept\"} 1",
        "postern_admin_unauthorized_total 1",
        "postern_admin_gateways 1",
        "postern_admin_gateway_behind{gateway=\"edge-1\"} 0",
    ] {
        assert!(
            text.lines().any(|written| written == line),
            "{line}: {text}"
        );
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.split_once(' ').expect("a value");
        assert!(
            name.starts_with("postern_admin_") && value.parse::<u64>().is_ok(),
            "{line}"
        );
    }
}

#[tokio::test]
async fn fifty_gateways_that_wait_all_have_a_change_and_the_same_policy() {
    let service = std::sync::Arc::new(Service::new().await);
    service.setting.person("p-1").await;
    service.setting.token("before", "p-1").await;
    let before = service.setting.registry.position();
    let mut gateways = tokio::task::JoinSet::new();
    for number in 0..50 {
        let credential = service.gateway(&format!("edge-{number}")).await;
        let service = std::sync::Arc::clone(&service);
        gateways.spawn(async move {
            let mut after = (0, 0);
            let mut tokens = std::collections::BTreeSet::new();
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
    tokens: &mut std::collections::BTreeSet<String>,
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

#[tokio::test]
async fn an_audience_is_changed_without_sending_the_whole_service() {
    let service = Service::new().await;
    let ada = service.operator("ada", OperatorRole::Admin).await;
    service.setting.person("p-1").await;
    let json = [("content-type", "application/json")];
    let put = async |path: &str, body: serde_json::Value| {
        let answer = service.send(Method::PUT, path, &ada, &json, body.to_string());
        answer.await.status
    };
    let orders = json!({
        "name": "orders", "hosts": ["api.example.com"], "base_path": "/orders",
        "audience": {"mode": "restricted"},
        "methods": [{"name": "read", "http": ["GET"], "path": "/{id}"}]
    });
    assert_eq!(put("/v1/services/orders", orders).await, 200);
    let audience = json!({"mode": "restricted", "persons": ["p-1"]});
    let of_method = "/v1/services/orders/methods/read/audience";
    assert_eq!(
        put("/v1/services/orders/audience", audience.clone()).await,
        204
    );
    assert_eq!(put(of_method, audience.clone()).await, 204);
    let orders = service.get("/v1/services/orders", &ada).await.json();
    assert_eq!(orders["audience"], audience);
    assert_eq!(orders["methods"][0]["audience"], audience);
    assert_eq!(
        put(
            "/v1/services/orders/methods/none/audience",
            audience.clone()
        )
        .await,
        422
    );
    assert_eq!(put("/v1/services/none/audience", audience).await, 404);
    let cleared = service.send(Method::DELETE, of_method, &ada, &[], "").await;
    assert_eq!(cleared.status, 204);
    let orders = service.get("/v1/services/orders", &ada).await.json();
    assert!(orders["methods"][0].get("audience").is_none());
}
