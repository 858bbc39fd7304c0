//! What differs from run to run and is known by its shape: ids and tokens made of random numbers, and times.

use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

/// The shapes, and what is written in their place. No other bytes are masked.
static SHAPES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let shapes = [
        // RFC 9562, as `x-request-id` has it.
        (
            r"(?-u)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
            "UUID",
        ),
        // RFC 7519: a JWT.
        (
            r"(?-u)\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",
            "JWT",
        ),
        // RFC 9110, section 5.6.7.
        (
            r"(?-u)\b[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
            "DATE",
        ),
        // RFC 3339.
        (
            r"(?-u)\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z",
            "TIME",
        ),
        // A map that a guest logged.
        (
            r"(?-u)(?P<keep>x-envoy-upstream-service-time<00>)[0-9]+",
            "MS",
        ),
    ];
    let compiled = shapes.into_iter().filter_map(|(shape, name)| {
        // `every_shape_is_known` fails for one that does not compile.
        Regex::new(shape).ok().map(|shape| (shape, name))
    });
    compiled.collect()
});

/// The bytes with all such things written as words in capital letters.
pub(super) fn masked(bytes: &[u8]) -> Vec<u8> {
    SHAPES.iter().fold(bytes.to_vec(), |bytes, (shape, name)| {
        let word = |found: &Captures<'_>| {
            let keep = found.name("keep").map_or(&b""[..], |keep| keep.as_bytes());
            [keep, name.as_bytes()].concat()
        };
        shape.replace_all(&bytes, word).into_owned()
    })
}

/// A time in milliseconds: a real one is not the same twice. What is none is kept.
pub(super) fn duration(value: &[u8]) -> Vec<u8> {
    if !value.is_empty() && value.iter().all(u8::is_ascii_digit) {
        b"MS".to_vec()
    } else {
        value.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_known() {
        for (line, expected) in [
            ("id 0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9.", "id UUID."),
            ("Bearer eyJ0eXAi.eyJpc3M1.sig_-ABC x", "Bearer JWT x"),
            ("Tue, 24 Nov 2026 14:23:53 GMT", "DATE"),
            ("until 2026-11-24T14:23:53Z", "until TIME"),
            (
                "x-envoy-upstream-service-time<00>153<00>",
                "x-envoy-upstream-service-time<00>MS<00>",
            ),
        ] {
            assert_eq!(String::from_utf8_lossy(&masked(line.as_bytes())), expected);
        }
        assert_eq!(SHAPES.len(), 5);
    }

    #[test]
    fn nothing_else_is_masked() {
        for line in [
            "mine",
            "127.0.0.1:40000",
            "0123456789abcdef0",
            "eyJ",
            "x-envoy-upstream-service-time: 1",
        ] {
            assert_eq!(masked(line.as_bytes()), line.as_bytes());
        }
        assert_eq!(duration(b"153"), b"MS");
        assert_eq!(duration(b"of mine"), b"of mine");
    }
}
