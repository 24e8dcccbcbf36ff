//! What the machine is: processors, memory, addresses, names.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use rutter_nodeagent_core::plan::{DnsPlan, NodeFacts};

use crate::Config;

/// The node as pods and their plans see it.
pub(crate) fn facts(cfg: &Config) -> NodeFacts {
    NodeFacts {
        name: cfg.node_name.clone(),
        host_ips: vec![node_ip(cfg)],
        cpu_milli: cpus() * 1000,
        memory_bytes: memory_bytes(),
        cluster_dns: Some(cfg.cluster_dns),
        cluster_domain: cfg.cluster_domain.clone(),
        resolver: resolver(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default()),
    }
}

/// The configured address, else the machine's own.
pub(crate) fn node_ip(cfg: &Config) -> IpAddr {
    cfg.node_ip.unwrap_or_else(own_address)
}

/// The address of this machine that leads outside, else the loopback's.
pub fn own_address() -> IpAddr {
    address_of_default_route().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Connecting a datagram socket sends nothing; it only asks the routing table.
fn address_of_default_route() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}

pub(crate) fn cpus() -> i64 {
    std::thread::available_parallelism().map_or(1, |count| i64::try_from(count.get()).unwrap_or(1))
}

pub(crate) fn memory_bytes() -> i64 {
    meminfo("MemTotal:").unwrap_or(1 << 30)
}

/// A line of `/proc/meminfo`, in bytes.
pub(crate) fn meminfo(name: &str) -> Option<i64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let kib: i64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

fn resolver(text: &str) -> DnsPlan {
    let words = |keyword: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix(keyword));
        lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
    };
    DnsPlan { servers: words("nameserver "), searches: words("search "), options: words("options ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_own_resolver_is_read() {
        let plan = resolver("# x\nnameserver 1.1.1.1\nsearch a.org b.org\noptions ndots:1 edns0\n");
        assert_eq!(plan.servers, ["1.1.1.1"]);
        assert_eq!(plan.searches, ["a.org", "b.org"]);
        assert_eq!(plan.options, ["ndots:1", "edns0"]);
    }
}
