//! A consumer of the stream: ordered, at least once, each delivery at its time; now and then a frame comes again, and
//! now and then the consumer is moved up and a frame doesn't come at all.

use std::ops::RangeInclusive;

use crate::rng::Rng;
use crate::time::Time;
use crate::weather::Weather;

#[derive(Clone, Debug, Default)]
pub struct Subscription {
    /// The last sequence that is on its way or was skipped.
    sent: u64,
    last_delivery: Time,
    on_the_way: usize,
}

impl Subscription {
    /// Begins with the frame after `sequence`.
    pub fn behind(sequence: u64) -> Subscription {
        Subscription { sent: sequence, ..Subscription::default() }
    }

    /// When which frames are delivered, of those that weren't sent and now stand.
    pub fn due(
        &mut self,
        now: Time,
        stands: RangeInclusive<u64>,
        lag: Time,
        weather: &Weather,
        rng: &mut Rng,
    ) -> Vec<(Time, u64)> {
        let mut deliveries = Vec::new();
        // Who asks for what is gone is moved up, and not told.
        self.sent = self.sent.max(stands.start() - 1);
        while self.sent < *stands.end() {
            self.sent += 1;
            if weather.skips(rng) {
                continue;
            }
            let jitter = rng.time(Time::micros(20), Time::micros(400));
            let when = self.last_delivery.max(now + lag + jitter);
            self.last_delivery = when;
            deliveries.push((when, self.sent));
            if weather.delivers_again(rng) {
                let repeated = rng.between(self.sent.saturating_sub(2).max(1), self.sent);
                deliveries.push((when, repeated));
            }
        }
        self.on_the_way += deliveries.len();
        deliveries
    }

    pub fn delivered(&mut self) {
        self.on_the_way = self.on_the_way.saturating_sub(1);
    }

    /// Nothing is on its way: whoever lacks a frame won't get it without asking.
    pub fn is_stuck(&self) -> bool {
        self.on_the_way == 0
    }
}
