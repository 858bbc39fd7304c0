//! A limit to how long a step may take. A test that hangs would hang the run, and nobody would be told which it was.

use std::collections::BTreeMap;
use std::fs;
use std::process::{self, Command};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How often what a step has started is ended, once its time is over: it may have started more meanwhile.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a step may go on after everything that it has started was ended.
const LAST: Duration = Duration::from_secs(60);

/// Does the work; whether it took longer than `limit`. If so, `stop` is called until the work has ended, and if it never
/// does, this program ends.
pub(crate) fn within<T>(
    limit: Duration,
    stop: impl Fn() + Sync,
    work: impl FnOnce() -> T,
) -> (T, bool) {
    let (done, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let ended = ended;
            if !is_running(&ended, limit) {
                return false;
            }
            let mut waited = Duration::ZERO;
            while waited < LAST {
                stop();
                if !is_running(&ended, AGAIN) {
                    return true;
                }
                waited += AGAIN;
            }
            eprintln!("error: the step goes on after all that it has started was ended");
            process::exit(1);
        });
        let result = work();
        drop(done);
        // A watch that panicked has stopped nothing.
        let overdue = watch.join().unwrap_or(false);
        (result, overdue)
    })
}

/// Whether the work is still going on after this time.
fn is_running(ended: &mpsc::Receiver<()>, time: Duration) -> bool {
    ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
}

/// Ends everything that this program has started, and everything that those have.
pub(crate) fn end_descendants() {
    end(&descendants(process::id()));
}

/// Ends processes at once.
fn end(processes: &[u32]) {
    if processes.is_empty() {
        return;
    }
    let mut kill = Command::new("sh");
    kill.args(["-c", "kill -KILL \"$@\" 2>/dev/null", "sh"])
        .args(processes.iter().map(u32::to_string));
    if let Err(error) = kill.status() {
        eprintln!("error: cannot end what the step has started: {error}");
    }
}

/// The processes below one, by `/proc`; none, where there is no such thing.
fn descendants(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let id = entry.file_name().to_string_lossy().parse();
        let parent = fs::read_to_string(entry.path().join("stat"))
            .ok()
            .and_then(|stat| parent(&stat));
        if let (Ok(id), Some(parent)) = (id, parent) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut found = Vec::new();
    let mut next = vec![root];
    while let Some(id) = next.pop() {
        let below = children.remove(&id).unwrap_or_default();
        found.extend(&below);
        next.extend(below);
    }
    found
}

/// The parent in a line of `/proc/<id>/stat`: after the name, which is in parentheses and may hold anything, and the
/// state (proc_pid_stat(5)).
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn what_ends_in_time_is_let_be() {
        let stopped = AtomicBool::new(false);
        let stop = || stopped.store(true, Ordering::Relaxed);
        assert_eq!(within(LONG, stop, || 7), (7, false));
        assert!(!stopped.load(Ordering::Relaxed));
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_what_it_has_started() {
        let mut child = Command::new("sh")
            .args(["-c", "sleep 600 & sleep 600"])
            .stdin(Stdio::null())
            .spawn()
            .expect("a shell");
        let id = child.id();
        let start = Instant::now();
        while descendants(id).len() < 2 {
            assert!(start.elapsed() < LONG, "the shell starts nothing");
            thread::yield_now();
        }
        let below = descendants(id);

        let stop = || end(&[descendants(id), vec![id]].concat());
        let (status, overdue) = within(Duration::from_millis(1), stop, || child.wait());

        assert!(overdue);
        assert!(!status.expect("its end").success());
        assert!(start.elapsed() < LONG);
        for id in below {
            // An orphan that nobody has buried yet is a zombie.
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            let state = stat
                .rsplit_once(") ")
                .map_or("gone", |(_, rest)| &rest[..1]);
            assert!(["gone", "Z", "X"].contains(&state), "{stat}");
        }
    }

    #[test]
    fn the_parent_is_found_after_any_name() {
        assert_eq!(parent("12 (a) b) (c) S 7 12 12 0"), Some(7));
        assert_eq!(parent(""), None);
    }
}
