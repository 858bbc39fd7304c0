//! `deploy/envoy/envoy-sync.yaml`, which operators paste.

use std::collections::BTreeMap;
use std::path::Path;

use postern_tests::admin::Admin;
use postern_tests::client::Protocol;
use postern_tests::envoy::{DRAINING, Envoy, validate};
use postern_tests::fixture::{EXCHANGE, ROOT_KEY_ENV, root_key};
use postern_tests::message::{Request, Response};
use postern_tests::upstream::Upstream;
use postern_tests::wait::until;
use postern_tests::{Result, artefacts};
use serde_json::json;

const SAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../deploy/envoy/envoy-sync.yaml"
);

/// What the sample needs to run: the admin service that it names, and what its environment holds.
struct Around {
    admin: Admin,
    upstream: Upstream,
    environment: BTreeMap<String, String>,
    /// The sample with only those values replaced that are marked as the operator's.
    text: String,
}

async fn around() -> Result<Around> {
    let binary = Path::new(env!("CARGO_BIN_EXE_postern-demo")).with_file_name("postern-admin");
    let mut admin = Admin::new(&binary)?;
    let credential = admin.command(&["gateway", "new", "edge-1"])?;
    let since = "2026-01-01T00:00:00Z";
    admin.command(&["key", "put", "k1", "--root", "r1", "--active-from", since])?;
    admin.command(&["person", "new", "--name", "Exporter", "--id", "export"])?;
    let service = json!({
        "name": "orders", "hosts": ["api.example.com"], "base_path": "/orders",
        "audience": {"mode": "restricted", "persons": ["export"]},
        "methods": [{"name": "list", "http": ["GET"], "path": "/"}],
    });
    admin.file("orders.json", &service)?;
    admin.command(&["service", "put", "orders.json"])?;
    let served = format!("port_value: {}", admin.serve(0)?.port());
    let upstream = Upstream::start().await?;
    let reached = format!("port_value: {}", upstream.address().port());
    let wasm = artefacts::sync_wasm()?;
    let mut text = std::fs::read_to_string(SAMPLE)?;
    for (sample, ours) in [
        (
            "/etc/envoy/postern-sync.wasm",
            wasm.to_string_lossy().as_ref(),
        ),
        ("ed25519:YOURS", admin.public_key.as_str()),
        ("port_value: 8080", "port_value: 0"),
        ("port_value: 9901", "port_value: 0"),
        ("port_value: 8081", reached.as_str()),
        ("port_value: 8090", served.as_str()),
    ] {
        assert_eq!(
            text.matches(sample).count(),
            1,
            "{sample} stands in the sample once"
        );
        text = text.replace(sample, ours);
    }
    let environment = BTreeMap::from([
        (ROOT_KEY_ENV.to_owned(), root_key("r1")?),
        ("POSTERN_GATEWAY_CREDENTIAL".to_owned(), credential),
    ]);
    Ok(Around {
        admin,
        upstream,
        environment,
        text,
    })
}

#[tokio::test]
async fn envoy_finds_no_fault_in_the_sample_with_sync_and_refuses_it_without_a_key_of_yours()
-> Result<()> {
    let around = around().await?;
    let envoy = artefacts::envoy()?;

    let (code, log) = validate(&envoy, &around.text, &around.environment).await?;
    assert_eq!(code, Some(0), "{log}");
    let without = around
        .text
        .replace(&around.admin.public_key, "ed25519:YOURS");
    let start = Envoy::start_from_text(
        &envoy,
        &without,
        around.upstream.address(),
        1,
        &around.environment,
    );
    assert!(start.await.is_err(), "it runs without a public key");

    let flags = DRAINING.join(" ");
    assert!(around.text.contains(&flags), "it does not say {flags}");
    Ok(())
}

#[tokio::test]
async fn with_the_sample_with_sync_a_token_is_good_from_its_making_to_its_deactivation()
-> Result<()> {
    let around = around().await?;
    let envoy = Envoy::start_from_text(
        &artefacts::envoy()?,
        &around.text,
        around.upstream.address(),
        1,
        &around.environment,
    )
    .await?;
    let send = async |request: Request| -> Result<Response> {
        let request = request.authority("api.example.com");
        envoy.send("gateway", Protocol::Http1, &request).await
    };
    let made = around.admin.generate("nightly", "export").await?;

    let access = until("the token", async || {
        let answer = send(Request::post(EXCHANGE).bearer(&made.token)).await?;
        assert!(matches!(answer.status, 200 | 401 | 503), "{answer:?}");
        if answer.status != 200 {
            return Ok(None);
        }
        Ok(answer.json()?["RawToken"].as_str().map(str::to_owned))
    })
    .await?;
    let call = || Request::get("/orders").bearer(&access);
    until("a call that is let through", async || {
        // Another worker may have no policy yet.
        let answer = send(call()).await?;
        assert!(matches!(answer.status, 200 | 401 | 503), "{answer:?}");
        Ok((answer.status == 200).then_some(()))
    })
    .await?;
    until("readiness", async || {
        let ready = send(Request::get("/postern/ready")).await?;
        Ok((ready.status == 200).then_some(()))
    })
    .await?;

    around.admin.deactivate(&made.id).await?;
    until("a refusal", async || {
        let answer = send(call()).await?;
        assert!(matches!(answer.status, 200 | 401), "{answer:?}");
        Ok((answer.status == 401).then_some(()))
    })
    .await?;
    let log = envoy.log()?;
    for secret in around.environment.values().chain([&made.token, &access]) {
        assert!(!log.contains(secret), "a secret is in the log");
    }
    Ok(())
}
