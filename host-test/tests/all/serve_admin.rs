//! The admin pages of the command.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::served::Served;
use crate::sockets::{NOWHERE, accept, listener, read_to, served, status};

/// Counts requests, logs at level debug, and answers; `/pass` goes on.
const COUNTS: &str = r#"
    (data (i32.const 1000) "a.count")
    (data (i32.const 1010) ":path")
    (data (i32.const 1020) "detail")
    (data (i32.const 1030) "nope")
    (global $metric (mut i32) (i32.const 0))
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (drop (call $define (i32.const 0) (i32.const 1000) (i32.const 7) (i32.const 0)))
      (global.set $metric (i32.load (i32.const 0)))
      (i32.const 1))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $increment (global.get $metric) (i64.const 1)))
      (drop (call $log (i32.const 1) (i32.const 1020) (i32.const 6)))
      (drop (call $value (i32.const 0) (i32.const 1010) (i32.const 5) (i32.const 0) (i32.const 4)))
      (if (i32.eq (i32.load8_u (i32.add (i32.load (i32.const 0)) (i32.const 1))) (i32.const 112)) (then (return (i32.const 0))))
      (drop (call $value (i32.const 2) (i32.const 1030) (i32.const 4) (i32.const 0) (i32.const 4)))
      (drop (call $respond (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const -1)))
      (i32.const 1))"#;

struct Pages(String);

impl Pages {
    fn of(served: &Served) -> Self {
        let line = served.next_line();
        let address = line.strip_prefix("admin pages on http://");
        Self(address.expect("the address").to_owned())
    }

    fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.0).expect("connected");
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("received");
        response
    }

    fn get(&self, path: &str) -> String {
        self.ask("GET", path)
    }
}

#[test]
fn metrics_have_the_form_and_the_names_of_envoy() {
    let (_directory, served) = served(
        COUNTS,
        "",
        NOWHERE,
        &["--admin", "127.0.0.1:0", "--workers", "2"],
    );
    let pages = Pages::of(&served);
    for _request in 0..3 {
        assert_eq!(status(&served.get("/")), "403");
    }
    let plain = pages.get("/stats");
    assert!(plain.contains("\nwasmcustom.a.count: 3\n"), "{plain}");
    let scraped = pages.get("/stats/prometheus");
    for line in [
        "# TYPE a_count counter\na_count{} 3\n",
        "envoy_http_downstream_rq_xx{envoy_response_code_class=\"4\",envoy_http_conn_manager_prefix=\"serve\"} 3\n",
        "envoy_http_downstream_cx_total{envoy_http_conn_manager_prefix=\"serve\"} 3\n",
    ] {
        assert!(scraped.contains(line), "{line} is not in {scraped}");
    }
}

#[test]
fn the_last_traces_are_shown_without_secrets() {
    let options = ["--admin", "127.0.0.1:0", "--kept-traces", "2"];
    let (_directory, served) = served(COUNTS, "", NOWHERE, &options);
    let pages = Pages::of(&served);
    for path in ["/first", "/second?access_token=s3cret", "/third"] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: s3cret\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(status(&served.send(request.as_bytes())), "403");
    }
    let traces = pages.get("/traces");
    assert!(
        !traces.contains("/first") && !traces.contains("s3cret"),
        "{traces}"
    );
    assert!(traces.contains("# 2 GET /second -> 403 "), "{traces}");
    let last = pages.get("/traces?last=1");
    assert!(
        !last.contains("/second") && last.contains("# 3 GET /third -> 403 "),
        "{last}"
    );
    assert!(
        last.contains("[host->vm] proxy_on_request_headers("),
        "{last}"
    );
    assert!(
        last.contains("[vm->host] env.proxy_get_header_map_value(0, 1010, 5, 0, 4)\n"),
        "{last}"
    );
    assert_eq!(status(&pages.get("/traces?last=many")), "400");
}

#[test]
fn the_log_level_can_be_changed() {
    let (_directory, served) = served(COUNTS, "", NOWHERE, &["--admin", "127.0.0.1:0"]);
    let pages = Pages::of(&served);
    assert!(pages.get("/logging").ends_with("\r\n\r\ninfo\n"));
    assert_eq!(status(&pages.ask("POST", "/logging?level=loud")), "400");
    assert!(
        pages
            .ask("POST", "/logging?level=debug")
            .ends_with("\r\n\r\ndebug\n")
    );
    served.get("/");
    served.wait_for_error("[debug] detail");
}

#[test]
fn findings_about_the_guest_are_shown() {
    let (_directory, served) = served(COUNTS, "", NOWHERE, &["--admin", "127.0.0.1:0"]);
    let pages = Pages::of(&served);
    served.get("/");
    let findings = pages.get("/diagnostics");
    assert!(
        findings.contains("proxy_get_header_map_value"),
        "{findings}"
    );
}

#[test]
fn findings_can_be_allowed_or_not_be_looked_for() {
    let found = |options: &[&str]| {
        let options: Vec<_> = ["--admin", "127.0.0.1:0"]
            .iter()
            .chain(options)
            .copied()
            .collect();
        let (_directory, served) = served(COUNTS, "", NOWHERE, &options);
        let pages = Pages::of(&served);
        served.get("/");
        let page = pages.get("/diagnostics");
        let (_, body) = page.split_once("\r\n\r\n").expect("a body");
        body.to_owned()
    };
    let all = found(&[]);
    let code = all.split([' ', ':']).next().expect("a code");
    assert!(code.starts_with("PH"), "{all}");
    assert!(!found(&["--allow", code]).contains(code));
    assert_eq!(found(&["--no-diagnostics"]), "");
}

#[test]
fn the_pages_say_when_the_front_drains_and_that_others_are_not_there() {
    let (listener, url) = listener();
    let (_directory, served) = served(COUNTS, "", &url, &["--admin", "127.0.0.1:0"]);
    let pages = Pages::of(&served);
    assert!(pages.get("/ready").ends_with("\r\n\r\nLIVE\n"));
    assert_eq!(status(&pages.get("/missing")), "404");
    assert_eq!(status(&pages.ask("POST", "/stats")), "405");
    assert!(pages.get("/").contains("/stats/prometheus"));
    let mut client = served.connect();
    client
        .write_all(b"GET /pass HTTP/1.1\r\nHost: h\r\n\r\n")
        .expect("sent");
    let mut upstream = accept(&listener);
    read_to(&mut upstream, b"\r\n\r\n");
    let told = std::process::Command::new("kill")
        .arg(served.id().to_string())
        .status();
    assert!(told.expect("kill runs").success());
    let drains = (0..1000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        pages.get("/ready").ends_with("\r\n\r\nDRAINING\n")
    });
    assert!(drains);
    upstream
        .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
        .expect("answered");
    assert_eq!(status(&read_to(&mut client, b"\r\n\r\n")), "204");
}
