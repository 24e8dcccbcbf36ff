//! The laws of the whole on real processes and a real nats-server, each bounded to what every run of the tests can
//! bear; `make test-twins`, `make test-stale` and `make test-leader` run them at length.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod restored;

use std::time::Duration;

use rutter_tests::{apart, leader, stale, twins};

fn twins_setup(guarded: bool) -> twins::Setup {
    twins::Setup { length: Duration::from_secs(8), lag: Duration::from_secs(1), nodes: 6, guarded, seed: 1 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_active_copies_of_every_controller_do_nothing_twice() {
    let (dir, rutter) = (tempfile::tempdir().unwrap(), apart::beside().unwrap());
    let outcome = twins::run(&rutter, dir.path(), &twins_setup(true)).await.unwrap();
    assert!(outcome.account.holds(), "{}\n{:#?}", outcome.account, outcome.account.examples);
    assert!(outcome.account.births > 20, "nothing was done: {}", outcome.account);
    assert!(outcome.refusals() > 0, "the copies did not meet");
}

/// Scaling at random breaks something nearly each time; several runs let no chance decide.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_premises_of_their_plans_the_same_copies_do_things_twice() {
    let (dir, rutter) = (tempfile::tempdir().unwrap(), apart::beside().unwrap());
    for seed in 1..=5 {
        let setup = twins::Setup { seed, ..twins_setup(false) };
        let outcome = twins::run(&rutter, &dir.path().join(seed.to_string()), &setup).await.unwrap();
        if !outcome.account.holds() {
            return;
        }
    }
    panic!("nothing broke");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_shows_what_was_acknowledged_before_it_whichever_ledger_leads() {
    let (dir, rutter) = (tempfile::tempdir().unwrap(), apart::beside().unwrap());
    let setup = stale::Setup { reads: 400, takeovers: 3, readers: 4, writers: 4 };
    let outcome = stale::run(&rutter, dir.path(), &setup, |_, _| {}).await.unwrap();
    assert_eq!(outcome.stale, 0, "{outcome}: {:?}", outcome.examples);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_come_back_when_the_streams_leader_dies_and_none_is_lost_or_doubled() {
    let (dir, rutter) = (tempfile::tempdir().unwrap(), apart::beside().unwrap());
    let setup = leader::Setup { losses: 1, end: leader::End::Killed, writers: 4 };
    let outcome = leader::run(&rutter, dir.path(), &setup, |_| {}).await.unwrap();
    assert!(outcome.verdict.holds(), "{outcome}");
}
