//! What came of a step, in lines that are equal on both sides if Envoy and this host do the same.

use super::mask;
use crate::headers::HeaderMap;
use crate::status::LogLevel;

/// What the codec writes into an answer: this host leaves that to whoever has the connection. Whether it closes is told apart.
const OF_THE_CODEC: [&str; 5] = [
    "connection",
    "date",
    "keep-alive",
    "server",
    "transfer-encoding",
];

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
        let answer = of == "answer";
        let of_codec = |name: &[u8], value: &[u8]| {
            // So ends an answer without a body.
            let nothing = name == b"content-length" && value == b"0";
            answer && (nothing || OF_THE_CODEC.iter().any(|other| other.as_bytes() == name))
        };
        let headers = self.headers.iter();
        let headers = headers.filter(|(name, value)| !of_codec(name, value));
        write_headers(&format!("# {of}"), headers, to);
        if !self.body.is_empty() {
            to.push(format!("# {of} body: {}", shown(&mask::masked(self.body))));
        }
        write_headers(&format!("# {of} trailer"), self.trailers.iter(), to);
        if !self.complete {
            to.push(format!("# {of} breaks off"));
        }
    }
}

/// A request line, but for the version.
pub(super) fn start(line: &[u8]) -> String {
    let line = line.strip_suffix(b" HTTP/1.1").unwrap_or(line);
    // A recording has no white space at the ends of its lines.
    line.trim_ascii_end().escape_ascii().to_string()
}

fn write_headers<'a>(
    prefix: &str,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    to: &mut Vec<String>,
) {
    for (name, value) in headers {
        let value = if name == b"x-envoy-upstream-service-time" {
            mask::duration(value)
        } else {
            mask::masked(value)
        };
        let value = value.escape_ascii();
        let line = format!("{prefix} {}: {value}", name.escape_ascii());
        to.push(line.trim_end().to_owned());
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

/// A message that a guest logged. Of one with several lines the first is compared: the others are not told apart in a log.
pub(super) fn logged(level: LogLevel, message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = mask::masked(line.trim_end().as_bytes());
    let line = format!("# log {level:?}: {}", String::from_utf8_lossy(&line));
    line.trim_end().to_owned()
}
