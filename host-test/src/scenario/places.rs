//! Where things stand in the text of a scenario file, for errors that are found once it is read.

use std::path::Path;

use toml_edit::{Document, Item, TableLike, Value};

use super::bless::Segment;

/// A place in a file: its key in its whole length, and line and column from 1.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Placed {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// The place of the value under a key.
pub(super) fn of_key(text: &str, path: &[Segment]) -> Option<Placed> {
    let document = Document::parse(text).ok()?;
    let mut at = Node::Table(document.as_table());
    for segment in path {
        at = match segment {
            Segment::Key(key) => at.member(key)?,
            Segment::Index(index) => at.elements().into_iter().nth(*index)?,
        };
    }
    Some(placed(text, path, at.start()?))
}

/// The place of the first value that stands in this file: `{ file = "…" }`.
pub(super) fn of_file(text: &str, file: &Path) -> Option<Placed> {
    let document = Document::parse(text).ok()?;
    let mut path = Vec::new();
    let start = search(Node::Table(document.as_table()), file, &mut path)?;
    Some(placed(text, &path, start))
}

/// Line and column of a byte of the text, both from 1.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

fn placed(text: &str, path: &[Segment], start: usize) -> Placed {
    let (line, column) = position(text, start);
    Placed {
        key: Segment::join(path),
        line,
        column,
    }
}

fn search(node: Node<'_>, file: &Path, path: &mut Vec<Segment>) -> Option<usize> {
    let members = node.members();
    if let [(key, Node::Value(value))] = members.as_slice()
        && *key == "file"
        && value.as_str().is_some_and(|named| Path::new(named) == file)
    {
        path.push(Segment::Key((*key).to_owned()));
        return value.span().map(|span| span.start);
    }
    let members = members
        .into_iter()
        .map(|(key, member)| (Segment::Key(key.to_owned()), member));
    let elements = node.elements().into_iter().enumerate();
    let elements = elements.map(|(index, element)| (Segment::Index(index), element));
    for (segment, inner) in members.chain(elements) {
        path.push(segment);
        if let Some(start) = search(inner, file, path) {
            return Some(start);
        }
        path.pop();
    }
    None
}

/// A part of the document, however it is written.
#[derive(Clone, Copy)]
enum Node<'a> {
    Table(&'a dyn TableLike),
    Tables(&'a toml_edit::ArrayOfTables),
    Value(&'a Value),
}

impl<'a> Node<'a> {
    fn of(item: &'a Item) -> Option<Self> {
        match item {
            Item::None => None,
            Item::Value(value) => Some(Self::of_value(value)),
            Item::Table(table) => Some(Self::Table(table)),
            Item::ArrayOfTables(tables) => Some(Self::Tables(tables)),
        }
    }

    fn of_value(value: &'a Value) -> Self {
        match value {
            Value::InlineTable(table) => Self::Table(table),
            value => Self::Value(value),
        }
    }

    fn members(self) -> Vec<(&'a str, Self)> {
        match self {
            Self::Table(table) => table
                .iter()
                .filter_map(|(key, item)| Some((key, Self::of(item)?)))
                .collect(),
            _ => Vec::new(),
        }
    }

    fn member(self, key: &str) -> Option<Self> {
        match self {
            Self::Table(table) => Self::of(table.get(key)?),
            _ => None,
        }
    }

    fn elements(self) -> Vec<Self> {
        match self {
            Self::Tables(tables) => tables.iter().map(|table| Self::Table(table)).collect(),
            Self::Value(Value::Array(values)) => values.iter().map(Self::of_value).collect(),
            _ => Vec::new(),
        }
    }

    /// Where it begins. A table has no place of its own here: what is told of stands in one.
    fn start(self) -> Option<usize> {
        match self {
            Self::Value(value) => value.span().map(|span| span.start),
            Self::Table(table) => table
                .iter()
                .filter_map(|(_, item)| Self::of(item)?.start())
                .min(),
            Self::Tables(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_every_way_to_write_it() {
        let path = [
            Segment::Key("step".to_owned()),
            Segment::Index(0),
            Segment::Key("request".to_owned()),
            Segment::Key("worker".to_owned()),
        ];
        for (text, line, column) in [
            ("[[step]]\nrequest.worker = 9\n", 2, 18),
            ("[[step]]\nrequest = { worker = 9 }\n", 2, 22),
            ("[[step]]\n[step.request]\nworker = 9\n", 3, 10),
            ("step = [{ request = { worker = 9 } }]\n", 1, 32),
        ] {
            let expected = Placed {
                key: "step[0].request.worker".to_owned(),
                line,
                column,
            };
            assert_eq!(of_key(text, &path), Some(expected), "{text}");
        }
        assert_eq!(of_key("[[step]]\nrequest = {}\n", &path), None);
    }

    #[test]
    fn a_file_is_found_where_it_stands_for_a_value_alone() {
        let text = "[host.environment]\nfile = 'x'\na = 'b'\n[[step]]\nexpect.body = { contains = [{ file = 'x' }] }\n";
        let placed = of_file(text, Path::new("x")).expect("found");
        assert_eq!(placed.key, "step[0].expect.body.contains[0].file");
        assert_eq!((placed.line, placed.column), (5, 38));
    }
}
