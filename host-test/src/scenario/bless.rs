//! Writing what came of a run into the file, in place of what was to come.

use std::collections::BTreeMap;
use std::path::Path;

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use super::load::{LoadError, Place, read_text};

/// A value that would have to stand at a place of an expectation, or nothing for a place that would have to be empty.
#[derive(Clone, Debug)]
pub(super) struct Fix {
    pub(super) path: Vec<Segment>,
    pub(super) value: Option<Value>,
}

/// One step on the way to a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

impl Segment {
    /// The way as it is written in reports.
    pub(super) fn join(path: &[Self]) -> String {
        path.iter().fold(String::new(), |mut text, segment| {
            match segment {
                Self::Key(key) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(key);
                }
                Self::Index(index) => text.push_str(&format!("[{index}]")),
            }
            text
        })
    }
}

/// Where an expectation stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Spot {
    pub(super) place: Place,
    pub(super) moment: Moment,
}

/// What of a scenario an expectation is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Moment {
    Start,
    /// A step, counted from 0.
    Step(usize),
    /// Everything.
    Finally,
}

/// Writes fixes into a file; comments, order and everything else stay. How many found their place.
pub(super) fn write(path: &Path, fixes: &[(Spot, Fix)]) -> Result<usize, LoadError> {
    let text = read_text(path)?;
    let (text, count) = apply(&text, fixes).map_err(|error| LoadError::Meaning {
        file: path.to_owned(),
        message: error.to_string(),
    })?;
    if count > 0 {
        std::fs::write(path, text).map_err(|source| LoadError::Read {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(count)
}

fn apply(text: &str, fixes: &[(Spot, Fix)]) -> Result<(String, usize), toml_edit::TomlError> {
    let mut document: DocumentMut = text.parse()?;
    let mut count = 0;
    for (spot, fix) in fixes {
        if let Some(expect) = expectation(&mut document, *spot)
            && set(expect, &fix.path, fix.value.as_ref())
        {
            count += 1;
        }
    }
    Ok((document.to_string(), count))
}

/// The table of an expectation, made if it is not there.
fn expectation(document: &mut DocumentMut, spot: Spot) -> Option<&mut dyn TableLike> {
    let mut table: &mut dyn TableLike = document.as_table_mut();
    if let Place::Listed {
        index,
        own_start,
        own_finally,
    } = spot.place
    {
        let own = match spot.moment {
            Moment::Start => own_start,
            Moment::Step(_) => true,
            Moment::Finally => own_finally,
        };
        if own {
            table = element(table.get_mut("scenario")?, index)?;
        }
    }
    let holder = match spot.moment {
        Moment::Start => below(table, "start")?,
        Moment::Step(step) => element(table.get_mut("step")?, step)?,
        Moment::Finally => below(table, "finally")?,
    };
    below(holder, "expect")
}

fn element(list: &mut Item, index: usize) -> Option<&mut dyn TableLike> {
    match list {
        Item::ArrayOfTables(tables) => Some(tables.get_mut(index)?),
        Item::Value(Value::Array(values)) => Some(values.get_mut(index)?.as_inline_table_mut()?),
        _ => None,
    }
}

/// The table under a key; one that is made is written with dots.
fn below<'a>(table: &'a mut dyn TableLike, key: &str) -> Option<&'a mut dyn TableLike> {
    if table.get(key).is_none() {
        let mut dotted = Table::new();
        dotted.set_dotted(true);
        table.insert(key, Item::Table(dotted));
    }
    table.get_mut(key)?.as_table_like_mut()
}

fn set(table: &mut dyn TableLike, path: &[Segment], value: Option<&Value>) -> bool {
    match (path, value) {
        ([Segment::Key(key)], Some(value)) => {
            put(table, key, value);
            true
        }
        ([Segment::Key(key)], None) => table.remove(key).is_some(),
        (path, value) => set_below(table, path, value),
    }
}

fn set_below(table: &mut dyn TableLike, path: &[Segment], value: Option<&Value>) -> bool {
    match path {
        [Segment::Key(key), Segment::Index(index), rest @ ..] => table
            .get_mut(key)
            .and_then(|list| element(list, *index))
            .is_some_and(|table| set(table, rest, value)),
        [Segment::Key(key), rest @ ..] => {
            below(table, key).is_some_and(|table| set(table, rest, value))
        }
        _ => false,
    }
}

/// Puts a value where another one stood, with the space and the comment around it.
fn put(table: &mut dyn TableLike, key: &str, value: &Value) {
    let mut value = value.clone();
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        Some(item) if !item.is_none() => *item = Item::Value(value),
        _ => {
            table.insert(key, Item::Value(value));
        }
    }
}

/// Groups fixes by file.
pub(super) fn by_file<'a>(
    fixes: impl IntoIterator<Item = (&'a Path, Spot, Fix)>,
) -> BTreeMap<&'a Path, Vec<(Spot, Fix)>> {
    let mut files: BTreeMap<&Path, Vec<(Spot, Fix)>> = BTreeMap::new();
    for (file, spot, fix) in fixes {
        files.entry(file).or_default().push((spot, fix));
    }
    files
}

/// Values as they are written in a file.
pub(super) mod literal {
    use toml_edit::{Array, InlineTable, Value};

    pub(in crate::scenario) fn string(text: &str) -> Value {
        Value::from(text)
    }

    /// Text where the bytes are some, and hexadecimal digits otherwise.
    pub(in crate::scenario) fn bytes(bytes: &[u8]) -> Value {
        match str::from_utf8(bytes) {
            Ok(text) => string(text),
            Err(_) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                table([("hex".to_owned(), string(&digits))])
            }
        }
    }

    /// What has only the first line of this text in it: a backtrace follows, and every build has another one.
    pub(in crate::scenario) fn first_line(text: &[u8]) -> Value {
        let line = text.split(|byte| *byte == b'\n').next();
        table([("contains".to_owned(), bytes(line.unwrap_or_default()))])
    }

    pub(in crate::scenario) fn number(number: i64) -> Value {
        Value::from(number)
    }

    pub(in crate::scenario) fn max(number: i64) -> Value {
        table([("max".to_owned(), Value::from(number))])
    }

    pub(in crate::scenario) fn near(number: i64, percent: f64) -> Value {
        table([
            ("near".to_owned(), Value::from(number)),
            ("percent".to_owned(), Value::from(percent)),
        ])
    }

    pub(in crate::scenario) fn flag(flag: bool) -> Value {
        Value::from(flag)
    }

    pub(in crate::scenario) fn any() -> Value {
        table([("any".to_owned(), flag(true))])
    }

    pub(in crate::scenario) fn absent() -> Value {
        table([("absent".to_owned(), flag(true))])
    }

    pub(in crate::scenario) fn list(values: impl IntoIterator<Item = Value>) -> Value {
        let mut list: Array = values.into_iter().collect();
        // A list of several tables or lists is read better with a line for each.
        if list.len() > 1
            && list
                .iter()
                .any(|value| value.is_inline_table() || value.is_array())
        {
            for value in list.iter_mut() {
                value.decor_mut().set_prefix("\n    ");
            }
            list.set_trailing("\n");
            list.set_trailing_comma(true);
        }
        Value::Array(list)
    }

    /// A table, unless it would be empty and say nothing.
    pub(in crate::scenario) fn some_table(
        members: impl IntoIterator<Item = (String, Value)>,
    ) -> Option<Value> {
        let mut members = members.into_iter().peekable();
        members.peek().is_some().then(|| table(members))
    }

    pub(in crate::scenario) fn table(members: impl IntoIterator<Item = (String, Value)>) -> Value {
        Value::InlineTable(members.into_iter().collect::<InlineTable>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &str) -> Vec<Segment> {
        path.split('/')
            .map(|part| match part.parse() {
                Ok(index) => Segment::Index(index),
                Err(_) => Segment::Key(part.to_owned()),
            })
            .collect()
    }

    fn blessed(text: &str, place: Place, moment: Moment, path: &str, value: Value) -> String {
        let fix = Fix {
            path: key(path),
            value: Some(value),
        };
        let (text, count) = apply(text, &[(Spot { place, moment }, fix)]).expect("TOML");
        assert_eq!(count, 1, "{path} has no place");
        text
    }

    #[test]
    fn a_value_is_replaced_and_its_comment_stays() {
        let text =
            "# about\n[[step]]\nrequest.path = '/'   # the root\nexpect.status = 200 # as always\n";
        assert_eq!(
            blessed(
                text,
                Place::Whole,
                Moment::Step(0),
                "status",
                literal::number(403)
            ),
            text.replace("200", "403")
        );
    }

    #[test]
    fn a_step_without_expectation_gets_one_with_dots() {
        let text = "[[scenario]]\nname = 'a'\n\n[[scenario.step]]\nrequest.path = '/'\n\n[[scenario.step]]\nadvance = '1s'\n";
        let place = Place::Listed {
            index: 0,
            own_start: false,
            own_finally: false,
        };
        assert_eq!(
            blessed(
                text,
                place,
                Moment::Step(0),
                "upstream/headers/:path",
                literal::string("/")
            ),
            text.replace(
                "path = '/'\n",
                "path = '/'\nexpect.upstream.headers.\":path\" = \"/\"\n"
            )
        );
    }

    #[test]
    fn values_in_lists_and_inline_tables_are_found() {
        let text = "step = [{ advance = '1s', expect = { callouts = [{ cluster = 'a' }] } }]\n";
        assert_eq!(
            blessed(
                text,
                Place::Whole,
                Moment::Step(0),
                "callouts/0/cluster",
                literal::string("b")
            ),
            text.replace("'a'", "\"b\"")
        );
    }

    #[test]
    fn the_start_of_a_file_with_several_scenarios_is_that_of_the_file() {
        let text = "[start]\nexpect = {}\n\n[[scenario]]\nname = 'a'\nstep = []\n";
        let place = Place::Listed {
            index: 0,
            own_start: false,
            own_finally: false,
        };
        assert_eq!(
            blessed(
                text,
                place,
                Moment::Start,
                "log",
                literal::list([literal::string("ready")])
            ),
            text.replace("{}", "{ log = [\"ready\"] }")
        );
    }
}
