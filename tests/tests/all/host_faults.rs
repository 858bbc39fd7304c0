//! Host calls that fail, with every status, at any call and with nonsense for an answer. Only in the test host: Envoy can
//! be made to deny a call altogether, which is in `denied_calls`. Whatever goes wrong, nothing is forwarded.

use postern_host::Fault;
use postern_tests::Result;
use postern_tests::cases::Refusal;
use postern_tests::fixture::{EXCHANGE, World};
use postern_tests::gateway::{Answer, Gateway, HostGateway, Kind, Setup};
use postern_tests::message::Request;

const CALL: &str = "/m42Services/api/orders";

/// Statuses of the ABI that a host can answer with, `UNIMPLEMENTED` and two that the SDK's enumeration lacks among them.
const STATUSES: [u32; 6] = [1, 2, 6, 7, 10, 12];

fn host(gateway: &mut Gateway) -> &mut HostGateway {
    match gateway {
        Gateway::TestHost(host) => host,
        Gateway::Envoy(_) => panic!("Envoy has no faults to inject"),
    }
}

async fn with_fault(gateway: &mut Gateway, fault: Fault, request: &Request) -> Result<Answer> {
    host(gateway).inject(fault)?;
    let answer = gateway.send(request).await;
    host(gateway).clear_faults();
    answer
}

async fn unavailable(
    gateway: &mut Gateway,
    place: &str,
    fault: Fault,
    request: &Request,
    reason: &'static str,
) -> Result<()> {
    let answer = with_fault(gateway, fault, request).await?;
    let logged = gateway.logged(&answer).await?;
    let faults = Refusal::unavailable()
        .because(reason)
        .check(&answer, &logged);
    assert_eq!(faults, Vec::<String>::new(), "{place}");
    Ok(())
}

#[tokio::test]
async fn a_write_that_fails_while_forwarding_is_unavailable_and_nothing_is_forwarded() -> Result<()>
{
    let world = World::new()?;
    let mut gateway = Gateway::start(Kind::TestHost, &Setup::of(&world)?).await?;
    let call = Request::get(CALL)
        .bearer(world.access_token()?)
        .header("x-postern-person", "forged");
    for name in [
        "proxy_replace_header_map_value",
        "proxy_remove_header_map_value",
    ] {
        for status in STATUSES {
            for number in 1..=2 {
                let fault = Fault::status(name, status).on_call(number);
                let place = format!("{name} answers {status} to call {number}");
                unavailable(&mut gateway, &place, fault, &call, "host_call").await?;
            }
        }
    }
    let answer = gateway.send(&call).await?;
    assert_eq!(answer.response.status, 200, "and afterwards all is well");
    Ok(())
}

#[tokio::test]
async fn a_header_map_that_cannot_be_read_is_unavailable_and_never_no_headers() -> Result<()> {
    let world = World::new()?;
    let mut gateway = Gateway::start(Kind::TestHost, &Setup::of(&world)?).await?;
    // A public route: without headers to judge by, even that must not pass.
    let call = Request::get("/healthz");
    let maps: [&[u8]; 5] = [
        b"",
        b"\xff\xff",
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\x01\0\0\0\xff\0\0\0\xff\0\0\0a\0b\0",
    ];
    for bytes in maps {
        let fault = Fault::bytes("proxy_get_header_map_pairs", bytes);
        let place = format!("pairs {}", bytes.escape_ascii());
        unavailable(&mut gateway, &place, fault, &call, "headers_unreadable").await?;
    }
    for status in STATUSES {
        let fault = Fault::status("proxy_get_header_map_pairs", status);
        let place = format!("pairs answer {status}");
        unavailable(&mut gateway, &place, fault, &call, "headers_unreadable").await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_randomness_there_is_no_access_token() -> Result<()> {
    let world = World::new()?;
    let mut gateway = Gateway::start(Kind::TestHost, &Setup::of(&world)?).await?;
    let exchange = Request::post(EXCHANGE).bearer(&world.tokens.external);

    unavailable(
        &mut gateway,
        "random_get",
        Fault::status("random_get", 6),
        &exchange,
        "randomness",
    )
    .await?;

    // A call needs none.
    let call = Request::get(CALL).bearer(world.access_token()?);
    let answer = with_fault(&mut gateway, Fault::status("random_get", 6), &call).await?;
    assert_eq!(answer.response.status, 200);
    Ok(())
}

#[tokio::test]
async fn without_a_clock_nothing_is_decided() -> Result<()> {
    let world = World::new()?;
    let mut gateway = Gateway::start(Kind::TestHost, &Setup::of(&world)?).await?;
    for request in [
        Request::get(CALL).bearer(world.access_token()?),
        Request::post(EXCHANGE).bearer(&world.tokens.external),
        Request::get("/healthz"),
    ] {
        unavailable(
            &mut gateway,
            "clock_time_get",
            Fault::status("clock_time_get", 8),
            &request,
            "clock",
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_that_cannot_be_sent_is_still_no_way_through() -> Result<()> {
    let world = World::new()?;
    let mut gateway = Gateway::start(Kind::TestHost, &Setup::of(&world)?).await?;
    for status in STATUSES {
        host(&mut gateway).inject(Fault::status("proxy_send_local_response", status))?;
        // The stream is reset or held: there is no answer, which the harness reports as an error.
        let answer = gateway.send(&Request::get(CALL)).await;
        host(&mut gateway).clear_faults();
        assert!(answer.is_err(), "{status}: {answer:?}");
        assert!(gateway.upstream().is_empty(), "{status}");
    }
    assert_eq!(
        gateway.send(&Request::get(CALL)).await?.response.status,
        401
    );
    Ok(())
}

#[tokio::test]
async fn a_host_without_filter_state_and_metrics_still_decides() -> Result<()> {
    let world = World::new()?;
    let mut gateway = Gateway::start(Kind::TestHost, &Setup::of(&world)?).await?;
    let call = Request::get(CALL).bearer(world.access_token()?);
    for name in ["proxy_set_property", "proxy_increment_metric"] {
        for status in STATUSES {
            let answer = with_fault(&mut gateway, Fault::status(name, status), &call).await?;
            assert_eq!(answer.response.status, 200, "{name} answers {status}");
            let answer = with_fault(
                &mut gateway,
                Fault::status(name, status),
                &Request::get(CALL),
            )
            .await?;
            assert_eq!(answer.response.status, 401, "{name} answers {status}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_trailer_that_cannot_be_removed_does_not_reach_the_upstream() -> Result<()> {
    let world = World::new()?;
    let mut gateway = Gateway::start(Kind::TestHost, &Setup::of(&world)?).await?;
    let request = Request::post(CALL)
        .bearer(world.access_token()?)
        .body("order")
        .trailer("x-postern-person", "forged");
    for status in STATUSES {
        let fault = Fault::status("proxy_remove_header_map_value", status)
            .in_callback("proxy_on_request_trailers");
        host(&mut gateway).inject(fault)?;
        // The headers are on their way already, so the stream ends without a whole request and without an answer.
        let _ = gateway.send(&request).await;
        host(&mut gateway).clear_faults();
        let leaked = gateway
            .upstream()
            .iter()
            .any(|received| received.trailers.has("x-postern-person"));
        assert!(!leaked, "{status}");
    }
    Ok(())
}
