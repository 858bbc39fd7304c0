//! The filter goes on after hostile input, and is started anew after a trap.

use postern_tests::client::Protocol;
use postern_tests::envoy::FailurePolicy;
use postern_tests::fixture::World;
use postern_tests::gateway::{DEFAULT, Gateway, Kind, Setup};
use postern_tests::message::Request;
use postern_tests::wait::until;
use postern_tests::{Result, artefacts};

const CALL: &str = "/m42Services/api/orders";

/// The header on which the test artefact traps.
const TRAP: &str = "x-postern-test-trap";

/// What the artefact writes to the log before it traps, and so holds as a constant.
const TRAP_MARKER: &[u8] = b"postern-test-trap";

/// Good answers in a row after which every worker of Envoy has recovered; see the harness's count of probes.
const IN_A_ROW: u32 = 30;

#[tokio::test]
async fn a_request_with_headers_that_are_not_utf8_is_followed_by_good_ones() -> Result<()> {
    let world = World::new()?;
    let token = world.access_token()?;
    let setup = Setup::of(&world)?;
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;
        for protocol in Protocol::ALL {
            for _ in 0..4 {
                let hostile = Request::get(CALL)
                    .header("x-bin", b"a\xff\xfeb".as_slice())
                    .header("x_postern_person", b"\xc3\x28".as_slice())
                    .bearer(b"\xf0\x28\x8c\x28");
                let answer = gateway.send_to(DEFAULT, protocol, &hostile).await?;
                assert_eq!(answer.response.status, 400, "{kind:?} {protocol:?}");

                let good = Request::get(CALL).bearer(&token);
                let answer = gateway.send_to(DEFAULT, protocol, &good).await?;
                assert_eq!(answer.response.status, 200, "{kind:?} {protocol:?}");
            }
        }
        assert_eq!(gateway.traps()?, 0, "{kind:?}");
    }
    Ok(())
}

#[tokio::test]
async fn after_a_forced_trap_a_new_filter_serves_and_nothing_has_passed() -> Result<()> {
    let world = World::new()?;
    let token = world.access_token()?;
    let setup = Setup::of(&world)?.module(artefacts::test_trap_wasm()?);
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;
        assert_eq!(gateway.status_of(CALL, &token).await?, 200, "{kind:?}");

        let answer = gateway
            .send(&Request::get(CALL).bearer(&token).header(TRAP, "now"))
            .await?;

        assert_eq!(answer.response.status, 503, "{kind:?}");
        assert!(answer.upstream.is_empty(), "{kind:?}");
        assert!(gateway.traps()? >= 1, "{kind:?}: the artefact did not trap");
        let mut in_a_row = 0;
        until("a new filter on every worker", async || {
            // Without a credential a request must be refused by whoever answers it: the filter or, until it is back,
            // the host. A filter that is skipped would let it through.
            let refused = gateway.send(&Request::get(CALL)).await?;
            assert!(
                matches!(refused.response.status, 401 | 503),
                "{kind:?}: {:?}",
                refused.response
            );
            assert!(
                refused.upstream.is_empty(),
                "{kind:?}: a request passed unchecked"
            );
            match gateway.status_of(CALL, &token).await? {
                200 => in_a_row += 1,
                503 => in_a_row = 0,
                other => panic!("{kind:?}: {other}"),
            }
            Ok((in_a_row >= IN_A_ROW).then_some(()))
        })
        .await?;
        // What the new filter was configured with is what the old one had.
        let new = gateway.exchange(&world.tokens.external).await?;
        assert_eq!(gateway.status_of(CALL, &new).await?, 200, "{kind:?}");
        assert_eq!(
            gateway.status_of("/admin/status", &new).await?,
            403,
            "{kind:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn under_fail_closed_a_trap_lets_nothing_pass_either() -> Result<()> {
    let world = World::new()?;
    let setup = Setup {
        failure_policy: FailurePolicy::Closed,
        ..Setup::of(&world)?.module(artefacts::test_trap_wasm()?)
    };
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;
        let trap = Request::get(CALL).header(TRAP, "now");
        assert_eq!(gateway.send(&trap).await?.response.status, 503, "{kind:?}");
        for _ in 0..IN_A_ROW {
            // One worker has no filter any more; the other is as it was.
            let status = gateway.send(&Request::get(CALL)).await?.response.status;
            assert!(matches!(status, 401 | 503), "{kind:?}: {status}");
        }
        assert!(gateway.upstream().is_empty(), "{kind:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_product_has_no_trap_to_force() -> Result<()> {
    let holds_marker = |module: &[u8]| {
        module
            .windows(TRAP_MARKER.len())
            .any(|window| window == TRAP_MARKER)
    };
    assert!(!holds_marker(&std::fs::read(artefacts::wasm()?)?));
    assert!(
        holds_marker(&std::fs::read(artefacts::test_trap_wasm()?)?),
        "the search finds nothing anywhere"
    );

    let world = World::new()?;
    let token = world.access_token()?;
    let setup = Setup::of(&world)?;
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;
        let answer = gateway
            .send(&Request::get(CALL).bearer(&token).header(TRAP, "now"))
            .await?;
        assert_eq!(answer.response.status, 200, "{kind:?}");
        assert_eq!(gateway.traps()?, 0, "{kind:?}");
    }
    Ok(())
}
