//! How much of a body the other side reads.

use crate::headers::HeaderMap;

/// What whoever receives a message takes for its body, and whether it comes to an end for it. The framing is Envoy's, and the
/// headers that it follows from are the guest's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Reading {
    /// All that comes, up to an end that is told.
    #[default]
    All,
    /// Nothing, whatever comes.
    Nothing,
    /// So many bytes more.
    Length(u64),
    /// Nothing more: more has come than the length promised, and that belongs to no message.
    Exceeded,
    /// All that comes, and no end is told.
    Endless,
    /// Chunks that never come.
    Starved,
}

impl Reading {
    /// Of a request over HTTP/1.1: what an upstream reads.
    pub(crate) fn of_request(headers: &HeaderMap, chunked: bool, upgrades: bool) -> Self {
        if upgrades || chunked {
            return Self::All;
        }
        if headers.contains("transfer-encoding") {
            // It goes before a length (RFC 9112, section 6.3), and Envoy sends no chunks where there is a length or no body.
            return Self::Starved;
        }
        let length = headers.text("content-length");
        // An upstream refuses a length that is no number; nothing that follows belongs to the request.
        Self::Length(length.and_then(|length| length.parse().ok()).unwrap_or(0))
    }

    /// Of a response with these headers: what a client reads.
    pub(crate) fn of_response(
        status: u64,
        headers: &HeaderMap,
        to_head: bool,
        http2: bool,
    ) -> Self {
        // Over HTTP/2 Envoy frames a body whatever the status.
        if to_head || !http2 && matches!(status, 100..200 | 204 | 304) {
            return Self::Nothing;
        }
        match headers.text("content-length") {
            Some(length) => length.parse().map_or(Self::Endless, Self::Length),
            // Envoy frames no body of a status below 200 (Envoy `StreamEncoderImpl::encodeHeadersBase`).
            None if status < 100 && !http2 => Self::Endless,
            None => Self::All,
        }
    }

    /// What is read of these bytes.
    pub(crate) fn take(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        match self {
            Self::All | Self::Endless => {}
            Self::Nothing | Self::Starved | Self::Exceeded => bytes.clear(),
            Self::Length(left) => match left.checked_sub(bytes.len() as u64) {
                Some(less) => *left = less,
                None => {
                    bytes.truncate(usize::try_from(*left).unwrap_or(0));
                    *self = Self::Exceeded;
                }
            },
        }
        bytes
    }

    /// Whether the message has ended for its reader when it has for its sender.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(
            self,
            Self::All | Self::Nothing | Self::Length(0) | Self::Exceeded
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Reading {
        Reading::of_request(&headers.iter().copied().collect(), false, false)
    }

    fn response(status: u64, headers: &[(&str, &str)]) -> Reading {
        Reading::of_response(status, &headers.iter().copied().collect(), false, false)
    }

    #[test]
    fn a_body_is_read_up_to_its_length() {
        let mut reading = request(&[("content-length", "3")]);
        assert!(!reading.is_complete());
        assert_eq!(reading.take(b"ab".to_vec()), b"ab");
        assert_eq!(reading.take(b"cde".to_vec()), b"c");
        assert!(reading.is_complete());
        assert_eq!(reading.take(b"f".to_vec()), b"");
        assert_eq!(
            response(200, &[("content-length", "3")]),
            Reading::Length(3)
        );
    }

    #[test]
    fn chunks_that_are_announced_and_do_not_come_starve_an_upstream() {
        let both = [("transfer-encoding", "chunked"), ("content-length", "3")];
        assert_eq!(request(&both), Reading::Starved);
        assert!(!request(&both[..1]).is_complete());
        assert!(request(&[]).is_complete());
        let chunked = Reading::of_request(&both.into_iter().collect(), true, false);
        assert!(chunked.is_complete());
    }

    #[test]
    fn some_statuses_have_no_body_and_some_no_end() {
        for status in [100, 103, 204, 304] {
            let length = [("content-length", "3")];
            assert_eq!(response(status, &length), Reading::Nothing);
        }
        assert_eq!(response(99, &[]), Reading::Endless);
        assert_eq!(response(1000, &[]), Reading::All);
        assert_eq!(response(200, &[("content-length", "x")]), Reading::Endless);
        assert_eq!(response(99, &[("content-length", "3")]), Reading::Length(3));
    }
}
