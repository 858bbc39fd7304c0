//! What came of a step, in lines that are equal on both sides if Envoy and this host do the same.

use crate::headers::HeaderMap;
use crate::trace::Trace;

/// What Envoy writes anew into every response, or what belongs to one connection.
const NOT_COMPARED: [&str; 5] = [
    "connection",
    "date",
    "keep-alive",
    "server",
    "transfer-encoding",
];
/// Headers whose values differ from run to run.
const RANDOM: [&str; 2] = ["x-envoy-upstream-service-time", "x-request-id"];

/// A message in lines.
pub(super) struct Lines<'a> {
    /// `answer`, `upstream` or `call`.
    pub(super) of: &'a str,
    pub(super) start: String,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    pub(super) trailers: &'a HeaderMap,
    pub(super) complete: bool,
}

impl Lines<'_> {
    pub(super) fn write(&self, to: &mut Vec<String>) {
        let of = self.of;
        to.push(format!("# {of} {}", self.start));
        write_headers(&format!("# {of}"), self.headers, to);
        if !self.body.is_empty() {
            to.push(format!("# {of} body: {}", shown(self.body)));
        }
        write_headers(&format!("# {of} trailer"), self.trailers, to);
        if !self.complete {
            to.push(format!("# {of} breaks off"));
        }
    }
}

fn write_headers(prefix: &str, headers: &HeaderMap, to: &mut Vec<String>) {
    for (name, value) in headers.iter() {
        let is = |other: &&str| other.as_bytes() == name;
        // The codec tells the end of a message without a body in its own way.
        let nothing = name == b"content-length" && value == b"0";
        if NOT_COMPARED.iter().any(&is) || nothing {
            continue;
        }
        let value = if RANDOM.iter().any(&is) {
            "*".to_owned()
        } else {
            value.escape_ascii().to_string()
        };
        to.push(format!("{prefix} {}: {value}", name.escape_ascii()));
    }
}

/// Bytes to be read by a person: all of a short body, of a long one the length and the ends.
fn shown(bytes: &[u8]) -> String {
    /// So much of either end of a long body is shown.
    const END: usize = 60;
    if bytes.len() <= 4 * END {
        return bytes.escape_ascii().to_string();
    }
    let (start, end) = (&bytes[..END], &bytes[bytes.len() - END..]);
    let sum = bytes.iter().fold(0_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
    });
    format!(
        "{} … {} ({} bytes, hash {sum:x})",
        start.escape_ascii(),
        end.escape_ascii(),
        bytes.len()
    )
}

/// The same with every id and token written `*`.
pub(super) fn without_ids(trace: &Trace) -> Trace {
    let lines = trace.lines().iter().map(|line| {
        if line.starts_with("# ") {
            masked(line)
        } else {
            line.clone()
        }
    });
    Trace::new(lines)
}

fn masked(line: &str) -> String {
    /// So long are ids at least.
    const SHORTEST: usize = 12;
    let in_word =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let end = rest.find(|letter| !in_word(letter)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let is_id = word.len() >= SHORTEST && word.contains(|letter: char| letter.is_ascii_digit());
        text.push_str(if is_id { "*" } else { word });
        let mut letters = behind.chars();
        text.extend(letters.next());
        rest = letters.as_str();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_tokens_are_masked_and_words_are_not() {
        for (line, expected) in [
            (
                "# answer body: {\"id\":\"0a1b2c3d4e5f6071\",\"n\":12}",
                "# answer body: {\"id\":\"*\",\"n\":12}",
            ),
            (
                "# answer x-envoy-upstream-service-time: 1",
                "# answer x-envoy-upstream-service-time: 1",
            ),
            (
                "# answer body: eyJ0eXAi.eyJpc3M1.sig_-ABC é",
                "# answer body: * é",
            ),
        ] {
            assert_eq!(masked(line), expected);
        }
    }
}
