use postern_core::roots::RootKeys;

use crate::command::postern;

#[test]
fn a_new_root_key_is_one_that_gateways_take() {
    let run = postern(&["root-key", "new", "--id", "2026"]);
    assert_eq!(run.code, 0);
    let keys = RootKeys::parse(run.stdout.trim_end()).unwrap();
    assert_eq!(keys.ids().collect::<Vec<_>>(), ["2026"]);
    let secret = run.stdout.trim_end().split_once(':').unwrap().1;
    assert!(!run.stderr.contains(secret));
}

#[test]
fn it_is_called_r1_unless_told_otherwise_and_is_another_each_time() {
    let (one, two) = (postern(&["root-key", "new"]), postern(&["root-key", "new"]));
    assert!(one.stdout.starts_with("r1:"));
    assert_ne!(one.stdout, two.stdout);
}

#[test]
fn an_id_that_no_policy_could_name_is_refused() {
    let run = postern(&["root-key", "new", "--id", "a,b"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
}
