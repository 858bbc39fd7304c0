//! `docs/decision.md` against the code.

use postern_core::reason::Reason;
use postern_core::request::OVERRIDE_HEADERS;

const DECISION: &str = include_str!("../../../docs/decision.md");

/// The rows of the table of reasons: reason, answer, sentence.
fn documented() -> Vec<(String, String, String)> {
    let rows = DECISION.lines().filter_map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        match *cells.as_slice() {
            [reason, answer, sentence] if reason.starts_with('`') => Some((
                reason.trim_matches('`').to_owned(),
                answer.to_owned(),
                sentence.to_owned(),
            )),
            _ => None,
        }
    });
    rows.collect()
}

#[test]
fn the_table_of_reasons_lists_exactly_those_that_there_are() {
    let expected: Vec<_> = Reason::ALL
        .iter()
        .map(|reason| {
            let answer = reason.problem().map_or_else(
                || "—".to_owned(),
                |problem| format!("{} `{}`", problem.status(), problem.code()),
            );
            let word = reason.as_str().to_owned();
            (word, answer, reason.sentence().to_owned())
        })
        .collect();
    assert_eq!(documented(), expected);
}

#[test]
fn every_override_header_is_named() {
    for header in OVERRIDE_HEADERS {
        assert!(DECISION.contains(&format!("`{header}`")), "{header}");
    }
}

const PROTOCOL: &str = include_str!("../../../docs/sync-protocol.md");

#[test]
fn the_protocol_page_has_the_limits_and_the_signature_of_the_code_and_its_vectors() {
    use postern_core::feed::{MAX_HEAD, MAX_PAGE, MAX_PAGES, Signatures, WAIT};

    let thousands = |number: usize| format!("{},{:03}", number / 1000, number % 1000);
    for text in [
        thousands(MAX_PAGES),
        thousands(MAX_HEAD),
        thousands(MAX_PAGE),
        format!("wait={}", WAIT.as_secs()),
        format!("`{}`", Signatures::HEADER),
    ] {
        assert!(PROTOCOL.contains(&text), "{text}");
    }
    let vector: serde_json::Value =
        serde_json::from_str(include_str!("../../testdata/feed.json")).unwrap();
    let signature = vector["signature"].as_str().unwrap();
    assert!(PROTOCOL.contains(&format!("{}: {signature}", Signatures::HEADER)));
}
