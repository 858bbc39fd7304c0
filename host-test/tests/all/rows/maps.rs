//! Header maps.

use postern_host::{Reply, Request};

use super::{X_A, at, pairs, said, status, value};
use crate::guests::{builder, messages, started};

#[test]
fn a_map_that_is_not_there_now_has_no_values_and_empty_pairs() {
    let size = "(call $log_number (call $map_size (i32.const 2) (i32.const 8)))";
    let write = "(call $log_number (call $replace (i32.const 2) (i32.const 1000) (i32.const 3) (i32.const 1020) (i32.const 1)))";
    let body = [&value(2), &pairs(2), size, write].concat();
    let guest = format!("{X_A} {}", at("request", &body));
    assert_eq!(
        said(&guest, Request::get("/")),
        ["02", "00", "00", "02", "02"]
    );
}

#[test]
fn no_map_has_the_number_8() {
    let guest = format!("{X_A} {}", at("request", &[value(8), pairs(8)].concat()));
    assert_eq!(said(&guest, Request::get("/"))[..2], ["02", "02"]);
}

#[test]
fn when_a_stream_is_logged_maps_can_be_read_and_not_written() {
    let log = [
        &value(0),
        &value(1),
        &value(3),
        "(call $log_number (call $map_size (i32.const 0) (i32.const 8)))",
        "(call $log_number (call $remove (i32.const 0) (i32.const 1000) (i32.const 3)))",
    ]
    .concat();
    let guest = format!(
        r#"{X_A} {} (func (export "proxy_on_log") (param i32) {log})"#,
        at("request", "")
    );
    let request = Request::get("/").header("x-a", "1");
    assert_eq!(said(&guest, request), ["00", "01", "01", "02", "02"]);
}

#[test]
fn request_headers_are_gone_in_the_response_unless_the_filter_kept_the_request() {
    let guest = format!("{X_A} {} {}", at("request", ""), at("response", &value(0)));
    let request = || Request::get("/").header("x-a", "1");
    assert_eq!(said(&guest, request()), ["02"]);
    let respond = "(drop (call $respond (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const -1)))";
    let guest = format!(
        "{X_A} {} {}",
        at("request", respond),
        at("response", &value(0))
    );
    assert_eq!(said(&guest, request()), ["00"]);
}

#[test]
fn right_after_continue_the_request_cannot_be_seen() {
    let body = ["(drop (call $continue (i32.const 0)))", &value(0)].concat();
    let guest = format!("{X_A} {}", at("request", &body));
    assert_eq!(said(&guest, Request::get("/").header("x-a", "1")), ["02"]);
}

#[test]
fn of_several_values_the_first_is_read_and_a_replacement_takes_the_place_of_all() {
    let body = [
        &value(0),
        "(call $log_handed)",
        "(drop (call $replace (i32.const 0) (i32.const 1010) (i32.const 3) (i32.const 1020) (i32.const 1)))",
    ]
    .concat();
    let guest = format!("{X_A} {}", at("request", &body));
    let (mut host, plugin) = started(builder(&guest));
    let request = Request::get("/").header("X-a", "1").header("x-A", "2");
    let upstream = host.request(plugin, request).upstream.expect("it went on");
    assert_eq!(messages(&mut host), ["00", "1"]);
    assert_eq!(upstream.headers.all("x-a"), [b"v"]);
}

#[test]
fn an_empty_value_is_no_pointer_and_no_bytes() {
    let body = [
        "(i32.store (i32.const 0) (i32.const 99))",
        &value(0),
        "(call $log_number (i32.load (i32.const 0)))",
        "(call $log_number (i32.load (i32.const 4)))",
    ]
    .concat();
    let guest = format!("{X_A} {}", at("request", &body));
    assert_eq!(
        said(&guest, Request::get("/").header("x-a", "")),
        ["00", "00", "00"]
    );
}

#[test]
fn a_map_of_more_than_1024_pairs_wipes_all_headers() {
    // The count alone says so; what follows is never looked at.
    let guest = format!(
        r#"(data (i32.const 1000) "\01\04\00\00") {}"#,
        at(
            "response",
            "(call $log_number (call $set_pairs (i32.const 2) (i32.const 1000) (i32.const 9000)))"
        )
    );
    let (mut host, plugin) = started(builder(&guest).upstream(|_| Reply::ok().header("x", "1")));
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut host), ["00"]);
    assert_eq!(exchange.header("x"), None);
}

#[test]
fn a_map_that_is_not_there_now_cannot_be_measured_or_changed() {
    let key = "(i32.const 2) (i32.const 1000) (i32.const 3)";
    let value = "(i32.const 1020) (i32.const 1)";
    let body = [
        status("(call $map_size (i32.const 2) (i32.const 8))"),
        status(&format!("(call $add {key} {value})")),
        status(&format!("(call $replace {key} {value})")),
        status(&format!("(call $remove {key})")),
        status("(call $set_pairs (i32.const 2) (i32.const 0) (i32.const 0))"),
    ];
    let guest = format!("{X_A} {}", at("request", &body.concat()));
    assert_eq!(said(&guest, Request::get("/")), ["02"; 5]);
}

#[test]
fn a_key_is_found_in_any_case_and_kept_in_lower_case() {
    let key = "(i32.const 0) (i32.const 1010) (i32.const 3)";
    let body = [
        status(&format!("(call $value {key} (i32.const 0) (i32.const 4))")),
        format!("(drop (call $add {key} (i32.const 1020) (i32.const 1)))"),
    ];
    let guest = format!("{X_A} {}", at("request", &body.concat()));
    let (mut host, plugin) = started(builder(&guest));
    let exchange = host.request(plugin, Request::get("/").header("x-A", "1"));
    assert_eq!(messages(&mut host), ["00"]);
    let headers = exchange.upstream.expect("it went on").headers;
    let added: Vec<_> = headers.iter().filter(|(_, value)| *value == b"v").collect();
    assert_eq!(added, [(b"x-a".as_slice(), b"v".as_slice())]);
}

#[test]
fn a_name_with_underscores_is_not_the_one_with_dashes() {
    let guest = format!(
        r#"(data (i32.const 1000) "x-postern-user") {}"#,
        at(
            "request",
            "(drop (call $remove (i32.const 0) (i32.const 1000) (i32.const 14)))"
        )
    );
    let (mut host, plugin) = started(builder(&guest));
    let request = Request::get("/")
        .header("x_postern_user", "p-1")
        .header("x-postern-user", "p-2");
    let headers = host
        .request(plugin, request)
        .upstream
        .expect("sent")
        .headers;
    assert_eq!(headers.text("x_postern_user").as_deref(), Some("p-1"));
    assert!(!headers.contains("x-postern-user"));
}

#[test]
fn two_authorization_headers_of_http1_arrive_as_one() {
    let guest = format!(
        r#"(data (i32.const 1000) "authorization") {}"#,
        at(
            "request",
            "(drop (call $value (i32.const 0) (i32.const 1000) (i32.const 13) (i32.const 0) (i32.const 4))) (call $log_handed)"
        )
    );
    let request = Request::get("/")
        .header("authorization", "Bearer a")
        .header("Authorization", "Bearer b");
    assert_eq!(said(&guest, request), ["Bearer a,Bearer b"]);
}

#[test]
fn a_guest_may_read_more_than_1024_headers() {
    let guest = format!(
        r#"{X_A} (func (export "proxy_on_response_headers") (param $id i32) (param $count i32) (param i32) (result i32)
          (local $n i32)
          (loop $next
            (drop (call $add (i32.const 2) (i32.const 1000) (i32.const 3) (i32.const 1020) (i32.const 1)))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $n) (i32.const 2000))))
          {}
          (call $log_number (i32.eq (i32.load (i32.load (i32.const 0))) (i32.add (local.get $count) (local.get $n))))
          (i32.const 0))"#,
        status("(call $pairs (i32.const 2) (i32.const 0) (i32.const 4))")
    );
    assert_eq!(said(&guest, Request::get("/")), ["00", "01"]);
}

#[test]
fn when_a_stream_is_logged_what_the_client_got_can_be_read() {
    let guest = format!(
        r#"{X_A} (func (export "proxy_on_log") (param i32) {} {})"#,
        value(2),
        value(3)
    );
    let reply = || {
        Reply::ok()
            .header("x-a", "1")
            .chunk("abc")
            .trailer("x-a", "2")
    };
    let (mut host, plugin) = started(builder(&guest).trailers(true).upstream(move |_| reply()));
    host.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut host), ["00", "00"]);
}
