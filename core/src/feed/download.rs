//! The pages of one head on their way in.

use std::collections::VecDeque;

use super::moment::Moment;
use super::page::{PageFault, PageId, PageReader};

/// So many pages are on their way, or wait to be applied, at once: enough that the next one is there when one is done,
/// and at most a megabyte.
const WINDOW: usize = 4;

/// A page that does not come is asked for so many times before its head is given up.
const ATTEMPTS: u32 = 5;

/// Fetches pages a few at a time and hands them out in their order.
#[derive(Debug)]
pub(super) struct Download {
    pages: Vec<PageId>,
    open: Opener,
    /// The first page that was not handed out.
    first: usize,
    /// What is known of the pages from there on.
    window: VecDeque<Slot>,
}

/// Opens pages of one form.
type Opener = fn(PageId, Vec<u8>) -> Result<PageReader, PageFault>;

#[derive(Debug)]
enum Slot {
    /// To be asked for, not before this moment.
    Wanted { failures: u32, not_before: Moment },
    /// Asked for; if there is no answer by then, it counts as a failure.
    Asked { failures: u32, deadline: Moment },
    /// There.
    Arrived(PageReader),
}

/// What became of a page.
#[derive(Debug)]
pub(super) enum Arrival {
    /// It was taken, or nobody waited for it.
    Taken,
    /// It could not be used, and is to be asked for again.
    Failed(PageFault),
    /// Its bytes are right, and it cannot be read.
    Unreadable(usize, PageFault),
}

impl Download {
    pub(super) fn new(pages: Vec<PageId>) -> Self {
        Self::opened_by(PageReader::open, pages)
    }

    pub(super) fn opened_by(open: Opener, pages: Vec<PageId>) -> Self {
        let mut download = Self {
            pages,
            open,
            first: 0,
            window: VecDeque::new(),
        };
        download.fill();
        download
    }

    /// All pages in their order.
    pub(super) fn pages(&self) -> &[PageId] {
        &self.pages
    }

    /// A page to ask for now, and when its answer must be there.
    pub(super) fn next_wanted(&mut self, now: Moment, timeout: u64) -> Option<PageId> {
        let wanted =
            |slot: &Slot| matches!(slot, Slot::Wanted { not_before, .. } if *not_before <= now);
        let at = self.window.iter().position(wanted)?;
        let slot = self.window.get_mut(at)?;
        if let Slot::Wanted { failures, .. } = *slot {
            let deadline = now.after(timeout);
            *slot = Slot::Asked { failures, deadline };
        }
        self.pages.get(self.first + at).copied()
    }

    /// Pages whose answer is overdue.
    pub(super) fn overdue(&self, now: Moment) -> Option<PageId> {
        let overdue =
            |slot: &Slot| matches!(slot, Slot::Asked { deadline, .. } if *deadline <= now);
        let at = self.window.iter().position(overdue)?;
        self.pages.get(self.first + at).copied()
    }

    /// The next moment at which there is something to do without an answer.
    pub(super) fn next_moment(&self) -> Option<Moment> {
        let moments = self.window.iter().filter_map(|slot| match slot {
            Slot::Wanted { not_before, .. } => Some(*not_before),
            Slot::Asked { deadline, .. } => Some(*deadline),
            Slot::Arrived(_) => None,
        });
        moments.min()
    }

    /// Takes the bytes that came for a page. The same page may stand in a head more than once; the first that waits for
    /// it gets it.
    pub(super) fn arrived(&mut self, id: PageId, body: Vec<u8>) -> Arrival {
        let Some(at) = self.asked(id) else {
            return Arrival::Taken;
        };
        match (self.open)(id, body) {
            Ok(reader) => {
                if let Some(slot) = self.window.get_mut(at) {
                    *slot = Slot::Arrived(reader);
                }
                Arrival::Taken
            }
            Err(fault @ (PageFault::TooLong | PageFault::OtherBytes)) => Arrival::Failed(fault),
            Err(fault) => Arrival::Unreadable(self.first + at, fault),
        }
    }

    /// Notes that a page did not come. Returns how often it has not, or `None` if it is no longer asked for.
    pub(super) fn failed(&mut self, id: PageId, not_before: Moment) -> Option<u32> {
        let slot = self.asked(id).and_then(|at| self.window.get_mut(at))?;
        let Slot::Asked { failures, .. } = *slot else {
            return None;
        };
        let failures = failures + 1;
        *slot = Slot::Wanted {
            failures,
            not_before,
        };
        Some(failures)
    }

    /// Whether a page failed too often for its head to be pursued.
    pub(super) fn is_hopeless(failures: u32) -> bool {
        failures >= ATTEMPTS
    }

    /// Hands out the next page, with its place among the head's, if it is there.
    pub(super) fn take(&mut self) -> Option<(usize, PageReader)> {
        match self.window.pop_front()? {
            Slot::Arrived(reader) => {
                let place = self.first;
                self.first += 1;
                self.fill();
                Some((place, reader))
            }
            slot => {
                self.window.push_front(slot);
                None
            }
        }
    }

    /// Whether all pages were handed out.
    pub(super) fn is_done(&self) -> bool {
        self.first == self.pages.len()
    }

    fn asked(&self, id: PageId) -> Option<usize> {
        let mut slots = self.window.iter().enumerate();
        let found = slots.find(|(at, slot)| {
            matches!(slot, Slot::Asked { .. }) && self.pages.get(self.first + at) == Some(&id)
        });
        found.map(|(at, _)| at)
    }

    fn fill(&mut self) {
        while self.window.len() < WINDOW.min(self.pages.len() - self.first) {
            self.window.push_back(Slot::Wanted {
                failures: 0,
                not_before: Moment::default(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(number: usize) -> Vec<u8> {
        format!("{{\"format\":1}}\n{{\"put\":{{\"role\":\"r{number}\"}}}}\n").into_bytes()
    }

    fn id(number: usize) -> PageId {
        PageId::of(&body(number))
    }

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    #[test]
    fn pages_are_asked_for_a_few_at_a_time_and_come_out_in_their_order() {
        let mut download = Download::new((0..6).map(id).collect());
        let asked: Vec<_> = std::iter::from_fn(|| download.next_wanted(at(0), 10)).collect();
        assert_eq!(asked, (0..WINDOW).map(id).collect::<Vec<_>>());
        for number in (0..WINDOW).rev() {
            assert!(download.take().is_none());
            assert!(matches!(
                download.arrived(id(number), body(number)),
                Arrival::Taken
            ));
        }
        for number in 0..WINDOW {
            assert_eq!(download.take().unwrap().0, number);
        }
        for number in WINDOW..6 {
            assert_eq!(download.next_wanted(at(0), 10), Some(id(number)));
            download.arrived(id(number), body(number));
            assert!(!download.is_done());
            assert_eq!(download.take().unwrap().0, number);
        }
        assert!(download.is_done());
    }

    #[test]
    fn a_page_that_failed_is_asked_for_again_later() {
        let mut download = Download::new(vec![id(0)]);
        for attempt in 1..=ATTEMPTS {
            assert_eq!(download.next_wanted(at(10), 5), Some(id(0)));
            assert_eq!(download.next_moment(), Some(at(15)));
            assert_eq!(download.overdue(at(14)), None);
            assert_eq!(download.overdue(at(15)), Some(id(0)));
            assert!(matches!(
                download.arrived(id(0), b"<html>".to_vec()),
                Arrival::Failed(PageFault::OtherBytes)
            ));
            assert_eq!(download.failed(id(0), at(10)), Some(attempt));
            assert_eq!(Download::is_hopeless(attempt), attempt == ATTEMPTS);
            assert_eq!(download.next_wanted(at(9), 5), None);
        }
    }

    #[test]
    fn what_nobody_waits_for_is_dropped() {
        let mut download = Download::new(vec![id(0)]);
        assert!(matches!(download.arrived(id(0), body(0)), Arrival::Taken));
        assert!(download.take().is_none());
        assert_eq!(download.failed(id(0), at(0)), None);
        download.next_wanted(at(0), 5);
        assert!(matches!(download.arrived(id(1), body(1)), Arrival::Taken));
        assert!(download.take().is_none());
    }

    #[test]
    fn a_page_of_the_right_bytes_that_cannot_be_read_is_not_asked_for_again() {
        let body = b"{\"format\":2}\n".to_vec();
        let id = PageId::of(&body);
        let mut download = Download::new(vec![id]);
        download.next_wanted(at(0), 5);
        assert!(matches!(
            download.arrived(id, body),
            Arrival::Unreadable(0, PageFault::Format(2))
        ));
    }

    #[test]
    fn a_page_that_stands_twice_is_fetched_twice() {
        let mut download = Download::new(vec![id(0), id(0)]);
        for _ in 0..2 {
            assert_eq!(download.next_wanted(at(0), 5), Some(id(0)));
        }
        for place in 0..2 {
            download.arrived(id(0), body(0));
            assert_eq!(download.take().unwrap().0, place);
        }
    }
}
