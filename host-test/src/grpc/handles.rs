//! The ids under which a guest knows its calls and streams, and what it asked for under them.

use std::collections::BTreeMap;

use super::GrpcCall;
use crate::status::Status;

/// The lowest bits of an id are the kind of call: 0 HTTP, 1 gRPC call, 2 gRPC stream (proxy-wasm-cpp-host `wasm.h`).
const KIND_MASK: u32 = 3;
const CALL: u32 = 1;
const STREAM: u32 = 2;
/// The step between two ids of a kind.
const STEP: u32 = 4;

/// The open calls and streams of one VM.
#[derive(Debug)]
pub(crate) struct Handles {
    next_call: u32,
    next_stream: u32,
    open: BTreeMap<u32, Handle>,
    /// What the guest asked for since the host looked.
    pub(crate) commands: Vec<Command>,
}

#[derive(Debug)]
struct Handle {
    local_closed: bool,
    remote_closed: bool,
}

/// Something for a peer.
#[derive(Debug)]
pub(crate) enum Command {
    /// A new call with its message, or a new stream without.
    Open {
        id: u32,
        root: u32,
        call: GrpcCall,
        message: Option<Vec<u8>>,
    },
    /// A cluster that is not there; Envoy says so only afterwards.
    NoCluster {
        id: u32,
        root: u32,
    },
    Send {
        id: u32,
        message: Vec<u8>,
        end: bool,
    },
    Close(u32),
    Cancel(u32),
}

impl Default for Handles {
    fn default() -> Self {
        Self {
            next_call: CALL,
            next_stream: STREAM,
            open: BTreeMap::new(),
            commands: Vec::new(),
        }
    }
}

impl Handles {
    /// The next id, which is used up also if the call fails.
    pub(crate) fn new_id(&mut self, is_stream: bool) -> u32 {
        let next = if is_stream {
            &mut self.next_stream
        } else {
            &mut self.next_call
        };
        *next = next.wrapping_add(STEP);
        *next
    }

    pub(crate) fn open(&mut self, id: u32, root: u32, call: GrpcCall, message: Option<Vec<u8>>) {
        self.open.insert(
            id,
            Handle {
                local_closed: false,
                remote_closed: false,
            },
        );
        self.commands.push(Command::Open {
            id,
            root,
            call,
            message,
        });
    }

    /// Only streams take messages. Envoy says OK as long as it knows the stream, closed by the peer or not.
    pub(crate) fn send(&mut self, id: u32, message: Vec<u8>, end: bool) -> Result<(), Status> {
        if id & KIND_MASK != STREAM {
            return Err(Status::BadArgument);
        }
        let handle = self.open.get(&id).ok_or(Status::NotFound)?;
        if !handle.local_closed && !handle.remote_closed {
            self.commands.push(Command::Send { id, message, end });
        }
        Ok(())
    }

    /// Closing a call is cancelling it; a stream is closed on this side, and known until the peer has closed it too.
    pub(crate) fn close(&mut self, id: u32) -> Result<(), Status> {
        if id & KIND_MASK != STREAM {
            return self.cancel(id);
        }
        let handle = self.open.get_mut(&id).ok_or(Status::NotFound)?;
        if handle.remote_closed {
            self.open.remove(&id);
        } else {
            if !handle.local_closed {
                self.commands.push(Command::Close(id));
            }
            handle.local_closed = true;
        }
        Ok(())
    }

    pub(crate) fn cancel(&mut self, id: u32) -> Result<(), Status> {
        if !matches!(id & KIND_MASK, CALL | STREAM) {
            return Err(Status::BadArgument);
        }
        let handle = self.open.remove(&id).ok_or(Status::NotFound)?;
        if !handle.remote_closed {
            self.commands.push(Command::Cancel(id));
        }
        Ok(())
    }

    /// Whether the guest may still hear of this id.
    pub(crate) fn is_open(&self, id: u32) -> bool {
        self.open.contains_key(&id)
    }

    /// The peer has ended: before the guest is told, so that it can close the stream in that very callback.
    pub(crate) fn remote_closed(&mut self, id: u32) {
        if let Some(handle) = self.open.get_mut(&id) {
            handle.remote_closed = true;
        }
    }

    /// The guest was told of a message, which is the end of a call that went well, or of the end. A stream is forgotten only
    /// if the guest has closed it.
    pub(crate) fn told(&mut self, id: u32, of_end: bool) {
        let closed = |handle: &Handle| of_end && handle.local_closed;
        if id & KIND_MASK == CALL || self.open.get(&id).is_some_and(closed) {
            self.open.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::HeaderMap;

    fn call() -> GrpcCall {
        GrpcCall {
            cluster: "c".to_owned(),
            service: "s".to_owned(),
            method: "m".to_owned(),
            initial_metadata: HeaderMap::new(),
            timeout: std::time::Duration::ZERO,
            is_stream: true,
        }
    }

    #[test]
    fn calls_have_odd_ids_and_streams_even_ones() {
        let mut handles = Handles::default();
        let ids = [false, false, true, true].map(|is_stream| handles.new_id(is_stream));
        assert_eq!(ids, [5, 9, 6, 10]);
    }

    #[test]
    fn a_stream_is_known_until_both_sides_have_closed_it() {
        let mut handles = Handles::default();
        handles.open(6, 1, call(), None);
        handles.remote_closed(6);
        handles.told(6, true);
        assert_eq!(handles.send(6, Vec::new(), false), Ok(()));
        assert_eq!(handles.close(6), Ok(()));
        assert_eq!(handles.close(6), Err(Status::NotFound));
        handles.open(10, 1, call(), None);
        assert_eq!(handles.close(10), Ok(()));
        handles.remote_closed(10);
        handles.told(10, true);
        assert_eq!(handles.cancel(10), Err(Status::NotFound));
    }

    #[test]
    fn an_id_of_another_kind_is_a_bad_argument() {
        let mut handles = Handles::default();
        assert_eq!(handles.send(5, Vec::new(), false), Err(Status::BadArgument));
        assert_eq!(handles.cancel(4), Err(Status::BadArgument));
        assert_eq!(handles.close(5), Err(Status::NotFound));
    }
}
