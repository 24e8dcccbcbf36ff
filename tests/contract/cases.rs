//! The cases, one after the other on one growing log.

use bytes::Bytes;
use rutter_log::{FollowError, Followed, Follower};

use crate::broker::{Broker, Heard, Scribe};

pub(crate) async fn all(broker: &mut impl Broker) {
    let mut scribe = Scribe::new();
    an_append_stands_behind_what_it_expects_or_nowhere(broker, &mut scribe).await;
    the_same_bytes_twice_stand_once(broker, &mut scribe).await;
    an_answer_that_is_lost_is_found_where_the_frame_stands(broker, &mut scribe).await;
    a_late_frame_lands_nowhere_after_a_take_over(broker, &mut scribe).await;
    frames_are_delivered_in_order_and_none_is_left_out(broker, &mut scribe).await;
    a_consumer_that_starts_again_goes_on_behind_its_cursor(broker, &mut scribe).await;
    what_was_acknowledged_survives_the_leader(broker, &mut scribe).await;
    what_was_under_way_when_the_leader_died_stands_where_it_was_to_or_nowhere(broker, &mut scribe).await;
    a_consumer_below_the_first_frame_is_moved_up_and_a_follower_notices(broker, &mut scribe).await;
}

async fn an_append_stands_behind_what_it_expects_or_nowhere(broker: &mut impl Broker, scribe: &mut Scribe) {
    assert_eq!(broker.last().await, 0);
    assert_eq!(broker.append(&scribe.frame(), 3).await, Heard::Refused, "there is no third frame yet");
    let first = scribe.write(broker).await;
    assert_eq!(broker.append(&scribe.frame(), 0).await, Heard::Refused, "something stands there");
    let second = scribe.write(broker).await;
    assert_eq!(broker.last().await, 2);
    assert_eq!(broker.read(1).await, Some(first.text));
    assert_eq!(broker.read(2).await, Some(second.text));
    assert_eq!(broker.read(3).await, None);
}

async fn the_same_bytes_twice_stand_once(broker: &mut impl Broker, scribe: &mut Scribe) {
    let expected = scribe.last();
    let frame = scribe.write(broker).await;
    assert_eq!(broker.append(&frame, expected).await, Heard::Refused, "it is its own position that is taken");
    assert_eq!(broker.last().await, expected + 1);
    assert_eq!(broker.read(expected + 1).await, Some(frame.text));
}

async fn an_answer_that_is_lost_is_found_where_the_frame_stands(
    broker: &mut impl Broker,
    scribe: &mut Scribe,
) {
    let (frame, expected) = (scribe.frame(), scribe.last());
    broker.append_unheard(&frame, expected).await;
    assert_eq!(until_something_stands(broker, expected + 1).await, frame.text);
    assert_eq!(broker.append(&frame, expected).await, Heard::Refused, "a refusal alone is no deposition");
    scribe.stands(&frame);
}

async fn a_late_frame_lands_nowhere_after_a_take_over(broker: &mut impl Broker, scribe: &mut Scribe) {
    let (late, expected) = (scribe.frame(), scribe.last());
    scribe.next_epoch();
    let epoch = scribe.write(broker).await;
    broker.append_unheard(&late, expected).await;
    assert_eq!(broker.append(&late, expected).await, Heard::Refused);
    assert_eq!(broker.read(expected + 1).await, Some(epoch.text));
    let next = scribe.write(broker).await;
    assert_eq!(broker.read(expected + 2).await, Some(next.text), "nor behind the one that took over");
}

async fn frames_are_delivered_in_order_and_none_is_left_out(broker: &mut impl Broker, scribe: &mut Scribe) {
    let from = scribe.last() + 1;
    let mut written = Vec::new();
    for _ in 0..40 {
        let frame = scribe.write(broker).await;
        written.push((scribe.last(), frame.text));
    }
    assert_eq!(broker.consume(from, scribe.last()).await, written);
}

async fn a_consumer_that_starts_again_goes_on_behind_its_cursor(
    broker: &mut impl Broker,
    scribe: &mut Scribe,
) {
    let mut follower = Follower::default();
    let before = broker.consume(1, scribe.last()).await;
    before.iter().for_each(|delivered| follow(&mut follower, delivered).unwrap());
    for _ in 0..5 {
        scribe.write(broker).await;
    }
    let cursor = follower.cursor().sequence;
    let after = broker.consume(cursor + 1, scribe.last()).await;
    assert_eq!(after.len(), 5);
    after.iter().for_each(|delivered| follow(&mut follower, delivered).unwrap());
    // The frame at the cursor once more says that it is still the same log.
    let again = broker.consume(cursor + 5, scribe.last()).await;
    let (sequence, bytes) = &again[0];
    assert_eq!(follower.follow(*sequence, bytes).unwrap(), Followed::Repeat);
}

async fn what_was_acknowledged_survives_the_leader(broker: &mut impl Broker, scribe: &mut Scribe) {
    let frame = scribe.write(broker).await;
    broker.lose_leader().await;
    assert_eq!(broker.read(scribe.last()).await, Some(frame.text));
    assert_eq!(broker.last().await, scribe.last());
    scribe.write(broker).await;
}

async fn what_was_under_way_when_the_leader_died_stands_where_it_was_to_or_nowhere(
    broker: &mut impl Broker,
    scribe: &mut Scribe,
) {
    let (frame, expected) = (scribe.frame(), scribe.last());
    broker.append_unheard(&frame, expected).await;
    broker.lose_leader().await;
    // Sent again, it stands; which of the two it was makes no difference.
    let heard = broker.append(&frame, expected).await;
    assert!(matches!(heard, Heard::Acked(at) if at == expected + 1) || heard == Heard::Refused, "{heard:?}");
    assert_eq!(until_something_stands(broker, expected + 1).await, frame.text);
    assert_eq!(broker.last().await, expected + 1);
    scribe.stands(&frame);
}

async fn a_consumer_below_the_first_frame_is_moved_up_and_a_follower_notices(
    broker: &mut impl Broker,
    scribe: &mut Scribe,
) {
    let first = scribe.last() - 1;
    broker.purge(first).await;
    assert_eq!(broker.read(first - 1).await, None);
    assert_eq!(broker.last().await, scribe.last(), "sequences go on");
    let delivered = broker.consume(1, scribe.last()).await;
    assert_eq!(
        delivered.first().map(|(sequence, _)| *sequence),
        Some(first),
        "nobody says that frames are gone"
    );
    let gap = follow(&mut Follower::default(), &delivered[0]);
    assert!(matches!(gap, Err(FollowError::Gap { expected: 1, got }) if got == first), "{gap:?}");
    scribe.write(broker).await;
}

fn follow(follower: &mut Follower, (sequence, bytes): &(u64, Bytes)) -> Result<(), FollowError> {
    follower.follow(*sequence, bytes).map(drop)
}

/// Until a position is filled its fate is not known, however often it is read.
async fn until_something_stands(broker: &mut impl Broker, sequence: u64) -> Bytes {
    loop {
        if let Some(bytes) = broker.read(sequence).await {
            return bytes;
        }
        tokio::task::yield_now().await;
    }
}
