//! Names: what a pod calls itself and others, its `/etc/hosts` and `/etc/resolv.conf`.

use std::net::IpAddr;

use crate::view::Pod;

use super::{DnsPlan, NodeFacts};

const HOSTNAME_CHARS_MAX: usize = 63;

/// What the pod calls itself.
pub fn hostname(pod: &Pod, node: &NodeFacts) -> String {
    let short = short_hostname(pod);
    match fqdn(pod, node) {
        Some(full) if pod.spec.set_hostname_as_fqdn => full,
        _ => short,
    }
}

fn short_hostname(pod: &Pod) -> String {
    let name = pod.spec.hostname.clone().unwrap_or_else(|| pod.metadata.name.clone());
    let cut: String = name.chars().take(HOSTNAME_CHARS_MAX).collect();
    cut.trim_end_matches(['-', '.']).to_owned()
}

fn fqdn(pod: &Pod, node: &NodeFacts) -> Option<String> {
    let subdomain = pod.spec.subdomain.as_deref().filter(|subdomain| !subdomain.is_empty())?;
    let (name, namespace) = (short_hostname(pod), &pod.metadata.namespace);
    Some(format!("{name}.{subdomain}.{namespace}.svc.{}", node.cluster_domain))
}

/// The `/etc/hosts` of a pod with its own network: kubelet's text.
pub fn hosts_file(pod: &Pod, node: &NodeFacts, pod_ips: &[IpAddr]) -> String {
    let mut text = String::from(
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n",
    );
    let names = match fqdn(pod, node) {
        Some(full) => format!("{full}\t{}", short_hostname(pod)),
        None => short_hostname(pod),
    };
    for ip in pod_ips {
        text.push_str(&format!("{ip}\t{names}\n"));
    }
    text.push_str(&alias_lines(pod));
    text
}

/// The lines a pod adds to the hosts file, its own or the node's.
pub fn alias_lines(pod: &Pod) -> String {
    if pod.spec.host_aliases.is_empty() {
        return String::new();
    }
    let lines =
        pod.spec.host_aliases.iter().map(|alias| format!("{}\t{}\n", alias.ip, alias.hostnames.join("\t")));
    format!("\n# Entries added by HostAliases.\n{}", lines.collect::<String>())
}

pub(super) fn dns(pod: &Pod, node: &NodeFacts) -> DnsPlan {
    let policy = pod.spec.dns_policy.as_deref().unwrap_or("ClusterFirst");
    let mut plan = match (policy, node.cluster_dns) {
        ("None", _) => DnsPlan::default(),
        ("ClusterFirst", Some(server)) if !pod.spec.host_network => cluster_dns(pod, node, server),
        ("ClusterFirstWithHostNet", Some(server)) => cluster_dns(pod, node, server),
        _ => node.resolver.clone(),
    };
    let extra = &pod.spec.dns_config;
    append_new(&mut plan.servers, extra.nameservers.iter().cloned());
    append_new(&mut plan.searches, extra.searches.iter().cloned());
    for option in &extra.options {
        plan.options.retain(|known| known.split(':').next() != Some(&option.name));
        plan.options.push(match &option.value {
            Some(value) => format!("{}:{value}", option.name),
            None => option.name.clone(),
        });
    }
    plan
}

fn cluster_dns(pod: &Pod, node: &NodeFacts, server: IpAddr) -> DnsPlan {
    let domain = &node.cluster_domain;
    let mut searches =
        vec![format!("{}.svc.{domain}", pod.metadata.namespace), format!("svc.{domain}"), domain.clone()];
    append_new(&mut searches, node.resolver.searches.iter().cloned());
    DnsPlan { servers: vec![server.to_string()], searches, options: vec!["ndots:5".to_owned()] }
}

fn append_new(list: &mut Vec<String>, more: impl Iterator<Item = String>) {
    for item in more {
        if !list.contains(&item) {
            list.push(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fixtures::{node, pod};
    use serde_json::json;

    #[test]
    fn cluster_names_come_first_and_five_dots_make_a_name_absolute() {
        let pod = pod(
            json!({"containers": [], "dnsConfig": {"searches": ["my.org"], "options": [{"name": "ndots", "value": "2"}]}}),
        );
        let plan = dns(&pod, &node());
        assert_eq!(plan.servers, ["10.96.0.10"]);
        assert_eq!(
            plan.searches,
            ["default.svc.cluster.local", "svc.cluster.local", "cluster.local", "my.org"]
        );
        assert_eq!(plan.options, ["ndots:2"]);
    }

    #[test]
    fn a_pod_of_a_headless_service_knows_its_full_name() {
        let pod = pod(json!({"containers": [], "hostname": "db-0", "subdomain": "db"}));
        let text = hosts_file(&pod, &node(), &["10.1.2.3".parse().expect("an address")]);
        assert!(text.ends_with("10.1.2.3\tdb-0.db.default.svc.cluster.local\tdb-0\n"), "{text}");
    }
}
