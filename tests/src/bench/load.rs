//! The load generator: one thread, a few connections that stay open, a counted number of requests.
//!
//! It goes round its connections: reads the answer to the one, sends the next request on it, turns to the next. So Envoy
//! always has the requests of all other connections before it and never waits, and the generator needs no more than two
//! system calls for a request. That is what keeps it from being the bottleneck, in a build without optimisation too.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// A bound for hangs, not an expectation.
const DEADLINE: Duration = Duration::from_secs(20);

/// More than any answer here has.
const BUFFER: usize = 64 * 1024;

/// How much of a wrong answer an error shows.
const SHOWN: usize = 600;

/// What to send, where, and what must come back.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// The listener.
    pub address: SocketAddr,
    /// Requests, whole and ready, sent in order and then from the first again.
    pub requests: &'a [Vec<u8>],
    /// How many to send in all.
    pub count: usize,
    /// How many connections there are.
    pub connections: usize,
    /// The status that every answer must have.
    pub status: u16,
}

/// Sends everything and reads every answer; how long it took.
///
/// # Errors
///
/// [`Error::Malformed`] at the first answer with another status, or that is no HTTP/1.1; [`Error::Closed`] when Envoy
/// closes a connection.
pub fn run(load: &Load<'_>) -> Result<Duration> {
    let mut connections = (0..load.connections.min(load.count).max(1))
        .map(|_| Connection::open(load.address))
        .collect::<Result<Vec<_>>>()?;
    let mut requests = load.requests.iter().cycle().take(load.count);
    let status = load.status.to_string();
    let start = Instant::now();
    let mut waiting = 0;
    for (connection, request) in connections.iter_mut().zip(requests.by_ref()) {
        connection.stream.write_all(request)?;
        waiting += 1;
    }
    while waiting > 0 {
        for connection in &mut connections {
            if waiting == 0 {
                break;
            }
            connection.receive(status.as_bytes())?;
            waiting -= 1;
            if let Some(request) = requests.next() {
                connection.stream.write_all(request)?;
                waiting += 1;
            }
        }
    }
    Ok(start.elapsed())
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The length of the last answer. The next one is nearly always as long, and then it need not be parsed to be known
    /// to be whole; a wrong guess leaves bytes behind that are no answer, and ends the run.
    usual: usize,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Self {
            stream,
            buffer: vec![0; BUFFER],
            usual: 0,
        })
    }

    fn receive(&mut self, status: &[u8]) -> Result<()> {
        let mut filled = 0;
        loop {
            let space = self.buffer.get_mut(filled..).unwrap_or_default();
            let count = self.stream.read(space)?;
            if count == 0 {
                return Err(Error::Closed(filled));
            }
            filled += count;
            let answer = self.buffer.get(..filled).unwrap_or_default();
            if answer.get(..9) == Some(b"HTTP/1.1 ") && answer.get(9..12) != Some(status) {
                return Err(wrong_status(status, answer));
            }
            if filled == self.usual {
                return Ok(());
            }
            if let Some(length) = whole(answer)? {
                if length != filled {
                    return Err(Error::Malformed(format!(
                        "{filled} bytes, and the answer has {length}"
                    )));
                }
                self.usual = length;
                return Ok(());
            }
        }
    }
}

/// The length of the answer, once it is all there.
fn whole(bytes: &[u8]) -> Result<Option<usize>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let status = head
        .parse(bytes)
        .map_err(|fault| Error::Malformed(format!("{fault}: {}", excerpt(bytes))))?;
    let httparse::Status::Complete(length) = status else {
        return Ok(None);
    };
    let body = head
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .and_then(|field| std::str::from_utf8(field.value).ok()?.parse::<usize>().ok())
        .ok_or_else(|| Error::Malformed(format!("no content-length: {}", excerpt(bytes))))?;
    let length = length + body;
    if length > BUFFER {
        return Err(Error::Malformed(format!("an answer of {length} bytes")));
    }
    Ok((bytes.len() >= length).then_some(length))
}

fn wrong_status(expected: &[u8], answer: &[u8]) -> Error {
    Error::Malformed(format!(
        "not the status {}: {}",
        String::from_utf8_lossy(expected),
        excerpt(answer)
    ))
}

fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..SHOWN).unwrap_or(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server on loopback that answers the requests of each connection with `answer(number, first line)`, and the
    /// first lines that it got.
    fn server(
        connections: usize,
        answer: fn(usize, &str) -> String,
    ) -> (SocketAddr, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("bound");
        let accept = move || {
            let workers: Vec<_> = (0..connections)
                .map(|_| {
                    let (stream, _) = listener.accept().expect("accepted");
                    thread::spawn(move || serve(stream, answer))
                })
                .collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().expect("served"))
                .collect()
        };
        (address, thread::spawn(accept))
    }

    fn serve(mut stream: TcpStream, answer: fn(usize, &str) -> String) -> Vec<String> {
        let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
        let mut lines = Vec::new();
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).unwrap_or(0) == 0 {
                    return lines;
                }
            }
            let line = head.lines().next().unwrap_or_default().to_owned();
            let text = answer(lines.len(), &line);
            lines.push(line);
            // The generator may be gone already: it ends at the first wrong answer.
            let _ = stream.write_all(text.as_bytes());
        }
    }

    fn requests(count: usize) -> Vec<Vec<u8>> {
        (0..count)
            .map(|number| format!("GET /{number} HTTP/1.1\r\nhost: h\r\n\r\n").into_bytes())
            .collect()
    }

    fn load(address: SocketAddr, requests: &[Vec<u8>], count: usize) -> Load<'_> {
        Load {
            address,
            requests,
            count,
            connections: 3,
            status: 200,
        }
    }

    #[test]
    fn every_request_is_sent_once_in_each_round_and_every_answer_is_read() {
        let (address, served) = server(3, |number, _| {
            let body = "x".repeat(number % 3);
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        });
        let requests = requests(7);
        run(&load(address, &requests, 14)).expect("all is answered");

        let mut lines = served.join().expect("served");
        lines.sort();
        let mut expected: Vec<String> = (0..14)
            .map(|number| format!("GET /{} HTTP/1.1", number % 7))
            .collect();
        expected.sort();
        assert_eq!(lines, expected);
    }

    #[test]
    fn one_wrong_status_ends_the_run_and_is_shown() {
        let (address, served) = server(3, |_, line| {
            let status = if line.contains("/5 ") { 503 } else { 200 };
            format!("HTTP/1.1 {status} Word\r\ncontent-length: 2\r\n\r\nok")
        });
        let requests = requests(9);
        let error = run(&load(address, &requests, 9)).expect_err("one is wrong");

        assert!(error.to_string().contains("HTTP/1.1 503 Word"), "{error}");
        served.join().expect("served");
    }

    #[test]
    fn an_answer_without_a_length_and_bytes_after_an_answer_are_no_answers() {
        for text in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nabc",
            "nonsense\r\n\r\n",
        ] {
            assert!(
                !matches!(whole(text.as_bytes()), Ok(Some(length)) if length == text.len()),
                "{text}"
            );
        }
    }
}
