//! What a pod's sandbox and containers are made of, in words no runtime owns. The shell says it in CRI.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::env;
use crate::fields::Downward;
use crate::objects::Objects;
use crate::resources::{self, Limits};
use crate::view::{Container, Pod, SeccompProfile, VolumeMount};

/// What a node knows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    pub name: String,
    pub host_ips: Vec<IpAddr>,
    pub cpu_milli: i128,
    pub memory_bytes: i128,
    pub cluster_dns: Option<IpAddr>,
    pub cluster_domain: String,
    /// The node's own `/etc/resolv.conf`.
    pub resolver: DnsPlan,
}

impl NodeFacts {
    /// Thousandths of what pods may use of `resource`; 0 for what isn't known.
    pub fn allocatable_milli(&self, resource: &str) -> i128 {
        match resource {
            "cpu" => self.cpu_milli,
            "memory" => self.memory_bytes * 1000,
            _ => 0,
        }
    }
}

/// Labels and annotations that tell whose a sandbox or container is; the labels are kubelet's, so that other tools on
/// the node know them too.
pub mod label {
    pub const POD_NAME: &str = "io.kubernetes.pod.name";
    pub const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
    pub const POD_UID: &str = "io.kubernetes.pod.uid";
    pub const CONTAINER_NAME: &str = "io.kubernetes.container.name";
    pub const RESTART_COUNT: &str = "io.kubernetes.container.restartCount";
    pub const MESSAGE_PATH: &str = "io.kubernetes.container.terminationMessagePath";
    pub const MESSAGE_POLICY: &str = "io.kubernetes.container.terminationMessagePolicy";
    /// The image as the pod names it.
    pub const IMAGE: &str = "dev.rutter.container.image";
}

/// Which of a pod's namespaces are the node's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    pub host_network: bool,
    pub host_pid: bool,
    pub host_ipc: bool,
    pub share_pid: bool,
}

impl Namespaces {
    pub fn of(pod: &Pod) -> Namespaces {
        Namespaces {
            host_network: pod.spec.host_network,
            host_pid: pod.spec.host_pid,
            host_ipc: pod.spec.host_ipc,
            share_pid: pod.spec.share_process_namespace,
        }
    }
}

/// A resolver's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsPlan {
    pub servers: Vec<String>,
    pub searches: Vec<String>,
    pub options: Vec<String>,
}

/// What holds a pod's namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxPlan {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub attempt: u32,
    pub hostname: String,
    pub dns: DnsPlan,
    pub ports: Vec<HostPort>,
    pub namespaces: Namespaces,
    pub privileged: bool,
    pub sysctls: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// A port of the node that leads to the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    pub protocol: String,
    pub container_port: u16,
    pub host_port: u16,
    pub host_ip: String,
}

/// A container to be made and started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPlan {
    pub name: String,
    pub attempt: u32,
    /// As the pod names it.
    pub image: String,
    /// As the runtime knows it.
    pub image_ref: String,
    pub command: Vec<String>,
    pub args: Vec<String>,
    pub working_dir: String,
    pub env: Vec<(String, String)>,
    pub mounts: Vec<Mount>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub stdin: bool,
    pub stdin_once: bool,
    pub tty: bool,
    pub security: Security,
    pub namespaces: Namespaces,
    pub limits: Limits,
    pub message_path: String,
}

/// Something put into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub source: MountSource,
    pub path: String,
    pub read_only: bool,
    /// `None`, `HostToContainer` or `Bidirectional`.
    pub propagation: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountSource {
    Volume {
        name: String,
        sub_path: String,
    },
    /// The `/etc/hosts` that the node keeps for the pod.
    HostsFile,
    /// The file a container leaves its last words in.
    MessageFile,
}

/// Who the container runs as, and what it may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    pub user: Option<i64>,
    pub group: Option<i64>,
    pub groups: Vec<i64>,
    pub must_not_be_root: bool,
    pub privileged: bool,
    pub no_new_privileges: bool,
    pub read_only_root: bool,
    pub add_capabilities: Vec<String>,
    pub drop_capabilities: Vec<String>,
    pub seccomp: Option<SeccompProfile>,
    pub unmasked_proc: bool,
}

/// The sandbox of a pod.
pub fn sandbox(pod: &Pod, node: &NodeFacts, attempt: u32) -> SandboxPlan {
    SandboxPlan {
        name: pod.metadata.name.clone(),
        namespace: pod.metadata.namespace.clone(),
        uid: pod.metadata.uid.clone(),
        attempt,
        hostname: if pod.spec.host_network { String::new() } else { hostname(pod, node) },
        dns: dns(pod, node),
        ports: host_ports(pod),
        namespaces: Namespaces::of(pod),
        privileged: pod.containers().any(|container| container.security_context.privileged),
        sysctls: pod
            .spec
            .security_context
            .sysctls
            .iter()
            .map(|sysctl| (sysctl.name.clone(), sysctl.value.clone()))
            .collect(),
        labels: pod_labels(pod),
        annotations: pod.metadata.annotations.clone(),
    }
}

/// A container of a pod whose sandbox and volumes are there.
///
/// # Errors
/// The message of a `CreateContainerConfigError`.
pub fn container(
    cx: Downward<'_>,
    container: &Container,
    objects: &Objects,
    attempt: u32,
    image_ref: &str,
) -> Result<ContainerPlan, String> {
    let env = env::environment(cx, container, objects)?;
    let lookup = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let expand = |texts: &[String]| texts.iter().map(|text| env::expand(text, lookup)).collect();
    let mounts = mounts(cx.pod, container, lookup)?;
    let (command, args) = (expand(&container.command), expand(&container.args));
    let mut labels = pod_labels(cx.pod);
    labels.insert(label::CONTAINER_NAME.to_owned(), container.name.clone());
    Ok(ContainerPlan {
        name: container.name.clone(),
        attempt,
        image: container.image.clone(),
        image_ref: image_ref.to_owned(),
        command,
        args,
        working_dir: container.working_dir.clone(),
        mounts,
        labels,
        annotations: annotations(container, attempt),
        stdin: container.stdin,
        stdin_once: container.stdin_once,
        tty: container.tty,
        security: security(cx.pod, container),
        namespaces: Namespaces::of(cx.pod),
        limits: resources::limits(cx.pod, container, cx.node.memory_bytes),
        message_path: container.termination_message_path().to_owned(),
        env,
    })
}

fn pod_labels(pod: &Pod) -> BTreeMap<String, String> {
    BTreeMap::from([
        (label::POD_NAME.to_owned(), pod.metadata.name.clone()),
        (label::POD_NAMESPACE.to_owned(), pod.metadata.namespace.clone()),
        (label::POD_UID.to_owned(), pod.metadata.uid.clone()),
    ])
}

fn annotations(container: &Container, attempt: u32) -> BTreeMap<String, String> {
    let policy = format!("{:?}", container.termination_message_policy);
    BTreeMap::from([
        (label::RESTART_COUNT.to_owned(), attempt.to_string()),
        (label::MESSAGE_PATH.to_owned(), container.termination_message_path().to_owned()),
        (label::MESSAGE_POLICY.to_owned(), policy),
        (label::IMAGE.to_owned(), container.image.clone()),
    ])
}

fn host_ports(pod: &Pod) -> Vec<HostPort> {
    if pod.spec.host_network {
        return Vec::new();
    }
    let ports = pod.spec.containers.iter().flat_map(|container| &container.ports);
    ports
        .filter(|port| port.host_port != 0)
        .map(|port| HostPort {
            protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
            container_port: port.container_port,
            host_port: port.host_port,
            host_ip: port.host_ip.clone(),
        })
        .collect()
}

fn mounts<'a>(
    pod: &Pod,
    container: &Container,
    lookup: impl Fn(&str) -> Option<&'a str> + Copy,
) -> Result<Vec<Mount>, String> {
    let mut mounts = Vec::new();
    for mount in &container.volume_mounts {
        let sub_path = sub_path(mount, lookup)?;
        mounts.push(Mount {
            source: MountSource::Volume { name: mount.name.clone(), sub_path },
            path: mount.mount_path.clone(),
            read_only: mount.read_only,
            propagation: mount.mount_propagation.clone(),
        });
    }
    let has = |path: &str| container.volume_mounts.iter().any(|mount| mount.mount_path == path);
    let own = |source: MountSource, path: &str| Mount {
        source,
        path: path.to_owned(),
        read_only: false,
        propagation: None,
    };
    let has_nodes_hosts = pod.spec.host_network && pod.spec.host_aliases.is_empty();
    if !has("/etc/hosts") && !has_nodes_hosts {
        mounts.push(own(MountSource::HostsFile, "/etc/hosts"));
    }
    let message = container.termination_message_path();
    if !message.is_empty() && !has(message) {
        mounts.push(own(MountSource::MessageFile, message));
    }
    Ok(mounts)
}

fn sub_path<'a>(
    mount: &VolumeMount,
    lookup: impl Fn(&str) -> Option<&'a str> + Copy,
) -> Result<String, String> {
    let path = if mount.sub_path_expr.is_empty() {
        mount.sub_path.clone()
    } else {
        env::expand(&mount.sub_path_expr, lookup)
    };
    if path.starts_with('/') || path.split('/').any(|part| part == "..") {
        return Err(format!("subPath {path:?} of volume {:?} leads out of it", mount.name));
    }
    Ok(path)
}

fn security(pod: &Pod, container: &Container) -> Security {
    let (of_pod, own) = (&pod.spec.security_context, &container.security_context);
    let user = own.run_as_user.or(of_pod.run_as_user);
    let mut groups = of_pod.supplemental_groups.clone();
    groups.extend(of_pod.fs_group);
    Security {
        user,
        group: own.run_as_group.or(of_pod.run_as_group),
        groups,
        must_not_be_root: own.run_as_non_root.or(of_pod.run_as_non_root).unwrap_or(false),
        privileged: own.privileged,
        no_new_privileges: own.allow_privilege_escalation == Some(false) && !own.privileged,
        read_only_root: own.read_only_root_filesystem,
        add_capabilities: own.capabilities.add.clone(),
        drop_capabilities: own.capabilities.drop.clone(),
        seccomp: own.seccomp_profile.clone().or_else(|| of_pod.seccomp_profile.clone()),
        unmasked_proc: own.proc_mount.as_deref() == Some("Unmasked"),
    }
}

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

fn dns(pod: &Pod, node: &NodeFacts) -> DnsPlan {
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

    #[test]
    fn a_sub_path_stays_in_its_volume() {
        let pod = pod(json!({"containers": [{"name": "c", "image": "i", "volumeMounts": [
            {"name": "v", "mountPath": "/x", "subPath": "../../etc"}]}]}));
        let node = node();
        let cx = Downward { pod: &pod, node: &node, pod_ips: &[] };
        let plan = container(cx, &pod.spec.containers[0], &Objects::default(), 0, "sha");
        assert!(plan.is_err_and(|why| why.contains("leads out")));
    }
}
