//! Lag on purpose: what is delivered waits its time, in order. Tests play a slow copy of a service with it.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Delivery;

/// Deliveries held back at most; beyond it nothing more is taken in until one is due.
const HELD: usize = 65_536;

/// Deliveries on their way.
pub(super) struct Late {
    lag: Duration,
    waiting: VecDeque<(Instant, Delivery)>,
}

impl Late {
    pub(super) fn new(lag: Duration) -> Late {
        Late { lag, waiting: VecDeque::new() }
    }

    pub(super) fn hold(&mut self, delivery: Delivery) {
        self.waiting.push_back((Instant::now() + self.lag, delivery));
    }

    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < HELD
    }

    pub(super) fn forget(&mut self) {
        self.waiting.clear();
    }

    /// The oldest, once it is due. Losing the returned future loses nothing.
    pub(super) async fn due(&mut self) -> Delivery {
        let Some((due, _)) = self.waiting.front() else { return pending().await };
        sleep_until(*due).await;
        match self.waiting.pop_front() {
            Some((_, delivery)) => delivery,
            None => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_held_comes_in_order_and_not_before_its_time() {
        let lag = Duration::from_secs(2);
        let (mut late, began) = (Late::new(lag), Instant::now());
        late.hold(Delivery::Subscribed);
        tokio::time::advance(Duration::from_secs(1)).await;
        late.hold(Delivery::Frame(1, "one".into()));
        assert_eq!((late.due().await, began.elapsed()), (Delivery::Subscribed, lag));
        assert_eq!(late.due().await, Delivery::Frame(1, "one".into()));
        assert_eq!(began.elapsed(), lag + Duration::from_secs(1));
    }
}
