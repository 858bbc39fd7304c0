//! The harness itself: if these fail, no other test here means anything.

use std::collections::BTreeMap;

use postern_tests::client::Protocol;
use postern_tests::envoy::{Envoy, Listener, Options, Source, Update, Upgrade};
use postern_tests::message::Request;
use postern_tests::upstream::{MARKER, Upstream};
use postern_tests::{Result, artefacts};

fn without_filter() -> Listener {
    Listener {
        name: "gateway".to_owned(),
        plugin: None,
        normalize: false,
        upgrade: Upgrade::WebSocketAndConnect,
        follow_redirects: false,
    }
}

async fn envoy(upstream: &Upstream, source: Source) -> Result<Envoy> {
    Envoy::start(Options {
        binary: artefacts::envoy()?,
        upstream: upstream.address(),
        listeners: vec![without_filter()],
        source,
        environment: BTreeMap::new(),
        concurrency: postern_tests::envoy::CONCURRENCY,
        clusters: BTreeMap::new(),
    })
    .await
}

#[tokio::test]
async fn what_the_client_sends_passes_an_envoy_without_filter_byte_for_byte() -> Result<()> {
    let upstream = Upstream::start().await?;
    let envoy = envoy(&upstream, Source::Static).await?;
    for (protocol, marker) in Protocol::ALL.into_iter().zip(["one", "two"]) {
        let request = Request::post("//a/%61?q=1")
            .header(MARKER, marker)
            .header("x-bin", b"a\xff\tb".as_slice())
            .header("x-postern-person", "forged")
            .bearer("token")
            .body("hello")
            .trailer("x-postern-person", "forged");

        let response = envoy.send("gateway", protocol, &request).await?;

        assert_eq!(response.status, 200, "{response:?}");
        let received = upstream.with_marker(marker);
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].target, "//a/%61?q=1");
        assert_eq!(
            received[0].headers.only("x-bin"),
            Some(b"a\xff\tb".as_slice())
        );
        assert_eq!(received[0].body.as_deref(), Some(b"hello".as_slice()));
        // So a test that finds these gone has seen the filter's work, not Envoy's.
        assert_eq!(
            received[0].headers.text("x-postern-person").as_deref(),
            Some("forged")
        );
        assert_eq!(
            received[0].headers.text("authorization").as_deref(),
            Some("Bearer token")
        );
        assert_eq!(
            received[0].trailers.text("x-postern-person").as_deref(),
            Some("forged")
        );
        let logged = envoy.logged(marker).await?;
        assert_eq!(
            (logged.status, logged.details.as_deref()),
            (200, Some("via_upstream"))
        );
    }
    Ok(())
}

#[tokio::test]
async fn swapped_listeners_are_in_force_on_every_worker_when_swap_returns() -> Result<()> {
    let upstream = Upstream::start().await?;
    let mut envoy = envoy(&upstream, Source::Watched).await?;
    let address = envoy.address("gateway")?;
    for revision in 2..5 {
        let normalize = revision % 2 == 0;
        let listener = Listener {
            normalize,
            ..without_filter()
        };

        assert_eq!(envoy.swap(vec![listener]).await?, Update::Accepted);

        assert_eq!(envoy.address("gateway")?, address);
        for protocol in Protocol::ALL {
            for _ in 0..10 {
                let answer = envoy
                    .send("gateway", protocol, &Request::get("//x"))
                    .await?;
                assert_eq!(
                    answer.headers.text("server"),
                    Some(format!("envoy-revision-{revision}"))
                );
                let target = if normalize { "/x" } else { "//x" };
                assert_eq!(answer.json()?["path"], target);
            }
        }
    }
    Ok(())
}
