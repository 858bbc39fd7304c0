//! The pages about scenarios.

use postern_host::scenario::{self, Options};

use super::{Folder, only};

#[test]
fn the_reference_has_every_key_of_the_schema() {
    let page = include_str!("../../../../docs/host/scenarios.md");
    let (_, tables) = page.split_once("## All keys\n\n").expect("the reference");
    assert!(
        tables.trim_end() == scenario::reference().trim_end(),
        "write it anew: cargo run -p postern-host -- schema --reference"
    );
}

/// The blocks of TOML in a page.
fn blocks(page: &str) -> Vec<&str> {
    let blocks = page.split("```toml\n").skip(1);
    blocks
        .filter_map(|block| block.split("```").next())
        .collect()
}

#[test]
fn the_first_scenario_of_the_introduction_is_filled_in_as_it_says() {
    let page = include_str!("../../../../docs/host/README.md");
    let folder = Folder::with_guest("");
    let first = blocks(page)[0].replace("filter.wasm", "guest.wat");
    let file = folder.write("first.scenario.toml", first);
    let mut options = Options::default();
    options.bless = true;
    let report = scenario::run_files(&[file], &options).expect("a scenario");
    assert!(report.passed(), "{report}");
    assert!(only(&report).blessed > 0);
}

#[test]
fn every_block_of_the_reference_is_one_that_is_understood() {
    let page = include_str!("../../../../docs/host/scenarios.md");
    let folder = Folder::with_guest("");
    folder.write("config.json", "{}");
    let blocks = blocks(page);
    assert!(blocks.len() >= 2);
    for block in blocks {
        let file = folder.write("s.scenario.toml", block);
        if let Err(error) = scenario::load(file) {
            panic!("{error}\n{block}");
        }
    }
}
