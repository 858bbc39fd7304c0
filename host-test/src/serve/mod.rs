//! The host behind a real HTTP front, so that `curl` works.
//!
//! HTTP/1.1 and HTTP/2 with prior knowledge come in; requests that the filter lets through go to one upstream over HTTP/1.1,
//! each on a connection of its own, and calls of the guest to clusters as well. Clocks and randomness are the machine's. Each
//! worker is a thread with a VM of its own, and connections go to them in turn.
//!
//! Over HTTP/1.1 the front and the filter judge the bytes that the client sent, in their order. Bodies pass as they come, in
//! both directions and at once; nobody reads on while what was read waits, or is held by the filter past the buffer limit.
//!
//! Where it is not Envoy:
//!
//! - Over HTTP/2 the library judges the request first: it drops a fragment, and resets a stream whose target or headers are no
//!   HTTP to it (such as `<` in a path).
//! - What a client sends on a connection that is to be upgraded is passed on once the upgrade is granted.
//! - A queue is announced only to VMs of the same worker.

mod admin;
mod arriving;
mod calls;
mod chunks;
mod client;
mod convert;
mod driver;
mod gateway;
mod head;
mod hosts;
mod options;
mod outlet;
mod reload;
mod running;
mod stats;
mod traces;
pub(crate) mod upstream;
mod worker;

pub use options::{Options, ServeError};

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use admin::Admin;
use gateway::Settings;
use hosts::Hosts;
use running::Running;
use stats::Stats;
use traces::Traces;
use worker::WorkerThread;

/// How long after a connection that could not be accepted the next one is looked for.
const RETRY: Duration = Duration::from_millis(50);

/// Serves until SIGTERM or SIGINT. `listening on …` goes to standard output, and a line for each change of the module or the
/// configuration; the guest's log lines go to standard error, and so does what was refused.
pub fn run(options: &Options) -> Result<(), ServeError> {
    let upstream = options::parse_peer(&options.upstream)
        .ok_or_else(|| ServeError::Upstream(options.upstream.clone()))?;
    let hosts = Hosts::new(options)?;
    let settings = Settings {
        upstream,
        upstream_timeout: Some(options.upstream_timeout).filter(|timeout| !timeout.is_zero()),
        buffer_limit: options.buffer_limit,
    };
    let stats = Arc::new(Stats::default());
    let kept = options.admin.map_or(0, |_| options.kept_traces);
    let traces = Arc::new(Traces::new(kept));
    let mut workers = Vec::new();
    let started = hosts.start(&hosts.wasm, &hosts.configuration)?;
    for (index, (host, plugin)) in started.into_iter().enumerate() {
        let clusters = Arc::clone(&hosts.clusters);
        let seen = (Arc::clone(&stats), Arc::clone(&traces));
        let running = |events| Running::new(host, plugin, clusters, events);
        let worker = WorkerThread::start(index, settings.clone(), seen, options.grace, running);
        workers.push(worker.map_err(ServeError::Runtime)?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    runtime.block_on(async {
        let listener = bind(options.listen).await?;
        let address = listener.local_addr().map_err(ServeError::Runtime)?;
        // Whoever reads the announcement may stop the command at once.
        let mut signals = Signals::catch().map_err(ServeError::Runtime)?;
        let admin = Arc::new(Admin {
            workers: workers
                .iter()
                .map(|thread| Arc::clone(&thread.worker))
                .collect(),
            shared: hosts.shared.clone(),
            stats,
            traces,
            draining: AtomicBool::new(false),
        });
        announce(options, address)?;
        if let Some(address) = options.admin {
            let pages = bind(address).await?;
            let address = pages.local_addr().map_err(ServeError::Runtime)?;
            say(&format!("admin pages on http://{address}"));
            tokio::spawn(Arc::clone(&admin).serve(pages));
        }
        let targets = workers
            .iter()
            .map(|thread| (Arc::clone(&thread.worker), thread.events.clone()));
        tokio::spawn(reload::watch(hosts, targets.collect()));
        accept(listener, &workers, &mut signals).await;
        admin.draining.store(true, Ordering::Relaxed);
        stop(workers, &mut signals).await;
        Ok(())
    })
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| ServeError::Listen { address, source })
}

fn announce(options: &Options, address: SocketAddr) -> Result<(), ServeError> {
    let url = format!("http://{address}");
    if let Some(path) = &options.ready_file {
        write_whole(path, &format!("{url}\n")).map_err(|source| ServeError::File {
            path: path.clone(),
            source,
        })?;
    }
    say(&format!("listening on {url}"));
    Ok(())
}

/// Writes a file that others wait for: it is there with all its contents, or not at all.
fn write_whole(path: &Path, contents: &str) -> std::io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".part");
    std::fs::write(&draft, contents)?;
    std::fs::rename(&draft, path)
}

/// Hands connections to the workers in turn, until a signal comes.
async fn accept(listener: TcpListener, workers: &[WorkerThread], signals: &mut Signals) {
    for worker in workers.iter().cycle() {
        let accepted = loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = signals.next() => return,
            };
            match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
                Ok(accepted) => break accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: wait for connections to end instead of spinning.
                    eprintln!("[warning] a connection was not accepted: {error}");
                    tokio::time::sleep(RETRY).await;
                }
            }
        };
        worker.accept(accepted.0, accepted.1);
    }
}

/// Lets open requests finish, for as long as they may; a second signal ends them at once.
async fn stop(workers: Vec<WorkerThread>, signals: &mut Signals) {
    let threads: Vec<_> = workers.into_iter().map(WorkerThread::stop).collect();
    let ended = tokio::task::spawn_blocking(move || {
        for thread in threads {
            // A worker that panicked has said so.
            let _panicked = thread.join();
        }
    });
    tokio::select! {
        _ = ended => {}
        () = signals.next() => std::process::exit(1),
    }
}

/// The signals that end the command.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self {
            terminate,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Writes a line for whoever started the command. That nobody reads it any more is no reason to stop.
fn say(line: &str) {
    let _nobody_reads = writeln!(std::io::stdout(), "{line}");
}
