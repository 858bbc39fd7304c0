//! TCP connections in a real Envoy: a client and an upstream that do what the steps say, and what each of them gets.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::super::Scenario;
use super::super::format::{Action, Sent};
use crate::connection::Connection;

/// How long chunks are sent apart, so that they arrive apart.
const APART: Duration = Duration::from_millis(60);
/// How long something may take to come that came in this host.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long more is waited for where nothing more came in this host.
const QUIET: Duration = Duration::from_millis(50);

/// What the two sides of a connection have got so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Got {
    pub(super) connected: bool,
    client: SideGot,
    upstream: SideGot,
}

#[derive(Clone, Copy, Debug, Default)]
struct SideGot {
    bytes: usize,
    ended: bool,
    /// It has broken the connection off itself, and looks no more.
    gone: bool,
}

/// Whether a scenario is about connections.
pub(super) fn is_tcp(scenario: &Scenario) -> bool {
    let mut steps = scenario.steps.iter();
    steps.any(|step| matches!(step.action, Some(Action::Connect(_))))
}

/// Whether its upstream refuses connections.
pub(super) fn is_refused(scenario: &Scenario) -> bool {
    let mut steps = scenario.steps.iter();
    steps.any(|step| matches!(&step.action, Some(Action::Connect(one)) if one.is_refused()))
}

impl Got {
    /// Notes what this host's sides have got since, in lines.
    pub(super) fn note(&mut self, seen: &Connection, action: &Action, to: &mut Vec<String>) {
        match action {
            Action::ClientSends(sent) => self.client.gone |= sent.resets(),
            Action::UpstreamSends(sent) => self.upstream.gone |= sent.resets(),
            _ => {}
        }
        self.connected = seen.connected;
        let (ended, reset) = (seen.client_ended, seen.client_reset);
        self.client
            .note("client", &seen.to_client, ended, reset, to);
        let (ended, reset) = (seen.upstream_ended, seen.upstream_reset);
        self.upstream
            .note("upstream", &seen.to_upstream, ended, reset, to);
    }
}

impl SideGot {
    fn note(&mut self, who: &str, all: &[u8], ended: bool, reset: bool, to: &mut Vec<String>) {
        let new = &all[self.bytes.min(all.len())..];
        self.bytes = all.len();
        let ends = ended && !std::mem::replace(&mut self.ended, ended);
        if !self.gone {
            write(who, new, ends && !reset, ends && reset, to);
        }
    }
}

fn write(who: &str, bytes: &[u8], ends: bool, breaks: bool, to: &mut Vec<String>) {
    if !bytes.is_empty() {
        to.push(format!("# to {who}: {}", bytes.escape_ascii()));
    }
    if ends {
        to.push(format!("# {who} sees the end"));
    }
    if breaks {
        to.push(format!("# {who} is broken off"));
    }
}

/// The real connections of a scenario.
pub(super) struct Connections<'a> {
    address: SocketAddr,
    upstream: &'a TcpListener,
    by_name: BTreeMap<String, Ends>,
}

#[derive(Default)]
struct Ends {
    client: End,
    upstream: End,
}

#[derive(Default)]
struct End {
    stream: Option<TcpStream>,
    got: usize,
    ended: bool,
}

impl<'a> Connections<'a> {
    pub(super) fn new(address: SocketAddr, upstream: &'a TcpListener) -> io::Result<Self> {
        upstream.set_nonblocking(true)?;
        Ok(Self {
            address,
            upstream,
            by_name: BTreeMap::new(),
        })
    }

    pub(super) fn act(&mut self, name: &str, action: &Action) -> io::Result<()> {
        match action {
            Action::Connect(_) => {
                let client = TcpStream::connect(self.address)?;
                client.set_nodelay(true)?;
                let ends = self.by_name.entry(name.to_owned()).or_default();
                *ends = Ends::default();
                ends.client.stream = Some(client);
            }
            Action::ClientSends(sent) => {
                if let Some(ends) = self.by_name.get_mut(name) {
                    ends.client.send(sent)?;
                }
            }
            Action::UpstreamSends(sent) => {
                if let Some(ends) = self.by_name.get_mut(name) {
                    ends.upstream.send(sent)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Notes what the two sides have got since, in lines. `host` is what they got in this host.
    pub(super) fn note(&mut self, name: &str, host: &Got, to: &mut Vec<String>) -> io::Result<()> {
        let Some(ends) = self.by_name.get_mut(name) else {
            return Ok(());
        };
        let start = Instant::now();
        while ends.upstream.stream.is_none() && host.connected && !host.upstream.gone {
            match self.upstream.accept() {
                Ok((stream, _)) => {
                    stream.set_nodelay(true)?;
                    ends.upstream.stream = Some(stream);
                }
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Err(_) if start.elapsed() > PATIENCE => break,
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        ends.client.note("client", &host.client, to)?;
        ends.upstream.note("upstream", &host.upstream, to)
    }
}

impl End {
    fn send(&mut self, sent: &Sent) -> io::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        for (index, chunk) in sent.chunks.iter().enumerate() {
            if index > 0 {
                std::thread::sleep(APART);
            }
            // Envoy may have closed the connection.
            let _closed = stream.write_all(chunk.as_slice());
        }
        if sent.end {
            let _closed = stream.shutdown(Shutdown::Write);
        }
        if sent.resets()
            && let Some(stream) = self.stream.take()
        {
            std::thread::sleep(APART);
            reset(stream)?;
        }
        Ok(())
    }

    fn note(&mut self, who: &str, host: &SideGot, to: &mut Vec<String>) -> io::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        let mut bytes = Vec::new();
        let (mut ends, mut breaks) = (false, false);
        let mut part = [0; 4096];
        while !self.ended {
            let all_there = self.got + bytes.len() >= host.bytes && !host.ended;
            stream.set_read_timeout(Some(if all_there { QUIET } else { PATIENCE }))?;
            match stream.read(&mut part) {
                Ok(0) => (self.ended, ends) = (true, true),
                Ok(length) => bytes.extend_from_slice(&part[..length]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    (self.ended, breaks) = (true, true);
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        self.got += bytes.len();
        write(who, &bytes, ends, breaks, to);
        Ok(())
    }
}

/// Closes a socket with RST: one that does not linger does that.
fn reset(stream: TcpStream) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        stream.set_nonblocking(true)?;
        let stream = tokio::net::TcpStream::from_std(stream)?;
        stream.set_zero_linger()
    })
}
