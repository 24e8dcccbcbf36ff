//! What a node lets others reach: its node ports, and nothing else.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};

use super::Cluster;

/// Where pods ask for names; on the node's own loopback.
const CLUSTER_DNS: &str = "10.96.0.10";
/// Of examples/web.yaml.
const NODE_PORTS: &str = "30080";

pub(crate) async fn look(cluster: &Cluster) -> Result<()> {
    for node in ["node-1", "node-2", "node-3"] {
        let listening = cluster.containers.run(node, "ss -H -ltnu | awk '{print $5}'")?;
        for address in listening.lines() {
            let address = host(address).with_context(|| format!("{node} listens on {address:?}"))?;
            let own = address.is_loopback() || address.to_string() == CLUSTER_DNS;
            ensure!(own, "{node} listens on {address}:\n{listening}");
        }
    }
    println!("  nodes listen on loopback and for their own pods' questions only");
    for address in ["172.29.96.31", "172.29.96.32", "172.29.96.33"] {
        // An attempt that is refused costs no process.
        let scan = format!(
            "for p in {{1..65535}}; do {{ :; }} 3<>/dev/tcp/{address}/$p && echo $p; done 2>/dev/null; true"
        );
        let open = cluster.containers.run("gateway-1", &scan)?;
        ensure!(open.trim() == NODE_PORTS, "of {address}, others reach {open:?}");
    }
    println!("  of all their ports, another container reaches {NODE_PORTS}, the node port, alone");
    Ok(())
}

/// `127.0.0.1:53`, `[::1]:53`, `127.0.0.53%lo:53` → the address
fn host(text: &str) -> Option<IpAddr> {
    let (host, _) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.split('%').next()?.parse().ok()
}
