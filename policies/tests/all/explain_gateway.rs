//! Explanations of what a gateway's configuration brings with it: service tokens, API tokens on calls, its own paths,
//! preflights and shadow mode.

use crate::command::{Folder, file};
use crate::explain::{explain_in, explain_with, has_line};

#[test]
fn of_a_service_token_only_its_service_is_told() {
    for json in [&[][..], &["--json"]] {
        let caller = [&["--as", "planner-1"][..], json].concat();
        let run = explain_in(
            "reissue",
            &caller,
            &["GET", "https://api.example.com/routes"],
        );
        assert_eq!(run.code, 0, "{}", run.stdout);
        assert!(!run.stdout.contains("eyJ"), "{}", run.stdout);
        if json.is_empty() {
            let line = "gets a service token for routes in the place of the caller's authorization";
            assert!(run.stdout.contains(line), "{}", run.stdout);
        } else {
            let upstream = &run.json()["upstream"];
            assert_eq!(upstream["service_token"], "routes");
            assert_eq!(upstream["set"][0][0], "x-postern-person");
            assert_eq!(upstream["set"].as_array().unwrap().len(), 1);
        }
    }
    let run = explain_in(
        "reissue",
        &["--as", "planner-1"],
        &["GET", "https://api.example.com/legacy/1"],
    );
    assert!(!run.stdout.contains("service token"), "{}", run.stdout);
}

#[test]
fn an_api_token_is_explained_where_a_service_takes_it() {
    let host = "https://meters.example.com";
    let explain = |caller: &str, method: &str, path: &str| {
        let url = format!("{host}{path}");
        explain_in(
            "inline-exchange",
            &[caller, "meter-fleet-1"],
            &[method, &url],
        )
    };
    let run = explain("--as-api-token", "POST", "/readings/7");
    assert_eq!(run.code, 0, "{}", run.stdout);
    for line in [
        "allowed",
        "caller     the API token meter-fleet-1 itself",
        "           person meter-fleet, roles meters",
        "method     report of service readings, services[0].methods[0]",
        "upstream   gets x-postern-person: meter-fleet",
    ] {
        assert!(has_line(&run, line), "{line} in\n{}", run.stdout);
    }
    let run = explain("--as", "POST", "/readings/7");
    assert_eq!(run.code, 1);
    for line in [
        "refused: access_token_not_accepted (HTTP 401)",
        "to change  Send the API token itself, or add \"access\" to the service's \"accept\".",
    ] {
        assert!(has_line(&run, line), "{line} in\n{}", run.stdout);
    }
}

#[test]
fn the_filters_own_paths_are_named_by_their_members() {
    let token = ["--as-api-token", "partner-sync-1"];
    let nobody = ["--anonymous"];
    for (example, caller, method, url, first, line) in [
        (
            "two-hosts",
            &token[..],
            "POST",
            "https://api.example.com/EXCHANGE",
            "answered: exchanged (HTTP 200)",
            "own path   exchange.path of the configuration",
        ),
        (
            "two-hosts",
            &nobody[..],
            "GET",
            "https://partners.example.com/postern/ready",
            "answered: ready (HTTP 200)",
            "own path   ready_path of the configuration",
        ),
        (
            "reissue",
            &nobody[..],
            "GET",
            "https://api.example.com/postern/jwks.json",
            "answered: key_set (HTTP 200)",
            "own path   jwks_path of the configuration",
        ),
        (
            "reissue",
            &nobody[..],
            "POST",
            "https://api.example.com/postern/jwks.json",
            "refused: metadata_method (HTTP 405)",
            "to change  Use GET or HEAD.",
        ),
        (
            "two-hosts",
            &token[..],
            "POST",
            "https://api.example.com/oauth/token",
            "refused: other_scheme (HTTP 401)",
            "own path   exchange.oauth_path of the configuration",
        ),
        (
            "two-hosts",
            &nobody[..],
            "POST",
            "https://api.example.com/oauth/token",
            "refused: form_unsupported (HTTP 401)",
            "to change  Send the API token's id and the API token in \"Authorization: Basic …\".",
        ),
        (
            "two-hosts",
            &nobody[..],
            "GET",
            "https://api.example.com/oauth/token",
            "refused: exchange_method (HTTP 405)",
            "to change  Use POST.",
        ),
    ] {
        let run = explain_in(example, caller, &[method, url]);
        for line in [first, line] {
            assert!(has_line(&run, line), "{line} in\n{}", run.stdout);
        }
    }
}

#[test]
fn a_form_is_not_tried_and_said_so() {
    let folder = in_mode(r#""exchange": {"form": true}"#);
    let run = explain_with(
        "examples/external-app/policy.json",
        &folder.path("gateway.json"),
        &["--anonymous"],
        &["POST", "/oauth/token"],
    );
    assert!(
        has_line(&run, "refused: form_malformed (HTTP 400)"),
        "{}",
        run.stdout
    );
    let advice = "Send a form of the type application/x-www-form-urlencoded, with grant_type and subject_token.";
    assert!(
        has_line(&run, &format!("to change  {advice}")),
        "{}",
        run.stdout
    );
}

#[test]
fn a_preflight_is_told_with_what_lets_it_through_or_could() {
    let preflight = |url: &str| {
        let headers = [
            "-H",
            "Origin: https://a",
            "-H",
            "Access-Control-Request-Method: GET",
        ];
        let request = [&headers[..], &["OPTIONS", url]].concat();
        explain_in("two-hosts", &["--anonymous"], &request)
    };
    let run = preflight("https://api.example.com/orders/7");
    assert_eq!(run.code, 0);
    for line in [
        "allowed: preflight",
        "preflight  services[0].preflight: pass",
    ] {
        assert!(has_line(&run, line), "{line} in\n{}", run.stdout);
    }
    let run = preflight("https://partners.example.com/orders/7");
    assert_eq!(run.code, 1);
    let advice = "Set services[1].preflight to \"pass\" if its upstream answers CORS preflights.";
    assert!(run.stdout.contains(advice), "{}", run.stdout);
    let run = explain_in(
        "two-hosts",
        &["--anonymous"],
        &["OPTIONS", "https://partners.example.com/orders/7"],
    );
    assert!(!run.stdout.contains(".preflight"), "{}", run.stdout);
}

/// The gateway of the example `external-app`, with other members.
fn in_mode(members: &str) -> Folder {
    let gateway = std::fs::read_to_string(file("examples/external-app/gateway.json"));
    let gateway = gateway.unwrap().replacen('{', &format!("{{ {members},"), 1);
    Folder::with(&[("gateway.json", &gateway)])
}

#[test]
fn in_shadow_mode_it_is_told_what_would_be_and_that_the_request_goes_on() {
    let shadow = in_mode(r#""mode": "shadow", "shadow_until": "2026-12-01T00:00:01Z""#);
    let over = in_mode(r#""mode": "shadow", "shadow_until": "2026-12-01T00:00:00Z""#);
    let request = |method: &str, path: &str, folder: &Folder, json: &[&str]| {
        let caller = [&["--as", "external-app-1"][..], json].concat();
        let gateway = folder.path("gateway.json");
        let request = ["-H", "X-Postern-Person: root", method, path];
        explain_with(
            "examples/external-app/policy.json",
            &gateway,
            &caller,
            &request,
        )
    };
    let (granted, refused) = (
        ("POST", "/m42Services/api/tickets"),
        ("GET", "/m42Services/api/tickets"),
    );

    let run = request(refused.0, refused.1, &shadow, &[]);
    assert_eq!(run.code, 1);
    for line in [
        "would be refused: not_in_audience (HTTP 403)",
        "shadow     until 2026-12-01T00:00:01Z the request goes on as it came, and this is only counted",
        "           the upstream does not get the caller's X-Postern-Person",
        "           an exchange gives one until 2026-12-01T00:05:00Z",
        "upstream   is not reached",
    ] {
        assert!(has_line(&run, line), "{line} in\n{}", run.stdout);
    }

    let run = request(granted.0, granted.1, &shadow, &[]);
    assert_eq!(run.code, 0);
    for line in [
        "would be allowed",
        "upstream   gets x-postern-person: ExternalApp",
    ] {
        assert!(has_line(&run, line), "{line} in\n{}", run.stdout);
    }
    let told = request(refused.0, refused.1, &shadow, &["--json"]).json();
    assert_eq!(told["decision"], "refused");
    assert_eq!(told["shadow"]["until"], "2026-12-01T00:00:01Z");
    assert_eq!(told["shadow"]["removed"][0], "X-Postern-Person");

    let run = request(refused.0, refused.1, &over, &[]);
    assert!(
        has_line(&run, "refused: not_in_audience (HTTP 403)"),
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains("shadow"), "{}", run.stdout);
}
