use proptest::prelude::*;

use super::PathFault::*;
use super::*;

/// Segments that no place of a path may hold. An empty one is apart, since one trailing slash is allowed.
const BAD_SEGMENTS: &[(&str, PathFault)] = &[
    (".", DotSegment),
    ("..", DotSegment),
    ("%2e", EncodedUnreserved),
    ("%2E%2E", EncodedUnreserved),
    (".%2e", EncodedUnreserved),
    ("...", TrailingDot),
    ("admin.", TrailingDot),
    ("admin%20", TrailingSpace),
    ("%20", TrailingSpace),
    ("..%20", TrailingSpace),
    ("admin%C2%A0%20", TrailingSpace),
    ("%61dmin", EncodedUnreserved),
    ("adm%69n", EncodedUnreserved),
    ("a%5Fb", EncodedUnreserved),
    ("a%2db", EncodedUnreserved),
    ("a%7Eb", EncodedUnreserved),
    ("%39", EncodedUnreserved),
    ("%5A", EncodedUnreserved),
    ("%2F", EncodedDelimiter),
    ("a%2fb", EncodedDelimiter),
    ("..%2Fadmin", EncodedDelimiter),
    ("a%5Cb", EncodedDelimiter),
    ("..%5cadmin", EncodedDelimiter),
    ("a%23b", EncodedDelimiter),
    ("a%3Bb", EncodedDelimiter),
    ("a%3fb", EncodedDelimiter),
    ("a%25b", EncodedDelimiter),
    ("%252F", EncodedDelimiter),
    ("%252e%252e", EncodedDelimiter),
    ("%00", EncodedControl),
    ("admin%00", EncodedControl),
    ("a%09b", EncodedControl),
    ("a%0D%0Ab", EncodedControl),
    ("%1f", EncodedControl),
    ("a%7F", EncodedControl),
    ("%", BadEncoding),
    ("a%", BadEncoding),
    ("a%4", BadEncoding),
    ("%zz", BadEncoding),
    ("%4z", BadEncoding),
    ("%z4", BadEncoding),
    ("%%34%31", BadEncoding),
    ("%u0041", BadEncoding),
    ("%C0%AF", InvalidUtf8),
    ("%c0%ae", InvalidUtf8),
    ("%E0%80%AF", InvalidUtf8),
    ("%ED%A0%80", InvalidUtf8),
    ("%F4%90%80%80", InvalidUtf8),
    ("%FF", InvalidUtf8),
    ("%80", InvalidUtf8),
    ("%C3", InvalidUtf8),
    ("%C3a%A4", InvalidUtf8),
    ("%C3%20%A4", InvalidUtf8),
    ("%E2%82", InvalidUtf8),
    ("admin;x=y", Semicolon),
    ("..;", Semicolon),
    (";", Semicolon),
    ("a\\b", ForbiddenByte),
    ("..\\admin", ForbiddenByte),
    ("a#b", ForbiddenByte),
    ("a b", ForbiddenByte),
    ("admin ", ForbiddenByte),
    ("a\"b", ForbiddenByte),
    ("<a>", ForbiddenByte),
    ("a^b", ForbiddenByte),
    ("a`b", ForbiddenByte),
    ("{id}", ForbiddenByte),
    ("a|b", ForbiddenByte),
    ("a[0]", ForbiddenByte),
    ("a\tb", ForbiddenByte),
    ("a\0b", ForbiddenByte),
    ("a\x7fb", ForbiddenByte),
    ("b\u{e4}r", ForbiddenByte),
    ("\u{ff0e}\u{ff0e}", ForbiddenByte),
];

/// Paths and their canonical form.
const GOOD_PATHS: &[(&str, &str)] = &[
    ("/", "/"),
    ("/a", "/a"),
    ("/a/", "/a"),
    ("/a/b/c", "/a/b/c"),
    ("/a/b/c/", "/a/b/c"),
    ("/A/b", "/A/b"),
    ("/.well-known/jwks.json", "/.well-known/jwks.json"),
    ("/.a", "/.a"),
    ("/..a", "/..a"),
    ("/a..b", "/a..b"),
    ("/~user/-_.x", "/~user/-_.x"),
    ("/a!$&'()*+,=:@b", "/a!$&'()*+,=:@b"),
    ("/a%20b", "/a%20b"),
    ("/%20a", "/%20a"),
    ("/items:export", "/items:export"),
    ("/items%3Aexport", "/items%3Aexport"),
    ("/items%3aexport", "/items%3Aexport"),
    ("/a%2bb", "/a%2Bb"),
    ("/%c3%a4/%E2%82%ac", "/%C3%A4/%E2%82%AC"),
    ("/%f0%9f%98%80", "/%F0%9F%98%80"),
    (
        "/a%22%3c%3e%5b%5d%5e%60%7b%7c%7d",
        "/a%22%3C%3E%5B%5D%5E%60%7B%7C%7D",
    ),
    ("/pkg.Service/Method", "/pkg.Service/Method"),
    ("/a?b", "/a"),
    ("/a/?b", "/a"),
    ("/?b", "/"),
    ("/a?b=//..;%2F#", "/a"),
];

fn parse(target: &str) -> Result<String, PathFault> {
    CanonicalPath::parse(target.as_bytes()).map(|path| path.as_str().to_owned())
}

#[test]
fn a_bad_segment_is_refused_in_every_place() {
    for (segment, fault) in BAD_SEGMENTS {
        for target in [
            format!("/{segment}"),
            format!("/{segment}/"),
            format!("/{segment}/b/c"),
            format!("/a/{segment}/c"),
            format!("/a/b/{segment}"),
            format!("/a/b/{segment}/"),
            format!("/a/b/{segment}?q"),
        ] {
            assert_eq!(parse(&target), Err(*fault), "{target:?}");
        }
    }
}

#[test]
fn an_empty_segment_is_refused_in_every_place() {
    for target in [
        "//", "///", "//a/b", "/a//b", "/a/b//", "/a/b///", "//?q", "/a//?q",
    ] {
        assert_eq!(parse(target), Err(EmptySegment), "{target:?}");
    }
}

#[test]
fn a_target_that_is_no_path_is_refused() {
    for (target, fault) in [
        ("", Missing),
        ("*", NotAbsolute),
        ("a", NotAbsolute),
        ("?a", NotAbsolute),
        ("http://api.example.com/a", NotAbsolute),
        ("api.example.com:443", NotAbsolute),
        ("\\a", NotAbsolute),
        (" /a", NotAbsolute),
        ("%2Fa", NotAbsolute),
    ] {
        assert_eq!(parse(target), Err(fault), "{target:?}");
    }
    assert_eq!(CanonicalPath::parse(b"/a/\xff/b"), Err(ForbiddenByte));
    assert_eq!(CanonicalPath::parse(b"\xff"), Err(NotAbsolute));
}

#[test]
fn a_good_path_keeps_its_spelling() {
    for (target, canonical) in GOOD_PATHS {
        assert_eq!(parse(target).as_deref(), Ok(*canonical), "{target:?}");
    }
}

#[test]
fn only_the_case_of_hexadecimal_digits_costs_an_allocation() {
    for (target, _) in GOOD_PATHS {
        let path = CanonicalPath::parse(target.as_bytes()).unwrap();
        let before_query = target.split('?').next().unwrap();
        assert_eq!(
            matches!(path.text, Cow::Borrowed(_)),
            before_query.starts_with(path.as_str()),
            "{target:?}"
        );
    }
}

#[test]
fn a_query_is_what_follows_the_first_question_mark() {
    let query = |target: &'static str| CanonicalPath::parse(target.as_bytes()).unwrap().query();
    assert_eq!(query("/a"), None);
    assert_eq!(query("/a?"), Some(&b""[..]));
    assert_eq!(query("/a/?b=c?d"), Some(&b"b=c?d"[..]));
    assert_eq!(query("/?%zz"), Some(&b"%zz"[..]));
    let carries = |target: &str| {
        CanonicalPath::parse(target.as_bytes())
            .unwrap()
            .has_access_token_query()
    };
    assert!(carries("/a?x=1&access_token=t"));
    assert!(!carries("/a?x=1"));
    assert!(!carries("/access_token=t"));
}

#[test]
fn segments_come_in_order_and_the_root_has_none() {
    let segments = |target: &str| -> Vec<String> {
        CanonicalPath::parse(target.as_bytes())
            .unwrap()
            .segments()
            .map(str::to_owned)
            .collect()
    };
    assert!(segments("/").is_empty());
    assert_eq!(segments("/a"), ["a"]);
    assert_eq!(segments("/a/b%c3%a4/c/?d/e"), ["a", "b%C3%A4", "c"]);
}

#[test]
fn what_was_taken_of_a_path_is_known() {
    let path = CanonicalPath::parse(b"/a/bc/d").unwrap();
    let mut segments = path.segments();
    for before in ["", "/a", "/a/bc", "/a/bc/d"] {
        assert_eq!(path.before(&segments), before);
        segments.next();
    }
}

#[test]
fn the_limits_are_8_kib_and_64_segments() {
    let longest = format!("/{}", "a".repeat(CanonicalPath::MAX_BYTES - 1));
    assert_eq!(parse(&longest).as_deref(), Ok(longest.as_str()));
    assert_eq!(parse(&format!("{longest}a")), Err(TooLong));
    assert!(parse(&format!("{longest}?{longest}")).is_ok());
    let deepest = "/a".repeat(CanonicalPath::MAX_SEGMENTS);
    assert_eq!(parse(&deepest).as_deref(), Ok(deepest.as_str()));
    assert_eq!(
        parse(&format!("{deepest}/")).as_deref(),
        Ok(deepest.as_str())
    );
    assert_eq!(parse(&format!("{deepest}/a")), Err(TooManySegments));
}

#[test]
fn each_rule_has_a_reason_of_its_own_and_a_sentence_that_fits_a_header() {
    let others = [Missing, NotAbsolute, TooLong, TooManySegments, EmptySegment];
    let faults = BAD_SEGMENTS.iter().map(|(_, fault)| *fault).chain(others);
    let mut reasons = Vec::new();
    for fault in faults {
        reasons.push(fault.reason());
        // RFC 6750, section 3: %x20-21 / %x23-5B / %x5D-7E.
        let fits = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(fault.to_string().bytes().all(fits), "{fault}");
    }
    reasons.sort_unstable();
    reasons.dedup();
    assert_eq!(reasons.len(), 15);
    assert!(reasons.iter().all(|reason| reason.starts_with("path_")));
}

/// The rules as the design words them, one after the other, without a thought for speed.
fn specification(target: &[u8]) -> Option<(String, Option<Vec<u8>>)> {
    let (path, query) = match target.iter().position(|byte| *byte == b'?') {
        Some(at) => (&target[..at], Some(target[at + 1..].to_vec())),
        None => (target, None),
    };
    let path = str::from_utf8(path).ok()?;
    let raw = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@%/";
    if !path.starts_with('/') || path.len() > 8192 || !path.chars().all(|c| raw.contains(c)) {
        return None;
    }
    if path == "/" {
        return Some((path.to_owned(), query));
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut segments = Vec::new();
    for segment in path[1..].split('/') {
        let mut pieces = segment.split('%');
        let mut canonical = pieces.next()?.to_owned();
        let mut decoded = canonical.clone().into_bytes();
        for piece in pieces {
            let digits = piece.get(..2)?;
            if !digits.chars().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            let byte = u8::from_str_radix(digits, 16).ok()?;
            if byte.is_ascii_alphanumeric()
                || b"-._~#%/;?\\".contains(&byte)
                || byte.is_ascii_control()
            {
                return None;
            }
            decoded.push(byte);
            decoded.extend(piece[2..].bytes());
            canonical.push('%');
            canonical.push_str(&digits.to_uppercase());
            canonical.push_str(&piece[2..]);
        }
        let decoded = String::from_utf8(decoded).ok()?;
        if decoded.is_empty() || decoded.ends_with(['.', ' ']) {
            return None;
        }
        segments.push(canonical);
    }
    (segments.len() <= 64).then(|| (format!("/{}", segments.join("/")), query))
}

fn targets() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"/",
        b"/",
        b"/",
        b"/a",
        b"/b",
        b"//",
        b"/..",
        b"/.",
        b".",
        b"a",
        b"Z",
        b"0",
        b"~",
        b"%2F",
        b"%2e",
        b"%5c",
        b"%25",
        b"%00",
        b"%61",
        b"%20",
        b" ",
        b"%C3",
        b"%a4",
        b"%C3%A4",
        b"%e2%82%ac",
        b"%F0",
        b"%9f",
        b"%3a",
        b":",
        b"%2B",
        b"+",
        b"%",
        b"%4",
        b"4",
        b"f",
        b";",
        b"?",
        b"#",
        b"\\",
        b"\xc3\xa4",
        b"\xff",
        b"{",
        b"|",
    ];
    let piece = proptest::sample::select(pieces);
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| {
        let mut target = b"/".to_vec();
        pieces.iter().for_each(|piece| target.extend(*piece));
        target
    })
}

fn check(target: &[u8]) -> Result<(), TestCaseError> {
    let parsed = CanonicalPath::parse(target);
    let known = parsed
        .as_ref()
        .ok()
        .map(|path| (path.as_str().to_owned(), path.query().map(<[u8]>::to_vec)));
    prop_assert_eq!(known, specification(target));
    if let Ok(path) = parsed {
        let again = CanonicalPath::parse(path.as_str().as_bytes()).unwrap();
        prop_assert_eq!(again.as_str(), path.as_str());
        prop_assert!(matches!(again.text, Cow::Borrowed(_)));
        let joined: String = path
            .segments()
            .map(|segment| format!("/{segment}"))
            .collect();
        prop_assert_eq!(path.as_str().trim_end_matches('/'), joined);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn it_agrees_with_the_specification_on_likely_targets(target in targets()) {
        check(&target)?;
    }

    #[test]
    fn it_agrees_with_the_specification_on_any_bytes(target in proptest::collection::vec(any::<u8>(), 0..48)) {
        check(&target)?;
        let mut path = b"/".to_vec();
        path.extend(target);
        check(&path)?;
    }
}

#[test]
fn it_agrees_with_the_specification_on_every_byte_raw_and_encoded() {
    for byte in 0..=u8::MAX {
        for target in [
            [b"/a", &[byte][..], b"b"].concat(),
            format!("/a%{byte:02X}b").into_bytes(),
            format!("/a%{byte:02x}b").into_bytes(),
            format!("/a%{byte:02x}").into_bytes(),
        ] {
            check(&target).unwrap();
        }
    }
}
