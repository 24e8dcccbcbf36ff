//! The simulator's stream.

use bytes::Bytes;
use rutter_schemas::FrameText;
use rutter_sim::rng::Rng;
use rutter_sim::stream::{Accepted, Stream};
use rutter_sim::subscription::Subscription;
use rutter_sim::time::Time;
use rutter_sim::weather::Weather;

use crate::broker::{Broker, Heard};

#[derive(Default)]
pub(crate) struct Memory {
    stream: Stream,
}

impl Broker for Memory {
    async fn append(&mut self, frame: &FrameText, expected_last: u64) -> Heard {
        match self.stream.append(Some(expected_last), &frame.text) {
            Accepted::At(sequence) => {
                self.stream.commit(sequence, frame.header.id);
                Heard::Acked(sequence)
            }
            Accepted::WrongLast => Heard::Refused,
            Accepted::Full => panic!("nobody filled the disk"),
        }
    }

    async fn append_unheard(&mut self, frame: &FrameText, expected_last: u64) {
        self.append(frame, expected_last).await;
    }

    async fn read(&mut self, sequence: u64) -> Option<Bytes> {
        self.stream.read(sequence).map(|entry| entry.bytes.clone())
    }

    async fn last(&mut self) -> u64 {
        self.stream.last()
    }

    async fn consume(&mut self, from: u64, until: u64) -> Vec<(u64, Bytes)> {
        let (mut consumer, mut rng) = (Subscription::behind(from - 1), Rng::new(1));
        let (first, last) = (self.stream.first(), self.stream.last());
        let due = consumer.due(Time::default(), first..=last, Time::default(), &Weather::calm(), &mut rng);
        let mut delivered = Vec::new();
        for (_, sequence) in due.into_iter().filter(|(_, sequence)| *sequence <= until) {
            delivered.push((sequence, self.read(sequence).await.unwrap()));
        }
        delivered
    }

    async fn lose_leader(&mut self) {
        self.stream.lose_uncommitted();
    }

    async fn purge(&mut self, below: u64) {
        self.stream.purge(below);
    }
}
