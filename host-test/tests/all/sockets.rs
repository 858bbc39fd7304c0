//! Clients and upstreams of the command, in bytes.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use tempfile::TempDir;

use crate::guests;
use crate::served::Served;

/// Nobody listens there.
pub(crate) const NOWHERE: &str = "http://127.0.0.1:1";

/// The command with this guest in the frame of [`guests`].
pub(crate) fn served(
    guest: &str,
    config: &str,
    upstream: &str,
    options: &[&str],
) -> (TempDir, Served) {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("config"), config).expect("written");
    let text = guests::text(guest);
    let served = Served::start(directory.path(), &text, upstream, options);
    (directory, served)
}

/// A listener, and its URL.
pub(crate) fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, url)
}

/// The next connection.
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("connected");
    let limit = Some(Duration::from_secs(60));
    stream.set_read_timeout(limit).expect("a time limit");
    stream
}

/// Reads up to and including `end`.
pub(crate) fn read_to(stream: &mut TcpStream, end: &[u8]) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("more is to come");
        bytes.extend(byte);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The status of a response in text.
pub(crate) fn status(response: &str) -> &str {
    response.get(9..12).unwrap_or(response)
}
