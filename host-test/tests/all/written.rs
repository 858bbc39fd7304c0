//! What guests write into headers and HTTP does not allow: each row is answered as Envoy answers it. The same guest does the same
//! in `tests/differential/writes.scenario.toml`, beside a real Envoy.

use std::sync::{Arc, Mutex};

use postern_host::{
    AnsweredBy, Callout, CalloutReply, Code, Exchange, HeaderMap, Host, Module, Reply, Request,
};

const GUEST: &str = include_str!("../differential/writes.wat");
const CALL: &str = "qc:method|GET|:path|/p|:authority|a|";

/// What came of a request through the guest with this configuration.
struct Outcome {
    exchange: Exchange,
    calls: Vec<Callout>,
    codes: Vec<Code>,
    details: Vec<String>,
}

fn through(configuration: &str, request: Request) -> Outcome {
    let module = Module::compile(GUEST).expect("the guest compiles");
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    let mut host = Host::builder(&module)
        .trailers(true)
        .upstream(|_| Reply::ok().body("hello"))
        .cluster("up", move |call| {
            seen.lock().expect("not poisoned").push(call.clone());
            CalloutReply::new(200).body("hi")
        })
        .build();
    let plugin = host.add_plugin(configuration).expect("accepted");
    let exchange = host.request(plugin, request);
    let errors = host.diagnostics().iter();
    let (codes, details) = errors
        .filter(|finding| finding.code == Code::HeaderNotSendable)
        .map(|finding| (finding.code, finding.to_string()))
        .unzip();
    let calls = std::mem::take(&mut *calls.lock().expect("not poisoned"));
    Outcome {
        exchange,
        calls,
        codes,
        details,
    }
}

fn get(configuration: &str) -> Outcome {
    through(configuration, Request::get("/"))
}

fn post(configuration: &str) -> Outcome {
    through(configuration, Request::post("/").body("abcde"))
}

impl Outcome {
    /// The host answers in place of the upstream, and the author gets to know.
    #[track_caller]
    fn assert_answered(self, status: u16, body: &str) {
        let exchange = &self.exchange;
        assert_eq!(
            (exchange.status(), exchange.body_text().as_str()),
            (status, body)
        );
        assert_eq!(exchange.answered_by, AnsweredBy::Host);
        assert!(exchange.upstream.is_none() || status == 502);
        self.assert_found();
    }

    #[track_caller]
    fn assert_found(self) {
        assert!(!self.codes.is_empty(), "no finding");
    }

    #[track_caller]
    fn upstream_header(&self, name: &str) -> Vec<Vec<u8>> {
        let upstream = self.exchange.upstream.as_ref().expect("it got there");
        let values = upstream.headers.all(name);
        values.into_iter().map(<[u8]>::to_vec).collect()
    }

    #[track_caller]
    fn response_headers(&self) -> &HeaderMap {
        &self.exchange.response.as_ref().expect("a response").headers
    }

    /// The client gets this status and body, and this is their end or not.
    #[track_caller]
    fn assert_arrives(self, status: u16, body: &str, complete: bool) {
        let exchange = &self.exchange;
        let response = exchange.response.as_ref().expect("a response");
        let got = (response.status, exchange.body_text(), response.complete);
        assert_eq!(got, (status, body.to_owned(), complete));
        self.assert_found();
    }
}

#[test]
fn a_line_break_or_a_nul_in_a_value_of_a_request_is_a_503() {
    for value in ["greet\n", "a\r\nb: c", "a\0b", "\u{1}"] {
        let outcome = get(&format!("q+x-greeting|{value}"));
        let details =
            "filter_removed_required_request_headers{invalid_header_value_for:_x-greeting}";
        assert_eq!(outcome.exchange.details, details);
        outcome.assert_answered(503, "invalid header value for: x-greeting");
    }
}

#[test]
fn a_name_of_a_request_header_that_is_no_token_is_a_503() {
    for (name, shown) in [("a b", "a b"), ("a\nb", "a\\nb"), ("ä", "ä")] {
        get(&format!("q+{name}|c")).assert_answered(503, &format!("invalid header name: {shown}"));
    }
}

#[test]
fn a_request_without_a_method_is_a_503() {
    get("q-:method").assert_answered(503, "missing required header: :method");
}

#[test]
fn a_request_whose_path_was_removed_or_emptied_is_a_404() {
    for configuration in ["q-:path", "q=:path|", "q=:path|abc", "qv"] {
        get(configuration).assert_answered(404, "");
    }
}

#[test]
fn a_request_without_the_scheme_of_its_client_is_a_404() {
    get("q-x-forwarded-proto").assert_answered(404, "");
}

#[test]
fn an_authority_with_a_control_character_is_a_503() {
    get("q=:authority|a b/\0").assert_answered(503, "invalid header value for: :authority");
}

#[test]
fn the_answer_in_place_of_a_request_passes_the_response_callbacks() {
    let outcome = get("q+x|a\nb");
    let mut names = outcome
        .exchange
        .callbacks
        .iter()
        .map(|callback| callback.name);
    assert!(names.any(|name| name == "proxy_on_response_headers"));
}

#[test]
fn a_response_whose_status_was_removed_or_is_no_number_is_a_502() {
    for configuration in [
        "r-:status",
        "r=:status|abc",
        "r=:status|",
        "r+:status|201",
        "rv",
    ] {
        let outcome = get(configuration);
        let details = "filter_removed_required_response_headers{missing_required_header:_:status}";
        assert_eq!(outcome.exchange.details, details);
        outcome.assert_answered(502, "missing required header: :status");
    }
}

#[test]
fn a_response_that_becomes_a_204_has_no_body() {
    get("r=:status|204").assert_arrives(204, "", true);
    get("q?204|x|y").assert_arrives(204, "", true);
}

#[test]
fn host_is_another_name_of_the_authority() {
    assert_eq!(
        get("q+host|zz").upstream_header(":authority"),
        [b"localhost,zz"]
    );
    assert_eq!(get("q=Host|zz").upstream_header(":authority"), [b"zz"]);
    assert!(get("q-host").upstream_header(":authority").is_empty());
}

#[test]
fn an_upstream_that_waits_for_the_rest_of_a_request_is_a_504() {
    for outcome in [
        get("q=content-length|5"),
        post("q=content-length|9"),
        get("q+transfer-encoding|chunked"),
        post("q+transfer-encoding|chunked"),
    ] {
        let upstream = outcome
            .exchange
            .upstream
            .as_ref()
            .expect("its head got there");
        assert!(!upstream.complete);
        assert_eq!(outcome.exchange.details, "response_timeout");
        assert_eq!(outcome.exchange.body_text(), "upstream request timeout");
        assert_eq!(outcome.exchange.status(), 504);
        outcome.assert_found();
    }
}

#[test]
fn an_upstream_reads_no_more_of_a_request_than_its_length() {
    let outcome = post("q=content-length|3");
    let upstream = outcome.exchange.upstream.as_ref().expect("it got there");
    assert_eq!(
        (upstream.body.as_slice(), upstream.complete),
        (&b"abc"[..], true)
    );
    assert_eq!(outcome.exchange.status(), 200);
    outcome.assert_found();
}

#[test]
fn a_client_reads_no_more_of_a_response_than_its_length_and_waits_for_the_rest() {
    get("r=content-length|99").assert_arrives(200, "hello", false);
    get("r=content-length|3").assert_arrives(200, "hel", true);
    get("r=content-length|x").assert_arrives(200, "hello", false);
    let lengthless = get("r-content-length");
    assert_eq!(lengthless.exchange.body_text(), "hello");
    assert_eq!(lengthless.details, [""; 0]);
}

#[test]
fn a_line_break_in_a_response_begins_another_header() {
    for configuration in ["r+x|a\r\nb: c", "r+x|a\nb: c", "q!403|x|a\r\nb: c"] {
        let outcome = get(configuration);
        let headers = outcome.response_headers();
        assert_eq!(
            (headers.all("x"), headers.all("b")),
            (vec![&b"a"[..]], vec![&b"c"[..]])
        );
        outcome.assert_found();
    }
}

#[test]
fn names_of_response_headers_that_are_no_tokens_arrive() {
    for name in ["a b", "ä"] {
        let outcome = get(&format!("r+{name}|c"));
        assert_eq!(outcome.response_headers().get(name), Some(&b"c"[..]));
        outcome.assert_found();
    }
}

#[test]
fn a_local_response_with_status_0_does_not_end_for_its_client() {
    get("q!0|x|y").assert_arrives(0, "", false);
    get("q?0|x|y").assert_arrives(0, "denied", true);
}

#[test]
fn a_local_response_keeps_its_status_whatever_its_headers_say() {
    get("q!403|:status|200").assert_arrives(403, "", true);
    get("q!403|:status|x").assert_arrives(403, "", true);
}

#[test]
fn a_status_that_http_does_not_have_is_sent() {
    get("r=:status|99").assert_arrives(99, "hello", true);
    get("r=:status|1000").assert_arrives(1000, "hello", true);
    let signed = get("r=:status|+201");
    assert_eq!(signed.exchange.status(), 201);
}

#[test]
fn a_call_with_a_bad_name_or_value_gets_a_503_and_reaches_nobody() {
    for (header, answer) in [
        ("x|a\r\nb: c", "invalid header value for: x"),
        ("a b|c", "invalid header name: a b"),
    ] {
        let module = Module::compile(GUEST).expect("the guest compiles");
        let mut host = Host::builder(&module)
            .trace(true)
            .cluster("up", |_| panic!("nothing is sent"))
            .build();
        let plugin = host
            .add_plugin(format!("{CALL}{header}"))
            .expect("accepted");
        let exchange = host.request(plugin, Request::get("/"));
        assert_eq!(exchange.status(), 200, "the guest lets the request go on");
        let reply = format!("proxy_on_http_call_response(1, 4, 3, {}, 0)", answer.len());
        assert!(
            host.trace().iter().any(|line| line.contains(&reply)),
            "{reply}"
        );
        get(&format!("{CALL}{header}")).assert_found();
    }
}

#[test]
fn headers_of_a_call_are_joined_as_those_of_a_request() {
    let only = |header: &str, name: &str| {
        let outcome = get(&format!("{CALL}{header}"));
        let values = outcome.calls[0].headers.all(name);
        values.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    assert_eq!(only("host|zz", ":authority"), [b"a,zz"]);
    assert_eq!(only(":path|/q", ":path"), [b"/p,/q"]);
    assert_eq!(only("x|1|x|2", "x"), [b"1", b"2"]);
    assert!(only("|c", "").is_empty());
}

#[test]
fn a_call_whose_length_promises_more_than_comes_runs_into_its_timeout() {
    for header in ["content-length|99", "transfer-encoding|chunked"] {
        let outcome = get(&format!("{CALL}{header}"));
        assert_eq!(outcome.calls.len(), 1, "its head got there");
        assert_eq!(outcome.exchange.status(), 200);
        outcome.assert_found();
    }
}

#[test]
fn trailers_are_written_as_they_are() {
    let request = Request::post("/").chunk("abcde").trailer("t", "1");
    let outcome = through("t+x|a\r\nb: c", request);
    let upstream = outcome.exchange.upstream.as_ref().expect("it got there");
    let expected = [("t", "1"), ("x", "a"), ("b", "c")].into_iter().collect();
    assert_eq!(upstream.trailers, expected);
    outcome.assert_found();
}

#[test]
fn a_finding_names_the_callback_the_call_and_the_header() {
    let details = get("q+x-greeting|greet\n").details;
    assert!(details[0].starts_with(
        "PH041 error header-not-sendable in proxy_on_request_headers, proxy_add_header_map_value: `x-greeting` has a line break"
    ), "{details:?}");
    let removed = get("q-:method").details;
    let expected =
        "PH041 error header-not-sendable in proxy_on_request_headers: `:method` is missing";
    assert!(removed[0].starts_with(expected), "{removed:?}");
    for fine in [
        "q+x|y",
        "q=:path|/other?a",
        "r+x|y",
        "r=:status|404",
        "q?403|x|y",
        "qc:method|GET|:path|/p|:authority|a",
    ] {
        assert_eq!(get(fine).details, [""; 0], "{fine}");
    }
}
