//! The path of a request, in the only spelling that is matched.
//!
//! Nothing is decoded, merged or removed: a path that an upstream could read as another one is refused. What stays is
//! - unreserved characters, sub-delimiters but for `;`, `:` and `@` (RFC 3986, section 3.3) as themselves,
//! - other bytes percent-encoded, in upper-case hexadecimal, together valid UTF-8. A space inside a segment is one of
//!   them (`%20`); as a segment's last character it is refused, since some file systems drop it there.
//!
//! A sub-delimiter, `:` or `@` may also come percent-encoded. RFC 3986, section 2.2, makes that another path, and so
//! does this module: `/a%2Bb` is not `/a+b`. The routes refuse the one where only the other is declared.

use std::borrow::Cow;

use super::query;
use crate::byte_set::ByteSet;

/// A path, and the query that came with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CanonicalPath<'a> {
    /// Begins with `/`; ends with one only if it is nothing else.
    text: Cow<'a, str>,
    query: Option<&'a [u8]>,
}

impl<'a> CanonicalPath<'a> {
    /// The longest path in bytes, without its query.
    pub const MAX_BYTES: usize = 8 * 1024;
    /// The most segments of a path.
    pub const MAX_SEGMENTS: usize = 64;

    /// Takes `target` as it stands in `:path`: origin-form (RFC 9112, section 3.2.1), split at the first `?`. One
    /// trailing slash is dropped. Allocates only where a hexadecimal digit of an encoding is in lower case.
    ///
    /// # Errors
    /// The rule that the path breaks; such a request is answered 400.
    pub fn parse(target: &'a [u8]) -> Result<Self, PathFault> {
        let mut parts = target.splitn(2, |byte| *byte == b'?');
        let path = parts.next().unwrap_or_default();
        let query = parts.next();
        let Some(body) = path.strip_prefix(b"/") else {
            return Err(if target.is_empty() {
                PathFault::Missing
            } else {
                PathFault::NotAbsolute
            });
        };
        if path.len() > Self::MAX_BYTES {
            return Err(PathFault::TooLong);
        }
        if body.is_empty() {
            return Ok(Self {
                text: Cow::Borrowed("/"),
                query,
            });
        }
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let body = body.strip_suffix(b"/").unwrap_or(body);
        let mut lower_hex = false;
        for (count, segment) in body.split(|byte| *byte == b'/').enumerate() {
            if count == Self::MAX_SEGMENTS {
                return Err(PathFault::TooManySegments);
            }
            lower_hex |= check_segment(segment)? == Hex::Lower;
        }
        let text = str::from_utf8(path).map_err(|_| PathFault::ForbiddenByte)?;
        let text = if lower_hex {
            Cow::Owned(upper_hex(text))
        } else {
            Cow::Borrowed(text)
        };
        Ok(Self { text, query })
    }

    /// The path without its query and its trailing slash. The root is `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The segments in order. The root has none.
    #[must_use]
    pub fn segments(&self) -> Segments<'_> {
        Segments {
            rest: self.text.get(1..).filter(|text| !text.is_empty()),
        }
    }

    /// What follows the first `?`, as it was sent. An empty query is not the same as none.
    #[must_use]
    pub const fn query(&self) -> Option<&'a [u8]> {
        self.query
    }

    /// Whether the query carries an access token (RFC 6750, section 2.3), where it would be logged along the way. The
    /// parameter's name is read as a form's would be, in any letter case; `&` and `;` separate parameters.
    #[must_use]
    pub fn has_access_token_query(&self) -> bool {
        self.query.is_some_and(query::has_access_token)
    }

    /// The part of the path that `rest`, an iterator over this path, has already yielded.
    pub fn before(&self, rest: &Segments<'_>) -> &str {
        let left = rest.rest.map_or(0, |text| text.len() + 1);
        let taken = self.text.len().saturating_sub(left);
        self.text.get(..taken).unwrap_or_default()
    }
}

/// The segments of a [`CanonicalPath`].
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    rest: Option<&'a str>,
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest?;
        // Not `split_once`, which searches through a searcher of its own, at several times the price for short texts.
        let end = text.bytes().position(|byte| byte == b'/');
        match end.and_then(|end| Some((text.get(..end)?, text.get(end + 1..)?))) {
            Some((segment, rest)) => {
                self.rest = Some(rest);
                Some(segment)
            }
            None => self.rest.take(),
        }
    }
}

/// The rule that a path breaks. The sentences hold only what an `error_description` may (RFC 6750, section 3).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathFault {
    /// There is no path, as in a CONNECT request.
    #[error("the path is missing")]
    Missing,
    /// It does not begin with `/`: `*`, absolute-form, or junk.
    #[error("the path must begin with a slash")]
    NotAbsolute,
    /// It is longer than [`CanonicalPath::MAX_BYTES`].
    #[error("the path is longer than 8192 bytes")]
    TooLong,
    /// It has more than [`CanonicalPath::MAX_SEGMENTS`].
    #[error("the path has more than 64 segments")]
    TooManySegments,
    /// `//`, which some upstreams merge.
    #[error("the path has an empty segment (//)")]
    EmptySegment,
    /// `.` or `..`, which some upstreams resolve.
    #[error("the path has a segment that is one dot or two")]
    DotSegment,
    /// A segment ends in a dot, which some file systems drop.
    #[error("a segment of the path ends in a dot")]
    TrailingDot,
    /// A segment ends in a space, which some file systems drop.
    #[error("a segment of the path ends in a space")]
    TrailingSpace,
    /// `;`, after which some upstreams see parameters.
    #[error("the path holds a semicolon")]
    Semicolon,
    /// A byte that must not stand in a path unencoded (RFC 3986, section 3.3).
    #[error("the path holds a character that must be percent-encoded")]
    ForbiddenByte,
    /// `%` without two hexadecimal digits.
    #[error("the path holds a percent sign that is not followed by two hexadecimal digits")]
    BadEncoding,
    /// A letter, a digit, `-`, `.`, `_` or `~` is percent-encoded: a second spelling of the same path (RFC 3986,
    /// section 2.3).
    #[error(
        "the path holds a percent-encoded letter, digit or one of - . _ ~, which must stand as themselves"
    )]
    EncodedUnreserved,
    /// A percent-encoded `#`, `%`, `/`, `;`, `?` or `\`, which means something to whoever decodes it.
    #[error("the path holds a percent-encoded slash, backslash or one of # % ; ?")]
    EncodedDelimiter,
    /// A percent-encoded control character.
    #[error("the path holds a percent-encoded control character")]
    EncodedControl,
    /// What is percent-encoded is not UTF-8.
    #[error("the path is not UTF-8 once its percent-encoding is decoded")]
    InvalidUtf8,
}

impl PathFault {
    /// A stable name for logs and metrics.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "path_missing",
            Self::NotAbsolute => "path_not_absolute",
            Self::TooLong => "path_too_long",
            Self::TooManySegments => "path_too_many_segments",
            Self::EmptySegment => "path_empty_segment",
            Self::DotSegment => "path_dot_segment",
            Self::TrailingDot => "path_trailing_dot",
            Self::TrailingSpace => "path_trailing_space",
            Self::Semicolon => "path_semicolon",
            Self::ForbiddenByte => "path_forbidden_byte",
            Self::BadEncoding => "path_bad_encoding",
            Self::EncodedUnreserved => "path_encoded_unreserved",
            Self::EncodedDelimiter => "path_encoded_delimiter",
            Self::EncodedControl => "path_encoded_control",
            Self::InvalidUtf8 => "path_invalid_utf8",
        }
    }
}

/// How a segment's percent-encodings are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hex {
    /// As the canonical form has them, or there are none.
    Canonical,
    /// At least one digit is in lower case.
    Lower,
}

/// Unreserved bytes and those of [`is_delimiter`].
static PLAIN: ByteSet = ByteSet::alphanumeric_and(b"-._~!$&'()*+,=:@");

/// Checks one segment of a path by all rules but those about the whole path.
pub fn check_segment(segment: &[u8]) -> Result<Hex, PathFault> {
    match segment {
        b"" => return Err(PathFault::EmptySegment),
        b"." | b".." => return Err(PathFault::DotSegment),
        _ if PLAIN.contains_all(segment) => {
            return match segment.last() {
                Some(b'.') => Err(PathFault::TrailingDot),
                _ => Ok(Hex::Canonical),
            };
        }
        _ => {}
    }
    let mut hex = Hex::Canonical;
    let mut utf8 = Utf8Run::default();
    let mut last = 0;
    let mut bytes = segment.iter().copied();
    while let Some(byte) = bytes.next() {
        last = match byte {
            b'%' => {
                let (Some(high), Some(low)) = (bytes.next(), bytes.next()) else {
                    return Err(PathFault::BadEncoding);
                };
                if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
                    return Err(PathFault::BadEncoding);
                }
                if high.is_ascii_lowercase() || low.is_ascii_lowercase() {
                    hex = Hex::Lower;
                }
                check_encoded(hex_value(high) << 4 | hex_value(low))?
            }
            b';' => return Err(PathFault::Semicolon),
            _ if PLAIN.contains(byte) => byte,
            _ => return Err(PathFault::ForbiddenByte),
        };
        utf8.push(last)?;
    }
    utf8.finish()?;
    match last {
        b'.' => Err(PathFault::TrailingDot),
        b' ' => Err(PathFault::TrailingSpace),
        _ => Ok(hex),
    }
}

/// `text` with the digits of its percent-encodings in upper case.
pub fn upper_hex(text: &str) -> String {
    let mut digits = 0;
    text.chars()
        .map(|letter| {
            if letter == '%' {
                digits = 2;
                letter
            } else if digits > 0 {
                digits -= 1;
                letter.to_ascii_uppercase()
            } else {
                letter
            }
        })
        .collect()
}

/// The value of a hexadecimal digit; 0 for any other byte.
pub(super) const fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

/// Whether `byte` may stand in a segment both as itself and percent-encoded: `sub-delims` but for `;`, and `:` and `@`
/// (RFC 3986, sections 2.2 and 3.3).
pub(super) const fn is_delimiter(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@'
    )
}

/// RFC 3986, section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Passes on a byte that may come percent-encoded.
const fn check_encoded(byte: u8) -> Result<u8, PathFault> {
    match byte {
        b'#' | b'%' | b'/' | b';' | b'?' | b'\\' => Err(PathFault::EncodedDelimiter),
        0x00..=0x1f | 0x7f => Err(PathFault::EncodedControl),
        _ if is_unreserved(byte) => Err(PathFault::EncodedUnreserved),
        _ => Ok(byte),
    }
}

/// Checks UTF-8 character by character, so that a segment need not be decoded into a buffer of its own.
#[derive(Default)]
struct Utf8Run {
    character: [u8; 4],
    len: usize,
}

impl Utf8Run {
    fn push(&mut self, byte: u8) -> Result<(), PathFault> {
        if byte.is_ascii() {
            return self.finish();
        }
        let Some(slot) = self.character.get_mut(self.len) else {
            return Err(PathFault::InvalidUtf8);
        };
        *slot = byte;
        self.len += 1;
        let begun = self.character.get(..self.len).unwrap_or_default();
        match str::from_utf8(begun) {
            Ok(_) => self.len = 0,
            Err(fault) if fault.error_len().is_none() => {}
            Err(_) => return Err(PathFault::InvalidUtf8),
        }
        Ok(())
    }

    const fn finish(&self) -> Result<(), PathFault> {
        if self.len == 0 {
            Ok(())
        } else {
            Err(PathFault::InvalidUtf8)
        }
    }
}

#[cfg(test)]
mod tests;
