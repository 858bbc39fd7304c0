//! Traces of the boundary between host and guest, in the format of Envoy's `wasm:trace` log, and how two of them differ.
//!
//! ```
//! use postern_host::trace::{self, Trace};
//!
//! let log = "[2026-11-24 10:00:00.000][7][trace][wasm] [source/x.cc:1] [host->vm] malloc(5)\n\
//!            [2026-11-24 10:00:00.000][7][trace][wasm] [source/x.cc:1] [host<-vm] malloc return: 65536\n";
//! let envoy = Trace::parse(log);
//! let host = Trace::parse("[host->vm] malloc(5)\n[host<-vm] malloc return: 4096\n");
//! assert!(!trace::diff(&envoy, &host).is_empty());
//! assert!(trace::diff(&envoy.masked(), &host.masked()).is_empty());
//! ```

mod align;
mod mask;

use std::fmt;

use regex::Regex;

use align::{Edit, align};

/// How the lines of a trace begin, behind whatever a log puts in front of them.
const MARKS: [&str; 4] = ["[host->vm]", "[host<-vm]", "[vm->host]", "[vm<-host]"];
/// How a comment begins; a comment says where the lines behind it belong.
const COMMENT: &str = "# ";
/// So many equal lines are shown around a difference.
const CONTEXT: usize = 3;

/// Lines of a trace.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trace(Vec<String>);

/// How two traces differ.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Difference {
    hunks: Vec<Hunk>,
}

/// Lines that differ, and some around them.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Hunk {
    /// The first line on either side, from 1.
    at: (usize, usize),
    lines: Vec<(char, String)>,
}

impl Trace {
    /// The lines of a trace, such as [`Host::take_trace`](crate::Host::take_trace) gives them.
    pub fn new(lines: impl IntoIterator<Item = String>) -> Self {
        Self(lines.into_iter().collect())
    }

    /// Reads a trace, or a log that has one in it. Lines that begin with `# ` are kept; all else is left out.
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            if line.starts_with(COMMENT) {
                return Some(line.trim_end().to_owned());
            }
            let at = MARKS.iter().filter_map(|mark| line.find(mark)).min()?;
            Some(line[at..].trim_end().to_owned())
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// The lines.
    pub fn lines(&self) -> &[String] {
        &self.0
    }

    /// The same with every address written `*`, where the numbers of a guest's memory mean nothing to another guest.
    #[must_use]
    pub fn masked(&self) -> Self {
        Self(self.0.iter().map(|line| mask::masked(line)).collect())
    }

    /// The same without ticks: when they come is up to the clock, and in Envoy to a real one.
    #[must_use]
    pub fn without_ticks(self) -> Self {
        let mut ticking = false;
        let kept = self.0.into_iter().filter(|line| {
            ticking |= line.starts_with("[host->vm] proxy_on_tick(");
            let kept = !ticking;
            ticking &= !line.starts_with("[host<-vm] proxy_on_tick return");
            kept
        });
        Self(kept.collect())
    }

    /// The same with `*` for what these expressions match in comments.
    #[must_use]
    pub fn without(&self, ignored: &[Regex]) -> Self {
        let masked = |line: &String| {
            let mut line = line.clone();
            if line.starts_with(COMMENT) {
                for expression in ignored {
                    line = expression.replace_all(&line, "*").into_owned();
                }
            }
            line
        };
        Self(self.0.iter().map(masked).collect())
    }

    /// Adds a comment and lines behind it.
    pub fn add(&mut self, comment: &str, lines: impl IntoIterator<Item = String>) {
        self.0.push(format!("{COMMENT}{comment}"));
        self.0.extend(lines);
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl Difference {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.hunks.is_empty()
    }

    /// The lines that one of the two has and the other has not: with `-` those of the left, with `+` those of the right.
    pub fn lines(&self) -> impl Iterator<Item = (char, &str)> {
        let lines = self.hunks.iter().flat_map(|hunk| &hunk.lines);
        lines
            .filter(|(side, _)| *side != ' ')
            .map(|(side, line)| (*side, line.as_str()))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for hunk in &self.hunks {
            writeln!(f, "@@ -{} +{} @@", hunk.at.0, hunk.at.1)?;
            for (side, line) in &hunk.lines {
                writeln!(f, "{side} {line}")?;
            }
        }
        Ok(())
    }
}

/// How two traces differ, line by line. Lines that both have are put next to each other.
pub fn diff(left: &Trace, right: &Trace) -> Difference {
    let edits = align(&left.0, &right.0);
    let mut hunks: Vec<Hunk> = Vec::new();
    let (mut at, mut since) = ((1, 1), usize::MAX);
    for (index, edit) in edits.iter().enumerate() {
        if !matches!(edit, Edit::Both(_)) {
            let before = edits[..index].iter().rev();
            let before = before
                .take(CONTEXT)
                .take_while(|edit| matches!(edit, Edit::Both(_)))
                .count();
            if since > 2 * CONTEXT {
                let lines = edits[index - before..index].iter().map(Edit::line);
                hunks.push(Hunk {
                    at: (at.0 - before, at.1 - before),
                    lines: lines.collect(),
                });
            } else if let Some(hunk) = hunks.last_mut() {
                let shown = since.min(CONTEXT);
                let missing = &edits[index - (since - shown)..index];
                hunk.lines.extend(missing.iter().map(Edit::line));
            }
            since = 0;
        } else {
            since = since.saturating_add(1);
        }
        if since <= CONTEXT
            && let Some(hunk) = hunks.last_mut()
        {
            hunk.lines.push(edit.line());
        }
        match edit {
            Edit::Both(_) => at = (at.0 + 1, at.1 + 1),
            Edit::Left(_) => at.0 += 1,
            Edit::Right(_) => at.1 += 1,
        }
    }
    Difference { hunks }
}

impl Edit<'_> {
    fn line(&self) -> (char, String) {
        let (side, line) = match self {
            Self::Both(line) => (' ', line),
            Self::Left(line) => ('-', line),
            Self::Right(line) => ('+', line),
        };
        (side, (*line).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(numbers: &[u32]) -> Trace {
        Trace::new(numbers.iter().map(|n| format!("[host->vm] malloc({n})")))
    }

    fn shown(left: &[u32], right: &[u32]) -> String {
        diff(&trace(left), &trace(right))
            .to_string()
            .replace("[host->vm] malloc(", "")
            .replace(')', "")
    }

    #[test]
    fn a_log_is_read_and_what_is_no_trace_is_left_out() {
        let log = "[x][info] starting\n[x][trace][wasm] [y.cc:3] [vm->host] env.proxy_log(2, 4, 5)\n# a step\nno\n";
        assert_eq!(
            Trace::parse(log).lines(),
            ["[vm->host] env.proxy_log(2, 4, 5)", "# a step"]
        );
    }

    #[test]
    fn equal_traces_have_no_difference() {
        assert!(diff(&trace(&[1, 2]), &trace(&[1, 2])).is_empty());
        assert_eq!(shown(&[], &[]), "");
    }

    #[test]
    fn a_line_that_is_missing_is_shown_with_its_neighbours() {
        let all = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        let without: Vec<u32> = all.into_iter().filter(|n| *n != 5).collect();
        assert_eq!(
            shown(&all, &without),
            "@@ -2 +2 @@\n  2\n  3\n  4\n- 5\n  6\n  7\n  8\n"
        );
        assert_eq!(
            shown(&without, &all),
            "@@ -2 +2 @@\n  2\n  3\n  4\n+ 5\n  6\n  7\n  8\n"
        );
    }

    #[test]
    fn differences_close_to_each_other_are_shown_together() {
        assert_eq!(
            shown(&[1, 2, 3, 4, 5, 6, 7], &[0, 2, 3, 4, 5, 6, 0]),
            "@@ -1 +1 @@\n- 1\n+ 0\n  2\n  3\n  4\n  5\n  6\n- 7\n+ 0\n"
        );
        let far: Vec<u32> = (1..=9).collect();
        let mut other = far.clone();
        (other[0], other[8]) = (0, 0);
        assert_eq!(
            shown(&far, &other),
            "@@ -1 +1 @@\n- 1\n+ 0\n  2\n  3\n  4\n@@ -6 +6 @@\n  6\n  7\n  8\n- 9\n+ 0\n"
        );
    }

    #[test]
    fn the_lines_of_either_side_can_be_asked_for() {
        let difference = diff(&trace(&[1, 2]), &trace(&[1, 3]));
        let lines: Vec<_> = difference.lines().collect();
        assert_eq!(
            lines,
            [('-', "[host->vm] malloc(2)"), ('+', "[host->vm] malloc(3)")]
        );
    }
}
