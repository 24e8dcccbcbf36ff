//! By which addresses the API is reached.

use std::net::{IpAddr, Ipv4Addr};

/// Where operators and pods find a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) operators: IpAddr,
    /// In the endpoints of the Service `kubernetes`.
    pub(crate) pods: IpAddr,
    /// Listened on for pods alone, since they can't reach what the API listens on.
    pub(crate) door_for_pods: Option<IpAddr>,
}

impl Addresses {
    /// Where it listens on `listen`, on a machine whose own address is `own`. Pods have a loopback of their own, so an API
    /// that listens there for its operators has a door for pods beside (docs/adr/0004).
    pub(crate) fn of(listen: IpAddr, own: IpAddr) -> Addresses {
        if listen.is_unspecified() {
            return Addresses { operators: Ipv4Addr::LOCALHOST.into(), pods: own, door_for_pods: None };
        }
        if listen.is_loopback() {
            let door_for_pods = Some(own).filter(|own| !own.is_loopback());
            return Addresses { operators: listen, pods: own, door_for_pods };
        }
        Addresses { operators: listen, pods: listen, door_for_pods: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_on_loopback_has_a_door_for_pods() {
        let [loopback, own, any, other] =
            ["127.0.0.1", "192.168.1.5", "0.0.0.0", "10.0.0.1"].map(|text| text.parse().expect("an address"));
        let of = |listen, own| {
            let Addresses { operators, pods, door_for_pods } = Addresses::of(listen, own);
            (operators, pods, door_for_pods)
        };
        assert_eq!(of(loopback, own), (loopback, own, Some(own)));
        assert_eq!(of(loopback, loopback), (loopback, loopback, None));
        assert_eq!(of(any, own), (loopback, own, None));
        assert_eq!(of(other, own), (other, other, None));
    }
}
