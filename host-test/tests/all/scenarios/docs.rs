//! The pages about scenarios.

use postern_host::scenario::{self, Options};

use super::{Folder, GUEST, only, schema};
use crate::guests;

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

/// Asks the cluster `users` who sends a request, and tells the upstream; without an answer, the request is turned away.
const USERS: &str = r#"
    (data (i32.const 1000) "usersx-userthe users timed out")
    (data (i32.const 1100) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\04\00\00\00\0a\00\00\00\05\00\00\00:method\00GET\00:path\00/who\00:authority\00users\00")
    (global $stream (mut i32) (i32.const 0))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (global.set $stream (local.get 0))
      (drop (call $call (i32.const 1000) (i32.const 5) (i32.const 1100) (i32.const 68)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 2000)))
      (i32.const 1))
    (func (export "proxy_on_http_call_response") (param i32 i32 i32) (param $size i32) (param i32)
      (drop (call $buffer (i32.const 4) (i32.const 0) (local.get $size) (i32.const 200) (i32.const 204)))
      (drop (call $act_as (global.get $stream)))
      (if (i32.eq (local.get $size) (i32.const 4))
        (then
          (drop (call $add (i32.const 0) (i32.const 1005) (i32.const 6) (i32.load (i32.const 200)) (i32.load (i32.const 204))))
          (drop (call $continue (i32.const 0))))
        (else
          (drop (call $log (i32.const 3) (i32.const 1011) (i32.const 19)))
          (drop (call $respond (i32.const 401) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const -1))))))"#;

/// The guests of the examples, by the names of their modules.
fn guest(name: &str) -> String {
    guests::text(match name {
        "filter.wasm" => USERS,
        "marks.wasm" => GUEST,
        "names.wasm" => super::chains::MARKS,
        "queue.wasm" => super::tcp::WORKS,
        "grpc.wasm" => super::steps::GRPC,
        "offers.wasm" => super::steps::OFFERS,
        "ticks.wasm" => super::steps::TICKS,
        "stores.wasm" => super::steps::STORES,
        "lookups.wasm" => return format!("(module {})", super::chains::LOOKS_UP),
        "tcp.wasm" => return format!("(module {})", super::tcp::PINGS),
        other => panic!("there is no guest {other}"),
    })
}

#[test]
fn every_example_of_the_reference_is_valid_and_passes() {
    let page = include_str!("../../../../docs/host/scenarios.md");
    let folder = Folder::with_guest("");
    folder.write("config.json", "{}");
    let blocks = blocks(page);
    assert!(blocks.len() >= 12);
    for block in blocks {
        assert_eq!(schema::problems(block), Vec::<String>::new(), "{block}");
        let modules = block.split('"').filter(|word| word.ends_with(".wasm"));
        for module in modules {
            folder.write(module, guest(module));
        }
        let file = folder.write("s.scenario.toml", block);
        let report = match scenario::run_files(&[file], &Options::default()) {
            Ok(report) => report,
            Err(error) => panic!("{error}\n{block}"),
        };
        assert!(report.passed(), "{block}\n{report}");
    }
}

#[test]
fn the_examples_of_the_introduction_are_valid() {
    let page = include_str!("../../../../docs/host/README.md");
    let blocks = blocks(page);
    assert!(blocks.len() >= 2);
    for block in blocks {
        assert_eq!(schema::problems(block), Vec::<String>::new(), "{block}");
    }
}
