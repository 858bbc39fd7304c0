//! Which SDK a module was made with. None says so by itself; the paths of its sources, which panics print, do.

use super::facts::Facts;

/// How a path of an SDK's sources begins, up to the version, and the SDK's name.
const PATHS: &[(&str, &str)] = &[
    ("/proxy-wasm-", "Rust SDK"),
    ("proxy-wasm-go-sdk@v", "Go SDK"),
    ("higress-group/wasm-go@v", "Higress Go SDK"),
];

/// An SDK and its version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Sdk {
    pub(super) name: &'static str,
    pub(super) version: String,
}

impl Sdk {
    /// Whether this version has a defect that has a fix.
    pub(super) fn is_defective(&self) -> bool {
        let numbers: Vec<u32> = self
            .version
            .split('.')
            .map_while(|part| part.parse().ok())
            .collect();
        self.name == "Rust SDK" && matches!(numbers[..], [0, 0 | 1, ..] | [0, 2, 0..=4, ..])
    }
}

/// The SDK that the data segments speak of.
pub(super) fn find(facts: &Facts) -> Option<Sdk> {
    PATHS.iter().find_map(|(path, name)| {
        let version = version_behind(&facts.data, path.as_bytes())?;
        Some(Sdk { name, version })
    })
}

fn version_behind(data: &[u8], path: &[u8]) -> Option<String> {
    let starts = data
        .windows(path.len())
        .enumerate()
        .filter(|(_, window)| *window == path);
    starts
        .map(|(at, _)| &data[at + path.len()..])
        .find_map(|rest| {
            let end = rest
                .iter()
                .position(|byte| !byte.is_ascii_alphanumeric() && !b".-+".contains(byte))?;
            let version = str::from_utf8(&rest[..end]).ok()?;
            let is_version = version.starts_with(|first: char| first.is_ascii_digit())
                && version.split('.').count() >= 3
                && rest[end] == b'/';
            is_version.then(|| version.to_owned())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(data: &str) -> Option<Sdk> {
        find(&Facts {
            data: data.as_bytes().to_vec(),
            ..Facts::default()
        })
    }

    #[test]
    fn the_version_is_read_from_the_path_of_a_source() {
        let sdk = found("x/registry/src/index/proxy-wasm-0.2.3/src/hostcalls.rs").expect("found");
        assert_eq!((sdk.name, sdk.version.as_str()), ("Rust SDK", "0.2.3"));
        assert!(sdk.is_defective());
        let sdk = found("/proxy-wasm-x/ /proxy-wasm-0.2.5/src").expect("found");
        assert!(!sdk.is_defective());
        let sdk = found("github.com/proxy-wasm/proxy-wasm-go-sdk@v0.24.0/x.go").expect("found");
        assert_eq!((sdk.name, sdk.version.as_str()), ("Go SDK", "0.24.0"));
        assert!(!sdk.is_defective());
        assert_eq!(found("proxy-wasm is a fine thing"), None);
        assert_eq!(found("/proxy-wasm-"), None);
    }
}
