//! Which host does what about an import (their sources, and what is reported of them, 2026).

use std::fmt;

use serde::Serialize;

use crate::functions::Function;
use crate::profile::{Link, Profile};
use crate::status::Status;

/// What a host does about an import.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Support {
    /// It has the function.
    Works,
    /// It has a function of that name which behaves otherwise.
    Differs,
    /// It answers OK and does nothing.
    NoEffect,
    /// It answers UNIMPLEMENTED (12).
    Unimplemented,
    /// It kills the VM when the function is called.
    Traps,
    /// It refuses to link the module.
    NotLinked,
    /// It is not known.
    Unknown,
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Works => "has it",
            Self::Differs => "has another one",
            Self::NoEffect => "does nothing",
            Self::Unimplemented => "answers UNIMPLEMENTED",
            Self::Traps => "traps",
            Self::NotLinked => "does not link it",
            Self::Unknown => "is not known to have it",
        })
    }
}

/// The functions of WASI that the specification of ABI 0.2.1 has; Envoy has 37 more since 1.39.
pub(crate) const WASI_OF_THE_SPECIFICATION: &[&str] = &[
    "args_get",
    "args_sizes_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_write",
    "proc_exit",
    "random_get",
];

/// What a host does about a function that Envoy has. The test host does the same under that profile.
pub(super) fn support(host: Profile, function: Function) -> Support {
    match host.link(function) {
        Link::Traps => Support::Traps,
        Link::Absent => Support::NotLinked,
        Link::Answers(Status::Ok) => Support::NoEffect,
        Link::Answers(_) => Support::Unimplemented,
        Link::Works if host == Profile::Envoy => Support::Works,
        Link::Works if !is_certain(host, function) => Support::Unknown,
        Link::Works if differs(host, function) => Support::Differs,
        Link::Works => Support::Works,
    }
}

/// Of WASI, each host has its own selection.
fn is_certain(host: Profile, function: Function) -> bool {
    let name = function.name();
    name.starts_with("proxy_")
        || (host != Profile::ServiceExtensions && WASI_OF_THE_SPECIFICATION.contains(&name))
}

fn differs(host: Profile, function: Function) -> bool {
    match function {
        // A cluster is another thing for each, and the functions of foreign functions are.
        Function::proxy_http_call | Function::proxy_call_foreign_function => true,
        Function::proxy_get_current_time_nanoseconds => host.cuts_time(),
        Function::proxy_continue_stream => host.never_resumes(),
        Function::proxy_send_local_response => host.drops_local_headers(),
        Function::proxy_get_property => {
            host.has_every_property()
                || host.has_text_properties()
                || host.only_property().is_some()
        }
        _ => false,
    }
}

/// What a host does about an import of any name.
pub(super) fn support_by_name(host: Profile, module: &str, name: &str) -> Support {
    let is_wasi = matches!(module, "wasi_snapshot_preview1" | "wasi_unstable");
    match Function::named(name) {
        Some(function) if is_wasi != name.starts_with("proxy_") && (is_wasi || module == "env") => {
            support(host, function)
        }
        _ => Support::NotLinked,
    }
}

/// In words, which hosts do not have a function or answer it otherwise; `None`: none of which that is known.
pub(crate) fn differences(function: Function) -> Option<String> {
    let words: Vec<String> = Profile::ALL
        .iter()
        .map(|host| (host, support(*host, function)))
        .filter(|(_, support)| !matches!(support, Support::Works | Support::Unknown))
        .map(|(host, support)| format!("{} {support}", host.name()))
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_hosts_have_has_no_differences_and_other_functions_name_the_hosts() {
        assert_eq!(differences(Function::proxy_get_header_map_value), None);
        assert_eq!(
            differences(Function::proxy_get_shared_data).as_deref(),
            Some("apisix answers UNIMPLEMENTED; service-extensions answers UNIMPLEMENTED")
        );
    }

    #[test]
    fn a_name_in_the_wrong_module_is_not_linked_by_anybody() {
        let find = |module, name| support_by_name(Profile::Envoy, module, name);
        assert_eq!(find("env", "proxy_log"), Support::Works);
        assert_eq!(find("wasi_unstable", "fd_write"), Support::Works);
        assert_eq!(find("env", "fd_write"), Support::NotLinked);
        assert_eq!(find("wasi_unstable", "proxy_log"), Support::NotLinked);
        assert_eq!(find("env", "proxy_dance"), Support::NotLinked);
    }
}
