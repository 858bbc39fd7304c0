//! Comparing what came of a step with what was to come.

mod connection;
mod cost;
mod diff;
mod grpc;
mod headers;
mod log;
mod shared;
mod stream;

use std::collections::BTreeMap;

use super::bless::{Fix, Segment, literal};
use super::format::{CostExpect, Expect, Number, Text, quoted};
use super::observed::Observed;
use crate::diagnostics::{Code, Severity};

pub(super) use diff::{Mark, diff};

/// Something that is not as it should be.
#[derive(Debug)]
pub(super) struct Difference {
    /// The key, such as `upstream.headers.x-a`.
    pub(super) key: String,
    pub(super) expected: String,
    pub(super) observed: String,
    /// The two side by side, where they are lists or have several lines.
    pub(super) diff: Vec<(Mark, String)>,
    /// What would have to stand in the file.
    pub(super) fixes: Vec<Fix>,
}

/// How what came of a step differs from what was to come.
pub(super) fn check(expect: Option<&Expect>, observed: &Observed) -> Vec<Difference> {
    let nothing = Expect::default();
    let mut checker = Checker::default();
    checker.step(expect.unwrap_or(&nothing), observed);
    if let Some(expect) = expect {
        let filled = checker.differences.iter().flat_map(|one| &one.fixes);
        let filled = filled.filter(|fix| fix.value.is_some()).count() > 0;
        // Where everything that stands there is empty and stays so, the whole of it is to be filled in.
        if expect.says_nothing() || !filled && expect.without_empty_parts().says_nothing() {
            checker.blank(observed);
        }
    }
    checker.differences
}

/// How what came of a whole scenario differs from what was to come. What its steps have dealt with is no surprise.
pub(super) fn check_whole(expect: &Expect, observed: &Observed) -> Vec<Difference> {
    let mut checker = Checker {
        no_surprises: true,
        ..Checker::default()
    };
    checker.step(expect, observed);
    if expect.says_nothing() {
        checker.at("cost", |checker| {
            checker.cost(&CostExpect::default(), &observed.callbacks);
        });
    }
    checker.differences
}

#[derive(Default)]
pub(super) struct Checker {
    differences: Vec<Difference>,
    path: Vec<Segment>,
    /// Dead VMs and findings matter only where something is said about them.
    no_surprises: bool,
}

impl Checker {
    fn step(&mut self, expect: &Expect, observed: &Observed) {
        self.surprises(expect, observed);
        self.stream(expect, observed);
        self.callouts(expect, observed);
        self.grpc(expect, observed);
        self.log(expect, &observed.log);
        self.metrics(expect, observed);
        self.shared_data(expect, observed);
        self.connection(expect, observed);
        self.queues(expect, observed);
        let roots = i64::try_from(observed.root_contexts).unwrap_or(i64::MAX);
        self.number("root_contexts", expect.root_contexts, Some(roots));
        if let Some(cost) = &expect.cost {
            self.at("cost", |checker| checker.cost(cost, &observed.callbacks));
        }
    }

    /// What is a failure even where nothing is said about it.
    fn surprises(&mut self, expect: &Expect, observed: &Observed) {
        if self.no_surprises {
            let of = |text: &Option<String>| text.as_ref().map(|text| text.as_bytes().to_vec());
            self.text("trap", expect.trap.as_ref(), of(&observed.died).as_deref());
            let refused = of(&observed.refused);
            self.text("refused", expect.refused.as_ref(), refused.as_deref());
            if expect.diagnostics.is_some() {
                self.diagnostics(expect, observed);
            }
            return;
        }
        self.surprise("trap", expect.trap.as_ref(), observed.died.as_deref());
        let refused = expect.refused.as_ref();
        self.surprise("refused", refused, observed.refused.as_deref());
        self.diagnostics(expect, observed);
    }

    /// Something that must not be there unless it is expected; nothing but the author makes it so.
    fn surprise(&mut self, key: &str, expected: Option<&Text>, observed: Option<&str>) {
        let before = self.differences.len();
        let observed = observed.map(str::as_bytes);
        self.text(key, Some(expected.unwrap_or(&Text::Absent)), observed);
        if expected.is_none() {
            for difference in &mut self.differences[before..] {
                difference.fixes.clear();
            }
        }
        let backtrace = observed.filter(|text| text.contains(&b'\n'));
        for fix in self.differences[before..]
            .iter_mut()
            .flat_map(|one| &mut one.fixes)
        {
            if let Some(text) = backtrace {
                fix.value = Some(literal::first_line(text));
            }
        }
    }

    fn diagnostics(&mut self, expect: &Expect, observed: &Observed) {
        let wanted: Vec<_> = expect
            .diagnostics
            .iter()
            .flatten()
            .map(|name| name.0)
            .collect();
        let least = if expect.diagnostics.is_some() {
            Severity::Warning
        } else {
            Severity::Error
        };
        let found: Vec<_> = observed
            .diagnostics
            .iter()
            .filter(|finding| {
                // `trap` has told that a VM died, or that it was to.
                finding.severity() >= least && finding.code != Code::Died
                    || wanted.contains(&finding.code)
            })
            .collect();
        let mut codes: Vec<_> = found.iter().map(|finding| finding.code).collect();
        codes.sort_unstable();
        codes.dedup();
        let mut expected = wanted;
        expected.sort_unstable();
        expected.dedup();
        if codes == expected {
            return;
        }
        let list = |codes: &[crate::Code]| match codes {
            [] => "no findings".to_owned(),
            codes => {
                let codes: Vec<_> = codes.iter().map(ToString::to_string).collect();
                codes.join(", ")
            }
        };
        let mut lines: Vec<_> = found
            .iter()
            .filter(|finding| !expected.contains(&finding.code))
            .map(|finding| (Mark::Observed, finding.to_string()))
            .collect();
        // One step may have found the same thing again.
        let mut seen = std::collections::BTreeSet::new();
        lines.retain(|(_, line)| seen.insert(line.clone()));
        let fix = literal::list(codes.iter().map(|code| literal::string(&code.to_string())));
        self.differ_with(
            "diagnostics",
            list(&expected),
            list(&codes),
            lines,
            expect.diagnostics.as_ref().map(|_| fix),
        );
    }

    /// An expectation that is to be filled in as a whole.
    fn blank(&mut self, observed: &Observed) {
        let before = self.differences.len();
        if let Some(seen) = &observed.stream {
            self.fill_stream(seen);
        }
        if !observed.log.is_empty() {
            let lines = observed.log.iter().map(log::literal);
            self.fill("log", literal::list(lines));
        }
        if self.differences.len() == before {
            self.fill("log_in_order", literal::list([]));
        }
    }

    /// Goes on below a key.
    fn at(&mut self, key: &str, inside: impl FnOnce(&mut Self)) {
        self.path.push(Segment::Key(key.to_owned()));
        inside(self);
        self.path.pop();
    }

    /// Goes on in an element of a list.
    fn in_list(&mut self, key: &str, index: usize, inside: impl FnOnce(&mut Self)) {
        self.at(key, |checker| {
            checker.path.push(Segment::Index(index));
            inside(checker);
            checker.path.pop();
        });
    }

    fn text(&mut self, key: &str, expected: Option<&Text>, observed: Option<&[u8]>) {
        let Some(expected) = expected else { return };
        if expected.matches_option(observed) {
            return;
        }
        let fix = match (expected, observed) {
            (Text::Exact(bytes), _) if bytes.file().is_some() || bytes.saved().is_some() => None,
            (Text::Exact(_) | Text::Absent, Some(observed)) => Some(literal::bytes(observed)),
            (Text::Exact(_) | Text::Any, None) => Some(literal::absent()),
            _ => None,
        };
        let lines = match (expected, observed) {
            (Text::Exact(expected), Some(observed)) => diff::lines(expected.as_slice(), observed),
            _ => Vec::new(),
        };
        let observed = observed.map_or_else(|| "nothing".to_owned(), quoted);
        self.differ_with(key, expected.to_string(), observed, lines, fix);
    }

    fn number(&mut self, key: &str, expected: Option<Number>, observed: Option<i64>) {
        let Some(expected) = expected else { return };
        if expected.matches(observed) {
            return;
        }
        let fix = match (expected, observed) {
            (Number::Exact(_) | Number::Absent, Some(observed)) => Some(literal::number(observed)),
            (Number::Near(_, percent), Some(observed)) => Some(literal::near(observed, percent)),
            // A cost that is over its budget; any other bound is its author's.
            (Number::Range(None, Some(max)), Some(observed))
                if observed > max && self.in_cost() =>
            {
                Some(literal::max(observed))
            }
            (Number::Exact(_) | Number::Any, None) => Some(literal::absent()),
            _ => None,
        };
        let observed = observed.map_or_else(|| "nothing".to_owned(), |number| number.to_string());
        self.differ_with(key, expected.to_string(), observed, Vec::new(), fix);
    }

    /// Whether the expectations that are looked at are budgets.
    fn in_cost(&self) -> bool {
        self.path.first() == Some(&Segment::Key("cost".to_owned()))
    }

    fn flag(&mut self, key: &str, expected: Option<bool>, observed: bool) {
        if let Some(expected) = expected
            && expected != observed
        {
            self.differ_with(
                key,
                expected.to_string(),
                observed.to_string(),
                Vec::new(),
                Some(literal::flag(observed)),
            );
        }
    }

    fn word(&mut self, key: &str, expected: Option<&str>, observed: &str) {
        if let Some(expected) = expected
            && expected != observed
        {
            let fix = Some(literal::string(observed));
            self.differ_with(
                key,
                expected.to_owned(),
                observed.to_owned(),
                Vec::new(),
                fix,
            );
        }
    }

    fn table(
        &mut self,
        key: &str,
        expected: Option<&BTreeMap<String, Text>>,
        observed: impl Fn(&str) -> Option<Vec<u8>>,
        all: impl FnOnce() -> Vec<(String, Vec<u8>)>,
    ) {
        let Some(expected) = expected else { return };
        if expected.is_empty() {
            let all = all().into_iter();
            let all = all.map(|(name, value)| (name, literal::bytes(&value)));
            self.empty(key, literal::some_table(all));
        }
        self.at(key, |checker| {
            for (name, text) in expected {
                checker.text(name, Some(text), observed(name).as_deref());
            }
        });
    }

    fn number_table(
        &mut self,
        key: &str,
        expected: Option<&BTreeMap<String, Number>>,
        observed: &BTreeMap<String, i64>,
    ) {
        let Some(expected) = expected else { return };
        if expected.is_empty() {
            let all = observed.iter();
            let all = all.map(|(name, number)| (name.clone(), literal::number(*number)));
            self.empty(key, literal::some_table(all));
        }
        self.at(key, |checker| {
            for (name, number) in expected {
                checker.number(name, Some(*number), observed.get(name).copied());
            }
        });
    }

    /// An empty table or list says nothing, so it is never right; `--bless` fills it in, or takes it away if there is nothing
    /// to be written.
    fn empty(&mut self, key: &str, fix: Option<toml_edit::Value>) {
        let unfilled = fix.is_none();
        self.differ_with(
            key,
            "something to look for".to_owned(),
            "an expectation that says nothing".to_owned(),
            Vec::new(),
            fix,
        );
        if unfilled {
            self.remove(key);
        }
    }

    fn fill(&mut self, key: &str, value: toml_edit::Value) {
        self.empty(key, Some(value));
    }

    fn differ_with(
        &mut self,
        key: &str,
        expected: String,
        observed: String,
        diff: Vec<(Mark, String)>,
        fix: Option<toml_edit::Value>,
    ) {
        let mut path = self.path.clone();
        path.push(Segment::Key(key.to_owned()));
        self.differences.push(Difference {
            key: Segment::join(&path),
            expected,
            observed,
            diff,
            fixes: fix
                .into_iter()
                .map(|value| Fix {
                    path: path.clone(),
                    value: Some(value),
                })
                .collect(),
        });
    }

    /// With `--bless`, this stands there besides what mends the last difference.
    fn also(&mut self, key: &str, value: toml_edit::Value) {
        let mut path = self.path.clone();
        path.push(Segment::Key(key.to_owned()));
        if let Some(last) = self.differences.last_mut() {
            let value = Some(value);
            last.fixes.push(Fix { path, value });
        }
    }

    /// With `--bless`, what the last difference is about goes away.
    fn remove(&mut self, key: &str) {
        let mut path = self.path.clone();
        path.push(Segment::Key(key.to_owned()));
        if let Some(last) = self.differences.last_mut() {
            last.fixes.push(Fix { path, value: None });
        }
    }
}
