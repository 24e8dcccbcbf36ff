//! Ways to the pods of other nodes: each node's range of addresses is reached by that node's own address.
//!
//! Nodes of one network need no more than that (upstream's kindnet and route controllers do the same); a packet between
//! pods keeps both their addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use crate::objects::Objects;

/// Ranges of pod addresses such as `10.244.1.0/24`, each with the node's address that leads there.
pub type Routes = BTreeMap<String, IpAddr>;

/// What to tell the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Lead { range: String, by: IpAddr },
    Forget { range: String },
}

/// A range, as the gateway gave it.
#[derive(Deserialize)]
struct PodCidr {
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    node_name: String,
    /// Not known before the node has told of itself.
    address: Option<IpAddr>,
}

/// The ways that `node`, with its own addresses, needs. A node that shares an address with this one is on this machine:
/// its pods are next door.
pub fn wanted(objects: &Objects, node: &str, own: &[IpAddr]) -> Routes {
    let ranges = objects.all::<PodCidr>("rutter.dev", "podcidrs");
    let others = ranges.filter(|(_, range)| range.spec.node_name != node);
    others
        .filter_map(|(key, range)| {
            let by = range.spec.address.filter(|address| !own.contains(address) && !address.is_loopback())?;
            // The object is called after its range: `10.244.1.0-24`.
            let (base, bits) = key.name.rsplit_once('-')?;
            Some((format!("{base}/{bits}"), by))
        })
        .collect()
}

/// From the ways that are there to the ones that are wanted.
pub fn changes(there: &Routes, wanted: &Routes) -> Vec<Change> {
    let stale = there.keys().filter(|range| !wanted.contains_key(*range));
    let new = wanted.iter().filter(|(range, by)| there.get(*range) != Some(by));
    stale
        .map(|range| Change::Forget { range: range.clone() })
        .chain(new.map(|(range, by)| Change::Lead { range: range.clone(), by: *by }))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rutter_schemas::Key;
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    fn objects(ranges: &[(&str, &str, Option<&str>)]) -> Objects {
        let mut objects = Objects::default();
        for (range, node, address) in ranges {
            let mut object = json!({"spec": {"nodeName": node}});
            if let Some(address) = address {
                object["spec"]["address"] = json!(address);
            }
            let raw = to_raw_value(&object).expect("JSON");
            objects.put(Key::new("rutter.dev", "podcidrs", "", range), Arc::from(raw));
        }
        objects
    }

    fn routes(all: &[(&str, &str)]) -> Routes {
        all.iter().map(|(range, by)| ((*range).to_owned(), by.parse().expect("an address"))).collect()
    }

    #[test]
    fn other_nodes_are_reached_by_their_own_addresses() {
        let objects = objects(&[
            ("10.244.0.0-24", "here", Some("10.0.0.1")),
            ("10.244.1.0-24", "there", Some("10.0.0.2")),
            ("10.244.2.0-24", "next-door", Some("10.0.0.1")),
            ("10.244.3.0-24", "played", Some("127.0.0.1")),
            ("10.244.4.0-24", "silent", None),
        ]);
        let own = ["10.0.0.1".parse().expect("an address")];
        assert_eq!(wanted(&objects, "here", &own), routes(&[("10.244.1.0/24", "10.0.0.2")]));
    }

    #[test]
    fn only_what_differs_is_told_and_what_is_gone_is_forgotten_first() {
        let there = routes(&[("10.244.1.0/24", "10.0.0.2"), ("10.244.2.0/24", "10.0.0.3")]);
        let wanted = routes(&[("10.244.1.0/24", "10.0.0.2"), ("10.244.3.0/24", "10.0.0.3")]);
        let by = "10.0.0.3".parse().expect("an address");
        let told = [
            Change::Forget { range: "10.244.2.0/24".to_owned() },
            Change::Lead { range: "10.244.3.0/24".to_owned(), by },
        ];
        assert_eq!(changes(&there, &wanted), told);
        assert_eq!(changes(&wanted, &wanted), []);
    }
}
