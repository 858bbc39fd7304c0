//! Paths as a policy writes them.

use super::fault::RouteRule;
use crate::canonical::path::{Hex, check_segment, upper_hex};
use crate::canonical::{CanonicalPath, PathFault};
use crate::order;

/// A method's path below its service's base path.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Pattern<'a> {
    pub(super) segments: Vec<Segment<'a>>,
    /// In bytes, without a trailing slash.
    pub(super) len: usize,
}

/// One segment of a [`Pattern`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Segment<'a> {
    /// Itself.
    Literal(&'a str),
    /// `{name}`: any one segment.
    Parameter,
    /// `{*name}`: all segments from here on, at least one.
    Rest,
}

impl<'a> Pattern<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, RouteRule> {
        let body = body(text)?;
        let mut names = Vec::new();
        let mut segments = Vec::new();
        let mut rest: Option<&str> = None;
        for part in body.split('/').filter(|_| !body.is_empty()) {
            if let Some(name) = rest {
                return Err(RouteRule::RestNotLast {
                    name: name.to_owned(),
                });
            }
            if !part.contains(['{', '}']) {
                segments.push(Segment::Literal(literal(part)?));
                continue;
            }
            let inner = part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'))
                .ok_or(RouteRule::PartialParameter)?;
            let name = inner.strip_prefix('*').unwrap_or(inner);
            check_name(name)?;
            if !order::insert(&mut names, name) {
                return Err(RouteRule::DuplicateParameter {
                    name: name.to_owned(),
                });
            }
            if name.len() == inner.len() {
                segments.push(Segment::Parameter);
            } else {
                segments.push(Segment::Rest);
                rest = Some(name);
            }
        }
        Ok(Self {
            segments,
            len: body.len() + 1,
        })
    }

    /// The path that the pattern is, if it has no parameters: empty for the base path itself.
    pub(super) fn literal(&self) -> Option<String> {
        self.segments
            .iter()
            .try_fold(String::new(), |path, segment| {
                if let Segment::Literal(text) = segment {
                    Some(path + "/" + text)
                } else {
                    None
                }
            })
    }
}

/// A path of literal segments only, as a base path or a public route has it: without trailing slash, the root empty.
pub(super) fn literal_path(text: &str) -> Result<&str, RouteRule> {
    if text.contains(['{', '}']) {
        return Err(RouteRule::NotLiteral);
    }
    let body = body(text)?;
    if body.is_empty() {
        return Ok("");
    }
    let segments = body.split('/');
    if text.len() > CanonicalPath::MAX_BYTES {
        return Err(PathFault::TooLong.into());
    }
    if segments.clone().count() > CanonicalPath::MAX_SEGMENTS {
        return Err(PathFault::TooManySegments.into());
    }
    for segment in segments {
        literal(segment)?;
    }
    Ok(text.strip_suffix('/').unwrap_or(text))
}

/// `text` without its first slash and one trailing slash.
fn body(text: &str) -> Result<&str, RouteRule> {
    if text.is_empty() {
        return Err(PathFault::Missing.into());
    }
    if text.contains('?') {
        return Err(RouteRule::Query);
    }
    let body = text.strip_prefix('/').ok_or(PathFault::NotAbsolute)?;
    match body.strip_suffix('/') {
        Some("") => Err(PathFault::EmptySegment.into()),
        Some(body) => Ok(body),
        None => Ok(body),
    }
}

fn literal(segment: &str) -> Result<&str, RouteRule> {
    match check_segment(segment.as_bytes())? {
        Hex::Canonical => Ok(segment),
        Hex::Lower => Err(RouteRule::NotCanonical {
            canonical: upper_hex(segment),
        }),
    }
}

fn check_name(name: &str) -> Result<(), RouteRule> {
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if first && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        Ok(())
    } else {
        Err(RouteRule::ParameterName)
    }
}

#[cfg(test)]
mod tests {
    use super::Segment::{Literal, Parameter, Rest};
    use super::*;

    #[test]
    fn literals_parameters_and_a_rest_are_told_apart() {
        for (text, segments) in [
            ("/", vec![]),
            ("/a", vec![Literal("a")]),
            ("/a/", vec![Literal("a")]),
            ("/{id}", vec![Parameter]),
            (
                "/a/{id}/b%20c/{_x9}",
                vec![Literal("a"), Parameter, Literal("b%20c"), Parameter],
            ),
            ("/a/{*rest}", vec![Literal("a"), Rest]),
            ("/{*rest}/", vec![Rest]),
        ] {
            assert_eq!(Pattern::parse(text).unwrap().segments, segments, "{text}");
        }
    }

    #[test]
    fn a_pattern_that_could_be_misread_is_refused() {
        use RouteRule::{ParameterName, PartialParameter, Query};
        let name = |name: &str| name.to_owned();
        for (text, rule) in [
            ("", RouteRule::Path(PathFault::Missing)),
            ("a", RouteRule::Path(PathFault::NotAbsolute)),
            ("{id}", RouteRule::Path(PathFault::NotAbsolute)),
            ("//", RouteRule::Path(PathFault::EmptySegment)),
            ("/a//b", RouteRule::Path(PathFault::EmptySegment)),
            ("/a//", RouteRule::Path(PathFault::EmptySegment)),
            ("/a/../b", RouteRule::Path(PathFault::DotSegment)),
            ("/%61", RouteRule::Path(PathFault::EncodedUnreserved)),
            ("/a;b", RouteRule::Path(PathFault::Semicolon)),
            ("/b\u{e4}r", RouteRule::Path(PathFault::ForbiddenByte)),
            ("/a?x=1", Query),
            ("/{id", PartialParameter),
            ("/id}", PartialParameter),
            ("/x{id}", PartialParameter),
            ("/{id}x", PartialParameter),
            ("/{id}.json", PartialParameter),
            ("/{}", ParameterName),
            ("/{*}", ParameterName),
            ("/{**x}", ParameterName),
            ("/{9}", ParameterName),
            ("/{a-b}", ParameterName),
            ("/{a}{b}", ParameterName),
            ("/{{a}}", ParameterName),
            (
                "/{a}/b/{a}",
                RouteRule::DuplicateParameter { name: name("a") },
            ),
            (
                "/{a}/{*a}",
                RouteRule::DuplicateParameter { name: name("a") },
            ),
            ("/{*r}/x", RouteRule::RestNotLast { name: name("r") }),
            ("/{*r}/{*s}", RouteRule::RestNotLast { name: name("r") }),
            (
                "/a%c3%a4",
                RouteRule::NotCanonical {
                    canonical: name("a%C3%A4"),
                },
            ),
        ] {
            assert_eq!(Pattern::parse(text), Err(rule), "{text}");
        }
    }

    #[test]
    fn a_literal_path_has_no_trailing_slash_and_no_parameters() {
        assert_eq!(literal_path("/"), Ok(""));
        assert_eq!(literal_path("/a/b"), Ok("/a/b"));
        assert_eq!(literal_path("/a/b/"), Ok("/a/b"));
        assert_eq!(literal_path("/a/{b}"), Err(RouteRule::NotLiteral));
        assert_eq!(literal_path("/a/{*b}"), Err(RouteRule::NotLiteral));
        let deep = "/a".repeat(CanonicalPath::MAX_SEGMENTS);
        assert_eq!(literal_path(&deep), Ok(deep.as_str()));
        assert_eq!(
            literal_path(&format!("{deep}/a")),
            Err(RouteRule::Path(PathFault::TooManySegments))
        );
    }
}
