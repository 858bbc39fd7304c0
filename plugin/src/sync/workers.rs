//! What the workers of this process share: which of them asks the feed, and what it keeps for the others.

use postern_core::config::Config;
use postern_core::feed::shared::{
    Board, BoardFault, Keeper, LocalKey, SharedData, SharedDataFailed, Shelf, Worker, holds_lease,
};
use postern_core::feed::{Changes, Freshness, InForce, Moment, PageId};
use postern_core::gate::Gate;
use postern_core::random::Random;

use crate::entropy::HostRandom;
use crate::host;

/// After so many milliseconds without news from whoever asks the feed, a worker asks it itself: longer than a request for
/// news may take, and the lease after it.
const SILENCE: u64 = 60_000;

/// A snapshot that could not be written is begun anew after so many milliseconds.
const PAUSE: u64 = 30_000;

/// One worker among those of its process.
pub(super) struct Workers {
    data: HostData,
    pub(super) shelf: Shelf,
    key: LocalKey,
    pub(super) me: Worker,
    /// There while this worker asks the feed.
    keeper: Option<Keeper>,
    /// What this worker is reading from the others.
    board: Option<Board>,
    /// What could not be read from the others: it is not tried again.
    unreadable: Option<InForce>,
    /// Whether the others cannot be relied on, so that this worker asks the feed itself.
    is_cut_off: bool,
    since: Moment,
    no_snapshot_before: Moment,
}

impl Workers {
    /// One more worker.
    pub(super) fn join(config: &Config, gate: &Gate, now: Moment) -> Result<Self, String> {
        let vm_id = host::property("plugin_vm_id").unwrap_or_default();
        if vm_id.is_empty() {
            return Err("sync: the VM needs a vm_id in vm_config, and one that no other plugin has: the workers of a \
                        process share under it what one of them reads"
                .to_owned());
        }
        let key = LocalKey::derive(gate.roots(), &config.issuer, &config.token_audience);
        let key = key
            .map_err(|error| error.to_string())?
            .ok_or_else(|| "there is no root key".to_owned())?;
        let mut me = Worker([0; 16]);
        HostRandom
            .fill(&mut me.0)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            data: HostData::default(),
            shelf: shelf(config),
            key,
            me,
            keeper: None,
            board: None,
            unreadable: None,
            is_cut_off: false,
            since: now,
            no_snapshot_before: Moment::default(),
        })
    }

    /// Whether this worker is to ask the feed now.
    pub(super) fn ask(
        &mut self,
        now: Moment,
        in_force: Option<&InForce>,
        freshness: Freshness,
    ) -> bool {
        let heard = in_force.map_or(self.since, |in_force| in_force.contact.max(self.since));
        let is_silent = now.since(heard).is_some_and(|silence| silence > SILENCE);
        let holds = holds_lease(&mut self.data, self.shelf, self.me, now, freshness);
        let asks = holds || self.is_cut_off || is_silent;
        if !asks {
            self.keeper = None;
        } else if self.keeper.is_none() {
            // A board that cannot be read is written anew.
            let board = Board::load(&self.data, self.shelf, &self.key).unwrap_or_default();
            self.keeper = Some(Keeper::new(self.shelf, board));
        }
        asks
    }

    /// What there is to be read from the others, if it is new, and the policy that they have.
    pub(super) fn look(&mut self, own: Option<&InForce>) -> Result<Option<Board>, BoardFault> {
        if self.keeper.is_some() && own.is_some() && !self.is_cut_off {
            return Ok(None);
        }
        let board = Board::load(&self.data, self.shelf, &self.key);
        self.is_cut_off = board.is_err();
        let board = board?;
        if let (Some(board), Some(unreadable)) = (&board, &self.unreadable) {
            let policy = &board.policy;
            if (policy.position, policy.digest) == (unreadable.position, unreadable.digest) {
                self.is_cut_off = true;
                return Ok(None);
            }
        }
        Ok(board)
    }

    /// What is read from the others from now on.
    pub(super) fn read(&mut self, board: Board) {
        self.board = Some(board);
    }

    /// Ends that reading. Returns whether there was one.
    pub(super) fn stop_reading(&mut self, has_failed: bool) -> bool {
        let board = self.board.take();
        let was_reading = board.is_some();
        if has_failed && let Some(board) = board {
            self.unreadable = Some(board.policy);
            self.is_cut_off = true;
        } else if was_reading {
            self.unreadable = None;
            // What this worker keeps, it would have to begin anew.
            self.keeper = None;
        }
        was_reading
    }

    pub(super) fn is_reading(&self) -> bool {
        self.board.is_some()
    }

    /// A page that another worker keeps.
    pub(super) fn page(&self, page: PageId) -> Option<Vec<u8>> {
        let board = self.board.as_ref()?;
        board.page(&self.data, self.shelf, page).ok().flatten()
    }

    /// Begins to keep the pages of a head.
    pub(super) fn begin(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.begin();
        }
    }

    pub(super) fn keep_page(&mut self, page: PageId, body: &[u8]) -> Result<(), SharedDataFailed> {
        match &mut self.keeper {
            Some(keeper) => keeper.keep_page(&mut self.data, page, body),
            None => Ok(()),
        }
    }

    /// Tells the others that the policy in force was found to be the latest.
    pub(super) fn contacted(&mut self, in_force: InForce) -> Result<(), SharedDataFailed> {
        if let Some(keeper) = &mut self.keeper {
            keeper.contacted(in_force);
        }
        self.tell()
    }

    /// Tells the others that another policy is in force.
    pub(super) fn switched(
        &mut self,
        changes: Option<&Changes>,
        in_force: InForce,
    ) -> Result<(), SharedDataFailed> {
        if let Some(keeper) = &mut self.keeper {
            keeper.switched(changes, in_force);
        }
        self.tell()
    }

    /// Writes a page of a snapshot, if the others need one. Returns whether there is more to write.
    pub(super) fn write_snapshot(
        &mut self,
        now: Moment,
        gate: &Gate,
    ) -> Result<bool, SharedDataFailed> {
        let Some(keeper) = &mut self.keeper else {
            return Ok(false);
        };
        if now < self.no_snapshot_before || !keeper.needs_snapshot() {
            return Ok(false);
        }
        let is_done = keeper
            .write_snapshot(&mut self.data, gate.policy())
            .and_then(|is_done| {
                if is_done {
                    self.tell()?;
                }
                Ok(is_done)
            });
        if is_done.is_err() {
            self.no_snapshot_before = now.after(PAUSE);
        }
        is_done.map(|is_done| !is_done)
    }

    /// Bytes that this worker has written and not written over, if it is the one that asks the feed.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.keeper.as_ref()?;
        let lengths = self.data.written.iter();
        Some(lengths.map(|(_, length)| *length as u64).sum())
    }

    fn tell(&mut self) -> Result<(), SharedDataFailed> {
        match self.keeper.as_ref().and_then(Keeper::board) {
            Some(board) => board.store(&mut self.data, self.shelf, &self.key),
            None => Ok(()),
        }
    }
}

/// The keys of a source in shared data: all that makes a difference to what is believed, or to who can read it.
fn shelf(config: &Config) -> Shelf {
    let mut parts = vec![
        config.gateway_id.as_str(),
        &config.issuer,
        &config.token_audience,
    ];
    let mut keys = Vec::new();
    if let Some(sync) = &config.sync {
        parts.extend([sync.source.feed.as_str(), &sync.cluster, &sync.authority]);
        keys = sync.source.keys.iter().map(|key| key.to_string()).collect();
    }
    parts.extend(keys.iter().map(String::as_str));
    Shelf::of(&parts)
}

/// The host's shared data.
#[derive(Default)]
struct HostData {
    /// Keys that were written, with the lengths of their values. They are few and used again.
    written: Vec<(String, usize)>,
}

impl SharedData for HostData {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, SharedDataFailed> {
        host::shared_data(key).map_err(|_| SharedDataFailed)
    }

    fn set(
        &mut self,
        key: &str,
        value: &[u8],
        unchanged: Option<u32>,
    ) -> Result<bool, SharedDataFailed> {
        let is_set = host::set_shared_data(key, value, unchanged.unwrap_or(0))
            .map_err(|_| SharedDataFailed)?;
        match self.written.iter_mut().find(|(other, _)| other == key) {
            Some((_, length)) => *length = value.len(),
            None => self.written.push((key.to_owned(), value.len())),
        }
        Ok(is_set)
    }
}
