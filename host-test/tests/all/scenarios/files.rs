//! What a scenario file must not say, and how that is told.

use postern_host::scenario::{self, Options};

use super::{Folder, GUEST};

#[test]
fn an_unknown_key_is_told_with_its_place_and_its_whole_name() {
    let folder = Folder::with_guest("");
    assert_eq!(
        folder.refused("host.module = 'm'\n[[step]]\nrequest.path = '/'\nexpect.stauts = 200\n"),
        "s.scenario.toml:4:8: step[0].expect.stauts: unknown field `stauts`, expected one of `status`, `answered_by`, \
         `state`, `details`, `headers`, `headers_in_order`, `body`, `trailers`, `metadata`, `complete`, `upstream`, `connection`, \
         `local_response`, `filter_state`, `callouts`, `grpc`, `log`, `log_in_order`, `metrics`, `metrics_change`, `shared_data`, \
         `queues`, `root_contexts`, `diagnostics`, `cost`, `trap`, `refused`"
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let folder = Folder::with_guest("");
    for (scenario, place, reason) in [
        (
            "host.module = 'm",
            "s.scenario.toml:1:17: ",
            "invalid literal string",
        ),
        (
            "[[step]]\nadvance = 5\n",
            "s.scenario.toml:2:11: step[0].advance: ",
            "expected a string",
        ),
        (
            "[[step]]\nadvance = '5'\n",
            "s.scenario.toml:2:11: step[0].advance: ",
            "no duration",
        ),
        (
            "[[step]]\nwall_clock = 'x'\n",
            "s.scenario.toml:2:14: step[0].wall_clock: ",
            "no instant",
        ),
        (
            "[[step]]\nadvance = '5s'\ndrain = true\n",
            "s.scenario.toml:1:",
            "one thing that happens",
        ),
        (
            "[[step]]\nname = 'x'\n",
            "s.scenario.toml:1:",
            "nothing happens",
        ),
        (
            "[[step]]\ndrain = false\n",
            "s.scenario.toml:2:9: step[0].drain: ",
            "can only be `true`",
        ),
        (
            "[[step]]\nexpect.body = { regex = '(' }\n",
            "s.scenario.toml:2:15: step[0].expect.body",
            "unclosed group",
        ),
        (
            "[[step]]\nexpect.body = { any = true, absent = true }\n",
            "s.scenario.toml:2:15: step[0].expect.body",
            "exactly one",
        ),
        (
            "[[step]]\nexpect.status = { near = 1 }\n",
            "s.scenario.toml:2:17: step[0].expect.status",
            "`near` with `percent`",
        ),
        (
            "[[step]]\nfault = { function = 'proxy_lgo', status = 1 }\n",
            "s.scenario.toml:2:9: step[0].fault",
            "`proxy_lgo` is no function",
        ),
        (
            "[[step]]\nfault = { function = 'proxy_log', status = 'BAD' }\n",
            "s.scenario.toml:2:44: step[0].fault.status",
            "`BAD` is no status",
        ),
        (
            "[[step]]\nfault = { function = 'proxy_log' }\n",
            "s.scenario.toml:2:9: step[0].fault",
            "either a `status` or `bytes`",
        ),
        (
            "[[upstream]]\npath = '/'\n[[step]]\ndrain = true\n",
            "s.scenario.toml:1:",
            "either a `reply`",
        ),
        (
            "upstream = [{ reply = { reset = true, status = 200 } }]\n",
            "s.scenario.toml:1:",
            "one of `reset`",
        ),
        (
            "host.workers = 0\n[[step]]\ndrain = true\n",
            "s.scenario.toml:1:16: host.workers",
            "1 to 64",
        ),
        (
            "host.allow = ['PH999']\n[[step]]\ndrain = true\n",
            "s.scenario.toml:1:14: host.allow[0]",
            "PH999",
        ),
        (
            "[[step]]\nexpect.log = [{ count = 1 }]\n",
            "s.scenario.toml:2:15: step[0].expect.log[0]",
            "`message`, `contains`",
        ),
        (
            "[[step]]\nfault = { function = 'proxy_log', status = 1, callback = 'proxy_on_nothing' }\n",
            "s.scenario.toml:2:9: step[0].fault",
            "`proxy_on_nothing` is no callback",
        ),
        (
            "[[step]]\nexpect.cost.callbacks.proxy_on_nothing.fuel = { max = 0 }\n",
            "s.scenario.toml:2:",
            "`proxy_on_nothing` is no callback",
        ),
        (
            "[[step]]\nexpect.cost.host_calls = { proxy_lgo = 0 }\n",
            "s.scenario.toml:2:26: step[0].expect.cost.host_calls",
            "`proxy_lgo` is no function",
        ),
        (
            "host.module = 'm'\n",
            "s.scenario.toml: ",
            "nothing would be tested",
        ),
        (
            "step = [{ drain = true }]\n[[scenario]]\nname = 'a'\nstep = []\n",
            "s.scenario.toml: ",
            "exclude each other",
        ),
        (
            "[[scenario]]\nname = 'a'\nstep = [{ drain = true }]\n[[scenario]]\nname = 'a'\nstep = [{ drain = true }]\n",
            "s.scenario.toml: ",
            "two scenarios",
        ),
        (
            "[[scenario]]\nname = 'a'\nstep = []\n",
            "s.scenario.toml: ",
            "no steps",
        ),
        (
            "cluster.a = [{ reply.manual = true }]\n[[step]]\ndrain = true\n",
            "s.scenario.toml: ",
            "are for upstreams",
        ),
        (
            "[[step]]\nreply.manual = true\n",
            "s.scenario.toml:2:16: step[0].reply: ",
            "a response, a `reset` or `refused`",
        ),
        (
            "[[step]]\ndrain = true\n[[step]]\nrequest.worker = 1\n",
            "s.scenario.toml:4:18: step[1].request.worker: ",
            "there is no worker 1",
        ),
        (
            "[[step]]\nrequest = { chunks = ['x'], trailers = { \"a b\" = '1' } }\n",
            "s.scenario.toml:2:50: step[0].request.trailers: ",
            "no client can send",
        ),
        (
            "host.workers = 3\n[[scenario]]\nname = 'a'\n[[scenario.step]]\nrequest = { worker = 3 }\n",
            "s.scenario.toml:5:22: scenario[0].step[0].request.worker: ",
            "`host.workers` is 3",
        ),
    ] {
        let told = folder.refused(scenario);
        assert!(told.starts_with(place), "{scenario}\n{told}");
        assert!(told.contains(reason), "{scenario}\n{told}");
    }
}

#[test]
fn an_expectation_that_cannot_fail_or_cannot_be_met_is_refused_with_its_place() {
    let folder = Folder::with_guest("");
    for (expectation, reason) in [
        ("body = { contains = '' }", "is always right"),
        ("body = { contains = [] }", "is always right"),
        ("body = { contains = ['a', ''] }", "is always right"),
        ("body = { regex = '' }", "is always right"),
        ("body = { regex = '.*' }", "is always right"),
        ("body = { regex = 'a?|b' }", "is always right"),
        ("body = { json = {} }", "name one"),
        ("headers.a = { contains = '' }", "is always right"),
        ("log = [{ contains = '' }]", "is always right"),
        ("log = [{ regex = 'x*' }]", "is always right"),
        (
            "log = [{ contains = 'a', count = { min = 0 } }]",
            "is always right",
        ),
        (
            "log = [{ contains = 'a', count = { any = true } }]",
            "is a number",
        ),
        (
            "status = { min = 300, max = 100 }",
            "no number is at least 300",
        ),
        ("status = { min = 0 }", "is always right"),
        ("cost.fuel = { min = 0 }", "is always right"),
        ("cost.fuel = { any = true }", "is always right"),
        (
            "cost.callbacks.proxy_on_tick.fuel = { min = 0 }",
            "is always right",
        ),
        ("cost.fuel = { near = 100, percent = 1000 }", "take `max`"),
        (
            "status = { near = 1, percent = inf }",
            "`near` with `percent`",
        ),
    ] {
        let told = folder.refused(&format!("[[step]]\nexpect.{expectation}\n"));
        let key = expectation.split(' ').next().expect("a key");
        let place = format!(": step[0].expect.{key}");
        assert!(
            told.starts_with("s.scenario.toml:2:"),
            "{expectation}\n{told}"
        );
        assert!(told.contains(&place), "{expectation}\n{told}");
        assert!(told.contains(reason), "{expectation}\n{told}");
    }
    for expectation in [
        "body = { regex = '^$' }",
        "body = { regex = '^a*$' }",
        "body = { regex = '\\b' }",
        "body = { json = [] }",
    ] {
        let file = folder.write(
            "s.scenario.toml",
            format!("[[step]]\nexpect.{expectation}\n"),
        );
        scenario::load(file).expect(expectation);
    }
}

#[test]
fn a_file_that_is_named_and_missing_is_told_with_the_place_that_names_it() {
    let folder = Folder::with_guest("");
    for (scenario, place) in [
        (
            "host.configuration = { file = 'gone.json' }\n[[step]]\ndrain = true\n",
            "1:31: host.configuration.file",
        ),
        (
            "[[step]]\nrequest.body = { file = 'gone.json' }\n",
            "2:25: step[0].request.body.file",
        ),
        (
            "[[step]]\nexpect.body = { file = 'gone.json' }\n",
            "2:24: step[0].expect.body.file",
        ),
        (
            "[[step]]\nexpect.upstream.headers.x = [{ file = 'gone.json' }]\n",
            "2:39: step[0].expect.upstream.headers.x[0].file",
        ),
        (
            "[[step]]\nexpect.callouts = [{ body = { contains = { file = 'gone.json' } } }]\n",
            "2:51: step[0].expect.callouts[0].body.contains.file",
        ),
        (
            "[[cluster.a]]\nreply.body.file = 'gone.json'\n[[step]]\ndrain = true\n",
            "2:19: cluster.a[0].reply.body.file",
        ),
        (
            "[[upstream]]\nreply.parts = [{ body.file = 'gone.json' }]\n[[step]]\ndrain = true\n",
            "2:30: upstream[0].reply.parts[0].body.file",
        ),
        (
            "[[step]]\nclient_sends.chunks = [{ file = 'gone.json' }]\n",
            "2:33: step[0].client_sends.chunks[0].file",
        ),
        (
            "[[step]]\nexpect.connection.to_client = { file = 'gone.json' }\n",
            "2:40: step[0].expect.connection.to_client.file",
        ),
        (
            "[[step]]\nexpect.queues.q = { file = 'gone.json' }\n",
            "2:28: step[0].expect.queues.q.file",
        ),
        (
            "finally.expect.body = { file = 'gone.json' }\n",
            "1:32: finally.expect.body.file",
        ),
        (
            "plugin = [{ name = 'a', configuration = { file = 'gone.json' } }]\n[[step]]\ndrain = true\n",
            "1:50: plugin[0].configuration.file",
        ),
    ] {
        let told = folder.refused(scenario);
        let start = format!("s.scenario.toml:{place}: gone.json: No such file");
        assert!(told.starts_with(&start), "{scenario}\n{told}");
    }
}

#[test]
fn folders_are_searched_for_scenario_files_in_the_order_of_their_names() {
    let folder = Folder::with_guest(GUEST);
    let scenario = "host.module = 'guest.wat'\n[[step]]\nrequest = {}\nexpect.status = 200\n";
    folder.write("b.scenario.toml", scenario);
    folder.write("a.scenario.toml", scenario);
    folder.write("Cargo.toml", "[package]\n");
    std::fs::create_dir(folder.path("c")).expect("a folder");
    folder.write("c/d.scenario.toml", scenario.replace("guest", "../guest"));
    let all = [folder.path("")];
    let report = scenario::run_files(&all, &Options::default()).expect("scenarios");
    assert!(report.passed(), "{report}");
    let names: Vec<_> = report
        .scenarios
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "d"]);
    let mut options = Options::default();
    options.filter = Some("b".to_owned());
    let report = scenario::run_files(&all, &options).expect("scenarios");
    assert_eq!(report.scenarios.len(), 1);
    options.filter = Some("x".to_owned());
    let error = scenario::run_files(&all, &options).expect_err("nothing fits");
    assert_eq!(error.to_string(), "no scenario has `x` in its name");
    std::fs::create_dir(folder.path("empty")).expect("a folder");
    let error =
        scenario::run_files(&[folder.path("empty")], &Options::default()).expect_err("none");
    assert!(error.to_string().contains("no files `*.scenario.toml`"));
}
