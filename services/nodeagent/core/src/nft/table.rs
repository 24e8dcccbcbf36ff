//! The text of the table: its skeleton, its chains, its elements. Written for nft 1.0.6.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::net::Ipv4Addr;

/// Set in a packet's mark when its source has to become this node's, so that answers come back this way.
pub(super) const MASQUERADE: u32 = 0x1_0000;

/// The addresses of the cluster, as `a.b.c.d/n`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// This node's pods.
    pub pods: String,
    /// All pods: they see each other's own addresses.
    pub cluster: String,
}

/// The table of a node. Nodes that share a network namespace have tables of their own.
pub fn table_name(node: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("rutter_{}", node.chars().map(safe).collect::<String>())
}

/// A chain that picks one of `count` endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Chain {
    Pick { count: u32, affinity_s: Option<u32> },
    Node { count: u32, masquerade: bool },
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Chain::Pick { count, affinity_s: None } => write!(f, "pick_{count}"),
            Chain::Pick { count, affinity_s: Some(seconds) } => write!(f, "stay_{count}_{seconds}"),
            Chain::Node { count, masquerade: true } => write!(f, "node_{count}"),
            Chain::Node { count, masquerade: false } => write!(f, "node_local_{count}"),
        }
    }
}

/// One element of one map or set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Element {
    set: &'static str,
    key: String,
}

impl Element {
    pub(super) fn service(front: &str) -> Element {
        Element { set: "services", key: front.to_owned() }
    }

    pub(super) fn refused(front: &str) -> Element {
        Element { set: "without_endpoints", key: front.to_owned() }
    }

    pub(super) fn endpoint(front: &str, mark: usize) -> Element {
        Element { set: "endpoints", key: format!("{front} . {mark:#x}") }
    }

    pub(super) fn node_port(front: &str) -> Element {
        Element { set: "node_ports", key: front.to_owned() }
    }

    pub(super) fn node_endpoint(front: &str, mark: usize) -> Element {
        Element { set: "node_endpoints", key: format!("{front} . {mark:#x}") }
    }
}

/// The table without a Service in it. Whatever stood under its name is gone with the same transaction.
pub(super) fn skeleton(table: &str, ranges: &Ranges) -> String {
    let Ranges { pods, cluster } = ranges;
    format!(
        "add table ip {table}
delete table ip {table}
table ip {table} {{
  map services {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
  map endpoints {{ type ipv4_addr . inet_proto . inet_service . mark : ipv4_addr . inet_service; }}
  map node_ports {{ type inet_proto . inet_service : verdict; }}
  map node_endpoints {{ type inet_proto . inet_service . mark : ipv4_addr . inet_service; }}
  map affinity {{ type ipv4_addr . ipv4_addr . inet_proto . inet_service : mark; flags timeout; size 1048576; }}
  set hairpins {{ type ipv4_addr . ipv4_addr; }}
  set without_endpoints {{ type ipv4_addr . inet_proto . inet_service; }}
  chain find {{
    ip daddr . meta l4proto . th dport vmap @services
    fib daddr type local meta l4proto . th dport vmap @node_ports
  }}
  chain from_elsewhere {{
    type filter hook prerouting priority raw; policy accept;
    iifname != \"lo\" ip daddr 127.0.0.0/8 drop
  }}
  chain prerouting {{ type nat hook prerouting priority dstnat; policy accept; meta l4proto {{ tcp, udp, sctp }} jump find; }}
  chain output {{ type nat hook output priority -100; policy accept; meta l4proto {{ tcp, udp, sctp }} jump find; }}
  chain refuse {{ ip daddr . meta l4proto . th dport @without_endpoints reject; }}
  chain forward {{ type filter hook forward priority filter; policy accept; meta l4proto {{ tcp, udp, sctp }} jump refuse; }}
  chain local {{ type filter hook output priority filter; policy accept; meta l4proto {{ tcp, udp, sctp }} jump refuse; }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    meta mark & {MASQUERADE:#x} == {MASQUERADE:#x} masquerade
    ip saddr . ip daddr @hairpins masquerade
    ip saddr 127.0.0.0/8 ct status dnat masquerade
    ip saddr {pods} ip daddr != {cluster} fib daddr type != local masquerade
  }}
}}
"
    )
}

/// What a chain does.
pub(super) fn define(text: &mut String, table: &str, chain: Chain) {
    let to = "dnat ip to ip daddr . meta l4proto . th dport . meta mark map @endpoints";
    let mut rules: Vec<String> = Vec::new();
    match chain {
        Chain::Pick { count, affinity_s: None } => {
            rules.push(format!("meta mark set numgen random mod {count}"));
            rules.push(to.to_owned());
        }
        Chain::Pick { count, affinity_s: Some(seconds) } => {
            let client = "ip saddr . ip daddr . meta l4proto . th dport";
            rules.push(format!("meta mark set {client} map @affinity"));
            rules.push(to.to_owned());
            rules.push(format!("meta mark set numgen random mod {count}"));
            rules.push(format!("update @affinity {{ {client} timeout {seconds}s : meta mark }}"));
            rules.push(to.to_owned());
        }
        Chain::Node { count, masquerade } => {
            let offset = if masquerade { format!(" offset {MASQUERADE}") } else { String::new() };
            rules.push(format!("meta mark set numgen random mod {count}{offset}"));
            rules.push("dnat ip to meta l4proto . th dport . meta mark map @node_endpoints".to_owned());
        }
    }
    put(text, format_args!("add chain ip {table} {chain}\n"));
    for rule in rules {
        put(text, format_args!("add rule ip {table} {chain} {rule}\n"));
    }
}

/// Makes the elements that were into those that are wanted.
pub(super) fn replace(
    text: &mut String,
    table: &str,
    had: &BTreeMap<Element, String>,
    wanted: &BTreeMap<Element, String>,
) {
    for (element, value) in had {
        if wanted.get(element) != Some(value) {
            put(text, format_args!("delete element ip {table} {} {{ {} }}\n", element.set, element.key));
        }
    }
    for (element, value) in wanted {
        if had.get(element) != Some(value) {
            let colon = if value.is_empty() { "" } else { " : " };
            put(
                text,
                format_args!("add element ip {table} {} {{ {}{colon}{value} }}\n", element.set, element.key),
            );
        }
    }
}

pub(super) fn add_hairpin(text: &mut String, table: &str, address: Ipv4Addr) {
    put(text, format_args!("add element ip {table} hairpins {{ {address} . {address} }}\n"));
}

pub(super) fn forget_hairpin(text: &mut String, table: &str, address: Ipv4Addr) {
    put(text, format_args!("delete element ip {table} hairpins {{ {address} . {address} }}\n"));
}

fn put(text: &mut String, line: fmt::Arguments<'_>) {
    text.write_fmt(line).expect("writing to a string can't fail");
}
