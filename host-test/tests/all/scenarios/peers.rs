//! Upstreams and clusters in scenarios: routes, redirects, and replies that come bit by bit.

use super::{Folder, GUEST, failed_keys, only};

/// Logs the size and the end flag of each part of a response.
const PARTS: &str = r#"
    (func (export "proxy_on_response_body") (param i32) (param $size i32) (param $end i32) (result i32)
      (call $log_number (local.get $size)) (call $log_number (local.get $end)) (i32.const 0))
    (func (export "proxy_on_response_trailers") (param i32 i32) (result i32)
      (call $log_number (i32.const 99)) (i32.const 0))"#;

#[test]
fn a_reply_comes_part_by_part_with_time_between() {
    let report = Folder::with_guest(PARTS).run(
        r#"
        host.trailers = true
        [[upstream]]
        path = "/trailers"
        reply.parts = [{ body = "abc" }, { delay = "2s", body = "de" }, { trailers = { x-t = "1" } }]
        [[upstream]]
        path = "/plain"
        reply = { status = 201, chunks = ["a"], delay = "1s", parts = [{ delay = "1s", body = "bc" }] }
        [[upstream]]
        path = "/breaks"
        reply.parts = [{ body = "a" }, { delay = "1s", reset = true }]
        [[upstream]]
        path = "/late"
        reply.parts = [{ delay = "10s", body = "a" }, { delay = "10s", body = "b" }]

        [[step]]
        request = { path = "/trailers", wait = false }
        expect = { status = 200, body = "abc", complete = false, state = "paused", log_in_order = ["03", "00"] }
        [[step]]
        advance = "2s"
        expect.log_in_order = ["02", "00", "99"]
        [[step]]
        expect = { body = "abcde", complete = true, trailers.x-t = "1" }

        [[step]]
        name = "waited for to its end"
        request.path = "/plain"
        expect = { status = 201, body = "abc", complete = true, log_in_order = ["01", "00", "02", "00", "00", "01"] }

        [[step]]
        request.path = "/breaks"
        expect = { status = 200, body = "a", complete = false, details = { contains = "reset_after_response_started" } }

        [[step]]
        name = "the route has waited long enough"
        request.path = "/late"
        expect = { status = 200, body = "a", complete = false, details = "response_timeout" }
        "#,
    );
    assert!(report.passed(), "{report}");
}

#[test]
fn a_reply_by_hand_can_come_bit_by_bit_and_before_the_request_is_whole() {
    let folder = Folder::with_guest(PARTS);
    let report = folder.run(
        r#"
        [[upstream]]
        reply.manual = true

        [[step]]
        request = { method = "POST", chunks = ["1"], end = false }
        expect.upstream = { body = "1", complete = false }
        [[step]]
        reply = { status = 202, end = false }
        expect = { status = 202, complete = false, answered_by = "upstream" }
        [[step]]
        reply_body = { chunks = ["a", "bc"], end = false }
        expect = { body = "abc", complete = false, log_in_order = ["01", "00", "02", "00"] }
        [[step]]
        body = { chunks = ["2"] }
        expect.upstream = { body = "12", complete = true }
        [[step]]
        reply_body = { chunks = ["d"] }
        expect = { body = "abcd", complete = true, state = "finished" }

        [[step]]
        stream = "b"
        request = {}
        [[step]]
        stream = "b"
        reply = { chunks = ["x"], end = false }
        [[step]]
        stream = "b"
        reply_body.reset = true
        expect = { body = "x", complete = false, state = "finished" }

        [[step]]
        stream = "c"
        request = {}
        [[step]]
        stream = "c"
        reply.refused = true
        expect = { status = 503, details = { contains = "remote_connection_failure" } }
        "#,
    );
    assert!(report.passed(), "{report}");
    let report = folder.run("[[step]]\nrequest = {}\n[[step]]\nreply_body = {}\n");
    assert!(
        only(&report).failures[0]
            .observed
            .contains("no reply that was not finished")
    );
}

#[test]
fn what_cannot_be_a_reply_is_refused() {
    let folder = Folder::with_guest("");
    for (reply, reason) in [
        ("{ parts = [{}] }", "one of `body`, `trailers` and `reset`"),
        (
            "{ body = 'a', parts = [{ body = 'b' }] }",
            "has `chunks` and no `body`",
        ),
        (
            "{ parts = [{ reset = true }, { body = 'b' }] }",
            "nothing comes behind",
        ),
        (
            "{ parts = [{ trailers = { a = 'b' } }], end = false }",
            "nothing comes behind",
        ),
    ] {
        let told = folder.refused(&format!(
            "[[upstream]]\nreply = {reply}\n[[step]]\nrequest = {{}}\n"
        ));
        assert!(told.contains(reason), "{reply}: {told}");
    }
    for reply in ["{ manual = true }", "{ end = false }"] {
        let cluster = format!("[[cluster.a]]\nreply = {reply}\n[[step]]\nrequest = {{}}\n");
        assert!(
            folder
                .refused(&cluster)
                .contains("no route leads to the cluster `a`")
        );
        let routed = format!("host.module = 'guest.wat'\nroute = [{{ cluster = 'a' }}]\n{cluster}");
        let file = folder.write("r.scenario.toml", routed);
        assert!(postern_host::scenario::load(file).is_ok(), "{reply}");
    }
}

#[test]
fn routes_lead_to_clusters_and_answers_by_path_and_header() {
    let folder = Folder::with_guest(GUEST);
    let routes = r#"
        [[route]]
        path = "/healthz"
        direct_response = { status = 200, body = "fine" }
        [[route]]
        prefix = "/orders"
        headers = { x-version = "2" }
        cluster = "orders-v2"
        [[route]]
        prefix = "/orders"
        cluster = "orders"
        [[route]]
        prefix = "/upstream"
        headers_present = ["x-a"]
        [[route]]
        path = "/gone"
        cluster = "nowhere"

        [[cluster.orders]]
        replies = [{ body = "one" }, { refused = true }, { timeout = true }]
        [[cluster.orders-v2]]
        reply = { body = "two", delay = "1s" }
        [[upstream]]
        reply.status = 204
        "#;
    let report = folder.run(&format!(
        r#"{routes}
        [[step]]
        request.path = "/healthz?x"
        expect = {{ status = 200, body = "fine", answered_by = "host", details = "direct_response", upstream.reached = false }}
        [[step]]
        request.path = "/orders/7"
        expect = {{ body = "one", upstream.cluster = "orders" }}
        [[step]]
        request = {{ path = "/orders/7", headers.x-version = "2" }}
        expect = {{ body = "two", upstream.cluster = "orders-v2" }}
        [[step]]
        request.path = "/orders"
        expect = {{ status = 503, details = {{ contains = "remote_connection_failure" }} }}
        [[step]]
        request.path = "/orders"
        expect = {{ status = 504, details = "response_timeout" }}
        [[step]]
        request = {{ path = "/upstream", headers.x-a = "" }}
        expect = {{ status = 204, upstream.cluster.absent = true }}
        [[step]]
        request.path = "/upstream"
        expect = {{ status = 404, details = "route_not_found" }}
        [[step]]
        request.path = "/gone"
        expect = {{ status = 503, details = "cluster_not_found" }}
        "#
    ));
    assert!(report.passed(), "{report}");
    let report = folder.run(&format!(
        "{routes}\n[[step]]\nrequest.path = '/orders'\nexpect.upstream = {{ cluster = 'other', redirects = 1 }}\n"
    ));
    assert_eq!(
        failed_keys(&report),
        ["upstream.cluster", "upstream.redirects"],
        "{report}"
    );
}

#[test]
fn the_host_follows_redirects_where_a_route_says_so() {
    let report = Folder::with_guest(GUEST).run(
        r#"
        [[route]]
        path = "/once"
        follow_redirects = 1
        [[route]]
        prefix = "/"

        [[upstream]]
        path = "/once"
        reply.status = 302
        reply.headers.location = "http://localhost/new"
        reply.parts = [{ delay = "1s", body = "moved" }]
        [[upstream]]
        path = "/new"
        reply.body = "here"
        [[upstream]]
        reply.status = 302
        reply.headers.location = "http://localhost/new"

        [[step]]
        request.path = "/once"
        expect.status = 200
        expect.body = "here"
        expect.upstream.redirects = 1
        expect.upstream.headers = { ":path" = "/new", x-envoy-original-url = { contains = "/once" } }
        # The filter has seen both requests.
        expect.log_in_order = ["seen", "seen"]
        [[step]]
        request.path = "/not"
        expect = { status = 302, upstream.redirects = 0 }
        "#,
    );
    assert!(report.passed(), "{report}");
}

#[test]
fn metadata_of_both_sides_pass_and_are_seen() {
    let folder = Folder::with_guest("");
    let start = r#"
        upstream = [{ reply.manual = true }]
        [[step]]
        request = { method = "POST", http2 = true, end = false }
        [[step]]
        metadata = { a = "1", b = { hex = "ff" } }
        "#;
    let report = folder.run(&format!(
        r#"{start}
        expect.upstream.metadata = [{{ a = "1", b = {{ hex = "ff" }}, c = {{ absent = true }} }}]
        [[step]]
        reply.end = false
        expect.metadata = []
        [[step]]
        reply_metadata = {{ c = "3" }}
        expect.metadata = [{{ c = {{ contains = "3" }} }}]
        "#
    ));
    assert!(report.passed(), "{report}");
    let report = folder.run(&format!("{start}expect.upstream.metadata = [{{ a = '2' }}]\n[[step]]\nexpect.upstream.metadata = []\n"));
    assert_eq!(
        failed_keys(&report),
        ["upstream.metadata[0].a", "upstream.metadata"],
        "{report}"
    );
    let report = folder.run("[[step]]\nrequest.end = false\n[[step]]\nmetadata.a = '1'\n");
    assert!(
        only(&report).failures[0].observed.contains("http2 = true"),
        "{report}"
    );
}
