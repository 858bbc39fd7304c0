//! What Envoy answers before the filter chain.

/// How Envoy calls a path that does not begin with a slash.
pub(super) const NOT_RELATIVE: &str = "absolute_path_rejected";

/// An answer that Envoy gives before the filter chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) body: &'static str,
    pub(crate) details: &'static str,
    /// Whether the parser gave up, so that not even an access log has the request's headers.
    malformed: bool,
}

impl Refusal {
    pub(crate) const CODEC_ERROR: Self = Self::malformed("http1.codec_error");
    pub(crate) const INVALID_CHARACTERS: Self = Self::malformed("http1.invalid_characters");
    pub(crate) const TWO_FRAMINGS: Self =
        Self::malformed("http1.content_length_and_chunked_not_allowed");
    pub(crate) const UNKNOWN_ENCODING: Self = Self {
        status: 501,
        body: "Not Implemented",
        ..Self::malformed("http1.invalid_transfer_encoding")
    };
    pub(crate) const LOW_VERSION: Self = Self {
        status: 426,
        body: "Upgrade Required",
        ..Self::malformed("low_version")
    };
    pub(crate) const TOO_LONG: Self = Self::too_large("http1.headers_too_large");
    pub(crate) const TOO_MANY: Self = Self::too_large("http1.too_many_headers");

    /// No answer: the codec of HTTP/2 resets the stream, and no filter hears of it.
    pub(crate) const RESET: Self = Self {
        status: 0,
        body: "",
        ..Self::malformed("http2.violation.of.messaging.rule")
    };

    /// The answer to something that is no HTTP.
    pub(super) const fn malformed(details: &'static str) -> Self {
        Self {
            status: 400,
            body: "Bad Request",
            details,
            malformed: true,
        }
    }

    pub(super) const fn plain(status: u16, details: &'static str) -> Self {
        Self {
            status,
            body: "",
            details,
            malformed: false,
        }
    }

    const fn too_large(details: &'static str) -> Self {
        Self {
            status: 431,
            body: "Request Header Fields Too Large",
            details,
            malformed: true,
        }
    }

    /// Whether not even an access log has the request's headers.
    pub(super) fn malformed_request(&self) -> bool {
        self.malformed
    }

    /// Whether Envoy closes the connection with this answer.
    pub(crate) fn closes(&self) -> bool {
        self.details != NOT_RELATIVE
    }
}
