//! Headers that are not UTF-8. They kill a filter that reads text, and Envoy lets them through.

use postern_host::{Code, Host, Module, Request};
use postern_tests::cases::basic;
use postern_tests::fixture::{OAUTH, World};
use postern_tests::{Error, Result, artefacts};

#[test]
fn no_header_of_a_request_or_response_kills_the_filter_by_its_bytes() -> Result<()> {
    let world = World::new()?;
    let failed = |error: &dyn std::fmt::Display| Error::Host(error.to_string());
    let module = Module::from_file(artefacts::wasm()?).map_err(|error| failed(&error))?;
    let mut builder = Host::builder(&module)
        .vm_id("postern")
        .wall_clock_secs(world.now);
    for (name, value) in world.environment() {
        builder = builder.environment(name, value);
    }
    let mut host = builder.build();
    let plugin = host
        .add_plugin(world.config().to_string())
        .map_err(|error| failed(&error))?;
    let request = |request: Request| {
        request
            .authority("127.0.0.1")
            .header("user-agent", "test/1")
            .header("origin", "https://console.example.com")
            .header("x-postern-person", "p-other")
    };
    let token = format!("Bearer {}", world.tokens.external);
    let requests = [
        request(Request::get("/m42Services/api/orders")).header("authorization", token),
        request(Request::post(OAUTH))
            .header("authorization", basic("t-external", &world.tokens.external)),
        request(Request::get("/m42Services/api/orders").http2()),
        request(Request::post("/m42Services/api/orders").http2())
            .header("content-type", "application/grpc")
            .body("x"),
    ];
    for request in &requests {
        assert_ne!(host.request(plugin, request.clone()).status(), 503);
        host.try_hostile_bytes(plugin, request)
            .map_err(|error| failed(&error))?;
    }
    let findings = host.take_diagnostics();
    let deadly: Vec<_> = findings
        .iter()
        .filter(|finding| matches!(finding.code, Code::NotUtf8 | Code::Died))
        .collect();
    assert_eq!(deadly, Vec::<&postern_host::Diagnostic>::new());
    Ok(())
}
