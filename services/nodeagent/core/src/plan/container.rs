//! A container: its command and environment, what is mounted into it, who it runs as.

use std::collections::BTreeMap;

use crate::env;
use crate::fields::Downward;
use crate::objects::Objects;
use crate::resources;
use crate::veil::Veil;
use crate::view::{Container, Pod, VolumeMount};

use super::{ContainerPlan, Mount, MountSource, Namespaces, Security, label, pod_labels};

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
    let mut veil = Veil::new(&cx.pod.metadata.uid, &container.name);
    let env = env::environment(cx, container, objects, &mut veil)?;
    let lookup = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let expand = |texts: &[String]| texts.iter().map(|text| env::expand(text, lookup)).collect();
    let mounts = mounts(cx.pod, container, lookup, &veil)?;
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
        sees_processes_of: None,
        limits: resources::limits(cx.pod, container, cx.node.memory_bytes),
        message_path: container.termination_message_path().to_owned(),
        env,
        veil,
    })
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

fn mounts<'a>(
    pod: &Pod,
    container: &Container,
    lookup: impl Fn(&str) -> Option<&'a str> + Copy,
    veil: &Veil,
) -> Result<Vec<Mount>, String> {
    let mut mounts = Vec::new();
    for mount in &container.volume_mounts {
        let sub_path = sub_path(mount, lookup, veil)?;
        mounts.push(Mount {
            source: MountSource::Volume { name: mount.name.clone(), sub_path },
            path: mount.mount_path.clone(),
            read_only: mount.read_only || is_image(pod, &mount.name),
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

/// Whoever asks: an image is not written to.
fn is_image(pod: &Pod, volume: &str) -> bool {
    pod.spec.volumes.iter().any(|known| known.name == volume && known.image.is_some())
}

fn sub_path<'a>(
    mount: &VolumeMount,
    lookup: impl Fn(&str) -> Option<&'a str> + Copy,
    veil: &Veil,
) -> Result<String, String> {
    let path = if mount.sub_path_expr.is_empty() {
        mount.sub_path.clone()
    } else {
        // Who names a directory after a Secret says it to the disk.
        veil.reveal(&env::expand(&mount.sub_path_expr, lookup))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fixtures::{node, pod};
    use serde_json::json;

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
