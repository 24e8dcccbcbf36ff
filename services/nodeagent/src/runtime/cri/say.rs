//! Plans, said in CRI.

use rutter_cri::runtime as cri;
use rutter_nodeagent_core::plan::{ContainerPlan, Mount, MountSource, Namespaces, SandboxPlan, Security};
use rutter_nodeagent_core::resources::Limits;
use rutter_nodeagent_core::view::SeccompProfile;

use super::{Cri, image_spec};
use crate::disk::log_name;

/// kubelet's defaults (`pkg/securitycontext`).
const MASKED_PATHS: [&str; 11] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];
const READONLY_PATHS: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

impl Cri {
    pub(super) fn sandbox_config(&self, plan: &SandboxPlan) -> cri::PodSandboxConfig {
        let dns = cri::DnsConfig {
            servers: plan.dns.servers.clone(),
            searches: plan.dns.searches.clone(),
            options: plan.dns.options.clone(),
        };
        let security = cri::LinuxSandboxSecurityContext {
            namespace_options: Some(namespaces(plan.namespaces)),
            privileged: plan.privileged,
            seccomp: Some(unconfined()),
            ..Default::default()
        };
        cri::PodSandboxConfig {
            metadata: Some(cri::PodSandboxMetadata {
                name: plan.name.clone(),
                uid: plan.uid.clone(),
                namespace: plan.namespace.clone(),
                attempt: plan.attempt,
            }),
            hostname: plan.hostname.clone(),
            log_directory: self.paths.logs(&plan.uid).display().to_string(),
            dns_config: Some(dns),
            port_mappings: plan.ports.iter().map(port).collect(),
            labels: plan.labels.clone().into_iter().collect(),
            annotations: plan.annotations.clone().into_iter().collect(),
            linux: Some(cri::LinuxPodSandboxConfig {
                cgroup_parent: format!("{}/pod{}", self.cgroup_root, plan.uid),
                security_context: Some(security),
                sysctls: plan.sysctls.clone().into_iter().collect(),
                ..Default::default()
            }),
        }
    }

    /// Makes the files the container is given, and says the rest.
    pub(super) fn container_config(
        &self,
        uid: &str,
        plan: &ContainerPlan,
    ) -> Result<cri::ContainerConfig, String> {
        let log_dir = self.paths.logs(uid).join(&plan.name);
        std::fs::create_dir_all(log_dir).map_err(|why| format!("the log directory: {why}"))?;
        let mounts =
            plan.mounts.iter().map(|mount| self.mount(uid, plan, mount)).collect::<Result<_, _>>()?;
        let key_value =
            |(key, value): &(String, String)| cri::KeyValue { key: key.clone(), value: value.clone() };
        Ok(cri::ContainerConfig {
            metadata: Some(cri::ContainerMetadata { name: plan.name.clone(), attempt: plan.attempt }),
            image: Some(image_spec(&plan.image_ref)),
            command: plan.command.clone(),
            args: plan.args.clone(),
            working_dir: plan.working_dir.clone(),
            envs: plan.env.iter().map(key_value).collect(),
            mounts,
            labels: plan.labels.clone().into_iter().collect(),
            annotations: plan.annotations.clone().into_iter().collect(),
            log_path: log_name(&plan.name, plan.attempt),
            stdin: plan.stdin,
            stdin_once: plan.stdin_once,
            tty: plan.tty,
            linux: Some(cri::LinuxContainerConfig {
                resources: Some(resources(plan.limits)),
                security_context: Some(security(&plan.security, container_namespaces(plan))),
            }),
            ..Default::default()
        })
    }

    fn mount(&self, uid: &str, plan: &ContainerPlan, mount: &Mount) -> Result<cri::Mount, String> {
        let host_path = match &mount.source {
            MountSource::Volume { name, sub_path } => self.volume_path(uid, name, sub_path)?,
            MountSource::HostsFile => self.paths.hosts(uid),
            MountSource::MessageFile => self.message_file(uid, plan)?,
        };
        let propagation = match mount.propagation.as_deref() {
            Some("HostToContainer") => cri::MountPropagation::PropagationHostToContainer,
            Some("Bidirectional") => cri::MountPropagation::PropagationBidirectional,
            _ => cri::MountPropagation::PropagationPrivate,
        };
        Ok(cri::Mount {
            container_path: mount.path.clone(),
            host_path: host_path.display().to_string(),
            readonly: mount.read_only,
            propagation: propagation.into(),
            ..Default::default()
        })
    }

    /// Where a volume lies: in memory, on the disk, or elsewhere on the node.
    fn volume_path(&self, uid: &str, name: &str, sub_path: &str) -> Result<std::path::PathBuf, String> {
        let places = [
            self.paths.memory_volume(uid, name),
            self.paths.volume(uid, name),
            self.paths.image_volume(uid, name),
        ];
        let link = self.paths.host_volume(uid, name);
        let found = places.into_iter().find(|place| place.exists()).or_else(|| std::fs::read_link(link).ok());
        let root = found.ok_or_else(|| format!("volume {name:?} is not mounted"))?;
        if sub_path.is_empty() {
            return Ok(root);
        }
        let path = root.join(sub_path);
        if !path.exists() {
            std::fs::create_dir_all(&path).map_err(|why| format!("subPath {sub_path:?}: {why}"))?;
        }
        // A link inside the volume may not lead out of it.
        let real = path.canonicalize().map_err(|why| format!("subPath {sub_path:?}: {why}"))?;
        let real_root = root.canonicalize().map_err(|why| format!("volume {name:?}: {why}"))?;
        if real.starts_with(&real_root) {
            Ok(real)
        } else {
            Err(format!("subPath {sub_path:?} leads out of its volume"))
        }
    }

    fn message_file(&self, uid: &str, plan: &ContainerPlan) -> Result<std::path::PathBuf, String> {
        use std::os::unix::fs::PermissionsExt;
        let path = self.paths.message(uid, &plan.name, plan.attempt);
        let make = || {
            std::fs::create_dir_all(path.parent().expect("it lies in the pod's directory"))?;
            std::fs::write(&path, b"")?;
            // The container's user, whoever it is, writes it.
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))
        };
        make().map_err(|why| format!("the termination message's file: {why}"))?;
        Ok(path)
    }
}

fn port(port: &rutter_nodeagent_core::plan::HostPort) -> cri::PortMapping {
    let protocol = match port.protocol.as_str() {
        "UDP" => cri::Protocol::Udp,
        "SCTP" => cri::Protocol::Sctp,
        _ => cri::Protocol::Tcp,
    };
    cri::PortMapping {
        protocol: protocol.into(),
        container_port: i32::from(port.container_port),
        host_port: i32::from(port.host_port),
        host_ip: port.host_ip.clone(),
    }
}

fn namespaces(of: Namespaces) -> cri::NamespaceOption {
    use cri::NamespaceMode::{Container, Node, Pod};
    let pick = |host: bool, otherwise: cri::NamespaceMode| if host { Node } else { otherwise };
    cri::NamespaceOption {
        network: pick(of.host_network, Pod).into(),
        pid: pick(of.host_pid, if of.share_pid { Pod } else { Container }).into(),
        ipc: pick(of.host_ipc, Pod).into(),
        ..Default::default()
    }
}

/// A container may see the processes of another one.
fn container_namespaces(plan: &ContainerPlan) -> cri::NamespaceOption {
    let mut option = namespaces(plan.namespaces);
    if let Some(target) = plan.sees_processes_of.as_ref().filter(|_| !plan.namespaces.host_pid) {
        option.pid = cri::NamespaceMode::Target.into();
        option.target_id.clone_from(target);
    }
    option
}

pub(super) fn resources(limits: Limits) -> cri::LinuxContainerResources {
    cri::LinuxContainerResources {
        cpu_period: limits.cpu_period_us,
        cpu_quota: limits.cpu_quota_us,
        cpu_shares: limits.cpu_shares,
        memory_limit_in_bytes: limits.memory_bytes,
        oom_score_adj: limits.oom_score_adj,
        ..Default::default()
    }
}

fn security(plan: &Security, of: cri::NamespaceOption) -> cri::LinuxContainerSecurityContext {
    let id = |value: Option<i64>| value.map(|value| cri::Int64Value { value });
    let masked = if plan.privileged || plan.unmasked_proc { &[][..] } else { &MASKED_PATHS[..] };
    let readonly = if plan.privileged || plan.unmasked_proc { &[][..] } else { &READONLY_PATHS[..] };
    cri::LinuxContainerSecurityContext {
        capabilities: Some(cri::Capability {
            add_capabilities: plan.add_capabilities.clone(),
            drop_capabilities: plan.drop_capabilities.clone(),
            ..Default::default()
        }),
        privileged: plan.privileged,
        namespace_options: Some(of),
        run_as_user: id(plan.user),
        // CRI wants a user where there is a group.
        run_as_group: id(plan.group.filter(|_| plan.user.is_some())),
        readonly_rootfs: plan.read_only_root,
        supplemental_groups: plan.groups.clone(),
        no_new_privs: plan.no_new_privileges,
        masked_paths: masked.iter().map(|path| (*path).to_owned()).collect(),
        readonly_paths: readonly.iter().map(|path| (*path).to_owned()).collect(),
        seccomp: Some(plan.seccomp.as_ref().map_or_else(unconfined, seccomp)),
        ..Default::default()
    }
}

fn seccomp(profile: &SeccompProfile) -> cri::SecurityProfile {
    use cri::security_profile::ProfileType;
    let (kind, path) = match profile.kind.as_str() {
        "RuntimeDefault" => (ProfileType::RuntimeDefault, String::new()),
        "Localhost" => (ProfileType::Localhost, profile.localhost_profile.clone()),
        _ => (ProfileType::Unconfined, String::new()),
    };
    cri::SecurityProfile { profile_type: kind.into(), localhost_ref: path }
}

fn unconfined() -> cri::SecurityProfile {
    let kind = cri::security_profile::ProfileType::Unconfined;
    cri::SecurityProfile { profile_type: kind.into(), localhost_ref: String::new() }
}
