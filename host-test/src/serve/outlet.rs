//! A way out that takes no more than whoever is at its end reads.

use std::collections::VecDeque;

use tokio::sync::mpsc::{Receiver, Sender, channel};

/// What fits between the two ends: enough that neither waits for the other's turn.
const ROOM: usize = 4;

/// What waits to be taken, in front of a channel with little room. Whoever fills it looks at [`is_clear`](Self::is_clear)
/// before it lets more come.
#[derive(Debug)]
pub(super) struct Outlet<T> {
    waiting: VecDeque<T>,
    sender: Sender<T>,
}

/// Nobody takes anything any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Closed;

impl<T> Outlet<T> {
    /// An outlet and its other end.
    pub(super) fn new() -> (Self, Receiver<T>) {
        let (sender, receiver) = channel(ROOM);
        let waiting = VecDeque::new();
        (Self { waiting, sender }, receiver)
    }

    pub(super) fn push(&mut self, item: T) {
        self.waiting.push_back(item);
    }

    /// Whether everything is on its way.
    pub(super) fn is_clear(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Sends what waits. Nothing is lost if this is given up half way.
    pub(super) async fn flush(&mut self) -> Result<(), Closed> {
        while !self.waiting.is_empty() {
            let Ok(permit) = self.sender.reserve().await else {
                self.waiting.clear();
                return Err(Closed);
            };
            if let Some(item) = self.waiting.pop_front() {
                permit.send(item);
            }
        }
        Ok(())
    }

    /// Waits until nobody takes anything any more.
    pub(super) async fn closed(&self) {
        self.sender.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(future)
    }

    #[test]
    fn it_is_clear_once_the_rest_fits_into_the_channel() {
        run(async {
            let (mut outlet, mut receiver) = Outlet::new();
            (0..=ROOM).for_each(|item| outlet.push(item));
            tokio::select! {
                biased;
                _ = outlet.flush() => panic!("there is no room for all"),
                () = std::future::ready(()) => {}
            }
            assert!(!outlet.is_clear());
            assert_eq!(receiver.recv().await, Some(0));
            assert_eq!(outlet.flush().await, Ok(()));
            assert!(outlet.is_clear());
            for item in 1..=ROOM {
                assert_eq!(receiver.recv().await, Some(item));
            }
        });
    }

    #[test]
    fn what_nobody_takes_is_dropped() {
        run(async {
            let (mut outlet, receiver) = Outlet::new();
            outlet.push(1);
            drop(receiver);
            assert_eq!(outlet.flush().await, Err(Closed));
            assert!(outlet.is_clear());
        });
    }
}
