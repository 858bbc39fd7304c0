//! The table, in Markdown that reads well on a terminal too.

use super::super::results::{Results, Row};

const HEAD: [&str; 6] = [
    "contestant",
    "added µs",
    "× `jwt_authn`",
    "90 % interval",
    "must",
    "× `ext_authz`",
];

/// All rows.
pub fn table(results: &Results) -> String {
    let rows: Vec<[String; HEAD.len()]> =
        results.rows.iter().map(|row| cells(results, row)).collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .chain([HEAD[column].chars().count(), 3])
            .max()
            .unwrap_or_default()
    };
    let widths: [usize; HEAD.len()] = std::array::from_fn(width);
    let mut text = line(&HEAD.map(str::to_owned), &widths);
    text.push_str(&rule(&widths));
    for row in &rows {
        text.push_str(&line(row, &widths));
    }
    text
}

/// One paragraph about where and how the figures came about.
pub fn circumstances(results: &Results) -> String {
    let at = &results.circumstances;
    let (disturbed, turns) = results.disturbed();
    let doubts: String = results
        .doubts()
        .iter()
        .map(|doubt| format!(" In doubt: {doubt}."))
        .collect();
    format!(
        "{rounds} rounds of {requests} requests for each contestant, seed {seed}; Envoy {envoy}, one worker, on {processors} × \
         {processor}, Linux {kernel}; `postern.wasm` of {bytes} bytes, SHA-256 {sha256}…. A request without a filter took \
         {base:.1} µs of Envoy's CPU time and {generator:.1} µs of the generator's. Envoy was running {busy:.0} % of the time, \
         and for {held_up:.1} % of it something else had its CPU; {disturbed} of {turns} turns were disturbed.{doubts}\n",
        rounds = at.plan.rounds,
        requests = at.plan.requests,
        seed = at.plan.seed,
        envoy = at.envoy,
        processors = at.processors,
        processor = at.processor,
        kernel = at.kernel,
        bytes = at.module.0,
        sha256 = at.module.1.get(..12).unwrap_or(&at.module.1),
        base = results.rows.first().map_or(0.0, |row| row.envoy),
        generator = results.median_of(|turn| turn.generator),
        busy = results.median_of(|turn| turn.busy) * 100.0,
        held_up = results.median_of(|turn| turn.held_up) * 100.0,
    )
}

fn cells(results: &Results, row: &Row) -> [String; HEAD.len()] {
    let contestant = row.contestant;
    let or_dash = |text: String| {
        if contestant.is_baseline() {
            "–".to_owned()
        } else {
            text
        }
    };
    let who = if contestant.ours { "Postern: " } else { "" };
    let must = match (contestant.must, row.holds()) {
        (Some(must), Some(true)) => format!("{must:.2}: holds"),
        (Some(must), _) => format!("{must:.2}: missed"),
        _ => String::new(),
    };
    [
        format!("{who}{}", contestant.title),
        or_dash(format!("{:.1}", row.added)),
        or_dash(format!("{:.2}", row.ratio.value)),
        or_dash(format!("{:.2} to {:.2}", row.ratio.low, row.ratio.high)),
        must,
        results
            .to_ext_authz(row)
            .map_or_else(String::new, |ratio| or_dash(format!("{ratio:.2}"))),
    ]
}

fn line(cells: &[String; HEAD.len()], widths: &[usize; HEAD.len()]) -> String {
    let mut text = "|".to_owned();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
        if column == 0 {
            text.push_str(&format!(" {cell}{padding} |"));
        } else {
            text.push_str(&format!(" {padding}{cell} |"));
        }
    }
    text.push('\n');
    text
}

fn rule(widths: &[usize; HEAD.len()]) -> String {
    let mut text = "|".to_owned();
    for (column, width) in widths.iter().enumerate() {
        let dashes = "-".repeat(*width);
        text.push_str(&if column == 0 {
            format!(" {dashes} |")
        } else {
            format!(" {}: |", &dashes[1..])
        });
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::super::super::results::tests::steady;
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_contestant_and_columns_that_line_up() {
        let text = table(&steady(70.0, 0.99, 0.0));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2 + 3, "{text}");
        let width = lines[0].chars().count();
        assert!(
            lines.iter().all(|line| line.chars().count() == width),
            "{text}"
        );
        assert!(
            lines[4].contains("Postern: access token seen before"),
            "{text}"
        );
        assert!(
            lines[4].contains("| 0.75 |") || lines[4].contains(" 0.75 |"),
            "{text}"
        );
        assert!(lines[4].contains("0.90: holds"), "{text}");
        assert!(lines[2].contains("–"), "no filter has no ratio: {text}");
    }

    #[test]
    fn what_speaks_against_the_figures_stands_beside_them() {
        assert!(!circumstances(&steady(70.0, 0.99, 0.0)).contains("In doubt"));
        assert!(circumstances(&steady(70.0, 0.99, 0.2)).contains("In doubt: something else had"));
    }
}
