//! The bench itself: every contestant answers as it should, and the figures arrive where they are looked for. What they
//! say is not judged here, since other tests run at the same time.

use std::path::Path;
use std::process::{Command, Output};

use postern_tests::bench::contestants::CONTESTANTS;
use postern_tests::{Result, artefacts};

fn bench(output: &Path, arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(env!("CARGO_BIN_EXE_postern-bench"))
        .arg("--wasm")
        .arg(artefacts::wasm()?)
        .arg("--envoy")
        .arg(artefacts::envoy()?)
        .arg("--output")
        .arg(output)
        .args(["--rounds", "1", "--requests", "200", "--seed", "7"])
        .args(arguments)
        .output()?)
}

#[test]
fn every_contestant_answers_and_has_its_figures_in_table_json_and_chart() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let json = folder.path().join("copy.json");
    let docs = folder.path().join("docs");
    std::fs::create_dir(&docs)?;
    std::fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md"),
        docs.join("performance.md"),
    )?;
    let arguments = [
        "--json",
        &json.to_string_lossy(),
        "--publish",
        &docs.to_string_lossy(),
    ];
    let output = bench(folder.path(), &arguments)?;
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let results: serde_json::Value = serde_json::from_slice(&std::fs::read(json)?)?;
    let page = std::fs::read_to_string(docs.join("performance.md"))?;
    for (contestant, row) in CONTESTANTS
        .iter()
        .zip(results["contestants"].as_array().into_iter().flatten())
    {
        assert_eq!(row["name"], contestant.name);
        assert!(row["envoy_us"].as_f64() > Some(0.0), "{row}");
        assert!(printed.contains(contestant.title), "{printed}");
        assert!(page.contains(contestant.title), "{page}");
    }
    assert_eq!(results["seed"], 7);
    assert_eq!(
        std::fs::read_to_string(folder.path().join("bench.svg"))?,
        std::fs::read_to_string(docs.join("performance.svg"))?
    );
    Ok(())
}

#[test]
fn an_unknown_contestant_is_an_error_that_names_those_there_are() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let output = bench(folder.path(), &["--only", "sean"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("no contestant sean") && said.contains("seen-small"),
        "{said}"
    );
    Ok(())
}
