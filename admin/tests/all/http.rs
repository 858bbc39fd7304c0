//! The HTTP API.

use hyper::Method;
use postern_admin::registry::callers::OperatorRole;
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

#[tokio::test]
async fn a_report_that_is_too_long_is_refused_before_it_is_read() {
    let service = Service::new().await;
    let edge = service.gateway("edge-1").await;
    let json = [("content-type", "application/json")];
    // Not JSON either: what is read of it would be refused with 400.
    let long = "x".repeat(64 * 1024 + 1);
    let answer = service
        .send(Method::POST, "/v1/status", &edge, &json, long)
        .await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn the_uses_of_tokens_are_kept_with_the_tokens_and_not_in_reports() {
    let service = Service::new().await;
    let ada = service.operator("ada", OperatorRole::Admin).await;
    let edge = service.gateway("edge-1").await;
    service.setting.person("p-1").await;
    let id = service.setting.token("nightly", "p-1").await.view.id;
    let report = json!({"vm": "v1", "last_used": {id.clone(): "2026-01-01T00:00:00Z"}});
    assert_eq!(service.post("/v1/status", &edge, &report).await.status, 204);
    let reports = service.get("/v1/reports", &ada).await.json();
    assert_eq!(reports[0]["body"], json!({"vm": "v1"}));
    let view = service.get(&format!("/v1/tokens/{id}"), &ada).await.json();
    assert_eq!(view["last_used_on"], "edge-1");
}
