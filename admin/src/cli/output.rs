//! Tables for people, JSON for scripts, and secrets alone on standard output.

use std::io::{self, Write as _};

use serde::Serialize;

use super::Failure;

/// How to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) is_json: bool,
}

impl Output {
    /// Prints a list: as JSON, or as a table with a row for each item.
    pub(crate) fn list<T: Serialize, const N: usize>(
        self,
        heads: [&str; N],
        items: &[T],
        row: impl Fn(&T) -> [String; N],
    ) -> Result<(), Failure> {
        if self.is_json {
            return print_json(items);
        }
        let rows: Vec<[String; N]> = items.iter().map(row).collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([heads[column].len()]).max().unwrap_or(0)
        };
        let mut out = io::stdout().lock();
        let mut line = |cells: [&str; N]| -> io::Result<()> {
            let padded = cells.iter().enumerate().map(|(column, cell)| {
                let width = if column + 1 == N { 0 } else { width(column) };
                format!("{cell:width$}")
            });
            writeln!(out, "{}", padded.collect::<Vec<_>>().join("  "))
        };
        line(heads)?;
        for row in &rows {
            line(std::array::from_fn(|column| row[column].as_str()))?;
        }
        Ok(())
    }

    /// Prints a secret alone on standard output, so that it can be piped on, and says on standard error what it is.
    /// As JSON, both stand in one object.
    pub(crate) fn secret(
        self,
        secret: &str,
        about: &impl Serialize,
        words: &str,
    ) -> Result<(), Failure> {
        if self.is_json {
            #[derive(Serialize)]
            struct Both<'a, T> {
                secret: &'a str,
                #[serde(flatten)]
                about: &'a T,
            }
            return print_json(&Both { secret, about });
        }
        writeln!(io::stdout(), "{secret}")?;
        writeln!(
            io::stderr(),
            "{words}\nThis is shown once; nobody can show it again."
        )?;
        Ok(())
    }

    /// Says on standard error what was done.
    pub(crate) fn done(self, words: &str) -> Result<(), Failure> {
        if !self.is_json {
            writeln!(io::stderr(), "{words}")?;
        }
        Ok(())
    }
}

/// Prints JSON.
pub(crate) fn print_json(value: &(impl Serialize + ?Sized)) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
    writeln!(io::stdout(), "{text}")?;
    Ok(())
}
