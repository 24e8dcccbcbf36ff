//! Frames that were applied and are still to be taken by who follows: each is let go when the slowest has it, and nobody
//! may be so slow that more than [`MOST_BYTES`] wait.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Applied, SubscriptionEnd};

/// What may wait for the slowest, in bytes of the log; in memory it is several times that, once controllers look at it.
const MOST_BYTES: usize = 64 << 20;
/// What a frame takes beside its text, about: many small ones are bounded by it.
const FRAME_BYTES: usize = 1 << 10;

/// The end where frames come in. When it is dropped, nothing more comes.
#[derive(Debug)]
pub(super) struct Backlog(Arc<Shared>);

/// One who follows, from when they began.
#[derive(Debug)]
pub struct Frames {
    shared: Arc<Shared>,
    reader: u64,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    grown: Notify,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(usize, Arc<Applied>)>,
    bytes: usize,
    /// The number of the first that waits.
    first: u64,
    /// The number of the frame that each takes next.
    next: BTreeMap<u64, u64>,
    last_reader: u64,
    ended: bool,
}

impl Backlog {
    pub(super) fn new() -> Backlog {
        Backlog::of(MOST_BYTES)
    }

    fn of(most_bytes: usize) -> Backlog {
        Backlog(Arc::new(Shared { queue: Mutex::default(), grown: Notify::new(), most_bytes }))
    }

    /// Hands on a frame whose text has so many bytes.
    pub(super) fn push(&self, applied: Applied, bytes: usize) {
        let mut queue = self.0.lock();
        queue.bytes += bytes + FRAME_BYTES;
        queue.waiting.push_back((bytes + FRAME_BYTES, Arc::new(applied)));
        // The last one waits however large it is.
        while queue.bytes > self.0.most_bytes && queue.waiting.len() > 1 {
            queue.let_go();
        }
        queue.let_go_taken();
        drop(queue);
        self.0.grown.notify_waiters();
    }

    /// Every frame from now on.
    pub(super) fn follow(&self) -> Frames {
        let mut queue = self.0.lock();
        queue.last_reader += 1;
        let (reader, next) = (queue.last_reader, queue.end());
        queue.next.insert(reader, next);
        Frames { shared: self.0.clone(), reader }
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.grown.notify_waiters();
    }
}

impl Frames {
    /// The next frame. Losing the returned future loses nothing.
    ///
    /// # Errors
    /// Once for who was too slow, and goes on from now; and when nothing more comes.
    pub async fn next(&mut self) -> Result<Arc<Applied>, SubscriptionEnd> {
        loop {
            // Made before looking, so that what comes in between is noticed.
            let grown = self.shared.grown.notified();
            if let Some(taken) = self.shared.lock().take(self.reader) {
                return taken;
            }
            grown.await;
        }
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.next.remove(&self.reader);
        queue.let_go_taken();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// The number of the frame that comes next.
    fn end(&self) -> u64 {
        self.first + self.waiting.len() as u64
    }

    /// What a reader gets now; none when there is nothing for them yet.
    fn take(&mut self, reader: u64) -> Option<Result<Arc<Applied>, SubscriptionEnd>> {
        let (first, end) = (self.first, self.end());
        let next = self.next.get_mut(&reader)?;
        if *next < first {
            *next = end;
            self.let_go_taken();
            return Some(Err(SubscriptionEnd::Lagged));
        }
        let place = usize::try_from(*next - first).ok()?;
        let Some((_, applied)) = self.waiting.get(place) else {
            return self.ended.then_some(Err(SubscriptionEnd::Closed));
        };
        let applied = applied.clone();
        *next += 1;
        if place == 0 {
            self.let_go_taken();
        }
        Some(Ok(applied))
    }

    fn let_go_taken(&mut self) {
        let wanted = self.next.values().min().copied().unwrap_or_else(|| self.end());
        while self.first < wanted && !self.waiting.is_empty() {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        if let Some((bytes, _)) = self.waiting.pop_front() {
            self.bytes -= bytes;
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use rutter_schemas::{Frame, FrameHeader, Hash, Revision, Uuid};

    use super::*;

    fn applied(number: u64) -> Applied {
        let header = FrameHeader {
            id: Uuid::nil(),
            number,
            epoch: 1,
            ledger: "a".to_owned(),
            incarnation: 1,
            first: Revision(number),
            events: 1,
            commits: 0,
            prev: Hash::NONE,
            at: String::new(),
            skipped: None,
        };
        let frame = Frame { header, commits: Vec::new() };
        Applied::new(number, Revision(number), frame, Vec::new())
    }

    /// The sequences that a reader gets without waiting.
    fn taken(frames: &mut Frames) -> Vec<Result<u64, SubscriptionEnd>> {
        let next = || frames.next().now_or_never();
        std::iter::from_fn(next).map(|taken| taken.map(|applied| applied.sequence)).take(10).collect()
    }

    fn waiting(backlog: &Backlog) -> (usize, usize) {
        let queue = backlog.0.lock();
        (queue.waiting.len(), queue.bytes)
    }

    #[test]
    fn a_frame_waits_until_the_slowest_has_it() {
        let backlog = Backlog::new();
        backlog.push(applied(1), 10);
        assert_eq!(waiting(&backlog), (0, 0), "nobody follows");
        let (mut quick, mut slow) = (backlog.follow(), backlog.follow());
        backlog.push(applied(2), 10);
        backlog.push(applied(3), 10);
        assert_eq!(taken(&mut quick), [Ok(2), Ok(3)]);
        assert_eq!(waiting(&backlog).0, 2);
        assert_eq!(taken(&mut slow), [Ok(2), Ok(3)]);
        assert_eq!(waiting(&backlog), (0, 0));
        backlog.push(applied(4), 10);
        drop(slow);
        assert_eq!((taken(&mut quick), waiting(&backlog)), (vec![Ok(4)], (0, 0)));
    }

    #[test]
    fn who_is_too_slow_is_told_and_holds_no_more_than_may_wait() {
        let backlog = Backlog::of(3 * (FRAME_BYTES + 10));
        let (mut quick, mut slow) = (backlog.follow(), backlog.follow());
        for number in 1..=5 {
            backlog.push(applied(number), 10);
            assert_eq!(taken(&mut quick), [Ok(number)]);
        }
        assert_eq!(waiting(&backlog).0, 3);
        assert_eq!(taken(&mut slow), [Err(SubscriptionEnd::Lagged)]);
        assert_eq!(waiting(&backlog), (0, 0));
        backlog.push(applied(6), 10);
        assert_eq!((taken(&mut quick), taken(&mut slow)), (vec![Ok(6)], vec![Ok(6)]));
    }

    #[test]
    fn a_frame_larger_than_all_that_may_wait_arrives() {
        let backlog = Backlog::of(1);
        let mut frames = backlog.follow();
        backlog.push(applied(1), 10);
        assert_eq!(taken(&mut frames), [Ok(1)]);
    }

    #[tokio::test]
    async fn who_waits_is_told_of_a_frame_and_of_the_end() {
        let backlog = Backlog::new();
        let (mut one, mut other) = (backlog.follow(), backlog.follow());
        let waits = tokio::spawn(async move { one.next().await.map(|applied| applied.sequence) });
        tokio::task::yield_now().await;
        backlog.push(applied(1), 10);
        assert_eq!(waits.await.unwrap(), Ok(1));
        drop(backlog);
        assert_eq!(taken(&mut other)[..2], [Ok(1), Err(SubscriptionEnd::Closed)]);
    }
}
