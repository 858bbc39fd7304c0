//! The documentation's table and chart, replaced by those of a run.

use std::path::Path;

use super::super::results::Results;
use super::{chart, circumstances, table};
use crate::{Error, Result};

const BEGIN: &str = "<!-- bench: begin. `cargo xtask bench --publish` writes what stands here. -->";
const END: &str = "<!-- bench: end -->";

/// Writes `performance.svg`, and the table into `performance.md` between its two marks.
///
/// # Errors
///
/// When the page cannot be read or written, or its marks are not there.
pub fn publish(results: &Results, docs: &Path) -> Result<()> {
    let page = docs.join("performance.md");
    let text = std::fs::read_to_string(&page)?;
    std::fs::write(&page, replaced(&text, results)?)?;
    std::fs::write(docs.join("performance.svg"), chart(results))?;
    Ok(())
}

fn replaced(page: &str, results: &Results) -> Result<String> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) = parts.ok_or_else(|| {
        Error::Fixture(format!("the page has not the lines {BEGIN:?} and {END:?}"))
    })?;
    Ok(format!(
        "{before}{BEGIN}\n\n{}\n{}\n{END}{after}",
        table(results),
        circumstances(results)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::super::results::tests::steady;
    use super::*;

    #[test]
    fn what_stands_between_the_marks_is_replaced_and_the_rest_is_kept() {
        let results = steady(70.0, 0.99, 0.0);
        let page = format!("# Title\n\n{BEGIN}\noutdated\n{END}\n\nMore.\n");
        let once = replaced(&page, &results).expect("the marks are there");
        assert!(
            once.starts_with("# Title\n") && once.ends_with("\n\nMore.\n"),
            "{once}"
        );
        assert!(
            once.contains("0.75") && !once.contains("outdated"),
            "{once}"
        );
        assert_eq!(replaced(&once, &results).expect("still there"), once);
    }

    #[test]
    fn a_page_without_marks_is_left_alone() {
        let error = replaced("# Title\n", &steady(70.0, 0.99, 0.0)).expect_err("no marks");
        assert!(error.to_string().contains("bench: begin"), "{error}");
    }
}
