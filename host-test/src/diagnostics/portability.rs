//! Where other hosts differ (`proxy-wasm` hosts of 2026, from their sources).

/// What another host calls a property, if this is not a name of Envoy's; the path has zero bytes between its segments.
pub(super) fn foreign_property(path: &[u8]) -> Option<&'static str> {
    let first = path.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(match first {
        b"route_name" => "an old name of Envoy's, now `xds.route_name`",
        b"cluster_name" => "an old name of Envoy's, now `xds.cluster_name`",
        b"wasm_process_req_body" | b"wasm_process_resp_body" => "of APISIX",
        _ if first.starts_with(b"ngx.") || first.starts_with(b"wasmx.") => "of ngx_wasm_module",
        _ => return None,
    })
}

/// Whether `proxy_set_property` of this path changes nothing, for all that it answers OK.
pub(super) fn is_envoys_own(path: &[u8]) -> bool {
    let first = path.split(|byte| *byte == 0).next().unwrap_or_default();
    let has_more = path.contains(&0) || path.contains(&b'.');
    let root = first.split(|byte| *byte == b'.').next().unwrap_or_default();
    has_more
        && [
            "request",
            "response",
            "source",
            "destination",
            "connection",
            "upstream",
            "xds",
        ]
        .iter()
        .any(|name| name.as_bytes() == root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_other_hosts_are_foreign() {
        assert!(foreign_property(b"ngx.host").is_some());
        assert!(foreign_property(b"route_name").is_some());
        assert_eq!(foreign_property(b"xds.route_name"), None);
        assert_eq!(foreign_property(b"request\0path"), None);
    }

    #[test]
    fn only_names_under_envoys_attributes_are_envoys_own() {
        assert!(is_envoys_own(b"request\0path"));
        assert!(is_envoys_own(b"response.code"));
        assert!(!is_envoys_own(b"request"));
        assert!(!is_envoys_own(b"postern.user"));
    }
}
