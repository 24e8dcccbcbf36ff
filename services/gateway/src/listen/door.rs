//! A listening socket, and whose connections it takes.

use std::net::{IpAddr, Ipv4Addr};

use tokio::net::TcpListener;

/// Where connections come in.
#[derive(Debug)]
pub struct Door {
    pub listener: TcpListener,
    pub callers: Callers,
}

/// Whose connections are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callers {
    Anybody,
    /// Pods of the cluster, and processes of this machine, which is reached by `own`. An answer to anybody else would not
    /// leave the machine towards a pod's address, so pretending to have one opens nothing.
    ThisMachine {
        own: IpAddr,
        pods: (Ipv4Addr, u8),
    },
}

impl Callers {
    /// Those of a machine with this address and of pods in a range like `10.244.0.0/16`; none for what is no range.
    pub fn of_this_machine(own: IpAddr, pods: &str) -> Option<Callers> {
        let (address, bits) = pods.split_once('/')?;
        let bits: u8 = bits.parse().ok().filter(|bits| *bits <= 32)?;
        Some(Callers::ThisMachine { own, pods: (address.parse().ok()?, bits) })
    }

    pub fn include(&self, caller: IpAddr) -> bool {
        match self {
            Callers::Anybody => true,
            Callers::ThisMachine { own, pods } => {
                caller == *own || caller.is_loopback() || is_in(*pods, caller)
            }
        }
    }
}

fn is_in((base, bits): (Ipv4Addr, u8), address: IpAddr) -> bool {
    let IpAddr::V4(address) = address else { return false };
    let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
    u32::from(base) & mask == u32::from(address) & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_for_pods_is_closed_to_other_machines() {
        let own = IpAddr::from([192, 168, 1, 5]);
        let callers = Callers::of_this_machine(own, "10.244.0.0/16").expect("a range");
        let open = ["192.168.1.5", "127.0.0.1", "10.244.7.9"];
        let closed = ["192.168.1.6", "10.245.0.1", "8.8.8.8", "2001:db8::1"];
        for (addresses, expected) in [(&open[..], true), (&closed[..], false)] {
            for address in addresses {
                assert_eq!(callers.include(address.parse().expect("an address")), expected, "{address}");
            }
        }
        assert!(Callers::of_this_machine(own, "10.244.0.0/33").is_none());
    }
}
