//! The pages about the commands against what `--help` says.

use std::path::Path;
use std::process::Command;

/// The options of a command, without the dashes.
fn options(command: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_postern-host"))
        .args([command, "--help"])
        .output()
        .expect("the command runs");
    let help = String::from_utf8(output.stdout).expect("text");
    let lines = help.lines().map(str::trim_start);
    let options = lines.filter_map(|line| line.strip_prefix("--"));
    options
        .map(|line| {
            let end = line.find(|letter: char| !letter.is_ascii_lowercase() && letter != '-');
            line[..end.unwrap_or(line.len())].to_owned()
        })
        .collect()
}

#[test]
fn the_page_about_a_command_has_each_of_its_options() {
    // How many options there are at least, so that this notices when it reads the help wrongly.
    for (command, page, at_least) in [
        ("bench", "bench.md", 12),
        ("diff", "diff.md", 6),
        ("lint", "lint.md", 3),
        ("new", "README.md", 1),
        ("run", "scenarios.md", 12),
        ("schema", "scenarios.md", 1),
        ("serve", "serve.md", 20),
        ("trace", "diff.md", 2),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs/host")
            .join(page);
        let text = std::fs::read_to_string(path).expect("the page is there");
        let words: Vec<&str> = text
            .split(|letter: char| !letter.is_ascii_lowercase() && letter != '-')
            .collect();
        let options = options(command);
        assert!(options.len() >= at_least, "{command}: {options:?}");
        for option in options {
            let option = format!("--{option}");
            assert!(
                words.contains(&option.as_str()),
                "{command} {option} is not in {page}"
            );
        }
    }
}
