//! Upgrades: what the filter sees of them, and how their streams end.

use postern_host::{AnsweredBy, Reply, Request, StreamState};

use crate::guests::{builder, messages, started};

/// Logs whether the headers end the message, and the end of the stream.
const LOGS: &str = r#"
    (data (i32.const 1000) "over")
    (func (export "proxy_on_request_headers") (param i32 i32) (param $end i32) (result i32)
      (call $log_number (local.get $end)) (i32.const 0))
    (func (export "proxy_on_response_headers") (param i32 i32) (param $end i32) (result i32)
      (call $log_number (local.get $end)) (i32.const 0))
    (func (export "proxy_on_log") (param i32)
      (drop (call $log (i32.const 2) (i32.const 1000) (i32.const 4))))"#;

fn upgrade() -> Request {
    Request::get("/")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
}

fn granted() -> Reply {
    Reply::new(101)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
}

#[test]
fn neither_side_of_a_granted_upgrade_ends_with_its_headers() {
    let (mut host, plugin) = started(builder(LOGS).manual_upstream());
    let stream = host.open(plugin, upgrade());
    let StreamState::AwaitingUpstream(request) = host.state(stream) else {
        panic!("the request has left")
    };
    assert_eq!(
        request.headers.text("upgrade").as_deref(),
        Some("websocket")
    );
    assert!(!request.complete);
    host.upstream_replies(stream, granted());
    let StreamState::Upgraded(response) = host.state(stream) else {
        panic!("the upgrade was granted")
    };
    assert_eq!(
        response.headers.text("upgrade").as_deref(),
        Some("websocket")
    );
    assert_eq!(messages(&mut host), ["00", "00"]);
    host.end_upgrade(stream);
    assert_eq!(host.state(stream), StreamState::Finished);
    assert_eq!(messages(&mut host), ["over"]);
    assert_eq!(host.finish(stream).answered_by, AnsweredBy::Upstream);
}

#[test]
fn a_handshake_that_fails_ends_with_the_headers_unless_it_is_an_error() {
    for (status, body, log, details) in [
        (
            200,
            "",
            ["00", "01", "over"],
            "websocket_handshake_unsuccessful",
        ),
        (401, "no", ["00", "00", "over"], "via_upstream"),
    ] {
        let reply = move |_: &_| Reply::new(status).header("upgrade", "h2c").body("no");
        let (mut host, plugin) = started(builder(LOGS).upstream(reply));
        let exchange = host.request(plugin, upgrade());
        assert_eq!(
            (exchange.status(), exchange.body_text().as_str()),
            (status, body)
        );
        // The codec tells the client that there is nothing; filters do not see it.
        let length = Some(body.len()).filter(|length| *length > 0);
        let length = length.map(|length| length.to_string());
        assert_eq!(exchange.header_text("content-length"), length);
        assert_eq!(exchange.header_text("upgrade"), None);
        assert_eq!(exchange.details, details);
        assert_eq!(messages(&mut host), log);
    }
}
