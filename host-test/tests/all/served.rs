//! The command as a process, for tests over real sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A running command, stopped at the end.
pub(crate) struct Served {
    child: Child,
    lines: Receiver<String>,
    errors: Receiver<String>,
    address: String,
}

impl Served {
    /// Starts the command with this guest; the configuration is in the directory.
    pub(crate) fn start(directory: &Path, guest: &str, upstream: &str, options: &[&str]) -> Self {
        let options = [&["--config", "config"], options].concat();
        Self::start_unconfigured(directory, guest, upstream, &options)
    }

    /// Starts the command with this guest and no configuration.
    pub(crate) fn start_unconfigured(
        directory: &Path,
        guest: &str,
        upstream: &str,
        options: &[&str],
    ) -> Self {
        std::fs::write(directory.join("guest.wat"), guest).expect("written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_postern-host"))
            .args(["serve", "--wasm", "guest.wat", "--ready-file", "ready"])
            .args(["--upstream", upstream])
            .args(options)
            .current_dir(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let lines = lines_of(child.stdout.take().expect("piped"));
        let errors = lines_of(child.stderr.take().expect("piped"));
        let mut served = Self {
            child,
            lines,
            errors,
            address: String::new(),
        };
        let line = served.next_line();
        served.address = line
            .strip_prefix("listening on http://")
            .expect("the address")
            .to_owned();
        served
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("connected");
        let limit = Some(Duration::from_secs(60));
        stream.set_read_timeout(limit).expect("a time limit");
        stream
    }

    pub(crate) fn next_line(&self) -> String {
        self.lines
            .recv_timeout(Duration::from_secs(60))
            .expect("the command says something")
    }

    /// Waits for a line on standard error that has this in it.
    pub(crate) fn wait_for_error(&self, part: &str) -> String {
        loop {
            let line = self
                .errors
                .recv_timeout(Duration::from_secs(60))
                .unwrap_or_else(|_| panic!("the command says nothing of `{part}`"));
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Sends raw bytes on a connection of their own and reads until it closes.
    pub(crate) fn send(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(request).expect("sent");
        let mut response = Vec::new();
        stream.read_to_end(&mut response).expect("received");
        String::from_utf8_lossy(&response).into_owned()
    }

    pub(crate) fn get(&self, path: &str) -> String {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").as_bytes())
    }
}

/// What the command says when it does not start with these options.
pub(crate) fn refused(options: &[&str]) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    for name in ["config", "guest.wat"] {
        std::fs::write(directory.path().join(name), "").expect("written");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_postern-host"))
        .args(["serve", "--wasm", "guest.wat", "--config", "config"])
        .args(["--upstream", "http://127.0.0.1:1"])
        .args(options)
        .current_dir(directory.path())
        .output()
        .expect("ran");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Drop for Served {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}
