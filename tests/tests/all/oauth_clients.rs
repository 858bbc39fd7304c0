//! OAuth clients: the shared cases, and a client that was written for any OAuth server.

use postern_host::{Host, Module, Request as HostRequest};
use postern_tests::cases::basic;
use postern_tests::fixture::{OAUTH, World};
use postern_tests::gateway::{DEFAULT, EnvoyGateway, Setup};
use postern_tests::{Error, Result, artefacts, cases, python};

#[tokio::test]
async fn a_client_with_id_and_secret_gets_an_access_token_and_any_fault_the_same_refusal()
-> Result<()> {
    let world = World::new()?;
    cases::run(&world, &cases::oauth_clients(&world)?)
        .await?
        .assert_none();
    Ok(())
}

#[tokio::test]
async fn an_ordinary_client_library_gets_a_token_uses_it_and_understands_a_refusal() -> Result<()> {
    let world = World::new()?;
    let gateway = EnvoyGateway::start(&Setup::of(&world)?).await?;
    let base = format!("http://{}", gateway.envoy().address(DEFAULT)?);

    let said = python::run(
        "oauth_client.py",
        &[
            ("TOKEN_URL", &format!("{base}{OAUTH}")),
            ("CALL_URL", &format!("{base}/m42Services/api/orders")),
            ("CLIENT_ID", "t-external"),
            ("CLIENT_SECRET", &world.tokens.external),
            ("WRONG_SECRET", &world.tokens.unknown),
        ],
    )
    .await?;

    assert_eq!(said["token_type"], "Bearer");
    assert_eq!(said["expires_in"], 300);
    assert_eq!(said["call"], 200);
    assert_eq!(said["identity"], "p-external");
    assert_eq!(said["call_after_renewal"], 200);
    assert_eq!(said["error"], "invalid_client");
    let upstream = gateway.echo().received();
    assert_eq!(upstream.len(), 2, "only the calls: {upstream:?}");
    Ok(())
}

/// Instructions stand for time: they are the same on every machine, and the filter waits for nothing.
#[test]
fn a_wrong_id_and_a_wrong_secret_take_as_long_and_have_the_same_bytes() -> Result<()> {
    let world = World::new()?;
    let host_error = |error: &dyn std::fmt::Display| Error::Host(error.to_string());
    let module = Module::from_file(artefacts::wasm()?).map_err(|error| host_error(&error))?;
    let mut builder = Host::builder(&module).wall_clock_secs(world.now);
    for (name, value) in world.environment() {
        builder = builder.environment(name, value);
    }
    let mut host = builder.build();
    let config = world.config().to_string();
    let plugin = host
        .add_plugin(config)
        .map_err(|error| host_error(&error))?;
    let mut ask = |id: &str, secret: &str| {
        let request = HostRequest::post(OAUTH)
            .authority("127.0.0.1")
            .header("authorization", basic(id, secret));
        let exchange = host.request(plugin, request);
        (exchange.body_text(), exchange.status(), exchange.fuel())
    };
    // The first request pays for what is made once.
    ask("t-external", &world.tokens.external);

    let wrong_secret = ask("t-external", &world.tokens.unknown);
    for id in ["t-operator", "t-nobody-x"] {
        let both_wrong = ask(id, &world.tokens.unknown);
        let wrong_id = ask(id, &world.tokens.external);
        for answer in [&both_wrong, &wrong_id] {
            assert_eq!((&answer.0, answer.1), (&wrong_secret.0, wrong_secret.1));
        }
        // Where a name stands in a list of names makes a difference, and where in a table a hash.
        for (one, other, percent) in [
            (&wrong_id, &wrong_secret, 2),
            (&both_wrong, &wrong_secret, 2),
            (&wrong_id, &both_wrong, 1),
        ] {
            let difference = one.2.abs_diff(other.2);
            assert!(
                difference * 100 < other.2 * percent,
                "{id}: {one:?} {other:?}"
            );
        }
    }
    Ok(())
}
