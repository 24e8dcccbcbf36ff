use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use rutter_schemas::Uuid;

/// A frame without commits that follows from a cursor.
fn frame_after(cursor: Cursor, ledger: &str) -> Bytes {
    text(header_after(cursor, ledger))
}

fn header_after(cursor: Cursor, ledger: &str) -> FrameHeader {
    FrameHeader {
        id: Uuid::nil(),
        number: cursor.sequence + 1,
        epoch: 1,
        ledger: ledger.into(),
        incarnation: cursor.incarnation,
        first: cursor.revision.next(),
        events: 0,
        commits: 0,
        prev: cursor.hash,
        at: "2026-01-02T03:04:05.000006Z".into(),
        skipped: None,
    }
}

fn text(header: FrameHeader) -> Bytes {
    FrameText::join(header, []).text
}

/// Incarnation 3 on top of what the follower knows.
fn anew(cursor: Cursor) -> FrameHeader {
    FrameHeader {
        incarnation: 3,
        first: Revision::base_of(3).next(),
        skipped: Some((cursor.revision.next(), Revision::base_of(3))),
        ..header_after(cursor, "a")
    }
}

/// A follower that has let some frames through, and those frames.
fn followed(frames: u64) -> (Follower, Vec<Bytes>) {
    let mut follower = Follower::default();
    let texts = (1..=frames)
        .map(|sequence| {
            let bytes = frame_after(follower.cursor(), "a");
            assert!(matches!(follower.follow(sequence, &bytes), Ok(Followed::Next(_))));
            bytes
        })
        .collect();
    (follower, texts)
}

fn refusal(follower: &mut Follower, sequence: u64, bytes: &[u8]) -> String {
    let before = follower.cursor();
    let error = follower.follow(sequence, bytes).expect_err("a wrong frame");
    assert_eq!(follower.cursor(), before, "an error moves nothing");
    error.to_string()
}

#[test]
fn frames_in_order_are_let_through_and_move_the_cursor() {
    let (follower, texts) = followed(3);
    let Cursor { sequence, hash, .. } = follower.cursor();
    assert_eq!((sequence, hash), (3, Hash::of(&texts[2])));
}

#[test]
fn what_was_applied_is_a_repeat() {
    let (mut follower, texts) = followed(3);
    for (index, bytes) in texts.iter().enumerate() {
        assert_eq!(follower.follow(index as u64 + 1, bytes).expect("known"), Followed::Repeat);
    }
}

#[test]
fn another_frame_where_one_was_applied_is_a_fork() {
    let (mut follower, texts) = followed(2);
    assert!(refusal(&mut follower, 1, &texts[1]).starts_with("frame 1 does not follow"));
    assert!(refusal(&mut follower, 2, &texts[0]).starts_with("frame 2 does not follow"));
}

#[test]
fn a_consumer_that_was_moved_up_is_a_gap() {
    let (mut follower, _) = followed(2);
    let bytes = frame_after(follower.cursor(), "a");
    assert_eq!(refusal(&mut follower, 5, &bytes), "the stream went on with frame 5, expected frame 3");
}

#[test]
fn a_frame_with_another_past_is_a_fork() {
    let (mut follower, _) = followed(2);
    let other = Cursor { hash: Hash::of(b"other"), ..follower.cursor() };
    let bytes = frame_after(other, "a");
    assert!(refusal(&mut follower, 3, &bytes).starts_with("frame 3 does not follow"));
}

#[test]
fn a_frame_at_another_place_or_with_other_revisions_is_misplaced() {
    let (mut follower, _) = followed(2);
    let right = header_after(follower.cursor(), "a");
    let late = text(FrameHeader { number: 2, ..right.clone() });
    let jumping = text(FrameHeader { first: Revision(7), ..right.clone() });
    let foreign = text(FrameHeader { incarnation: 1, ..right });
    assert_eq!(refusal(&mut follower, 3, &late), "frame 3 says number 2 and revision 1, expected revision 1");
    assert_eq!(
        refusal(&mut follower, 3, &jumping),
        "frame 3 says number 3 and revision 7, expected revision 1"
    );
    assert!(refusal(&mut follower, 3, &foreign).starts_with("frame 3 says"));
}

#[test]
fn an_incarnation_that_goes_on_from_here_is_followed() {
    let (mut follower, _) = followed(2);
    let bytes = text(anew(follower.cursor()));
    assert!(matches!(follower.follow(3, &bytes), Ok(Followed::Next(_))));
    let Cursor { incarnation, revision, .. } = follower.cursor();
    assert_eq!((incarnation, revision), (3, Revision::base_of(3)));
    let next = frame_after(follower.cursor(), "a");
    assert!(matches!(follower.follow(4, &next), Ok(Followed::Next(_))));
}

#[test]
fn an_incarnation_that_grew_from_another_past_says_what_it_skipped() {
    let (mut follower, _) = followed(2);
    let bytes = text(anew(Cursor { hash: Hash::of(b"other"), ..follower.cursor() }));
    assert_eq!(
        refusal(&mut follower, 3, &bytes),
        "the log is in incarnation 3, this follower in 0; skipped are Some((Revision(1), Revision(12884901888)))"
    );
}

#[test]
fn what_cannot_be_read_is_malformed() {
    let (mut follower, _) = followed(1);
    assert_eq!(refusal(&mut follower, 2, b"{}\n"), "frame 2 cannot be read");
    let mut bytes = frame_after(follower.cursor(), "a").to_vec();
    bytes.extend_from_slice(b"more");
    assert_eq!(refusal(&mut follower, 2, &bytes), "frame 2 cannot be read");
}

#[test]
fn a_stream_that_ends_before_the_cursor_lost_its_tail_and_one_that_begins_after_it_was_purged() {
    let (follower, _) = followed(5);
    let said = |first, last| follower.subscribe(first, last).err().map(|error| error.to_string());
    assert_eq!(said(1, 5), None);
    assert_eq!(said(6, 9), None);
    assert_eq!(said(1, 4).as_deref(), Some("the log ends at frame 4, but frame 5 was applied"));
    assert_eq!(said(7, 9).as_deref(), Some("the stream went on with frame 7, expected frame 6"));
    assert_eq!(Follower::default().subscribe(1, 0).err().map(|error| error.to_string()), None);
}

proptest! {
    /// At least once, in any order: what is let through is the log, each frame once.
    #[test]
    fn any_delivery_lets_a_prefix_through_once(order in proptest::collection::vec(0_usize..40, 0..200)) {
        let (_, texts) = followed(40);
        let mut follower = Follower::default();
        let mut let_through = Vec::new();
        for index in order {
            match follower.follow(index as u64 + 1, &texts[index]) {
                Ok(Followed::Next(frame)) => let_through.push(frame.header.number),
                Ok(Followed::Repeat) => prop_assert!((index as u64) < follower.cursor().sequence),
                Err(FollowError::Gap { expected, .. }) => prop_assert_eq!(expected, follower.cursor().sequence + 1),
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
        prop_assert!(let_through.iter().copied().eq(1..=follower.cursor().sequence));
    }

    /// No frame with a changed byte is let through.
    #[test]
    fn a_flipped_bit_is_found_at_once_or_by_the_next_frame(at in any::<proptest::sample::Index>(), bit in 0_u8..8) {
        let (_, mut texts) = followed(3);
        let mut changed = texts[1].to_vec();
        let index = at.index(changed.len());
        changed[index] ^= 1 << bit;
        texts[1] = changed.into();
        let mut follower = Follower::default();
        let all = (1..).zip(&texts).try_for_each(|(sequence, bytes)| follower.follow(sequence, bytes).map(drop));
        prop_assert!(all.is_err());
    }
}
