//! `docs/host/diagnostics.md` against the table of codes.

use std::path::Path;

use postern_host::Code;

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/host/diagnostics.md");
    std::fs::read_to_string(path).expect("the page is there")
}

#[test]
fn every_code_has_a_section_with_its_words_and_an_example_and_nothing_else_has() {
    let page = page();
    let sections: Vec<&str> = page.split("\n### ").skip(1).collect();
    assert_eq!(sections.len(), Code::ALL.len());
    for (code, section) in Code::ALL.iter().zip(sections) {
        let heading = format!("{code} {} ({})\n", code.name(), code.severity());
        assert!(section.starts_with(&heading), "{heading} but {section}");
        assert!(
            section.contains(code.summary()),
            "{code}: {}",
            code.summary()
        );
        assert!(section.contains(code.advice()), "{code}: {}", code.advice());
        assert!(section.contains("\n```"), "{code} has no example");
    }
}

#[test]
fn the_list_of_codes_on_top_has_them_all() {
    let page = page();
    for code in Code::ALL {
        let row = format!("| {code} | {} | {} |", code.severity(), code.name());
        assert!(page.contains(&row), "{row}");
    }
}
