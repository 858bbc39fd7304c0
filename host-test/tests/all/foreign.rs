//! Foreign functions: Envoy's, compared with a recording, and those of a test.

use postern_host::{Host, Module, Request};

use crate::guests::{builder, messages};
use crate::recorded::sections;

/// One operation of the recording: what the guest did, and what Envoy answered.
struct Case {
    operation: u8,
    first: Vec<u8>,
    second: Vec<u8>,
    answer: String,
    label: &'static str,
}

fn cases(section: &'static str) -> Vec<Case> {
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len() / 2)
            .map(|index| u8::from_str_radix(&hex[2 * index..][..2], 16).expect("hexadecimal"))
            .collect()
    };
    section
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut words = line.splitn(6, ' ');
            let mut word = || words.next().expect("six words");
            let (operation, first, second) = (word().as_bytes()[0], bytes(word()), bytes(word()));
            let (status, result, label) = (word(), word(), word());
            Case {
                operation,
                first,
                second,
                answer: format!("{status} {}", result.trim_start_matches('-')),
                label,
            }
        })
        .collect()
}

/// The script that the guest reads: see `envoy/foreign.wat`.
fn script(cases: &[Case]) -> Vec<u8> {
    let mut script = Vec::new();
    for case in cases {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("short").to_le_bytes();
        script.push(case.operation);
        script.extend(length(&case.first));
        script.extend(length(&case.second));
        script.extend([&*case.first, &*case.second].concat());
    }
    script
}

fn compare(cases: &[Case], actual: &[String]) {
    let mut differences = Vec::new();
    for (case, actual) in cases.iter().zip(actual) {
        let same = match case.label {
            // Envoy's clock, and the order of its hash map.
            "expr request.time" | "expr request.headers" => actual.len() == case.answer.len(),
            _ if case.answer.ends_with("signature") => actual.starts_with("00 080112"),
            _ => *actual == case.answer,
        };
        if !same {
            differences.push(format!(
                "{}: {} in Envoy, {actual}",
                case.label, case.answer
            ));
        }
    }
    assert_eq!(differences, Vec::<String>::new());
    assert_eq!(cases.len(), actual.len(), "every operation has its line");
}

#[test]
fn envoys_foreign_functions_answer_as_in_envoy() {
    let module = Module::compile(include_str!("envoy/foreign.wat")).expect("it compiles");
    let mut host = Host::builder(&module)
        .vm_id("vm")
        .root_id("r")
        .plugin_name("probe")
        .allow_on_headers_stop_iteration(true)
        .canary(false)
        .main_thread_vm(false)
        .property("xds.route_name", "myroute")
        .property("metadata.filter_metadata.ns.k", "v")
        .property("metadata.filter_metadata.ns.n", 3.0)
        .build();
    let sections: Vec<_> = sections(include_str!("envoy/foreign.txt")).collect();
    assert_eq!(sections.len(), 2);
    let configuration = cases(sections[0].1);
    let plugin = host
        .add_plugin(script(&configuration))
        .expect("nothing to refuse");
    compare(&configuration, &messages(&mut host));

    let request = cases(sections[1].1);
    let exchange = host.request(
        plugin,
        Request::post("/ff")
            .authority("h")
            .header("accept-encoding", "identity")
            .header("content-length", script(&request).len().to_string())
            .header("x-t", "tt")
            .body(script(&request)),
    );
    let of_the_guest = |line: &String| !line.starts_with("expr_");
    let lines: Vec<String> = messages(&mut host)
        .into_iter()
        .filter(of_the_guest)
        .collect();
    compare(&request, &lines);
    assert_eq!(
        exchange.filter_state["wasm.decl"], b"v1",
        "it was declared to be set once"
    );
    assert_eq!(
        exchange.filter_state["envoy.network.upstream_server_name"],
        b"127.0.0.1:80"
    );
}

/// Verifies what was signed here: an ECDSA signature is another one in every Envoy.
#[test]
fn what_was_signed_is_verified() {
    let recorded = sections(include_str!("envoy/foreign.txt"))
        .nth(1)
        .expect("requests");
    let recorded = cases(recorded.1);
    let module = Module::compile(include_str!("envoy/foreign.wat")).expect("it compiles");
    let mut host = Host::builder(&module)
        .canary(false)
        .main_thread_vm(false)
        .build();
    for curve in ["p256", "p384", "p521"] {
        for hash in ["sha1", "sha224", "sha256", "sha512"] {
            let case = |label: String| {
                let found = recorded.iter().find(|case| case.label == label);
                found.unwrap_or_else(|| panic!("{label} was recorded"))
            };
            let sign = case(format!("sign {curve} {hash}"));
            let plugin = [Case {
                operation: sign.operation,
                first: sign.first.clone(),
                second: sign.second.clone(),
                answer: String::new(),
                label: "",
            }];
            host.add_plugin(script(&plugin)).expect("nothing to refuse");
            let signed = messages(&mut host).remove(0);
            // The recorded arguments with the new signature in the place of the old one.
            let verify = case(format!("verify {curve} {hash}"));
            let arguments = with_signature(&verify.second, &hex(&signed["00 ".len()..]));
            let again = [Case {
                operation: b'c',
                first: verify.first.clone(),
                second: arguments,
                answer: "00 0801".to_owned(),
                label: "verified",
            }];
            host.add_plugin(script(&again)).expect("nothing to refuse");
            compare(&again, &messages(&mut host));
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|index| u8::from_str_radix(&text[2 * index..][..2], 16).expect("hexadecimal"))
        .collect()
}

/// Arguments of `verify_signature` without their signature (field 3), and with that of a result of `sign` (field 2).
fn with_signature(arguments: &[u8], result: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    for (tag, content) in length_delimited(arguments) {
        if tag >> 3 != 3 {
            kept.extend(field(tag, &content));
        }
    }
    let signature = length_delimited(&result[2..]).remove(0).1;
    kept.extend(field(3 << 3 | 2, &signature));
    kept
}

fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let (low, high) = (content.len() & 0x7f, content.len() >> 7);
    let byte = |value: usize| u8::try_from(value).expect("a byte");
    let mut bytes = vec![tag];
    match high {
        0 => bytes.push(byte(low)),
        _ => bytes.extend([byte(low | 0x80), byte(high)]),
    }
    bytes.extend(content);
    bytes
}

fn length_delimited(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut fields = Vec::new();
    while let [tag, low, rest @ ..] = bytes {
        let (length, rest) = if low & 0x80 == 0 {
            (usize::from(*low), rest)
        } else {
            (
                usize::from(low & 0x7f) | usize::from(rest[0]) << 7,
                &rest[1..],
            )
        };
        fields.push((*tag, rest[..length].to_vec()));
        bytes = &rest[length..];
    }
    fields
}

/// Calls the function that its configuration names, with `abc`, and logs the status and the result.
const CALLING: &str = r#"
    (data (i32.const 1000) "abc")
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (drop (call $buffer (i32.const 7) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 4)))
      (call $log_number (call $foreign (i32.load (i32.const 0)) (i32.load (i32.const 4)) (i32.const 1000) (i32.const 3)
        (i32.const 8) (i32.const 12)))
      (drop (call $log (i32.const 2) (i32.load (i32.const 8)) (i32.load (i32.const 12))))
      (i32.const 1))"#;

#[test]
fn a_function_of_the_test_answers_before_one_of_envoys() {
    let mut host = builder(CALLING)
        .canary(false)
        .main_thread_vm(false)
        .foreign_function("compress", |arguments| Ok(arguments.to_ascii_uppercase()))
        .foreign_function("broken", |_| Err(10))
        .build();
    for (name, expected) in [
        ("compress", ["00", "ABC"]),
        ("broken", ["10", ""]),
        ("unknown", ["01", ""]),
    ] {
        host.add_plugin(name).expect("nothing to refuse");
        assert_eq!(messages(&mut host), expected, "{name}");
    }
}
