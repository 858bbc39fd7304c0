//! What stands between lies, fails, or brings something old; and what the publisher itself gets wrong.

use std::time::Duration;

use postern_core::feed::{Head, HeadKey, MAX_PAGE, PageId};
use postern_core::policy::Digest;
use postern_host::{CalloutReply, Fault, Request};

use super::setting::{Admin, Asked, EXCHANGE, Gateway, Truth};

type Lie = Box<dyn FnMut(&Asked, Truth) -> CalloutReply + Send>;

/// A lie about heads.
fn of_heads(mut lie: impl FnMut(&Asked, Truth) -> CalloutReply + Send + 'static) -> Lie {
    Box::new(move |asked, truth| {
        if asked.is_head() {
            lie(asked, truth)
        } else {
            truth.reply()
        }
    })
}

/// A lie about pages.
fn of_pages(mut lie: impl FnMut(Truth) -> CalloutReply + Send + 'static) -> Lie {
    Box::new(move |asked, truth| {
        if asked.is_page() {
            lie(truth)
        } else {
            truth.reply()
        }
    })
}

const HTML: &str = "<html><body>Please log in to the network</body></html>";

/// Each with the error that counts it, and what the log says.
fn lies() -> Vec<(&'static str, Lie, &'static str, &'static str)> {
    let mut first: Option<Truth> = None;
    vec![
        (
            "a bit of the head is flipped",
            of_heads(|_, mut truth| {
                truth.body[10] ^= 1;
                truth.reply()
            }),
            "answer",
            "does not fit the head",
        ),
        (
            "the head is cut off",
            of_heads(|_, mut truth| {
                truth.body.truncate(40);
                truth.reply()
            }),
            "answer",
            "does not fit the head",
        ),
        (
            "an old head comes again",
            of_heads(move |_, truth| first.get_or_insert(truth).clone().reply()),
            "answer",
            "the head answers another request than this one",
        ),
        (
            "a page of a proxy comes with 200",
            of_heads(|_, _| CalloutReply::new(200).body(HTML)),
            "answer",
            "signature",
        ),
        (
            "another key has signed",
            of_heads(|_, mut truth| {
                let key = HeadKey::generate(&mut postern_admin::entropy::Entropy).expect("a key");
                truth.signatures = key.sign(&truth.body);
                truth.reply()
            }),
            "answer",
            "key",
        ),
        (
            "nothing has changed, says a cache",
            of_heads(|_, _| CalloutReply::new(304)),
            "status",
            "it answers 304",
        ),
        (
            "the head is too long",
            of_heads(|_, _| CalloutReply::new(200).body(vec![b' '; 400 * 1024])),
            "answer",
            "the answer is too long",
        ),
        (
            "the connection is refused",
            Box::new(|_, _| CalloutReply::refused()),
            "unreachable",
            "it answers 503",
        ),
        (
            "the stream is reset",
            Box::new(|_, _| CalloutReply::reset()),
            "unreachable",
            "there is no answer",
        ),
        (
            "a bit of a page is flipped",
            of_pages(|mut truth| {
                truth.body[20] ^= 1;
                truth.reply()
            }),
            "page",
            "these are not the bytes of the page that was asked for",
        ),
        (
            "a page is cut off",
            of_pages(|mut truth| {
                truth.body.truncate(20);
                truth.reply()
            }),
            "page",
            "these are not the bytes of the page that was asked for",
        ),
        (
            "in place of a page comes one of a proxy",
            of_pages(|_| CalloutReply::new(200).body(HTML)),
            "page",
            "these are not the bytes of the page that was asked for",
        ),
        (
            "a page is too long",
            of_pages(|_| CalloutReply::new(200).body(vec![b' '; MAX_PAGE + 1])),
            "answer",
            "the answer is too long",
        ),
        (
            "a page is gone",
            of_pages(|_| CalloutReply::new(404)),
            "status",
            "it answers 404",
        ),
    ]
}

#[test]
fn whatever_is_sent_in_place_of_the_truth_the_last_good_policy_decides_and_all_heals() {
    for (lie, between, error, text) in lies() {
        let admin = Admin::filled();
        let (kept, revoked) = (admin.token("kept"), admin.token("revoked"));
        let mut gateway = Gateway::alone(&admin);
        gateway.pass(1);
        let (kept, access) = (gateway.exchange(&kept), gateway.exchange(&revoked));
        admin.stand_between(between);
        gateway.pass(20);

        admin.deactivate(&revoked.view.id);
        let before = gateway.gauge("revision");
        gateway.pass(60);
        assert_eq!(gateway.gauge("revision"), before, "{lie}");
        assert_eq!(gateway.call(&kept), [200], "{lie}");
        assert!(gateway.counter(&format!("errors.{error}")) > 0, "{lie}");
        assert!(gateway.gauge("last_error") > 0, "{lie}");
        assert!(gateway.has_said(text), "{lie}: {:?}", gateway.host.logs());
        assert!(gateway.host.traps() == 0, "{lie}");

        admin.step_aside();
        gateway.pass(60);
        assert_eq!(gateway.call(&access), [401], "{lie}");
        assert_eq!(gateway.call(&kept), [200], "{lie}");
    }
}

#[test]
fn nothing_but_a_true_answer_keeps_a_policy_fresh_and_when_it_is_stale_everything_is_refused() {
    for (lie, between, ..) in lies() {
        let admin = Admin::filled();
        let issued = admin.token("nightly");
        let mut gateway = Gateway::impatient(&admin);
        gateway.pass(1);
        let access = gateway.exchange(&issued);
        admin.stand_between(between);
        gateway.pass(1);
        // So that pages are asked for, too.
        admin.token("later");

        gateway.pass(70);
        assert!(gateway.has_said("longer than warn_after"), "{lie}");
        assert_eq!(gateway.reasons(), ["no_credential"], "{lie}");
        gateway.pass(60);
        assert_eq!(gateway.reasons(), ["policy_stale"], "{lie}");
        assert_eq!(gateway.call(&access), [503], "{lie}");
        assert!(gateway.has_said("longer than deny_after"), "{lie}");
        assert!(gateway.gauge("age") >= 120, "{lie}");

        admin.step_aside();
        gateway.pass(60);
        assert_eq!(gateway.reasons(), ["no_credential"], "{lie}");
        assert!(gateway.gauge("age") < 60, "{lie}");
    }
}

#[test]
fn a_server_that_asks_for_time_is_given_it() {
    let admin = Admin::filled();
    let mut gateway = Gateway::alone(&admin);
    gateway.pass(1);
    admin.stand_between(|_, _| CalloutReply::new(503).header("retry-after", "120"));
    gateway.pass(20);
    admin.asked();
    gateway.pass(90);
    assert_eq!(admin.polls(), 0);
    gateway.pass(90);
    assert_eq!(admin.polls(), 1);
}

#[test]
fn a_server_that_does_not_answer_is_asked_again_after_longer_and_longer_pauses() {
    let admin = Admin::filled();
    let mut gateway = Gateway::alone(&admin);
    gateway.pass(1);
    admin.stand_between(|_, _| CalloutReply::new(500));
    gateway.pass(60);
    admin.asked();
    gateway.pass(600);
    // Each pause is 15 to 30 s by now.
    let polls = admin.polls();
    assert!((20..=40).contains(&polls), "{polls}");
}

#[test]
fn an_answer_that_never_comes_is_given_up_and_the_feed_is_asked_again() {
    let admin = Admin::filled();
    let mut gateway = Gateway::alone(&admin);
    gateway.pass(1);
    admin.stand_between(|_, _| CalloutReply::never());
    admin.asked();
    gateway.pass(180);
    let polls = admin.polls();
    assert!((3..=6).contains(&polls), "{polls}");
    assert!(gateway.counter("errors.unreachable") >= 3);
}

#[test]
fn an_answer_that_comes_late_is_as_good_as_one_that_comes_at_once() {
    let admin = Admin::filled();
    let mut gateway = Gateway::alone(&admin);
    // The first answer takes long where a big policy has to be put into pages.
    admin.stand_between(|asked, truth| {
        let is_first = asked.is_head() && asked.value("after") == "0";
        let seconds = if is_first { 35 } else { 12 };
        truth.reply().after(Duration::from_secs(seconds))
    });
    gateway.pass(60);
    assert_eq!(gateway.reasons(), ["no_credential"]);
    let issued = admin.token("late");
    gateway.pass(60);
    gateway.exchange(&issued);
}

/// A head that the second key has signed, with the nonce that it should have.
fn signed(
    key: &HeadKey,
    asked: &Asked,
    head: (u64, u64),
    reset: bool,
    pages: &[PageId],
) -> CalloutReply {
    let head = Head {
        feed: "default".to_owned(),
        epoch: head.0,
        revision: head.1,
        digest: Digest::default(),
        nonce: asked.nonce(),
        issued_at: postern_admin::clock::now(),
        reset,
        pages: pages.to_vec(),
    };
    let body = head.to_json().expect("JSON");
    Truth {
        status: 200,
        signatures: key.sign(&body),
        body,
    }
    .reply()
}

/// From now on a publisher that has gone wrong answers: at the revision after the true one, with this page.
fn goes_wrong(admin: &Admin, page: &'static str, is_always_whole: bool) {
    let key = admin.second_key();
    let revision = admin.revision() + 1;
    let id = PageId::of(page.as_bytes());
    admin.stand_between(move |asked, truth| {
        if asked.is_report() {
            return truth.reply();
        }
        if asked.is_page() {
            return CalloutReply::new(200).body(page);
        }
        let after: u64 = asked.value("after").parse().expect("a number");
        let pages = if after == revision { &[][..] } else { &[id] };
        let reset = is_always_whole || after == 0;
        signed(&key, asked, (1, revision), reset, pages)
    });
}

#[test]
fn a_policy_that_is_refused_is_read_once_more_and_what_comes_after_it_mends_it() {
    let admin = Admin::filled();
    let issued = admin.token("nightly");
    let mut gateway = Gateway::alone(&admin);
    gateway.pass(1);
    let access = gateway.exchange(&issued);
    goes_wrong(
        &admin,
        "{\"format\":1}\n{\"put\":{\"token\":{\"id\":\"t-x\",\"person\":\"nobody\",\"hash\":\"sha256:4f0c2d1b8e6a97350f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778\",\"expires_at\":\"never\",\"active\":true}}}\n",
        false,
    );
    gateway.pass(60);
    assert_eq!(gateway.call(&access), [200]);
    assert_eq!(gateway.counter("policies_refused"), 2);
    assert!(gateway.has_said("is refused"), "{:?}", gateway.host.logs());
    assert!(gateway.has_said("it is read from 0 once"));
    assert!(gateway.has_said("decides on until there is a newer one"));
    let reads = admin.asked().iter().filter(|asked| asked.is_page()).count();
    gateway.pass(120);
    assert!(!admin.asked().iter().any(Asked::is_page), "{reads}");

    admin.deactivate(&issued.view.id);
    admin.token("another");
    admin.step_aside();
    gateway.pass(60);
    assert_eq!(gateway.call(&access), [401]);
    assert_eq!(gateway.gauge("revision"), admin.revision());
}

#[test]
fn a_page_of_a_newer_format_is_refused_with_that_reason() {
    let admin = Admin::filled();
    let mut gateway = Gateway::alone(&admin);
    gateway.pass(1);
    goes_wrong(&admin, "{\"format\":2}\n{\"other\":1}\n", false);
    gateway.pass(60);
    assert!(gateway.has_said("the page has format 2; this version reads format 1"));
    assert_eq!(gateway.reasons(), ["no_credential"]);
    assert!(gateway.counter("policies_refused") >= 1);
}

#[test]
fn a_publisher_that_goes_back_is_not_followed() {
    let admin = Admin::filled();
    let issued = admin.token("nightly");
    let mut gateway = Gateway::alone(&admin);
    gateway.pass(1);
    let access = gateway.exchange(&issued);
    let before = gateway.gauge("revision");
    let key = admin.second_key();
    admin.stand_between(move |asked, truth| {
        if asked.is_head() {
            signed(&key, asked, (1, 1), true, &[])
        } else {
            truth.reply()
        }
    });
    gateway.pass(60);
    assert_eq!(gateway.gauge("revision"), before);
    assert!(gateway.has_said("after a restored backup the epoch must grow"));
    assert_eq!(gateway.call(&access), [200]);
    admin.step_aside();
    admin.deactivate(&issued.view.id);
    gateway.pass(60);
    assert_eq!(gateway.call(&access), [401]);
}

#[test]
fn a_gateway_that_was_away_while_the_feed_was_compacted_reads_everything_again() {
    let admin = Admin::filled();
    let (kept, revoked) = (admin.token("kept"), admin.token("revoked"));
    let mut gateway = Gateway::alone(&admin);
    gateway.pass(1);
    let (kept, access) = (gateway.exchange(&kept), gateway.exchange(&revoked));
    admin.stand_between(|_, _| CalloutReply::refused());
    gateway.pass(30);
    admin.delete(&revoked.view.id);
    admin.compact();
    admin.step_aside();
    gateway.pass(60);
    assert_eq!(gateway.call(&access), [401]);
    assert_eq!(gateway.call(&kept), [200]);
    assert_eq!(gateway.gauge("revision"), admin.revision());
}

#[test]
fn clocks_ten_minutes_apart_make_no_difference_and_twenty_behind_make_nothing_decided() {
    for (apart, reason) in [
        (-600_i64, "no_credential"),
        (600, "no_credential"),
        (-1200, "clock"),
    ] {
        let admin = Admin::filled();
        let now = postern_admin::clock::now().as_secs();
        let seconds = now.checked_add_signed(apart).expect("a time");
        let mut gateway = Gateway::of(&admin, 1, |builder| {
            builder.main_thread_vm(false).wall_clock_secs(seconds)
        });
        gateway.pass(5);
        assert_eq!(gateway.reasons(), [reason], "{apart}");
    }
}

#[test]
fn sessions_end_by_clocks_and_nothing_else_does() {
    for apart in [-600_i64, 600] {
        let admin = Admin::filled();
        let (issued, revoked) = (admin.token("nightly"), admin.token("revoked"));
        let now = postern_admin::clock::now().as_secs();
        let seconds = now.checked_add_signed(apart).expect("a time");
        let mut gateway = Gateway::of(&admin, 1, |builder| {
            builder.main_thread_vm(false).wall_clock_secs(seconds)
        });
        gateway.pass(5);
        let (before, other) = (gateway.exchange(&issued), gateway.exchange(&revoked));
        admin.end_sessions(&issued.view.id);
        admin.deactivate(&revoked.view.id);
        gateway.pass(20);
        // What was revoked is so by every clock.
        assert_eq!(gateway.call(&other), [401], "{apart}");
        let request = Request::post(EXCHANGE);
        let (status, body) = gateway.send(request, issued.token.expose());
        if apart < 0 {
            // A token of that second would be void from the start: there is none.
            assert_eq!((status, gateway.call(&before)), (503, vec![401]), "{body}");
            gateway.pass(600);
        } else {
            // A gateway ahead dates tokens later than the end of their session: they live their five minutes.
            assert_eq!(status, 200, "{body}");
            assert_eq!(gateway.call(&before), [200], "{apart}");
            gateway.pass(300);
            assert_eq!(gateway.call(&before), [401], "{apart}");
        }
        let after = gateway.exchange(&issued);
        assert_eq!(gateway.call(&after), [200], "{apart}");
    }
}

#[test]
fn without_a_monotonic_clock_nothing_is_decided_until_it_is_back() {
    let admin = Admin::filled();
    let issued = admin.token("nightly");
    let mut gateway = Gateway::alone(&admin);
    gateway.pass(5);
    let access = gateway.exchange(&issued);
    assert_eq!(gateway.call(&access), [200]);
    let fault = Fault::status("clock_time_get", 52);
    gateway.host.inject(fault).expect("there is one");
    gateway.pass(1);
    assert_eq!(gateway.call(&access), [503]);
    assert!(gateway.has_said("monotonic clock fails"));
    gateway.host.clear_faults();
    assert_eq!(gateway.reasons(), ["policy_stale"]);
    gateway.pass(1);
    assert_eq!(gateway.call(&access), [200]);
}

#[test]
fn the_feed_is_not_said_to_be_well_while_its_policy_is_refused() {
    const PAGE: &str = "{\"format\":1}\n{\"put\":{\"token\":{\"id\":\"t-x\",\"person\":\"nobody\",\"hash\":\
        \"sha256:4f0c2d1b8e6a97350f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778\",\"expires_at\":\"never\",\"active\":true}}}\n";
    let admin = Admin::filled();
    let mut gateway = Gateway::alone(&admin);
    gateway.pass(1);
    let (key, revision) = (admin.second_key(), admin.revision() + 1);
    let id = PageId::of(PAGE.as_bytes());
    admin.stand_between(move |asked, truth| {
        if asked.is_page() {
            return CalloutReply::new(200).body(PAGE);
        }
        if !asked.is_head() {
            return truth.reply();
        }
        let after = asked.value("after");
        let pages = [id];
        let pages = if after == revision.to_string() {
            &[][..]
        } else {
            &pages[..]
        };
        signed(&key, asked, (1, revision), after == "0", pages)
    });
    gateway.pass(60);
    assert!(gateway.has_said("is refused"));
    assert!(!gateway.has_said("the feed can be read again"));
    admin.step_aside();
    admin.token("one");
    admin.token("two");
    gateway.pass(60);
    assert!(gateway.has_said("the feed can be read again"));
}
