//! Files as they are read, and the line that a path into their JSON leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;
use thiserror::Error;

/// A file's text.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file, as it was named.
    pub file: PathBuf,
    /// All of it.
    pub text: String,
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// [`SourceError`], if it cannot be read or is no text.
    pub fn read(file: &Path) -> Result<Self, SourceError> {
        let text = std::fs::read_to_string(file).map_err(|error| SourceError {
            file: file.to_owned(),
            error,
        })?;
        Ok(Self {
            file: file.to_owned(),
            text,
        })
    }

    /// The lines, from 1, on which the values stand that `paths` lead to, such as `services[3].methods[0].path`. Where a
    /// path leads past what is there, the line of the last value on its way. Nothing, if the text is no JSON.
    ///
    /// All at once, since each look at a part of the text has to read all that stands before it.
    #[must_use]
    pub fn lines_of<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p str>,
    ) -> BTreeMap<&'p str, usize> {
        let Ok(root) = serde_json::from_str::<&RawValue>(&self.text) else {
            return BTreeMap::new();
        };
        let mut finder = Finder {
            text: &self.text,
            line_ends: self.text.match_indices('\n').map(|(at, _)| at).collect(),
            found: BTreeMap::new(),
        };
        let wanted: BTreeSet<_> = paths.into_iter().collect();
        finder.walk(root, wanted.into_iter().map(|path| (path, path)).collect());
        finder.found
    }
}

struct Finder<'t, 'p> {
    text: &'t str,
    line_ends: Vec<usize>,
    found: BTreeMap<&'p str, usize>,
}

impl<'p> Finder<'_, 'p> {
    /// `wanted`: paths, each with what is left of it below `value`.
    fn walk(&mut self, value: &RawValue, wanted: Vec<(&'p str, &'p str)>) {
        let line = self.line_of(value);
        let mut below: BTreeMap<Step<'p>, Vec<_>> = BTreeMap::new();
        for (path, rest) in wanted {
            self.found.insert(path, line);
            if let Some((step, rest)) = Step::first(rest) {
                below.entry(step).or_default().push((path, rest));
            }
        }
        if below.is_empty() {
            return;
        }
        if let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(value.get()) {
            for (step, wanted) in below {
                if let Step::Member(name) = step
                    && let Some(value) = members.get(name)
                {
                    self.walk(value, wanted);
                }
            }
        } else if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(value.get()) {
            for (step, wanted) in below {
                if let Step::Item(at) = step
                    && let Some(value) = items.get(at)
                {
                    self.walk(value, wanted);
                }
            }
        }
    }

    fn line_of(&self, value: &RawValue) -> usize {
        // Both are addresses in one string, since the value was borrowed from it.
        let start = value.get().as_ptr().addr() - self.text.as_ptr().addr();
        1 + self.line_ends.partition_point(|&end| end < start)
    }
}

/// A file cannot be read.
#[derive(Debug, Error)]
#[error("{file}: {error}", file = .file.display())]
pub struct SourceError {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub error: io::Error,
}

/// One step of a path into a JSON document.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Step<'p> {
    Member(&'p str),
    Item(usize),
}

impl<'p> Step<'p> {
    /// The first step of `a.b[3].c`, and what is left. Names with dots or brackets in them are none that a policy has.
    fn first(path: &'p str) -> Option<(Self, &'p str)> {
        let path = path.strip_prefix('.').unwrap_or(path);
        if let Some((digits, rest)) = path.strip_prefix('[').and_then(|path| path.split_once(']')) {
            return Some((Self::Item(digits.parse().ok()?), rest));
        }
        let (name, rest) = path.split_at(path.find(['.', '[']).unwrap_or(path.len()));
        (!name.is_empty()).then_some((Self::Member(name), rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            file: PathBuf::from("policy.json"),
            text: text.to_owned(),
        }
    }

    const TEXT: &str =
        "{\n \"a\": 1,\n \"b\": [\n  {\"c\": 2},\n  {\n   \"d\":\n    3\n  }\n ]\n}\n";

    #[test]
    fn paths_lead_to_the_lines_of_their_values() {
        let lines = [
            ("", 1),
            ("a", 2),
            ("b", 3),
            ("b[0].c", 4),
            ("b[1]", 5),
            ("b[1].d", 7),
        ];
        let found = source(TEXT).lines_of(lines.map(|(path, _)| path));
        assert_eq!(found, lines.into());
    }

    #[test]
    fn a_path_to_what_is_not_there_leads_as_far_as_it_can() {
        let lines = [
            ("b[1].x.y", 5),
            ("b[9]", 3),
            ("b.c", 3),
            ("x", 1),
            ("[]", 1),
        ];
        let found = source(TEXT).lines_of(lines.map(|(path, _)| path));
        assert_eq!(found, lines.into());
    }

    #[test]
    fn what_is_no_json_has_no_lines() {
        assert_eq!(source("{").lines_of(["a"]), BTreeMap::new());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Source::read(Path::new("no/such/file.json")).unwrap_err();
        assert!(error.to_string().starts_with("no/such/file.json: "));
    }
}
