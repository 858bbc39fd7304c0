//! Codes that one request shows.

use postern_host::Code;

use super::{data, encoded, found, on};

/// A code, a guest that gets it and one that does nearly the same and does not.
struct Case {
    code: Code,
    bad: String,
    good: String,
}

const READ_X_A: &str =
    "(drop (call $value (i32.const 0) (i32.const 1000) (i32.const 3) (i32.const 4) (i32.const 8)))";
const ADD_X_A: &str = "(drop (call $add (i32.const 0) (i32.const 1000) (i32.const 3) (i32.const 1000) (i32.const 3)))";
const RESPOND: &str =
    "(drop (call $respond (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const -1)))";
const CONTINUE: &str = "(drop (call $continue (i32.const 0)))";
const GO: &str = "(i32.const 0)";
const PAUSE: &str = "(i32.const 1)";
const ON_REPLY: &str =
    r#"(func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32))"#;

fn names() -> String {
    let headers = encoded(&[(":method", "GET"), (":path", "/"), (":authority", "a")]);
    [
        data(1000, "x-a"),
        data(1010, "x-two"),
        data(1020, "known"),
        data(1030, "unknown"),
        data(1040, "10.0.0.1:80"),
        data(1060, "ngx.host"),
        data(1070, b"request\0path"),
        data(1090, "postern.user"),
        data(1200, headers),
    ]
    .concat()
}

/// A call to the cluster at this address with the headers at 1,200.
fn call(cluster: u32, length: usize, headers: usize) -> String {
    format!(
        "(drop (call $call (i32.const {cluster}) (i32.const {length}) (i32.const 1200) (i32.const {headers})
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 12)))"
    )
}

fn call_known() -> String {
    call(1020, 5, headers_length())
}

fn headers_length() -> usize {
    encoded(&[(":method", "GET"), (":path", "/"), (":authority", "a")]).len()
}

fn read_buffer(buffer: u32) -> String {
    format!(
        "(drop (call $buffer (i32.const {buffer}) (i32.const 0) (i32.const 9) (i32.const 4) (i32.const 8)))"
    )
}

fn remove(map: u32, address: u32, length: u32) -> String {
    format!("(drop (call $remove (i32.const {map}) (i32.const {address}) (i32.const {length})))")
}

fn property(function: &str, address: u32, length: usize) -> String {
    format!(
        "(drop (call ${function} (i32.const {address}) (i32.const {length}) (i32.const 4) (i32.const 8)))"
    )
}

fn on_headers(code: &str) -> String {
    on("request_headers", &format!("{code} {GO}"))
}

fn on_configure(code: &str) -> String {
    format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) {code} (i32.const 1))"#
    )
}

fn case(code: Code, bad: String, good: String) -> Case {
    Case { code, bad, good }
}

fn about_messages() -> Vec<Case> {
    let pairs = "(drop (call $pairs (i32.const 0) (i32.const 4) (i32.const 8)))";
    let set_at = |place: u32| {
        let code = format!(
            "(drop (call $set_buffer (i32.const 0) (i32.const {place}) (i32.const 0) (i32.const 1000) (i32.const 3))) {GO}"
        );
        on("request_body", &code)
    };
    let value_of = |address: u32, length: u32| {
        on_headers(&format!(
            "(drop (call $value (i32.const 0) (i32.const {address}) (i32.const {length}) (i32.const 4) (i32.const 8)))"
        ))
    };
    vec![
        case(
            Code::UnavailableMap,
            on("response_headers", &format!("{READ_X_A} {GO}")),
            on_headers(READ_X_A),
        ),
        case(
            Code::UnavailableMapIsEmpty,
            on("response_headers", &format!("{pairs} {GO}")),
            on_headers(pairs),
        ),
        case(
            Code::UnavailableBuffer,
            on_headers(&read_buffer(0)),
            on("request_body", &format!("{} {GO}", read_buffer(0))),
        ),
        case(
            Code::UnavailableBuffer,
            on_headers(&read_buffer(7)),
            on_configure(&read_buffer(7)),
        ),
        case(
            Code::StaleBuffer,
            on_headers(&read_buffer(8)),
            on_headers(&read_buffer(6)),
        ),
        case(
            Code::AccessAfterContinue,
            on("request_headers", &format!("{CONTINUE} {READ_X_A} {PAUSE}")),
            on("request_headers", &format!("{READ_X_A} {CONTINUE} {PAUSE}")),
        ),
        case(Code::BufferMiddle, set_at(2), set_at(0)),
        case(Code::SeveralValues, value_of(1010, 5), value_of(1000, 3)),
    ]
}

fn about_answers() -> Vec<Case> {
    let respond_twice = on_headers(&format!("{RESPOND} {RESPOND}"));
    let refused = "(drop (call $respond (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 1200) (i32.const 20) (i32.const -1)))";
    let on_done = |done: u32| {
        format!(r#"(func (export "proxy_on_done") (param i32) (result i32) (i32.const {done}))"#)
    };
    vec![
        case(
            Code::ChangeAfterLocalResponse,
            on_headers(&format!("{RESPOND} {ADD_X_A}")),
            on_headers(&format!("{ADD_X_A} {RESPOND}")),
        ),
        case(
            Code::SecondLocalResponse,
            respond_twice,
            on_headers(RESPOND),
        ),
        case(
            Code::LateLocalResponse,
            on("response_body", &format!("{RESPOND} {GO}")),
            on("response_headers", &format!("{RESPOND} {GO}")),
        ),
        case(
            Code::LocalResponseToNobody,
            format!(r#"(func (export "proxy_on_log") (param i32) {RESPOND})"#),
            on_headers(RESPOND),
        ),
        case(
            Code::PauseWithoutWakeup,
            on("request_headers", PAUSE),
            on("request_headers", &format!("{} {PAUSE}", call_known())) + ON_REPLY,
        ),
        case(
            Code::PauseWithoutWakeup,
            on("request_body", PAUSE),
            // More of the body comes, and then it goes on.
            r#"(func (export "proxy_on_request_body") (param i32 i32) (param $end i32) (result i32)
                (i32.eqz (local.get $end)))"#
                .to_owned(),
        ),
        case(
            Code::UnknownAction,
            on("request_headers", "(i32.const 9)"),
            on("request_headers", GO),
        ),
        case(Code::DoneIgnored, on_done(0), on_done(1)),
        case(Code::MapRefused, on_headers(refused), on_headers(RESPOND)),
    ]
}

fn about_calls() -> Vec<Case> {
    let paused = |call: String| on("request_headers", &format!("{call} {PAUSE}")) + ON_REPLY;
    let tick = "(drop (call $tick_every (i32.const 100)))";
    vec![
        case(
            Code::UnknownCluster,
            paused(call(1030, 7, headers_length())),
            paused(call_known()),
        ),
        case(
            Code::IncompleteCall,
            paused(call(1020, 5, 0)),
            paused(call_known()),
        ),
        case(
            Code::CallThenContinue,
            on_headers(&call_known()) + ON_REPLY,
            paused(call_known()),
        ),
        case(
            Code::MissingCallback,
            on_configure(tick),
            on_configure(tick) + r#"(func (export "proxy_on_tick") (param i32))"#,
        ),
        case(
            Code::MissingCallback,
            on("request_headers", &format!("{} {PAUSE}", call_known())),
            paused(call_known()),
        ),
        case(
            Code::ForeignHabit,
            paused(call(1040, 11, headers_length())),
            paused(call(1030, 7, headers_length())),
        ),
    ]
}

fn about_arguments() -> Vec<Case> {
    let act_as = |context: &str| {
        format!(
            r#"(func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
                (drop (call $act_as {context})) (i32.const 0))"#
        )
    };
    let metric = |id: &str, by: u32| {
        on_headers(&format!(
            "(drop (call $define (i32.const 0) (i32.const 1000) (i32.const 3) (i32.const 16)))
             (drop (call $increment {id} (i64.const {by})))"
        ))
    };
    let defined = "(i32.load (i32.const 16))";
    let open = "(drop (call $open (i32.const 3) (i32.const 0) (i32.const 1000) (i32.const 3) (i32.const 0) (i64.const 0)
        (i64.const 0) (i32.const 0) (i32.const 4)))";
    let clock = "(drop (call $clock (i32.const 0) (i64.const 1) (i32.const 16)))";
    vec![
        case(
            Code::DeadContext,
            act_as("(i32.const 99)"),
            act_as("(local.get $id)"),
        ),
        case(
            Code::NullPointer,
            on_headers(&remove(0, 0, 3)),
            on_headers(&remove(0, 1000, 3)),
        ),
        case(
            Code::NullPointer,
            on_headers("(drop (call $now (i32.const 0)))"),
            on_headers("(drop (call $now (i32.const 16)))"),
        ),
        case(
            Code::EmptyName,
            on_headers(&remove(0, 1000, 0)),
            on_headers(&remove(0, 1000, 3)),
        ),
        case(
            Code::HeaderNotSendable,
            on_headers(&remove(0, 1300, 7)) + &data(1300, ":method"),
            on_headers(&remove(0, 1300, 7)) + &data(1300, "x-metho"),
        ),
        case(
            Code::InvalidMemory,
            on_headers(&remove(0, 0x7fff_ffff, 3)),
            on_headers(&remove(0, 1000, 3)),
        ),
        case(
            Code::UnknownNumber,
            on_headers(&remove(9, 1000, 3)),
            on_headers(&remove(0, 1000, 3)),
        ),
        case(Code::WasiWithoutEffect, on_headers(open), on_headers(clock)),
        case(Code::MetricRefused, metric(defined, 0), metric(defined, 1)),
        case(
            Code::UnknownId,
            metric("(i32.const 99)", 1),
            metric(defined, 1),
        ),
        case(
            Code::ForeignHabit,
            on_headers(&property("property", 1060, 8)),
            on_headers(&property("property", 1070, 12)),
        ),
        case(
            Code::PropertyWithoutEffect,
            on_headers(&property("set_property", 1070, 12)),
            on_headers(&property("set_property", 1090, 12)),
        ),
    ]
}

fn about_lives() -> Vec<Case> {
    let tick = "(drop (call $tick_every (i32.const 0)))";
    let create = r#"(func (export "proxy_on_context_create") (param i32 i32))"#;
    vec![
        case(
            Code::ForbiddenAtStart,
            format!(r#"(func (export "_initialize") {tick})"#),
            on_configure(tick),
        ),
        case(
            Code::NeverDeleted,
            create.to_owned(),
            format!(r#"{create} (func (export "proxy_on_delete") (param i32))"#),
        ),
        case(
            Code::ExportNeverReached,
            r#"(func (export "proxy_on_tick") (param i32))"#.to_owned(),
            r#"(func (export "proxy_on_log") (param i32))"#.to_owned(),
        ),
        case(Code::Died, on_headers("(unreachable)"), on_headers("")),
    ]
}

/// Codes that need more than one request, or a module without the frame; `runs` has them.
const ELSEWHERE: &[Code] = &[
    Code::StatusUnknownToSdk,
    Code::BuffersNotFreed,
    Code::BadAllocation,
    Code::MemoryGrows,
    Code::NotUtf8,
    Code::ImportOutsideProfile,
    Code::NotPortable,
];

fn all() -> Vec<Case> {
    [
        about_messages(),
        about_answers(),
        about_calls(),
        about_arguments(),
        about_lives(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn every_code_is_found_in_the_guest_that_earns_it_and_not_in_its_neighbour() {
    for Case { code, bad, good } in all() {
        let guest = names() + &bad;
        let codes = found(&guest);
        assert!(codes.contains(&code), "{code} not in {codes:?} of {bad}");
        let codes = found(&(names() + &good));
        assert!(!codes.contains(&code), "{code} in {codes:?} of {good}");
    }
}

#[test]
fn no_code_is_without_a_test() {
    for code in Code::ALL {
        let here = all().iter().any(|case| case.code == *code);
        assert!(here != ELSEWHERE.contains(code), "{code}");
    }
}
