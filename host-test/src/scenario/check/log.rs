//! Comparing log lines.

use toml_edit::Value;

use super::super::bless::literal;
use super::super::format::{Expect, LogPattern, Number, Text};
use super::{Checker, Mark, diff};
use crate::exchange::LogLine;
use crate::status::LogLevel;

impl LogPattern {
    fn fits(&self, line: &LogLine) -> bool {
        self.level.is_none_or(|level| line.level == level.into())
            && self.message.matches(line.message.as_bytes())
    }
}

impl Checker {
    pub(super) fn log(&mut self, expect: &Expect, lines: &[LogLine]) {
        if let Some(patterns) = &expect.log {
            if patterns.is_empty() {
                let fix = (!lines.is_empty()).then(|| literal::list(lines.iter().map(literal)));
                let nothing_to_say = fix.is_none() && expect.log_in_order.is_none();
                self.empty("log", fix);
                if nothing_to_say {
                    self.also("log_in_order", literal::list([]));
                }
            }
            for pattern in patterns {
                self.line(pattern, lines);
            }
        }
        if let Some(patterns) = &expect.log_in_order {
            self.log_in_order(patterns, lines);
        }
    }

    fn line(&mut self, pattern: &LogPattern, lines: &[LogLine]) {
        let fitting: Vec<_> = lines.iter().filter(|line| pattern.fits(line)).collect();
        let count = i64::try_from(fitting.len()).unwrap_or(i64::MAX);
        if pattern.count.matches(Some(count)) {
            return;
        }
        let counted = match pattern.count {
            Number::Range(Some(1), None) => "a line".to_owned(),
            Number::Exact(0) => "no line".to_owned(),
            count => format!("{count} lines"),
        };
        let observed = match fitting.len() {
            0 => "none among these".to_owned(),
            count => format!("{count}"),
        };
        let shown = if fitting.is_empty() {
            lines.iter().map(|line| (Mark::Both, shown(line))).collect()
        } else {
            fitting
                .into_iter()
                .map(|line| (Mark::Observed, shown(line)))
                .collect()
        };
        self.differ_with(
            "log",
            format!("{counted} with {pattern}"),
            observed,
            shown,
            None,
        );
    }

    fn log_in_order(&mut self, patterns: &[LogPattern], lines: &[LogLine]) {
        let equal = patterns.len() == lines.len()
            && patterns
                .iter()
                .zip(lines)
                .all(|(pattern, line)| pattern.fits(line));
        if equal {
            return;
        }
        let exact = patterns
            .iter()
            .all(|pattern| matches!(pattern.message, Text::Exact(_)));
        let fix = exact.then(|| literal::list(lines.iter().map(literal)));
        let diff = diff(
            patterns,
            lines,
            LogPattern::fits,
            ToString::to_string,
            shown,
        );
        let count = |count| format!("{count} lines");
        self.differ_with(
            "log_in_order",
            count(patterns.len()),
            count(lines.len()),
            diff,
            fix,
        );
    }
}

fn shown(line: &LogLine) -> String {
    format!("[{}] {:?}", line.level, line.message)
}

/// A line as it stands in a file.
pub(super) fn literal(line: &LogLine) -> Value {
    let level = ("level".to_owned(), literal::string(&line.level.to_string()));
    // What a VM died of.
    if line.level == LogLevel::Critical
        && line.message.starts_with("Function: ")
        && let Value::InlineTable(mut table) = literal::first_line(line.message.as_bytes())
    {
        let (key, level) = level;
        table.insert(key, level);
        return Value::InlineTable(table);
    }
    let message = ("message".to_owned(), literal::string(&line.message));
    literal::table([level, message])
}
