//! `deploy/envoy/envoy.yaml`, which operators paste.

use std::collections::BTreeMap;
use std::path::Path;

use postern_tests::client::Protocol;
use postern_tests::envoy::{DRAINING, Envoy, validate};
use postern_tests::fixture::{EXCHANGE, ROOT_KEY_ENV, root_key};
use postern_tests::message::Request;
use postern_tests::upstream::Upstream;
use postern_tests::wait::until;
use postern_tests::{Result, artefacts};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The sample with only those values replaced that are marked as the operator's.
fn sample(upstream: &Upstream) -> Result<String> {
    let mut text = std::fs::read_to_string(root().join("deploy/envoy/envoy.yaml"))?;
    let wasm = artefacts::wasm()?;
    let upstream = format!("port_value: {}", upstream.address().port());
    for (sample, ours) in [
        ("/etc/envoy/postern.wasm", wasm.to_string_lossy().as_ref()),
        ("port_value: 8080", "port_value: 0"),
        ("port_value: 9901", "port_value: 0"),
        ("port_value: 8081", upstream.as_str()),
    ] {
        assert_eq!(
            text.matches(sample).count(),
            1,
            "{sample} stands in the sample once"
        );
        text = text.replace(sample, ours);
    }
    Ok(text)
}

fn environment() -> Result<BTreeMap<String, String>> {
    Ok(BTreeMap::from([(ROOT_KEY_ENV.to_owned(), root_key("r1")?)]))
}

#[tokio::test]
async fn envoy_finds_no_fault_in_the_sample() -> Result<()> {
    let upstream = Upstream::start().await?;

    let (code, log) = validate(&artefacts::envoy()?, &sample(&upstream)?, &environment()?).await?;

    assert_eq!(code, Some(0), "{log}");
    Ok(())
}

#[test]
fn the_flags_under_which_open_connections_are_tested_are_those_that_operators_are_told()
-> Result<()> {
    let flags = DRAINING.join(" ");
    for file in ["deploy/envoy/envoy.yaml", "README.md"] {
        let text = std::fs::read_to_string(root().join(file))?;
        assert!(text.contains(&flags), "{file} does not say {flags}");
    }
    Ok(())
}

#[tokio::test]
async fn what_a_client_says_about_its_way_is_not_believed() -> Result<()> {
    let upstream = Upstream::start().await?;
    let envoy = Envoy::start_from_text(
        &artefacts::envoy()?,
        &sample(&upstream)?,
        upstream.address(),
        1,
        &environment()?,
    )
    .await?;
    for protocol in Protocol::ALL {
        for authority in ["api.example.com:8443", "api.example.com."] {
            let request = Request::get("/healthz")
                .authority(authority)
                .header("x-envoy-original-path", "/admin")
                .header("x-envoy-internal", "true")
                .header("x-forwarded-for", "192.0.2.1");
            let answer = envoy.send("gateway", protocol, &request).await?;
            assert_eq!(answer.status, 200, "{protocol:?} {authority}");
        }
    }
    let received = upstream.received();
    assert_eq!(received.len(), 4);
    for received in received {
        assert_eq!(received.authority.as_deref(), Some("api.example.com"));
        assert!(!received.headers.has("x-envoy-original-path"));
        assert!(!received.headers.has("x-envoy-internal"));
        let way = received.headers.text("x-forwarded-for").unwrap_or_default();
        // Envoy's own address stands for whoever connected over loopback; which one it is, the machine decides.
        let (said, seen) = way.rsplit_once(',').unwrap_or_default();
        assert_eq!(said, "192.0.2.1", "{way}");
        assert!(seen.parse::<std::net::IpAddr>().is_ok(), "{way}");
    }
    Ok(())
}

#[tokio::test]
async fn envoy_with_the_sample_lets_nobody_in_but_through_the_public_route() -> Result<()> {
    let upstream = Upstream::start().await?;
    let text = sample(&upstream)?;
    let envoy = Envoy::start_from_text(
        &artefacts::envoy()?,
        &text,
        upstream.address(),
        1,
        &environment()?,
    )
    .await?;
    for protocol in Protocol::ALL {
        for (request, status) in [
            (Request::get("/healthz"), 200),
            (Request::get("/m42Services/api/orders"), 401),
            (Request::post(EXCHANGE).bearer("x".repeat(40)), 401),
            (Request::get("/m42Services/api%2Forders"), 400),
            (Request::get("/healthz").authority("other.example"), 421),
        ] {
            let place = format!("{protocol:?} {request:?}");
            let request = match &request.authority {
                Some(authority) if authority == b"other.example" => request,
                _ => request.authority("api.example.com"),
            };
            let answer = envoy.send("gateway", protocol, &request).await?;
            assert_eq!(answer.status, status, "{place}: {answer:?}");
        }
    }
    // Envoy resets an HTTP/2 stream for it, and answers 400 in HTTP/1.1.
    let underscore = Request::get("/healthz")
        .authority("api.example.com")
        .header("x_postern_person", "forged");
    assert_eq!(
        envoy
            .send("gateway", Protocol::Http1, &underscore)
            .await?
            .status,
        400
    );
    assert!(
        envoy
            .send("gateway", Protocol::Http2, &underscore)
            .await
            .is_err()
    );
    assert!(
        upstream
            .received()
            .iter()
            .all(|received| received.target == "/healthz")
    );
    let log = until("the access log on standard output", async || {
        let log = envoy.log()?;
        Ok(log.contains("postern.no_credential").then_some(log))
    })
    .await?;
    assert!(!log.contains(&"x".repeat(40)), "a credential was logged");
    assert!(
        log.contains(r#""postern":"reason=no_credential decision="#),
        "filter state is in the sample's access log"
    );
    Ok(())
}
