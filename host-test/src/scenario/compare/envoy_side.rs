//! Scenarios in a real Envoy.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use super::super::Scenario;
use super::super::format::{Action, PeerReply, PeerResponse, Rule, Setup};
use super::super::upstream::Peer;
use super::client::Client;
use super::host_side::StepSeen;
use super::record::{self, Lines};
use super::tcp::{self, Connections};
use super::{CompareError, Played, module_of, step_name};
use crate::envoy::bootstrap::{self, Listener, Tcp};
use crate::envoy::message::Message;
use crate::envoy::origin::{Answer, Origin};
use crate::envoy::{Envoy, EnvoyError, Logged};
use crate::headers::HeaderMap;
use crate::trace::Trace;

/// Plays the scenarios one after another in one Envoy. How they went in this host says what is to be waited for.
pub(super) fn play(
    scenarios: &[Scenario],
    played: &[Played],
    binary: &Path,
) -> Result<Vec<Trace>, CompareError> {
    let folder = Folder::new()?;
    let upstream = Origin::start()?;
    let mut origins: BTreeMap<String, Origin> = BTreeMap::new();
    let mut addresses: BTreeMap<String, SocketAddr> = BTreeMap::new();
    for (name, rules) in scenarios.iter().flat_map(|scenario| &scenario.clusters) {
        let refused = rules.iter().flat_map(|rule| &rule.replies);
        if refused
            .clone()
            .any(|reply| matches!(reply, PeerReply::Refused))
        {
            // Nothing listens on a port that was just given back.
            let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
            addresses.insert(name.clone(), free);
        } else if !addresses.contains_key(name) {
            let origin = Origin::start()?;
            addresses.insert(name.clone(), origin.address());
            origins.insert(name.clone(), origin);
        }
    }
    let tcp_upstream = TcpListener::bind("127.0.0.1:0")?;
    if scenarios.iter().any(tcp::is_tcp) {
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        addresses.insert(bootstrap::TCP.to_owned(), tcp_upstream.local_addr()?);
        addresses.insert(bootstrap::TCP_REFUSED.to_owned(), free);
    }
    let mut listeners = Vec::new();
    let mut environment = BTreeMap::new();
    for (index, scenario) in scenarios.iter().enumerate() {
        let module = std::path::absolute(module_of(scenario)?)?;
        let code = folder.module(&module, index)?;
        listeners.push((code, format!("scenario-{index}")));
        environment.extend(scenario.setup.environment.clone());
    }
    let listeners: Vec<_> = scenarios
        .iter()
        .zip(&listeners)
        .map(|(scenario, (code, name))| Listener {
            name: name.clone(),
            setup: &scenario.setup,
            vm_id: scenario.setup.vm_id.clone().unwrap_or_default(),
            module: code,
            tcp: tcp::is_tcp(scenario).then(|| Tcp {
                filters: filters(scenario),
                refused: tcp::is_refused(scenario),
            }),
        })
        .collect();
    let bootstrap = bootstrap::bootstrap(&listeners, upstream.address(), &addresses);
    let mut envoy = Envoy::start(binary, &folder.0, &bootstrap, &BTreeMap::new())?;
    let ports = envoy.listeners(scenarios.len())?;
    // What its start was like is not compared: it has a VM on the main thread, and so on.
    envoy.take_log(0)?;
    let mut traces = Vec::new();
    for ((scenario, (_, steps)), listener) in scenarios.iter().zip(played).zip(&listeners) {
        let address = ports.get(&listener.name).copied();
        let address = address.ok_or(EnvoyError::Late("open its listeners"))?;
        upstream.answer(answers(&scenario.upstream));
        for (name, origin) in &origins {
            origin.answer(answers(
                scenario.clusters.get(name).map_or(&[], Vec::as_slice),
            ));
        }
        let mut lines = play_one(scenario, steps, address, &tcp_upstream, &mut envoy)?;
        for request in upstream.take_received() {
            write_request("upstream", &request, &mut lines);
        }
        for (name, origin) in &origins {
            for request in origin.take_received() {
                write_request(&format!("call of {name}"), &request, &mut lines);
            }
        }
        traces.push(Trace::new(lines));
    }
    Ok(traces)
}

fn play_one(
    scenario: &Scenario,
    steps: &[StepSeen],
    address: SocketAddr,
    tcp_upstream: &TcpListener,
    envoy: &mut Envoy,
) -> Result<Vec<String>, CompareError> {
    let mut lines = Vec::new();
    // With each client, whether its response has been read.
    let mut clients: BTreeMap<String, (Client, bool)> = BTreeMap::new();
    let last = StepSeen::default();
    let mut connections = Connections::new(address, tcp_upstream)?;
    for (index, step) in scenario.steps.iter().enumerate() {
        let seen = steps.get(index).unwrap_or(&last);
        let name = step.stream.clone().unwrap_or_default();
        lines.push(format!("# {}", step_name(index, step)));
        match &step.action {
            Some(Action::Request(request)) => {
                clients.insert(name.clone(), (Client::send(address, request)?, false));
            }
            Some(Action::Body(body)) => {
                if let Some((client, _)) = clients.get_mut(&name) {
                    client.send_body(body)?;
                }
            }
            Some(Action::Disconnect) => drop(clients.remove(&name)),
            Some(Action::Advance(by)) => std::thread::sleep(*by),
            Some(action) => connections.act(&name, action)?,
            None => {}
        }
        let mut answer = None;
        if let Some((client, answered)) = clients.get_mut(&name)
            && seen.ended
            && !*answered
        {
            *answered = true;
            answer = client.answer(seen)?;
            if answer.as_ref().is_some_and(|answer| answer.status() == 101) {
                // In this host, too, an upgraded connection is closed at once.
                clients.remove(&name);
            }
        }
        write_log(&envoy.take_log(seen.traced)?, &mut lines);
        if let Some(got) = &seen.got {
            connections.note(&name, got, &mut lines)?;
        }
        if let Some(answer) = answer {
            write_answer(&answer, &mut lines);
        }
    }
    lines.push("# end".to_owned());
    clients.clear();
    let seen = steps.last().unwrap_or(&last);
    write_log(&envoy.take_log(seen.traced)?, &mut lines);
    Ok(lines)
}

/// The set-ups of the TCP filters.
fn filters(scenario: &Scenario) -> Vec<Setup> {
    if scenario.plugins.is_empty() {
        return vec![scenario.setup.clone()];
    }
    let plugins = scenario.plugins.iter().map(|plugin| {
        let mut setup = scenario.setup.clone();
        setup.plugin_name = Some(plugin.name.clone());
        setup.configuration = plugin.configuration.clone().or(setup.configuration);
        setup.failure_policy = plugin.failure_policy.or(setup.failure_policy);
        setup
    });
    plugins.collect()
}

/// What a peer with these rules does.
fn answers(rules: &[Rule]) -> impl FnMut(&Message) -> (Duration, Answer) + Send + use<> {
    let mut peer = Peer::new(rules);
    move |request| {
        let mut parts = request.start.split(|byte| *byte == b' ');
        let mut headers = HeaderMap::new();
        headers.append(":method", parts.next().unwrap_or_default());
        headers.append(":path", parts.next().unwrap_or_default());
        match peer.answer(&headers) {
            PeerReply::Response(response) => {
                (response.delay, Answer::Bytes(parts_of(&response, request)))
            }
            PeerReply::Reset(delay) => (delay, Answer::Close),
            PeerReply::Refused | PeerReply::Timeout | PeerReply::Manual => {
                (Duration::ZERO, Answer::Silence)
            }
        }
    }
}

fn parts_of(response: &PeerResponse, request: &Message) -> Vec<Vec<u8>> {
    let mut head = format!("HTTP/1.1 {} Any\r\n", response.status).into_bytes();
    let mut has_length = false;
    for (name, value) in response.headers.iter() {
        has_length |= name.eq_ignore_ascii_case("content-length");
        head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    let to_head = request.start.starts_with(b"HEAD ");
    if let Some(body) = &response.body {
        let body = body.as_slice();
        if !has_length {
            head.extend(format!("content-length: {}\r\n", body.len()).bytes());
        }
        head.extend(b"\r\n");
        if !to_head {
            head.extend(body);
        }
        return vec![head];
    }
    let chunked = !response.chunks.is_empty() || !response.trailers.is_empty();
    if !chunked || has_length {
        head.extend(b"\r\n");
        let chunks = response
            .chunks
            .iter()
            .map(|chunk| chunk.as_slice().to_vec());
        return std::iter::once(head).chain(chunks).collect();
    }
    head.extend(b"transfer-encoding: chunked\r\n\r\n");
    let mut parts = vec![head];
    if to_head {
        return parts;
    }
    let chunks = response
        .chunks
        .iter()
        .filter(|chunk| !chunk.as_slice().is_empty());
    parts.extend(chunks.map(|chunk| {
        let bytes = chunk.as_slice();
        [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
    }));
    let mut end = b"0\r\n".to_vec();
    for (name, value) in response.trailers.iter() {
        end.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    end.extend(b"\r\n");
    parts.push(end);
    parts
}

fn write_log(logged: &Logged, to: &mut Vec<String>) {
    to.extend(logged.trace.lines().iter().cloned());
    let messages = logged.messages.iter();
    to.extend(messages.map(|(level, text)| record::logged(*level, text)));
}

fn write_answer(message: &Message, to: &mut Vec<String>) {
    let closes = message.headers.text("connection").as_deref() == Some("close");
    let closes = if closes { " and closes" } else { "" };
    Lines {
        of: "answer",
        start: format!("{}{closes}", message.status()),
        headers: &message.headers,
        body: &message.body,
        trailers: &message.trailers,
        complete: message.complete,
    }
    .write(to);
}

fn write_request(of: &str, message: &Message, to: &mut Vec<String>) {
    Lines {
        of,
        start: record::start(&message.start),
        headers: &message.headers,
        body: &message.body,
        trailers: &message.trailers,
        complete: message.complete,
    }
    .write(to);
}

/// A folder that is removed at the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(io::Error::other)?;
        let name = u64::from_le_bytes(name);
        let path = std::env::temp_dir().join(format!("postern-host-{name:016x}"));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// The module in the binary format, which is all that Envoy reads.
    fn module(&self, module: &Path, index: usize) -> io::Result<std::path::PathBuf> {
        let bytes = std::fs::read(module)?;
        if bytes.starts_with(b"\0asm") {
            return Ok(module.to_owned());
        }
        let binary = wat::parse_bytes(&bytes).map_err(io::Error::other)?;
        let path = self.0.join(format!("module-{index}.wasm"));
        std::fs::write(&path, binary)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind is in the system's folder for such things.
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}
