//! Properties in hosts that are not Envoy: ngx_wasm_module has some of Envoy's and nginx's variables (its `docs/PROXY_WASM.md`,
//! "Supported Properties"), and APISIX has the variables alone.

use crate::profile::Profile;

/// What a path stands for.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Reading {
    /// What it stands for in Envoy.
    Envoys,
    /// What this path stands for in Envoy; of an address only the host.
    Attribute(Vec<Vec<u8>>),
    /// What a guest has set under this very path.
    Kept,
    /// Nothing.
    Nothing,
}

/// The variables of nginx that say what an attribute of Envoy says.
const VARIABLES: &[(&[u8], [&[u8]; 2])] = &[
    (b"args", [b"request", b"query"]),
    (b"query_string", [b"request", b"query"]),
    (b"host", [b"request", b"host"]),
    (b"remote_addr", [b"source", b"address"]),
    (b"remote_port", [b"source", b"port"]),
    (b"request_method", [b"request", b"method"]),
    (b"request_uri", [b"request", b"path"]),
    (b"scheme", [b"request", b"scheme"]),
    (b"server_port", [b"destination", b"port"]),
    (b"server_protocol", [b"request", b"protocol"]),
    (b"status", [b"response", b"code"]),
    (b"uri", [b"request", b"url_path"]),
];

pub(super) fn read(profile: Profile, path: &[&[u8]]) -> Reading {
    match (profile, path) {
        (Profile::NgxWasmModule, [b"ngx", name]) => variable(name),
        (Profile::NgxWasmModule, [b"wasmx", ..]) => Reading::Kept,
        (Profile::NgxWasmModule, _) if !is_in_nginx(path) => Reading::Nothing,
        (Profile::NgxWasmModule, _) => {
            Reading::Attribute(path.iter().map(|segment| segment.to_vec()).collect())
        }
        (Profile::Apisix, [name]) => variable(name),
        (Profile::Apisix, _) => Reading::Nothing,
        _ => Reading::Envoys,
    }
}

/// Headers are variables too: `http_user_agent`, and `sent_http_location` of the response.
fn variable(name: &[u8]) -> Reading {
    let header = |group: &str, name: &[u8]| {
        let name = name.iter().map(|byte| match byte {
            b'_' => b'-',
            byte => byte.to_ascii_lowercase(),
        });
        Reading::Attribute(vec![group.into(), b"headers".to_vec(), name.collect()])
    };
    if let Some((_, path)) = VARIABLES.iter().find(|(variable, _)| *variable == name) {
        return Reading::Attribute(path.iter().map(|segment| segment.to_vec()).collect());
    }
    match (
        name.strip_prefix(b"http_"),
        name.strip_prefix(b"sent_http_"),
    ) {
        (Some(name), _) => header("request", name),
        (None, Some(name)) => header("response", name),
        (None, None) => Reading::Nothing,
    }
}

/// Whether ngx_wasm_module has this attribute of Envoy.
fn is_in_nginx(path: &[&[u8]]) -> bool {
    matches!(
        path,
        [b"plugin_name" | b"plugin_root_id"]
            | [b"request", ..]
            | [b"response", b"code" | b"size" | b"total_size"]
            | [b"response", b"headers", _]
            | [
                b"upstream" | b"source" | b"destination",
                b"address" | b"port"
            ]
            | [
                b"connection",
                b"id"
                    | b"mtls"
                    | b"requested_server_name"
                    | b"tls_version"
                    | b"subject_local_certificate"
            ]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(path: &str) -> Reading {
        Reading::Attribute(path.split('.').map(|segment| segment.into()).collect())
    }

    #[test]
    fn variables_of_nginx_are_read_as_attributes() {
        let ngx = |path: &[&[u8]]| read(Profile::NgxWasmModule, path);
        assert_eq!(ngx(&[b"ngx", b"request_uri"]), attribute("request.path"));
        assert_eq!(
            ngx(&[b"ngx", b"http_user_agent"]),
            attribute("request.headers.user-agent")
        );
        assert_eq!(
            ngx(&[b"ngx", b"sent_http_x_a"]),
            attribute("response.headers.x-a")
        );
        assert_eq!(ngx(&[b"ngx", b"nonsense"]), Reading::Nothing);
        assert_eq!(
            read(Profile::Apisix, &[b"uri"]),
            attribute("request.url_path")
        );
        assert_eq!(
            read(Profile::Apisix, &[b"request", b"path"]),
            Reading::Nothing
        );
    }

    #[test]
    fn what_ngx_wasm_module_does_not_have_is_nothing() {
        let ngx = |path: &[&[u8]]| read(Profile::NgxWasmModule, path);
        assert_eq!(ngx(&[b"request", b"id"]), attribute("request.id"));
        assert_eq!(ngx(&[b"wasmx", b"mine"]), Reading::Kept);
        assert_eq!(ngx(&[b"plugin_vm_id"]), Reading::Nothing);
        assert_eq!(ngx(&[b"xds", b"node"]), Reading::Nothing);
        assert_eq!(ngx(&[b"response", b"flags"]), Reading::Nothing);
        assert_eq!(read(Profile::Envoy, &[b"plugin_vm_id"]), Reading::Envoys);
    }
}
