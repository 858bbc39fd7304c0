//! How long filter state lives: what Envoy 1.40 did with the same guest, a redirect that it follows, and a connection that is
//! kept.

use postern_host::{ClientConnection, Host, PluginId, Reply, Request, Route, UpstreamRequest};

use crate::guests::{builder, messages, started};

/// Names of properties with the life span of each in `declare_property`, and of Envoy's objects with that of each.
const DECLARED: [(&str, u8); 4] = [("ff", 0), ("fr", 1), ("fc", 2), ("fx", 3)];
const OBJECTS: [(&str, u8); 3] = [
    ("envoy.string", 0),
    ("envoy.hashable_string", 1),
    ("envoy.network.upstream_server_name", 2),
];

/// The data of a guest, from address 1,000 on.
#[derive(Default)]
struct Data(Vec<u8>);

impl Data {
    /// The address and length of these bytes, as arguments.
    fn add(&mut self, bytes: &[u8]) -> String {
        let start = 1_000 + self.0.len();
        self.0.extend(bytes);
        format!("(i32.const {start}) (i32.const {})", bytes.len())
    }

    fn call(&mut self, name: &str, arguments: &[u8]) -> String {
        let (name, arguments) = (self.add(name.as_bytes()), self.add(arguments));
        format!("(call $foreign {name} {arguments} (i32.const 0) (i32.const 4))")
    }

    fn read(&mut self, path: &str) -> String {
        let path = self.add(path.as_bytes());
        format!("(call $log_number (call $property {path} (i32.const 0) (i32.const 4)))")
    }

    fn text(&self) -> String {
        let bytes: String = self.0.iter().map(|byte| format!("\\{byte:02x}")).collect();
        format!(r#"(data (i32.const 1000) "{bytes}")"#)
    }
}

/// A Protocol Buffers message of strings and a number, by field.
fn message(strings: &[(u8, &str)], number: (u8, u8)) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (field, text) in strings {
        bytes.extend([field << 3 | 2, u8::try_from(text.len()).expect("short")]);
        bytes.extend(text.as_bytes());
    }
    bytes.extend([number.0 << 3, number.1]);
    bytes
}

/// Logs the statuses of reading everything, and then sets it all.
fn guest() -> String {
    let mut data = Data::default();
    let (mut declare, mut body) = (String::new(), String::new());
    for (name, span) in DECLARED {
        let call = data.call("declare_property", &message(&[(1, name)], (5, span)));
        declare.push_str(&format!("(drop {call})"));
        body.push_str(&data.read(name));
    }
    for (name, _) in OBJECTS {
        body.push_str(&data.read(&format!("filter_state\0{name}")));
    }
    let value = data.add(b"v");
    for (name, _) in DECLARED {
        let path = data.add(name.as_bytes());
        body.push_str(&format!("(drop (call $set_property {path} {value}))"));
    }
    for (name, span) in OBJECTS {
        let arguments = message(&[(1, name), (2, "x")], (3, span));
        let call = data.call("set_envoy_filter_state", &arguments);
        body.push_str(&format!("(drop {call})"));
    }
    // The same name with another span: Envoy says OK, notes a bug in its log, and changes nothing.
    let other = message(&[(1, OBJECTS[0].0), (2, "other")], (3, 2));
    let call = data.call("set_envoy_filter_state", &other);
    body.push_str(&format!("(call $log_number {call})"));
    format!(
        r#"{}
        (func (export "proxy_on_configure") (param i32 i32) (result i32) {declare} (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {body} (i32.const 0))"#,
        data.text()
    )
}

fn host() -> (Host, PluginId) {
    let upstream = |request: &UpstreamRequest| {
        if request.headers.text(":path").as_deref() == Some("/a") {
            Reply::new(302)
                .header("location", "http://localhost/b")
                .header("content-length", "0")
        } else {
            Reply::ok()
        }
    };
    let route = Route::prefix("/").follow_redirects();
    started(builder(&guest()).route(route).upstream(upstream))
}

/// What each request has found.
fn found(host: &mut Host) -> Vec<String> {
    let names: Vec<&str> = DECLARED
        .iter()
        .chain(&OBJECTS)
        .map(|(name, _)| *name)
        .collect();
    let said = messages(host);
    let of_one = |said: &[String]| {
        let (conflict, statuses) = said.split_last().expect("all were read");
        assert_eq!(conflict, "00");
        let found = names.iter().zip(statuses);
        let found = found.filter(|(_, status)| *status == "00");
        let found: Vec<&str> = found.map(|(name, _)| *name).collect();
        found.join(" ")
    };
    said.chunks(names.len() + 1).map(of_one).collect()
}

#[test]
fn a_redirect_ends_what_lives_in_the_filter_chain_and_nothing_else() {
    let (mut host, plugin) = host();
    let exchange = host.request(plugin, Request::get("/a"));
    assert_eq!(exchange.status(), 200);
    assert_eq!(
        found(&mut host),
        [
            "",
            "fr fc envoy.hashable_string envoy.network.upstream_server_name"
        ]
    );
    assert_eq!(exchange.filter_state["wasm.ff"], b"v", "it was set again");
}

#[test]
fn an_object_of_another_life_span_is_not_replaced() {
    let (mut host, plugin) = host();
    let exchange = host.request(plugin, Request::get("/c"));
    assert_eq!(exchange.filter_state["envoy.string"], b"x");
}

#[test]
fn what_lives_with_the_connection_is_there_for_its_next_request() {
    let (mut host, plugin) = host();
    let connection = ClientConnection::new();
    host.request(plugin, Request::get("/c").over(&connection));
    host.request(plugin, Request::get("/c").over(&connection));
    host.request(plugin, Request::get("/c"));
    assert_eq!(
        found(&mut host),
        ["", "fc envoy.network.upstream_server_name", ""],
        "the third request has a connection of its own"
    );
}

#[test]
fn requests_over_one_connection_have_its_number_and_its_worker() {
    let guest = r#"
        (data (i32.const 1000) "connection_id")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $property (i32.const 1000) (i32.const 13) (i32.const 0) (i32.const 4)))
          (call $log_number (i32.load (i32.load (i32.const 0))))
          (i32.const 0))"#;
    let (mut host, plugin) = started(builder(guest).workers(2));
    let connection = ClientConnection::new();
    let requests = [
        Request::get("/").over(&connection),
        Request::get("/"),
        Request::get("/").over(&connection),
    ];
    let workers = requests.map(|request| host.request(plugin, request).worker);
    assert_eq!(workers, [0, 1, 0]);
    assert_eq!(messages(&mut host), ["01", "02", "01"]);
}

#[test]
fn envoys_objects_are_read_as_text_as_a_map_or_not_at_all() {
    for (name, value, read) in [
        ("envoy.string", "x", Some("x")),
        ("envoy.ratelimit.hits_addend", "3", Some("3")),
        ("envoy.network.ip", "::1", Some("[::1]:0")),
        ("envoy.network.application_protocols", "h2", None),
        (
            "envoy.network.transport_socket.original_dst_address",
            "1.2.3.4:5",
            Some("\0\0\0\0"),
        ),
    ] {
        let mut data = Data::default();
        let arguments = message(&[(1, name), (2, value)], (3, 0));
        let set = data.call("set_envoy_filter_state", &arguments);
        let get = data.read(&format!("filter_state\0{name}"));
        let guest = format!(
            r#"{}
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
              (call $log_number {set})
              (i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const 0))
              {get} (call $log_handed) (i32.const 0))"#,
            data.text()
        );
        let (mut host, plugin) = started(builder(&guest));
        host.request(plugin, Request::get("/"));
        let status = if read.is_some() { "00" } else { "01" };
        assert_eq!(
            messages(&mut host),
            ["00", status, read.unwrap_or_default()],
            "{name}"
        );
    }
}
