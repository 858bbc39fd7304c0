//! Buffers and bodies.

use postern_host::{Reply, Request};

use super::{at, said, status};
use crate::guests::{builder, messages, started};

#[test]
fn a_buffer_in_the_wrong_phase_is_empty_or_not_found() {
    let buffers: String = (0..10)
        .map(|buffer| {
            format!("(call $log_number (call $buffer (i32.const {buffer}) (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 4)))")
        })
        .collect();
    assert_eq!(
        said(&at("request", &buffers), Request::get("/")),
        ["00", "00", "00", "00", "01", "00", "00", "01", "00", "02"]
    );
}

#[test]
fn a_start_behind_the_end_of_a_buffer_gives_nothing() {
    let guest = r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (call $log_number (call $buffer (i32.const 0) (i32.const 50) (i32.const 9) (i32.const 0) (i32.const 4)))
        (call $log_number (i32.load (i32.const 4)))
        (i32.const 0))"#;
    let said = said(guest, Request::post("/").body("abc"));
    assert_eq!(said[..2], ["00", "00"]);
}

#[test]
fn a_body_is_changed_at_its_start_or_its_end_and_nowhere_between() {
    for (start, size, answer, becomes) in [
        (0, 0, "00", "xyabc"),
        (0, 3, "00", "xy"),
        (0, 9, "00", "xy"),
        (0, 1, "00", "xybc"),
        (3, 0, "00", "abcxy"),
        (9, 9, "00", "abcxy"),
        (1, 1, "02", "abc"),
        (2, 0, "02", "abc"),
    ] {
        let set = status(&format!(
            "(call $set_buffer (i32.const 1) (i32.const {start}) (i32.const {size}) (i32.const 1000) (i32.const 2))"
        ));
        let guest = format!(
            r#"(data (i32.const 1000) "xy")
            (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
              (if (i32.eqz (local.get 2)) (then (return (i32.const 1)))) {set} (i32.const 0))"#
        );
        let (mut host, plugin) = started(builder(&guest).upstream(|_| Reply::ok().chunk("abc")));
        let exchange = host.request(plugin, Request::get("/"));
        let got = (messages(&mut host).concat(), exchange.body_text());
        assert_eq!(
            got,
            (answer.to_owned(), becomes.to_owned()),
            "{start} {size}"
        );
    }
}

#[test]
fn a_body_callback_is_told_of_all_that_is_buffered_so_far() {
    let guest = r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (call $log_number (local.get 1)) (call $log_number (local.get 2)) (i32.const 1))"#;
    let request = Request::post("/").chunk("abc").chunk("de");
    let said = said(guest, request);
    assert_eq!(
        said,
        ["03", "00", "05", "00", "05", "01"],
        "the last call has nothing new and the end"
    );
}

#[test]
fn right_after_continue_the_body_is_gone_too() {
    let buffer =
        "(call $buffer (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 4))";
    let guest = format!(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
          {0} (call $log_number (i32.load (i32.const 4)))
          (drop (call $continue (i32.const 0)))
          {0} (call $log_number (i32.load (i32.const 4)))
          (i32.const 0))"#,
        status(buffer)
    );
    let said = said(&guest, Request::post("/").body("abc"));
    assert_eq!(said[..4], ["00", "03", "00", "00"]);
}

#[test]
fn only_a_reply_has_a_body_in_the_buffer_of_replies() {
    let buffer =
        "(call $buffer (i32.const 4) (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 4))";
    assert_eq!(
        said(&at("response", &status(buffer)), Request::get("/")),
        ["01"]
    );
}
