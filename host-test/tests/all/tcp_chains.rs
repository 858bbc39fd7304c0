//! Connections through several filters, and those that break: what `envoy/tcp.wat` saw in Envoy 1.40.
//!
//! Callbacks are written as they come, without "proxy_on_": `3 downstream_data 3 0` is that of the context 3. Filters in one VM have
//! contexts of their own; the letters of their configuration are those of the plugin that was configured last.

use std::time::Duration;

use postern_host::{
    ClosedBy, ConnectOptions, Connection, ConnectionId, FailurePolicy, Host, Module, Plugin,
    PluginId,
};

const GUEST: &str = include_str!("envoy/tcp.wat");

struct Played {
    host: Host,
    chain: Vec<PluginId>,
    connection: ConnectionId,
}

/// A connection through filters with these configurations, each in a VM of its own.
fn connected(configurations: &[&str], options: &ConnectOptions) -> Played {
    let module = Module::compile(GUEST).expect("the guest compiles");
    let builder = Host::builder(&module).main_thread_vm(false).trace(true);
    let mut host = builder.failure_policy(FailurePolicy::FailClosed).build();
    let mut chain = Vec::new();
    for (index, configuration) in configurations.iter().enumerate() {
        let plugin = Plugin::of(&module)
            .vm_id(format!("vm-{index}"))
            .configuration(configuration);
        chain.push(host.add_plugin_with(plugin).expect("the guest accepts it"));
    }
    let connection = host.connect_through(&chain, options);
    Played {
        host,
        chain,
        connection,
    }
}

impl Played {
    fn through(configurations: &[&str]) -> Self {
        connected(configurations, &ConnectOptions::new())
    }

    fn client(&mut self, bytes: &str) -> &mut Self {
        self.host.downstream_data(self.connection, bytes, false);
        self
    }

    fn upstream(&mut self, bytes: &str) -> &mut Self {
        self.host.upstream_data(self.connection, bytes, false);
        self
    }

    fn client_ends(&mut self) -> &mut Self {
        self.host.close_by_client(self.connection);
        self
    }

    fn upstream_ends(&mut self) -> &mut Self {
        self.host.close_by_upstream(self.connection);
        self
    }

    fn client_resets(&mut self) -> &mut Self {
        self.host.reset_by_client(self.connection);
        self
    }

    fn upstream_resets(&mut self) -> &mut Self {
        self.host.reset_by_upstream(self.connection);
        self
    }

    fn tick(&mut self) -> &mut Self {
        self.host.advance(Duration::from_secs(1));
        self
    }

    fn seen(&self) -> &Connection {
        let seen = self.host.connection(self.connection);
        seen.expect("it was not taken")
    }

    /// The callbacks about data and ends.
    fn callbacks(&self) -> Vec<String> {
        let calls = self.seen().trace.iter();
        let calls = calls.filter_map(|line| line.strip_prefix("[host->vm] proxy_on_"));
        let calls = calls.map(|call| call.replace(['(', ','], " ").replace(')', ""));
        let calls = calls.map(|call| call.split_whitespace().collect::<Vec<_>>().join(" "));
        calls.collect()
    }
}

const FAREWELL: [&str; 3] = ["done 2", "log 2", "delete 2"];

/// The end of so many filters with contexts 2.
fn farewells(count: usize, peer: u32) -> Vec<String> {
    let one = || {
        let close = format!("downstream_connection_close 2 {peer}");
        std::iter::once(close).chain(FAREWELL.map(str::to_owned))
    };
    (0..count).flat_map(|_| one()).collect()
}

fn ends_with(callbacks: &[String], expected: &[String]) -> bool {
    callbacks.ends_with(expected)
}

#[test]
fn a_connection_comes_to_one_filter_after_another() {
    let played = Played::through(&["Acccc", "Bcccc"]);
    let expected = [
        "context_create 2 1",
        "new_connection 2",
        "context_create 2 1",
        "new_connection 2",
    ];
    assert_eq!(played.callbacks(), expected);
    assert!(played.seen().connected);
}

#[test]
fn a_filter_behind_one_that_pauses_the_new_connection_has_no_context() {
    let mut played = Played::through(&["Apccd", "Bcccc"]);
    assert_eq!(
        played.callbacks(),
        ["context_create 2 1", "new_connection 2"]
    );
    played.client("abc");
    assert!(!played.seen().connected);
    played.tick();
    assert_eq!(
        played.callbacks()[2..],
        [
            "context_create 2 1",
            "new_connection 2",
            "downstream_data 2 3 0",
            "downstream_data 2 3 0"
        ]
    );
    assert_eq!(played.seen().to_upstream, b"abc");
}

#[test]
fn all_filters_see_the_clients_bytes_again_when_one_of_them_has_held_them() {
    let mut played = Played::through(&["Acccc", "BcPcc"]);
    played.client("abc").client("def");
    assert_eq!(
        played.callbacks()[4..],
        [
            "downstream_data 2 3 0",
            "downstream_data 2 3 0",
            "downstream_data 2 6 0",
            "downstream_data 2 6 0"
        ]
    );
    assert_eq!(played.seen().to_upstream, b"abcdef");
}

#[test]
fn a_filter_that_goes_on_later_gives_what_it_held_to_those_behind_it() {
    let mut played = Played::through(&["Acpcd", "Bcccc"]);
    played.client("abc");
    assert_eq!(played.callbacks()[4..], ["downstream_data 2 3 0"]);
    played.tick();
    assert_eq!(
        played.callbacks()[4..],
        ["downstream_data 2 3 0", "downstream_data 2 3 0"]
    );
    assert_eq!(played.seen().to_upstream, b"abc");
}

#[test]
fn what_the_upstream_sends_passes_the_filters_in_reverse() {
    // The last filter holds it back until there are six bytes: the first one sees it then.
    let mut played = Played::through(&["Acccc", "BccPc"]);
    played.upstream("abc");
    assert_eq!(played.callbacks()[4..], ["upstream_data 2 3 0"]);
    played.upstream("def");
    assert_eq!(
        played.callbacks()[5..],
        ["upstream_data 2 6 0", "upstream_data 2 6 0"]
    );
    assert_eq!(played.seen().to_client, b"abcdef");
}

#[test]
fn each_filter_is_told_of_the_upstreams_end_behind_its_own_data() {
    let mut played = Played::through(&["Acccc", "Bcccc"]);
    played.upstream_ends();
    let one = ["upstream_data 2 0 1", "upstream_connection_close 2 0"];
    assert_eq!(played.callbacks()[4..], [one, one].concat());
    // One that is behind a filter which holds the end hears nothing of it.
    let mut played = Played::through(&["Acccc", "Bccpc"]);
    played.upstream_ends();
    assert_eq!(played.callbacks()[4..], one);
    assert!(!played.seen().client_ended);
}

#[test]
fn a_filter_sees_what_the_one_before_it_has_made_of_the_bytes() {
    let mut played = Played::through(&["Acssc", "Bcccc"]);
    played.client("abcdef").upstream("abcdef");
    assert_eq!(
        played.callbacks()[4..],
        [
            "downstream_data 2 6 0",
            "downstream_data 2 3 0",
            "upstream_data 2 6 0",
            "upstream_data 2 6 0"
        ]
    );
    assert_eq!(
        (&*played.seen().to_upstream, &*played.seen().to_client),
        (&b"new"[..], &b"new"[..])
    );
}

#[test]
fn filters_end_one_after_another_and_those_that_never_saw_the_connection_do_not() {
    let mut played = Played::through(&["Acccc", "Bcxcc"]);
    played.client("abc");
    assert!(ends_with(&played.callbacks(), &farewells(2, 1)));
    assert_eq!(played.seen().closed, Some(ClosedBy::Filter));
    let played = Played::through(&["Axccc", "Bcccc"]);
    let mut expected = vec![
        "context_create 2 1".to_owned(),
        "new_connection 2".to_owned(),
    ];
    expected.extend(farewells(1, 1));
    assert_eq!(played.callbacks(), expected);
}

#[test]
fn filters_in_one_vm_have_contexts_of_their_own_and_the_first_ends_first() {
    let module = Module::compile(GUEST).expect("the guest compiles");
    let mut host = Host::builder(&module)
        .main_thread_vm(false)
        .trace(true)
        .build();
    let chain: Vec<PluginId> = ["Acccc", "Bcccc"]
        .iter()
        .map(|configuration| host.add_plugin(configuration).expect("it is accepted"))
        .collect();
    let connection = host.connect_through(&chain, &ConnectOptions::new());
    let played = {
        let mut played = Played {
            host,
            chain,
            connection,
        };
        played.upstream("def").client_resets();
        played
    };
    assert_eq!(
        played.callbacks(),
        [
            "context_create 3 1",
            "new_connection 3",
            "context_create 4 2",
            "new_connection 4",
            "upstream_data 4 3 0",
            "upstream_data 3 3 0",
            "downstream_connection_close 3 2",
            "done 3",
            "log 3",
            "delete 3",
            "downstream_connection_close 4 2",
            "done 4",
            "log 4",
            "delete 4"
        ]
    );
}

#[test]
fn the_other_filters_are_told_when_one_of_them_dies() {
    for (configurations, greeted) in [
        (["Actcc", "Bcccc"], 2),
        (["Acccc", "Bctcc"], 2),
        (["Acccc", "Btccc"], 2),
    ] {
        let mut played = Played::through(&configurations);
        played.client("abc");
        let callbacks = played.callbacks();
        assert!(ends_with(&callbacks, &farewells(1, 1)), "{callbacks:?}");
        let created = callbacks.iter().filter(|call| call.starts_with("context"));
        assert_eq!(created.count(), greeted);
        assert_eq!(played.seen().closed, Some(ClosedBy::Host));
        // The next connection comes to the first filter, if that lives, and ends at the dead one.
        let next = played
            .host
            .connect_through(&played.chain, &ConnectOptions::new());
        let seen = played.host.connection(next).expect("it was not taken");
        assert_eq!((seen.closed, seen.connected), (Some(ClosedBy::Host), false));
    }
}

#[test]
fn an_upstream_that_refuses_ends_the_connection_when_the_filters_have_let_it_pass() {
    let options = ConnectOptions::new().unreachable();
    let played = connected(&["Acccc"], &options);
    let mut expected = vec![
        "context_create 2 1".to_owned(),
        "new_connection 2".to_owned(),
    ];
    expected.extend(farewells(1, 1));
    assert_eq!(played.callbacks(), expected);
    let seen = played.seen();
    assert_eq!(
        (seen.closed, seen.connected, seen.client_reset),
        (Some(ClosedBy::NoUpstream), false, false)
    );
    let mut played = connected(&["Apccd"], &options);
    played.client("abc");
    assert_eq!(played.seen().closed, None);
    played.tick();
    let seen = played.seen();
    assert_eq!(
        (seen.closed, seen.client_reset),
        (Some(ClosedBy::NoUpstream), true)
    );
}

#[test]
fn a_client_that_breaks_off_has_closed_and_the_upstream_is_broken_off() {
    for configuration in ["Acccc", "Acpcc"] {
        let mut played = Played::through(&[configuration]);
        played.client("abc").client_resets();
        assert!(ends_with(&played.callbacks(), &farewells(1, 2)));
        let seen = played.seen();
        assert_eq!(
            (seen.closed, seen.upstream_reset, seen.client_reset),
            (Some(ClosedBy::Client), true, false)
        );
    }
}

#[test]
fn an_upstream_that_breaks_off_ends_nothing_but_the_clients_side() {
    for configuration in ["Acccc", "Accpc", "Acpcc"] {
        let mut played = Played::through(&[configuration]);
        played.client("abc").upstream("def").upstream_resets();
        let callbacks = played.callbacks();
        assert!(ends_with(&callbacks, &farewells(1, 1)));
        let told = |call: &String| call.starts_with("upstream_connection_close");
        assert!(!callbacks.iter().any(told));
        let seen = played.seen();
        assert_eq!(
            (seen.closed, seen.client_reset),
            (Some(ClosedBy::Upstream), true)
        );
    }
}

#[test]
fn who_breaks_off_behind_its_own_end_is_noticed_when_something_is_written_to_it() {
    let mut played = Played::through(&["Acccc"]);
    played.client_ends().client_resets();
    assert_eq!(played.seen().closed, None);
    played.upstream("def");
    let mut expected = vec!["upstream_data 2 3 0".to_owned()];
    expected.extend(farewells(1, 2));
    assert!(ends_with(&played.callbacks(), &expected));

    let mut played = Played::through(&["Acccc"]);
    played.upstream_ends().upstream_resets();
    assert_eq!(played.seen().closed, None);
    played.client("def");
    let mut expected = vec!["downstream_data 2 3 0".to_owned()];
    expected.extend(farewells(1, 1));
    assert!(ends_with(&played.callbacks(), &expected));

    // With nothing to write it ends like any other.
    let mut played = Played::through(&["Acccc"]);
    played.client_ends().client_resets().upstream_ends();
    assert!(ends_with(&played.callbacks(), &farewells(1, 1)));
}

#[test]
fn a_client_that_breaks_off_before_there_is_an_upstream_is_noticed_afterwards() {
    let mut played = Played::through(&["Apccd"]);
    played.client_resets();
    assert_eq!(played.seen().closed, None);
    played.tick();
    assert!(ends_with(&played.callbacks(), &farewells(1, 2)));
    let seen = played.seen();
    assert_eq!((seen.connected, seen.upstream_reset), (true, true));
}

#[test]
fn a_connection_whose_sides_have_both_ended_closes_though_a_filter_holds_an_end() {
    let mut played = Played::through(&["Acpcc"]);
    played.upstream_ends().client_ends();
    let mut expected = vec!["downstream_data 2 0 1".to_owned()];
    expected.extend(farewells(1, 2));
    assert!(ends_with(&played.callbacks(), &expected));

    let mut played = Played::through(&["Acpcc"]);
    played.client_ends().upstream_ends();
    assert!(ends_with(&played.callbacks(), &farewells(1, 1)));
}

#[test]
fn a_connection_goes_to_the_worker_that_it_names() {
    let module = Module::compile(GUEST).expect("the guest compiles");
    let mut host = Host::builder(&module).workers(3).build();
    let plugin = host.add_plugin("Acccc").expect("the guest accepts it");
    let options = ConnectOptions::new().worker(2);
    for _ in 0..2 {
        let connection = host.connect_through(&[plugin], &options);
        let seen = host.connection(connection).expect("it was not taken");
        assert_eq!(seen.worker, 2);
    }
}
