//! `/configz`: what the node runs with, under the names of upstream's `KubeletConfiguration`.

use serde_json::{Value, json};

use crate::Config;
use crate::disk::Paths;
use crate::runtime::{LOG_BYTES_MAX, cgroup_root};

pub(super) fn page(cfg: &Config) -> Value {
    let socket = Paths::of(cfg).containerd_socket();
    json!({"kubeletconfig": {
        "maxPods": cfg.max_pods,
        "podCIDR": cfg.pod_cidr,
        "clusterDNS": [cfg.cluster_dns],
        "clusterDomain": cfg.cluster_domain,
        "cgroupRoot": cgroup_root(&cfg.node_name),
        "containerLogMaxSize": format!("{}Mi", LOG_BYTES_MAX >> 20),
        "containerRuntimeEndpoint": format!("unix://{}", socket.display()),
    }})
}
