//! Where a run takes place.

use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::results::Circumstances;
use super::rounds::Plan;
use crate::Result;

/// Gathers what a reader of the figures must know.
///
/// # Errors
///
/// When the module or Envoy cannot be read or run.
pub(super) fn circumstances(
    module: &Path,
    envoy: &Path,
    plan: Plan,
    resident: u64,
) -> Result<Circumstances> {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo")?;
    let models: Vec<&str> = cpuinfo
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map(|(_, model)| model.trim())
        .collect();
    let bytes = std::fs::read(module)?;
    let version = Command::new(envoy).arg("--version").output()?.stdout;
    Ok(Circumstances {
        processor: models.first().copied().unwrap_or("unknown").to_owned(),
        processors: cpuinfo
            .lines()
            .filter(|line| line.starts_with("processor"))
            .count(),
        kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")?
            .trim()
            .to_owned(),
        envoy: version_number(&String::from_utf8_lossy(&version)),
        module: (
            u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Sha256::digest(&bytes)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        ),
        plan,
        resident,
    })
}

/// Envoy says `version: <commit>/<version>/<state>/<build>/<library>`.
fn version_number(text: &str) -> String {
    let version = text.split_once("version:").map_or(text, |(_, rest)| rest);
    version
        .trim()
        .split('/')
        .nth(1)
        .unwrap_or_else(|| version.trim())
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_second_part_of_what_envoy_says() {
        assert_eq!(
            version_number("\nenvoy  version: 0123abc/1.40.0/Clean/RELEASE/BoringSSL\n\n"),
            "1.40.0"
        );
        assert_eq!(version_number("something else"), "something else");
    }
}
