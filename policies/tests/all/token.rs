use postern_core::api_token::{self, TokenHash};
use postern_core::time::Timestamp;
use serde_json::Value;

use crate::command::{Folder, postern, postern_reading};

#[test]
fn a_new_token_stands_alone_on_standard_output_and_its_record_on_standard_error() {
    let run = postern(&["token", "new", "--id", "t-9", "--person", "p-7"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let token = run.stdout.strip_suffix('\n').unwrap();
    assert!(api_token::inspect(token.as_bytes()).is_ok());
    assert!(!run.stderr.contains(token));
    assert!(run.stderr.contains("shown this once"), "{}", run.stderr);
    let record = record_in(&run.stderr);
    assert_eq!(record["id"], "t-9");
    assert_eq!(record["person"], "p-7");
    assert_eq!(record["active"], true);
    assert_eq!(record["hash"], TokenHash::of(token.as_bytes()).to_string());
}

#[test]
fn the_record_can_be_pasted_into_a_policy() {
    let run = postern(&["token", "new", "--person", "p-7"]);
    let policy = format!(
        r#"{{"format": 1, "persons": [{{"id": "p-7", "active": true}}], "tokens": [{}]}}"#,
        record_in(&run.stderr)
    );
    let folder = Folder::with(&[("policy.json", &policy)]);
    let check = postern(&["policy", "check", &folder.path("policy.json")]);
    assert_eq!(check.code, 0, "{}", check.stdout);
}

#[test]
fn a_token_ends_after_the_span_that_was_asked_for_or_never() {
    let run = postern(&["token", "new", "--person", "p", "--expires-in", "never"]);
    assert_eq!(record_in(&run.stderr)["expires_at"], "never");

    let end = |span: &str| {
        let run = postern(&["token", "new", "--person", "p", "--expires-in", span]);
        let record = record_in(&run.stderr);
        Timestamp::parse(record["expires_at"].as_str().unwrap()).unwrap()
    };
    let (day, month) = (end("1d"), end("31d"));
    let between = month.saturating_since(day).as_secs();
    // The clock goes on between the two runs.
    assert!(
        (30 * 86_400..30 * 86_400 + 600).contains(&between),
        "{between}"
    );
}

#[test]
fn a_span_without_unit_and_one_of_nothing_are_refused() {
    for span in ["30", "0d", "1w", ""] {
        let run = postern(&["token", "new", "--expires-in", span]);
        assert_eq!(run.code, 2, "{span}");
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn without_an_id_one_is_made_and_without_a_person_it_says_what_to_fill_in() {
    let one = postern(&["token", "new"]);
    let two = postern(&["token", "new"]);
    let id = |run: &str| record_in(run)["id"].as_str().unwrap().to_owned();
    assert_ne!(id(&one.stderr), id(&two.stderr));
    assert_ne!(one.stdout, two.stdout);
    assert_eq!(id(&one.stderr).len(), 13);
    assert!(one.stderr.contains("Replace FILL-IN-THE-PERSON"));
}

#[test]
fn an_id_that_no_policy_takes_is_refused_before_anything_is_made() {
    let run = postern(&["token", "new", "--id", "Müller"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.contains("1 to 64 of the characters"));
}

#[test]
fn json_output_holds_token_and_record_in_one_object() {
    let run = postern(&["token", "new", "--person", "p-7", "--json"]);
    let both = run.json();
    let token = both["token"].as_str().unwrap();
    assert_eq!(
        both["record"]["hash"],
        TokenHash::of(token.as_bytes()).to_string()
    );
    assert_eq!(run.stderr, "");
}

#[test]
fn the_hash_of_a_token_is_told_with_and_without_its_line_end() {
    let made = postern(&["token", "new", "--person", "p"]);
    let token = made.stdout.trim_end();
    let hash = record_in(&made.stderr)["hash"].as_str().unwrap().to_owned();
    for text in [
        token.to_owned(),
        format!("{token}\n"),
        format!("{token}\r\n"),
    ] {
        let run = postern_reading(text.as_bytes(), &["token", "hash"]);
        assert_eq!((run.code, run.stdout), (0, format!("{hash}\n")));
        assert!(run.stderr.contains("A Postern API token"));
        assert!(!run.stderr.contains(token));
    }
}

#[test]
fn a_token_of_another_system_is_hashed_and_named_as_one() {
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl";
    let run = postern_reading(token.as_bytes(), &["token", "hash"]);
    assert_eq!(run.code, 0);
    assert_eq!(
        run.stdout.trim_end(),
        TokenHash::of(token.as_bytes()).to_string()
    );
    assert!(
        run.stderr.contains("a foreign one of 53 bytes"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("warning"));
}

#[test]
fn an_access_token_is_hashed_with_a_warning() {
    // {"alg":"HS256","typ":"at+jwt","kid":"k"}
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImsifQ.e30.c2lnbmF0dXJl";
    let run = postern_reading(token.as_bytes(), &["token", "hash"]);
    assert_eq!(run.code, 0);
    assert!(
        run.stderr
            .contains("warning: it looks like an access token")
    );
}

#[test]
fn what_no_gateway_would_take_as_a_token_has_no_hash() {
    let cut_off = postern(&["token", "new"]).stdout[..40].to_owned();
    let too_long = "x".repeat(8186);
    for (text, sentence) in [
        ("", "nothing on standard input"),
        ("\n", "nothing on standard input"),
        ("short", "shorter than 32 bytes"),
        (&cut_off, "not 50 characters long"),
        (
            "psg_0123456789012345678901234567890123456789",
            "credential of a gateway or an operator",
        ),
        (
            "two words, which together are more than 32 bytes",
            "a space",
        ),
        (
            "0123456789012345678901234567890123456789\n\n",
            "a line end inside it",
        ),
        (api_token::EXAMPLE, "everybody knows this token"),
        (&too_long, "longer than a gateway takes"),
    ] {
        let run = postern_reading(text.as_bytes(), &["token", "hash"]);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{text}");
        assert!(run.stderr.contains(sentence), "{text}: {}", run.stderr);
    }
}

#[test]
fn the_longest_token_that_a_gateway_takes_has_a_hash() {
    let run = postern_reading("x".repeat(8185).as_bytes(), &["token", "hash"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn a_token_is_never_taken_from_an_argument() {
    let run = postern(&["token", "hash", "pst_0123456789"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
}

/// The JSON object in a text.
fn record_in(text: &str) -> Value {
    let start = text.find('{').unwrap();
    let end = text.rfind('}').unwrap();
    serde_json::from_str(&text[start..=end]).unwrap()
}
