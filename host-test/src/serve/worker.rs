//! Workers: threads with an event loop and a VM each, as in Envoy. A connection stays on its worker.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpStream;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::client::{ClientStream, Heads};
use super::gateway::{Gateway, Settings};
use super::running::Running;
use super::stats::Stats;
use super::traces::Traces;
use crate::client::ClientConnection;

/// A connection that the listener has accepted.
type Accepted = (std::net::TcpStream, SocketAddr);

/// What runs on one worker now.
pub(super) struct Worker {
    running: Mutex<Arc<Running>>,
}

/// The thread of a worker.
pub(super) struct WorkerThread {
    pub(super) worker: Arc<Worker>,
    pub(super) events: Handle,
    connections: UnboundedSender<Accepted>,
    thread: JoinHandle<()>,
}

impl Worker {
    pub(super) fn running(&self) -> Arc<Running> {
        Arc::clone(&self.running.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// New streams go to `next` from now on; those that are open finish where they are.
    pub(super) fn replace(&self, next: Arc<Running>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *running, next).retire();
    }
}

impl WorkerThread {
    /// Starts a worker; `running` makes what runs on its event loop. When it is told to stop, open requests have `grace` left.
    pub(super) fn start(
        index: usize,
        settings: Settings,
        seen: (Arc<Stats>, Arc<Traces>),
        grace: Duration,
        running: impl FnOnce(Handle) -> Arc<Running>,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let events = runtime.handle().clone();
        let worker = Arc::new(Worker {
            running: Mutex::new(running(events.clone())),
        });
        let gateway = Arc::new(Gateway {
            worker: Arc::clone(&worker),
            index,
            settings,
            stats: seen.0,
            traces: seen.1,
        });
        let (connections, accepted) = unbounded_channel();
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || {
                serve(&runtime, accepted, &gateway, grace);
                // What is still open ends with the event loop.
                drop(runtime);
                gateway.worker.running().shut_down();
            })?;
        Ok(Self {
            worker,
            events,
            connections,
            thread,
        })
    }

    /// Hands a connection over.
    pub(super) fn accept(&self, stream: std::net::TcpStream, peer: SocketAddr) {
        // A worker whose thread is gone closes it.
        let _closed = self.connections.send((stream, peer));
    }

    /// Tells the worker to stop. The result ends when it has stopped.
    pub(super) fn stop(self) -> JoinHandle<()> {
        self.thread
    }
}

fn serve(
    runtime: &Runtime,
    mut accepted: UnboundedReceiver<Accepted>,
    gateway: &Arc<Gateway>,
    grace: Duration,
) {
    runtime.block_on(async {
        let server = Builder::new(TokioExecutor::new());
        let connections = GracefulShutdown::new();
        while let Some((stream, peer)) = accepted.recv().await {
            let stream = match TcpStream::from_std(stream) {
                Ok(stream) => stream,
                Err(error) => {
                    eprintln!("[warning] a connection was not accepted: {error}");
                    continue;
                }
            };
            // Answers go out as they come, however small they are.
            let _slower = stream.set_nodelay(true);
            let open = gateway.stats.open_connection();
            let gateway = Arc::clone(gateway);
            let heads = Heads::default();
            let connection = ClientConnection::new();
            let stream = ClientStream::new(stream, heads.clone());
            let service = service_fn(move |request| {
                let (gateway, heads) = (Arc::clone(&gateway), heads.clone());
                let connection = connection.clone();
                async move { gateway.serve(request, &heads, peer, &connection).await }
            });
            let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
            let connection = connections.watch(connection.into_owned());
            tokio::spawn(async move {
                // A client that breaks off or talks nonsense is its own affair, and the library has told it.
                let _ended = connection.await;
                drop(open);
            });
        }
        // Idle connections end at once, busy ones when their request is done or the time is up.
        let _all_ended = tokio::time::timeout(grace, connections.shutdown()).await;
    });
}
