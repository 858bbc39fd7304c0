//! The chart: one bar for each contestant, as a plain SVG file that is readable on a light and on a dark page.

use std::fmt::Write as _;

use super::super::results::{Results, Row};

const WIDTH: f64 = 990.0;
const LABELS: f64 = 430.0;
const VALUES: f64 = 60.0;
const ROW: f64 = 26.0;
const BAR: f64 = 16.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 16.0;

/// Colours of its own for each kind of page; text in the page's own font.
const STYLE: &str = "\
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 15px }
  .quiet { fill: #59636e }
  .peer { fill: #8c959f }
  .ours { fill: #0969da }
  .whisker { stroke: #1f2328; stroke-width: 1.5 }
  .one { stroke: #cf222e; stroke-width: 1; stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .quiet { fill: #9198a1 }
    .peer { fill: #656c76 }
    .ours { fill: #4493f8 }
    .whisker { stroke: #f0f6fc }
    .one { stroke: #f85149 }
  }
";

/// The chart of a run: added CPU time for each request, in parts of what `jwt_authn` adds.
pub fn chart(results: &Results) -> String {
    let rows: Vec<&Row> = results
        .rows
        .iter()
        .filter(|row| !row.contestant.is_baseline())
        .collect();
    let most = rows
        .iter()
        .map(|row| row.ratio.high)
        .fold(1.0_f64, f64::max);
    let scale = (WIDTH - LABELS - VALUES) / most;
    let bottom = TOP + ROW * rows.len() as f64;
    let height = bottom + BOTTOM;
    let one = LABELS + scale;

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" aria-label=\"CPU time added to a request, in parts of what jwt_authn adds\">\n<style>\n{STYLE}</style>\n\
         <text class=\"title\" x=\"12\" y=\"24\">CPU time that a filter adds to a request</text>\n\
         <text class=\"quiet\" x=\"12\" y=\"44\">1 = Envoy's own jwt_authn, HS256, without cache, in the same run; with 90 % \
         intervals</text>\n"
    );
    for (place, row) in rows.iter().enumerate() {
        bar(&mut svg, row, TOP + ROW * place as f64, scale);
    }
    // Writing into a string cannot fail.
    let _ = writeln!(
        svg,
        "<line class=\"one\" x1=\"{one:.1}\" y1=\"{}\" x2=\"{one:.1}\" y2=\"{bottom}\"/>\n</svg>",
        TOP - 6.0
    );
    svg
}

fn bar(svg: &mut String, row: &Row, top: f64, scale: f64) {
    let contestant = row.contestant;
    let ratio = row.ratio;
    let class = if contestant.ours { "ours" } else { "peer" };
    let who = if contestant.ours { "Postern: " } else { "" };
    let label = escape(&format!("{who}{}", contestant.title.replace('`', "")));
    let (text, middle) = (top + ROW / 2.0 + 4.5, top + ROW / 2.0);
    let at = |ratio: f64| LABELS + (ratio * scale).max(0.0);
    let (low, high) = (at(ratio.low), at(ratio.high));
    let width = at(ratio.value) - LABELS;
    // Writing into a string cannot fail.
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{text:.1}\" text-anchor=\"end\">{label}</text>\n\
         <rect class=\"{class}\" x=\"{LABELS}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>\n\
         <line class=\"whisker\" x1=\"{low:.1}\" y1=\"{middle:.1}\" x2=\"{high:.1}\" y2=\"{middle:.1}\"/>\n\
         <text x=\"{:.1}\" y=\"{text:.1}\">{:.2}</text>",
        LABELS - 10.0,
        middle - BAR / 2.0,
        high.max(LABELS + width) + 8.0,
        ratio.value,
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::super::results::tests::steady;
    use super::*;

    #[test]
    fn every_contestant_but_the_baseline_has_a_bar_of_its_ratio() {
        let svg = chart(&steady(60.0, 0.99, 0.0));
        assert_eq!(svg.matches("<rect").count(), 2, "{svg}");
        // jwt_authn is the longest: 1.00 is 500 wide.
        assert!(svg.contains("width=\"500.0\""), "{svg}");
        assert!(
            svg.contains("class=\"ours\" x=\"430\" y=\"95.0\" width=\"250.0\""),
            "{svg}"
        );
        assert!(svg.contains(">0.50</text>"), "{svg}");
    }

    #[test]
    fn the_chart_has_colours_for_dark_pages_and_is_whole() {
        let svg = chart(&steady(60.0, 0.99, 0.0));
        assert!(svg.contains("prefers-color-scheme: dark"));
        assert!(
            svg.starts_with("<svg ") && svg.ends_with("</svg>\n"),
            "{svg}"
        );
        assert_eq!(escape("a<b & c"), "a&lt;b &amp; c");
    }
}
