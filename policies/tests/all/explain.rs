use serde_json::Value;

use crate::command::{Folder, Run, postern};

const AT: &str = "2026-12-01T00:00:00Z";

fn explain(caller: &[&str], request: &[&str]) -> Run {
    explain_in("team", caller, request)
}

pub(crate) fn explain_in(example: &str, caller: &[&str], request: &[&str]) -> Run {
    let policy = format!("examples/{example}/policy.json");
    let gateway = format!("examples/{example}/gateway.json");
    explain_with(&policy, &gateway, caller, request)
}

pub(crate) fn explain_with(policy: &str, gateway: &str, caller: &[&str], request: &[&str]) -> Run {
    let base = [
        "policy",
        "explain",
        "--policy",
        policy,
        "--gateway",
        gateway,
    ];
    postern(&[&base[..], &["--at", AT], caller, request].concat())
}

pub(crate) fn has_line(run: &Run, line: &str) -> bool {
    run.stdout.lines().any(|told| told == line)
}

#[test]
fn an_allowed_request_is_explained_with_method_audience_and_headers() {
    let run = explain(
        &["--as", "month-end-1"],
        &[
            "-H",
            "x-postern-person: root",
            "POST",
            "https://api.example.com/invoices/7/void",
        ],
    );
    assert_eq!(run.code, 0);
    for line in [
        "allowed",
        "  The call is in the method's audience.",
        "request    POST /invoices/7/void at host api.example.com",
        "caller     an access token of month-end-1",
        "           person month-end-job, roles finance, approvers",
        "           an exchange gives one until 2026-12-01T00:10:00Z",
        "method     void of service invoices, services[1].methods[1]",
        "           POST /invoices/{id}/void",
        "audience   services[1].methods[1].audience: admits the caller",
        "           role approvers: month-end-job, audit-job",
        "           exempt: role on-call: break-glass",
        "audience   services[1].audience: admits the caller",
        "           role finance: billing-job, month-end-job, former-partner (inactive)",
        "upstream   gets x-postern-person: month-end-job",
        "           does not get the caller's authorization, x-postern-person",
    ] {
        assert!(has_line(&run, line), "{line} in\n{}", run.stdout);
    }
}

#[test]
fn a_refusal_says_what_would_have_to_change() {
    for (caller, method, url, reason, advice) in [
        (
            &["--as", "audit-1"][..],
            "POST",
            "https://api.example.com/invoices/7/void",
            "not_in_audience (HTTP 403)",
            "Add \"audit-job\" to services[1].audience.persons, or give the person the role finance.",
        ),
        (
            &["--as", "web-shop-2026"],
            "GET",
            "https://api.example.com/orders/export",
            "not_in_audience (HTTP 403)",
            "Add \"web-shop\" to services[0].methods[2].audience.persons.",
        ),
        (
            &["--as", "break-glass-1"],
            "GET",
            "https://internal.example.com/payroll/1",
            "not_in_audience (HTTP 403)",
            "Add \"break-glass\" to services[2].audience.persons, or give the person the role finance. The bypass role \"on-call\" does not count here, since the audience says \"enforce\".",
        ),
        (
            &["--as", "web-shop-2026"],
            "GET",
            "https://api.example.com/nothing",
            "no_service (HTTP 403)",
            "Add a service with this path; on api.example.com there are /orders (orders), /invoices (invoices) and /catalogue (catalogue).",
        ),
        (
            &["--as", "web-shop-2026"],
            "GET",
            "https://api.example.com/invoices",
            "no_path (HTTP 403)",
            "Add a method to services[1] (invoices); below /invoices it has GET /{id} (read) and POST /{id}/void (void).",
        ),
        (
            &["--as", "web-shop-2026"],
            "DELETE",
            "https://api.example.com/orders/7",
            "no_http_method (HTTP 403)",
            "Add DELETE to a method of services[0] with this path; it has GET and HEAD.",
        ),
        (
            &["--as", "web-shop-2026"],
            "GET",
            "https://api.example.com/orders/Export",
            "ambiguous_path (HTTP 400)",
            "Write the path as services[0] does, in the same case and without percent-encoding, or set services[0].case to \"insensitive\" if its upstream ignores case.",
        ),
        (
            &["--as", "web-shop-2026"],
            "GET",
            "https://api.example.com/Orders/7",
            "ambiguous_path (HTTP 400)",
            "Write the path as the service's base_path is written: /orders.",
        ),
        (
            &["--as", "web-shop-2026"],
            "GET",
            "https://api.example.com/orders//7",
            "path_malformed (HTTP 400)",
            "Change the request: no policy can allow one like this.",
        ),
        (
            &["--as", "web-shop-2025"],
            "GET",
            "https://api.example.com/orders",
            "api_token_expired (HTTP 401)",
            "Issue a new API token with `postern token new`, or move tokens[1].expires_at.",
        ),
        (
            &["--as", "billing-1"],
            "GET",
            "https://api.example.com/orders",
            "api_token_deactivated (HTTP 401)",
            "Set tokens[4].active to true, or issue a new API token with `postern token new`.",
        ),
        (
            &["--as", "former-partner-1"],
            "GET",
            "https://api.example.com/orders",
            "person_inactive (HTTP 401)",
            "Set persons[7].active to true.",
        ),
        (
            &["--as-api-token", "billing-2"],
            "GET",
            "https://api.example.com/invoices/1",
            "api_token_at_method (HTTP 401)",
            "Exchange the API token at POST /oauth/exchange first; methods take access tokens only, unless their service's \"accept\" lists \"api\".",
        ),
        (
            &["--as", "billing-2"],
            "POST",
            "https://api.example.com/oauth/exchange",
            "access_token_at_exchange (HTTP 401)",
            "Send the API token to the exchange, not an access token.",
        ),
        (
            &["--anonymous"],
            "GET",
            "https://api.example.com/orders",
            "no_credential (HTTP 401)",
            "Exchange an API token at POST /oauth/exchange, and send the access token in \"Authorization: Bearer …\".",
        ),
        (
            &["--as", "billing-2"],
            "GET",
            "https://other.example.com/",
            "wrong_host (HTTP 421)",
            "Add the host to the configuration's \"hosts\", which are api.example.com and internal.example.com, and to those of a service.",
        ),
    ] {
        let run = explain(caller, &[method, url]);
        assert_eq!(run.code, 1, "{}", run.stdout);
        let first = format!("refused: {reason}");
        assert!(has_line(&run, &first), "{first} in\n{}", run.stdout);
        assert!(
            has_line(&run, "upstream   is not reached"),
            "{}",
            run.stdout
        );
        let line = format!("to change  {advice}");
        assert!(has_line(&run, &line), "{line} in\n{}", run.stdout);
    }
}

#[test]
fn an_upgrade_that_is_not_listed_says_where_to_list_it() {
    let run = explain(
        &["--as", "web-shop-2026"],
        &[
            "-H",
            "upgrade: websocket",
            "GET",
            "https://api.example.com/orders/7",
        ],
    );
    assert!(
        has_line(
            &run,
            "to change  Add the protocol to services[0].methods[3].upgrade."
        ),
        "{}",
        run.stdout
    );
}

#[test]
fn a_malformed_path_is_told_with_the_rule_that_it_breaks() {
    let run = explain(&["--anonymous"], &["GET", "https://api.example.com/a;b"]);
    assert_eq!(run.code, 1);
    let line = "  The path is refused: the path holds a semicolon.";
    assert!(has_line(&run, line), "{}", run.stdout);
}

#[test]
fn an_exchange_is_answered_by_the_gateway() {
    let run = explain(
        &["--as-api-token", "warehouse-1"],
        &["POST", "https://api.example.com/oauth/exchange"],
    );
    assert_eq!(run.code, 0);
    assert!(
        has_line(&run, "answered: exchanged (HTTP 200)"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_public_route_is_named() {
    let run = explain(&["--anonymous"], &["GET", "https://api.example.com/status"]);
    assert_eq!(run.code, 0);
    assert!(has_line(&run, "allowed: public"));
    assert!(has_line(&run, "public     public[1]"));
    assert!(
        has_line(&run, "upstream   gets the request as it is"),
        "{}",
        run.stdout
    );
}

#[test]
fn an_unrestricted_audience_is_every_active_person() {
    let run = explain(
        &["--as", "export-1"],
        &["GET", "https://api.example.com/catalogue/x"],
    );
    assert!(
        has_line(&run, "audience   services[3].audience: admits the caller"),
        "{}",
        run.stdout
    );
    assert!(has_line(&run, "           every active person"));
}

#[test]
fn json_output_has_the_same_facts() {
    let run = explain(
        &["--as", "audit-1", "--json"],
        &["POST", "https://api.example.com/invoices/7/void"],
    );
    assert_eq!(run.code, 1);
    let told = run.json();
    assert_eq!(told["decision"], "refused");
    assert_eq!(told["reason"], "not_in_audience");
    assert_eq!(told["status"], 403);
    assert_eq!(told["caller"]["token"], "tokens[6]");
    assert_eq!(told["method"]["path"], "services[1].methods[1]");
    let admits: Vec<_> = told["audiences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|view| &view["admits"])
        .collect();
    assert_eq!(admits, [true, false]);
    assert_eq!(told["upstream"], Value::Null);
}

#[test]
fn no_explanation_holds_a_credential() {
    for json in [&[][..], &["--json"]] {
        let caller = [&["--as", "web-shop-2026"][..], json].concat();
        let run = explain(&caller, &["GET", "https://api.example.com/status"]);
        assert_eq!(run.code, 0);
        assert!(
            !run.stdout.contains("eyJ") && !run.stdout.contains("pst_"),
            "{}",
            run.stdout
        );
        assert_eq!(run.stderr, "");
    }
}

#[test]
fn without_a_key_the_exchange_is_what_refuses() {
    let run = postern(&[
        "policy",
        "explain",
        "--policy",
        "examples/external-app/policy.json",
        "--as",
        "external-app-1",
        "--at",
        "2026-10-31T23:59:59Z",
        "POST",
        "https://sasm.example.com/m42Services/api/tickets",
    ]);
    assert_eq!(run.code, 1);
    assert!(
        has_line(&run, "refused: no_key (HTTP 503)"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout
            .contains("keys[0] (2026-11) is active from 2026-11-01T00:00:00Z on"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_path_will_do_where_the_gateway_has_one_host() {
    let base = [
        "policy",
        "explain",
        "--policy",
        "examples/external-app/policy.json",
        "--at",
        AT,
    ];
    let run = postern(
        &[
            &base[..],
            &["--as", "external-app-1", "POST", "/m42Services/api/tickets"],
        ]
        .concat(),
    );
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let run = explain(&["--anonymous"], &["GET", "/orders"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("write a whole URL"));
}

#[test]
fn what_cannot_be_explained_ends_with_2_and_says_why() {
    for (caller, request, told) in [
        (
            &["--as", "nobody"][..],
            &["GET", "https://a/"][..],
            "there is no token \"nobody\" in the policy",
        ),
        (&[], &["GET", "https://a/"], "--as <TOKEN_ID>"),
        (
            &["--anonymous", "--as", "x"],
            &["GET", "https://a/"],
            "cannot be used with",
        ),
        (
            &["--anonymous"],
            &["-H", "nothing", "GET", "https://a/"],
            "a header is written",
        ),
        (
            &["--anonymous"],
            &["-H", "Authorization: Bearer x", "GET", "https://a/"],
            "the credential is made here",
        ),
    ] {
        let run = explain(caller, request);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
        assert!(run.stderr.contains(told), "{told} in {}", run.stderr);
    }
    let folder = Folder::with(&[("policy.json", "{\"format\": 3}")]);
    let path = folder.path("policy.json");
    let run = postern(&[
        "policy",
        "explain",
        "--policy",
        &path,
        "--anonymous",
        "GET",
        "https://a/",
    ]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("format 3 is unknown"), "{}", run.stderr);
}
