//! Redirects that Envoy follows itself: the upstream chooses authority and path, and Envoy runs the filter again on the
//! headers that it has changed. So the second pass must be decided like any request, and it has no credential.

use postern_core::policy::document::Forward;
use postern_tests::Result;
use postern_tests::fixture::World;
use postern_tests::gateway::{Answer, Gateway, Kind, Setup};
use postern_tests::message::Request;
use postern_tests::upstream::REDIRECT;
use postern_tests::wait::until;
use serde_json::Value;

#[tokio::test]
async fn a_redirect_that_envoy_follows_is_refused_at_its_second_pass() -> Result<()> {
    for (forward, reason) in [
        (Forward::Strip, "no_credential"),
        (Forward::Reissue, "service_token_presented"),
    ] {
        let mut world = World::new()?;
        world.policy.services[0].forward = forward;
        let setup = Setup {
            follow_redirects: true,
            ..Setup::of(&world)?
        };
        let mut gateway = Gateway::start(Kind::Envoy, &setup).await?;
        // Where the caller could not go, and where it could.
        for target in ["/admin/status", "/files/a"] {
            let request = Request::get("/m42Services/api/orders")
                .bearer(world.access_token()?)
                .header(REDIRECT, format!("http://127.0.0.1{target}"));

            let answer = gateway.send(&request).await?;

            assert_eq!(
                answer.response.status, 401,
                "{reason}: {:?}",
                answer.response
            );
            assert_eq!(passes(&gateway, &answer).await?, ["allowed", reason]);
            let targets: Vec<_> = answer
                .upstream
                .iter()
                .map(|request| &request.target)
                .collect();
            assert_eq!(targets, ["/m42Services/api/orders"], "{reason}");
        }
    }
    Ok(())
}

/// The reasons of both passes: Envoy logs each.
async fn passes(gateway: &Gateway, answer: &Answer) -> Result<Vec<String>> {
    let Gateway::Envoy(envoy) = gateway else {
        return Ok(Vec::new());
    };
    until("two entries of the access log", async || {
        let log = envoy.envoy().access_log()?;
        let entries = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ours = entries.filter(|entry| entry["marker"] == answer.marker.as_str());
        let reasons = ours.map(|entry| {
            let record = entry["postern.record"].as_str().unwrap_or_default();
            let reason = record.strip_prefix("reason=").unwrap_or_default();
            reason.split(' ').next().unwrap_or_default().to_owned()
        });
        let reasons: Vec<_> = reasons.collect();
        Ok((reasons.len() == 2).then_some(reasons))
    })
    .await
}

/// What shows that the test above would see a second pass: to a public route it goes on, without anybody's word.
#[tokio::test]
async fn a_redirect_to_a_public_route_goes_on_without_identity() -> Result<()> {
    let world = World::new()?;
    let setup = Setup {
        follow_redirects: true,
        ..Setup::of(&world)?
    };
    let mut gateway = Gateway::start(Kind::Envoy, &setup).await?;
    let request = Request::get("/m42Services/api/orders")
        .bearer(world.access_token()?)
        .header(REDIRECT, "http://127.0.0.1/healthz");

    let answer = gateway.send(&request).await?;

    let [first, second, ..] = answer.upstream.as_slice() else {
        panic!("two requests, not {:?}", answer.upstream);
    };
    assert!(first.headers.has("x-postern-person"));
    assert_eq!(second.target, "/healthz");
    for name in ["x-postern-person", "x-postern-token", "authorization"] {
        assert!(!second.headers.has(name), "{name}");
    }
    Ok(())
}
