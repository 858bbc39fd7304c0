//! A report in the XML of JUnit, as the schemas of Apache Ant and of Jenkins have it.
//!
//! A file is a `testsuite` and a scenario a `testcase`. Ant's schema wants times and a host; they are always the same here, so
//! that equal runs have equal reports.

use std::fmt::Write as _;
use std::path::Path;

use super::{Outcome, Report};

pub(super) fn render(report: &Report) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    let suites = report
        .scenarios
        .chunk_by(|one, other| one.file == other.file);
    for (id, suite) in suites.enumerate() {
        if let Some(first) = suite.first() {
            // Writing into a string cannot fail.
            let _ok = self::suite(&mut xml, id, &first.file, suite);
        }
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, id: usize, file: &Path, outcomes: &[Outcome]) -> std::fmt::Result {
    let file = escaped(&file.to_string_lossy());
    let errors = outcomes.iter().filter(|one| one.error.is_some()).count();
    let failures = outcomes.iter().filter(|one| !one.passed()).count() - errors;
    writeln!(
        xml,
        "  <testsuite id=\"{id}\" package=\"postern-host\" name=\"{file}\" timestamp=\"1970-01-01T00:00:00\" \
         hostname=\"localhost\" time=\"0\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\">",
        outcomes.len()
    )?;
    let seed = outcomes.first().map_or(0, |outcome| outcome.seed);
    writeln!(
        xml,
        "    <properties>\n      <property name=\"seed\" value=\"{seed}\"/>\n    </properties>"
    )?;
    for outcome in outcomes {
        case(xml, &file, outcome)?;
    }
    writeln!(
        xml,
        "    <system-out></system-out>\n    <system-err></system-err>\n  </testsuite>"
    )
}

fn case(xml: &mut String, file: &str, outcome: &Outcome) -> std::fmt::Result {
    let name = escaped(&outcome.name);
    let opening = format!("    <testcase name=\"{name}\" classname=\"{file}\" time=\"0\"");
    if outcome.passed() {
        return writeln!(xml, "{opening}/>");
    }
    writeln!(xml, "{opening}>")?;
    // Ant's schema allows one of these in a case.
    match (&outcome.error, outcome.failures.first()) {
        (Some(error), _) => writeln!(
            xml,
            "      <error type=\"error\" message=\"{}\"/>",
            escaped(error)
        )?,
        (None, Some(first)) => {
            let message = if first.key.is_empty() {
                first.observed.clone()
            } else {
                format!(
                    "{}: expected {}, got {}",
                    first.key, first.expected, first.observed
                )
            };
            let mut whole = Report::default();
            whole.scenarios.push(outcome.clone());
            writeln!(
                xml,
                "      <failure type=\"expectation\" message=\"{}\">{}</failure>",
                escaped(&message),
                escaped(&super::text::render(&whole))
            )?;
        }
        (None, None) => {}
    }
    writeln!(xml, "    </testcase>")
}

/// Text for an attribute or an element. What XML 1.0 cannot say at all (section 2.2) becomes U+FFFD.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, letter| {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_say_is_replaced_and_its_own_signs_are_escaped() {
        assert_eq!(
            escaped("<a href=\"&\">\u{1}\n"),
            "&lt;a href=&quot;&amp;&quot;&gt;\u{fffd}&#10;"
        );
    }
}
