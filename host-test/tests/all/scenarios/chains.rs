//! Several plugins, configurations and root contexts in scenarios.

use super::{Folder, failed_keys, only};

use crate::guests;

/// Adds its configuration's text as the header `x-by`, and refuses `!`.
pub(crate) const MARKS: &str = r#"
    (data (i32.const 1000) "x-by")
    (global $size (mut i32) (i32.const 0))
    (func (export "proxy_on_configure") (param $root i32) (param i32) (result i32)
      (drop (call $buffer (i32.const 7) (i32.const 0) (i32.const 20) (i32.const 0) (i32.const 4)))
      (i32.store8 (i32.add (i32.const 2000) (local.get $root)) (i32.load8_u (i32.load (i32.const 0))))
      (i32.ne (i32.load8_u (i32.load (i32.const 0))) (i32.const 33)))
    (func (export "proxy_on_context_create") (param $id i32) (param $parent i32)
      (i32.store8 (i32.add (i32.const 3000) (local.get $id)) (local.get $parent)))
    (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
      (drop (call $add (i32.const 0) (i32.const 1000) (i32.const 4)
        (i32.add (i32.const 2000) (i32.load8_u (i32.add (i32.const 3000) (local.get $id)))) (i32.const 1)))
      (i32.const 0))
    (func (export "proxy_on_done") (param $id i32) (result i32)
      (if (i32.eqz (i32.load8_u (i32.add (i32.const 3000) (local.get $id)))) (then
        (drop (call $log (i32.const 2) (i32.add (i32.const 2000) (local.get $id)) (i32.const 1)))))
      (i32.const 1))"#;

#[test]
fn a_request_passes_the_plugins_of_the_chain_in_their_order() {
    let folder = Folder::with_guest(MARKS);
    folder.write("other.wat", guests::text(MARKS));
    let chain = r#"
        host.configuration = "0"
        [[plugin]]
        name = "first"
        configuration = "1"
        [[plugin]]
        name = "second"
        module = "other.wat"
        vm_id = "other"
        configuration = "2"
        [[plugin]]
        name = "third"
        root_id = "third"
        "#;
    let report = folder.run(&format!(
        r#"{chain}
        [[step]]
        request = {{}}
        expect.upstream.headers.x-by = ["1", "2", "0"]
        # The first and the third live in one VM.
        expect.root_contexts = 2
        [[step]]
        plugin = "second"
        expect.root_contexts = 1
        [[step]]
        request.plugins = ["third", "first"]
        expect.upstream.headers.x-by = ["0", "1"]
        [[step]]
        plugin = "second"
        configure = "5"
        [[step]]
        request = {{}}
        expect.upstream.headers.x-by = ["1", "5", "0"]
        [[step]]
        plugin = "second"
        configure = "!"
        expect.refused = {{ any = true }}
        [[step]]
        plugin = "second"
        set_shared_data = {{ k = "v" }}
        expect.shared_data.k = "v"
        [[step]]
        expect.shared_data.k.absent = true
        [[step]]
        plugin = "third"
        remove = true
        [[step]]
        request.plugins = ["first", "second"]
        expect.upstream.headers.x-by = ["1", "5"]
        "#
    ));
    assert!(report.passed(), "{report}");
    let report = folder.run(&format!(
        "{chain}\n[[step]]\nplugin = 'second'\nremove = true\n[[step]]\nrequest = {{}}\n"
    ));
    assert!(
        only(&report).failures[0]
            .observed
            .contains("`second` has not accepted a configuration, or is gone"),
        "{report}"
    );
}

#[test]
fn a_plugin_that_refuses_its_configuration_is_named() {
    let folder = Folder::with_guest(MARKS);
    let chain = "[[plugin]]\nname = 'good'\nconfiguration = '1'\n[[plugin]]\nname = 'bad'\nconfiguration = '!'\n";
    let report = folder.run(&format!("{chain}[[step]]\nrequest.plugins = ['good']\n"));
    assert_eq!(failed_keys(&report), ["refused"]);
    assert!(
        only(&report).failures[0].observed.starts_with("\"bad: "),
        "{report}"
    );
    let report = folder.run(&format!(
        "start.expect.refused.contains = 'bad'\n{chain}[[step]]\nrequest.plugins = ['good']\nexpect.status = 200\n"
    ));
    assert!(report.passed(), "{report}");
}

#[test]
fn plugins_that_are_not_there_are_refused() {
    let folder = Folder::with_guest("");
    for (scenario, reason) in [
        (
            "[[step]]\nplugin = 'x'\nrequest = {}\n",
            "there is no plugin `x`",
        ),
        (
            "[[step]]\nrequest.plugins = ['plugin', 'x']\n",
            "there is no plugin `x`",
        ),
        (
            "plugin = [{ name = 'a' }, { name = 'a' }]\n[[step]]\nrequest = {}\n",
            "two plugins have the name `a`",
        ),
    ] {
        assert!(folder.refused(scenario).contains(reason), "{scenario}");
    }
    folder.write("guest.wat", guests::text(""));
    let report =
        folder.run("plugin = [{ name = 'a', module = 'gone.wat' }]\n[[step]]\nrequest = {}\n");
    let error = only(&report).error.as_deref();
    assert!(
        error.is_some_and(|error| error.contains("gone.wat")),
        "{report}"
    );
}

#[test]
fn a_replaced_configuration_lives_until_it_has_drained() {
    let report = Folder::with_guest(MARKS).run(
        r#"
        host.configuration = "a"
        host.drain_time = "10s"
        host.main_thread_vm = false
        [[upstream]]
        reply.manual = true

        [[step]]
        stream = "old"
        request = { method = "POST", end = false }
        [[step]]
        configure = "b"
        expect.root_contexts = 2
        [[step]]
        stream = "old"
        body = {}
        expect.upstream.headers.x-by = "a"
        [[step]]
        stream = "old"
        reply = {}
        [[step]]
        stream = "new"
        request = {}
        expect.upstream.headers.x-by = "b"
        expect.root_contexts = 2
        [[step]]
        advance = "10s"
        expect = { root_contexts = 1, log_in_order = ["a"] }
        [[step]]
        configure = "c"
        [[step]]
        stream = "new"
        disconnect = true
        [[step]]
        drain = true
        expect = { root_contexts = 1, log_in_order = ["b"] }
        [[step]]
        shut_down = true
        expect = { root_contexts = 0, log_in_order = ["c"] }
        "#,
    );
    assert!(report.passed(), "{report}");
    let report = Folder::with_guest("").run(
        "[[step]]\nexpect.root_contexts = 2\n[[step]]\nshut_down = true\n[[step]]\nrequest = {}\n",
    );
    assert_eq!(failed_keys(&report), ["root_contexts", ""], "{report}");
}

#[test]
fn a_request_can_have_properties_of_its_own() {
    let guest = r#"
        (data (i32.const 1000) "xds\00route_name")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $log_number (call $property (i32.const 1000) (i32.const 14) (i32.const 0) (i32.const 4)))
          (call $log_handed)
          (i32.const 0))"#;
    let report = Folder::with_guest(guest).run(
        r#"
        host.properties = { "xds.route_name" = "all" }
        [[step]]
        request.properties = { "xds.route_name" = "this" }
        expect.log = ["this"]
        [[step]]
        request = {}
        expect.log = ["all"]
        [[step]]
        request.properties = { "xds.route_name" = { absent = true } }
        expect.log = ["01"]
        "#,
    );
    assert!(report.passed(), "{report}");
}

/// Looks up `db.internal` at every request and logs the answer, and that it asked; logs `ked` when metrics are flushed.
pub(crate) const LOOKS_UP: &str = r#"
        (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
        (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "envoy_resolve_dns" (func $dns (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 1000) "db.internal")
        (data (i32.const 1020) "asked")
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 4096))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $dns (i32.const 1000) (i32.const 11) (i32.const 100)))
          (drop (call $log (i32.const 2) (i32.const 1020) (i32.const 5)))
          (i32.const 0))
        (func (export "envoy_on_stats_update") (param i32 i32)
          (drop (call $log (i32.const 2) (i32.const 1022) (i32.const 3))))
        (func (export "envoy_on_resolve_dns") (param i32 i32) (param $size i32)
          (drop (call $buffer (i32.const 8) (i32.const 0) (local.get $size) (i32.const 200) (i32.const 204)))
          (drop (call $log (i32.const 2) (i32.load (i32.const 200)) (i32.load (i32.const 204)))))"#;

#[test]
fn names_are_looked_up_and_capabilities_restricted_as_the_file_says() {
    let folder = Folder::with_guest("");
    folder.write("guest.wat", format!("(module {LOOKS_UP})"));
    let report = folder.run(
        r#"
        host.allow = ["PH028"]
        [[scenario]]
        name = "an answer after a while"
        host.dns = { "db.internal" = { addresses = ["10.0.0.1"], ttl = "5s", delay = "1s" } }
        [[scenario.step]]
        request = {}
        expect.log_in_order = ["asked"]
        [[scenario.step]]
        advance = "1s"
        expect.log = [{ contains = "10.0.0.1:0" }]
        [[scenario.step]]
        flush_stats = true
        expect.log = ["ked"]

        [[scenario]]
        name = "at once"
        host.dns = { "db.internal" = { addresses = ["::1"], at_once = true } }
        [[scenario.step]]
        request = {}
        expect.log_in_order = [{ contains = "[::1]:0" }, "asked"]

        [[scenario]]
        name = "no answer"
        host.dns = { "db.internal" = { failure = true } }
        [[scenario.step]]
        request = {}
        [[scenario.step]]
        advance = "1s"
        expect.log_in_order = [""]

        [[scenario]]
        name = "restricted"
        host.capabilities = ["proxy_on_request_headers", "proxy_get_buffer_bytes"]
        [[scenario.step]]
        request = {}
        expect.log = [{ message = "asked", absent = true }]

        [[scenario]]
        name = "one plugin of two is restricted"
        plugin = [{ name = "a", capabilities = ["proxy_log"] }, { name = "b" }]
        [[scenario.step]]
        request = {}
        expect.log = [{ message = "asked", count = 1 }]
        "#,
    );
    assert!(report.passed(), "{report}");
    let told = folder.refused("host.capabilities = ['proxy_lgo']\n[[step]]\nrequest = {}\n");
    assert!(
        told.contains("`proxy_lgo` is no host function and no callback"),
        "{told}"
    );
}
