//! `forward: reissue`: the upstream gets a service token in place of the caller's credential, verifies it with the
//! gateway's public keys, and nobody else takes it.

use postern_core::policy::document::{Accept, Forward};
use postern_tests::cases::{self, Case, OAuthRefusal, Refusal, basic};
use postern_tests::client::Protocol;
use postern_tests::envoy::Envoy;
use postern_tests::fixture::{
    EXCHANGE, ISSUER, KID, OAUTH, World, at, claims, config, header, key, method, service,
    unrestricted,
};
use postern_tests::gateway::{DEFAULT, EnvoyGateway, Gateway, Kind, Setup};
use postern_tests::message::Request;
use postern_tests::upstream::{Received, Upstream};
use postern_tests::{Error, Result, artefacts, python};
use serde_json::{Value, json};
use tempfile::TempDir;

const CALL: &str = "/m42Services/api/orders";
const KEY_SET: &str = "/.well-known/jwks.json";

/// A world whose service `orders` gets service tokens, and so does `billing`, which takes API tokens.
fn world() -> Result<World> {
    let mut world = World::new()?;
    world.policy.services[0].forward = Forward::Reissue;
    let mut billing = service(
        "billing",
        "/billing",
        unrestricted(),
        vec![method("list", &["GET"], "/", None)],
    );
    billing.forward = Forward::Reissue;
    billing.accept = vec![Accept::Access, Accept::Api];
    world.policy.services.push(billing);
    Ok(world)
}

fn service_token(received: &[Received]) -> Result<String> {
    let [received] = received else {
        return Err(Error::Fixture(format!("one request, not {received:?}")));
    };
    let value = received.headers.text("authorization").unwrap_or_default();
    match value.strip_prefix("Bearer ") {
        Some(token) => Ok(token.to_owned()),
        None => Err(Error::Fixture(format!("no service token: {received:?}"))),
    }
}

async fn called(gateway: &mut Gateway, path: &str, credential: &str) -> Result<String> {
    let answer = gateway.send(&Request::get(path).bearer(credential)).await?;
    assert_eq!(answer.response.status, 200, "{path}: {:?}", answer.response);
    service_token(&answer.upstream)
}

#[tokio::test]
async fn the_upstream_gets_a_service_token_that_says_who_calls_and_no_credential() -> Result<()> {
    let world = world()?;
    let setup = Setup::of(&world)?;
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;
        let access = gateway.exchange(&world.tokens.external).await?;
        for (path, credential, service) in [
            (CALL, &access, "orders"),
            ("/billing", &access, "billing"),
            ("/billing", &world.tokens.external, "billing"),
        ] {
            let token = called(&mut gateway, path, credential).await?;

            let place = format!("{kind:?} {path}");
            assert_eq!(
                header(&token)?,
                json!({ "alg": "EdDSA", "typ": "postern-service+jwt", "kid": KID }),
                "{place}"
            );
            let claims = claims(&token)?;
            for (claim, value) in [
                ("iss", ISSUER),
                ("sub", "p-external"),
                ("client_id", "t-external"),
                ("aud", &format!("edge/{service}")),
            ] {
                assert_eq!(claims[claim], value, "{place} {claim}");
            }
            let life = claims["exp"].as_u64().zip(claims["iat"].as_u64());
            assert_eq!(life.map(|(exp, iat)| exp - iat), Some(60), "{place}");
            assert_eq!(claims["jti"].as_str().map(str::len), Some(22), "{place}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn no_gateway_takes_a_service_token_at_methods_or_exchanges() -> Result<()> {
    let world = world()?;
    let mut config = world.config();
    config["exchange"]["form"] = json!(true);
    let setup = Setup {
        allow_on_headers_stop_iteration: true,
        ..Setup::with_config(&config, world.environment())?
    };
    let mut gateway = Gateway::start(Kind::Envoy, &setup).await?;
    let token = called(&mut gateway, CALL, &world.access_token()?).await?;
    let form = cases::form_body(&[
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", &token),
        ("subject_token_type", "urn:postern:token-type:api-token"),
    ]);
    let presented = || Refusal::invalid_token().because("service_token_presented");
    let cases = [
        Case::named("a service token at its own service")
            .get(CALL)
            .bearer(&token)
            .expect(presented()),
        Case::named("a service token at a service that takes API tokens")
            .get("/billing")
            .bearer(&token)
            .expect(presented()),
        Case::named("a service token at the exchange")
            .post(EXCHANGE)
            .bearer(&token)
            .expect(presented()),
        Case::named("a service token as a client's secret")
            .post(OAUTH)
            .header("authorization", basic("t-external", &token))
            .expect(OAuthRefusal::bad_client("service_token_presented")),
        Case::named("a service token as the subject of an exchange")
            .post(OAUTH)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .expect(OAuthRefusal::bad_subject("service_token_presented")),
    ];
    cases::run_in(&setup, &world, &cases).await?.assert_none();
    Ok(())
}

#[tokio::test]
async fn a_service_token_is_used_again_while_a_quarter_of_a_minute_is_left() -> Result<()> {
    let world = world()?;
    let setup = Setup {
        clock: world.now,
        ..Setup::of(&world)?
    };
    let mut gateway = Gateway::start(Kind::TestHost, &setup).await?;
    let access = world.access_token()?;
    // Each worker signs for itself, and requests go to them in turn.
    let mut pair = async |clock: u64, path: &str, credential: &str| {
        if let Gateway::TestHost(host) = &mut gateway {
            host.set_clock(clock);
        }
        let one = called(&mut gateway, path, credential).await?;
        Ok::<_, Error>([one, called(&mut gateway, path, credential).await?])
    };

    let first = pair(world.now, CALL, &access).await?;
    assert_ne!(first[0], first[1], "the two workers");
    assert_eq!(
        pair(world.now + 45, CALL, &access).await?,
        first,
        "15 s are left"
    );
    let second = pair(world.now + 46, CALL, &access).await?;
    assert!(
        first.iter().all(|token| !second.contains(token)),
        "14 s are left"
    );
    let other = pair(world.now + 46, "/billing", &access).await?;
    assert!(
        second.iter().all(|token| !other.contains(token)),
        "another service"
    );
    let of_api_token = pair(world.now + 46, "/billing", &world.tokens.external).await?;
    assert_eq!(
        of_api_token, other,
        "the same API token by another credential"
    );
    let of_other = pair(world.now + 46, "/billing", &world.tokens.never_expires).await?;
    assert!(
        other.iter().all(|token| !of_other.contains(token)),
        "another API token"
    );
    Ok(())
}

#[tokio::test]
async fn a_service_token_never_outlives_what_was_presented() -> Result<()> {
    let mut world = world()?;
    let end = world.now + 320;
    world.token_mut("t-external").expires_at = at(end);
    let setup = Setup {
        clock: world.now,
        ..Setup::of(&world)?
    };
    let mut gateway = Gateway::start(Kind::TestHost, &setup).await?;
    let access = gateway.exchange(&world.tokens.external).await?;
    let mut exp = async |after: u64, path: &str, credential: &str| {
        if let Gateway::TestHost(host) = &mut gateway {
            host.set_clock(world.now + after);
        }
        let mut last = Value::Null;
        for _ in 0..2 {
            last = claims(&called(&mut gateway, path, credential).await?)?["exp"].take();
        }
        Ok::<_, Error>(last.as_u64().unwrap_or_default() - world.now)
    };

    // The access token ends at 300, the API token at 320.
    assert_eq!(exp(239, CALL, &access).await?, 299);
    assert_eq!(exp(250, CALL, &access).await?, 299, "used again");
    assert_eq!(exp(290, CALL, &access).await?, 300);
    // What is kept for the API token is not given to the access token that ends sooner.
    assert_eq!(exp(290, "/billing", &world.tokens.external).await?, 320);
    assert_eq!(exp(291, "/billing", &access).await?, 300);
    Ok(())
}

#[tokio::test]
async fn the_key_set_is_public_may_be_kept_for_a_while_and_holds_no_key_that_is_over() -> Result<()>
{
    let mut world = world()?;
    let day = 24 * 60 * 60;
    world.policy.keys = vec![
        key("old", "r1", world.now - 2 * day),
        key("gone", "r1", world.now - 3 * day),
        key("now", "r1", world.now - day),
        key("soon", "r1", world.now + day),
        key("elsewhere", "r2", world.now + 2 * day),
    ];
    world.policy.keys[1].revoked = true;
    let setup = Setup::of(&world)?;
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;
        for protocol in Protocol::ALL {
            let answer = gateway
                .send_to(DEFAULT, protocol, &Request::get(KEY_SET))
                .await?;
            assert_eq!(answer.response.status, 200, "{kind:?}");
            assert!(answer.upstream.is_empty(), "{kind:?}");
            for (name, value) in [
                ("content-type", "application/jwk-set+json"),
                ("cache-control", "public, max-age=300"),
            ] {
                assert_eq!(
                    answer.response.headers.text(name).as_deref(),
                    Some(value),
                    "{kind:?}"
                );
            }
            let set = answer.response.json()?;
            let mut kids = Vec::new();
            for key in set["keys"].as_array().into_iter().flatten() {
                kids.extend(key["kid"].as_str());
                let members: Vec<_> = key
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| name)
                    .collect();
                assert_eq!(
                    members,
                    ["alg", "crv", "kid", "kty", "use", "x"],
                    "no `d`: {key}"
                );
            }
            kids.sort_unstable();
            assert_eq!(kids, ["now", "old", "soon"], "{kind:?}");
        }
        let post = gateway.send(&Request::post(KEY_SET)).await?;
        assert_eq!(post.response.status, 405, "{kind:?}");
        let reason = gateway.logged(&post).await?.state.remove("postern.reason");
        assert_eq!(reason.as_deref(), Some("metadata_method"), "{kind:?}");
        assert_eq!(
            post.response.headers.text("allow").as_deref(),
            Some("GET, HEAD"),
            "{kind:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_library_of_another_language_verifies_a_service_token_by_the_key_set() -> Result<()> {
    let world = world()?;
    let mut gateway = EnvoyGateway::start(&Setup::of(&world)?).await?;
    let address = gateway.envoy().address(DEFAULT)?;
    let answer = gateway
        .call(&Request::get(CALL).bearer(world.access_token()?))
        .await?;
    let token = service_token(&answer.upstream)?;

    let said = python::run(
        "verify_service_token.py",
        &[
            ("JWKS_URL", &format!("http://{address}{KEY_SET}")),
            ("TOKEN", &token),
            ("AUDIENCE", "edge/orders"),
            ("ISSUER", ISSUER),
        ],
    )
    .await?;

    assert_eq!(said["claims"]["sub"], "p-external");
    assert_eq!(said["claims"]["client_id"], "t-external");
    assert_eq!(said["typ"], "postern-service+jwt");
    assert_eq!(said["tampered"], "InvalidSignatureError");
    assert_eq!(said["other_audience"], "InvalidAudienceError");
    Ok(())
}

/// The gateway, and behind it a listener with Envoy's own `jwt_authn` that gets its keys from the gateway. The two find
/// each other through sockets of the file system, since ports are chosen only when Envoy starts.
fn two_listeners(world: &World, sockets: &TempDir, upstream: &Upstream) -> Result<Value> {
    let socket = |name: &str| json!({ "pipe": { "path": sockets.path().join(name) } });
    let local =
        |port: u16| json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    let cluster = |name: &str, address: Value| {
        json!({
            "name": name,
            "type": "STATIC",
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
            },
        })
    };
    let listener = |name: &str, addresses: &[Value], filter: Value, cluster: &str| {
        let extra = addresses
            .get(1)
            .map(|address| json!([{ "address": address }]));
        json!({
            "name": name,
            "address": addresses[0],
            "additional_addresses": extra.unwrap_or_else(|| json!([])),
            "filter_chains": [{ "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": name,
                    "route_config": { "virtual_hosts": [{
                        "name": "all",
                        "domains": ["*"],
                        "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": cluster } }],
                    }] },
                    "http_filters": [filter, {
                        "name": "envoy.filters.http.router",
                        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
                    }],
                },
            }] }],
        })
    };
    let postern = json!({
        "name": "postern",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "postern",
                "vm_config": {
                    "vm_id": "postern",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": artefacts::wasm()? } },
                    "environment_variables": { "host_env_keys": world.environment().keys().collect::<Vec<_>>() },
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": config(&world.policy).to_string(),
                },
            },
        },
    });
    let jwt_authn = json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": { "postern": {
                "issuer": ISSUER,
                "audiences": ["edge/orders"],
                "forward": true,
                "forward_payload_header": "x-verified",
                "remote_jwks": {
                    "http_uri": { "uri": format!("http://127.0.0.1{KEY_SET}"), "cluster": "gateway", "timeout": "5s" },
                    "cache_duration": "300s",
                },
            } },
            "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "postern" } }],
        },
    });
    Ok(json!({
        "node": { "id": "postern-tests", "cluster": "postern-tests" },
        "admin": { "address": local(0) },
        "static_resources": {
            "clusters": [
                cluster("upstream", local(upstream.address().port())),
                cluster("behind", socket("behind")),
                cluster("gateway", socket("gateway")),
            ],
            "listeners": [
                listener("gateway", &[local(0), socket("gateway")], postern, "behind"),
                listener("behind", &[socket("behind")], jwt_authn, "upstream"),
            ],
        },
    }))
}

#[tokio::test]
async fn envoys_own_jwt_authn_behind_the_gateway_verifies_service_tokens_by_the_key_set()
-> Result<()> {
    let world = world()?;
    let upstream = Upstream::start().await?;
    let sockets = TempDir::with_prefix("postern-sockets-")?;
    let config = two_listeners(&world, &sockets, &upstream)?;
    let envoy = Envoy::start_from_text(
        &artefacts::envoy()?,
        &config.to_string(),
        upstream.address(),
        1,
        &world.environment(),
    )
    .await?;
    let send = async |request: Request| envoy.send("gateway", Protocol::Http1, &request).await;

    let answer = send(Request::get(CALL).bearer(world.access_token()?)).await?;

    assert_eq!(answer.status, 200, "{answer:?}");
    let received = upstream.received();
    let token = service_token(&received)?;
    let verified = received[0].headers.text("x-verified").unwrap_or_default();
    assert_eq!(
        token.split('.').nth(1),
        Some(verified.trim_end_matches('='))
    );
    // Another service's token, and no token at all, do not get past it: so it does verify.
    for path in ["/billing", "/files/a"] {
        let answer = send(Request::get(path).bearer(world.access_token()?)).await?;
        assert!(matches!(answer.status, 401 | 403), "{path}: {answer:?}");
    }
    assert_eq!(upstream.received().len(), 1);
    Ok(())
}
