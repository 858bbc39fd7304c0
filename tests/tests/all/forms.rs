//! Token exchanges with a form (RFC 8693): the shared cases, and streams that a host or a client holds open.

use std::time::{Duration, Instant};

use postern_core::oauth::{API_TOKEN_TYPE, MAX_FORM_LENGTH, TOKEN_EXCHANGE};
use postern_host::{Host, Module, PluginId, Request as HostRequest, StreamState};
use postern_tests::cases::form_body;
use postern_tests::client::raw_http1;
use postern_tests::fixture::{OAUTH, World};
use postern_tests::gateway::{DEFAULT, EnvoyGateway, Gateway, Kind, Setup};
use postern_tests::message::{Request, Response};
use postern_tests::wait::until;
use postern_tests::{Error, Result, artefacts, cases};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const FORM: &str = "application/x-www-form-urlencoded";

/// The most forms that one VM holds at once.
const MAX_HELD: usize = 256;

/// How long a form may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn config(world: &World) -> Value {
    let mut config = world.config();
    config["exchange"]["form"] = json!(true);
    config
}

fn setup(world: &World) -> Result<Setup> {
    Ok(Setup {
        allow_on_headers_stop_iteration: true,
        ..Setup::with_config(&config(world), world.environment())?
    })
}

fn exchange_form(world: &World, more: &[(&str, &str)]) -> String {
    let must = [
        ("grant_type", TOKEN_EXCHANGE),
        ("subject_token", &world.tokens.external),
        ("subject_token_type", API_TOKEN_TYPE),
    ];
    form_body(&[must.as_slice(), more].concat())
}

fn head(framing: &str) -> String {
    format!("POST {OAUTH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {FORM}\r\n{framing}\r\n\r\n")
}

#[tokio::test]
async fn a_form_with_a_good_token_is_exchanged_and_every_fault_has_its_code() -> Result<()> {
    let world = World::new()?;
    cases::run_in(&setup(&world)?, &world, &cases::oauth_forms(&world)?)
        .await?
        .assert_none();
    Ok(())
}

#[tokio::test]
async fn a_narrowed_token_is_good_at_its_service_and_nowhere_else() -> Result<()> {
    let world = World::new()?;
    let setup = setup(&world)?;
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;
        let request = Request::post(OAUTH)
            .header("content-type", FORM)
            .body(exchange_form(&world, &[("audience", "orders")]));
        let answer = gateway.send(&request).await?.response.json()?;
        let token = answer["access_token"].as_str().unwrap_or_default();

        assert_eq!(
            gateway.status_of("/m42Services/api/orders", token).await?,
            200,
            "{kind:?}"
        );

        let elsewhere = gateway
            .send(&Request::get("/files/a").bearer(token))
            .await?;
        let logged = gateway.logged(&elsewhere).await?;
        let refusal = cases::Refusal::invalid_token().because("access_token_other_service");
        assert_eq!(
            refusal.check(&elsewhere, &logged),
            Vec::<String>::new(),
            "{kind:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn in_envoy_a_form_may_come_in_chunks_and_piece_by_piece() -> Result<()> {
    let world = World::new()?;
    let gateway = EnvoyGateway::start(&setup(&world)?).await?;
    let form = exchange_form(&world, &[]);
    let mut bytes = head("transfer-encoding: chunked\r\nconnection: close").into_bytes();
    for chunk in form.as_bytes().chunks(50) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    let address = gateway.envoy().address(DEFAULT)?;

    let answer = raw_http1(address, &bytes, false).await?;
    assert_eq!(answer.status, 200, "{answer:?}");

    // More than 16 KiB, of which the end never comes: refused as soon as there is too much.
    let mut endless = head("transfer-encoding: chunked").into_bytes();
    let chunk = MAX_FORM_LENGTH + 1;
    endless.extend(format!("{chunk:x}\r\n{}\r\n", "a".repeat(chunk)).bytes());
    let answer = raw_http1(address, &endless, false).await?;
    assert_eq!(
        (answer.status, error(&answer)),
        (413, "invalid_request".to_owned())
    );
    assert!(gateway.echo().received().is_empty());
    Ok(())
}

#[tokio::test]
async fn in_envoy_a_form_that_never_comes_is_ended_in_time() -> Result<()> {
    let world = World::new()?;
    let gateway = EnvoyGateway::start(&setup(&world)?).await?;
    ends_in_time(&gateway).await
}

/// Without `allow_on_headers_stop_iteration` Envoy hands no body over: every form ends as one that never comes.
#[tokio::test]
async fn where_envoy_hands_over_no_body_a_form_is_ended_in_time_and_the_upstream_sees_nothing()
-> Result<()> {
    let world = World::new()?;
    let setup = Setup {
        allow_on_headers_stop_iteration: false,
        ..setup(&world)?
    };
    let gateway = EnvoyGateway::start(&setup).await?;
    ends_in_time(&gateway).await?;

    let form = exchange_form(&world, &[]);
    let whole = format!("{}{form}", head(&format!("content-length: {}", form.len())));
    let address = gateway.envoy().address(DEFAULT)?;
    let started = Instant::now();
    let answer = raw_http1(address, whole.as_bytes(), false).await?;
    assert_eq!(
        (answer.status, error(&answer)),
        (408, "invalid_request".to_owned())
    );
    assert!(started.elapsed() >= PATIENCE);
    assert!(gateway.echo().received().is_empty());
    assert_eq!(gateway.echo().connections(), 0, "not even a connection");
    Ok(())
}

async fn ends_in_time(gateway: &EnvoyGateway) -> Result<()> {
    let begun = format!("{}grant_type=", head("content-length: 100"));
    let started = Instant::now();
    let address = gateway.envoy().address(DEFAULT)?;

    let answer = raw_http1(address, begun.as_bytes(), false).await?;

    assert_eq!(
        (answer.status, error(&answer)),
        (408, "invalid_request".to_owned())
    );
    assert!(started.elapsed() >= PATIENCE, "{:?}", started.elapsed());
    assert!(gateway.echo().received().is_empty());
    assert_eq!(
        gateway
            .envoy()
            .log()?
            .matches("Function: proxy_on_")
            .count(),
        0,
        "no trap"
    );
    Ok(())
}

#[tokio::test]
async fn in_envoy_no_more_forms_are_held_at_once_than_a_worker_can_bear() -> Result<()> {
    let world = World::new()?;
    let gateway = EnvoyGateway::start(&setup(&world)?).await?;
    let address = gateway.envoy().address(DEFAULT)?;
    let begun = format!("{}grant_type=", head("content-length: 100"));
    let before = Instant::now();
    let mut held = Vec::new();
    // Envoy has two workers, each with a VM of its own.
    while held.len() < 2 * MAX_HELD {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(begun.as_bytes()).await?;
        held.push(stream);
    }
    let refused = until("a form too many", async || {
        let count = gateway
            .envoy()
            .stat("wasmcustom.postern.requests.too_many_forms")
            .await?;
        if count > 0 {
            return Ok(Some(count));
        }
        held.push(TcpStream::connect(address).await?);
        let last = held.last_mut().ok_or(Error::Closed(0))?;
        last.write_all(begun.as_bytes()).await?;
        Ok(None)
    })
    .await?;

    assert!(refused > 0);
    assert!(held.len() > MAX_HELD, "{}", held.len());
    assert!(
        before.elapsed() < PATIENCE,
        "the first would be over: {:?}",
        before.elapsed()
    );
    drop(held);
    // Those that went away give their places back.
    until("a place", async || {
        let form = exchange_form(&world, &[]);
        let whole = format!("{}{form}", head(&format!("content-length: {}", form.len())));
        Ok((raw_http1(address, whole.as_bytes(), false).await?.status == 200).then_some(()))
    })
    .await?;
    assert!(gateway.echo().received().is_empty());
    Ok(())
}

fn error(answer: &Response) -> String {
    let body = answer.json().unwrap_or_default();
    body["error"].as_str().unwrap_or_default().to_owned()
}

fn host_error(error: impl std::fmt::Display) -> Error {
    Error::Host(error.to_string())
}

/// A request whose body the host does not hand over, as Envoy without the flag does.
fn held_request() -> HostRequest {
    HostRequest::post(OAUTH)
        .authority("127.0.0.1")
        .header("content-type", FORM)
        .header("content-length", "100")
        .chunk("")
}

#[test]
fn a_form_is_refused_at_its_tenth_second_and_not_before() -> Result<()> {
    let world = World::new()?;
    let (mut host, plugin) = host_without_bodies(&world)?;
    let stream = host.open(plugin, held_request());
    assert_eq!(host.state(stream), StreamState::Paused);

    host.advance(PATIENCE - Duration::from_millis(1));
    assert_eq!(host.state(stream), StreamState::Paused);
    host.advance(Duration::from_secs(1));

    assert_eq!(host.state(stream), StreamState::Finished);
    let exchange = host.finish(stream);
    assert_eq!(exchange.status(), 408);
    assert_eq!(exchange.details, "postern.form_timeout");
    assert!(exchange.upstream.is_none());
    Ok(())
}

#[test]
fn two_hundred_and_fifty_six_forms_are_held_and_the_next_is_told_to_come_later() -> Result<()> {
    let world = World::new()?;
    let (mut host, plugin) = host_without_bodies(&world)?;
    let held: Vec<_> = (0..MAX_HELD)
        .map(|_| host.open(plugin, held_request()))
        .collect();
    assert!(
        held.iter()
            .all(|&stream| host.state(stream) == StreamState::Paused)
    );

    let refused = host.request(plugin, held_request());
    assert_eq!(
        (refused.status(), refused.details.as_str()),
        (503, "postern.too_many_forms")
    );
    assert!(refused.body_text().contains("temporarily_unavailable"));

    // One that goes away gives its place back, and so do those whose time is over.
    host.disconnect(held[0]);
    let next = host.open(plugin, held_request());
    assert_eq!(host.state(next), StreamState::Paused);
    host.advance(PATIENCE + Duration::from_secs(1));
    let after = host.open(plugin, held_request());
    assert_eq!(host.state(after), StreamState::Paused);
    Ok(())
}

/// A test host with one worker that hands no body over, as Envoy without the flag.
fn host_without_bodies(world: &World) -> Result<(Host, PluginId)> {
    let module = Module::from_file(artefacts::wasm()?).map_err(host_error)?;
    let mut builder = Host::builder(&module)
        .vm_id("postern")
        .wall_clock_secs(world.now);
    for (name, value) in world.environment() {
        builder = builder.environment(name, value);
    }
    let mut host = builder.build();
    let plugin = host
        .add_plugin(config(world).to_string())
        .map_err(host_error)?;
    Ok((host, plugin))
}
