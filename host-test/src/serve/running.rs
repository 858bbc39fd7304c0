//! The module in one version on one worker: a host, and those who wait for its streams.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::Uri;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::callout::PendingCall;
use crate::diagnostics::Diagnostic;
use crate::exchange::{Exchange, StreamId};
use crate::host::{Host, Progress};
use crate::plugins::{ConfigRefused, PluginId};
use crate::request::Request;
use crate::status::LogLevel;

use super::calls;

/// How long nobody looks for events if none is due: whoever makes one wakes the loop up.
const NO_EVENT: Duration = Duration::from_secs(3600);

/// Clusters by name, and where they are.
pub(super) type Clusters = BTreeMap<String, Uri>;

/// A host on a worker. Its callbacks run on the worker's thread, as in Envoy, so the lock is free but for the moments in which
/// a configuration changes.
pub(super) struct Running {
    host: Mutex<Host>,
    plugin: PluginId,
    clusters: Arc<Clusters>,
    /// The worker's event loop, on which calls to clusters run.
    events: Handle,
    waiting: Mutex<HashMap<StreamId, Arc<Notify>>>,
    due: Notify,
    draining: AtomicBool,
    retired: AtomicBool,
}

/// An open stream. It ends as if the client had gone away, unless it was finished.
pub(super) struct OpenStream {
    running: Arc<Running>,
    stream: StreamId,
    moved: Arc<Notify>,
    finished: bool,
}

impl Running {
    pub(super) fn new(
        host: Host,
        plugin: PluginId,
        clusters: Arc<Clusters>,
        events: Handle,
    ) -> Arc<Self> {
        let running = Arc::new(Self {
            host: Mutex::new(host),
            plugin,
            clusters,
            events: events.clone(),
            waiting: Mutex::default(),
            due: Notify::new(),
            draining: AtomicBool::new(false),
            retired: AtomicBool::new(false),
        });
        events.spawn(Arc::clone(&running).fire());
        running
    }

    pub(super) fn open(self: &Arc<Self>, request: Request) -> OpenStream {
        let moved = Arc::new(Notify::new());
        let stream = self.with(|host| {
            let stream = host.open(self.plugin, request);
            lock(&self.waiting).insert(stream, Arc::clone(&moved));
            stream
        });
        OpenStream {
            running: Arc::clone(self),
            stream,
            moved,
            finished: false,
        }
    }

    /// Gives the plugin another configuration; streams finish under the one that they began with.
    pub(super) fn configure(self: &Arc<Self>, configuration: &[u8]) -> Result<(), ConfigRefused> {
        self.with(|host| host.configure(self.plugin, configuration))?;
        self.draining.store(true, Ordering::Relaxed);
        self.due.notify_one();
        Ok(())
    }

    /// No stream is opened here any more; when the last one has ended, so does the host.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        self.due.notify_one();
    }

    /// What the guest got away with so far.
    pub(super) fn diagnostics(&self) -> Vec<Diagnostic> {
        lock(&self.host).diagnostics().to_vec()
    }

    pub(super) fn log_level(&self) -> LogLevel {
        lock(&self.host).log_level()
    }

    pub(super) fn set_log_level(&self, level: LogLevel) {
        lock(&self.host).set_log_level(level);
    }

    /// Ends the root contexts, as far as their guests let them.
    pub(super) fn shut_down(&self) {
        self.with_lock(Host::shut_down);
    }

    /// Works with the host, and sees to what comes of it: streams that moved, calls that go out, events that are due.
    fn with<T>(self: &Arc<Self>, work: impl FnOnce(&mut Host) -> T) -> T {
        let (result, calls) = self.with_lock(work);
        self.due.notify_one();
        self.send(calls);
        result
    }

    fn with_lock<T>(&self, work: impl FnOnce(&mut Host) -> T) -> (T, Vec<PendingCall>) {
        let mut host = lock(&self.host);
        let result = work(&mut host);
        let moved = host.take_moved();
        let calls = host.take_calls();
        // Nobody asks what they cost.
        host.take_callbacks();
        drop(host);
        if !moved.is_empty() {
            let waiting = lock(&self.waiting);
            let waiting = moved.iter().filter_map(|stream| waiting.get(stream));
            waiting.for_each(|moved| moved.notify_one());
        }
        (result, calls)
    }

    fn send(self: &Arc<Self>, calls: Vec<PendingCall>) {
        for call in calls {
            let Some(cluster) = self.clusters.get(&call.callout.cluster).cloned() else {
                continue;
            };
            let running = Arc::clone(self);
            self.events.spawn(async move {
                if let Some(reply) = calls::call(call.callout, &cluster).await {
                    running.with(|host| host.call_replies(call.id, reply));
                }
            });
        }
    }

    /// Lets events happen when they are due, until the host is retired and its last stream has ended.
    async fn fire(self: Arc<Self>) {
        loop {
            let (wait, calls) = self.with_lock(|host| {
                let next = host.poll();
                if self.draining.load(Ordering::Relaxed) {
                    host.drain();
                }
                let over = self.retired.load(Ordering::Relaxed) && host.open_streams() == 0;
                if over {
                    host.shut_down();
                }
                (!over).then(|| next.unwrap_or(NO_EVENT))
            });
            self.send(calls);
            let Some(wait) = wait else { return };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.due.notified() => {}
            }
        }
    }
}

impl OpenStream {
    /// Does something with the stream.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Host, StreamId) -> T) -> T {
        self.running.with(|host| work(host, self.stream))
    }

    /// What the stream has let go.
    pub(super) fn progress(&self) -> Progress {
        lock(&self.running.host).progress(self.stream)
    }

    /// Waits until something has happened to the stream.
    pub(super) async fn moved(&self) {
        self.moved.notified().await;
    }

    /// What came of it. A stream that has not ended is given up.
    pub(super) fn finish(mut self) -> Exchange {
        self.finished = true;
        self.take()
    }

    fn take(&self) -> Exchange {
        lock(&self.running.waiting).remove(&self.stream);
        self.with(|host, stream| host.finish(stream))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        if !self.finished {
            self.with(|host, stream| {
                host.end_upgrade(stream);
                host.disconnect(stream);
            });
            self.take();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
