//! What a scripted gRPC peer answers.

use std::time::Duration;

use super::code;
use crate::headers::HeaderMap;

/// What a gRPC peer does when something reaches it: nothing, or a series of steps.
///
/// ```
/// use std::time::Duration;
/// use postern_host::GrpcReply;
/// let hello = GrpcReply::ok("hello").trailer("x-cost", "1");
/// let slow = GrpcReply::new().after(Duration::from_secs(2)).status(5, "no such thing");
/// let two_messages_and_more_to_come = GrpcReply::new().message("one").message("two");
/// # let _ = (hello, slow, two_messages_and_more_to_come);
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[must_use = "a reply does nothing until a peer gives it"]
pub struct GrpcReply {
    pub(crate) steps: Vec<(Duration, Step)>,
    initial_metadata: HeaderMap,
    trailers: HeaderMap,
    delay: Duration,
}

/// One thing that a peer does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// Sends its initial metadata, which the host completes.
    InitialMetadata(HeaderMap),
    Message(Vec<u8>),
    /// Ends with this status, message and trailing metadata.
    Status(u32, String, HeaderMap),
    /// Breaks the HTTP stream off.
    Reset,
    /// Is not there, as far as TCP can tell.
    Refuse,
    /// Answers in HTTP and knows no gRPC.
    NoGrpc,
}

impl GrpcReply {
    /// Nothing, for now: a peer that waits for the next message, or never answers.
    pub fn new() -> Self {
        Self::default()
    }

    /// One message and status OK: the usual answer to a unary call.
    pub fn ok(message: impl AsRef<[u8]>) -> Self {
        Self::new().message(message).status(code::OK, "")
    }

    /// No message, and this status, such as 5 for NOT_FOUND.
    pub fn error(status: u32, message: impl Into<String>) -> Self {
        Self::new().status(status, message)
    }

    /// Initial metadata, sent before the first message. The host sends `:status` and `content-type` without this.
    pub fn initial_metadata(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.initial_metadata.append(name, value);
        self
    }

    /// Sends the initial metadata now, although no message is there yet.
    pub fn send_initial_metadata(mut self) -> Self {
        self.flush_initial_metadata();
        self
    }

    /// One more message.
    pub fn message(mut self, message: impl AsRef<[u8]>) -> Self {
        if !self.initial_metadata.is_empty() {
            self.flush_initial_metadata();
        }
        self.step(Step::Message(message.as_ref().to_vec()))
    }

    /// One more pair of trailing metadata; it travels with the [status](Self::status), also if that was given before.
    pub fn trailer(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        for (_, step) in &mut self.steps {
            if let Step::Status(_, _, trailers) = step {
                trailers.append(name.as_ref(), value.as_ref());
                return self;
            }
        }
        self.trailers.append(name, value);
        self
    }

    /// Ends the call or stream with this status and message.
    pub fn status(mut self, status: u32, message: impl Into<String>) -> Self {
        let trailers = std::mem::take(&mut self.trailers);
        self.step(Step::Status(status, message.into(), trailers))
    }

    /// Breaks the connection's stream off instead of ending it.
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    /// A refused connection: Envoy answers in the peer's place, with status 14 (UNAVAILABLE).
    pub fn refused() -> Self {
        Self::new().step(Step::Refuse)
    }

    /// An answer that is HTTP and no gRPC, as from a cluster that has no gRPC service.
    pub(crate) fn no_grpc() -> Self {
        Self::new().step(Step::NoGrpc)
    }

    /// Everything that follows happens this much later than what comes before.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay += delay;
        self
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push((self.delay, step));
        self
    }

    fn flush_initial_metadata(&mut self) {
        let metadata = std::mem::take(&mut self.initial_metadata);
        self.steps
            .push((self.delay, Step::InitialMetadata(metadata)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_travels_with_the_status_whichever_was_given_first() {
        let before = GrpcReply::new().trailer("a", "1").status(0, "");
        let after = GrpcReply::new().status(0, "").trailer("a", "1");
        assert_eq!(before, after);
    }

    #[test]
    fn a_delay_holds_for_everything_behind_it() {
        let second = Duration::from_secs(1);
        let reply = GrpcReply::new()
            .message("a")
            .after(second)
            .message("b")
            .after(second)
            .status(0, "");
        let delays: Vec<_> = reply.steps.iter().map(|(delay, _)| *delay).collect();
        assert_eq!(delays, [Duration::ZERO, second, 2 * second]);
    }
}
