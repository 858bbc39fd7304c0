//! Workers of one process: one of them asks the feed for all.

use std::time::Duration;

use postern_host::{CalloutReply, Fault, Request};

use super::setting::{Admin, Asked, Gateway, VM_ID, trapping_module};

/// Heads that are asked for in ten minutes.
fn polls(admin: &Admin, workers: usize) -> usize {
    let mut gateway = Gateway::with_workers(admin, workers);
    gateway.pass(10);
    admin.asked();
    gateway.pass(600);
    admin.polls()
}

#[test]
fn any_number_of_workers_asks_as_often_as_one() {
    let admin = Admin::filled();
    let mut gateway = Gateway::alone(&admin);
    gateway.pass(10);
    admin.asked();
    gateway.pass(600);
    let alone = admin.polls();
    let together = polls(&admin, 4);
    assert!(
        (alone * 3 / 4..=alone * 5 / 4).contains(&together),
        "{alone} alone, {together} together"
    );
}

#[test]
fn all_workers_follow_each_change_within_a_tick_of_the_reader() {
    let admin = Admin::filled();
    let mut gateway = Gateway::with_workers(&admin, 3);
    gateway.pass(2);
    let issued = admin.token("nightly");
    gateway.pass(10);
    let access = gateway.exchange(&issued);
    assert_eq!(gateway.call(&access), [200; 3]);
    admin.deactivate(&issued.view.id);
    gateway.pass(10);
    assert_eq!(gateway.call(&access), [401; 3]);
    // The others have read what one of them kept.
    assert!(gateway.counter("pages_shared") >= 3);
    let of_pages = admin.asked().iter().filter(|asked| asked.is_page()).count();
    assert_eq!(gateway.counter("pages"), of_pages as u64);
}

#[test]
fn while_nobody_reads_the_others_wait_no_longer_than_the_lease() {
    let admin = Admin::filled();
    let mut gateway = Gateway::with_workers(&admin, 2);
    gateway.host.advance(Duration::from_millis(500));
    assert_eq!(gateway.reasons(), ["no_credential"; 2]);
}

#[test]
fn listeners_with_one_source_share_one_reader() {
    let admin = Admin::filled();
    let mut gateway = Gateway::with_workers(&admin, 2);
    gateway.pass(10);
    admin.asked();
    gateway.pass(300);
    let one = admin.polls();

    let mut other = admin.configuration();
    other["hosts"] = serde_json::json!(["other.example.com"]);
    other["exchange"] = serde_json::json!({"ttl": "1m"});
    gateway.add(&admin, "second", &other);
    other["exchange"] = serde_json::json!({"ttl": "2m"});
    gateway.add(&admin, "third", &other);
    gateway.pass(10);
    admin.asked();
    gateway.pass(300);
    let three = admin.polls();
    assert!(
        (one * 3 / 4..=one * 5 / 4).contains(&three),
        "{one} of one listener, {three} of three"
    );
}

#[test]
fn a_new_configuration_decides_at_once_by_what_the_others_have() {
    let admin = Admin::filled();
    let issued = admin.token("nightly");
    let mut gateway = Gateway::with_workers(&admin, 2);
    gateway.pass(5);
    let access = gateway.exchange(&issued);
    let mut other = admin.configuration();
    other["identity"] = serde_json::json!([]);
    let second = gateway.add(&admin, "second", &other);
    for _ in 0..2 {
        let (status, body) = gateway.send_to(second, Request::get("/orders"), &access);
        assert_eq!(status, 200, "{body}");
    }
}

#[test]
fn where_the_reader_dies_another_one_takes_over() {
    let admin = Admin::filled();
    let issued = admin.token("nightly");
    let mut gateway = Gateway::running(&admin, trapping_module(), 3, |builder| {
        builder.main_thread_vm(false)
    });
    gateway.pass(5);
    let access = gateway.exchange(&issued);
    // Whichever it is, all are started anew, one after another.
    for _ in 0..3 {
        let trap = Request::get("/orders").header("x-postern-test-trap", "now");
        assert_eq!(gateway.send(trap, &access).0, 503);
        gateway.pass(1);
        assert!(gateway.call(&access).iter().all(|status| *status != 401));
    }
    assert_eq!(gateway.host.traps(), 3);
    gateway.pass(5);
    gateway.call(&access);
    gateway.pass(5);
    assert_eq!(gateway.call(&access), [200; 3]);
    admin.deactivate(&issued.view.id);
    gateway.pass(15);
    assert_eq!(gateway.call(&access), [401; 3]);
}

#[test]
fn a_vm_that_was_started_anew_reads_what_the_others_have_and_decides_once_the_feed_has_confirmed_it()
 {
    let admin = Admin::filled();
    let issued = admin.token("nightly");
    let mut gateway = Gateway::running(&admin, trapping_module(), 1, |builder| builder);
    gateway.pass(10);
    let access = gateway.exchange(&issued);
    admin.stand_between(|_, _| CalloutReply::refused());
    gateway.pass(60);
    let trap = Request::get("/orders").header("x-postern-test-trap", "now");
    assert_eq!(gateway.send(trap, &access).0, 503);
    admin.asked();
    gateway.pass(2);
    // Nobody answers: what was kept may be old.
    for _ in 0..30 {
        gateway.pass(1);
        assert_eq!(gateway.call(&access), [503]);
    }
    assert!(admin.polls() > 0);
    admin.step_aside();
    gateway.pass(35);
    assert_eq!(gateway.call(&access), [200]);
    assert!(!admin.asked().iter().any(Asked::is_page));
}

#[test]
fn a_vm_that_was_started_anew_decides_within_five_seconds_of_the_trap() {
    let admin = Admin::filled();
    let issued = admin.token("nightly");
    let mut gateway = Gateway::running(&admin, trapping_module(), 1, |builder| builder);
    gateway.pass(100);
    let access = gateway.exchange(&issued);
    let trap = Request::get("/orders").header("x-postern-test-trap", "now");
    assert_eq!(gateway.send(trap, &access).0, 503);
    admin.asked();
    for _ in 0..49 {
        gateway.host.advance(Duration::from_millis(100));
        gateway.call(&access);
    }
    assert_eq!(gateway.call(&access), [200]);
    assert!(!admin.asked().iter().any(Asked::is_page));
}

/// All that workers share, to be put back later.
fn saved(gateway: &Gateway) -> Vec<(Vec<u8>, Vec<u8>)> {
    let shared = gateway.host.shared();
    let value = |key: Vec<u8>| {
        let value = shared.data(VM_ID, &key).expect("it is there");
        (key, value)
    };
    keys(gateway).into_iter().map(value).collect()
}

/// Puts it back, under a lease of a worker that does not exist.
fn put_back(gateway: &Gateway, old: &[(Vec<u8>, Vec<u8>)]) {
    let shared = gateway.host.shared();
    let until = gateway.host.monotonic_clock() / 1_000_000 + 2_900;
    for (key, value) in old {
        if key.ends_with(b".lease") {
            let lease = [&[7; 16][..], &until.to_be_bytes()].concat();
            shared.set_data(VM_ID, key, lease);
        } else {
            shared.set_data(VM_ID, key, value);
        }
    }
}

#[test]
fn what_our_own_workers_wrote_long_ago_lets_nothing_pass_in_a_vm_that_was_started_anew() {
    let admin = Admin::filled();
    let (kept, revoked) = (admin.token("kept"), admin.token("revoked"));
    let mut gateway = Gateway::running(&admin, trapping_module(), 2, |builder| builder);
    gateway.pass(10);
    let access = gateway.exchange(&revoked);
    let old = saved(&gateway);
    admin.deactivate(&revoked.view.id);
    gateway.pass(300);
    put_back(&gateway, &old);
    let trap = Request::get("/orders").header("x-postern-test-trap", "now");
    assert_eq!(gateway.send(trap, &access).0, 503);
    for _ in 0..100 {
        put_back(&gateway, &old);
        gateway.host.advance(Duration::from_millis(100));
        for _ in 0..2 {
            let (status, body) = gateway.send(
                Request::post(super::setting::EXCHANGE),
                revoked.token.expose(),
            );
            assert!(matches!(status, 401 | 503), "{status} {body}");
        }
    }
    assert_eq!(gateway.host.traps(), 1);
    let access = gateway.exchange(&kept);
    assert_eq!(gateway.call(&access), [200; 2]);
}

#[test]
fn what_our_own_workers_wrote_long_ago_lets_nothing_pass_in_a_new_configuration() {
    let admin = Admin::filled();
    let revoked = admin.token("revoked");
    let mut gateway = Gateway::with_workers(&admin, 1);
    gateway.pass(10);
    let old = saved(&gateway);
    admin.deactivate(&revoked.view.id);
    gateway.pass(300);
    put_back(&gateway, &old);
    let mut other = admin.configuration();
    other["identity"] = serde_json::json!([]);
    let second = gateway.add(&admin, "second", &other);
    for _ in 0..50 {
        let request = Request::post(super::setting::EXCHANGE);
        let (status, body) = gateway.send_to(second, request, revoked.token.expose());
        assert!(matches!(status, 401 | 503), "{status} {body}");
        put_back(&gateway, &old);
        gateway.host.advance(Duration::from_millis(100));
    }
    assert!(
        gateway
            .reasons()
            .iter()
            .all(|reason| reason == "no_credential")
    );
}

#[test]
fn a_trap_in_the_middle_of_a_reading_leaves_the_last_good_policy_and_the_next_try_succeeds() {
    let admin = Admin::filled();
    let issued = admin.token("nightly");
    let mut gateway = Gateway::running(&admin, trapping_module(), 1, |builder| builder);
    gateway.pass(10);
    let access = gateway.exchange(&issued);
    gateway
        .host
        .shared()
        .set_data(VM_ID, "postern-test-trap", "now");
    admin.deactivate(&issued.view.id);
    for _ in 0..100 {
        gateway.host.advance(Duration::from_millis(100));
        let status = gateway.call(&access)[0];
        assert!(matches!(status, 200 | 401 | 503), "{status}");
        if gateway.host.traps() > 0 {
            break;
        }
    }
    assert_eq!(gateway.host.traps(), 1);
    for _ in 0..20 {
        gateway.pass(1);
        gateway.call(&access);
    }
    assert_eq!(gateway.call(&access), [401]);
    assert_eq!(gateway.gauge("revision"), admin.revision());
}

/// Everything that the filter has put into shared data.
fn keys(gateway: &Gateway) -> Vec<Vec<u8>> {
    let keys = gateway.host.shared().data_keys(VM_ID);
    assert!(keys.len() >= 3, "{keys:?}");
    keys
}

#[test]
fn what_another_plugin_writes_in_the_place_of_ours_is_not_believed() {
    let admin = Admin::filled();
    let (kept, revoked) = (admin.token("kept"), admin.token("revoked"));
    let mut gateway = Gateway::with_workers(&admin, 2);
    gateway.pass(10);
    let (kept, access) = (gateway.exchange(&kept), gateway.exchange(&revoked));
    let shared = gateway.host.shared();
    // All that was true before the revocation.
    let old: Vec<_> = keys(&gateway)
        .into_iter()
        .map(|key| {
            let value = shared.data(VM_ID, &key).expect("it is there");
            (key, value)
        })
        .collect();
    admin.deactivate(&revoked.view.id);
    gateway.pass(10);
    assert_eq!(gateway.call(&access), [401; 2]);

    for (number, (key, value)) in old.iter().enumerate() {
        let lies: [Vec<u8>; 5] = [
            value.clone(),
            Vec::new(),
            vec![0xff; 300],
            value.iter().map(|byte| byte ^ 1).collect(),
            old[(number + 1) % old.len()].1.clone(),
        ];
        for lie in lies {
            for _ in 0..10 {
                shared.set_data(VM_ID, key, &lie);
                gateway.host.advance(Duration::from_millis(300));
                assert_eq!(gateway.call(&access), [401; 2]);
                assert_eq!(gateway.call(&kept), [200; 2]);
            }
        }
    }
    assert_eq!(gateway.host.traps(), 0);
    assert!(gateway.counter("errors.shared") > 0);
    assert!(gateway.has_said("use a vm_id of its own"));

    // Whoever writes has stopped, and all is as before.
    gateway.pass(70);
    admin.asked();
    let again = admin.token("again");
    gateway.pass(15);
    let access = gateway.exchange(&again);
    assert_eq!(gateway.call(&access), [200; 2]);
    gateway.pass(300);
    let polls = admin.polls();
    assert!((40..=130).contains(&polls), "{polls}");
}

#[test]
fn while_another_plugin_holds_the_lease_and_writes_everywhere_changes_come_all_the_same() {
    let admin = Admin::filled();
    let issued = admin.token("nightly");
    let mut gateway = Gateway::with_workers(&admin, 2);
    gateway.pass(10);
    let access = gateway.exchange(&issued);
    let all = keys(&gateway);
    let shared = gateway.host.shared();
    admin.deactivate(&issued.view.id);
    for _ in 0..150 {
        let until = gateway.host.monotonic_clock() / 1_000_000 + 2_900;
        for key in &all {
            let lie = if key.ends_with(b".lease") {
                [&[7; 16][..], &until.to_be_bytes()].concat()
            } else {
                vec![9; 64]
            };
            shared.set_data(VM_ID, key, lie);
        }
        gateway.host.advance(Duration::from_millis(100));
    }
    assert_eq!(gateway.call(&access), [401; 2]);
    assert!(gateway.counter("errors.shared") > 0);
}

#[test]
fn two_readers_at_once_cost_requests_and_nothing_else() {
    let admin = Admin::filled();
    let mut gateway = Gateway::with_workers(&admin, 2);
    gateway.pass(10);
    let lease = keys(&gateway)
        .into_iter()
        .find(|key| key.ends_with(b".lease"))
        .expect("a lease");
    let shared = gateway.host.shared();
    let mut polls = 0;
    for number in 0..12 {
        let issued = admin.token(&format!("token-{number}"));
        for _ in 0..100 {
            // Nobody holds it, so that everybody takes it in turn.
            shared.set_data(VM_ID, &lease, "");
            gateway.host.advance(Duration::from_millis(100));
        }
        polls += admin.polls();
        let access = gateway.exchange(&issued);
        assert_eq!(gateway.call(&access), [200; 2]);
        admin.deactivate(&issued.view.id);
        gateway.pass(10);
        assert_eq!(gateway.call(&access), [401; 2]);
    }
    assert!(polls > 24, "{polls}");
    assert_eq!(gateway.gauge("revision"), admin.revision());
}

#[test]
fn shared_data_do_not_grow_with_the_number_of_changes() {
    let admin = Admin::filled();
    let mut gateway = Gateway::with_workers(&admin, 1);
    gateway.pass(10);
    let mut most = 0;
    for number in 0..180 {
        admin.token(&format!("token-{number}"));
        gateway.pass(8);
        if number == 119 {
            most = keys(&gateway).len();
        }
    }
    assert_eq!(keys(&gateway).len(), most);
    assert!(most < 80, "{most}");
}

#[test]
fn a_host_without_shared_data_has_every_worker_ask_for_itself() {
    let admin = Admin::filled();
    let issued = admin.token("nightly");
    let mut gateway = Gateway::with_workers(&admin, 2);
    for function in ["proxy_get_shared_data", "proxy_set_shared_data"] {
        let fault = Fault::status(function, 12);
        gateway.host.inject(fault).expect("there is one");
    }
    gateway.pass(10);
    let access = gateway.exchange(&issued);
    assert_eq!(gateway.call(&access), [200; 2]);
    assert!(gateway.counter("errors.shared") > 0);
    admin.deactivate(&issued.view.id);
    gateway.pass(10);
    assert_eq!(gateway.call(&access), [401; 2]);
    assert_eq!(gateway.host.traps(), 0);
}
