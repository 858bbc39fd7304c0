//! The table of codes. A code is never renumbered or used again for something else: allow-lists and scenario files name them.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing; nothing is wrong on Envoy.
    Info,
    /// Works by luck, or does less than the guest believes.
    Warning,
    /// The call failed, was ignored, or will hang or kill the filter.
    Error,
}

impl Serialize for Severity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

macro_rules! codes {
    ($($variant:ident $number:literal $name:literal $severity:ident $summary:literal $advice:literal;)*) => {
        /// What a guest did that a developer should know of. Every code has a section with an example in
        /// `docs/host/diagnostics.md`.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $summary] $variant = $number),*
        }

        impl Code {
            /// All codes, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The number behind `PH`.
            pub fn number(self) -> u16 {
                self as u16
            }

            /// A short name in words.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),* }
            }

            /// What happened, in one sentence.
            pub fn summary(self) -> &'static str {
                match self { $(Self::$variant => $summary),* }
            }

            /// What to do about it.
            pub fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice),* }
            }
        }
    };
}

codes! {
    UnavailableMap 1 "unavailable-map" Error
        "A header or trailer map was used in a callback in which Envoy does not have it; the call answered BAD_ARGUMENT or NOT_FOUND."
        "Use a map in its own callback, and copy what later callbacks need. The Rust SDK panics on this status.";
    UnavailableMapIsEmpty 2 "unavailable-map-is-empty" Warning
        "All pairs of a map were read while Envoy does not have it; the call answered OK with no pairs."
        "Do not take an empty map for `no headers`: read the map in its own callback, and treat an empty one as a failure.";
    UnavailableBuffer 3 "unavailable-buffer" Warning
        "A body or configuration was used in a callback in which Envoy does not have it; it reads as empty or not found, and cannot be set."
        "Read a body in its own callback, and a plugin configuration in `proxy_on_configure`; keep a copy.";
    StaleBuffer 4 "stale-buffer" Warning
        "The arguments of a foreign function were read outside `proxy_on_foreign_function`; Envoy shows whatever its buffer held last."
        "Read buffer 8 only in `proxy_on_foreign_function`.";
    AccessAfterContinue 5 "access-after-continue" Error
        "The request was used after `proxy_continue_stream`; Envoy takes its headers, body and trailers away at once."
        "Change headers first and continue last.";
    ChangeAfterLocalResponse 6 "change-after-local-response" Warning
        "A message was changed after `proxy_send_local_response` in the same callback; nobody will see the change."
        "Return from the callback after a local response; put headers into the response itself.";
    SecondLocalResponse 7 "second-local-response" Error
        "A second local response was sent on one stream; Envoy answers OK and sends the first one under the details of the last one."
        "Send one local response and return; remember that it was sent.";
    LateLocalResponse 8 "late-local-response" Error
        "A local response was sent after the response headers had left; Envoy answers OK and cuts the stream off."
        "Decide in `proxy_on_response_headers`, or pause there and answer while the headers are still held.";
    LocalResponseToNobody 9 "local-response-to-nobody" Error
        "A local response was sent where there is no stream to answer: from a root context, or while the stream is logged. Envoy answers OK."
        "Call `proxy_set_effective_context` with the stream's context first, and only while that stream is alive.";
    BufferMiddle 10 "buffer-middle" Error
        "`proxy_set_buffer_bytes` was called for a place in the middle of a body; Envoy answers BAD_ARGUMENT."
        "Put bytes in front (0, 0), replace from the start (0, length), or append (start at the end). To change the middle, set the whole body.";
    ForbiddenAtStart 11 "forbidden-at-start" Error
        "A host function other than `proxy_log` and WASI was called from `_initialize` or `_start`; Envoy kills the VM."
        "Do it in `proxy_on_vm_start` or `proxy_on_configure`.";
    UnknownCluster 12 "unknown-cluster" Error
        "A call was dispatched to a cluster that the host does not have."
        "Name a cluster of the host's configuration, and handle the failure: the Rust SDK panics if the result is unwrapped.";
    IncompleteCall 13 "incomplete-call" Error
        "An HTTP call was dispatched without `:method`, `:path` or `:authority`; Envoy answers BAD_ARGUMENT."
        "Send all three pseudo headers.";
    CallThenContinue 14 "call-then-continue" Warning
        "A call was dispatched and the stream goes on; if it ends before the reply comes, the reply is dropped."
        "Return Pause and continue in the reply's callback, or dispatch from the root context if nobody needs the reply.";
    PauseWithoutWakeup 15 "pause-without-wakeup" Error
        "A callback returned Pause, and nothing is on its way that could let the stream go on: no call, tick or queue, and no further part of the message. The stream hangs."
        "Return Pause only after a dispatch that answered OK. At headers, body callbacks follow a Pause only with `allow_on_headers_stop_iteration`, and only if `end_of_stream` is 0.";
    StatusUnknownToSdk 16 "status-unknown-to-sdk" Error
        "A host function answered a status that the `Status` enum of the Rust SDK lacks (5, 9, 11 or 12); to the SDK that is undefined behaviour, in practice a panic."
        "Declare the import yourself, returning `u32`.";
    BuffersNotFreed 17 "buffers-not-freed" Warning
        "Buffers that the host handed over in stream callbacks were never used again after their streams had ended: they seem not to be freed."
        "Whoever receives a buffer owns it: free it, or let `Vec::from_raw_parts` do so. The Rust SDK 0.2.3 leaks here; take 0.2.4 or later.";
    BadAllocation 18 "bad-allocation" Error
        "The guest's allocator gave the host a block that it cannot use: null, outside memory, or so small that it holds the places where the host was to leave address and size."
        "Return a block of exactly the size that was asked for, that nothing else uses.";
    DeadContext 19 "dead-context" Error
        "`proxy_set_effective_context` named a context that was deleted or never was; Envoy answers BAD_ARGUMENT."
        "Forget a context in `proxy_on_delete`, with every call token that belongs to it.";
    NeverDeleted 20 "never-deleted" Warning
        "The module exports `proxy_on_context_create` and not `proxy_on_delete`: whatever it keeps for a stream, it keeps for ever."
        "Export `proxy_on_delete` and free the context's state there.";
    MemoryGrows 21 "memory-grows" Warning
        "Linear memory grew again and again while no stream was open: something is kept for every stream."
        "Free the context's state in `proxy_on_delete`, and bound caches.";
    NullPointer 22 "null-pointer" Warning
        "A null pointer was passed for bytes that are not empty, or for a place where the host is to leave a result. Address 0 is valid memory in WebAssembly, so the host read or wrote there."
        "Pass the address of what you mean.";
    EmptyName 23 "empty-name" Warning
        "A header, metric, property, queue, cluster or foreign function was named with no bytes."
        "Check the name before the call.";
    InvalidMemory 24 "invalid-memory" Error
        "An address or length lies outside the guest's memory; the call answered INVALID_MEMORY_ACCESS, which the Rust SDK's `Status` lacks."
        "Check addresses and lengths.";
    UnknownNumber 25 "unknown-number" Error
        "A map, buffer, stream type, log level or metric type was given by a number that the ABI does not have."
        "Use the numbers of the ABI's enums.";
    NotUtf8 26 "not-utf8" Error
        "A header value that is not UTF-8 killed the VM. With FAIL_CLOSED every later request of the worker gets a 503 for one such header."
        "Read headers as bytes: `get_http_request_header_bytes` and its like, or `proxy_get_header_map_pairs` by hand.";
    WasiWithoutEffect 27 "wasi-without-effect" Warning
        "A function of WASI was called that Envoy answers with a fixed errno, or without doing anything."
        "There are no files, sockets, arguments or exits in a proxy; keep what calls them out of the module.";
    ImportOutsideProfile 28 "import-outside-profile" Warning
        "The module imports a function that the specification of its ABI version does not have."
        "Drop the import if you can: older Envoys and other hosts refuse to link the module, or stop it when it calls.";
    ExportNeverReached 29 "export-never-reached" Info
        "A callback that the module exports was never called in this run."
        "Write a test that reaches it, or stop exporting it: every exported callback costs about a microsecond of each request in Envoy.";
    MapRefused 30 "map-refused" Error
        "An encoded header map was malformed, had more than 1,024 pairs, or was bigger than 1 MiB. Envoy takes it for an empty one without an error: `proxy_set_header_map_pairs` wipes all headers."
        "Check the number of pairs and the size before the call.";
    NotPortable 31 "not-portable" Info
        "The guest relies on a host function that other Proxy-Wasm hosts do not have or answer differently."
        "Nothing, if Envoy is the only target. Otherwise call it by a raw import, and go on without it.";
    ForeignHabit 32 "foreign-habit" Warning
        "The guest uses a name that only another host knows."
        "Use Envoy's names: `xds.route_name`, `xds.cluster_name`, and names of clusters instead of addresses.";
    SeveralValues 33 "several-values" Warning
        "One value was read of a header that has several; the guest saw the first one alone."
        "Read all pairs where a second value matters, as it does for credentials.";
    MetricRefused 34 "metric-refused" Error
        "A metric was used in a way that its kind does not allow; Envoy answers BAD_ARGUMENT, and the Rust SDK panics."
        "Increment counters by 1 or more; record histograms, and neither increment nor read them.";
    UnknownId 35 "unknown-id" Error
        "A metric, queue or gRPC call was named by an id that the host did not give out."
        "Keep ids per VM: a new VM defines its metrics and queues again.";
    PropertyWithoutEffect 36 "property-without-effect" Warning
        "`proxy_set_property` was called for a name of Envoy's own; it answers OK, and nothing changes."
        "Change headers with the header functions; give filter state a name of your own.";
    UnknownAction 37 "unknown-action" Warning
        "A callback returned a number that is no action; Envoy takes it for the strongest pause."
        "Return 0 (Continue) or 1 (Pause).";
    DoneIgnored 38 "done-ignored" Info
        "`proxy_on_done` returned false for a stream; Envoy deletes the context at once all the same."
        "Do not count on a stream's context after `proxy_on_done`.";
    MissingCallback 39 "missing-callback" Warning
        "The guest asked for an event whose callback it does not export."
        "Export the callback, or do not ask for the event.";
    Died 40 "died" Error
        "The VM died in a callback. Under FAIL_CLOSED the worker answers 503 from then on, under FAIL_OPEN it lets requests past the filter."
        "See the reason and the backtrace. Use FAIL_RELOAD in production, and never FAIL_OPEN for a filter that protects something.";
    HeaderNotSendable 41 "header-not-sendable" Error
        "A header was written or removed so that the message is no HTTP, or is not framed as it says. Envoy answers 503, 404 or 502 in place of some of these messages and sends the others as they are: a line break in a response begins another header, and a wrong length cuts the body off."
        "Check names and values that come from elsewhere, leave pseudo headers whole, and remove `content-length` where a body changes.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PH{:03}", self.number())
    }
}

/// A word that is no code.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no diagnostic code: use PH001 to PH{last:03}, or a name such as `unavailable-map`", last = Code::ALL.len())]
pub struct UnknownCode(pub String);

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL
            .iter()
            .find(|code| code.name() == text || code.to_string() == text);
        found.copied().ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbered_without_gaps_and_found_by_number_and_name() {
        for (index, code) in Code::ALL.iter().enumerate() {
            assert_eq!(usize::from(code.number()), index + 1);
            assert_eq!(code.to_string().parse(), Ok(*code));
            assert_eq!(code.name().parse(), Ok(*code));
        }
        assert_eq!("PH000".parse::<Code>(), Err(UnknownCode("PH000".into())));
    }
}
