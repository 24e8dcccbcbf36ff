//! Which gateways live, by the signs of life that they give each other on core NATS.
//!
//! Keeps true: nobody is given up whom we could not have heard. Silence counts only after we have listened ourselves for
//! as long as it lasts (upstream gives an API server up when its lease has run out, `pkg/controlplane/reconcilers`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Upstream's `DefaultEndpointReconcilerTTL`.
pub(super) const SILENCE: SignedDuration = SignedDuration::from_secs(15);

/// A gateway's sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Beat {
    pub address: IpAddr,
    /// Its last one.
    #[serde(default)]
    pub leaving: bool,
}

/// What a gateway has heard of the others.
#[derive(Debug, Clone)]
pub(super) struct Peers {
    me: IpAddr,
    listening_since: Option<Timestamp>,
    heard: BTreeMap<IpAddr, Timestamp>,
}

impl Peers {
    pub(super) fn new(me: IpAddr) -> Peers {
        Peers { me, listening_since: None, heard: BTreeMap::new() }
    }

    /// Whether signs of life would reach us now.
    pub(super) fn listening(&mut self, is: bool, now: Timestamp) {
        self.listening_since = is.then(|| self.listening_since.unwrap_or(now));
    }

    /// Takes in a sign of life; whether it changes who is to be listed.
    pub(super) fn hear(&mut self, beat: &Beat, now: Timestamp) -> bool {
        if beat.address == self.me {
            return false;
        }
        if beat.leaving {
            self.heard.insert(beat.address, Timestamp::MIN);
            return true;
        }
        let before = self.heard.insert(beat.address, now);
        before.is_none_or(|before| before == Timestamp::MIN)
    }

    /// Who is to be listed, where these are: ourselves, who was heard lately, and of the others those who may only not
    /// have been heard yet.
    pub(super) fn living(&self, listed: &BTreeSet<IpAddr>, now: Timestamp) -> BTreeSet<IpAddr> {
        let lately = |at: Timestamp| at != Timestamp::MIN && now.duration_since(at) <= SILENCE;
        let patient = self.listening_since.is_none_or(|since| now.duration_since(since) <= SILENCE);
        let stays = |address: &IpAddr| match self.heard.get(address) {
            Some(at) if *at == Timestamp::MIN => false,
            Some(at) => lately(*at) || patient,
            None => patient,
        };
        let heard = self.heard.iter().filter(|(_, at)| lately(**at)).map(|(address, _)| *address);
        listed.iter().copied().filter(stays).chain(heard).chain([self.me]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000 + second).expect("a time")
    }

    fn beat(last: u8, leaving: bool) -> Beat {
        Beat { address: address(last), leaving }
    }

    /// Who is listed where the gateways 1 and 2 were, at a second.
    fn living(peers: &Peers, second: i64) -> Vec<IpAddr> {
        peers.living(&BTreeSet::from([address(1), address(2)]), at(second)).into_iter().collect()
    }

    #[test]
    fn a_gateway_that_is_not_heard_is_given_up_after_we_have_listened_long_enough() {
        let mut peers = Peers::new(address(1));
        assert_eq!(living(&peers, 100), [address(1), address(2)], "nobody listens yet");
        peers.listening(true, at(100));
        assert_eq!(living(&peers, 115), [address(1), address(2)]);
        assert_eq!(living(&peers, 116), [address(1)]);
    }

    #[test]
    fn deafness_begins_patience_anew() {
        let mut peers = Peers::new(address(1));
        peers.listening(true, at(0));
        peers.hear(&beat(2, false), at(1));
        peers.listening(false, at(10));
        peers.listening(true, at(50));
        assert_eq!(living(&peers, 60), [address(1), address(2)]);
        assert_eq!(living(&peers, 70), [address(1)]);
    }

    #[test]
    fn who_comes_and_who_says_that_it_leaves_change_the_list_at_once() {
        let mut peers = Peers::new(address(1));
        peers.listening(true, at(0));
        assert!(peers.hear(&beat(3, false), at(1)));
        assert!(!peers.hear(&beat(3, false), at(2)));
        assert!(!peers.hear(&beat(1, true), at(2)), "our own are nobody's");
        assert_eq!(living(&peers, 3), [address(1), address(2), address(3)]);
        assert!(peers.hear(&beat(2, true), at(4)));
        assert_eq!(living(&peers, 4), [address(1), address(3)]);
    }
}
