//! The CNI configuration that containerd reads: point-to-point links, addresses from the node's own range.
//!
//! `ptp` and not `bridge`: with a bridge, traffic between pods of a node would pass by the packet filter. `firewall`
//! opens the way where the host's policy is to drop forwarded packets.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::disk::Paths;

/// The pods' network of this node; not ready until its range is known.
pub(crate) struct Network {
    conf_dir: PathBuf,
    state_dir: PathBuf,
    node: String,
    range: Mutex<Option<String>>,
}

impl Network {
    pub(crate) fn new(paths: &Paths, node: &str) -> Network {
        Network {
            conf_dir: paths.cni_conf(),
            state_dir: paths.cni_state(),
            node: node.to_owned(),
            range: Mutex::new(None),
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.lock().is_some()
    }

    pub(crate) fn range(&self) -> Option<String> {
        self.lock().clone()
    }

    /// The range of pod addresses, such as `10.244.1.0/24`. containerd notices the new file by itself.
    pub(crate) fn set_range(&self, range: &str) {
        let mut known = self.lock();
        if known.as_deref() == Some(range) {
            return;
        }
        match self.write(range) {
            Ok(()) => {
                tracing::info!(range, "pods get addresses");
                *known = Some(range.to_owned());
            }
            Err(why) => tracing::error!(%why, "the network's configuration could not be written"),
        }
    }

    /// The range that an agent before this one wrote down.
    pub(crate) fn written_range(&self) -> Option<String> {
        let text = std::fs::read(self.conf_dir.join("10-rutter.conflist")).ok()?;
        let conflist: Value = serde_json::from_slice(&text).ok()?;
        let range = &conflist["plugins"][0]["ipam"]["ranges"][0][0]["subnet"];
        range.as_str().map(str::to_owned)
    }

    fn write(&self, range: &str) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.conf_dir)?;
        let text = serde_json::to_vec_pretty(&self.conflist(range))?;
        let draft = self.conf_dir.join("10-rutter.new");
        std::fs::write(&draft, text)?;
        std::fs::rename(draft, self.conf_dir.join("10-rutter.conflist"))
    }

    fn conflist(&self, range: &str) -> Value {
        json!({
            "cniVersion": "0.4.0",
            // Reserved addresses lie below this name: nodes on one machine must differ.
            "name": format!("rutter-{}", self.node),
            "plugins": [
                {
                    "type": "ptp",
                    "ipMasq": false,
                    "mtu": 1500,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": self.state_dir,
                        "ranges": [[{"subnet": range}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": true}},
                {"type": "firewall"},
            ],
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.range.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
