//! Workers of one process: one of them asks the feed for all.

use std::time::Duration;

use super::setting::{Admin, Gateway};

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
