//! What VMs of one process share: data, queues and metrics.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::status::Status;

/// What shared data and queues may hold together: as much as a VM. Envoy has no limit but the machine's memory.
const MAX_HELD: usize = 1024 * 1024 * 1024;
/// What each value and item takes beside its bytes, roughly.
const ADMINISTRATION: usize = 64;

/// There is no room for more shared data and items.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("shared data and queues would hold more than {MAX_HELD} bytes")]
pub(crate) struct Full;

/// Shared data, queues and metrics. In Envoy they belong to the process: give two hosts the same `SharedState` to put
/// them into one process, or keep it to see what survives a restart.
#[derive(Clone, Debug, Default)]
pub struct SharedState(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    data: BTreeMap<(String, Vec<u8>), (Vec<u8>, u32)>,
    /// The bytes of all keys, values and items.
    held: usize,
    last_cas: u32,
    queues: Vec<Queue>,
    /// How many hosts' VMs there are of each `vm_id`.
    users: BTreeMap<String, usize>,
    hosts: u64,
    metrics: BTreeMap<String, Metric>,
}

#[derive(Debug)]
struct Queue {
    vm_id: String,
    name: Vec<u8>,
    items: VecDeque<Vec<u8>>,
    consumer: Option<Consumer>,
    /// Items that the consumer has not been told about.
    unannounced: usize,
    /// The VMs that knew it have ended.
    removed: bool,
}

/// Who is told of the items of a queue: the root context that registered last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Consumer {
    pub(crate) host: u64,
    pub(crate) vm: usize,
    pub(crate) root: u32,
}

/// The kind of a metric, as `proxy_define_metric` numbers them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// A metric that a guest has defined.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Metric {
    /// Only grows.
    Counter(u64),
    /// Goes up and down.
    Gauge(u64),
    /// Recorded values: how many, and their sum.
    Histogram {
        /// The number of recorded values.
        count: u64,
        /// The sum of the recorded values.
        sum: u64,
    },
}

impl SharedState {
    /// An empty state.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value stored in shared data under `key` by VMs with this `vm_id`.
    pub fn data(&self, vm_id: &str, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        self.get_data(vm_id, key.as_ref()).map(|(value, _)| value)
    }

    /// Stores a value in shared data, as another plugin with the same `vm_id` could.
    pub fn set_data(&self, vm_id: &str, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let mut state = self.lock();
        state.store(vm_id, key.as_ref(), value.as_ref());
    }

    /// All keys in shared data of this `vm_id`, in order.
    pub fn data_keys(&self, vm_id: &str) -> Vec<Vec<u8>> {
        self.lock()
            .data
            .keys()
            .filter(|(id, _)| id == vm_id)
            .map(|(_, key)| key.clone())
            .collect()
    }

    /// What waits in a queue that guests with this `vm_id` have registered, first come first; `None` if there is none of this
    /// name.
    pub fn queue(&self, vm_id: &str, name: impl AsRef<[u8]>) -> Option<Vec<Vec<u8>>> {
        let id = self.resolve_queue(vm_id, name.as_ref())?;
        let mut state = self.lock();
        let queue = state.queue(id)?;
        Some(queue.items.iter().cloned().collect())
    }

    /// The names of all queues that guests with this `vm_id` have registered.
    pub fn queue_names(&self, vm_id: &str) -> Vec<Vec<u8>> {
        let state = self.lock();
        let queues = state.queues.iter();
        let queues = queues.filter(|queue| !queue.removed && queue.vm_id == vm_id);
        queues.map(|queue| queue.name.clone()).collect()
    }

    /// All metrics under the names that the guests gave.
    pub fn metrics(&self) -> BTreeMap<String, Metric> {
        self.lock().metrics.clone()
    }

    pub(crate) fn get_data(&self, vm_id: &str, key: &[u8]) -> Option<(Vec<u8>, u32)> {
        self.lock()
            .data
            .get(&(vm_id.to_owned(), key.to_vec()))
            .cloned()
    }

    /// Compare and swap. A number other than 0 must be that of the stored value; for a missing key Envoy does not look
    /// at it (proxy-wasm-cpp-host `shared_data.cc`).
    pub(crate) fn compare_and_set(
        &self,
        vm_id: &str,
        key: &[u8],
        value: &[u8],
        cas: u32,
    ) -> Result<Status, Full> {
        let mut state = self.lock();
        let stored = state
            .data
            .get(&(vm_id.to_owned(), key.to_vec()))
            .map(|(_, cas)| *cas);
        if stored.is_some_and(|stored| cas != 0 && cas != stored) {
            return Ok(Status::CasMismatch);
        }
        state.room(key.len() + value.len())?;
        state.store(vm_id, key, value);
        Ok(Status::Ok)
    }

    /// VMs of this `vm_id` were loaded.
    pub(crate) fn acquire(&self, vm_id: &str) {
        *self.lock().users.entry(vm_id.to_owned()).or_default() += 1;
    }

    /// VMs of this `vm_id` have ended. Data and queues go with the last ones; metrics stay.
    pub(crate) fn release(&self, vm_id: &str) {
        let mut state = self.lock();
        let users = state.users.entry(vm_id.to_owned()).or_default();
        *users = users.saturating_sub(1);
        if *users == 0 {
            state.users.remove(vm_id);
            let mut freed = 0;
            state.data.retain(|(id, key), (value, _)| {
                let stays = id != vm_id;
                if !stays {
                    freed += key.len() + value.len() + ADMINISTRATION;
                }
                stays
            });
            // The numbers of queues are never given out again, so their places stay.
            for queue in state.queues.iter_mut().filter(|queue| queue.vm_id == vm_id) {
                queue.removed = true;
                let items = queue.items.drain(..);
                freed += items.map(|item| item.len() + ADMINISTRATION).sum::<usize>();
                queue.unannounced = 0;
            }
            state.held = state.held.saturating_sub(freed);
        }
    }

    /// A number for one more host that shares this state.
    pub(crate) fn new_host(&self) -> u64 {
        let mut state = self.lock();
        state.hosts += 1;
        state.hosts
    }

    /// Makes the queue if there is none, and this the root context that is told of its items from now on
    /// (proxy-wasm-cpp-host `SharedQueue::registerQueue`).
    pub(crate) fn register_queue(&self, vm_id: &str, name: &[u8], consumer: Consumer) -> u32 {
        let known = self.resolve_queue(vm_id, name);
        let mut state = self.lock();
        if let Some(id) = known {
            if let Some(queue) = state.queue(id) {
                queue.consumer = Some(consumer);
            }
            return id;
        }
        state.queues.push(Queue {
            vm_id: vm_id.to_owned(),
            name: name.to_vec(),
            items: VecDeque::new(),
            consumer: Some(consumer),
            unannounced: 0,
            removed: false,
        });
        u32::try_from(state.queues.len()).unwrap_or(u32::MAX)
    }

    /// Takes what consumers of this host are to be told: once for each item.
    pub(crate) fn announcements(&self, host: u64) -> Vec<(u32, Consumer)> {
        let mut state = self.lock();
        let mut announcements = Vec::new();
        for (id, queue) in (1..).zip(&mut state.queues) {
            if let Some(consumer) = queue.consumer.filter(|consumer| consumer.host == host) {
                let items = std::mem::take(&mut queue.unannounced);
                announcements.extend(std::iter::repeat_n((id, consumer), items));
            }
        }
        announcements
    }

    pub(crate) fn resolve_queue(&self, vm_id: &str, name: &[u8]) -> Option<u32> {
        let state = self.lock();
        let index = state
            .queues
            .iter()
            .position(|queue| !queue.removed && queue.vm_id == vm_id && queue.name == name)?;
        u32::try_from(index + 1).ok()
    }

    pub(crate) fn enqueue(&self, id: u32, item: &[u8]) -> Result<Status, Full> {
        let mut state = self.lock();
        state.room(item.len())?;
        let Some(queue) = state.queue(id) else {
            return Ok(Status::NotFound);
        };
        queue.items.push_back(item.to_vec());
        queue.unannounced += 1;
        state.held += item.len() + ADMINISTRATION;
        Ok(Status::Ok)
    }

    pub(crate) fn dequeue(&self, id: u32) -> Result<Vec<u8>, Status> {
        let mut state = self.lock();
        let queue = state.queue(id).ok_or(Status::NotFound)?;
        let item = queue.items.pop_front().ok_or(Status::Empty)?;
        state.held = state.held.saturating_sub(item.len() + ADMINISTRATION);
        Ok(item)
    }

    /// Makes sure that the metric exists; one that exists keeps its value and kind.
    pub(crate) fn define_metric(&self, name: &str, kind: MetricKind) {
        self.lock()
            .metrics
            .entry(name.to_owned())
            .or_insert(match kind {
                MetricKind::Counter => Metric::Counter(0),
                MetricKind::Gauge => Metric::Gauge(0),
                MetricKind::Histogram => Metric::Histogram { count: 0, sum: 0 },
            });
    }

    pub(crate) fn update_metric(
        &self,
        name: &str,
        update: impl FnOnce(&mut Metric) -> Status,
    ) -> Status {
        self.lock()
            .metrics
            .get_mut(name)
            .map_or(Status::NotFound, update)
    }

    pub(crate) fn metric(&self, name: &str) -> Option<Metric> {
        self.lock().metrics.get(name).copied()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment, so the state is whole even if a thread panicked while it held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn store(&mut self, vm_id: &str, key: &[u8], value: &[u8]) {
        // 0 means "any" in a call, so it is never handed out.
        self.last_cas = self.last_cas.checked_add(1).unwrap_or(1);
        let replaced = self.data.insert(
            (vm_id.to_owned(), key.to_vec()),
            (value.to_vec(), self.last_cas),
        );
        self.held += value.len();
        match replaced {
            Some((old, _)) => self.held = self.held.saturating_sub(old.len()),
            None => self.held += key.len() + ADMINISTRATION,
        }
    }

    /// Whether so many bytes more may be kept.
    fn room(&self, bytes: usize) -> Result<(), Full> {
        if self.held.saturating_add(bytes) > MAX_HELD {
            Err(Full)
        } else {
            Ok(())
        }
    }

    fn queue(&mut self, id: u32) -> Option<&mut Queue> {
        self.queues
            .get_mut(usize::try_from(id).ok()?.checked_sub(1)?)
            .filter(|queue| !queue.removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSUMER: Consumer = Consumer {
        host: 1,
        vm: 0,
        root: 1,
    };

    #[test]
    fn a_stale_number_does_not_overwrite() {
        let shared = SharedState::new();
        assert_eq!(
            shared.compare_and_set("v", b"k", b"1", 77),
            Ok(Status::Ok),
            "a missing key takes any number"
        );
        let (_, first) = shared.get_data("v", b"k").expect("stored");
        assert_eq!(
            shared.compare_and_set("v", b"k", b"2", first),
            Ok(Status::Ok)
        );
        assert_eq!(
            shared.compare_and_set("v", b"k", b"3", first),
            Ok(Status::CasMismatch)
        );
        assert_eq!(shared.compare_and_set("v", b"k", b"4", 0), Ok(Status::Ok));
        assert_eq!(shared.data("v", "k"), Some(b"4".to_vec()));
    }

    #[test]
    fn vms_with_another_id_do_not_see_the_data() {
        let shared = SharedState::new();
        shared.set_data("a", "k", "1");
        assert_eq!(shared.data("b", "k"), None);
        assert_eq!(shared.data_keys("a"), [b"k"]);
    }

    #[test]
    fn a_queue_gives_its_items_in_order_and_then_says_empty() {
        let shared = SharedState::new();
        let id = shared.register_queue("v", b"q", CONSUMER);
        assert_eq!(shared.register_queue("v", b"q", CONSUMER), id);
        assert_eq!(shared.enqueue(id, b"1"), Ok(Status::Ok));
        assert_eq!(shared.enqueue(id, b"2"), Ok(Status::Ok));
        assert_eq!(shared.dequeue(id), Ok(b"1".to_vec()));
        assert_eq!(shared.dequeue(id), Ok(b"2".to_vec()));
        assert_eq!(shared.dequeue(id), Err(Status::Empty));
        assert_eq!(shared.dequeue(id + 1), Err(Status::NotFound));
    }
}
